"""A BatchNorm layer in any sequence of operations, beside a model of it in thirty lines of NumPy.

Hypothesis chooses the sequence; after every step the layer's state is the model's, and every
output and gradient is the model's, too.

To add a feature, give the model what it means and the machine a rule that does it to both:

- freezing: an attribute of `Model` that `by_batch` and `updates` ask, and a rule that sets it;
- a policy for values that are not finite: `Model.forward` decides before it updates, and a rule
  draws a batch with such a value (`draw_batch` is the place that makes batches);
- masks: one more argument of `Model.forward` and of `run`, by which the model compacts the batch.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import minigrad as mg
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.nn.state_dict import StateDictError
from minigrad.tensor import Tensor
from minigrad.testing.strategies import seeds
from minigrad.typing import Array
from tests.kernels.layouts import LAYOUTS

STATE = 1e-11
"""Of the running statistics: float64 throughout, a few roundings for each step."""
OUTPUT = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-5}
"""Of outputs and gradients, relative to the largest: rounding, amplified by a small variance."""

LAYERS: list[tuple[type[nn.BatchNorm], tuple[int, ...]]] = [
    (nn.BatchNorm1d, ()),
    (nn.BatchNorm1d, (3,)),
    (nn.BatchNorm2d, (2, 3)),
    (nn.BatchNorm3d, (2, 1, 2)),
]
MOMENTA = st.sampled_from([0.1, 0.0, 0.5, 1.0, None])
NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


class Model:
    """What a BatchNorm layer is."""

    training = True

    def __init__(self, state: dict[str, Array], momentum: float | None, eps: float) -> None:
        self.state, self.momentum, self.eps = state, momentum, eps
        self.track = "running_mean" in state

    def forward(self, x: Array, dy: Array) -> tuple[Array, Array, Array, Array]:
        """Return y, dx, dgamma and dbeta, and update the running statistics."""
        axes, state = (0, *range(2, x.ndim)), self.state
        along = (1, -1, *[1] * (x.ndim - 2))
        n, by_batch = x.size // x.shape[1], self.training or "running_mean" not in state
        mean, var = (
            (x.mean(axes), x.var(axes))
            if by_batch
            else (state["running_mean"], state["running_var"])
        )
        r = 1.0 / np.sqrt(var.reshape(along) + self.eps)
        x_hat = (x - mean.reshape(along)) * r
        gamma = state.get("weight", np.ones(x.shape[1])).reshape(along)
        y = gamma * x_hat + state.get("bias", np.zeros(x.shape[1])).reshape(along)
        dx = dy - (dy.mean(axes, keepdims=True) if by_batch else 0.0)
        dx = dx - (x_hat * (dy * x_hat).mean(axes, keepdims=True) if by_batch else 0.0)
        if self.training and self.track and "running_mean" in state:
            state["num_batches_tracked"] = state["num_batches_tracked"] + 1
            count = int(state["num_batches_tracked"])
            m = 1.0 / count if self.momentum is None else self.momentum
            state["running_mean"] = (1.0 - m) * state["running_mean"] + m * mean
            state["running_var"] = (1.0 - m) * state["running_var"] + m * var * n / (n - 1)
        return y, gamma * r * dx, (dy * x_hat).sum(axes), dy.sum(axes)


def state_of(layer: nn.Module) -> dict[str, Array]:
    """Return copies of the layer's Tensors."""
    found = {name: getattr(layer, name) for name in NAMES}
    return {name: np.array(value) for name, value in found.items() if value is not None}


class BatchNormMachine(RuleBasedStateMachine):
    """The layer, the model, and layers that were left behind."""

    snapshots = Bundle("snapshots")

    @initialize(
        kind=st.sampled_from(LAYERS),
        channels=st.integers(1, 3),
        momentum=MOMENTA,
        eps=st.sampled_from([1e-5, 1e-2]),
        affine=st.booleans(),
        bias=st.booleans(),
        track=st.sampled_from([True, True, False]),
        dtype=st.sampled_from([np.float32, np.float64]),
        training=st.booleans(),
        flipped=st.sampled_from([False, False, True]),
    )
    def build(
        self,
        kind: tuple[type[nn.BatchNorm], tuple[int, ...]],
        channels: int,
        momentum: float | None,
        eps: float,
        affine: bool,
        bias: bool,
        track: bool,
        dtype: Any,
        training: bool,
        flipped: bool,
    ) -> None:
        layer_type, self.spatial = kind
        self.channels, self.dtype = channels, np.dtype(dtype)
        self.layer = layer_type(channels, eps, momentum, affine, track, dtype=dtype, bias=bias)
        initial: dict[str, Array] = {}
        if affine:
            initial["weight"] = np.ones(channels)
        if affine and bias:
            initial["bias"] = np.zeros(channels)
        if track:
            initial |= {"running_mean": np.zeros(channels), "running_var": np.ones(channels)}
            initial["num_batches_tracked"] = np.zeros((), np.int64)
        self.model = Model(initial, momentum, eps)
        self.layer.train(training)
        self.model.training = training
        self.set_track_running_stats(track != flipped)
        self.left: list[tuple[nn.Module, dict[str, Array]]] = []

    # -------------------------------------------------------------------------- modes

    @rule()
    def train(self) -> None:
        self.layer.train()
        self.model.training = True

    @rule()
    def evaluate(self) -> None:
        self.layer.eval()
        self.model.training = False

    @rule(momentum=MOMENTA)
    def set_momentum(self, momentum: float | None) -> None:
        self.layer.momentum = self.model.momentum = momentum

    @rule(eps=st.sampled_from([1e-5, 1e-3, 0.5]))
    def set_eps(self, eps: float) -> None:
        self.layer.eps = self.model.eps = eps

    @rule(track=st.booleans())
    def set_track_running_stats(self, track: bool) -> None:
        """After construction: what is there decides what normalises, this what is updated."""
        self.layer.track_running_stats = self.model.track = track

    @rule(dtype=st.sampled_from([np.float32, np.float64]))
    def convert(self, dtype: Any) -> None:
        """Weight and bias follow, the running statistics stay as they are."""
        self.layer.to(dtype)
        self.dtype = np.dtype(dtype)
        for name in ("weight", "bias"):
            if name in self.model.state:
                self.model.state[name] = self.model.state[name].astype(dtype).astype(np.float64)

    # -------------------------------------------------------------------------- batches

    def draw_batch(self, seed: int, samples: int) -> tuple[Array, Array]:
        """Return x, and a gradient for y, both of the layer's dtype."""
        rng = np.random.default_rng(seed)
        shape = (samples, self.channels, *self.spatial)
        x = rng.normal(size=shape) * rng.uniform(0.5, 2.0) + rng.normal() * 3.0
        return x.astype(self.dtype), rng.normal(size=shape).astype(self.dtype)

    def run(self, x: Array, dy: Array, layout: str) -> None:
        """Compare the layer's output and gradients with the model's."""
        inputs = mg.Tensor(LAYOUTS[layout](x), requires_grad=True)
        y = self.layer(inputs)
        leaves = {"dx": inputs, "dgamma": self.layer.weight, "dbeta": self.layer.bias}
        wanted = {name: leaf for name, leaf in leaves.items() if leaf is not None}
        gradients = dict(zip(wanted, mg.grad(y, list(wanted.values()), dy), strict=True))
        expected = self.model.forward(x.astype(np.float64), dy.astype(np.float64))
        for name, want in zip(("y", "dx", "dgamma", "dbeta"), expected, strict=True):
            if name != "y" and name not in wanted:
                continue
            got = y if name == "y" else gradients[name]
            assert got is not None
            assert got.dtype == self.dtype
            # dx is a small difference of large terms: r * dy is the size to compare with.
            size = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            size *= len(dy) / min(1.0, float(np.sqrt(self.model.eps + x.var(dtype=np.float64))))
            atol = OUTPUT[self.dtype] * size
            np.testing.assert_allclose(np.asarray(got), want, rtol=0.0, atol=atol, err_msg=name)

    @rule(seed=seeds(), samples=st.integers(2, 5), layout=st.sampled_from(sorted(LAYOUTS)))
    def forward_and_backward(self, seed: int, samples: int, layout: str) -> None:
        self.run(*self.draw_batch(seed, samples), layout)

    @rule(seed=seeds())
    def forward_without_recording(self, seed: int) -> None:
        """The running statistics move all the same."""
        x, dy = self.draw_batch(seed, 3)
        with mg.no_grad():
            y = self.layer(mg.Tensor(x))
        assert not y.requires_grad
        self.model.forward(x.astype(np.float64), dy)

    @rule(seed=seeds(), training=st.booleans())
    def two_forwards_before_one_backward(self, seed: int, training: bool) -> None:
        """The second, in training, moves the statistics; the first's gradient does not notice."""
        x, dy = self.draw_batch(seed, 4)
        other, _ = self.draw_batch(seed + 1, 3)
        inputs = mg.Tensor(x, requires_grad=True)
        y = self.layer.train(training)(inputs)
        self.layer.train()
        self.layer(mg.Tensor(other))
        (dx,) = mg.grad(y, inputs, dy)
        assert dx is not None
        self.model.training = training
        expected = self.model.forward(x.astype(np.float64), dy.astype(np.float64))[1]
        self.model.training = True
        self.model.forward(other.astype(np.float64), other)
        size = max(1.0, float(np.max(np.abs(expected)))) * 4
        np.testing.assert_allclose(dx.array, expected, rtol=0, atol=OUTPUT[self.dtype] * size)

    @rule()
    def empty_batch(self) -> None:
        shape = (0, self.channels, *self.spatial)
        assert self.layer(mg.zeros(*shape, dtype=self.dtype)).shape == shape

    @rule(channels=st.integers(1, 2))
    def wrong_channels(self, channels: int) -> None:
        shape = (2, self.channels + channels, *self.spatial)
        with pytest.raises(ShapeError, match=f"C = {self.channels}, got"):
            self.layer(mg.zeros(*shape, dtype=self.dtype))

    @precondition(lambda self: not self.spatial)
    @rule()
    def one_value_per_channel(self) -> None:
        x = mg.zeros(1, self.channels, dtype=self.dtype)
        if self.model.training or "running_mean" not in self.model.state:
            with pytest.raises(ShapeError, match="more than one value per channel"):
                self.layer(x)
        else:
            assert self.layer(x).shape == x.shape

    @precondition(
        lambda self: self.model.training and self.model.track and "running_mean" in self.model.state
    )
    @rule(momentum=st.sampled_from([-0.1, 1.5]))
    def momentum_out_of_range(self, momentum: float) -> None:
        self.layer.momentum = momentum
        x, _ = self.draw_batch(0, 3)
        with pytest.raises(ValueError, match="momentum"):
            self.layer(mg.Tensor(x))
        self.layer.momentum = self.model.momentum

    # -------------------------------------------------------------------------- state

    @rule(seed=seeds())
    def step_of_an_optimizer(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        for name in ("weight", "bias"):
            if name in self.model.state:
                values = rng.uniform(0.5, 1.5, self.channels).astype(self.dtype)
                with mg.no_grad():
                    getattr(self.layer, name).copy_(Tensor(values))
                self.model.state[name] = values.astype(np.float64)

    @rule()
    def reset_running_stats(self) -> None:
        self.layer.reset_running_stats()
        self._reset({"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0})

    @rule()
    def reset_parameters(self) -> None:
        self.layer.reset_parameters()
        self._reset({"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0})
        self._reset({"weight": 1.0, "bias": 0.0})

    def _reset(self, values: dict[str, float]) -> None:
        for name in values.keys() & self.model.state.keys():
            self.model.state[name] = np.full_like(self.model.state[name], values[name])

    @rule(target=snapshots)
    def save(self) -> dict[str, Array]:
        return {name: np.array(value) for name, value in self.layer.state_dict().items()}

    @rule(snapshot=snapshots, with_counter=st.booleans(), narrow=st.booleans())
    def load(self, snapshot: dict[str, Array], with_counter: bool, narrow: bool) -> None:
        """Load an earlier state; one without a counter; one in PyTorch's float32."""
        state = dict(snapshot)
        if not with_counter:
            state.pop("num_batches_tracked", None)
        if narrow:
            state = {
                name: value.astype(np.float32) if value.dtype.kind == "f" else value
                for name, value in state.items()
            }
        self.layer.load_state_dict(state)
        for name, value in state.items():
            own = self.dtype if name in ("weight", "bias") else value.dtype
            value = value.astype(own)
            self.model.state[name] = value if value.dtype.kind == "i" else value.astype(np.float64)

    @rule(snapshot=snapshots, wrong=st.sampled_from(["shape", "missing", "unexpected", "dtype"]))
    def load_what_does_not_fit(self, snapshot: dict[str, Array], wrong: str) -> None:
        """It is refused, and nothing of it is loaded."""
        state = {name: value + value.dtype.type(1) for name, value in snapshot.items()}
        names = sorted(state.keys() - {"num_batches_tracked"})
        if wrong == "unexpected" or not names:
            state["running_sum"] = np.zeros(self.channels)
        elif wrong == "missing":
            del state[names[-1]]
        elif wrong == "shape":
            state[names[-1]] = np.zeros(self.channels + 1)
        else:
            state[names[-1]] = np.zeros(self.channels, np.complex128)
        with pytest.raises(StateDictError, match="nothing was changed"):
            self.layer.load_state_dict(state)

    @rule()
    def go_on_with_a_copy(self) -> None:
        """The original keeps its state, whatever becomes of the copy."""
        self.left = [*self.left[-2:], (self.layer, state_of(self.layer))]
        self.layer = copy.deepcopy(self.layer)

    # -------------------------------------------------------------------------- invariants

    @invariant()
    def state_is_that_of_the_model(self) -> None:
        state = state_of(self.layer)
        assert state.keys() == self.model.state.keys()
        for name, value in state.items():
            want = self.model.state[name]
            np.testing.assert_allclose(value, want, rtol=STATE, atol=STATE, err_msg=name)
            if name.startswith("running"):
                assert value.dtype == np.float64
        assert self.layer.training == self.model.training

    @invariant()
    def originals_of_copies_are_unchanged(self) -> None:
        for layer, state in self.left:
            for name, value in state_of(layer).items():
                np.testing.assert_array_equal(value, state[name], err_msg=name)


TestBatchNormInAnyOrder = BatchNormMachine.TestCase
TestBatchNormInAnyOrder.settings = settings(
    max_examples=8 * settings().max_examples, stateful_step_count=40
)
