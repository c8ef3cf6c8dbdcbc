"""Keeping gradients within bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minigrad.arguments import check_items, check_number
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["clip_grad_norm_", "clip_grad_value_"]


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together, in place, so that their norm is at most ``max_norm``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are skipped.
    max_norm : float
        Largest norm of all gradients taken as one vector, >= 0.
    norm_type : float
        The p of the p-norm, > 0; ``math.inf`` for the largest absolute value.
    error_if_nonfinite : bool
        Raise if the norm is infinite or NaN, instead of scaling by it.

    Returns
    -------
    Tensor
        The norm before scaling, of rank 0 and of the gradients' dtype.

    Raises
    ------
    ValueError
        If ``max_norm`` is negative or NaN, or ``norm_type`` is not positive.
    RuntimeError
        If the norm is not finite and ``error_if_nonfinite``; nothing is changed then.

    Notes
    -----
    Gradients are multiplied by ``min(1, max_norm / (norm + 1e-6))``, as in PyTorch. Norms are
    computed in float64, so float32 gradients cannot overflow. An infinite or NaN norm makes
    gradients zero or NaN: see ``error_if_nonfinite``.

    References
    ----------
    .. [1] Pascanu, Mikolov & Bengio, 2013, arXiv:1211.5063, Algorithm 1.
    """
    check_number("clip_grad_norm_", "max_norm", max_norm)
    check_number("clip_grad_norm_", "norm_type", norm_type)
    if not max_norm >= 0.0:
        raise ValueError(f"max_norm must be a number >= 0, got {max_norm!r}")
    if not norm_type > 0.0:
        raise ValueError(f"norm_type must be a number > 0, got {norm_type!r}")
    grads = _gradients(parameters)
    total = _norm(
        np.array([_norm(grad.array.astype(np.float64), norm_type) for grad in grads]), norm_type
    )
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"the norm of the gradients, of order {norm_type}, is {total}, so they cannot be "
            "clipped; with error_if_nonfinite=False they are scaled by it all the same"
        )
    factor = max_norm / (total + 1e-6)
    if not factor >= 1.0:  # true of NaN as well, which then spreads
        with np.errstate(invalid="ignore"):  # an infinite norm: inf * 0
            for grad in grads:
                grad.array *= factor
                grad.counter[0] += 1
    dtype = np.result_type(*(grad.dtype for grad in grads)) if grads else np.dtype(np.float32)
    with np.errstate(over="ignore"):  # a norm beyond float32 is inf in float32
        return Tensor(np.asarray(total).astype(dtype))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Clip every element of the gradients, in place, to ``[-clip_value, clip_value]``.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are skipped.
    clip_value : float
        In units of the gradients, >= 0. NaN elements stay NaN.

    Raises
    ------
    ValueError
        If ``clip_value`` is negative or NaN.
    """
    check_number("clip_grad_value_", "clip_value", clip_value)
    if not clip_value >= 0.0:
        raise ValueError(f"clip_value must be a number >= 0, got {clip_value!r}")
    for grad in _gradients(parameters):
        np.clip(grad.array, -clip_value, clip_value, out=grad.array)
        grad.counter[0] += 1


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    params = check_items("clip_grad", "parameters", parameters)
    for param in params:
        if not isinstance(param, Tensor):
            raise TypeError(f"expected Tensors with gradients, got {type(param).__name__} in them")
    return [param.grad for param in params if param.grad is not None]


def _norm(values: Array, order: float) -> float:
    """Return the norm of ``values`` as one vector; 0 for none."""
    return float(np.linalg.norm(values.ravel(), order)) if values.size else 0.0
