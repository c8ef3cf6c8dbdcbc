"""Losses as modules; the formulas stand in ``minigrad.ops.loss`` and ``classification``."""

from __future__ import annotations

from typing import Any

from minigrad.arguments import check_integer, check_number
from minigrad.nn import functional
from minigrad.nn.module import Module
from minigrad.ops.loss import Reduction
from minigrad.tensor import Tensor

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
]


class _Loss(Module):
    """A loss with a reduction; the deprecated arguments keep PyTorch's positions."""

    def __init__(self, size_average: None, reduce: None, reduction: Reduction) -> None:
        super().__init__()
        functional.refuse_deprecated(type(self).__name__, size_average, reduce)
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(
                f"{type(self).__name__}: reduction must be 'none', 'mean' or 'sum', got "
                f"{reduction!r}"
            )
        self.reduction: Reduction = reduction


class CrossEntropyLoss(_Loss):
    """Cross-entropy of the softmax of logits with class indices or probabilities.

    Parameters
    ----------
    weight : Tensor, shape (K,), optional
        Weight of each class; a buffer.
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    ignore_index : int
        Samples of this class do not count.
    reduction : "mean", "sum" or "none"
    label_smoothing : float, 0 to 1
        Share of the target that is spread evenly over the classes.

    See Also
    --------
    minigrad.cross_entropy : shapes, formula and errors.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = check_integer(type(self).__name__, "ignore_index", ignore_index)
        check_number("CrossEntropyLoss", "label_smoothing", label_smoothing)
        self.label_smoothing = label_smoothing

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of logits ``x``, shape (N, K, *S), for ``target``, shape (N, *S)."""
        return functional.cross_entropy(
            x,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities.

    Parameters
    ----------
    weight : Tensor, shape (K,), optional
        Weight of each class; a buffer.
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    ignore_index : int
        Samples of this class do not count.
    reduction : "mean", "sum" or "none"
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = check_integer(type(self).__name__, "ignore_index", ignore_index)

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of ``x``, shape (N, K, *S), for ``target``, shape (N, *S)."""
        return functional.nll_loss(
            x, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class MSELoss(_Loss):
    """Squared difference.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    reduction : "mean", "sum" or "none"
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of ``x`` for ``target``, of the same shape."""
        return functional.mse_loss(x, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Absolute difference.

    Parameters
    ----------
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    reduction : "mean", "sum" or "none"
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: Reduction = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of ``x`` for ``target``, of the same shape."""
        return functional.l1_loss(x, target, reduction=self.reduction)


class HuberLoss(_Loss):
    """Squared difference near zero, absolute beyond ``delta``.

    Parameters
    ----------
    reduction : "mean", "sum" or "none"
    delta : float, > 0, in units of the values
    """

    def __init__(self, reduction: Reduction = "mean", delta: float = 1.0) -> None:
        super().__init__(None, None, reduction)
        check_number("HuberLoss", "delta", delta)
        self.delta = delta

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of ``x`` for ``target``, of the same shape."""
        return functional.huber_loss(x, target, self.reduction, self.delta)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of sigmoid(x).

    Parameters
    ----------
    weight : Tensor, broadcastable to the target, optional
        Weight of each element; a buffer.
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    reduction : "mean", "sum" or "none"
    pos_weight : Tensor, broadcastable to the target, optional
        Weight of positive targets; a buffer.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: Reduction = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, x: Any, target: Any) -> Tensor:
        """Return the loss of logits ``x`` for ``target``, 0 to 1, of the same shape."""
        return functional.binary_cross_entropy_with_logits(
            x,
            target,
            self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
        )
