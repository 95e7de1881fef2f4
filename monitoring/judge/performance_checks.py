"""How well predictions meet labels: pure functions from what was measured to findings and questions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import Every, Normal, error_of, number_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.evidence import Evidence
from monitoring.judge.family import settle
from monitoring.judge.limits import Spread
from monitoring.judge.question import Question, either
from monitoring.judge.rules import Topic, ask, beyond_limit, few, period
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement
from monitoring.measure.performance import Z95


@dataclass(frozen=True)
class _Judged:
    """A check of one number over the trailing windows.

    Attributes:
        metric: The number.
        code: Why it fires.
        sign: -1 where low is bad, 1 where high is, 0 where both are.
    """

    metric: str
    code: Code
    sign: int


_JUDGED = {
    "worse_than_average": _Judged("brier_skill", Code.WORSE_THAN_AVERAGE, -1),
    "ranking": _Judged("roc_auc", Code.RANKING_WORSE, -1),
    "calibration": _Judged("calibration", Code.CALIBRATION_OFF, 0),
    "accuracy": _Judged("accuracy", Code.ACCURACY_WORSE, -1),
    "error": _Judged("mae", Code.ERROR_LARGER, 1),
}
_OF_TASK = {
    "binary": ("worse_than_average", "ranking", "calibration"),
    "multiclass": ("accuracy",),
    "regression": ("error",),
}


def performance_alone(context: Context) -> list[Status]:
    """How the performance checks turn out on the window's rows alone."""
    config = context.config
    if config.labels is None:
        return []
    asked: list[Finding | Question] = []
    for name in _OF_TASK[config.columns.task]:
        rule: CheckRule = getattr(config.checks, name)
        if rule.severity != "off":
            asked.append(_over(name, context, rule, _Span.own(context.evidence)))
    return [finding.status for finding in settle(asked, config.alarms, context.evidence.hours, {})[0]]


@dataclass(frozen=True)
class _Span:
    """Labelled rows of one window, or of the trailing ones.

    Attributes:
        numbers: Their performance.
        labelled: How many they are.
        windows: Of how many windows.
    """

    numbers: Mapping[str, Measurement]
    labelled: int
    windows: int

    @classmethod
    def own(cls, evidence: Evidence) -> _Span:
        """Those of the window.

        While labels are missing, rows that have none count with what is expected of them: those of one class may be
        slower, and the others alone would say something else of every window.
        """
        return cls({**evidence.realised, **evidence.numbers}, evidence.labelled, 1)

    @classmethod
    def trailing(cls, evidence: Evidence) -> _Span:
        """Those of the trailing windows."""
        numbers = {**evidence.trailing_realised, **evidence.trailing_numbers}
        return cls(numbers, evidence.trailing_labelled, evidence.windows)


def _number(check: str, context: Context, rule: CheckRule) -> Answers:
    """A number over the trailing windows, which show what is small and lasts, and of the window alone.

    Whether a model is worse than the average is asked of the trailing windows only: on one day anything can be.
    """
    evidence, config = context.evidence, context.config
    if config.labels is None or check not in _OF_TASK[config.columns.task]:
        return
    found = _over(check, context, rule, _Span.trailing(evidence))
    alone = _over(check, context, rule, _Span.own(evidence))
    both = evidence.windows > 1 and check != "worse_than_average"
    if both and isinstance(found, Question) and isinstance(alone, Question):
        found = either([found, alone])
    yield found


def _over(check: str, context: Context, rule: CheckRule, span: _Span) -> Finding | Question:
    judged, rows, windows = _JUDGED[check], span.labelled, span.windows
    found = span.numbers.get(judged.metric)
    if rows < rule.min_rows:
        return few(check, "", rule, rows, Code.TOO_FEW_LABELS, "labelled rows", windows)
    if found is None or found.value is None:
        status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
        message = f"{_why_undefined(span.numbers, rows)}, so that this is not defined."
        return Finding(check, "", status, Code.UNTESTABLE, message, windows=windows)
    spread = context.reference.limits.telling(check, windows)
    topic = Topic(check, "", judged.code, windows, kind="performance")
    mean = spread.mean if spread else None
    say = _performance_message(check, found, span.numbers, spread, period(windows, context.evidence.hours))
    low = judged.sign < 0 or (judged.sign == 0 and mean is not None and found.value < mean)
    if rule.limit != "baseline":
        return beyond_limit(topic, rule, found, rule.limit, mean, say, low=low)
    if spread is not None or check == "worse_than_average":
        return ask(topic, rule, found, _test(check, found, rule, spread, low=low), mean, say, low=low)
    return Finding(check, "", Status.OK, Code.WITHIN_LIMITS, say, found, windows=windows)


def _test(check: str, found: Measurement, rule: CheckRule, spread: Spread | None, *, low: bool) -> Every:
    if check == "worse_than_average":
        # not what is ordinary counts, but what a model is for; it varies as ordinary windows do
        deviation = max(error_of(found), spread.deviation if spread else 0.0)
        return Every([Normal(rule.tolerance, deviation, error=error_of(found))])
    assert spread is not None
    tolerance = rule.tolerance
    if check == "ranking":
        tolerance *= max(spread.mean - 0.5, 0.0)
    elif check == "error":
        tolerance *= spread.mean
    test = number_test(found, spread, tolerance, low=low)
    return replace(test, sides=2) if check == "calibration" else test


def _concept(context: Context, rule: CheckRule) -> Answers:
    """Whether the relation of inputs and labels has changed, in the whole or in a segment."""
    evidence = context.evidence
    if evidence.ordinary_loss is None:
        return
    found = evidence.concept_gap
    if found is not None and found.value is not None and found.rows < rule.min_rows:
        yield few("concept_drift", "", rule, found.rows, Code.TOO_FEW_LABELS, "labelled rows", evidence.windows)
    whole = [_gap_question("", found, evidence.windows, context, rule)]
    if evidence.windows > 1:
        whole.append(_gap_question("", evidence.own_gap, 1, context, rule))
    asked = [question for question in whole if question is not None]
    if asked:
        yield either(asked)
    for subject, gap in evidence.segment_gaps.items():
        question = _gap_question(subject, gap, evidence.windows, context, rule)
        if question is not None:
            yield question


def _gap_question(
    subject: str, found: Measurement | None, windows: int, context: Context, rule: CheckRule
) -> Question | None:
    evidence = context.evidence
    if found is None or found.value is None or found.standard_error is None or found.rows < rule.min_rows:
        return None
    gap = among_windows(found, context.reference.limits.telling("concept_drift", windows))
    margin = rule.tolerance * (evidence.ordinary_loss or 0.0)
    test = Every([Normal(margin, gap.standard_error or 0.0, error=found.standard_error)])
    topic = Topic("concept_drift", subject, Code.CONCEPT_DRIFT, windows, kind="performance")
    question = ask(topic, rule, gap, test, 0.0, "")
    return replace(question, say=partial(_concept_message, subject, gap, evidence, windows))


def among_windows(gap: Measurement, ordinary: Spread | None) -> Measurement:
    """A gap as uncertain as those of ordinary windows are: rows of one day have more in common than chance knows."""
    assert gap.value is not None
    assert gap.standard_error is not None
    error = max(gap.standard_error, ordinary.deviation if ordinary else 0.0)
    if not error:
        return gap
    p_value = max(math.erfc(abs(gap.value) / error / math.sqrt(2)), gap.p_value or 0.0)
    low, high = gap.value - Z95 * error, gap.value + Z95 * error
    return replace(gap, standard_error=error, p_value=p_value, low=low, high=high)


def _concept_message(
    subject: str, gap: Measurement, evidence: Evidence, windows: int, _limit: float | None, beyond: bool
) -> str:
    interval = f" [{gap.low:.3g}, {gap.high:.3g}]" if gap.low is not None and gap.high is not None else ""
    about, over = f"{subject}: " if subject else "", period(windows, evidence.hours)
    if not beyond:
        return f"{about}{over[0].upper()}{over[1:]} the {evidence.loss} is {gap.value:+.3g}{interval} off its estimate."
    if evidence.diagnosis and evidence.diagnosis.kind in ("concept drift", "both") and not subject:
        return evidence.diagnosis.sentence
    return (
        f"{about}{over[0].upper()}{over[1:]} the {evidence.loss} is {gap.value:.3g}{interval} higher than the same"
        " inputs would give: their relation to the labels has changed."
    )


def _why_undefined(numbers: Mapping[str, Measurement], rows: int) -> str:
    if "base_rate" not in numbers:
        return f"Some of {rows} labelled rows are too far off to be measured"
    one_class = numbers["base_rate"].value in (0.0, 1.0)
    return f"All {rows} labelled rows {'are of one class' if one_class else 'have scores that are too close together'}"


def _performance_message(
    check: str, measurement: Measurement, numbers: Mapping[str, Measurement], spread: Spread | None, over: str
) -> str:
    if check in ("accuracy", "error"):
        ordinary = f", ordinarily {spread.mean:.4g}" if spread else ""
        what = "Accuracy" if check == "accuracy" else "The mean absolute error"
        return f"{what} {over} is {measurement.value:.4g}{ordinary}."
    ordinary = f", ordinarily {spread.mean:.3f}" if spread else ""
    value = {name: number.value if number.value is not None else float("nan") for name, number in numbers.items()}
    rates = f"it predicted {value['mean_score']:.0%} and {value['base_rate']:.0%} came true"
    if check == "worse_than_average":
        number = numbers["brier_skill"]
        interval = f" [{number.low:.3f}, {number.high:.3f}]" if number.low is not None else ""
        worse = "worse" if value["brier_skill"] < 0 else "better"
        return (
            f"{over[0].upper()}{over[1:]} the model does {worse} than always predicting the average: Brier skill"
            f" {value['brier_skill']:.3f}{interval}{ordinary}; {rates}."
        )
    if check == "ranking":
        return f"ROC AUC {over} is {value['roc_auc']:.3f}{ordinary}."
    return f"{over[0].upper()}{over[1:]} {rates}: calibration {value['calibration']:+.3f}{ordinary}."


CHECKS: tuple[Check, ...] = (
    *(built_in(name, partial(_number, name)) for names in _OF_TASK.values() for name in names),
    built_in("concept_drift", _concept),
)
