"""state_dict and load_state_dict: complete, strict, and all or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError


def small_net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def values(net: nn.Module) -> dict[str, Any]:
    return {name: np.array(tensor) for name, tensor in net.state_dict().items()}


class Vocabulary(nn.Module):
    """A module with state that is no Tensor."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        self.words = words

    def get_extra_state(self) -> Any:
        return self.words

    def set_extra_state(self, state: Any) -> None:
        if not isinstance(state, list):
            raise TypeError("words must be a list")
        self.words = state


def test_keys_are_pytorchs() -> None:
    assert list(small_net().state_dict()) == [
        "0.weight",
        "0.bias",
        "1.weight",
        "1.bias",
        "1.running_mean",
        "1.running_var",
        "1.num_batches_tracked",
    ]


def test_values_share_memory_and_are_detached() -> None:
    net = small_net()
    state = net.state_dict(prefix="net.")
    weight = state["net.0.weight"]
    assert not weight.requires_grad
    assert np.shares_memory(weight.array, net[0].weight.array)
    assert net.state_dict(keep_vars=True)["0.weight"] is net[0].weight
    destination = {"other": 1}
    assert net.state_dict(destination=destination) is destination
    assert len(destination) == 8


def test_round_trip() -> None:
    source, target = small_net(), small_net()
    source(mg.randn(5, 2))
    weight = target[0].weight
    result = target.load_state_dict(source.state_dict())
    assert result == ([], [])
    assert target[0].weight is weight
    assert not np.shares_memory(weight.array, source[0].weight.array)
    for name, value in values(source).items():
        np.testing.assert_array_equal(values(target)[name], value)


def test_arrays_of_other_precision_are_converted() -> None:
    net = small_net()
    state = {
        name: value.astype(np.float32) if value.dtype == np.float64 else value
        for name, value in values(small_net()).items()
    }
    state["1.running_mean"] += 0.5
    state["0.weight"] = state["0.weight"].astype(np.float64)
    net.load_state_dict(state)
    assert net[1].running_mean.dtype == np.float64
    assert net[1].running_mean.tolist() == [0.5] * 3
    assert net[0].weight.dtype == np.float32


def test_one_error_lists_everything_and_nothing_changes() -> None:
    net = small_net()
    before = values(net)
    state = values(small_net())
    del state["0.bias"]
    state["2.weight"] = np.zeros(3)
    state["0.weight"] = np.zeros((3, 5))
    state["1.num_batches_tracked"] = np.array(0.5)
    with pytest.raises(nn.StateDictError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert "cannot load this state_dict into Sequential; nothing was changed" in message
    assert "missing keys: 0.bias" in message
    assert "unexpected keys: 2.weight" in message
    assert "0.weight must have shape (3, 2), got (3, 5)" in message
    assert "1.num_batches_tracked must be int64, got float64" in message
    assert isinstance(caught.value, RuntimeError)
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, before[name])


def test_not_strict_passes_over_keys_but_not_over_shapes() -> None:
    net = small_net()
    state: dict[str, Any] = {"0.bias": np.full(3, 7.0), "extra": np.zeros(1)}
    result = net.load_state_dict(state, strict=False)
    assert "0.weight" in result.missing_keys
    assert result.unexpected_keys == ["extra"]
    assert net[0].bias.tolist() == [7.0] * 3
    with pytest.raises(nn.StateDictError, match=r"0\.bias must have shape") as caught:
        net.load_state_dict({"0.bias": np.zeros(4)}, strict=False)
    assert "missing" not in str(caught.value)


def test_a_missing_batch_counter_is_tolerated() -> None:
    net = small_net()
    net(mg.randn(4, 2))
    state = values(net)
    del state["1.num_batches_tracked"]
    assert net.load_state_dict(state).missing_keys == []
    assert net[1].num_batches_tracked.item() == 1


def test_buffers_that_are_not_persistent_stay_out() -> None:
    net = nn.Module()
    net.register_buffer("kept", mg.zeros(1))
    net.register_buffer("scratch", mg.zeros(1), persistent=False)
    net.register_buffer("absent", None)
    assert list(net.state_dict()) == ["kept"]
    net.register_buffer("scratch", mg.zeros(1))
    assert list(net.state_dict()) == ["kept", "scratch"]


def test_a_shared_module_stands_under_each_name() -> None:
    layer = nn.Linear(1, 1)
    net = nn.Sequential(layer, layer)
    assert "1.weight" in net.state_dict()
    assert net.load_state_dict(values(net)) == ([], [])


def test_loading_is_seen_by_a_graph_that_is_still_to_run() -> None:
    net = small_net()
    state = values(net)
    loss = net(mg.randn(4, 2)).sum()
    net.load_state_dict(state)
    with pytest.raises(AutogradError, match="changed in place"):
        loss.backward()


def test_extra_state_travels() -> None:
    source = nn.Sequential(Vocabulary(["a"]))
    target = nn.Sequential(Vocabulary(["b"]))
    assert source.state_dict() == {"0._extra_state": ["a"]}
    target.load_state_dict(source.state_dict())
    assert target[0].words == ["a"]
    with pytest.raises(nn.StateDictError, match=r"missing keys: 0\._extra_state"):
        target.load_state_dict({})
    with pytest.raises(nn.StateDictError, match=r"unexpected keys: 0\._extra_state"):
        nn.Sequential(nn.ReLU()).load_state_dict(source.state_dict())


def test_an_extra_state_that_is_refused_changes_nothing() -> None:
    net = nn.Sequential(Vocabulary(["a"]), Vocabulary(["b"]), nn.Linear(1, 1))
    state = {**values(nn.Sequential(nn.Identity(), nn.Identity(), nn.Linear(1, 1)))}
    before = net[2].weight.tolist()
    state["0._extra_state"] = ["new"]
    state["1._extra_state"] = 3
    with pytest.raises(TypeError, match="words must be a list"):
        net.load_state_dict(state)
    assert net[0].words == ["a"]
    assert net[2].weight.tolist() == before


def test_read_only_memory_is_refused_before_anything_changes() -> None:
    net = nn.Module()
    net.weight = nn.Parameter(mg.zeros(2))
    frozen = np.zeros(2, np.float32)
    frozen.flags.writeable = False
    net.register_buffer("table", mg.Tensor(frozen))
    with pytest.raises(nn.StateDictError, match="table cannot be written to"):
        net.load_state_dict({"weight": np.ones(2), "table": np.ones(2)})
    assert net.weight.tolist() == [0.0, 0.0]


def test_what_is_no_dictionary_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a dictionary .* got list"):
        small_net().load_state_dict([1])  # type: ignore[arg-type]  # the mistake under test
