"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.device import Device
from minigrad.nn import functional, init
from minigrad.nn.functional_norms import check_eps, normalized_axes
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """Normalise each sample over its last axes, then scale and shift each element.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the axes that are normalised together, the last ones of the input.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root. With 0, a constant sample gives NaN.
    elementwise_affine : bool
        Whether to learn a scale and a shift.
    bias : bool
        False: learn a scale without a shift.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.

    Attributes
    ----------
    weight, bias : Parameter, shape ``normalized_shape``, or None
        Scale and shift; start at 1 and 0.

    Raises
    ------
    ShapeError
        If ``normalized_shape`` is empty, or the input does not end with it.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If ``eps`` is out of range.

    Notes
    -----
    Training and evaluation are the same. The variance is the biased one, and statistics are
    float64. A sample of one value gives ``bias``.

    References
    ----------
    .. [1] Ba, Kiros & Hinton, 2016, arXiv:1607.06450.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.LayerNorm(4)(mg.ones(2, 4)).shape
    (2, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        shape = normalized_axes("LayerNorm", normalized_shape)
        check_eps("LayerNorm", eps)
        if device is not None:
            Device(device)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        affine = elementwise_affine
        self.register_parameter("weight", new_parameter(shape, device, dtype) if affine else None)
        self.register_parameter(
            "bias", new_parameter(shape, device, dtype) if affine and bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight and bias to 1 and 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``.

        Parameters
        ----------
        x : Tensor, shape (*, *normalized_shape), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
