"""Pin the capture objects that a run reads, so that every retry reads the same ones: its intake.

The intake of window W holds the objects of its folders, and stragglers: objects that appeared in the folders of
earlier windows after those had been pinned, or that were changed since. Records are sorted into windows by their own
time, so an intake may bring records to other windows than its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring import documents
from monitoring.capture.readers import Reader, group_of, readers
from monitoring.capture.readers.noise import is_noise
from monitoring.monitor import Monitor
from monitoring.store import ObjectInfo, Store
from monitoring.window import Window, iso

KIND, SCHEMA_VERSION = "manifest", 2
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# More objects than this are not put into one batch, however small they are.
_MOST_IN_A_BATCH = 5000


@dataclass(frozen=True)
class Manifest:
    """The pinned capture objects of a run.

    Attributes:
        window: The window of the run.
        objects: The objects, sorted by key.
        batches: Indices into `objects`, one list per batch.
        replayed: Quarantined records that are read once more: objects in the monitor's own store.
        earlier: Runs of later windows whose intakes were there already, where objects say nothing about time.
        reader: What decides how the objects are read.
    """

    window: Window
    objects: tuple[ObjectInfo, ...]
    batches: tuple[tuple[int, ...], ...]
    replayed: tuple[ObjectInfo, ...] = field(default=())
    earlier: frozenset[Window] = frozenset()
    reader: str = ""

    def batch(self, index: int) -> list[ObjectInfo]:
        """The objects of one batch."""
        return [self.objects[i] for i in self.batches[index]]


def pin(monitor: Monitor, window: Window) -> Manifest:
    """The manifest of a window's run: the one that is there, or a new one from a listing."""
    key = monitor.layout.manifest(window)
    if not monitor.store.exists(key):
        known = readers(monitor.config)
        found = [info for info in _new_objects(monitor, window) if info.size and not is_noise(info.key)]
        objects = sorted(found)
        replayed = _unread(monitor, window)
        body = {
            "model": monitor.config.name,
            "window": {"start": iso(window.start), "end": iso(window.end)},
            "reader": monitor.config.capture.format,
            "config": monitor.config.fingerprint(),
            "objects": [_to_json(info, timed=any(not item.timed for item in known)) for info in objects],
            "batches": _batches(objects, monitor.config.capture.batch_bytes, known),
            "replayed": [_to_json(info, timed=False) for info in replayed],
            "earlier": [other.label for other in _later_runs(monitor, window)],
        }
        # whoever comes second reads the first one's list
        monitor.store.put_if_absent(key, documents.encode(KIND, SCHEMA_VERSION, body))
    return load_manifest(monitor, window)


def load_manifest(monitor: Monitor, window: Window) -> Manifest:
    """The manifest that `pin` wrote."""
    key = monitor.layout.manifest(window)
    body: dict[str, Any] = documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)
    return Manifest(
        window,
        tuple(_from_json(item) for item in body["objects"]),
        tuple(tuple(batch) for batch in body["batches"]),
        tuple(_from_json(item) for item in body["replayed"]),
        frozenset(monitor.window(label) for label in body["earlier"]),
        documents.fingerprint([body["reader"], body["config"]]),
    )


def pinned(monitor: Monitor, window: Window) -> bool:
    """Whether the captures of a window's run are pinned."""
    return monitor.store.exists(monitor.layout.manifest(window))


def _to_json(info: ObjectInfo, *, timed: bool) -> dict[str, Any]:
    # the time of an object counts only where its records have none; it differs from copy to copy
    return {"key": info.key, "size": info.size, "etag": info.etag} | ({"modified": iso(info.modified)} if timed else {})


def _from_json(item: dict[str, Any]) -> ObjectInfo:
    written = datetime.fromisoformat(item["modified"]) if "modified" in item else datetime(1970, 1, 1, tzinfo=UTC)
    return ObjectInfo(item["key"], item["size"], item["etag"], written)


def _new_objects(monitor: Monitor, window: Window) -> list[ObjectInfo]:
    """The objects of this run: those of its time, and those that no earlier run has read as they are now."""
    store, prefix = monitor.source(monitor.config.capture.uri)
    if monitor.config.capture.dates == "nothing":
        known = _known(monitor, [other for other in windows_with_manifest(monitor) if other != window])
        return [info for info in store.objects(prefix) if (info.key, info.etag) not in known]
    own = list(_dated(monitor, store, prefix, *_interval(monitor, window)))
    earlier = [past for past in looked_back(monitor, window) if pinned(monitor, past)]
    if not earlier:
        return own
    known = _known(monitor, earlier)
    end = _interval(monitor, window)[1]
    late = [
        i for past in earlier for i in _dated(monitor, store, prefix, *_interval(monitor, past), written_before=end)
    ]
    return [*own, *{info for info in late if (info.key, info.etag) not in known} - set(own)]


def looked_back(monitor: Monitor, window: Window) -> list[Window]:
    """The windows before this one that may still get captures."""
    found, oldest = [], window.start - monitor.config.capture.late
    past = window.shift(-1)
    while past.end > oldest and monitor.started(past):
        found.append(past)
        past = past.shift(-1)
    return found[::-1]


def _known(monitor: Monitor, windows: Iterable[Window]) -> set[tuple[str, str]]:
    return {(info.key, info.etag) for other in windows for info in load_manifest(monitor, other).objects}


def windows_with_manifest(monitor: Monitor) -> list[Window]:
    """The windows whose runs have pinned captures, oldest first."""
    return [window for window in monitor.windows() if pinned(monitor, window)]


def _later_runs(monitor: Monitor, window: Window) -> list[Window]:
    if monitor.config.capture.dates != "nothing":
        return []
    return [other for other in windows_with_manifest(monitor) if other > window]


def _interval(monitor: Monitor, window: Window) -> tuple[datetime, datetime]:
    """Which objects belong to a window's run: those of a time in `[start, end)`, or delivered in it."""
    if monitor.config.capture.dates == "inference":
        return window.start, window.end
    return monitor.as_of(window.shift(-1)), monitor.as_of(window)


def _dated(
    monitor: Monitor,
    store: Store,
    prefix: str,
    start: datetime,
    end: datetime,
    *,
    written_before: datetime | None = None,
) -> Iterator[ObjectInfo]:
    """The objects of an interval; also those written later into its folders, where the objects' own time counts."""
    capture = monitor.config.capture
    if not capture.folders:
        yield from (info for info in store.objects(prefix) if start <= info.modified < end)
        return
    by_delivery = capture.dates == "delivery"
    step = _HOUR if capture.hourly else _DAY
    folder = start.replace(minute=0, second=0, microsecond=0) if capture.hourly else _midnight(start)
    prefixes: list[str] = []
    while folder < end:
        # delivered by the folder's end: until then more may come
        if not by_delivery or not capture.hourly or start < folder + step <= end:
            prefixes += (f"{prefix}{text}/" for text in folders_of(store, prefix, folder.strftime(capture.folders)))
        folder += step
    found = store.list_many(prefixes)
    first = datetime.min.replace(tzinfo=UTC) if written_before else start
    for info in found:
        if capture.hourly or not by_delivery or first <= info.modified < (written_before or end):
            yield info


def folders_of(store: Store, prefix: str, pattern: str) -> list[str]:
    """The pattern with a folder's name for its `*`, one for each folder that is there."""
    first, star, rest = pattern.partition("*/")
    if not star:
        return [pattern]
    return [f"{first}{name}/{end}" for name in store.folders(prefix + first) for end in folders_of(store, prefix, rest)]


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _unread(monitor: Monitor, window: Window) -> list[ObjectInfo]:
    """Records taken out of the quarantine that no other run has read yet."""
    waiting = monitor.store.objects(monitor.layout.replays)
    if not waiting:
        return []
    taken = replayed_keys(monitor, but_for=window)
    return [info for info in waiting if info.key not in taken]


def replayed_keys(monitor: Monitor, *, but_for: Window | None = None) -> set[str]:
    """The records taken out of the quarantine that a run has read, but for those of one run."""
    runs = (run for run in windows_with_manifest(monitor) if run != but_for)
    return {info.key for run in runs for info in load_manifest(monitor, run).replayed}


def _batches(objects: list[ObjectInfo], batch_bytes: int, known: list[Reader]) -> list[list[int]]:
    """Objects in batches of about the same size; objects that belong together are in one batch."""
    group: Callable[[str], str] = group_of(known)
    members: dict[str, list[int]] = {}
    for index, info in enumerate(objects):
        members.setdefault(group(info.key), []).append(index)
    batches: list[list[int]] = []
    size = 0
    for indices in members.values():
        of_group = sum(objects[i].size for i in indices)
        full = bool(batches) and len(batches[-1]) + len(indices) > _MOST_IN_A_BATCH
        if not batches or full or size + of_group > batch_bytes:
            batches.append([])
            size = 0
        batches[-1] += indices
        size += of_group
    return batches
