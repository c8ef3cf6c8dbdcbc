"""Stochastic gradient descent."""

from __future__ import annotations

import numpy as np

from minigrad.arguments import check_number
from minigrad.kernels import dispatch
from minigrad.optim.optimizer import Group, Optimizer, Params, State, check_non_negative
from minigrad.tensor import _wrap
from minigrad.typing import Array

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's look-ahead and weight decay.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        See `Optimizer`.
    lr : float
        Step size, >= 0.
    momentum : float
        Weight of the previous direction, >= 0; 0 keeps none.
    dampening : float
        The gradient enters the direction with weight ``1 - dampening``.
    weight_decay : float
        The gradient is increased by ``weight_decay * param`` (an L2 penalty), >= 0.
    nesterov : bool
        Step along ``grad + momentum * direction``.
    maximize : bool
        Ascend instead.

    Raises
    ------
    ValueError
        If a hyper-parameter is outside its range, or ``nesterov`` is asked for without momentum
        or with dampening.

    Notes
    -----
    For the gradient g and the parameter w (with ``g = -grad`` if ``maximize``)::

        g <- g + weight_decay * w
        v <- momentum * v + (1 - dampening) * g       first step: v <- g
        w <- w - lr * (g + momentum * v  if nesterov  else v)

    as PyTorch has it: the step size is outside v, other than in Sutskever et al. [1]_, so that a
    change of it acts at once.

    References
    ----------
    .. [1] Sutskever, Martens, Dahl & Hinton, 2013, "On the importance of initialization and
       momentum in deep learning", ICML.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = mg.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.detach()
    tensor([0.8..., 1.6...])
    """

    _state_names = ("momentum_buffer",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_non_negative(group, "lr", "momentum", "weight_decay")
        check_number("SGD", "dampening", group["dampening"])
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                "nesterov needs momentum > 0 and dampening == 0, got "
                f"momentum {group['momentum']!r} and dampening {group['dampening']!r}"
            )

    def _update(self, param: Array, grad: Array, state: State, group: Group) -> None:
        buffer = None
        first_step = False
        if group["momentum"] != 0:
            kept = state.get("momentum_buffer")
            first_step = kept is None
            buffer = np.empty_like(param) if kept is None else kept.array
        dispatch.module("optimizer").sgd(
            param,
            grad,
            buffer,
            lr=group["lr"],
            momentum=group["momentum"],
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            first_step=first_step,
        )
        if first_step and buffer is not None:
            state["momentum_buffer"] = _wrap(buffer)
