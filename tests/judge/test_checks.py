"""Every check: when it fires, with which code, and what it does to the window's status."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.limits import Spread
from monitoring.measure import Measurement
from monitoring.measure.performance import Z95
from monitoring.profile import ProfileSpec
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

Make = Callable[..., Any]
Spoil = Callable[[Any], dict[str, Any] | None]


def _finding(verdict: Verdict, check: str, subject: str = "") -> Finding:
    [found] = [item for item in verdict.findings if (item.check, item.subject) == (check, subject)]
    return found


def _first(count: int, name: str, value: Any) -> Spoil:
    """Give the first `count` rows this value in this column."""

    def spoil(rows: Any) -> None:
        getattr(rows, name)[:count] = [value] * count

    return spoil


def _cut(rows: Any, kept: slice) -> None:
    for name in ("amount", "country", "score", "label", "hours", "status"):
        setattr(rows, name, getattr(rows, name)[kept])


def _repeat(rows: Any) -> None:
    for name in ("amount", "country", "score", "label", "hours", "status"):
        setattr(rows, name, getattr(rows, name) * 3)


def _opposite(rows: Any) -> None:
    rows.label = [not label for label in rows.label]


def _shift(rows: Any) -> None:
    rows.score = [score / 2 for score in rows.score]


def _silent(rows: Any) -> None:
    rows.hours = [hour % 12 for hour in rows.hours]


def _moved_scores(rows: Any) -> None:
    rows.score = [0.9 + score / 100 for score in rows.score]


def _gap(value: float, error: float, rows: int = 400) -> Measurement:
    p_value = math.erfc(abs(value) / error / math.sqrt(2))
    ends = (value - Z95 * error, value + Z95 * error)
    return Measurement("brier", value, rows, "high", "", *ends, standard_error=error, p_value=p_value)


def _concept(value: float, error: float = 0.001, **more: Any) -> dict[str, Any]:
    return {"concept_gap": _gap(value, error), "ordinary_loss": 0.2, "loss": "Brier score", **more}


def _late(share: float, p_value: float) -> dict[str, Any]:
    found = Measurement("label_lateness", share, 400, "low", "", p_value=p_value)
    return {"lateness": found, "coverage": 0.5, "final": False}


# the code, what is done to the rows or the evidence, the check, its subject, the status of the finding
CASES: list[tuple[Code, Spoil, str, str, Status]] = [
    (Code.COLUMN_MISSING, lambda _: {"missing_columns": ("amount",)}, "schema", "amount", Status.FAIL),
    (Code.COLUMN_TYPE_CHANGED, lambda _: {"changed_columns": ("amount",)}, "schema", "amount", Status.FAIL),
    (Code.COLUMN_ALL_NULL, _first(400, "amount", None), "schema", "amount", Status.FAIL),
    (Code.COLUMN_NEW, lambda _: {"new_columns": ("age",)}, "schema", "age", Status.INFO),
    (Code.UNTESTABLE, _first(400, "amount", None), "feature_drift", "amount", Status.INFO),
    (Code.NULLS_INCREASED, _first(41, "amount", None), "nulls", "amount", Status.FAIL),
    (Code.UNSEEN_CATEGORIES, _first(21, "country", "li"), "unseen", "country", Status.WARN),
    (Code.RECORDS_QUARANTINED, lambda _: {"quarantined": 5}, "quarantine", "", Status.WARN),
    (Code.EVENT_ID_REUSED, lambda _: {"conflicting": 1}, "event_ids", "", Status.WARN),
    (Code.VOLUME_LOW, lambda rows: _cut(rows, slice(199)), "volume", "", Status.WARN),
    (Code.VOLUME_HIGH, _repeat, "volume", "", Status.WARN),
    (Code.HOURS_MISSING, _silent, "gaps", "", Status.INFO),
    (Code.ERRORS_INCREASED, _first(5, "status", 503), "errors", "", Status.FAIL),
    (Code.FEATURE_DRIFT, _first(150, "amount", 99.0), "feature_drift", "amount", Status.INFO),
    (Code.PREDICTION_DRIFT, _moved_scores, "prediction_drift", "", Status.INFO),
    (Code.LABELS_MISSING, _first(101, "label", None), "label_coverage", "", Status.WARN),
    (Code.LABELS_LATE, lambda _: _late(-0.2, 1e-6), "label_delay", "", Status.WARN),
    (Code.LABELS_CONFLICT, lambda _: {"labelled": 400, "label_conflicts": 5}, "label_conflicts", "", Status.WARN),
    (Code.LABELS_UNMATCHED, lambda _: {"labels_read": 100, "labels_expired": 6}, "unmatched_labels", "", Status.INFO),
    (Code.CONCEPT_DRIFT, lambda _: _concept(0.2), "concept_drift", "", Status.WARN),
    (Code.WORSE_THAN_AVERAGE, _opposite, "worse_than_average", "", Status.FAIL),
    (Code.RANKING_WORSE, _opposite, "ranking", "", Status.WARN),
    (Code.CALIBRATION_OFF, _shift, "calibration", "", Status.WARN),
    (Code.TOO_FEW_ROWS, lambda rows: _cut(rows, slice(199)), "nulls", "amount", Status.UNKNOWN),
    (Code.TOO_FEW_LABELS, _first(201, "label", None), "ranking", "", Status.UNKNOWN),
    (Code.WITHIN_LIMITS, lambda _: None, "schema", "", Status.OK),
]


@pytest.mark.parametrize(("code", "spoil", "check", "subject", "status"), CASES)
def test_codes(make_bench: Make, rows: Any, code: Code, spoil: Spoil, check: str, subject: str, status: Status) -> None:
    bench = make_bench()
    changes = spoil(rows) or {}
    found = _finding(bench.judge(rows, **changes), check, subject)
    assert (found.code, found.status) == (code, status)
    # a finding stands for its check: without it, it is not made
    off = make_bench(checks={check: {"severity": "off"}}).judge(rows, **changes)
    assert check not in {item.check for item in off.findings}


def test_every_code_is_produced_above_or_below() -> None:
    below = {Code.NO_DATA, Code.NO_BASELINE, Code.ACCURACY_WORSE, Code.ERROR_LARGER}
    assert {code for code, *_ in CASES} | below == set(Code)


@pytest.mark.parametrize(
    ("spoil", "check", "subject"),
    [
        (_first(40, "amount", None), "nulls", "amount"),
        (_first(20, "country", "li"), "unseen", "country"),
        (lambda _: {"quarantined": 4}, "quarantine", ""),
        (lambda rows: _cut(rows, slice(200)), "volume", ""),
        (_first(4, "status", 503), "errors", ""),
        (_first(4, "status", 499), "errors", ""),
        (_first(100, "label", None), "label_coverage", ""),
        (lambda _: _late(-0.1, 1e-6), "label_delay", ""),
        (lambda _: _late(-0.2, 0.01), "label_delay", ""),
        (lambda _: {"labelled": 400, "label_conflicts": 4}, "label_conflicts", ""),
        (lambda _: {"labels_read": 100, "labels_expired": 5}, "unmatched_labels", ""),
        (lambda _: _concept(0.01), "concept_drift", ""),
        (lambda _: _concept(-0.2), "concept_drift", ""),
        (lambda _: _concept(0.2, error=0.1), "concept_drift", ""),
    ],
)
def test_just_within_the_limits(make_bench: Make, rows: Any, spoil: Spoil, check: str, subject: str) -> None:
    found = _finding(make_bench().judge(rows, **(spoil(rows) or {})), check, subject)
    assert (found.code, found.status) == (Code.WITHIN_LIMITS, Status.OK)


def test_an_ordinary_window_is_ok_and_says_so(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(rows)
    assert verdict.status is Status.OK
    assert {finding.code for finding in verdict.findings} == {Code.WITHIN_LIMITS}
    assert verdict.headline == "Performance and data are within their limits."
    assert {finding.check for finding in verdict.findings} == {
        "schema",
        "quarantine",
        "event_ids",
        "volume",
        "gaps",
        "errors",
        "nulls",
        "unseen",
        "feature_drift",
        "prediction_drift",
        "label_coverage",
        "worse_than_average",
        "ranking",
        "calibration",
    }


def test_no_data_is_unknown(make_bench: Make, rows: Any) -> None:
    _cut(rows, slice(0))
    verdict = make_bench().judge(rows)
    assert (verdict.status, verdict.findings[0].code) == (Status.UNKNOWN, Code.NO_DATA)
    assert verdict.headline == "There are no records for 2024-01-11."
    unreadable = make_bench().judge(rows, quarantined=7)
    assert (unreadable.status, unreadable.headline) == (
        Status.UNKNOWN,
        "None of the 7 records of 2024-01-11 could be read.",
    )


def test_no_baseline_is_unknown_and_the_numbers_are_there(make_bench: Make, rows: Any) -> None:
    verdict = make_bench().judge(rows, reference=None)
    assert (verdict.status, [finding.code for finding in verdict.findings]) == (Status.UNKNOWN, [Code.NO_BASELINE])
    assert verdict.headline == "There is no baseline for these columns. Make one with `model-monitor baseline toy`."
    assert verdict.numbers["roc_auc"].value is not None


def test_evidence_never_changes_the_status(make_bench: Make, rows: Any) -> None:
    for spoil in (_first(150, "amount", 99.0), _silent):
        spoil(rows)
    verdict = make_bench().judge(rows, new_columns=("age",))
    assert {Code.FEATURE_DRIFT, Code.HOURS_MISSING, Code.COLUMN_NEW} <= {item.code for item in verdict.findings}
    assert verdict.status is Status.OK
    assert verdict.headline == "Performance and data are within their limits. 1 of 2 features have moved, without harm."


@pytest.mark.parametrize(("severity", "status"), [("fail", Status.FAIL), ("warn", Status.WARN), ("info", Status.OK)])
def test_the_severity_is_the_status(make_bench: Make, rows: Any, severity: str, status: Status) -> None:
    _first(150, "amount", 99.0)(rows)
    assert make_bench(checks={"feature_drift": {"severity": severity}}).judge(rows).status is status


def test_a_broken_column_does_not_stop_the_others(make_bench: Make, rows: Any) -> None:
    _first(400, "amount", None)(rows)
    _first(41, "country", None)(rows)
    verdict = make_bench().judge(rows, missing_columns=("amount",))
    assert _finding(verdict, "schema", "amount").code is Code.COLUMN_MISSING
    assert _finding(verdict, "nulls", "country").code is Code.NULLS_INCREASED
    assert _finding(verdict, "feature_drift", "country").measurement is not None
    assert _finding(verdict, "ranking").status is Status.OK
    assert not [item for item in verdict.findings if (item.check, item.subject) == ("nulls", "amount")]


def test_too_few_rows_are_unknown_unless_a_check_only_informs(make_bench: Make, few: Any) -> None:
    verdict = make_bench(checks={"volume": {"severity": "off"}}).judge(few)
    assert verdict.status is Status.UNKNOWN
    assert _finding(verdict, "nulls", "amount").message == "Only 30 rows; 200 are needed."
    assert _finding(verdict, "feature_drift", "amount").status is Status.INFO
    assert _finding(verdict, "ranking").code is Code.TOO_FEW_LABELS


def test_labels_of_one_class_are_unknown(make_bench: Make, rows: Any) -> None:
    rows.label = [True] * 400
    verdict = make_bench().judge(rows)
    for check in ("ranking", "worse_than_average"):
        found = _finding(verdict, check)
        assert (found.status, found.code) == (Status.UNKNOWN, Code.UNTESTABLE)
        assert found.message == "All 400 labelled rows are of one class, so that this is not defined."
    rules = {"ranking": {"severity": "info"}, "worse_than_average": {"severity": "off"}}
    informed = make_bench(checks=rules).judge(rows)
    assert _finding(informed, "ranking").status is Status.INFO
    assert informed.performance_status is not Status.UNKNOWN


def test_the_own_rows_are_judged_beside_the_trailing_ones(make_bench: Make, rows: Any, few: Any) -> None:
    bench = make_bench()
    good, opposite = bench.evidence(rows), replace(rows, label=[not label for label in rows.label])
    bad = bench.judge(opposite, trailing=good.trailing, trailing_outcomes=good.trailing_outcomes, windows=3)
    assert (bad.performance_status, bad.own_performance) == (Status.OK, Status.FAIL)
    after = bench.judge(rows, trailing_outcomes=opposite.outcomes(), windows=3)
    assert (after.performance_status, after.own_performance) == (Status.FAIL, Status.OK)
    small = bench.judge(few, trailing_outcomes=opposite.outcomes(), windows=3)
    assert (small.performance_status, small.own_performance) == (Status.FAIL, Status.UNKNOWN)
    assert bench.judge(rows, reference=None).own_performance is Status.UNKNOWN


def test_without_labels_performance_is_not_judged(make_bench: Make, rows: Any) -> None:
    verdict = make_bench(labels=None).judge(rows, coverage=None)
    assert (verdict.status, verdict.performance_status) == (Status.OK, Status.UNKNOWN)
    assert (verdict.trailing, set(verdict.numbers)) == ({}, {"rows", "label_coverage", "positive_rate"})
    assert "performance is not monitored" in verdict.headline


def test_coverage_is_judged_when_no_label_can_come_any_more(make_bench: Make, rows: Any) -> None:
    _first(150, "label", None)(rows)
    assert "label_coverage" not in {item.check for item in make_bench().judge(rows, final=False).findings}
    assert _finding(make_bench().judge(rows), "label_coverage").code is Code.LABELS_MISSING


def test_worse_than_average_needs_the_whole_interval_below_zero(make_bench: Make, rows: Any) -> None:
    # labels without any relation to the scores: worse, but by how much is not known well from few of them
    rows.label = [i % 2 == 0 for i in range(400)]
    skill = _finding(make_bench().judge(rows), "worse_than_average").measurement
    assert skill is not None
    assert skill.value is not None
    assert skill.high is not None
    errors = -skill.value / ((skill.high - skill.value) / Z95)
    for sigmas, status in ((errors + 0.1, Status.OK), (errors - 0.1, Status.FAIL)):
        rule = {"worse_than_average": {"severity": "fail", "sigmas": sigmas}}
        assert _finding(make_bench(checks=rule).judge(rows), "worse_than_average").status is status


def test_worse_than_average_has_a_tolerance(make_bench: Make, rows: Any) -> None:
    _opposite(rows)
    skill = _finding(make_bench().judge(rows), "worse_than_average").measurement
    assert skill is not None
    assert skill.high is not None
    for tolerance, status in ((0.0, Status.FAIL), (-skill.high - 0.02, Status.FAIL), (-skill.high + 0.02, Status.OK)):
        rule = {"worse_than_average": {"severity": "fail", "tolerance": tolerance}}
        found = _finding(make_bench(checks=rule).judge(rows), "worse_than_average")
        assert (found.status, found.limit) == (status, -tolerance)


def test_a_column_that_was_empty_in_the_baseline_too_is_not_broken(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    _first(400, "amount", None)(rows)
    empty = rows.profile(bench.config)
    verdict = bench.judge(rows, reference=replace(bench.reference, profile=empty))
    assert _finding(verdict, "schema").status is Status.OK


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_broken_data(make_bench: Make, rows: Any, value: float) -> None:
    _first(400, "amount", value)(rows)
    verdict = make_bench().judge(rows)
    assert verdict.status is Status.FAIL
    assert _finding(verdict, "schema", "amount").message == "Column amount has no usable value in all 400 rows."


def test_many_numbers_that_are_none_are_as_bad_as_nulls(make_bench: Make, rows: Any) -> None:
    _first(100, "amount", np.nan)(rows)
    verdict = make_bench().judge(rows)
    assert (verdict.status, _finding(verdict, "nulls", "amount").code) == (Status.FAIL, Code.NULLS_INCREASED)


def test_folded_categories_have_no_unseen(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    _first(100, "country", "li")(rows)
    features = bench.reference.spec.features
    folded = ProfileSpec({**features, "country": replace(features["country"], is_open=True)})
    verdict = bench.judge(rows, reference=replace(bench.reference, spec=folded))
    assert "unseen" not in {item.check for item in verdict.findings}


def test_the_worst_findings_come_first_and_lead(make_bench: Make, rows: Any) -> None:
    _first(60, "amount", None)(rows)
    _first(101, "label", None)(rows)
    verdict = make_bench().judge(rows, new_columns=("age",))
    order = [item.status for item in verdict.findings]
    assert order == sorted(order, key=[Status.FAIL, Status.UNKNOWN, Status.WARN, Status.INFO, Status.OK].index)
    assert (verdict.status, verdict.headline) == (Status.FAIL, verdict.findings[0].message)
    _first(60, "country", None)(rows)
    assert make_bench().judge(rows).headline.endswith(" And 1 more.")


def test_verdicts_survive_json(make_bench: Make, rows: Any) -> None:
    from monitoring import documents

    _first(41, "amount", None)(rows)
    verdict = make_bench().judge(rows, new_columns=("age",))
    data = documents.encode("verdict", 1, verdict.to_json())
    assert Verdict.from_json(documents.decode(data, "verdict", 1, "k")) == verdict


def test_a_gap_that_ordinary_blocks_have_is_no_concept_drift(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    deviation = bench.limits.spread("concept_drift", 1).deviation
    for times, status in ((3.4, Status.OK), (3.6, Status.WARN)):
        found = _finding(bench.judge(rows, **_concept(times * deviation, error=deviation / 100)), "concept_drift")
        assert found.status is status
        assert found.measurement is not None
        assert found.measurement.standard_error == deviation


def test_segments_answer_for_themselves_and_share_the_level(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    deviation = bench.limits.spread("concept_drift", 1).deviation
    bad, fair, small = (_gap(times * deviation, deviation, n) for times, n in ((6, 400), (3.6, 400), (6, 199)))
    gaps = {"country=at": bad, "country=ch": fair, "country=li": small}
    verdict = bench.judge(rows, **_concept(0.0, segment_gaps=gaps))
    found = {item.subject: item for item in verdict.findings if item.check == "concept_drift"}
    assert set(found) == {"", "country=at"}
    assert (found[""].status, found["country=at"].status) == (Status.OK, Status.WARN)
    assert found["country=at"].message.startswith("country=at: On this day the Brier score is ")


def test_concept_drift_says_what_was_diagnosed(make_bench: Make, rows: Any) -> None:
    found = _finding(make_bench().judge(rows, **_concept(0.2, diagnosis="It is the relation.")), "concept_drift")
    assert found.message == "It is the relation."


def test_of_few_labels_nothing_is_said_of_the_relation(make_bench: Make, rows: Any) -> None:
    changes = _concept(0.2) | {"concept_gap": _gap(0.2, 0.001, 199)}
    found = _finding(make_bench().judge(rows, **changes), "concept_drift")
    assert (found.code, found.status) == (Code.TOO_FEW_LABELS, Status.UNKNOWN)


@pytest.mark.parametrize(("share", "status"), [(0.86, Status.OK), (0.84, Status.FAIL)])
def test_accuracy_of_several_classes(make_bench: Make, rows: Any, share: float, status: Status) -> None:
    bench = make_bench()
    right = np.arange(400) < share * 400
    outcomes = MulticlassProfile.of(("a", "b"), np.zeros(400, np.int64), np.where(right, 0, 1))
    bench.limits.spreads["accuracy"] = (Spread(0.9, 0.01, 20),)
    found = _finding(bench.judge(rows, outcomes=outcomes, trailing_outcomes=outcomes), "accuracy")
    assert (found.status, found.about_performance) == (status, True)
    assert found.message == f"Accuracy on this day is {share}, ordinarily 0.9."


@pytest.mark.parametrize(("error", "status"), [(1.1, Status.OK), (1.3, Status.FAIL)])
def test_errors_of_numbers(make_bench: Make, rows: Any, error: float, status: Status) -> None:
    bench = make_bench()
    outcomes = ResidualProfile.of(np.full(400, error), np.zeros(400), ResidualSpec())
    bench.limits.spreads["error"] = (Spread(1.0, 0.05, 20),)
    found = _finding(bench.judge(rows, outcomes=outcomes, trailing_outcomes=outcomes), "error")
    assert (found.status, found.code) == (status, Code.ERROR_LARGER if status is Status.FAIL else Code.WITHIN_LIMITS)
