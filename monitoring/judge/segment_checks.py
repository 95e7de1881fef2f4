"""Segments: where the model is worse, who it is about, and whether it treats all alike; and what it looks at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from monitoring.config.checks import CheckRule, FairnessRule
from monitoring.judge.beyond import Every, Normal, number_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.limits import Spread
from monitoring.judge.question import Question
from monitoring.judge.rules import Topic, ask, beyond_limit, few
from monitoring.judge.segment_limits import fairness_key
from monitoring.judge.verdict import PERFORMANCE_CHECKS, Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure.attribution import attribution_drift, moves
from monitoring.measure.fairness import OF_SEVERAL, OF_TWO_CLASSES, Disparity, Metric, disparity
from monitoring.measure.performance import proportion
from monitoring.measure.segments import LEAST_ROWS

_BROKEN, _FINE, _WORST, _ALSO = "Broken where ", "Fine overall; broken where ", "Worst where ", "Also worse where "
_WHOLE = PERFORMANCE_CHECKS - {"segment_loss"}
_MOST_MOVES, _MOST_NAMES = 3, 5


def _segment_loss(context: Context, rule: CheckRule) -> Answers:
    """The loss of each value of each segment against its own."""
    evidence, limits = context.evidence, context.reference.limits
    small: defaultdict[str, list[str]] = defaultdict(list)
    for subject, found in evidence.segment_losses.items():
        spread = limits.telling(block.key("segment_loss", subject), evidence.windows)
        if found.rows < rule.min_rows:
            segment, _, value = subject.partition("=")
            small[segment].append(value)
        elif found.value is not None and (spread is not None or rule.limit != "baseline"):
            yield from _loss(context, rule, subject, found, spread)
    for segment, values in small.items():
        named = ", ".join(values[:_MOST_NAMES]) + (", …" if len(values) > _MOST_NAMES else "")
        message = f"{segment}: fewer than {rule.min_rows} labelled rows of {named}, which are not judged."
        yield Finding(
            "segment_loss", segment, Status.INFO, Code.TOO_FEW_LABELS, message, windows=context.evidence.windows
        )


def _loss(context: Context, rule: CheckRule, subject: str, found: Measurement, spread: Spread | None) -> Answers:
    evidence = context.evidence
    assert found.value is not None
    mean = spread.mean if spread else None
    excess = found.value - mean if mean is not None else 0.0
    impact = excess * found.rows / evidence.trailing_labelled if evidence.trailing_labelled else None
    topic = Topic("segment_loss", subject, Code.SEGMENT_WORSE, evidence.windows, impact=impact, kind="performance")
    interval = f" [{found.low:.3g}, {found.high:.3g}]" if found.low is not None and found.high is not None else ""
    ordinary = f", ordinarily {mean:.3g}" if mean is not None else ""
    say = f"{subject}: {evidence.loss} {found.value:.3g}{interval} on {found.rows:,} rows{ordinary}."
    if rule.limit != "baseline":
        answer = beyond_limit(topic, rule, found, rule.limit, mean, say, low=False)
        fires = answer.code is Code.SEGMENT_WORSE
        yield replace(answer, message=f"{_BROKEN}{say}") if fires else answer
        return
    assert spread is not None
    test = number_test(found, spread, rule.tolerance * spread.mean)
    question = ask(topic, rule, found, test, mean, "")
    yield replace(question, say=lambda _, fires: f"{_BROKEN if fires else ''}{say}")


def beside_the_whole(findings: Sequence[Finding]) -> list[Finding]:
    """What is said of segments, once it is known of the whole.

    A segment that is worse while the whole fails is no second alarm, but says where; while the whole is fine it says
    so.

    Args:
        findings: Those of a window.
    """
    whole = [finding for finding in findings if finding.check in _WHOLE]
    worse = [finding for finding in findings if finding.code is Code.SEGMENT_WORSE]
    if not worse or not whole:
        return list(findings)
    if any(finding.status is Status.FAIL for finding in whole):
        first = max(worse, key=lambda finding: (finding.impact or 0.0, finding.subject))

        def told(finding: Finding) -> Finding:
            start = _WORST if finding is first else _ALSO
            return replace(finding, status=Status.INFO, message=start + finding.message.removeprefix(_BROKEN))

    elif all(finding.status in (Status.OK, Status.INFO) for finding in whole):

        def told(finding: Finding) -> Finding:
            return replace(finding, message=_FINE + finding.message.removeprefix(_BROKEN))

    else:
        return list(findings)
    return [told(finding) if finding.code is Code.SEGMENT_WORSE else finding for finding in findings]


def _segment_share(context: Context, rule: CheckRule) -> Answers:
    """How many of the rows each value has: of those that the baseline knows, and of those that are there."""
    evidence, total = context.evidence, context.evidence.everyone.rows
    segments = context.config.columns.stored_segments
    if segments and total < rule.min_rows:
        yield few("segment_share", "", rule, total, Code.TOO_FEW_ROWS, "rows", evidence.windows)
        return
    for segment in segments:
        there = evidence.groups.get(segment, {})
        known = _known(context, "segment_share", segment)
        if not known:  # the training rows do not have it
            continue
        for value in sorted({*known, *(value for value, counts in there.items() if counts.rows >= LEAST_ROWS)}):
            rows = there[value].rows if value in there else 0
            found = proportion("segment_share", rows, total, "both", "share of the rows")
            say = f"{segment}={value} has {found.value:.1%} of the rows, ordinarily {{ordinary}}."
            yield _either_way(context, rule, segment, value, found, Code.SEGMENT_SHARE, say)


def _segment_predictions(context: Context, rule: CheckRule) -> Answers:
    """How many of the predictions for each value are positive."""
    if context.config.columns.task != "binary":
        return
    for segment in context.config.columns.stored_segments:
        for value, counts in context.evidence.groups.get(segment, {}).items():
            if counts.rows < rule.min_rows or value not in _known(context, "segment_predictions", segment):
                continue
            what = "share of positive predictions"
            found = proportion("segment_predictions", counts.positives, counts.rows, "both", what)
            say = f"{segment}={value}: {found.value:.1%} of the predictions are positive, ordinarily {{ordinary}}."
            yield _either_way(context, rule, segment, value, found, Code.SEGMENT_PREDICTIONS, say)


def _either_way(
    context: Context, rule: CheckRule, segment: str, value: str, found: Measurement, code: Code, say: str
) -> Question:
    """A question about a share that may have gone up or down."""
    subject, windows = f"{segment}={value}", context.evidence.windows
    spread = context.reference.limits.telling(block.key(found.name, subject), windows)
    mean = spread.mean if spread else 0.0
    assert found.value is not None
    low = found.value < mean
    test = replace(number_test(found, spread, rule.tolerance, low=low), sides=2)
    # what one value gains another one loses
    topic = Topic(found.name, subject, code, windows, group=segment, kind="drift")
    return ask(topic, rule, found, test, mean, say.format(ordinary=f"{mean:.1%}"), low=low)


def _known(context: Context, check: str, segment: str) -> list[str]:
    """The values of a segment that the baseline tells something of."""
    start = f"{block.key(check, segment)}="
    return [key.removeprefix(start) for key in context.reference.limits.spreads if key.startswith(start)]


def _fairness(context: Context, rule: CheckRule) -> Answers:
    """How differently the values of some segments are treated."""
    assert isinstance(rule, FairnessRule)
    task = context.config.columns.task
    metrics = {"binary": OF_TWO_CLASSES, "multiclass": OF_SEVERAL}.get(task, ())
    for segment in rule.columns:
        if segment not in context.config.columns.stored_segments or not metrics:
            why = "is no segment that is kept" if metrics else f"is compared for classifiers only, not for {task}"
            yield Finding("fairness", segment, Status.UNKNOWN, Code.UNTESTABLE, f"{segment} {why}.")
            continue
        for metric in metrics:
            if metric == "accuracy_difference" and not context.evidence.final:
                continue  # labels of one class may be slower: only all of them tell
            yield from _compared(context, rule, segment, metric)


def _compared(context: Context, rule: FairnessRule, segment: str, metric: Metric) -> Answers:
    evidence, subject = context.evidence, f"{segment}/{metric}"
    groups, limit = evidence.groups.get(segment, {}), rule.limits.get(metric)
    spreads = {value: _relative(context, metric, segment, value) for value in groups}
    if limit is None:
        groups = {value: counts for value, counts in groups.items() if spreads[value] is not None}
    found = disparity(metric, groups, rule.min_rows)
    if found is None or found.measurement.value is None:
        waits = metric == "equal_opportunity_difference" and not evidence.final
        message = f"{segment}: no two values with {rule.min_rows} rows each in the window and a past in the baseline."
        status = Status.INFO if waits or rule.severity == "info" else Status.UNKNOWN
        yield Finding("fairness", subject, status, Code.TOO_FEW_ROWS, message, windows=evidence.windows)
        return
    low = metric == "disparate_impact"
    topic = Topic("fairness", subject, Code.UNFAIR, evidence.windows, group=segment, kind="performance")
    say = _fairness_message(segment, metric, found)
    pair = (spreads[found.highest], spreads[found.lowest])
    ordinary = _ordinary(metric, pair[0], pair[1]) if pair[0] and pair[1] else None
    mean = ordinary.mean if ordinary else None
    say += "." if mean is None else f", ordinarily {mean:.3g}."
    if limit is not None:
        yield beyond_limit(topic, rule, found.measurement, limit, mean, say, low=low)
        return
    assert ordinary is not None
    tolerance = rule.tolerance * ordinary.mean if low else rule.tolerance
    test = number_test(found.measurement, ordinary, tolerance, low=low)
    # each value might have been the highest, and each other one the lowest
    test = replace(test, sides=found.groups * (found.groups - 1))
    yield ask(topic, rule, found.measurement, test, mean, say, low=low)


def _relative(context: Context, metric: Metric, segment: str, value: str) -> Spread | None:
    return context.reference.limits.telling(fairness_key(metric, f"{segment}={value}"), context.evidence.windows)


def _ordinary(metric: Metric, highest: Spread, lowest: Spread) -> Spread:
    """How these two values differ in the baseline, from what each is beside all rows.

    A difference the other way round is none: it would have to vanish before this one comes. The deviation of a
    difference is at most the sum of both.
    """
    if metric == "disparate_impact":
        mean = min(lowest.mean / highest.mean, 1.0) if highest.mean > 0 else 1.0
        parts = [spread.deviation / spread.mean for spread in (highest, lowest) if spread.mean > 0]
        deviation = mean * sum(parts)
    else:
        mean, deviation = max(highest.mean - lowest.mean, 0.0), highest.deviation + lowest.deviation
    return Spread(
        mean=mean,
        deviation=deviation,
        blocks=min(highest.blocks, lowest.blocks),
        independent=min(highest.independent, lowest.independent),
        rows=highest.rows + lowest.rows,
    )


_RATES: dict[Metric, str] = {
    "demographic_parity_difference": "positive predictions",
    "disparate_impact": "positive predictions",
    "equal_opportunity_difference": "recall",
    "accuracy_difference": "accuracy",
}


def _fairness_message(segment: str, metric: Metric, found: Disparity) -> str:
    measured, (high, low) = found.measurement, found.rates
    interval = f" [{measured.low:.3g}, {measured.high:.3g}]" if measured.low is not None else ""
    return (
        f"{segment}: {_RATES[metric]} are {high:.1%} for {found.highest} and {low:.1%} for {found.lowest}:"
        f" {metric.replace('_', ' ')} {measured.value:.3g}{interval}"
    )


def _attribution_drift(context: Context, rule: CheckRule) -> Answers:
    """Whether the features that matter are the same ones."""
    if not context.config.columns.stored_attributions:
        return
    evidence, before = context.evidence, context.reference.profile.attributions
    check, now, windows = "attribution_drift", evidence.trailing.attributions, evidence.windows
    found = attribution_drift(now, before)
    if len(before.means()) < 2:
        message = "The training rows have no attributions of two features, so that there is no order to compare with."
        yield Finding(check, "", Status.INFO, Code.UNTESTABLE, message, windows=windows)
        return
    if found.rows < rule.min_rows or found.value is None:
        yield few(check, "", rule, found.rows, Code.TOO_FEW_ROWS, "rows with attributions", windows)
        return
    spread = context.reference.limits.telling(check, windows)
    mean = spread.mean if spread else 1.0
    moved = [f"{move.feature} from {move.before} to {move.now}" for move in moves(now, before)[:_MOST_MOVES]]
    ranks = f" Ranks that moved most: {', '.join(moved)}." if moved else ""
    say = f"The order of the features by attribution: {found.method} is {found.value:.3f} (ordinary {mean:.3f}).{ranks}"
    topic = Topic(check, "", Code.ATTRIBUTION_DRIFT, windows, kind="drift")
    if rule.limit != "baseline":
        yield beyond_limit(topic, rule, found, rule.limit, mean, say, low=True)
        return
    alone = Every([Normal(rule.tolerance - mean, 0.0)])
    test = number_test(found, spread, rule.tolerance, low=True) if spread else alone
    yield ask(topic, rule, found, test, mean, say, low=True)


CHECKS: tuple[Check, ...] = (
    built_in("segment_loss", _segment_loss),
    built_in("segment_share", _segment_share),
    built_in("segment_predictions", _segment_predictions),
    built_in("fairness", _fairness),
    built_in("attribution_drift", _attribution_drift),
)
