"""What a run read, brought together: duplicates dropped, and for each window the profile of what it got.

A record is a duplicate when its event id came before: earlier in the same run, in the run before, or in an earlier
run for the same window. So what a run drops depends on no more than its own captures and those of one run before it,
unless records come late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any, Self

import numpy as np
import pyarrow as pa

from monitoring import documents
from monitoring.baseline import baseline_for
from monitoring.capture.pinning import load_manifest, looked_back, pin, pinned
from monitoring.capture.quarantine import Origin, Quarantined, Reason
from monitoring.capture.records import Half, from_parquet
from monitoring.engine.fingerprints import Fingerprints, find_repeats, id_fingerprints
from monitoring.engine.halves import Pairs, alone
from monitoring.engine.parts import Target, part_profile, profile_of, spec_of
from monitoring.engine.reading import Batch, Sorter, batch_count, load_batch, manifest_reader, read_batch, reread
from monitoring.errors import ObjectMissingError, StoredDocumentError
from monitoring.monitor import Monitor
from monitoring.profile import Packed, WindowProfile
from monitoring.store import ObjectInfo
from monitoring.window import Window

KIND, SCHEMA_VERSION = "intake", 1
WAITING = "waiting"


@dataclass(frozen=True)
class Brought:
    """What a run brought to one window: `read = profiled + duplicate`.

    Attributes:
        read: Records of the window.
        profiled: Those that count.
        duplicate: Those whose event id came before.
        conflicting: Duplicates that say something else than the record before them.
        missing_columns: Rows without a feature that the records read together lack, by feature.
        changed_columns: Rows with a value that does not parse, like most, by feature.
        new_columns: Columns that no feature declares.
        parts: The keys of the parts, without extension, with their rows and the runs of rows that are dropped.
    """

    read: int
    profiled: int
    duplicate: int
    conflicting: int
    missing_columns: dict[str, int]
    changed_columns: dict[str, int]
    new_columns: tuple[str, ...]
    parts: tuple[tuple[str, int, tuple[tuple[int, int], ...]], ...]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From the JSON values of `asdict`."""
        parts = tuple((key, rows, tuple((at, n) for at, n in dropped)) for key, rows, dropped in data["parts"])
        return cls(**{**data, "new_columns": tuple(data["new_columns"]), "parts": parts})


@dataclass(frozen=True)
class Intake:
    """What a run read: `read = profiled + duplicate + quarantined`.

    Attributes:
        read: Rows that were read.
        profiled: Rows that count, of all windows.
        duplicate: Rows whose event id came before.
        conflicting: Duplicates that say something else than the record before them.
        quarantined: Rows that could not be used, by reason.
        waiting: Rows of one side, whose other side may still come.
        targets: The windows that got records, and how many of them count.
        content: Hash of every object's key and content.
        brought: For each window that got records, a hash of what tells which ones they are.
    """

    read: int
    profiled: int
    duplicate: int
    conflicting: int
    quarantined: dict[str, int]
    waiting: int
    targets: dict[str, int]
    content: str
    brought: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, monitor: Monitor, window: Window) -> Self:
        """What `complete` wrote."""
        key = monitor.layout.intake(window)
        return cls.decode(monitor.store.get(key), key)

    @classmethod
    def decode(cls, data: bytes, where: str) -> Self:
        """The same, from its bytes."""
        return cls(**documents.decode(data, KIND, SCHEMA_VERSION, where))


@dataclass(frozen=True)
class _Part:
    """One part of a run: records of one window, and the runs of rows that are not looked at."""

    window: Window
    key: str
    rows: int
    without: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class _Waiting:
    """One side that waits: its object, and since which run."""

    info: ObjectInfo
    since: str
    rows: int
    key: str


def load_intakes(monitor: Monitor, windows: Iterable[Window]) -> dict[Window, Intake]:
    """What the runs of some windows have read, of those that are complete, several read at once."""
    infos = {monitor.layout.intake(window): window for window in windows}
    found = {}
    for info, content in monitor.store.read_many(ObjectInfo(key, 0, "") for key in infos):
        if isinstance(content, bytes):
            found[infos[info.key]] = Intake.decode(content, info.key)
        elif not isinstance(content, ObjectMissingError) and content is not None:
            raise content
    return found


def is_complete(monitor: Monitor, window: Window) -> bool:
    """Whether everything that a window's run reads was read."""
    return monitor.store.exists(monitor.layout.intake(window))


def ensure_complete(monitor: Monitor, window: Window) -> None:
    """Read what a window's run reads, if it has not come yet, so that what looks back at it finds it."""
    missing = [window]
    while monitor.started(missing[-1]) and not is_complete(monitor, missing[-1]):
        # what comes late for a window that was read must not end in a run that is never completed
        if monitor.config.capture.dates == "nothing" or not any(
            pinned(monitor, w) for w in looked_back(monitor, missing[-1])
        ):
            missing.append(missing[-1].shift(-1))
            break
        missing.append(missing[-1].shift(-1))
    for run in missing[-2::-1]:
        _ensure_read(monitor, run)
        complete(monitor, run)


def _ensure_read(monitor: Monitor, window: Window) -> None:
    for batch in range(batch_count(pin(monitor, window))):
        # what another configuration has read stays as it is, until the window itself is run again
        if not monitor.store.exists(monitor.layout.batch(window, batch)):
            read_batch(monitor, window, batch)


def complete(monitor: Monitor, window: Window) -> Intake:
    """Bring the batches of a run together.

    Args:
        monitor: The model.
        window: The window of the run; all its batches were read.
    """
    manifest = load_manifest(monitor, window)
    batches = [load_batch(monitor, window, number) for number in range(batch_count(manifest))]
    joined, waiting = _join_waiting(monitor, window, batches)
    batches.append(joined)
    parts = list(_parts(monitor, window, batches))
    dropped, conflicting = _repeats(monitor, window, parts)
    by_window: dict[Window, list[int]] = {}
    for place, part in enumerate(parts):
        by_window.setdefault(part.window, []).append(place)
    brought = {}
    for target, places in sorted(by_window.items()):
        found = [(parts[i], dropped[i]) for i in places]
        brought[target] = _bring(monitor, target, window, found, [b.targets.get(target) for b in batches], conflicting)
    repeated = sum(batch.repeated for batch in batches)
    intake = Intake(
        read=sum(batch.read for batch in batches),
        profiled=sum(item.profiled for item in brought.values()),
        duplicate=sum(item.duplicate for item in brought.values()) + repeated,
        conflicting=sum(item.conflicting for item in brought.values()),
        quarantined=_sum(batch.quarantined for batch in batches),
        waiting=sum(item.rows for item in waiting),
        targets={target.label: item.profiled for target, item in brought.items()},
        content=documents.fingerprint([batch.content for batch in batches]),
        brought={target.label: documents.fingerprint([item.parts]) for target, item in brought.items()},
    )
    counted = intake.profiled + intake.duplicate + sum(intake.quarantined.values())
    if intake.read != counted:
        where = monitor.layout.intake(window)
        raise StoredDocumentError(f"{intake.read} records read, {counted} accounted for", where=where)
    _forget_earlier_readings(monitor, window, batches, intake, {part.key for part in parts})
    if monitor.config.columns.hides:  # records as they were captured must not stay here
        waits = {item.info.key for item in waiting}
        for info in (info for info in manifest.replayed if info.key not in waits):
            monitor.store.delete(info.key)
    return intake


def _forget_earlier_readings(
    monitor: Monitor, window: Window, batches: list[Batch], intake: Intake, current: set[str]
) -> None:
    """Write down what a run has read now, and take away what it had read in another way."""
    before = {label for batch in batches for label in batch.earlier}
    before |= set(Intake.load(monitor, window).targets) if is_complete(monitor, window) else set()
    for label in before - set(intake.targets):
        monitor.store.delete(monitor.layout.arrival(monitor.window(label), window))
    monitor.store.put(monitor.layout.intake(window), documents.encode(KIND, SCHEMA_VERSION, asdict(intake)))
    for label in before:
        for key in monitor.store.keys(monitor.layout.parts(monitor.window(label), window)):
            if key.rpartition(".")[0] not in current:
                monitor.store.delete(key)


def _sum(parts: Iterable[Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(parts, Counter[str]()).items()))


def _parts(monitor: Monitor, window: Window, batches: list[Batch]) -> Iterable[_Part]:
    """Every part of a run, in the order of its batches."""
    for number, batch in enumerate(batches):
        for target, brought in sorted(batch.targets.items()):
            for index, rows in enumerate(brought.rows):
                yield _Part(target, monitor.layout.part(target, window, number, index, batch.reader), rows)


def _prints(monitor: Monitor, parts: Iterable[_Part]) -> list[Fingerprints]:
    found = []
    for part in parts:
        prints = Fingerprints.unpack(monitor.store.get(f"{part.key}.arrow"))
        keep = np.ones(len(prints), bool)
        for at, count in part.without:
            keep[at : at + count] = False
        found.append(prints if keep.all() else prints.take(np.flatnonzero(keep)))
    return found


def _repeats(monitor: Monitor, window: Window, parts: list[_Part]) -> tuple[list[Any], dict[str, int]]:
    """The rows of each part whose event id came before; and per part how many of them say something else."""
    own = _prints(monitor, parts)
    ends = np.cumsum([0, *(len(item) for item in own)])
    everything = Fingerprints.concat(own)
    found = find_repeats(everything, Fingerprints.concat(_prints(monitor, _parts_of_run_before(monitor, window))))
    drop, conflict = np.zeros(len(everything), bool), np.zeros(len(everything), bool)
    drop[found.dropped], conflict[found.conflicting] = True, True
    for target, group in groupby(
        sorted(range(len(parts)), key=lambda i: (parts[i].window, i)), lambda i: parts[i].window
    ):
        before = _prints(monitor, _earlier_parts(monitor, target, window, and_later=is_complete(monitor, window)))
        if before:
            rows = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in group])
            rows = rows[~drop[rows]]
            again = find_repeats(everything.take(rows), Fingerprints.concat(before))
            drop[rows[again.dropped]], conflict[rows[again.conflicting]] = True, True
    pieces = [np.flatnonzero(drop[ends[i] : ends[i + 1]]) for i in range(len(parts))]
    return pieces, {part.key: int(conflict[ends[i] : ends[i + 1]].sum()) for i, part in enumerate(parts)}


def _parts_of_run_before(monitor: Monitor, window: Window) -> list[_Part]:
    before = window.shift(-1)
    if monitor.config.capture.dates == "nothing" or not monitor.started(before):
        return []
    _ensure_read(monitor, before)
    batches = [load_batch(monitor, before, i) for i in range(batch_count(load_manifest(monitor, before)))]
    return list(_parts(monitor, before, batches))


def _earlier_parts(monitor: Monitor, target: Window, run: Window, *, and_later: bool = False) -> list[_Part]:
    """What other runs had brought to a window before this run; that of the run just before is looked at anyway.

    A run that is read once more, maybe in another way, must not bring again what later runs have brought.
    """
    seen = visible_runs(monitor, target, run)
    dated = monitor.config.capture.dates != "nothing"
    others = [other for other in seen if other != run and not (dated and other == run.shift(-1))]
    if and_later:
        others += [other for other in runs_with_arrivals(monitor, target) if other > run and other not in others]
    found = [(other, brought_by(monitor, target, other)) for other in others]
    return [
        _Part(target, key, rows, dropped if other > run else ())
        for other, item in found
        for key, rows, dropped in item.parts
    ]


def visible_runs(monitor: Monitor, window: Window, until: Window) -> list[Window]:
    """The runs that brought records to a window, as far as the run of `until` knew, oldest first."""
    runs = runs_with_arrivals(monitor, window)
    later = [run for run in runs if run > until]
    if later:
        earlier = load_manifest(monitor, until).earlier if pinned(monitor, until) else frozenset()
        later = [run for run in later if run in earlier]
    return [*(run for run in runs if run <= until), *later]


def runs_with_arrivals(monitor: Monitor, window: Window) -> list[Window]:
    """The runs that brought records to a window, oldest first."""
    prefix = monitor.layout.arrivals(window)
    names = [key.removeprefix(prefix).removesuffix(".bin") for key in monitor.store.keys(prefix)]
    return sorted(run for name in names if (run := monitor.window_or_none(name)) is not None)


def brought_by(monitor: Monitor, window: Window, run: Window) -> Brought:
    """What one run brought to a window."""
    return Brought.from_json(packed_arrival(monitor, window, run).about["brought"])


def packed_arrival(monitor: Monitor, window: Window, run: Window) -> Packed:
    """The stored profile of what one run brought to a window."""
    key = monitor.layout.arrival(window, run)
    return Packed.read(monitor.store.get(key), key)


def _bring(
    monitor: Monitor,
    target: Window,
    run: Window,
    parts: list[tuple[_Part, Any]],
    of_batches: list[Target | None],
    conflicting: dict[str, int],
) -> Brought:
    """Write what a run brought to a window: its profile without the rows that are dropped."""
    baseline = baseline_for(monitor, target)
    profile = WindowProfile.empty(spec_of(baseline))
    for part, dropped in parts:
        found = None if len(dropped) else part_profile(monitor, part.key, baseline)
        profile = profile.merge(found or profile_of(_without(monitor, part.key, dropped), baseline))
    read, gone = sum(part.rows for part, _ in parts), sum(len(dropped) for _, dropped in parts)
    targets = [item for item in of_batches if item is not None]
    brought = Brought(
        read=read,
        profiled=read - gone,
        duplicate=gone,
        conflicting=sum(conflicting[part.key] for part, _ in parts),
        missing_columns=_sum(Counter(item.missing_columns) for item in targets),
        changed_columns=_sum(Counter(item.changed_columns) for item in targets),
        new_columns=tuple(sorted({name for item in targets for name in item.new_columns})),
        parts=tuple((part.key, part.rows, _runs(dropped)) for part, dropped in parts),
    )
    version = baseline.version if baseline else ""
    monitor.store.put(monitor.layout.arrival(target, run), profile.pack(brought=asdict(brought), baseline=version))
    return brought


def _runs(rows: Any) -> tuple[tuple[int, int], ...]:
    """Ascending row numbers as runs: first and count."""
    if not len(rows):
        return ()
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    counts = np.diff(np.append(starts, len(rows)))
    return tuple((int(rows[at]), int(n)) for at, n in zip(starts, counts, strict=True))


def _without(monitor: Monitor, key: str, dropped: Any) -> pa.Table:
    table = from_parquet(monitor.store.get(f"{key}.parquet"))
    keep = np.ones(table.num_rows, bool)
    keep[dropped] = False
    return table.filter(pa.array(keep))


def _join_waiting(monitor: Monitor, window: Window, batches: list[Batch]) -> tuple[Batch, list[_Waiting]]:
    """Join the sides that no batch could join by itself; what waits on.

    Sides are not stored while they wait, since nothing may be stored that privacy forbids: their objects are read
    once more.
    """
    candidates = _candidates(monitor, window, batches)
    how = manifest_reader(monitor, load_manifest(monitor, window))
    bounded = not any(info.key.startswith(monitor.layout.replays) for info, _ in candidates)
    sorter = Sorter(monitor, window, len(batches), how, bounded=bounded)
    pairs, left = Pairs(), []
    place_of: dict[str, tuple[ObjectInfo, str]] = {}
    for info, keys in candidates:
        for half in reread(monitor, info):
            if isinstance(half, Half) and half.key in keys:
                place_of[half.key] = (info, keys.pop(half.key))
                sorter.add(pairs.add(half, 0))
        for key, since in sorted(keys.items()):  # the object has gone, or is another one now
            if _is_over(monitor, since, window):
                sorter.add([Quarantined(Reason.MISSING_OBJECT, "a side that waited", Origin(info.key, 0, b""))])
            else:
                left.append(_Waiting(info, since, 1, key))
    rest, again = _without_those_that_came_before(monitor, window, batches, pairs.rest())
    for half in rest:
        info, since = place_of[half.key]
        if _is_over(monitor, since, window):
            sorter.add([alone(half)])
        else:
            left.append(_Waiting(info, since, max(len(half.rows), 1), half.key))
    sorter.close()
    sorter.batch.repeated = pairs.repeated + again
    sorter.batch.read += sorter.batch.repeated
    _write_waiting(monitor, window, left)
    return sorter.batch, left


def _candidates(monitor: Monitor, window: Window, batches: list[Batch]) -> list[tuple[ObjectInfo, dict[str, str]]]:
    """The objects with sides that wait; of each side its key, and since which run it waits."""
    manifest = load_manifest(monitor, window)
    found: dict[str, tuple[ObjectInfo, dict[str, str]]] = {}
    for info, since, key in _waited(monitor, window):
        found.setdefault(info.key, (info, {}))[1][key] = since
    for number, batch in enumerate(batches):
        objects = manifest.objects if number < len(manifest.batches) else manifest.replayed
        for key, _, index in batch.waiting:
            found.setdefault(objects[index].key, (objects[index], {}))[1].setdefault(key, window.label)
    return list(found.values())


def _without_those_that_came_before(
    monitor: Monitor, window: Window, batches: list[Batch], halves: list[Half]
) -> tuple[list[Half], int]:
    """The sides of inferences that are not there yet, and how many rows the other sides have."""
    if not halves:
        return [], 0
    windows = {Window.containing(half.event_time, window.every) for half in halves if half.event_time}
    parts = [*_parts(monitor, window, batches), *_parts_of_run_before(monitor, window)]
    parts += [part for target in sorted(windows) for part in _earlier_parts(monitor, target, window)]
    prints = Fingerprints.concat(_prints(monitor, parts))
    known = set(zip(prints.ids.tolist(), prints.ids2.tolist(), strict=True))
    new = [half for half in halves if not half.ids or not known.issuperset(id_fingerprints(half.ids))]
    return new, sum(len(half.rows) for half in halves) - sum(len(half.rows) for half in new)


def _is_over(monitor: Monitor, since: str, window: Window) -> bool:
    """Whether a side has waited long enough."""
    return monitor.window(since).end + monitor.config.capture.late <= window.start


def _waited(monitor: Monitor, window: Window) -> list[tuple[ObjectInfo, str, str]]:
    """What waited after the last run before this one, however long ago that was."""
    before = [past for past in monitor.windows() if past < window]
    last = next((past for past in reversed(before) if is_complete(monitor, past)), None)
    key = monitor.layout.waiting(last) if last else ""
    if not key or not monitor.store.exists(key):
        return []
    body = documents.decode(monitor.store.get(key), WAITING, 1, key)
    return [(ObjectInfo(i["key"], i["size"], i["etag"]), i["since"], i["inference"]) for i in body["sides"]]


def _write_waiting(monitor: Monitor, window: Window, left: list[_Waiting]) -> None:
    sides = [
        {"key": w.info.key, "size": w.info.size, "etag": w.info.etag, "since": w.since, "inference": w.key}
        for w in left
    ]
    key = monitor.layout.waiting(window)
    if sides or monitor.store.exists(key):
        monitor.store.put(key, documents.encode(WAITING, 1, {"sides": sides}))
