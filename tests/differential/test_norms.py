"""Normalising layers beside PyTorch's where names or state differ: batch by batch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.typing import Array

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

TOLERANCE = {np.float64: 1e-10, np.float32: 2e-5}
"""A few roundings, in values of order 3; PyTorch's statistics are float32 for float32."""


def step(ours: Any, theirs: Any, x: Array, upstream: Array) -> list[tuple[Any, Any]]:
    """Return results and gradients of both sides, PyTorch's as arrays."""
    here, there = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = ours(here), theirs(there)
    y.backward(mg.tensor(upstream))
    expected.backward(torch.tensor(upstream))
    return [(y, expected.detach().numpy()), (here.grad, there.grad.numpy())]


def assert_pairs(pairs: list[tuple[Any, Any]], tolerance: float) -> None:
    for ours, theirs in pairs:
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("InstanceNorm1d", (3, 4, 5)),
        ("InstanceNorm1d", (4, 5)),
        ("InstanceNorm2d", (3, 4, 2, 5)),
        ("InstanceNorm3d", (2, 4, 2, 2, 3)),
    ],
)
def test_running_statistics_of_instance_norm(
    name: str, shape: tuple[int, ...], dtype: Any, rng: np.random.Generator
) -> None:
    """Three batches in training, one in evaluation; the counter is a known difference."""
    options = {"affine": True, "track_running_stats": True, "momentum": 0.3, "eps": 1e-3}
    ours = getattr(nn, name)(4, **options).to(dtype)
    theirs = getattr(torch.nn, name)(4, **options).to(getattr(torch, np.dtype(dtype).name))
    ours.load_state_dict(theirs.state_dict())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for training in (True, True, True, False):
        ours.train(training)
        theirs.train(training)
        x = (rng.normal(size=shape) * 2 + 1).astype(dtype)
        pairs = step(ours, theirs, x, rng.normal(size=shape).astype(dtype))
        pairs += [(getattr(ours, n), getattr(theirs, n)) for n in ("running_mean", "running_var")]
        pairs += [(getattr(ours, n).grad, getattr(theirs, n).grad) for n in ("weight", "bias")]
        assert_pairs(pairs, TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(13, 3), (13, 3, 2, 2)])
def test_ghost_batch_norm_is_batch_norm_of_chunk_after_chunk(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Chunks of 4, 4 and 5 samples or, of images, of 4, 4, 4 and 1: gradients and state too."""
    starts = [0, 4, 8, 13] if len(shape) == 2 else [0, 4, 8, 12, 13]
    ours = nn.GhostBatchNorm(3, 4, dtype=np.float64)
    theirs = (torch.nn.BatchNorm1d if len(shape) == 2 else torch.nn.BatchNorm2d)(3).double()
    ours.load_state_dict(theirs.state_dict())

    def by_chunks(x: Any) -> Any:
        return torch.cat([theirs(x[start:stop]) for start, stop in pairwise(starts)])

    pairs = step(ours, by_chunks, rng.normal(size=shape), rng.normal(size=shape))
    pairs += [(ours.state_dict()[key], value) for key, value in theirs.state_dict().items()]
    pairs += [(ours.get_parameter(n).grad, p.grad) for n, p in theirs.named_parameters()]
    assert_pairs(pairs, TOLERANCE[np.float64])


def test_a_group_of_one_value(rng: np.random.Generator) -> None:
    """Zeros times the weight, and NaN where there is one: gradients too."""
    ours, theirs = nn.GroupNorm(3, 3, dtype=np.float64), torch.nn.GroupNorm(3, 3).double()
    for layer in (ours, theirs):
        layer.load_state_dict({"weight": torch.tensor([1.0, 2, 3]), "bias": torch.ones(3)})
    x = rng.normal(size=(2, 3))
    x[0, 1] = np.nan
    assert_pairs(step(ours, theirs, x, rng.normal(size=(2, 3))), TOLERANCE[np.float64])


def test_per_activation_batch_norm_is_batch_norm_of_vectors(rng: np.random.Generator) -> None:
    ours = nn.PerActivationBatchNorm((2, 3), dtype=np.float64)
    theirs = torch.nn.BatchNorm1d(6).double()
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x, upstream = rng.normal(size=(2, 5, 2, 3))
        pairs = step(ours, lambda x: theirs(x.flatten(1)).reshape(x.shape), x, upstream)
        pairs += [
            (np.asarray(ours.state_dict()[key]).reshape(value.shape), value)
            for key, value in theirs.state_dict().items()
        ]
        assert_pairs(pairs, TOLERANCE[np.float64])


def test_batch_renorm_is_a_composition_of_pytorchs_functions(rng: np.random.Generator) -> None:
    """Algorithm 1 of the paper, with detach() where it says stop_gradient."""
    ours = nn.BatchRenorm(3, r_max=1.5, d_max=0.5, eps=1e-3, momentum=0.4, dtype=np.float64)
    mean, std = torch.zeros(3).double(), torch.ones(3).double()

    def theirs(x: Any) -> Any:
        nonlocal mean, std
        batch_mean = x.mean(0)
        batch_std = (((x - batch_mean) ** 2).mean(0) + 1e-3).sqrt()
        r = (batch_std / std).clamp(1 / 1.5, 1.5).detach()
        d = ((batch_mean - mean) / std).clamp(-0.5, 0.5).detach()
        mean = mean + 0.4 * (batch_mean - mean).detach()
        std = std + 0.4 * (batch_std - std).detach()
        return (x - batch_mean) / batch_std * r + d

    for scale in (1.0, 4.0, 0.2):
        x = rng.normal(size=(6, 3)) * scale + np.array([0.0, 0.3, 5.0])
        pairs = step(ours, theirs, x, rng.normal(size=(6, 3)))
        pairs += [(ours.running_mean, mean), (ours.running_std, std)]
        assert_pairs(pairs, TOLERANCE[np.float64])
