"""Activation functions as layers; the formulas stand in ``minigrad.ops.activation``."""

from __future__ import annotations

from typing import Any

from minigrad.arguments import check_integer, check_number
from minigrad.nn import functional
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class ReLU(Module):
    """max(x, 0).

    Parameters
    ----------
    inplace : bool
        Also store the result in the input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.relu(x, self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x where x > 0, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
    inplace : bool
        Also store the result in the input.
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        check_number("LeakyReLU", "negative_slope", negative_slope)
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.leaky_relu(x, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class ELU(Module):
    """x where x > 0, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float
    inplace : bool
        Also store the result in the input.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        check_number("ELU", "alpha", alpha)
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.elu(x, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class SiLU(Module):
    """``x * sigmoid(x)``.

    Parameters
    ----------
    inplace : bool
        Also store the result in the input.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.silu(x, self.inplace)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """``x * Phi(x)``, with Phi the distribution function of N(0, 1).

    Parameters
    ----------
    approximate : "none" or "tanh"
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """``log(1 + exp(beta * x)) / beta``: a smooth ReLU.

    Parameters
    ----------
    beta : float
    threshold : float
        Where ``beta * x`` is beyond it, the function is x.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        check_number("Softplus", "beta", beta)
        check_number("Softplus", "threshold", threshold)
        self.beta = beta
        self.threshold = threshold

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``."""

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Any) -> Tensor:
        """Apply the function elementwise."""
        return functional.tanh(x)


class Softmax(Module):
    """exp(x) divided by its sum along an axis.

    Parameters
    ----------
    dim : int
        The axis. PyTorch's implicit choice is refused, when the layer is called.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is not None:
            check_integer(type(self).__name__, "dim", dim)
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Apply the function along the axis."""
        return functional.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of the softmax along an axis.

    Parameters
    ----------
    dim : int
        The axis. PyTorch's implicit choice is refused, when the layer is called.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is not None:
            check_integer(type(self).__name__, "dim", dim)
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Apply the function along the axis."""
        return functional.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"
