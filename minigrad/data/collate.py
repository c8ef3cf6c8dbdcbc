"""From a list of samples to a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.tensor import Tensor, as_tensor

__all__ = ["default_collate"]


def default_collate(samples: Sequence[Any]) -> Any:
    """Stack samples along a new first axis.

    Parameters
    ----------
    samples : sequence
        At least one; all of the same structure: Tensors, arrays or numbers, or tuples, lists or
        dictionaries of these.

    Returns
    -------
    Tensor, or tuple, list or dict of Tensors
        In the structure of one sample. Python floats become float32, integers int64.

    Raises
    ------
    ShapeError
        If samples differ in shape, or in the number of their entries.
    TypeError
        If a sample is nothing of the above.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.data.default_collate([(0.5, 1), (1.5, 2)])
    (tensor([0.5, 1.5]), tensor([1, 2]))
    """
    if not isinstance(samples, Sequence) or not samples:
        raise TypeError(f"expected a sequence of one sample or more, got {samples!r}")
    first = samples[0]
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, (tuple, list)):
        lengths = sorted({len(sample) for sample in samples})
        if len(lengths) > 1:
            raise ShapeError(f"samples of a batch must have as many entries, got {lengths}")
        columns = [default_collate(column) for column in zip(*samples, strict=True)]
        return columns if isinstance(first, list) else tuple(columns)
    if not isinstance(first, (Tensor, np.ndarray, np.generic, bool, int, float)):
        raise TypeError(
            f"cannot make a batch of {type(first).__name__}: expected Tensors, arrays, numbers, "
            "or tuples, lists or dicts of these; give the DataLoader a collate_fn"
        )
    arrays = [as_tensor(sample).array for sample in samples]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise ShapeError(
            f"samples of a batch must have the same shape, got {shapes}; pad or crop them, or "
            "give the DataLoader a collate_fn"
        )
    return Tensor(np.stack(arrays))
