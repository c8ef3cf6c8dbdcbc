"""The benchmarks' own tests: wrong results are refused, ratios are right, the commands work."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import __main__ as command
from bench import harness, import_time, mlp_step, peers
from bench.harness import Comparison, Settings, ValidationError, measure, sample, validate
from bench.records import Row, table
from bench.traffic import make_copy

FEW = Settings(rounds=5, seconds=0.0, warm_up=1)
# float32 beside float64, after three steps.
FLOAT32 = 1e-4


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0, 2.0, 3.1], "differs from the reference by 0.1, more than 0.03"),
        ([1.0, 2.0, np.nan], "differs from the reference by nan"),
        ([1.0, 2.0], r"must have shape \(3,\), got \(2,\)"),
        ((np.ones(3), np.ones(3)), "expected 1 arrays, got 2"),
    ],
)
def test_a_wrong_implementation_is_refused(result: Any, message: str) -> None:
    expected = np.array([1.0, 2.0, 3.0])
    wrong = result if isinstance(result, tuple) else np.array(result)
    right, mistaken = (lambda: expected), (lambda: wrong)
    for ours, peer in ((mistaken, right), (right, mistaken)):
        comparison = Comparison("sum", ours, peer, right, tolerance=0.01)
        with pytest.raises(ValidationError, match=message):
            measure("fake", comparison, FEW)


def test_rounding_is_accepted() -> None:
    validate("sum", [np.float32(1.00001), np.zeros(0)], [1.0, np.zeros(0)], tolerance=1e-4)


class _Clock:
    """A clock that only the implementations under test advance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.log: list[str] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def side(self, name: str, seconds: float) -> Any:
        def run() -> None:
            self.now += seconds
            self.log.append(name)

        return run


def test_ratio_and_bandwidth(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    monkeypatch.setattr(harness, "make_copy", lambda footprint, threads: clock.side("c", 0.25))
    comparison = Comparison(
        "fake",
        clock.side("a", 0.5),
        clock.side("b", 2.0),
        least_bytes=3_000,
        footprint=2_000,
        peer_name="slow",
    )
    row = measure("fake", comparison, FEW)
    assert (row.ours, row.peer) == (0.5, 2.0)
    assert (row.ratio_low, row.ratio, row.ratio_high) == (0.25, 0.25, 0.25)
    assert (row.bytes_per_second, row.copy_bytes_per_second) == (6_000.0, 8_000.0)


def test_the_ratio_is_taken_within_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the medians, which would be 4 / 1: a slow round is slow for both sides."""
    clock = _Clock(monkeypatch)

    def side(*seconds: float) -> Any:
        durations = iter([1.0, 1.0, *seconds])  # after the warm-up and the choice of calls

        def run() -> None:
            clock.now += next(durations)

        return run

    ours, peer = side(1.0, 1.0, 4.0, 4.0, 4.0), side(1.0, 1.0, 1.0, 8.0, 8.0)
    row = measure("fake", Comparison("fake", ours, peer, peer_name="slow"), FEW)
    assert (row.ratio_low, row.ratio, row.ratio_high) == (0.5, 1.0, 1.0)
    assert (row.ours, row.peer) == (4.0, 1.0)


def test_the_order_alternates(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    sample({"a": clock.side("a", 1.0), "b": clock.side("b", 1.0)}, FEW)
    assert "".join(clock.log)[-10:] == "abbaabbaab"


def test_fast_functions_are_called_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    settings = Settings(rounds=1, seconds=1.0, warm_up=0)
    times = sample({"a": clock.side("a", 2.0**-6)}, settings)
    assert times["a"].tolist() == [2.0**-6]
    assert len(clock.log) >= 64 + 64


@pytest.mark.parametrize("threads", [1, 2])
def test_copy(threads: int) -> None:
    copy = make_copy(1 << 18, threads)
    copy()
    (source, target) = (
        cell.cell_contents
        for cell in copy.__closure__ or ()
        if isinstance(cell.cell_contents, np.ndarray)
    )
    np.testing.assert_array_equal(source, target)
    assert source.nbytes + target.nbytes == 1 << 18


def test_table() -> None:
    rows = [
        Row("b", "fast", "s", 2e-6, 4e-6, "peer", 0.5, 0.45, 0.55, 3e9, 4e9, "at most 1"),
        Row("b", "small", "bytes", 2.5e6, extra={"base": 1.0}),
    ]
    lines = [" ".join(line.split()) for line in table(rows).splitlines()]
    assert lines[1] == "fast 2 us 4 us peer 0.50 0.45-0.55 3.0 4.0 at most 1"
    assert lines[2] == "small 2.5 MB base 1 B"


def test_mlp_step_agrees_with_its_reference() -> None:
    step, parameters = mlp_step.minigrad_step(8)
    for _ in range(3):
        step()
    for got, want in zip(parameters(), mlp_step.reference_parameters(8, 3), strict=True):
        np.testing.assert_allclose(got, want, atol=FLOAT32, rtol=0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert tuple(names) == command.BENCHMARKS


def test_json_and_the_peer_that_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "torch", lambda: None)
    comparison = Comparison("nothing", lambda: None)
    monkeypatch.setattr(
        import_time, "run", lambda settings: [measure("import_time", comparison, settings)]
    )
    path = tmp_path / "rows.json"
    assert command.main(["import_time", "--quick", "--json", str(path)]) == 0
    assert "PyTorch: not installed" in capsys.readouterr().out
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {"version", "commit", "cpu", "threads"} <= set(report)
    (row,) = report["rows"]
    assert (row["benchmark"], row["case"], row["peer"]) == ("import_time", "nothing", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["speed"], "unknown benchmark 'speed'"),
        (["--threads", "0"], "number of threads must be"),
        (["--rounds", "0"], "--rounds must be at least 1"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
