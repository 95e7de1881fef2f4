"""Whether the data are what they were: pure functions from what was measured to findings and questions."""

from __future__ import annotations

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import Every, Normal, predictive, share_test
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.rules import Topic, ask, beyond_limit, few, fired, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement, block
from monitoring.measure import quality as data
from monitoring.profile import CategoricalProfile, CategoricalSpec

# A share ends at 1: where ordinary windows come near it, only what is new can reach it
_CEILING = 0.98


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


def _volume(context: Context, rule: CheckRule) -> Answers:
    limits = context.reference.limits
    found, spread = data.volume(context.evidence.profile.rows, limits.rows), limits.spread("volume", 1)
    if spread is None or found.value is None:
        return
    say = f"{found.rows} rows; an ordinary window has {round(limits.rows)}."
    low = found.value < spread.mean
    topic = Topic("volume", "", Code.VOLUME_LOW if low else Code.VOLUME_HIGH)
    if rule.limit != "baseline":
        away = rule.limit if found.value >= spread.mean else 2 * spread.mean - rule.limit
        yield beyond_limit(topic, rule, found, away, spread.mean, say, low=low)
        return
    centre = -spread.mean if low else spread.mean
    ordinary = predictive(centre, spread.deviation, spread.independent)
    test = Every([Normal(centre + rule.tolerance, 0.0), ordinary], ordinary, sides=2)
    yield ask(topic, rule, found, test, spread.mean, say, low=low)


def _gaps(context: Context, rule: CheckRule) -> Answers:
    hours = context.evidence.hours
    found = data.silent_hours(context.evidence.profile, hours)
    yield from _share(context, rule, Topic("gaps", "", Code.HOURS_MISSING), found)


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


def _share(context: Context, rule: CheckRule, topic: Topic, found: Measurement) -> Answers:
    """A share of rows that is bad when it is higher than ordinary."""
    if found.rows < rule.min_rows or found.value is None:
        yield few(topic.check, topic.subject, rule, found.rows, Code.TOO_FEW_ROWS, "rows", topic.windows)
        return
    spread = context.reference.limits.telling(block.key(topic.check, topic.subject), topic.windows)
    mean = spread.mean if spread else 0.0
    about = f"{topic.subject}: " if topic.subject else ""
    say = f"{about}{found.method} is {found.value:.3g} (ordinary {mean:.3g}, limit {{limit}})."
    if rule.limit != "baseline":
        limit = rule.limit
        yield beyond_limit(topic, rule, found, limit, mean, say.format(limit=f"{limit:.3g}"), low=False)
        return
    yield ask(topic, rule, found, share_test(found, spread, rule.tolerance, _CEILING), mean, say)


CHECKS: tuple[Check, ...] = (
    built_in("schema", _schema),
    built_in("quarantine", _quarantine),
    built_in("event_ids", _event_ids),
    built_in("volume", _volume),
    built_in("gaps", _gaps),
    built_in("errors", _errors),
    built_in("nulls", _nulls),
    built_in("unseen", _unseen),
)
