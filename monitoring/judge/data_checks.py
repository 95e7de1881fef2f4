"""Whether the data are what they were: pure functions from what was measured to findings and questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import Every, share_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.family import share_of
from monitoring.judge.harm import impact_of, is_harmless
from monitoring.judge.question import Question
from monitoring.judge.rules import Topic, ask, beyond_limit, few, fired, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure import quality as data
from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, WindowProfile

# Fewer windows do not tell whether a column is used to having one value
_ENOUGH_WINDOWS = 5
# A share ends at 1: where ordinary windows come near it, only what is new can reach it
_CEILING = 0.98
_MOST = 0.5
_LONG = 1e9


def _schema(context: Context, rule: CheckRule) -> Answers:
    evidence, reference = context.evidence, context.reference
    broken = False
    for name, column in evidence.profile.features.items():
        of_baseline = reference.profile.features[name]
        code = None
        if name in evidence.missing_columns:
            code, what = Code.COLUMN_MISSING, "is missing from the records"
        elif name in evidence.changed_columns:
            code, what = Code.COLUMN_TYPE_CHANGED, f"is no longer {reference.spec.features[name].kind}"
        elif 0 < column.rows == column.unusable and of_baseline.unusable < of_baseline.rows:
            what = "is null" if column.nulls == column.rows else "has no usable value"
            code, what = Code.COLUMN_ALL_NULL, f"{what} in all {column.rows} rows"
        if code is not None:
            broken = True
            yield Finding("schema", name, fired(rule), code, f"Column {name} {what}.")
    for name in evidence.new_columns:
        yield Finding("schema", name, Status.INFO, Code.COLUMN_NEW, f"Column {name} is new and not monitored.")
    if not broken:
        yield Finding("schema", "", Status.OK, Code.WITHIN_LIMITS, "All columns are there, with their types.")


def _quarantine(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    read = max(evidence.read, evidence.quarantined)
    measured = Measurement("quarantined_share", None, read, "high", "share of records that could not be read")
    share = evidence.quarantined / read if read else 0.0
    message = f"{evidence.quarantined} of {read} records could not be read ({share:.1%})."
    yield too_many("quarantine", rule, Code.RECORDS_QUARANTINED, evidence.quarantined, measured, message)


def _event_ids(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    method = "share of records with the event id of another one that says something else"
    measured = Measurement("conflicting_share", None, evidence.profile.rows, "high", method)
    message = f"{evidence.conflicting} records have the event id of another record that says something else."
    yield too_many("event_ids", rule, Code.EVENT_ID_REUSED, evidence.conflicting, measured, message)


def _errors(context: Context, rule: CheckRule) -> Answers:
    found = data.server_errors(context.evidence.profile)
    if found.value is not None:
        yield from _share(context, rule, Topic("errors", "", Code.ERRORS_INCREASED), found)


def _nulls(context: Context, rule: CheckRule) -> Answers:
    for name, column in context.evidence.profile.features.items():
        if name not in context.evidence.unusable:
            topic = Topic("nulls", name, Code.NULLS_INCREASED, group=context.reference.limits.groups.get(name, ""))
            yield from _share(context, rule, topic, data.completeness(column))


def _unseen(context: Context, rule: CheckRule) -> Answers:
    for name, column in context.evidence.profile.features.items():
        spec = context.reference.spec.features[name]
        if name in context.evidence.unusable or not isinstance(spec, CategoricalSpec) or spec.is_open:
            continue
        if isinstance(column, CategoricalProfile):
            yield from _share(context, rule, Topic("unseen", name, Code.UNSEEN_CATEGORIES), data.unseen(column))


def _mismatch(context: Context, rule: CheckRule) -> Answers:
    faults = {
        name: (data.mismatch(column), Code.VALUES_OF_OTHER_TYPE)
        for name, column in context.evidence.profile.features.items()
    }
    yield from _faults(context, rule, "mismatch", faults, "No column has values of another type.")


def _nonfinite(context: Context, rule: CheckRule) -> Answers:
    faults = {
        name: (data.nonfinite(column), Code.NONFINITE_INCREASED)
        for name, column in context.evidence.profile.features.items()
        if isinstance(column, NumericProfile)
    }
    yield from _faults(context, rule, "nonfinite", faults, "No column has NaN or infinite values.")


def _out_of_range(context: Context, rule: CheckRule) -> Answers:
    faults = {}
    for name, column in context.evidence.profile.features.items():
        ordinary = context.reference.profile.features[name]
        if isinstance(column, NumericProfile) and isinstance(ordinary, NumericProfile):
            faults[name] = data.out_of_range(column, ordinary), Code.OUT_OF_RANGE
    none = "No column has values outside of the baseline's range."
    for item in _faults(context, rule, "out_of_range", faults, none):
        constant = only_value(context.reference.profile, item.subject)
        share = item.measurement.value if item.measurement else None
        if constant is None or not share:
            yield item
            continue
        had = f"{item.subject} had one value ({constant:.3g}) in the baseline"
        others = f"{had} and has others in {share:.0%} of the rows."
        if isinstance(item, Question):
            yield replace(item, say=partial(_of_constant, others, item.say))
        else:
            yield replace(item, message=others if item.code is Code.OUT_OF_RANGE else item.message)


def _of_constant(others: str, say: Callable[[float | None, bool], str], limit: float | None, fires: bool) -> str:
    return others if fires else say(limit, fires)


def only_value(profile: WindowProfile, name: str) -> float | None:
    """The value of a numeric feature that has no other; None for other features.

    Args:
        profile: The rows.
        name: The feature; any other name has none.
    """
    column = profile.features.get(name)
    if not isinstance(column, NumericProfile) or not column.finite or column.low < column.high:
        return None
    return column.low


def _scale(context: Context, rule: CheckRule) -> Answers:
    """Columns whose values are far from all that the baseline has: a fact, which no season and no chance brings about.

    Of weather that is warmer than all of a winter, most values may be outside of the range, but never so far.
    """
    evidence, changed = context.evidence, False
    if evidence.profile.rows < rule.min_rows:
        yield few("scale", "", rule, evidence.profile.rows, Code.TOO_FEW_ROWS, "rows", 1)
        return
    for name, column in evidence.profile.features.items():
        before = context.reference.profile.features[name]
        if not isinstance(column, NumericProfile) or not isinstance(before, NumericProfile):
            continue
        share = data.out_of_range(column, before).value or 0.0
        mean, usual = column.mean, before.mean
        if column.finite < rule.min_rows or share <= _MOST or mean is None or usual is None:
            continue
        away = rule.tolerance * (before.high - before.low)
        limit = before.high + away if mean > usual else before.low - away
        # of a column of one value every other one is far: see `out_of_range`
        if before.low < before.high and not before.low - away <= mean <= before.high + away:
            changed = True
            found = Measurement("mean", mean, column.finite, "both", "mean of the values")
            message = _scale_message(name, share, mean, usual)
            yield Finding("scale", name, fired(rule), Code.SCALE_CHANGED, message, found, usual, limit)
    if not changed:
        yield Finding("scale", "", Status.OK, Code.WITHIN_LIMITS, "No column is far from the baseline's range.")


def _scale_message(name: str, share: float, mean: float, usual: float) -> str:
    times = f", about {_plain(mean / usual, 2)} times" if mean * usual > 0 else ""
    return (
        f"{name}: {share:.1%} of the values are outside the baseline's range; their mean is {_plain(mean, 4)},"
        f" ordinarily {_plain(usual, 4)}{times}: has its unit changed?"
    )


def _plain(value: float, digits: int) -> str:
    """A number to some digits, without a power of ten where it can be read without.

    >>> _plain(1003.2, 2), _plain(-50123.4, 4), _plain(0.00123, 2), _plain(2.54e12, 2)
    ('1,000', '-50,120', '0.0012', '2.5e+12')
    """
    rounded = f"{value:.{digits}g}"
    return f"{float(rounded):,.0f}" if 10 ** (digits - 1) <= abs(value) < _LONG else rounded


def _faults(
    context: Context, rule: CheckRule, check: str, faults: Mapping[str, tuple[Measurement, Code]], none: str
) -> Answers:
    """Shares of rows that most columns have none of: only those that have some, here or in the baseline, are asked."""
    asked = False
    for name, (found, code) in faults.items():
        spread = context.reference.limits.spread(block.key(check, name), 1)
        if name in context.evidence.unusable or not (found.value or (spread and spread.mean)):
            continue
        asked = True
        topic = Topic(check, name, code, group=context.reference.limits.groups.get(name, ""))
        if check == "out_of_range":
            topic = replace(topic, impact=impact_of(context, name, context.reference.profile, context.evidence.profile))
        yield from _share(context, rule, topic, found)
    if not asked:
        rows = context.evidence.profile.rows
        enough = rows >= rule.min_rows
        yield (
            Finding(check, "", Status.OK, Code.WITHIN_LIMITS, none)
            if enough
            else few(check, "", rule, rows, Code.TOO_FEW_ROWS, "rows", 1)
        )


def _constants(context: Context, rule: CheckRule) -> Answers:
    """Columns of one value that always had several.

    If the fullest cell of any baseline window had a share s of its values, n rows of one value have a probability of
    at most s^n.
    """
    evidence, habits = context.evidence, context.reference.limits.habits
    if evidence.profile.rows < rule.min_rows:
        yield few("constants", "", rule, evidence.profile.rows, Code.TOO_FEW_ROWS, "rows", 1)
        return
    asked = False
    for name, column in evidence.profile.features.items():
        found, fullest = data.constancy(column), habits.fullest.get(name, 1.0)
        if habits.windows < _ENOUGH_WINDOWS or not found.value or fullest >= 1 or name in evidence.unusable:
            continue
        asked = True
        topic = Topic("constants", name, Code.COLUMN_CONSTANT, group=context.reference.limits.groups.get(name, ""))
        say = f"Column {name} has one value in all {found.rows} rows; it always had several."
        chance = _Chance(fullest**found.rows)
        yield ask(topic, rule, found, Every([chance], chance), 0.0, say)
    if not asked:
        yield Finding("constants", "", Status.OK, Code.WITHIN_LIMITS, "No column has one value that had several.")


@dataclass(frozen=True)
class _Chance:
    """The test of what happens or does not, with a known probability."""

    probability: float

    def p_value(self, value: float) -> float:
        """That probability; 1 where it has not happened."""
        return self.probability if value else 1.0

    def limit(self, _level: float) -> float:
        """It has happened or not."""
        return 1.0

    def detectable(self, _level: float) -> float:
        """It is always seen."""
        return 1.0


def _staleness(context: Context, rule: CheckRule) -> Answers:
    """Columns that are exactly as they were in the window before: a fact, which chance does not bring about."""
    evidence, habits = context.evidence, context.reference.limits.habits
    if evidence.before is None:
        return
    # a window before with other rows, however few, is not repeated
    if evidence.profile.rows < rule.min_rows:
        yield few("staleness", "", rule, evidence.profile.rows, Code.TOO_FEW_ROWS, "rows", 1)
        return
    fresh = True
    for name, column in evidence.profile.features.items():
        found = data.staleness(column, evidence.before.features[name])
        if found.value and name not in habits.repeating and name not in evidence.unusable:
            fresh = False
            message = f"Column {name} has exactly the values of the window before in all {found.rows} rows."
            yield Finding("staleness", name, fired(rule), Code.COLUMN_STALE, message, found, 0.0)
    if fresh:
        yield Finding("staleness", "", Status.OK, Code.WITHIN_LIMITS, "No column repeats the window before.")


def _share(context: Context, rule: CheckRule, topic: Topic, found: Measurement) -> Answers:
    """A share of rows that is bad when it is higher than ordinary."""
    spread = context.reference.limits.telling(block.key(topic.check, topic.subject), topic.windows)
    test = share_test(found, spread, rule.tolerance, _CEILING)
    if found.rows < rule.min_rows or found.value is None:
        unknown = few(topic.check, topic.subject, rule, found.rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
        level = share_of(context.config.alarms, Status(rule.severity), "data", context.evidence.hours)
        yield replace(unknown, detectable=test.detectable(level) if found.rows else None)
        return
    mean = spread.mean if spread else 0.0
    about = f"{topic.subject}: " if topic.subject else ""
    say = f"{about}{found.method} is {found.value:.3g} (ordinary {mean:.3g}, limit {{limit}})."
    if rule.limit != "baseline":
        limit = rule.limit
        yield beyond_limit(topic, rule, found, limit, mean, say.format(limit=f"{limit:.3g}"), low=False)
        return
    # where most rows are of a kind that the model never saw, its loss of the nearest ones says nothing
    spared = rule.severity == "warn" and found.value <= _MOST and is_harmless(context, topic.impact)
    severity = Status.INFO if spared else None
    yield ask(topic, rule, found, test, mean, say, severity=severity)


CHECKS: tuple[Check, ...] = (
    built_in("schema", _schema),
    built_in("quarantine", _quarantine),
    built_in("event_ids", _event_ids),
    built_in("errors", _errors),
    built_in("mismatch", _mismatch),
    built_in("nonfinite", _nonfinite),
    built_in("constants", _constants),
    built_in("staleness", _staleness),
    built_in("nulls", _nulls),
    built_in("out_of_range", _out_of_range),
    built_in("scale", _scale),
    built_in("unseen", _unseen),
)
