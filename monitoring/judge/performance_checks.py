"""How well predictions meet labels: pure functions from what was measured to findings and questions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import LEAST_BLOCKS, Beyond, Every, Normal, error_of, number_test, predictive, widened
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
    "bias": _Judged("bias", Code.BIASED, 0),
}
_OF_TASK = {
    "binary": ("worse_than_average", "ranking", "calibration"),
    "multiclass": ("accuracy", "calibration"),
    "regression": ("error", "bias"),
}


# From so many times the ordinary on, times are easier to read than percent
_TIMES = 1.5


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
    if rows < rule.min_rows:
        return few(check, "", rule, rows, Code.TOO_FEW_LABELS, "labelled rows", windows)
    if check == "calibration" and context.config.columns.task == "multiclass":
        return _furthest_class(context, rule, span)
    found = span.numbers.get(judged.metric)
    if found is None or found.value is None:
        return _undefined(check, rule, span)
    spread = context.reference.limits.telling(check, windows)
    topic = Topic(check, "", judged.code, windows, kind="performance")
    say = _message(check, found, span.numbers, spread, context, windows)
    if rule.limit != "baseline":
        return _beyond_own_limit(topic, rule, found, rule.limit, spread, say)
    test = _test(check, found, rule, spread, context, windows)
    if test is None:
        return Finding(check, "", Status.OK, Code.WITHIN_LIMITS, say, found, windows=windows)
    return ask(topic, rule, found, test, spread.mean if spread else None, say, low=_is_low(check, found, spread))


def _undefined(check: str, rule: CheckRule, span: _Span) -> Finding:
    status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
    message = f"{_why_undefined(span.numbers, span.labelled)}, so that this is not defined."
    return Finding(check, "", status, Code.UNTESTABLE, message, windows=span.windows)


def _is_low(check: str, found: Measurement, spread: Spread | None) -> bool:
    """Whether it is bad, if it is, by being low."""
    sign = _JUDGED[check].sign
    return sign < 0 or (sign == 0 and spread is not None and (found.value or 0.0) < spread.mean)


def _beyond_own_limit(
    topic: Topic, rule: CheckRule, found: Measurement, limit: float, spread: Spread | None, say: str
) -> Finding:
    """A limit of one's own; what may be off to both sides is held against it on both."""
    sign = _JUDGED[topic.check].sign
    low = sign < 0 or (sign == 0 and (found.value or 0.0) < 0)
    most = -limit if low and sign == 0 else limit
    return beyond_limit(topic, rule, found, most, spread.mean if spread else None, say, low=low)


def _furthest_class(context: Context, rule: CheckRule, span: _Span) -> Finding | Question:
    """Whether any class is predicted more or less often than it comes true: the one speaks that is furthest off."""
    limits, windows = context.reference.limits, span.windows
    found = {
        name: item
        for name, item in span.numbers.items()
        if name.startswith("calibration:") and item.value is not None and item.rows
    }
    if not found:
        return _undefined("calibration", rule, span)
    furthest = max(found, key=lambda name: (abs(found[name].value or 0.0), name))
    topic = Topic("calibration", "", Code.CALIBRATION_OFF, windows, kind="performance")
    over = period(windows, context.evidence.hours)
    if rule.limit != "baseline":
        spread, say = limits.telling(furthest, windows), _class_message(furthest, span.numbers, over)
        return _beyond_own_limit(topic, rule, found[furthest], rule.limit, spread, say)
    asked = []
    for name, item in found.items():
        spread = limits.telling(name, windows)
        if spread is not None:
            low, sentence = _is_low("calibration", item, spread), partial(_class_message, name, span.numbers, over)
            test = replace(number_test(item, spread, rule.tolerance, low=low), sides=2)
            asked.append(replace(ask(topic, rule, item, test, spread.mean, "", low=low), say=sentence))
    if asked:
        return either(asked)
    message = _class_message(furthest, span.numbers, over)
    return Finding("calibration", "", Status.OK, Code.WITHIN_LIMITS, message, found[furthest], windows=windows)


def _class_message(
    name: str, numbers: Mapping[str, Measurement], over: str, _limit: float | None = None, _fires: bool = False
) -> str:
    found, (_, _, label) = numbers[name], name.partition(":")
    rate = numbers.get(f"base_rate:{label}")
    true = rate.value if rate is not None and rate.value is not None else 0.0
    # the share that came true, and what it is off by: together what was predicted, with probabilities or without
    predicted = min(max(true + (found.value or 0.0), 0.0), 1.0)
    return f"{label}, {over}: predicted {predicted:.0%}, came true {true:.0%}{_off(found)}."


def _off(found: Measurement) -> str:
    if found.low is None or found.high is None:
        return f" ({100 * (found.value or 0.0):+.0f} points)"
    return f" ({100 * (found.value or 0.0):+.0f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}] points)"


def _test(
    check: str, found: Measurement, rule: CheckRule, spread: Spread | None, context: Context, windows: int
) -> Every | None:
    """The test of a number; None where nothing is known of what is ordinary."""
    if check == "worse_than_average":
        # not what is ordinary counts, but what a model is for; it varies as ordinary windows do
        deviation = max(error_of(found), spread.deviation if spread else 0.0)
        usual = None
        if spread is not None and spread.independent >= LEAST_BLOCKS:
            usual = predictive(-spread.mean, widened(spread, found, error_of(found)), spread.independent)
        return Every([Normal(rule.tolerance, deviation, error=error_of(found))], usual)
    size = context.reference.limits.telling("error", windows) if check == "bias" else spread
    if spread is None or size is None:
        return None
    share = {"ranking": max(spread.mean - 0.5, 0.0), "error": size.mean, "bias": size.mean}.get(check, 1.0)
    test = number_test(found, spread, rule.tolerance * share, low=_is_low(check, found, spread))
    return replace(test, sides=2) if _JUDGED[check].sign == 0 else test


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
    spread = context.reference.limits.telling("concept_drift", windows)
    gap = among_windows(found, spread)
    margin = rule.tolerance * (evidence.ordinary_loss or 0.0)
    certain = Beyond(Normal(margin, gap.standard_error or 0.0, error=found.standard_error))
    usual = Normal(0.0, found.standard_error)
    if spread is not None and spread.independent >= LEAST_BLOCKS:
        deviation = max(found.standard_error, widened(spread, found, found.standard_error))
        usual = predictive(0.0, deviation, spread.independent, error=found.standard_error)
    test = Every([certain, usual], usual)
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


def _message(
    check: str,
    found: Measurement,
    numbers: Mapping[str, Measurement],
    spread: Spread | None,
    context: Context,
    windows: int,
) -> str:
    over = period(windows, context.evidence.hours)
    if check == "error":
        r2 = context.reference.limits.telling("r2", windows)
        return f"The mean absolute error {over} is {_with_ends(found)}{_times(found, spread)}{_lead(numbers, r2)}."
    if check == "accuracy":
        return f"Accuracy {over} is {_with_ends(found)}{_points(found, spread)}."
    if check == "ranking":
        ordinary = f", ordinarily {spread.mean:.3f}" if spread else ""
        return f"ROC AUC {over} is {_with_ends(found)}{ordinary}{_lead_over_chance(found, spread)}."
    begin = f"{over[0].upper()}{over[1:]}"
    if check == "bias":
        ordinary = f", ordinarily {_too(spread.mean)}" if spread else ""
        return f"{begin} it predicts {_too(found.value or 0.0, _ends_of_size(found))} on average{ordinary}."
    ordinary = f", ordinarily {spread.mean:.3f}" if spread else ""
    value = {name: number.value if number.value is not None else float("nan") for name, number in numbers.items()}
    rates = f"it predicted {value['mean_score']:.0%} and {value['base_rate']:.0%} came true"
    if check == "worse_than_average":
        interval = f" [{found.low:.3f}, {found.high:.3f}]" if found.low is not None else ""
        worse = "worse" if value["brier_skill"] < 0 else "better"
        return (
            f"{begin} the model does {worse} than always predicting the average: Brier skill"
            f" {value['brier_skill']:.3f}{interval}{ordinary}; {rates}."
        )
    return f"{begin} {rates}: calibration {value['calibration']:+.3f}{ordinary}."


def _with_ends(found: Measurement) -> str:
    ends = f" [{found.low:.3g}, {found.high:.3g}]" if found.low is not None and found.high is not None else ""
    return f"{found.value:.4g}{ends}"


def _times(found: Measurement, spread: Spread | None) -> str:
    """How a value that is bad when high compares with the ordinary one."""
    if spread is None:
        return ""
    if spread.mean <= 0 or found.value is None:
        return f", ordinarily {spread.mean:.4g}"
    ratio = found.value / spread.mean
    times = f"{ratio:.1f} times" if ratio >= _TIMES else f"{abs(ratio - 1):.0%} {'above' if ratio >= 1 else 'below'}"
    return f", {times} the ordinary {spread.mean:.4g}"


def _points(found: Measurement, spread: Spread | None) -> str:
    if spread is None:
        return ""
    apart = 100 * ((found.value or 0.0) - spread.mean)
    return f", {abs(apart):.1f} points {'above' if apart >= 0 else 'below'} the ordinary {spread.mean:.4g}"


def _lead(numbers: Mapping[str, Measurement], ordinary: Spread | None) -> str:
    """What is left of a regression's lead over always predicting the average."""
    found = numbers.get("r2")
    if found is None or found.value is None or ordinary is None or ordinary.mean <= max(found.value, 0.0):
        return ""
    return f"; {_left(found.value / ordinary.mean)} of its lead over always predicting the average is left"


def _lead_over_chance(found: Measurement, ordinary: Spread | None) -> str:
    if ordinary is None or found.value is None or ordinary.mean <= max(found.value, 0.5):
        return ""
    return f"; {_left((found.value - 0.5) / (ordinary.mean - 0.5))} of its lead over chance is left"


def _left(share: float) -> str:
    return f"{share:.0%}" if share > 0 else "nothing"


def _too(bias: float, ends: str = "") -> str:
    return f"{abs(bias):.3g}{ends} too {'low' if bias < 0 else 'high'}"


def _ends_of_size(found: Measurement) -> str:
    """The interval of a bias as it is told: of its size, below 0 only where it may be to the other side."""
    if found.low is None or found.high is None:
        return ""
    low, high = (-found.high, -found.low) if (found.value or 0.0) < 0 else (found.low, found.high)
    return f" [{low:.3g}, {high:.3g}]"


CHECKS: tuple[Check, ...] = (
    *(built_in(name, partial(_number, name)) for name in _JUDGED),
    built_in("concept_drift", _concept),
)
