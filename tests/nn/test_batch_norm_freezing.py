"""Frozen BatchNorm, what a state_dict says of it, and the warning of layers that never trained."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn.state_dict import StateDictError
from minigrad.typing import Array


def trained(**options: Any) -> nn.BatchNorm1d:
    """Return a layer that has seen one batch."""
    layer = nn.BatchNorm1d(3, **options)
    layer(mg.randn(7, 3) * 2.0 + 1.0)
    return layer


def state_of(layer: nn.Module) -> dict[str, Array]:
    return {name: np.array(value) for name, value in layer.named_buffers()}


def learned(layer: nn.Module) -> list[bool]:
    return [parameter.requires_grad for parameter in layer.parameters()]


# ---------------------------------------------------------------------------------- freezing


@pytest.mark.parametrize("mode", [True, False])
def test_frozen_is_evaluation_in_any_mode(mode: bool) -> None:
    """Forward, backward and statistics; it survives train(), eval() and deepcopy."""
    net = nn.Sequential(trained())
    evaluation = copy.deepcopy(net).eval()
    before = state_of(net)
    layer = net[0]
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.freeze() is layer
    net.eval().train(mode)
    net = copy.deepcopy(net)
    layer = net[0]
    assert isinstance(layer, nn.BatchNorm1d)
    assert layer.frozen
    assert "frozen=True" in repr(net)
    x, dy = mg.randn(5, 3, requires_grad=True), mg.randn(5, 3)
    got, want = net(x), evaluation(x)
    np.testing.assert_array_equal(np.asarray(got.detach()), np.asarray(want.detach()))
    found = mg.grad(got, [x, *net.parameters()], dy)
    expected = mg.grad(want, [x, *evaluation.parameters()], dy)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    net(mg.randn(1, 3))  # a single value is fine, too
    for name, value in state_of(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_unfrozen_it_trains_on() -> None:
    layer, other = trained(), nn.BatchNorm1d(3)
    other.load_state_dict(layer.state_dict())
    layer.freeze()
    layer(mg.randn(5, 3))
    assert layer.unfreeze() is layer
    assert not layer.frozen
    assert "frozen" not in repr(layer)
    x = mg.randn(5, 3)
    np.testing.assert_array_equal(np.asarray(layer(x)), np.asarray(other(x)))
    for name, value in state_of(other).items():
        np.testing.assert_array_equal(state_of(layer)[name], value)


@pytest.mark.parametrize("before", [[True, True], [False, True], [True, False]])
def test_frozen_parameters_get_back_what_they_had(before: list[bool]) -> None:
    layer = trained()
    for parameter, requires_grad in zip(layer.parameters(), before, strict=True):
        parameter.requires_grad = requires_grad
    layer.freeze()
    assert learned(layer) == before
    layer.freeze(parameters=True)  # adds to it
    layer.freeze(parameters=True)
    layer.freeze()  # takes nothing back
    assert learned(layer) == [False, False]
    assert not layer(mg.randn(4, 3)).requires_grad
    layer = copy.deepcopy(layer)
    layer.unfreeze()
    assert learned(layer) == before
    layer.unfreeze()
    assert learned(layer) == before


@pytest.mark.parametrize("options", [{"affine": False}, {"bias": False}, {"scale": False}])
def test_absent_parameters_freeze(options: dict[str, Any]) -> None:
    layer = trained(**options).freeze(parameters=True)
    assert not any(learned(layer))
    assert all(learned(layer.unfreeze()))


def test_without_running_statistics_there_is_nothing_to_freeze() -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False)
    with pytest.raises(ValueError, match=r"freeze: .*no running.*track_running_stats=True"):
        layer.freeze()
    assert not layer.frozen
    with pytest.raises(TypeError, match="parameters must be True or False, got 1"):
        trained().freeze(1)  # type: ignore[arg-type]  # on purpose


def test_no_update_of_a_frozen_layer_whatever_it_is_given() -> None:
    """Weights, masks, policies and the cumulative average change nothing of it."""
    layer = trained(momentum=None, nonfinite="raise", single="eval").freeze()
    before = state_of(layer)
    layer(mg.full((4, 3), float("nan")))
    layer(mg.randn(4, 3), mask=mg.tensor([True, False, True, True]))
    layer(mg.randn(4, 3), sample_weight=mg.tensor([1.0, 2.0, 0.0, 1.0]))
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, before[name])


# ---------------------------------------------------------------------------------- state


def skipping(times: int) -> nn.BatchNorm1d:
    layer = trained(nonfinite="skip")
    for _ in range(times):
        layer(mg.full((4, 3), float("nan")))
    return layer


def test_extra_state_only_where_there_is_something_to_say() -> None:
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(trained().state_dict()) == names
    assert list(trained().freeze().unfreeze().state_dict()) == names
    assert trained().freeze().get_extra_state() == {"frozen": True}
    assert trained().freeze(True).get_extra_state() == {
        "frozen": True,
        "learned": {"weight": True, "bias": True},
    }
    assert skipping(2).state_dict()["_extra_state"] == {"num_batches_skipped": 2}


@pytest.mark.parametrize("parameters", [True, False])
def test_a_frozen_layer_is_frozen_after_a_file(parameters: bool, tmp_path: Path) -> None:
    layer = skipping(3)
    assert layer.bias is not None
    layer.bias.requires_grad = False
    net = nn.Sequential(nn.Linear(3, 3), layer.freeze(parameters))
    mg.save(net.state_dict(), tmp_path / "net.npz")
    other = nn.BatchNorm1d(3)
    nn.Sequential(nn.Linear(3, 3), other).load_state_dict(mg.load(tmp_path / "net.npz"))
    assert other.frozen
    assert other.num_batches_skipped == 3
    assert learned(other) == ([False, False] if parameters else [True, True])
    assert learned(other.unfreeze()) == ([True, False] if parameters else [True, True])


@pytest.mark.parametrize("strict", [True, False])
def test_a_state_dict_that_says_nothing_changes_nothing(strict: bool) -> None:
    """PyTorch's, and that of a layer in its usual state, load into one that is frozen."""
    layer = skipping(2).freeze(parameters=True)
    state = trained().state_dict()
    missing = layer.load_state_dict(state, strict)
    assert missing == ([], [])
    assert layer.frozen
    assert layer.num_batches_skipped == 2
    assert learned(layer) == [False, False]
    for name, value in state_of(layer).items():
        np.testing.assert_array_equal(value, np.asarray(state[name]))


def test_an_extra_state_replaces_the_one_before() -> None:
    layer = skipping(2).freeze(parameters=True)
    layer.load_state_dict(skipping(1).state_dict())
    assert not layer.frozen
    assert layer.num_batches_skipped == 1
    assert learned(layer) == [True, True]
    layer.set_extra_state(None)
    assert layer.get_extra_state() is None


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"forzen": True}, r"expected an extra state with the keys .*'frozen'.*got .*forzen"),
        (3, "expected an extra state .*got 3"),
        ({"frozen": 1}, "frozen of an extra state cannot be 1"),
        ({"frozen": True, "learned": [True]}, r"learned of an extra state cannot be \[True\]"),
        ({"num_batches_skipped": -1}, "num_batches_skipped of an extra state cannot be -1"),
    ],
)
def test_wrong_extra_states_change_nothing(extra: Any, message: str) -> None:
    net = nn.Sequential(skipping(2).freeze(), skipping(1))
    before = copy.deepcopy(net.state_dict())
    state = nn.Sequential(skipping(4), skipping(4)).state_dict() | {"1._extra_state": extra}
    with pytest.raises(StateDictError, match=message):
        net.load_state_dict(state)
    for name, value in net.state_dict().items():
        if name.endswith("_extra_state"):
            assert value == before[name]
        else:
            np.testing.assert_array_equal(np.asarray(value), np.asarray(before[name]))


def test_a_frozen_state_needs_running_statistics() -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False)
    state = layer.state_dict() | {"_extra_state": {"frozen": True}}
    with pytest.raises(ValueError, match="no running statistics"):
        layer.load_state_dict(state)
    assert not layer.frozen
    with pytest.raises(ValueError, match="no running statistics"):
        layer.set_extra_state({"frozen": True, "num_batches_skipped": 3})
    assert layer.num_batches_skipped == 0


def test_pytorchs_dictionaries_load_here_and_ours_there() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.BatchNorm1d(3)
    theirs(torch.randn(5, 3))
    layer = trained(nonfinite="skip").freeze()
    layer.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    assert layer.frozen
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(np.asarray(layer(x).detach()), expected, rtol=1e-5, atol=1e-6)
    ours = trained().state_dict()
    theirs.load_state_dict({name: torch.tensor(value.array) for name, value in ours.items()})
    np.testing.assert_allclose(theirs.running_mean.numpy(), ours["running_mean"].array, rtol=1e-6)


# ---------------------------------------------------------------------------------- untrained


@pytest.mark.parametrize("how", ["eval", "freeze", "single"])
def test_a_layer_that_never_trained_warns_once(how: str) -> None:
    layer = nn.BatchNorm1d(3, single="eval")
    layer = layer.eval() if how == "eval" else layer.freeze() if how == "freeze" else layer
    with pytest.warns(nn.UntrainedBatchNormWarning, match=r"BatchNorm1d .*state_dict") as caught:
        layer(mg.zeros(1, 3))
    assert caught[0].filename == __file__
    layer(mg.zeros(1, 3))  # as warnings are errors here, this one is silent
    with pytest.warns(nn.UntrainedBatchNormWarning):
        nn.BatchNorm1d(3).eval()(mg.zeros(1, 3))  # another layer


def test_statistics_from_anywhere_do_not_warn() -> None:
    """From training, from a file without a counter, by hand, or of the batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained().eval()(mg.zeros(2, 3))
        state = {k: v for k, v in trained().state_dict().items() if k != "num_batches_tracked"}
        loaded = nn.BatchNorm1d(3).eval()
        loaded.load_state_dict(state)
        loaded(mg.zeros(2, 3))
        for name in ("running_mean", "running_var"):
            layer = nn.BatchNorm1d(3).eval()
            getattr(layer, name).array[1] = 0.5
            layer(mg.zeros(2, 3))
        trained(momentum=0.0).eval()(mg.zeros(2, 3))  # trained, and told to learn nothing
        nn.BatchNorm1d(3, track_running_stats=False).eval()(mg.zeros(2, 3))
        nn.BatchNorm1d(3)(mg.zeros(2, 3))


def test_a_load_that_fails_leaves_what_is_learned_as_it_was() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.BatchNorm1d(2))
    net[0].weight.requires_grad = False
    said = {"frozen": True, "learned": {"weight": True, "bias": True}}
    state = {**net.state_dict(), "0._extra_state": said, "1._extra_state": {"melted": True}}
    with pytest.raises(StateDictError, match="extra state"):
        net.load_state_dict(state)
    assert not net[0].frozen
    assert [p.requires_grad for p in net.parameters()] == [False, True, True, True]
