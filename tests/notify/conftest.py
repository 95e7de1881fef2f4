"""A verdict and a decision to tell of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.decide import Action, Decision, State, Veto
from monitoring.judge import Code, Finding, Status, Verdict
from monitoring.measure import Measurement
from monitoring.window import Window

WINDOW = Window.parse("2024-01-20", "day")


@pytest.fixture
def verdict() -> Verdict:
    """A verdict that fails, with markup in a category's name."""
    skill = Measurement("brier_skill", -0.07, 6296, "low", "Brier skill score", -0.09, -0.05)
    findings = (
        Finding(
            "worse_than_average", "", Status.FAIL, Code.WORSE_THAN_AVERAGE, "Worse <than> average.", skill, 0.06, 0
        ),
        Finding("ranking", "", Status.WARN, Code.RANKING_WORSE, "ROC AUC is 0.600, ordinarily 0.677."),
        Finding("schema", "", Status.OK, Code.WITHIN_LIMITS, "All columns are there."),
    )
    return Verdict(
        model="toy",
        window=WINDOW,
        revision=1,
        as_of=datetime(2024, 1, 21, 6, tzinfo=UTC),
        final=False,
        status=Status.FAIL,
        own_performance=Status.FAIL,
        headline="Worse <than> average. And 1 more.",
        findings=findings,
        numbers={"rows": Measurement("rows", 988, 988, "both", "records")},
        trailing={},
        trailing_windows=(),
        accounting={"records": {"read": 988, "profiled": 988, "duplicate": 0, "quarantined": {}}, "labels": {}},
        inputs={},
    )


@pytest.fixture
def decision() -> Decision:
    """The change of state that this verdict brings."""
    return Decision(
        model="toy",
        window=WINDOW.label,
        revision=1,
        action=Action.VETOED,
        state=State.FAILING,
        previous_state=State.HEALTHY,
        notify=True,
        since=WINDOW.label,
        reasons=("Performance failed in 1 of the last 5 judged windows; 3 of 5 confirm.",),
        vetoes=(Veto.NOT_CONFIRMED,),
    )


@pytest.fixture
def recovery(decision: Decision, verdict: Verdict) -> tuple[Decision, Verdict]:
    """The change back."""
    changes: dict[str, Any] = {"action": Action.NOTIFY, "state": State.HEALTHY, "previous_state": State.FAILING}
    healthy = replace(verdict, status=Status.OK, headline="All within limits.", findings=verdict.findings[2:])
    return replace(decision, **changes, since="", reasons=("All within limits.",), vetoes=()), healthy
