"""BatchNorm, the op whose wrong gradients are easiest to miss: each mistake is found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.engine import Node, Op, apply
from minigrad.tensor import Tensor
from minigrad.testing import GradcheckError, gradcheck
from minigrad.testing import strategies as mgst
from minigrad.typing import Array

WRONG_BACKWARDS = (
    "zero dx",
    "no mean term",
    "no variance term",
    "n - 1 for n",
    "swapped dgamma and dbeta",
)


def over_channels(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def per_channel(values: Array, x: Array) -> Array:
    return np.reshape(values, (1, -1, *[1] * (x.ndim - 2)))


def batch_norm(mistake: str | None) -> type[Op]:
    """Return training BatchNorm in NumPy, whose backward makes one mistake."""

    class BatchNorm(Op):
        saves = (0, 1, 2)

        @staticmethod
        def forward(ctx: Node | None, x: Array, gamma: Array, beta: Array, *, eps: float) -> Array:
            axes = over_channels(x)
            centred = x - np.mean(x, axis=axes, keepdims=True)
            variance = np.mean(centred * centred, axis=axes, keepdims=True)
            y = per_channel(gamma, x) * centred / np.sqrt(variance + eps) + per_channel(beta, x)
            return np.asarray(y)

        @staticmethod
        def backward(
            ctx: Node, dy: Array, x: Array, gamma: Array, beta: Array, *, eps: float
        ) -> tuple[Array, Array, Array]:
            axes = over_channels(x)
            n = x.size // x.shape[1]
            centred = x - np.mean(x, axis=axes, keepdims=True)
            inv_std = 1.0 / np.sqrt(np.mean(centred * centred, axis=axes, keepdims=True) + eps)
            x_hat = centred * inv_std
            dbeta = np.sum(dy, axis=axes)
            dgamma = np.sum(dy * x_hat, axis=axes)
            if mistake == "n - 1 for n":
                n -= 1
            mean_term = per_channel(dbeta, x) / n
            variance_term = x_hat * per_channel(dgamma, x) / n
            if mistake == "no mean term":
                mean_term = np.zeros_like(mean_term)
            if mistake == "no variance term":
                variance_term = np.zeros_like(variance_term)
            dx = per_channel(gamma, x) * inv_std * (dy - mean_term - variance_term)
            if mistake == "zero dx":
                dx = np.zeros_like(dx)
            if mistake == "swapped dgamma and dbeta":
                dgamma, dbeta = dbeta, dgamma
            return dx, dgamma, dbeta

    return BatchNorm


def as_function(op: type[Op], eps: float) -> Callable[..., Tensor]:
    def function(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        result: Tensor = apply(op, x, gamma, beta, eps=eps)
        return result

    return function


# ------------------------------------------------------------------------------ BatchNorm


@given(mgst.batch_norm_examples())
def test_right_batch_norm_passes(example: mgst.BatchNormExample) -> None:
    function = as_function(batch_norm(None), example.eps)
    report = gradcheck(function, [example.x, example.gamma, example.beta])
    assert report.checked >= 1


@pytest.mark.parametrize("mistake", WRONG_BACKWARDS)
@given(data=st.data())
def test_wrong_batch_norm_fails(mistake: str, data: st.DataObject) -> None:
    # Three values per channel and more: with two and a small eps, x_hat is -1 and 1 whatever x
    # is, dx is all but zero, and a zero dx is nearly right.
    example = data.draw(
        mgst.batch_norm_examples(max_spatial_dims=0, offsets=(0.0,), scales=(1.0,)).filter(
            lambda e: len(e.x) > 2
        )
    )
    function = as_function(batch_norm(mistake), example.eps)
    report = gradcheck(function, [example.x, example.gamma, example.beta], raise_exception=False)
    assert not report
    wrong = {mismatch.input for mismatch in report.mismatches}
    assert wrong == ({1, 2} if mistake.startswith("swapped") else {0})


@pytest.mark.parametrize("mistake", WRONG_BACKWARDS)
def test_wrong_batch_norm_fails_on_projections(mistake: str, rng: np.random.Generator) -> None:
    """On inputs too large to go through element by element, the same mistakes are found."""
    inputs = [rng.normal(size=(16, 4, 3, 3)), rng.uniform(0.5, 1, 4), rng.normal(size=4)]
    gradcheck(as_function(batch_norm(None), 1e-5), inputs)
    with pytest.raises(GradcheckError, match="wrong"):
        gradcheck(as_function(batch_norm(mistake), 1e-5), inputs)


@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1e-3), (1e4, 1.0), (0.0, 1e4), (1e6, 1.0)])
def test_step_follows_the_spread(offset: float, spread: float, rng: np.random.Generator) -> None:
    """Offset, tiny and huge inputs need no other arguments, and mistakes still show."""
    x = rng.normal(size=(5, 2)) * spread + offset
    inputs = [x, np.array([1.0, -2.0]), np.array([0.5, 0.0])]
    eps = 1e-5 * spread**2
    gradcheck(as_function(batch_norm(None), eps), inputs)
    assert not gradcheck(
        as_function(batch_norm("no variance term"), eps), inputs, raise_exception=False
    )
