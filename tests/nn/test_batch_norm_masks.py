"""Masks and weights in BatchNorm: what does not count is not there, and weights are repetitions."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing import gradcheck, gradgradcheck
from minigrad.typing import Array

FLOAT64 = 1e-12
"""A few roundings in float64."""
UNIT = float(np.finfo(np.float32).eps)
SHAPES = [(6, 3), (5, 3, 4), (2, 3, 2, 5)]


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    return (rng.normal(size=shape) * 2.0 + 5.0).astype(dtype)


def trained(rng: np.random.Generator, dtype: Any = np.float64, **options: Any) -> nn.BatchNorm:
    """Return a layer with running statistics, weight and bias that are not those of the start."""
    layer = nn.BatchNorm(3, dtype=dtype, **options)
    layer(mg.tensor(draw(rng, (7, 3), dtype)))
    with mg.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(mg.tensor(rng.uniform(0.5, 2.0, 3).astype(dtype)))
    return layer


def state_of(layer: nn.Module) -> dict[str, Array]:
    return {name: np.array(value) for name, value in layer.named_buffers()}


def some_mask(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return a mask of (N, *S) with two values or more on both sides."""
    mask = rng.random((shape[0], *shape[2:])) < 0.6
    mask.flat[:4] = True, False, True, False
    return mask


def gradients(
    layer: nn.BatchNorm, x: Array, dy: Array, **arguments: Any
) -> tuple[Array, Array, dict[str, Array]]:
    """Return y, dx and the gradients of the parameters."""
    inputs = mg.tensor(x, requires_grad=True)
    y = layer(inputs, **arguments)
    named = dict(layer.named_parameters())
    dx, *others = mg.grad(y, [inputs, *named.values()], dy)
    assert dx is not None
    found = {name: np.array(g) for name, g in zip(named, others, strict=True)}
    return np.asarray(y.detach()), np.array(dx), found


# ---------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mode", ["train", "eval", "frozen", "no parameters", "detached"])
@pytest.mark.parametrize("shape", SHAPES)
def test_masked_is_compacted(
    shape: tuple[int, ...], mode: str, dtype: Any, rng: np.random.Generator
) -> None:
    """To the bit: y, dx, dweight, dbias, running statistics. What is masked is NaN here."""
    options = {"affine": mode != "no parameters", "detach_statistics": mode == "detached"}
    layer = trained(rng, dtype, **options)
    layer = layer.eval() if mode == "eval" else layer.freeze() if mode == "frozen" else layer
    other = copy.deepcopy(layer)
    x, dy, mask = draw(rng, shape, dtype), draw(rng, shape, dtype), some_mask(rng, shape)
    rows = np.moveaxis(x, 1, -1)[mask]
    y_rows, dx_rows, expected = gradients(other, rows, np.moveaxis(dy, 1, -1)[mask])

    np.moveaxis(x, 1, -1)[~mask] = np.nan
    np.moveaxis(dy, 1, -1)[~mask] = np.nan
    y, dx, found = gradients(layer, x, dy, mask=mg.tensor(mask))
    for got, want in ((y, y_rows), (dx, dx_rows)):
        assert got.dtype == dtype
        np.testing.assert_array_equal(np.moveaxis(got, 1, -1)[mask], want)
        np.testing.assert_array_equal(np.moveaxis(got, 1, -1)[~mask], 0.0)
    for name, want in expected.items():
        np.testing.assert_array_equal(found[name], want)
    for name, value in state_of(other).items():
        np.testing.assert_array_equal(state_of(layer)[name], value)


def test_what_is_masked_does_not_count(rng: np.random.Generator) -> None:
    """Of 1, 2, 6 and padding, the mean is 3 and not 1.5."""
    layer = nn.BatchNorm1d(1, momentum=1.0, dtype=np.float64)
    x = mg.tensor([[[1.0, 2.0, 6.0, 0.0, 0.0, 0.0]]], dtype=np.float64)
    layer(x, mask=mg.tensor([[True] * 3 + [False] * 3]))
    assert state_of(layer)["running_mean"] == 3.0
    # (4 + 1 + 9) / 2: the n of Bessel's factor is that of the mask.
    np.testing.assert_allclose(state_of(layer)["running_var"], 7.0, rtol=FLOAT64)


def test_a_mask_of_samples_is_one_of_all_their_values(rng: np.random.Generator) -> None:
    layer = trained(rng)
    x = mg.tensor(draw(rng, (4, 3, 5)))
    keep = np.array([True, False, True, True])
    y = layer(x, mask=mg.tensor(keep))
    wide = copy.deepcopy(layer)(x, mask=mg.tensor(np.repeat(keep[:, None], 5, axis=1)))
    np.testing.assert_array_equal(np.asarray(y), np.asarray(wide))
    column = copy.deepcopy(layer)(x, mask=mg.tensor(keep[:, None]))
    np.testing.assert_array_equal(np.asarray(y), np.asarray(column))
    assert np.all(np.asarray(y)[1] == 0.0)


def test_a_mask_of_all_is_no_mask(rng: np.random.Generator) -> None:
    layer = trained(rng)
    other = copy.deepcopy(layer)
    x, dy = draw(rng, (4, 3, 5)), draw(rng, (4, 3, 5))
    found = gradients(layer, x, dy, mask=mg.tensor(np.ones(4, bool)))
    expected = gradients(other, x, dy)
    for got, want in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(got, want, rtol=FLOAT64, atol=FLOAT64)
    for name, value in state_of(other).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)


def test_all_masked_is_an_empty_batch(rng: np.random.Generator) -> None:
    layer = trained(rng)
    before = state_of(layer)
    x = np.full((4, 3, 2), np.nan)
    y, dx, parameters = gradients(layer, x, draw(rng, x.shape), mask=mg.zeros(4, dtype=np.bool_))
    for value in (y, dx, *parameters.values()):
        assert np.all(value == 0.0)
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("training", [True, False])
def test_one_unmasked_value_is_one_value_per_channel(
    training: bool, rng: np.random.Generator
) -> None:
    layer = trained(rng).train(training)
    x, mask = mg.tensor(draw(rng, (4, 3))), mg.tensor([False, True, False, False])
    before = state_of(layer)
    if training:
        message = r"more than one value per channel.*\(4, 3\) under its mask"
        with pytest.raises(ShapeError, match=message):
            layer(x, mask=mask)
        for name, value in state_of(layer).items():
            np.testing.assert_array_equal(value, before[name])
    evaluated = layer.eval()(x)
    layer.train(training).single = "eval"
    y = np.asarray(layer(x, mask=mask))
    np.testing.assert_array_equal(y[1], np.asarray(evaluated)[1])
    assert np.all(y[[0, 2, 3]] == 0.0)
    with pytest.raises(
        ShapeError, match=r"mask and sample_weight leave one of x of shape \(4, 3\)"
    ):
        F.batch_norm(x, None, None, training=True, mask=mask)


def test_memory_order_of_a_masked_result(rng: np.random.Generator) -> None:
    """As that of x: channels first, or last."""
    layer = trained(rng)
    x = mg.tensor(draw(rng, (4, 3, 5)))
    mask = mg.tensor([True, True, False, True])
    assert layer(x, mask=mask).is_contiguous()
    last = mg.movedim(mg.movedim(x, 1, -1).contiguous(), -1, 1)
    assert mg.movedim(layer(last, mask=mask), 1, -1).is_contiguous()


@pytest.mark.parametrize("track", [True, False])
def test_masked_gradients_at_first_and_second_order(track: bool, rng: np.random.Generator) -> None:
    mask = some_mask(rng, (4, 3, 2))

    def run(x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> Any:
        mean, var = (mg.zeros(3), mg.ones(3)) if track else (None, None)
        return F.batch_norm(x, mean, var, weight, bias, True, mask=mask)

    inputs = [draw(rng, (4, 3, 2)), *rng.uniform(0.5, 2.0, (2, 3))]
    gradcheck(run, inputs)
    gradgradcheck(run, inputs)


# ---------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_of_zero_and_one_give_the_statistics_of_a_mask(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    """And all samples are normalised by them, those of weight zero, too."""
    layer = trained(rng, momentum=1.0)
    other = copy.deepcopy(layer)
    x, mask = draw(rng, shape), some_mask(rng, shape)
    weighted = np.asarray(layer(mg.tensor(x), sample_weight=mg.tensor(mask.astype(np.float64))))
    masked = np.asarray(other(mg.tensor(x), mask=mg.tensor(mask)))
    for name, value in state_of(other).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)
    inside = np.broadcast_to(np.expand_dims(mask, 1), shape)
    np.testing.assert_allclose(weighted[inside], masked[inside], rtol=FLOAT64, atol=FLOAT64)
    assert np.all(weighted[~inside] != 0.0)


def test_mask_and_weights_together(rng: np.random.Generator) -> None:
    """Weights of what is masked do not matter."""
    layer = trained(rng)
    other = copy.deepcopy(layer)
    x, mask = draw(rng, (4, 3, 5)), some_mask(rng, (4, 3, 5))
    w = rng.uniform(0.5, 2.0, mask.shape)
    y = np.asarray(layer(mg.tensor(x), mask=mg.tensor(mask), sample_weight=mg.tensor(w)))
    rows = np.moveaxis(x, 1, -1)[mask]
    expected = np.asarray(other(mg.tensor(rows), sample_weight=mg.tensor(w[mask])))
    np.testing.assert_array_equal(np.moveaxis(y, 1, -1)[mask], expected)
    assert np.all(np.moveaxis(y, 1, -1)[~mask] == 0.0)
    for name, value in state_of(other).items():
        np.testing.assert_array_equal(state_of(layer)[name], value)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_weights_that_count_repetitions(dtype: Any, rng: np.random.Generator) -> None:
    """Mean and biased variance are those of repeated data, and so is y."""
    x, counts = draw(rng, (5, 3, 2)), np.array([1, 3, 0, 2, 1])
    layer = trained(rng, momentum=1.0, unbiased=False)
    other = copy.deepcopy(layer)
    y = np.asarray(layer(mg.tensor(x), sample_weight=mg.tensor(counts.astype(dtype))))
    repeated = np.asarray(other(mg.tensor(np.repeat(x, counts, axis=0))))
    for name, value in state_of(other).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)
    np.testing.assert_allclose(np.repeat(y, counts, axis=0), repeated, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("factor", [1.0, 3.0, 1e300, 1e-300, 5e-324])
def test_only_ratios_of_weights_matter(factor: float, rng: np.random.Generator) -> None:
    """Equal ones are none, Bessel's factor n / (n - 1) included, whatever their size."""
    x = draw(rng, (5, 3, 2))
    layer = trained(rng, momentum=1.0)
    other = copy.deepcopy(layer)
    y = np.asarray(layer(mg.tensor(x), sample_weight=mg.tensor(np.full(5, factor))))
    np.testing.assert_allclose(y, np.asarray(other(mg.tensor(x))), rtol=FLOAT64, atol=FLOAT64)
    for name, value in state_of(other).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)


def test_weighted_statistics_against_numpy(rng: np.random.Generator) -> None:
    x, w = draw(rng, (5, 3, 2)), rng.uniform(0.1, 3.0, 5)
    layer = trained(rng, momentum=1.0)
    layer(mg.tensor(x), sample_weight=mg.tensor(w))
    wide = np.repeat(w, 2)
    rows = np.moveaxis(x, 1, -1).reshape(-1, 3)
    mean = np.average(rows, axis=0, weights=wide)
    var = np.average(np.square(rows - mean), axis=0, weights=wide)
    n_eff = wide.sum() ** 2 / np.square(wide).sum()
    np.testing.assert_allclose(state_of(layer)["running_mean"], mean, rtol=FLOAT64)
    np.testing.assert_allclose(
        state_of(layer)["running_var"], var * n_eff / (n_eff - 1.0), rtol=FLOAT64
    )


def test_bessels_factor_where_one_weight_dominates() -> None:
    """The unbiased variance of two values is half their squared distance, for any weights."""
    for small in (1.0, 1e-9, 1e-17):
        layer = nn.BatchNorm1d(1, momentum=1.0, dtype=np.float64)
        layer(mg.tensor([[2.0], [5.0]], dtype=np.float64), sample_weight=mg.tensor([1.0, small]))
        np.testing.assert_allclose(
            state_of(layer)["running_var"], 4.5, rtol=1e-6
        )  # float32 weights


def test_weighted_unbiased_variance_is_unbiased(rng: np.random.Generator) -> None:
    """On average over many batches it is the variance of the data; the biased one is not."""
    w, draws = mg.tensor(np.array([1.0, 2.0, 4.0])), 4000
    x = mg.tensor(rng.normal(size=(3, draws)) * 3.0)
    found = {}
    for unbiased in (True, False):
        mean, var = mg.zeros(draws, dtype=np.float64), mg.ones(draws, dtype=np.float64)
        F.batch_norm(x, mean, var, training=True, momentum=1.0, sample_weight=w, unbiased=unbiased)
        found[unbiased] = float(np.mean(var.array))
    assert abs(found[True] - 9.0) < 0.6  # five deviations of the mean of 4000 such variances
    np.testing.assert_allclose(found[False], found[True] * (1.0 - 21.0 / 49.0), rtol=FLOAT64)


def test_weighted_gradients_at_first_and_second_order(rng: np.random.Generator) -> None:
    """Of x, weight, bias and the weights of the samples."""

    def run(x: mg.Tensor, w: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> Any:
        return F.batch_norm(x, None, None, weight, bias, True, sample_weight=w)

    for shape in ((5, 2), (3, 2, 2)):
        w = rng.uniform(0.5, 2.0, shape[:1] if len(shape) == 2 else (3, 2))
        inputs = [draw(rng, shape), w, *rng.uniform(0.5, 2.0, (2, 2))]
        gradcheck(run, inputs)
        gradgradcheck(run, inputs)


def test_weighted_float32_within_four_units(rng: np.random.Generator) -> None:
    """Against extended precision, for means up to a million times the spread."""
    for offset in (0.0, 1e2, 1e4, 1e6):
        x = (rng.normal(size=(64, 3, 4)) + offset).astype(np.float32)
        w = rng.uniform(0.0, 2.0, 64)
        y = F.batch_norm(mg.tensor(x), None, None, training=True, sample_weight=w, eps=1e-5)
        assert y.dtype == np.float32
        exact, along = x.astype(np.longdouble), w[:, None, None] / np.longdouble(4.0 * w.sum())
        mean = (exact * along).sum((0, 2), keepdims=True)
        var = (np.square(exact - mean) * along).sum((0, 2), keepdims=True)
        expected = (exact - mean) / np.sqrt(var + 1e-5)
        error = np.abs(np.asarray(y) - expected) / (UNIT * np.maximum(1.0, np.abs(expected)))
        assert np.max(error) <= 4.0


def test_one_positive_weight_is_one_value_per_channel(rng: np.random.Generator) -> None:
    """But not where its sample has several values."""
    layer, weights = trained(rng), mg.tensor([0.0, 2.0, 0.0, 0.0])
    before = state_of(layer)
    with pytest.raises(ShapeError, match="more than one value per channel"):
        layer(mg.tensor(draw(rng, (4, 3))), sample_weight=weights)
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, before[name])
    layer(mg.tensor(draw(rng, (4, 3, 2))), sample_weight=weights)


@pytest.mark.parametrize("weights", [[1.0, 5e-324], [1e-310, 1.0], [1e300, 1e-300]])
def test_a_weight_that_is_nothing_beside_another_does_not_count(
    weights: list[float], rng: np.random.Generator
) -> None:
    """Two values would have no unbiased variance that can be computed; three have one."""
    layer = trained(rng, momentum=1.0)
    with pytest.raises(ShapeError, match="more than one value per channel"):
        layer(mg.tensor(draw(rng, (2, 3))), sample_weight=np.array(weights))
    x, weights = draw(rng, (3, 3)), [*weights, max(weights)]
    layer(mg.tensor(x), sample_weight=np.array(weights))
    counted = x[np.array(weights) == max(weights)]
    np.testing.assert_allclose(
        state_of(layer)["running_var"], counted.var(axis=0, ddof=1), rtol=FLOAT64
    )


def test_constant_channels_have_no_deviation() -> None:
    x = mg.full((5, 1, 2), 0.1, requires_grad=True)
    y = nn.BatchNorm1d(1)(x, sample_weight=mg.tensor([1.0, 0.3, 0.7, 2.0, 0.1]))
    assert np.all(np.asarray(y.detach()) == 0.0)


def test_a_value_of_weight_zero_costs_no_digits(rng: np.random.Generator) -> None:
    """Nothing is measured from the first value if that does not count."""
    x = draw(rng, (6, 3))
    layer, other = (nn.BatchNorm1d(3, momentum=1.0, dtype=np.float64) for _ in range(2))
    other(mg.tensor(x[1:]))
    x[0] = 1e12
    layer(mg.tensor(x), sample_weight=mg.tensor([0.0, 2.0, 2.0, 2.0, 2.0, 2.0]))
    for name, value in state_of(other).items():
        np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)


def test_infinity_goes_where_it_goes_without_weights(rng: np.random.Generator) -> None:
    """Also if it is the value from which the others are measured."""
    for row in (0, 2):
        x = draw(rng, (4, 3))
        x[row, 1] = -np.inf
        layer, other = (nn.BatchNorm1d(3, dtype=np.float64) for _ in range(2))
        y = layer(mg.tensor(x), sample_weight=mg.tensor(np.ones(4)))
        np.testing.assert_allclose(
            np.asarray(y.detach()), np.asarray(other(mg.tensor(x)).detach()), rtol=1e-9, atol=1e-9
        )
        for name, value in state_of(other).items():
            np.testing.assert_allclose(state_of(layer)[name], value, rtol=FLOAT64)


def test_detached_statistics_with_weights(rng: np.random.Generator) -> None:
    layer = trained(rng, detach_statistics=True)
    x, dy = draw(rng, (4, 3)), draw(rng, (4, 3))
    w = rng.uniform(0.5, 2.0, 4)
    _, dx, _ = gradients(layer, x, dy, sample_weight=mg.tensor(w))
    mean = np.average(x, axis=0, weights=w)
    var = np.average(np.square(x - mean), axis=0, weights=w)
    assert layer.weight is not None
    np.testing.assert_allclose(dx, dy * layer.weight.array / np.sqrt(var + 1e-5), rtol=FLOAT64)


def test_weights_in_evaluation_change_nothing(rng: np.random.Generator) -> None:
    layer = trained(rng).eval()
    x = mg.tensor(draw(rng, (4, 3)))
    weighted = layer(x, sample_weight=mg.tensor([1.0, 0.0, 0.0, 2.0]))
    np.testing.assert_array_equal(np.asarray(weighted), np.asarray(layer(x)))


# ---------------------------------------------------------------------------------- errors

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mask": mg.ones(4)}, DTypeError, "mask must be boolean"),
        (
            {"mask": mg.ones(3, dtype=bool)},
            ShapeError,
            r"mask must .*\(4,\) or \(4, 2\).*\(3,\)",
        ),
        ({"mask": mg.ones(4, 3, 2, dtype=bool)}, ShapeError, r"mask .*got \(4, 3, 2\)"),
        ({"sample_weight": mg.ones(2)}, ShapeError, r"sample_weight must have shape .*got \(2,\)"),
        ({"sample_weight": mg.ones(4, dtype=bool)}, DTypeError, "sample_weight.*are a mask"),
        ({"sample_weight": [1.0, -2.0, 1.0, 1.0]}, ValueError, "finite and >= 0, got -2.0"),
        ({"sample_weight": [1.0, NAN, 1.0, 1.0]}, ValueError, "finite and >= 0, got nan"),
        ({"sample_weight": [1.0, INF, 1.0, 1.0]}, ValueError, "finite and >= 0, got inf"),
        ({"sample_weight": mg.zeros(4)}, ValueError, "positive elements, got 0.0 alone"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_wrong_masks_and_weights(
    training: bool,
    arguments: dict[str, Any],
    error: type[Exception],
    message: str,
    rng: np.random.Generator,
) -> None:
    layer = trained(rng).train(training)
    before = state_of(layer)
    with pytest.raises(error, match=message):
        layer(mg.tensor(draw(rng, (4, 3, 2))), **arguments)
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize("weights", [None, np.ones(4)])
@pytest.mark.parametrize(
    ("attributes", "dtype", "error", "message"),
    [
        ({"eps": -1.0}, np.float64, ValueError, "batch_norm: eps must be a finite number >= 0"),
        ({}, np.float32, DTypeError, "batch_norm: gamma must be float32, as x is, got float64"),
        ({}, np.int64, DTypeError, "batch_norm: x must be float32 or float64, got int64"),
    ],
)
def test_other_arguments_are_checked_as_without_weights(
    attributes: dict[str, Any],
    dtype: Any,
    error: type[Exception],
    message: str,
    weights: Any,
    detach: bool,
    rng: np.random.Generator,
) -> None:
    layer = trained(rng)
    layer.detach_statistics = detach
    vars(layer).update(attributes)
    before = state_of(layer)
    with pytest.raises(error, match=message):
        layer(mg.tensor(draw(rng, (4, 3, 2)).astype(dtype)), sample_weight=weights)
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, before[name])
