"""What batch normalisation is in evaluation: an affine map of each channel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Affine", "affine_of", "check_axis", "check_norm", "described", "is_plain", "vector"]


class Affine(NamedTuple):
    """``scale * (x - mean) + bias``; arrays of shape (C,), float64."""

    scale: Array
    mean: Array
    bias: Array

    @property
    def shift(self) -> Array:
        """What is added to ``scale * x``."""
        shift: Array = self.bias - self.scale * self.mean
        return shift


def is_plain(module: Module) -> bool:
    """Whether a module is batch normalisation that is affine in evaluation."""
    return isinstance(module, BatchNorm) and type(module).forward is BatchNorm.forward


def affine_of(name: str, bn: BatchNorm, where: str) -> Affine:
    """Return what the layer does in evaluation.

    Parameters
    ----------
    name, where : str
        The function that was called and how to tell the layer, for error messages.
    bn : BatchNorm
        As `check_norm` lets pass.

    Raises
    ------
    ValueError
        If scale or shift is not finite.
    """
    mean, var = (np.asarray(buffer, np.float64) for buffer in (bn.running_mean, bn.running_var))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = np.asarray(vector(bn.weight, 1.0) / np.sqrt(var + bn.eps))
        affine = Affine(scale, mean, np.broadcast_to(vector(bn.bias, 0.0), mean.shape))
        wrong = ~(np.isfinite(scale) & np.isfinite(affine.shift))
        if wrong.any():
            channel = int(np.argmax(wrong))
            raise ValueError(
                f"{name}: batch normalisation{where} must scale and shift by finite numbers, got "
                f"{scale[channel]} and {affine.shift[channel]} for channel {channel}, whose "
                f"running mean is {mean[channel]} and variance {var[channel]}"
            )
    return affine


def vector(parameter: Tensor | None, default: float) -> Any:
    """Return the values of a parameter in float64, or what stands for its absence."""
    return default if parameter is None else np.asarray(parameter.detach(), np.float64)


def check_norm(name: str, bn: Any, where: str) -> None:
    """Refuse what is no batch normalisation in evaluation, by DTypeError or ValueError."""
    if not is_plain(bn):
        raise DTypeError(
            f"{name}: bn must be a BatchNorm with the forward pass of that class, got "
            f"{described(bn)}"
        )
    if bn.training and not bn.frozen:
        raise ValueError(
            f"{name}: batch normalisation{where} must be in evaluation mode, got training mode, in "
            "which it normalises by the batch; call eval() first"
        )
    if bn.running_mean is None or bn.running_var is None:
        raise ValueError(
            f"{name}: batch normalisation{where} must have running statistics, got "
            f"track_running_stats={bn.track_running_stats}"
        )


def check_axis(name: str, bn: BatchNorm, channels: int, channel_axis: int, where: str) -> None:
    """Refuse another number of channels, or axis of them, by ShapeError."""
    axis = bn.axis
    fits = axis == channel_axis or (channel_axis == -1 and axis == 1 and 2 in bn._ndims)
    if channels != bn.num_features or not fits:
        raise ShapeError(
            f"{name}: batch normalisation{where} must have the {channels} channels on axis "
            f"{channel_axis}, got {bn.num_features} on axis {axis} of inputs {bn._shapes}"
        )


def described(value: Any) -> str:
    """Return a value and its type, for error messages."""
    return f"{value!r} ({type(value).__name__})"
