"""Captured objects as readers see them: decompressed, and cut into pieces that end where a line ends."""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from monitoring.capture.quarantine import MOST_BYTES, Origin, Quarantined, Reason

PIECE_BYTES = 8 * 2**20
# A line that is longer is set aside unread, so that memory stays bounded.
LONGEST_LINE = 64 * 2**20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOM = b"\xef\xbb\xbf"
_HEAD_STEP = 1 << 16
_BLANK = b" \t\r\n"


@dataclass(frozen=True)
class Piece:
    """Some whole lines of an object.

    Attributes:
        key: The object.
        offset: Its first byte in the decompressed object.
        data: The bytes; they end with a line end, or with the object.
        last: Whether the object ends here.
    """

    key: str
    offset: int
    data: bytes
    last: bool

    def lines(self) -> Iterator[tuple[Origin, bool]]:
        """Every line that is not blank, without its end, and whether it is a last line without an end."""
        at, data = 0, self.data
        while at < len(data):
            end = data.find(b"\n", at)
            stop = len(data) if end < 0 else end
            line = data[at:stop]
            if line.strip(_BLANK):
                yield Origin(self.key, self.offset + at, line), self.last and end < 0
            at = stop + 1


@dataclass(frozen=True)
class CaptureObject:
    """One captured object.

    Attributes:
        key: Its key.
        size: Bytes as stored.
        modified: When it was last written.
        open: Opens it: a seekable binary file of the bytes as stored.
        stream: Its bytes as stored, in order, a few MB at a time.
    """

    key: str
    size: int
    open: Callable[[], BinaryIO]
    stream: Callable[[], Iterator[bytes]]
    modified: datetime = _EPOCH

    @classmethod
    def of(cls, key: str, data: bytes, modified: datetime = _EPOCH) -> CaptureObject:
        """An object whose content is at hand."""
        return cls(key, len(data), lambda: io.BytesIO(data), lambda: iter([data] if data else []), modified)

    def head(self, count: int = 4096) -> bytes:
        """The first bytes of the decompressed content."""
        parts, size = [], 0
        with self.open() as file:
            for part, _ in decompressed(iter(lambda: file.read(_HEAD_STEP), b"")):
                parts.append(part)
                size += len(part)
                if size >= count:
                    break
        return b"".join(parts)[:count]

    def pieces(self, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece | Quarantined]:
        """The decompressed content in pieces of whole lines, and what could not be decompressed or is too long.

        Where the cuts are depends on the content alone: a piece ends with the first line that reaches
        `piece_bytes`.
        """
        cutter = _Cutter(self.key, piece_bytes)
        fault = ""
        for part, broken in decompressed(self.stream()):
            fault = broken
            yield from cutter.add(part)
        yield from cutter.end()
        if fault:
            yield Quarantined(Reason.BAD_OBJECT, fault, Origin(self.key, cutter.offset, b""))

    def whole(self, most: int = LONGEST_LINE) -> bytes:
        """The decompressed content of a small object.

        Raises:
            ValueError: It is larger than `most`, or cannot be decompressed.
        """
        parts, size = [], 0
        for part, broken in decompressed(self.stream()):
            size += len(part)
            if size > most:
                raise ValueError(f"more than {most} bytes")
            if broken:
                raise ValueError(broken)
            parts.append(part)
        return b"".join(parts).removeprefix(_BOM)


class _Cutter:
    """Cuts a stream into pieces of whole lines."""

    def __init__(self, key: str, piece_bytes: int) -> None:
        self.key, self.piece_bytes = key, piece_bytes
        self.offset = 0  # of what is held
        self.held = b""
        self.begun = False
        self.dropped: Quarantined | None = None  # the beginning of a line that is too long, while it goes on

    def add(self, part: bytes) -> Iterator[Piece | Quarantined]:
        if self.dropped is not None:
            end = part.find(b"\n") + 1
            self._drop(part[:end] if end else part)
            if not end:
                return
            yield from self._dropped()
            part = part[end:]
        self.held += part
        if not self.begun and len(self.held) >= len(_BOM):
            self._begin()
        while len(self.held) >= self.piece_bytes:
            cut = self.held.find(b"\n", self.piece_bytes - 1) + 1
            if not cut:
                break
            yield from self._cut(cut, last=False)
        start = self.held.rfind(b"\n", 0, self.piece_bytes) + 1
        if len(self.held) - start > LONGEST_LINE and self.held.find(b"\n", start) < 0:
            if start:
                yield from self._cut(start, last=False)
            self.dropped = Quarantined(
                Reason.TOO_LONG,
                f"a line of more than {LONGEST_LINE} bytes",
                Origin(self.key, self.offset, self.held[:MOST_BYTES]),
                length=0,
            )
            self._drop(self.held)
            self.held = b""

    def end(self) -> Iterator[Piece | Quarantined]:
        if not self.begun:
            self._begin()
        if self.held:
            yield from self._cut(len(self.held), last=True)
        yield from self._dropped()

    def _begin(self) -> None:
        self.begun = True
        if self.held.startswith(_BOM):
            self.held, self.offset = self.held[len(_BOM) :], len(_BOM)

    def _cut(self, cut: int, *, last: bool) -> Iterator[Piece | Quarantined]:
        data = self.held[:cut]
        long = data.rfind(b"\n", 0, cut - 1) + 1
        kept = data[:long] if cut - long > LONGEST_LINE else data
        if kept:
            yield Piece(self.key, self.offset, kept, last)
        if len(kept) < cut:
            origin = Origin(self.key, self.offset + long, data[long : long + MOST_BYTES])
            detail = f"a line of more than {LONGEST_LINE} bytes"
            yield Quarantined(Reason.TOO_LONG, detail, origin, length=cut - long)
        self.held, self.offset = self.held[cut:], self.offset + cut

    def _drop(self, data: bytes) -> None:
        assert self.dropped is not None
        self.dropped = replace(self.dropped, length=self.dropped.length + len(data))
        self.offset += len(data)

    def _dropped(self) -> Iterator[Quarantined]:
        if self.dropped is not None:
            yield self.dropped
        self.dropped = None


def compression(start: bytes) -> str:
    r"""How content that begins so is compressed; empty when it is not.

    >>> compression(bytes([0x1F, 0x8B, 8, 0])), compression(b"{}")
    ('gzip', '')
    """
    magic = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
    return next((name for mark, name in magic.items() if start.startswith(mark)), "")


def decompressed(stream: Iterator[bytes]) -> Iterator[tuple[bytes, str]]:
    """The content of a stream, and what is wrong with it: the second part is not empty once it broke off."""
    start = b""
    for part in stream:
        start += part
        if len(start) >= 4:
            break
    kind = compression(start)
    if not kind:
        yield from ((part, "") for part in _chained(start, stream))
    elif kind == "zstd":
        yield from _zstd(_chained(start, stream))
    else:
        make = bz2.BZ2Decompressor if kind == "bz2" else lambda: zlib.decompressobj(wbits=31)
        yield from _members(_chained(start, stream), make, kind)


def _chained(start: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    if start:
        yield start
    yield from stream


def _members(parts: Iterator[bytes], make: Callable[[], Any], kind: str) -> Iterator[tuple[bytes, str]]:
    """A file of one or more compressed members after each other, a bounded amount at a time."""
    engine = make()
    begun = False
    for part in parts:
        rest = part
        while rest or _waiting(engine):
            if engine.eof:
                if not rest.strip(b"\0"):
                    break  # padding
                engine = make()
            begun = True
            try:
                out, rest = _step(engine, rest)
            except (zlib.error, OSError, EOFError, ValueError) as error:
                yield b"", f"{kind} is damaged: {error}"
                return
            if out:
                yield out, ""
            elif not rest:
                break
    if begun and not engine.eof:
        yield b"", f"{kind} is cut off"


def _waiting(engine: Any) -> bool:
    """Whether more output can come without more input."""
    return not engine.eof and not getattr(engine, "needs_input", True)


def _step(engine: Any, part: bytes) -> tuple[bytes, bytes]:
    """Decompress at most a piece; the output and the input that is left."""
    if isinstance(engine, bz2.BZ2Decompressor):
        out = engine.decompress(part, PIECE_BYTES)
        return out, engine.unused_data if engine.eof else b""
    out = engine.decompress(part, PIECE_BYTES)
    return out, engine.unused_data if engine.eof else engine.unconsumed_tail


def _zstd(parts: Iterator[bytes]) -> Iterator[tuple[bytes, str]]:
    import pyarrow as pa

    try:
        with pa.CompressedInputStream(pa.PythonFile(_Parts(parts), "r"), "zstd") as stream:
            while out := stream.read(1 << 16):
                yield out, ""
    except (OSError, ValueError) as error:
        yield b"", f"zstd is damaged or cut off: {error}"


class _Parts(io.RawIOBase):
    """A stream of parts as a file."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts, self._rest = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = part
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
