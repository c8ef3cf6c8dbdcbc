"""From a family and a device to the module that holds the kernels."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, overload

from minigrad.errors import DeviceError, MinigradError
from minigrad.kernels.types import BatchNormKernels, ElementwiseKernels, OptimizerKernels

__all__ = ["FAMILIES", "KernelLookupError", "module"]

FAMILIES = ("batch_norm", "elementwise", "optimizer")
"""The families of kernels."""

_DEVICES = ("cpu",)
_loaded: dict[tuple[str, str], Any] = {}


class KernelLookupError(MinigradError, LookupError):
    """There is no family of kernels of that name."""


@overload
def module(family: Literal["batch_norm"], device: str = "cpu") -> BatchNormKernels: ...
@overload
def module(family: Literal["elementwise"], device: str = "cpu") -> ElementwiseKernels: ...
@overload
def module(family: Literal["optimizer"], device: str = "cpu") -> OptimizerKernels: ...


def module(family: str, device: str = "cpu") -> Any:
    """Return the module with the kernels of a family on a device.

    The module is imported at the first call and looked up in a dictionary afterwards. A device
    that is absent is an error: nothing ever falls back to another device.

    Parameters
    ----------
    family : str
        One of :data:`FAMILIES`.
    device : str, default "cpu"

    Returns
    -------
    module
        The module; its functions are those of the family's Protocol in
        :mod:`minigrad.kernels.types`.

    Raises
    ------
    KernelLookupError
        If the family is unknown.
    DeviceError
        If this build has no kernels for the device.
    """
    try:
        return _loaded[family, device]
    except KeyError:
        pass
    if family not in FAMILIES:
        raise KernelLookupError(
            f"unknown family of kernels {family!r}; the families are {', '.join(FAMILIES)}"
        )
    if device not in _DEVICES:
        raise DeviceError(
            f"there are no {family} kernels for device {device!r}; available: "
            f"{', '.join(_DEVICES)}. Move the tensors to one of these"
        )
    loaded = import_module(f"minigrad.kernels.{device}.{family}")
    _loaded[family, device] = loaded
    return loaded
