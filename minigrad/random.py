"""Seeded random numbers: one generator type for initialisation, dropout and shuffling."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from minigrad.errors import DTypeError, FormatError

__all__ = ["Generator", "default_generator", "manual_seed"]


class Generator:
    """A stream of random numbers that can be seeded, saved and restored.

    Parameters
    ----------
    seed : int, optional
        Non-negative. Default: drawn from the operating system.

    Attributes
    ----------
    numpy : numpy.random.Generator
        What draws; a PCG64 stream.

    Examples
    --------
    >>> import minigrad as mg
    >>> generator = mg.Generator(0)
    >>> mg.rand(2, generator=generator)
    tensor([0.8506..., 0.6369...])
    """

    def __init__(self, seed: int | None = None) -> None:
        self.numpy: np.random.Generator
        self._initial_seed = 0
        if seed is None:
            self.seed()
        else:
            self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream that belongs to ``seed``, a non-negative integer."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"a seed must be a non-negative integer, got {seed!r}")
        self._initial_seed = int(seed)
        self.numpy = np.random.Generator(np.random.PCG64(int(seed)))
        return self

    def seed(self) -> int:
        """Restart with a seed drawn from the operating system, and return it."""
        seed = secrets.randbits(63)
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """Return the seed that this stream started from."""
        return self._initial_seed

    def get_state(self) -> dict[str, Any]:
        """Return where the stream is, as values that JSON can hold."""
        return {"seed": self._initial_seed, "stream": dict(self.numpy.bit_generator.state)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `get_state` returned.

        Raises
        ------
        FormatError
            If ``state`` is not such a value; the stream is unchanged then.
        """
        bits = np.random.PCG64()
        try:
            seed = int(state["seed"])
            bits.state = state["stream"]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"expected the state of a minigrad.Generator (from get_state), got {state!r}"
            ) from error
        self._initial_seed = seed
        self.numpy = np.random.Generator(bits)


default_generator = Generator(0)
"""What draws where no generator is given."""


def generator_or_default(generator: Any) -> Generator:
    """Return ``generator``, or the default one for None.

    Raises
    ------
    DTypeError
        If it is something else.
    """
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise DTypeError(
            f"generator must be a minigrad.Generator or None, got {type(generator).__name__}"
        )
    return generator


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and return it."""
    return default_generator.manual_seed(seed)
