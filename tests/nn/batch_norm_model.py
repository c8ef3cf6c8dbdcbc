"""What a BatchNorm layer is, in sixty lines of NumPy: its state, and what changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.typing import Array

__all__ = ["Model", "Options"]


@dataclass
class Options:
    """Arguments of a layer that do not change its state by themselves."""

    axis: int = 1
    unbiased: bool = True
    single: Any = "raise"
    nonfinite: Any = "propagate"
    detach_statistics: bool = False


class Model:
    """What a BatchNorm layer is."""

    training = True
    frozen = False
    skipped = 0
    learned: list[bool] | None = None
    """Which parameters were learned before they were frozen; None: they are not."""
    largest_r = 1.0
    """Of the last batch: by how much errors of dx are amplified."""

    def __init__(
        self, state: dict[str, Array], momentum: float | None, eps: float, options: Options
    ) -> None:
        self.state, self.momentum, self.eps, self.options = state, momentum, eps, options
        self.track = self.has_running = "running_mean" in state

    @property
    def learns(self) -> bool:
        return self.training and not self.frozen

    def refuses(self, n: int) -> bool:
        """Whether a batch with ``n`` values per channel that count is an error."""
        if n != 1 or not (self.learns or not self.has_running):
            return False
        return not (self.learns and self.options.single == "eval" and self.has_running)

    def forward(
        self, x: Array, dy: Array, mask: Array | None = None, weights: Array | None = None
    ) -> tuple[Array, Array, Array, Array]:
        """Return y, dx, dgamma and dbeta, and update the running statistics."""
        places = (x.shape[0], *x.shape[2:])
        mask = np.ones(places, bool) if mask is None else mask
        weights = np.ones(places) if weights is None else weights
        rows, upstream, y, dx = (np.moveaxis(v, 1, -1) for v in (x, dy, 0.0 * dy, 0.0 * dy))
        found = self.rows(rows[mask], upstream[mask], weights[mask][:, None])
        y[mask], dx[mask] = found[:2]
        return np.moveaxis(y, -1, 1), np.moveaxis(dx, -1, 1), *found[2:]

    def rows(self, x: Array, dy: Array, w: Array) -> tuple[Array, Array, Array, Array]:
        """Do it for x and dy of shape (n, C), with weights (n, 1)."""
        state, total, n = self.state, w.sum(), np.count_nonzero(w)
        gamma, beta = state.get("weight", 1.0), state.get("bias", 0.0)
        if len(x) == 0:
            return x, dy, dy.sum(0), dy.sum(0)
        by_batch = not self.has_running or (self.learns and n > 1)
        if by_batch:
            mean = (w * x).sum(0) / total
            var = (w * np.square(x - mean)).sum(0) / total
        else:
            mean, var = state["running_mean"], state["running_var"]
        r = 1.0 / np.sqrt(var + self.eps)
        self.largest_r = float(np.max(r))
        x_hat = (x - mean) * r
        dx = dy
        if by_batch and not self.options.detach_statistics:
            dx = dy - w / total * (dy.sum(0) + x_hat * (dy * x_hat).sum(0))
        if by_batch and self.training and self.track and self.has_running:
            factor = total**2 / (total**2 - np.square(w).sum()) if self.options.unbiased else 1.0
            self.update(mean, var * factor)
        return gamma * x_hat + beta, gamma * r * dx, (dy * x_hat).sum(0), dy.sum(0)

    def update(self, mean: Array, var: Array) -> None:
        """Store the statistics of a batch, unless the policy says otherwise."""
        state = self.state
        if self.options.nonfinite == "skip" and not np.all(np.isfinite(mean + var)):
            self.skipped += 1
            return
        state["num_batches_tracked"] = state["num_batches_tracked"] + 1
        count = int(state["num_batches_tracked"])
        m = 1.0 / count if self.momentum is None else self.momentum
        for name, value in (("running_mean", mean), ("running_var", var)):
            state[name] = value if m == 1.0 else (1.0 - m) * state[name] + m * value
