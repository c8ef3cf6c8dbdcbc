"""Weight normalisation: a weight as its length times its direction."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer, check_text
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.module import Module
from minigrad.nn.parametrize import (
    AnyModule,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)
from minigrad.ops.norms import vector_norm
from minigrad.tensor import Tensor

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm(Module):
    """``g * v / norm(v)``, with a norm for each index of one axis, or a single one.

    Parameters
    ----------
    dim : int or None
        The axis; None for a single norm.
    """

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, g: Any, v: Any) -> Any:
        """Return the weight; ``g`` has the shape of ``v``, with axes of length 1 but ``dim``."""
        return v * (g / self._norm(v))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lengths and the weight itself, whose directions are its own.

        Raises
        ------
        ValueError
            If one has length 0.
        """
        norm = self._norm(weight)
        zeros = np.flatnonzero(norm.array == 0.0)
        if zeros.size:
            which = "it" if self.dim is None else f"index {zeros[0]} of axis {self.dim}"
            raise ValueError(
                f"weight_norm: {which} of the weight of shape {weight.shape} is zero, which has no "
                "direction; initialise it with other values first"
            )
        return norm, weight

    def _norm(self, v: Any) -> Any:
        if self.dim is None:
            return vector_norm(v)
        size = v.shape[self.dim]
        rows = np.reshape(np.moveaxis(v, self.dim, 0), (size, v.array.size // max(1, size)))
        shape = [1] * v.ndim
        shape[self.dim] = size
        return np.reshape(vector_norm(rows, dim=1), tuple(shape))

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Learn the length and the direction of a weight apart: ``w = g * v / norm(v)``.

    Parameters
    ----------
    module : Module
        Changed in place; what it computes stays the same.
    name : str
        A parameter of the module.
    dim : int >= 0, or None
        The axis whose indices have a length each: 0, the outputs of a layer. None: the whole
        weight has one.

    Returns
    -------
    Module
        ``module``.

    Raises
    ------
    ValueError
        If the module has no such parameter, if it is normalised already, or if a part of it is
        zero and so has no direction.
    ShapeError
        If the axis does not exist.

    Notes
    -----
    The original parameters are ``parametrizations.weight.original0``, g, with axes of length 1
    except ``dim``, and ``original1``, v, which starts as the weight: the names that
    ``torch.nn.utils.parametrizations.weight_norm`` writes to a state_dict (not those of its
    deprecated predecessor, ``weight_g`` and ``weight_v``). The gradient of v is orthogonal to
    v, so steps of plain gradient descent never shorten it [1]_. Make optimisers afterwards.
    PyTorch takes ``dim=-1`` for None; here it is refused.

    References
    ----------
    .. [1] Salimans & Kingma, 2016, arXiv:1602.07868, equations 2 and 3, and section 2.1.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.weight_norm(mg.nn.Linear(3, 2))
    >>> [(name, p.shape) for name, p in layer.named_parameters()]  # doctest: +NORMALIZE_WHITESPACE
    [('bias', (2,)), ('parametrizations.weight.original0', (2, 1)),
     ('parametrizations.weight.original1', (2, 3))]
    """
    if not isinstance(module, Module):
        raise DTypeError(f"weight_norm: expected a Module, got {module!r}")
    check_text("weight_norm", "name", name)
    if is_parametrized(module, name) and _kinds(module, name) & {WeightNorm}:
        raise ValueError(f"weight_norm: {name!r} of {type(module).__name__} has one already")
    if dim is not None:
        dim = check_integer("weight_norm", "dim", dim)
        ndim = getattr(getattr(module, name, None), "ndim", None)
        if ndim is not None and not 0 <= dim < ndim:
            raise ShapeError(
                f"weight_norm: dim must be None or an axis from 0 to {ndim - 1}, got {dim}"
            )
    register_parametrization(module, name, WeightNorm(dim))
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `weight_norm`: the parameter is a plain one again, of the value that it has.

    Parameters
    ----------
    module : Module
        Changed in place; what it computes stays the same.
    name : str

    Returns
    -------
    Module
        ``module``.

    Raises
    ------
    ValueError
        If there is no weight normalisation under that name, or something else beside it.

    Notes
    -----
    The parameter is a new one: make optimisers afterwards.
    """
    if not isinstance(module, Module):
        raise DTypeError(f"remove_weight_norm: expected a Module, got {module!r}")
    check_text("remove_weight_norm", "name", name)
    if not is_parametrized(module, name) or _kinds(module, name) != {WeightNorm}:
        raise ValueError(
            f"remove_weight_norm: {type(module).__name__} has no parameter {name!r} with weight "
            "normalisation alone; minigrad.nn.parametrize.remove_parametrizations removes others"
        )
    remove_parametrizations(module, name)
    return module


def _kinds(module: Any, name: str) -> set[type[Module]]:
    return {type(parametrization) for parametrization in module.parametrizations[name]}
