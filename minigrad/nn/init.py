"""How parameters start: PyTorch's initialisers, in place, with its names and defaults.

Numbers are drawn in float64 and rounded to the Tensor's dtype, so a float32 and a float64 net of
the same seed start from the same values.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from minigrad.arguments import check_number
from minigrad.errors import DTypeError, ShapeError
from minigrad.random import Generator, generator_or_default
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = {
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the factor by which a nonlinearity's input should be scaled up.

    Parameters
    ----------
    nonlinearity : str
        ``"linear"``, ``"conv1d"`` and the like, ``"sigmoid"``: 1; ``"tanh"``: 5/3; ``"relu"``:
        sqrt(2); ``"leaky_relu"``: sqrt(2 / (1 + slope**2)); ``"selu"``: 3/4.
    param : float, optional
        The negative slope of leaky_relu; default 0.01.

    Raises
    ------
    ValueError
        If the nonlinearity is unknown.

    References
    ----------
    .. [1] He et al., 2015, arXiv:1502.01852, equations 10 and 15; values as in torch.nn.init.
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3.0
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is not None:
            check_number("calculate_gain", "param", param)
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0) / math.hypot(1.0, slope)
    if nonlinearity == "selu":
        return 0.75
    known = ", ".join(sorted({*_LINEAR, "tanh", "relu", "leaky_relu", "selu"}))
    raise ValueError(f"calculate_gain: expected one of {known}, got {nonlinearity!r}")


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from the uniform distribution on [a, b]."""
    source = _source(tensor, generator)
    for argument, value in (("a", a), ("b", b)):
        check_number("uniform_", argument, value)
    if not (a <= b and math.isfinite(b - a)):
        raise ValueError(f"uniform_: expected finite a <= b, got {a!r} and {b!r}")
    return _store(tensor, source.uniform(a, b, tensor.shape))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with draws from N(mean, std**2)."""
    source = _source(tensor, generator)
    _check_normal("normal_", mean, std)
    return _store(tensor, source.normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with draws from N(mean, std**2) restricted to [a, b].

    Parameters
    ----------
    tensor : Tensor, any shape, floating
    mean, std : float
        Of the distribution before it is restricted.
    a, b : float
        The bounds, in the units of the values (not of ``std``).
    generator : Generator, optional

    Notes
    -----
    By inversion: uniform draws between the distribution function at ``a`` and at ``b``.
    """
    source = _source(tensor, generator)
    _check_normal("trunc_normal_", mean, std)
    for argument, value in (("a", a), ("b", b)):
        check_number("trunc_normal_", argument, value)
    if not std > 0.0:
        raise ValueError(f"trunc_normal_: std must be positive, got {std!r}")
    if not a < b:
        raise ValueError(f"trunc_normal_: a must be less than b, got {a!r} and {b!r}")
    distribution = NormalDist(mean, std)
    uniform = source.uniform(distribution.cdf(a), distribution.cdf(b), tensor.shape)
    # The inverse is infinite at 0 and 1, which a draw can round to.
    inside = np.clip(uniform, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)
    inverse = np.vectorize(distribution.inv_cdf, otypes=[np.float64])
    return _store(tensor, np.clip(inverse(inside), a, b))


def _check_normal(name: str, mean: float, std: float) -> None:
    check_number(name, "mean", mean)
    check_number(name, "std", std)
    if not math.isfinite(mean):
        raise ValueError(f"{name}: mean must be finite, got {mean!r}")
    if not std >= 0.0:
        raise ValueError(f"{name}: std must be >= 0, got {std!r}")


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    _check_target(tensor)
    check_number("constant_", "val", val)
    return _store(tensor, np.full(tensor.shape, val))


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere."""
    _check_target(tensor)
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expected a Tensor with 2 axes, got shape {tensor.shape}")
    rows, columns = tensor.shape
    return _store(tensor, np.eye(rows, columns))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill uniformly on [-a, a] with ``a = gain * sqrt(6 / (fan_in + fan_out))``.

    Parameters
    ----------
    tensor : Tensor, shape (fan_out, fan_in, *S), floating
    gain : float
        See `calculate_gain`.
    generator : Generator, optional

    References
    ----------
    .. [1] Glorot & Bengio, 2010, "Understanding the difficulty of training deep feedforward
       neural networks", equation 16.
    """
    _check_gain("xavier_uniform_", gain)
    std = gain * _xavier_std("xavier_uniform_", tensor)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill from N(0, s**2) with ``s = gain * sqrt(2 / (fan_in + fan_out))``.

    Parameters and reference: `xavier_uniform_`.
    """
    _check_gain("xavier_normal_", gain)
    return normal_(tensor, 0.0, gain * _xavier_std("xavier_normal_", tensor), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly on [-b, b] with ``b = gain * sqrt(3 / fan)``.

    Parameters
    ----------
    tensor : Tensor, shape (fan_out, fan_in, *S), floating
    a : float
        The negative slope of leaky_relu, for the gain.
    mode : "fan_in" or "fan_out"
        Which of the two keeps its variance: the forward or the backward pass.
    nonlinearity : str
        See `calculate_gain`.
    generator : Generator, optional

    References
    ----------
    .. [1] He et al., 2015, arXiv:1502.01852, section 2.2.
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill from N(0, s**2) with ``s = gain / sqrt(fan)``.

    Parameters and reference: `kaiming_uniform_`.
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a random (semi-)orthogonal matrix times ``gain``.

    Parameters
    ----------
    tensor : Tensor, at least 2 axes, floating
        Taken as a matrix: the first axis by all others. Its rows, or its columns if there are
        more rows, become orthonormal.
    gain : float
    generator : Generator, optional

    References
    ----------
    .. [1] Saxe et al., 2013, arXiv:1312.6120. The signs are fixed by the diagonal of R, which
       makes the distribution uniform (Mezzadri, 2007, arXiv:math-ph/0609050, section 5).
    """
    _check_target(tensor)
    check_number("orthogonal_", "gain", gain)
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: expected at least 2 axes, got shape {tensor.shape}")
    source = _source(tensor, generator)
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    q, r = np.linalg.qr(source.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
    matrix = q if rows >= columns else q.T
    return _store(tensor, gain * matrix.reshape(tensor.shape))


def fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight of shape (out, in, *S), for the initialiser ``name``.

    Raises
    ------
    ShapeError
        If it has fewer than 2 axes.
    """
    _check_target(tensor)
    if tensor.ndim < 2:
        raise ShapeError(f"{name}: expected at least 2 axes (out, in, ...), got {tensor.shape}")
    receptive_field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive_field, tensor.shape[0] * receptive_field


def _check_gain(name: str, gain: float) -> None:
    check_number(name, "gain", gain)
    if not 0.0 <= gain < 1e300:
        raise ValueError(f"{name}: gain must be a finite number >= 0, got {gain!r}")


def _xavier_std(name: str, tensor: Tensor) -> float:
    return math.sqrt(2.0 / max(1, sum(fans(name, tensor))))


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fans(name, tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def _source(tensor: Tensor, generator: Generator | None) -> np.random.Generator:
    _check_target(tensor)
    if tensor.dtype.kind != "f":
        raise DTypeError(f"expected a floating Tensor to draw into, got {tensor.dtype}")
    return generator_or_default(generator).numpy


def _check_target(tensor: Tensor) -> None:
    if not isinstance(tensor, Tensor):
        raise DTypeError(f"expected a Tensor to fill, got {type(tensor).__name__}")


def _store(tensor: Tensor, values: Array) -> Tensor:
    """Copy ``values`` into the Tensor without recording it; saved graphs notice the change."""
    np.copyto(tensor.array, values, casting="same_kind" if tensor.dtype.kind == "f" else "unsafe")
    tensor.counter[0] += 1
    return tensor
