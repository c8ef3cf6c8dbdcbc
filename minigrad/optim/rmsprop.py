"""RMSprop."""

from __future__ import annotations

from minigrad.kernels import dispatch
from minigrad.optim.optimizer import (
    Group,
    Optimizer,
    Params,
    State,
    check_non_negative,
    zeros_in,
)
from minigrad.typing import Array

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop [1]_: divide the gradient by its running root mean square.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        See `Optimizer`.
    lr : float
        Step size, >= 0.
    alpha : float
        Weight of the previous running means, >= 0.
    eps : float
        Added to the root mean square, in units of the gradient, >= 0.
    weight_decay : float
        The gradient is increased by ``weight_decay * param`` (an L2 penalty), >= 0.
    momentum : float
        Weight of the previous direction, >= 0; 0 keeps none.
    centered : bool
        Divide by the running standard deviation instead [2]_.
    maximize : bool
        Ascend instead.

    Raises
    ------
    ValueError
        If a hyper-parameter is outside its range.

    Notes
    -----
    With ``g = -grad`` if ``maximize``::

        g <- g + weight_decay * w
        s <- alpha * s + (1 - alpha) * g**2
        a <- alpha * a + (1 - alpha) * g               centered: s - a**2 replaces s, below
        b <- momentum * b + g / (sqrt(s) + eps)
        w <- w - lr * b

    References
    ----------
    .. [1] Tieleman & Hinton, 2012, Coursera, "Neural networks for machine learning", lecture 6.5.
    .. [2] Graves, 2013, arXiv:1308.0850, eq. 38 to 45; eps is outside the root, as in PyTorch.
    """

    _state_names = ("step", "square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def _check(self, group: Group) -> None:
        check_non_negative(group, "lr", "alpha", "eps", "weight_decay", "momentum")

    def _update(self, param: Array, grad: Array, state: State, group: Group) -> None:
        dispatch.module("optimizer").rmsprop(
            param,
            grad,
            zeros_in(state, "square_avg", param),
            zeros_in(state, "grad_avg", param) if group["centered"] else None,
            zeros_in(state, "momentum_buffer", param) if group["momentum"] != 0 else None,
            lr=group["lr"],
            alpha=group["alpha"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            maximize=group["maximize"],
        )
        state["step"] = state.get("step", 0) + 1
