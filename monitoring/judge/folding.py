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
from monitoring.judge.data_checks import only_value
from monitoring.judge.family import share_of
from monitoring.judge.question import Question
from monitoring.judge.registry import rule_of
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.judge.volume_checks import has_collapsed, silent_hours
from monitoring.measure import block
from monitoring.measure.quality import is_repeated

Item = Finding | Question

# What breaks a column, the most telling first
BREAKS = (
    Code.COLUMN_MISSING,
    Code.COLUMN_TYPE_CHANGED,
    Code.COLUMN_ALL_NULL,
    Code.COLUMN_STALE,
    Code.COLUMN_CONSTANT,
    Code.SCALE_CHANGED,
    Code.VALUES_OF_OTHER_TYPE,
    Code.NONFINITE_INCREASED,
    Code.NULLS_INCREASED,
)
# Of these a share of the rows is broken; with more than half of them the column is
_IN_PART = frozenset({Code.VALUES_OF_OTHER_TYPE, Code.NONFINITE_INCREASED, Code.NULLS_INCREASED})
_MOST = 0.5
_EXPLAINED_IN_PART = frozenset({"mismatch", "nonfinite", "nulls", "feature_drift"})
_OF_COLUMNS = frozenset(
    {
        "schema",
        "mismatch",
        "nonfinite",
        "constants",
        "staleness",
        "scale",
        "nulls",
        "out_of_range",
        "unseen",
        "feature_drift",
    }
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
_NAMED, _MOST_VALUES = 3, 5


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
    return _by_column(items, sure, broken, context)


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
        if item.subject and item.code in BREAKS:
            found.setdefault(item.subject, place)
    return found


def _rank(item: Item) -> int:
    return BREAKS.index(item.code) if item.code in BREAKS else len(BREAKS)


def _in_part(item: Item) -> bool:
    """Whether some of the column's rows are as they should be, and most are."""
    return item.code in _IN_PART and (_value(item) or 0.0) <= _MOST


def _value(item: Item) -> float | None:
    return item.measurement.value if item.measurement else None


def _name(item: Item) -> str:
    return block.key(item.check, item.subject)


def _by_column(items: Sequence[Item], sure: frozenset[int], broken: dict[str, int], context: Context) -> list[Item]:
    """The items, without those that a broken column explains, or one whose values are new."""
    new, whole = _of_new_values(items, sure, broken, context), _broken_wholly(items, broken, context)
    explained: defaultdict[int, list[str]] = defaultdict(list)
    barred: list[Item] = []
    left: list[int] = []
    for place, item in enumerate(items):
        cause = _cause(place, item, items, broken, new)
        if whole and item.check == "concept_drift":
            barred.append(item)
            for at in whole.values():
                explained[at].append(_name(item))
        elif cause == place:
            left.append(place)
        else:
            explained[cause].append(_name(item))
    found = [replace(items[place], folded=tuple(dict.fromkeys(explained[place]))) for place in left]
    several = _several_were_constant(items, new, context)
    told = [_said(item, several.get(place, "")) for place, item in zip(left, found, strict=True)]
    return [*told, _barred_relation(barred, items, whole)] if barred else told


def _cause(place: int, item: Item, items: Sequence[Item], broken: dict[str, int], new: dict[str, int]) -> int:
    """The place of what explains an item; its own where nothing does."""
    cause = broken.get(item.subject) if item.check in _OF_COLUMNS else None
    if cause is not None:
        return place if _in_part(items[cause]) and item.check not in _EXPLAINED_IN_PART else cause
    drifts = item.check == "feature_drift" and not item.reference
    return new.get(item.subject, place) if drifts or item.code is Code.OUT_OF_RANGE else place


def _broken_wholly(items: Sequence[Item], broken: dict[str, int], context: Context) -> dict[str, int]:
    """The features most of whose rows are broken, with the places of what tells it."""
    features = context.evidence.profile.features
    return {name: place for name, place in broken.items() if name in features and not _in_part(items[place])}


def _of_new_values(
    items: Sequence[Item], sure: frozenset[int], broken: dict[str, int], context: Context
) -> dict[str, int]:
    """The features most of whose values the baseline has not, with the places of what tells it.

    Those that had one value there are told together: what made them vary did it to all of them.
    """
    found = {
        item.subject: place
        for place in sorted(sure)
        if (item := items[place]).code is Code.OUT_OF_RANGE
        and item.subject not in broken
        and _status(item) in (Status.WARN, Status.FAIL)
        and (_value(item) or 0.0) > _MOST
    }
    profile = context.reference.profile
    constant = [place for name, place in found.items() if only_value(profile, name) is not None]
    return {name: constant[0] if place in constant else place for name, place in found.items()}


def _several_were_constant(items: Sequence[Item], new: dict[str, int], context: Context) -> dict[int, str]:
    """What is said of columns that had one value and are told together, by the place where that is."""
    together: defaultdict[int, list[str]] = defaultdict(list)
    for name, place in new.items():
        together[place].append(name)
    profile = context.reference.profile
    said = {}
    for place, names in together.items():
        if len(names) > 1:
            shares = [_value(item) or 0.0 for item in items if item.code is Code.OUT_OF_RANGE and item.subject in names]
            low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
            values = [f"{name} ({only_value(profile, name):.3g})" for name in names[:_MOST_VALUES]]
            more = [f"{len(names) - _MOST_VALUES} more"] if len(names) > _MOST_VALUES else []
            *first, last = [*values, *more]
            rows = low if low == high else f"{low} to {high}"
            said[place] = (
                f"{', '.join(first)} and {last} had one value in the baseline and have others in {rows} of the rows."
            )
    return said


def _status(item: Item) -> Status:
    """What it comes to where it fires."""
    return item.severity if isinstance(item, Question) else item.status


def _said(item: Item, message: str) -> Item:
    """The item with another sentence, if there is one."""
    if not message:
        return item
    if isinstance(item, Question):
        return replace(item, group=item.subject, say=lambda _limit, _fires: message)
    return replace(item, group=item.subject, message=message)


def _barred_relation(barred: Sequence[Item], items: Sequence[Item], whole: dict[str, int]) -> Finding:
    """What is said of the relation of inputs and labels where an input is broken: every prediction has it in it."""
    are = "is" if len(whole) == 1 else "are"
    fails = any(_status(items[place]) is Status.FAIL for place in whole.values())
    return Finding(
        check="concept_drift",
        subject="",
        # where nothing fails, it must not hide what warns
        status=Status.UNKNOWN if fails else Status.INFO,
        code=Code.BARRED,
        message=f"Whether the relation of inputs and labels has changed cannot be told: {_some([*whole])} {are} broken,"
        " and predictions follow from it.",
        windows=max(item.windows for item in barred),
        folded=tuple(dict.fromkeys(_name(item) for item in barred if item.subject)),
    )


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
            when = silent_hours(context)
            reasons.append((f"no record {when}, when {value:.0%} of the rows ordinarily come", item))
        elif item.code is Code.RECORDS_QUARANTINED and value > rule.tolerance:
            reasons.append((f"{evidence.quarantined} of {evidence.read} records could not be read", item))
    features, whole = evidence.profile.features, [*_broken_wholly(items, broken, context)]
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
