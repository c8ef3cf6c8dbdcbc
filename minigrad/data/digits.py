"""The handwritten digits that ship with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import numpy as np

from minigrad.data.dataset import TensorDataset
from minigrad.tensor import Tensor

__all__ = ["DIGITS_LEVELS", "Digits", "load_digits"]

DIGITS_LEVELS = 16
"""What a pixel of the digits counts up to; `load_digits` divides by it."""


class Digits(NamedTuple):
    """The two parts of the digits."""

    train: TensorDataset
    test: TensorDataset


def load_digits() -> Digits:
    """Load 1797 handwritten digits of 8x8 pixels, split for training and testing.

    Returns
    -------
    Digits
        ``train`` (1438 samples) and ``test`` (359, a fixed fifth of each class). A sample is an
        image, float32 of shape (1, 8, 8), ink from 0 (none) to 1, and its label, int64, 0 to 9.

    Notes
    -----
    A pixel is stored as a whole number from 0 to 16 and divided by 16 here, which is exact.
    `minigrad/data/files/README.md` says more of the split and the licence.

    References
    ----------
    .. [1] Alpaydin & Kaynak, 1998, "Optical Recognition of Handwritten Digits", UCI Machine
       Learning Repository, doi:10.24432/C50P49. CC BY 4.0.

    Examples
    --------
    >>> import minigrad as mg
    >>> digits = mg.data.load_digits()
    >>> len(digits.train), len(digits.test), digits.test[0][0].shape
    (1438, 359, (1, 8, 8))
    """
    source = files("minigrad.data").joinpath("files", "digits.npz")
    with source.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        images, labels, is_test = (archive[name] for name in ("images", "labels", "is_test"))
    # (N, 8, 8) -> (N, 1, 8, 8)
    pixels = images[:, np.newaxis].astype(np.float32) / np.float32(DIGITS_LEVELS)
    targets = labels.astype(np.int64)
    train, test = (
        TensorDataset(Tensor(pixels[part]), Tensor(targets[part])) for part in (~is_test, is_test)
    )
    return Digits(train, test)
