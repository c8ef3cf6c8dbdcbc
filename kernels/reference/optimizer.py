"""What the fused optimiser updates mean: PyTorch 2's rules, in place, in the parameter's dtype.

All arrays of a call have the shape and dtype of the parameter. Scalars are Python floats, so that
float32 parameters are updated in float32 arithmetic, as PyTorch does. The gradient is never
changed.

References
----------
.. [1] PyTorch, ``torch/optim/{sgd,adam,adamw,rmsprop,adagrad}.py``, the ``_single_tensor_*``
   functions.
"""

from __future__ import annotations

import math

import numpy as np

from minigrad.typing import Array

__all__ = ["adagrad", "adam", "rmsprop", "sgd"]


def _descent_gradient(param: Array, grad: Array, weight_decay: float, maximize: bool) -> Array:
    """Return the gradient to descend along, with the L2 penalty's share."""
    if maximize:
        grad = -grad
    if weight_decay != 0.0:
        grad = grad + weight_decay * param
    return grad


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
    grad : ndarray
        Its gradient.
    momentum_buffer : ndarray or None
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
    """
    grad = _descent_gradient(param, grad, weight_decay, maximize)
    if momentum_buffer is not None:
        if first_step:
            momentum_buffer[...] = grad
        else:
            momentum_buffer[...] = momentum * momentum_buffer + (1.0 - dampening) * grad
        grad = grad + momentum * momentum_buffer if nesterov else momentum_buffer
    param -= lr * grad


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
    """Adam [1]_, AMSGrad when ``max_exp_avg_sq`` is given, AdamW [2]_ when ``decoupled``.

    Parameters
    ----------
    param : ndarray, any shape, float32 or float64
        The parameter; changed in place.
    grad : ndarray
        Its gradient.
    exp_avg, exp_avg_sq : ndarray
        Running means of the gradient and of its square; changed in place.
    max_exp_avg_sq : ndarray or None
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

    References
    ----------
    .. [1] Kingma & Ba, 2015, arXiv:1412.6980, Algorithm 1.
    .. [2] Loshchilov & Hutter, 2019, arXiv:1711.05101, Algorithm 2.
    """
    grad = _descent_gradient(param, grad, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        param *= 1.0 - lr * weight_decay
    exp_avg += (1.0 - beta1) * (grad - exp_avg)
    exp_avg_sq[...] = beta2 * exp_avg_sq + (1.0 - beta2) * (grad * grad)
    second = exp_avg_sq
    if max_exp_avg_sq is not None:
        second = np.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    denominator = np.sqrt(second) / math.sqrt(1.0 - beta2**step) + eps
    param -= lr / (1.0 - beta1**step) * (exp_avg / denominator)


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
    grad : ndarray
        Its gradient.
    square_avg : ndarray
        Running mean of the squared gradient; changed in place.
    grad_avg : ndarray or None
        Running mean of the gradient; changed in place. Given: the variance replaces the mean of
        squares.
    momentum_buffer : ndarray or None
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
    """
    grad = _descent_gradient(param, grad, weight_decay, maximize)
    square_avg[...] = alpha * square_avg + (1.0 - alpha) * (grad * grad)
    second = square_avg
    if grad_avg is not None:
        grad_avg += (1.0 - alpha) * (grad - grad_avg)
        second = square_avg - grad_avg * grad_avg
    direction = grad / (np.sqrt(second) + eps)
    if momentum_buffer is not None:
        momentum_buffer[...] = momentum * momentum_buffer + direction
        direction = momentum_buffer
    param -= lr * direction


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
    grad : ndarray
        Its gradient.
    state_sum : ndarray
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
    """
    grad = _descent_gradient(param, grad, weight_decay, maximize)
    state_sum += grad * grad
    param -= lr / (1.0 + (step - 1) * lr_decay) * (grad / (np.sqrt(state_sum) + eps))
