"""The common methods of `Tensor`: elementwise, reductions, shape; under PyTorch's names.

Each one calls the public function of the same meaning, in ``minigrad.ops``, which documents it;
here stand the signatures, so that editors and type checkers see them. Axes are called ``dim`` and
``keepdim``, as in PyTorch; NumPy's functions on Tensors take ``axis`` and ``keepdims``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minigrad.conversions import _other
from minigrad.errors import ShapeError
from minigrad.operators import TensorOperators, _scaled
from minigrad.registry import FUNCTIONS
from minigrad.typing import Axis, DTypeLike

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["TensorCommonMethods"]


class TensorCommonMethods(TensorOperators):
    """Methods that `Tensor` inherits."""

    __slots__ = ()

    # ----------------------------------------------------------------------- elementwise

    def exp(self) -> Tensor:
        """Return `minigrad.exp` of each element."""
        result: Tensor = FUNCTIONS["exp"](self)
        return result

    def exp2(self) -> Tensor:
        """Return `minigrad.exp2` of each element."""
        result: Tensor = FUNCTIONS["exp2"](self)
        return result

    def expm1(self) -> Tensor:
        """Return `minigrad.expm1` of each element."""
        result: Tensor = FUNCTIONS["expm1"](self)
        return result

    def log(self) -> Tensor:
        """Return `minigrad.log` of each element."""
        result: Tensor = FUNCTIONS["log"](self)
        return result

    def log2(self) -> Tensor:
        """Return `minigrad.log2` of each element."""
        result: Tensor = FUNCTIONS["log2"](self)
        return result

    def log10(self) -> Tensor:
        """Return `minigrad.log10` of each element."""
        result: Tensor = FUNCTIONS["log10"](self)
        return result

    def log1p(self) -> Tensor:
        """Return `minigrad.log1p` of each element."""
        result: Tensor = FUNCTIONS["log1p"](self)
        return result

    def sqrt(self) -> Tensor:
        """Return `minigrad.sqrt` of each element."""
        result: Tensor = FUNCTIONS["sqrt"](self)
        return result

    def rsqrt(self) -> Tensor:
        """Return `minigrad.rsqrt` of each element."""
        result: Tensor = FUNCTIONS["rsqrt"](self)
        return result

    def square(self) -> Tensor:
        """Return `minigrad.square` of each element."""
        result: Tensor = FUNCTIONS["square"](self)
        return result

    def reciprocal(self) -> Tensor:
        """Return `minigrad.reciprocal` of each element."""
        result: Tensor = FUNCTIONS["reciprocal"](self)
        return result

    def sin(self) -> Tensor:
        """Return `minigrad.sin` of each element."""
        result: Tensor = FUNCTIONS["sin"](self)
        return result

    def cos(self) -> Tensor:
        """Return `minigrad.cos` of each element."""
        result: Tensor = FUNCTIONS["cos"](self)
        return result

    def tan(self) -> Tensor:
        """Return `minigrad.tan` of each element."""
        result: Tensor = FUNCTIONS["tan"](self)
        return result

    def arcsin(self) -> Tensor:
        """Return `minigrad.arcsin` of each element."""
        result: Tensor = FUNCTIONS["arcsin"](self)
        return result

    def arccos(self) -> Tensor:
        """Return `minigrad.arccos` of each element."""
        result: Tensor = FUNCTIONS["arccos"](self)
        return result

    def arctan(self) -> Tensor:
        """Return `minigrad.arctan` of each element."""
        result: Tensor = FUNCTIONS["arctan"](self)
        return result

    def sinh(self) -> Tensor:
        """Return `minigrad.sinh` of each element."""
        result: Tensor = FUNCTIONS["sinh"](self)
        return result

    def cosh(self) -> Tensor:
        """Return `minigrad.cosh` of each element."""
        result: Tensor = FUNCTIONS["cosh"](self)
        return result

    def tanh(self) -> Tensor:
        """Return `minigrad.tanh` of each element."""
        result: Tensor = FUNCTIONS["tanh"](self)
        return result

    def arcsinh(self) -> Tensor:
        """Return `minigrad.arcsinh` of each element."""
        result: Tensor = FUNCTIONS["arcsinh"](self)
        return result

    def arccosh(self) -> Tensor:
        """Return `minigrad.arccosh` of each element."""
        result: Tensor = FUNCTIONS["arccosh"](self)
        return result

    def arctanh(self) -> Tensor:
        """Return `minigrad.arctanh` of each element."""
        result: Tensor = FUNCTIONS["arctanh"](self)
        return result

    def erf(self) -> Tensor:
        """Return `minigrad.erf` of each element."""
        result: Tensor = FUNCTIONS["erf"](self)
        return result

    def sigmoid(self) -> Tensor:
        """Return `minigrad.sigmoid` of each element."""
        result: Tensor = FUNCTIONS["sigmoid"](self)
        return result

    def relu(self) -> Tensor:
        """Return `minigrad.relu` of each element."""
        result: Tensor = FUNCTIONS["relu"](self)
        return result

    def abs(self) -> Tensor:
        """Return `minigrad.abs` of each element."""
        result: Tensor = FUNCTIONS["abs"](self)
        return result

    def neg(self) -> Tensor:
        """Return `minigrad.neg` of each element."""
        result: Tensor = FUNCTIONS["neg"](self)
        return result

    def sign(self) -> Tensor:
        """Return `minigrad.sign` of each element."""
        result: Tensor = FUNCTIONS["sign"](self)
        return result

    def floor(self) -> Tensor:
        """Return `minigrad.floor` of each element."""
        result: Tensor = FUNCTIONS["floor"](self)
        return result

    def ceil(self) -> Tensor:
        """Return `minigrad.ceil` of each element."""
        result: Tensor = FUNCTIONS["ceil"](self)
        return result

    def round(self) -> Tensor:
        """Return `minigrad.round` of each element."""
        result: Tensor = FUNCTIONS["round"](self)
        return result

    def trunc(self) -> Tensor:
        """Return `minigrad.trunc` of each element."""
        result: Tensor = FUNCTIONS["trunc"](self)
        return result

    def add(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return `minigrad.add` of this and ``alpha * other``."""
        result: Tensor = FUNCTIONS["add"](self, _scaled(other, alpha))
        return result

    def sub(self, other: Any, *, alpha: Any = 1) -> Tensor:
        """Return `minigrad.sub` of this and ``alpha * other``."""
        result: Tensor = FUNCTIONS["sub"](self, _scaled(other, alpha))
        return result

    def mul(self, other: Any) -> Tensor:
        """Return `minigrad.mul` of this and ``other``."""
        result: Tensor = FUNCTIONS["mul"](self, other)
        return result

    def div(self, other: Any) -> Tensor:
        """Return `minigrad.div` of this and ``other``."""
        result: Tensor = FUNCTIONS["div"](self, other)
        return result

    def pow(self, other: Any) -> Tensor:
        """Return `minigrad.pow` of this and ``other``."""
        result: Tensor = FUNCTIONS["pow"](self, other)
        return result

    def maximum(self, other: Any) -> Tensor:
        """Return `minigrad.maximum` of this and ``other``."""
        result: Tensor = FUNCTIONS["maximum"](self, other)
        return result

    def minimum(self, other: Any) -> Tensor:
        """Return `minigrad.minimum` of this and ``other``."""
        result: Tensor = FUNCTIONS["minimum"](self, other)
        return result

    def matmul(self, other: Any) -> Tensor:
        """Return `minigrad.matmul` of this and ``other``."""
        result: Tensor = FUNCTIONS["matmul"](self, other)
        return result

    def dot(self, other: Any) -> Tensor:
        """Return `minigrad.dot` of this and ``other``."""
        result: Tensor = FUNCTIONS["dot"](self, other)
        return result

    def remainder(self, other: Any) -> Tensor:
        """Return `minigrad.remainder` of this and ``other``."""
        result: Tensor = FUNCTIONS["remainder"](self, other)
        return result

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 - PyTorch's names
        """Return the values limited to ``[min, max]``."""
        result: Tensor = FUNCTIONS["clamp"](self, min, max)
        return result

    def clip(self, min: Any = None, max: Any = None) -> Tensor:  # noqa: A002 - PyTorch's names
        """Return the values limited to ``[min, max]``."""
        result: Tensor = FUNCTIONS["clamp"](self, min, max)
        return result

    def where(self, condition: Any, other: Any) -> Tensor:
        """Return this Tensor where ``condition`` holds, else ``other``."""
        result: Tensor = FUNCTIONS["where"](condition, self, other)
        return result

    def eq(self, other: Any) -> Tensor:
        """Return `minigrad.eq`: where this is equal to ``other``."""
        result: Tensor = FUNCTIONS["eq"](self, other)
        return result

    def ne(self, other: Any) -> Tensor:
        """Return `minigrad.ne`: where this is not equal to ``other``."""
        result: Tensor = FUNCTIONS["ne"](self, other)
        return result

    def lt(self, other: Any) -> Tensor:
        """Return `minigrad.lt`: where this is less than ``other``."""
        result: Tensor = FUNCTIONS["lt"](self, other)
        return result

    def le(self, other: Any) -> Tensor:
        """Return `minigrad.le`: where this is at most ``other``."""
        result: Tensor = FUNCTIONS["le"](self, other)
        return result

    def gt(self, other: Any) -> Tensor:
        """Return `minigrad.gt`: where this is greater than ``other``."""
        result: Tensor = FUNCTIONS["gt"](self, other)
        return result

    def ge(self, other: Any) -> Tensor:
        """Return `minigrad.ge`: where this is at least ``other``."""
        result: Tensor = FUNCTIONS["ge"](self, other)
        return result

    def isnan(self) -> Tensor:
        """Return where the values are NaN."""
        result: Tensor = FUNCTIONS["isnan"](self)
        return result

    def isinf(self) -> Tensor:
        """Return where the values are infinite."""
        result: Tensor = FUNCTIONS["isinf"](self)
        return result

    def isfinite(self) -> Tensor:
        """Return where the values are neither NaN nor infinite."""
        result: Tensor = FUNCTIONS["isfinite"](self)
        return result

    # ------------------------------------------------------------------------ reductions

    def sum(self, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.sum` over ``dim``."""
        result: Tensor = FUNCTIONS["sum"](self, dim, keepdim, dtype=dtype)
        return result

    def mean(self, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.mean` over ``dim``."""
        result: Tensor = FUNCTIONS["mean"](self, dim, keepdim, dtype=dtype)
        return result

    def amax(self, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Return `minigrad.amax` over ``dim``."""
        result: Tensor = FUNCTIONS["amax"](self, dim, keepdim)
        return result

    def amin(self, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Return `minigrad.amin` over ``dim``."""
        result: Tensor = FUNCTIONS["amin"](self, dim, keepdim)
        return result

    def var(self, dim: Axis = None, *, correction: int = 1, keepdim: bool = False) -> Tensor:
        """Return `minigrad.var` over ``dim``: unbiased unless ``correction`` is 0."""
        result: Tensor = FUNCTIONS["var"](self, dim, correction=correction, keepdim=keepdim)
        return result

    def std(self, dim: Axis = None, *, correction: int = 1, keepdim: bool = False) -> Tensor:
        """Return `minigrad.std` over ``dim``: unbiased unless ``correction`` is 0."""
        result: Tensor = FUNCTIONS["std"](self, dim, correction=correction, keepdim=keepdim)
        return result

    def max(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
        """Return the maximum of all elements, or (values, indices) along ``dim``."""
        return FUNCTIONS["max"](self, dim, keepdim)

    def min(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
        """Return the minimum of all elements, or (values, indices) along ``dim``."""
        return FUNCTIONS["min"](self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return the index of the first maximum."""
        result: Tensor = FUNCTIONS["argmax"](self, dim, keepdim)
        return result

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Return the index of the first minimum."""
        result: Tensor = FUNCTIONS["argmin"](self, dim, keepdim)
        return result

    def any(self, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Return whether any element is nonzero."""
        result: Tensor = FUNCTIONS["any"](self, dim, keepdim)
        return result

    def all(self, dim: Axis = None, keepdim: bool = False) -> Tensor:
        """Return whether all elements are nonzero."""
        result: Tensor = FUNCTIONS["all"](self, dim, keepdim)
        return result

    def softmax(self, dim: int) -> Tensor:
        """Return `minigrad.softmax` along ``dim``."""
        result: Tensor = FUNCTIONS["softmax"](self, dim)
        return result

    def log_softmax(self, dim: int) -> Tensor:
        """Return `minigrad.log_softmax` along ``dim``."""
        result: Tensor = FUNCTIONS["log_softmax"](self, dim)
        return result

    # ----------------------------------------------------------------------------- shape

    def reshape(self, *shape: Any) -> Tensor:
        """Return the values in another shape; a view where possible."""
        result: Tensor = FUNCTIONS["reshape"](self, _flat(shape))
        return result

    def view(self, *shape: Any) -> Tensor:
        """Return the values in another shape; as `reshape`."""
        return self.reshape(*shape)

    def view_as(self, other: Tensor) -> Tensor:
        """Return the values in the shape of ``other``."""
        return self.reshape(_other("view_as", other).shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Return a Tensor whose axes ``start_dim`` to ``end_dim`` are one."""
        result: Tensor = FUNCTIONS["flatten"](self, start_dim, end_dim)
        return result

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Return a view with two axes exchanged."""
        result: Tensor = FUNCTIONS["transpose"](self, dim0, dim1)
        return result

    def permute(self, *dims: Any) -> Tensor:
        """Return a view with the axes in another order."""
        result: Tensor = FUNCTIONS["permute"](self, _flat(dims))
        return result

    @property
    def T(self) -> Tensor:  # noqa: N802 - the field's name
        """A view with the axes reversed."""
        result: Tensor = FUNCTIONS["permute"](self, None)
        return result

    def t(self) -> Tensor:
        """Return a view of a matrix with its axes exchanged; a vector stays as it is."""
        result = self.T
        if result.ndim > 2:
            raise ShapeError(
                f"t: expected a matrix, got shape {result.shape[::-1]}; use transpose(dim0, dim1)"
            )
        return result

    @property
    def mT(self) -> Tensor:  # noqa: N802 - PyTorch's name
        """A view with the last two axes exchanged."""
        return self.transpose(-2, -1)

    def squeeze(self, dim: int | Sequence[int] | None = None) -> Tensor:
        """Return a view without axes of length one."""
        result: Tensor = FUNCTIONS["squeeze"](self, dim)
        return result

    def unsqueeze(self, dim: int) -> Tensor:
        """Return a view with a new axis of length one."""
        result: Tensor = FUNCTIONS["unsqueeze"](self, dim)
        return result

    def expand(self, *sizes: Any) -> Tensor:
        """Return a read-only view broadcast to a larger shape; -1 keeps a length."""
        result: Tensor = FUNCTIONS["expand"](self, _flat(sizes))
        return result

    def expand_as(self, other: Tensor) -> Tensor:
        """Return a read-only view broadcast to the shape of ``other``."""
        return self.expand(_other("expand_as", other).shape)

    def flip(self, *dims: Any) -> Tensor:
        """Return a view with the order along axes reversed."""
        result: Tensor = FUNCTIONS["flip"](self, _flat(dims))
        return result

    def split(
        self, split_size_or_sections: int | Sequence[int], dim: int = 0
    ) -> tuple[Tensor, ...]:
        """Return `minigrad.split` along ``dim``: parts of one length, or of those given."""
        parts: tuple[Tensor, ...] = FUNCTIONS["split"](self, split_size_or_sections, dim)
        return parts

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """Return at most ``chunks`` parts of equal length along ``dim``."""
        parts: tuple[Tensor, ...] = FUNCTIONS["chunk"](self, chunks, dim)
        return parts

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """Return the slices along ``dim``, without it."""
        parts: tuple[Tensor, ...] = FUNCTIONS["unbind"](self, dim)
        return parts

    def index_select(self, dim: int, index: Any) -> Tensor:
        """Return the slices at ``index`` along ``dim``."""
        result: Tensor = FUNCTIONS["index_select"](self, dim, index)
        return result

    def gather(self, dim: int, index: Any) -> Tensor:
        """Return the values at ``index`` along ``dim``."""
        result: Tensor = FUNCTIONS["gather"](self, dim, index)
        return result

    def clone(self) -> Tensor:
        """Return a recorded copy."""
        result: Tensor = FUNCTIONS["clone"](self)
        return result

    def contiguous(self) -> Tensor:
        """Return this Tensor if it is in C order, else a recorded copy that is."""
        result: Tensor = FUNCTIONS["contiguous"](self)
        return result


def _flat(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept both ``f(2, 3)`` and ``f((2, 3))``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes
