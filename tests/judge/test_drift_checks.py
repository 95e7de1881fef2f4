"""Drift against more references than one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.judge import Code, Status
from monitoring.judge.evidence import PastReference
from monitoring.judge.limits import Spread
from monitoring.profile.losses import LossByBin
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
    assert found["amount"].message.startswith("amount fell on this day against weeks: mean 50, there 87; 4.1 times the")
    assert found["country"].message.startswith("country, on this day against weeks: Jensen-Shannon distance 0.0")
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
    [found] = [item for item in verdict.findings if item.check == "rows"]
    assert (found.status, found.code) == (Status.INFO, Code.TOO_FEW_ROWS)
    assert "feature_drift:amount@weeks" in found.folded


def test_a_column_that_holds_nothing_is_compared_with_nothing(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    rows.amount = [None] * len(rows.amount)
    verdict = bench.judge(rows, references=(_past(bench, rows, make_rows(5)),))
    assert "amount" not in _found(verdict, "feature_drift", "weeks")
    assert "country" in _found(verdict, "feature_drift", "weeks")


def test_what_was_learned_of_the_reference_decides(make_bench: Make, rows: Any) -> None:
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


def test_a_warning_says_what_happened_and_ends_with_the_numbers(make_bench: Make, rows: Any) -> None:
    rows.amount = [75 + value / 4 for value in rows.amount]
    rows.country = ["at" if place % 4 else "li" for place in range(len(rows.country))]
    rows.score = [score / 2 for score in rows.score]
    verdict = make_bench().judge(rows)
    found = {item.subject: item for item in verdict.findings if item.check.endswith("drift") and item.status != "ok"}
    amount, country = found["amount"], found["country"]
    assert amount.message.startswith("amount rose on this day: mean 88, ordinarily 50; 26% of the spread (Jensen-")
    ordinary, limit = f"ordinarily {amount.baseline:.3g}", f"limit {amount.limit:.3g}"
    assert amount.message.endswith(f"(Jensen-Shannon distance {amount.measurement.value:.3g}, {ordinary}, {limit}).")
    assert country.message.startswith("country lost a category on this day: ch 50% → 0%, at 50% → 75%, li 0% → 25% (")
    assert found[""].message.startswith("Scores fell on this day: mean 0.25, ordinarily 0.50; 49% of the spread")


def test_what_a_drift_could_cost_is_told(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    rows.amount = [75 + value / 4 for value in rows.amount]
    cells = {"amount": np.array([0, 1, 2, 3])}
    for loss, words in ((0.9, "0.45 more loss"), (0.3, "no more loss"), (0.0, "0.225 less loss")):
        losses = LossByBin.of(cells, {"amount": 6}, np.array([0.3, 0.3, 0.3, loss]), 1.0)
        verdict = bench.judge(rows, replace(bench.reference, losses=losses), ordinary_loss=0.3)
        found = _found(verdict, "feature_drift", "")["amount"]
        assert found.message.endswith(f"; rows like these had {words}."), found.message


def test_a_limit_of_ones_own_has_the_same_words(make_bench: Make, rows: Any) -> None:
    rows.amount = [75 + value / 4 for value in rows.amount]
    for limit, words in ((0.3, "amount rose on this day: mean 88,"), (0.9, "amount, on this day: Jensen-Shannon")):
        verdict = make_bench(checks={"feature_drift": {"limit": limit}}).judge(rows)
        assert _found(verdict, "feature_drift", "")["amount"].message.startswith(words)


def test_nothing_is_put_into_words_that_does_not_fire(
    make_bench: Make, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("monitoring.judge.drift_checks.how_it_moved", lambda *args: asked.append(args))
    make_bench().judge(rows)
    assert not asked
