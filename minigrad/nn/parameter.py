"""`Parameter`: a Tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import real_dtype
from minigrad.device import Device
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike, Shape

__all__ = ["Parameter", "new_parameter"]


class Parameter(Tensor):
    """A Tensor that requires a gradient and that a `Module` registers when it is assigned.

    Parameters
    ----------
    data : Tensor, ndarray or array_like
        Shared if it is a Tensor or an array, as by `Tensor`; not its history.
    requires_grad : bool
        False for a parameter that is kept and moved with the module but not learned.

    Raises
    ------
    DTypeError
        If ``requires_grad`` is asked of data that are not floating.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.Parameter(mg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def new_parameter(shape: Shape, device: Any, dtype: DTypeLike) -> Parameter:
    """Return a parameter of zeros, for a layer to initialise.

    Parameters
    ----------
    shape : tuple of int
    device : str, Device or None
    dtype : dtype or None
        A floating one; None stands for float32.

    Raises
    ------
    DeviceError
        If the device is not available.
    DTypeError
        If ``dtype`` is not floating.
    """
    if device is not None:
        Device(device)
    return Parameter(np.zeros(shape, np.float32 if dtype is None else real_dtype(dtype)))
