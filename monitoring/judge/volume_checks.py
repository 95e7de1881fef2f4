"""Whether as many records have come as should have: by hour of the week, where the baseline tells."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitoring.config.checks import CheckRule
from monitoring.judge.beyond import Every, Normal, predictive
from monitoring.judge.context import Answers, Check, Context, built_in
from monitoring.judge.evidence import Evidence
from monitoring.judge.question import Question
from monitoring.judge.rules import Topic, ask, beyond_limit, too_many
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.measure import Measurement
from monitoring.measure import quality as data
from monitoring.measure.traffic import Gap, Traffic

# With fewer independent windows it is not known what a collapse is
_ENOUGH_WINDOWS = 5.0
# A level that has lasted is no collapse; what comes back to this many times as much has not lasted
_LASTING = 2.0
_DAY, _MOST_SPANS = 24, 2


@dataclass(frozen=True)
class _OfLog:
    """The test of a share whose logarithm is normal, one that is bad when high or, with the other sign, when low."""

    of_log: Normal
    sign: float

    def p_value(self, value: float) -> float:
        """Upper tail."""
        return self.of_log.p_value(self.sign * math.log(self.sign * value)) if value else float(self.sign > 0)

    def limit(self, level: float) -> float:
        """Upper quantile."""
        return self.sign * math.exp(self.sign * self.of_log.limit(level))

    def detectable(self, level: float) -> float:
        """The limit and what sampling may take away again."""
        return self.sign * math.exp(self.sign * self.of_log.detectable(level))


def _volume(context: Context, rule: CheckRule) -> Answers:
    evidence, limits = context.evidence, context.reference.limits
    traffic, start, rows = limits.traffic, evidence.start, evidence.profile.rows
    ordinary = limits.rows
    found = data.volume(rows, ordinary)
    if traffic is not None and start is not None:
        ordinary = float(traffic.by_hour(start, evidence.hours).sum())
        found = traffic.volume(rows, start, evidence.hours)
    spread = limits.spread("volume", 1)
    if spread is None or found.value is None:
        return
    low = found.value < spread.mean
    topic = Topic("volume", "", Code.VOLUME_LOW if low else Code.VOLUME_HIGH)
    say = f"{rows} rows; {_ordinarily(traffic, start)} {ordinary:.4g}."
    if rule.limit != "baseline":
        away = rule.limit if not low else 2 * spread.mean - rule.limit
        yield beyond_limit(topic, rule, found, away, spread.mean, say, low=low)
        return
    if traffic is None or start is None:
        centre = -spread.mean if low else spread.mean
        usual = predictive(centre, spread.deviation, spread.independent)
        test = Every([Normal(centre + rule.tolerance, 0.0), usual], usual, sides=2)
        yield ask(topic, rule, found, test, spread.mean, say, low=low)
        return
    question = ask(topic, rule, found, _test(traffic, ordinary, spread.independent, rule, low=low), 1.0, say, low=low)
    feed = context.config.checks.feed
    if low and spread.independent >= _ENOUGH_WINDOWS and has_collapsed(context, found.value):
        question = replace(question, severity=Status(feed.severity), family=Status(feed.severity))
    yield question


def _test(traffic: Traffic, ordinary: float, windows: float, rule: CheckRule, *, low: bool) -> Every:
    sign = -1.0 if low else 1.0
    sampling = 1 / math.sqrt(ordinary)
    usual = predictive(sign * traffic.log_mean, traffic.deviation(ordinary), windows, error=sampling)
    # half as much is as far off as twice as much
    allowed = Normal(-math.log(max(1 - rule.tolerance, 1e-9)), sampling)
    tests = [_OfLog(allowed, sign), _OfLog(usual, sign)]
    return Every(tests, tests[1], sides=2)


def _ordinarily(traffic: Traffic | None, start: datetime | None) -> str:
    if traffic is None or start is None:
        return "an ordinary window has"
    return f"{traffic.period} ordinarily have"


def has_collapsed(context: Context, volume: float) -> bool:
    """Whether so little has come that it tells nothing, and not for as long as can be seen.

    A model that gets a tenth of the traffic that it was trained on is not broken every day.
    """
    feed = context.config.checks.feed
    if context.reference.limits.traffic is None or context.evidence.start is None:
        return False
    if feed.severity == "off" or feed.limit == "baseline" or volume >= feed.limit:
        return False
    before = _volumes_before(context)
    return not before or max(before) >= _LASTING * volume


def _volumes_before(context: Context) -> list[float]:
    """The volumes of the trailing windows before this one that have records."""
    evidence, traffic = context.evidence, context.reference.limits.traffic
    assert traffic is not None
    assert evidence.start is not None
    length = timedelta(hours=evidence.hours)
    rows: dict[int, int] = {}
    for name, count in evidence.trailing.hours.items():
        back = (_moment(name) - evidence.start) // length
        if back < 0:
            rows[back] = rows.get(back, 0) + count
    found = (traffic.volume(count, evidence.start + back * length, evidence.hours) for back, count in rows.items())
    return [volume.value for volume in found if volume.value is not None]


def _gaps(context: Context, rule: CheckRule) -> Answers:
    evidence, traffic = context.evidence, context.reference.limits.traffic
    profile = evidence.profile
    if traffic is None or evidence.start is None or not profile.hours:
        message = "The baseline does not tell which hours are never empty."
        yield Finding("gaps", "", Status.INFO, Code.UNTESTABLE, message)
        return
    gap = traffic.gap(profile.hours, evidence.start, evidence.hours)
    method = "share of the ordinary rows of hours that are never empty, and are"
    found = Measurement("missing_hours", gap.share, profile.rows, "high", method)
    family = Status(rule.severity)
    small = Status.WARN if family is Status.FAIL and gap.share <= rule.tolerance else family
    message = _gap_message(gap)
    yield Question(
        check="gaps",
        subject="",
        severity=small,
        code=Code.HOURS_MISSING,
        measurement=found,
        ordinary=0.0,
        windows=1,
        p_value=gap.p_value,
        limit=lambda _: 0.0,
        ordinary_tail=lambda _: 1.0,
        detectable=lambda _: None,
        say=lambda _limit, _fired: message,
        family=family,
        kind="data",
    )


def silent_hours(context: Context) -> str:
    """When the window has no record though it always has some, for a sentence: `from 12:00 to 24:00`."""
    evidence, traffic = context.evidence, context.reference.limits.traffic
    if traffic is None or evidence.start is None:
        return ""
    hour = timedelta(hours=1)
    spans: list[tuple[datetime, datetime]] = []
    for name in traffic.gap(evidence.profile.hours, evidence.start, evidence.hours).hours:
        moment = _moment(name)
        # an hour that is empty now and then goes on with what is empty before it
        if spans and all(_moment(other) < spans[-1][1] or _moment(other) > moment for other in evidence.profile.hours):
            spans[-1] = (spans[-1][0], moment + hour)
        else:
            spans.append((moment, moment + hour))
    if len(spans) > _MOST_SPANS:
        count = sum((end - start) // hour for start, end in spans)
        return f"in {count} hours from {_clock(spans[0][0], evidence)} to {_clock(spans[-1][1], evidence)}"
    return " and ".join(f"from {_clock(start, evidence)} to {_clock(end, evidence)}" for start, end in spans)


def _moment(name: str) -> datetime:
    return datetime.fromisoformat(f"{name.removesuffix('Z')}:00+00:00")


def _clock(moment: datetime, evidence: Evidence) -> str:
    assert evidence.start is not None
    if evidence.hours > _DAY:
        return f"{moment:%Y-%m-%d %H:%M}"
    hours = (moment - evidence.start) // timedelta(hours=1)
    return f"{moment:%H:%M}" if hours < _DAY else "24:00"


def empty_window(context: Context, start: datetime) -> tuple[float | None, float | None]:
    """Of a window without any record: the rows that it ordinarily has, and the probability of none by chance.

    That is (1 + L v)^(-1/v), with L rows to expect and the relative variance v of ordinary windows' rows: a negative
    binomial variable. None where the baseline has never had records at such hours.

    Args:
        context: The window.
        start: When it starts.
    """
    limits, hours = context.reference.limits, context.evidence.hours
    traffic, spread = limits.traffic, limits.spread("volume", 1)
    rows, variance = limits.rows, spread.deviation**2 if spread else None
    if traffic is not None:
        # of each of its hours, how often the baseline has had it
        seen = replace(traffic, expected=traffic.seen).by_hour(start, hours)
        rows = float(traffic.by_hour(start, hours)[seen > 0].sum())
        variance = traffic.log_deviation**2
    if not rows:
        return None, None
    if variance is None:
        return rows, None
    return rows, math.exp(-math.log1p(rows * variance) / variance if variance else -rows)


def _gap_message(gap: Gap) -> str:
    if not gap.hours:
        return "No hour is empty that never is."
    count = len(gap.hours)
    which = gap.hours[0] if count == 1 else f"from {gap.hours[0]} to {gap.hours[-1]}"
    hours = "hour has" if count == 1 else "hours have"
    are = "is" if count == 1 else "are"
    return f"{count} {hours} no record and never {are} without one ({which}): ordinarily {gap.share:.0%} of the rows."


def _duplicates(context: Context, rule: CheckRule) -> Answers:
    evidence = context.evidence
    seen = evidence.profile.rows + evidence.duplicates
    method = "share of records that were there before"
    measured = Measurement("duplicate_share", None, seen, "high", method)
    message = f"{evidence.duplicates} of {seen} records were there before."
    yield too_many("duplicates", rule, Code.RECORDS_REPEATED, evidence.duplicates, measured, message)


def _model_version(context: Context, rule: CheckRule) -> Answers:
    """Which versions answer that did not before: in the window before, or in the baseline where there is none."""
    now, earlier = context.evidence.profile.versions, context.evidence.before
    before = context.reference.profile.versions if earlier is None else earlier.versions
    if not now or not before:
        return
    where = "the baseline" if earlier is None else "the window before"
    rows, had = sum(now.values()), sum(before.values())
    for version in sorted(now.keys() - before.keys()):
        share = Measurement("version_share", now[version] / rows, rows, "both", "share of the rows")
        message = f"Model version {version} appears with {share.value:.0%} of the rows; {where} has none of it."
        yield Finding("model_version", version, Status(rule.severity), Code.MODEL_VERSION, message, share, 0.0)
    for version in sorted(before.keys() - now.keys()) if earlier is not None else ():
        share = Measurement("version_share", 0.0, rows, "both", "share of the rows")
        message = f"Model version {version} no longer answers; {where} has {before[version] / had:.0%} of it."
        ordinary = before[version] / had
        yield Finding("model_version", version, Status(rule.severity), Code.MODEL_VERSION, message, share, ordinary)


CHECKS: tuple[Check, ...] = (
    built_in("duplicates", _duplicates),
    built_in("volume", _volume),
    built_in("gaps", _gaps),
    built_in("model_version", _model_version),
)
