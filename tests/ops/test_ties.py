"""What each function does with its gradient at ties and kinks: the table of docs/tensors.md."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.tensor import Tensor

T = [3.0, 1.0, 3.0, 1.0]
FOUR = np.array([1.0, 2.0, 4.0, 8.0])

AT_TIES: list[tuple[str, Callable[[Tensor], Tensor], list[float], Any, list[float]]] = [
    # what it is, function, values, upstream gradient, gradient
    ("maximum", lambda t: mg.maximum(t, 3.0), T, FOUR, [0.5, 0, 2, 0]),
    ("minimum", lambda t: mg.minimum(t, 3.0), T, FOUR, [0.5, 2, 2, 8]),
    ("fmax", lambda t: mg.fmax(t, 3.0), T, FOUR, [0.5, 0, 2, 0]),
    ("fmin", lambda t: mg.fmin(t, 3.0), T, FOUR, [0.5, 2, 2, 8]),
    ("maximum", lambda t: mg.maximum(t, t), T, FOUR, [1, 2, 4, 8]),
    ("amax", lambda t: mg.amax(t, 0), T, 2.0, [1, 0, 1, 0]),
    ("amin", lambda t: mg.amin(t, 0), T, 2.0, [0, 1, 0, 1]),
    ("max", lambda t: mg.max(t), T, 2.0, [1, 0, 1, 0]),
    ("min", lambda t: mg.min(t), T, 2.0, [0, 1, 0, 1]),
    ("median", lambda t: mg.median(t), T, 2.0, [0, 1, 0, 1]),
    ("median", lambda t: mg.median(t, 0).values, T, 2.0, [0, 0, 0, 2]),
    ("median", lambda t: mg.median(t, 0).values, [1, 1, 1, 2, 0], 2.0, [0, 2, 0, 0, 0]),
    ("max", lambda t: mg.max(t, 0).values, T, 2.0, [2, 0, 0, 0]),
    ("min", lambda t: mg.min(t, 0).values, T, 2.0, [0, 2, 0, 0]),
    ("cummax", lambda t: mg.cummax(t, 0).values, T, FOUR, [3, 0, 12, 0]),
    ("cummin", lambda t: mg.cummin(t, 0).values, T, FOUR, [1, 6, 0, 8]),
    ("sort", lambda t: mg.sort(t).values, T, FOUR, [4, 1, 8, 2]),
    ("sort", lambda t: mg.sort(t, descending=True).values, T, FOUR, [1, 4, 2, 8]),
    ("msort", lambda t: mg.msort(t), T, FOUR, [4, 1, 8, 2]),
    ("argsort", lambda t: t[mg.argsort(t)], T, FOUR, [4, 1, 8, 2]),
    ("topk", lambda t: mg.topk(t, 1).values, T, [2.0], [2, 0, 0, 0]),
    ("topk", lambda t: mg.topk(t, 3).values, T, FOUR[:3], [1, 4, 2, 0]),
    ("topk", lambda t: mg.topk(t, 1, largest=False).values, T, [2.0], [0, 2, 0, 0]),
    ("kthvalue", lambda t: mg.kthvalue(t, 1).values, T, 2.0, [0, 2, 0, 0]),
    ("kthvalue", lambda t: mg.kthvalue(t, 2).values, T, 2.0, [0, 0, 0, 2]),
    ("clamp", lambda t: mg.clamp(t, 1.0, 3.0), T, FOUR, [1, 2, 4, 8]),
    ("clip", lambda t: mg.clip(t, max=1.0), T, FOUR, [0, 2, 0, 8]),
    ("relu", lambda t: mg.relu(t), [0.0, -0.0, 1.0, -1.0], FOUR, [0, 0, 4, 0]),
    ("leaky_relu", lambda t: mg.leaky_relu(t, 0.5), [0.0, -0.0, 1, -1], FOUR, [0.5, 1, 4, 4]),
    ("abs", lambda t: mg.abs(t), [0.0, -0.0, 1.0, -1.0], FOUR, [0, 0, 4, -8]),
    ("sign", lambda t: mg.sign(t), [0.0, -0.0, 1.0, -1.0], FOUR, [0, 0, 0, 0]),
    ("copysign", lambda t: mg.copysign(t, -1.0), [0.0, -0.0, 1.0, -1.0], FOUR, [0, 0, -4, 8]),
    ("copysign", lambda t: mg.copysign(-1.0, t), [0.0, -0.0, 1.0, -1.0], FOUR, [0, 0, 0, 0]),
    ("elu", lambda t: mg.elu(t, 0.5), [0.0, -0.0, 1.0, 2.0], FOUR, [0.5, 1, 4, 8]),
    ("l1_loss", lambda t: mg.l1_loss(t, mg.ones(2)), [1.0, 3.0], 2.0, [0, 1]),
    ("std", lambda t: mg.std(t), [2.0, 2.0, 2.0], 1.0, [0, 0, 0]),
    ("norm", lambda t: mg.norm(t), [0.0, -0.0], 2.0, [0, 0]),
    ("norm", lambda t: mg.norm(t, 1), [0.0, -2.0, 3.0], 2.0, [0, -2, 2]),
    ("norm", lambda t: mg.norm(t, math.inf), [3.0, -3.0, 1.0], 2.0, [1, -1, 0]),
    ("eigh", lambda t: mg.linalg.eigh(t.reshape(2, 2))[1], [2.0, 0, 0, 2], FOUR, [0, 0, 0, 0]),
    ("svd", lambda t: mg.linalg.svd(t.reshape(2, 2))[0], [2.0, 0, 0, 2], FOUR, [0, 0, 0, 0]),
    (
        "scatter",
        lambda t: mg.scatter(mg.zeros(2), 0, np.array([1, 0, 1]), t),
        [5.0, 6.0, 7.0],
        [1.0, 2.0],
        [0, 1, 2],
    ),
    (
        "index_copy",
        lambda t: mg.index_copy(mg.zeros(2), 0, np.array([1, 0, -1]), t),
        [5.0, 6.0, 7.0],
        [1.0, 2.0],
        [0, 1, 2],
    ),
]


@pytest.mark.parametrize(
    ("function", "values", "upstream", "expected"),
    [row[1:] for row in AT_TIES],
    ids=[row[0] for row in AT_TIES],
)
def test_gradient_at_ties(
    function: Callable[[Tensor], Tensor], values: list[float], upstream: Any, expected: list[float]
) -> None:
    x = Tensor(np.array(values, np.float64), requires_grad=True)
    y = function(x)
    y.backward(np.asarray(upstream, y.dtype).reshape(y.shape))
    assert x.grad is not None
    assert x.grad.tolist() == expected


def test_assignment_keeps_the_last() -> None:
    value = Tensor(np.array([5.0, 6.0, 7.0]), requires_grad=True)
    x = mg.zeros(2, dtype=np.float64)
    x[np.array([1, 0, 1])] = value
    assert x.tolist() == [6.0, 7.0]
    x.backward(np.array([1.0, 2.0]))
    assert value.grad is not None
    assert value.grad.tolist() == [0.0, 1.0, 2.0]


def test_the_page_names_what_is_tested() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tensors.md").read_text("utf-8")
    section = text.split("## Ties and kinks")[1].split("## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    assert set(re.findall(r"`(\w+)`", " ".join(cells))) == {row[0] for row in AT_TIES}


@pytest.mark.parametrize("descending", [False, True])
def test_nan_is_the_largest_in_every_order(descending: bool) -> None:
    x = mg.tensor([math.nan, 2.0, math.inf, math.nan, -math.inf])
    values, indices = mg.sort(x, descending=descending)
    assert indices.tolist() == ([0, 3, 2, 1, 4] if descending else [4, 1, 2, 0, 3])
    assert np.isnan(values.array).tolist() == [i in (0, 3) for i in indices.tolist()]
    assert mg.topk(x, 2).indices.tolist() == [0, 3]
    assert mg.topk(x, 2, largest=False).values.tolist() == [-math.inf, 2.0]
    assert mg.kthvalue(x, 3).values.item() == math.inf
    assert np.isnan(mg.median(x).item())
    assert mg.median(x, 0).indices.item() == 0
    assert mg.cummax(x, 0).indices.tolist() == [0, 0, 0, 3, 3]
    assert mg.cummin(x, 0).indices.tolist() == [0, 0, 0, 3, 3]
