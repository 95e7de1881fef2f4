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
from monitoring.judge.beyond import error_of, number_test
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
    assert verdict.headline == "There are no records for 2024-01-11; such a window ordinarily has about 400."
    unreadable = make_bench().judge(rows, quarantined=7)
    assert (unreadable.status, unreadable.headline) == (
        Status.UNKNOWN,
        "None of the 7 records of 2024-01-11 could be read; such a window ordinarily has about 400.",
    )
    assert make_bench().judge(rows, reference=None).headline == "There are no records for 2024-01-11."


def _with_hours(bench: Any, rows: Any, *names: str) -> Any:
    """The records of earlier windows."""
    return replace(rows.profile(bench.config), hours=dict.fromkeys(names, 5))


def test_how_long_nothing_has_come_is_told(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    ends = {
        "2024-01-10T22Z": "has about 400. The last ones are of 2024-01-10.",
        "2024-01-08T03Z": "has about 400. The last ones are of 2024-01-08: 3 windows in a row have none.",
    }
    earlier = {last: _with_hours(bench, rows, "2024-01-07T00Z", last) for last in ends}
    _cut(rows, slice(0))
    for last, end in ends.items():
        assert bench.judge(rows, trailing=earlier[last]).headline.endswith(end)


def test_how_rare_a_window_without_records_is(make_bench: Make, rows: Any) -> None:
    _cut(rows, slice(0))
    bench = make_bench()
    found = bench.judge(rows).findings[0]
    assert (found.baseline, found.p_value is not None, found.level is not None) == (400.0, True, True)
    assert found.p_value < found.level
    traffic = bench.limits.traffic
    # (1 + 400)^-1: where windows differ so much, none at all is no wonder
    wild = replace(bench.limits, traffic=replace(traffic, log_deviation=1.0))
    assert bench.judge(rows, replace(bench.reference, limits=wild)).findings[0].p_value == pytest.approx(1 / 401)
    untimed = replace(bench.limits, traffic=None)
    deviation = untimed.spread("volume", 1).deviation
    expected = (1 + 400 * deviation**2) ** (-1 / deviation**2) if deviation else math.exp(-400)
    of_rows = bench.judge(rows, replace(bench.reference, limits=untimed)).findings[0]
    assert of_rows.p_value == pytest.approx(expected)
    never = replace(bench.limits, traffic=replace(traffic, seen=(0,) * 24))
    closed = bench.judge(rows, replace(bench.reference, limits=never))
    assert closed.headline == "There are no records for 2024-01-11; the baseline has none at such hours either."
    assert closed.findings[0].p_value is None


@pytest.mark.parametrize(
    "changed",
    [
        {"checks": {"feed": {"severity": "warn"}}},
        {"calendar": [{"name": "closed", "from": "2024-01-11", "effect": "suppress"}]},
    ],
)
def test_a_window_without_records_that_nobody_minds(make_bench: Make, rows: Any, changed: dict[str, Any]) -> None:
    _cut(rows, slice(0))
    found = make_bench(**changed).judge(rows).findings[0]
    assert (found.code, found.p_value) == (Code.NO_DATA, None)


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
    for times, status in ((0.5, Status.OK), (2.0, Status.INFO), (5.0, Status.WARN)):
        gap = 0.05 * 0.2 + times * deviation  # beyond what does not matter
        found = _finding(bench.judge(rows, **_concept(gap, error=deviation / 100)), "concept_drift")
        assert found.status is status
        assert found.measurement is not None
        assert found.measurement.standard_error == deviation


def test_segments_answer_for_themselves_and_share_the_level(make_bench: Make, rows: Any) -> None:
    bench = make_bench()
    deviation = bench.limits.telling("concept_drift", 1).deviation
    bad, fair, small = (_gap(times * deviation, deviation, n) for times, n in ((7, 400), (2, 400), (7, 99)))
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
    changes = _concept(0.2) | {"concept_gap": _gap(0.2, 0.001, 99)}
    verdict = make_bench().judge(rows, **changes)
    found = _finding(verdict, "labels")
    assert (found.code, found.status, found.folded) == (Code.TOO_FEW_LABELS, Status.INFO, ("concept_drift",))
    assert found.message == "Only 99 labelled rows in this window; 1 check needs more (concept_drift), 100 at least."
    assert "concept_drift" not in {item.check for item in verdict.findings}


@pytest.mark.parametrize(("share", "status"), [(0.86, Status.OK), (0.76, Status.FAIL)])
def test_accuracy_of_several_classes(make_bench: Make, rows: Any, share: float, status: Status) -> None:
    bench = make_bench(columns={"task": "multiclass", "prediction": "answer"})
    right = np.arange(400) < share * 400
    numbers = performance(MulticlassProfile.of(("a", "b"), np.zeros(400, np.int64), np.where(right, 0, 1)))
    bench.limits.spreads["accuracy"] = (Spread(0.9, 0.01, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "accuracy")
    assert (found.status, found.about_performance) == (status, True)
    ends = f"{numbers['accuracy'].low:.3g}, {numbers['accuracy'].high:.3g}"
    below = f"{90 - 100 * share:.1f} points below the ordinary 0.9"
    assert found.message == f"Accuracy on this day is {share} [{ends}], {below}."


def _shares(u: float, predicted: float, given: bool) -> dict[str, Measurement]:
    """400 rows of which a share is predicted as `u`, and another share is."""
    labels = np.where(np.arange(400) < u * 400, 0, 1)
    predictions = np.where(np.arange(400) < predicted * 400, 0, 1)
    p = np.tile([predicted, 1 - predicted, 0.0], (400, 1)) if given else None
    return performance(MulticlassProfile.of(("u", "{v}", "w"), predictions, labels, p))


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("true", "predicted", "status"),
    [(0.45, 0.25, Status.WARN), (0.25, 0.45, Status.WARN), (0.28, 0.25, Status.OK), (0.25, 0.25, Status.OK)],
)
def test_calibration_of_several_classes(
    make_bench: Make, rows: Any, true: float, predicted: float, status: Status, given: bool
) -> None:
    bench = make_bench(columns={"task": "multiclass", "prediction": "answer"})
    numbers = _shares(true, predicted, given)
    for name in ("u", "{v}", "w"):
        bench.limits.spreads[f"calibration:{name}"] = (Spread(0.0, 0.01, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "calibration")
    assert (found.status, found.subject) == (status, "")
    assert found.code is (Code.CALIBRATION_OFF if status is Status.WARN else Code.WITHIN_LIMITS)
    if status is Status.WARN:
        # both classes are as far off; whichever of them speaks says what it is of
        name = found.measurement.name.partition(":")[2] if found.measurement else ""
        shares = (predicted, true) if name == "u" else (1 - predicted, 1 - true)
        assert found.message.startswith(f"{name}, on this day: predicted {shares[0]:.0%}, came true {shares[1]:.0%} (")
        assert found.message.endswith(" points).")


def test_each_class_is_held_against_what_it_ordinarily_is(make_bench: Make, rows: Any) -> None:
    bench = make_bench(columns={"task": "multiclass", "prediction": "answer"})
    numbers = _shares(0.45, 0.25, given=False)
    for name, usual in (("u", -0.2), ("{v}", 0.2)):
        bench.limits.spreads[f"calibration:{name}"] = (Spread(usual, 0.01, 20, 20.0, 400.0),)
    changes = {"realised": numbers, "trailing_realised": numbers}
    assert _finding(bench.judge(rows, **changes), "calibration").status is Status.OK
    even = _shares(0.25, 0.25, given=False)
    found = _finding(bench.judge(rows, realised=even, trailing_realised=even), "calibration")
    assert found.status is Status.WARN
    one = replace(number_test(even["calibration:u"], Spread(-0.2, 0.01, 20, 20.0, 400.0), 0.1), sides=2)
    # the question is asked of two classes
    assert found.p_value == pytest.approx(2 * one.p_value(0.0))
    unknown = make_bench(columns={"task": "multiclass", "prediction": "answer"}).judge(rows, **changes)
    assert _finding(unknown, "calibration").status is Status.OK


@pytest.mark.parametrize(("limit", "status"), [(0.15, Status.WARN), (0.25, Status.OK)])
@pytest.mark.parametrize(("true", "predicted"), [(0.45, 0.25), (0.25, 0.45)])
def test_a_limit_of_ones_own_is_for_both_sides(
    make_bench: Make, rows: Any, true: float, predicted: float, limit: float, status: Status
) -> None:
    bench = make_bench(columns={"task": "multiclass", "prediction": "answer"}, checks={"calibration": {"limit": limit}})
    numbers = _shares(true, predicted, given=False)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "calibration")
    assert (found.status, abs(found.limit or 0.0)) == (status, limit)
    biased = make_bench(columns={"task": "regression"}, checks={"bias": {"limit": limit}})
    errors = performance(ResidualProfile.of(np.full(400, predicted), np.full(400, true), ResidualSpec()))
    found = _finding(biased.judge(rows, realised=errors, trailing_realised=errors), "bias")
    assert (found.status, abs(found.limit or 0.0)) == (status, limit)


@pytest.mark.parametrize(("error", "status"), [(1.1, Status.OK), (1.5, Status.FAIL)])
def test_errors_of_numbers(make_bench: Make, rows: Any, error: float, status: Status) -> None:
    bench = make_bench(columns={"task": "regression"})
    numbers = performance(ResidualProfile.of(np.full(400, error), np.zeros(400), ResidualSpec()))
    bench.limits.spreads["error"] = (Spread(1.0, 0.05, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "error")
    assert (found.status, found.code) == (status, Code.ERROR_LARGER if status is Status.FAIL else Code.WITHIN_LIMITS)
    times = "1.5 times" if error == 1.5 else "10% above"
    assert (
        found.message == f"The mean absolute error on this day is {error} [{error}, {error}], {times} the ordinary 1."
    )


def _residuals(bias: float) -> dict[str, Measurement]:
    """Errors of a mean size of about 20 around a bias."""
    actuals = np.random.default_rng(3).normal(500, 100, 400)
    errors = np.tile([-20.0, 20.0], 200) + bias
    return performance(ResidualProfile.of(actuals + errors, actuals, ResidualSpec.learn(actuals + errors, actuals)))


@pytest.mark.parametrize(
    ("bias", "status", "words"), [(-97.0, Status.WARN, "low"), (30.0, Status.WARN, "high"), (9.0, Status.OK, "high")]
)
def test_bias_of_numbers(make_bench: Make, rows: Any, bias: float, status: Status, words: str) -> None:
    bench = make_bench(columns={"task": "regression"})
    bench.limits.spreads["error"] = (Spread(20.0, 1.0, 20, 20.0, 400.0),)
    bench.limits.spreads["bias"] = (Spread(-0.5, 1.0, 20, 20.0, 400.0),)
    numbers = _residuals(bias)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "bias")
    assert (found.status, found.about_performance) == (status, True)
    assert found.code is (Code.BIASED if status is Status.WARN else Code.WITHIN_LIMITS)
    assert found.message.startswith(f"On this day it predicts {abs(bias):g} [{abs(bias) - 1.96:.3g}, ")
    assert found.message.endswith(f"] too {words} on average, ordinarily 0.5 too low.")


def test_a_bias_that_the_error_hides_is_seen(make_bench: Make, rows: Any) -> None:
    random = np.random.default_rng(5)
    actuals, errors = random.normal(500, 100, 4000), random.normal(0, 25, 4000)
    bench = make_bench(columns={"task": "regression"})
    numbers = performance(ResidualProfile.of(actuals + errors + 14, actuals, ResidualSpec(500.0, 7, 5)))
    ordinary = float(np.abs(errors).mean())
    bench.limits.spreads["error"] = (Spread(ordinary, 0.02 * ordinary, 20, 20.0, 4000.0),)
    bench.limits.spreads["bias"] = (Spread(0.0, 0.5, 20, 20.0, 4000.0),)
    verdict = bench.judge(rows, realised=numbers, trailing_realised=numbers, labelled=4000, trailing_labelled=4000)
    assert _finding(verdict, "error").status is Status.OK
    assert _finding(verdict, "bias").status is Status.WARN


def test_what_is_left_of_the_lead_is_told(make_bench: Make, rows: Any) -> None:
    bench = make_bench(columns={"task": "regression"})
    numbers = _residuals(-60.0)
    bench.limits.spreads["error"] = (Spread(20.0, 1.0, 20, 20.0, 400.0),)
    bench.limits.spreads["r2"] = (Spread(0.96, 0.01, 20, 20.0, 400.0),)
    found = _finding(bench.judge(rows, realised=numbers, trailing_realised=numbers), "error")
    left = (numbers["r2"].value or 0.0) / 0.96
    assert found.message.endswith(
        f", 3.0 times the ordinary 20; {left:.0%} of its lead over always predicting the average is left."
    )
    _opposite(rows)
    ranking = _finding(make_bench().judge(rows), "ranking")
    assert ranking.message.endswith("; nothing of its lead over chance is left.")
    assert ranking.measurement is not None
    assert f"[{ranking.measurement.low:.3g}, {ranking.measurement.high:.3g}], ordinarily " in ranking.message
