"""What a window's predictions amount to beside its labels, whole and by segment, as some run knew them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.baseline import Baseline
from monitoring.capture.schema import SEGMENT_PREFIX
from monitoring.engine.labelled import WindowLabels, labelled_window
from monitoring.measure.basis import Basis, State
from monitoring.measure.performance_rows import cells_by_column, default_basis, needed_columns, performance_rows
from monitoring.monitor import Monitor
from monitoring.profile import ProfileSpec
from monitoring.profile.fixed_point import IntArray
from monitoring.profile.losses import LossByBin
from monitoring.window import Window

# Of a segment in a window, the values with the most rows are read; see `monitoring.engine.assessment` for those told
MOST_VALUES = 100


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of one or several windows.

    Attributes:
        rows: Rows that the model answered.
        labelled: Those with a label.
        state: What they amount to.
    """

    rows: int
    labelled: int
    state: State

    def merge(self, other: Rows, basis: Basis) -> Rows:
        """Both together."""
        state = basis.merge(self.state, other.state)
        return Rows(self.rows + other.rows, self.labelled + other.labelled, state)


@dataclass(frozen=True, eq=False)
class WindowRows:
    """What a window amounts to.

    Attributes:
        labels: What became of its labels.
        whole: All of its rows.
        segments: By segment and its value, the rows of the value.
    """

    labels: WindowLabels
    whole: Rows
    segments: Mapping[str, Mapping[str, Rows]]


class PerformanceReader:
    """Reads windows, each at most once: the looks of one run share most of their trailing windows.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._found: dict[tuple[Window, Window, str], WindowRows] = {}
        self._losses: dict[tuple[Window, Window, str], LossByBin] = {}

    def window(self, window: Window, until: Window, baseline: Baseline | None) -> WindowRows:
        """What a window amounts to.

        Args:
            window: The window.
            until: The run whose knowledge of records and labels counts.
            baseline: What it is held against.
        """
        key = (window, until, baseline.version if baseline else "")
        if key not in self._found:
            self._found[key] = _read(self._monitor, window, until, self.basis(baseline))
        return self._found[key]

    def basis(self, baseline: Baseline | None) -> Basis:
        """What performance is held against; nothing, without a baseline or without labels in it."""
        found = baseline.basis if baseline else None
        return found or default_basis(self._monitor.config.columns)

    def losses(self, window: Window, until: Window, baseline: Baseline) -> LossByBin:
        """The losses of a window's labelled rows by cell of each feature and of the score."""
        key = (window, until, baseline.version)
        if key not in self._losses:
            spec = baseline.reference.spec
            self._losses[key] = _losses(self._monitor, window, until, self.basis(baseline), spec)
        return self._losses[key]

    def cells(self, window: Window, until: Window, baseline: Baseline) -> dict[str, tuple[IntArray, IntArray]]:
        """By column, the rows of a window by cell: all that the model answered, and those with a label."""
        found = labelled_window(self._monitor, window, until, None)
        spec, columns = baseline.reference.spec, self._monitor.config.columns
        rows, answered = performance_rows(found.records, found.label, columns, self.basis(baseline).classes)
        counted = {}
        for name, (cells, size) in cells_by_column(found.records, spec).items():
            mine = cells[answered]
            counted[name] = tuple(np.bincount(mine[part], minlength=size) for part in (slice(None), rows.known))
        return counted  # type: ignore[return-value]  # pairs


def _read(monitor: Monitor, window: Window, until: Window, basis: Basis) -> WindowRows:
    columns = monitor.config.columns
    segments = [SEGMENT_PREFIX + name for name in columns.stored_segments]
    found = labelled_window(monitor, window, until, [*needed_columns(columns), *segments])
    rows, answered = performance_rows(found.records, found.label, columns, basis.classes)
    whole = Rows(len(rows.known), int(rows.known.sum()), basis.state(rows))
    parts: dict[str, dict[str, Rows]] = {}
    for name in columns.stored_segments:
        values = found.records[SEGMENT_PREFIX + name].filter(pa.array(answered))
        most = sorted(values.value_counts().to_pylist(), key=lambda item: (-item["counts"], str(item["values"])))
        parts[name] = {}
        for value in [item["values"] for item in most if item["values"] is not None][:MOST_VALUES]:
            mine = np.asarray(pc.fill_null(pc.equal(values, value), fill_value=False).to_numpy(), bool)
            group = rows.take(mine)
            parts[name][value] = Rows(len(group.known), int(group.known.sum()), basis.state(group))
    return WindowRows(found.counts, whole, parts)


def _losses(monitor: Monitor, window: Window, until: Window, basis: Basis, spec: ProfileSpec) -> LossByBin:
    columns = monitor.config.columns
    found = labelled_window(monitor, window, until, None)
    records, labels = found.records.filter(pc.is_valid(found.label)), found.label.drop_null()
    rows, answered = performance_rows(records, labels, columns, basis.classes)
    cells = cells_by_column(records, spec)
    bins = {name: cell[answered] for name, (cell, _) in cells.items()}
    sizes = {name: size for name, (_, size) in cells.items()}
    return LossByBin.of(bins, sizes, basis.losses_of(rows), basis.largest)
