"""The recorded graph as something to look at: a table of ops, or a drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from minigrad.autograd import collect_nodes
from minigrad.engine import Node
from minigrad.errors import AutogradError, DTypeError
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Graph", "graph_of"]


def graph_of(
    outputs: Tensor | Sequence[Tensor], params: Mapping[str, Tensor] | None = None
) -> Graph:
    """Return the graph behind ``outputs``: every op that a backward pass would visit.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        Each requires a gradient.
    params : mapping of str to Tensor, optional
        Names of leaves: ``dict(net.named_parameters())``.

    Returns
    -------
    Graph
        ``print(graph.summary())`` for a table, ``graph.to_dot()`` for Graphviz.

    Raises
    ------
    AutogradError
        If an output does not require a gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> x = mg.ones((4, 3), requires_grad=True)
    >>> w = mg.ones((3, 2), requires_grad=True)
    >>> print(mg.graph_of((x @ w).tanh().sum(), {"x": x, "w": w}).summary())
    3 ops, 2 leaves of 18 elements, 104 bytes saved (72 of them in leaves)
    <BLANKLINE>
    op      count  saved bytes
    MatMul      1           72
    Tanh        1           32
    Sum         1            0
    <BLANKLINE>
    leaf  shape   dtype
    x     (4, 3)  float32
    w     (3, 2)  float32
    """
    roots = [outputs] if isinstance(outputs, Tensor) else outputs
    return Graph(roots, {} if params is None else params)


class Graph:
    """What was recorded for some outputs, as it was when it was looked at; see `graph_of`.

    Parameters
    ----------
    outputs : sequence of Tensor
        Each requires a gradient.
    params : mapping of str to Tensor
        Names of leaves.

    Attributes
    ----------
    nodes : list of Node
        In the order in which they were recorded.
    leaves : dict of str to Tensor
        By name, in the order of their first use; those that ``params`` does not name are called
        ``leaf 0``, ``leaf 1`` and so on.
    counts : dict of str to int
        How many nodes there are of each op, the most frequent first.
    saved_bytes : int
        Size of the arrays that are kept for backward; memory that several ops keep counts once.
        What a checkpoint computes again and what was freed counts nothing.
    leaf_bytes : int
        The part of it that belongs to leaves, which exist anyway.
    """

    def __init__(self, outputs: Sequence[Tensor], params: Mapping[str, Tensor]) -> None:
        self._outputs = [tensor.node or tensor for tensor in _roots(outputs)]
        if not isinstance(params, Mapping):
            raise DTypeError(
                f"graph_of: params must map names to Tensors, got {type(params).__name__}"
            )
        self.nodes: list[Node] = collect_nodes(self._outputs)[::-1]
        known = {id(tensor): name for name, tensor in params.items()}
        self.leaves: dict[str, Tensor] = {}
        seen: set[int] = set()
        edges = [edge for node in self.nodes for edge in node.edges]
        for edge in [*edges, *self._outputs]:
            if isinstance(edge, Tensor) and id(edge) not in seen:
                seen.add(id(edge))
                self.leaves[known.get(id(edge), f"leaf {len(self.leaves)}")] = edge
        self._saved: dict[str, list[Array]] = {}  # by op
        counts: dict[str, int] = {}
        for node in self.nodes:
            name = node.op.__name__
            counts[name] = counts.get(name, 0) + 1
            self._saved.setdefault(name, []).extend(_saved_arrays(node))
        self.counts = dict(sorted(counts.items(), key=lambda item: -item[1]))
        everything = [array for arrays in self._saved.values() for array in arrays]
        leaves = [leaf.array for leaf in self.leaves.values()]
        self.saved_bytes = _covered(everything)
        self.leaf_bytes = self.saved_bytes + _covered(leaves) - _covered([*everything, *leaves])

    def saved_by(self, op: str) -> int:
        """Return how many bytes the nodes of one op keep, by the name of its class."""
        return _covered(self._saved.get(op, []))

    def summary(self) -> str:
        """Return a table of ops with counts and saved bytes, and one of leaves."""
        elements = sum(leaf.numel() for leaf in self.leaves.values())
        inside = f" ({self.leaf_bytes:,} of them in leaves)" if self.leaf_bytes else ""
        headline = (
            f"{_plural(len(self.nodes), 'op')}, {_plural(len(self.leaves), 'leaf', 'leaves')} of "
            f"{_plural(elements, 'element')}, {_plural(self.saved_bytes, 'byte')} saved{inside}"
        )
        freed = sum(node.saved is None for node in self.nodes)
        if freed:
            headline += f"; {_plural(freed, 'op')} freed by a backward pass"
        dropped = sum(not isinstance(node.saved, list | None) for node in self.nodes)
        if dropped:
            headline += f"; {_plural(dropped, 'op')} in checkpoints"
        ops = [(name, f"{n:,}", f"{self.saved_by(name):,}") for name, n in self.counts.items()]
        leaves = [(name, str(leaf.shape), str(leaf.dtype)) for name, leaf in self.leaves.items()]
        return "\n".join(
            [
                headline,
                "",
                *_table(("op", "count", "saved bytes"), ops, "<>>"),
                "",
                *_table(("leaf", "shape", "dtype"), leaves, "<<<"),
            ]
        )

    def to_dot(self) -> str:
        """Return the graph in Graphviz's DOT language, data flowing down.

        Boxes are ops with the shape of their result, ellipses leaves; outputs have a double border.
        The same graph gives the same text.
        """
        ids: dict[Any, str] = {node: f"op{index}" for index, node in enumerate(self.nodes)}
        lines = ["digraph {", "    node [shape=box];"]
        for index, (name, leaf) in enumerate(self.leaves.items()):
            ids[leaf] = f"leaf{index}"
            lines.append(self._declared(ids, leaf, f"{name}\n{leaf.shape}", "shape=ellipse"))
        lines += [
            self._declared(ids, node, f"{node.op.__name__}\n{node.shape}", "")
            for node in self.nodes
        ]
        lines += [
            f"    {ids[edge]} -> {ids[node]};"
            for node in self.nodes
            for edge in node.edges
            if edge is not None
        ]
        return "\n".join([*lines, "}", ""])

    def _declared(self, ids: Mapping[Any, str], item: Any, label: str, style: str) -> str:
        border = "peripheries=2" if any(item is output for output in self._outputs) else ""
        attributes = ", ".join(filter(None, [f"label={_quoted(label)}", style, border]))
        return f"    {ids[item]} [{attributes}];"

    def __repr__(self) -> str:
        return f"<Graph of {_plural(len(self.nodes), 'op')}>"


def _roots(outputs: Any) -> list[Tensor]:
    """Return outputs that require a gradient, or raise."""
    if not isinstance(outputs, Sequence) or isinstance(outputs, str):
        raise DTypeError(
            "graph_of: outputs must be a Tensor or a sequence of Tensors, got "
            f"{type(outputs).__name__}"
        )
    for position, tensor in enumerate(outputs):
        if not isinstance(tensor, Tensor):
            raise DTypeError(
                "graph_of: outputs must be a Tensor or a sequence of Tensors, got "
                f"{type(tensor).__name__} at position {position}"
            )
        if not tensor.requires_grad:
            raise AutogradError(
                f"graph_of: output {position} does not require a gradient, so nothing was "
                f"recorded; got shape {tensor.shape}, {tensor.dtype}"
            )
    return list(outputs)


def _saved_arrays(node: Node) -> list[Array]:
    saved = node.saved if isinstance(node.saved, list) else []
    return [value for value in [*saved, *(node.extra or ())] if isinstance(value, np.ndarray)]


def _covered(arrays: Iterable[Array]) -> int:
    """Return how many bytes the arrays span, each byte once."""
    total, end = 0, -math.inf
    for low, high in sorted(byte_bounds(array) for array in arrays if array.size):
        if high > end:
            total += high - int(max(low, end))
            end = high
    return total


def _plural(count: int, word: str, words: str | None = None) -> str:
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]], alignment: str) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(
            f"{cell:{align}{width}}"
            for cell, align, width in zip(row, alignment, widths, strict=True)
        ).rstrip()
        for row in (header, *rows)
    ]


def _quoted(label: str) -> str:
    """Return a label as a string of DOT; a line break is an escape there."""
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\r", "").replace("\n", "\\n") + '"'
