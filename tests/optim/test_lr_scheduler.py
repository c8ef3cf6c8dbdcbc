"""Schedules against closed formulas, and against PyTorch where it is installed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.errors import FormatError
from minigrad.optim import SGD, Adagrad, Adam, lr_scheduler
from minigrad.serialization import load, save
from minigrad.tensor import Tensor

EPOCHS = 20
# Formulas multiply the last learning rate, so rounding adds up over the epochs.
TOLERANCE = 1e-13

Build = Callable[[Any, Any], Any]
"""From the module of schedules, ours or PyTorch's, and an optimiser to a schedule."""


def _cosine(epoch: float, length: float, start: float, end: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * epoch / length)) / 2


def _one_cycle(epoch: int) -> float:
    """Return the learning rate of 21 steps: up in 6.3 - 1, then down."""
    if epoch <= 5.3:
        return _cosine(epoch, 5.3, 0.8 / 25, 0.8)
    return _cosine(epoch - 5.3, 20 - 5.3, 0.8, 0.8 / 25 / 1e4)


SCHEDULES: dict[str, tuple[Build, Callable[[int], float]]] = {
    "lambda": (
        lambda m, o: m.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda epoch: 0.5 * 0.9**epoch,
    ),
    "step": (lambda m, o: m.StepLR(o, 3, 0.5), lambda epoch: 0.5 * 0.5 ** (epoch // 3)),
    "multi step": (
        lambda m, o: m.MultiStepLR(o, [9, 4, 9], gamma=0.5),
        lambda epoch: 0.5 * 0.5 ** ((epoch >= 4) + 2 * (epoch >= 9)),
    ),
    "exponential": (lambda m, o: m.ExponentialLR(o, 0.9), lambda epoch: 0.5 * 0.9**epoch),
    "linear": (
        lambda m, o: m.LinearLR(o, start_factor=0.1, end_factor=0.6, total_iters=7),
        lambda epoch: 0.5 * (0.1 + 0.5 * min(epoch, 7) / 7),
    ),
    "linear to zero": (
        lambda m, o: m.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=4),
        lambda epoch: 0.5 * (1 - min(epoch, 4) / 4),
    ),
    "cosine": (
        lambda m, o: m.CosineAnnealingLR(o, 7, eta_min=0.1),
        lambda epoch: _cosine(epoch, 7, 0.5, 0.1),
    ),
    "cosine of one epoch": (
        lambda m, o: m.CosineAnnealingLR(o, 1),
        lambda epoch: _cosine(epoch, 1, 0.5, 0.0),
    ),
    "warm-up, cosine": (
        lambda m, o: m.SequentialLR(
            o, [m.LinearLR(o, 0.2, total_iters=4), m.CosineAnnealingLR(o, 16)], [4]
        ),
        lambda epoch: (
            0.5 * (0.2 + 0.8 * epoch / 4) if epoch < 4 else _cosine(epoch - 4, 16, 0.5, 0.0)
        ),
    ),
    "three in sequence": (
        lambda m, o: m.SequentialLR(
            o, [m.ExponentialLR(o, 0.9), m.StepLR(o, 2), m.LambdaLR(o, lambda e: 1 + e)], [5, 11]
        ),
        lambda epoch: (
            0.5 * 0.9**epoch
            if epoch < 5
            else 0.5 * 0.1 ** ((epoch - 5) // 2)
            if epoch < 11
            else 0.5 * (1 + epoch - 11)
        ),
    ),
    "one cycle": (lambda m, o: m.OneCycleLR(o, 0.8, total_steps=21), _one_cycle),
}
each_schedule = pytest.mark.parametrize("name", list(SCHEDULES))

ONE_CYCLES: dict[str, Build] = {
    "three phases": lambda m, o: m.OneCycleLR(
        o, 0.8, epochs=3, steps_per_epoch=7, three_phase=True
    ),
    "linear": lambda m, o: m.OneCycleLR(o, 0.8, 21, anneal_strategy="linear", pct_start=0.4),
    "no rise": lambda m, o: m.OneCycleLR(o, 0.8, 21, pct_start=0.0),
    "momentum": lambda m, o: m.OneCycleLR(o, [0.8], 21, base_momentum=[0.1], max_momentum=0.9),
    "no momentum": lambda m, o: m.OneCycleLR(o, 0.8, 21, cycle_momentum=False, div_factor=3.0),
}


def _optimizer(lr: float = 0.5) -> SGD:
    return SGD([Tensor(np.zeros(1), requires_grad=True)], lr=lr, momentum=0.9)


def _lrs(optimizer: Any, schedule: Any, epochs: int = EPOCHS) -> list[float]:
    values = []
    for _ in range(epochs):
        values.append(optimizer.param_groups[0]["lr"])
        assert schedule.get_last_lr() == [values[-1]]
        optimizer.step()
        schedule.step()
    return values


@each_schedule
def test_formula(name: str) -> None:
    build, formula = SCHEDULES[name]
    optimizer = _optimizer()
    values = _lrs(optimizer, build(lr_scheduler, optimizer))
    expected = [formula(epoch) for epoch in range(EPOCHS)]
    np.testing.assert_allclose(values, expected, rtol=TOLERANCE, atol=1e-16)


def test_one_cycle_moves_momentum_the_other_way() -> None:
    optimizer = _optimizer()
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.8, total_steps=11, pct_start=4 / 11)
    momentums = []
    for _ in range(11):
        momentums.append(optimizer.param_groups[0]["momentum"])
        schedule.step()
    rise = [_cosine(step, 3, 0.95, 0.85) for step in range(4)]
    fall = [_cosine(step, 7, 0.85, 0.95) for step in range(1, 8)]
    np.testing.assert_allclose(momentums, rise + fall, rtol=TOLERANCE)


def test_one_cycle_moves_beta1() -> None:
    optimizer = Adam([Tensor(np.zeros(1), requires_grad=True)], betas=(0.9, 0.98))
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.8, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.98)
    for _ in range(2):
        schedule.step()
    assert optimizer.param_groups[0]["betas"] == (0.85, 0.98)


def test_one_cycle_with_a_rise_of_one_step() -> None:
    optimizer = _optimizer()
    schedule = lr_scheduler.OneCycleLR(optimizer, 0.8, total_steps=10, pct_start=0.1)
    assert optimizer.param_groups[0]["lr"] == 0.8
    for _ in range(10):  # once more than the cycle is long, as a loop over batches does
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.8 / 25 / 1e4)
    with pytest.raises(ValueError, match="stepped 11 times, more than its total_steps, 10"):
        schedule.step()


def test_schedules_that_are_chained_multiply() -> None:
    optimizer = _optimizer()
    linear = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=4)
    exponential = lr_scheduler.ExponentialLR(optimizer, 0.9)
    for epoch in range(10):
        want = 0.5 * (0.5 + 0.5 * min(epoch, 4) / 4) * 0.9**epoch
        assert optimizer.param_groups[0]["lr"] == pytest.approx(want, rel=TOLERANCE)
        linear.step()
        exponential.step()


@pytest.mark.parametrize("name", [*SCHEDULES, *ONE_CYCLES])
def test_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    build = SCHEDULES[name][0] if name in SCHEDULES else ONE_CYCLES[name]
    ours = _optimizer()
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)
    schedule = build(lr_scheduler, ours)
    peer = build(torch.optim.lr_scheduler, theirs)
    for _ in range(EPOCHS):
        for key in ("lr", "momentum"):
            assert ours.param_groups[0][key] == theirs.param_groups[0][key]
        theirs.step()
        schedule.step()
        peer.step()


@pytest.mark.parametrize(
    "name",
    [name for name in lr_scheduler.__all__ if name != "LRScheduler"],
)
def test_torch_signature(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours = signature(getattr(lr_scheduler, name)).parameters
    theirs = signature(getattr(torch.optim.lr_scheduler, name)).parameters
    assert [(p.name, p.default) for p in ours.values()] == [
        (p.name, p.default) for p in theirs.values()
    ]


@pytest.mark.parametrize("name", [*SCHEDULES, *ONE_CYCLES])
@pytest.mark.parametrize("stop", [1, 4, 6])
def test_saved_state_continues_exactly(name: str, stop: int, tmp_path: Path) -> None:
    build = SCHEDULES[name][0] if name in SCHEDULES else ONE_CYCLES[name]
    optimizer = _optimizer()
    whole = _lrs(optimizer, build(lr_scheduler, optimizer))

    optimizer = _optimizer()
    schedule = build(lr_scheduler, optimizer)
    _lrs(optimizer, schedule, stop)
    path = tmp_path / "state.npz"
    save([optimizer.state_dict(), schedule.state_dict()], path)
    continued = _optimizer(lr=99.0)
    schedule = build(lr_scheduler, continued)
    for part, state in zip((continued, schedule), load(path), strict=True):
        part.load_state_dict(state)
    assert _lrs(continued, schedule, EPOCHS - stop) == whole[stop:]


@pytest.mark.parametrize("name", ["lambda", "step", "exponential", "linear", "cosine"])
def test_last_epoch_continues(name: str) -> None:
    build = SCHEDULES[name][0]
    optimizer = _optimizer()
    schedule = build(lr_scheduler, optimizer)
    _lrs(optimizer, schedule, 5)
    continued = copy.deepcopy(optimizer)
    resumed = _resume(type(schedule), continued, schedule)
    assert _lrs(continued, resumed, 6) == _lrs(optimizer, schedule, 6)


def _resume(kind: type[Any], optimizer: Any, schedule: Any) -> Any:
    """Construct the schedule anew, with the epoch that was finished last."""
    names = [n for n in signature(kind).parameters if n not in ("optimizer", "last_epoch")]
    values = {n: schedule.lr_lambdas if n == "lr_lambda" else getattr(schedule, n) for n in names}
    return kind(optimizer, **values, last_epoch=schedule.last_epoch - 1)


def test_last_epoch_without_the_state_of_the_optimizer() -> None:
    """What is computed from ``initial_lr`` needs nothing else."""
    optimizer = _optimizer(lr=99.0)
    optimizer.param_groups[0]["initial_lr"] = 0.5
    schedule = lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch, last_epoch=6)
    assert schedule.get_last_lr() == [0.5 * 0.9**7]


def test_groups_are_scheduled_on_their_own() -> None:
    first, second = (Tensor(np.zeros(1), requires_grad=True) for _ in range(2))
    optimizer = SGD([{"params": [first], "lr": 1.0}, {"params": [second], "lr": 0.1}])
    schedule = lr_scheduler.LambdaLR(optimizer, [lambda epoch: epoch + 1, lambda epoch: 0.5])
    schedule.step()
    assert schedule.get_last_lr() == [2.0, 0.05]
    assert schedule.base_lrs == [1.0, 0.1]


def test_deepcopy_belongs_to_the_copied_optimizer() -> None:
    optimizer = _optimizer()
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    copied_optimizer, copied = copy.deepcopy((optimizer, schedule))
    copied.step()
    assert copied_optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["lr"] == 0.5


untyped: Any = lr_scheduler
"""For calls that a type checker would refuse."""


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda o: untyped.StepLR(3, 1), TypeError, "expected an Optimizer, got a int"),
        (lambda o: untyped.LambdaLR(None, abs), TypeError, "got a NoneType"),
        (lambda o: untyped.LambdaLR(o, [abs, abs]), ValueError, "expected 1 functions"),
        (lambda o: untyped.StepLR(o, 0), ValueError, "step_size must be an integer >= 1"),
        (lambda o: untyped.LinearLR(o, 0.0), ValueError, r"start_factor must be in \(0, 1\]"),
        (lambda o: untyped.LinearLR(o, 0.5, 2.0), ValueError, r"end_factor must be in \[0"),
        (lambda o: untyped.LinearLR(o, total_iters=0), ValueError, "total_iters must be"),
        (lambda o: untyped.CosineAnnealingLR(o, 2.5), ValueError, "T_max must be an integer"),
        (lambda o: untyped.ExponentialLR(o, 0.9, 3), KeyError, "no 'initial_lr'"),
        (lambda o: untyped.OneCycleLR(o, 1.0), ValueError, "give total_steps, or epochs"),
        (lambda o: untyped.OneCycleLR(o, 1.0, 0), ValueError, "total_steps must be"),
        (lambda o: untyped.OneCycleLR(o, [1.0, 2.0], 9), ValueError, "expected 1 values"),
        (lambda o: untyped.OneCycleLR(o, 1.0, 9, pct_start=30), ValueError, "pct_start must"),
        (
            lambda o: untyped.OneCycleLR(o, 1.0, 9, anneal_strategy="x"),
            ValueError,
            "anneal_strategy must be 'cos' or 'linear', got 'x'",
        ),
        (
            lambda o: untyped.OneCycleLR(
                Adagrad([Tensor(np.zeros(1), requires_grad=True)]), 1.0, 9
            ),
            ValueError,
            "Adagrad has neither momentum nor betas",
        ),
        (lambda o: untyped.SequentialLR(o, [], []), ValueError, "got 0 schedules"),
        (
            lambda o: untyped.SequentialLR(
                o, [lr_scheduler.StepLR(o, 1), lr_scheduler.StepLR(_optimizer(), 1)], [3]
            ),
            ValueError,
            "one of another",
        ),
        (
            lambda o: untyped.SequentialLR(o, [lr_scheduler.StepLR(o, 1)] * 3, [3, 3]),
            ValueError,
            r"milestones must ascend from 1 or more, got \[3, 3\]",
        ),
    ],
)
def test_wrong_arguments(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build(_optimizer())


@pytest.mark.parametrize("state", [{"last_epoch": 3}, [1], "StepLR"])
def test_wrong_state_changes_nothing(state: Any) -> None:
    optimizer = _optimizer()
    foreign = lr_scheduler.StepLR(_optimizer(), 1).state_dict() if state == "StepLR" else state
    for schedule in (
        lr_scheduler.ExponentialLR(optimizer, 0.9),
        lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ExponentialLR(optimizer, 0.9)], []),
    ):
        before = schedule.state_dict()
        with pytest.raises(FormatError, match="expected the state_dict of"):
            schedule.load_state_dict(foreign)
        assert schedule.state_dict() == before


def test_one_cycle_in_straight_lines() -> None:
    optimizer = _optimizer()
    schedule = lr_scheduler.OneCycleLR(
        optimizer,
        0.8,
        total_steps=11,
        pct_start=4 / 11,
        anneal_strategy="linear",
        div_factor=8.0,
        final_div_factor=10.0,
    )
    rates = []
    for _ in range(11):
        rates += schedule.get_last_lr()
        schedule.step()
    expected = np.interp(range(11), [0, 3, 10], [0.1, 0.8, 0.01])
    np.testing.assert_allclose(rates, expected, rtol=TOLERANCE)


def test_schedule_must_have_a_formula() -> None:
    with pytest.raises(NotImplementedError, match="LRScheduler must define get_lr"):
        lr_scheduler.LRScheduler(_optimizer())


def test_state_of_other_numbers_is_refused() -> None:
    optimizer = _optimizer()
    part = lr_scheduler.ExponentialLR(optimizer, 0.9)
    state = part.state_dict()
    state["_last_lr"] = [0.1, 0.2]
    with pytest.raises(FormatError, match="schedules 1 groups, the loaded state_dict 2"):
        part.load_state_dict(state)
    sequence = lr_scheduler.SequentialLR(optimizer, [part], [])
    state = sequence.state_dict()
    state["_schedulers"] = state["_schedulers"] * 2
    before = sequence.state_dict()
    with pytest.raises(FormatError, match="has 1 schedules, the loaded state_dict 2"):
        sequence.load_state_dict(state)
    assert sequence.state_dict() == before
