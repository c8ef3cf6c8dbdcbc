"""Adam, and AdamW, whose weight decay does not go through the moments."""

from __future__ import annotations

from minigrad.arguments import check_number
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

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam [1]_: steps in units of the gradient's running root mean square.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        See `Optimizer`.
    lr : float
        Step size, >= 0.
    betas : tuple of two float
        Weights of the previous running means of the gradient and of its square, in [0, 1).
    eps : float
        Added to the root mean square, in units of the gradient, >= 0.
    weight_decay : float
        The gradient is increased by ``weight_decay * param`` (an L2 penalty), >= 0. See `AdamW`.
    amsgrad : bool
        Divide by the largest second moment so far [2]_.
    maximize : bool
        Ascend instead.
    decoupled_weight_decay : bool
        Decay the parameter itself, as `AdamW` does.

    Raises
    ------
    ValueError
        If a hyper-parameter is outside its range.

    Notes
    -----
    For step t = 1, 2, ... (with ``g = -grad`` if ``maximize``)::

        g <- g + weight_decay * w                      decoupled: w <- w - lr * weight_decay * w
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g**2            amsgrad: the largest v so far, below
        w <- w - lr / (1 - beta1**t) * m / (sqrt(v / (1 - beta2**t)) + eps)

    References
    ----------
    .. [1] Kingma & Ba, 2015, arXiv:1412.6980, Algorithm 1.
    .. [2] Reddi, Kale & Kumar, 2018, "On the convergence of Adam and beyond", ICLR. As in
       PyTorch, the maximum is taken before the bias correction.
    """

    _state_names = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check(self, group: Group) -> None:
        check_non_negative(group, "lr", "eps", "weight_decay")
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)):
            raise TypeError(f"betas must be two numbers, got {betas!r}")
        for beta in betas:
            check_number("Adam", "betas", beta)
        if len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"betas must be two numbers in [0, 1), got {betas!r}")

    def _update(self, param: Array, grad: Array, state: State, group: Group) -> None:
        step = state.get("step", 0) + 1
        beta1, beta2 = group["betas"]
        dispatch.module("optimizer").adam(
            param,
            grad,
            zeros_in(state, "exp_avg", param),
            zeros_in(state, "exp_avg_sq", param),
            zeros_in(state, "max_exp_avg_sq", param) if group["amsgrad"] else None,
            step=step,
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )
        state["step"] = step


class AdamW(Adam):
    """Adam with decoupled weight decay [1]_: ``w <- w - lr * weight_decay * w`` at each step.

    Parameters
    ----------
    params : iterable of Tensor, or iterable of dict
        See `Optimizer`.
    lr : float
        Step size, >= 0.
    betas : tuple of two float
        Weights of the previous running means of the gradient and of its square, in [0, 1).
    eps : float
        Added to the root mean square, in units of the gradient, >= 0.
    weight_decay : float
        Factor of the decay, >= 0.
    amsgrad : bool
        Divide by the largest second moment so far.
    maximize : bool
        Ascend instead.

    Raises
    ------
    ValueError
        If a hyper-parameter is outside its range.

    References
    ----------
    .. [1] Loshchilov & Hutter, 2019, arXiv:1711.05101, Algorithm 2, with the decay multiplied by
       ``lr`` as in PyTorch.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )
