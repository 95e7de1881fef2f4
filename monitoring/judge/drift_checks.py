"""Whether inputs and predictions have moved: evidence, which warns where it could cost performance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import distance_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.limits import Spread
from monitoring.judge.rules import Topic, ask, beyond_limit, few
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure.impact import impact
from monitoring.measure.performance_rows import SCORE
from monitoring.profile import WindowProfile

_CEILING = 0.98


@dataclass(frozen=True)
class _Comparison:
    """Rows, and what they are compared with.

    Attributes:
        name: What it is called; empty for the training baseline.
        before: The reference.
        now: The rows.
        windows: How many windows they are of.
        definition: Under which the limits hold what is ordinary; empty where they hold it by the check alone.
    """

    name: str
    before: WindowProfile
    now: WindowProfile
    windows: int
    definition: str = ""

    def spread(self, context: Context, key: str) -> Spread | None:
        """What is ordinary; None where nothing was learned."""
        if self.name and not self.definition:
            return None
        return context.reference.limits.telling(f"{self.definition}/{key}" if self.definition else key, self.windows)


def _feature_drift(context: Context, rule: CheckRule) -> Answers:
    evidence, groups = context.evidence, context.reference.limits.groups
    for side in _comparisons(context):
        moved = block.drift(side.now, side.before)
        for name in context.config.columns.stored:
            if name not in evidence.unusable:
                topic = _topic(context, "feature_drift", name, Code.FEATURE_DRIFT, side)
                topic = replace(topic, group=groups.get(name, ""))
                yield from _distance(context, rule, topic, moved[block.key("feature_drift", name)], side)
            elif not side.name:
                message = f"Column {name} holds nothing to compare."
                yield Finding("feature_drift", name, Status.INFO, Code.UNTESTABLE, message)
    yield from _missing(context, "feature_drift")


def _prediction_drift(context: Context, rule: CheckRule) -> Answers:
    for side in _comparisons(context):
        found = block.prediction_drift(side.now, side.before)
        topic = _topic(context, "prediction_drift", "", Code.PREDICTION_DRIFT, side)
        yield from _distance(context, rule, topic, found, side)
    yield from _missing(context, "prediction_drift")


def _comparisons(context: Context) -> Iterator[_Comparison]:
    """The training baseline, and whatever else the window is compared with."""
    evidence = context.evidence
    windows = evidence.drift_windows or evidence.windows
    yield _Comparison("", context.reference.profile, evidence.trailing, windows)
    for other in evidence.references:
        if other.profile is not None and other.now is not None:
            yield _Comparison(other.name, other.profile, other.now, other.windows, other.definition)


def _missing(context: Context, check: str) -> Answers:
    """References that there is nothing of yet: no reason to doubt what the others say."""
    for other in context.evidence.references:
        if other.profile is None:
            message = f"Nothing is compared with {other.name}: {other.missing}."
            yield Finding(check, "", Status.INFO, Code.UNTESTABLE, message, reference=other.name)


def _topic(context: Context, check: str, subject: str, code: Code, side: _Comparison) -> Topic:
    cost = _impact(context, subject or SCORE, side)
    return Topic(check, subject, code, side.windows, reference=side.name, impact=cost, kind="drift")


def _distance(context: Context, rule: CheckRule, topic: Topic, found: Measurement, side: _Comparison) -> Answers:
    if found.rows < rule.min_rows or found.value is None:
        unknown = few(topic.check, topic.subject, rule, found.rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
        yield replace(unknown, status=Status.INFO, reference=side.name) if side.name else unknown
        return
    spread = side.spread(context, block.key(topic.check, topic.subject))
    mean = spread.mean if spread else found.noise
    about = _about(topic.subject, side.name)
    ordinary = "" if mean is None else f"ordinary {mean:.3g}, "
    say = f"{about}{found.method} is {found.value:.3g} ({ordinary}limit {{limit}})."
    if rule.limit != "baseline":
        limit = rule.limit
        yield beyond_limit(topic, rule, found, limit, mean, say.format(limit=f"{limit:.3g}"), low=False)
        return
    severity = Status.INFO if rule.severity == "warn" and _harmless(context, topic.impact) else None
    test = distance_test(found, spread, rule.tolerance, _CEILING)
    yield ask(topic, rule, found, test, mean, say, severity=severity)


def _about(subject: str, reference: str) -> str:
    if not reference:
        return f"{subject}: " if subject else ""
    return f"{subject} against {reference}: " if subject else f"Against {reference}: "


def _impact(context: Context, name: str, side: _Comparison) -> float | None:
    """How much higher a loss is to be expected from where the rows are now."""
    losses = context.reference.losses
    if losses is None:
        return None
    if name == SCORE:
        before, now = (profile.score_distribution().cell_counts().tolist() for profile in (side.before, side.now))
        return impact(losses, SCORE, before, now)
    before, now = ([*profile.features[name].cells().values()] for profile in (side.before, side.now))
    return impact(losses, name, before, now)


def _harmless(context: Context, cost: float | None) -> bool:
    """Whether the rows have moved to where the model is as good as before."""
    ordinary = context.evidence.ordinary_loss
    if cost is None or not ordinary:
        return False
    return cost < context.config.checks.concept_drift.tolerance * ordinary


CHECKS: tuple[Check, ...] = (
    built_in("feature_drift", _feature_drift),
    built_in("prediction_drift", _prediction_drift),
)
