"""What a directory has to take care of by itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitoring.errors import ConfigError
from monitoring.store import Store
from monitoring.store.local import LocalStore


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd", "a/../b"])
def test_keys_that_leave_the_store_are_refused(tmp_path: Path, key: str) -> None:
    store: Store = LocalStore(tmp_path / "store")
    (tmp_path / "outside").write_text("secret")
    for use in (store.get, store.exists, store.objects, store.folders, store.delete):
        with pytest.raises(ConfigError, match="leaves the store"):
            use(key)
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
