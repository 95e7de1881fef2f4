"""Why performance is bad: what is said of it, and that it never denies what a finding says."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.judge import Code, Finding, Status
from monitoring.judge.evidence import Evidence, Past
from monitoring.judge.why import Why, why
from monitoring.measure import Measurement
from monitoring.measure.concept import Diagnosis
from monitoring.profile import ProfileSpec, WindowProfile

EMPTY = WindowProfile.empty(ProfileSpec({}))


def _evidence(kind: Any = None, **more: Any) -> Evidence:
    change = Measurement("brier", 0.1, 400, "high", "")
    diagnosis = kind and Diagnosis(kind, "", change, None, None, 0.01, None, "x1", ("low",), ("x2",))
    settings: dict[str, Any] = {"windows": 7, "hours": 24, "final": True, "coverage": 1.0, "ordinary_loss": 0.2}
    return Evidence(EMPTY, EMPTY, **settings, diagnosis=diagnosis, **more)


def _finding(check: str, code: Code, status: Status = Status.WARN, subject: str = "", **more: Any) -> Finding:
    return Finding(check, subject, status, code, "", since="2024-01-05", **more)


LOSS = _finding("loss", Code.LOSS_HIGHER, Status.FAIL)


def _why(evidence: Evidence, *findings: Finding) -> Why:
    found = why(findings, evidence)
    assert found is not None
    return found


def test_nothing_is_said_where_performance_is_good() -> None:
    assert why([_finding("nulls", Code.NULLS_INCREASED, Status.FAIL, "x1")], _evidence()) is None


@pytest.mark.parametrize("kind", ["concept drift", "both", "covariate shift", "none", "unknown"])
def test_the_diagnosis_of_the_whole_counts(kind: str) -> None:
    found = _why(_evidence(kind), LOSS)
    assert (found.kind, found.since, found.feature) == (kind, "2024-01-05", "x1")
    assert found.sentence.startswith("Since 2024-01-05, as far as can be told: ")


def test_it_does_not_deny_a_finding() -> None:
    drifted = _finding("concept_drift", Code.CONCEPT_DRIFT, subject="region=east")
    found = _why(_evidence("none"), LOSS, drifted)
    assert (found.kind, found.segments) == ("concept drift", ("region=east",))
    assert "worst in region=east" in found.sentence
    harder = _finding("estimated_loss", Code.LOSS_EXPECTED)
    assert _why(_evidence("none"), LOSS, harder).kind == "covariate shift"


def test_a_broken_column_comes_before_any_drift() -> None:
    stuck = _finding("constants", Code.COLUMN_CONSTANT, Status.FAIL, "x3")
    found = _why(_evidence("concept drift"), LOSS, stuck)
    assert (found.kind, found.broken) == ("broken data", ("x3",))
    assert found.sentence.endswith("x3 is broken, and predictions follow from it.")


def test_features_that_could_explain_most_come_first() -> None:
    moved = [
        _finding("feature_drift", Code.FEATURE_DRIFT, subject=name, impact=cost)
        for name, cost in (("a", 0.1), ("b", 0.2))
    ]
    assert _why(_evidence("covariate shift"), LOSS, *moved).moved == ("x2", "b", "a")


def test_since_when_something_is_told() -> None:
    name = LOSS.name
    told = tuple(frozenset(names) for names in ((), (name,), (name,), (), (name,)))
    past = Past(windows=("1", "2", "3", "4", "5"), told=told)
    # one window without it does not end it, two do
    assert past.since(name, "6") == "2"
    assert Past(windows=("1", "2", "3"), told=(frozenset({name}), frozenset(), frozenset())).since(name, "4") == "4"
    assert Past().since(name, "1") == "1"
