"""Normalisation over parts of each sample: functions and layers that PyTorch has too."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.testing.strategies import seeds, shapes
from minigrad.typing import Shape
from tests.differential.compare import Call, Fixed
from tests.differential.entry import Entry, torch

__all__ = ["NORM_LAYERS", "norm_functions"]

TF: Any = torch.nn.functional

NORM_LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("LayerNorm", (4,), {}, (3, 4)),
    ("LayerNorm", ((2, 4), 1e-3), {}, (3, 2, 4)),
    ("LayerNorm", (4,), {"bias": False}, (4,)),
    ("LayerNorm", (4,), {"elementwise_affine": False}, (2, 3, 4)),
    ("RMSNorm", (4,), {}, (3, 4)),
    ("RMSNorm", ([2, 4],), {"eps": 1e-3, "elementwise_affine": False}, (3, 2, 4)),
    ("GroupNorm", (2, 4), {}, (3, 4)),
    ("GroupNorm", (4, 4, 1e-3), {"bias": False}, (2, 4, 3, 2)),
    ("GroupNorm", (1, 4), {"affine": False}, (2, 4, 5)),
    ("InstanceNorm1d", (4,), {}, (3, 4, 5)),
    ("InstanceNorm1d", (4,), {"affine": True}, (4, 5)),
    ("InstanceNorm2d", (4,), {"affine": True, "bias": False, "eps": 1e-3}, (2, 4, 3, 2)),
    ("InstanceNorm3d", (4,), {"affine": True}, (2, 4, 1, 3, 2)),
]
"""Name, arguments, keywords and the shape of an input."""


def well_conditioned(shape: Shape) -> bool:
    """Whether a set has values enough that gradients do not cancel: of two, dx is of order eps."""
    return 4 <= math.prod(shape) <= 12


@st.composite
def _over_last_axes(draw: st.DrawFn, *, bias: bool) -> Call:
    """Draw the arguments of ``layer_norm`` or ``rms_norm``."""
    normalized = draw(shapes(min_dims=1, max_dims=2, max_side=6).filter(well_conditioned))
    shape = (*draw(shapes(max_dims=2, max_side=3)), *normalized)
    rng = np.random.default_rng(draw(seeds()))
    count = 1 + bias
    parameters: tuple[Any, ...] = (None,) * count
    if draw(st.booleans()):
        parameters = tuple(rng.standard_normal((count, *normalized)))
    x = rng.standard_normal(shape) * 2.0 + 1.0
    return Call((x, normalized, *parameters, draw(st.sampled_from([1e-5, 1e-3]))))


@st.composite
def _in_groups(draw: st.DrawFn) -> Call:
    """Draw the arguments of ``group_norm``."""
    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    channels = groups * per_group
    fits = shapes(max_dims=2, max_side=6).filter(lambda s: well_conditioned((per_group, *s)))
    shape = (draw(st.integers(1, 3)), channels, *draw(fits))
    rng = np.random.default_rng(draw(seeds()))
    affine: tuple[Any, ...] = (None, None)
    if draw(st.booleans()):
        affine = (rng.standard_normal(channels), rng.standard_normal(channels))
    x = rng.standard_normal(shape) * 2.0 + 1.0
    return Call((x, groups, *affine, draw(st.sampled_from([1e-5, 1e-3]))))


@st.composite
def _of_instances(draw: st.DrawFn) -> Call:
    """Draw the arguments of ``instance_norm``, which updates running statistics."""
    channels = draw(st.integers(1, 3))
    spatial = draw(shapes(min_dims=1, max_dims=2, max_side=6).filter(well_conditioned))
    shape = (draw(st.integers(1, 4)), channels, *spatial)
    rng = np.random.default_rng(draw(seeds()))
    running: tuple[Any, ...] = (None, None)
    by_instance = True
    if draw(st.booleans()):
        running = Fixed(rng.standard_normal(channels)), Fixed(rng.uniform(0.5, 2.0, channels))
        by_instance = draw(st.booleans())
    affine: tuple[Any, ...] = (None, None)
    if draw(st.booleans()):
        affine = (rng.standard_normal(channels), rng.standard_normal(channels))
    momentum, eps = draw(st.sampled_from([0.1, 0.0, 1.0])), draw(st.sampled_from([1e-5, 1e-3]))
    x = rng.standard_normal(shape) * 2.0 + 1.0
    return Call((x, *running, *affine, by_instance, momentum, eps))


def _with_running(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``instance_norm`` with the running statistics among the results."""

    def call(x: Any, mean: Any, var: Any, *arguments: Any) -> tuple[Any, ...]:
        running = [v if v is None else v.detach().clone() for v in (mean, var)]
        y = function(x, *running, *arguments)
        return (y, *(v for v in running if v is not None))

    return call


def norm_functions() -> list[Entry]:
    """Return the entries of these functions of ``nn.functional``."""
    return [
        Entry("nn.functional.layer_norm", F.layer_norm, TF.layer_norm, _over_last_axes(bias=True)),
        Entry("nn.functional.rms_norm", F.rms_norm, TF.rms_norm, _over_last_axes(bias=False)),
        Entry("nn.functional.group_norm", F.group_norm, TF.group_norm, _in_groups()),
        Entry(
            "nn.functional.instance_norm",
            _with_running(F.instance_norm),
            _with_running(TF.instance_norm),
            _of_instances(),
        ),
    ]
