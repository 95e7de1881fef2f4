"""The demo's story as a table: one row a week."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from rich import box
from rich.table import Table

from demo.replay import days
from monitoring import history
from monitoring.decide import Action
from monitoring.judge import Code, Status, Verdict
from monitoring.judge.verdict import worst
from monitoring.measure.performance import performance
from monitoring.monitor import Monitor
from monitoring.pipeline import outcomes_of
from monitoring.profile import OutcomeProfile
from monitoring.window import Window

_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "magenta"}


@dataclass(frozen=True)
class Week:
    """What one week of windows came to.

    Attributes:
        first: Its first window.
        rows: Predictions.
        coverage: Share of them with a label.
        numbers: Performance over all labelled rows of the week, None where undefined.
        drifted: Features that had moved in the week's last window.
        status: The worst verdict, and in how many windows.
        decisions: Retraining that was asked for, or vetoed.
    """

    first: Window
    rows: int
    coverage: float
    numbers: dict[str, float | None]
    drifted: int
    status: Status
    times: int
    decisions: str


def weeks(monitor: Monitor) -> list[Week]:
    """The weeks of a replayed model, each from the newest look at its days."""
    by_week: dict[Window, list[Window]] = {}
    for day in days(monitor):
        by_week.setdefault(Window.containing(day.start, "week"), []).append(day)
    return [_week(monitor, group) for group in by_week.values()]


def _week(monitor: Monitor, group: list[Window]) -> Week:
    found = [history.latest_verdict(monitor, day) for day in group]
    verdicts = [verdict for verdict in found if verdict is not None]
    parts = [outcomes_of(monitor, day, monitor.final_epoch(day)) for day in group]
    binary = [part for part in parts if isinstance(part, OutcomeProfile)]
    outcomes = reduce(OutcomeProfile.merge, binary, OutcomeProfile.empty())
    numbers = performance(outcomes)
    rows = sum(verdict.numbers["rows"].rows for verdict in verdicts)
    status = worst([verdict.status for verdict in verdicts])
    return Week(
        first=group[0],
        rows=rows,
        coverage=outcomes.rows / rows if rows else 0.0,
        numbers={name: number.value for name, number in numbers.items()},
        drifted=_drifted(verdicts[-1]) if verdicts else 0,
        status=status,
        times=sum(verdict.status is status for verdict in verdicts),
        decisions=_decisions(monitor, group),
    )


def _drifted(verdict: Verdict) -> int:
    return sum(finding.code is Code.FEATURE_DRIFT for finding in verdict.findings)


def _decisions(monitor: Monitor, group: list[Window]) -> str:
    found = [history.load_decision(monitor, day, 1) for day in group]
    asked = [decision.window[5:] for decision in found if decision and decision.action is Action.RETRAIN]
    if asked:
        return f"retrain {asked[0]}"
    vetoed = sum(decision is not None and decision.action is Action.VETOED for decision in found)
    told = sum(decision is not None and decision.action is Action.NOTIFY for decision in found)
    return f"vetoed x{vetoed}" if vetoed else f"notify x{told}" if told else "-"


def table(monitor: Monitor) -> Table:
    """The weeks as a table that fits 80 columns."""
    shown = Table(title=monitor.config.name, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    shown.add_column("week", no_wrap=True)
    for name in ("flights", "late", "score", "AUC", "Brier", "labels", "drifted"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    shown.add_column("decision", no_wrap=True)
    for week in weeks(monitor):
        numbers = ((week.numbers[name], form) for name, form in _FORMS.items())
        shown.add_row(
            f"{week.first.start:%m-%d}",
            str(week.rows),
            *("-" if value is None else format(value, form) for value, form in numbers),
            f"{week.coverage:.1%}",
            str(week.drifted),
            f"[{_COLOURS[week.status]}]{week.status} x{week.times}[/]",
            week.decisions,
        )
    return shown


_FORMS = {"base_rate": ".0%", "mean_score": ".0%", "roc_auc": ".3f", "brier": ".3f"}
