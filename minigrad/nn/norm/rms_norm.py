"""Normalisation by the root mean square."""

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

__all__ = ["RMSNorm"]


class RMSNorm(Module):
    """Divide each sample by the root mean square over its last axes, and scale each element.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the axes that are normalised together, the last ones of the input.
    eps : float, in squared units of the input, >= 0, or None
        Added to the mean square inside the root; None: the machine epsilon of the input's dtype.
    elementwise_affine : bool
        Whether to learn a scale.
    device : str or Device, optional
    dtype : dtype, optional
        Of the weight; default float32.

    Attributes
    ----------
    weight : Parameter, shape ``normalized_shape``, or None
        Scale; starts at 1.

    Raises
    ------
    ShapeError
        If ``normalized_shape`` is empty, or the input does not end with it.
    DTypeError
        If the input is not of the dtype of the weight, float32 or float64.
    ValueError
        If ``eps`` is out of range.

    Notes
    -----
    Training and evaluation are the same. Samples of mean zero come out as from `LayerNorm`.

    References
    ----------
    .. [1] Zhang & Sennrich, 2019, arXiv:1910.07467.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        shape = normalized_axes("RMSNorm", normalized_shape)
        if eps is not None:
            check_eps("RMSNorm", eps)
        if device is not None:
            Device(device)
        self.normalized_shape = shape
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter(
            "weight", new_parameter(shape, device, dtype) if elementwise_affine else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Tensor:
        """Normalise ``x``.

        Parameters
        ----------
        x : Tensor, shape (*, *normalized_shape), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
