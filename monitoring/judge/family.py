"""The questions of one run are answered together: the more is asked, the surer each answer has to be."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from monitoring.config.checks import Alarms
from monitoring.judge.multiplicity import by_group
from monitoring.judge.online_fdr import level as online_level
from monitoring.judge.question import Question
from monitoring.judge.verdict import Finding, Status

MONTH_HOURS = 30 * 24
# How the budget of a severity is shared out: `watch` is for the alarms that watch the loss from window to window
_SHARES = {"watch": 0.5, "performance": 0.25, "data": 0.25}
_SHARES_WITH_DRIFT = {"watch": 0.25, "performance": 0.25, "data": 0.25, "drift": 0.25}
_SHARES_OF_INFO = {"watch": 0.1, "performance": 0.2, "data": 0.1, "drift": 0.6}
# What is not rare enough to warn of may still be told
_TOLD_TOO = ("drift", "performance")


@dataclass(frozen=True)
class Family:
    """The questions of one severity.

    Attributes:
        questions: How many were asked; those of one group are one.
        level: Their level: with nothing changed, the probability that any of them fires.
        fired: Those that fired, by their names.
        false_alarms: In a month of such windows with nothing changed, and nothing found before, at most so many would
            fire.
        budget: How many the configuration puts up with.
    """

    questions: int
    level: float
    fired: tuple[str, ...]
    false_alarms: float
    budget: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"fired": list(self.fired)}


def budget(alarms: Alarms, family: Status) -> float:
    """False alarms a month of a severity.

    >>> budget(Alarms(), Status.FAIL)
    0.05
    """
    return float(getattr(alarms, family))


def share_of(alarms: Alarms, family: Status, kind: str, hours: int) -> float:
    """What a kind of questions may spend of the budget of a severity in one window.

    Args:
        alarms: The budget.
        family: The severity.
        kind: That of the questions, or `watch`.
        hours: Hours in a window.

    >>> round(30 * share_of(Alarms(), Status.WARN, "drift", 24), 4)
    0.125
    """
    shares = _SHARES if family is Status.FAIL and kind in _SHARES else _SHARES_WITH_DRIFT
    if family is Status.INFO:
        shares = _SHARES_OF_INFO
    return shares[kind] * budget(alarms, family) * hours / MONTH_HOURS


def level_of(alarms: Alarms, family: Status, kind: str, hours: int, rejected: Sequence[int] = ()) -> float:
    """The level of the questions of one kind and severity in one window.

    Args:
        alarms: The budget.
        family: The severity.
        kind: That of the questions.
        hours: Hours in a window.
        rejected: How many questions fired in the windows before, newest first.

    >>> round(level_of(Alarms(), Status.WARN, "drift", 24), 4)
    0.0042
    """
    base = share_of(alarms, family, kind, hours)
    return online_level(base, max(alarms.discoveries, base), rejected, alarms.memory)


def settle(
    items: Iterable[Finding | Question],
    alarms: Alarms,
    hours: int,
    rejected: Mapping[str, Sequence[int]],
) -> tuple[list[Finding], dict[str, Family]]:
    """Answer the questions of one run.

    Args:
        items: Questions, and findings that are plain facts.
        alarms: The budget of false alarms.
        hours: Hours in a window.
        rejected: By family, how many questions fired in the windows before, newest first.

    Returns:
        A finding for each item, in their order; and the families, by severity and kind.
    """
    found: list[Finding | Question] = list(items)
    places: defaultdict[tuple[Status, str], list[int]] = defaultdict(list)
    for place, item in enumerate(found):
        if isinstance(item, Question):
            places[item.family, item.kind].append(place)
            if item.family is Status.WARN and item.kind in _TOLD_TOO:
                places[Status.INFO, item.kind].append(place)
    families = {}
    questions = dict(enumerate(found))
    # those that may be told are answered first, and again if they are rare enough to warn of
    for (severity, kind), members in sorted(places.items(), key=lambda item: (item[0][0] is not Status.INFO, item[0])):
        asked = [item for place in members if isinstance(item := questions[place], Question)]
        name = f"{severity} {kind}"
        level = level_of(alarms, severity, kind, hours, rejected.get(name, ()))
        levels = levels_by_group([q.p_value for q in asked], [q.hypothesis for q in asked], level)
        lasting = level_of(alarms, severity, kind, hours)
        families[name] = _family(asked, levels, level, lasting, hours, budget(alarms, severity))
        for place, question, share in zip(members, asked, levels, strict=True):
            told = found[place]
            if isinstance(told, Question) or question.p_value <= share or told.status is Status.OK:
                weaker = replace(question, severity=Status.INFO) if severity is Status.INFO else question
                found[place] = weaker.answer(share)
    return [item for item in found if isinstance(item, Finding)], families


def levels_by_group(p_values: Sequence[float], groups: Sequence[str], level: float) -> list[float]:
    """The level that each question is held to where all are answered together: see `by_group`.

    Returns:
        One level per question, in the order given: a question fires if its p-value is not above it.

    >>> [round(share, 4) for share in levels_by_group([0.001, 0.03, 0.6, 0.7], ["a", "a", "b", "c"], 0.06)]
    [0.01, 0.01, 0.02, 0.02]
    """
    rejected = by_group(p_values, groups, level)
    sizes = Counter(groups)
    found = Counter(group for group, is_rejected in zip(groups, rejected, strict=True) if is_rejected)
    share = level * max(len(found), 1) / max(len(sizes), 1)
    return [share * max(found[group], 1) / sizes[group] for group in groups]


def _family(
    asked: Sequence[Question], levels: Sequence[float], level: float, lasting: float, hours: int, most: float
) -> Family:
    false = 0.0
    for question in asked:
        share = lasting / len(asked)
        limit = question.limit(share)
        false += share if limit is None else min(question.ordinary_tail(limit), share)
    return Family(
        questions=len({question.hypothesis for question in asked}),
        level=level,
        fired=tuple(sorted({q.hypothesis for q, share in zip(asked, levels, strict=True) if q.p_value <= share})),
        false_alarms=min(false, lasting) * MONTH_HOURS / hours,
        budget=most,
    )
