"""Incidents from the findings of windows, and what a later look does to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.config.incidents import Incidents
from monitoring.decide.incident import KEPT, Incident, IncidentState, Ledger, advance
from monitoring.decide.ledger import ledger_from_json, ledger_to_json
from monitoring.decide.sighting import Sighting, Sightings, incident_fingerprint
from monitoring.documents import encode
from monitoring.judge import Status
from monitoring.window import Window

DAY = Window(datetime(2024, 1, 11, tzinfo=UTC), "day")
KEY = incident_fingerprint("toy", "ranking", "", "")
POLICY, DEPTH = Incidents(), 10
OVER = (IncidentState.RESOLVED, IncidentState.WITHDRAWN)


def _look(letter: str, number: int, revision: int = 1) -> Sightings:
    """What a look finds: it [f]ails, [w]arns, has nothing [.], cannot [?] tell, or sees [b]lind."""
    severity = {"f": Status.FAIL, "w": Status.WARN}.get(letter)
    label = DAY.shift(number).label
    hits = {KEY: Sighting("ranking", "", "", severity, f"Ranking at {label}.", label)} if severity else {}
    return Sightings(revision, hits, frozenset({"ranking@"} if letter == "?" else ()), letter == "b")


Later = Mapping[int, Mapping[int, str]]


def _ledgers(letters: str, later: Later | None = None, policy: Incidents = POLICY, depth: int = DEPTH) -> list[Ledger]:
    """After each run: a letter for the run's own window, and by run and window, what its later looks find."""
    found: list[Ledger] = []
    for number, letter in enumerate(letters):
        looks = {DAY.shift(w): _look(what, w, 2) for w, what in (later or {}).get(number, {}).items()}
        looks |= {DAY.shift(number): _look(letter, number)} if letter != "-" else {}
        found.append(advance(found[-1] if found else None, DAY.shift(number), looks, policy, depth))
    return found


def _states(letters: str, later: Later | None = None, policy: Incidents = POLICY, depth: int = DEPTH) -> str:
    """The first letter of the state after each run; a dot where nothing is listed."""
    ledgers = _ledgers(letters, later, policy, depth)
    return "".join(ledger.incidents[0].state[:2] if ledger.incidents else ".." for ledger in ledgers)


def _last(letters: str, later: Later | None = None, policy: Incidents = POLICY) -> Incident:
    [incident] = _ledgers(letters, later, policy)[-1].incidents
    return incident


@pytest.mark.parametrize(
    ("letters", "states"),
    [
        ("...", "......"),
        ("f", "op"),
        (".ff", "..opon"),
        ("f..", "oponre"),
        ("f.f..", "oponononre"),
        ("f..f", "oponreop"),
        # one warning of three is not enough, and is forgotten when three windows are without one
        ("w", "pe"),
        ("w..", "pepepe"),
        ("w...", "pepepe.."),
        ("w.w", "pepeop"),
        ("w..w", "pepepepe"),
        ("ww", "peop"),
        ("ww.", "peopon"),
        ("ww..", "peoponre"),
        # what cannot tell neither confirms nor ends
        ("f????", "oponononon"),
        ("f.bb?.", "oponononon" + "re"),
        ("w??w", "pepepeop"),
        ("w--w", "pepepeop"),
        # a warning that fails
        ("wf", "peop"),
        ("wwf", "peopon"),
        # over, seen again, not confirmed, over again
        ("ww..w...", "peoponrepepepere"),
    ],
)
def test_the_states_of_a_finding(letters: str, states: str) -> None:
    assert _states(letters) == states


def test_what_an_incident_says() -> None:
    found = _last(".ww.w")
    days = [DAY.shift(number).label for number in range(5)]
    assert (found.fingerprint, found.check, found.severity) == (KEY, "ranking", Status.WARN)
    assert (found.first_seen, found.opened, found.last_seen, found.closed) == (days[1], days[2], days[4], "")
    assert (found.windows, found.hits, found.needed, found.among) == (3, 2, 2, 3)
    assert (found.message, found.note) == (f"Ranking at {days[4]}.", "")
    assert found.active
    over = _last("f..")
    assert (over.closed, over.active) == (days[2], False)
    pending = _last("w")
    assert (pending.hits, pending.needed, pending.among, pending.opened) == (1, 2, 3, "")


def test_it_stays_as_bad_as_it_was() -> None:
    severities = [ledger.incidents[0].severity for ledger in _ledgers("wwfww")]
    assert severities == [Status.WARN, Status.WARN, Status.FAIL, Status.FAIL, Status.FAIL]
    assert _last("f..ww").severity is Status.WARN


@pytest.mark.parametrize(
    ("policy", "letters", "states"),
    [
        ({"confirm": {"fail": [2, 2]}}, "ff", "peop"),
        ({"confirm": {"fail": [2, 2], "warn": [2, 2]}}, "f.f", "pepepe"),
        # not often enough to fail, and often enough to warn
        ({"confirm": {"fail": [2, 2]}}, "f.f", "pepeop"),
        ({"confirm": {"fail": [2, 2]}}, "w.f", "pepeop"),
        ({"confirm": {"warn": [1, 1]}}, "w", "op"),
        ({"confirm": {"warn": [3, 5]}}, "w.w.w", "pepepepeop"),
        ({"resolve": 1}, "f.", "opre"),
        ({"resolve": 3}, "f...", "oponon" + "re"),
    ],
)
def test_the_rule_can_be_changed(policy: dict[str, object], letters: str, states: str) -> None:
    assert _states(letters, policy=Incidents.model_validate(policy)) == states


# --- later looks


def test_a_later_look_withdraws_and_says_so() -> None:
    found = _last("f..", {1: {0: "."}})
    assert found.state is IncidentState.WITHDRAWN
    assert (found.closed, found.opened) == (DAY.shift(1).label, DAY.label)
    assert found.note == (
        "Withdrawn by the run of 2024-01-12: a later look at 2024-01-11 does not find it, so that no window that"
        " counts has it, and 1 would confirm it."
    )
    found = _last("ww.", {2: {0: "?"}})
    assert found.state is IncidentState.WITHDRAWN
    assert "so that 1 of the last 3 windows that could tell has it, and 2 would confirm it." in found.note


def test_what_still_has_enough_windows_is_not_withdrawn() -> None:
    assert _states("www", {2: {0: "."}}) == "peopon"
    assert _states("ff", {1: {0: "."}}) == "opon"
    assert _last("ff", {1: {0: "."}}).first_seen == DAY.shift(1).label


def test_what_was_over_is_withdrawn_too() -> None:
    assert _states("f....", {4: {0: "."}}) == "oponrerewi"


def test_what_is_withdrawn_may_come_again() -> None:
    assert _states("f..f", {1: {0: "."}}) == "opwiwiop"
    assert _states("f..w", {1: {0: "."}}) == "opwiwipe"
    assert _states("f.", {1: {0: "."}}) == "opwi"
    assert _states("f..", {1: {0: "."}, 2: {0: "f"}}) == "opwire"


def test_only_the_second_of_two_is_withdrawn() -> None:
    found = _last("f...f.", {5: {4: "."}})
    assert (found.state, found.opened) == (IncidentState.WITHDRAWN, DAY.shift(4).label)


def test_a_later_look_opens() -> None:
    states = _states("????", {2: {0: "f"}})
    assert states == "....opon"
    found = _last("???", {2: {0: "f"}})
    assert (found.opened, found.last_seen) == (DAY.label, DAY.label)
    assert found.note == "It was found afterwards, by a later look at 2024-01-11."
    assert _last("????", {2: {0: "f"}}).note == found.note


def test_a_later_look_finds_what_was_over() -> None:
    found = _last("...", {2: {0: "f"}})
    assert (found.state, found.closed) == (IncidentState.RESOLVED, DAY.shift(2).label)
    assert found.note == "It was found afterwards, by a later look, when it was over."


def test_two_later_looks_confirm() -> None:
    assert _states("????", {2: {0: "w"}, 3: {1: "w"}}) == "....peop"


def test_what_cannot_change_any_more_stays() -> None:
    letters = "f" + "f" * 6
    assert _states(letters, {6: {0: "."}}, depth=3) == "op" + "on" * 6
    assert _ledgers(letters, {6: {0: "."}}, depth=3)[-1].incidents[0].first_seen == DAY.label
    assert _states("f......", {6: {0: "."}}, depth=3) == "oponrererere" + "re"
    assert _states("f......", {6: {0: "."}}, depth=9) == "oponrererere" + "wi"


def test_another_rule_withdraws_what_it_would_not_have_opened() -> None:
    before = _ledgers("f")[-1]
    strict = Incidents.model_validate({"confirm": {"fail": [2, 2]}})
    [found] = advance(before, DAY.shift(1), {DAY.shift(1): _look("?", 1)}, strict, DEPTH).incidents
    assert found.state is IncidentState.WITHDRAWN
    assert "the rule has changed" in found.note


def test_what_is_over_is_listed_for_a_while() -> None:
    states = _states("f.." + "." * (KEPT + 1))
    assert states == "opon" + "re" * (KEPT + 1) + ".."
    ledger = _ledgers("f.." + "." * (KEPT + 1))[-1]
    assert not ledger.known
    assert not ledger.settled
    assert _states("f." + "." * KEPT + "..", {1: {0: "."}}) == "op" + "wi" * (KEPT + 1) + "...."


def test_a_ledger_holds_so_many_windows_and_no_more() -> None:
    for ledger in _ledgers("f.w?" * 20)[-3:]:
        assert len(ledger.marks) == DEPTH
        assert len(ledger.looks) == 1


# --- laws

_WINDOWS = st.text("fw.?b", min_size=1, max_size=12)
_LATER = st.dictionaries(
    st.integers(0, 11), st.dictionaries(st.integers(0, 11), st.sampled_from("fw.?b"), max_size=3), max_size=5
)


def _possible(letters: str, later: Later) -> Later:
    return {
        run: {w: what for w, what in looks.items() if w < run} for run, looks in later.items() if run < len(letters)
    }


@given(_WINDOWS, _LATER)
def test_what_is_known_at_last_makes_what_is_active(letters: str, later: Later) -> None:
    """However it came to be known, the newest look at each window makes the state."""
    later = _possible(letters, later)
    newest = dict(enumerate(letters))
    for run in sorted(later):
        newest |= later[run]
    found = _ledgers(letters, later, depth=20)[-1].incidents
    at_once = _ledgers("".join(newest[number] for number in range(len(letters))), depth=20)[-1].incidents

    def active(incidents: tuple[Incident, ...]) -> list[tuple[str, ...]]:
        return [(i.first_seen, i.opened, i.last_seen, i.severity) for i in incidents if i.active]

    assert active(found) == active(at_once)


@given(_WINDOWS, _LATER, st.integers(3, 6))
def test_a_ledger_is_read_as_it_was_written(letters: str, later: Later, depth: int) -> None:
    later = _possible(letters, later)
    for ledger in _ledgers(letters, later, depth=depth):
        data = json.loads(encode("x", 1, ledger_to_json(ledger)))
        assert ledger_from_json(data, "day") == ledger


@given(_WINDOWS, _LATER)
def test_nothing_is_lost_without_a_word(letters: str, later: Later) -> None:
    """What was active is active, over or withdrawn after the next run."""
    later = _possible(letters, later)
    ledgers = _ledgers(letters, later, depth=20)
    for before, after in pairwise(ledgers):
        for incident in before.incidents:
            if incident.active:
                [now] = after.incidents
                assert now.active or now.state in OVER
                assert now.note or now.state is not IncidentState.WITHDRAWN


@given(_WINDOWS, _LATER, st.integers(0, 5))
def test_the_depth_does_not_matter_as_long_as_looks_are_within_it(letters: str, later: Later, more: int) -> None:
    later = {run: {w: x for w, x in looks.items() if w > run - 4} for run, looks in _possible(letters, later).items()}
    shallow, deep = (_ledgers(letters, later, depth=depth) for depth in (4, 4 + more))
    assert [ledger.incidents for ledger in shallow] == [ledger.incidents for ledger in deep]


def test_several_findings_are_several_incidents() -> None:
    other = incident_fingerprint("toy", "nulls", "age", "")
    hits = {
        KEY: _look("w", 0).hits[KEY],
        other: Sighting("nulls", "age", "", Status.FAIL, "Nulls.", DAY.label),
    }
    found = advance(None, DAY, {DAY: Sightings(1, hits, frozenset(), False)}, POLICY, DEPTH).incidents
    assert [(i.check, i.subject, i.state) for i in found] == [
        ("nulls", "age", IncidentState.OPEN),
        ("ranking", "", IncidentState.PENDING),
    ]
    barred = replace(_look(".", 1), unknown=frozenset({"nulls:age"}))
    ledger = advance(None, DAY, {DAY: Sightings(1, hits, frozenset(), False)}, POLICY, DEPTH)
    for number in range(1, 5):
        ledger = advance(ledger, DAY.shift(number), {DAY.shift(number): barred}, POLICY, DEPTH)
    assert [(i.check, i.state) for i in ledger.incidents] == [("nulls", IncidentState.ONGOING)]
