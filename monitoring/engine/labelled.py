"""The labelled records of a window, as far as some run knew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.engine.intake import visible_runs
from monitoring.engine.label_rows import read_arrow, stored_labels, write_arrow
from monitoring.engine.matching import Bits
from monitoring.engine.windows import load_records, profiled_by
from monitoring.errors import StoredDocumentError
from monitoring.labels.epochs import load_epoch
from monitoring.labels.schema import label_schema
from monitoring.labels.settle import ORDER, Ints, Rank, Settled, settle
from monitoring.monitor import Monitor
from monitoring.profile.fixed_point import BoolArray
from monitoring.window import Window


def labelled_schema(monitor: Monitor) -> pa.Schema:
    """A label, where it comes from, and which record of which run it belongs to."""
    stored = stored_labels(label_schema(monitor.config).field("label").type)
    own = [field for field in stored if field.name != "id2"]
    return pa.schema([*own, *((name, pa.int64()) for name in ("epoch", "row", "run", "place"))])


def write_labelled(monitor: Monitor, key: str, table: pa.Table) -> pa.Table:
    """Write labelled records in the order of their ids, the same bytes for the same ones."""
    table = table.select(labelled_schema(monitor).names).cast(labelled_schema(monitor))
    ids, epochs, rows = (table[name].to_numpy() for name in ("id", "epoch", "row"))
    ordered = table.take(np.lexsort((rows, epochs, ids)))
    monitor.store.put(key, write_arrow(ordered))
    return ordered


def load_labelled(
    monitor: Monitor, window: Window, until: Window, columns: list[str], *, since: Window | None = None
) -> pa.Table:
    """Every label of a window's records that the run of `until` knew, older ones included.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
        columns: Which columns of `labelled_schema`.
        since: Only what this run and later ones have found.
    """
    wanted = pa.schema([labelled_schema(monitor).field(name) for name in columns])
    return pa.concat_tables([wanted.empty_table(), *_found_by_run(monitor, window, until, wanted, since)])


def _found_by_run(
    monitor: Monitor, window: Window, until: Window, wanted: pa.Schema, since: Window | None = None
) -> Iterator[pa.Table]:
    """What each run has found, in the order of the records' ids."""
    for run, later in _runs(monitor, window, until):
        if since is not None and run < since:
            continue
        key = monitor.layout.labelled(window, run)
        data = monitor.store.get(key)
        table = _conformed(read_arrow(data, _there(data, wanted.names)), wanted, key)
        if later:  # a run that came before: of what it found, only labels of that time count
            known = read_arrow(data, ["epoch"])["epoch"].to_numpy() <= int(until.start.timestamp())
            table = table.filter(pa.array(known))
        yield table


def are_labelled(monitor: Monitor, window: Window, until: Window, ids: Bits) -> BoolArray:
    """Which of some records of a window have a label that the run of `until` knew.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
        ids: The first 64 bits of the records' ids, ascending, shape (n,).
    """
    found = np.zeros(len(ids), bool)
    for table in _found_by_run(monitor, window, until, pa.schema([("id", pa.uint64())])):
        known = table["id"].to_numpy()
        if len(known):
            found |= known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] == ids
    return found


def settled(monitor: Monitor, window: Window, until: Window, columns: list[str]) -> Settled:
    """The labelled records of a window as the run of `until` knew them, each once, with the label that counts."""
    found = load_labelled(monitor, window, until, ["id", *(name for name in columns if name != "id")])
    ids = np.sort(found["id"].to_numpy())
    if not (ids[1:] == ids[:-1]).any():
        return Settled(found, 0, 0, 0)
    everything = list(dict.fromkeys(["id", *columns, "label", *ORDER]))
    return settle(load_labelled(monitor, window, until, everything), rank_in(monitor))


@dataclass(frozen=True)
class WindowLabels:
    """What became of the labels of a window.

    Attributes:
        records: Records of the window.
        labelled: Those with a label.
        superseded: Labels that a newer one of their record replaced.
        corrected: Records whose label says something else than one before it.
        conflicting: Records with different labels of one time.
    """

    records: int
    labelled: int
    superseded: int
    corrected: int
    conflicting: int

    def coverage(self) -> float | None:
        """Share of records with a label; None without records."""
        return self.labelled / self.records if self.records else None


@dataclass(frozen=True, eq=False)
class LabelledWindow:
    """The records of a window beside their labels, as some run knew them.

    Attributes:
        records: Some columns of all records, in the order in which they came.
        label: One per record, null where there is none; a dictionary of classes, or numbers.
        counts: What became of the labels.
        found: The labels that count.
        places: Which record each of them belongs to.
    """

    records: pa.Table
    label: pa.Array
    counts: WindowLabels
    found: pa.Table
    places: Ints

    @property
    def weight(self) -> pa.Array:
        """How much each record's label counts, null for 1."""
        return _placed(self.found["weight"].combine_chunks(), self.places, self.records.num_rows)


def labelled_window(monitor: Monitor, window: Window, until: Window, columns: list[str] | None) -> LabelledWindow:
    """The records of a window and the labels that the run of `until` knew.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
        columns: Of the records; all by default.
    """
    records = load_records(monitor, window, columns, until)
    found = settled(monitor, window, until, ["label", "weight", "run", "place"])
    rows, runs, first = found.rows, found.rows["run"].to_numpy(), 0
    places = np.full(len(runs), -1, np.int64)
    for run in visible_runs(monitor, window, until):
        mine = runs == int(run.start.timestamp())
        places[mine] = rows["place"].to_numpy()[mine] + first
        first += profiled_by(monitor, window, run)
    if (places < 0).any():  # where windows run out of their order
        rows, places = rows.filter(pa.array(places >= 0)), places[places >= 0]
    label = _placed(rows["label"].combine_chunks(), places, records.num_rows)
    labelled = records.num_rows - label.null_count
    counts = WindowLabels(records.num_rows, labelled, found.superseded, found.corrected, found.conflicting)
    return LabelledWindow(records, label, counts, rows, places)


def _placed(values: pa.Array, places: Ints, size: int) -> pa.Array:
    """Values at some places, null elsewhere; texts as a dictionary."""
    if pa.types.is_string(values.type):
        coded = values.dictionary_encode()
        return pa.DictionaryArray.from_arrays(_placed(coded.indices, places, size), coded.dictionary)
    filled = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
    body, absent = np.zeros(size, filled.dtype), np.ones(size, bool)
    body[places] = filled
    absent[places] = values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(body, values.type, mask=absent)


def rank_in(monitor: Monitor) -> Rank:
    """The rank of label objects by key, then by version."""

    @cache
    def objects(start: int) -> list[tuple[str, int]]:
        epoch = load_epoch(monitor, Window(datetime.fromtimestamp(start, UTC), monitor.config.every))
        return [(item.info.key, item.version) for item in epoch.objects]

    def rank(epochs: Ints, sources: Ints) -> Ints:
        pairs = np.unique(np.stack([epochs, sources], axis=1), axis=0).tolist()
        names = {(epoch, source): objects(epoch)[source] for epoch, source in pairs}
        place = {name: i for i, name in enumerate(sorted(set(names.values())))}
        return np.array([place[names[pair]] for pair in zip(epochs.tolist(), sources.tolist(), strict=True)], np.int64)

    return rank


def _runs(monitor: Monitor, window: Window, until: Window) -> list[tuple[Window, bool]]:
    """The runs that found labels for a window, and whether they are later ones whose records were known at once."""
    prefix = monitor.layout.labelled_records(window)
    names = [key.removeprefix(prefix).removesuffix(".arrow") for key in monitor.store.keys(prefix)]
    runs = sorted(run for name in names if (run := monitor.window_or_none(name)) is not None)
    at_once = {run for run in visible_runs(monitor, window, until) if run > until}
    return [(run, run > until) for run in runs if run <= until or run in at_once]


def _there(data: bytes, columns: list[str]) -> list[str]:
    schema = pa.ipc.open_file(pa.py_buffer(data)).schema
    return [name for name in columns if name in schema.names]


def _conformed(table: pa.Table, wanted: pa.Schema, where: str) -> pa.Table:
    """The wanted columns; null where they were not declared when the labels were joined."""
    body: dict[str, Any] = {}
    for item in wanted:
        found = table[item.name] if item.name in table.column_names else pa.nulls(table.num_rows, item.type)
        if found.type != item.type:
            raise StoredDocumentError(
                f"{item.name} is {found.type} and should be {item.type}",
                where=where,
                hint="the model's task has changed: give the model another name, or another store",
            )
        body[item.name] = found
    return pa.table(body, schema=wanted)
