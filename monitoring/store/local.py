"""A directory as an object store: the embedded default."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitoring.errors import ConfigError, ConflictError, ObjectMissingError
from monitoring.store.base import ObjectInfo

_LOCK = ".lock"
_TEMPORARY = ".tmp-"


class LocalStore:
    """Objects as files below one directory.

    Args:
        root: The directory; it is made when the first object is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    @property
    def uri(self) -> str:
        """The directory."""
        return str(self.root)

    def get(self, key: str, *, etag: str = "") -> bytes:
        """The object's content, if it still has the tag."""
        try:
            data = self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectMissingError("no such object", where=f"{self.uri}/{key}") from error
        if etag and _tag(data) != etag:
            raise ConflictError("changed by somebody else", where=f"{self.uri}/{key}")
        return data

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        return self._path(key).is_file()

    def put(self, key: str, data: bytes) -> None:
        """Write the object: a temporary file beside it, then a rename."""
        path = self._path(key)
        temporary = self._temporary(path, data)
        os.replace(temporary, path)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write the object unless it is there: a hard link fails where a rename would replace."""
        path = self._path(key)
        temporary = self._temporary(path, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        return True

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Swap the content under a lock, if it is still `expected`."""
        with self._locked():
            path = self._path(key)
            found = path.read_bytes() if path.is_file() else None
            if found != expected:
                raise ConflictError("changed by somebody else", where=f"{self.uri}/{key}", hint="read it again")
            self.put(key, data)

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key begins with `prefix`, sorted by key; the tag is the content's MD5, as on S3."""
        found = []
        for key in self.keys(prefix):
            data = self._path(key).read_bytes()
            found.append(ObjectInfo(key, len(data), _tag(data)))
        return found

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        start = self._path(prefix)
        folder = start if not prefix or prefix.endswith("/") else start.parent
        files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
        keys = (path.relative_to(self.root).as_posix() for path in files if not _internal(path.name))
        return sorted(key for key in keys if key.startswith(prefix))

    def folders(self, prefix: str) -> list[str]:
        """The directories right below `prefix`, sorted."""
        folder = self._path(prefix)
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        path = (self.root / key).absolute()
        if ".." in Path(key).parts or not path.is_relative_to(self.root):
            raise ConfigError(f"key {key!r} leaves the store", where=self.uri)
        return path

    def _temporary(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
        return Path(name)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _internal(name: str) -> bool:
    return name.startswith(_TEMPORARY) or name == _LOCK


def _tag(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
