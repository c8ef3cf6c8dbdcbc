"""Fold batch normalisation into the layer beside it, for evaluation: one layer instead of two.

In evaluation a layer is affine in each channel, ``y = scale * x + shift``, and so is the linear
layer before or after it. The product of both is one linear layer.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad.arguments import check_number
from minigrad.errors import DTypeError
from minigrad.nn.activation import ReLU
from minigrad.nn.container import Sequential
from minigrad.nn.linear import Identity, Linear
from minigrad.nn.module import Module
from minigrad.nn.norm.batch_norm import BatchNorm
from minigrad.nn.parameter import Parameter
from minigrad.nn.tools.affine import affine_of, check_axis, check_norm, described, is_plain
from minigrad.nn.tools.flow import Run, watched_run
from minigrad.nn.tools.layers import check_net
from minigrad.typing import Array

__all__ = ["fold_batch_norm", "fold_batch_norm_linear", "fold_linear_batch_norm"]

_CHANNEL_AXES: dict[type[Module], int] = {Linear: -1}
"""Layers with ``weight`` and ``bias`` whose output channels are axis 0 of both, and the axis that
these channels have in the output. A convolution of any number of groups is one with axis 1."""

_RTOL = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}
"""Allowed difference on an example, relative to the largest output: roundings of a sum of a few
hundred products, times some hundred for channels far from zero, for which a folded bias cancels."""


_ACTIVATIONS: dict[str | None, type[Module]] = {None: Identity, "relu": ReLU}
"""What stands where batch normalisation with an activation of its own was."""


class _Pair(NamedTuple):
    """The paths of a layer and of the batch normalisation that alone takes its output."""

    layer: str
    norm: str


# ---------------------------------------------------------------------------------- two layers


def fold_linear_batch_norm(linear: Module, bn: BatchNorm) -> Module:
    """Return one layer that computes what ``bn`` makes, in evaluation, of ``linear``'s output.

    Parameters
    ----------
    linear : Linear
        Any bias or none. Its output must have the channels on the axis that ``bn`` normalises:
        the last, which is axis 1 for x of shape (N, in_features).
    bn : BatchNorm
        In evaluation mode or frozen, with running statistics; any combination of weight and bias.

    Returns
    -------
    Linear
        A new layer in evaluation mode, of the dtype of ``linear``, with a bias.

    Raises
    ------
    DTypeError
        If ``linear`` is not a layer that can take another's scale, or ``bn`` is not a BatchNorm
        that is affine in evaluation.
    ShapeError
        If the number of channels or their axis differs.
    ValueError
        If ``bn`` is in training mode or has no running statistics, or these give a scale or a
        shift that is not finite.

    Notes
    -----
    With ``scale = gamma / sqrt(running_var + eps)``, for each row of the weight::

        W' = scale * W,    b' = scale * (b - running_mean) + beta

    in float64, rounded once. The layer differs from the two by rounding alone, but where a
    channel's mean is k times its spread, the terms of its output are k times larger than the
    output itself: of float32, k * 6e-8 is lost. The two layers subtract the mean in float64.

    References
    ----------
    .. [1] Ioffe & Szegedy, 2015, arXiv:1502.03167, Algorithm 2, step 11: the linear transform.

    Examples
    --------
    >>> import minigrad as mg
    >>> linear, bn = mg.nn.Linear(3, 2), mg.nn.BatchNorm1d(2)
    >>> _ = bn(linear(mg.randn(8, 3)))  # moves the running statistics
    >>> folded = mg.nn.fold_linear_batch_norm(linear, bn.eval())
    >>> x = mg.randn(4, 3)
    >>> bool((abs(folded(x) - bn(linear(x))) < 1e-6).all())
    True
    """
    name = "fold_linear_batch_norm"
    _check_pair(name, linear, bn, "")
    _check_no_activation(name, bn)
    return _folded(name, linear, bn, "")


def _folded(name: str, linear: Module, bn: BatchNorm, where: str) -> Module:
    """Return the one layer, without the activation of ``bn`` if it has one."""
    scale, mean, shift = affine_of(name, bn, where)
    folded = copy.deepcopy(linear).eval()
    weight, bias = np.asarray(linear.weight.detach(), np.float64), linear.bias
    along = (-1, *(1,) * (weight.ndim - 1))
    old = 0.0 if bias is None else np.asarray(bias.detach(), np.float64)
    _store(name, folded, weight * scale.reshape(along), scale * (old - mean) + shift)
    return folded


def fold_batch_norm_linear(bn: BatchNorm, linear: Linear) -> Linear:
    """Return one layer that computes what ``linear`` makes of ``bn``'s output in evaluation.

    Parameters
    ----------
    bn : BatchNorm
        In evaluation mode or frozen, with running statistics, of x of shape (N, in_features).
    linear : Linear

    Returns
    -------
    Linear
        A new layer in evaluation mode, of the dtype of ``linear``, with a bias.

    Raises
    ------
    DTypeError, ShapeError, ValueError
        As by `fold_linear_batch_norm`.

    Notes
    -----
    With ``scale`` and ``shift`` of each channel: ``W' = W diag(scale)``, ``b' = b + W shift``. A
    convolution that pads with zeros could not do the same: it would have to pad with the mean.
    """
    name = "fold_batch_norm_linear"
    check_norm(name, bn, "")
    if not isinstance(linear, Linear):
        raise DTypeError(f"{name}: linear must be a Linear, got {described(linear)}")
    check_axis(name, bn, linear.in_features, -1, "")
    _check_no_activation(name, bn)
    affine = affine_of(name, bn, "")
    folded = copy.deepcopy(linear).eval()
    weight = np.asarray(linear.weight.detach(), np.float64)
    bias = 0.0 if linear.bias is None else np.asarray(linear.bias.detach(), np.float64)
    _store(name, folded, weight * affine.scale, bias + weight @ affine.shift)
    return folded


def _store(name: str, layer: Module, weight: Array, bias: Array) -> None:
    """Give a layer new values of its dtype."""
    learned, dtype = layer.weight.requires_grad, layer.weight.dtype
    with np.errstate(over="ignore"):
        weight, bias = weight.astype(dtype), bias.astype(dtype)
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise ValueError(
            f"{name}: the folded weights must be finite, got infinite ones or NaN: eps and the "
            f"running variance are too small for {dtype}, or a parameter was not finite"
        )
    layer.weight = Parameter(weight, learned)
    layer.bias = Parameter(bias, learned)


# ---------------------------------------------------------------------------------- nets


def fold_batch_norm(net: Module, example: Any = None, *, rtol: float | None = None) -> Module:
    """Return a copy of a net for evaluation, with batch normalisation folded into linear layers.

    Parameters
    ----------
    net : Module
        Its batch normalisation is in evaluation mode or frozen.
    example : Tensor or tuple, optional
        Arguments of ``net``. With them any net will do: it is run, pairs are found by the Tensor
        that flows from one layer to the next, and the result is compared. Without, pairs are the
        neighbours in each `Sequential`, whose input is taken to be (N, features).
    rtol : float, optional
        Allowed difference on the example, relative to the largest absolute value of the output,
        also of each pair. Default: 1e-4 for float32, 1e-10 for float64.

    Returns
    -------
    Module
        In evaluation mode and without gradients. A `Linear` that was followed by batch
        normalisation has other values and a bias; an `Identity` stands where the normalisation
        was (a `ReLU`, if it had one of its own), so every other layer keeps its path and its keys
        in the state_dict. Batch normalisation that follows something else is left as it is.

    Raises
    ------
    ValueError
        If there is nothing to fold; if a layer is in training mode, has no running statistics,
        is used twice or has hooks, or its Linear's output or weight is also used elsewhere; if
        outputs on the example differ.
    ShapeError
        If the channels of a pair do not fit.
    DTypeError
        If an argument is of the wrong type.

    Notes
    -----
    What else uses the output of a Linear is seen if it is an op on that Tensor, or if the net
    returns it. What reads its array beside the ops, as ``np.asarray`` does, or a branch that the
    example does not take, is not seen: compare on data of your own. Formulas and rounding:
    `fold_linear_batch_norm`.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.BatchNorm1d(3), mg.nn.ReLU())
    >>> mg.nn.fold_batch_norm(net.eval())
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): Identity()
      (2): ReLU()
    )
    """
    name = "fold_batch_norm"
    check_net(name, net)
    if rtol is not None:
        check_number(name, "rtol", rtol)
        if not rtol >= 0.0:
            raise ValueError(f"{name}: rtol must be >= 0, got {rtol!r}")
    args = example if isinstance(example, tuple) else (example,)
    run = None
    if example is None:
        pairs = list(_neighbours(net))
    else:
        net = copy.deepcopy(net)  # evaluation of all of it is not the caller's mode
        modes = {path: module.training for path, module in net.named_modules()}
        run = watched_run(net.eval(), args, _is_layer, is_plain)
        for path, module in net.named_modules():
            module.training = modes[path]
        pairs = [_Pair(*pair) for pair in run.pairs()]
    if not pairs:
        raise ValueError(
            f"{name}: expected a net in which batch normalisation follows a linear layer, got none "
            f"in {type(net).__name__}"
            + ("; give an example input if it is no Sequential" if example is None else "")
        )
    _check_unshared(net, pairs)
    folded = copy.deepcopy(net).eval()
    folded.zero_grad()
    for pair in pairs:
        layer, norm = net.get_submodule(pair.layer), net.get_submodule(pair.norm)
        _check_pair(name, layer, norm, f" {pair.norm!r}")
        _check_hooks(pair, layer, norm)
        _replace(folded, pair.layer, _folded(name, layer, norm, f" {pair.norm!r}"))  # type: ignore[arg-type]
        _replace(folded, pair.norm, _ACTIVATIONS[_activation(norm)]().eval())
    if run is not None:
        _compare(run, watched_run(folded, args, _is_layer, is_plain), pairs, rtol)
    return folded


def _is_layer(module: Module) -> bool:
    return type(module) in _CHANNEL_AXES


def _neighbours(net: Module) -> Iterator[_Pair]:
    for path, module in net.named_modules():
        if not (isinstance(module, Sequential) and type(module).forward is Sequential.forward):
            continue
        start = f"{path}." if path else ""
        children = [(start + name, child) for name, child in module.named_children()]
        for (first, layer), (second, norm) in itertools.pairwise(children):
            if _is_layer(layer) and is_plain(norm):
                yield _Pair(first, second)


def _check_unshared(net: Module, pairs: list[_Pair]) -> None:
    """Refuse a layer that has two places in the net."""
    paths: dict[int, list[str]] = {}
    for path, module in net.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(path)
    for path in (path for pair in pairs for path in pair):
        places = paths[id(net.get_submodule(path))]
        if len(places) > 1:
            raise ValueError(
                f"fold_batch_norm: layer {path!r} must be used once to be folded, got one that is "
                f"shared by {', '.join(places)}"
            )


def _check_hooks(pair: _Pair, *modules: Module) -> None:
    for path, module in zip(pair, modules, strict=True):
        hooks = module._hooks
        if hooks is not None and (hooks.before or hooks.after):
            raise ValueError(
                f"fold_batch_norm: layer {path!r} must have no forward hooks to be folded, got "
                f"{len(hooks.before) + len(hooks.after)}, which would see other values; remove them"
            )


def _replace(net: Module, path: str, module: Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(net.get_submodule(parent), name, module)


def _compare(before: Run, after: Run, pairs: list[_Pair], rtol: float | None) -> None:
    """Refuse outputs that differ: of each pair, and of the whole net."""
    found = [("of the net", *both) for both in zip(before.results, after.results, strict=True)]
    for pair in pairs:
        outputs = before.outputs[pair.norm], after.outputs[pair.layer]
        found.append((f"of layer {pair.norm!r}", *outputs))
    for what, old, new in found:
        allowed = _RTOL.get(old.dtype, 0.0) if rtol is None else rtol
        finite = old.array[np.isfinite(old.array)]
        size = float(np.max(np.abs(finite), initial=0.0))
        close = np.isclose(new.array, old.array, rtol=0.0, atol=allowed * size, equal_nan=True)
        if not close.all():
            with np.errstate(invalid="ignore"):
                worst = np.nanmax(np.abs(new.array - old.array))
            raise ValueError(
                f"fold_batch_norm: the output {what} must agree on the example to {allowed:g} of "
                f"its largest value, {size:g}, got a difference of {worst:g}; if the weights are "
                "not used elsewhere, the channels are far from zero: convert the net to float64, "
                "or do not fold"
            )


def _check_pair(name: str, layer: Any, bn: Any, where: str) -> None:
    if type(layer) not in _CHANNEL_AXES:
        known = " or ".join(kind.__name__ for kind in _CHANNEL_AXES)
        raise DTypeError(f"{name}: linear must be a {known}, got {described(layer)}")
    check_norm(name, bn, where)
    check_axis(name, bn, layer.weight.shape[0], _CHANNEL_AXES[type(layer)], where)
    if _activation(bn) not in _ACTIVATIONS:
        raise ValueError(
            f"{name}: batch normalisation{where} must have an activation among "
            f"{list(_ACTIVATIONS)}, got {_activation(bn)!r}"
        )


def _check_no_activation(name: str, bn: BatchNorm) -> None:
    if _activation(bn) is not None:
        raise ValueError(
            f"{name}: bn must have no activation of its own, which is not affine, got "
            f"activation={_activation(bn)!r}; fold_batch_norm leaves one in its place"
        )


def _activation(bn: Module) -> str | None:
    activation: str | None = getattr(bn, "activation", None)
    return activation
