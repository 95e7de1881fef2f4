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
from monitoring.judge.rules import few, fired
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement


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
    alarm, since = seen.alarm[-1], seen.since[-1]
    start = windows[since] if alarm and since is not None else ""
    lead = _lead_kept(context) if alarm and isinstance(rule, LossRule) and rule.lead else None
    spared = lead is not None and isinstance(rule, LossRule) and lead > 1 - rule.lead and rule.severity == "fail"
    status, code = (Status.WARN if spared else fired(rule), code) if alarm else (Status.OK, Code.WITHIN_LIMITS)
    yield Finding(
        check=check,
        subject="",
        status=status,
        code=code,
        message=_message(check, found, spread, start, evidence) + _of_lead(lead),
        measurement=found,
        baseline=spread.mean,
        limit=limit,
        p_value=min(1 / seen.evidence[-1], 1.0) if seen.evidence[-1] > 1 else 1.0,
        level=rate,
        since=start,
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


def _of_lead(kept: float | None) -> str:
    if kept is None:
        return ""
    if kept <= 0:
        return " Nothing is left of its lead over always predicting the average."
    return f" Of its lead over always predicting the average {min(kept, 1.0):.0%} is left."


def _counts(found: Measurement | None, rule: CheckRule) -> bool:
    return found is not None and found.value is not None and found.rows >= rule.min_rows


def _excess(found: Measurement, spread: Spread, limit: float) -> float:
    assert found.value is not None
    return (found.value - limit) / widened(spread, found, error_of(found))


def _message(check: str, found: Measurement, spread: Spread, start: str, evidence: Evidence) -> str:
    interval = f" [{found.low:.4g}, {found.high:.4g}]" if found.low is not None and found.high is not None else ""
    loss = evidence.loss
    what = f"The {loss} that is expected of this window's rows" if check == "estimated_loss" else f"The {loss}"
    now = f"{what} is {found.value:.4g}{interval}, ordinarily {spread.mean:.4g}"
    if not start:
        return f"{now}: within what windows like these have."
    when = "in this window" if start == evidence.window else f"since {start}"
    return f"{now}; {when} it has been higher than ordinary windows would be."


CHECKS: tuple[Check, ...] = (built_in("loss", _loss), built_in("estimated_loss", _estimated_loss))
