"""The benchmarks of BatchNorm: what is timed computes the same, rows say what they are."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import __main__ as command
from bench import peers, roofline
from bench.batch_norm import numerics, operation, speed_targets
from bench.batch_norm.fusion import ADD_RELU, ADD_RELU_UNFUSED, RELU, RELU_UNFUSED
from bench.batch_norm.operation import Operation
from bench.batch_norm.problem import Problem
from bench.batch_norm.rows import Case, measure_cases
from bench.batch_norm.speed import target_of
from bench.harness import Settings, ValidationError
from bench.records import Row
from minigrad.kernels.cpu.threads import available_threads, get_num_threads
from minigrad.testing.accuracy import batch_norm_ulps
from minigrad.testing.examples import batch_norm_example
from minigrad.testing.identities import check_identities

ONCE = Settings(rounds=1, seconds=0.0, warm_up=0, threads=1)
PLAIN = (
    operation.FORWARD,
    operation.BACKWARD,
    operation.EVALUATION,
    operation.EVALUATION_BACKWARD,
    operation.STATISTICS,
    operation.UPDATE,
)
FUSED = (*ADD_RELU, *ADD_RELU_UNFUSED, *RELU, *RELU_UNFUSED)
PROBLEMS = (
    Problem((6, 3)),
    Problem((4, 3, 5, 2)),
    Problem((4, 3, 5, 2), channels_last=True),
    Problem((4, 3, 5, 2), dtype="float64"),
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with peers.threads(1):
        yield


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
def test_both_sides_compute_it(op: Operation, problem: Problem) -> None:
    rows = measure_cases("fake", [Case(problem, op)], ONCE)
    epsilon = float(np.finfo(problem.dtype).eps)
    for row in rows:
        assert row.error is not None
        assert row.error < 4 * epsilon
        assert row.ratio is None or row.ratio > 0.0
        assert row.facts["layout"] == problem.layout
        assert row.facts["dtype"] == problem.dtype
        assert row.target is None or problem.dtype == "float32"
        moved = op.traffic and op.traffic.moved * problem.n_bytes
        assert row.least_bytes == moved
        assert (row.fraction is None) == (op.traffic is None)
    assert [row.facts["row"] for row in rows] == (["b"] if op in PLAIN[4:] else ["a", "b"])
    assert all(("NumPy" in row.extra) == (row.facts["row"] == "a") for row in rows)
    assert all((row.peer is None) == (peers.torch() is None) for row in rows)


@pytest.mark.parametrize("problem", PROBLEMS[1:3], ids=lambda problem: problem.name)
@pytest.mark.parametrize("op", FUSED, ids=lambda op: op.name)
def test_fused_and_unfused_are_the_same(op: Operation, problem: Problem) -> None:
    for row in measure_cases("fake", [Case(problem, op)], ONCE):
        assert row.error is not None
        assert row.error < 4 * float(np.finfo(problem.dtype).eps)
        if op.peer_name:
            assert (row.peer_name, row.peer is None) == ("unfused", False)
        assert "BN+add+ReLU" in row.case or "BN+ReLU" in row.case


def test_some_values_are_rectified_and_some_are_next_to_the_kink() -> None:
    problem = Problem((16, 8, 32, 32))
    expected, upstream = ADD_RELU[0].expected(problem), ADD_RELU[1].expected(problem)[3]
    assert 0.2 < np.mean(expected == 0.0) < 0.8
    assert 0.0 < np.mean((upstream == 0.0) & (expected > 0.0)) < 0.01


def test_without_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "torch", lambda: None)
    rows = measure_cases("fake", [Case(PROBLEMS[0])], ONCE)
    assert [(row.peer, row.met) for row in rows] == [(None, None)] * 2
    assert {row.peer_name for row in rows} == {peers.NOT_INSTALLED}


def test_a_wrong_kernel_is_refused() -> None:
    wrong = replace(operation.FORWARD, expected=lambda problem: problem.expected_forward.y + 1e-3)
    with pytest.raises(ValidationError, match=r"forward \(a\), minigrad: array 0 differs"):
        measure_cases("fake", [Case(PROBLEMS[0], wrong)], ONCE)


def test_memory_order_of_arrays() -> None:
    last = PROBLEMS[2]
    for array in (last.x, last.dy, last.residual):
        assert array.shape == last.shape
        assert array.strides[1] == array.itemsize
    assert np.array_equal(last.x, PROBLEMS[1].x)  # the same numbers in another order


@pytest.mark.skipif(available_threads() < 2, reason="one thread only")
def test_threads_of_a_case_are_its_own() -> None:
    cases = [Case(PROBLEMS[0], threads=threads, rows="b") for threads in (2, 1)]
    before = get_num_threads()
    rows = measure_cases("fake", cases, ONCE)
    assert get_num_threads() == before
    assert [row.facts["threads"] for row in rows] == [2, 1]
    assert ["1 thread," in row.case for row in rows] == [False, True]


VECTOR, SMALL, MEDIUM, LARGE = (
    Problem(shape) for shape in ((256, 100), (8, 512, 4, 4), (64, 64, 8, 8), (64, 64, 32, 32))
)


@pytest.mark.parametrize(
    ("problem", "forward", "backward", "fraction"),
    [
        (VECTOR, "ratio at most 0.67", "ratio at most 0.83", None),
        (SMALL, "ratio at most 0.40", "ratio at most 0.83", None),
        (MEDIUM, "ratio at most 0.25", "ratio at most 0.83", "at least 0.60 of copy"),
        (LARGE, "ratio at most 0.25", "ratio at most 0.40", "at least 0.80 of copy"),
        (
            replace(MEDIUM, channels_last=True),
            "ratio at most 0.67",
            "ratio at most 0.67",
            "at least 0.60 of copy",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_targets(problem: Problem, forward: str, backward: str, fraction: str | None) -> None:
    def text(operation: str, row: str, threads: int = 2) -> str | None:
        target = target_of(operation, row, problem, threads)
        return None if target is None else target.text

    assert text("forward", "a") == forward
    assert text("backward", "a") == backward
    assert text("evaluation", "a") == text("evaluation backward", "a") == "ratio at most 0.83"
    assert text("forward", "b") == text("backward", "b") == text("evaluation", "b") == fraction
    assert text("forward", "a", 1) == text("backward", "a", 1) == "ratio at most 1.00"
    assert text("forward", "b", 1) is None
    assert text("running statistics moved", "b") is None
    unfused = None if problem is VECTOR else "ratio at most 0.56"
    assert unfused is None or text(ADD_RELU_UNFUSED[0].name, "a") == unfused
    assert text(RELU_UNFUSED[0].name, "a") is None
    assert text(ADD_RELU[0].name, "b") == fraction
    assert text(ADD_RELU[0].name, "a") is None
    assert target_of("forward", "a", replace(problem, dtype="float64"), 2) is None


def test_cases_of_a_problem_are_next_to_each_other() -> None:
    problems = [case.problem for case in speed_targets.CASES]
    changes = sum(a != b for a, b in pairwise(problems))
    assert changes == len(set(problems)) - 1


def test_numerics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numerics, "SHAPE", (40, 2, 5))
    monkeypatch.setattr(numerics, "MEANS", (0.0, 1e6))
    rows = numerics.run(ONCE)
    assert len(rows) == 2 * 2 * len(numerics.SCALES)
    assert all(row.met for row in rows)
    assert all((row.peer is None) == (peers.torch() is None) for row in rows)
    far = [row for row in rows if "1e+06" in row.case]
    assert far
    assert min(row.extra["one pass"] for row in far) > 1e5
    assert any(math.isinf(row.extra["one pass"]) for row in rows)


def test_the_one_pass_formula_is_batch_norm_where_the_mean_is_small() -> None:
    """So what the table shows is its rounding."""
    one_pass = numerics.one_pass_implementation()
    example = batch_norm_example((40, 2, 5), dtype=np.float32)
    report = check_identities(one_pass, example, raise_exception=False)
    assert {failure.identity for failure in report.failures} == {"translation_far_away"}
    assert max(batch_norm_ulps(one_pass, example)) < 100.0


def drawable() -> list[Row]:
    def row(**facts: Any) -> Row:
        described = {"operation": "forward", "row": "a", "layout": "channels first"} | facts
        described = {"dtype": "float32", "threads": 1} | described
        return Row(
            "b", "c", "s", 1e-3, 2e-3, least_bytes=3000, footprint=2000, bytes_per_second=3e6,
            copy_bytes_per_second=5e6, facts=described,
        )  # fmt: skip

    return [
        row(),
        row(row="b", layout="channels last"),
        row(operation="backward", layout="(N, C)"),
        row(threads=2),
        row(dtype="float64"),
        Row("other", "c", "s", 1.0),
    ]


WHERE = {"threads": 1, "cpu": "a CPU", "version": "0", "peer": "PyTorch 0"}


def test_picture(tmp_path: Path) -> None:
    assert roofline.drawn(drawable(), 1) == drawable()[:3]
    path = tmp_path / "roof.png"
    roofline.draw(path, drawable(), WHERE)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_picture_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing to draw: .* rows of batch_norm in float32"):
        roofline.draw(tmp_path / "roof.png", drawable()[3:], WHERE)


def test_picture_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "minigrad-numba\[plot\]"'):
        roofline.draw(tmp_path / "roof.png", drawable(), WHERE)


def test_the_command_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed_targets, "CASES", [Case(Problem((6, 3)))])
    path = tmp_path / "roof.svg"
    assert command.main(["batch_norm", "--quick", "--threads", "1", "--plot", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    assert "targets: " in capsys.readouterr().out


def test_every_module_of_the_package_is_used() -> None:
    """Nothing is measured that has no name to be called by."""
    folder = Path(operation.__file__).parent
    named = {module for module in command.BENCHMARKS.values() if module.startswith("batch_norm.")}
    runs = set()
    for path in folder.glob("*.py"):
        functions = [n for n in ast.parse(path.read_text("utf-8")).body if hasattr(n, "name")]
        if any(getattr(node, "name", "") == "run" for node in functions):
            runs.add(f"batch_norm.{path.stem}")
    assert runs == named
