"""Objects in pieces: where the cuts are, and what happens to what is damaged, compressed or too long."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture import objects
from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Quarantined, Reason

LINES = b"".join(b"line %d of many\n" % i for i in range(20_000))
COMPRESSED = {
    "gzip": gzip.compress(LINES),
    "bz2": bz2.compress(LINES),
    "zstd": bytes(pa.Codec("zstd").compress(LINES, asbytes=True)),
    "plain": LINES,
}


def _streamed(data: bytes, step: int) -> CaptureObject:
    def stream() -> Iterator[bytes]:
        return (data[at : at + step] for at in range(0, len(data), step))

    return CaptureObject("k", len(data), CaptureObject.of("k", data).open, stream)


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.booleans(),
    st.integers(1, 9),
    st.integers(1, 30),
)
def test_the_pieces_are_the_object_and_do_not_depend_on_how_it_is_streamed(
    lines: list[bytes], ended: bool, step: int, piece_bytes: int
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    if objects.compression(data) or data.startswith(b"\xef\xbb\xbf"):
        return
    pieces = list(_streamed(data, step).pieces(piece_bytes))
    assert b"".join(piece.data for piece in pieces if isinstance(piece, Piece)) == data
    assert pieces == list(CaptureObject.of("k", data).pieces(piece_bytes))
    assert all(isinstance(piece, Piece) and (piece.last or piece.data.endswith(b"\n")) for piece in pieces)
    found = [origin for piece in pieces if isinstance(piece, Piece) for origin, _ in piece.lines()]
    assert [origin.data for origin in found] == [line for line in lines if line.strip(b" \t\r\n")]
    assert all(data[origin.offset :].startswith(origin.data) for origin in found)


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_what_is_compressed_is_read_like_what_is_not(kind: str, step: int) -> None:
    pieces = list(_streamed(COMPRESSED[kind], step).pieces(100_000))
    assert b"".join(piece.data for piece in pieces if isinstance(piece, Piece)) == LINES
    assert not [piece for piece in pieces if isinstance(piece, Quarantined)]
    assert CaptureObject.of("k", COMPRESSED[kind]).head(100) == LINES[:100]
    assert CaptureObject.of("k", COMPRESSED[kind]).whole() == LINES


@pytest.mark.parametrize("kind", ["gzip", "bz2", "zstd"])
def test_what_is_cut_off_gives_what_was_there(kind: str) -> None:
    long = b"".join(b"line %d of many\n" % i for i in range(300_000))  # bz2 decompresses by the block
    make = {"gzip": gzip.compress, "bz2": bz2.compress, "zstd": lambda d: pa.Codec("zstd").compress(d, asbytes=True)}
    data = make[kind](long)
    found = list(CaptureObject.of("k", data[: len(data) * 3 // 4]).pieces())
    *pieces, bad = found
    assert isinstance(bad, Quarantined)
    assert bad.reason is Reason.BAD_OBJECT
    there = b"".join(piece.data for piece in pieces if isinstance(piece, Piece))
    assert len(there) > len(long) // 3
    assert long.startswith(there)


def test_several_members_and_padding() -> None:
    data = gzip.compress(b"a\n") + gzip.compress(b"b\n") + b"\0" * 100
    [piece] = CaptureObject.of("k", data).pieces()
    assert isinstance(piece, Piece)
    assert piece.data == b"a\nb\n"
    damaged = list(CaptureObject.of("k", gzip.compress(b"a\n") + b"junk").pieces())
    assert [type(item) for item in damaged] == [Piece, Quarantined]


@pytest.mark.parametrize("step", [7, 64, 10_000])
def test_a_line_that_is_too_long_is_set_aside_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(objects, "LONGEST_LINE", 100)
    data = b"first\n" + b"x" * 500 + b"\nmiddle\n" + b"y" * 101 + b"\n" + b"z" * 99 + b"\nlast\n" + b"w" * 300
    found = list(_streamed(data, step).pieces(50))
    lines = [origin.data for piece in found if isinstance(piece, Piece) for origin, _ in piece.lines()]
    assert lines == [b"first", b"middle", b"z" * 99, b"last"]
    long = [item for item in found if isinstance(item, Quarantined)]
    assert [(item.reason, item.length, item.origin.offset) for item in long] == [
        (Reason.TOO_LONG, 501, data.index(b"x")),
        (Reason.TOO_LONG, 102, data.index(b"y")),
        (Reason.TOO_LONG, 300, data.index(b"w")),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    [piece] = CaptureObject.of("k", b"\xef\xbb\xbf{}\n").pieces()
    assert isinstance(piece, Piece)
    assert (piece.offset, piece.data) == (3, b"{}\n")


def test_nothing_is_in_an_empty_object() -> None:
    assert list(CaptureObject.of("k", b"").pieces()) == []
    assert list(CaptureObject.of("k", gzip.compress(b"")).pieces()) == []
