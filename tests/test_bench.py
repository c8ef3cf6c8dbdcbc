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
from bench.records import Row, summary, table, write_json
from bench.targets import at_least_of_copy, ratio_at_most, seconds_at_most, ulps_at_most
from bench.traffic import make_copies

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


def test_rounding_is_accepted_and_returned() -> None:
    result = [np.array([4.0, 0.5]), np.float32(1.00001), np.zeros(0)]
    error = validate("sum", result, [np.array([4.0, 0.5001]), 1.0, np.zeros(0)], tolerance=1e-4)
    assert error == pytest.approx(0.0001 / 4, rel=1e-6)  # relative to the largest of its array


def test_errors_of_both_sides_are_reported() -> None:
    right, rough = np.array([2.0, 4.0]), np.array([2.0, 4.5])
    comparison = Comparison("sum", lambda: right, lambda: rough, lambda: right, tolerance=1.0)
    row = measure("fake", comparison, FEW)
    assert (row.error, row.peer_error) == (0.0, 0.125)


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
    copies = {"copy, 1 thread": clock.side("c", 0.25), "copy, 2 threads": clock.side("d", 0.5)}
    monkeypatch.setattr(harness, "make_copies", lambda footprint, threads: copies)
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
    assert (row.fraction, row.peer_bytes_per_second) == (0.75, 1_500.0)
    assert (row.least_bytes, row.footprint) == (3_000, 2_000)


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


def test_slow_rows_have_fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    settings = Settings(rounds=31, seconds=0.0, warm_up=1, row_seconds=14.0)
    times = sample({"a": clock.side("a", 1.0), "b": clock.side("b", 1.0)}, settings)
    assert [len(values) for values in times.values()] == [8, 8]
    slower = sample({"a": clock.side("a", 100.0)}, settings)
    assert len(slower["a"]) == 5


def test_others_are_timed_by_a_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock(monkeypatch)
    durations = iter([0.25, 0.125, 0.375])

    def other() -> None:
        clock.now += next(durations)

    others = {"NumPy": other, "slow": clock.side("s", 2.0)}
    row = measure("fake", Comparison("fake", clock.side("a", 1.0), others=others), FEW)
    assert row.extra == {"NumPy": 0.125, "slow": 2.0}
    assert clock.log.count("s") == 1


@pytest.mark.parametrize(
    ("footprint", "threads", "expected"),
    [
        (1 << 20, 1, ["copy, 1 thread"]),
        (1 << 16, 2, ["copy, 1 thread"]),
        (1 << 20, 2, ["copy, 1 thread", "copy, 2 threads"]),
        (1 << 23, 2, ["copy, 2 threads"]),
    ],
)
def test_copy(footprint: int, threads: int, expected: list[str]) -> None:
    copies = make_copies(footprint, threads)
    assert list(copies) == expected
    for copy in copies.values():
        cells = [cell.cell_contents for cell in copy.__closure__ or ()]
        source, target = (value for value in cells if isinstance(value, np.ndarray))
        target[...] = 0.0
        copy()
        np.testing.assert_array_equal(source, target)
        assert source.nbytes + target.nbytes == footprint


def _rows() -> list[Row]:
    return [
        Row(
            "b", "fast", "s", 2e-6, 4e-6, "peer", 0.5, 0.45, 0.55, 6000, 4000, 3e9, 4e9, 1e-7,
            2e-7, ratio_at_most(0.6),
        ),
        Row("b", "small", "bytes", 2.5e6, extra={"base": 1.0}, note="a note"),
        Row("b", "late", "s", 2e-3, target=seconds_at_most(1e-3)),
        Row("b", "alone", "s", 2e-3, target=ratio_at_most(1.0)),
    ]  # fmt: skip


def test_table() -> None:
    lines = [" ".join(line.split()) for line in table(_rows()).splitlines()]
    assert lines[1] == (
        "fast 2 us 4 us peer 0.50 0.45-0.55 6 kB 3.0 4.0 0.75 1.0e-07 2.0e-07 "
        "ratio at most 0.60: met"
    )
    assert lines[2] == "small 2.5 MB a note; base 1 B"
    assert lines[3] == "late 2 ms at most 1 ms: MISSED"
    assert lines[4] == "alone 2 ms ratio at most 1.00: not measured"


def test_columns_without_figures_are_left_out() -> None:
    rows = [Row("b", "one", "ulp", 0.5), Row("b", "two", "ulp", float("inf"))]
    assert [line.split() for line in table(rows).splitlines()] == [
        ["case", "minigrad"],
        ["one", "0.5"],
        ["two", "inf"],
    ]


def test_summary_names_what_missed() -> None:
    assert summary(_rows()).splitlines() == [
        "targets: 1 met, 1 missed, 1 not measured",
        "  b: late: at most 1 ms: MISSED",
    ]
    assert summary(_rows()[1:2]) == ""


@pytest.mark.parametrize(
    ("target", "met", "missed"),
    [
        (ratio_at_most(0.25), {"ratio": 0.25}, {"ratio": 0.26}),
        (seconds_at_most(1.0), {"ours": 1.0}, {"ours": 1.1}),
        (seconds_at_most(1.0, "beyond"), {"extra": {"beyond": 0.5}}, {"extra": {"beyond": 2.0}}),
        (ulps_at_most(4.0), {"ours": 4.0}, {"ours": float("inf")}),
        (
            at_least_of_copy(0.8),
            {"bytes_per_second": 8.0, "copy_bytes_per_second": 10.0},
            {"bytes_per_second": 7.9, "copy_bytes_per_second": 10.0},
        ),
    ],
)
def test_targets(target: Any, met: dict[str, Any], missed: dict[str, Any]) -> None:
    for figures, verdict in ((met, True), (missed, False)):
        row = Row(**{"benchmark": "b", "case": "c", "unit": "s", "ours": 9.0, **figures})
        row.target = target
        assert row.met is verdict


def test_json_is_valid_and_says_what_is_met(tmp_path: Path) -> None:
    rows = [*_rows(), Row("b", "wrong", "ulp", float("inf"), extra={"other": float("nan")})]
    path = tmp_path / "rows.json"
    write_json(path, {"threads": 2}, rows)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)["rows"]
    first, *_, last = found
    assert (first["target"], first["met"], first["fraction"]) == ("ratio at most 0.60", True, 0.75)
    assert [row["met"] for row in found] == [True, None, False, None, None]
    assert (last["ours"], last["extra"]) == (None, {"other": None})


def test_mlp_step_agrees_with_its_reference() -> None:
    step, parameters = mlp_step.minigrad_step(8)
    for _ in range(3):
        step()
    for got, want in zip(parameters(), mlp_step.reference_parameters(8, 3), strict=True):
        np.testing.assert_allclose(got, want, atol=FLOAT32, rtol=0)


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    *lines, legend = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.BENCHMARKS)
    assert all(len(line.split()) > 2 for line in lines)  # a description of each
    assert legend == "* by name only"
    assert {line.split()[0].rstrip("*") for line in lines if "*" in line} == command.ON_REQUEST


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
        (["--row-seconds", "-1"], "--row-seconds must be at least 0"),
        (["--row-seconds", "nan"], "--row-seconds must be at least 0"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
