"""Too few rows are told once, and make a window unknown only where nothing else tells of the model."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.config.checks import Checks
from monitoring.judge.context import Context
from monitoring.judge.rules import period
from monitoring.judge.verdict import PERFORMANCE_CHECKS, Code, Finding, Status
from monitoring.measure import Measurement, block

# What too few rows are told as, and too few labels
ROWS, LABELS = "rows", "labels"
_BUILT_IN = frozenset(field.alias or name for name, field in Checks.model_fields.items())
_PERFORMANCE = PERFORMANCE_CHECKS - {"segment_loss"}
_DRIFT = frozenset({"feature_drift", "prediction_drift"})
_SILENT = frozenset({Code.TOO_FEW_ROWS, Code.TOO_FEW_LABELS, Code.UNTESTABLE, Code.BARRED})
_NAMED = 3


def once(findings: Sequence[Finding], context: Context) -> list[Finding]:
    """The findings, with one for all checks that have too few rows, and one for those with too few labels.

    Few rows on a quiet day are no reason to call a window unknown while the trailing windows tell of it: they inform
    if performance or drift was judged, and few labels if performance was. What is said of values of segments, and
    by checks of packages, stays as it is.

    Args:
        findings: What every check says of a window.
        context: The window.
    """
    judged = {item.check for item in findings if item.code not in _SILENT and not item.reference}
    rows = [item for item in findings if item.code is Code.TOO_FEW_ROWS and _is_counted(item)]
    labels = [item for item in findings if item.code is Code.TOO_FEW_LABELS and _is_counted(item)]
    left = [_without_count(item) for item in findings if item not in rows and item not in labels]
    if rows:
        left.append(_one(ROWS, "rows", rows, context, told=not judged.isdisjoint(_PERFORMANCE | _DRIFT)))
    if labels:
        left.append(_one(LABELS, "labelled rows", labels, context, told=not judged.isdisjoint(_PERFORMANCE)))
    return left


def _is_counted(item: Finding) -> bool:
    return item.check in _BUILT_IN and item.measurement is not None and item.limit is not None


def _without_count(item: Finding) -> Finding:
    """A finding of few rows by a package's check: what it counted is no measurement of the check's."""
    if item.code not in (Code.TOO_FEW_ROWS, Code.TOO_FEW_LABELS):
        return item
    return Finding(item.check, item.subject, item.status, item.code, item.message, windows=item.windows)


def _one(check: str, what: str, items: Sequence[Finding], context: Context, *, told: bool) -> Finding:
    """One finding for all of them.

    Args:
        check: What it is called.
        what: What there are too few of.
        items: At least one.
        context: The window.
        told: Whether others tell of the model.
    """
    counts = sorted({item.measurement.rows for item in items if item.measurement})
    needed = min(int(item.limit) for item in items if item.limit is not None)
    checks = list(dict.fromkeys(item.check for item in items))
    named = ", ".join(checks[:_NAMED]) + (", …" if len(checks) > _NAMED else "")
    names = tuple(dict.fromkeys(_name(item) for item in items))
    number = "1 check needs" if len(names) == 1 else f"{len(names)} checks need"
    windows = {item.windows for item in items}
    most = max(windows)
    over = "in this window" if most == 1 else period(most, context.evidence.hours)
    where = f" {over}" if len(windows) == 1 else ""
    count = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return Finding(
        check=check,
        subject="",
        status=Status.INFO if told or all(item.status is Status.INFO for item in items) else Status.UNKNOWN,
        code=items[0].code,
        message=f"Only {count} {what}{where}; {number} more ({named}), {needed:,} at least.{_smallest(items)}",
        measurement=Measurement(check, counts[0], counts[0], "low", what),
        limit=needed,
        windows=most,
        folded=names,
    )


def _smallest(items: Sequence[Finding]) -> str:
    """What could have been found in so few rows, for a sentence; empty where that is not known."""
    known = [(item.detectable, item.check) for item in items if item.detectable is not None]
    if not known:
        return ""
    share, check = min(known)
    return f" In so few, {check} would be found from a share of {share:.0%} on."


def _name(item: Finding) -> str:
    name = block.key(item.check, item.subject)
    return f"{name}@{item.reference}" if item.reference else name
