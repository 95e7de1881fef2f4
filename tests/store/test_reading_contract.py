"""What every store promises about reading, on a directory and on a real S3 server."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.errors import ConflictError, MonitorError, ObjectMissingError
from monitoring.store import ObjectInfo, Store
from monitoring.store.base import MIB
from monitoring.store.local import LocalStore

SOME = bytes(range(256)) * 40


def _whole_file(store: Store, key: str, etag: str) -> bytes:
    with store.open(key, etag=etag) as file:
        return file.readall()


READS: dict[str, Callable[[Store, str, str], bytes]] = {
    "get": lambda store, key, etag: store.get(key, etag=etag),
    "get_range": lambda store, key, etag: store.get_range(key, 0, 1 << 20, etag=etag),
    "no bytes": lambda store, key, etag: store.get_range(key, 0, 0, etag=etag),
    "bytes behind the end": lambda store, key, etag: store.get_range(key, 1 << 20, 9, etag=etag),
    "open": _whole_file,
    "stream": lambda store, key, etag: b"".join(store.stream(key, etag=etag, piece_bytes=100)),
}


@pytest.fixture
def etag(store: Store) -> str:
    """The tag of the object `x`, which holds `SOME`."""
    store.put("x", SOME)
    return store.objects("x")[0].etag


@pytest.mark.parametrize("name", READS)
def test_every_way_to_read_keeps_to_the_tag(store: Store, etag: str, name: str) -> None:
    expected = b"" if "bytes" in name else SOME
    assert READS[name](store, "x", etag) == READS[name](store, "x", "") == expected
    store.put("x", SOME[::-1])
    with pytest.raises(ConflictError, match="changed by somebody else") as caught:
        READS[name](store, "x", etag)
    assert caught.value.where == f"{store.uri}/x"
    for key in ("y", "x/y"):
        with pytest.raises(ObjectMissingError, match="no such object") as missing:
            READS[name](store, key, "")
        assert missing.value.where == f"{store.uri}/{key}"


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (5, 300), (len(SOME) - 1, 1), (len(SOME) - 3, 9), (len(SOME), 1)]
)
def test_ranges(store: Store, etag: str, start: int, length: int) -> None:
    assert store.get_range("x", start, length) == SOME[start : start + length]


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1)])
def test_ranges_that_are_none(store: Store, etag: str, start: int, length: int) -> None:
    with pytest.raises(ValueError, match="no range of bytes"):
        store.get_range("x", start, length)


def test_an_empty_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.get_range("empty", 0, 5) == b""
    assert list(store.stream("empty")) == []
    with store.open("empty") as file:
        assert file.read() == b""


@pytest.mark.parametrize("piece_bytes", [1, 4096, len(SOME), len(SOME) + 1])
def test_pieces_come_in_order(store: Store, piece_bytes: int) -> None:
    data = SOME[:100] if piece_bytes == 1 else SOME
    store.put("x", data)
    pieces = list(store.stream("x", piece_bytes=piece_bytes))
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:-1]} <= {piece_bytes}


def test_a_stream_that_is_not_read_on(store: Store, etag: str) -> None:
    stream = store.stream("x", piece_bytes=10)
    assert next(stream) == SOME[:10]
    stream.close()  # type: ignore[attr-defined]
    assert store.get("x") == SOME


def test_a_file_reads_and_seeks_as_any_other(store: Store, etag: str) -> None:
    chance, expected = random.Random(3), io.BytesIO(SOME)
    with store.open("x") as file:
        assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
        for _ in range(50):
            place, size = chance.randrange(len(SOME) + 9), chance.choice([0, 1, 100, 5000, len(SOME), -1])
            assert file.seek(place) == expected.seek(place)
            assert file.read(size) == expected.read(size)
            assert file.tell() == expected.tell()
        assert file.seek(-5, io.SEEK_END) == expected.seek(-5, io.SEEK_END)
        assert file.seek(2, io.SEEK_CUR) == expected.seek(2, io.SEEK_CUR)
        buffer = bytearray(9)
        assert file.readinto(buffer) == 3
        assert bytes(buffer[:3]) == SOME[-3:]
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        file.read(1)
    with io.BufferedReader(store.open("x")) as buffered:
        assert buffered.read(3) + buffered.read() == SOME


def test_parquet_is_read_from_a_file(store: Store) -> None:
    chance = random.Random(5)
    table = pa.table({"a": [chance.random() for _ in range(60_000)], "b": [f"{i}" for i in range(60_000)]})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=20_000)
    store.put("t.parquet", sink.getvalue())
    with store.open("t.parquet") as file:
        parquet = pq.ParquetFile(pa.PythonFile(file, mode="r"), pre_buffer=True)
        assert parquet.num_row_groups == 3
        assert parquet.read_row_group(2, columns=["b"]) == table.select(["b"]).slice(40_000)
        assert pa.Table.from_batches(parquet.iter_batches(7_000)) == table


def _pieces_of_a_file(store: Store, key: str) -> Iterator[bytes]:
    with store.open(key) as file:
        while piece := file.read(MIB):
            yield piece


@pytest.mark.parametrize("way", [lambda store, key: store.stream(key, piece_bytes=MIB), _pieces_of_a_file])
def test_a_large_object_is_never_held(store: Store, way: Any) -> None:
    store.put("large", bytes(32 * MIB))
    [info] = store.objects("large")
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in way(store, info.key)) == 32 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 * MIB


def test_an_object_that_is_replaced_meanwhile_is_never_mixed(store: Store) -> None:
    old, new = b"o" * 20 * MIB, b"n" * 20 * MIB
    ways: dict[str, Callable[[], Iterator[bytes]]] = {
        "stream": lambda: store.stream("x", piece_bytes=MIB),
        "open": lambda: _pieces_of_a_file(store, "x"),
    }
    for way in ways.values():
        store.put("x", old)
        pieces = way()
        seen = [next(pieces)]
        store.put("x", new)
        try:
            seen += pieces
        except ConflictError:
            continue
        assert b"".join(seen) == old


# --- many objects


def _written(store: Store, count: int) -> list[ObjectInfo]:
    for i in range(count):
        store.put(f"m/{i:03d}", f"{i}".encode() * i)
    return store.objects("m/")


def test_many_objects_come_in_the_order_given(store: Store) -> None:
    infos = _written(store, 60)
    random.Random(1).shuffle(infos)
    expected = [(info, store.get(info.key)) for info in infos]
    assert list(store.read_many(infos)) == expected
    assert list(store.read_many(iter(infos), workers=3, ahead_bytes=1)) == expected
    assert list(store.read_many([])) == []


def test_what_is_gone_or_has_changed_is_said_in_its_place(store: Store) -> None:
    infos = _written(store, 12)
    store.delete("m/000")
    store.delete("m/005")
    store.put("m/006", b"another")
    store.put("m/007", b"of size")
    found = [content for _, content in store.read_many(infos)]
    kinds = {0: ObjectMissingError, 5: ObjectMissingError, 6: ConflictError, 7: ConflictError}
    for i, content in enumerate(found):
        if i in kinds:
            assert isinstance(content, MonitorError)
            assert type(content) is kinds[i]
            assert content.where == f"{store.uri}/{infos[i].key}"
        else:
            assert content == f"{i}".encode() * i


def test_large_objects_are_left_to_the_caller(store: Store) -> None:
    infos = _written(store, 12)
    found = list(store.read_many(infos, largest=5))
    assert found == [(info, store.get(info.key) if info.size <= 5 else None) for info in infos]
    assert [content is None for _, content in found] == [False] * 6 + [True] * 6


def test_keys_of_any_kind_are_read(store: Store) -> None:
    keys = ["plain", "with space", "ä/ö ü", "a+b=c&d?e#f%20g", "~tilde-_.!*'()", "snow☃man/😀", "semi;colon,@:$"]
    for key in keys:
        store.put(key, key.encode())
    found = {info.key: content for info, content in store.read_many(store.objects(""))}
    assert found == {key: key.encode() for key in keys}


def test_no_more_is_read_than_may_wait(store: Store) -> None:
    for i in range(48):
        store.put(f"m/{i:02d}", bytes(MIB))
    infos = store.objects("m/")
    next(store.read_many(infos))
    tracemalloc.start()
    try:
        contents = store.read_many(infos, ahead_bytes=4 * MIB)
        assert sum(len(content) for _, content in contents if isinstance(content, bytes)) == 48 * MIB
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * MIB


def test_a_reading_may_end_early(store: Store) -> None:
    infos = _written(store, 30)
    contents = store.read_many(infos, workers=4)
    assert next(contents) == (infos[0], b"")
    contents.close()  # type: ignore[attr-defined]
    assert [content for _, content in store.read_many(infos[:2])] == [b"", b"1"]


def test_infos_without_a_tag_are_read_as_they_are(store: Store) -> None:
    infos = _written(store, 3)
    store.put("m/001", b"another")
    bare = [ObjectInfo(info.key, info.size, "") for info in infos]
    assert [content for _, content in store.read_many(bare)] == [b"", b"another", b"22"]
    assert isinstance(store, LocalStore) or len({info.etag for info in infos}) == 3
