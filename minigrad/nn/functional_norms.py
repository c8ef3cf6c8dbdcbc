"""Normalisation over parts of each sample: layers, groups, instances, root mean squares.

All of them normalise sets of values by their own mean and variance, so all but the last are one
batch normalisation in disguise: a view of the input has one row, and a channel for each set. They
share its kernels, its statistics in float64 and its derivatives of every order. A set of one value
gives zeros, as a constant set does.

These are `minigrad.nn.functional.layer_norm` and its siblings; import them from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arguments import check_integer, check_number
from minigrad.errors import DTypeError, ShapeError
from minigrad.grad_mode import is_recomputing
from minigrad.kernels import dispatch
from minigrad.ops.axes import normalize_shape
from minigrad.ops.batch_norm import BatchNormOutput
from minigrad.ops.promotion import cast
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Shape

__all__ = ["group_norm", "instance_norm", "layer_norm", "rms_norm"]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def layer_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-05,
) -> Tensor:
    """Normalise each sample over its last axes: ``(x - mean) / sqrt(var + eps) * weight + bias``.

    Parameters
    ----------
    input : Tensor, shape (*, *normalized_shape), float32 or float64
    normalized_shape : int or sequence of int
        Lengths of the axes that are normalised together.
    weight, bias : Tensor, shape ``normalized_shape``, dtype of ``input``, or None
        Scale and shift of each element.
    eps : float, in units of variance, >= 0
        Added to the variance (divided by the number of values) inside the root.

    Returns
    -------
    Tensor like ``input``

    Raises
    ------
    ShapeError
        If a shape does not fit.
    DTypeError
        If dtypes differ or are not float32 or float64.
    ValueError
        If ``eps`` is out of range.

    References
    ----------
    .. [1] Ba, Kiros & Hinton, 2016, arXiv:1607.06450, section 3.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.layer_norm(mg.tensor([[1.0, 3.0], [10.0, 30.0]]), 2, eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    x = _floating("layer_norm", input)
    shape = normalized_axes("layer_norm", normalized_shape)
    _check_ends_with("layer_norm", x, shape)
    _check_parameters("layer_norm", x, shape, weight=weight, bias=bias)
    check_eps("layer_norm", eps)
    # (*, *normalized_shape) -> (1, rows, values): a row is a channel
    rows = math.prod(x.shape[: x.ndim - len(shape)])
    x_hat = _normalised(x, (1, rows, math.prod(shape)), eps).y.reshape(x.shape)
    return _affine(x_hat, weight, bias)


def group_norm(
    input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-05
) -> Tensor:
    """Normalise each sample over groups of neighbouring channels, then scale and shift channels.

    Parameters
    ----------
    input : Tensor, shape (N, C, *S), float32 or float64
    num_groups : int
        Divides C. With 1 all channels are normalised together, with C each on its own.
    weight, bias : Tensor, shape (C,), dtype of ``input``, or None
        Scale and shift of each channel.
    eps : float, in units of variance, >= 0
        Added to the variance (divided by the number of values) inside the root.

    Returns
    -------
    Tensor like ``input``
        A group of one value gives ``bias``, whatever N is.

    Raises
    ------
    ShapeError
        If a shape does not fit, or C is no multiple of ``num_groups``.
    DTypeError
        If dtypes differ or are not float32 or float64.
    ValueError
        If ``num_groups`` or ``eps`` is out of range.

    References
    ----------
    .. [1] Wu & He, 2018, arXiv:1803.08494, section 3.1.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.group_norm(mg.tensor([[1.0, 3.0, 10.0, 30.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    x = _floating("group_norm", input)
    num_groups = check_integer("group_norm", "num_groups", num_groups, 1)
    if x.ndim < 2:
        raise ShapeError(f"group_norm: input must have shape (N, C, *S), got {x.shape}")
    samples, channels, *spatial = x.shape
    if channels % num_groups:
        raise ShapeError(
            f"group_norm: the channels of input {x.shape} do not split into groups of equal size: "
            f"{channels} is no multiple of num_groups, got {num_groups}"
        )
    _check_parameters("group_norm", x, (channels,), weight=weight, bias=bias)
    check_eps("group_norm", eps)
    # (N, C, *S) -> (1, N*G, C/G*prod(S)): a group of a sample is a channel
    size = channels // num_groups * math.prod(spatial)
    x_hat = _normalised(x, (1, samples * num_groups, size), eps).y.reshape(x.shape)
    along = (channels, *(1,) * len(spatial))
    weight, bias = (v if v is None else as_tensor(v).reshape(along) for v in (weight, bias))
    return _affine(x_hat, weight, bias)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Normalise each channel of each sample on its own, or by running statistics.

    Parameters
    ----------
    input : Tensor, shape (N, C, *S), float32 or float64
    running_mean, running_var : Tensor, shape (C,), float32 or float64, or None
        With ``use_input_stats`` they are moved, in place, towards the mean over the samples of
        their means and of their unbiased variances; both may be absent. Without it they normalise.
    weight, bias : Tensor, shape (C,), dtype of ``input``, or None
        Scale and shift.
    use_input_stats : bool
        Which statistics normalise.
    momentum : float, 0 to 1
        Weight of the **new** value.
    eps : float, in units of variance, >= 0
        Added to the variance (divided by prod(S)) inside the root.

    Returns
    -------
    Tensor like ``input``

    Raises
    ------
    ShapeError
        If a shape does not fit, or a channel of a sample has one value where it is normalised by
        itself: the result would not depend on it.
    DTypeError
        If a dtype does not fit.
    ValueError
        If running statistics are missing, or ``momentum`` or ``eps`` is out of range.

    Notes
    -----
    An empty batch gives an empty result and changes nothing. The running statistics are updated
    only after the result was computed, and not where `minigrad.checkpoint` runs a function again.

    References
    ----------
    .. [1] Ulyanov, Vedaldi & Lempitsky, 2016, arXiv:1607.08022, equation 3.
    """
    x = _floating("instance_norm", input)
    if x.ndim < 2:
        raise ShapeError(f"instance_norm: input must have shape (N, C, *S), got {x.shape}")
    samples, channels, *spatial = x.shape
    size = math.prod(spatial)
    _check_parameters("instance_norm", x, (channels,), weight=weight, bias=bias)
    check_eps("instance_norm", eps)
    check_momentum("instance_norm", momentum)
    absent = running_mean is None and running_var is None
    if not (absent and use_input_stats):
        for name, value in (("running_mean", running_mean), ("running_var", running_var)):
            _check_running(name, value, x)
    if not use_input_stats:
        return ops.batch_norm_eval(x, running_mean, running_var, weight, bias, eps=eps)
    if size == 1:
        raise ShapeError(
            f"instance_norm: expected more than one value per channel of a sample, got input of "
            f"shape {x.shape}, which would be normalised to zeros; use batch_norm or layer_norm"
        )
    # (N, C, *S) -> (1, N*C, prod(S)): a channel of a sample is a channel
    gamma, beta = (
        v if v is None else as_tensor(v).expand((samples, channels)).reshape(samples * channels)
        for v in (weight, bias)
    )
    y, mean, var = _normalised(x, (1, samples * channels, size), eps, gamma, beta)
    if not absent and x.array.size and not is_recomputing():
        mean, var = (v.reshape(samples, channels).mean(0) for v in (mean, var))
        dispatch.module("batch_norm").update_running(
            running_mean.array, running_var.array, mean, var, n=size, momentum=momentum
        )
        running_mean.counter[0] += 1
        running_var.counter[0] += 1
    result: Tensor = y.reshape(x.shape)
    return result


def rms_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    eps: float | None = None,
) -> Tensor:
    """Divide each sample by the root mean square over its last axes, and scale its elements.

    Parameters
    ----------
    input : Tensor, shape (*, *normalized_shape), float32 or float64
    normalized_shape : int or sequence of int
        Lengths of the axes that are normalised together.
    weight : Tensor, shape ``normalized_shape``, dtype of ``input``, or None
        Scale of each element.
    eps : float, in squared units of ``input``, >= 0, or None
        Added to the mean square inside the root; None: the machine epsilon of the dtype.

    Returns
    -------
    Tensor like ``input``

    Raises
    ------
    ShapeError
        If a shape does not fit.
    DTypeError
        If dtypes differ or are not float32 or float64.
    ValueError
        If ``eps`` is out of range.

    Notes
    -----
    Computed in float64 up to the scale, so that squares of float32 neither overflow nor vanish.

    References
    ----------
    .. [1] Zhang & Sennrich, 2019, arXiv:1910.07467, equation 4.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.nn.functional.rms_norm(mg.tensor([[1.0, 7.0], [10.0, 70.0]]), 2, eps=0.0)
    tensor([[0.2, 1.4],
            [0.2, 1.4]])
    """
    x = _floating("rms_norm", input)
    shape = normalized_axes("rms_norm", normalized_shape)
    _check_ends_with("rms_norm", x, shape)
    _check_parameters("rms_norm", x, shape, weight=weight)
    if eps is None:
        eps = float(np.finfo(x.dtype).eps)
    check_eps("rms_norm", eps)
    if x.array.size == 0:  # of which there is no mean
        return _affine(x + 0.0, weight, None)
    axes = tuple(range(-len(shape), 0))
    wide = cast(x, np.float64)
    mean_square = ops.mean(wide * wide, axes, keepdim=True)
    return _affine(cast(wide / (mean_square + eps).sqrt(), x.dtype), weight, None)


# ---------------------------------------------------------------------------------- shared


def _normalised(
    x: Tensor, shape: Shape, eps: float, gamma: Any = None, beta: Any = None
) -> BatchNormOutput:
    """Normalise the rows of ``x`` in a shape (1, rows, values); a row of one value gives zeros."""
    rows = x.reshape(shape)
    if x.array.size == 0:
        along = (shape[1], 1)
        weight, bias = (v if v is None else v.reshape(along) for v in (gamma, beta))
        return BatchNormOutput(_affine(rows + 0.0, weight, bias), *np.zeros((2, shape[1])))
    if shape[2] > 1:
        return ops.batch_norm_train(rows, gamma, beta, eps=eps)
    # Which would be refused, for good reasons in a batch. Twice the same value is a constant row.
    twice = ops.batch_norm_train(rows.expand((1, shape[1], 2)), gamma, beta, eps=eps)
    return twice._replace(y=twice.y[:, :, :1])


def _affine(x_hat: Tensor, weight: Any, bias: Any) -> Tensor:
    y = x_hat if weight is None else x_hat * weight
    return y if bias is None else y + bias


def _floating(name: str, value: Any) -> Tensor:
    x = value if isinstance(value, Tensor) else as_tensor(value)
    if x.array.dtype not in _FLOATS:
        raise DTypeError(f"{name}: input must be float32 or float64, got {x.dtype}")
    return x


def normalized_axes(name: str, normalized_shape: Any) -> Shape:
    """Return the lengths of the axes that are normalised together.

    Raises
    ------
    ShapeError
        If there are none, or a length is negative.
    DTypeError
        If a length is not an integer.
    """
    shape = normalize_shape(name, normalized_shape)
    lengths = normalized_shape if isinstance(normalized_shape, (tuple, list)) else shape
    for length in lengths:
        check_integer(name, "normalized_shape", length)  # also refuses True
    if not shape or min(shape) < 0:
        raise ShapeError(
            f"{name}: normalized_shape must be the lengths of one axis or more, got {shape}"
        )
    return shape


def check_eps(name: str, eps: Any) -> None:
    """Refuse an ``eps`` that is not a finite number >= 0."""
    check_number(name, "eps", eps)
    if not (eps >= 0.0 and math.isfinite(eps)):
        raise ValueError(f"{name}: eps must be a finite number >= 0, got {eps!r}")


def check_momentum(name: str, momentum: Any) -> None:
    """Refuse a momentum that is not between 0 and 1."""
    check_number(name, "momentum", momentum)
    if not 0.0 <= momentum <= 1.0:
        raise ValueError(
            f"{name}: momentum, the weight of the new value, must be between 0 and 1, got "
            f"{momentum!r}"
        )


def _check_ends_with(name: str, x: Tensor, shape: Shape) -> None:
    if x.shape[max(0, x.ndim - len(shape)) :] != shape:
        raise ShapeError(
            f"{name}: the last axes of input must be normalized_shape {shape}, got input of shape "
            f"{x.shape}"
        )


def _check_parameters(name: str, x: Tensor, shape: Shape, **parameters: Any) -> None:
    for argument, value in parameters.items():
        if value is None:
            continue
        if not isinstance(value, (Tensor, np.ndarray)):
            raise DTypeError(f"{name}: {argument} must be a Tensor, got {type(value).__name__}")
        if value.shape != shape:
            raise ShapeError(f"{name}: {argument} must have shape {shape}, got {value.shape}")
        if value.dtype != x.dtype:
            raise DTypeError(
                f"{name}: {argument} must be {x.dtype}, as input is, got {value.dtype}"
            )


def _check_running(name: str, value: Any, x: Tensor) -> None:
    if not isinstance(value, Tensor):
        what = "needed where use_input_stats is False, and a Tensor beside the other one"
        raise ValueError(f"instance_norm: {name} is {what}, got {type(value).__name__}")
    if value.shape != x.shape[1:2]:
        raise ShapeError(
            f"instance_norm: {name} must have shape {x.shape[1:2]}, one value per channel of "
            f"input {x.shape}, got {value.shape}"
        )
    if value.dtype not in _FLOATS:
        raise DTypeError(f"instance_norm: {name} must be float32 or float64, got {value.dtype}")
