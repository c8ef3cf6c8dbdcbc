"""What tests of layers share: a layer as a function of its input and its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn
from minigrad.typing import Array

__all__ = ["as_function", "buffers", "gradients", "randomised"]


def randomised(layer: nn.Module, rng: np.random.Generator) -> nn.Module:
    """Return ``layer`` with parameters that are neither ones nor zeros, none of them near zero."""
    for parameter in layer.parameters():
        drawn = rng.uniform(0.5, 2.0, parameter.shape) * rng.choice([-1.0, 1.0], parameter.shape)
        with mg.no_grad():
            parameter.copy_(mg.tensor(drawn, dtype=parameter.dtype))
    return layer


def buffers(layer: nn.Module) -> dict[str, Array]:
    """Return copies of the buffers."""
    return {name: np.array(buffer) for name, buffer in layer.named_buffers()}


def as_function(layer: nn.Module) -> tuple[Callable[..., Any], list[Array]]:
    """Return a function of x and the parameters, and the parameters.

    The function leaves the state of the layer as it is: it can be called any number of times.
    """
    names = [name for name, _ in layer.named_parameters()]
    start = [np.array(parameter) for parameter in layer.parameters()]

    def run(x: Any, *parameters: Any) -> Any:
        before = buffers(layer)
        own = {name: layer.__dict__[name] for name in names}
        try:
            # Around the registration, which would make leaves of them.
            layer.__dict__.update(zip(names, parameters, strict=True))
            return layer(x)
        finally:
            layer.__dict__.update(own)
            for name, value in before.items():
                np.copyto(layer.get_buffer(name).array, value)

    return run, start


def gradients(layer: nn.Module, x: Array, dy: Array) -> tuple[Array, ...]:
    """Return y and the gradients of x and of each parameter."""
    leaf = mg.Tensor(x, requires_grad=True)
    layer.zero_grad()
    y = layer(leaf)
    y.backward(mg.Tensor(dy))
    grads = [leaf.grad, *(parameter.grad for parameter in layer.parameters())]
    return (np.asarray(y.detach()), *(np.array(grad) for grad in grads))
