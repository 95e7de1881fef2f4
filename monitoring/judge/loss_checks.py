"""The loss of window after window: an alarm that may be looked at as often as one likes."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.config.checks import CheckRule, LossRule
from monitoring.judge.beyond import LEAST_BLOCKS, error_of, widened
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.e_detector import path, threshold
from monitoring.judge.evidence import Evidence
from monitoring.judge.family import share_of
from monitoring.judge.limits import Spread
from monitoring.judge.rules import few, fired, period
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement
from monitoring.measure.performance import Z95


def _loss(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    if context.config.labels is not None and evidence.own_loss is not None:
        yield from _watch("loss", Code.LOSS_HIGHER, evidence.own_loss, evidence.past.losses, context, rule)


def _estimated_loss(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    if evidence.estimated_loss is not None:
        before = evidence.past.estimated
        yield from _watch("estimated_loss", Code.LOSS_EXPECTED, evidence.estimated_loss, before, context, rule)


def _watch(
    check: str,
    code: Code,
    found: Measurement,
    before: Sequence[Measurement | None],
    context: Context,
    rule: CheckRule,
) -> Answers:
    """Whether the loss of the windows since some moment is higher than ordinary."""
    evidence = context.evidence
    spread = context.reference.limits.spread(check, 1)
    if spread is None or found.value is None:
        return
    if found.rows < rule.min_rows:
        what, why = ("rows", Code.TOO_FEW_ROWS) if check == "estimated_loss" else ("labelled rows", Code.TOO_FEW_LABELS)
        yield few(check, "", rule, found.rows, why, what, 1)
        return
    rate = share_of(context.config.alarms, Status(rule.severity), "watch", evidence.hours)
    told = [(label, item) for label, item in zip(evidence.past.windows, before, strict=True) if _counts(item, rule)]
    windows = [*(label for label, _ in told), evidence.window]
    limit = spread.mean * (1 + rule.tolerance)
    excess = [_excess(item, spread, limit) for item in (*(item for _, item in told), found) if item is not None]
    if spread.independent < LEAST_BLOCKS or not all(spread_of > 0 for spread_of in (spread.deviation, rate)):
        message = f"The {evidence.loss} is {found.value:.4g}; how much it varies ordinarily is not known."
        yield Finding(check, "", Status.OK, Code.WITHIN_LIMITS, message, found, spread.mean)
        return
    seen = path(excess, threshold(rate, spread.blocks), spread.blocks, spread.carried)
    alarm = seen.alarm[-1]
    first = seen.since[-1] if seen.since[-1] is not None else len(windows) - 1
    lead = _lead_kept(context) if alarm and isinstance(rule, LossRule) and rule.lead else None
    spared = lead is not None and isinstance(rule, LossRule) and lead > 1 - rule.lead and rule.severity == "fail"
    status, code = (Status.WARN if spared else fired(rule), code) if alarm else (Status.OK, Code.WITHIN_LIMITS)
    run = [*(item for _, item in told if item is not None), found][first:]
    message = _raised(check, run, spread, windows[first], evidence) + _of_lead(lead, evidence)
    yield Finding(
        check=check,
        subject="",
        status=status,
        code=code,
        message=message if alarm else _ordinary(check, found, spread, evidence),
        measurement=found,
        baseline=spread.mean,
        limit=limit,
        p_value=min(1 / seen.evidence[-1], 1.0) if seen.evidence[-1] > 1 else 1.0,
        level=rate,
        since=windows[first] if alarm else "",
    )


def _lead_kept(context: Context) -> float | None:
    """How much of its lead over always predicting the average the model has kept, over the trailing windows."""
    evidence, limits = context.evidence, context.reference.limits
    numbers = {**evidence.trailing_realised, **evidence.trailing_numbers}
    for metric, key in (("brier_skill", "worse_than_average"), ("r2", "r2")):
        found, spread = numbers.get(metric), limits.spread(key, evidence.windows)
        if found is not None and found.value is not None and spread is not None and spread.mean > 0:
            return found.value / spread.mean
    return None


def _of_lead(kept: float | None, evidence: Evidence) -> str:
    if kept is None:
        return ""
    over = period(evidence.windows, evidence.hours)
    if kept <= 0:
        return f" {over[0].upper()}{over[1:]} nothing is left of its lead over always predicting the average."
    return f" {over[0].upper()}{over[1:]} {min(kept, 1.0):.0%} of its lead over always predicting the average is left."


def _counts(found: Measurement | None, rule: CheckRule) -> bool:
    return found is not None and found.value is not None and found.rows >= rule.min_rows


def _excess(found: Measurement, spread: Spread, limit: float) -> float:
    assert found.value is not None
    return (found.value - limit) / widened(spread, found, error_of(found))


def _ordinary(check: str, found: Measurement, spread: Spread, evidence: Evidence) -> str:
    name = f"The {evidence.loss} that is expected" if check == "estimated_loss" else f"The {evidence.loss}"
    return f"{name} is {found.value:.4g}{_interval(found)}, ordinarily {spread.mean:.4g}: as in ordinary windows."


def _raised(check: str, run: Sequence[Measurement], spread: Spread, start: str, evidence: Evidence) -> str:
    """What is said of an alarm: the loss since its start, and that of this window."""
    name = f"the {evidence.loss} that is to be expected" if check == "estimated_loss" else f"the {evidence.loss}"
    found = run[-1]
    if len(run) == 1:
        over = period(1, evidence.hours)
        now = f"{over[0].upper()}{over[1:]} {name} is {found.value:.4g}{_interval(found)}"
        return f"{now}, {_times(found.value or 0.0, spread.mean)}."
    rows = sum(item.rows for item in run)
    mean = sum((item.value or 0.0) * item.rows for item in run) / rows
    error = sum((error_of(item) * item.rows) ** 2 for item in run) ** 0.5 / rows
    ends = f" [{mean - Z95 * error:.4g}, {mean + Z95 * error:.4g}]" if error else ""
    over = period(len(run), evidence.hours)
    return f"Since {start}, {over}, {name} is {mean:.4g}{ends}, {_times(mean, spread.mean)}; now {found.value:.4g}."


def _times(value: float, ordinary: float) -> str:
    if ordinary <= 0:
        return f"ordinarily {ordinary:.4g}"
    ratio = value / ordinary
    return (
        f"{ratio:.1f} times the ordinary {ordinary:.4g}"
        if ratio >= 1.5
        else f"{ratio - 1:+.0%} on the ordinary {ordinary:.4g}"
    )


def _interval(found: Measurement) -> str:
    return f" [{found.low:.4g}, {found.high:.4g}]" if found.low is not None and found.high is not None else ""


CHECKS: tuple[Check, ...] = (built_in("loss", _loss), built_in("estimated_loss", _estimated_loss))
