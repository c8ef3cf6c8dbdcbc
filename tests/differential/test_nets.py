"""The same nets in PyTorch: texts, values, gradients and state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare")

FLOAT64 = 1e-10
"""Rounding of both sides in float64 through a few layers."""


def build(library: Any) -> Any:
    """Return the same net of either library."""
    return library.Sequential(
        library.Linear(6, 8, bias=False),
        library.BatchNorm1d(8, momentum=None),
        library.LeakyReLU(0.1),
        library.Unflatten(1, (2, 4)),
        library.BatchNorm1d(2, eps=1e-3),
        library.GELU(),
        library.Flatten(),
        library.Linear(8, 8),
        library.ELU(0.5),
        library.ModuleDict({"unused": library.ModuleList([library.Tanh(), library.Tanh()])})[
            "unused"
        ][0],
        library.BatchNorm1d(8, affine=False),
        library.Softplus(),
        library.Linear(8, 3),
    )


def test_texts() -> None:
    assert repr(build(nn)) == repr(build(torch.nn))
    for name in ("ReLU", "SiLU", "Softmax", "Dropout", "Identity", "HuberLoss", "Sigmoid"):
        assert repr(getattr(nn, name)()) == repr(getattr(torch.nn, name)())
    ours = nn.ModuleList([nn.Tanh(), nn.Tanh(), nn.Embedding(3, 4, padding_idx=-1)])
    theirs = torch.nn.ModuleList(
        [torch.nn.Tanh(), torch.nn.Tanh(), torch.nn.Embedding(3, 4, padding_idx=-1)]
    )
    assert repr(ours) == repr(theirs)


def test_a_net_trains_as_in_pytorch(rng: np.random.Generator) -> None:
    ours, theirs = build(nn).double(), build(torch.nn).double()
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        x = rng.normal(size=(5, 6))
        labels = rng.integers(0, 3, 5)
        a = mg.tensor(x, requires_grad=True)
        b = torch.tensor(x, requires_grad=True)
        loss = nn.CrossEntropyLoss(label_smoothing=0.1)(ours(a), mg.tensor(labels))
        expected = torch.nn.CrossEntropyLoss(label_smoothing=0.1)(theirs(b), torch.tensor(labels))
        ours.zero_grad()
        theirs.zero_grad()
        loss.backward()
        expected.backward()
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=FLOAT64)
        np.testing.assert_allclose(
            np.asarray(a.grad), np.asarray(b.grad), rtol=FLOAT64, atol=FLOAT64
        )
        with mg.no_grad(), torch.no_grad():
            pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
            for parameter, peer in pairs:
                np.testing.assert_allclose(
                    np.asarray(parameter.grad), np.asarray(peer.grad), rtol=FLOAT64, atol=FLOAT64
                )
                parameter.sub_(parameter.grad * 0.1)
                peer -= peer.grad * 0.1
    expected_state = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected_state)
    for name, value in ours.state_dict().items():
        np.testing.assert_allclose(
            np.asarray(value), np.asarray(expected_state[name]), rtol=FLOAT64, atol=FLOAT64
        )
    x = rng.normal(size=(1, 6))
    np.testing.assert_allclose(
        np.asarray(ours.eval()(mg.tensor(x))),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        rtol=FLOAT64,
        atol=FLOAT64,
    )


def test_state_loads_into_pytorch() -> None:
    ours, theirs = build(nn), build(torch.nn)
    ours(mg.randn(4, 6))
    state = {name: torch.from_numpy(np.array(value)) for name, value in ours.state_dict().items()}
    theirs.load_state_dict(state)
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
    np.testing.assert_allclose(
        np.asarray(ours.eval()(mg.tensor(x))),
        theirs.eval()(torch.tensor(x)).detach().numpy(),
        # float32 on both sides, and running statistics in float32 on theirs.
        rtol=1e-4,
        atol=1e-5,
    )
