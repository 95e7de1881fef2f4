"""Label epochs: the label objects that one run was the first to see, pinned and read once.

The epoch of window W holds the objects collected from when window W-1 was measured until W is, by the hour in
their keys; and stragglers: objects that appeared in an earlier hour after its epoch had been pinned. So what is
known at any time is a function of the pinned epochs, and a backfill long after gives what the daily runs gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from monitoring import documents
from monitoring.capture import records
from monitoring.capture.quarantine import Quarantined, quarantine_lines
from monitoring.capture.readers import sagemaker
from monitoring.labels.join import LABEL_SCHEMA
from monitoring.monitor import Monitor
from monitoring.store import ObjectInfo
from monitoring.window import Window

KIND, SCHEMA_VERSION = "label-epoch", 1
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True)
class Epoch:
    """One pinned epoch.

    Attributes:
        window: The window whose run pinned it.
        objects: Its label objects, in the order in which they count.
    """

    window: Window
    objects: tuple[ObjectInfo, ...]


def pin_epochs(monitor: Monitor, window: Window) -> None:
    """Pin the epoch of `window`, and those before it that its trailing windows and older ones need."""
    if monitor.config.labels is None:
        return
    pinned = [epoch for epoch in pinned_epochs(monitor) if epoch < window]
    for last, following in pairwise([*pinned, window]):
        # runs were missed after `last`, whose last look waits for the epochs up to its horizon
        if last.shift(1) < following and monitor.store.exists(monitor.layout.verdict(last, 1)):
            _fill(monitor, last.shift(1), min(monitor.final_epoch(last), following.shift(-1)))
    waiting = [epoch for epoch in pinned if epoch >= _oldest_open(monitor, window)]
    _fill(monitor, min([window.shift(-monitor.config.trailing_windows), *waiting[:1]]), window)


def _fill(monitor: Monitor, first: Window, last: Window) -> None:
    while first <= last:
        if not monitor.store.exists(monitor.layout.label_epoch(first)):
            _pin(monitor, first)
        first = first.shift(1)


def pinned_epochs(monitor: Monitor) -> list[Window]:
    """The windows whose epochs are pinned, oldest first."""
    prefix = f"{monitor.config.name}/labels/consumed/"
    names = [key.removeprefix(prefix) for key in monitor.store.keys(prefix)]
    return sorted(monitor.window(name.removesuffix(".json")) for name in names if name.endswith(".json"))


def visible_epochs(monitor: Monitor, window: Window, until: Window) -> list[Window]:
    """The epochs that may hold labels of `window`, as far as the run of `until`; none after its horizon."""
    if monitor.config.labels is None:
        return []
    last = min(until, monitor.final_epoch(window))
    epochs, epoch = [], window.shift(-1)
    while epoch <= last:
        epochs.append(epoch)
        epoch = epoch.shift(1)
    return epochs


class EpochReader:
    """Reads epochs, each at most once: the trailing windows of a run share most of theirs.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._tables: dict[Window, pa.Table | None] = {}
        self._counts: dict[Window, LabelCounts] = {}

    def pinned(self, window: Window) -> bool:
        """Whether the epoch of `window` is pinned."""
        return self._table(window) is not None

    def labels(self, window: Window) -> pa.Table:
        """The labels of an epoch; none when it is not pinned."""
        table = self._table(window)
        return LABEL_SCHEMA.empty_table() if table is None else table

    def visible(self, window: Window, until: Window) -> list[pa.Table]:
        """The labels that the run of `until` may find for `window`, oldest epoch first."""
        return [self.labels(epoch) for epoch in visible_epochs(self._monitor, window, until)]

    def counts(self, window: Window) -> LabelCounts:
        """What became of the labels of an epoch."""
        if window not in self._counts:
            store, key = self._monitor.store, self._monitor.layout.label_quarantine(window)
            bad = store.get(key).count(b"\n") if store.exists(key) else 0
            self._counts[window] = LabelCounts(self.labels(window).num_rows + bad, bad)
        return self._counts[window]

    def _table(self, window: Window) -> pa.Table | None:
        if window not in self._tables:
            self._tables[window] = _load(self._monitor, window)
        return self._tables[window]


@dataclass(frozen=True)
class LabelCounts:
    """What became of the labels of an epoch.

    Attributes:
        read: Labels read.
        quarantined: Those that could not be used.
    """

    read: int
    quarantined: int


def _load(monitor: Monitor, window: Window) -> pa.Table | None:
    """The labels of an epoch, read from their objects the first time; None when it is not pinned."""
    store, layout = monitor.store, monitor.layout
    if not store.exists(layout.label_epoch(window)):
        return None
    key = layout.label_rows(window)
    if not store.exists(key):
        _read(monitor, _load_manifest(monitor, window))
    return records.from_parquet(store.get(key))


def _oldest_open(monitor: Monitor, window: Window) -> Window:
    labels = monitor.config.labels
    assert labels is not None
    return Window.containing(window.start - labels.horizon, window.every).shift(-monitor.config.trailing_windows)


def _pin(monitor: Monitor, window: Window) -> None:
    labels = monitor.config.labels
    assert labels is not None
    store, prefix = monitor.source(labels.uri)
    start, end = monitor.as_of(window.shift(-1)), monitor.as_of(window)
    own = _collected(store.objects, prefix, start, end)
    stragglers = _stragglers(monitor, window, prefix, store.objects)
    body = {
        "model": monitor.config.name,
        "window": window.label,
        "objects": [{"key": i.key, "size": i.size, "etag": i.etag} for i in (*stragglers, *own)],
    }
    document = documents.encode(KIND, SCHEMA_VERSION, body)
    monitor.store.put_if_absent(monitor.layout.label_epoch(window), document)
    _load(monitor, window)


def _stragglers(monitor: Monitor, window: Window, prefix: str, listing: Any) -> list[ObjectInfo]:
    """Objects in the hours of earlier epochs that none of them has."""
    earlier = [e for e in pinned_epochs(monitor) if _oldest_open(monitor, window) <= e < window]
    if not earlier:
        return []
    known = {info.key for epoch in earlier for info in _load_manifest(monitor, epoch).objects}
    spans = [[earlier[0], earlier[0]]]
    for epoch in earlier[1:]:
        if spans[-1][1].shift(1) < epoch:  # what lies between belongs to epochs that are still to come
            spans.append([epoch, epoch])
        spans[-1][1] = epoch
    found = [
        info
        for first, last in spans
        for info in _collected(listing, prefix, monitor.as_of(first.shift(-1)), monitor.as_of(last))
    ]
    return [info for info in found if info.key not in known]


def _collected(listing: Any, prefix: str, start: datetime, end: datetime) -> list[ObjectInfo]:
    """Objects whose hour of collection lies in `[start, end)`, oldest hour first."""
    found = []
    day = (start - _HOUR).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        for info in listing(f"{prefix}{day:%Y/%m/%d}/"):
            hour = _hour(info.key.removeprefix(prefix), day)
            # by the hour's end: until then more may come, and a run in its middle cannot have seen it all
            if hour is not None and start < hour + _HOUR <= end and info.size:
                found.append(info)
        day += _DAY
    return sorted(found)


def _hour(key: str, day: datetime) -> datetime | None:
    hour = key.split("/")[3]
    return day.replace(hour=int(hour)) if hour.isdecimal() and int(hour) < 24 else None


def _load_manifest(monitor: Monitor, window: Window) -> Epoch:
    key = monitor.layout.label_epoch(window)
    body = documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)
    return Epoch(window, tuple(ObjectInfo(item["key"], item["size"], item["etag"]) for item in body["objects"]))


def _read(monitor: Monitor, epoch: Epoch) -> None:
    assert monitor.config.labels is not None
    store, _ = monitor.source(monitor.config.labels.uri)
    rows: list[tuple[str, str]] = []
    quarantined: list[Quarantined] = []
    for info in epoch.objects:
        found, bad = sagemaker.read_labels(info.key, store.get(info.key, etag=info.etag))
        rows += found
        quarantined += bad
    ids, labels = [row[0] for row in rows], [row[1] for row in rows]
    if quarantined:
        lines = quarantine_lines(quarantined, quotes=not monitor.config.columns.hides)
        monitor.store.put(monitor.layout.label_quarantine(epoch.window), lines)
    table = pa.table({"event_id": ids, "label": labels}, schema=LABEL_SCHEMA)
    monitor.store.put(monitor.layout.label_rows(epoch.window), records.to_parquet(table))
