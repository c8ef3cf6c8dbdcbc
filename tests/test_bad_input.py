"""Every public function refuses what it cannot take: named errors, nothing changed, no warnings.

Each argument of each valid call in ``tests/bad_input`` is replaced, one at a time, by
what ``tests/bad_input/corruptions.py`` has for its kind. The contract:

- there is a result, as from NumPy or PyTorch, or an error that minigrad raises on purpose: its own,
  TypeError, ValueError, or IndexError, KeyError and AttributeError where PyTorch has them;
- the message says what was received;
- what no function can take is refused;
- after an error, arguments, gradients, parameters, buffers, generators and
  optimisers are as before;
- no warnings, but NumPy's about floating-point numbers for huge, tiny and special values.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.nn import Module
from tests.bad_input.contract import complaint
from tests.bad_input.corruptions import Corruption, corruptions_of, wrong_axes
from tests.bad_input.edges import REFUSED, RESULTS
from tests.bad_input.exemptions import ACCEPTED, EXEMPT
from tests.bad_input.subjects import ROOTS, SUBJECTS, Subject


def public_names() -> set[str]:
    """Return every public function, method, constructor and forward."""
    names = set()
    for owner, root in ROOTS.items():
        if inspect.isclass(root):
            members = [n for n in dir(root) if not n.startswith("_")]
            found = [n for n in members if inspect.isfunction(inspect.getattr_static(root, n))]
        else:
            found = [n for n in root.__all__ if callable(getattr(root, n))]
        names |= {f"{owner}.{name}" for name in found}
        names |= {f"nn.{n}.forward" for n in found if owner == "nn" and is_layer(getattr(root, n))}
    return names


def is_layer(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Module) and value is not Module


def test_every_public_function_is_swept() -> None:
    swept = {subject.name for subject in SUBJECTS}
    missing = sorted(public_names() - swept - EXEMPT.keys())
    assert not missing, (
        f"without a valid call to spoil: {missing}; add one to tests/bad_input, or the name "
        "with a reason to its exemptions.py"
    )
    special = {"Tensor.__getitem__", "Tensor.__setitem__"}
    unknown = sorted((swept | EXEMPT.keys()) - public_names() - special)
    assert not unknown, f"not public any more: {unknown}"
    assert not swept & EXEMPT.keys(), "swept and exempt"


def test_what_is_accepted_is_a_place_of_a_subject() -> None:
    places = {
        (subject.name, place, corruption.name)
        for subject in SUBJECTS
        for place, corruption in spoilings(subject)
    }
    assert ACCEPTED.keys() <= places


def spoilings(subject: Subject) -> Iterator[tuple[int | str, Corruption]]:
    """Yield each argument of a subject's call with each value that takes its place."""
    arguments = subject.arguments()
    names = list(inspect.signature(subject.function).parameters)
    for position, value in enumerate(arguments):
        is_axis = names[position : position + 1] in AXES
        for corruption in chain(corruptions_of(value), wrong_axes() if is_axis else ()):
            if position == 0 and belongs_to_first(subject) and not fits_as_self(corruption):
                continue
            yield position, corruption
    for name, value in subject.keywords.items():
        for corruption in chain(corruptions_of(value), wrong_axes() if [name] in AXES else ()):
            yield name, corruption


AXES = [[name] for name in ("dim", "dim0", "dim1", "dim2", "axis0", "axis1")]


def belongs_to_first(subject: Subject) -> bool:
    """Whether the first argument is the object that a method belongs to."""
    return subject.name.startswith(("Tensor.", "Module.")) or subject.name.endswith(".forward")


def fits_as_self(corruption: Corruption) -> bool:
    return isinstance(corruption.value, mg.Tensor)


@pytest.mark.parametrize(
    "subject", SUBJECTS, ids=[f"{i}-{subject.name}" for i, subject in enumerate(SUBJECTS)]
)
def test_one_wrong_argument(subject: Subject) -> None:
    subject.function(*subject.arguments(), **subject.keywords)  # valid
    complaints = []
    for place, corruption in spoilings(subject):
        arguments, keywords = list(subject.arguments()), dict(subject.keywords)
        if isinstance(place, int):
            arguments[place] = corruption.value
        else:
            keywords[place] = corruption.value
        given = (arguments, list(keywords.values()), mg.default_generator)
        call = partial(subject.function, *arguments, **keywords)
        found = complaint(call, corruption, given)
        accepted = (subject.name, place, corruption.name) in ACCEPTED
        if accepted:
            assert found == "took what no function may take", f"refused, but in ACCEPTED: {found}"
        elif found is not None:
            complaints.append(f"argument {place!r}, {corruption.name}: {found}")
    assert not complaints, f"{subject.name}:\n" + "\n".join(complaints)


@pytest.mark.parametrize(("function", "arguments", "expected"), RESULTS)
def test_results_of_nothing_of_one_and_of_extremes(
    function: Callable[..., Any], arguments: tuple[Any, ...], expected: Any
) -> None:
    """Also of what requires a gradient, and without a warning."""
    for recorded in (False, True):
        found = function(*[with_gradient(value) if recorded else value for value in arguments])
        pairs = (
            zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
        )
        for left, right in pairs:
            array = np.asarray(left.detach() if isinstance(left, mg.Tensor) else left)
            assert array.shape == np.shape(right)
            np.testing.assert_allclose(array, right, rtol=1e-6)


def with_gradient(value: Any) -> Any:
    floating = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return mg.Tensor(value, requires_grad=True) if floating else value


@pytest.mark.parametrize(("function", "arguments", "error", "match"), REFUSED)
def test_what_has_no_result(
    function: Callable[..., Any], arguments: tuple[Any, ...], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        function(*arguments)
