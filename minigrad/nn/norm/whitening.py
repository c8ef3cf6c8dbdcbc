"""What the two whitening layers share: groups, covariances, and what of them is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.nn.norm.centred_norm import CentredNorm
from minigrad.tensor import Tensor
from minigrad.typing import Array, DTypeLike, Shape

__all__ = ["Whitening"]


class Whitening(CentredNorm):
    """Base of layers that decorrelate the channels of each group.

    A subclass says which matrix whitens: `_whitening_matrix`.
    """

    _fixed_dtype_buffers = frozenset({"running_mean", "running_covariance"})
    _spread = "running_covariance"

    running_covariance: Tensor | None

    def __init__(
        self,
        num_features: int,
        num_groups: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: DTypeLike,
        bias: bool,
    ) -> None:
        name = type(self).__name__
        check_integer(name, "num_features", num_features, 0)
        check_integer(name, "num_groups", num_groups, 1)
        if num_features % num_groups:
            raise ValueError(
                f"{name}: num_groups must divide num_features, got {num_groups} and {num_features}"
            )
        self._group_size = num_features // num_groups
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )
        self.num_groups = num_groups

    def _whitening_matrix(self, covariance: Any) -> Any:
        """Return a matrix for each group, from covariances with eps on the diagonal."""
        raise NotImplementedError

    def _initial_spread(self, shape: Shape) -> Array:
        size = self._group_size
        groups = self.num_features // size if size else 0
        return np.broadcast_to(np.eye(size), (groups, size, size)).copy()

    def _least_values(self) -> int:
        # n centred values span n - 1 dimensions: with fewer, the covariance is singular.
        return self._group_size + 1

    def _spread_of(self, x: Any, deviation: Any) -> Any:
        """Return the biased covariance of each group, shape (groups, size, size)."""
        grouped = self._grouped(deviation)
        return np.matmul(grouped, np.swapaxes(grouped, 1, 2)) / deviation.shape[1]

    def _normalised(self, deviation: Any, spread: Any) -> Any:
        covariance = spread + Tensor(self.eps * np.eye(self._group_size))
        whitened = np.matmul(self._whitening_matrix(covariance), self._grouped(deviation))
        return np.reshape(whitened, deviation.shape)

    def _kept(self, spread: Array, n: int) -> Array:
        return spread * (n / (n - 1))

    def _grouped(self, rows: Any) -> Any:
        """Return (C, n) values as (groups, size, n)."""
        return np.reshape(rows, (self.num_groups, self._group_size, rows.shape[1]))

    def _check_spread(self, spread: Array, x: Tensor) -> None:
        finite = np.isfinite(spread).all(axis=(1, 2))
        if not finite.all():
            group = int(np.argmin(finite))
            found = spread[group][~np.isfinite(spread[group])][0]
            raise ValueError(
                f"{type(self).__name__}: the covariance of group {group} holds {found}: x must be "
                f"finite, and so must be its squares, got x of shape {x.shape}"
            )

    def _own_repr(self) -> str:
        return f", num_groups={self.num_groups}"
