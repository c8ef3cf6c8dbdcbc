"""Layers, optimisers and schedules beside PyTorch's: outputs, gradients, state, trajectories."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import Module
from minigrad.optim import lr_scheduler
from minigrad.testing.strategies import seeds
from minigrad.typing import Array

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

TOLERANCE = 1e-10
"""float64 on both sides, through one layer or twelve updates."""

Draw = Callable[[np.random.Generator], tuple[Array, ...]]


def normal(*shape: int) -> Draw:
    return lambda rng: (rng.normal(size=shape),)


def pair(rng: np.random.Generator) -> tuple[Array, ...]:
    return rng.normal(size=(3, 4)), rng.normal(size=(3, 4))


def classes(rng: np.random.Generator) -> tuple[Array, ...]:
    return rng.normal(size=(3, 4, 2)), rng.integers(0, 4, (3, 2))


def indices(rng: np.random.Generator) -> tuple[Array, ...]:
    return (rng.integers(0, 5, (2, 3)),)


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], Draw]] = [
    ("Linear", (4, 3), {}, normal(2, 5, 4)),
    ("Linear", (4, 3), {"bias": False}, normal(4)),
    ("Embedding", (5, 3), {}, indices),
    ("Embedding", (5, 3), {"padding_idx": -2}, indices),
    ("BatchNorm1d", (4,), {}, normal(3, 4)),
    ("BatchNorm1d", (4,), {"momentum": None, "eps": 1e-3}, normal(3, 4, 2)),
    ("BatchNorm1d", (4,), {"track_running_stats": False}, normal(3, 4, 2)),
    ("BatchNorm2d", (4,), {"affine": False}, normal(3, 4, 2, 3)),
    ("BatchNorm3d", (4,), {"momentum": 0.7}, normal(3, 4, 2, 1, 2)),
    ("Dropout", (0.0,), {}, normal(3, 4)),
    ("ReLU", (), {}, normal(3, 4)),
    ("SiLU", (), {}, normal(3, 4)),
    ("Sigmoid", (), {}, normal(3, 4)),
    ("Tanh", (), {}, normal(3, 4)),
    ("ELU", (0.5,), {}, normal(3, 4)),
    ("LeakyReLU", (0.3,), {}, normal(3, 4)),
    ("GELU", (), {}, normal(3, 4)),
    ("GELU", (), {"approximate": "tanh"}, normal(3, 4)),
    ("Softplus", (2.0, 1.0), {}, normal(3, 4)),
    ("Softmax", (1,), {}, normal(3, 4)),
    ("LogSoftmax", (-1,), {}, normal(3, 4)),
    ("Flatten", (), {}, normal(2, 3, 4)),
    ("Unflatten", (1, (2, 3)), {}, normal(2, 6)),
    ("Identity", (), {}, normal(2, 3)),
    ("Sequential", (), {}, normal(2, 3)),
    ("MSELoss", (), {}, pair),
    ("L1Loss", (), {"reduction": "sum"}, pair),
    ("HuberLoss", ("none", 0.5), {}, pair),
    ("BCEWithLogitsLoss", (), {}, pair),
    ("CrossEntropyLoss", (), {"label_smoothing": 0.2, "ignore_index": 1}, classes),
    ("NLLLoss", (), {"ignore_index": 1, "reduction": "sum"}, classes),
]


def test_every_layer_is_compared() -> None:
    containers = {"Module", "ModuleDict", "ModuleList"}
    layers = {
        n
        for n in nn.__all__
        if inspect.isclass(getattr(nn, n))
        and issubclass(getattr(nn, n), Module)
        and hasattr(torch.nn, n)
    }
    missing = sorted(layers - containers - {name for name, *_ in LAYERS})
    assert not missing, f"not compared with PyTorch: {missing}; add a row to LAYERS of this file"


def assert_close(ours: Any, theirs: Any) -> None:
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "arguments", "keywords", "draw"), LAYERS, ids=[f"{n}-{a}-{k}" for n, a, k, _ in LAYERS]
)
@given(seed=seeds())
def test_layer(
    name: str, arguments: tuple[Any, ...], keywords: dict[str, Any], draw: Draw, seed: int
) -> None:
    """In training twice, then in evaluation: outputs, gradients of inputs and parameters, state."""
    rng = np.random.default_rng(seed)
    ours = getattr(nn, name)(*arguments, **keywords).double()
    theirs = getattr(torch.nn, name)(*arguments, **keywords).double()
    ours.load_state_dict(theirs.state_dict())
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        arrays = draw(rng)
        here = [mg.Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        there = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        y, expected = ours(*here), theirs(*there)
        assert_close(y, expected)
        upstream = rng.normal(size=y.shape)
        if expected.requires_grad:
            y.backward(mg.Tensor(upstream))
            expected.backward(torch.tensor(upstream))
        leaves = [*zip(here, there, strict=True)]
        leaves += zip(ours.parameters(), theirs.parameters(), strict=True)
        for leaf, peer in leaves:
            assert (leaf.grad is None) == (peer.grad is None)
            if peer.grad is not None:
                assert_close(leaf.grad, peer.grad)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for key, value in ours.state_dict().items():
        assert_close(value, state[key])


OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.7), "weight_decay": 0.1, "amsgrad": True}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1, "eps": 1e-3}),
    ("AdamW", {"amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.5, "momentum": 0.3, "centered": True, "weight_decay": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
]

SCHEDULES: list[tuple[str, tuple[Any, ...]]] = [
    ("CosineAnnealingLR", (5, 0.01)),
    ("ExponentialLR", (0.9,)),
    ("LambdaLR", (lambda epoch: 1.0 / (epoch + 1),)),
    ("LinearLR", (0.2, 0.8, 7)),
    ("MultiStepLR", ([2, 3, 9], 0.5)),
    ("OneCycleLR", (0.5, 12)),
    ("SequentialLR", ()),
    ("StepLR", (3, 0.5)),
]


def test_every_optimizer_and_schedule_is_compared() -> None:
    optimizers = {n for n in optim.__all__ if inspect.isclass(getattr(optim, n))} - {"Optimizer"}
    missing = optimizers - {name for name, _ in OPTIMIZERS}
    missing |= set(lr_scheduler.__all__) - {"LRScheduler"} - {name for name, _ in SCHEDULES}
    assert not missing, f"not compared with PyTorch: {sorted(missing)}; add rows in this file"


@pytest.mark.parametrize(("name", "keywords"), OPTIMIZERS)
def test_optimizer(name: str, keywords: dict[str, Any], rng: np.random.Generator) -> None:
    """Twelve steps along the same random gradients."""
    start = rng.normal(size=(3, 2))
    ours, theirs = mg.tensor(start, requires_grad=True), torch.tensor(start, requires_grad=True)
    here = getattr(optim, name)([ours], **keywords)
    there = getattr(torch.optim, name)([theirs], **keywords)
    for _ in range(12):
        gradient = rng.normal(size=start.shape)
        ours.grad, theirs.grad = mg.Tensor(gradient), torch.tensor(gradient)
        here.step()
        there.step()
        assert_close(ours, theirs)


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES, ids=[name for name, _ in SCHEDULES])
def test_schedule(name: str, arguments: tuple[Any, ...]) -> None:
    """The learning rate, and with it the momentum, of twelve epochs."""
    ours = optim.SGD([mg.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    if name == "SequentialLR":
        here, there = (
            library.SequentialLR(
                optimizer,
                [library.StepLR(optimizer, 2), library.ExponentialLR(optimizer, 0.8)],
                milestones=[5],
            )
            for library, optimizer in (
                (lr_scheduler, ours),
                (torch.optim.lr_scheduler, theirs),
            )
        )
    else:
        here = getattr(lr_scheduler, name)(ours, *arguments)
        there = getattr(torch.optim.lr_scheduler, name)(theirs, *arguments)
    for _ in range(11):
        group, peer = ours.param_groups[0], theirs.param_groups[0]
        np.testing.assert_allclose(group["lr"], peer["lr"], rtol=TOLERANCE)
        np.testing.assert_allclose(group["momentum"], peer["momentum"], rtol=TOLERANCE)
        theirs.step()
        here.step()
        there.step()
