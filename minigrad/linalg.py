"""Linear algebra under PyTorch's names: ``mg.linalg.solve`` and the like.

The same functions answer to NumPy's names on Tensors, ``np.linalg.solve``. All take stacks of
matrices, keep float32 and float64, and are differentiable at any order. A matrix that NumPy
refuses raises `minigrad.errors.LinAlgError`, which says where in the stack it is.

>>> import minigrad as mg
>>> a = mg.tensor([[4.0, 0.0], [0.0, 9.0]])
>>> mg.linalg.cholesky(a)
tensor([[2., 0.],
        [0., 3.]])
"""

from minigrad.errors import LinAlgError
from minigrad.ops.decompositions import EighResult, cholesky, eigh, eigvalsh
from minigrad.ops.inverses import (
    SlogdetResult,
    det,
    inv,
    matrix_power,
    slogdet,
    solve,
    solve_triangular,
)
from minigrad.ops.linalg import matmul
from minigrad.ops.matrix_products import multi_dot
from minigrad.ops.matrix_roots import inverse_sqrt
from minigrad.ops.norms import linalg_norm as norm
from minigrad.ops.norms import matrix_norm, vector_norm
from minigrad.ops.singular import SVDResult, svd, svdvals
from minigrad.ops.tensor_products import cross, vecdot

__all__ = [
    "EighResult",
    "LinAlgError",
    "SVDResult",
    "SlogdetResult",
    "cholesky",
    "cross",
    "det",
    "eigh",
    "eigvalsh",
    "inv",
    "inverse_sqrt",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]
