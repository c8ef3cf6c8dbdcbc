"""Methods of `Tensor` beside the operators and the common ones: order, repetition, parts.

As in `minigrad.common_methods`, each calls the public function of the same meaning, in
``minigrad.ops``, which documents it; here stand PyTorch's signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from minigrad.common_methods import TensorCommonMethods, _flat
from minigrad.operators import _scaled
from minigrad.registry import FUNCTIONS
from minigrad.typing import Axis, DTypeLike

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["TensorMethods"]


class TensorMethods(TensorCommonMethods):
    """Methods that `Tensor` inherits."""

    __slots__ = ()

    # ------------------------------------------------------------------------ cumulative

    def cumsum(self, dim: int, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.cumsum` along ``dim``."""
        result: Tensor = FUNCTIONS["cumsum"](self, dim, dtype=dtype)
        return result

    def cumprod(self, dim: int, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.cumprod` along ``dim``."""
        result: Tensor = FUNCTIONS["cumprod"](self, dim, dtype=dtype)
        return result

    def logcumsumexp(self, dim: int) -> Tensor:
        """Return `minigrad.logcumsumexp` along ``dim``."""
        result: Tensor = FUNCTIONS["logcumsumexp"](self, dim)
        return result

    def cummax(self, dim: int) -> Any:
        """Return the largest values so far along ``dim``, and where they are."""
        return FUNCTIONS["cummax"](self, dim)

    def cummin(self, dim: int) -> Any:
        """Return the smallest values so far along ``dim``, and where they are."""
        return FUNCTIONS["cummin"](self, dim)

    def diff(self, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Tensor:
        """Return the differences of neighbours along ``dim``."""
        result: Tensor = FUNCTIONS["diff"](self, n, dim, prepend, append)
        return result

    # ------------------------------------------------------------------------ reductions

    def prod(self, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.prod` over ``dim``."""
        result: Tensor = FUNCTIONS["prod"](self, dim, keepdim, dtype=dtype)
        return result

    def logsumexp(self, dim: Axis, keepdim: bool = False) -> Tensor:
        """Return `minigrad.logsumexp` over ``dim``."""
        result: Tensor = FUNCTIONS["logsumexp"](self, dim, keepdim)
        return result

    def nansum(self, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None) -> Tensor:
        """Return `minigrad.nansum` over ``dim``."""
        result: Tensor = FUNCTIONS["nansum"](self, dim, keepdim, dtype=dtype)
        return result

    def nanmean(
        self, dim: Axis = None, keepdim: bool = False, *, dtype: DTypeLike = None
    ) -> Tensor:
        """Return `minigrad.nanmean` over ``dim``."""
        result: Tensor = FUNCTIONS["nanmean"](self, dim, keepdim, dtype=dtype)
        return result

    def median(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """Return the lower median of all elements, or (values, indices) along ``dim``."""
        return FUNCTIONS["median"](self, dim, keepdim)

    def kthvalue(self, k: int, dim: int = -1, keepdim: bool = False) -> Any:
        """Return the ``k``-th smallest values along ``dim``, and where they are."""
        return FUNCTIONS["kthvalue"](self, k, dim, keepdim)

    # ----------------------------------------------------------------------------- order

    def sort(self, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
        """Return the values sorted along ``dim``, and where they were."""
        return FUNCTIONS["sort"](self, dim, descending, stable=stable)

    def argsort(self, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
        """Return the indices that sort along ``dim``."""
        result: Tensor = FUNCTIONS["argsort"](self, dim, descending, stable=stable)
        return result

    def msort(self) -> Tensor:
        """Return the values sorted along axis 0."""
        result: Tensor = FUNCTIONS["msort"](self)
        return result

    def topk(
        self,
        k: int,
        dim: int = -1,
        largest: bool = True,
        sorted: bool = True,  # noqa: A002 - PyTorch's name
    ) -> Any:
        """Return the ``k`` largest (or smallest) values along ``dim``, and where they are."""
        return FUNCTIONS["topk"](self, k, dim, largest, sorted)

    # ------------------------------------------------------------------------ repetition

    def repeat(self, *sizes: Any) -> Tensor:
        """Return copies laid out side by side; `repeat_interleave` repeats elements."""
        result: Tensor = FUNCTIONS["repeat"](self, _flat(sizes))
        return result

    def tile(self, *dims: Any) -> Tensor:
        """Return copies laid out side by side, as `minigrad.tile`."""
        result: Tensor = FUNCTIONS["tile"](self, _flat(dims))
        return result

    def repeat_interleave(self, repeats: Any, dim: int | None = None) -> Tensor:
        """Return each slice along ``dim`` repeated in place."""
        result: Tensor = FUNCTIONS["repeat_interleave"](self, repeats, dim)
        return result

    def roll(self, shifts: int | Sequence[int], dims: Axis = None) -> Tensor:
        """Return the elements moved along ``dims`` and around their ends."""
        result: Tensor = FUNCTIONS["roll"](self, shifts, dims)
        return result

    # --------------------------------------------------------------- parts and diagonals

    def select(self, dim: int, index: int) -> Tensor:
        """Return a view of the slice at ``index`` along ``dim``."""
        result: Tensor = FUNCTIONS["select"](self, dim, index)
        return result

    def narrow(self, dim: int, start: int, length: int) -> Tensor:
        """Return a view of ``length`` slices along ``dim``, from ``start`` on."""
        result: Tensor = FUNCTIONS["narrow"](self, dim, start, length)
        return result

    def tensor_split(
        self, indices_or_sections: int | Sequence[int], dim: int = 0
    ) -> tuple[Tensor, ...]:
        """Return views of parts along ``dim``: so many, or cut at these places."""
        result: tuple[Tensor, ...] = FUNCTIONS["tensor_split"](self, indices_or_sections, dim)
        return result

    def hsplit(self, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
        """Return views of equal parts along axis 1, or the only one."""
        result: tuple[Tensor, ...] = FUNCTIONS["hsplit"](self, indices_or_sections)
        return result

    def vsplit(self, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
        """Return views of equal parts along axis 0."""
        result: tuple[Tensor, ...] = FUNCTIONS["vsplit"](self, indices_or_sections)
        return result

    def dsplit(self, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
        """Return views of equal parts along axis 2."""
        result: tuple[Tensor, ...] = FUNCTIONS["dsplit"](self, indices_or_sections)
        return result

    def diagonal(self, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        """Return a view of the diagonal of two axes."""
        result: Tensor = FUNCTIONS["diagonal"](self, offset, dim1, dim2)
        return result

    def diag(self, diagonal: int = 0) -> Tensor:
        """Return the diagonal of a matrix, or the matrix of a vector."""
        result: Tensor = FUNCTIONS["diag"](self, diagonal)
        return result

    def diag_embed(self, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
        """Return matrices with the last axis on their diagonal."""
        result: Tensor = FUNCTIONS["diag_embed"](self, offset, dim1, dim2)
        return result

    def diagflat(self, offset: int = 0) -> Tensor:
        """Return the matrix with the elements on a diagonal."""
        result: Tensor = FUNCTIONS["diagflat"](self, offset)
        return result

    def trace(self) -> Tensor:
        """Return the sum of the diagonal of a matrix."""
        result: Tensor = FUNCTIONS["trace"](self)
        return result

    def tril(self, diagonal: int = 0) -> Tensor:
        """Return the lower triangle of matrices."""
        result: Tensor = FUNCTIONS["tril"](self, diagonal)
        return result

    def triu(self, diagonal: int = 0) -> Tensor:
        """Return the upper triangle of matrices."""
        result: Tensor = FUNCTIONS["triu"](self, diagonal)
        return result

    # ----------------------------------------------------------------------------- views

    def ravel(self) -> Tensor:
        """Return the values along one axis; a view where possible."""
        result: Tensor = FUNCTIONS["ravel"](self)
        return result

    def unflatten(self, dim: int, sizes: Sequence[int]) -> Tensor:
        """Return a Tensor with the axis ``dim`` split into several."""
        result: Tensor = FUNCTIONS["unflatten"](self, dim, sizes)
        return result

    def swapaxes(self, axis0: int, axis1: int) -> Tensor:
        """Return a view with two axes exchanged."""
        result: Tensor = FUNCTIONS["swapaxes"](self, axis0, axis1)
        return result

    def swapdims(self, dim0: int, dim1: int) -> Tensor:
        """Return a view with two axes exchanged."""
        result: Tensor = FUNCTIONS["swapdims"](self, dim0, dim1)
        return result

    def movedim(self, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
        """Return a view with axes moved to other places."""
        result: Tensor = FUNCTIONS["movedim"](self, source, destination)
        return result

    def broadcast_to(self, shape: int | Sequence[int]) -> Tensor:
        """Return a read-only view broadcast to ``shape``."""
        result: Tensor = FUNCTIONS["broadcast_to"](self, shape)
        return result

    def fliplr(self) -> Tensor:
        """Return a view with the order along axis 1 reversed."""
        result: Tensor = FUNCTIONS["fliplr"](self)
        return result

    def flipud(self) -> Tensor:
        """Return a view with the order along axis 0 reversed."""
        result: Tensor = FUNCTIONS["flipud"](self)
        return result

    def rot90(self, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
        """Return a view turned by 90 degrees ``k`` times."""
        result: Tensor = FUNCTIONS["rot90"](self, k, dims)
        return result

    # --------------------------------------------------------------------------- writing

    def scatter(self, dim: int, index: Any, src: Any) -> Tensor:
        """Return a copy with ``src`` written at ``index`` along ``dim``."""
        result: Tensor = FUNCTIONS["scatter"](self, dim, index, src)
        return result

    def scatter_add(self, dim: int, index: Any, src: Any) -> Tensor:
        """Return a copy with ``src`` added at ``index`` along ``dim``."""
        result: Tensor = FUNCTIONS["scatter_add"](self, dim, index, src)
        return result

    def index_add(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
        """Return a copy with slices added along ``dim``."""
        result: Tensor = FUNCTIONS["index_add"](self, dim, index, source, alpha=alpha)
        return result

    def index_copy(self, dim: int, index: Any, source: Any) -> Tensor:
        """Return a copy with slices replaced along ``dim``."""
        result: Tensor = FUNCTIONS["index_copy"](self, dim, index, source)
        return result

    def index_fill(self, dim: int, index: Any, value: Any) -> Tensor:
        """Return a copy with slices along ``dim`` set to ``value``."""
        result: Tensor = FUNCTIONS["index_fill"](self, dim, index, value)
        return result

    def masked_select(self, mask: Any) -> Tensor:
        """Return the values where ``mask`` holds, as a vector."""
        result: Tensor = FUNCTIONS["masked_select"](self, mask)
        return result

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """Return ``value`` where ``mask`` holds, else this Tensor."""
        result: Tensor = FUNCTIONS["masked_fill"](self, mask, value)
        return result

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Tensor:
        """Return the values at ``indices`` along ``dim``."""
        result: Tensor = FUNCTIONS["take_along_dim"](self, indices, dim)
        return result

    def take(self, index: Any) -> Tensor:
        """Return the values at ``index`` of the flattened Tensor."""
        result: Tensor = FUNCTIONS["take"](self, index)
        return result

    # --------------------------------------------------------- in place, see `_in_place`

    def scatter_(self, dim: int, index: Any, src: Any) -> Tensor:
        """Write ``src`` at ``index`` along ``dim``."""
        return self._in_place("scatter", dim, index, src)

    def scatter_add_(self, dim: int, index: Any, src: Any) -> Tensor:
        """Add ``src`` at ``index`` along ``dim``."""
        return self._in_place("scatter_add", dim, index, src)

    def index_add_(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Tensor:
        """Add slices along ``dim``, multiplied by ``alpha``."""
        return self._in_place("index_add", dim, index, _scaled(source, alpha))

    def index_copy_(self, dim: int, index: Any, source: Any) -> Tensor:
        """Replace slices along ``dim``."""
        return self._in_place("index_copy", dim, index, source)

    def index_fill_(self, dim: int, index: Any, value: Any) -> Tensor:
        """Set slices along ``dim`` to ``value``."""
        return self._in_place("index_fill", dim, index, value)

    def masked_fill_(self, mask: Any, value: Any) -> Tensor:
        """Set the values where ``mask`` holds to ``value``."""
        return self._in_place("masked_fill", mask, value)

    # ----------------------------------------------------------------------- elementwise

    def outer(self, other: Any) -> Tensor:
        """Return the matrix of products of the elements of two vectors."""
        result: Tensor = FUNCTIONS["outer"](self, other)
        return result

    def heaviside(self, values: Any) -> Tensor:
        """Return `minigrad.heaviside` of each element."""
        result: Tensor = FUNCTIONS["heaviside"](self, values)
        return result

    def lerp(self, end: Any, weight: Any) -> Tensor:
        """Return `minigrad.lerp` from this to ``end``."""
        result: Tensor = FUNCTIONS["lerp"](self, end, weight)
        return result

    def addcmul(self, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """Return this plus ``value * tensor1 * tensor2``."""
        result: Tensor = FUNCTIONS["addcmul"](self, tensor1, tensor2, value=value)
        return result

    def addcdiv(self, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
        """Return this plus ``value * tensor1 / tensor2``."""
        result: Tensor = FUNCTIONS["addcdiv"](self, tensor1, tensor2, value=value)
        return result

    def nan_to_num(
        self, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
    ) -> Tensor:
        """Return the values with NaN and the infinities replaced."""
        result: Tensor = FUNCTIONS["nan_to_num"](self, nan, posinf, neginf)
        return result

    def logit(self, eps: float | None = None) -> Tensor:
        """Return `minigrad.logit` of each element."""
        result: Tensor = FUNCTIONS["logit"](self, eps)
        return result

    def xlogy(self, other: Any) -> Tensor:
        """Return `minigrad.xlogy` of this and ``other``."""
        result: Tensor = FUNCTIONS["xlogy"](self, other)
        return result

    def sinc(self) -> Tensor:
        """Return `minigrad.sinc` of each element."""
        result: Tensor = FUNCTIONS["sinc"](self)
        return result

    def copysign(self, other: Any) -> Tensor:
        """Return the magnitudes with the signs of ``other``."""
        result: Tensor = FUNCTIONS["copysign"](self, other)
        return result

    # ------------------------------------------------------------------------- questions

    def isclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> Tensor:
        """Return where the values are close to those of ``other``."""
        result: Tensor = FUNCTIONS["isclose"](self, other, rtol, atol, equal_nan)
        return result

    def allclose(
        self, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
    ) -> bool:
        """Return whether all values are close to those of ``other``."""
        result: bool = FUNCTIONS["allclose"](self, other, rtol, atol, equal_nan)
        return result

    def equal(self, other: Any) -> bool:
        """Return whether ``other`` has the same shape and the same values."""
        result: bool = FUNCTIONS["equal"](self, other)
        return result

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """Return where the values are not zero."""
        return FUNCTIONS["nonzero"](self, as_tuple=as_tuple)

    def argwhere(self) -> Tensor:
        """Return where the values are not zero."""
        result: Tensor = FUNCTIONS["argwhere"](self)
        return result

    def count_nonzero(self, dim: Axis = None) -> Tensor:
        """Return how many values along ``dim`` are not zero."""
        result: Tensor = FUNCTIONS["count_nonzero"](self, dim)
        return result

    def unique(
        self,
        sorted: bool = True,  # noqa: A002 - PyTorch's name
        return_inverse: bool = False,
        return_counts: bool = False,
        dim: int | None = None,
    ) -> Any:
        """Return the different values, in ascending order."""
        return FUNCTIONS["unique"](self, sorted, return_inverse, return_counts, dim)

    def bincount(self, weights: Any = None, minlength: int = 0) -> Tensor:
        """Return how often each number occurs."""
        result: Tensor = FUNCTIONS["bincount"](self, weights, minlength)
        return result
