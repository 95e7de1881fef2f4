"""Whether inputs and predictions have moved: evidence, which warns where it could cost performance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

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
from monitoring.measure.moved_words import Moved, how_it_moved, shares_moved
from monitoring.measure.performance_rows import SCORE
from monitoring.profile import WindowProfile

_CEILING = 0.98
# So small a share of the ordinary loss is none
_NOTHING = 0.005


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
        say = partial(_sentence, context, topic, side, distance, mean)
        if rule.limit != "baseline":
            message = say(rule.limit, distance.value > rule.limit)
            return beyond_limit(topic, rule, distance, rule.limit, mean, message, low=False)
        severity = Status.INFO if rule.severity == "warn" and is_harmless(context, topic.impact) else None
        test = distance_test(distance, spread, rule.tolerance, _CEILING)
        # what has moved is put into words only if it is told: looking for it takes as long as measuring it
        asked.append(replace(ask(topic, rule, distance, test, mean, "", severity=severity), say=say))
    if asked:
        return either(asked)
    topic, rows = topics[0], found[0].rows
    unknown = few(topic.check, topic.subject, rule, rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
    return replace(unknown, status=Status.INFO, reference=sides[0].name) if sides[0].name else unknown


def _sentence(
    context: Context,
    topic: Topic,
    side: _Comparison,
    distance: Measurement,
    mean: float | None,
    limit: float | None,
    beyond: bool,
) -> str:
    """The distance, and before it, where it is beyond its limit, what has happened."""
    over = period(topic.windows, context.evidence.hours)
    against = f"{over} against {topic.reference}" if topic.reference else over
    ordinary = "" if mean is None else f"ordinarily {mean:.3g}, "
    name = distance.method.partition(",")[0]
    numbers = f"{name} {distance.value:.3g}, {ordinary}limit {'none' if limit is None else f'{limit:.3g}'}"
    if not beyond:
        return f"{topic.subject or _scores(context)}, {against}: {numbers}."
    usual = "there" if topic.reference else "ordinarily"
    moved = _moved(context, topic.subject, side, usual)
    details = f": {'; '.join(moved.details)}" if moved.details else ""
    return f"{topic.subject or _scores(context)} {moved.how} {against}{details} ({numbers}){_cost(context, topic)}."


def _scores(context: Context) -> str:
    return "Predictions" if context.config.columns.task == "regression" else "Scores"


def _moved(context: Context, subject: str, side: _Comparison, usual: str) -> Moved:
    if subject:
        least = context.config.columns.privacy.least_rows
        return how_it_moved(side.now.features[subject], side.before.features[subject], usual, least)
    moved = how_it_moved(side.now.score, side.before.score, usual)
    if context.config.columns.task != "multiclass":
        return moved
    predicted = shares_moved(_predicted(side.now), _predicted(side.before)).details
    return replace(moved, details=(*moved.details, *(f"predicted {shares}" for shares in predicted[:1])))


def _predicted(profile: WindowProfile) -> dict[str, float]:
    """The share of each predicted class."""
    return {name: scores.rows / profile.rows for name, scores in profile.scores.items() if scores.rows}


def _cost(context: Context, topic: Topic) -> str:
    """What is said of what it could cost."""
    if topic.impact is None:
        return ""
    if abs(topic.impact) <= _NOTHING * (context.evidence.ordinary_loss or 0.0):
        return "; rows like these had no more loss"
    return f"; rows like these had {abs(topic.impact):.3g} {'more' if topic.impact > 0 else 'less'} loss"


CHECKS: tuple[Check, ...] = (
    built_in("feature_drift", _feature_drift),
    built_in("prediction_drift", _prediction_drift),
)
