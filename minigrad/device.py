"""Devices: where an array lives."""

from __future__ import annotations

from minigrad.errors import DeviceError

__all__ = ["CPU", "Device", "device"]


class Device:
    """A device, by PyTorch's names.

    Parameters
    ----------
    name : str or Device
        ``"cpu"``.

    Raises
    ------
    DeviceError
        If the device is not available in this installation.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.zeros(2).device
    device('cpu')
    """

    __slots__ = ("type",)

    type: str

    def __init__(self, name: str | Device) -> None:
        kind = name.type if isinstance(name, Device) else name
        if isinstance(kind, str) and kind.split(":")[0] == "cuda":
            raise DeviceError(
                "expected device 'cpu', got 'cuda': this version of minigrad runs on the CPU "
                "only; keep tensors and modules on 'cpu'"
            )
        if kind != "cpu":
            raise DeviceError(f"expected device 'cpu', got {kind!r}")
        self.type = kind

    def __repr__(self) -> str:
        return f"device('{self.type}')"

    def __str__(self) -> str:
        return self.type

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.type == other
        return isinstance(other, Device) and self.type == other.type

    def __hash__(self) -> int:
        return hash(self.type)


device = Device
CPU = Device("cpu")
