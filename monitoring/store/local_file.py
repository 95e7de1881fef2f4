"""A local object as a file that notices when it changes under the reader."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.errors import ConflictError

if TYPE_CHECKING:
    from typing_extensions import Buffer


class LocalFile(io.FileIO):
    """A file whose tag is compared when it is opened, at its end, and when it is closed.

    Args:
        path: The file.
        etag: The tag that it has to have; empty: the one that it has.
        where: The object's URI, for errors.

    Raises:
        FileNotFoundError: There is no such file.
        ConflictError: It has another tag.
    """

    def __init__(self, path: Path, etag: str, where: str) -> None:
        super().__init__(path)
        self._where = where
        self._etag = etag or tag_of(os.fstat(self.fileno()))
        try:
            self._verify()
        except ConflictError:
            super().close()
            raise

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer, as far as the file goes."""
        length = super().readinto(buffer)
        if length < memoryview(buffer).nbytes:
            self._verify()
        return length

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes; all that are left without a size."""
        data = super().read(size)
        if size is None or size < 0 or len(data) < size:
            self._verify()
        return data

    def readall(self) -> bytes:
        """All that is left."""
        return self.read()

    def close(self) -> None:
        """Close the file."""
        try:
            if not self.closed:
                self._verify()
        finally:
            super().close()

    def _verify(self) -> None:
        if tag_of(os.fstat(self.fileno())) != self._etag:
            raise ConflictError("changed by somebody else", where=self._where)


def tag_of(status: os.stat_result) -> str:
    """The tag of a file: it changes with every write, and no content has to be read for it."""
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"
