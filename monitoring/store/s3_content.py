"""The content of one S3 object in pieces, resumed where it breaks off, and as a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitoring.errors import ConfigError, ConflictError
from monitoring.store.base import MIB
from monitoring.store.s3_errors import translated

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from typing_extensions import Buffer

READ_ATTEMPTS = 3
_BLOCK_BYTES, _BLOCKS = 4 * MIB, 4


@dataclass(frozen=True)
class S3Content:
    """The content of one object.

    Attributes:
        client: A boto3 S3 client.
        bucket: The bucket.
        key: The key in the bucket.
        where: The object's URI, for errors.
        etag: The tag that the content has to have; empty: the one that it has when it is first asked for.
    """

    client: S3Client
    bucket: str
    key: str
    where: str
    etag: str = ""

    def pieces(self, start: int = 0, stop: int | None = None, *, piece_bytes: int = MIB) -> Iterator[bytes]:
        """The bytes from `start` to before `stop`, or to the end, in order; all from the same version.

        Botocore retries requests, but not a body that breaks off while it is read: here the rest is asked for, and
        given up when several answers in a row do not bring a single whole piece.

        Raises:
            BeyondEndError: The object ends before `start`.
            ConflictError: The object has changed.
            ObjectMissingError: The object has gone.
            StoreUnavailableError: The store did not answer, or its answers break off.
        """
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        at, attempts, etag = start, 0, self.etag
        with translated(self.where):
            while stop is None or at < stop:
                answer = self._ask(at, stop, etag)
                etag, end = answer["ETag"].strip('"'), at + answer["ContentLength"]
                stop = end if stop is None else min(stop, end)
                try:
                    with closing(answer["Body"]) as body:
                        for piece in _pieces(body, stop - at, piece_bytes):
                            at += len(piece)
                            attempts = 0 if len(piece) == piece_bytes else attempts
                            yield piece
                except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                    attempts += 1
                    if attempts == READ_ATTEMPTS:
                        raise

    def _ask(self, at: int, stop: int | None, etag: str) -> Any:
        more: dict[str, Any] = {"IfMatch": etag} if etag else {}
        if at or stop is not None:
            more["Range"] = f"bytes={at}-{'' if stop is None else stop - 1}"
        answer = self.client.get_object(Bucket=self.bucket, Key=self.key, **more)
        if etag and answer["ETag"].strip('"') != etag:
            answer["Body"].close()
            raise ConflictError("changed by somebody else", where=self.where)
        if at and not answer.get("ContentRange", "").startswith(f"bytes {at}-"):
            answer["Body"].close()
            raise ConfigError("the store does not answer a range of bytes", where=self.where)
        return answer


class S3File(io.RawIOBase):
    """An object as a file, in blocks, of which the last few are kept.

    Args:
        content: The object, with its tag.
        size: Its bytes.
    """

    def __init__(self, content: S3Content, size: int) -> None:
        super().__init__()
        self._content, self._size, self._at = content, size, 0
        self._blocks: dict[int, bytearray] = {}

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; behind the end, there is nothing to read."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} is before the object")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer, as far as the object goes."""
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(buffer).cast("B")[: max(self._size - self._at, 0)]
        filled = 0
        while filled < len(view):
            filled += self._fill(view[filled:], self._at + filled)
        self._at += filled
        return filled

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes; all that are left without a size."""
        left = max(self._size - self._at, 0)
        buffer = bytearray(left if size is None or size < 0 else min(size, left))
        self.readinto(buffer)
        return bytes(buffer)

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()

    def close(self) -> None:
        """Let go of the blocks."""
        self._blocks.clear()
        super().close()

    def _fill(self, view: memoryview, at: int) -> int:
        """Fill the beginning of a buffer, or all of it when it is larger than a block."""
        index, offset = divmod(at, _BLOCK_BYTES)
        if index not in self._blocks and len(view) >= _BLOCK_BYTES:
            self._fetch(view, at)
            return len(view)
        part = memoryview(self._block(index))[offset : offset + len(view)]
        view[: len(part)] = part
        return len(part)

    def _block(self, index: int) -> bytearray:
        block = self._blocks.pop(index, None)
        if block is None:
            while len(self._blocks) >= _BLOCKS:
                del self._blocks[next(iter(self._blocks))]
            start = index * _BLOCK_BYTES
            block = bytearray(min(_BLOCK_BYTES, self._size - start))
            self._fetch(memoryview(block), start)
        self._blocks[index] = block
        return block

    def _fetch(self, view: memoryview, at: int) -> None:
        for piece in self._content.pieces(at, at + len(view)):
            view[: len(piece)] = piece
            view = view[len(piece) :]
        if view:
            raise ConflictError("changed by somebody else", where=self._content.where)


def _pieces(body: StreamingBody, length: int, piece_bytes: int) -> Iterator[bytes]:
    from botocore.exceptions import IncompleteReadError

    left = length
    while left:
        piece = body.read(min(piece_bytes, left))
        if not piece:
            raise IncompleteReadError(actual_bytes=length - left, expected_bytes=length)
        left -= len(piece)
        if not left:
            body.read(1)  # only here does botocore compare the checksum
        yield piece
