"""From the history of verdicts to a decision: a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from monitoring.config.model import Policy, RetrainPolicy
from monitoring.decide.decision import Action, Decision, State, Veto
from monitoring.judge.verdict import Code, Status, Verdict
from monitoring.window import Window

# What makes a window's state unknown; too few rows or labels alone leave it as it was
_BLIND = frozenset({Code.NO_DATA, Code.NO_BASELINE})


@dataclass(frozen=True)
class History:
    """What is known when a verdict is decided upon.

    Attributes:
        verdicts: The newest revision of each earlier window at that time, oldest first.
        decisions: The decision of each earlier window's first revision, oldest first.
        labelled_rows: Labelled rows since the baseline became valid.
    """

    verdicts: tuple[Verdict, ...] = ()
    decisions: tuple[Decision, ...] = ()
    labelled_rows: int = 0


def decide(verdict: Verdict, history: History, policy: Policy) -> Decision:
    """What is to be done about a verdict.

    Only a window's first revision asks for anything: a later one is part of the history that the next
    window's decision looks at.

    Args:
        verdict: The verdict.
        history: What came before it.
        policy: The model's policy.
    """
    previous = history.decisions[-1].state if history.decisions else None
    state = _state(verdict, history, previous)
    failing = _failing_since(verdict, history)
    if verdict.revision > 1:
        later = "A later look at a window that was decided upon before; the next window's decision takes it in."
        return _decision(verdict, Action.NONE, state, previous, False, failing, (later,), ())
    changed = state is not (previous or State.HEALTHY)
    reasons = [verdict.headline]
    vetoes: list[Veto] = []
    if _performance_fails(verdict, history):
        vetoes, why = _vetoes(verdict, history, policy.retrain)
        reasons += why
        if not vetoes:
            return _decision(verdict, Action.RETRAIN, state, previous, True, failing, tuple(reasons), ())
    action = Action.NOTIFY if changed else Action.NONE
    if vetoes and vetoes != [Veto.NOT_CONFIGURED]:
        action = Action.VETOED
    if changed:
        reasons.append(f"The model's state changed from {previous or State.HEALTHY} to {state}.")
    return _decision(verdict, action, state, previous, changed, failing, tuple(reasons), tuple(vetoes))


def _decision(
    verdict: Verdict,
    action: Action,
    state: State,
    previous: State | None,
    notify: bool,
    since: str,
    reasons: tuple[str, ...],
    vetoes: tuple[Veto, ...],
) -> Decision:
    return Decision(
        verdict.model,
        verdict.window.label,
        verdict.revision,
        action,
        state,
        previous,
        notify,
        since,
        reasons,
        vetoes,
    )


def _state(verdict: Verdict, history: History, previous: State | None) -> State:
    """How the model stands: by its data now, and by the newest window whose performance is known.

    Labels may be weeks late: then the newest windows say nothing of the performance, and older ones do.
    """
    if any(finding.code in _BLIND for finding in verdict.findings):
        return State.UNKNOWN
    if any(not finding.about_performance for finding in verdict.of_status(Status.FAIL)):
        return State.FAILING
    judged = _judged(verdict, history)
    if judged:
        return State.FAILING if judged[-1].performance_status is Status.FAIL else State.HEALTHY
    if verdict.status is Status.UNKNOWN:
        return previous or State.UNKNOWN
    return State.HEALTHY


def _judged(verdict: Verdict, history: History) -> list[Verdict]:
    """The windows whose performance is known, under the baseline of this verdict, oldest first."""
    return [
        past
        for past in (*history.verdicts, verdict)
        if past.performance_status is not Status.UNKNOWN
        and past.inputs.get("baseline") == verdict.inputs.get("baseline")
    ]


def _performance_fails(verdict: Verdict, history: History) -> bool:
    judged = _judged(verdict, history)
    return bool(judged) and judged[-1].performance_status is Status.FAIL


def _fails_alone(judged: list[Verdict]) -> list[bool]:
    """Whether each window fails on its own rows; windows whose own rows cannot tell, or not yet, are left out.

    Where no window's rows can tell, since all have too few, their trailing rows have to.
    """
    telling = [past for past in judged if past.own_performance is not Status.UNKNOWN]
    if telling:
        return [past.own_performance is Status.FAIL for past in telling]
    return [past.performance_status is Status.FAIL for past in judged]


def _failing_since(verdict: Verdict, history: History) -> str:
    """The first window of the present run of failures; windows of which nothing is known do not end it.

    When the run is longer than the history at hand, the decision before this one knows since when.
    """
    since = ""
    for past in reversed((*history.verdicts, verdict)):
        if past.status is Status.FAIL:
            since = past.window.label
        elif past.status is not Status.UNKNOWN:
            return since
    before = history.decisions[-1].since if history.decisions else ""
    return min(filter(None, (since, before)), default="")


def _vetoes(verdict: Verdict, history: History, policy: RetrainPolicy | None) -> tuple[list[Veto], list[str]]:
    if policy is None:
        return [Veto.NOT_CONFIGURED], ["Retraining is not configured for this model."]
    vetoes, reasons = [], []
    needed, among = policy.confirm
    recent = _fails_alone(_judged(verdict, history))[-among:]
    failed = sum(recent)
    confirmed = (
        f"Of the last {len(recent)} windows with known performance {failed} fail on their own rows;"
        f" {needed} of {among} confirm."
    )
    reasons.append(confirmed)
    if failed < needed:
        vetoes.append(Veto.NOT_CONFIRMED)
    last = next((past for past in reversed(history.decisions) if past.action is Action.RETRAIN), None)
    if last is not None and _start(last, verdict) + policy.cooldown > verdict.window.start:
        vetoes.append(Veto.COOLDOWN)
        reasons.append(f"Retraining was asked for in window {last.window}, within the cool-down.")
    if history.labelled_rows < policy.min_labels:
        vetoes.append(Veto.TOO_FEW_LABELS)
        reasons.append(
            f"Only {history.labelled_rows} labelled rows since the baseline; {policy.min_labels} are needed."
        )
    broken = [f for f in verdict.of_status(Status.FAIL) if not f.about_performance]
    if broken:
        vetoes.append(Veto.DATA_BROKEN)
        reasons.append(f"The data are broken, so nothing can be concluded about the model: {broken[0].message}")
    return vetoes, reasons


def _start(decision: Decision, verdict: Verdict) -> datetime:
    return Window.parse(decision.window, verdict.window.every).start
