"""Weight normalisation and weight standardisation."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.parametrize import is_parametrized, remove_parametrizations
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""Some roundings in float64."""
FLOAT32 = 1e-6
"""Some roundings in float32."""


class Filters(nn.Module):
    """Weights of four axes, as those of a convolution: what is used of them is all of them."""

    def __init__(self, shape: tuple[int, ...], rng: np.random.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(rng.normal(size=shape) + 0.5)

    def forward(self) -> Any:
        return self.weight


def norms(v: Array, dim: int | None) -> Array:
    """Return lengths, in the shape that broadcasts."""
    axes = tuple(axis for axis in range(v.ndim) if axis != dim)
    return np.asarray(np.sqrt(np.square(v).sum(axes, keepdims=dim is not None)))


DIMS = [((4, 3), 0), ((4, 3), 1), ((4, 3), None), ((4, 3, 2, 5), 0), ((4, 3, 2, 5), 2), ((5,), 0)]
of_dims = pytest.mark.parametrize(("shape", "dim"), DIMS)


def parts(layer: nn.Module) -> tuple[nn.Parameter, nn.Parameter]:
    g, v = layer.parametrizations["weight"].originals()
    return g, v


@of_dims
def test_length_times_direction(
    shape: tuple[int, ...], dim: int | None, rng: np.random.Generator
) -> None:
    layer = Filters(shape, rng)
    before = np.array(layer.weight)
    assert nn.weight_norm(layer, dim=dim) is layer
    np.testing.assert_array_equal(np.asarray(layer()), before)  # not a bit is lost
    g, v = parts(layer)
    np.testing.assert_allclose(g.array, norms(before, dim), rtol=FLOAT64)
    np.testing.assert_array_equal(v.array, before)
    g.array[...] = rng.normal(size=g.shape)
    v.array[...] = rng.normal(size=v.shape)
    expected = g.array * v.array / norms(v.array, dim)
    np.testing.assert_allclose(np.asarray(layer()), expected, rtol=FLOAT64)
    v.array *= 7.0  # the direction alone counts
    np.testing.assert_allclose(np.asarray(layer()), expected, rtol=FLOAT64)
    np.testing.assert_allclose(norms(np.asarray(layer()), dim), np.abs(g.array), rtol=FLOAT64)


@of_dims
def test_gradients(shape: tuple[int, ...], dim: int | None, rng: np.random.Generator) -> None:
    layer = nn.weight_norm(Filters(shape, rng), dim=dim)
    g, v = parts(layer)
    function = layer.parametrizations["weight"][0]
    inputs = [rng.normal(size=g.shape), np.array(v)]
    gradcheck(function, inputs, max_elements=20)
    gradgradcheck(function, inputs, max_elements=8)
    gradgradcheck(function, inputs, order=3, max_elements=4, projections=2)
    upstream = rng.normal(size=shape)
    layer().backward(mg.tensor(upstream))
    dv, dg = np.asarray(v.grad), np.asarray(g.grad)
    axes = tuple(axis for axis in range(v.ndim) if axis != dim)
    # Steps along the gradient of v are orthogonal to v; that of g is the upstream along v.
    np.testing.assert_allclose((dv * v.array).sum(axes), 0.0, atol=FLOAT64)
    along = (upstream * v.array / norms(v.array, dim)).sum(axes, keepdims=dim is not None)
    np.testing.assert_allclose(dg, along, rtol=1e-10, atol=FLOAT64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_computes_what_it_did(dtype: Any) -> None:
    layer = nn.Linear(20, 10, dtype=dtype)
    twin, x = copy.deepcopy(layer), mg.randn(6, 20, dtype=dtype)
    nn.weight_norm(layer)
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(twin(x)))
    assert layer(x).dtype == dtype
    layer(x).square().sum().backward()
    twin(x).square().sum().backward()
    g, v = parts(layer)
    dw, w = np.asarray(twin.weight.grad), np.asarray(twin.weight)
    # With g = |v|, the gradient of v is that of w without what is along v.
    length = np.square(w).sum(1, keepdims=True)
    expected = dw - w * (dw * w).sum(1, keepdims=True) / length
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(np.asarray(v.grad), expected, rtol=tolerance, atol=tolerance)
    assert g.grad is not None
    nn.remove_weight_norm(layer)
    np.testing.assert_array_equal(np.asarray(layer.weight), w)
    assert type(layer) is nn.Linear
    assert sorted(name for name, _ in layer.named_parameters()) == ["bias", "weight"]
    assert layer.weight.requires_grad


def test_weights_whose_squares_overflow() -> None:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.array[...] = [[3e30, 4e30]]
    nn.weight_norm(layer)
    np.testing.assert_allclose(parts(layer)[0].array, [[5e30]], rtol=FLOAT32)
    np.testing.assert_allclose(np.asarray(layer.weight), [[3e30, 4e30]], rtol=FLOAT32)


def test_copies_and_state() -> None:
    net = nn.Sequential(nn.weight_norm(nn.Linear(3, 4)), nn.Tanh(), nn.weight_norm(nn.Linear(4, 2)))
    twin = copy.deepcopy(net)
    x = mg.randn(5, 3)
    y = np.asarray(net(x))
    np.testing.assert_array_equal(np.asarray(twin(x)), y)
    for parameter in twin.parameters():
        parameter.array[...] = 0.5
    np.testing.assert_array_equal(np.asarray(net(x)), y)
    twin.load_state_dict(net.state_dict())
    np.testing.assert_array_equal(np.asarray(twin(x)), y)
    assert list(net[0].state_dict()) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip


def test_the_text_of_weight_norm() -> None:
    assert "(0): WeightNorm(dim=None)" in repr(nn.weight_norm(nn.Linear(3, 2), dim=None))


def test_what_weight_norm_refuses() -> None:
    layer = nn.Linear(3, 2)
    with pytest.raises(ShapeError, match="dim must be None or an axis from 0 to 1, got -1"):
        nn.weight_norm(layer, dim=-1)
    with pytest.raises(ShapeError, match="an axis from 0 to 1, got 2"):
        nn.weight_norm(layer, dim=2)
    with pytest.raises(ValueError, match="has no parameter 'other'"):
        nn.weight_norm(layer, "other")
    with pytest.raises(ValueError, match="has no parameter 'weight' with weight normalisation"):
        nn.remove_weight_norm(layer)
    wrap: Any
    for wrap in (nn.weight_norm, nn.remove_weight_norm, nn.weight_standardization):
        with pytest.raises(DTypeError, match="expected a Module, got 3"):
            wrap(3)
    layer.weight.array[1] = 0.0
    with pytest.raises(ValueError, match=r"index 1 of axis 0 of the weight of shape \(2, 3\) is z"):
        nn.weight_norm(layer)
    assert not is_parametrized(layer)
    nn.weight_norm(layer, dim=None)
    with pytest.raises(ValueError, match="'weight' of ParametrizedLinear has one already"):
        nn.weight_norm(layer)
    with pytest.raises(ValueError, match="it of the weight of shape"):
        layer.weight = nn.Parameter(np.zeros((2, 3)))
    nn.weight_standardization(layer)
    with pytest.raises(ValueError, match="with weight normalisation alone"):
        nn.remove_weight_norm(layer)


# ---------------------------------------------------------------------------------- standardisation


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2, 5)])
def test_standardised_weights(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    layer = Filters(shape, rng)
    v = np.array(layer.weight)
    axes = tuple(range(1, len(shape)))
    mean, var = v.mean(axes, keepdims=True), v.var(axes, keepdims=True)
    nn.weight_standardization(layer, eps=0.25)
    w = np.asarray(layer())
    np.testing.assert_allclose(w, (v - mean) / np.sqrt(var + 0.25), rtol=1e-10, atol=FLOAT64)
    np.testing.assert_allclose(w.mean(axes), 0.0, atol=FLOAT64)
    np.testing.assert_allclose(w.var(axes), (var / (var + 0.25)).reshape(-1), rtol=1e-10)
    function = layer.parametrizations["weight"][0]
    gradcheck(function, v, max_elements=20)
    gradgradcheck(function, v, max_elements=8)
    gradgradcheck(function, v, order=3, max_elements=4, projections=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_have_mean_0_and_variance_1(dtype: Any) -> None:
    layer = nn.weight_standardization(nn.Linear(500, 10, dtype=dtype))
    tolerance = FLOAT32 if dtype == np.float32 else 1e-6  # eps is 1e-7 of a variance of 1/1500
    for _ in range(2):
        w = np.asarray(layer.weight)
        assert w.dtype == dtype
        np.testing.assert_allclose(w.mean(1, dtype=np.float64), 0.0, atol=tolerance)
        np.testing.assert_allclose(w.var(1, dtype=np.float64), 1.0, rtol=tolerance)
        original = layer.parametrizations["weight"].original
        original.array[...] = original.array * 3 + 1  # scale and shift of rows do not count
        np.testing.assert_allclose(np.asarray(layer.weight), w, rtol=1e-3, atol=1e-4)


def test_gradients_of_standardised_weights_change_no_row(rng: np.random.Generator) -> None:
    """As those of BatchNorm: sum 0 and, with eps 0, orthogonal to the row."""
    layer = nn.weight_standardization(nn.Linear(6, 3, dtype=np.float64), eps=0.0)
    layer(mg.tensor(rng.normal(size=(5, 6)))).backward(mg.tensor(rng.normal(size=(5, 3))))
    original = layer.parametrizations["weight"].original
    dv = np.asarray(original.grad)
    np.testing.assert_allclose(dv.sum(1), 0.0, atol=1e-11)
    np.testing.assert_allclose((dv * original.array).sum(1), 0.0, atol=1e-11)


def test_removal_of_standardisation() -> None:
    layer = nn.weight_standardization(nn.Linear(6, 3))
    x = mg.randn(4, 6)
    y, state = np.asarray(layer(x)), layer.state_dict()
    assert list(state) == ["bias", "parametrizations.weight.original"]
    assert "(0): WeightStandardization(eps=1e-10)" in repr(layer)
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(np.asarray(remove_parametrizations(layer, "weight")(x)), y)
    plain = remove_parametrizations(twin, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(
        np.asarray(plain.weight), np.asarray(state["parametrizations.weight.original"])
    )


def test_what_standardisation_refuses() -> None:
    with pytest.raises(ValueError, match="eps must be a finite number >= 0, got -1"):
        nn.weight_standardization(nn.Linear(3, 2), eps=-1)
    with pytest.raises(ShapeError, match=r"two weights .* 'weight' of shape \(2, 1\)"):
        nn.weight_standardization(nn.Linear(1, 2))
    with pytest.raises(ShapeError, match=r"'bias' of shape \(2,\)"):
        nn.weight_standardization(nn.Linear(3, 2), "bias")
    with pytest.raises(ValueError, match="has no parameter 'other'"):
        nn.weight_standardization(nn.Linear(3, 2), "other")
