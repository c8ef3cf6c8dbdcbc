"""A table of vectors, looked up by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.arguments import check_integer
from minigrad.nn import functional, init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter, new_parameter
from minigrad.tensor import Tensor
from minigrad.typing import DTypeLike

__all__ = ["Embedding"]


class Embedding(Module):
    """Look up rows of ``weight``.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table: indices are 0 to ``num_embeddings - 1``.
    embedding_dim : int
        Length of a row.
    padding_idx : int, optional
        A row that starts at zero and gets no gradient; negative counts from the end.
    device : str or Device, optional
    dtype : dtype, optional
        Of the table; default float32.

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)
        Starts from N(0, 1), as in PyTorch.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: DTypeLike = None,
    ) -> None:
        super().__init__()
        check_integer("Embedding", "num_embeddings", num_embeddings)
        check_integer("Embedding", "embedding_dim", embedding_dim)
        if num_embeddings < 0 or embedding_dim < 0:
            raise ValueError(
                f"Embedding: num_embeddings and embedding_dim must be >= 0, got {num_embeddings} "
                f"and {embedding_dim}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = functional.row_of_padding(padding_idx, num_embeddings)
        self.weight = new_parameter((num_embeddings, embedding_dim), device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            np.copyto(self.weight.array[self.padding_idx], 0)

    def forward(self, indices: Any) -> Tensor:
        """Return the rows at ``indices``.

        Parameters
        ----------
        indices : Tensor, any shape, integer

        Returns
        -------
        Tensor, shape (*indices.shape, embedding_dim)
        """
        return functional.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """Return the sizes."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else f"{text}, padding_idx={self.padding_idx}"
