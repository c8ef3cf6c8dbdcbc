"""The functions behind the layers, under PyTorch's names and with its signatures.

Positional order, keywords and defaults are those of ``torch.nn.functional``, so that code written
for one runs with the other; the mathematics stands in ``minigrad.ops``. What differs:

- ``softmax`` and ``log_softmax`` have no implicit ``dim``;
- the arguments that PyTorch has deprecated (``size_average``, ``reduce``) keep their place but
  are refused;
- the losses of two Tensors neither broadcast nor take a weight, except
  ``binary_cross_entropy_with_logits``;
- ``embedding`` has none of the arguments behind ``padding_idx``;
- ``inplace=True`` stores the result in the input, but saves no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arguments import check_integer, check_number, real_dtype
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn import batch_statistics
from minigrad.ops.loss import Reduction
from minigrad.tensor import Tensor, _wrap, as_tensor
from minigrad.typing import DTypeLike

__all__ = [
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


# ---------------------------------------------------------------------------------- linear


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """Return ``input @ weight.T + bias``; see `minigrad.linear`.

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), optional

    Returns
    -------
    Tensor, shape (..., out_features)
    """
    return ops.linear(input, weight, bias)


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Tensor:
    """Return the rows of ``weight`` at the indices ``input``; see `minigrad.embedding`.

    Parameters
    ----------
    input : Tensor, any shape, integer
    weight : Tensor, shape (rows, width)
    padding_idx : int, optional
        A row that gets no gradient; negative counts from the end.

    Returns
    -------
    Tensor, shape (*input.shape, width)

    Raises
    ------
    IndexError
        If an index, or ``padding_idx``, is out of range.
    """
    indices = as_tensor(input)
    rows = ops.embedding(indices, weight)
    if padding_idx is None:
        return rows
    padding = row_of_padding(padding_idx, len(weight))
    is_padding = _wrap(np.expand_dims(indices.array == padding, -1))
    return rows.detach().where(is_padding, rows)


def row_of_padding(padding_idx: int | None, rows: int) -> int | None:
    """Return ``padding_idx`` counted from the start.

    Raises
    ------
    IndexError
        If it is out of range.
    """
    if padding_idx is None:
        return None
    padding_idx = check_integer("embedding", "padding_idx", padding_idx)
    if not -rows <= padding_idx < rows:
        raise IndexError(f"embedding: padding_idx {padding_idx} is out of range for {rows} rows")
    return padding_idx % rows


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return class indices as vectors of zeros with a one; not differentiable.

    Parameters
    ----------
    tensor : Tensor, any shape, integer
        Class indices, >= 0.
    num_classes : int
        Length of the vectors; -1: one more than the largest index.

    Returns
    -------
    Tensor, shape (*tensor.shape, num_classes), int64

    Raises
    ------
    DTypeError
        If ``tensor`` is not integer.
    IndexError
        If an index is negative or not below ``num_classes``.
    """
    indices = as_tensor(tensor).array
    if indices.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: expected integer class indices, got {indices.dtype}")
    num_classes = check_integer("one_hot", "num_classes", num_classes)
    if num_classes == -1:
        if indices.size == 0:
            raise ShapeError("one_hot: num_classes is needed where there are no indices")
        num_classes = int(indices.max()) + 1
    if num_classes < 0:
        raise ValueError(f"one_hot: num_classes must be >= 0 (or -1: as needed), got {num_classes}")
    if indices.size and (indices.min() < 0 or indices.max() >= num_classes):
        raise IndexError(
            f"one_hot: class indices must be between 0 and {num_classes - 1}, got "
            f"{indices.min()} to {indices.max()}"
        )
    return _wrap((np.expand_dims(indices, -1) == np.arange(num_classes)).astype(np.int64))


def pad(
    input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Return ``input`` with elements added around it; see `minigrad.pad`.

    Parameters
    ----------
    input : Tensor, any shape
    pad : sequence of int
        Before and after the last axis, before and after the one before it, and so on; negative
        numbers take elements away.
    mode : {"constant", "reflect", "replicate", "circular"}
    value : float, optional
        For mode "constant"; default 0.

    Returns
    -------
    Tensor
    """
    return ops.pad(input, pad, mode, value)


# ---------------------------------------------------------------------------------- activations


def relu(input: Any, inplace: bool = False) -> Tensor:
    """Return max(x, 0); see `minigrad.relu`. ``inplace`` also stores it in ``input``."""
    return _stored(ops.relu, input) if inplace else ops.relu(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return x where x > 0, else ``negative_slope * x``; see `minigrad.leaky_relu`."""
    if inplace:
        return _stored(ops.leaky_relu, input, negative_slope)
    return ops.leaky_relu(input, negative_slope)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return x where x > 0, else ``alpha * (exp(x) - 1)``; see `minigrad.elu`."""
    return _stored(ops.elu, input, alpha) if inplace else ops.elu(input, alpha)


def silu(input: Any, inplace: bool = False) -> Tensor:
    """Return ``x * sigmoid(x)``; see `minigrad.silu`."""
    return _stored(ops.silu, input) if inplace else ops.silu(input)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """Return ``x * Phi(x)``, Phi the normal distribution function; see `minigrad.gelu`."""
    return ops.gelu(input, approximate)


def softplus(input: Any, beta: float = 1, threshold: float = 20) -> Tensor:
    """Return ``log(1 + exp(beta * x)) / beta``; see `minigrad.softplus`."""
    return ops.softplus(input, beta, threshold)


def sigmoid(input: Any) -> Tensor:
    """Return ``1 / (1 + exp(-x))``; see `minigrad.sigmoid`."""
    return ops.sigmoid(input)


def tanh(input: Any) -> Tensor:
    """Return the hyperbolic tangent; see `minigrad.tanh`."""
    return ops.tanh(input)


def softmax(input: Any, dim: int | None = None, *, dtype: DTypeLike = None) -> Tensor:
    """Return exp(x) divided by its sum along ``dim``; see `minigrad.softmax`.

    Parameters
    ----------
    input : Tensor, any shape
    dim : int
        Must be given; PyTorch's implicit choice, 0 or 1 by the number of axes, is refused.
    dtype : dtype, optional
        Convert to it first.
    """
    return ops.softmax(_converted(input, dtype), _explicit_dim("softmax", dim))


def log_softmax(input: Any, dim: int | None = None, *, dtype: DTypeLike = None) -> Tensor:
    """Return the logarithm of `softmax`, computed stably; same arguments."""
    return ops.log_softmax(_converted(input, dtype), _explicit_dim("log_softmax", dim))


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Set elements to zero with probability ``p`` and scale up the others; `minigrad.dropout`."""
    if inplace and training:
        return _stored(ops.dropout, input, p)
    return ops.dropout(input, p, training)


def _stored(function: Callable[..., Tensor], tensor: Any, *arguments: Any) -> Tensor:
    """Apply ``function`` and store the result in ``tensor``; this saves no memory."""
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"{function.__name__}: inplace=True needs a Tensor, got {type(tensor).__name__}"
        )
    # A copy, because the gradient may need the input, which is overwritten.
    return tensor.copy_(function(tensor.clone(), *arguments))


def _converted(tensor: Any, dtype: DTypeLike) -> Any:
    return tensor if dtype is None else as_tensor(tensor).to(real_dtype(dtype))


def _explicit_dim(name: str, dim: int | None) -> int:
    if dim is None:
        raise ValueError(f"{name}: say along which axis: dim=-1 for the last, dim=1 for channels")
    return dim


# ---------------------------------------------------------------------------------- normalisation


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
    *,
    mask: Any = None,
    sample_weight: Any = None,
    unbiased: bool = True,
    nonfinite: batch_statistics.NonFinite = "propagate",
) -> Tensor:
    """Normalise each channel, by the statistics of this batch or by running ones.

    Parameters
    ----------
    input : Tensor, shape (N, C, *S), float32 or float64
    running_mean, running_var : Tensor, shape (C,), float32 or float64, or None
        With ``training`` they are moved towards the statistics of the batch, in place, and may
        both be absent; without it they normalise.
    weight, bias : Tensor, shape (C,), dtype of ``input``, or None
        Scale and shift.
    training : bool
        Which statistics normalise.
    momentum : float, 0 to 1
        Weight of the **new** value: ``running <- (1 - momentum) * running + momentum * batch``.
        Keras and Flax name the weight of the old one: ``1 - momentum``.
    eps : float, in units of variance, >= 0
        Added to the variance inside the root; running variances are stored without it.
    mask : Tensor of bool, shape (N,) or (N, *S), optional
        True where a value counts. Elsewhere the result is 0 and no gradient passes, whatever
        stands there, NaN included.
    sample_weight : Tensor of numbers >= 0, shape (N,) or (N, *S), optional
        Weights of the values in the statistics; all values are normalised.
    unbiased : bool
        Whether the running variance takes the unbiased variance.
    nonfinite : {"propagate", "skip", "raise"}
        If a statistic of the batch is NaN or infinite: store it all the same, leave both running
        statistics as they are, or raise.

    Returns
    -------
    Tensor like ``input``

    Raises
    ------
    ShapeError
        If a shape does not fit, or a channel has one value in training.
    DTypeError
        If a dtype does not fit.
    ValueError
        If running statistics are missing, ``momentum`` or ``eps`` is out of range, or a weight is
        negative or not finite, or all are zero.
    NonFiniteError
        If ``nonfinite`` is "raise", and a statistic is not finite. Nothing is changed then.

    Notes
    -----
    The batch is normalised by its biased variance (divided by n = N*prod(S)); the running
    variance takes the unbiased one (divided by n - 1). An empty batch gives an empty result and
    changes nothing. Not-a-number in a batch propagates to the running statistics. They are
    updated at once and only after the result was computed, and a graph that is still to be
    differentiated does not depend on them. Where `minigrad.checkpoint` runs a function again for
    its gradient, they are left alone: they take each batch once.

    A masked batch is compacted, normalised by the same kernels, and spread out again, so that
    everything that holds of batches holds of what the mask leaves, to the bit. Weighted
    statistics are ``mean = sum(w x) / sum(w)`` and ``var = sum(w (x - mean)^2) / sum(w)``; n / (n
    - 1) becomes n_eff / (n_eff - 1) with ``n_eff = sum(w)^2 / sum(w^2)`` [2]_, which is n for equal
    weights. They are computed in float64 by primitive ops, also for float32, where the error of
    the result is as without weights at most 4 ulp, and differentiable at every order in
    ``sample_weight``, too.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167.
    .. [2] Kish, Survey Sampling, 1965, section 8.2.
    """
    x = input if isinstance(input, Tensor) else as_tensor(input)
    if momentum is not None:  # which where it counts is refused below
        check_number("batch_norm", "momentum", momentum)
    batch_statistics.check_nonfinite("batch_norm", nonfinite)
    selection = batch_statistics.select("batch_norm", x, mask, sample_weight)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: running_mean and running_var are needed where training is False"
            )
        return batch_statistics.evaluate(x, running_mean, running_var, weight, bias, eps, selection)
    updates = running_mean is not None or running_var is not None
    if updates:
        batch_statistics.check_running(x, running_mean, running_var, momentum)
    if selection is not None and selection.n == 1:
        raise ShapeError(
            "batch_norm in training needs more than one value per channel, and mask and "
            f"sample_weight leave one of x of shape {x.shape}: use larger batches, or "
            "evaluation mode"
        )
    batch = batch_statistics.normalise(x, weight, bias, eps, selection)
    if updates:
        batch_statistics.commit(
            "batch_norm", running_mean, running_var, batch, momentum=momentum,
            unbiased=unbiased, nonfinite=nonfinite,
        )  # fmt: skip
    return batch.y


# ---------------------------------------------------------------------------------- losses


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the softmax of logits with class indices or probabilities.

    Parameters
    ----------
    input : Tensor, shape (N, K, *S) or (K,)
        Logits.
    target : Tensor, shape (N, *S) or () of integers, or floating of the shape of ``input``
    weight : Tensor, shape (K,), optional
    size_average, reduce : None
        Deprecated by PyTorch; use ``reduction``.
    ignore_index : int
    reduction : "mean", "sum" or "none"
    label_smoothing : float, 0 to 1

    Returns
    -------
    Tensor

    See Also
    --------
    minigrad.cross_entropy : what each argument means, and the errors.
    """
    refuse_deprecated("cross_entropy", size_average, reduce)
    return ops.cross_entropy(
        input,
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Negative log-likelihood of log-probabilities; see `minigrad.nll_loss`."""
    refuse_deprecated("nll_loss", size_average, reduce)
    return ops.nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)


def mse_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared difference; see `minigrad.mse_loss`."""
    refuse_deprecated("mse_loss", size_average, reduce)
    return ops.mse_loss(input, target, reduction=reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
) -> Tensor:
    """Absolute difference; see `minigrad.l1_loss`."""
    refuse_deprecated("l1_loss", size_average, reduce)
    return ops.l1_loss(input, target, reduction=reduction)


def huber_loss(
    input: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0
) -> Tensor:
    """Squared difference near zero, absolute beyond ``delta``; see `minigrad.huber_loss`."""
    return ops.huber_loss(input, target, delta=delta, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: None = None,
    reduce: None = None,
    reduction: Reduction = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Cross-entropy of sigmoid(input); see `minigrad.binary_cross_entropy_with_logits`."""
    refuse_deprecated("binary_cross_entropy_with_logits", size_average, reduce)
    return ops.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=reduction
    )


def refuse_deprecated(name: str, size_average: Any, reduce: Any) -> None:
    """Raise ValueError if an argument that PyTorch has deprecated is given."""
    if size_average is not None or reduce is not None:
        raise ValueError(
            f"{name}: size_average and reduce are not supported, PyTorch has deprecated them; "
            f"got {size_average!r} and {reduce!r}: use reduction='mean', 'sum' or 'none'"
        )
