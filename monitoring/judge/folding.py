"""Broken data before drift: one finding for what is broken, instead of one for every check that it breaks.

Somebody who is called needs to read what is broken once, and must not be told that a model is drifting of which
nothing can be known. So what is broken is looked for first, and what follows from it is neither asked nor answered.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from monitoring.config.checks import Checks
from monitoring.judge.context import Context
from monitoring.judge.family import share_of
from monitoring.judge.question import Question
from monitoring.judge.registry import rule_of
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.judge.volume_checks import has_collapsed
from monitoring.measure import block
from monitoring.measure.quality import is_repeated

Item = Finding | Question

# What breaks a column, the most telling first
_BREAKS = (
    Code.COLUMN_MISSING,
    Code.COLUMN_TYPE_CHANGED,
    Code.COLUMN_ALL_NULL,
    Code.COLUMN_STALE,
    Code.COLUMN_CONSTANT,
    Code.VALUES_OF_OTHER_TYPE,
    Code.NONFINITE_INCREASED,
    Code.NULLS_INCREASED,
)
# Of these a share of the rows is broken; with more than half of them the column is
_IN_PART = frozenset({Code.VALUES_OF_OTHER_TYPE, Code.NONFINITE_INCREASED, Code.NULLS_INCREASED})
_MOST = 0.5
_EXPLAINED_IN_PART = frozenset({"mismatch", "nonfinite", "nulls", "feature_drift"})
_OF_COLUMNS = frozenset(
    {"schema", "mismatch", "nonfinite", "constants", "staleness", "nulls", "out_of_range", "unseen", "feature_drift"}
)
_OF_FEED = (_OF_COLUMNS - {"feature_drift"}) | {"quarantine", "volume", "gaps", "duplicates"}
# What may be said of a window whose feed is broken
_NOT_OF_MODEL = _OF_FEED | {
    "errors",
    "event_ids",
    "model_version",
    "label_coverage",
    "label_delay",
    "label_conflicts",
    "unmatched_labels",
}
_MODEL = frozenset(field.alias or name for name, field in Checks.model_fields.items()) - _NOT_OF_MODEL
_NAMED = 3


def fold(items: Sequence[Item], context: Context) -> list[Item]:
    """Put what is broken in the place of all that it explains.

    A question counts as answered here if it is sure to fire however the others turn out: its p-value is not above its
    family's level, shared among all questions of the family (Bonferroni).

    Args:
        items: What every check says of a window.
        context: The window.

    Returns:
        What is left to be answered. One of them has the code `feed_broken` where nothing can be concluded about the
        model.
    """
    sure = _sure(items, context)
    broken = _broken_columns(items, sure)
    reasons = _feed_reasons(items, sure, broken, context)
    if reasons:
        return _of_broken_feed(items, reasons, context)
    return _by_column(items, broken)


def _sure(items: Sequence[Item], context: Context) -> frozenset[int]:
    """The places of the items that are, or will be, alarms."""
    questions = [item for item in items if isinstance(item, Question)]
    sizes = Counter((item.family, item.kind) for item in questions)
    alarms, hours = context.config.alarms, context.evidence.hours
    found = set()
    for place, item in enumerate(items):
        if isinstance(item, Question):
            level = share_of(alarms, item.family, item.kind, hours) / sizes[item.family, item.kind]
            if item.p_value <= level:
                found.add(place)
        elif item.code is not Code.WITHIN_LIMITS:
            found.add(place)
    return frozenset(found)


def _broken_columns(items: Sequence[Item], sure: frozenset[int]) -> dict[str, int]:
    """The item that tells most of each column that is broken, by its place."""
    found: dict[str, int] = {}
    for place in sorted(sure, key=lambda at: (_rank(items[at]), at)):
        item = items[place]
        if item.subject and item.code in _BREAKS:
            found.setdefault(item.subject, place)
    return found


def _rank(item: Item) -> int:
    return _BREAKS.index(item.code) if item.code in _BREAKS else len(_BREAKS)


def _in_part(item: Item) -> bool:
    """Whether some of the column's rows are as they should be, and most are."""
    return item.code in _IN_PART and (_value(item) or 0.0) <= _MOST


def _value(item: Item) -> float | None:
    return item.measurement.value if item.measurement else None


def _name(item: Item) -> str:
    return block.key(item.check, item.subject)


def _by_column(items: Sequence[Item], broken: dict[str, int]) -> list[Item]:
    """The items, without those that a broken column explains."""
    explained: defaultdict[int, list[str]] = defaultdict(list)
    left: list[int] = []
    for place, item in enumerate(items):
        cause = broken.get(item.subject, place) if item.check in _OF_COLUMNS else place
        if cause == place or (_in_part(items[cause]) and item.check not in _EXPLAINED_IN_PART):
            left.append(place)
        else:
            explained[cause].append(_name(item))
    return [replace(items[place], folded=tuple(dict.fromkeys(explained[place]))) for place in left]


def _feed_reasons(
    items: Sequence[Item], sure: frozenset[int], broken: dict[str, int], context: Context
) -> list[tuple[str, Item | None]]:
    """Why the window as a whole is broken, each with the item that measured it; empty if it is not."""
    rule, evidence = context.config.checks.feed, context.evidence
    if rule.severity == "off":
        return []
    reasons: list[tuple[str, Item | None]] = []
    for place in sorted(sure):
        item, value = items[place], _value(items[place]) or 0.0
        if item.code is Code.VOLUME_LOW and has_collapsed(context, value):
            reasons.append((f"only {value:.1%} of the rows that it ordinarily has have come", item))
        elif item.code is Code.HOURS_MISSING and value > rule.tolerance:
            reasons.append((f"the hours are empty in which {value:.0%} of its rows ordinarily come", item))
        elif item.code is Code.RECORDS_QUARANTINED and value > rule.tolerance:
            reasons.append((f"{evidence.quarantined} of {evidence.read} records could not be read", item))
    features = evidence.profile.features
    whole = [name for name, place in broken.items() if name in features and not _in_part(items[place])]
    if _repeats_itself(items, context):
        reasons.append(("every column has exactly the values of the window before", None))
    elif len(whole) > 1 and len(whole) > rule.tolerance * len(features):
        reasons.append((f"{len(whole)} of {len(features)} columns are broken ({_some(whole)})", None))
    return reasons


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _repeats_itself(items: Sequence[Item], context: Context) -> bool:
    before, now = context.evidence.before, context.evidence.profile
    if before is None or all(item.code is not Code.COLUMN_STALE for item in items):
        return False
    return all(is_repeated(column, before.features[name]) for name, column in now.features.items())


def _of_broken_feed(items: Sequence[Item], reasons: Sequence[tuple[str, Item | None]], context: Context) -> list[Item]:
    """One finding for the feed, one for each check that is barred, and what else there is to say."""
    left: list[Item] = []
    explained: list[str] = []
    barred: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        if _is_of_model(item):
            barred[item.check].append(item)
        elif item.check in _OF_FEED and (isinstance(item, Question) or item.status not in (Status.OK, Status.INFO)):
            explained.append(_name(item))
        elif not (item.check in _OF_FEED and item.code in (Code.WITHIN_LIMITS, Code.UNTESTABLE)):
            left.append(item)
    why = "; ".join(reason for reason, _ in reasons)
    names = tuple(dict.fromkeys(explained))
    checks = "1 check" if len(names) == 1 else f"{len(names)} checks"
    message = (
        f"The feed is broken: {why}. This explains {checks}; nothing can be concluded about the model from this window."
    )
    _, measured = next(((reason, item) for reason, item in reasons if item is not None), ("", None))
    feed = Finding(
        check="feed",
        subject="",
        status=Status(context.config.checks.feed.severity),
        code=Code.FEED_BROKEN,
        message=message,
        measurement=measured.measurement if measured else None,
        baseline=(measured.ordinary if isinstance(measured, Question) else measured.baseline) if measured else None,
        p_value=measured.p_value if measured else None,
        folded=names,
    )
    return [feed, *left, *(_barred(check, found, why, context) for check, found in barred.items())]


def _is_of_model(item: Item) -> bool:
    if isinstance(item, Question) and item.check not in _NOT_OF_MODEL:
        return item.kind != "data" or item.check in _MODEL
    return item.check in _MODEL


def _barred(check: str, found: Sequence[Item], why: str, context: Context) -> Finding:
    """What is said of a check of the model, once for all its subjects."""
    only_informs = rule_of(context.config.checks, check).severity == "info"
    return Finding(
        check=check,
        subject="",
        status=Status.INFO if only_informs else Status.UNKNOWN,
        code=Code.BARRED,
        message=f"Nothing can be concluded about the model from this window: {why}.",
        windows=max(item.windows for item in found),
        folded=tuple(dict.fromkeys(_name(item) for item in found if item.subject)),
    )
