"""Results of the kernels, and the functions that every device module of a family has."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from minigrad.typing import Array

__all__ = [
    "BatchNormKernels",
    "ElementwiseKernels",
    "GradientSums",
    "Gradients",
    "Needs",
    "OptimizerKernels",
    "Statistics",
    "TrainForward",
]

Needs = tuple[bool, bool, bool]
"""Which of ``dx, dgamma, dbeta`` are wanted."""


class Statistics(NamedTuple):
    """Statistics of each channel of one batch."""

    mean: Array
    """Shape (C,), float64."""
    var: Array
    """Shape (C,), float64, biased: the sum of squares is divided by n, not n - 1."""


class TrainForward(NamedTuple):
    """Result of ``forward_train``."""

    y: Array
    """Shape, dtype and memory order of ``x``."""
    mean: Array
    """Shape (C,), float64."""
    var: Array
    """Shape (C,), float64, biased."""
    inv_std: Array
    """Shape (C,), float64: ``1 / sqrt(var + eps)``."""


class Gradients(NamedTuple):
    """Gradients of one batch normalisation; None for what was not asked for."""

    dx: Array | None
    """Shape, dtype and memory order of ``x``."""
    dgamma: Array | None
    """Shape (C,), dtype of ``x``."""
    dbeta: Array | None
    """Shape (C,), dtype of ``x``."""


class GradientSums(NamedTuple):
    """What the gradients of one batch normalisation have to sum, for each channel."""

    dy: Array
    """Shape (C,), float64."""
    dy_x_hat: Array
    """Shape (C,), float64: the sum of ``dy * x_hat``."""


class BatchNormKernels(Protocol):
    """The functions of the family ``batch_norm``; ``reference.batch_norm`` says what each means."""

    def statistics(self, x: Array) -> Statistics:
        """Mean and biased variance of each channel."""

    def empty_mask(self, x: Array) -> Array:
        """Memory for the mask of a rectified result."""

    def unpack_mask(self, mask: Array, x: Array) -> Array:
        """Return a mask as booleans."""

    def forward_train(
        self,
        x: Array,
        gamma: Array | None,
        beta: Array | None,
        residual: Array | None = None,
        *,
        eps: float,
        mask: Array | None = None,
    ) -> TrainForward:
        """Normalise by the statistics of the batch."""

    def backward_train(
        self,
        dy: Array,
        x: Array,
        mean: Array,
        inv_std: Array,
        gamma: Array | None,
        *,
        needs: Needs = (True, True, True),
        mask: Array | None = None,
        masked_dy: Array | None = None,
    ) -> Gradients:
        """Gradients of ``forward_train``."""

    def forward_eval(
        self,
        x: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        beta: Array | None,
        residual: Array | None = None,
        *,
        eps: float,
        mask: Array | None = None,
    ) -> Array:
        """Normalise by given statistics."""

    def backward_eval(
        self,
        dy: Array,
        x: Array,
        mean: Array,
        var: Array,
        gamma: Array | None,
        *,
        eps: float,
        needs: Needs = (True, True, True),
        mask: Array | None = None,
        masked_dy: Array | None = None,
    ) -> Gradients:
        """Gradients of ``forward_eval``."""

    def gradient_sums(self, dy: Array, x: Array, mean: Array, inv_std: Array) -> GradientSums:
        """Compute the sums that a part of a batch contributes to the gradients of the whole."""

    def gradient_from_sums(
        self,
        dy: Array,
        x: Array,
        mean: Array,
        inv_std: Array,
        gamma: Array | None,
        sums: GradientSums,
        *,
        n: int,
    ) -> Array:
        """Gradient of a part of a batch, from the sums of the whole."""

    def update_running(
        self,
        running_mean: Array,
        running_var: Array,
        mean: Array,
        var: Array,
        *,
        n: int,
        momentum: float,
        unbiased: bool = True,
    ) -> None:
        """Move the running statistics towards those of a batch, in place."""


class OptimizerKernels(Protocol):
    """The functions of the family ``optimizer``: in-place updates of one parameter."""

    def sgd(
        self,
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
        """Stochastic gradient descent."""

    def adam(
        self,
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
        """Adam, or AdamW when ``decoupled``."""

    def rmsprop(
        self,
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
        """RMSprop, centred when ``grad_avg`` is given."""

    def adagrad(
        self,
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
        """Adagrad."""


class ElementwiseKernels(Protocol):
    """The functions of the family ``elementwise``."""

    def erf(self, x: Array) -> Array:
        """Error function of each element."""
