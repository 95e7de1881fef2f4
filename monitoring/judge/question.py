"""A question that a check asks of a window: how far off a measurement is, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement

Kind = Literal["data", "drift", "performance"]


@dataclass(frozen=True, eq=False)
class Question:
    """What a check asks. Whether it fires depends on what else is asked: see `monitoring.judge.family`.

    Attributes:
        check: The check's key in the configuration.
        subject: The column it is about; empty for the whole window.
        severity: What it comes to when it fires.
        code: Why, then.
        measurement: What was measured.
        ordinary: Its ordinary value.
        windows: How many windows it looks back over.
        p_value: Probability of a value so far beyond what matters in an ordinary window.
        limit: The value whose p-value is a level.
        ordinary_tail: The probability that an ordinary window goes beyond a value.
        detectable: The value that would be found with a power of 80 % at a level, None where it is not known.
        say: The sentence, from the limit and whether it fires.
        family: The severity whose alarm budget it draws on; another than `severity` for evidence that is only
            informative in this window.
        kind: What it is about: questions of one kind and one severity are answered together.
        group: What is one question with others: columns that drift together.
        reference: What the window was compared with; empty for the training baseline.
        impact: How much mean loss it could explain; None where that is not known.
        folded: What else would have been asked, and is explained if it fires: see `monitoring.judge.folding`.
    """

    check: str
    subject: str
    severity: Status
    code: Code
    measurement: Measurement
    ordinary: float | None
    windows: int
    p_value: float
    limit: Callable[[float], float | None]
    ordinary_tail: Callable[[float], float]
    detectable: Callable[[float], float | None]
    say: Callable[[float | None, bool], str]
    family: Status
    kind: Kind
    group: str = ""
    reference: str = ""
    impact: float | None = None
    folded: tuple[str, ...] = ()

    @property
    def hypothesis(self) -> str:
        """The group, or the question itself where it is alone."""
        return f"{self.check}/{self.reference}/{self.group or self.subject}"

    def answer(self, level: float) -> Finding:
        """The finding, at the level that its family leaves to it."""
        beyond = self.p_value <= level
        limit = self.limit(level)
        return Finding(
            check=self.check,
            subject=self.subject,
            status=self.severity if beyond else Status.OK,
            code=self.code if beyond else Code.WITHIN_LIMITS,
            message=self.say(limit, beyond),
            measurement=self.measurement,
            baseline=self.ordinary,
            limit=limit,
            windows=self.windows,
            p_value=self.p_value,
            level=level,
            detectable=self.detectable(level),
            group=self.group,
            reference=self.reference,
            impact=self.impact,
            folded=self.folded,
        )


def either(questions: Sequence[Question]) -> Question:
    """One question from several of the same thing, such as of a day and of the week that ends with it.

    The one with the lowest p-value speaks, at its share of the level (Bonferroni).

    Args:
        questions: At least one.
    """
    if len(questions) == 1:
        return questions[0]
    count, first = len(questions), min(questions, key=lambda question: question.p_value)
    return replace(
        first,
        p_value=min(count * first.p_value, 1.0),
        limit=lambda level: first.limit(level / count),
        detectable=lambda level: first.detectable(level / count),
        ordinary_tail=lambda limit: min(count * first.ordinary_tail(limit), 1.0),
    )
