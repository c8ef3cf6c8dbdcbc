"""Order, position and selection: scans, sorts, padding, views, scattering."""

from __future__ import annotations

import numpy as np

import minigrad as mg
from tests.bad_input.calls import add, b, i, t

FLOAT64 = np.dtype(np.float64)
PLACES = [[0, 1], [2, 0]]


def places() -> mg.Tensor:
    """Return indices along the last axis of (2, 3)."""
    return mg.tensor(PLACES)


for _owner in ("mg", "Tensor"):
    # elementwise
    add(_owner, "sinc", lambda: (t(2, 3),))
    add(_owner, "copysign heaviside xlogy", lambda: (t(2, 3), t(2, 3)))
    add(_owner, "logit", lambda: (t(2, 3), 0.1))
    add(_owner, "lerp", lambda: (t(2, 3), t(2, 3), 0.5))
    add(_owner, "lerp", lambda: (t(2, 3), t(2, 3), t(2, 3)))
    add(_owner, "addcdiv addcmul", lambda: (t(2, 3), t(2, 3), t(2, 3)), value=0.5)
    add(_owner, "nan_to_num", lambda: (t(2, 3), 0.5, 1.5, -1.5))
    add(_owner, "allclose isclose", lambda: (t(2, 3), t(2, 3), 0.1, 0.1, True))
    add(_owner, "equal", lambda: (t(2, 3), t(2, 3)))

    # reductions and scans
    add(_owner, "prod nanmean nansum", lambda: (t(2, 3), 1, True), dtype=FLOAT64)
    add(_owner, "prod nanmean nansum", lambda: (t(2, 3), (0, 1), True), dtype=FLOAT64)
    add(_owner, "logsumexp", lambda: (t(2, 3), 1, True))
    add(_owner, "logsumexp", lambda: (t(2, 3), (0, 1), True))
    add(_owner, "cumsum cumprod", lambda: (t(2, 3), 1), dtype=FLOAT64)
    add(_owner, "cummax cummin logcumsumexp", lambda: (t(2, 3), 1))
    add(_owner, "diff", lambda: (t(2, 3), 1, 1, t(2, 2), t(2, 1)))

    # order
    add(_owner, "sort argsort", lambda: (t(2, 3), 1, True), stable=True)
    add(_owner, "msort", lambda: (t(2, 3),))
    add(_owner, "topk", lambda: (t(2, 3), 2, 1, True, True))
    add(_owner, "kthvalue", lambda: (t(2, 3), 2, 1, True))
    add(_owner, "median", lambda: (t(2, 3), 1, True))
    add(_owner, "unique", lambda: (t(2, 3), True, True, True, 1))
    add(_owner, "bincount", lambda: (i(0, 2, 2), t(3), 4))
    add(_owner, "nonzero", lambda: (t(2, 3),), as_tuple=True)
    add(_owner, "argwhere", lambda: (t(2, 3),))

    # shape
    add(_owner, "ravel fliplr flipud", lambda: (t(2, 3),))
    add(_owner, "swapdims", lambda: (t(2, 3), 0, 1))
    add(_owner, "unflatten", lambda: (t(2, 6), 1, (2, 3)))
    add(_owner, "unflatten", lambda: (t(2, 6), 1, [-1, 3]))
    add(_owner, "narrow", lambda: (t(2, 3), 1, 1, 2))
    add(_owner, "select", lambda: (t(2, 3), 1, 2))
    add(_owner, "roll", lambda: (t(2, 3), 1, 1))
    add(_owner, "roll", lambda: (t(2, 3), (1, 2), (0, 1)))
    add(_owner, "rot90", lambda: (t(2, 3), 1, (0, 1)))
    add(_owner, "repeat_interleave", lambda: (t(2, 3), 2, 1))
    add(_owner, "repeat_interleave", lambda: (t(2, 3), i(1, 0, 2), 1))
    add(_owner, "tensor_split", lambda: (t(2, 3), 2, 1))
    add(_owner, "tensor_split", lambda: (t(2, 3), (1, 2), 1))
    add(_owner, "hsplit", lambda: (t(2, 4), 2))
    add(_owner, "hsplit", lambda: (t(2, 4), (1, 3)))
    add(_owner, "vsplit", lambda: (t(4, 2), 2))
    add(_owner, "vsplit", lambda: (t(4, 2), (1, 3)))
    add(_owner, "dsplit", lambda: (t(2, 1, 4), 2))
    add(_owner, "dsplit", lambda: (t(2, 1, 4), [1, 3]))

    # diagonals and triangles
    add(_owner, "diag triu tril", lambda: (t(2, 3), 1))
    add(_owner, "diag diagflat", lambda: (t(3), 1))
    add(_owner, "diag_embed", lambda: (t(2, 3), 1, 0, 2))
    add(_owner, "diagonal", lambda: (t(2, 3), 1, 0, 1))
    add(_owner, "trace", lambda: (t(2, 3),))

    # gathering and scattering
    add(_owner, "take_along_dim", lambda: (t(2, 3), places(), 1))
    add(_owner, "masked_select", lambda: (t(2, 3), b(2, 3)))
    add(_owner, "scatter scatter_add", lambda: (t(2, 3), 1, places(), t(2, 2)))
    add(_owner, "scatter", lambda: (t(2, 3), 1, places(), 1.5))
    add(_owner, "index_add", lambda: (t(2, 3), 1, i(0, 2), t(2, 2)), alpha=2.0)
    add(_owner, "index_copy", lambda: (t(2, 3), 1, i(0, 2), t(2, 2)))
    add(_owner, "index_fill", lambda: (t(2, 3), 1, i(0, 2), 1.5))

add("mg", "masked_fill", lambda: (t(2, 3), b(2, 3), 1.5))
add("mg", "searchsorted", lambda: (t(4), t(2, 3)), right=True, side="right")
for _owner in ("mg", "F"):
    add(_owner, "pad", lambda: (t(2, 3), (1, 2), "constant", 1.5))
    add(_owner, "pad", lambda: (t(2, 3, 4), [1, 2], "reflect", None))
    add(_owner, "pad", lambda: (t(2, 3, 4), [1, 2], "replicate"))
    add(_owner, "pad", lambda: (t(2, 3, 4), [-1, 2], "circular"))
add("mg", "repeat", lambda: (t(2, 3), (2, 1, 2)))
add("mg", "tile", lambda: (t(2, 3), (2, 1, 2)))
add("mg", "tile", lambda: (t(2, 3), 2))
add("mg", "column_stack dstack", lambda: ((t(2, 3), t(2, 3)),))
add("mg", "atleast_1d atleast_2d atleast_3d broadcast_tensors", lambda: (t(2, 3), t(3)))
add("mg", "meshgrid", lambda: (t(2), t(3)), indexing="xy")

add("Tensor", "broadcast_to", lambda: (t(2, 3), (4, 2, 3)))
add("Tensor", "count_nonzero", lambda: (t(2, 3), 1))
add("Tensor", "movedim", lambda: (t(2, 3), (0, 1), (1, 0)))
add("Tensor", "movedim swapaxes", lambda: (t(2, 3), 0, 1))
add("Tensor", "repeat tile", lambda: (t(2, 3), 2, 1, 2))
add("Tensor", "repeat tile", lambda: (t(2, 3), (2, 1, 2)))
add("Tensor", "take", lambda: (t(2, 3), i(0, 2)))
add("Tensor", "masked_fill_", lambda: (t(2, 3, grad=False), b(2, 3), 1.5))
add("Tensor", "scatter_ scatter_add_", lambda: (t(2, 3, grad=False), 1, places(), t(2, 2)))
add("Tensor", "scatter_", lambda: (t(2, 3, grad=False), 1, places(), 1.5))
add("Tensor", "index_add_", lambda: (t(2, 3, grad=False), 1, i(0, 2), t(2, 2)), alpha=2.0)
add("Tensor", "index_copy_", lambda: (t(2, 3, grad=False), 1, i(0, 2), t(2, 2)))
add("Tensor", "index_fill_", lambda: (t(2, 3, grad=False), 1, i(0, 2), 1.5))
