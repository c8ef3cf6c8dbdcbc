"""Einstein's summation: products of any number of arrays, summed over named axes.

An equation is brought into a form in which every letter is at two places or more, of the operands
and the output: diagonals are taken, axes of length one that broadcast are dropped, and what one
operand alone has is summed. What remains are contractions of two operands at a time.
"""

from __future__ import annotations

import functools
import operator
import string
from collections import Counter
from typing import Any

import numpy as np

from minigrad.engine import apply
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.contraction import Contract, TakeDiagonal
from minigrad.ops.promotion import cast, result_type
from minigrad.ops.reduce import sum as add_along
from minigrad.ops.shape import permute, reshape
from minigrad.registry import implements, public
from minigrad.tensor import Tensor, as_tensor
from minigrad.typing import Shape

__all__ = ["einsum"]

_LETTERS = string.ascii_uppercase + string.ascii_lowercase


@public
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Multiply Tensors and sum over axes, as an equation of letters says.

    Parameters
    ----------
    equation : str
        A letter per axis for each operand, separated by commas: ``"ij,jk->ik"``. What comes
        after the arrow are the axes of the result, in their order; the product is summed over
        all other letters. Without an arrow, the result has the axes of the ellipsis and then the
        letters that occur once, in the order of the alphabet (upper case first). A letter twice
        in one operand takes its diagonal. ``...`` stands for further axes, which broadcast
        against those of other operands, and are summed if the result does not name them.
        Spaces do not count.
    *operands : Tensor
        One per term. Dtypes are promoted. Axes of one letter have one length, or 1, which
        broadcasts.

    Returns
    -------
    Tensor
        A view of the operand if there is one only and nothing is summed.

    Raises
    ------
    ShapeError
        If an operand has another number of axes than its term, or lengths of a letter differ.
    DTypeError
        If operands are booleans.
    ValueError
        If the equation is malformed or has another number of terms than there are operands.

    Notes
    -----
    NumPy's other form, ``einsum(x, [0, 1], y, [1, 2], [0, 2])``, works as well.

    Three operands or more are contracted two at a time, in the order that `numpy.einsum_path`
    finds with its greedy method; each contraction is a matrix product where it can be.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.einsum("ij,j->i", x, mg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    >>> mg.einsum("ii", x)  # the trace
    tensor(5.)
    """
    if not isinstance(equation, str):
        equation, operands = _from_sublists((equation, *operands))
    dtype = result_type(*operands) if operands else None
    tensors = [as_tensor(operand, dtype) for operand in operands]
    if dtype is not None and dtype.kind == "b":
        raise DTypeError("einsum of booleans: expected numbers; convert with .long() or .float()")
    terms, output = _parse(equation, tuple([tensor.ndim for tensor in tensors]))
    return _contract_all(*_simplify(equation, list(terms), output, tensors), output)


def _from_sublists(arguments: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """Return NumPy's form of operands and lists of integers in turn as an equation."""
    operands, sublists = arguments[: len(arguments) // 2 * 2 : 2], arguments[1::2]
    terms = [_term(sublist) for sublist in sublists]
    equation = ",".join(terms)
    if len(arguments) % 2:
        equation += f"->{_term(arguments[-1])}"
    return equation, operands


def _term(sublist: Any) -> str:
    try:
        return "".join(
            "..." if entry is Ellipsis else _LETTERS[operator.index(entry)] for entry in sublist
        )
    except (TypeError, IndexError):
        raise ValueError(
            "einsum: expected an equation such as 'ij,jk->ik', or operands and lists of integers "
            f"from 0 to {len(_LETTERS) - 1} in turn, got {sublist!r}"
        ) from None


@functools.lru_cache(maxsize=512)
def _parse(equation: str, ranks: Shape) -> tuple[tuple[str, ...], str]:
    """Return the letters of each operand and of the output, ellipses written out."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    for term in [*terms, right]:
        foreign = [c for c in term.replace("...", "", 1) if c not in _LETTERS]
        if foreign:
            raise ValueError(
                f"einsum: {foreign[0]!r} in {equation!r}; expected letters, commas, one '->' and "
                "'...' once per term"
            )
    if len(terms) != len(ranks):
        raise ValueError(
            f"einsum: expected an operand for each of the {len(terms)} terms of {equation!r}, got "
            f"{len(ranks)}"
        )
    longest = 0
    for position, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        named = len(term.replace("...", ""))
        if named > rank or (named < rank and "..." not in term):
            raise ShapeError(
                f"einsum: operand {position} has {rank} axes, but {term!r} of {equation!r} names "
                f"{named}"
            )
        longest = max(longest, rank - named if "..." in term else 0)
    free = [letter for letter in _LETTERS if letter not in equation]
    if longest > len(free):
        raise ValueError(f"einsum: {equation!r} with these operands needs more than 52 letters")
    ellipsis = "".join(free[:longest])
    counts = Counter(left)
    if not arrow:
        right = "..." + "".join(c for c in sorted(counts) if c in _LETTERS and counts[c] == 1)
    for letter in right.replace("...", ""):
        if right.count(letter) > 1 or not counts[letter]:
            fault = "is there twice" if counts[letter] else "is of no operand"
            raise ValueError(f"einsum: {letter!r} in the output of {equation!r} {fault}")
    written = []
    for term, rank in zip(terms, ranks, strict=True):
        own = rank - len(term.replace("...", ""))
        written.append(term.replace("...", ellipsis[longest - own :]))  # aligned from the last
    return tuple(written), right.replace("...", ellipsis)


def _simplify(
    equation: str, terms: list[str], output: str, tensors: list[Tensor]
) -> tuple[list[str], list[Tensor]]:
    """Return terms and operands such that each letter is at two places or more."""
    for position, term in enumerate(terms):
        kept = "".join(dict.fromkeys(term))
        if kept != term:
            _check_diagonal(equation, position, term, tensors[position].shape)
            tensors[position] = apply(TakeDiagonal, tensors[position], letters=term, output=kept)
            terms[position] = kept
    lengths = _lengths(equation, terms, tensors)
    for position, term in enumerate(terms):
        x = tensors[position]
        kept = "".join(c for c, size in zip(term, x.shape, strict=True) if size == lengths[c])
        if kept != term:  # what broadcasts multiplies every element, so it needs no axis
            tensors[position] = reshape(x, [lengths[c] for c in kept])
            terms[position] = kept
    counts = Counter("".join([*terms, output]))
    for position, term in enumerate(terms):
        alone = tuple(axis for axis, letter in enumerate(term) if counts[letter] == 1)
        if alone:
            x = tensors[position]
            tensors[position] = cast(add_along(x, alone), x.dtype)
            terms[position] = "".join(c for c in term if counts[c] > 1)
    return terms, tensors


def _check_diagonal(equation: str, position: int, term: str, shape: Shape) -> None:
    for letter in term:
        sizes = {size for c, size in zip(term, shape, strict=True) if c == letter}
        if len(sizes) > 1:
            raise ShapeError(
                f"einsum: {letter!r} of {equation!r} is twice in operand {position}, of shape "
                f"{shape}, with lengths {sorted(sizes)}; expected one length"
            )


def _lengths(equation: str, terms: list[str], tensors: list[Tensor]) -> dict[str, int]:
    """Return how long the axes of each letter are when they have been broadcast."""
    lengths: dict[str, int] = {}
    origin: dict[str, int] = {}  # the operand that said so
    for position, (term, tensor) in enumerate(zip(terms, tensors, strict=True)):
        for letter, size in zip(term, tensor.shape, strict=True):
            known = lengths.get(letter, 1)
            if known == 1:
                lengths[letter], origin[letter] = size, position
            elif size not in (1, known):
                name = repr(letter) if letter in equation else "an axis of '...'"
                first = origin[letter]
                raise ShapeError(
                    f"einsum: {name} of {equation!r} has length {known} in operand {first}, of "
                    f"shape {tensors[first].shape}, and {size} in operand {position}, of shape "
                    f"{tensor.shape}; expected equal lengths, or 1"
                )
    return lengths


def _contract_all(terms: list[str], tensors: list[Tensor], output: str) -> Tensor:
    """Contract two operands at a time until one is left."""
    shapes = tuple([tensor.shape for tensor in tensors])
    for chosen in _path(tuple(terms), shapes, output):
        picked = sorted(chosen, reverse=True)
        group = [(terms.pop(i), tensors.pop(i)) for i in picked]
        term, tensor = group.pop()
        while group:
            other, factor = group.pop()
            needed = {*output, *"".join(terms), *"".join(t for t, _ in group)}
            both = "".join(dict.fromkeys(term + other))
            result = "".join(c for c in both if c in needed)
            if not terms and not group:
                result = output
            tensor = contract(tensor, factor, term, other, result)
            term = result
        terms.append(term)
        tensors.append(tensor)
    if terms[0] == output:
        return tensors[0]
    return permute(tensors[0], [terms[0].index(letter) for letter in output])


@functools.lru_cache(maxsize=512)
def _path(terms: tuple[str, ...], shapes: tuple[Shape, ...], output: str) -> tuple[Shape, ...]:
    """Return the positions of the operands that are contracted in each step."""
    if len(terms) < 3:
        return ((0, 1),) if len(terms) == 2 else ()
    arrays = [np.broadcast_to(0.0, shape) for shape in shapes]  # without elements of their own
    path = np.einsum_path(f"{','.join(terms)}->{output}", *arrays, optimize="greedy")[0]
    return tuple(path[1:])  # after the word "einsum_path"


def contract(a: Tensor, b: Tensor, left: str, right: str, output: str) -> Tensor:
    """Multiply two Tensors and sum over the letters that ``output`` lacks.

    Parameters
    ----------
    a, b : Tensor
        Of one dtype.
    left, right : str
        A letter for each axis of ``a`` and of ``b``; axes of one letter have one length.
    output : str
        Those of the result. Letters of one operand alone must be among them.
    """
    result: Tensor = apply(Contract, a, b, left=left, right=right, output=output)
    return result


@implements(np.einsum)
def _np_einsum(*operands: Any, optimize: Any = False) -> Tensor:
    return einsum(*operands)
