"""Vectors that a kernel handles explicitly.

LLVM does not vectorise most of our loops by itself: it may not reorder a sum without fast-math,
and it cannot prove that two arrays do not overlap. So kernels say what they mean, in vectors of
:data:`LANES` floats:

==============================  ======================================================
``load(array, i)``              lanes ``array[i : i + LANES]``, any alignment
``load_head(array, i, n, f)``   ``n`` lanes from the array, the rest is the scalar ``f``
``store(array, i, v)``          write all lanes
``store_head(array, i, v, n)``  write the first ``n`` lanes only
``stream(array, i, v)``         write all lanes past the caches, to an aligned address
``fence()``                     after streaming, before other threads may read
``prefetch(array, i)``          ask for the cache line of an element, which need not exist
``splat(s)``                    the scalar ``s`` in every lane; its type decides
``a + b``, ``-``, ``*``, ``/``  lane by lane, each rounded once, never reordered or fused
``fma(a, b, c)``                ``a * b + c``, rounded once
``sqrt(v)``, ``maximum(a, b)``  lane by lane; ``maximum`` is NaN where either is
``nonzero(v)``                  which lanes are not 0 (NaN is not), as bits, the first lowest
``keep(v, bits)``               the lanes whose bit is set, 0 in the others
``extend(v)``                   float32 -> float64 (float64 stays), same number of lanes
``truncate(v, like)``           float64 -> the dtype of the array ``like``
``sum_lanes(v)``                upper half added to lower half until one is left
==============================  ======================================================

Arrays are one-dimensional and contiguous; offsets count elements. Accesses are not checked,
except under ``NUMBA_BOUNDSCHECK=1``. A vector has the same number of lanes for both dtypes, that
of one register of float32: a vector of float64 is two registers.

Under ``NUMBA_DISABLE_JIT=1`` vectors are NumPy arrays (:mod:`.simd_numpy`).
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.cpu.jit import DISABLED
from minigrad.kernels.cpu.vector_width import LANE_BITS, LANES, VECTOR_BITS

_vectors: Any
if DISABLED:
    from minigrad.kernels.cpu import simd_numpy

    _vectors = simd_numpy
else:
    from minigrad.kernels.cpu import simd_llvm

    _vectors = simd_llvm

__all__ = [
    "LANES",
    "LANE_BITS",
    "VECTOR_BITS",
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

extend = _vectors.extend
fence = _vectors.fence
fma = _vectors.fma
keep = _vectors.keep
load = _vectors.load
load_head = _vectors.load_head
maximum = _vectors.maximum
nonzero = _vectors.nonzero
prefetch = _vectors.prefetch
splat = _vectors.splat
sqrt = _vectors.sqrt
store = _vectors.store
store_head = _vectors.store_head
stream = _vectors.stream
sum_lanes = _vectors.sum_lanes
truncate = _vectors.truncate
