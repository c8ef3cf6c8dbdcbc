"""Group normalisation."""

from __future__ import annotations

from typing import Any

from minigrad.arguments import check_integer
from minigrad.device import Device
from minigrad.errors import ShapeError
from minigrad.nn import functional, init
from minigrad.nn.functional_norms import check_eps
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import DTypeLike

__all__ = ["GroupNorm"]


class GroupNorm(Module):
    """Normalise each sample over groups of neighbouring channels, then scale and shift channels.

    Parameters
    ----------
    num_groups : int
        Divides ``num_channels``. With 1 all channels are normalised together, with
        ``num_channels`` each on its own.
    num_channels : int
        The length of axis 1.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root. With 0, a constant group gives NaN.
    affine : bool
        Whether to learn a scale and a shift.
    device : str or Device, optional
    dtype : dtype, optional
        Of weight and bias; default float32.
    bias : bool
        False: learn a scale without a shift.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_channels,), or None
        Scale and shift; start at 1 and 0.

    Raises
    ------
    ShapeError
        If the input has another number of channels.
    DTypeError
        If the input is not of the dtype of weight and bias, float32 or float64.
    ValueError
        If an argument is out of range, or ``num_channels`` is no multiple of ``num_groups``.

    Notes
    -----
    Training and evaluation are the same, and the result for a sample depends on that sample alone.
    The variance is the biased one, and statistics are float64. A group of one value gives ``bias``.

    References
    ----------
    .. [1] Wu & He, 2018, arXiv:1803.08494.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.GroupNorm(2, 6)(mg.ones(3, 6, 4, 4)).shape
    (3, 6, 4, 4)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DTypeLike = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_integer("GroupNorm", "num_groups", num_groups, 1)
        check_integer("GroupNorm", "num_channels", num_channels, 0)
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels must be a multiple of num_groups, got {num_channels} and "
                f"{num_groups}"
            )
        check_eps("GroupNorm", eps)
        if device is not None:
            Device(device)
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        shape = (num_channels,)
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
        x : Tensor, shape (N, num_channels, *S), float32 or float64

        Returns
        -------
        Tensor like ``x``
        """
        x = x if isinstance(x, Tensor) else as_tensor(x)
        if x.ndim < 2 or x.shape[1] != self.num_channels:
            raise ShapeError(
                f"GroupNorm: expected x of shape (N, C, *S) with C = {self.num_channels}, got "
                f"{x.shape}"
            )
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
