"""The operators of `Tensor`, in place and not, and its comparisons under PyTorch's names.

Each one calls the public function of the same meaning, in ``minigrad.ops``, which documents it;
here stand the signatures, so that editors and type checkers see them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.errors import AutogradError, DTypeError, ShapeError
from minigrad.grad_mode import is_grad_enabled
from minigrad.registry import FUNCTIONS

if TYPE_CHECKING:
    from minigrad.engine import Node
    from minigrad.tensor import Tensor

__all__ = ["TensorOperators"]


class TensorOperators:
    """Operators; `Tensor` adds the state."""

    __slots__ = ()

    __hash__ = object.__hash__

    # ------------------------------------------------------------------------ arithmetic

    def __add__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["add"](self, other)
        return result

    def __radd__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["add"](other, self)
        return result

    def __sub__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["sub"](self, other)
        return result

    def __rsub__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["sub"](other, self)
        return result

    def __mul__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["mul"](self, other)
        return result

    def __rmul__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["mul"](other, self)
        return result

    def __truediv__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["div"](self, other)
        return result

    def __rtruediv__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["div"](other, self)
        return result

    def __floordiv__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["floor_divide"](self, other)
        return result

    def __rfloordiv__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["floor_divide"](other, self)
        return result

    def __mod__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["remainder"](self, other)
        return result

    def __rmod__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["remainder"](other, self)
        return result

    def __pow__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["pow"](self, other)
        return result

    def __rpow__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["pow"](other, self)
        return result

    def __matmul__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["matmul"](self, other)
        return result

    def __rmatmul__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["matmul"](other, self)
        return result

    def __neg__(self) -> Tensor:
        result: Tensor = FUNCTIONS["neg"](self)
        return result

    def __pos__(self) -> Tensor:
        return self  # type: ignore[return-value]  # `self` is a Tensor: the only subclass

    def __abs__(self) -> Tensor:
        result: Tensor = FUNCTIONS["abs"](self)
        return result

    # ---------------------------------------------------- comparison: not differentiable

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as NumPy
        if other is None or isinstance(other, str):  # not equal, as PyTorch says
            return NotImplemented
        result: Tensor = FUNCTIONS["eq"](self, other)
        return result

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]  # elementwise, as NumPy
        if other is None or isinstance(other, str):
            return NotImplemented
        result: Tensor = FUNCTIONS["ne"](self, other)
        return result

    def __lt__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["lt"](self, other)
        return result

    def __le__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["le"](self, other)
        return result

    def __gt__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["gt"](self, other)
        return result

    def __ge__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["ge"](self, other)
        return result

    def __and__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_and"](self, other)
        return result

    def __rand__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_and"](other, self)
        return result

    def __or__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_or"](self, other)
        return result

    def __ror__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_or"](other, self)
        return result

    def __xor__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_xor"](self, other)
        return result

    def __rxor__(self, other: Any) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_xor"](other, self)
        return result

    def __invert__(self) -> Tensor:
        result: Tensor = FUNCTIONS["bitwise_not"](self)
        return result

    # -------------------------------------------------------------------------- in place

    def __iadd__(self, other: Any) -> Tensor:
        return self._in_place("add", other)

    def __isub__(self, other: Any) -> Tensor:
        return self._in_place("sub", other)

    def __imul__(self, other: Any) -> Tensor:
        return self._in_place("mul", other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._in_place("div", other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._in_place("pow", other)

    def add_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Add ``alpha * other`` in place; see `_in_place` for when that is refused."""
        return self._in_place("add", _scaled(other, alpha))

    def sub_(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Subtract ``alpha * other`` in place."""
        return self._in_place("sub", _scaled(other, alpha))

    def mul_(self, other: Any) -> Tensor:
        """Multiply in place."""
        return self._in_place("mul", other)

    def div_(self, other: Any) -> Tensor:
        """Divide in place."""
        return self._in_place("div", other)

    def clamp_(self, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 - PyTorch's names
        """Limit the values in place."""
        return self._in_place("clamp", min, max)

    def zero_(self) -> Tensor:
        """Set every element to zero in place."""
        return self._in_place("full_like", 0)

    def fill_(self, value: Any) -> Tensor:
        """Set every element to ``value`` in place."""
        return self._in_place("full_like", value)

    def copy_(self, source: Any) -> Tensor:
        """Copy ``source``, broadcast and converted to this dtype, in place."""
        return self._in_place("copy_of", source)

    def _in_place(self, name: str, *arguments: Any) -> Tensor:
        """Compute out of place, then store the result in this Tensor's memory.

        Raises
        ------
        AutogradError
            While recording: if this Tensor is a leaf that requires a gradient, if it is a view,
            or if views of it are alive, because their history would be wrong afterwards.
            Always: if the memory is read-only.
        ShapeError, DTypeError
            If the result has another shape or dtype.
        """
        tensor: Tensor = self  # type: ignore[assignment]  # the only subclass
        result: Tensor = FUNCTIONS[name](tensor, *arguments)
        if result.shape != tensor.shape:
            raise ShapeError(
                f"in place, the result must keep shape {tensor.shape}, got {result.shape}"
            )
        if result.dtype != tensor.dtype:
            raise DTypeError(
                f"in place, the result must keep dtype {tensor.dtype}, got {result.dtype}; "
                f"convert the operand with .to({str(tensor.dtype)!r}) first"
            )
        recorded = result.node is not None or (tensor._requires_grad and is_grad_enabled())
        if recorded:
            self._check_in_place()
        if not tensor.array.flags.writeable:
            raise AutogradError(
                f"in place: the memory of this Tensor of shape {tensor.shape} is read-only, as "
                "that of expand() is; clone() it first"
            )
        if recorded:
            if result.node is not None:
                _keep_old_values(result.node, tensor)
            before, tensor.node = tensor.node, result.node
            tensor._requires_grad = result._requires_grad
            if before is not None and before.hooks is not None and before.hooks.retained:
                before.hooks.retained = None  # the gradient that is kept is that of the new values
                tensor.retain_grad()
        np.copyto(tensor.array, result.array)
        tensor.counter[0] += 1
        return tensor

    def _check_in_place(self) -> None:
        tensor: Tensor = self  # type: ignore[assignment]  # the only subclass
        if tensor._requires_grad and tensor.node is None:
            raise AutogradError(
                "a leaf that requires a gradient cannot be changed in place while recording; "
                "use the out-of-place operator, or no_grad()"
            )
        if any(view() is not None for view in tensor.counter[1:]):  # this one, if it is a view
            raise AutogradError(
                "a Tensor that shares memory with a view cannot be changed in place while "
                "recording; clone() it first, or assign to the base: base[index] = value"
            )

    def __getitem__(self, index: Any) -> Tensor:
        result: Tensor = FUNCTIONS["index"](self, index)
        return result

    def __setitem__(self, index: Any, value: Any) -> None:
        self._in_place("index_put", index, value)


def _keep_old_values(node: Node, tensor: Tensor) -> None:
    """Copy what ``node`` has saved of ``tensor``, which its result is about to overwrite."""
    saved = node.saved or []
    if any(np.may_share_memory(value, tensor.array) for value in saved):
        node.saved = [
            value.copy() if np.may_share_memory(value, tensor.array) else value for value in saved
        ]
        node.versions = [entry for entry in node.versions if entry[0] is not tensor.counter]


def _scaled(other: Any, alpha: Any) -> Any:
    """Return ``alpha * other``; mostly alpha is 1 and costs nothing."""
    if type(alpha) is int and alpha == 1:
        return other
    if isinstance(other, (int, float)) and isinstance(alpha, (int, float)):
        return other * alpha  # as Python numbers: a product of Tensors would round to float32
    return FUNCTIONS["mul"](other, alpha)
