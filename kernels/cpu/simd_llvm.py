"""Vectors as LLVM vectors; what each function does is in :mod:`.simd`.

A Numba type for a vector, and intrinsics that emit one LLVM instruction each. No fast-math flag is
set on any of them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, overload, register_model
from numba.np.numpy_support import from_dtype

from minigrad.kernels.cpu.vector_width import LANE_BITS, LANES

__all__ = [
    "VectorType",
    "extend",
    "fence",
    "fma",
    "keep",
    "load",
    "load_head",
    "maximum",
    "nonzero",
    "prefetch",
    "splat",
    "sqrt",
    "store",
    "store_head",
    "stream",
    "sum_lanes",
    "truncate",
]

_I32 = ir.IntType(32)
_ONE_BIT_EACH = ir.IntType(LANES)
_BITS = from_dtype(LANE_BITS)
_MASK = ir.VectorType(ir.IntType(1), LANES)


class VectorType(types.Type):
    """Numba's type of a vector: :data:`LANES` values of float32 or float64."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"vector({element} x {LANES})")


_VECTORS = {element: VectorType(element) for element in (types.float32, types.float64)}
_LLVM = {
    types.float32: ir.VectorType(ir.FloatType(), LANES),
    types.float64: ir.VectorType(ir.DoubleType(), LANES),
}
_SUFFIX = {types.float32: f"v{LANES}f32", types.float64: f"v{LANES}f64"}


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: VectorType) -> None:
        super().__init__(manager, kind, _LLVM[kind.element])


def _vector_of(array: Any) -> VectorType | None:
    """Return the vector type for a kernel's array, None for arrays that have no vectors."""
    if isinstance(array, types.Array) and array.ndim == 1 and array.layout == "C":
        return _VECTORS.get(array.dtype)
    return None


def _integers(*arguments: Any) -> bool:
    return all(isinstance(argument, types.Integer) for argument in arguments)


def _pointer(context: Any, builder: Any, signature: Any, values: Any, n: Any) -> Any:
    """Return a pointer to ``n`` elements of ``values[0]`` at offset ``values[1]``.

    Under ``NUMBA_BOUNDSCHECK=1`` it raises IndexError when they are not all inside the array.
    """
    array = cgutils.create_struct_proxy(signature.args[0])(context, builder, values[0])
    offset = values[1]
    if context.enable_boundscheck:
        end = builder.add(offset, n)
        outside = builder.or_(
            builder.icmp_signed("<", offset, offset.type(0)),
            builder.or_(
                builder.icmp_signed("<", n, n.type(0)),
                builder.icmp_signed(">", end, array.nitems),
            ),
        )
        with cgutils.if_unlikely(builder, outside):
            context.call_conv.return_user_exc(builder, IndexError, ("vector access out of bounds",))
    pointer = builder.gep(array.data, [offset])
    return builder.bitcast(pointer, _LLVM[signature.args[0].dtype].as_pointer())


def _itemsize(signature: Any) -> int:
    return int(signature.args[0].dtype.bitwidth // 8)


def _splat(builder: Any, scalar: Any, kind: Any) -> Any:
    """Emit a vector with the same scalar in every lane."""
    undefined = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(undefined, scalar, _I32(0))
    lanes = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(first, undefined, lanes)


def _head_mask(builder: Any, n: Any) -> Any:
    """Emit the mask of the lanes before ``n``."""
    kind = ir.VectorType(n.type, LANES)
    return builder.icmp_signed("<", ir.Constant(kind, list(range(LANES))), _splat(builder, n, kind))


@intrinsic
def load(_typing: Any, array: Any, offset: Any) -> Any:
    """Read LANES elements."""
    vector = _vector_of(array)
    if vector is None or not _integers(offset):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _pointer(context, builder, signature, values, values[1].type(LANES))
        return builder.load(pointer, align=_itemsize(signature))

    return vector(array, types.intp), emit


@intrinsic
def load_head(_typing: Any, array: Any, offset: Any, n: Any, fill: Any) -> Any:
    """Read ``n`` elements, and fill the other lanes."""
    vector = _vector_of(array)
    if vector is None or not _integers(offset, n):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = _LLVM[signature.return_type.element]
        pointer = _pointer(context, builder, signature, values, values[2])
        function = _masked("load", kind, [pointer.type, _I32, _MASK, kind], builder, signature)
        alignment = _I32(_itemsize(signature))
        mask = _head_mask(builder, values[2])
        return builder.call(function, [pointer, alignment, mask, _splat(builder, values[3], kind)])

    return vector(array, types.intp, types.intp, array.dtype), emit


@intrinsic
def store(_typing: Any, array: Any, offset: Any, lanes: Any) -> Any:
    """Write all lanes."""
    if lanes != _vector_of(array) or not array.mutable or not _integers(offset):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _pointer(context, builder, signature, values, values[1].type(LANES))
        builder.store(values[2], pointer, align=_itemsize(signature))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), emit


@intrinsic
def store_head(_typing: Any, array: Any, offset: Any, lanes: Any, n: Any) -> Any:
    """Write the first ``n`` lanes."""
    if lanes != _vector_of(array) or not array.mutable or not _integers(offset, n):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = _LLVM[lanes.element]
        pointer = _pointer(context, builder, signature, values, values[3])
        arguments = [kind, pointer.type, _I32, _MASK]
        function = _masked("store", ir.VoidType(), arguments, builder, signature)
        alignment = _I32(_itemsize(signature))
        builder.call(function, [values[2], pointer, alignment, _head_mask(builder, values[3])])
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes, types.intp), emit


@intrinsic
def stream(_typing: Any, array: Any, offset: Any, lanes: Any) -> Any:
    """Write all lanes past the caches."""
    if lanes != _vector_of(array) or not array.mutable or not _integers(offset):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = _pointer(context, builder, signature, values, values[1].type(LANES))
        # Of a vector wider than a cache line, each register is stored by itself.
        written = builder.store(values[2], pointer, align=min(64, LANES * _itemsize(signature)))
        written.set_metadata("nontemporal", builder.module.add_metadata([_I32(1)]))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), emit


@intrinsic
def fence(_typing: Any) -> Any:
    """Make what was streamed visible to other threads before what is written later."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), emit


@intrinsic
def prefetch(_typing: Any, array: Any, offset: Any) -> Any:
    """Ask for the cache line of an element, which need not exist."""
    if _vector_of(array) is None or not _integers(offset):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, values[0]).data
        pointer = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        read, second_level_cache, data_not_code = _I32(0), _I32(2), _I32(1)
        builder.call(function, [pointer, read, second_level_cache, data_not_code])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


def _masked(what: str, result: Any, arguments: Any, builder: Any, signature: Any) -> Any:
    """Declare LLVM's masked load or store, which touches no memory in lanes masked out."""
    name = f"llvm.masked.{what}.{_SUFFIX[signature.args[0].dtype]}.p0"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


@intrinsic
def splat(_typing: Any, scalar: Any) -> Any:
    """Repeat a scalar in every lane."""
    if scalar not in _VECTORS:
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, values[0], _LLVM[scalar])

    return _VECTORS[scalar](scalar), emit


def _call(name: str, n_arguments: int) -> Any:
    """Make an intrinsic that calls an LLVM function on vectors of one type."""

    def typed(*vectors: Any) -> Any:
        if not isinstance(vectors[0], VectorType) or any(v != vectors[0] for v in vectors):
            return None
        element = vectors[0].element

        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.FunctionType(_LLVM[element], [_LLVM[element]] * n_arguments)
            function = cgutils.get_or_insert_function(
                builder.module, kind, f"llvm.{name}.{_SUFFIX[element]}"
            )
            return builder.call(function, values)

        return vectors[0](*vectors), emit

    if n_arguments == 1:
        return intrinsic(lambda _typing, a: typed(a))
    return intrinsic(lambda _typing, a, b, c: typed(a, b, c))


fma = _call("fma", 3)
sqrt = _call("sqrt", 1)


@intrinsic
def maximum(_typing: Any, a: Any, b: Any) -> Any:
    """Return the larger of each two lanes, NaN where either is."""
    if not isinstance(a, VectorType) or a != b:
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        left, right = values
        # "Not (left <= right)" is true where either is NaN; a NaN on the right alone is put back.
        larger = builder.select(builder.fcmp_unordered(">", left, right), left, right)
        return builder.select(builder.fcmp_unordered("uno", right, right), right, larger)

    return a(a, b), emit


@intrinsic
def nonzero(_typing: Any, lanes: Any) -> Any:
    """Return a bit for each lane: whether it is not 0, which NaN is not."""
    if not isinstance(lanes, VectorType):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        zero = ir.Constant(_LLVM[lanes.element], [0.0] * LANES)
        bits = builder.bitcast(builder.fcmp_unordered("!=", values[0], zero), _ONE_BIT_EACH)
        return builder.zext(bits, context.get_value_type(_BITS))

    return _BITS(lanes), emit


@intrinsic
def keep(_typing: Any, lanes: Any, bits: Any) -> Any:
    """Return the lanes whose bit is set, and 0 in the others."""
    if not isinstance(lanes, VectorType) or bits != _BITS:
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        mask = builder.bitcast(builder.trunc(values[1], _ONE_BIT_EACH), _MASK)
        zero = ir.Constant(_LLVM[lanes.element], [0.0] * LANES)
        return builder.select(mask, values[0], zero)

    return lanes(lanes, bits), emit


@intrinsic
def extend(_typing: Any, lanes: Any) -> Any:
    """Convert to float64."""
    if not isinstance(lanes, VectorType):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if lanes.element == types.float64:
            return values[0]
        return builder.fpext(values[0], _LLVM[types.float64])

    return _VECTORS[types.float64](lanes), emit


@intrinsic
def truncate(_typing: Any, lanes: Any, like: Any) -> Any:
    """Convert float64 to the dtype of an array."""
    vector = _vector_of(like)
    if lanes != _VECTORS[types.float64] or vector is None:
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if like.dtype == types.float64:
            return values[0]
        return builder.fptrunc(values[0], _LLVM[like.dtype])

    return vector(lanes, like), emit


@intrinsic
def sum_lanes(_typing: Any, lanes: Any) -> Any:
    """Add the upper half of the lanes to the lower half, until one is left."""
    if not isinstance(lanes, VectorType):
        return None

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        total, n = values[0], LANES
        while n > 1:
            n //= 2
            left, right = (
                builder.shuffle_vector(
                    total, total, ir.Constant(ir.VectorType(_I32, n), list(range(start, start + n)))
                )
                for start in (0, n)
            )
            total = builder.fadd(left, right)
        return builder.extract_element(total, _I32(0))

    return lanes.element(lanes), emit


def _operator(function: Callable[[Any, Any], Any], instruction: str) -> None:
    """Give vectors one of Python's arithmetic operators."""

    @intrinsic
    def lanewise(_typing: Any, a: Any, b: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return getattr(builder, instruction)(*values)

        return a(a, b), emit

    @overload(function)
    def typed(a: Any, b: Any) -> Any:
        def call(a: Any, b: Any) -> Any:  # Numba wants it to look like `typed`
            return lanewise(a, b)

        return call if isinstance(a, VectorType) and a == b else None


_operator(operator.add, "fadd")
_operator(operator.sub, "fsub")
_operator(operator.mul, "fmul")
_operator(operator.truediv, "fdiv")
