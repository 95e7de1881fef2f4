"""What every store promises, on a directory and on a real S3 server."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.store import ObjectInfo, Store
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.service)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "local":
        yield LocalStore(tmp_path)
    else:
        seaweed = request.getfixturevalue("seaweed")
        name = hashlib.md5(request.node.nodeid.encode(), usedforsecurity=False).hexdigest()
        yield S3Store(seaweed.client, seaweed.bucket, f"/{name}/")


def test_what_is_put_can_be_got(store: Store) -> None:
    store.put("a/b c/ä.bin", b"\x00\xff")
    store.put("empty", b"")
    assert store.get("a/b c/ä.bin") == b"\x00\xff"
    assert store.get("empty") == b""
    store.put("empty", b"no more")
    assert store.get("empty") == b"no more"


def test_a_missing_object_is_missing(store: Store) -> None:
    store.put("a/b", b"1")
    for key in ("c", "a", "a/c", "a/b/c"):
        assert not store.exists(key)
        with pytest.raises(ObjectMissingError, match="no such object") as caught:
            store.get(key)
        assert caught.value.where == f"{store.uri}/{key}"
    assert store.exists("a/b")


def test_deleted_objects_are_gone_and_deleting_again_does_nothing(store: Store) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    assert store.objects("") == []


def test_objects_are_listed_by_prefix_and_in_binary_order(store: Store) -> None:
    for key in ("o/a/b", "o/a-b", "o/a", "o.x", "p/o/a") if isinstance(store, S3Store) else ("o/a/b", "o/a-b", "o.x"):
        store.put(key, key.encode())
    keys = [info.key for info in store.objects("")]
    assert keys == sorted(keys)
    assert {"o/a/b", "o/a-b", "o.x"} <= set(keys)
    assert [info.key for info in store.objects("o/a/")] == ["o/a/b"]
    assert {info.key for info in store.objects("o/a")} - {"o/a"} == {"o/a-b", "o/a/b"}
    assert {info.key for info in store.objects("o.")} == {"o.x"}
    assert store.objects("nothing/") == []
    tag = hashlib.md5(b"o/a-b", usedforsecurity=False).hexdigest()
    assert store.objects("o/a-") == [ObjectInfo("o/a-b", 5, tag)]


def test_folders_are_the_names_right_below_a_prefix(store: Store) -> None:
    for key in ("w/2013-04-02/r1/verdict.json", "w/2013-04-01/x", "w/file", "v/2012-01-01/x"):
        store.put(key, b"1")
    assert store.folders("w/") == ["2013-04-01", "2013-04-02"]
    assert store.folders("w/2013-04-02/") == ["r1"]
    assert store.folders("nothing/") == []


def test_more_objects_than_one_page(store: Store) -> None:
    keys = [f"many/{i:04d}" for i in range(1001)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b""), keys))
    assert [info.key for info in store.objects("many/")] == keys


def test_put_if_absent_writes_once(store: Store) -> None:
    assert store.put_if_absent("lock", b"first")
    assert not store.put_if_absent("lock", b"second")
    assert store.get("lock") == b"first"
    assert [info.key for info in store.objects("")] == ["lock"]


def test_of_sixteen_writers_exactly_one_wins(store: Store) -> None:
    start = threading.Barrier(16)

    def write(i: int) -> bool:
        start.wait()
        return store.put_if_absent("lock", f"writer {i}".encode())

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(write, range(16)))
    assert sum(won) == 1
    assert store.get("lock") == f"writer {won.index(True)}".encode()


def test_replace_swaps_what_is_expected_and_nothing_else(store: Store) -> None:
    store.replace("pointer", b"1", None)
    store.replace("pointer", b"2", b"1")
    for expected in (None, b"1", b""):
        with pytest.raises(ConflictError):
            store.replace("pointer", b"3", expected)
    assert store.get("pointer") == b"2"


def test_replacing_what_is_not_there_is_a_conflict(store: Store) -> None:
    with pytest.raises(ConflictError):
        store.replace("pointer", b"2", b"1")
    assert not store.exists("pointer")


def test_no_increment_is_lost_among_concurrent_replacements(store: Store) -> None:
    store.put("counter", b"")

    def add(name: bytes) -> None:
        for _ in range(3):
            while True:
                before = store.get("counter")
                try:
                    store.replace("counter", before + name, before)
                except ConflictError:
                    continue
                break

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, [b"a", b"b", b"c", b"d"]))
    assert sorted(store.get("counter")) == sorted(b"abcd" * 3)


def test_a_reader_sees_whole_objects_only(store: Store) -> None:
    bodies = [bytes([65 + i]) * 200_000 for i in range(4)]
    store.put("race", bodies[0])
    done = threading.Event()
    seen: set[bytes] = set()
    sizes: set[int] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(store.get("race"))
            sizes.update(info.size for info in store.objects("race"))

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(15):
            for body in bodies:
                store.put("race", body)
        done.set()
        reading.result()
    assert seen <= set(bodies)
    assert len(seen) > 1
    assert sizes == {200_000}
