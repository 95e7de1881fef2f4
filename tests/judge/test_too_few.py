"""Too few rows are told once, and make a window unknown only where nothing else tells of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitoring.judge import Code, Finding, Status, Verdict

Make = Callable[..., Any]


def _finding(verdict: Verdict, check: str, subject: str = "") -> Finding:
    [found] = [item for item in verdict.findings if (item.check, item.subject) == (check, subject)]
    return found


def test_too_few_rows_are_unknown_unless_a_check_only_informs(make_bench: Make, few: Any) -> None:
    verdict = make_bench(checks={"volume": {"severity": "off"}}).judge(few)
    assert verdict.status is Status.UNKNOWN
    found = _finding(verdict, "rows")
    assert (found.code, found.status, found.limit) == (Code.TOO_FEW_ROWS, Status.UNKNOWN, 50)
    assert found.message == (
        "Only 30 rows in this window; 12 checks need more (errors, mismatch, nonfinite, …), 50 at least. In so few,"
        " errors would be found from a share of 9% on."
    )
    assert {"nulls:amount", "unseen:country", "feature_drift:amount", "prediction_drift"} <= {*found.folded}
    labels = _finding(verdict, "labels")
    assert (labels.code, labels.status) == (Code.TOO_FEW_LABELS, Status.UNKNOWN)
    assert labels.message == (
        "Only 30 labelled rows in this window; 3 checks need more (worse_than_average, ranking, calibration),"
        " 100 at least."
    )
    assert verdict.performance_status is Status.UNKNOWN
    names = {check.partition(":")[0] for check in (*found.folded, *labels.folded)}
    informs = make_bench(checks={name: {"severity": "info"} for name in names}).judge(few)
    assert {_finding(informs, name).status for name in ("rows", "labels")} == {Status.INFO}


def test_few_rows_of_a_quiet_day_do_not_make_it_unknown(make_bench: Make, rows: Any, few: Any) -> None:
    bench = make_bench(checks={"volume": {"severity": "off"}})
    week = bench.evidence(rows)
    trailing = {
        "trailing": week.trailing,
        "trailing_realised": week.trailing_realised,
        "trailing_labelled": 400,
        "windows": 3,
    }
    verdict = bench.judge(few, **trailing)
    assert _finding(verdict, "rows").status is Status.INFO
    assert _finding(verdict, "ranking").status is Status.OK
    assert verdict.status is Status.OK
    # a warning is the status, and what is told first
    warned = bench.judge(few, quarantined=2, **trailing)
    assert _finding(warned, "rows").status is Status.INFO
    assert warned.status is Status.WARN
    assert warned.headline == _finding(warned, "quarantine").message
    # drift tells of the rows, and nothing of performance
    unlabelled = bench.judge(few, **{**trailing, "trailing_labelled": 30})
    assert _finding(unlabelled, "rows").status is Status.INFO
    assert (_finding(unlabelled, "labels").status, unlabelled.status) == (Status.UNKNOWN, Status.UNKNOWN)


def test_different_counts_are_told_as_such(make_bench: Make, few: Any) -> None:
    bench = make_bench()
    changes = {"trailing": few.profile(bench.config).merge(few.profile(bench.config)), "windows": 2}
    assert _finding(bench.judge(few, **changes), "rows").message.startswith("Only 30 to 60 rows; 12 checks need more (")
