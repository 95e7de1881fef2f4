"""S3 and what speaks its protocol, through boto3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC
from typing import TYPE_CHECKING, Any

from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.store.base import MIB, Content, ObjectInfo
from monitoring.store.direct import DirectReads
from monitoring.store.reading import in_order, listed
from monitoring.store.s3_content import READ_ATTEMPTS, S3Content, S3File
from monitoring.store.s3_errors import BeyondEndError, translated
from monitoring.store.spread import Found, last, spread

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Of a look: a page that is large enough for folders that are dates, and one that is cheap enough to be asked for often
_PAGE, _SHORT_PAGE = 1000, 100


class S3Store:
    """Objects in one bucket, below one prefix.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket.
        prefix: Put before every key; empty for the bucket's root.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def uri(self) -> str:
        """The bucket and prefix."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def get(self, key: str, *, etag: str = "") -> bytes:
        """The object's content, if it still has the tag."""
        from botocore.exceptions import IncompleteReadError, ResponseStreamingError

        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        # botocore retries requests, but not a body that breaks off while it is read
        for attempt in range(READ_ATTEMPTS):
            with self._translated(key):
                response = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **condition)
                try:
                    return response["Body"].read()
                except (IncompleteReadError, ResponseStreamingError):
                    if attempt + 1 == READ_ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    def get_range(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Some of the object's content."""
        if min(start, length) < 0:
            raise ValueError(f"no range of bytes: {length} from {start}")
        if length:
            try:
                return b"".join(self._content(key, etag).pieces(start, start + length))
            except BeyondEndError:
                pass  # which is no error, if it is the right object
        self._head(key, etag)
        return b""

    def open(self, key: str, *, etag: str = "") -> S3File:
        """The object as a file, read in ranges; a version that is replaced meanwhile cannot be read on."""
        size, found = self._head(key, etag)
        return S3File(self._content(key, found), size)

    def stream(self, key: str, *, etag: str = "", piece_bytes: int = 8 * MIB) -> Iterator[bytes]:
        """The object's content in pieces, of one request if nothing breaks off."""
        return self._content(key, etag).pieces(piece_bytes=piece_bytes)

    def read_many(
        self, infos: Iterable[ObjectInfo], *, workers: int = 16, ahead_bytes: int = 64 * MIB, largest: int = 8 * MIB
    ) -> Iterator[tuple[ObjectInfo, Content]]:
        """The contents of many objects, in the order given; past boto3, where that can be done."""
        with DirectReads(self._client, self._bucket) as direct:

            def read(info: ObjectInfo) -> bytes:
                return direct.read(self._prefix + info.key, info, lambda: self.get(info.key, etag=info.etag))

            yield from in_order(infos, read, workers=workers, ahead_bytes=ahead_bytes, largest=largest)

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            self._head(key)
        except ObjectMissingError:
            return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write the object with a single request."""
        with self._translated(key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write the object unless it is there.

        When the store's answer is lost after it has written, the client's own retry is refused: so a refusal
        counts as ours when what is there is what we wrote.
        """
        return self._put_on_condition(key, data, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Swap the content, if it is still `expected`."""
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": self._tag_of(key, expected)}
        if not self._put_on_condition(key, data, condition):
            raise self._changed(key)

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key begins with `prefix`, sorted here: not every store lists in binary order."""
        found = [info for page in self._pages(prefix) for info in self._infos(page)]
        return sorted(found, key=lambda info: info.key)

    def list_many(self, prefixes: Iterable[str]) -> list[ObjectInfo]:
        """Every object whose key begins with one of the prefixes, once, sorted by key."""
        return listed(prefixes, self.objects)

    def sample(self, prefix: str, count: int) -> list[ObjectInfo]:
        """A few objects from everywhere below `prefix`."""
        return spread(self._look, prefix, count)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return [info.key for info in self.objects(prefix)]

    def folders(self, prefix: str) -> list[str]:
        """The common prefixes right below `prefix`, sorted."""
        found = [folder for page in self._pages(prefix, Delimiter="/") for folder in self._folders(page)]
        return sorted(folder.removeprefix(prefix).rstrip("/") for folder in found)

    def delete(self, key: str) -> None:
        """Remove the object."""
        with self._translated(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _tag_of(self, key: str, expected: bytes) -> str:
        """The tag of the object, if its content is `expected`."""
        try:
            _, etag = self._head(key)
            found = self.get(key)
        except ObjectMissingError as error:
            raise self._changed(key) from error
        if found != expected:
            raise self._changed(key)
        return etag

    def _changed(self, key: str) -> ConflictError:
        return ConflictError("changed by somebody else", where=f"{self.uri}/{key}", hint="read it again")

    def _put_on_condition(self, key: str, data: bytes, condition: dict[str, Any]) -> bool:
        try:
            with self._translated(key):
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, **condition)
        except (ConflictError, ObjectMissingError):  # S3 answers 404 when the object to be replaced has gone
            return self.exists(key) and hashlib.sha256(self.get(key)).digest() == hashlib.sha256(data).digest()
        return True

    def _head(self, key: str, etag: str = "") -> tuple[int, str]:
        """The size and the tag of the object, if it is there and has the tag."""
        with self._translated(key):
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        found = _tag(head)
        if etag and found != etag:
            raise ConflictError("changed by somebody else", where=f"{self.uri}/{key}")
        return head["ContentLength"], found

    def _content(self, key: str, etag: str) -> S3Content:
        return S3Content(self._client, self._bucket, self._prefix + key, f"{self.uri}/{key}", etag)

    def _pages(self, prefix: str, **more: Any) -> Iterator[Any]:
        """The pages of a listing."""
        with self._translated(prefix):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **more)

    def _look(self, prefix: str, thorough: bool) -> Found:
        """What is right below a prefix, as far as a page says; with the end of it, if that is another page."""
        found = self._page(prefix, "", _PAGE if thorough else _SHORT_PAGE)
        if thorough and found.more:
            end = last(lambda name: self._page(prefix, name, _SHORT_PAGE))
            return Found(found.objects[:_SHORT_PAGE], found.folders).joined(end)
        return found

    def _page(self, prefix: str, after: str, most: int) -> Found:
        start = self._prefix + prefix
        more: dict[str, Any] = {"StartAfter": start + after} if after else {}
        with self._translated(prefix):
            page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=start, Delimiter="/", MaxKeys=most, **more)
        objects = sorted(self._infos(page), key=lambda info: info.key)
        return Found(objects, sorted(self._folders(page)), page["IsTruncated"])

    def _infos(self, page: Any) -> Iterator[ObjectInfo]:
        for item in page.get("Contents", []):
            key, modified = item["Key"].removeprefix(self._prefix), item["LastModified"].astimezone(UTC)
            yield ObjectInfo(key, item["Size"], _tag(item), modified)

    def _folders(self, page: Any) -> Iterator[str]:
        return (item["Prefix"].removeprefix(self._prefix) for item in page.get("CommonPrefixes", []))

    def _translated(self, key: str) -> AbstractContextManager[None]:
        return translated(f"{self.uri}/{key}")


def _tag(found: Any) -> str:
    """The tag without quotes: Ceph refuses the quoted form."""
    return str(found.get("ETag", "")).strip('"')
