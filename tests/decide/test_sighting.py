"""What one look says about incidents."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from monitoring.decide.sighting import incident_fingerprint, sightings
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.window import Window

DAY = Window(datetime(2024, 1, 11, tzinfo=UTC), "day")


def _verdict(*findings: Finding, model: str = "toy", revision: int = 1) -> Verdict:
    return Verdict(
        model=model,
        window=DAY,
        revision=revision,
        as_of=DAY.end,
        final=False,
        status=Status.OK,
        own_performance=Status.OK,
        headline="",
        findings=findings,
        numbers={},
        trailing={},
        trailing_windows=(),
        accounting={},
        inputs={},
    )


def _drift(subject: str, status: Status, group: str = "", reference: str = "") -> Finding:
    what = f"{subject} is {status}."
    return Finding("feature_drift", subject, status, Code.FEATURE_DRIFT, what, group=group, reference=reference)


def test_what_warns_or_fails_is_seen() -> None:
    found = sightings(_verdict(*(_drift(str(status), status) for status in Status), revision=3))
    assert found.revision == 3
    assert {hit.subject: hit.letter for hit in found.hits.values()} == {"fail": "f", "warn": "w"}
    assert found.unknown == {"feature_drift:unknown@"}
    assert not found.blind
    [hit] = [hit for hit in found.hits.values() if hit.severity is Status.FAIL]
    assert (hit.message, hit.window, hit.names) == (
        "fail is fail.",
        "2024-01-11",
        ("feature_drift:fail", "feature_drift:fail@"),
    )


def test_a_fingerprint_tells_model_check_subject_and_reference_apart() -> None:
    names = [
        incident_fingerprint(*name)
        for name in [
            ("toy", "nulls", "age", ""),
            ("toy2", "nulls", "age", ""),
            ("toy", "unseen", "age", ""),
            ("toy", "nulls", "amount", ""),
            ("toy", "nulls", "age", "last month"),
        ]
    ]
    assert len(set(names)) == 5
    assert {len(name) for name in names} == {10}
    assert list(sightings(_verdict(_drift("age", Status.WARN))).hits) == [
        incident_fingerprint("toy", "feature_drift", "age", "")
    ]


def test_a_group_is_one_finding_as_bad_as_its_worst() -> None:
    members = [_drift("a", Status.WARN, "a"), _drift("b", Status.FAIL, "a"), _drift("c", Status.OK, "a")]
    for order in (members, members[::-1]):
        [hit] = sightings(_verdict(*order)).hits.values()
        assert (hit.subject, hit.severity, hit.message) == ("a", Status.FAIL, "b is fail.")


def test_references_are_apart() -> None:
    found = sightings(_verdict(_drift("a", Status.WARN), _drift("a", Status.UNKNOWN, reference="last week")))
    [(key, hit)] = found.hits.items()
    assert (hit.reference, found.unknown) == ("", {"feature_drift:a@last week"})
    marks = found.marks
    other = _drift("a", Status.WARN, reference="last week")
    [(other_key, other_hit)] = sightings(_verdict(other)).hits.items()
    assert (marks.letter(key, hit), marks.letter(other_key, other_hit)) == ("w", "")


def test_of_what_another_finding_explains_nothing_is_known() -> None:
    missing = Finding(
        "schema", "a", Status.FAIL, Code.COLUMN_MISSING, "Column a is missing.", folded=("feature_drift:a", "loss:")
    )
    marks = sightings(_verdict(missing)).marks
    for check, subject, letter in [("feature_drift", "a", ""), ("feature_drift", "b", "."), ("loss", "", "")]:
        for reference in ("", "last week"):
            finding = Finding(check, subject, Status.WARN, Code.FEATURE_DRIFT, "", reference=reference)
            [(key, hit)] = sightings(_verdict(finding)).hits.items()
            assert marks.letter(key, hit) == letter


@pytest.mark.parametrize(
    ("code", "blind"), [(Code.NO_DATA, True), (Code.NO_BASELINE, True), (Code.TOO_FEW_ROWS, False)]
)
def test_a_window_without_data_or_baseline_is_blind(code: Code, blind: bool) -> None:
    found = sightings(_verdict(Finding("data", "", Status.UNKNOWN, code, "")))
    assert found.blind is blind
    [(key, hit)] = sightings(_verdict(_drift("a", Status.WARN))).hits.items()
    assert found.marks.letter(key, hit) == ("" if blind else ".")


@pytest.mark.parametrize(("p_value", "level", "seen"), [(1e-9, 4e-4, True), (0.01, 4e-4, False), (None, None, False)])
def test_a_window_without_records_is_a_broken_feed_and_nothing_else(
    p_value: float | None, level: float | None, seen: bool
) -> None:
    nothing = Finding("data", "", Status.UNKNOWN, Code.NO_DATA, "There are none.", p_value=p_value, level=level)
    found = sightings(_verdict(nothing))
    key = incident_fingerprint("toy", "feed", "", "")
    assert list(found.hits) == ([key] if seen else [])
    assert found.blind
    half = Finding("feed", "", Status.FAIL, Code.FEED_BROKEN, "Half of it is missing.")
    [(same, hit)] = sightings(_verdict(half)).hits.items()
    assert same == key
    assert found.marks.letter(key, hit) == ("f" if seen else "")
    [(other, drifted)] = sightings(_verdict(_drift("a", Status.WARN))).hits.items()
    assert found.marks.letter(other, drifted) == ""
