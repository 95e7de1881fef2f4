"""Pin a window's capture objects, so that every retry reads the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monitoring import documents
from monitoring.errors import ConflictError, PinnedObjectChangedError
from monitoring.monitor import Monitor
from monitoring.store import ObjectInfo
from monitoring.window import Window, iso

KIND, SCHEMA_VERSION = "manifest", 1


@dataclass(frozen=True)
class Manifest:
    """The pinned capture objects of a window.

    Attributes:
        objects: The objects, sorted by key.
        batches: Indices into `objects`, one list per batch.
    """

    objects: tuple[ObjectInfo, ...]
    batches: tuple[tuple[int, ...], ...]

    def batch(self, index: int) -> list[ObjectInfo]:
        """The objects of one batch."""
        return [self.objects[i] for i in self.batches[index]]


def pin(monitor: Monitor, window: Window) -> Manifest:
    """The window's manifest: the one that is there, or a new one from a listing."""
    key = monitor.layout.manifest(window)
    if not monitor.store.exists(key):
        store, prefix = monitor.source(monitor.config.capture.uri)
        found = [info for hour in window.hours() for info in store.objects(f"{prefix}{hour:%Y/%m/%d/%H}/")]
        objects = sorted(info for info in found if info.size)
        body = {
            "model": monitor.config.name,
            "window": {"start": iso(window.start), "end": iso(window.end)},
            "reader": monitor.config.capture.format,
            "config": monitor.config.fingerprint(),
            "objects": [{"key": info.key, "size": info.size, "etag": info.etag} for info in objects],
            "batches": _batches(objects, monitor.config.capture.batch_bytes),
        }
        # whoever comes second reads the first one's list
        monitor.store.put_if_absent(key, documents.encode(KIND, SCHEMA_VERSION, body))
    return load_manifest(monitor, window)


def load_manifest(monitor: Monitor, window: Window) -> Manifest:
    """The manifest that `pin` wrote."""
    key = monitor.layout.manifest(window)
    body: dict[str, Any] = documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)
    objects = tuple(ObjectInfo(item["key"], item["size"], item["etag"]) for item in body["objects"])
    return Manifest(objects, tuple(tuple(batch) for batch in body["batches"]))


def read_pinned(monitor: Monitor, info: ObjectInfo) -> bytes:
    """A pinned object's content.

    Raises:
        PinnedObjectChangedError: It was changed since it was pinned.
    """
    store, _ = monitor.source(monitor.config.capture.uri)
    try:
        return store.get(info.key, etag=info.etag)
    except ConflictError as error:
        raise PinnedObjectChangedError(
            "the object was changed after it had been pinned",
            where=f"{store.uri}/{info.key}",
            hint="delete the window's manifest.json to pin what is there now",
        ) from error


def _batches(objects: list[ObjectInfo], batch_bytes: int) -> list[list[int]]:
    batches: list[list[int]] = []
    size = 0
    for index, info in enumerate(objects):
        if not batches or size + info.size > batch_bytes:
            batches.append([])
            size = 0
        batches[-1].append(index)
        size += info.size
    return batches
