"""A local object that changes under the reader."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.store.local import LocalStore
from monitoring.store.local_file import LocalFile, tag_of


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _write_over(path: Path) -> None:
    _touch(path)
    path.write_bytes(b"x" * 100)


CHANGES: dict[str, Callable[[Path], None]] = {
    "touched": _touch,
    "written over": _write_over,
    "cut": lambda path: os.truncate(path, 50),
    "longer": lambda path: os.truncate(path, 150),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A hundred bytes."""
    LocalStore(tmp_path).put("x", bytes(100))
    return tmp_path / "x"


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed_at_the_end(path: Path, name: str) -> None:
    readers: list[Callable[[LocalFile], object]] = [
        lambda file: file.read(),
        lambda file: file.readall(),
        lambda file: file.read(10_000),
        lambda file: file.readinto(bytearray(10_000)),
    ]
    for read in readers:
        file = LocalFile(path, "", "here")
        assert file.read(10) in (bytes(10), b"x" * 10)
        CHANGES[name](path)
        with pytest.raises(ConflictError, match="changed by somebody else") as caught:
            read(file)
        assert caught.value.where == "here"
        with pytest.raises(ConflictError):
            file.close()
        assert file.closed
        file.close()
        LocalStore(path.parent).put("x", bytes(100))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_noticed_when_the_file_is_closed(path: Path, name: str) -> None:
    file = LocalFile(path, "", "here")
    assert file.read(10) == bytes(10)
    CHANGES[name](path)
    with pytest.raises(ConflictError):
        file.close()
    assert file.closed


def test_a_file_that_is_replaced_or_removed_is_read_to_its_end(path: Path) -> None:
    store = LocalStore(path.parent)
    with store.open("x") as file:
        assert file.read(50) == bytes(50)
        store.put("x", b"another")
        assert file.read(10) == bytes(10)
        store.delete("x")
        assert file.read() == bytes(40)
    with pytest.raises(ObjectMissingError):
        store.open("x")


def test_another_tag_is_refused_at_once(path: Path) -> None:
    with LocalFile(path, tag_of(path.stat()), "here") as file:
        assert file.read() == bytes(100)
    with pytest.raises(ConflictError):
        LocalFile(path, "another", "here")
