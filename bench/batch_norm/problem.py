"""The arrays of one shape, layout and dtype, and what must come out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from bench.units import quantity
from minigrad.kernels.reference import batch_norm as reference
from minigrad.kernels.types import TrainForward
from minigrad.typing import Array, Shape

__all__ = ["EPS", "MOMENTUM", "DTypeName", "Problem", "Sides", "Wide"]

EPS = 1e-5
MOMENTUM = 0.1

DTypeName = Literal["float32", "float64"]


class Sides(NamedTuple):
    """One implementation of an operation on a problem; None for what it does not have."""

    a: Callable[[], Any] | None = None
    """What a program calls: outputs are allocated."""
    b: Callable[[], Any] | None = None
    """The kernel, into memory that is used again."""


class Wide(NamedTuple):
    """The inputs of a problem in more digits."""

    x: Array
    dy: Array
    residual: Array
    gamma: Array
    beta: Array
    mean: Array
    var: Array


@dataclass(frozen=True)
class Problem:
    """One shape: the arrays, and the results in more digits than the dtype has.

    Attributes
    ----------
    shape : tuple of int
        Of x, (N, C) or (N, C, H, W).
    channels_last : bool
        Whether (N, C, H, W) has the memory order of (N, H, W, C).
    dtype : {"float32", "float64"}
    """

    shape: Shape
    channels_last: bool = False
    dtype: DTypeName = "float32"

    @property
    def layout(self) -> str:
        """Which of the three layouts this is, in words."""
        if len(self.shape) == 2:
            return "(N, C)"
        return "channels last" if self.channels_last else "channels first"

    @property
    def n_bytes(self) -> int:
        """Size of x."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    @property
    def name(self) -> str:
        """For reports."""
        parts = [str(self.shape)]
        parts += ["channels last"] if self.layout == "channels last" else []
        parts += ["float64"] if self.dtype == "float64" else []
        return ", ".join([*parts, quantity(self.n_bytes, "bytes")])

    @property
    def channels(self) -> int:
        """Length of the vectors."""
        return self.shape[1]

    def _draw(self, seed: int) -> Array:
        values = np.random.default_rng(seed).standard_normal(self.shape, np.float32)
        values = values.astype(self.dtype)
        if not self.channels_last:
            return values
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)

    @cached_property
    def x(self) -> Array:
        """The input."""
        return self._draw(0)

    @cached_property
    def dy(self) -> Array:
        """The upstream gradient."""
        return self._draw(1)

    @cached_property
    def residual(self) -> Array:
        """What a fused operation adds."""
        return self._draw(2)

    @cached_property
    def _vectors(self) -> tuple[Array, Array, Array, Array]:
        rng = np.random.default_rng(3)
        drawn = (
            rng.uniform(0.5, 1.5, self.channels),
            rng.standard_normal(self.channels),
            0.1 * rng.standard_normal(self.channels),
            rng.uniform(0.8, 1.2, self.channels),
        )
        # Rounded to float32 in any dtype: running statistics differ in dtype from side to side.
        gamma, beta, mean, var = (v.astype(np.float32).astype(self.dtype) for v in drawn)
        return gamma, beta, mean, var

    @property
    def gamma(self) -> Array:
        """Scale."""
        return self._vectors[0]

    @property
    def beta(self) -> Array:
        """Shift."""
        return self._vectors[1]

    @property
    def running(self) -> tuple[Array, Array]:
        """Running mean and variance, of the dtype of x."""
        return self._vectors[2:]

    @cached_property
    def wide(self) -> Wide:
        """The inputs in float64, or in extended precision where the dtype is float64."""
        dtype = np.float64 if self.dtype == "float32" else np.longdouble
        return Wide(*(v.astype(dtype) for v in (self.x, self.dy, self.residual, *self._vectors)))

    @cached_property
    def expected_forward(self) -> TrainForward:
        """The reference's result of the forward pass in training."""
        return reference.forward_train(self.wide.x, self.wide.gamma, self.wide.beta, eps=EPS)

    @cached_property
    def expected_evaluation(self) -> Array:
        """The reference's result of evaluation."""
        wide = self.wide
        return reference.forward_eval(wide.x, wide.mean, wide.var, wide.gamma, wide.beta, eps=EPS)

    def expected_gradients(self, dy: Array) -> Any:
        """Return the reference's dx, dgamma and dbeta in training."""
        found, wide = self.expected_forward, self.wide
        return reference.backward_train(dy, wide.x, found.mean, found.inv_std, wide.gamma)

    def expected_evaluation_gradients(self) -> Any:
        """Return the reference's dx, dgamma and dbeta in evaluation."""
        wide = self.wide
        return reference.backward_eval(wide.dy, wide.x, wide.mean, wide.var, wide.gamma, eps=EPS)
