"""Labels and the records that they belong to, brought together a run at a time.

A run joins the labels that it is the first to see to all records that had come by then, and the records that it
brought to the labels that had come before. So every pair of a label and a record is found by exactly one run, and
what a window's labels are after some run does not depend on how either side was cut into objects and runs. What a
run found for a window is written once; it is found anew when its records or the labels before it have changed, as
when windows are run out of their order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial, reduce
from itertools import accumulate
from operator import xor
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa

from monitoring import documents
from monitoring.engine.intake import is_complete, load_intakes, visible_runs
from monitoring.engine.label_rows import epoch_labels
from monitoring.engine.labelled import are_labelled, load_labelled, rank_in, write_labelled
from monitoring.engine.matching import IdIndex
from monitoring.engine.record_ids import RecordIds, record_ids
from monitoring.errors import MonitorError
from monitoring.labels.epochs import horizon, load_epochs, pinned_epochs, visible_epochs
from monitoring.labels.settle import ORDER, settle
from monitoring.monitor import Monitor
from monitoring.profile.delays import MOST_GROUPS, lag_bin
from monitoring.store.base import Content
from monitoring.window import Window

KIND, MATCHED, SCHEMA_VERSION = "label-join", "matched-labels", 1
THREADS = 2
_IDS = ["id", "id2"]
_LABEL = ["label", "weight", *ORDER]
_HOUR = 3_600_000_000
Delays = TypeVar("Delays")


@dataclass(frozen=True)
class WindowJoin:
    """What a run has found for one window.

    Attributes:
        inputs: A hash of the records and labels that it looked at.
        rows: Labels that belong to records of the window.
        changed: Records whose label is new, or another one than before.
        delays: Of the records that had no label before, by label (its text, if it is a class) the number of records
            by bin of the time from the window's end to its arrival, see `monitoring.profile.delays`.
    """

    inputs: int
    rows: int
    changed: int
    delays: dict[str, dict[int, int]] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        """As JSON values."""
        delays = {label: sorted(bins.items()) for label, bins in sorted(self.delays.items())}
        return [f"{self.inputs:016x}", self.rows, self.changed, delays]

    @classmethod
    def from_json(cls, item: list[Any]) -> Self:
        """From `to_json`."""
        inputs, rows, changed, delays = item
        return cls(int(inputs, 16), rows, changed, {label: dict(bins) for label, bins in delays.items()})


@dataclass(frozen=True)
class LabelJoin:
    """What a run has joined.

    Attributes:
        run: The window of the run.
        inputs: A hash of everything that it may have looked at.
        read: Labels that it was the first to see.
        quarantined: Those that could not be used.
        windows: What it found, by window.
        matched: For each epoch, how many of its labels found a record.
    """

    run: Window
    inputs: int
    read: int
    quarantined: int
    windows: dict[Window, WindowJoin] = field(default_factory=dict)
    matched: dict[Window, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As a document."""
        body = {
            "run": self.run.label,
            "inputs": f"{self.inputs:016x}",
            "read": self.read,
            "quarantined": self.quarantined,
            "windows": {window.label: item.to_json() for window, item in self.windows.items()},
            "matched": {epoch.label: count for epoch, count in self.matched.items()},
        }
        return documents.encode(KIND, SCHEMA_VERSION, body)

    @classmethod
    def decode(cls, monitor: Monitor, data: bytes, where: str) -> Self:
        """From `encode`."""
        body = documents.decode(data, KIND, SCHEMA_VERSION, where)
        windows = {monitor.window(label): WindowJoin.from_json(item) for label, item in body["windows"].items()}
        matched = {monitor.window(label): count for label, count in body["matched"].items()}
        run, inputs = monitor.window(body["run"]), int(body["inputs"], 16)
        return cls(run, inputs, body["read"], body["quarantined"], windows, matched)


class JoinReader:
    """Reads what runs have joined, each at most once: the looks of one run share most of them.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._joins: dict[Window, LabelJoin] | None = None
        self._by_window: dict[Window, dict[Window, WindowJoin]] = {}
        self._found: dict[Any, Any] = {}

    def joins(self) -> dict[Window, LabelJoin]:
        """What every run has joined, oldest first."""
        if self._joins is None:
            store = self._monitor.store
            infos = [info for info in store.objects(self._monitor.layout.label_joins) if info.key.endswith(".json")]
            found = (_decoded(self._monitor, info.key, content) for info, content in store.read_many(infos))
            self._joins = {join.run: join for join in sorted(found, key=lambda join: join.run)}
        return self._joins

    def of_window(self, window: Window) -> dict[Window, WindowJoin]:
        """What each run has found for a window, oldest first; nothing for a window that was not looked at."""
        if not self._by_window:
            for run, join in self.joins().items():
                for target, item in join.windows.items():
                    self._by_window.setdefault(target, {})[run] = item
        return self._by_window.get(window, {})

    def once(self, key: Any, find: Callable[[], Delays]) -> Delays:
        """What was found under a key, or what is found now: windows of one run ask for the same past."""
        if key not in self._found:
            self._found[key] = find()
        found: Delays = self._found[key]
        return found

    def changes(self, window: Window) -> list[Window]:
        """The runs that have given records of a window another label, oldest first."""
        return [run for run, item in self.of_window(window).items() if item.changed]

    def read(self, window: Window, until: Window) -> tuple[int, int]:
        """How many labels were read that may belong to records of a window, and how many of them were unreadable."""
        joins = self.joins()
        epochs = visible_epochs(self._monitor, window, until, joins)
        return sum(joins[e].read for e in epochs), sum(joins[e].quarantined for e in epochs)

    def accounting(self, window: Window, until: Window) -> LabelCounts:
        """What became, by the run of `until`, of the labels that may belong to records of a window."""
        joins = self.joins()
        epochs = visible_epochs(self._monitor, window, until, joins)
        at_once = visible_runs(self._monitor, window, until)
        seen = [join for run, join in joins.items() if run <= until or run in at_once]
        found = {epoch: self._matched(epoch, [join for join in seen if epoch in join.matched]) for epoch in epochs}
        unmatched = {e: joins[e].read - joins[e].quarantined - found[e] for e in epochs}
        reach = horizon(self._monitor, window)
        return LabelCounts(
            read=sum(joins[e].read for e in epochs),
            quarantined=sum(joins[e].quarantined for e in epochs),
            matched=sum(found.values()),
            waiting=sum(count for e, count in unmatched.items() if e.shift(reach) >= until),
            expired=sum(count for e, count in unmatched.items() if e.shift(reach) < until),
        )

    def _matched(self, epoch: Window, joins: list[LabelJoin]) -> int:
        if len(joins) < 2:
            return sum(join.matched[epoch] for join in joins)
        flags = np.zeros(0, np.uint8)
        for join in joins:
            key = self._monitor.layout.matched_labels(join.run)
            bits = documents.unpack(self._monitor.store.get(key), MATCHED, 1, key)[1][epoch.label]
            flags, bits = (np.pad(x, (0, max(len(flags), len(bits)) - len(x))) for x in (flags, bits))
            flags |= bits
        return int(np.bitwise_count(flags).sum())


def _decoded(monitor: Monitor, key: str, content: Content) -> LabelJoin:
    if isinstance(content, MonitorError):
        raise content
    return LabelJoin.decode(monitor, monitor.store.get(key) if content is None else content, key)


@dataclass(frozen=True)
class LabelCounts:
    """What became of labels: `read = matched + waiting + expired + quarantined`.

    Attributes:
        read: Labels that were read.
        quarantined: Those that could not be used.
        matched: Those that belong to a record of any window.
        waiting: Those whose record has not come.
        expired: Those whose record has not come and is no longer waited for.
    """

    read: int
    quarantined: int
    matched: int
    waiting: int
    expired: int


def load_join(monitor: Monitor, run: Window) -> LabelJoin | None:
    """What a run has joined; None before it has."""
    key = monitor.layout.label_join(run)
    return _decoded(monitor, key, monitor.store.get(key)) if monitor.store.exists(key) else None


def ensure_joined(monitor: Monitor, window: Window) -> None:
    """Join what the run of `window` and those around it have brought, where that is not done yet.

    Args:
        monitor: The model.
        window: The window of a run whose captures were brought together and whose labels are pinned.
    """
    if monitor.config.labels is None:
        return
    known = _Inputs(monitor, window)
    for run in known.runs:
        _join(monitor, run, known)


class _Inputs:
    """What there is to be joined around a run, by hashes that tell whether it has changed.

    Args:
        monitor: The model.
        window: The window of the run.
    """

    def __init__(self, monitor: Monitor, window: Window) -> None:
        config = monitor.config
        self._monitor = monitor
        self._timeless = config.capture.dates == "nothing" or not (config.labels and config.labels.folders)
        self._reach = horizon(monitor, window) + monitor.config.trailing_windows + 2
        pinned, all_windows = pinned_epochs(monitor), monitor.windows()
        done, recent = set(monitor.store.keys(monitor.layout.label_joins)), window.shift(-self._reach)
        # those near this run may have changed; those that were never joined are there after a gap
        missed = {e for e in pinned if e < recent and monitor.layout.label_join(e) not in done}
        missed |= {
            w
            for w in all_windows
            if w < recent and monitor.layout.label_join(w) not in done and is_complete(monitor, w)
        }
        first, last = min([recent, *missed]).shift(-self._reach), window.shift(2 * self._reach)
        if not self._timeless:
            all_windows, pinned = ([w for w in found if first <= w <= last] for found in (all_windows, pinned))
        intakes, epochs = load_intakes(monitor, all_windows), load_epochs(monitor, pinned)
        self.runs = sorted(run for run in {*epochs, *intakes} if run >= recent or run in missed)
        self.epochs = {run: _hashed(epoch.fingerprint()) for run, epoch in epochs.items()}
        self.brought = {
            run: {monitor.window(label): _hashed(f"{run.label} {text}") for label, text in intake.brought.items()}
            for run, intake in intakes.items()
        }
        self._of_window: dict[Window, list[tuple[Window, int]]] = {}
        for run, targets in self.brought.items():
            for target, hashed in targets.items():
                self._of_window.setdefault(target, []).append((run, hashed))
        own: dict[Window, int] = {run: self.epochs.get(run, 0) for run in {*self.epochs, *self.brought}}
        for run, targets in self.brought.items():
            own[run] = reduce(xor, targets.values(), own[run])
        self._order = sorted(own)
        self._sums: list[int] = [0, *accumulate((own[run] for run in self._order), xor)]

    def everything(self, run: Window) -> int:
        """A hash of all that a run may look at."""
        first = 0 if self._timeless else bisect_left(self._order, run.shift(-self._reach))
        return self._sums[bisect_right(self._order, run)] ^ self._sums[first]

    def windows(self, run: Window) -> dict[Window, int]:
        """The windows whose records this run may give labels, with the hash of what it looks at."""
        wanted = {}
        for target, brought in self._of_window.items():
            by_now = [hashed for other, hashed in brought if other <= run]
            if not by_now:
                continue
            epochs = visible_epochs(self._monitor, target, run, self.epochs)
            if epochs and (run in epochs or target in self.brought.get(run, {})):
                wanted[target] = reduce(xor, (*by_now, *(self.epochs[epoch] for epoch in epochs)))
        return wanted

    def brought_to(self, window: Window, until: Window) -> list[Window]:
        """The runs that brought records to a window, as far as the run of `until`, oldest first."""
        return sorted(run for run, _ in self._of_window.get(window, []) if run <= until)


def _hashed(text: str) -> int:
    return int(documents.fingerprint(text), 16)


def _join(monitor: Monitor, run: Window, known: _Inputs) -> None:
    """Join what one run has brought, for the windows where that is not done."""
    before, everything = load_join(monitor, run), known.everything(run)
    if before is not None and before.inputs == everything:
        return
    done, wanted = before.windows if before else {}, known.windows(run)
    stale = [w for w, inputs in wanted.items() if w not in done or done[w].inputs != inputs]
    for gone in done.keys() - wanted.keys():
        monitor.store.delete(monitor.layout.labelled(gone, run))
    labels = epoch_labels(monitor, run) if run in known.epochs else None
    found = {w: done[w] for w in wanted if w in done and w not in stale}
    records = {w: {r: record_ids(monitor, w, r) for r in known.brought_to(w, run)} for w in stale}
    pairs: dict[Window, list[pa.Table]] = {w: [] for w in stale}
    if labels is not None and labels.rows.num_rows:
        for w, tables in _new_labels(monitor, run, labels.rows, records):
            pairs[w] += tables
    for w, table in _new_records(monitor, run, records, known):
        pairs[w].append(table)
    for w in sorted(stale):
        found[w] = _found(monitor, w, run, pairs.pop(w), wanted[w])
    read, quarantined = (labels.read, labels.quarantined) if labels else (0, 0)
    matched = _matched(monitor, run, found)
    join = LabelJoin(run, everything, read, quarantined, dict(sorted(found.items())), matched)
    monitor.store.put(monitor.layout.label_join(run), join.encode())


def _new_labels(
    monitor: Monitor, run: Window, labels: pa.Table, records: dict[Window, dict[Window, list[RecordIds]]]
) -> Iterable[tuple[Window, list[pa.Table]]]:
    """The labels of this run, joined to every record that has come and still waits."""
    index = IdIndex.of(labels["id"].to_numpy(), labels["id2"].to_numpy())

    def joined(window: Window) -> tuple[Window, list[pa.Table]]:
        tables = []
        for part in (part for parts in records[window].values() for part in parts):
            rows, picked = index.pairs(*index.find(*part.ids(monitor)))
            if len(rows):
                tables.append(_paired(part, rows, labels.take(picked), run, picked))
        return window, tables

    waiting = [w for w in sorted(records) if run in visible_epochs(monitor, w, run, [run])]
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(joined, waiting)


def _new_records(
    monitor: Monitor, run: Window, records: dict[Window, dict[Window, list[RecordIds]]], known: _Inputs
) -> Iterable[tuple[Window, pa.Table]]:
    """The records that this run brought, joined to the labels that had come before."""
    for window, by_run in records.items():
        parts = by_run.get(run, [])
        earlier = [e for e in visible_epochs(monitor, window, run, known.epochs) if e < run] if parts else []
        for part in parts if earlier else []:
            index = IdIndex.of(*part.ids(monitor))
            with ThreadPoolExecutor(THREADS) as pool:
                found = pool.map(partial(_earlier, monitor, part, index), earlier)
                yield from ((window, table) for table in found if table is not None)


def _earlier(monitor: Monitor, part: RecordIds, index: IdIndex, epoch: Window) -> pa.Table | None:
    ids = epoch_labels(monitor, epoch, _IDS).rows
    if not ids.num_rows:
        return None
    picked, rows = index.pairs(*index.find(ids["id"].to_numpy(), ids["id2"].to_numpy()))
    if not len(rows):
        return None
    return _paired(part, rows, epoch_labels(monitor, epoch).rows.take(picked), epoch, picked)


def _paired(part: RecordIds, records: Any, labels: pa.Table, epoch: Window, rows: Any) -> pa.Table:
    """Labels, where they come from, and where their records are."""
    body: dict[str, Any] = {name: labels[name] for name in labels.column_names if name != "id2"}
    body["epoch"] = np.full(len(rows), _seconds(epoch), np.int64)
    body["row"] = rows.astype(np.int64)
    body["run"] = np.full(len(rows), _seconds(part.run), np.int64)
    body["place"] = records + part.first
    return pa.table(body)


def _seconds(window: Window) -> int:
    return int(window.start.timestamp())


def _found(monitor: Monitor, window: Window, run: Window, tables: list[pa.Table], inputs: int) -> WindowJoin:
    """Write what a run has found for a window."""
    key = monitor.layout.labelled(window, run)
    if not tables:
        monitor.store.delete(key)
        return WindowJoin(inputs, 0, 0)
    table = write_labelled(monitor, key, pa.concat_tables(tables))
    ids = table["id"].to_numpy()  # ascending
    first = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
    ids = ids[first]
    old = are_labelled(monitor, window, run.shift(-1), ids)
    changed = int((~old).sum()) + _relabelled(monitor, window, run, table, ids[old])
    return WindowJoin(inputs, table.num_rows, changed, _delays(table.take(first[~old]), window))


def _delays(rows: pa.Table, window: Window) -> dict[str, dict[int, int]]:
    """How long after their window labels came, by label."""
    hours = (rows["arrived"].to_numpy() - int(window.end.timestamp() * 1_000_000)) / _HOUR
    labels, bins = rows["label"].combine_chunks(), lag_bin(hours)
    if not pa.types.is_string(labels.type):
        return {"": _counted(bins)} if len(bins) else {}
    coded = labels.dictionary_encode()
    names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    most = {int(code) for code in np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")[:MOST_GROUPS]}
    found = {names[code]: _counted(bins[codes == code]) for code in most}
    rest = _counted(bins[~np.isin(codes, list(most))])
    return found | ({"": rest} if rest else {})


def _counted(bins: Any) -> dict[int, int]:
    values, counts = np.unique(bins, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _relabelled(monitor: Monitor, window: Window, run: Window, table: pa.Table, old: Any) -> int:
    """How many records that had a label have another one because of what a run has found."""
    if not len(old):
        return 0

    def of_old(rows: pa.Table) -> pa.Table:
        return rows.filter(pa.array(np.isin(rows["id"].to_numpy(), old)))

    earlier = of_old(load_labelled(monitor, window, run.shift(-1), _LABEL))
    both = pa.concat_tables([earlier, of_old(table.select(_LABEL))])
    was, now = (settle(rows, rank_in(monitor)).rows.sort_by("id") for rows in (earlier, both))
    other = np.zeros(len(old), bool)
    for name in ("label", "weight"):
        pairs = zip(was[name].to_pylist(), now[name].to_pylist(), strict=True)
        other |= np.array([a != b for a, b in pairs], bool)
    return int(other.sum())


def _matched(monitor: Monitor, run: Window, found: dict[Window, WindowJoin]) -> dict[Window, int]:
    """How many labels of each epoch a run has joined to a record; which ones is written beside."""
    rows: dict[int, list[Any]] = {}
    for window in (window for window, item in found.items() if item.rows):
        table = load_labelled(monitor, window, run, ["epoch", "row"], since=run)
        epochs, places = table["epoch"].to_numpy(), table["row"].to_numpy()
        for start in np.unique(epochs).tolist():
            rows.setdefault(start, []).append(places[epochs == start])
    named = {Window(datetime.fromtimestamp(start, UTC), run.every): np.concatenate(p) for start, p in rows.items()}
    bits, counts = {}, {}
    for epoch, places in sorted(named.items()):
        flags = np.zeros(int(places.max()) + 1, bool)
        flags[places] = True
        bits[epoch.label], counts[epoch] = np.packbits(flags), int(flags.sum())
    if bits or monitor.store.exists(monitor.layout.matched_labels(run)):
        monitor.store.put(monitor.layout.matched_labels(run), documents.pack(MATCHED, 1, {}, bits))
    return counts
