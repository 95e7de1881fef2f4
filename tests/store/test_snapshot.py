"""A store as it was when it was looked at: nothing can be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitoring.errors import ConfigError
from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.store.snapshot import SnapshotStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    found = LocalStore(tmp_path)
    found.put("a/b", b"one")
    found.put("a/c/d", b"two")
    return found


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.put("a/b", b"other"),
        lambda store: store.put_if_absent("a/e", b"other"),
        lambda store: store.replace("a/b", b"other", b"one"),
        lambda store: store.delete("a/b"),
    ],
)
def test_every_write_is_refused(store: LocalStore, write: Callable[[Store], object]) -> None:
    with pytest.raises(ConfigError, match="only looked at"):
        write(SnapshotStore(store))
    assert [store.get(key) for key in store.keys("")] == [b"one", b"two"]


def test_it_reads_what_the_store_has(store: LocalStore) -> None:
    snapshot = SnapshotStore(store)
    assert snapshot.uri == store.uri
    assert snapshot.get("a/b") == snapshot.get_range("a/b", 0, 9) == b"".join(snapshot.stream("a/b")) == b"one"
    with snapshot.open("a/b") as file:
        assert file.read() == b"one"
    infos = snapshot.objects("a/")
    assert infos == snapshot.list_many(["a/"]) == snapshot.sample("a/", 9) == store.objects("a/")
    assert [content for _, content in snapshot.read_many(infos)] == [b"one", b"two"]


def test_what_was_listed_once_stays(store: LocalStore) -> None:
    snapshot = SnapshotStore(store)
    before = (snapshot.keys("a/"), snapshot.folders("a/"), snapshot.exists("a/e"))
    assert before == (["a/b", "a/c/d"], ["c"], False)
    store.put("a/e", b"three")
    assert (snapshot.keys("a/"), snapshot.folders("a/"), snapshot.exists("a/e")) == before
    assert SnapshotStore(store).exists("a/e")
