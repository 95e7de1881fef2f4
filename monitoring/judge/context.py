"""What a check is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitoring.config.checks import CheckRule, Checks
from monitoring.config.model import ModelConfig
from monitoring.judge.evidence import Evidence, Reference
from monitoring.judge.question import Question
from monitoring.judge.verdict import Finding


@dataclass(frozen=True)
class Context:
    """What checks look at.

    Attributes:
        evidence: What was measured of the window.
        reference: What is ordinary.
        config: The model.
    """

    evidence: Evidence
    reference: Reference
    config: ModelConfig


Answers = Iterator[Finding | Question]


@dataclass(frozen=True)
class Check:
    """A check: settings, and a pure function.

    A package adds one under the entry point group `model_monitor.checks`; it runs for each model that names it.

    Attributes:
        name: Its key under `checks`.
        rule: Its settings with their defaults; a subclass of `CheckRule` may have more.
        evaluate: From what was measured and the settings to findings, which are plain facts, and questions, which are
            held against the alarm budget. It is not called when the severity is `off`.
    """

    name: str
    rule: CheckRule
    evaluate: Callable[[Context, CheckRule], Answers]


def built_in(name: str, evaluate: Callable[[Context, CheckRule], Answers]) -> Check:
    """A check whose settings have their defaults in `monitoring.config.checks`."""
    field = Checks.model_fields["schema_" if name == "schema" else name]
    return Check(name, field.default, evaluate)
