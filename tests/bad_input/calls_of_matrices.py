"""Products, norms and linear algebra."""

from __future__ import annotations

import numpy as np

from tests.bad_input.calls import add, spd, t

for _owner in ("mg", "Tensor"):
    add(_owner, "mm matmul", lambda: (t(2, 3), t(3, 4)))
    add(_owner, "inner kron", lambda: (t(2, 3), t(4, 3)))
    add(_owner, "bmm", lambda: (t(2, 2, 3), t(2, 3, 4)))
    add(_owner, "mv", lambda: (t(2, 3), t(3)))
    add(_owner, "vdot", lambda: (t(3), t(3)))
    add(_owner, "cross", lambda: (t(2, 3), t(2, 3), 1))
    add(_owner, "addmm", lambda: (t(2, 4), t(2, 3), t(3, 4)), beta=0.5, alpha=2.0)
    add(_owner, "addmv", lambda: (t(2), t(2, 3), t(3)), beta=0.5, alpha=2.0)
    add(_owner, "baddbmm", lambda: (t(2, 2, 4), t(2, 2, 3), t(2, 3, 4)), beta=0.5, alpha=2.0)
    add(_owner, "det inverse logdet slogdet", lambda: (spd(),))
    add(_owner, "matrix_power", lambda: (spd(), 2))
    add(_owner, "cholesky", lambda: (spd(),), upper=False)
    add(_owner, "norm", lambda: (t(2, 3), 2.0, 1, True))
add("mg", "tensordot", lambda: (t(2, 3), t(3, 4), 1))
add("mg", "einsum", lambda: ("nk,km->nm", t(2, 3), t(3, 4)))
add("mg", "outer", lambda: (t(2), t(3)))
add("Tensor", "outer", lambda: (t(2), t(3)))
add("linalg", "matmul", lambda: (t(2, 3), t(3, 4)))
add("linalg", "vecdot", lambda: (t(2, 3), t(2, 3)), dim=1)
add("linalg", "cross", lambda: (t(2, 3), t(2, 3)), dim=1)
add("linalg", "multi_dot", lambda: ((t(2, 3), t(3, 4), t(4, 2)),))
add("linalg", "det inv inverse_sqrt slogdet svdvals", lambda: (spd(),))
add("linalg", "cholesky", lambda: (spd(),), upper=False)
add("linalg", "eigh eigvalsh", lambda: (spd(), "L"))
add("linalg", "svd", lambda: (t(2, 3), False))
add("linalg", "matrix_power", lambda: (spd(), 2))
add("linalg", "matrix_power", lambda: (spd(), -2))
add("linalg", "solve", lambda: (spd(), t(2, 3)), left=True)
add("linalg", "solve", lambda: (spd(), t(2)), left=True)
add("linalg", "solve_triangular", lambda: (spd(), t(2, 3)), upper=True, left=True,
    unitriangular=False)  # fmt: skip
NORM_DTYPE = np.dtype(np.float64)
add("linalg", "norm", lambda: (t(2, 3), None, 1, True), dtype=NORM_DTYPE)
add("linalg", "norm", lambda: (t(2, 3), "nuc", (0, 1), True), dtype=NORM_DTYPE)
add("linalg", "vector_norm", lambda: (t(2, 3), 3.0, (0, 1), True), dtype=NORM_DTYPE)
add("linalg", "vector_norm", lambda: (t(2, 3), 1, 1, True), dtype=NORM_DTYPE)
add("linalg", "matrix_norm", lambda: (t(2, 3), "fro", (0, 1), True), dtype=NORM_DTYPE)
add("linalg", "matrix_norm", lambda: (t(2, 3), 2, (-2, -1), False), dtype=NORM_DTYPE)
