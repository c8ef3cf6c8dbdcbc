"""What a valid call is, and the list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim, testing, train
from minigrad.nn import functional as F  # noqa: N812 - the name that everyone gives it
from minigrad.nn import init, parametrize
from minigrad.optim import lr_scheduler
from minigrad.testing import examples, identities, implementations, mutants

__all__ = ["ROOTS", "SUBJECTS", "Subject", "add", "b", "i", "spd", "t"]


@dataclass(frozen=True)
class Subject:
    """One function and how it is called.

    Attributes
    ----------
    name : str
        Module and name.
    function : callable
    arguments : callable
        Returns the positional arguments, new ones each time.
    keywords : mapping
        The keyword arguments.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[], tuple[Any, ...]]
    keywords: Mapping[str, Any]


def t(*shape: int, dtype: Any = np.float64, grad: bool = True) -> mg.Tensor:
    """Return a Tensor of values between 0 and 1, all different."""
    size = int(np.prod(shape))
    values = (np.arange(1.0, size + 1.0) / (size + 1.0)).reshape(shape).astype(dtype)
    return mg.Tensor(values, requires_grad=grad)


def i(*values: int) -> mg.Tensor:
    return mg.tensor(list(values))


def b(*shape: int) -> mg.Tensor:
    return mg.Tensor(np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0)


def spd() -> mg.Tensor:
    """Return a symmetric positive definite matrix."""
    return mg.Tensor(np.array([[2.0, 0.5], [0.5, 1.0]]), requires_grad=True)


SUBJECTS: list[Subject] = []


def add(owner: str, names: str, arguments: Callable[[], tuple[Any, ...]], **keywords: Any) -> None:
    """Append subjects that take the same arguments."""
    root: Any = ROOTS[owner]
    SUBJECTS.extend(
        Subject(f"{owner}.{name}", getattr(root, name), arguments, keywords)
        for name in names.split()
    )


ROOTS: dict[str, Any] = {
    "mg": mg,
    "linalg": mg.linalg,
    "Tensor": mg.Tensor,
    "Module": nn.Module,
    "F": F,
    "init": init,
    "parametrize": parametrize,
    "nn": nn,
    "optim": optim,
    "lr_scheduler": lr_scheduler,
    "data": data,
    "testing": testing,
    "examples": examples,
    "identities": identities,
    "implementations": implementations,
    "mutants": mutants,
    "train": train,
}
