"""The methods of `Tensor` that convert between dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minigrad.errors import DTypeError
from minigrad.registry import FUNCTIONS
from minigrad.typing import DTypeLike

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["TensorConversions"]


def _other(name: str, other: Any) -> Any:
    """Return ``other``, whose shape or dtype is wanted, if it is a Tensor or such an array."""
    if getattr(getattr(other, "dtype", None), "kind", "") not in tuple("fiub"):
        raise DTypeError(f"{name}: expected a Tensor, got {type(other).__name__}")
    return other


class TensorConversions:
    """Conversions between dtypes: apart, because their names hide the types' own."""

    __slots__ = ()

    def float(self) -> Tensor:
        """Convert to float32."""
        return self._cast("float32")

    def double(self) -> Tensor:
        """Convert to float64."""
        return self._cast("float64")

    def long(self) -> Tensor:
        """Convert to int64."""
        return self._cast("int64")

    def int(self) -> Tensor:
        """Convert to int32."""
        return self._cast("int32")

    def bool(self) -> Tensor:
        """Convert to bool."""
        return self._cast("bool")

    def type_as(self, other: Tensor) -> Tensor:
        """Convert to the dtype of ``other``."""
        return self._cast(_other("type_as", other).dtype)

    def _cast(self, dtype: DTypeLike) -> Tensor:
        result: Tensor = FUNCTIONS["cast"](self, dtype)
        return result
