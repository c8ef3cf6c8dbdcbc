"""Each optimiser and option: ten steps against formulas, and against PyTorch where it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from minigrad import optim
from minigrad.tensor import Tensor
from minigrad.typing import Array
from tests.optim.formulas import FORMULAS

STEPS = 10
# Ten steps of a dozen float64 operations each, on values near 1.
FLOAT64 = 1e-13
# The same in float32; where RMSprop is centred, s - a**2 loses a bit or two more.
FLOAT32 = 3e-6

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.3, "maximize": True}),
    ("SGD", {"lr": 1, "momentum": 1, "weight_decay": 0}),
    ("SGD", {}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.01}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "betas": (0.9, 0.5)}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 0.01, "weight_decay": 0.3}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.1, "centered": True}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.3, "eps": 0.01}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(kwargs)}" for name, kwargs in CASES]


def _problem(dtype: Any) -> tuple[Array, list[Array]]:
    """Return a parameter and ten gradients, away from the zeros that amplify rounding."""
    rng = np.random.default_rng(7)
    grads = [rng.uniform(0.5, 1.5, (5, 3)) * rng.choice([-1, 1], (5, 3)) for _ in range(STEPS)]
    return rng.standard_normal((5, 3)).astype(dtype), [grad.astype(dtype) for grad in grads]


def _path(optimizer: optim.Optimizer, param: Tensor, grads: Sequence[Array]) -> list[Array]:
    path = []
    for grad in grads:
        param.grad = Tensor(grad.copy())
        optimizer.step()
        np.testing.assert_array_equal(param.grad.array, grad, err_msg="the gradient was changed")
        path.append(param.array.copy())
    return path


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(np.float64, FLOAT64), (np.float32, FLOAT32)], ids=["f64", "f32"]
)
def test_formula(name: str, kwargs: dict[str, Any], dtype: Any, tolerance: float) -> None:
    start, grads = _problem(dtype)
    param = Tensor(start.copy(), requires_grad=True)
    path = _path(getattr(optim, name)([param], **kwargs), param, grads)
    wide = [grad.astype(np.float64) for grad in grads]
    expected = FORMULAS[name](start.astype(np.float64), wide, **kwargs)
    assert param.dtype == dtype
    for got, want in zip(path, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=IDS)
def test_torch(name: str, kwargs: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    start, grads = _problem(np.float32)
    ours = Tensor(start.copy(), requires_grad=True)
    theirs = torch.tensor(start, requires_grad=True)
    optimizer = getattr(optim, name)([ours], **kwargs)
    peer = getattr(torch.optim, name)([theirs], **kwargs)
    path = _path(optimizer, ours, grads)
    for got, grad in zip(path, grads, strict=True):
        theirs.grad = torch.tensor(grad)
        peer.step()
        want = theirs.detach().numpy()
        np.testing.assert_allclose(got, want, rtol=FLOAT32, atol=FLOAT32 * np.abs(want).max())


@pytest.mark.parametrize("name", list(FORMULAS))
def test_torch_signature(name: str) -> None:
    """Positional order and defaults; what we leave out is PyTorch's own machinery."""
    torch = pytest.importorskip("torch")
    from inspect import Parameter, signature

    theirs = dict(signature(getattr(torch.optim, name)).parameters)
    for left_out in ("foreach", "capturable", "differentiable", "fused"):
        theirs.pop(left_out, None)
    ours = dict(signature(getattr(optim, name)).parameters)
    positional = [n for n, p in ours.items() if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == list(theirs)[: len(positional)]
    assert set(ours) == set(theirs)
    assert {n: p.default for n, p in ours.items()} == {n: p.default for n, p in theirs.items()}


@pytest.mark.parametrize("name", list(FORMULAS))
@pytest.mark.parametrize("layout", ["F", "strided", "scalar", "empty"])
def test_layouts(name: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    start = {
        "F": np.asfortranarray(rng.standard_normal((4, 3))),
        "strided": rng.standard_normal((8, 3))[::2],
        "scalar": np.asarray(rng.standard_normal()),
        "empty": np.zeros((0, 3)),
    }[layout]
    grads = [rng.uniform(0.5, 1.5, start.shape) for _ in range(3)]
    expected = FORMULAS[name](start.copy(), grads, lr=0.1, weight_decay=0.1)
    param = Tensor(start, requires_grad=True)
    path = _path(getattr(optim, name)([param], lr=0.1, weight_decay=0.1), param, grads)
    np.testing.assert_allclose(path[-1], expected[-1], rtol=FLOAT64, atol=FLOAT64)


def test_momentum_may_be_turned_on_later() -> None:
    for optimizer_class in (optim.SGD, optim.RMSprop):
        param = Tensor(np.ones(3), requires_grad=True)
        optimizer = optimizer_class([param], lr=0.1)
        param.grad = Tensor(np.ones(3))
        optimizer.step()
        optimizer.param_groups[0]["momentum"] = 0.9
        optimizer.step()
        assert "momentum_buffer" in optimizer.state[param]
