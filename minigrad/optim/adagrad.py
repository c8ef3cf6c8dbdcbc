"""Adagrad."""

from __future__ import annotations

import numpy as np

from minigrad.kernels import dispatch
from minigrad.optim.optimizer import Group, Optimizer, Params, State, check_non_negative
from minigrad.tensor import _wrap
from minigrad.typing import Array

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad [1]_: divide the gradient by the root of the sum of its squares so far.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        See `Optimizer`.
    lr : float
        Step size, >= 0.
    lr_decay : float
        Step t = 1, 2, ... uses ``lr / (1 + (t - 1) * lr_decay)``, >= 0.
    weight_decay : float
        The gradient is increased by ``weight_decay * param`` (an L2 penalty), >= 0.
    initial_accumulator_value : float
        What the sum of squares starts from, in squared units of the gradient, >= 0.
    eps : float
        Added to the root, in units of the gradient, >= 0.
    maximize : bool
        Ascend instead.

    Raises
    ------
    ValueError
        If a hyper-parameter is outside its range.

    Notes
    -----
    With ``g = -grad`` if ``maximize``::

        g < -g + weight_decay * w
        s < -s + g**2
        w < -w - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    References
    ----------
    .. [1] Duchi, Hazan & Singer, 2011, "Adaptive subgradient methods for online learning and
       stochastic optimization", JMLR 12, with diagonal matrices.
    """

    _state_names = ("step", "sum")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_non_negative(
            group, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"
        )

    def _update(self, param: Array, grad: Array, state: State, group: Group) -> None:
        if "sum" not in state:
            start = np.full_like(param, group["initial_accumulator_value"])
            state.update(step=0, sum=_wrap(start))
        dispatch.module("optimizer").adagrad(
            param,
            grad,
            state["sum"].array,
            step=state["step"] + 1,
            lr=group["lr"],
            lr_decay=group["lr_decay"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=group["maximize"],
        )
        state["step"] += 1
