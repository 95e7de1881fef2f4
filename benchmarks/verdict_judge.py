"""The product's own limits and judge on drawn windows: the only module here that knows how they are called."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import numpy as np

from benchmarks.verdict_profiles import Profiler
from benchmarks.verdict_streams import LABELS_BY_AGE, Draw
from monitoring import watch
from monitoring.config import ModelConfig
from monitoring.judge.evidence import Evidence, Past, Reference
from monitoring.judge.judge import Look, judge
from monitoring.judge.limits import learn_limits
from monitoring.judge.verdict import Code, Finding, Status, Verdict
from monitoring.measure import Measurement, expected
from monitoring.measure import performance as realised
from monitoring.measure.basis import State
from monitoring.profile import WindowProfile
from monitoring.profile.distribution import Distribution
from monitoring.profile.fixed_point import IntArray
from monitoring.window import LENGTHS, Window

MONTH = timedelta(days=30)
SEVERITIES = ("fail", "warn", "info")
# What is no alarm: that there is nothing to tell
_SILENT = {Code.UNTESTABLE, Code.TOO_FEW_ROWS, Code.TOO_FEW_LABELS}
# Findings of these checks tell of labels, or of what a change of them does to the score
_OF_LABELS = {
    "calibration",
    "concept_drift",
    "estimated_loss",
    "loss",
    "prediction_drift",
    "ranking",
    "worse_than_average",
}
# What no check judges is most of the time of a look
_JUDGED = ("base_rate", "mean_score", "calibration", "brier", "brier_skill", "roc_auc")


def leave_out_what_is_not_judged() -> None:
    """Measure no number of performance that no check looks at, in this process: the others are as they are."""
    expected._MEASURES = tuple(item for item in expected._MEASURES if getattr(item, "__name__", "") in _JUDGED)
    realised.BINARY = tuple(item for item in realised.BINARY if getattr(item, "__name__", "") in _JUDGED)


def alarms(config: ModelConfig) -> dict[str, float]:
    """The false alarms that the configuration allows, by severity, per model and month."""
    return {name: float(getattr(config.alarms, name)) for name in SEVERITIES}


def level(config: ModelConfig, severity: str) -> float:
    """The same as the probability of one in a window."""
    return alarms(config)[severity] * (LENGTHS[config.every] / MONTH)


def tolerances(config: ModelConfig) -> dict[str, float]:
    """The smallest changes that matter."""
    checks = config.checks
    return {
        "drift": checks.feature_drift.tolerance,
        "score": checks.prediction_drift.tolerance,
        "calibration": checks.calibration.tolerance,
        "concept": checks.concept_drift.tolerance,
    }


@dataclass(frozen=True)
class Said:
    """What one finding says.

    Attributes:
        severity: `fail`, `warn` or `info`.
        check: Its check.
        subject: The column that it names; empty for none.
    """

    severity: str
    check: str
    subject: str

    def names(self, columns: Sequence[str]) -> bool:
        """Whether it names one of these columns; without any, whether it is about labels."""
        if not columns:
            return self.check in _OF_LABELS
        return self.check == "feature_drift" and self.subject in columns


@dataclass(frozen=True)
class Looked:
    """The first look at a window.

    Attributes:
        said: What its findings say.
        known: The labels that it knew, by distinct score and label; shape (scores, 2).
        promised: By severity, the false alarms that a month of such windows has at most, as the verdict says.
    """

    said: tuple[Said, ...]
    known: IntArray
    promised: Counter[str]


class _Kept(WindowProfile):
    """A profile that makes what measurements read of a column once."""

    def distribution(self, name: str) -> Distribution:
        kept: dict[str, Distribution] = self.__dict__.setdefault("_kept", {})
        if name not in kept:
            kept[name] = super().distribution(name)
        return kept[name]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A window that was looked at: its rows, their labels, and those that are known at each age, in windows."""

    draw: Draw
    labels: IntArray
    known: list[IntArray]

    def at(self, age: int) -> IntArray:
        return self.known[min(age, len(self.known) - 1)]


class Product:
    """One model from its baseline on.

    Args:
        profiler: Makes profiles.
        config: The model.
        baseline: Its windows.
        seed: Of the labels that come late.
    """

    def __init__(self, profiler: Profiler, config: ModelConfig, baseline: Sequence[Draw], seed: int) -> None:
        self.profiler, self.config = profiler, config
        self.hours = LENGTHS[config.every] // LENGTHS["hour"]
        profiles = [profiler.window([draw]) for draw in baseline]
        labels = [profiler.labels(draw) for draw in baseline]
        states = [profiler.state(found, found) for found in labels]
        self.basis = profiler.basis(baseline)
        limits = learn_limits(profiles, states, self.basis, longest=config.trailing_windows, hours=self.hours)
        whole = _Kept(**vars(profiler.window(baseline)))
        self.reference = Reference("v1", profiler.spec, whole, limits, self.basis.losses)
        rows, total, _ = self.basis.losses.of_feature(next(iter(profiler.columns)))
        self.ordinary_loss = float(total.sum() / rows.sum())
        self._past: deque[_Seen] = deque(maxlen=config.trailing_windows)
        self._watched: deque[tuple[str, watch.Watched]] = deque(maxlen=watch.MOST_WINDOWS)
        self._before: WindowProfile | None = None
        self._rng = np.random.default_rng(seed)

    def fork(self, seed: int) -> Product:
        """A copy that goes on by itself."""
        other = copy(self)
        other._past, other._watched = copy(self._past), copy(self._watched)
        other._rng = np.random.default_rng(seed)
        return other

    def look(self, draw: Draw) -> Looked:
        """The first look at the next window."""
        labels = self.profiler.labels(draw)
        self._past.append(_Seen(draw, labels, self._known(labels)))
        verdict = self._verdict()
        promised: Counter[str] = Counter()
        for name, family in verdict.families.items():
            promised[name.split()[0]] += family["false_alarms"]
        said = tuple(item for finding in verdict.findings for item in _said(finding))
        return Looked(said, self._past[-1].known[0], promised)

    def _known(self, labels: IntArray) -> list[IntArray]:
        """The labels that are there at each age, in windows."""
        known, left = [], labels
        for before, share in zip((0.0, *LABELS_BY_AGE), LABELS_BY_AGE, strict=False):
            left = left - self._rng.binomial(left, (share - before) / (1 - before))
            known.append(labels - left)
        return known

    def _verdict(self) -> Verdict:
        past, own = list(self._past), self._past[-1]
        profile = self.profiler.window([own.draw])
        known = np.sum([seen.at(age) for age, seen in enumerate(reversed(past))], axis=0)
        window = Window(datetime.combine(own.draw.day, time(), UTC), self.config.every)
        alone = self.profiler.state(own.labels, own.known[0])
        together = self.profiler.state(np.sum([seen.labels for seen in past], axis=0), known)
        numbers = self.basis.combined(alone, {})
        evidence = Evidence(
            window=window.label,
            start=window.start,
            before=self._before,
            profile=profile,
            trailing=self.profiler.window([seen.draw for seen in past]),
            drift_windows=len(past),
            realised=self.basis.realised(alone),
            trailing_realised=self.basis.realised(together),
            trailing_labelled=int(known.sum()),
            windows=len(past),
            hours=self.hours,
            final=False,
            coverage=float(own.known[0].sum() / own.labels.sum()),
            read=profile.rows,
            numbers=numbers,
            trailing_numbers=self.basis.combined(together, {}),
            labelled=int(own.known[0].sum()),
            labels_read=int(own.known[0].sum()),
            loss=self.basis.loss_title,
            ordinary_loss=self.ordinary_loss,
            concept_gap=self.basis.loss_gap(self.basis.gap(together, {})),
            own_gap=self.basis.loss_gap(self.basis.gap(alone, {})),
            own_loss=self.basis.loss_in(numbers),
            estimated_loss=self._estimated(alone),
            past=self._ledger(),
        )
        names = tuple(window.shift(age - len(past) + 1).label for age in range(len(past)))
        look = Look(window, 1, window.end + timedelta(hours=6), False, names, {}, {"baseline": "v1"})
        verdict = judge(look, evidence, self.reference, self.config)
        self._before = profile
        self._watched.append((window.label, watch.Watched.of(verdict, evidence)))
        return verdict

    def _estimated(self, state: State) -> Measurement | None:
        return self.basis.loss_in(self.basis.estimated(state))

    def _ledger(self) -> Past:
        """What `monitoring.watch.Ledger` would tell of the windows before."""
        entries = [entry for _, entry in self._watched]
        rejected: Mapping[str, tuple[int, ...]] = watch._discoveries([entry.fired for entry in entries])
        return Past(
            windows=tuple(label for label, _ in self._watched),
            losses=tuple(entry.loss for entry in entries),
            estimated=tuple(entry.estimated for entry in entries),
            rejected=rejected,
            told=tuple(entry.told for entry in entries),
        )


def _said(finding: Finding) -> list[Said]:
    if finding.status not in (Status.FAIL, Status.WARN, Status.INFO) or finding.code in _SILENT:
        return []
    return [Said(str(finding.status), finding.check, finding.subject)]
