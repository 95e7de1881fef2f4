"""Label epochs: the label objects that one run was the first to see, pinned so that every retry reads the same ones.

The epoch of window W holds the objects collected from when window W-1 was measured until W is, by the time in their
folders; and stragglers: objects that appeared in an earlier folder after its epoch had been pinned, or that were
changed since. So what is known at any time is a function of the pinned epochs, and a backfill long after gives what
the daily runs gave. Where folders say no time, an object is in the epoch of the first run that found it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring import documents
from monitoring.capture.pinning import folders_of
from monitoring.capture.readers.noise import is_noise
from monitoring.errors import ObjectMissingError
from monitoring.monitor import Monitor
from monitoring.store import ObjectInfo
from monitoring.window import LENGTHS, Window, iso

KIND, SCHEMA_VERSION = "label-epoch", 2
_HOUR, _DAY, _TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
# Runs that were missed in a row and whose epochs are pinned one by one; what was collected in longer gaps is read
# by the first run after them.
_LONGEST_GAP = 400
_DIRECTIVES = {"%Y": r"(?P<Y>\d{4})", "%m": r"(?P<m>\d{2})", "%d": r"(?P<d>\d{2})", "%H": r"(?P<H>\d{2})"}


@dataclass(frozen=True, order=True)
class LabelObject:
    """One pinned label object.

    Attributes:
        arrived: When it was collected: the end of its folder's hour or day; without folders, when it was written.
        info: The object.
        version: How many other contents of this key were read before.
    """

    arrived: datetime
    info: ObjectInfo
    version: int = 0


@dataclass(frozen=True)
class Epoch:
    """One pinned epoch.

    Attributes:
        window: The window whose run sees these labels first.
        objects: Its objects, in the order in which their labels count.
    """

    window: Window
    objects: tuple[LabelObject, ...]

    def fingerprint(self) -> str:
        """A hash that tells which labels these are; a copy of the store has the same, though its tags are others."""
        objects = [(item.info.key, item.info.size, iso(item.arrived), item.version) for item in self.objects]
        return documents.fingerprint([self.window.label, objects])


def horizon(monitor: Monitor, window: Window) -> int:
    """For how many windows a record waits for its label, and a label for its record."""
    return (monitor.final_epoch(window).start - window.start) // LENGTHS[window.every]


def pin_epochs(monitor: Monitor, window: Window) -> None:
    """Pin the epoch of `window`, and those before it whose labels may still belong to a window that it looks at."""
    labels = monitor.config.labels
    if labels is None:
        return
    pinned = pinned_epochs(monitor)
    missing = sorted(_needed(monitor, window, pinned) - set(pinned))
    if not missing:
        return
    read = load_epochs(monitor, _still_open(monitor, window, pinned)).values()
    versions: dict[str, int] = {}
    before = [item for epoch in read for item in epoch.objects]
    for item in before:
        versions[item.info.key] = max(versions.get(item.info.key, 0), item.version + 1)
    known = {(item.info.key, item.info.etag) for item in before}
    found: dict[Window, list[LabelObject]] = {epoch: [] for epoch in missing}
    for arrived, info in _listed(monitor, missing[0], window):
        if (info.key, info.etag) in known or is_noise(info.key) or not info.size:
            continue
        owner = _epoch_of(monitor, arrived, missing)
        if owner is not None:
            found[owner].append(LabelObject(arrived, info, versions.get(info.key, 0)))
    for owner, objects in found.items():
        _write(monitor, Epoch(owner, tuple(sorted(objects))))


def pinned_epochs(monitor: Monitor) -> list[Window]:
    """The windows whose epochs are pinned, oldest first."""
    prefix = monitor.layout.label_epochs
    names = [key.removeprefix(prefix) for key in monitor.store.keys(prefix)]
    found = (monitor.window_or_none(name.removesuffix(".json")) for name in names if name.endswith(".json"))
    return sorted(epoch for epoch in found if epoch is not None)


def visible_epochs(monitor: Monitor, window: Window, until: Window, pinned: Iterable[Window]) -> list[Window]:
    """Those of the pinned epochs that may hold labels of `window`, as far as the run of `until`.

    None after its horizon, and, where folders tell the time, none so far before it that a label had given up.
    """
    labels = monitor.config.labels
    if labels is None:
        return []
    last, first = min(until, monitor.final_epoch(window)), window.shift(-horizon(monitor, window) - 1)
    return [epoch for epoch in pinned if epoch <= last and (epoch >= first or not labels.folders)]


def load_epoch(monitor: Monitor, window: Window) -> Epoch:
    """The epoch that `pin_epochs` wrote."""
    key = monitor.layout.label_epoch(window)
    return _decoded(window, monitor.store.get(key), key)


def load_epochs(monitor: Monitor, windows: Iterable[Window]) -> dict[Window, Epoch]:
    """Several pinned epochs, read at once."""
    keys = {monitor.layout.label_epoch(window): window for window in windows}
    found = {}
    for info, content in monitor.store.read_many(ObjectInfo(key, 0, "") for key in keys):
        if not isinstance(content, bytes):
            raise content or ObjectMissingError("no such object", where=info.key)
        found[keys[info.key]] = _decoded(keys[info.key], content, info.key)
    return found


def _decoded(window: Window, data: bytes, where: str) -> Epoch:
    body: dict[str, Any] = documents.decode(data, KIND, SCHEMA_VERSION, where)
    return Epoch(
        window,
        tuple(
            LabelObject(
                datetime.fromisoformat(item["arrived"]),
                ObjectInfo(item["key"], item["size"], item["etag"]),
                item.get("version", 0),
            )
            for item in body["objects"]
        ),
    )


def _write(monitor: Monitor, epoch: Epoch) -> None:
    objects = [
        {"key": item.info.key, "size": item.info.size, "etag": item.info.etag, "arrived": iso(item.arrived)}
        | ({"version": item.version} if item.version else {})
        for item in epoch.objects
    ]
    body = {"model": monitor.config.name, "window": epoch.window.label, "objects": objects}
    # whoever comes second reads the first one's list
    key = monitor.layout.label_epoch(epoch.window)
    monitor.store.put_if_absent(key, documents.encode(KIND, SCHEMA_VERSION, body))


def _needed(monitor: Monitor, window: Window, pinned: list[Window]) -> set[Window]:
    """The epochs that this run has to have.

    With runs missed before it, those are also the epochs for which older windows wait; and those for which its
    trailing windows look back.
    """
    assert monitor.config.labels is not None
    back = horizon(monitor, window) + monitor.config.trailing_windows + 1 if monitor.config.labels.folders else 0
    needed = {window.shift(-n) for n in range(back + 1)}
    before = [epoch for epoch in pinned if epoch < window]
    if before:
        gap = range(1, min((window.start - before[-1].start) // LENGTHS[window.every], _LONGEST_GAP))
        needed |= {before[-1].shift(n) for n in gap}
    return needed


def _still_open(monitor: Monitor, window: Window, pinned: list[Window]) -> list[Window]:
    """The pinned epochs whose folders are listed again, and those after them that may have got their stragglers."""
    assert monitor.config.labels is not None
    if not monitor.config.labels.folders:
        return pinned
    oldest = window.shift(-horizon(monitor, window) - monitor.config.trailing_windows - 2)
    return [epoch for epoch in pinned if epoch >= oldest]


def _epoch_of(monitor: Monitor, arrived: datetime, missing: list[Window]) -> Window | None:
    """The epoch that a new object belongs to: its own, or the next one that is not pinned yet."""
    labels = monitor.config.labels
    assert labels is not None
    if not labels.folders:
        return missing[-1]
    own = Window.containing(arrived - _TICK - monitor.config.schedule.settle, monitor.config.every)
    return next((epoch for epoch in missing if epoch >= own), None)


def _listed(monitor: Monitor, first: Window, last: Window) -> list[tuple[datetime, ObjectInfo]]:
    """Every object that may be new, with its time; those of folders that had not ended by the last run are left out."""
    labels = monitor.config.labels
    assert labels is not None
    store, prefix = monitor.source(labels.uri)
    if not labels.folders:
        return [(info.modified.replace(microsecond=0), info) for info in store.objects(prefix)]
    oldest = min(first, last.shift(-horizon(monitor, last) - monitor.config.trailing_windows - 1))
    start, end = monitor.as_of(oldest.shift(-1)), monitor.as_of(last)
    daily = labels.folders.partition("%H")[0]
    days, day = [], (start - _HOUR).replace(hour=0, minute=0, second=0, microsecond=0)
    while day < end:
        days += [prefix + text for text in folders_of(store, prefix, day.strftime(daily))]
        day += _DAY
    pattern, step = _pattern(labels.folders), _HOUR if "%H" in labels.folders else _DAY
    found = []
    for info in store.list_many(days):
        ended = _ended(pattern, info.key.removeprefix(prefix), step)
        if ended is not None and start < ended <= end:
            found.append((ended, info))
    return found


def _pattern(folders: str) -> re.Pattern[str]:
    """What keys of a time look like.

    >>> _pattern("dt=%Y-%m-%d/%H").match("dt=2024-01-11/07/x.jsonl").groups()
    ('2024', '01', '11', '07')
    """
    parts = re.split(r"(%[YmdH]|\*)", folders)
    return re.compile(
        "".join(_DIRECTIVES.get(part, "[^/]*" if part == "*" else re.escape(part)) for part in parts) + "/"
    )


def _ended(pattern: re.Pattern[str], key: str, step: timedelta) -> datetime | None:
    """When the folder of a key ended; None outside of such folders."""
    match = pattern.match(key)
    if match is None:
        return None
    parts = [int(text) for text in match.groups()]
    try:
        return datetime(*parts, tzinfo=UTC) + step  # type: ignore[misc, arg-type]  # three or four whole numbers
    except ValueError:
        return None
