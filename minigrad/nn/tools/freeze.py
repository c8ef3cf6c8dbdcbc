"""Freeze the batch normalisation of a net, for fine-tuning on small batches or other data."""

from __future__ import annotations

from minigrad.nn.module import Module
from minigrad.nn.tools.layers import batch_norm_layers

__all__ = ["freeze_batch_norm", "unfreeze_batch_norm"]


def freeze_batch_norm(net: Module, *, parameters: bool = False) -> int:
    """Freeze every batch normalisation layer of a net, whatever `Module.train` does later.

    A frozen layer normalises by its running statistics, as in evaluation, and does not update
    them.

    Parameters
    ----------
    net : Module
    parameters : bool
        Also stop learning weight and bias of these layers.

    Returns
    -------
    int
        How many layers are frozen now.

    Raises
    ------
    DTypeError
        If ``net`` is not a Module.
    ValueError
        If it has no batch normalisation, or a layer has no running statistics to normalise by;
        no layer is changed then.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.nn.Sequential(mg.nn.Linear(4, 3), mg.nn.BatchNorm1d(3))
    >>> _ = net(mg.randn(8, 4))
    >>> mg.nn.freeze_batch_norm(net)
    1
    >>> _ = net.train()(mg.ones(1, 4))  # one sample will do
    >>> net[1].num_batches_tracked.item()
    1
    """
    layers = batch_norm_layers("freeze_batch_norm", net)
    for path, layer in layers.items():
        if layer.running_mean is None or layer.running_var is None:
            raise ValueError(
                f"freeze_batch_norm: layer {path!r} has no running statistics to normalise by, "
                "got track_running_stats=False; no layer was frozen"
            )
    for layer in layers.values():
        layer.freeze(parameters=parameters)
    return len(layers)


def unfreeze_batch_norm(net: Module) -> int:
    """Let every frozen batch normalisation layer of a net train again, parameters included.

    Parameters
    ----------
    net : Module

    Returns
    -------
    int
        How many layers were frozen until now.

    Raises
    ------
    DTypeError
        If ``net`` is not a Module.
    ValueError
        If it has no batch normalisation, or none of it is frozen.
    """
    layers = batch_norm_layers("unfreeze_batch_norm", net)
    frozen = [layer for layer in layers.values() if layer.frozen]
    if not frozen:
        raise ValueError(
            f"unfreeze_batch_norm: expected a net with frozen layers, got {type(net).__name__} "
            f"whose {len(layers)} batch normalisation layers are not frozen"
        )
    for layer in frozen:
        layer.unfreeze()
    return len(frozen)
