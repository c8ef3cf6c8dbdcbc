"""Strategies keep their promises."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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
