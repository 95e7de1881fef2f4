"""Every check: when it fires, with which code, and what it does to the window's status."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.judge.beyond import error_of
from monitoring.judge.limits import Spread
from monitoring.measure import Measurement
from monitoring.measure.concept import Diagnosis
from monitoring.measure.performance import Z95, performance
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
    (Code.NULLS_INCREASED, _first(70, "amount", None), "nulls", "amount", Status.FAIL),
    (Code.UNSEEN_CATEGORIES, _first(50, "country", "li"), "unseen", "country", Status.WARN),
    (Code.RECORDS_QUARANTINED, lambda _: {"quarantined": 5}, "quarantine", "", Status.WARN),
    (Code.EVENT_ID_REUSED, lambda _: {"conflicting": 1}, "event_ids", "", Status.WARN),
    (Code.ERRORS_INCREASED, _first(25, "status", 503), "errors", "", Status.FAIL),
    (Code.FEATURE_DRIFT, _first(150, "amount", 99.0), "feature_drift", "amount", Status.WARN),
    (Code.PREDICTION_DRIFT, _moved_scores, "prediction_drift", "", Status.WARN),
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


@pytest.mark.parametrize(
    ("spoil", "check", "subject"),
    [
        (_first(40, "amount", None), "nulls", "amount"),
        (_first(20, "country", "li"), "unseen", "country"),
        (lambda _: {"quarantined": 4}, "quarantine", ""),
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
    assert {finding.status for finding in verdict.findings} <= {Status.OK, Status.INFO}
    assert verdict.headline == "Performance and data are within their limits."
    asked = {"schema", "nulls", "feature_drift", "prediction_drift", "label_coverage", "ranking", "calibration"}
    assert asked <= {finding.check for finding in verdict.findings}


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
    _first(150, "amount", 99.0)(rows)
    verdict = make_bench(checks={"feature_drift": {"severity": "info"}}).judge(rows, new_columns=("age",))
    assert {Code.FEATURE_DRIFT, Code.COLUMN_NEW} <= {item.code for item in verdict.findings}
    assert verdict.status is Status.OK
    assert verdict.headline == "Performance and data are within their limits. 1 of 2 features have moved, without harm."


@pytest.mark.parametrize(("severity", "status"), [("fail", Status.FAIL), ("warn", Status.WARN), ("info", Status.OK)])
def test_the_severity_is_the_status(make_bench: Make, rows: Any, severity: str, status: Status) -> None:
    _first(150, "amount", 99.0)(rows)
    assert make_bench(checks={"feature_drift": {"severity": severity}}).judge(rows).status is status


def test_a_broken_column_does_not_stop_the_others(make_bench: Make, rows: Any) -> None:
    _first(400, "amount", None)(rows)
    _first(90, "country", None)(rows)
    verdict = make_bench().judge(rows, missing_columns=("amount",))
    assert _finding(verdict, "schema", "amount").code is Code.COLUMN_MISSING
    assert _finding(verdict, "nulls", "country").code is Code.NULLS_INCREASED
    assert _finding(verdict, "ranking").status is Status.OK
    assert not [item for item in verdict.findings if (item.check, item.subject) == ("nulls", "amount")]


def test_too_few_rows_are_unknown_unless_a_check_only_informs(make_bench: Make, few: Any) -> None:
    verdict = make_bench(checks={"volume": {"severity": "off"}}).judge(few)
    assert verdict.status is Status.UNKNOWN
    assert _finding(verdict, "nulls", "amount").message == "Only 30 rows; 200 are needed."
    assert _finding(verdict, "feature_drift", "amount").status is Status.UNKNOWN
    informs = make_bench(checks={"feature_drift": {"severity": "info"}}).judge(few)
    assert _finding(informs, "feature_drift", "amount").status is Status.INFO
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
    bad = bench.judge(opposite, trailing=good.trailing, trailing_realised=good.trailing_realised, windows=3)
    # the ranking is asked of the day alone, too; whether a model is worse than none only of the trailing ones
    assert (bad.performance_status, bad.own_performance) == (Status.WARN, Status.FAIL)
    worse = performance(opposite.outcomes())
    after = bench.judge(rows, trailing_realised=worse, windows=3)
    assert (after.performance_status, after.own_performance) == (Status.FAIL, Status.OK)
    small = bench.judge(few, trailing_realised=worse, trailing_labelled=400, windows=3)
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


def test_worse_than_average_is_what_it_is_surely(make_bench: Make, rows: Any) -> None:
    # labels without any relation to the scores: worse, but by how much is not known well from few of them
    rows.label = [i % 2 == 0 for i in range(400)]
    bench = make_bench()
    spread = bench.limits.spread("worse_than_average", 1)
    found = _finding(bench.judge(rows), "worse_than_average")
    assert found.measurement is not None
    assert found.measurement.value is not None
    error = max(error_of(found.measurement), spread.deviation)
    assert found.p_value == pytest.approx(NormalDist().cdf(found.measurement.value / error))
    assert found.status is (Status.FAIL if found.p_value <= found.level else Status.OK)
    assert found.limit == pytest.approx(NormalDist(0.0, error).inv_cdf(found.level))


def test_worse_than_average_has_a_tolerance(make_bench: Make, rows: Any) -> None:
    _opposite(rows)
    skill = _finding(make_bench().judge(rows), "worse_than_average").measurement
    assert skill is not None
    assert skill.value is not None
    for tolerance, status in ((0.0, Status.FAIL), (-skill.value + 0.02, Status.OK)):
        rule = {"worse_than_average": {"severity": "fail", "tolerance": tolerance}}
        assert _finding(make_bench(checks=rule).judge(rows), "worse_than_average").status is status


@pytest.mark.parametrize(("limit", "status"), [(-3.0, Status.OK), (-0.2, Status.FAIL)])
def test_a_limit_of_ones_own_is_all_that_counts(make_bench: Make, rows: Any, limit: float, status: Status) -> None:
    _opposite(rows)
    verdict = make_bench(checks={"worse_than_average": {"limit": limit}}).judge(rows)
    found = _finding(verdict, "worse_than_average")
    assert (found.status, found.limit, found.p_value) == (status, limit, None)


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
    assert (verdict.status, _finding(verdict, "nonfinite", "amount").code) == (Status.FAIL, Code.NONFINITE_INCREASED)


def test_folded_categories_have_no_unseen(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    _first(100, "country", "li")(rows)
    features = bench.reference.spec.features
    folded = ProfileSpec({**features, "country": replace(features["country"], is_open=True)})
    verdict = bench.judge(rows, reference=replace(bench.reference, spec=folded))
    assert "unseen" not in {item.check for item in verdict.findings}


def test_the_worst_findings_come_first_and_lead(make_bench: Make, rows: Any) -> None:
    _first(90, "amount", None)(rows)
    _first(101, "label", None)(rows)
    verdict = make_bench().judge(rows, new_columns=("age",))
    order = [item.status for item in verdict.findings]
    assert order == sorted(order, key=[Status.FAIL, Status.UNKNOWN, Status.WARN, Status.INFO, Status.OK].index)
    assert verdict.status is Status.FAIL
    assert verdict.headline == f"{verdict.findings[0].message} And 1 more warns."
    _first(90, "country", None)(rows)
    assert make_bench().judge(rows).headline.endswith(" And 1 more fails and 1 warns.")


def test_verdicts_survive_json(make_bench: Make, rows: Any) -> None:
    from monitoring import documents

    _first(41, "amount", None)(rows)
    verdict = make_bench().judge(rows, new_columns=("age",))
    data = documents.encode("verdict", 2, verdict.to_json())
    assert Verdict.from_json(documents.decode(data, "verdict", 2, "k")) == verdict


def test_a_gap_that_ordinary_blocks_have_is_no_concept_drift(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    deviation = bench.limits.telling("concept_drift", 1).deviation
    for times, status in ((2.0, Status.OK), (5.0, Status.WARN)):
        gap = 0.05 * 0.2 + times * deviation  # beyond what does not matter
        found = _finding(bench.judge(rows, **_concept(gap, error=deviation / 100)), "concept_drift")
        assert found.status is status
        assert found.measurement is not None
        assert found.measurement.standard_error == deviation


def test_segments_answer_for_themselves_and_share_the_level(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    deviation = bench.limits.telling("concept_drift", 1).deviation
    bad, fair, small = (_gap(times * deviation, deviation, n) for times, n in ((7, 400), (2, 400), (7, 199)))
    gaps = {"country=at": bad, "country=ch": fair, "country=li": small}
    verdict = bench.judge(rows, **_concept(0.0, segment_gaps=gaps))
    found = {item.subject: item for item in verdict.findings if item.check == "concept_drift"}
    assert {name: item.status for name, item in found.items()} == {
        "": Status.OK,
        "country=at": Status.WARN,
        "country=ch": Status.OK,
    }
    assert found["country=at"].message.startswith("country=at: On this day the Brier score is ")
    assert found["country=ch"].level < make_bench().judge(rows, **_concept(0.0)).families["warn performance"]["level"]


def test_concept_drift_says_what_was_diagnosed(make_bench: Make, rows: Any) -> None:
    diagnosis = Diagnosis("concept drift", "It is the relation.", _gap(0.2, 0.01), None, None, 0.01, None)
    verdict = make_bench().judge(rows, **_concept(0.2, diagnosis=diagnosis))
    assert _finding(verdict, "concept_drift").message == "It is the relation."
    assert verdict.why is not None
    sentence = "Since 2024-01-11, as far as can be told: the relation of inputs and labels has changed."
    assert (verdict.why["since"], verdict.why["sentence"]) == ("2024-01-11", sentence)


def test_of_few_labels_nothing_is_said_of_the_relation(make_bench: Make, rows: Any) -> None:
    changes = _concept(0.2) | {"concept_gap": _gap(0.2, 0.001, 199)}
    found = _finding(make_bench().judge(rows, **changes), "concept_drift")
    assert (found.code, found.status) == (Code.TOO_FEW_LABELS, Status.UNKNOWN)


@pytest.mark.parametrize(("share", "status"), [(0.86, Status.OK), (0.76, Status.FAIL)])
def test_accuracy_of_several_classes(make_bench: Make, rows: Any, share: float, status: Status) -> None:
    bench = make_bench(columns={"task": "multiclass", "prediction": "answer"})
    right = np.arange(400) < share * 400
    numbers = performance(MulticlassProfile.of(("a", "b"), np.zeros(400, np.int64), np.where(right, 0, 1)))
    bench.limits.spreads["accuracy"] = (Spread(0.9, 0.01, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "accuracy")
    assert (found.status, found.about_performance) == (status, True)
    assert found.message == f"Accuracy on this day is {share}, ordinarily 0.9."


@pytest.mark.parametrize(("error", "status"), [(1.1, Status.OK), (1.5, Status.FAIL)])
def test_errors_of_numbers(make_bench: Make, rows: Any, error: float, status: Status) -> None:
    bench = make_bench(columns={"task": "regression"})
    numbers = performance(ResidualProfile.of(np.full(400, error), np.zeros(400), ResidualSpec()))
    bench.limits.spreads["error"] = (Spread(1.0, 0.05, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "error")
    assert (found.status, found.code) == (status, Code.ERROR_LARGER if status is Status.FAIL else Code.WITHIN_LIMITS)
