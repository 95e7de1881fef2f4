"""Drift against more references than one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitoring.judge import Code, Status
from monitoring.judge.evidence import PastReference
from tests.judge.conftest import make_rows

Make = Callable[..., Any]


def _found(verdict: Any, check: str, reference: str) -> dict[str, Any]:
    return {item.subject: item for item in verdict.findings if (item.check, item.reference) == (check, reference)}


def _past(bench: Any, now: Any, before: Any, **changes: Any) -> PastReference:
    return PastReference("weeks", before.profile(bench.config), now.profile(bench.config), **changes)


def _moved() -> Any:
    rows = make_rows(98)
    rows.amount = [75 + value / 4 for value in rows.amount]
    return rows


def test_each_reference_is_asked_by_itself(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    verdict = bench.judge(rows, references=(_past(bench, rows, _moved()),))
    assert _found(verdict, "feature_drift", "")["amount"].status is Status.OK
    found = _found(verdict, "feature_drift", "weeks")
    assert {name: item.status for name, item in found.items()} == {"amount": Status.WARN, "country": Status.OK}
    assert found["amount"].message.startswith("amount, on this day against weeks: Jensen-Shannon distance")
    assert _found(verdict, "prediction_drift", "weeks")[""].status is Status.OK
    family = verdict.families["warn drift"]
    assert family["questions"] == 6
    assert family["fired"] == ["feature_drift/weeks/amount"]


def test_it_warns_of_what_is_sudden_and_not_of_what_has_been_there_for_long(make_bench: Make) -> None:
    bench, now = make_bench(), _moved()
    verdict = bench.judge(now, references=(_past(bench, now, _moved()),))
    assert _found(verdict, "feature_drift", "")["amount"].status is Status.WARN
    assert _found(verdict, "feature_drift", "weeks")["amount"].status is Status.OK


def test_what_cannot_be_compared_is_told_and_no_reason_for_doubt(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(rows, references=(PastReference("weeks", missing="it is too early"),))
    found = _found(verdict, "feature_drift", "weeks")[""]
    assert (found.status, found.code) == (Status.INFO, Code.UNTESTABLE)
    assert found.message == "Nothing is compared with weeks: it is too early."
    assert verdict.status is make_bench().judge(rows).status


def test_few_rows_of_a_further_reference_inform(make_bench: Make, rows: Any, few: Any) -> None:
    bench = make_bench()
    verdict = bench.judge(rows, references=(_past(bench, few, rows),))
    found = _found(verdict, "feature_drift", "weeks")["amount"]
    assert (found.status, found.code) == (Status.INFO, Code.TOO_FEW_ROWS)


def test_a_column_that_holds_nothing_is_compared_with_nothing(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    rows.amount = [None] * len(rows.amount)
    verdict = bench.judge(rows, references=(_past(bench, rows, make_rows(5)),))
    assert "amount" not in _found(verdict, "feature_drift", "weeks")
    assert "country" in _found(verdict, "feature_drift", "weeks")


def test_what_was_learned_of_the_reference_decides(make_bench: Make, rows: Any) -> None:
    from dataclasses import replace

    from monitoring.judge.limits import Spread

    bench, before = make_bench(), make_rows(5)
    before.amount = [value * 0.8 for value in before.amount]
    spread = Spread(0.2, 0.05, 30, 20.0, 400.0, 0.05, 0.05, -1.4, 0.3)
    limits = replace(bench.limits, spreads={**bench.limits.spreads, "trailing/feature_drift:amount": (spread,)})
    learned = replace(bench.reference, limits=limits)
    known, unknown = (_past(bench, rows, before, definition=name) for name in ("trailing", ""))
    found = [
        _found(bench.judge(rows, learned, references=(past,)), "feature_drift", "weeks")["amount"]
        for past in (known, unknown)
    ]
    assert [item.status for item in found] == [Status.OK, Status.WARN]
    assert found[0].baseline == pytest.approx(0.2)


def test_fewer_windows_than_there_are_may_say_where_inputs_are(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(rows, windows=3, drift_windows=2)
    assert _found(verdict, "feature_drift", "")["amount"].windows == 2
