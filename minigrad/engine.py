"""How an op is declared and recorded.

An `Op` states its forward function and its gradient rule once, in NumPy's notation. `apply` runs
it in one of three worlds:

1. arrays in, arrays out, nothing recorded: how gradient rules call ops in a plain backward pass;
2. Tensors in, a Tensor out, a `Node` recorded if a gradient may be wanted;
3. the same, called from a gradient rule under ``create_graph=True``: the rule is handed Tensors,
   so whatever it computes is itself recorded and can be differentiated again.

A fused op, whose rule calls a kernel on arrays, names its ``composite``: the same function
written with primitive ops. World 3 differentiates the composite, so every order is right.
`minigrad.autograd` walks back through what is recorded here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np

from minigrad.errors import AutogradError
from minigrad.grad_mode import state
from minigrad.tensor import Tensor, _join_storage, _wrap
from minigrad.typing import Shape

if TYPE_CHECKING:
    from minigrad.hooks import GradientHooks

__all__ = ["OPS", "Edge", "Node", "Op", "apply"]

Edge: TypeAlias = "Node | Tensor | None"
"""Where the gradient of an input goes: the node that made it, the leaf itself, or nowhere."""

OPS: dict[str, type[Op]] = {}
"""Every op that was defined, by its qualified name."""

_sequence = itertools.count()


class Op:
    """A differentiable function: a namespace of two static methods and what the engine must know.

    ``forward(ctx, *inputs, **hyperparameters)`` takes arrays (and Python scalars) and returns an
    array, or a NamedTuple whose first field is the differentiable result and whose other fields
    are plain arrays. ``ctx`` is the `Node` being recorded, or None when nothing is recorded.

    ``backward(ctx, dy, *saved, **hyperparameters)`` takes the upstream gradient and what `saves`
    names, and returns one gradient per input, None where ``ctx.needs`` is False. It is written
    with NumPy functions, operators, indexing, ``.shape``, ``.dtype`` and ``.ndim`` only, because
    it is also run on Tensors. What NumPy cannot say, it says with ``apply(SomeOp, ...)``.

    Attributes
    ----------
    saves : tuple of int or "y"
        What ``backward`` is handed: inputs by index, the output as ``"y"``. Nothing else that is
        floating may be kept, unless the op has a composite (see `Node.extra`).
    broadcasts : bool
        The inputs broadcast, so the engine sums each gradient back to its input's shape.
    bilinear : bool
        The gradient of each input uses only the others: an input is not kept when no other input
        needs a gradient, and ``backward`` receives None in its place.
    view : bool
        The result may share memory with the first input.
    fresh : bool
        Every gradient that ``backward`` returns is newly allocated and referenced by nothing
        else, so the engine may keep it, and add to it, without a copy.
    composite : callable or None
        ``composite(ctx, *inputs, **hyperparameters)``, the same function of Tensors, written with
        primitive ops. `saves` then names every input that the composite needs. ``ctx`` is the
        recorded node, or None when there is none.
    addends : tuple of int
        Inputs that are added to the result, so that no gradient depends on their values: they need
        not be in `saves`, and the composite is handed zeros in their place.
    """

    saves: ClassVar[tuple[int | Literal["y"], ...]] = ()
    broadcasts: ClassVar[bool] = False
    bilinear: ClassVar[bool] = False
    view: ClassVar[bool] = False
    fresh: ClassVar[bool] = False
    composite: ClassVar[Callable[..., Any] | None] = None
    addends: ClassVar[tuple[int, ...]] = ()
    forward: ClassVar[Callable[..., Any]]
    backward: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls) -> None:
        """Register the op under its qualified name."""
        OPS[f"{cls.__module__}.{cls.__qualname__}"] = cls


class Node:
    """One recorded application of an op: the ``ctx`` of its forward and backward.

    Attributes
    ----------
    op : type of Op
    kwargs : dict
        The hyperparameters.
    shape, dtype
        Of the result.
    needs : sequence of bool
        For each input, whether its gradient is wanted: by anyone, or, while `grad` runs, by it.
    extra : tuple or None
        What ``forward`` keeps for ``backward`` beyond `Op.saves`. Integer and boolean arrays are
        always allowed; floating arrays only for an op with a composite, because they would
        silently be constants at second order. The engine refuses others.
    saved : iterable or None
        What `Op.saves` names, for ``backward``: a list, or what a checkpoint has left in its
        place, which computes it when it is iterated over. None once it was freed.
    hooks : GradientHooks or None
        What is to happen to the gradient of the result.
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "edges",
        "extra",
        "hooks",
        "kwargs",
        "needs",
        "op",
        "saved",
        "sequence",
        "shape",
        "versions",
    )

    op: type[Op]
    kwargs: dict[str, Any]
    edges: list[Edge]
    shape: Shape
    dtype: np.dtype[Any]
    needs: Sequence[bool]
    saved: Iterable[Any] | None
    versions: list[tuple[list[Any], int, int | Literal["y"]]]  # counter, version, of which entry
    extra: tuple[Any, ...] | None
    hooks: GradientHooks | None
    sequence: int

    def __init__(
        self, op: type[Op], kwargs: dict[str, Any], edges: list[Edge], needs: list[bool]
    ) -> None:
        self.op = op
        self.kwargs = kwargs
        self.edges = edges
        self.needs = needs
        self.sequence = next(_sequence)
        self.saved = []
        self.versions = []
        self.extra = None
        self.hooks = None

    def shape_of(self, index: int) -> Shape:
        """Return the shape of an input that requires a gradient."""
        return self._edge(index).shape

    def dtype_of(self, index: int) -> np.dtype[Any]:
        """Return the dtype of an input that requires a gradient."""
        return self._edge(index).dtype

    def _edge(self, index: int) -> Node | Tensor:
        edge = self.edges[index]
        if edge is None:
            raise AutogradError(
                f"{self.op.__name__}: input {index} needs no gradient, so nothing of it is kept; "
                "test ctx.needs first"
            )
        return edge

    def __repr__(self) -> str:
        return f"<{self.op.__name__}Backward>"


def apply(op: type[Op], *inputs: Any, **kwargs: Any) -> Any:
    """Run ``op`` on arrays or Tensors, and record it where a gradient may be wanted.

    Parameters
    ----------
    op : type of Op
    *inputs : Tensor, ndarray or Python scalar
        The op's positional arguments; ``None`` for an optional one that is absent.
    **kwargs
        The op's hyperparameters.

    Returns
    -------
    Tensor or ndarray
        What ``op.forward`` returns. If an input is a Tensor, its array (of a NamedTuple, the
        first field) is wrapped in a Tensor.
    """
    arrays: list[Any] = []
    edges: list[Edge] = []
    needs: list[bool] = []
    any_tensor = False
    recorded = 0  # inputs that require a gradient
    for value in inputs:
        if isinstance(value, Tensor):
            any_tensor = True
            arrays.append(value.array)
            if value._requires_grad:
                recorded += 1
                edges.append(value.node or value)
                needs.append(True)
                continue
        else:
            arrays.append(value)
        edges.append(None)
        needs.append(False)
    if not any_tensor:
        return op.forward(None, *inputs, **kwargs)

    node = Node(op, kwargs, edges, needs) if recorded and state.recording else None
    result = op.forward(node, *arrays, **kwargs)
    if type(result) is np.ndarray:
        tensor = _wrap(result, node)
        array = result
    else:
        # A NumPy scalar, where NumPy means an array of rank 0, or a NamedTuple of several results.
        array = result[0] if isinstance(result, tuple) else np.asarray(result)
        tensor = _wrap(array, node)
    if node is not None:
        node.shape = array.shape
        node.dtype = array.dtype
        if op.saves:
            _save(node, inputs, arrays, tensor, op.bilinear and recorded == 1)
        if node.extra is not None:
            _check_extra(node)
    if op.view and isinstance(inputs[0], Tensor) and np.may_share_memory(array, arrays[0]):
        _join_storage(tensor, inputs[0])
    if state.observers:
        for observe in state.observers:
            observe(op, node, inputs, kwargs, tensor)
    return type(result)(tensor, *result[1:]) if isinstance(result, tuple) else tensor


def _save(
    node: Node, inputs: tuple[Any, ...], arrays: list[Any], output: Tensor, single: bool
) -> None:
    """Keep what the op declares, with the version that each Tensor has now.

    ``single``: the op is bilinear and one input alone needs a gradient, which does not use it.
    """
    saved: list[Any] = []
    versions = node.versions
    for entry in node.op.saves:
        if entry == "y":
            saved.append(output.array)
            versions.append((output.counter, 0, entry))
        elif single and node.edges[entry] is not None:
            saved.append(None)
        else:
            saved.append(arrays[entry])
            value = inputs[entry]
            if isinstance(value, Tensor):
                counter = value.counter
                versions.append((counter, counter[0], entry))
    node.saved = saved


def _check_extra(node: Node) -> None:
    """Refuse to keep floating arrays that would be constants at second order."""
    op = node.op
    if op.composite is not None:
        return
    for array in node.extra or ():
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            raise AutogradError(
                f"{op.__name__} keeps a floating array beyond its `saves` and has no composite: "
                "it would be a constant at second order. Name it in `saves`, or give the op a "
                "composite."
            )
