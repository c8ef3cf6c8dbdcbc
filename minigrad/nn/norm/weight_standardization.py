"""Weight standardisation: the weights of each output with mean 0 and variance 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_number, check_text
from minigrad.errors import DTypeError, ShapeError
from minigrad.nn.module import Module
from minigrad.nn.parametrize import AnyModule, register_parametrization
from minigrad.ops.batch_norm import batch_norm_train
from minigrad.tensor import Tensor

__all__ = ["WeightStandardization", "weight_standardization"]


class WeightStandardization(Module):
    """``(w - mean) / sqrt(var + eps)``, statistics over all axes but the first.

    Parameters
    ----------
    eps : float, in squared units of the weight, >= 0
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, weight: Any) -> Any:
        """Return the standardised weight."""
        # Rows are channels of one sample: (F, ...) -> (1, F, K)
        rows = np.reshape(weight, (1, weight.shape[0], -1))
        return np.reshape(batch_norm_train(rows, eps=self.eps).y, weight.shape)

    def extra_repr(self) -> str:
        """Return eps."""
        return f"eps={self.eps}"


def weight_standardization(
    module: AnyModule, name: str = "weight", eps: float = 1e-10
) -> AnyModule:
    """Use a weight whose values for each output have mean 0 and variance 1.

    Parameters
    ----------
    module : Module
        Changed in place: `Linear`, or a layer whose weight has its outputs along axis 0.
    name : str
        A parameter of the module, of two axes or more.
    eps : float, in squared units of the weight, >= 0
        Added to the variance inside the root. With 0, a constant row gives NaN.

    Returns
    -------
    Module
        ``module``.

    Raises
    ------
    ValueError
        If the module has no such parameter, or ``eps`` is out of range.
    ShapeError
        If an output has fewer than two weights.

    Notes
    -----
    For each output i, with mean and biased variance over all its weights [1]_::

        w_i = (v_i - mean(v_i)) / sqrt(var(v_i) + eps)

    where v is ``parametrizations.weight.original``, the parameter that there was. There is no
    scale and no shift: a layer that normalises follows. The default eps is the square of the 1e-5
    that the authors' code adds to the standard deviation, so it leaves the weights of wide layers
    alone. `minigrad.nn.parametrize.remove_parametrizations` takes it off again.

    References
    ----------
    .. [1] Qiao et al., 2019, arXiv:1903.10520, section 3.

    Examples
    --------
    >>> import minigrad as mg
    >>> layer = mg.nn.weight_standardization(mg.nn.Linear(3, 2))
    >>> mg.allclose(layer.weight.square().mean(1), mg.ones(2))
    True
    """
    if not isinstance(module, Module):
        raise DTypeError(f"weight_standardization: expected a Module, got {module!r}")
    check_text("weight_standardization", "name", name)
    check_number("weight_standardization", "eps", eps)
    if not 0.0 <= eps < np.inf:
        raise ValueError(f"weight_standardization: eps must be a finite number >= 0, got {eps!r}")
    weight = getattr(module, name, None)
    if isinstance(weight, Tensor) and (weight.ndim < 2 or weight.array.size <= weight.shape[0]):
        raise ShapeError(
            f"weight_standardization: expected two weights or more for each output, got {name!r} "
            f"of shape {weight.shape}"
        )
    register_parametrization(module, name, WeightStandardization(eps))
    return module
