"""What every store promises, on a directory and on a real S3 server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.store import Store, s3
from monitoring.store.s3 import S3Store


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
    [info] = store.objects("o/a-")
    assert (info.key, info.size) == ("o/a-b", 5)
    assert store.get("o/a-b", etag=info.etag) == b"o/a-b"


def test_every_write_has_a_tag_of_its_own_and_a_time(store: Store) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    store.put("x", b"1")
    [first] = store.objects("x")
    assert before <= first.modified <= datetime.now(UTC) + timedelta(seconds=1)
    assert first.modified.utcoffset() == timedelta(0)
    assert store.objects("x") == [first]
    store.put("x", b"2")
    [second] = store.objects("x")
    assert second.etag != first.etag
    assert second.modified >= first.modified
    assert store.get("x", etag=second.etag) == b"2"
    with pytest.raises(ConflictError, match="changed by somebody else") as caught:
        store.get("x", etag=first.etag)
    assert caught.value.where == f"{store.uri}/x"


def test_several_prefixes_are_listed_at_once(store: Store) -> None:
    keys = [f"c/{hour:02d}/{i}" for hour in range(12) for i in range(3)]
    for key in [*keys, "c/99/x", "d/x"]:
        store.put(key, key.encode())
    prefixes = [f"c/{hour:02d}/" for hour in reversed(range(12))]
    assert [info.key for info in store.list_many(prefixes)] == keys
    assert store.list_many(prefixes) == store.objects("c/0") + store.objects("c/1")
    assert [info.key for info in store.list_many(["c/00/1", "c/00/", "none/", "c/00/"])] == keys[:3]
    assert store.list_many([]) == []


def test_a_sample_has_the_first_and_the_last_of_everything(store: Store) -> None:
    keys = [f"c/2024/{month:02d}/{day:02d}/{i}.jsonl" for month in range(1, 5) for day in range(1, 4) for i in range(3)]
    for key in [*keys, "c/2024/note", "d/x"]:
        store.put(key, key.encode())
    everything = store.objects("c/")
    found = store.sample("c/", 8)
    assert len(found) == 8
    assert found == sorted(found)
    assert set(found) <= set(everything)
    months = {info.key.split("/")[2] for info in found if info.key != "c/2024/note"}
    assert {"01", "04"} <= months
    assert store.sample("c/", 8) == found
    assert store.sample("c/", 1000) == everything
    assert [info.key for info in store.sample("c/2024/04/03/", 2)] == [keys[-3], keys[-1]]
    assert [info.key for info in store.sample("c/2024/n", 2)] == ["c/2024/note"]
    assert store.sample("nothing/", 5) == store.sample("c/", 0) == []


def test_a_sample_of_one_long_folder_has_old_and_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_PAGE", 50)
    monkeypatch.setattr(s3, "_SHORT_PAGE", 10)
    keys = [f"c/2024-{1 + i // 30:02d}-{i % 30:02d}.jsonl" for i in range(200)]
    for key in keys:
        store.put(key, b"")
    found = [info.key for info in store.sample("c/", 8)]
    assert len(found) == 8
    assert (found[0], found[-1]) == (keys[0], keys[-1])
    assert set(found) <= set(keys)


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
