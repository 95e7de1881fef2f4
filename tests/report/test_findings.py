"""Findings, what was asked and incidents, in words and on the page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.config import ModelConfig
from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import ActionKind, IncidentAction
from monitoring.incidents import record_action, update_incidents
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.measure import Measurement
from monitoring.monitor import Monitor
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.report.alarm_words import alarm_sentence, asked, beside_sentence
from monitoring.report.facts import Facts
from monitoring.report.finding_cards import all_checks, how_sure, incidents, why, wrong
from monitoring.report.finding_words import Loss, by_todo, cost, details, explains, reached, sureness
from monitoring.report.incident_words import KnownIncident, action_words, known_incidents
from monitoring.report.text import how_often
from monitoring.report.words import first_page
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY

MakeConfig = Callable[..., ModelConfig]
DAY = Window(FIRST_DAY, "day")
SCRIPT = "<script>"


def drift(subject: str, **more: Any) -> Finding:
    """Drift that warns."""
    measured = Measurement("feature_drift", 0.3, 900, "high", "distance")
    values = {"measurement": measured, "baseline": 0.05, "limit": 0.1, "windows": 3, "p_value": 1e-4, "level": 1e-3}
    message = f"{subject}: it has moved."
    return Finding("feature_drift", subject, Status.WARN, Code.FEATURE_DRIFT, message, **{**values, **more})


def fine(subject: str, **more: Any) -> Finding:
    """A check within its limits."""
    return Finding("nulls", subject, Status.OK, Code.WITHIN_LIMITS, f"{subject}: as ever.", **more)


@pytest.fixture
def verdict() -> Verdict:
    """A day without findings."""
    return Verdict(
        model="toy",
        window=DAY,
        revision=1,
        as_of=DAY.end + timedelta(hours=6),
        final=False,
        status=Status.OK,
        own_performance=Status.OK,
        headline="",
        findings=(),
        numbers={},
        trailing={},
        trailing_windows=(),
        accounting={},
        inputs={},
    )


@pytest.fixture
def make_facts(make_config: MakeConfig, verdict: Verdict) -> Callable[..., Facts]:
    """What is known of a day with these findings."""
    nothing = WindowProfile.empty(ProfileSpec({}))

    def make(*findings: Finding, **more: Any) -> Facts:
        told = replace(verdict, findings=findings, **more)
        return Facts(make_config(), told, None, None, nothing, nothing, (told,))

    return make


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


# --- one finding


@given(st.floats(1e-12, 1), st.floats(1e-12, 1), st.sampled_from([1, 24, 168]))
def test_what_is_rarer_is_never_told_as_more_frequent(one: float, other: float, hours: int) -> None:
    def time(probability: float) -> float:
        words = how_often(probability, hours)
        if words == "in every window":
            return 0.0
        if words.startswith("less"):
            return float("inf")
        size = {"hour": 1, "day": 24, "month": 720, "year": 8760}[words.split()[-1].removesuffix("s")]
        return float(words.split()[2].replace(",", "")) * size

    low, high = sorted((one, other))
    # numbers are told to two digits, and a month is not the twelfth part of a year
    assert time(low) >= 0.9 * time(high)


def test_an_effect_comes_with_how_sure_it_is_and_what_it_costs() -> None:
    told = details(drift("age", impact=0.012), "day", Loss("Brier score", 0.15))
    assert told == {
        "Effect": "0.3, ordinarily 0.05, limit 0.1; 900 rows over 3 days",
        "How sure": "Windows like the baseline's are so far off at most once in 27 years; what is rarer than once in"
        " 3 years counts.",
        "Cost": "could explain 0.012 of the Brier score, 8 % of what is ordinary",
    }


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (Finding("schema", "age", Status.FAIL, Code.COLUMN_MISSING, ""), "A plain fact"),
        (drift("age", p_value=None, level=None), "Beyond a limit that the configuration sets"),
        (drift("age", p_value=1e-30), "less than once in 1,000 years; what is rarer than once in 3 years counts"),
        (drift("age", p_value=1e-7, level=1e-6), "once in 27,000 years; what is rarer than once in 2,700 years"),
        (Finding("nulls", "", Status.UNKNOWN, Code.TOO_FEW_ROWS, ""), ""),
        (
            Finding("loss", "", Status.FAIL, Code.LOSS_HIGHER, "", level=1 / 600, p_value=0.01, since="2024-01-09"),
            "Since 2024-01-09. With nothing changed, the alarm that watches it would be raised at most once in 20",
        ),
    ],
)
def test_how_sure_a_finding_is(finding: Finding, said: str) -> None:
    words = sureness(finding, "day")
    assert said in words
    assert bool(said) == bool(words)


def test_a_watched_loss_has_no_rate_of_its_own() -> None:
    assert reached(Finding("loss", "", Status.OK, Code.WITHIN_LIMITS, "", p_value=0.5, level=0.1), "day") == ""


def test_what_costs_nothing_says_so() -> None:
    assert cost(drift("age", impact=-0.01), Loss()).startswith("none is to be expected")
    assert cost(drift("age"), Loss()) == ""
    segment = Finding("segment_loss", "a=b", Status.FAIL, Code.SEGMENT_WORSE, "", impact=0.02)
    assert cost(segment, Loss("Brier score")) == "adds 0.02 to the Brier score of all rows"


def test_what_a_finding_explains_is_named_and_counted() -> None:
    folded = tuple(f"nulls:c{i}" for i in range(7))
    assert explains(replace(fine("a"), folded=folded)) == (
        "7 other checks: nulls of c0, nulls of c1, nulls of c2, nulls of c3, nulls of c4 and 2 more"
    )
    assert explains(replace(fine("a"), folded=("volume",))) == "1 other check: volume"


def test_findings_with_one_thing_to_do_stand_together() -> None:
    missing = Finding("schema", "a", Status.FAIL, Code.COLUMN_MISSING, "Gone.")
    found = by_todo([missing, drift("b"), drift("c")])
    assert [[finding.subject for finding in findings] for _, findings in found] == [["a"], ["b", "c"]]


# --- on the page


def test_what_to_do_is_told_once_for_what_it_is_about(make_facts: Callable[..., Facts]) -> None:
    page = wrong(make_facts(*(drift(f"c{i}") for i in range(12)), fine("x")))
    assert page.count("<strong>First</strong>") == 1
    assert "<summary>and 4 more</summary>" in page
    assert "Beside these: 1 check within limits." in page


def test_what_a_broken_feed_bars_is_one_line(make_facts: Callable[..., Facts]) -> None:
    barred = [Finding(check, "", Status.UNKNOWN, Code.BARRED, "Nothing can be said.") for check in ("error", "loss")]
    words = words_of(wrong(make_facts(*barred)))
    assert words.count("Nothing can be said.") == 1
    assert "Size of errors, Loss, window after window : Nothing can be said." in words


def test_information_is_told_where_it_stands_nowhere_else(make_facts: Callable[..., Facts]) -> None:
    new = Finding("model_version", "", Status.INFO, Code.MODEL_VERSION, "Version 2 answers.")
    quiet = replace(drift("age"), status=Status.INFO, suppressed="New Year", message="It would warn.")
    words = words_of(wrong(make_facts(new, quiet, replace(drift("x"), status=Status.INFO), fine("y"))))
    assert words.strip().startswith("Nothing fails or warns: 1 check within limits, 3 for your information.")
    assert "Version 2 answers." in words
    assert "It would warn." in words
    assert "x: it has moved." not in words


def test_all_checks_say_what_they_could_have_found(make_facts: Callable[..., Facts]) -> None:
    share = Measurement("nulls", 0.01, 988, "high", "share", 0.005, 0.02)
    ok = fine("age", measurement=share, baseline=0.012, limit=0.1, p_value=0.2, level=1e-4, detectable=0.125)
    words = words_of(all_checks(make_facts(ok, drift("b", reference="last-week"))))
    assert "OK Nulls age 0.010 [0.005, 0.020] 0.012 0.1 0.125 once in 5 days 988" in words
    assert words.index("b against last-week") < words.index("OK Nulls age")


REASON = {"since": "2024-01-09", "kind": "concept drift", "feature": "age", "cells": ["from 86"], "moved": ["x", "y"]}


def test_why_has_a_sentence_and_its_parts(make_facts: Callable[..., Facts]) -> None:
    reason = {**REASON, "segments": [f"place={SCRIPT}"], "sentence": "Since then."}
    page = why(make_facts(why=reason))
    assert words_of(page).strip() == (
        "Since then. Since 2024-01-09 Kind concept drift Where age is from 86 Segments place=<script>"
        " Inputs that moved x, y"
    )
    assert SCRIPT not in page
    assert "Why performance is bad" in first_page(make_facts(why=reason), "")
    assert "Why performance is bad" not in first_page(make_facts(), "")


def test_the_first_page_names_the_calendar(make_facts: Callable[..., Facts]) -> None:
    assert "In the calendar: Easter, Sale." in words_of(first_page(make_facts(calendar=("Easter", "Sale")), ""))


# --- what was asked

FAMILIES = {
    "fail data": {"questions": 30, "level": 4e-4, "fired": [], "false_alarms": 0.01, "budget": 0.05},
    "warn drift": {"questions": 10, "level": 4e-3, "fired": ["x", "y"], "false_alarms": 0.12, "budget": 0.5},
}
WATCHED = Finding("loss", "", Status.OK, Code.WITHIN_LIMITS, "", level=1 / 1200)


def test_the_promise_counts_every_question(make_facts: Callable[..., Facts]) -> None:
    facts = make_facts(WATCHED, families=FAMILIES)
    assert alarm_sentence(facts.verdict, facts.config) == (
        "In this run 41 questions could fail, warn or inform. With nothing changed, at most 0.035 fails (the"
        " configuration allows 0.05) and 0.12 warnings (the configuration allows 0.5) are to be expected in a month of"
        " such windows."
    )
    assert [(item.severity, item.kind, item.fired) for item in asked(facts.verdict, facts.config)] == [
        ("fail", "watch", 0),
        ("fail", "data", 0),
        ("warn", "drift", 2),
    ]
    words = words_of(how_sure(facts))
    assert "WARNING Drift 10 0.004 (once in 8 months) 2 0.12" in words
    assert "chance has no part in it" not in words


def test_facts_and_own_limits_promise_nothing(make_facts: Callable[..., Facts]) -> None:
    assert "Beside these, 1 check states" in beside_sentence(make_facts(fine("a"), WATCHED).verdict)
    assert "Beside these, 2 checks state" in beside_sentence(make_facts(fine("a"), fine("b")).verdict)
    assert words_of(how_sure(make_facts())).strip() == "No question could be asked of this window."


# --- incidents


def incident(name: str, state: IncidentState, **more: Any) -> Incident:
    seen = ("nulls", name, "", Status.FAIL, state, "2024-01-09", "2024-01-09", "2024-01-11", "")
    return replace(Incident(name, *seen, 3, 1, 1, 1, f"{name} is null.", "A note."), **more)


def test_incidents_have_a_table(make_facts: Callable[..., Facts]) -> None:
    done = IncidentAction("a", ActionKind.SNOOZE, "Ada", DAY.start, DAY.end, "on it")
    known = (
        KnownIncident(incident("a", IncidentState.ONGOING), done),
        KnownIncident(incident(SCRIPT, IncidentState.PENDING, hits=1, among=3, needed=2)),
        KnownIncident(incident("b", IncidentState.WITHDRAWN)),
    )
    page = incidents(replace(make_facts(), incidents=known))
    words = words_of(page)
    assert "1 incident open; 1 not confirmed by enough windows." in words
    row = "FAIL Ongoing Nulls of a a is null. A note. 2024-01-09 (3 days) 1 of 1 snoozed by Ada until"
    assert f"{row} 2024-01-12 00:00 UTC: on it a" in words
    assert "1 of 3; 2 would confirm it nobody" in words
    assert words.index("Over or withdrawn: 1") < words.index("Withdrawn")
    assert SCRIPT not in page
    assert "Nothing is known of incidents" in incidents(make_facts())


def test_actions_are_those_until_now_and_no_clock_is_read(
    make_config: MakeConfig, verdict: Verdict, tmp_path: Any
) -> None:
    monitor, found = Monitor(LocalStore(tmp_path), make_config()), Finding("x", "", Status.FAIL, Code.UNFAIR, "Bad.")
    assert known_incidents(monitor, DAY, verdict.as_of) is None
    update_incidents(monitor, replace(verdict, findings=(found,), status=Status.FAIL), DAY)

    def held() -> list[str]:
        known = known_incidents(monitor, DAY, verdict.as_of)
        assert known is not None
        return [action_words(item.action) for item in known]

    assert held() == [""]
    known = known_incidents(monitor, DAY, verdict.as_of)
    assert known is not None
    key = known[0].incident.fingerprint
    later, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    record_action(monitor, IncidentAction(key, ActionKind.SNOOZE, "Ada", later, until))
    assert held() == ["snoozed by Ada until 2026-01-02 00:00 UTC"]
    record_action(monitor, IncidentAction("ffffffffff", ActionKind.ACKNOWLEDGE, "Bob", until))
    assert held() == [""]
