"""The performance of one window at one look: its series, what changed it, and how far its labels have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import reduce
from typing import Any, Self

import numpy as np

from monitoring.baseline import Baseline, baseline_for, version_for
from monitoring.engine.label_history import age_of, completeness, past_labels
from monitoring.engine.label_join import JoinReader, LabelCounts
from monitoring.engine.labelled import WindowLabels
from monitoring.engine.performance import PerformanceReader, Rows
from monitoring.judge.family import share_of
from monitoring.judge.performance_checks import among_windows
from monitoring.judge.verdict import Status
from monitoring.measure import Measurement
from monitoring.measure.basis import Basis
from monitoring.measure.cell_names import cell_name
from monitoring.measure.concept import Diagnosis, diagnose
from monitoring.measure.decomposition import Decomposition, FeatureChange, decompose
from monitoring.measure.maturity import MaturityCurve, lateness
from monitoring.measure.missing_labels import CellRows, MissingLabels, missing_labels
from monitoring.measure.performance_rows import SCORE
from monitoring.measure.segments import LEAST_ROWS, GroupCounts
from monitoring.measure.series import LEAST_LABELLED, Performance, performance_of
from monitoring.monitor import Monitor
from monitoring.profile import CategoricalSpec, ProfileSpec
from monitoring.profile.losses import LossByBin
from monitoring.watch import Ledger
from monitoring.window import LENGTHS, Window

KIND, SCHEMA_VERSION = "performance", 2
_MOST_FEATURES = 10
# Of a segment, so many values are told: those with the most rows over the trailing windows
_MOST_VALUES = 20


class LookReader:
    """What the looks of one run share.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.joins = JoinReader(monitor)
        self.ledger = Ledger(monitor)
        self.windows = PerformanceReader(monitor)
        self.config = monitor.config
        self._monitor = monitor
        self._baselines: dict[str, Baseline | None] = {}

    def baseline(self, window: Window) -> Baseline | None:
        """The baseline that is valid for a window."""
        version = version_for(self._monitor, window)
        if version not in self._baselines:
            self._baselines[version] = baseline_for(self._monitor, window)
        return self._baselines[version]


@dataclass(frozen=True, eq=False)
class Explanation:
    """What became of the loss over the trailing windows, and what missing labels may hide.

    Attributes:
        diagnosis: What happened, by name.
        decomposition: The change of the mean loss, by feature.
        losses: The losses of the window's own labelled rows.
        missing: How rows without a label differ, of a window that waits for no more; None before, or without any.
    """

    diagnosis: Diagnosis
    decomposition: Decomposition
    losses: LossByBin
    missing: MissingLabels | None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        named = {found.feature: found for found in self.decomposition.features}
        first = [*self.decomposition.by_mix[:_MOST_FEATURES], *self.decomposition.by_concentration[:_MOST_FEATURES]]
        return {
            "diagnosis": self.diagnosis.to_json(),
            "loss_before": self.decomposition.before,
            "loss_now": self.decomposition.now,
            "features": [_feature_json(named[name]) for name in dict.fromkeys(found.feature for found in first)],
            "missing": self.missing and self.missing.to_json(),
        }


def _feature_json(found: FeatureChange) -> dict[str, Any]:
    parts = {"mix": found.mix, "rate": found.rate, "new": found.new, "concentration": found.concentration}
    return {"feature": found.feature, **{name: part.to_json() for name, part in parts.items()}}


@dataclass(frozen=True, eq=False)
class Assessment:
    """The performance of a window at one look.

    Attributes:
        labels: What became of its labels.
        counts: What became of all labels that may be of its records; None for a model without labels.
        window: Its own rows.
        trailing: Those of the trailing windows.
        basis: The baseline's labelled rows.
        final: Whether no more labels are waited for.
        enough_labels: Whether that is because as many rows as were asked for have a label.
        age: Hours since the window's end.
        curve: How labels have come in the windows before; None where nothing is known, or it is of a stored look.
        lateness: The window's share of labelled rows less what is usual at its age.
        segments: The performance of each value of each segment, over the trailing windows.
        groups: What was counted of each value of each segment, over the trailing windows.
        everyone: The same of all rows.
    """

    labels: WindowLabels
    counts: LabelCounts | None
    window: Performance
    trailing: Performance
    basis: Basis
    final: bool
    enough_labels: bool
    age: float
    curve: MaturityCurve | None
    lateness: Measurement | None
    segments: dict[str, dict[str, Performance]] = field(default_factory=dict)
    groups: dict[str, dict[str, GroupCounts]] = field(default_factory=dict)
    everyone: GroupCounts = field(default_factory=GroupCounts)

    @property
    def concept_gap(self) -> Measurement | None:
        """Realised less estimated loss of the labelled rows of the trailing windows."""
        return self.basis.loss_gap(self.trailing.gap)

    @property
    def own_loss(self) -> Measurement | None:
        """The loss of the window's rows, as far as labels tell it; None before they do."""
        told = self.window.stage in ("provisional", "final")
        return self.basis.loss_in(self.window.numbers) if told else None

    @property
    def segment_gaps(self) -> dict[str, Measurement]:
        """The same by `segment=value`."""
        found = {
            f"{segment}={value}": self.basis.loss_gap(performance.gap)
            for segment, values in self.segments.items()
            for value, performance in values.items()
        }
        return {name: gap for name, gap in found.items() if gap is not None}

    @property
    def segment_losses(self) -> dict[str, Measurement]:
        """The loss of values of segments by `segment=value`, as far as labels tell it; its rows are the labelled."""
        found = {
            f"{segment}={value}": (self.basis.loss_in(performance.numbers), performance)
            for segment, values in self.segments.items()
            for value, performance in values.items()
            if performance.stage in ("provisional", "final")
        }
        return {name: replace(loss, rows=told.labelled) for name, (loss, told) in found.items() if loss is not None}

    @property
    def ordinary_loss(self) -> float | None:
        """The baseline's mean loss; None where nothing can be estimated from it."""
        if not self.basis.estimates:
            return None
        rows, total, _ = next((self.basis.losses.of_feature(name) for name in self.basis.losses.features), (0, 0, 0))
        return float(np.sum(total) / np.sum(rows)) if np.sum(rows) else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "loss": self.basis.loss,
            "loss_title": self.basis.loss_title,
            "ordinary_loss": self.ordinary_loss,
            "window": self.window.to_json(),
            "trailing": self.trailing.to_json(),
            "labels": self.counts and asdict(self.counts),
            "joined": asdict(self.labels),
            "final": self.final,
            "enough_labels": self.enough_labels,
            "age_hours": self.age,
            "maturity": self.curve and self.curve.to_json(),
            "lateness": self.lateness and self.lateness.to_json(),
            "segments": {
                segment: {value: found.of(self.basis.loss).to_json() for value, found in values.items()}
                for segment, values in self.segments.items()
            },
            "groups": {
                segment: {value: asdict(counts) for value, counts in values.items()}
                for segment, values in self.groups.items()
            },
            "everyone": asdict(self.everyone),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any], basis: Basis) -> Self:
        """From `to_json`: what a look has written down, without what only reports tell of it.

        Args:
            body: The document of a look.
            basis: The labelled rows of the baseline that it was held against.
        """
        return cls(
            labels=WindowLabels(**body["joined"]),
            counts=body["labels"] and LabelCounts(**body["labels"]),
            window=Performance.from_json(body["window"]),
            trailing=Performance.from_json(body["trailing"]),
            basis=basis,
            final=body["final"],
            enough_labels=body["enough_labels"],
            age=body["age_hours"],
            curve=None,
            lateness=body["lateness"] and Measurement.from_json(body["lateness"]),
            segments={
                segment: {value: Performance.from_json(item) for value, item in values.items()}
                for segment, values in body["segments"].items()
            },
            groups={
                segment: {value: GroupCounts(**item) for value, item in values.items()}
                for segment, values in body["groups"].items()
            },
            everyone=GroupCounts(**body["everyone"]),
        )


def assess(
    monitor: Monitor,
    window: Window,
    until: Window,
    baseline: Baseline | None,
    past: Sequence[Window],
    reader: LookReader,
) -> Assessment:
    """Assess a window.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
        baseline: What it is held against.
        past: The trailing windows that have records.
        reader: What to share between the looks of one run.
    """
    basis = reader.windows.basis(baseline)
    if monitor.config.labels is None and until > window:
        return _not_assessed(monitor, window, until, basis)
    past = past if monitor.config.labels else [window]  # an estimate needs no others
    found = {w: reader.windows.window(w, until, baseline) for w in dict.fromkeys([*past, window])}
    own = found[window]
    threshold = monitor.config.labels.final_coverage if monitor.config.labels else None
    coverage = own.labels.coverage()
    reached = threshold is not None and coverage is not None and coverage >= threshold
    over = until >= monitor.final_epoch(window)
    age = age_of(monitor, window, until)
    curve = past_labels(monitor, reader.joins, window, until, basis) if monitor.config.labels else None
    final = over or reached
    # older windows have more of their labels
    by_now = _over_windows([(found[w].whole.rows, completeness(curve, age_of(monitor, w, until))) for w in past])
    whole = _merged((found[w].whole for w in past), basis)
    return Assessment(
        labels=own.labels,
        counts=reader.joins.accounting(window, until) if monitor.config.labels else None,
        window=_performance(basis, own.whole, completeness(curve, age), final=final, over=over),
        trailing=_performance(basis, whole, by_now, final=final, over=over),
        basis=basis,
        final=final,
        enough_labels=reached and not over,
        age=age,
        curve=curve,
        lateness=lateness(curve, own.labels.records, own.labels.labelled, age, age) if curve else None,
        segments={
            segment: {
                value: _performance(basis, rows, by_now, final=final, over=over)
                for value, rows in _by_value([found[w].segments[segment] for w in past], basis).items()
                if rows.rows >= LEAST_LABELLED
            }
            for segment in own.segments
        },
        groups={
            segment: _counted([found[w].segments[segment] for w in past], _known_values(baseline, segment))
            for segment in own.segments
        },
        everyone=GroupCounts.of(whole.state, whole.rows),
    )


def _not_assessed(monitor: Monitor, window: Window, until: Window, basis: Basis) -> Assessment:
    """Nothing: records that came late do not change an estimate by so much that the others should be read again."""
    nothing = Performance("unknown", 0, 0, {})
    age = age_of(monitor, window, until)
    labels = WindowLabels(0, 0, 0, 0, 0)
    return Assessment(labels, None, nothing, nothing, basis, True, False, age, curve=None, lateness=None)


def _over_windows(parts: Sequence[tuple[int, dict[str, float]]]) -> dict[str, float]:
    """By class, the share of its labels that is known by now in windows of several ages, each with its rows."""
    rows = sum(count for count, _ in parts)
    names = {name for _, shares in parts for name in shares}
    return (
        {name: sum(count * shares.get(name, 1.0) for count, shares in parts) / rows for name in names} if rows else {}
    )


def _performance(basis: Basis, rows: Rows, shares: dict[str, float], *, final: bool, over: bool) -> Performance:
    return performance_of(basis, rows.state, rows.rows, rows.labelled, shares, final=final, over=over)


def _merged(parts: Iterable[Rows], basis: Basis) -> Rows:
    return reduce(lambda a, b: a.merge(b, basis), parts, Rows(0, 0, basis.empty()))


def _known_values(baseline: Baseline | None, segment: str) -> frozenset[str]:
    """The values of a segment that the baseline tells something of."""
    start = f"segment_share:{segment}="
    spreads = baseline.reference.limits.spreads if baseline else {}
    return frozenset(key.removeprefix(start) for key in spreads if key.startswith(start))


def _counted(windows: Sequence[Mapping[str, Rows]], known: frozenset[str]) -> dict[str, GroupCounts]:
    """The counts of each value over all windows, in their order.

    Of a new value with few rows nothing is kept: it might be one person's.
    """
    found: dict[str, GroupCounts] = {}
    for window in windows:
        for value, rows in window.items():
            found[value] = found.get(value, GroupCounts()).merge(GroupCounts.of(rows.state, rows.rows))
    return {value: counts for value, counts in sorted(found.items()) if value in known or counts.rows >= LEAST_ROWS}


def _by_value(windows: Sequence[Any], basis: Basis) -> dict[str, Rows]:
    """The rows of each of the largest values over all windows, in their order."""
    rows: Counter[str] = Counter()
    for window in windows:
        rows.update({value: found.rows for value, found in window.items()})
    largest = sorted(rows, key=lambda value: (-rows[value], value))[:_MOST_VALUES]
    return {value: _merged((w[value] for w in windows if value in w), basis) for value in sorted(largest)}


def explain(
    assessment: Assessment,
    window: Window,
    until: Window,
    baseline: Baseline,
    past: Sequence[Window],
    drifted: Sequence[str],
    reader: LookReader,
) -> Explanation:
    """Say what became of the loss: what other inputs did, and what a change of their meaning.

    Args:
        assessment: What was found.
        window: The window.
        until: The run whose knowledge counts.
        baseline: What it is held against.
        past: The trailing windows that have records.
        drifted: Features whose distribution has drifted.
        reader: What to share between the looks of one run.
    """
    basis, spec = assessment.basis, baseline.reference.spec
    own = reader.windows.losses(window, until, baseline)
    parts = (reader.windows.losses(w, until, baseline) for w in past)
    whole = reduce(LossByBin.merge, parts, LossByBin.empty(_sizes(own), basis.largest))
    decomposition = decompose(_of_features(basis.losses), _of_features(whole))
    config = reader.config
    rule, gap = config.checks.concept_drift, assessment.concept_gap
    ordinary = baseline.reference.limits.telling("concept_drift", max(len(past), 1))
    diagnosis = diagnose(
        decomposition,
        among_windows(gap, ordinary) if gap and gap.value is not None and gap.standard_error is not None else gap,
        drifted,
        least=rule.tolerance * (assessment.ordinary_loss or 0.0),
        level=share_of(config.alarms, Status.WARN, "performance", LENGTHS[config.every] // LENGTHS["hour"]),
        loss=basis.loss_title,
        cell_name=lambda feature, cell: cell_name(spec.features[feature], cell),
    )
    missing = None
    if assessment.final and assessment.window.labelled < assessment.window.rows and assessment.window.labelled:
        cells = reader.windows.cells(window, until, baseline)
        columns = {name: CellRows(*pair, categories=_categories(spec, name)) for name, pair in cells.items()}
        missing = missing_labels(columns, own, basis.loss_title)
    return Explanation(diagnosis, decomposition, own, missing)


def _sizes(losses: LossByBin) -> dict[str, int]:
    return {name: len(table) for name, table in losses.features.items()}


def _of_features(losses: LossByBin) -> LossByBin:
    features = {name: table for name, table in losses.features.items() if name != SCORE}
    return LossByBin(losses.largest, features, losses.uncounted)


def _categories(spec: ProfileSpec, name: str) -> tuple[str, ...] | None:
    column = spec.features.get(name)
    return column.names if isinstance(column, CategoricalSpec) else None
