"""The optimisers' updates of one parameter, each in one pass over its arrays.

Every kernel takes flat arrays of one dtype and scalars in float64, which it rounds to that dtype as
PyTorch does, and does the arithmetic in vectors of that dtype. Elements are independent, so the
bits do not depend on how blocks are shared out. Arrays that a rule does not use are empty and not
looked at.
"""

from __future__ import annotations

from typing import Any

from numba import prange

from minigrad.kernels.cpu.jit import helper, jit, parallel_jit
from minigrad.kernels.cpu.simd import (
    LANES,
    fma,
    load,
    load_head,
    maximum,
    splat,
    sqrt,
    store,
    store_head,
)
from minigrad.typing import Array

__all__ = [
    "adagrad_parallel",
    "adagrad_serial",
    "adam_parallel",
    "adam_serial",
    "rmsprop_parallel",
    "rmsprop_serial",
    "sgd_parallel",
    "sgd_serial",
]

_BLOCK = 4096
"""Elements of a block: a multiple of every vector's lanes."""


@helper
def _read(array: Array, i: int, n: int) -> Any:
    """Read ``n`` elements, the lanes beyond being zero."""
    if n == LANES:
        return load(array, i)
    return load_head(array, i, n, array.dtype.type(0.0))


@helper
def _write(array: Array, i: int, lanes: Any, n: int) -> None:
    """Write ``n`` elements."""
    if n == LANES:
        store(array, i, lanes)
    else:
        store_head(array, i, lanes, n)


@helper
def _constant(value: float, like: Array) -> Any:
    """Return a scalar in every lane, rounded to the dtype of an array."""
    return splat(like.dtype.type(value))


@helper
def _descent_gradient(
    param: Array, grad: Array, i: int, n: int, sign: float, weight_decay: float
) -> Any:
    """Read the gradient to descend along, with the L2 penalty's share."""
    direction = _read(grad, i, n) * _constant(sign, grad)
    if weight_decay != 0.0:
        return fma(_read(param, i, n), _constant(weight_decay, param), direction)
    return direction


def _sgd(
    param: Array,
    grad: Array,
    momentum_buffer: Array,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    sign: float,
    has_buffer: bool,
    nesterov: bool,
    first_step: bool,
) -> None:
    """Stochastic gradient descent.

    Contract: flat arrays of one dtype and size; writes ``param`` and ``momentum_buffer``.
    """
    for block in prange((param.size + _BLOCK - 1) // _BLOCK):
        stop = min(param.size, (block + 1) * _BLOCK)
        for i in range(block * _BLOCK, stop, LANES):
            n = min(LANES, stop - i)
            direction = _descent_gradient(param, grad, i, n, sign, weight_decay)
            if has_buffer:
                buffer = direction
                if not first_step:
                    buffer = fma(
                        direction,
                        _constant(1.0 - dampening, param),
                        _read(momentum_buffer, i, n) * _constant(momentum, param),
                    )
                _write(momentum_buffer, i, buffer, n)
                if nesterov:
                    direction = fma(buffer, _constant(momentum, param), direction)
                else:
                    direction = buffer
            _write(param, i, fma(direction, _constant(-lr, param), _read(param, i, n)), n)


def _adam(
    param: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array,
    step_size: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    shrink: float,
    root_correction: float,
    sign: float,
    amsgrad: bool,
) -> None:
    """Adam; ``shrink`` is the factor of decoupled decay, 1 without.

    Contract: flat arrays of one dtype and size; writes all but ``grad``.
    """
    for block in prange((param.size + _BLOCK - 1) // _BLOCK):
        stop = min(param.size, (block + 1) * _BLOCK)
        for i in range(block * _BLOCK, stop, LANES):
            n = min(LANES, stop - i)
            direction = _descent_gradient(param, grad, i, n, sign, weight_decay)
            first = _read(exp_avg, i, n)
            first = fma(direction - first, _constant(1.0 - beta1, param), first)
            _write(exp_avg, i, first, n)
            second = fma(
                direction * direction,
                _constant(1.0 - beta2, param),
                _read(exp_avg_sq, i, n) * _constant(beta2, param),
            )
            _write(exp_avg_sq, i, second, n)
            if amsgrad:
                second = maximum(_read(max_exp_avg_sq, i, n), second)
                _write(max_exp_avg_sq, i, second, n)
            root = sqrt(second) / _constant(root_correction, param) + _constant(eps, param)
            change = first * _constant(step_size, param) / root
            _write(param, i, _read(param, i, n) * _constant(shrink, param) - change, n)


def _rmsprop(
    param: Array,
    grad: Array,
    square_avg: Array,
    grad_avg: Array,
    momentum_buffer: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    sign: float,
    centered: bool,
    has_buffer: bool,
) -> None:
    """RMSprop.

    Contract: flat arrays of one dtype and size; writes all but ``grad``.
    """
    for block in prange((param.size + _BLOCK - 1) // _BLOCK):
        stop = min(param.size, (block + 1) * _BLOCK)
        for i in range(block * _BLOCK, stop, LANES):
            n = min(LANES, stop - i)
            direction = _descent_gradient(param, grad, i, n, sign, weight_decay)
            second = fma(
                direction * direction,
                _constant(1.0 - alpha, param),
                _read(square_avg, i, n) * _constant(alpha, param),
            )
            _write(square_avg, i, second, n)
            if centered:
                first = _read(grad_avg, i, n)
                first = fma(direction - first, _constant(1.0 - alpha, param), first)
                _write(grad_avg, i, first, n)
                second = second - first * first
            change = direction / (sqrt(second) + _constant(eps, param))
            if has_buffer:
                change = fma(_read(momentum_buffer, i, n), _constant(momentum, param), change)
                _write(momentum_buffer, i, change, n)
            _write(param, i, fma(change, _constant(-lr, param), _read(param, i, n)), n)


def _adagrad(
    param: Array,
    grad: Array,
    state_sum: Array,
    step_size: float,
    weight_decay: float,
    eps: float,
    sign: float,
) -> None:
    """Adagrad.

    Contract: flat arrays of one dtype and size; writes ``param`` and ``state_sum``.
    """
    for block in prange((param.size + _BLOCK - 1) // _BLOCK):
        stop = min(param.size, (block + 1) * _BLOCK)
        for i in range(block * _BLOCK, stop, LANES):
            n = min(LANES, stop - i)
            direction = _descent_gradient(param, grad, i, n, sign, weight_decay)
            total = fma(direction, direction, _read(state_sum, i, n))
            _write(state_sum, i, total, n)
            root = sqrt(total) + _constant(eps, param)
            change = direction * _constant(step_size, param) / root
            _write(param, i, _read(param, i, n) - change, n)


sgd_serial = jit(_sgd)
sgd_parallel = parallel_jit(_sgd)
adam_serial = jit(_adam)
adam_parallel = parallel_jit(_adam)
rmsprop_serial = jit(_rmsprop)
rmsprop_parallel = parallel_jit(_rmsprop)
adagrad_serial = jit(_adagrad)
adagrad_parallel = parallel_jit(_adagrad)
