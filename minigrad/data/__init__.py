"""Data sets, batches, and the handwritten digits that ship with the package."""

from minigrad.data.collate import default_collate
from minigrad.data.dataset import Dataset, Subset, TensorDataset, random_split
from minigrad.data.digits import Digits, load_digits
from minigrad.data.images import READABLE, read_image
from minigrad.data.loader import DataLoader

__all__ = [
    "READABLE",
    "DataLoader",
    "Dataset",
    "Digits",
    "Subset",
    "TensorDataset",
    "default_collate",
    "load_digits",
    "random_split",
    "read_image",
]
