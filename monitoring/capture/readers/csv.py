"""Read CSV: a row per line, with or without a header, in the dialect that `capture.csv` describes."""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.capture.objects import CaptureObject, Piece
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.noise import is_noise
from monitoring.capture.readers.rows import Identity
from monitoring.capture.records import Row
from monitoring.config import ModelConfig
from monitoring.config.capture import Csv

_BIG_ENDIAN, _LITTLE_ENDIAN = codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE
_ENDINGS = (".csv", ".tsv", ".psv", ".txt")
_COMPRESSED = (".gz", ".gzip", ".zst", ".bz2")
_DELIMITERS = (b",", b"\t", b";", b"|")
_BLANK = " \r\n\0"
_HALF = "\udcff"
# Bytes that are no text survive as half pairs, so that they cost their own row only
_ERRORS = {"utf-8": "surrogateescape", "latin-1": "strict", "utf-16": "surrogatepass"}


def knows(key: str, head: bytes) -> bool:
    """Whether an object is text that is called CSV, or looks like it."""
    name = key.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    called = name.endswith(_ENDINGS)
    if is_noise(key) or head.startswith((_BIG_ENDIAN, _LITTLE_ENDIAN)):
        return called and not is_noise(key)
    lines = [line for line in head.removeprefix(codecs.BOM_UTF8).split(b"\n") if line.strip()][:2]
    if not lines or b"\0" in lines[0] or lines[0].lstrip().startswith((b"{", b"[", b"<", b"PAR1")):
        return False
    alike = any(0 < lines[0].count(mark) == lines[-1].count(mark) for mark in _DELIMITERS)
    return called or (len(lines) > 1 and alike)


def read(captured: CaptureObject, config: ModelConfig) -> Iterator[Row | Quarantined]:
    """Every row of one object. Its fields are those of the request and of the response alike."""
    identity = Identity.of(captured, config.columns)
    names, header, rows = named(captured, config.capture.csv)
    for number, found in enumerate(rows):
        if isinstance(found, Quarantined):
            yield found
        elif found.fields != header:
            try:
                yield identity.row(dict(zip(names, found.fields, strict=True)), found.origin, number)
            except UnreadableError as error:
                yield error.at(found.origin)


def named(captured: CaptureObject, settings: Csv) -> tuple[list[str], list[str] | None, Iterator[Record | Quarantined]]:
    """What is in an object.

    Returns:
        The names of its fields; its header, which stands among the rows again where files were put behind each
        other; and the rows, and what is none.
    """
    rows = records(captured, settings)
    if not settings.header:
        return unique(settings.columns), None, rows
    header = next(rows, None)
    if isinstance(header, Quarantined):
        detail = header.detail if header.reason is Reason.BAD_OBJECT else f"its header: {header.detail}"
        return [], None, iter([Quarantined(Reason.BAD_OBJECT, detail, header.origin)])
    fields = header.fields if header else []
    return unique(fields), fields, rows


def unique(names: list[str]) -> list[str]:
    """A name for each column: a repeated one gets a number, one without a name its position.

    >>> unique(["a", " b", "a", "", "a.1"])
    ['a', 'b', 'a.2', 'column3', 'a.1']
    """
    given = [name.strip(_BLANK) or f"column{place}" for place, name in enumerate(names)]
    taken = set(given)
    numbers: dict[str, int] = {}
    found = []
    for name in given:
        chosen = name
        if name in numbers:
            while chosen in taken:
                numbers[name] += 1
                chosen = f"{name}.{numbers[name]}"
            taken.add(chosen)
        numbers.setdefault(name, 0)
        found.append(chosen)
    return found


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file.

    Attributes:
        fields: The texts.
        origin: Its bytes.
    """

    fields: list[str]
    origin: Origin


def records(captured: CaptureObject, settings: Csv) -> Iterator[Record | Quarantined]:
    """Every row of an object, of as many fields as the first one, and what is none. The header is a row too.

    A quote that is not closed, or closed where no field ends, costs its own line and not the rows behind it.
    """
    lines = _Lines(captured, settings.encoding)
    rows = csv.reader(lines, delimiter=settings.delimiter, strict=True)
    width = 0 if settings.header else len(settings.columns)
    while True:
        fields, fault = _next(rows)
        yield from lines.put_aside()
        if len(lines.taken) > 1 and (fault or width not in (0, len(fields))):
            lines.put_back()
            fault = fault or "a quote that is not closed"
        if not lines.taken:
            return
        last, text = not lines.taken[-1].endswith("\n"), "".join(lines.taken)
        origin, decoded = lines.origin(text)
        if not decoded:
            yield Quarantined(Reason.BAD_PAYLOAD, f"not {settings.encoding} text", origin)
        elif fault:
            yield Quarantined(Reason.BAD_PAYLOAD, f"not CSV: {fault}", origin)
        elif text.strip(_BLANK):
            width = width or len(fields)
            if len(fields) == width:
                yield Record(fields, origin)
            else:
                reason = Reason.CUT_OFF if last and len(fields) < width else Reason.FIELD_COUNT
                yield Quarantined(reason, f"{len(fields)} fields, not {width}", origin)


def _next(rows: Iterator[list[str]]) -> tuple[list[str], str]:
    """The next row, and what is wrong with it."""
    try:
        return next(rows, []), ""
    except csv.Error as error:
        return [], str(error)


class _Lines:
    """The lines of an object as text. Those that were taken last can be put back, all but the first.

    Args:
        captured: The object.
        encoding: Of the text.
    """

    def __init__(self, captured: CaptureObject, encoding: str) -> None:
        self.taken: list[str] = []
        self._key, self._codec, self._errors = captured.key, encoding, _ERRORS[encoding]
        self._offset = 0
        self._skipped: deque[tuple[int, int]] = deque()  # from where to where
        self._half = b""  # of a character, at the end
        self._coming: deque[str] = deque()
        self._aside: list[Quarantined] = []
        self._source = self._read(captured)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._coming:
            self._coming += next(self._source)
        self.taken.append(self._coming.popleft())
        return self.taken[-1]

    def put_back(self) -> None:
        """All lines that were taken but the first."""
        self._coming.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def origin(self, text: str) -> tuple[Origin, bool]:
        """Where the lines taken are in the object, and whether all of them could be decoded; the next ones follow."""
        self.taken.clear()
        while self._skipped and self._offset >= self._skipped[0][0]:
            self._offset = self._skipped.popleft()[1]
        try:
            data, decoded = text.encode(self._codec), True
        except UnicodeEncodeError:
            data, decoded = self._encoded(text), False
        origin = Origin(self._key, self._offset, data)
        self._offset += len(data)
        return origin, decoded

    def put_aside(self) -> list[Quarantined]:
        """What was found between the lines and is none."""
        found, self._aside = self._aside, []
        return found

    def _read(self, captured: CaptureObject) -> Iterator[list[str]]:
        decoder, rest = codecs.getincrementaldecoder(self._codec)(self._errors), ""
        first = True
        for piece in captured.pieces():
            if isinstance(piece, Quarantined) and piece.reason is not Reason.TOO_LONG:
                self._aside += [*self._cut_off(rest + self._half_of(decoder), piece.origin.offset), piece]
                rest = ""
                continue
            start = piece.origin if isinstance(piece, Quarantined) else piece
            data = start.data
            if first:
                decoder, data = self._begin(start)
                first = False
            if isinstance(piece, Quarantined):
                self._aside.append(piece)
                rest += self._skip(piece, decoder)
                yield [rest] if rest else []
                rest = ""
                continue
            *lines, rest = (rest + decoder.decode(data)).split("\n")
            yield [f"{line}\n" for line in lines]
        rest += self._half_of(decoder)
        yield [rest] if rest else []

    def _begin(self, start: Piece | Origin) -> tuple[codecs.IncrementalDecoder, bytes]:
        """The decoder of the object, and its first bytes without a mark of their order."""
        data, self._offset = start.data, start.offset
        if self._codec == "utf-16":
            self._codec = "utf-16-be" if data.startswith(_BIG_ENDIAN) else "utf-16-le"
            if data.startswith((_BIG_ENDIAN, _LITTLE_ENDIAN)):
                data, self._offset = data[2:], 2
        return codecs.getincrementaldecoder(self._codec)(self._errors), data

    def _skip(self, line: Quarantined, decoder: codecs.IncrementalDecoder) -> str:
        """Leave a line out that is too long; what ends the line before it."""
        start, end = line.origin.offset, line.origin.offset + line.length
        # lines end with a byte, which may be one half of a character
        odd = len(decoder.getstate()[0]) % 2
        before = decoder.decode(line.origin.data[:odd], final=True)
        start += odd
        if self._codec.startswith("utf-16") and (end - start) % 2:
            decoder.decode(b"\n")
            end -= 1
        self._skipped.append((start, end))
        return before

    def _half_of(self, decoder: codecs.IncrementalDecoder) -> str:
        """What stands for half a character at the end of an object, which is no text."""
        self._half, _ = decoder.getstate()
        decoder.reset()
        return _HALF if self._half else ""

    def _encoded(self, text: str) -> bytes:
        if self._half and text.endswith(_HALF):
            return text[:-1].encode(self._codec, self._errors) + self._half
        return text.encode(self._codec, self._errors)

    def _cut_off(self, rest: str, end: int) -> list[Quarantined]:
        """The beginning of a line that goes on where the object is damaged."""
        if not rest.strip(_BLANK):
            return []
        data = self._encoded(rest)
        return [Quarantined(Reason.CUT_OFF, "the object is damaged here", Origin(self._key, end - len(data), data))]
