"""From histories to decisions, case by case."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.config.model import Policy
from monitoring.decide import Action, Decision, History, State, Veto, decide
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.window import Window

TODAY = Window(datetime(2024, 1, 31, tzinfo=UTC), "day")
RETRAIN = Policy.model_validate({"retrain": {"confirm": [3, 5], "cooldown": "14d", "min_labels": 2000}})
ENOUGH = 2000

# One letter per window: performance is [o]k, [w]arns, [f]ails or is [u]nknown; [d]ata fail and performance is fine;
# [b]oth fail
_LETTERS = {
    "o": (Status.OK, Status.OK),
    "w": (Status.WARN, Status.OK),
    "f": (Status.FAIL, Status.OK),
    "u": (Status.UNKNOWN, Status.OK),
    "d": (Status.OK, Status.FAIL),
    "b": (Status.FAIL, Status.FAIL),
    # the trailing windows fail because of another day; this one's own rows do not, or cannot tell ([p]ending labels)
    "t": (Status.FAIL, Status.OK),
    "p": (Status.FAIL, Status.OK),
}


def _verdict(letter: str, window: Window = TODAY, baseline: str = "v1") -> Verdict:
    own = _LETTERS[{"t": "o", "p": "u"}.get(letter, letter)][0]
    performance, data = _LETTERS[letter]
    findings = (
        Finding("worse_than_average", "", performance, Code.WORSE_THAN_AVERAGE, "It is worse."),
        Finding("schema", "x", data, Code.COLUMN_MISSING, "Column x is missing."),
    )
    rank = [Status.OK, Status.WARN, Status.UNKNOWN, Status.FAIL]
    return Verdict(
        model="toy",
        window=window,
        revision=1,
        as_of=window.end + timedelta(hours=6),
        final=False,
        status=max((performance, data), key=rank.index),
        own_performance=own,
        headline="The headline.",
        findings=findings,
        numbers={},
        trailing={},
        trailing_windows=(),
        accounting={},
        inputs={"baseline": baseline},
    )


def _past(letters: str, state: State | None = State.HEALTHY, asked: int | None = None, labels: int = ENOUGH) -> History:
    """What came before today: one letter per window, oldest first; `asked` windows ago retraining was asked for."""
    verdicts = [_verdict(letter, TODAY.shift(i - len(letters))) for i, letter in enumerate(letters)]
    decisions = []
    if asked is not None:
        decisions.append(_decision(State.FAILING, Action.RETRAIN, TODAY.shift(-asked)))
    if state is not None:
        decisions.append(_decision(state, Action.NONE, TODAY.shift(-1)))
    return History(tuple(verdicts), tuple(decisions), labels)


def _decision(state: State, action: Action, window: Window) -> Decision:
    return Decision("toy", window.label, 1, action, state, None, False, "", (), ())


CASES: list[tuple[str, str, History, Policy, Action, list[Veto], State, bool]] = [
    # what, today, history, policy -> action, vetoes, state, notify
    ("first and fine", "o", _past("", None), RETRAIN, Action.NONE, [], State.HEALTHY, False),
    ("first and bad", "d", _past("", None), RETRAIN, Action.NOTIFY, [], State.FAILING, True),
    ("first and unknown", "u", _past("", None), RETRAIN, Action.NOTIFY, [], State.UNKNOWN, True),
    ("still fine", "o", _past("oo"), RETRAIN, Action.NONE, [], State.HEALTHY, False),
    ("a warning is no failure", "w", _past("oo"), RETRAIN, Action.NONE, [], State.HEALTHY, False),
    ("begins to fail", "f", _past("oooo"), RETRAIN, Action.VETOED, [Veto.NOT_CONFIRMED], State.FAILING, True),
    (
        "fails for the second time",
        "f",
        _past("ooof", State.FAILING),
        RETRAIN,
        Action.VETOED,
        [Veto.NOT_CONFIRMED],
        State.FAILING,
        False,
    ),
    ("three of five", "f", _past("oofof", State.HEALTHY), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    ("three in a row", "f", _past("ff", State.FAILING), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    (
        "the third of six",
        "f",
        _past("ffooo"),
        RETRAIN,
        Action.VETOED,
        [Veto.NOT_CONFIRMED],
        State.FAILING,
        True,
    ),
    ("windows that are not judged do not count", "f", _past("ffuuu"), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    ("it failed and is unknown today", "u", _past("fff"), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    ("one bad day in a week", "t", _past("oftt"), RETRAIN, Action.VETOED, [Veto.NOT_CONFIRMED], State.FAILING, True),
    (
        "one bad day, then labels to come",
        "p",
        _past("ofpp"),
        RETRAIN,
        Action.VETOED,
        [Veto.NOT_CONFIRMED],
        State.FAILING,
        True,
    ),
    ("three bad days, then labels to come", "p", _past("offfp"), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    ("no window has rows enough to tell by itself", "p", _past("pp"), RETRAIN, Action.RETRAIN, [], State.FAILING, True),
    ("too few rows today", "u", _past("oo", State.FAILING), RETRAIN, Action.NOTIFY, [], State.HEALTHY, True),
    ("it failed and is fine today", "o", _past("fff", State.FAILING), RETRAIN, Action.NOTIFY, [], State.HEALTHY, True),
    (
        "asked thirteen days ago",
        "f",
        _past("ff", State.FAILING, asked=13),
        RETRAIN,
        Action.VETOED,
        [Veto.COOLDOWN],
        State.FAILING,
        False,
    ),
    (
        "asked fourteen days ago",
        "f",
        _past("ff", State.FAILING, asked=14),
        RETRAIN,
        Action.RETRAIN,
        [],
        State.FAILING,
        True,
    ),
    (
        "one label short",
        "f",
        _past("ff", labels=ENOUGH - 1),
        RETRAIN,
        Action.VETOED,
        [Veto.TOO_FEW_LABELS],
        State.FAILING,
        True,
    ),
    ("broken data", "b", _past("ff"), RETRAIN, Action.VETOED, [Veto.DATA_BROKEN], State.FAILING, True),
    ("only the data fail", "d", _past("fff"), RETRAIN, Action.NOTIFY, [], State.FAILING, True),
    (
        "every veto at once",
        "b",
        _past("o", asked=1, labels=0),
        RETRAIN,
        Action.VETOED,
        [Veto.NOT_CONFIRMED, Veto.COOLDOWN, Veto.TOO_FEW_LABELS, Veto.DATA_BROKEN],
        State.FAILING,
        True,
    ),
    ("not configured", "f", _past("ff"), Policy(), Action.NOTIFY, [Veto.NOT_CONFIGURED], State.FAILING, True),
    (
        "not configured, as before",
        "f",
        _past("ff", State.FAILING),
        Policy(),
        Action.NONE,
        [Veto.NOT_CONFIGURED],
        State.FAILING,
        False,
    ),
]


@pytest.mark.parametrize(
    ("today", "history", "policy", "action", "vetoes", "state", "notify"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_decisions(
    today: str, history: History, policy: Policy, action: Action, vetoes: list[Veto], state: State, notify: bool
) -> None:
    found = decide(_verdict(today), history, policy)
    assert (found.action, list(found.vetoes), found.state, found.notify) == (action, vetoes, state, notify)
    assert found.reasons[0] == "The headline."
    assert len(found.reasons) >= 1 + len(vetoes)
    assert Decision.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_every_action_veto_and_state_is_in_the_table() -> None:
    assert {case[4] for case in CASES} == set(Action)
    assert {veto for case in CASES for veto in case[5]} == set(Veto)
    assert {case[6] for case in CASES} == set(State)


@pytest.mark.parametrize("letters", ["fffff", "ooooo", "bbbbb"])
def test_a_later_look_decides_nothing(letters: str) -> None:
    later = replace(_verdict(letters[-1]), revision=2)
    found = decide(later, _past(letters[:-1]), RETRAIN)
    assert (found.action, found.notify, found.vetoes) == (Action.NONE, False, ())
    assert found.revision == 2


def test_what_a_later_look_saw_counts_for_the_next_window() -> None:
    past = _past("ff")
    healed = replace(past, verdicts=(replace(_verdict("o", TODAY.shift(-2)), revision=3), past.verdicts[1]))
    assert decide(_verdict("f"), past, RETRAIN).action is Action.RETRAIN
    assert decide(_verdict("f"), healed, RETRAIN).vetoes == (Veto.NOT_CONFIRMED,)


def test_failures_under_another_baseline_do_not_count() -> None:
    past = replace(_past(""), verdicts=tuple(_verdict("f", TODAY.shift(-i), "v0") for i in (3, 2, 1)))
    assert decide(_verdict("f"), past, RETRAIN).vetoes == (Veto.NOT_CONFIRMED,)
    assert decide(_verdict("u"), past, RETRAIN).action is Action.NONE


def test_a_change_of_state_is_told_once() -> None:
    told, decisions = [], ()
    for i, letter in enumerate("oofffoouuo"):
        window = TODAY.shift(i)
        found = decide(_verdict(letter, window), History((), decisions, 0), Policy())
        decisions = (*decisions, found)
        told.append(found.notify)
    assert told == [False, False, True, False, False, True, False, False, False, False]
    assert [d.previous_state for d in decisions[:4]] == [None, State.HEALTHY, State.HEALTHY, State.FAILING]


@pytest.mark.parametrize(
    ("letters", "back"), [("ooo", None), ("oof", 0), ("off", 1), ("fff", 2), ("fof", 0), ("dbf", 2), ("fuf", 2)]
)
def test_since_when_it_fails(letters: str, back: int | None) -> None:
    found = decide(_verdict(letters[-1]), _past(letters[:-1]), RETRAIN)
    assert found.since == ("" if back is None else TODAY.shift(-back).label)


@pytest.mark.parametrize(
    ("letters", "before", "back"),
    [("uuu", 9, 9), ("fff", 9, 9), ("fuu", 9, 9), ("off", 9, 1), ("uou", 9, None), ("ooo", 9, None), ("fff", 1, 2)],
)
def test_the_decision_before_knows_since_when_a_longer_run_fails(letters: str, before: int, back: int | None) -> None:
    past = _past(letters[:-1], State.FAILING)
    known = replace(past.decisions[-1], since=TODAY.shift(-before).label)
    found = decide(_verdict(letters[-1]), replace(past, decisions=(known,)), RETRAIN)
    assert found.since == ("" if back is None else TODAY.shift(-back).label)


Confirm = Callable[[str], Any]


@pytest.mark.parametrize(
    ("confirm", "letters", "action"),
    [
        ([1, 1], "f", Action.RETRAIN),
        ([2, 2], "fof", Action.VETOED),
        ([2, 3], "fof", Action.RETRAIN),
        ([2, 3], "foof", Action.VETOED),
    ],
)
def test_k_of_m(confirm: list[int], letters: str, action: Action) -> None:
    policy = Policy.model_validate({"retrain": {"confirm": confirm, "min_labels": 1}})
    assert decide(_verdict(letters[-1]), _past(letters[:-1]), policy).action is action
