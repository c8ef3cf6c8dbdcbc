"""Strategies keep their promises."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad.tensor import Tensor
from minigrad.testing import gradcheck
from minigrad.testing import strategies as mgst
from minigrad.typing import Array

# ------------------------------------------------------------------------------ hypothesis


def run_without_hypothesis(code: str) -> subprocess.CompletedProcess[str]:
    blocked = f"import sys; sys.modules['hypothesis'] = None\n{code}"
    return subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, check=False
    )


def test_gradcheck_needs_no_hypothesis() -> None:
    result = run_without_hypothesis(
        "import numpy as np; import minigrad as mg; from minigrad.testing import gradcheck; "
        "assert gradcheck(mg.exp, np.ones(2))"
    )
    assert result.returncode == 0, result.stderr


def test_strategies_say_what_they_need() -> None:
    result = run_without_hypothesis("import minigrad.testing.strategies")
    assert result.returncode == 1
    assert 'needs hypothesis, which is not installed; pip install "minigrad' in result.stderr


# ------------------------------------------------------------------------------ strategies


@given(st.data())
def test_layouts_are_equal(data: st.DataObject) -> None:
    x = data.draw(mgst.float_arrays())
    np.testing.assert_array_equal(data.draw(mgst.layouts(x)), x)


@given(mgst.shapes(max_dims=3), mgst.seeds(), st.sampled_from([(), (0.0,), (-1.0, 0.5)]))
def test_spread_values_keep_apart(
    shape: tuple[int, ...], seed: int, kinks: tuple[float, ...]
) -> None:
    values = mgst.spread_values(shape, np.random.default_rng(seed), kinks=kinks)
    assert values.shape == shape
    assert np.all(np.abs(values) <= 2.0)
    gap = 4.0 / (values.size + len(kinks)) / 4.0 * (1 - 1e-9)  # a quarter of the mean distance
    ordered = np.sort(np.concatenate([values.ravel(), kinks]))
    assert np.all(np.diff(ordered) >= gap)


@given(mgst.broadcastable_arrays(3))
def test_broadcastable_arrays_broadcast(arrays: tuple[Array, ...]) -> None:
    assert len(arrays) == 3
    np.broadcast_shapes(*(array.shape for array in arrays))


@given(mgst.batch_norm_examples(dtype=np.float32))
def test_batch_norm_examples_are_valid(example: mgst.BatchNormExample) -> None:
    channels = example.x.shape[1]
    assert example.x.size // channels >= 2
    assert example.gamma.shape == example.beta.shape == (channels,)
    assert example.dy.shape == example.x.shape
    assert {a.dtype for a in (example.x, example.dy, example.gamma)} == {np.dtype(np.float32)}
    assert np.all(np.abs(example.gamma) >= 0.5)


# ------------------------------------------------------------------------------ arrays

SEARCH = settings(max_examples=2000, derandomize=True, database=None)


def simplest(strategy: st.SearchStrategy[Any], condition: Any = lambda value: True) -> Any:
    return find(strategy, condition, settings=SEARCH)


def some(strategy: st.SearchStrategy[Any], condition: Any) -> Any:
    """Return one that is drawn, not the simplest one."""
    return find(strategy, condition, settings=settings(SEARCH, phases=[Phase.generate]))


@given(mgst.shapes(min_dims=1, max_dims=3, min_side=0, max_side=2))
def test_shapes_keep_their_bounds(shape: tuple[int, ...]) -> None:
    assert 1 <= len(shape) <= 3
    assert all(0 <= side <= 2 for side in shape)


def test_shapes_shrink_to_nothing() -> None:
    assert simplest(mgst.shapes()) == ()
    assert simplest(mgst.shapes(min_side=0), lambda shape: 0 in shape) == (0,)


def test_all_dtypes_are_drawn() -> None:
    for name in ("float32", "float64"):
        assert simplest(mgst.dtypes(), lambda dtype, name=name: dtype == name) == name
    for name in ("int64", "int32", "uint8", "bool"):
        assert simplest(mgst.dtypes(integers=True), lambda dtype, n=name: dtype == n) == name
    assert simplest(mgst.dtypes()) == np.float64


@given(st.data())
def test_axes_are_axes(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(0, 4))
    x = np.ones((2,) * ndim)
    x.sum(axis=data.draw(mgst.axes(ndim)))
    if ndim:
        axis = data.draw(mgst.axes(ndim, min_size=1))
        assert axis is not None
        assert axis != ()


def test_axes_of_every_kind_are_drawn() -> None:
    assert simplest(mgst.axes(3)) is None
    assert simplest(mgst.axes(3), lambda axis: isinstance(axis, int) and axis < 0) == -1
    assert simplest(mgst.axes(3), lambda axis: axis == ()) == ()
    assert len(simplest(mgst.axes(3), lambda axis: isinstance(axis, tuple) and len(axis) > 2)) == 3
    with pytest.raises(ValueError, match="rank 0 has no 1 axes"):
        mgst.axes(0, min_size=1)


@given(st.integers(0, 4).flatmap(mgst.permutations))
def test_permutations_are_permutations(order: tuple[int, ...]) -> None:
    assert sorted(order) == list(range(len(order)))


def test_permutations_shrink_to_the_order_given() -> None:
    assert simplest(mgst.permutations(4)) == (0, 1, 2, 3)
    assert simplest(mgst.permutations(3), lambda order: order[0] == 2)[0] == 2


@given(st.data())
def test_index_expressions_index(data: st.DataObject) -> None:
    x = data.draw(mgst.float_arrays(mgst.shapes(max_side=3)))
    assert x[data.draw(mgst.index_expressions(x.shape))].ndim <= x.ndim + 2


@given(st.data())
def test_without_repetition_every_element_is_named_once(data: st.DataObject) -> None:
    shape = data.draw(mgst.shapes(min_dims=1, max_side=4))
    index = data.draw(mgst.index_expressions(shape, repeated=False))
    chosen = np.arange(np.prod(shape)).reshape(shape)[index].ravel()
    assert len(set(chosen.tolist())) == chosen.size


def test_index_expressions_of_every_kind_are_drawn() -> None:
    strategy = mgst.index_expressions((3, 4))
    some(strategy, lambda index: isinstance(index, slice))
    some(strategy, lambda index: isinstance(index, np.ndarray) and index.dtype == bool)

    def in_columns(index: Any) -> bool:
        return isinstance(index, tuple) and [type(i) for i in index] == [np.ndarray] * 2

    assert all(column.dtype.kind == "i" for column in some(strategy, in_columns))

    def repeats(index: Any) -> bool:
        return (
            isinstance(index, np.ndarray)
            and index.dtype.kind == "i"
            and (len(set((index % 3).tolist())) < index.size)
        )

    some(strategy, repeats)


@given(mgst.float_arrays((3, 2), offset=10.0, scale=0.5, low=0.0, high=1.0, dtype=np.float32))
def test_offset_and_scale_are_applied(x: Array) -> None:
    assert x.dtype == np.float32
    assert x.shape == (3, 2)
    assert np.all((x >= 5.0) & (x <= 5.5))


@given(mgst.dtypes().flatmap(lambda dtype: mgst.extreme_arrays(dtype=dtype)))
def test_extreme_arrays_are_finite(x: Array) -> None:
    assert np.isfinite(x).all()


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: np.max(np.abs(x)) > 1e29,
        lambda x: np.max(np.abs(x)) < 1e-29,
        lambda x: x.size > 1 and np.mean(x) > 1e5 * np.std(x),
    ],
)
def test_extremes_are_drawn(wanted: Any) -> None:
    some(mgst.extreme_arrays(), wanted)


def test_extreme_arrays_shrink_to_plain_ones() -> None:
    assert abs(simplest(mgst.extreme_arrays())) <= 2.0


@given(mgst.broadcastable_shapes(3, min_side=0))
def test_broadcastable_shapes_broadcast(group: tuple[tuple[int, ...], ...]) -> None:
    assert len(group) == 3
    np.broadcast_shapes(*group)


def test_layouts_of_every_kind_are_drawn() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert simplest(mgst.layouts(x)).flags.c_contiguous
    for wanted in (
        lambda view: view.flags.f_contiguous,
        lambda view: view.strides[0] < 0,
        lambda view: not view.flags.forc and min(view.strides) > 0,
    ):
        some(mgst.layouts(x), wanted)


# ------------------------------------------------------------------------------ layers


@given(mgst.batch_norm_configs(), mgst.dtypes())
def test_batch_norm_configs_make_layers_that_train(
    config: mgst.BatchNormConfig, dtype: np.dtype[Any]
) -> None:
    layer = config.build(dtype)
    assert type(layer).__name__ == f"BatchNorm{max(len(config.shape) - 2, 1)}d"
    x = Tensor(config.input(0, dtype), requires_grad=True)
    y = layer(x)
    assert y.shape == config.shape
    assert y.dtype == dtype
    assert (layer.running_mean is not None) == config.track_running_stats
    assert (layer.weight is not None) == config.affine
    assert (layer.momentum, layer.eps) == (config.momentum, config.eps)
    layer.eval()(x)


def test_batch_norm_configs_of_every_kind_are_drawn() -> None:
    strategy = mgst.batch_norm_configs()
    smallest = simplest(strategy)
    assert smallest == mgst.BatchNormConfig(1, 1e-5, 0.1, True, True, (2, 1))
    for ndim in (2, 3, 4, 5):
        assert len(simplest(strategy, lambda c, n=ndim: len(c.shape) == n).shape) == ndim
    some(strategy, lambda c: c.momentum is None and not c.affine)
    some(strategy, lambda c: not c.track_running_stats)
    some(mgst.batch_norm_configs(dims=[3]), lambda c: len(c.shape) == 5)


@given(mgst.networks(), mgst.seeds())
def test_networks_are_built_from_their_seed(spec: mgst.NetworkSpec, seed: int) -> None:
    before = mg.default_generator.get_state()
    first, second = spec.build(seed), spec.build(seed)
    assert mg.default_generator.get_state() == before
    x = Tensor(spec.input(seed))
    y = first(x)
    assert y.shape == (spec.samples, spec.widths[-1])
    np.testing.assert_array_equal(y.array, second(x).array)
    names = {type(layer).__name__ for layer in first}
    assert ("BatchNorm1d" in names) == (spec.batch_norm and len(spec.widths) > 2)
    assert ("Dropout" in names) == (spec.dropout and len(spec.widths) > 2)


@settings(max_examples=10)
@given(mgst.networks(max_hidden=2, max_width=3, max_samples=4))
def test_gradients_of_networks_can_be_checked(spec: mgst.NetworkSpec) -> None:
    """By default they are smooth. Batches of two saturate BatchNorm: no digits would be left."""
    net = spec.build(0)
    if not spec.batch_norm or spec.samples > 2:
        assert gradcheck(net, spec.input(1))


def test_networks_shrink_to_one_linear_layer() -> None:
    spec = simplest(mgst.networks())
    assert spec == mgst.NetworkSpec((1, 1), "Tanh", False, False, 2)
    assert spec.build(0, np.float32)(Tensor(spec.input(0, np.float32))).dtype == np.float32
    deep = simplest(mgst.networks(), lambda s: s.batch_norm and len(s.widths) > 3)
    assert deep == mgst.NetworkSpec((1, 1, 1, 1), "Tanh", True, False, 2)


def test_other_activations_are_drawn_if_asked_for() -> None:
    strategy = mgst.networks(activations=["ReLU", "ELU"], batch_norm=True)
    spec = simplest(strategy, lambda s: s.activation == "ELU" and len(s.widths) == 3)
    assert [type(layer).__name__ for layer in spec.build(0)] == [
        "Linear", "BatchNorm1d", "ELU", "Linear",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"expected activations among .*, got \['Softsign'\]"):
        simplest(mgst.networks(activations=["Softsign"]))


@given(mgst.axes(3, min_size=2))
def test_axes_of_two_or_more_are_tuples(axes: Any) -> None:
    assert isinstance(axes, tuple)
    assert 2 <= len({axis % 3 for axis in axes}) == len(axes)


def test_kinks_outside_the_range_take_no_values() -> None:
    values = mgst.spread_values((5,), np.random.default_rng(0), kinks=[-99.0, 99.0])
    assert len(set(values.tolist())) == 5
    assert np.abs(values).max() < 99.0
