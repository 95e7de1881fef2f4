"""Checks of the numbers that a model quality job holds against a threshold of one's own.

They are added to the others under the entry point group `model_monitor.checks`, and run for a model that names them.
"""

from __future__ import annotations

import math

from monitoring.config.checks import CheckRule
from monitoring.judge.context import Answers, Check, Context
from monitoring.judge.rules import Topic, beyond_limit, few
from monitoring.judge.verdict import Code, Finding, Status


def _number_check(name: str, metric: str, code: Code, *, low: bool = True) -> Check:
    """A check of one number over the trailing windows, as the checks of performance see it.

    Args:
        name: The check's.
        metric: The number's, in `monitoring.measure.performance`.
        code: Why it fires.
        low: Whether below the limit is bad.
    """

    def evaluate(context: Context, rule: CheckRule) -> Answers:
        evidence = context.evidence
        rows, windows = evidence.trailing_labelled, evidence.windows
        if context.config.labels is None:
            return
        if rows < rule.min_rows:
            yield few(name, "", rule, rows, Code.TOO_FEW_LABELS, "labelled rows", windows)
            return
        found = {**evidence.trailing_realised, **evidence.trailing_numbers}.get(metric)
        if found is None or found.value is None or rule.limit == "baseline":
            status = Status.INFO if rule.severity == "info" else Status.UNKNOWN
            why = "needs a number as its limit" if rule.limit == "baseline" else "is not defined on these rows"
            yield Finding(name, "", status, Code.UNTESTABLE, f"{name} {why}.", windows=windows)
            return
        message = f"{found.method} is {found.value:.3g} (limit {rule.limit:.3g})."
        topic = Topic(name, "", code, windows, kind="performance")
        yield beyond_limit(topic, rule, found, rule.limit, None, message, low=low)

    # Without a limit of one's own nothing is too bad
    return Check(name, CheckRule(severity="warn", limit=-math.inf if low else math.inf), evaluate)


binary_accuracy = _number_check("binary_accuracy", "accuracy", Code.ACCURACY_WORSE)
precision = _number_check("precision", "precision", Code.ACCURACY_WORSE)
recall = _number_check("recall", "recall", Code.ACCURACY_WORSE)
f0_5 = _number_check("f0_5", "f0_5", Code.ACCURACY_WORSE)
f1 = _number_check("f1", "f1", Code.ACCURACY_WORSE)
f2 = _number_check("f2", "f2", Code.ACCURACY_WORSE)
precision_weighted = _number_check("precision_weighted", "precision_weighted", Code.ACCURACY_WORSE)
recall_weighted = _number_check("recall_weighted", "recall_weighted", Code.ACCURACY_WORSE)
f0_5_weighted = _number_check("f0_5_weighted", "f0_5_weighted", Code.ACCURACY_WORSE)
f1_weighted = _number_check("f1_weighted", "f1_weighted", Code.ACCURACY_WORSE)
f2_weighted = _number_check("f2_weighted", "f2_weighted", Code.ACCURACY_WORSE)
rmse = _number_check("rmse", "rmse", Code.ERROR_LARGER, low=False)
r2 = _number_check("r2", "r2", Code.ERROR_LARGER)

NUMBER_CHECKS = {
    check.name: check
    for check in (
        binary_accuracy,
        precision,
        recall,
        f0_5,
        f1,
        f2,
        precision_weighted,
        recall_weighted,
        f0_5_weighted,
        f1_weighted,
        f2_weighted,
        rmse,
        r2,
    )
}
