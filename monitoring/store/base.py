"""What every object store can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, order=True)
class ObjectInfo:
    """One object in a listing.

    Attributes:
        key: Its key, relative to the store's root.
        size: Bytes.
        etag: The store's tag of this content, without quotes.
    """

    key: str
    size: int
    etag: str


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
        """Every object whose key begins with `prefix`, sorted by key."""

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted; cheaper than `objects`, since no content is looked at."""

    def folders(self, prefix: str) -> list[str]:
        """The names between `prefix` (ending in `/`) and the next `/`, sorted; nothing below is listed."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens when it is not there."""
