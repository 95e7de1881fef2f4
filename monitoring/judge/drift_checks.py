"""Whether inputs and predictions have moved: evidence, which warns where it could cost performance."""

from __future__ import annotations

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import distance_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.rules import Topic, ask, beyond_limit, few
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure.impact import impact
from monitoring.measure.performance_rows import SCORE

_CEILING = 0.98


def _feature_drift(context: Context, rule: CheckRule) -> Answers:
    evidence, reference = context.evidence, context.reference
    moved = block.drift(evidence.trailing, reference.profile)
    for name in context.config.columns.stored:
        if name in evidence.unusable:
            message = f"Column {name} holds nothing to compare."
            yield Finding("feature_drift", name, Status.INFO, Code.UNTESTABLE, message)
            continue
        group = reference.limits.groups.get(name, "")
        cost = _impact(context, name)
        topic = Topic(
            "feature_drift", name, Code.FEATURE_DRIFT, evidence.windows, group=group, impact=cost, kind="drift"
        )
        yield from _distance(context, rule, topic, moved[block.key("feature_drift", name)])


def _prediction_drift(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    found = block.prediction_drift(evidence.trailing, context.reference.profile)
    topic = Topic(
        "prediction_drift", "", Code.PREDICTION_DRIFT, evidence.windows, impact=_impact(context, SCORE), kind="drift"
    )
    yield from _distance(context, rule, topic, found)


def _distance(context: Context, rule: CheckRule, topic: Topic, found: Measurement) -> Answers:
    if found.rows < rule.min_rows or found.value is None:
        yield few(topic.check, topic.subject, rule, found.rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
        return
    spread = context.reference.limits.telling(block.key(topic.check, topic.subject), topic.windows)
    mean = spread.mean if spread else found.noise
    about = f"{topic.subject}: " if topic.subject else ""
    ordinary = "" if mean is None else f"ordinary {mean:.3g}, "
    say = f"{about}{found.method} is {found.value:.3g} ({ordinary}limit {{limit}})."
    if rule.limit != "baseline":
        limit = rule.limit
        yield beyond_limit(topic, rule, found, limit, mean, say.format(limit=f"{limit:.3g}"), low=False)
        return
    severity = Status.INFO if rule.severity == "warn" and _harmless(context, topic.impact) else None
    test = distance_test(found, spread, rule.tolerance, _CEILING)
    yield ask(topic, rule, found, test, mean, say, severity=severity)


def _impact(context: Context, name: str) -> float | None:
    """How much higher a loss is to be expected from where the rows are now."""
    reference = context.reference
    if reference.losses is None:
        return None
    if name == SCORE:
        before, now = (
            profile.score_distribution().cell_counts().tolist()
            for profile in (reference.profile, context.evidence.trailing)
        )
        return impact(reference.losses, SCORE, before, now)
    before, now = (
        [*profile.features[name].cells().values()] for profile in (reference.profile, context.evidence.trailing)
    )
    return impact(reference.losses, name, before, now)


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
