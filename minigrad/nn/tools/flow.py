"""Which layer's output goes to which layer: found by running a net and watching its Tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from minigrad.grad_mode import Observer, no_grad, state
from minigrad.nn.module import Module
from minigrad.nn.tools.layers import same_randomness
from minigrad.tensor import Tensor

__all__ = ["Run", "tensors_in", "watched_run"]

Question = Callable[[Module], bool]


class Run:
    """What was seen when a net ran once.

    Attributes
    ----------
    outputs : dict of str to Tensor
        The output of each watched module, by path; of its last call.
    results : list of Tensor
        What the net returned.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.results: list[Tensor] = []
        self.calls: dict[str, int] = {}
        self._made: dict[int, tuple[Tensor, str, int]] = {}  # by the id of the Tensor, kept alive
        self._inputs: list[tuple[str, Tensor, int, bool]] = []
        self._uses: dict[str, list[str]] = {}
        self._inside: list[str] = []

    def pairs(self) -> list[tuple[str, str]]:
        """Return (layer, norm) where the output of the one is the input of the other.

        Raises
        ------
        ValueError
            If either was called twice, or more than the norm uses the layer's output.
        """
        found = []
        for norm, x, version, alone in self._inputs:
            if id(x) not in self._made:
                continue
            _, layer, made_as = self._made[id(x)]
            for path in (layer, norm):
                if self.calls[path] > 1:
                    raise _refusal(path, "be called once", f"{self.calls[path]} calls")
            if version != made_as:
                raise _refusal(layer, "hand on its output", "a change of it in place")
            if not alone:
                raise _refusal(norm, "be given its input alone", "more arguments")
            uses = [use for use in self._uses.get(layer, []) if use != f"layer {norm!r}"]
            if any(result is x for result in self.results):
                uses.append("what the net returns")
            if uses:
                raise _refusal(layer, f"be used by {norm!r} alone", f"also {', '.join(uses)}")
            found.append((layer, norm))
        return found

    # -------------------------------------------------------------------------- watching

    def enter(self, path: str) -> None:
        """Note that a module has been called."""
        self._inside.append(path)
        self.calls[path] = self.calls.get(path, 0) + 1

    def leave(self, path: str, output: Any) -> None:
        """Note what it returned."""
        self._inside.pop()
        if isinstance(output, Tensor):
            self.outputs[path] = output

    def made(self, path: str, output: Any) -> None:
        """Note the output of a layer."""
        if isinstance(output, Tensor):
            self._made[id(output)] = output, path, output.counter[0]

    def taken(self, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note the input of a norm."""
        values = (*args, *kwargs.values())
        if values and isinstance(values[0], Tensor):
            self._inputs.append((path, values[0], values[0].counter[0], len(values) == 1))

    def observe(
        self, op: Any, node: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        """Note which op uses the output of a layer: told of every op."""
        inside = self._inside[-1] if self._inside else None
        for value in inputs:
            if id(value) in self._made:
                layer = self._made[id(value)][1]
                use = f"op {op.__name__}" if inside is None else f"layer {inside!r}"
                self._uses.setdefault(layer, []).append(use)


def watched_run(net: Module, args: tuple[Any, ...], is_layer: Question, is_norm: Question) -> Run:
    """Run a net, without recording, and return what was seen of its layers and norms."""
    run = Run()
    with ExitStack() as ends:
        ends.enter_context(no_grad())
        ends.enter_context(same_randomness())
        ends.enter_context(_observed(run.observe))
        for path, module in net.named_modules():
            if is_layer(module) or is_norm(module):
                for handle in _watch(run, path, module, is_layer(module)):
                    ends.callback(handle.remove)
        run.results = list(tensors_in(net(*args)))
    return run


def _watch(run: Run, path: str, module: Module, is_layer: bool) -> Iterator[Any]:
    def before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not is_layer:
            run.taken(path, args, kwargs)
        run.enter(path)

    def after(module: Module, args: tuple[Any, ...], output: Any) -> None:
        run.leave(path, output)
        if is_layer:
            run.made(path, output)

    yield module.register_forward_pre_hook(before, with_kwargs=True)
    yield module.register_forward_hook(after)


@contextmanager
def _observed(observer: Observer) -> Iterator[None]:
    before = state.observers
    state.observers = (*before, observer)
    try:
        yield
    finally:
        state.observers = before


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the Tensors in what a net returned: a Tensor, or sequences and mappings of them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)


def _refusal(path: str, expected: str, received: str) -> ValueError:
    return ValueError(
        f"fold_batch_norm: layer {path!r} must {expected} for batch normalisation to be folded, "
        f"got {received}"
    )
