"""What all optimisers share: parameters, groups, gradients, state, copies, errors."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.errors import DTypeError, FormatError, ShapeError
from minigrad.grad_mode import is_grad_enabled, no_grad
from minigrad.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from minigrad.optim.optimizer import Group
from minigrad.serialization import load, save
from minigrad.tensor import Tensor

ALL: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (Adam, {"lr": 0.1, "amsgrad": True}),
    (AdamW, {"lr": 0.1}),
    (RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.1}),
]
each_optimizer = pytest.mark.parametrize(("kind", "kwargs"), ALL, ids=[k.__name__ for k, _ in ALL])


def _params(dtype: Any = np.float32) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [
        Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        for shape in [(3, 2), (3,), ()]
    ]


def _train(optimizer: Optimizer, first: int, last: int) -> None:
    """Steps ``first`` to ``last`` of a run whose gradients depend on the step only."""
    for step in range(first, last):
        rng = np.random.default_rng(step)
        for group in optimizer.param_groups:
            for param in group["params"]:
                value = np.asarray(rng.standard_normal(param.shape)).astype(param.dtype)
                param.grad = Tensor(value)
        optimizer.step()


def _values(params: list[Tensor]) -> list[bytes]:
    return [param.array.tobytes() for param in params]


@each_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saved_state_continues_bit_for_bit(
    kind: Any, kwargs: dict[str, Any], dtype: Any, tmp_path: Path
) -> None:
    whole = _params(dtype)
    _train(kind(whole, **kwargs), 0, 6)

    params = _params(dtype)
    optimizer = kind(params, **kwargs)
    _train(optimizer, 0, 3)
    path = tmp_path / "state.npz"
    save({"params": params, "optimizer": optimizer.state_dict()}, path)
    saved = load(path)
    restored = [Tensor(param.array.copy(), requires_grad=True) for param in saved["params"]]
    continued = kind(restored, lr=55.0)  # every hyper-parameter comes from the state
    continued.load_state_dict(saved["optimizer"])
    _train(continued, 3, 6)
    assert _values(restored) == _values(whole)


@each_optimizer
def test_loading_copies(kind: Any, kwargs: dict[str, Any]) -> None:
    first, second = _params(), _params()
    optimizer, other = kind(first, **kwargs), kind(second, **kwargs)
    _train(optimizer, 0, 2)
    other.load_state_dict(optimizer.state_dict())
    before = copy.deepcopy(other.state_dict()["state"])
    _train(optimizer, 2, 4)
    for index, kept in other.state_dict()["state"].items():
        for name, value in kept.items():
            np.testing.assert_array_equal(np.asarray(value), np.asarray(before[index][name]))


@each_optimizer
def test_deepcopy(kind: Any, kwargs: dict[str, Any]) -> None:
    params = _params()
    optimizer = kind(params, **kwargs)
    _train(optimizer, 0, 2)
    copied_params, copied = copy.deepcopy((params, optimizer))
    assert copied.param_groups[0]["params"] == copied_params  # the very same Tensors
    before = _values(params)
    _train(copied, 2, 4)
    assert _values(params) == before
    _train(optimizer, 2, 4)
    assert _values(copied_params) == _values(params)


@each_optimizer
def test_torch_state_is_understood(kind: Any, kwargs: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    params = _params()
    theirs = [torch.tensor(param.array, requires_grad=True) for param in params]
    peer = getattr(torch.optim, kind.__name__)(theirs, **kwargs)
    for step in range(2):
        rng = np.random.default_rng(step)
        for param in theirs:
            value = np.asarray(rng.standard_normal(tuple(param.shape))).astype(np.float32)
            param.grad = torch.from_numpy(value)
        peer.step()
    ours = kind(params, **kwargs)
    _train(ours, 0, 2)
    state = peer.state_dict()
    state["state"] = {
        index: {name: value.numpy() for name, value in kept.items()}
        for index, kept in state["state"].items()
    }
    mine = ours.state_dict()["state"]
    assert {i: set(kept) for i, kept in mine.items()} == {
        i: set(kept) for i, kept in state["state"].items()
    }
    ours.load_state_dict(state)
    for index, kept in ours.state_dict()["state"].items():
        for name, value in kept.items():
            np.testing.assert_allclose(np.asarray(value), np.asarray(mine[index][name]), rtol=1e-5)


def test_parameters_without_gradient_are_skipped() -> None:
    first, second, _ = _params()
    optimizer = SGD([first, second], lr=0.1, momentum=0.9)
    first.grad = Tensor(np.ones_like(first.array))
    before = second.array.copy()
    optimizer.step()
    np.testing.assert_array_equal(second.array, before)
    assert list(optimizer.state_dict()["state"]) == [0]


def test_zero_grad() -> None:
    (param, *_), grad = _params(), Tensor(np.ones((3, 2), np.float32))
    optimizer = SGD([param])
    param.grad = grad
    optimizer.zero_grad(set_to_none=False)
    assert param.grad is not None
    np.testing.assert_array_equal(param.grad.array, np.zeros((3, 2)))
    optimizer.zero_grad()
    assert param.grad is None


def test_step_counts_as_a_change_in_place() -> None:
    param = _params()[0]
    param.grad = Tensor(np.ones_like(param.array))
    version = param._version
    SGD([param]).step()
    assert param._version == version + 1


def test_closure_runs_with_recording_on() -> None:
    param = _params()[0]
    optimizer = SGD([param], lr=1.0)
    seen = []

    def closure() -> float:
        seen.append(is_grad_enabled())
        param.grad = Tensor(np.ones_like(param.array))
        return 3.5

    before = param.array.copy()
    with no_grad():
        assert optimizer.step(closure) == 3.5
    assert seen == [True]
    np.testing.assert_allclose(param.array, before - 1.0, atol=1e-6)


def test_groups_have_their_own_hyperparameters() -> None:
    first, second, third = _params(np.float64)
    groups: list[Group] = [{"params": first, "lr": 1.0}, {"params": [second]}]
    optimizer = SGD(groups, lr=0.5)
    optimizer.add_param_group({"params": iter([third]), "maximize": True})
    before = [param.array.copy() for param in (first, second, third)]
    for param in (first, second, third):
        param.grad = Tensor(np.ones_like(param.array))
    optimizer.step()
    steps = [param.array - old for param, old in zip((first, second, third), before, strict=True)]
    for step, want in zip(steps, (-1.0, -0.5, 0.5), strict=True):
        np.testing.assert_allclose(step, want, atol=1e-15)
    saved = optimizer.state_dict()["param_groups"]
    assert [group["params"] for group in saved] == [[0], [1], [2]]
    assert [group["lr"] for group in saved] == [1.0, 0.5, 0.5]


def test_repr() -> None:
    assert repr(SGD(_params(), lr=0.5)) == (
        "SGD (\nParameter Group 0\n    dampening: 0.0\n    lr: 0.5\n    maximize: False\n"
        "    momentum: 0.0\n    nesterov: False\n    weight_decay: 0.0\n)"
    )


def _computed() -> Tensor:
    first = _params()[0]
    return first * 2.0


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (list, ValueError, "empty list of parameters"),
        (lambda: iter(()), ValueError, "empty once it has been used"),
        (lambda: _params()[0], TypeError, "single Tensor"),
        (lambda: set(_params()), TypeError, "fixed order"),
        (lambda: [{"params": set(_params())}], TypeError, "fixed order"),
        (lambda: [np.ones(3)], TypeError, "got a ndarray as parameter 0"),
        (lambda: [("weight", _params()[0])], TypeError, "got a tuple"),
        (lambda: [{"weight": _params()[0]}], TypeError, "key 'params'"),
        (lambda: [Tensor(np.arange(3))], DTypeError, "int64"),
        (lambda: [Tensor(np.ones(3, np.float16))], DTypeError, "float16"),
        (lambda: [_computed()], ValueError, "result of Mul"),
        (lambda: _params()[:1] * 2, ValueError, "already in this optimizer"),
        (lambda: [{"params": p} for p in _params()[:1] * 2], ValueError, "already in this"),
    ],
)
def test_wrong_parameters(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SGD(params())


@pytest.mark.parametrize(
    ("kind", "kwargs", "message"),
    [
        (SGD, {"lr": -0.1}, "lr must be a finite number >= 0, got -0.1"),
        (SGD, {"lr": float("nan")}, "lr must be"),
        (SGD, {"lr": "0.1"}, "lr must be"),
        (SGD, {"momentum": -1}, "momentum must be"),
        (SGD, {"weight_decay": -1}, "weight_decay must be"),
        (SGD, {"nesterov": True}, "nesterov needs momentum > 0"),
        (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening == 0"),
        (Adam, {"betas": (0.9, 1.0)}, r"betas must be two numbers in \[0, 1\)"),
        (Adam, {"betas": (0.9,)}, "betas must be"),
        (AdamW, {"eps": -1.0}, "eps must be"),
        (RMSprop, {"alpha": -1.0}, "alpha must be"),
        (Adagrad, {"lr_decay": -1.0}, "lr_decay must be"),
        (Adagrad, {"initial_accumulator_value": -1.0}, "initial_accumulator_value must be"),
    ],
)
def test_wrong_hyperparameters(kind: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(_params(), **kwargs)
    with pytest.raises(ValueError, match=message):
        kind([{"params": _params(), **kwargs}])


def test_a_wrong_group_adds_nothing() -> None:
    first, second, _ = _params()
    optimizer = SGD([first])
    with pytest.raises(ValueError, match="lr must be"):
        optimizer.add_param_group({"params": [second], "lr": -1.0})
    assert len(optimizer.param_groups) == 1


def _wrong_states() -> list[tuple[str, Any, type[ValueError], str]]:
    def state(kind: Any = SGD, **kwargs: Any) -> dict[str, Any]:
        optimizer = kind(_params(), **kwargs)
        _train(optimizer, 0, 1)
        return copy.deepcopy(optimizer.state_dict())

    foreign_groups = state(Adam)
    foreign_state = {**state(), "state": state(Adam)["state"]}
    sizes = state()
    sizes["param_groups"][0]["params"] = [0, 1]
    shape = state(momentum=0.9)
    shape["state"][0]["momentum_buffer"] = Tensor(np.ones(7, np.float32))
    unknown = state(momentum=0.9)
    unknown["state"][9] = unknown["state"].pop(0)
    negative = state()
    negative["param_groups"][0]["lr"] = -1.0
    return [
        ("not a dict", [1, 2], FormatError, "keys 'state' and 'param_groups'"),
        ("a model", {"weight": 1}, FormatError, "keys \\['weight'\\]"),
        ("groups of Adam", foreign_groups, FormatError, "a group lacks momentum"),
        ("state of Adam", foreign_state, FormatError, "it has 'exp_avg'"),
        ("group sizes", sizes, FormatError, r"groups of \[3\] parameters, .* of \[2\]"),
        ("shape", shape, ShapeError, r"momentum_buffer of parameter 0 must have shape \(3, 2\)"),
        ("unknown index", unknown, FormatError, "parameter 9"),
        ("negative lr", negative, ValueError, "lr must be a finite number >= 0, got -1.0"),
    ]


@pytest.mark.parametrize("case", range(8))
def test_wrong_state_changes_nothing(case: int) -> None:
    _, state, error, message = _wrong_states()[case]
    optimizer = SGD(_params(), lr=0.1, momentum=0.9)
    _train(optimizer, 0, 1)
    before = repr(optimizer), repr(optimizer.state_dict())
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(state)
    assert (repr(optimizer), repr(optimizer.state_dict())) == before


def test_pytorchs_state_without_momentum_is_loaded() -> None:
    """There, `momentum_buffer` is None."""
    optimizer = SGD(_params(), lr=0.1)
    state = optimizer.state_dict()
    state["state"] = {0: {"momentum_buffer": None}}
    optimizer.load_state_dict(state)
    assert optimizer.state_dict()["state"] == {}


def test_optimizer_must_have_a_rule() -> None:
    class Idle(Optimizer):
        pass

    optimizer = Idle(_params(), {})
    for param in optimizer.param_groups[0]["params"]:
        param.grad = param.detach()
    with pytest.raises(NotImplementedError, match="Idle must define _update"):
        optimizer.step()
