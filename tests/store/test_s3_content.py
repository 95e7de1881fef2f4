"""Bodies that break off, objects that change meanwhile, and files made of ranges."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConfigError, ConflictError, ObjectMissingError, StoreUnavailableError
from monitoring.store import s3_content
from monitoring.store.s3 import S3Store
from monitoring.store.s3_content import S3Content, S3File
from tests.conftest import Seaweed
from tests.store.faults import Fault, FaultyServer

DATA = bytes(range(256)) * 400
PIECE = 10_000


@pytest.fixture
def etag(shaky: S3Store, faulty: FaultyServer) -> str:
    """The tag of the object `x` behind the server that fails on request."""
    shaky.put("x", DATA)
    found = shaky.objects("x")[0].etag
    faulty.forget()
    return found


def _ranges(faulty: FaultyServer) -> list[tuple[str | None, str | None]]:
    headers = [request.headers for request in faulty.requests if request.method == "GET"]
    return [(found.get("range"), found.get("if-match")) for found in headers]


@pytest.mark.service
@pytest.mark.parametrize("reset", [False, True])
def test_a_stream_that_breaks_off_goes_on_where_it_was(
    shaky: S3Store, faulty: FaultyServer, etag: str, reset: bool
) -> None:
    faulty.plan(Fault(drop_after=25_000, reset=reset), Fault(drop_after=0), Fault(drop_after=31_000))
    pieces = list(shaky.stream("x", piece_bytes=PIECE))
    assert b"".join(pieces) == DATA
    asked = _ranges(faulty)
    assert asked[0] == (None, None)
    starts = [int(found.split("=")[1].split("-")[0]) for found, _ in asked[1:] if found]
    assert len(starts) == 3
    assert starts == sorted(starts)
    assert starts[0] == starts[1] < starts[2] <= starts[0] + 31_000
    assert {condition for _, condition in asked[1:]} == {etag}
    assert all(found and found.endswith(f"-{len(DATA) - 1}") for found, _ in asked[1:])


@pytest.mark.service
def test_a_stream_may_break_off_often_if_it_goes_on(shaky: S3Store, faulty: FaultyServer, etag: str) -> None:
    faulty.plan(*[Fault(drop_after=PIECE + 5)] * 8)
    assert b"".join(shaky.stream("x", etag=etag, piece_bytes=PIECE)) == DATA


@pytest.mark.service
@pytest.mark.parametrize(
    "read",
    [
        lambda store: b"".join(store.stream("x", piece_bytes=PIECE)),
        lambda store: store.get_range("x", 5, 50_000),
        lambda store: store.open("x").read(),
    ],
    ids=["stream", "get_range", "open"],
)
def test_a_stream_that_does_not_go_on_is_an_error(
    shaky: S3Store, faulty: FaultyServer, etag: str, read: Callable[[S3Store], bytes]
) -> None:
    faulty.plan(always=Fault(drop_after=5))
    with pytest.raises(StoreUnavailableError) as caught:
        read(shaky)
    assert caught.value.where == f"{shaky.uri}/x"
    assert len(_ranges(faulty)) == 3


@pytest.mark.service
def test_an_object_that_changes_between_two_answers_is_a_conflict(
    shaky: S3Store, faulty: FaultyServer, etag: str
) -> None:
    faulty.plan(Fault(drop_after=25_000))
    stream = shaky.stream("x", piece_bytes=PIECE)
    assert next(stream) == DATA[:PIECE]
    shaky.put("x", DATA[::-1])
    with pytest.raises(ConflictError, match="changed by somebody else"):
        list(stream)


@pytest.mark.service
def test_an_object_that_goes_between_two_answers_is_missing(shaky: S3Store, faulty: FaultyServer, etag: str) -> None:
    faulty.plan(Fault(drop_after=25_000))
    stream = shaky.stream("x", piece_bytes=PIECE)
    next(stream)
    shaky.delete("x")
    with pytest.raises(ObjectMissingError):
        list(stream)


@pytest.mark.service
@pytest.mark.parametrize("change", [lambda store: store.put("x", b"short"), lambda store: store.put("x", b"")])
def test_a_file_whose_object_shrinks_is_a_conflict(
    shaky: S3Store, etag: str, change: Callable[[S3Store], None]
) -> None:
    with shaky.open("x") as file:
        change(shaky)
        file.seek(50_000)
        with pytest.raises(ConflictError):
            file.read(10)


@pytest.mark.service
def test_a_server_that_does_not_keep_to_conditions_is_found_out(
    shaky: S3Store, faulty: FaultyServer, etag: str
) -> None:
    faulty.plan(Fault(headers=(("ETag", '"another"'),)))
    with pytest.raises(ConflictError):
        list(shaky.stream("x", etag=etag))


@pytest.mark.service
def test_a_server_that_does_not_know_ranges_is_found_out(shaky: S3Store, faulty: FaultyServer, etag: str) -> None:
    faulty.plan(always=Fault(headers=(("Content-Range", None),), body=DATA))
    assert shaky.get_range("x", 0, 10) == DATA[:10]
    with pytest.raises(ConfigError, match="the store does not answer a range of bytes"):
        shaky.get_range("x", 5, 10)


@pytest.mark.service
def test_a_wrong_byte_is_noticed_before_the_last_piece(shaky: S3Store, faulty: FaultyServer, etag: str) -> None:
    faulty.plan(always=Fault(body=DATA[:-1] + b"x"))
    pieces = shaky.stream("x", piece_bytes=len(DATA) // 2)
    assert next(pieces) == DATA[: len(DATA) // 2]
    with pytest.raises(StoreUnavailableError, match="checksum"):
        next(pieces)


@pytest.mark.service
def test_one_request_is_enough(shaky: S3Store, faulty: FaultyServer, seaweed: Seaweed, etag: str) -> None:
    assert b"".join(shaky.stream("x", piece_bytes=PIECE)) == DATA
    assert _ranges(faulty) == [(None, None)]
    with shaky.open("x") as file:
        for place in (0, 50_000, 7):
            file.seek(place)
            file.read(10)
    assert _ranges(faulty)[1:] == [(f"bytes=0-{len(DATA) - 1}", etag)]


# --- files made of ranges


class _Content:
    """An object in memory that counts what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self._data, self.asked = data, 0

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        self.asked += 1
        assert 0 <= start < stop <= len(self._data)
        yield from (self._data[i : min(i + 3, stop)] for i in range(start, stop, 3))


MOVES = st.lists(st.tuples(st.integers(0, 130), st.integers(-1, 130)), max_size=20)


@given(size=st.integers(0, 120), moves=MOVES)
def test_a_file_is_its_object(size: int, moves: list[tuple[int, int]]) -> None:
    data = bytes(range(size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_content, "_BLOCK_BYTES", 16)
        patch.setattr(s3_content, "_BLOCKS", 2)
        content: Any = _Content(data)
        file, expected = S3File(content, size), io.BytesIO(data)
        for place, count in moves:
            file.seek(place)
            expected.seek(place)
            assert file.read(count) == expected.read(count)
            assert len(file._blocks) <= 2


def test_neighbouring_reads_ask_once() -> None:
    content: Any = _Content(bytes(1000))
    with S3File(content, 1000) as file:
        assert b"".join(iter(lambda: file.read(7), b"")) == bytes(1000)
        file.seek(0)
        file.read(500)
    assert content.asked == 1


def test_no_position_is_before_the_object() -> None:
    content: Any = _Content(b"abc")
    with S3File(content, 3) as file, pytest.raises(ValueError, match="before the object"):
        file.seek(-4, io.SEEK_END)


def test_an_answer_of_another_version_is_closed() -> None:
    body = Mock()
    client = Mock(get_object=Mock(return_value={"Body": body, "ETag": '"b"', "ContentLength": 3}))
    with pytest.raises(ConflictError):
        list(S3Content(client, "bucket", "k", "s3://bucket/k", "a").pieces())
    body.close.assert_called_once()
