"""What every object store can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import RawIOBase
from typing import Protocol

from monitoring.errors import MonitorError

NOT_LISTED = datetime(1970, 1, 1, tzinfo=UTC)
MIB = 1 << 20


@dataclass(frozen=True, order=True)
class ObjectInfo:
    """One object in a listing.

    Attributes:
        key: Its key, relative to the store's root.
        size: Bytes.
        etag: The store's tag of this content, without quotes. It is good for asking the same store for the same
            content, and for nothing else: a copy of the object has another one.
        modified: When it was last written, in UTC; `NOT_LISTED` when this is not from a listing. Two objects are the
            same whatever it says.
    """

    key: str
    size: int
    etag: str
    modified: datetime = field(default=NOT_LISTED, compare=False)


Content = bytes | MonitorError | None
"""What `Store.read_many` finds: the content; why there is none; or None, when it is too large to be held."""


class Store(Protocol):
    """A flat space of objects under one root. Keys are relative, with `/` between their parts.

    A write is atomic: a reader sees the old object or the new one, whole.
    """

    @property
    def uri(self) -> str:
        """The root, as people write it."""

    def get(self, key: str, *, etag: str = "") -> bytes:
        """The object's content.

        Args:
            key: Its key.
            etag: When given, only the content that had this tag in a listing will do.

        Raises:
            ObjectMissingError: There is no such object.
            ConflictError: Its content has another tag now.
            StoreUnavailableError: The store did not answer.
        """

    def get_range(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Some of the object's content; fewer than `length` bytes, or none, where the object ends.

        Raises:
            ObjectMissingError: There is no such object.
            ConflictError: Its content has another tag now.
            StoreUnavailableError: The store did not answer.
        """

    def open(self, key: str, *, etag: str = "") -> RawIOBase:
        """The object as a file to read and seek in, without holding more than a few MB of it.

        A read gets all the bytes it asks for, up to the end. All of them are from the same version of the object: when
        it changes in between, either the old version can be read to its end, or a read, or `close`, raises.

        Raises:
            ObjectMissingError: There is no such object; also by a later read.
            ConflictError: Its content has another tag now; also by a later read, and by `close`.
            StoreUnavailableError: The store did not answer; also by a later read.
        """

    def stream(self, key: str, *, etag: str = "", piece_bytes: int = 8 * MIB) -> Iterator[bytes]:
        """The object's content from the first byte to the last, in pieces of at most `piece_bytes`.

        Nothing is asked before the first piece is. A content that breaks off is resumed where it broke off. All pieces
        are from the same version of the object, as with `open`; only the end says that they were.

        Raises:
            ObjectMissingError: There is no such object, or no longer.
            ConflictError: Its content has another tag now.
            StoreUnavailableError: The store did not answer.
        """

    def read_many(
        self, infos: Iterable[ObjectInfo], *, workers: int = 16, ahead_bytes: int = 64 * MIB, largest: int = 8 * MIB
    ) -> Iterator[tuple[ObjectInfo, Content]]:
        """The contents of many objects, in the order given, several read at once.

        Args:
            infos: What to read, as listed.
            workers: How many to read at once.
            ahead_bytes: How much may have been read, or be under way, and not be taken yet.
            largest: Larger objects are not read here.

        Yields:
            Each object with its content. In place of the content an `ObjectMissingError` if it is gone, a
            `ConflictError` if it has another tag now, and None if it is larger than `largest`: `stream` is for those.

        Raises:
            StoreUnavailableError: The store did not answer.
        """

    def exists(self, key: str) -> bool:
        """Whether the object is there."""

    def put(self, key: str, data: bytes) -> None:
        """Write the object, replacing what was there."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write the object unless there is one already; of many writers at once exactly one wins.

        Returns:
            Whether this call wrote it.
        """

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Swap the object's content, if it is still `expected` (None: if it does not exist yet).

        Raises:
            ConflictError: Somebody else has written it in between.
        """

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key begins with `prefix`, sorted by key; no content is looked at."""

    def list_many(self, prefixes: Iterable[str]) -> list[ObjectInfo]:
        """Every object whose key begins with one of the prefixes, once, sorted by key; several are listed at once."""

    def sample(self, prefix: str, count: int) -> list[ObjectInfo]:
        """At most `count` objects whose keys begin with `prefix`, sorted by key, without listing all of them.

        They are spread over the folders, the first and the last among them: so old and new objects are seen where
        folders are dates. Of a folder of very many objects only the first and the last may be seen. The same objects
        give the same sample.
        """

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""

    def folders(self, prefix: str) -> list[str]:
        """The names between `prefix` (ending in `/`) and the next `/`, sorted; nothing below is listed."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
