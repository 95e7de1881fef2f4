"""A directory as an object store: the embedded default."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from monitoring.errors import ConfigError, ConflictError, ObjectMissingError
from monitoring.store.base import MIB, Content, ObjectInfo
from monitoring.store.local_file import LocalFile, tag_of
from monitoring.store.reading import in_order
from monitoring.store.spread import Found, spread

_LOCK = ".lock"
_TEMPORARY = ".tmp-"
# A disk may have several reads to do; what it has in memory only comes slower from more threads.
_MOST_WORKERS = 4


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
        with self.open(key, etag=etag) as file:
            return file.readall()

    def get_range(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        """Some of the object's content."""
        if min(start, length) < 0:
            raise ValueError(f"no range of bytes: {length} from {start}")
        with self.open(key, etag=etag) as file:
            file.seek(start)
            return file.read(length)

    def open(self, key: str, *, etag: str = "") -> LocalFile:
        """The object as a file; a version that is replaced meanwhile can be read to its end."""
        where = f"{self.uri}/{key}"
        try:
            return LocalFile(self._path(key), etag, where)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectMissingError("no such object", where=where) from error

    def stream(self, key: str, *, etag: str = "", piece_bytes: int = 8 * MIB) -> Iterator[bytes]:
        """The object's content in pieces."""
        with self.open(key, etag=etag) as file:
            while piece := file.read(piece_bytes):
                yield piece

    def read_many(
        self, infos: Iterable[ObjectInfo], *, workers: int = 16, ahead_bytes: int = 64 * MIB, largest: int = 8 * MIB
    ) -> Iterator[tuple[ObjectInfo, Content]]:
        """The contents of many objects, in the order given."""

        def read(info: ObjectInfo) -> bytes:
            return self.get(info.key, etag=info.etag)

        return in_order(infos, read, workers=min(workers, _MOST_WORKERS), ahead_bytes=ahead_bytes, largest=largest)

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
        """Every object whose key begins with `prefix`, sorted by key; one that goes meanwhile is left out."""
        return self._infos(self._files(prefix))

    def list_many(self, prefixes: Iterable[str]) -> list[ObjectInfo]:
        """Every object whose key begins with one of the prefixes, once, sorted by key."""
        found = {info.key: info for prefix in dict.fromkeys(prefixes) for info in self.objects(prefix)}
        return [found[key] for key in sorted(found)]

    def sample(self, prefix: str, count: int) -> list[ObjectInfo]:
        """A few objects from everywhere below `prefix`."""
        return spread(self._look, prefix, count)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return sorted(self._key(entry) for entry in self._files(prefix))

    def folders(self, prefix: str) -> list[str]:
        """The directories right below `prefix`, sorted."""
        folder = self._path(prefix)
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if ".." in key.split("/") or os.path.isabs(key):
            raise ConfigError(f"key {key!r} leaves the store", where=self.uri)
        return self.root / key

    def _key(self, entry: os.DirEntry[str]) -> str:
        return entry.path[len(os.path.join(self.root, "")) :]

    def _below(self, folder: Path | str, prefix: str) -> Iterator[os.DirEntry[str]]:
        """The entries of one directory whose keys begin, or may begin, with `prefix`."""
        try:
            with os.scandir(folder) as entries:
                yield from (entry for entry in entries if self._key(entry).startswith(prefix))
        except (FileNotFoundError, NotADirectoryError):
            return  # it has gone, or has never been
        except PermissionError as error:
            raise ConfigError("the directory may not be read", where=str(folder)) from error

    def _start(self, prefix: str) -> Path:
        """The directory that holds everything whose key begins with `prefix`."""
        start = self._path(prefix)
        return start if not prefix or prefix.endswith("/") else start.parent

    def _files(self, prefix: str) -> Iterator[os.DirEntry[str]]:
        folders: list[Path | str] = [self._start(prefix)]
        while folders:
            for entry in self._below(folders.pop(), prefix):
                if not entry.is_dir():
                    if not _internal(entry.name):
                        yield entry
                elif not entry.is_symlink():
                    folders.append(entry.path)

    def _look(self, prefix: str, _: bool) -> Found:
        entries = list(self._below(self._start(prefix), prefix))
        files = (entry for entry in entries if not entry.is_dir() and not _internal(entry.name))
        folders = (entry for entry in entries if entry.is_dir() and not entry.is_symlink())
        return Found(self._infos(files), sorted(f"{self._key(entry)}/" for entry in folders))

    def _infos(self, entries: Iterable[os.DirEntry[str]]) -> list[ObjectInfo]:
        found = []
        for entry in entries:
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            modified = datetime.fromtimestamp(status.st_mtime, UTC)
            found.append(ObjectInfo(self._key(entry), status.st_size, tag_of(status), modified))
        return sorted(found, key=lambda info: info.key)

    def _temporary(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            now = time.time_ns()  # the kernel's own clock stands still for milliseconds, and tags would be the same
            os.utime(file.fileno(), ns=(now, now))
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
