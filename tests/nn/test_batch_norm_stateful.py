"""A BatchNorm layer in any sequence of operations, beside a model of it in NumPy.

Hypothesis chooses the layer, its options and the sequence; after every step the layer's state is
the model's, and every output and gradient is the model's, too.

To add a feature, give the model what it means and the machine a rule that does it to both.
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
from minigrad.errors import NonFiniteError, ShapeError
from minigrad.nn.state_dict import EXTRA_STATE, StateDictError
from minigrad.tensor import Tensor
from minigrad.testing.strategies import seeds
from minigrad.typing import Array
from tests.kernels.layouts import LAYOUTS
from tests.nn.batch_norm_model import Model, Options

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


def state_of(layer: nn.Module) -> dict[str, Array]:
    """Return copies of the layer's Tensors."""
    found = {name: getattr(layer, name) for name in NAMES}
    return {name: np.array(value) for name, value in found.items() if value is not None}


def flags_of(layer: nn.Module) -> tuple[Any, ...]:
    """Return what a layer keeps beside Tensors."""
    learned = [parameter.requires_grad for parameter in layer.parameters()]
    return layer.training, layer.frozen, layer.num_batches_skipped, learned


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
        options=st.builds(
            Options,
            axis=st.sampled_from([1, 1, -1, 0]),
            unbiased=st.booleans(),
            single=st.sampled_from(["raise", "eval"]),
            nonfinite=st.sampled_from(["propagate", "skip", "raise"]),
            detach_statistics=st.sampled_from([False, False, True]),
        ),
        scale=st.sampled_from([True, True, False]),
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
        options: Options,
        scale: bool,
    ) -> None:
        layer_type, self.spatial = kind
        self.channels, self.dtype = channels, np.dtype(dtype)
        if not track:
            options.single = "raise"  # there would be nothing to evaluate by
        self.axis = options.axis
        self.layer = layer_type(
            channels, eps, momentum, affine, track, dtype=dtype, bias=bias, scale=scale,
            **vars(options),
        )  # fmt: skip
        initial: dict[str, Array] = {}
        if affine and scale:
            initial["weight"] = np.ones(channels)
        if affine and bias:
            initial["bias"] = np.zeros(channels)
        if track:
            initial |= {"running_mean": np.zeros(channels), "running_var": np.ones(channels)}
            initial["num_batches_tracked"] = np.zeros((), np.int64)
        self.model = Model(initial, momentum, eps, options)
        self.layer.train(training)
        self.model.training = training
        self.set_track_running_stats(track != flipped)
        self.left: list[tuple[nn.Module, dict[str, Array], tuple[Any, ...]]] = []

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

    @rule(parameters=st.booleans())
    def freeze(self, parameters: bool) -> None:
        if not self.model.has_running:
            with pytest.raises(ValueError, match="no running statistics"):
                self.layer.freeze(parameters)
            return
        self.layer.freeze(parameters)
        self.model.frozen = True
        if parameters and self.model.learned is None:
            self.model.learned = [True] * len(list(self.layer.parameters()))

    @rule()
    def unfreeze(self) -> None:
        self.layer.unfreeze()
        self.model.frozen, self.model.learned = False, None

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

    def given(self, x: Array) -> Array:
        """Return a view of x with its channels where the layer has them."""
        return np.moveaxis(x, 1, self.axis)

    def run(
        self,
        x: Array,
        dy: Array,
        layout: str = "c",
        mask: Array | None = None,
        weights: Array | None = None,
    ) -> None:
        """Compare the layer's output and gradients with the model's."""
        inputs = mg.Tensor(self.given(LAYOUTS[layout](x)), requires_grad=True)
        arguments = {"mask": mask, "sample_weight": weights}
        counts = np.ones((len(x), *self.spatial)) if mask is None else mask
        n = int(np.count_nonzero(counts if weights is None else counts * weights))
        if self.model.refuses(n):
            with pytest.raises(ShapeError, match="more than one value per channel"):
                self.layer(inputs, **arguments)
            return
        y = self.layer(inputs, **arguments)
        leaves = {"dx": inputs, "dgamma": self.layer.weight, "dbeta": self.layer.bias}
        wanted = {name: leaf for name, leaf in leaves.items() if leaf is not None}
        wanted = {name: leaf for name, leaf in wanted.items() if leaf.requires_grad}
        found = mg.grad(y, list(wanted.values()), self.given(dy))
        gradients = dict(zip(wanted, found, strict=True))
        expected = self.model.forward(x.astype(np.float64), dy.astype(np.float64), mask, weights)
        for name, want in zip(("y", "dx", "dgamma", "dbeta"), expected, strict=True):
            if name != "y" and name not in wanted:
                continue
            got = y.detach() if name == "y" else gradients[name]
            assert got is not None
            assert got.dtype == self.dtype
            values = np.moveaxis(got.array, self.axis, 1) if got.ndim > 1 else got.array
            # dx is a small difference of large terms: r * dy is the size to compare with.
            size = max(1.0, float(np.max(np.abs(want), initial=0.0)))
            atol = OUTPUT[self.dtype] * size * len(dy) * max(1.0, self.model.largest_r)
            np.testing.assert_allclose(values, want, rtol=0.0, atol=atol, err_msg=name)

    @rule(seed=seeds(), samples=st.integers(2, 5), layout=st.sampled_from(sorted(LAYOUTS)))
    def forward_and_backward(self, seed: int, samples: int, layout: str) -> None:
        self.run(*self.draw_batch(seed, samples), layout)

    @rule(seed=seeds())
    def forward_without_recording(self, seed: int) -> None:
        """The running statistics move all the same."""
        x, dy = self.draw_batch(seed, 3)
        with mg.no_grad():
            y = self.layer(mg.Tensor(self.given(x)))
        assert not y.requires_grad
        self.model.forward(x.astype(np.float64), dy)

    @rule(seed=seeds(), training=st.booleans())
    def two_forwards_before_one_backward(self, seed: int, training: bool) -> None:
        """The second, in training, moves the statistics; the first's gradient does not notice."""
        x, dy = self.draw_batch(seed, 4)
        other, _ = self.draw_batch(seed + 1, 3)
        inputs = mg.Tensor(self.given(x), requires_grad=True)
        y = self.layer.train(training)(inputs)
        self.layer.train()
        self.layer(mg.Tensor(self.given(other)))
        (dx,) = mg.grad(y, inputs, self.given(dy))
        assert dx is not None
        self.model.training = training
        expected = self.model.forward(x.astype(np.float64), dy.astype(np.float64))[1]
        self.model.training = True
        self.model.forward(other.astype(np.float64), other)
        size = max(1.0, float(np.max(np.abs(expected)))) * 4
        got = np.moveaxis(dx.array, self.axis, 1)
        np.testing.assert_allclose(got, expected, rtol=0, atol=OUTPUT[self.dtype] * size)

    @rule(seed=seeds(), layout=st.sampled_from(sorted(LAYOUTS)), samples=st.integers(2, 5))
    def masked_batch(self, seed: int, layout: str, samples: int) -> None:
        """Of samples or of values, what is masked being NaN; sometimes all or all but one."""
        x, dy = self.draw_batch(seed, samples)
        rng = np.random.default_rng(seed)
        mask = rng.random((samples, *self.spatial)) < rng.choice([0.1, 0.5, 0.8])
        np.moveaxis(x, 1, -1)[~mask] = np.nan
        self.run(x, dy, layout, mask)

    @rule(seed=seeds(), masked=st.booleans(), counts=st.booleans())
    def weighted_batch(self, seed: int, masked: bool, counts: bool) -> None:
        """By weights of the values, some of them zero, or by counts; with a mask or without."""
        x, dy = self.draw_batch(seed, 5)
        rng = np.random.default_rng(seed)
        places = (5, *self.spatial)
        weights = rng.integers(0, 3, places) + 0.0 if counts else rng.uniform(0.1, 2.0, places)
        weights[0] = 1.0  # never all zero
        mask = rng.random(places) < 0.7 if masked else None
        if mask is not None:
            mask[0] = True
        self.run(x, dy, "c", mask, weights)

    @rule(seed=seeds())
    def batch_with_nan(self, seed: int) -> None:
        """The policy decides, for all channels and the counter alike."""
        x, dy = self.draw_batch(seed, 3)
        x[1, seed % self.channels] = np.nan
        model = self.model
        stores = model.learns and model.track and model.has_running
        if stores and model.options.nonfinite == "raise":
            with pytest.raises(NonFiniteError, match=f"channel {seed % self.channels}: mean nan"):
                self.layer(mg.Tensor(self.given(x)))
        else:
            self.run(x, dy)

    @rule()
    def empty_batch(self) -> None:
        x = self.given(np.zeros((0, self.channels, *self.spatial), self.dtype))
        assert self.layer(mg.Tensor(x)).shape == x.shape

    @rule(channels=st.integers(1, 2))
    def wrong_channels(self, channels: int) -> None:
        x = self.given(np.zeros((2, self.channels + channels, *self.spatial), self.dtype))
        with pytest.raises(ShapeError, match=f"C = {self.channels}.*, got"):
            self.layer(mg.Tensor(x))

    @precondition(lambda self: not self.spatial)
    @rule(seed=seeds())
    def one_value_per_channel(self, seed: int) -> None:
        self.run(*self.draw_batch(seed, 1))

    @precondition(lambda self: self.model.learns and self.model.track and self.model.has_running)
    @rule(momentum=st.sampled_from([-0.1, 1.5]))
    def momentum_out_of_range(self, momentum: float) -> None:
        self.layer.momentum = momentum
        x, _ = self.draw_batch(0, 3)
        with pytest.raises(ValueError, match="momentum"):
            self.layer(mg.Tensor(self.given(x)))
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
        self.model.skipped = 0
        self._reset({"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0})

    @rule()
    def reset_parameters(self) -> None:
        self.layer.reset_parameters()
        self.model.skipped = 0
        self._reset({"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0})
        self._reset({"weight": 1.0, "bias": 0.0})

    def _reset(self, values: dict[str, float]) -> None:
        for name in values.keys() & self.model.state.keys():
            self.model.state[name] = np.full_like(self.model.state[name], values[name])

    @rule(target=snapshots)
    def save(self) -> dict[str, Any]:
        return copy.deepcopy(self.layer.state_dict())

    @rule(snapshot=snapshots, with_counter=st.booleans(), narrow=st.booleans(), extra=st.booleans())
    def load(self, snapshot: dict[str, Any], with_counter: bool, narrow: bool, extra: bool) -> None:
        """Load an earlier state; one without a counter or extra state; one of float32s."""
        state = {name: np.array(v) for name, v in snapshot.items() if name != EXTRA_STATE}
        said = snapshot.get(EXTRA_STATE) if extra else None
        if not with_counter:
            state.pop("num_batches_tracked", None)
        if narrow:
            state = {
                name: value.astype(np.float32) if value.dtype.kind == "f" else value
                for name, value in state.items()
            }
        self.layer.load_state_dict(state if said is None else {**state, EXTRA_STATE: said})
        if said is not None:
            self.model.frozen = said.get("frozen", False)
            self.model.learned = list(said["learned"].values()) if "learned" in said else None
            self.model.skipped = said.get("num_batches_skipped", 0)
        for name, value in state.items():
            own = self.dtype if name in ("weight", "bias") else value.dtype
            value = value.astype(own)
            self.model.state[name] = value if value.dtype.kind == "i" else value.astype(np.float64)

    @rule(snapshot=snapshots, wrong=st.sampled_from(["shape", "missing", "unexpected", "dtype"]))
    def load_what_does_not_fit(self, snapshot: dict[str, Any], wrong: str) -> None:
        """It is refused, and nothing of it is loaded."""
        state: dict[str, Any] = {
            name: value.array + value.dtype.type(1)
            for name, value in snapshot.items()
            if name != EXTRA_STATE
        }
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
            self.layer.load_state_dict({**state, EXTRA_STATE: {"num_batches_skipped": 99}})

    @rule(snapshot=snapshots, wrong=st.sampled_from([{"frozen": 2}, {"melted": True}, 3]))
    def load_an_extra_state_that_does_not_fit(self, snapshot: dict[str, Any], wrong: Any) -> None:
        with pytest.raises(StateDictError, match="extra state"):
            self.layer.load_state_dict({**snapshot, EXTRA_STATE: wrong})

    @rule()
    def go_on_with_a_copy(self) -> None:
        """The original keeps its state, whatever becomes of the copy."""
        self.left = [*self.left[-2:], (self.layer, state_of(self.layer), flags_of(self.layer))]
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
        parameters = len(list(self.layer.parameters()))
        learned = [self.model.learned is None] * parameters
        assert flags_of(self.layer) == (
            self.model.training, self.model.frozen, self.model.skipped, learned
        )  # fmt: skip

    @invariant()
    def originals_of_copies_are_unchanged(self) -> None:
        for layer, state, flags in self.left:
            assert flags_of(layer) == flags
            for name, value in state_of(layer).items():
                np.testing.assert_array_equal(value, state[name], err_msg=name)


TestBatchNormInAnyOrder = pytest.mark.filterwarnings(
    "ignore::minigrad.nn.UntrainedBatchNormWarning"
)(BatchNormMachine.TestCase)
TestBatchNormInAnyOrder.settings = settings(
    max_examples=8 * settings().max_examples, stateful_step_count=40
)
