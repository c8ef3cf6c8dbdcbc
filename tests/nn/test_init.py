"""Initialisers: their distributions, bounds and errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import init

SHAPE = (200, 300)
SAMPLING = 0.02
"""Relative error of a mean or standard deviation of 60000 draws: five of its standard errors."""


def standard_deviation(fill: Callable[..., Any], **arguments: Any) -> float:
    tensor = mg.zeros(*SHAPE)
    assert fill(tensor, **arguments) is tensor
    return float(np.std(tensor.array))


def test_gains() -> None:
    assert init.calculate_gain("linear") == init.calculate_gain("conv2d") == 1.0
    assert init.calculate_gain("tanh") == pytest.approx(5 / 3)
    assert init.calculate_gain("relu") == pytest.approx(math.sqrt(2))
    assert init.calculate_gain("leaky_relu", 0.2) == pytest.approx(math.sqrt(2 / 1.04))
    assert init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / 1.0001))
    assert init.calculate_gain("selu") == 0.75
    with pytest.raises(ValueError, match=r"expected one of .*relu.*, got 'swish'"):
        init.calculate_gain("swish")


@pytest.mark.parametrize(
    ("fill", "arguments", "expected"),
    [
        (init.uniform_, {"a": -1.0, "b": 2.0}, 3 / math.sqrt(12)),
        (init.normal_, {"mean": 3.0, "std": 0.5}, 0.5),
        (init.xavier_uniform_, {"gain": 2.0}, 2 * math.sqrt(2 / 500)),
        (init.xavier_normal_, {}, math.sqrt(2 / 500)),
        (init.kaiming_uniform_, {}, math.sqrt(2 / 300)),
        (init.kaiming_uniform_, {"a": 1.0}, math.sqrt(1 / 300)),
        (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "relu"}, math.sqrt(2 / 200)),
        (init.kaiming_normal_, {"nonlinearity": "tanh"}, 5 / 3 / math.sqrt(300)),
    ],
)
def test_standard_deviations(
    fill: Callable[..., Any], arguments: dict[str, Any], expected: float
) -> None:
    assert standard_deviation(fill, **arguments) == pytest.approx(expected, rel=SAMPLING)


def test_uniform_keeps_to_its_bounds() -> None:
    values = init.uniform_(mg.zeros(*SHAPE), -1.0, 2.0).array
    assert values.min() >= -1.0
    assert values.max() <= 2.0
    assert float(values.mean()) == pytest.approx(0.5, abs=SAMPLING)


def test_fans_count_the_receptive_field() -> None:
    assert init.fans("f", mg.zeros(4, 3, 5, 2)) == (30, 40)


@pytest.mark.parametrize(("a", "b"), [(-2.0, 2.0), (-0.1, 0.3), (4.0, 9.0)])
def test_truncated_normal(a: float, b: float) -> None:
    values = init.trunc_normal_(mg.zeros(20_000), 0.0, 1.0, a, b).array
    assert values.min() >= a
    assert values.max() <= b
    normal = NormalDist()
    mean = (normal.pdf(a) - normal.pdf(b)) / (normal.cdf(b) - normal.cdf(a))
    assert float(values.mean()) == pytest.approx(mean, abs=SAMPLING)


def test_constants() -> None:
    tensor = mg.zeros(2, 3)
    assert init.constant_(tensor, 2.5).tolist() == [[2.5] * 3] * 2
    assert init.ones_(tensor).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(tensor).tolist() == [[0.0] * 3] * 2
    assert init.eye_(tensor).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert init.ones_(mg.tensor([1, 2])).tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (3, 2, 5)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = init.orthogonal_(mg.zeros(*shape, dtype=np.float64), gain=2.0).array
    matrix = matrix.reshape(shape[0], -1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    # Rounding of one QR factorisation in float64.
    np.testing.assert_allclose(product, 4.0 * np.eye(min(rows, columns)), atol=1e-13)


def test_generators_and_precision() -> None:
    first = init.normal_(mg.zeros(5), generator=mg.Generator(3))
    again = init.normal_(mg.zeros(5), generator=mg.Generator(3))
    assert first.tolist() == again.tolist()
    wide = init.normal_(mg.zeros(5, dtype=np.float64), generator=mg.Generator(3))
    assert wide.array.astype(np.float32).tolist() == first.tolist()
    mg.manual_seed(1)
    a = nn.Linear(3, 4).weight.tolist()
    mg.manual_seed(1)
    assert nn.Linear(3, 4).weight.tolist() == a


def test_parameters_that_require_a_gradient_can_be_filled() -> None:
    parameter = nn.Parameter(mg.zeros(2, 2))
    version = parameter._version
    init.xavier_normal_(parameter)
    assert parameter.is_leaf
    assert parameter._version == version + 1


def test_views_are_filled_through() -> None:
    tensor = mg.zeros(2, 3)
    init.ones_(tensor.T)
    assert tensor.tolist() == [[1.0] * 3] * 2


def test_empty_tensors() -> None:
    for fill in (init.xavier_uniform_, init.kaiming_normal_, init.orthogonal_, init.normal_):
        assert fill(mg.zeros(0, 3)).shape == (0, 3)


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"kaiming_uniform_: .*at least 2 axes.*\(3,\)"):
        init.kaiming_uniform_(mg.zeros(3))
    with pytest.raises(ShapeError, match="orthogonal_"):
        init.orthogonal_(mg.zeros(3))
    with pytest.raises(ShapeError, match="eye_"):
        init.eye_(mg.zeros(3))
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'in'"):
        init.kaiming_normal_(mg.zeros(2, 2), mode="in")
    with pytest.raises(DTypeError, match="floating Tensor"):
        init.normal_(mg.tensor([1, 2]))
    with pytest.raises(ValueError, match="a must be less than b"):
        init.trunc_normal_(mg.zeros(2), a=1.0, b=1.0)


def test_linear_starts_as_in_pytorch() -> None:
    layer = nn.Linear(300, 200)
    bound = 1 / math.sqrt(300)
    for parameter in layer.parameters():
        assert float(np.abs(parameter.array).max()) <= bound
    assert float(np.std(layer.weight.array)) == pytest.approx(bound / math.sqrt(3), rel=SAMPLING)
    # 200 draws: the standard error is 4.5 times that of the weight's test per axis.
    assert float(np.std(np.asarray(layer.bias))) == pytest.approx(bound / math.sqrt(3), rel=0.15)
    assert nn.Linear(0, 2).bias is not None


def test_embedding_starts_as_in_pytorch() -> None:
    layer = nn.Embedding(200, 300, padding_idx=-1)
    assert float(np.std(layer.weight.array[:-1])) == pytest.approx(1.0, rel=SAMPLING)
    assert not layer.weight.array[-1].any()
