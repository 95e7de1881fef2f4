"""The quarantine by hand: what is in it, what a record looks like, and reading it again after a fix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, cast

from monitoring.capture.objects import CaptureObject
from monitoring.capture.pinning import replayed_keys
from monitoring.capture.quarantine import Quarantined, Reason, parse_quarantine
from monitoring.capture.readers import reader, readers
from monitoring.documents import fingerprint
from monitoring.engine.reading import NO_TIME, TIME
from monitoring.errors import ConfigError, ObjectMissingError
from monitoring.monitor import Monitor
from monitoring.store import Store
from monitoring.window import Window

# Of these there are no bytes but the object's own.
_WHOLE_OBJECT = {Reason.MISSING_OBJECT, Reason.CHANGED_OBJECT, Reason.BAD_OBJECT, Reason.UNKNOWN_FORMAT}
_LARGEST_REPLAYED = 256 * 2**20
_LINES = 10_000


@dataclass(frozen=True)
class QuarantinedGroup:
    """The records of one run that one reason sets aside.

    Attributes:
        window: The window of the run.
        reason: Why.
        records: How many.
        rows: How many rows they would have had.
        replayed: How many of the records were taken out to be read again.
        read_again: Whether all of those were read again.
        example: What is said of the first of them.
        key: The object of the first of them.
    """

    window: Window
    reason: Reason
    records: int
    rows: int
    replayed: int
    read_again: bool
    example: str
    key: str


@dataclass(frozen=True)
class Replay:
    """Records that the next run reads again.

    Attributes:
        records: How many.
        objects: The objects that hold them now.
        lost: Records that cannot be read again, since neither they nor their objects are kept.
    """

    records: int
    objects: tuple[str, ...]
    lost: int


def list_quarantine(monitor: Monitor, window: Window | None = None) -> list[QuarantinedGroup]:
    """What is in quarantine, by run and reason, oldest first.

    Args:
        monitor: The model.
        window: Only what the run of this window set aside.
    """
    groups: dict[tuple[Window, Reason], list[tuple[str, Quarantined]]] = defaultdict(list)
    for run, file, item in _items(monitor, window, None):
        groups[run, item.reason].append((file, item))
    taken = replayed_keys(monitor)
    waiting = {info.key for info in monitor.store.objects(monitor.layout.replays)}
    found = []
    for (run, reason), items in sorted(groups.items()):
        by_file: dict[str, list[Quarantined]] = defaultdict(list)
        for file, item in items:
            by_file[file].append(item)
        marks = {file: f"/{_name(run, file, reason, of_file)}-" for file, of_file in by_file.items()}
        keys = [[key for key in waiting | taken if marks[file] in key] for file, _ in items]
        found.append(
            QuarantinedGroup(
                window=run,
                reason=reason,
                records=len(items),
                rows=sum(item.rows for _, item in items),
                replayed=sum(bool(mine) for mine in keys),
                read_again=all(key in taken for mine in keys for key in mine),
                example=items[0][1].detail,
                key=items[0][1].origin.key,
            )
        )
    return found


def show_quarantine(
    monitor: Monitor, window: Window | None = None, reason: Reason | None = None
) -> Iterator[tuple[Window, Quarantined]]:
    """Each record in quarantine, with the window of the run that set it aside."""
    for run, _, item in _items(monitor, window, reason):
        yield run, item


def replay(monitor: Monitor, window: Window | None = None, reason: Reason | None = None) -> Replay:
    """Take records out, so that the next run reads them again with the configuration of then.

    They go into the windows of their own time, and make new revisions there. A record that was taken out before is
    not taken out again.

    Args:
        monitor: The model.
        window: Only what the run of this window set aside.
        reason: Only what was set aside for this reason.
    """
    by_file: dict[tuple[Window, str, Reason], list[Quarantined]] = defaultdict(list)
    for run, file, item in _items(monitor, window, reason):
        by_file[run, file, item.reason].append(item)
    written: list[str] = []
    places: set[tuple[str, int]] = set()
    records = lost = 0
    taken = replayed_keys(monitor)
    for (run, file, why), found in sorted(by_file.items()):
        # a record of many rows may stand here for each of them
        own = {(item.origin.key, item.origin.offset): item for item in found}
        items = [item for place, item in own.items() if place not in places]  # nor what two runs set aside
        places |= own.keys()
        name = _name(run, file, why, found)
        contents: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
        for item in items:
            content = _content(monitor, item)
            if content is None:
                lost += 1
                continue
            records += 1
            contents[content[0], _written(monitor, item), content[1]].append(content[2])
        for (kind, written_at, place), parts in contents.items():
            for number, data in enumerate(_objects_of(parts, place)):
                # the time of the object counts for records that say none
                key = f"{monitor.layout.replays}{kind}/{written_at}/{name}-{place}{number:05d}"
                if key not in taken and monitor.store.put_if_absent(key, data):
                    written.append(key)
    return Replay(records if written else 0, tuple(written), lost)


def _name(run: Window, file: str, reason: Reason, items: list[Quarantined]) -> str:
    """What the records of one file of the quarantine are called, once they are taken out."""
    places = [(item.origin.key, item.origin.offset, item.length) for item in items]
    return f"{run.label}-{file}-{reason}-{fingerprint(places)}"


def _objects_of(parts: list[bytes], place: str) -> Iterator[bytes]:
    """Lines together, and whole objects each by itself."""
    if place:
        yield from parts
        return
    for at in range(0, len(parts), _LINES):
        yield b"".join(part.rstrip(b"\n") + b"\n" for part in parts[at : at + _LINES])


def _content(monitor: Monitor, item: Quarantined) -> tuple[str, str, bytes] | None:
    """The format of a record, a mark if it is an object of its own, and its bytes; None when nothing is left of it."""
    store, key, kind = _source(monitor, item)
    try:
        if item.reason in _WHOLE_OBJECT:
            return kind, "object-", _whole(store, key)
        data = item.origin.data
        if len(data) < item.length or not data:
            # rows of Parquet have no bytes of their own
            there = None if kind == "parquet" else _read_there(store, key, item)
            if there is None:
                return None
            data = there
        if kind == "parquet":
            return "jsonl", "", data
        if kind == "csv" and monitor.config.capture.csv.header:
            return kind, "object-", _first_line(store, key) + data
        return kind, "object-" if b"\n" in data.strip() else "", data
    except ObjectMissingError:
        return None


def _source(monitor: Monitor, item: Quarantined) -> tuple[Store, str, str]:
    """The store and the key of a record's object, and its format."""
    key = item.origin.key
    if key.startswith(monitor.layout.replays):
        return monitor.store, key, key.removeprefix(monitor.layout.replays).split("/")[0]
    store, _ = monitor.source(monitor.config.capture.uri)
    known = readers(monitor.config)
    if len(known) == 1:
        return store, key, known[0].name
    head = _captured(store, key).head() if store.exists(key) else item.origin.data
    kind = next((candidate.name for candidate in known if candidate.knows(key, head)), known[0].name)
    return store, key, kind


def _written(monitor: Monitor, item: Quarantined) -> str:
    """When a record's object was last written."""
    store, key, kind = _source(monitor, item)
    if key.startswith(monitor.layout.replays):
        return key.removeprefix(monitor.layout.replays).split("/")[1]
    if reader(kind).timed:
        return NO_TIME
    found = next((info.modified for info in store.objects(key) if info.key == key), None)
    return found.strftime(TIME) if found else NO_TIME


def _captured(store: Store, key: str) -> CaptureObject:
    return CaptureObject(key, 0, cast("partial[BinaryIO]", partial(store.open, key)), partial(store.stream, key))


def _whole(store: Store, key: str) -> bytes:
    data = bytearray()
    for part in store.stream(key):
        data += part
        if len(data) > _LARGEST_REPLAYED:
            raise ConfigError(
                f"larger than {_LARGEST_REPLAYED} bytes",
                where=f"{store.uri}/{key}",
                hint="write it anew under another name: the next run reads it as a late object",
            )
    return bytes(data)


def _read_there(store: Store, key: str, item: Quarantined) -> bytes | None:
    """The bytes of a record, from its object; None when they are not in one place there."""
    end = item.origin.offset + item.length
    for piece in _captured(store, key).pieces():
        if isinstance(piece, Quarantined) or not piece.offset <= item.origin.offset < piece.offset + len(piece.data):
            continue
        if piece.offset + len(piece.data) >= end:
            data = piece.data[item.origin.offset - piece.offset : end - piece.offset]
            whole = item.origin.offset == 0 and end == piece.offset + len(piece.data)
            # two sides are longer than either of them: their bytes do not lie together
            return data if whole or b"\n" not in data.strip(b"\n") else None
    return None


def _first_line(store: Store, key: str) -> bytes:
    return _captured(store, key).head(1 << 20).split(b"\n", 1)[0] + b"\n"


def _items(monitor: Monitor, window: Window | None, reason: Reason | None) -> Iterator[tuple[Window, str, Quarantined]]:
    prefix = monitor.layout.quarantines
    for key in monitor.store.keys(f"{prefix}{window.label}/" if window else prefix):
        folder, _, file = key.removeprefix(prefix).partition("/")
        run = monitor.window_or_none(folder)
        if run is not None and file:
            for item in parse_quarantine(monitor.store.get(key)):
                if reason in (None, item.reason):
                    yield run, file.removesuffix(".jsonl"), item
