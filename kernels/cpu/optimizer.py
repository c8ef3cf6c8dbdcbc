"""Optimiser updates on the CPU: one call, and one pass over memory, per parameter.

What each function computes is said in :mod:`minigrad.kernels.reference.optimizer`; the results are
PyTorch's up to rounding. Arrays of any shape and memory order are updated in place; those that are
not contiguous cost a copy there and back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.kernels.cpu import optimizer_steps as steps
from minigrad.kernels.cpu.threads import get_num_threads
from minigrad.typing import Array

__all__ = ["adagrad", "adam", "rmsprop", "sgd"]

PARALLEL_MIN_SIZE = 1 << 19
"""Smaller parameters are done before other threads have started: 78400 elements take 15 us in one
thread, and where another program runs, waking a second takes twice as long."""

_ABSENT = {np.dtype(kind): np.empty(0, kind) for kind in (np.float32, np.float64)}
"""Given to kernels, which do not look at it, for an array that is not there."""


def sgd(
    param: Array,
    grad: Array,
    momentum_buffer: Array | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
    first_step: bool,
) -> None:
    """Stochastic gradient descent, with momentum when a buffer is given.

    Parameters
    ----------
    param : ndarray, any shape, float32 or float64
        The parameter; changed in place.
    grad : ndarray, shape and dtype of ``param``
        Its gradient.
    momentum_buffer : ndarray, shape and dtype of ``param``, or None
        Running direction; changed in place. None: plain descent, ``momentum`` is not used.
    lr : float
        Step size.
    momentum : float
        Weight of the old direction.
    dampening : float
        The new gradient enters the direction with weight ``1 - dampening``.
    weight_decay : float
        ``weight_decay * param`` is added to the gradient.
    nesterov : bool
        Look ahead: step along ``grad + momentum * direction``.
    maximize : bool
        Ascend.
    first_step : bool
        The buffer holds nothing yet: it is set to the gradient, without dampening.

    Raises
    ------
    ShapeError, DTypeError
        If an array differs from ``param``, or ``param`` is neither float32 nor float64.
    """
    others = (grad, momentum_buffer)
    scalars = (
        float(lr),
        float(momentum),
        float(dampening),
        float(weight_decay),
        -1.0 if maximize else 1.0,
        momentum_buffer is not None,
        bool(nesterov),
        bool(first_step),
    )
    _run(steps.sgd_serial, steps.sgd_parallel, param, others, scalars)


def adam(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam, AMSGrad when ``max_exp_avg_sq`` is given, AdamW when ``decoupled``.

    Parameters
    ----------
    param : ndarray, any shape, float32 or float64
        The parameter; changed in place.
    grad : ndarray, shape and dtype of ``param``
        Its gradient.
    exp_avg, exp_avg_sq : ndarray, shape and dtype of ``param``
        Running means of the gradient and of its square; changed in place.
    max_exp_avg_sq : ndarray, shape and dtype of ``param``, or None
        Largest ``exp_avg_sq`` so far; changed in place.
    step : int
        Number of this step, from 1, for the bias correction.
    lr : float
        Step size.
    beta1, beta2 : float
        Weights of the old means.
    eps : float
        Added to the root.
    weight_decay : float
        Factor of the decay.
    decoupled : bool
        Decay the parameter by ``lr * weight_decay`` instead of adding to the gradient.
    maximize : bool
        Ascend.

    Raises
    ------
    ShapeError, DTypeError
        If an array differs from ``param``, or ``param`` is neither float32 nor float64.
    """
    others = (grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    scalars = (
        lr / (1.0 - beta1**step),
        float(beta1),
        float(beta2),
        float(eps),
        0.0 if decoupled else float(weight_decay),
        1.0 - lr * weight_decay if decoupled else 1.0,
        math.sqrt(1.0 - beta2**step),
        -1.0 if maximize else 1.0,
        max_exp_avg_sq is not None,
    )
    _run(steps.adam_serial, steps.adam_parallel, param, others, scalars)


def rmsprop(
    param: Array,
    grad: Array,
    square_avg: Array,
    grad_avg: Array | None,
    momentum_buffer: Array | None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    maximize: bool,
) -> None:
    """RMSprop, centred when ``grad_avg`` is given, with momentum when a buffer is given.

    Parameters
    ----------
    param : ndarray, any shape, float32 or float64
        The parameter; changed in place.
    grad : ndarray, shape and dtype of ``param``
        Its gradient.
    square_avg : ndarray, shape and dtype of ``param``
        Running mean of the squared gradient; changed in place.
    grad_avg : ndarray, shape and dtype of ``param``, or None
        Running mean of the gradient; changed in place. Given: the variance replaces the mean of
        squares.
    momentum_buffer : ndarray, shape and dtype of ``param``, or None
        Running direction; changed in place. None: ``momentum`` is not used.
    lr : float
        Step size.
    alpha : float
        Weight of the old means.
    eps : float
        Added to the root.
    weight_decay : float
        ``weight_decay * param`` is added to the gradient.
    momentum : float
        Weight of the old direction.
    maximize : bool
        Ascend.

    Raises
    ------
    ShapeError, DTypeError
        If an array differs from ``param``, or ``param`` is neither float32 nor float64.
    """
    others = (grad, square_avg, grad_avg, momentum_buffer)
    scalars = (
        float(lr),
        float(alpha),
        float(eps),
        float(weight_decay),
        float(momentum),
        -1.0 if maximize else 1.0,
        grad_avg is not None,
        momentum_buffer is not None,
    )
    _run(steps.rmsprop_serial, steps.rmsprop_parallel, param, others, scalars)


def adagrad(
    param: Array,
    grad: Array,
    state_sum: Array,
    *,
    step: int,
    lr: float,
    lr_decay: float,
    weight_decay: float,
    eps: float,
    maximize: bool,
) -> None:
    """Adagrad.

    Parameters
    ----------
    param : ndarray, any shape, float32 or float64
        The parameter; changed in place.
    grad : ndarray, shape and dtype of ``param``
        Its gradient.
    state_sum : ndarray, shape and dtype of ``param``
        Sum of the squared gradients; changed in place.
    step : int
        Number of this step, from 1.
    lr : float
        Step size, divided by ``1 + (step - 1) * lr_decay``.
    lr_decay : float
        Decay of the step size.
    weight_decay : float
        ``weight_decay * param`` is added to the gradient.
    eps : float
        Added to the root.
    maximize : bool
        Ascend.

    Raises
    ------
    ShapeError, DTypeError
        If an array differs from ``param``, or ``param`` is neither float32 nor float64.
    """
    scalars = (
        lr / (1.0 + (step - 1) * lr_decay),
        float(weight_decay),
        float(eps),
        -1.0 if maximize else 1.0,
    )
    _run(steps.adagrad_serial, steps.adagrad_parallel, param, (grad, state_sum), scalars)


def _run(
    serial: Callable[..., None],
    parallel: Callable[..., None],
    param: Array,
    others: tuple[Array | None, ...],
    scalars: tuple[float, ...],
) -> None:
    """Check and flatten the arrays, the gradient the first of the others, and run a kernel."""
    absent = _ABSENT.get(param.dtype)
    if absent is None:
        raise DTypeError(f"param must be float32 or float64, got {param.dtype}")
    for array in others:
        if array is not None and array.shape != param.shape:
            raise ShapeError(
                f"the gradient and the state must have the shape of param, {param.shape}, "
                f"got {array.shape}"
            )
        if array is not None and array.dtype != param.dtype:
            raise DTypeError(
                f"the gradient and the state must have the dtype of param, {param.dtype}, "
                f"got {array.dtype}"
            )
    flat = []
    copies = []
    for array in (param, *others):
        if array is None:
            flat.append(absent)
        elif array.flags.carray:
            flat.append(array.reshape(-1))
        else:
            copy = array.copy(order="C")
            flat.append(copy.reshape(-1))
            if array is not others[0]:
                copies.append((array, copy))
    threaded = param.size >= PARALLEL_MIN_SIZE and get_num_threads() > 1
    (parallel if threaded else serial)(*flat, *scalars)
    for array, copy in copies:
        array[...] = copy
