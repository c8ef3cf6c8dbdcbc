"""Multilayer perceptrons, with or without batch normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from minigrad import nn
from minigrad.tensor import Tensor

__all__ = ["ACTIVATIONS", "MLP"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
"""Activations by the names that `MLP` takes."""


class MLP(nn.Module):
    """Linear layers with batch normalisation and an activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Features of the input, of each hidden layer, and of the output.
    batch_norm : bool
        Normalise before each activation. A linear layer that is normalised has no bias: the mean
        that is subtracted would take it out again (Ioffe & Szegedy, 2015, section 3.2).
    activation : str
        One of `ACTIVATIONS`.

    Raises
    ------
    ValueError
        If there are fewer than two sizes, one is below 1, or the activation is unknown.

    Examples
    --------
    >>> import minigrad as mg
    >>> net = mg.models.MLP([64, 128, 10])
    >>> net(mg.zeros(3, 1, 8, 8)).shape
    (3, 10)
    """

    def __init__(
        self, sizes: Sequence[int], *, batch_norm: bool = True, activation: str = "relu"
    ) -> None:
        super().__init__()
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"MLP: expected at least two sizes >= 1, got {list(sizes)}")
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"MLP: activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}"
            )
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise(sizes[:-1]):
            layers.append(nn.Linear(inputs, outputs, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            layers.append(ACTIVATIONS[activation]())
        layers.append(nn.Linear(sizes[-2], sizes[-1]))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Any) -> Tensor:
        """Compute the outputs, logits for a classifier.

        Parameters
        ----------
        x : Tensor, shape (N, ...) with ``sizes[0]`` values per sample

        Returns
        -------
        Tensor, shape (N, sizes[-1])
        """
        output: Tensor = self.layers(x)
        return output
