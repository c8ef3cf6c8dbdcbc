"""Which parameters weight decay is for."""

from __future__ import annotations

from minigrad.arguments import check_number
from minigrad.nn import Module
from minigrad.optim.optimizer import Group
from minigrad.tensor import Tensor

__all__ = ["no_decay_groups"]


def no_decay_groups(net: Module, weight_decay: float) -> list[Group]:
    """Split the parameters of a net into a group with weight decay and one without.

    Weight decay is for the matrices and filters. Biases and the weight and bias of a
    normalisation, which all have one value per channel, are excluded: decaying them does not
    regularise, and a BatchNorm's scale that shrinks rescales the layers behind it.

    Parameters
    ----------
    net : Module
    weight_decay : float
        Of the group that decays.

    Returns
    -------
    list of dict
        What the optimisers take as ``params``: first the group of parameters with two axes or
        more, then that of the others (biases, BatchNorm) with ``weight_decay`` 0. A group without
        parameters is left out.

    References
    ----------
    .. [1] He et al., 2019, arXiv:1812.01187, section 3.1 ("no bias decay").

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.BatchNorm1d(3))
    >>> groups = mg.optim.no_decay_groups(net, weight_decay=1e-4)
    >>> [(len(group["params"]), group["weight_decay"]) for group in groups]
    [(1, 0.0001), (3, 0.0)]
    >>> optimizer = mg.optim.SGD(groups, lr=0.1, momentum=0.9)
    """
    check_number("no_decay_groups", "weight_decay", weight_decay)
    if not isinstance(net, Module):
        raise TypeError(f"no_decay_groups: expected a Module, got {type(net).__name__}")
    decay: list[Tensor] = []
    no_decay: list[Tensor] = []
    for name, param in net.named_parameters():
        is_bias = name.rpartition(".")[2] == "bias"
        (no_decay if is_bias or param.ndim < 2 else decay).append(param)
    groups: list[Group] = [
        {"params": decay, "weight_decay": weight_decay},
        {"params": no_decay, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
