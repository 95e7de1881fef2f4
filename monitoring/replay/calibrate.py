"""Tolerances that would have been quiet over a stretch in which nothing was wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitoring.config import ModelConfig
from monitoring.config.added_checks import added_checks
from monitoring.config.checks import CheckRule
from monitoring.judge.context import Check, Context
from monitoring.judge.family import budget
from monitoring.judge.question import Question
from monitoring.judge.registry import CHECKS, rule_of
from monitoring.judge.verdict import Finding, Status
from monitoring.replay.fold import Fold, Replayed
from monitoring.replay.looks import History
from monitoring.replay.tally import SEVERITIES, Tally, fires, in_order
from monitoring.window import Window

# A finding came close whose p-value is within this factor of its level
_CLOSE = 10.0
# How far beyond what was just quiet a proposal goes, as a share of it
_MARGIN = 0.2
_HALVINGS, _DOUBLINGS = 10, 20
_LEAST = 0.001


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a check that fired too often.

    Attributes:
        check: The check.
        setting: `tolerance` or `limit`; empty where neither helps.
        before: Its value now.
        value: The proposed value.
        windows: The windows in which the check fired.
        reason: One sentence.
    """

    check: str
    setting: str
    before: float
    value: float
    windows: tuple[str, ...]
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "check": self.check,
            "setting": self.setting or None,
            "before": self.before if self.setting else None,
            "value": self.value if self.setting else None,
            "windows": list(self.windows),
            "reason": self.reason,
        }


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a quiet stretch says of the limits.

    Attributes:
        proposals: For the checks that fired too often.
        close: A sentence for each check that nearly fired.
        before: What came of the stretch.
        after: What would have come of it with the proposals; None where nothing is proposed.
    """

    proposals: tuple[Proposal, ...]
    close: tuple[str, ...]
    before: Tally
    after: Tally | None

    @property
    def settings(self) -> dict[str, dict[str, float]]:
        """What would stand under `checks`."""
        return {item.check: {item.setting: item.value} for item in self.proposals if item.setting}

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "checks": self.settings,
            "proposals": [item.to_json() for item in self.proposals],
            "close": list(self.close),
            "before": self.before.to_json(),
            "after": self.after and self.after.to_json(),
        }


@dataclass
class _Seen:
    """What fired, and what nearly did.

    Attributes:
        fired: By check, the looks at which it fired, with those findings.
        close: By check, the finding that came closest, with its window.
    """

    fired: dict[str, list[tuple[Replayed, list[Finding]]]] = field(default_factory=lambda: defaultdict(list))
    close: dict[str, tuple[Window, Finding]] = field(default_factory=dict)

    def add(self, replayed: Replayed) -> None:
        by_check: dict[str, list[Finding]] = defaultdict(list)
        for finding in replayed.verdict.findings:
            if fires(finding):
                by_check[finding.check].append(finding)
            elif _is_close(finding):
                best = self.close.get(finding.check)
                if best is None or _ratio(finding) < _ratio(best[1]):
                    self.close[finding.check] = (replayed.verdict.window, finding)
        for check, findings in by_check.items():
            self.fired[check].append((replayed, findings))


def calibrate(source: History, *, seen: Callable[[Replayed], object] = lambda _: None) -> Calibration:
    """Propose limits under which a stretch would have been quiet, as far as the alarm budget asks for it.

    Args:
        source: What runs have stored of a stretch in which nothing was wrong.
        seen: Called with what is said of every look.
    """
    found = _Seen()

    def keep(replayed: Replayed) -> None:
        found.add(replayed)
        seen(replayed)

    config = source.monitor.config
    before = _tally(source, config, keep)
    too_many = _beyond_budget(before)
    checks = [check for check in in_order(found.fired) if any(before.of_check(check, s) for s in too_many)]
    proposed = [_proposal(check, found.fired[check], config) for check in checks]
    # what merely informs of a plain fact is no alarm
    proposals = tuple(item for item in proposed if item.setting or _alarms(before, item.check))
    after = None
    settings = {item.check: {item.setting: item.value} for item in proposals if item.setting}
    if settings:
        after = _tally(source, with_settings(config, settings), lambda _: None)
    close = [_close_sentence(check, *found.close[check]) for check in in_order(found.close) if check not in checks]
    return Calibration(proposals, tuple(close), before, after)


def with_settings(config: ModelConfig, settings: Mapping[str, Mapping[str, float]]) -> ModelConfig:
    """A configuration with some settings of its checks changed.

    Args:
        config: The configuration.
        settings: By check, by setting.
    """
    told = config.model_dump(mode="json", by_alias=True)
    for check, changed in settings.items():
        told["checks"][check] = {**told["checks"].get(check, {}), **changed}
    return ModelConfig.model_validate(told)


def _tally(source: History, config: ModelConfig, seen: Callable[[Replayed], None]) -> Tally:
    monitor = source.monitor_of(config)
    fold, tally = Fold(source, monitor), Tally(config, frozenset(source.windows))
    run = None
    for look in source.looks():
        if run is not None and look.place.epoch != run:
            tally.add_incidents(fold.finish())
        run = look.place.epoch
        replayed = fold.take(look)
        tally.add(replayed)
        seen(replayed)
    tally.add_incidents(fold.finish())
    return tally


def _alarms(tally: Tally, check: str) -> bool:
    return any(tally.of_check(check, severity) for severity in (Status.FAIL, Status.WARN))


def _beyond_budget(tally: Tally) -> list[Status]:
    """The severities of which more windows fired than the budget puts up with."""
    allowed = {severity: math.floor(budget(tally.config.alarms, severity) * tally.months) for severity in SEVERITIES}
    return [severity for severity in SEVERITIES if len(tally.fired(severity)) > allowed[severity]]


def _proposal(name: str, fired: Sequence[tuple[Replayed, list[Finding]]], config: ModelConfig) -> Proposal:
    windows = sorted({replayed.verdict.window for replayed, _ in fired})
    labels = tuple(window.label for window in windows)
    when = f"Fired in {len(windows)} window{'s' if len(windows) > 1 else ''}, first in {labels[0]}"
    check = _check(name)
    if check is None:
        return Proposal(name, "", 0.0, 0.0, labels, f"{when}: it says what is broken, and has no limit to move.")
    rule = rule_of(config.checks, name)
    worst = _worst(finding for _, findings in fired for finding in findings)
    about = f"{when}; at worst {worst}" if worst else when
    if rule.limit != "baseline":
        limit = _limit([finding for _, findings in fired for finding in findings], rule.limit)
        return Proposal(name, "limit", rule.limit, limit, labels, f"{about}.")
    quiet = _quiet_tolerance(check, rule, fired, config)
    if quiet is None:
        return Proposal(name, "", 0.0, 0.0, labels, f"{about}: no tolerance would have kept it quiet.")
    return Proposal(name, "tolerance", rule.tolerance, quiet, labels, f"{about}.")


def _check(name: str) -> Check | None:
    built_in = {check.name: check for check in CHECKS}
    return built_in.get(name) or added_checks().get(name)


def _quiet_tolerance(
    check: Check, rule: CheckRule, fired: Sequence[tuple[Replayed, list[Finding]]], config: ModelConfig
) -> float | None:
    """The smallest tolerance under which a check is quiet, and a margin; None where there is none."""
    low, high = rule.tolerance, max(2 * rule.tolerance, _LEAST)
    for _ in range(_DOUBLINGS):
        if _is_quiet(check, rule, high, fired, config):
            break
        low, high = high, 2 * high
    else:
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _is_quiet(check, rule, middle, fired, config) else (middle, high)
    return rounded_up(high * (1 + _MARGIN))


def _is_quiet(
    check: Check,
    rule: CheckRule,
    tolerance: float,
    fired: Sequence[tuple[Replayed, list[Finding]]],
    config: ModelConfig,
) -> bool:
    """Whether a check fires at none of the looks at which it did, with another tolerance."""
    changed = rule.model_copy(update={"tolerance": tolerance})
    for replayed, findings in fired:
        baseline = replayed.look.baseline
        assert baseline is not None
        levels = {(finding.subject, finding.reference): finding.level for finding in findings}
        context = Context(replayed.evidence, baseline.reference, config)
        for item in check.evaluate(context, changed):
            if (item.subject, item.reference) in levels and _still_fires(item, levels[item.subject, item.reference]):
                return False
    return True


def _still_fires(item: Finding | Question, level: float | None) -> bool:
    if isinstance(item, Question):
        return level is not None and item.p_value <= level
    return fires(item)


def _limit(findings: Sequence[Finding], limit: float) -> float:
    """A limit of one's own beyond the worst value, by a margin."""
    values = [finding.measurement.value for finding in findings if finding.measurement is not None]
    beyond = [value - limit for value in values if value is not None]
    worst = max(beyond, key=abs, default=0.0)
    proposed = limit + worst * (1 + _MARGIN)
    return rounded_up(proposed) if worst > 0 else -rounded_up(-proposed)


def rounded_up(value: float) -> float:
    """The next number of two digits that is not below.

    >>> rounded_up(0.1234), rounded_up(5.0), rounded_up(-0.1234)
    (0.13, 5.0, -0.12)
    """
    if not value:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    shifted = value * 10.0**digits
    # what is a number of two digits already must not be rounded up for an error in its last place
    return round(math.ceil(shifted - 1e-9) / 10.0**digits, max(digits, 0))


def _worst(findings: Iterable[Finding]) -> str:
    """The finding that was furthest from what is ordinary, in words."""
    known = [item for item in findings if item.measurement is not None and item.measurement.value is not None]
    if not known:
        return ""
    worst = max(known, key=_distance)
    assert worst.measurement is not None
    subject = f"{worst.subject} " if worst.subject else ""
    ordinary = f", ordinarily {worst.baseline:.3g}" if worst.baseline is not None else ""
    return f"{subject}{worst.measurement.value:.3g}{ordinary}"


def _distance(finding: Finding) -> float:
    assert finding.measurement is not None
    assert finding.measurement.value is not None
    return abs(finding.measurement.value - (finding.baseline or 0.0))


def _is_close(finding: Finding) -> bool:
    known = finding.status is Status.OK and finding.p_value is not None and finding.level
    return bool(known) and _ratio(finding) <= _CLOSE


def _ratio(finding: Finding) -> float:
    assert finding.p_value is not None
    return finding.p_value / finding.level if finding.level else math.inf


def _close_sentence(check: str, window: Window, finding: Finding) -> str:
    subject = f" {finding.subject}" if finding.subject else ""
    return f"{check}{subject} came close in {window.label}: p {finding.p_value:.2g}, level {finding.level:.2g}."
