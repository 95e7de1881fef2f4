"""Whether inputs and predictions have moved: evidence, which warns where it could cost performance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import distance_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.harm import impact_of, is_harmless
from monitoring.judge.limits import Spread
from monitoring.judge.question import Question, either
from monitoring.judge.references import spread_between
from monitoring.judge.rules import Topic, ask, beyond_limit, few, period
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
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
        windows_before: Of how many windows the reference is.
        definition: Under which the limits hold what was learned of it; empty where nothing was.
    """

    name: str
    before: WindowProfile
    now: WindowProfile
    windows: int
    windows_before: int = 1
    definition: str = ""

    def spread(self, context: Context, key: str) -> Spread | None:
        """What is ordinary; None where nothing is known of it."""
        limits = context.reference.limits
        usual = limits.telling(key, self.windows)
        if not self.name:
            return usual
        learned = limits.telling(f"{self.definition}/{key}", self.windows)
        return learned or spread_between(usual, limits.telling(key, self.windows_before))


def _feature_drift(context: Context, rule: CheckRule) -> Answers:
    evidence, groups = context.evidence, context.reference.limits.groups
    for sides in _comparisons(context):
        moved = [block.drift(side.now, side.before) for side in sides]
        for name in context.config.columns.stored:
            if name not in evidence.unusable:
                found = [distances[block.key("feature_drift", name)] for distances in moved]
                topics = [_topic(context, "feature_drift", name, Code.FEATURE_DRIFT, side) for side in sides]
                topics = [replace(topic, group=groups.get(name, "")) for topic in topics]
                yield _distance(context, rule, topics, found, sides)
            elif not sides[0].name:
                message = f"Column {name} holds nothing to compare."
                yield Finding("feature_drift", name, Status.INFO, Code.UNTESTABLE, message)
    yield from _missing(context, "feature_drift")


def _prediction_drift(context: Context, rule: CheckRule) -> Answers:
    for sides in _comparisons(context):
        found = [block.prediction_drift(side.now, side.before) for side in sides]
        topics = [_topic(context, "prediction_drift", "", Code.PREDICTION_DRIFT, side) for side in sides]
        yield _distance(context, rule, topics, found, sides)
    yield from _missing(context, "prediction_drift")


def _comparisons(context: Context) -> Iterator[list[_Comparison]]:
    """The training baseline, and whatever else the window is compared with.

    The trailing windows show what is small and lasts, the window alone what is large and new.
    """
    evidence = context.evidence
    windows = evidence.drift_windows or evidence.windows
    before = context.reference.profile
    trailing = _Comparison("", before, evidence.trailing, windows)
    yield [trailing, _Comparison("", before, evidence.profile, 1)] if windows > 1 else [trailing]
    for other in evidence.references:
        if other.profile is not None and other.now is not None:
            sizes = (other.windows, other.windows_before)
            yield [_Comparison(other.name, other.profile, other.now, *sizes, other.definition)]


def _missing(context: Context, check: str) -> Answers:
    """References that there is nothing of yet: no reason to doubt what the others say."""
    for other in context.evidence.references:
        if other.profile is None:
            message = f"Nothing is compared with {other.name}: {other.missing}."
            yield Finding(check, "", Status.INFO, Code.UNTESTABLE, message, reference=other.name)


def _topic(context: Context, check: str, subject: str, code: Code, side: _Comparison) -> Topic:
    cost = impact_of(context, subject or SCORE, side.before, side.now)
    return Topic(check, subject, code, side.windows, reference=side.name, impact=cost, kind="drift")


def _distance(
    context: Context,
    rule: CheckRule,
    topics: Sequence[Topic],
    found: Sequence[Measurement],
    sides: Sequence[_Comparison],
) -> Finding | Question:
    """One question, or one finding, of the same distance over the trailing windows and in the window itself."""
    asked: list[Question] = []
    for topic, distance, side in zip(topics, found, sides, strict=True):
        if distance.rows < rule.min_rows or distance.value is None:
            continue
        spread = side.spread(context, block.key(topic.check, topic.subject))
        mean = spread.mean if spread else distance.noise
        ordinary = "" if mean is None else f"ordinary {mean:.3g}, "
        about = _about(context, topic, side.name)
        say = f"{about}{distance.method} is {distance.value:.3g} ({ordinary}limit {{limit}})."
        if rule.limit != "baseline":
            message = say.format(limit=f"{rule.limit:.3g}")
            return beyond_limit(topic, rule, distance, rule.limit, mean, message, low=False)
        severity = Status.INFO if rule.severity == "warn" and is_harmless(context, topic.impact) else None
        test = distance_test(distance, spread, rule.tolerance, _CEILING)
        asked.append(ask(topic, rule, distance, test, mean, say, severity=severity))
    if asked:
        return either(asked)
    topic, rows = topics[0], found[0].rows
    unknown = few(topic.check, topic.subject, rule, rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
    return replace(unknown, status=Status.INFO, reference=sides[0].name) if sides[0].name else unknown


def _about(context: Context, topic: Topic, reference: str) -> str:
    """How the sentence begins."""
    over = period(topic.windows, context.evidence.hours)
    against = f"{over} against {reference}" if reference else over
    return f"{topic.subject}, {against}: " if topic.subject else f"{against[0].upper()}{against[1:]}: "


CHECKS: tuple[Check, ...] = (
    built_in("feature_drift", _feature_drift),
    built_in("prediction_drift", _prediction_drift),
)
