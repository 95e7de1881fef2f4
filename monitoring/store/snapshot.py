"""A store as it is now: nothing can be written to it, and each listing is made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import RawIOBase
from typing import NoReturn

from monitoring.errors import ConfigError
from monitoring.store.base import MIB, Content, ObjectInfo, Store


class SnapshotStore:
    """What looks back at a store without changing it. Contents are read from the store each time.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys: dict[str, list[str]] = {}
        self._folders: dict[str, list[str]] = {}
        self._exists: dict[str, bool] = {}

    @property
    def uri(self) -> str:
        """The root, as people write it."""
        return self._store.uri

    def get(self, key: str, *, etag: str = "") -> bytes:
        """The object's content."""
        return self._store.get(key, etag=etag)

    def get_range(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Some of the object's content."""
        return self._store.get_range(key, start, length, etag=etag)

    def open(self, key: str, *, etag: str = "") -> RawIOBase:
        """The object as a file."""
        return self._store.open(key, etag=etag)

    def stream(self, key: str, *, etag: str = "", piece_bytes: int = 8 * MIB) -> Iterator[bytes]:
        """The object's content in pieces."""
        return self._store.stream(key, etag=etag, piece_bytes=piece_bytes)

    def read_many(
        self, infos: Iterable[ObjectInfo], *, workers: int = 16, ahead_bytes: int = 64 * MIB, largest: int = 8 * MIB
    ) -> Iterator[tuple[ObjectInfo, Content]]:
        """The contents of many objects."""
        return self._store.read_many(infos, workers=workers, ahead_bytes=ahead_bytes, largest=largest)

    def exists(self, key: str) -> bool:
        """Whether the object was there when it was first asked for."""
        if key not in self._exists:
            self._exists[key] = self._store.exists(key)
        return self._exists[key]

    def put(self, key: str, data: bytes) -> None:
        """Refused."""
        self._refuse(key, f"write {len(data)} bytes to")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Refused."""
        self._refuse(key, f"write {len(data)} bytes to")

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Refused."""
        what = "add" if expected is None else "replace"
        self._refuse(key, f"{what} {len(data)} bytes in")

    def delete(self, key: str) -> None:
        """Refused."""
        self._refuse(key, "delete something from")

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key begins with `prefix`."""
        return self._store.objects(prefix)

    def list_many(self, prefixes: Iterable[str]) -> list[ObjectInfo]:
        """Every object whose key begins with one of the prefixes."""
        return self._store.list_many(prefixes)

    def sample(self, prefix: str, count: int) -> list[ObjectInfo]:
        """Some of them."""
        return self._store.sample(prefix, count)

    def keys(self, prefix: str) -> list[str]:
        """The keys that began with `prefix` when it was first asked."""
        if prefix not in self._keys:
            self._keys[prefix] = self._store.keys(prefix)
        return self._keys[prefix]

    def folders(self, prefix: str) -> list[str]:
        """The names below `prefix` when it was first asked."""
        if prefix not in self._folders:
            self._folders[prefix] = self._store.folders(prefix)
        return self._folders[prefix]

    def _refuse(self, key: str, what: str) -> NoReturn:
        raise ConfigError(f"this would {what} a store that is only looked at", where=f"{self.uri}/{key}")
