"""The graph as a table and as a drawing."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import AutogradError
from minigrad.graph import Graph, graph_of
from minigrad.tensor import Tensor

DOT_LINE = re.compile(
    r'    (?:node \[shape=box\]|(?P<id>\w+) \[label="(?P<label>(?:[^"\\]|\\.)*)"'
    r"(?P<style>(?:, (?:shape=ellipse|peripheries=2))*)\]"
    r"|(?P<tail>\w+) -> (?P<head>\w+));"
)


def parse(dot: str) -> tuple[dict[str, str], dict[str, str], list[tuple[str, str]]]:
    """Return labels and styles by identifier, and the edges; refuse what is not DOT."""
    first, *lines, last, end = dot.split("\n")
    assert (first, last, end) == ("digraph {", "}", "")
    labels: dict[str, str] = {}
    styles: dict[str, str] = {}
    edges = []
    for line in lines:
        match = DOT_LINE.fullmatch(line)
        assert match, line
        if match["id"]:
            assert match["id"] not in labels
            unescaped = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match["label"])
            labels[match["id"]], styles[match["id"]] = unescaped, match["style"]
        elif match["tail"]:
            edges.append((match["tail"], match["head"]))
    assert {name for edge in edges for name in edge} <= labels.keys()
    return labels, styles, edges


def net_and_output() -> tuple[nn.Module, Tensor]:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    output: Tensor = net(mg.ones((5, 3)))
    return net, output.sum()


def test_summary_of_a_net() -> None:
    net, loss = net_and_output()
    graph = graph_of(loss, params=dict(net.named_parameters()))
    lines = graph.summary().split("\n")
    ops, leaves = lines[2 : 3 + len(graph.counts)], lines[4 + len(graph.counts) :]
    assert [line.split()[0] for line in ops] == ["op", *graph.counts]
    assert [line.split() for line in leaves] == [
        ["leaf", "shape", "dtype"],
        ["0.weight", "(4,", "3)", "float32"],
        ["0.bias", "(4,)", "float32"],
        ["2.weight", "(2,", "4)", "float32"],
        ["2.bias", "(2,)", "float32"],
    ]
    assert sum(graph.counts.values()) == len(graph.nodes)
    assert graph.counts["Tanh"] == 1
    assert f"{len(graph.nodes)} ops, 4 leaves of 26 elements" in lines[0]
    assert repr(graph) == f"<Graph of {len(graph.nodes)} ops>"


def test_nodes_and_leaves_are_in_the_order_of_recording() -> None:
    a, b = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    graph = graph_of([(b.exp() * a).sum(), a.sin().sum()], {"a": a})
    assert [node.op.__name__ for node in graph.nodes] == ["Exp", "Mul", "Sum", "Sin", "Sum"]
    assert list(graph.counts.items()) == [("Sum", 2), ("Exp", 1), ("Mul", 1), ("Sin", 1)]
    assert list(graph.leaves) == ["leaf 0", "a"]
    assert graph.leaves["a"] is a
    assert graph.leaves["leaf 0"] is b


def test_memory_counts_once() -> None:
    x = mg.ones(10, dtype="float64", requires_grad=True)
    h = x * 2.0  # keeps nothing: the factor is a number
    y = h.exp()  # keeps its result, 80 bytes
    z = y.sin() + y[:5].cos().sum() + h.sin()  # y again, a part of y, and h
    graph = graph_of(z.sum())
    assert graph.saved_by("Exp") == 80
    assert graph.saved_by("Sin") == 160
    assert graph.saved_by("Cos") == 40
    assert graph.saved_by("Mul") == 0
    assert graph.saved_by("Tanh") == 0
    assert graph.saved_bytes == 160
    assert graph.leaf_bytes == 0


def test_leaf_memory_is_told_apart() -> None:
    x = mg.ones((4, 3), requires_grad=True)
    w = mg.ones((3, 2), requires_grad=True)
    graph = graph_of((x[1:] @ w).tanh().sum())
    assert graph.saved_bytes == 4 * (9 + 6 + 6)
    assert graph.leaf_bytes == 4 * (9 + 6)
    assert graph.summary().split("\n")[0].endswith("84 bytes saved (60 of them in leaves)")


def test_extra_arrays_count() -> None:
    layer = nn.BatchNorm1d(3)
    x = mg.ones((4, 3), requires_grad=True)
    graph = graph_of(layer(x * 1.0).sum())
    vectors = 2 * 3 * 8  # mean and inverse deviation, float64
    parameters = 3 * 4  # weight; bias is named by the op's saves, too
    assert graph.saved_by("BatchNormTrain") == 4 * 3 * 4 + vectors + 2 * parameters


def test_freed_and_checkpointed() -> None:
    x = mg.ones(10, requires_grad=True)
    y = x.exp().sin().sum()
    y.backward()
    assert "0 bytes saved; 2 ops freed by a backward pass" in graph_of(y).summary()
    y = mg.checkpoint(lambda x: x.exp().sin().sum(), x)
    summary = graph_of(y).summary()
    assert "0 bytes saved; 2 ops in checkpoints" in summary
    y.backward()  # the look at it has computed nothing
    assert x.grad is not None


def test_dot_of_a_net() -> None:
    net, loss = net_and_output()
    graph = graph_of(loss, params=dict(net.named_parameters()))
    labels, styles, edges = parse(graph.to_dot())
    assert labels["leaf0"] == "0.weight\n(4, 3)"
    assert styles["leaf0"] == ", shape=ellipse"
    last = f"op{len(graph.nodes) - 1}"
    assert labels[last] == "Sum\n()"
    assert [name for name, style in styles.items() if "peripheries" in style] == [last]
    assert len(labels) == len(graph.nodes) + 4
    inputs = sum(edge is not None for node in graph.nodes for edge in node.edges)
    assert len(edges) == inputs


def test_dot_has_an_edge_per_use() -> None:
    x = mg.ones(2, requires_grad=True)
    _, _, edges = parse(graph_of(x * x).to_dot())
    assert edges == [("leaf0", "op0")] * 2


def test_dot_escapes_names() -> None:
    x = mg.ones(2, requires_grad=True)
    name = 'a "quoted" \\n name\\ with\nlines; } -> ['
    labels, _, _ = parse(graph_of(x * 2.0, {name: x}).to_dot())
    assert labels["leaf0"] == f"{name}\n(2,)"


def test_dot_is_deterministic() -> None:
    dots = []
    for _ in range(2):
        mg.manual_seed(0)
        net, loss = net_and_output()
        dots.append(graph_of(loss, dict(net.named_parameters())).to_dot())
    assert dots[0] == dots[1]


def test_leaf_as_output() -> None:
    x = mg.ones(2, requires_grad=True)
    graph = graph_of(x, {"x": x})
    assert graph.nodes == []
    labels, styles, edges = parse(graph.to_dot())
    assert (labels, styles, edges) == (
        {"leaf0": "x\n(2,)"},
        {"leaf0": ", shape=ellipse, peripheries=2"},
        [],
    )
    assert "0 ops, 1 leaf of 2 elements, 0 bytes saved" in graph.summary()


def test_deep_graph() -> None:
    x = mg.ones(1, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    graph = graph_of(y)
    assert graph.counts == {"Mul": 20_000}
    assert graph.summary().startswith("20,000 ops, 1 leaf of 1 element, 0 bytes saved\n")


@pytest.mark.parametrize(
    ("outputs", "error", "match"),
    [
        (mg.ones(2), AutogradError, "output 0 does not require a gradient"),
        ([mg.ones(2, requires_grad=True), np.ones(2)], TypeError, "got ndarray at position 1"),
    ],
)
def test_errors(outputs: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        graph_of(outputs)


def test_is_public() -> None:
    assert mg.graph_of is graph_of
    assert mg.Graph is Graph
