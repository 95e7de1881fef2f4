"""What a directory has to take care of by itself."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from monitoring.errors import ConfigError
from monitoring.store import ObjectInfo, Store, local
from monitoring.store.local import LocalStore


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a/../b"])
def test_keys_that_leave_the_store_are_refused(tmp_path: Path, key: str) -> None:
    store: Store = LocalStore(tmp_path / "store")
    (tmp_path / "outside").write_text("secret")
    uses = (store.get, store.open, store.exists, store.objects, store.keys, store.folders, store.delete)
    for use in (*uses, lambda key: next(store.stream(key)), lambda key: store.sample(key, 3)):
        with pytest.raises(ConfigError, match="leaves the store"):
            use(key)
    with pytest.raises(ConfigError, match="leaves the store"):
        list(store.read_many([ObjectInfo(key, 6, "")]))
    for write in (store.put, store.put_if_absent):
        with pytest.raises(ConfigError, match="leaves the store"):
            write(key, b"x")
    assert (tmp_path / "outside").read_text() == "secret"


def test_unfinished_writes_and_the_lock_are_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.replace("a/x", b"1", None)
    (tmp_path / "a" / ".tmp-killed").write_bytes(b"half")
    assert [info.key for info in store.objects("")] == ["a/x"]


def test_a_failed_write_leaves_the_old_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    store.put("x", b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        store.put("x", b"new")
    assert store.get("x") == b"old"


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    LocalStore(tmp_path).put("x", b"1")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_a_listing_looks_into_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    store.put("a/x", b"123")
    opened: list[object] = []
    monkeypatch.setattr(local, "LocalFile", lambda *given: opened.append(given))
    monkeypatch.setattr(Path, "open", lambda *given, **_: opened.append(given))
    [info] = store.objects("a/")
    assert (info.size, opened) == (3, [])


def test_every_write_in_a_hurry_has_a_tag_of_its_own(tmp_path: Path) -> None:
    store, tags = LocalStore(tmp_path), set()
    for i in range(200):
        store.put("x", f"{i:03d}".encode())
        tags |= {info.etag for info in store.objects("x")}
    assert len(tags) == 200


def test_what_goes_while_it_is_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    for key in ("a/x", "a/y", "b/z"):
        store.put(key, b"1")
    real = os.scandir

    def scan(folder: object) -> object:
        entries = list(real(folder))  # type: ignore[call-overload]
        for name in ("a/x", "b/z"):
            (tmp_path / name).unlink(missing_ok=True)
        if (tmp_path / "b").exists():
            (tmp_path / "b").rmdir()
        return contextlib.nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scan)
    assert [info.key for info in store.objects("")] == ["a/y"]


def test_links_to_files_are_objects_and_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    store, outside = LocalStore(tmp_path / "store"), tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"12")
    store.put("a/y", b"1")
    (store.root / "link").symlink_to(outside / "x")
    (store.root / "folder").symlink_to(outside)
    (store.root / "broken").symlink_to(outside / "none")
    assert [(info.key, info.size) for info in store.objects("")] == [("a/y", 1), ("link", 2)]
    assert store.sample("", 9) == store.objects("")
    assert [content for _, content in store.read_many(store.objects(""))] == [b"1", b"12"]


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LocalStore(tmp_path)
    store.put("a/x", b"1")

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConfigError, match="the directory may not be read"):
        store.objects("")
