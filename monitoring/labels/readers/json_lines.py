"""JSON on lines, read by Arrow where it reads what Python reads, and not otherwise.

Arrow's parser is RapidJSON, which differs from Python's in places: it takes objects as they come, wherever lines end;
it takes `Inf`; it stops at a null byte; it nests as deeply as it likes; and it looks into no text that is not asked
for. Lines in which that could matter are not given to it, and each of them is left to Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.json

from monitoring.capture.objects import PIECE_BYTES, CaptureObject, Piece
from monitoring.capture.ordered import THREADS, in_order
from monitoring.capture.quarantine import Origin

Integers = np.ndarray[Any, np.dtype[np.int64]]
Part = TypeVar("Part")
Result = TypeVar("Result")
# Python takes half of a pair of surrogates, and `Infinity`, but not `Inf`.
_HALF, _INFINITE = re.compile(rb"\\u[dD][89a-fA-F]"), re.compile(rb"[-:,\[\s]Inf(?!inity)")
# A null between two objects ends the process: Arrow counts it as a row that has no fields.
_NULL_BETWEEN = re.compile(rb"\}[ \t\r\n]*null")
# Fewer bytes than these Python has read before Arrow has begun
WORTHWHILE = 1 << 13
# A line with fewer brackets than this nests less deeply than any parser allows.
_BRACKETS = 200


def parsed(data: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
    """The fields of `schema` in the object on each line; None where Python's parser might find something else.

    Args:
        data: Lines, none of them blank.
        schema: Of the fields that are looked for; others are left out.
    """
    if len(data) < WORTHWHILE:
        return None
    bounds = line_bounds(data)
    if not (_are_objects(data, bounds) and _is_plain(data, bounds)):
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(data),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, ValueError):
        return None
    if table.num_rows != len(bounds) - 1 or table.schema != schema:
        return None
    [batch] = table.combine_chunks().to_batches()
    return batch


def line(piece: Piece) -> Callable[[int], Origin]:
    """Where each line of a piece is."""
    bounds = line_bounds(piece.data)

    def origin(number: int) -> Origin:
        start, end = int(bounds[number]), int(bounds[number + 1])
        return Origin(piece.key, piece.offset + start, piece.data[start:end].removesuffix(b"\n"))

    return origin


def side_by_side(
    captured: CaptureObject, parts: Iterable[Part], read: Callable[[Part], list[Result]]
) -> Iterator[Result]:
    """What is read of the parts of an object, in their order; of a large object by several threads.

    Args:
        captured: The object.
        parts: Pieces of it.
        read: Reads a piece; it should let go of the interpreter's lock most of the time.
    """
    if captured.size <= PIECE_BYTES:  # mostly one piece, which is not worth threads
        for part in parts:
            yield from read(part)
        return
    with ThreadPoolExecutor(THREADS) as pool:
        for found in in_order(read, parts, pool):
            yield from found


def line_bounds(data: bytes) -> Integers:
    """Where lines begin, and behind them where the last one ends."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    return np.concatenate([[0], ends, [] if data.endswith(b"\n") else [len(data)]]).astype(np.int64)


def _are_objects(data: bytes, bounds: Integers) -> bool:
    """Whether each line begins with `{` and ends with `}`.

    Between `}` at the end of a line and `{` at the beginning of the next one no object can go on. So each line holds
    whole objects; and one each, if there are as many of them as lines.
    """
    found = np.frombuffer(data, np.uint8)
    if not len(found) or not (found[bounds[:-1]] == ord("{")).all():
        return False
    last = bounds[1:] - 1
    for end in b"\n\r":  # of the last line both may be missing
        last = last - (found[last] == end)
    return bool((found[last] == ord("}")).all())


def _is_plain(data: bytes, bounds: Integers) -> bool:
    """Whether Python's parser takes what Arrow's takes, and finds the same in it."""
    if b"\0" in data or (b"\\" in data and _HALF.search(data)):
        return False
    if b"null" in data and _NULL_BETWEEN.search(data):
        return False
    if (b"Inf" in data and _INFINITE.search(data)) or b"-NaN" in data:
        return False
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    return not any(
        data.count(b"[", bounds[i], bounds[i + 1]) + data.count(b"{", bounds[i], bounds[i + 1]) >= _BRACKETS
        for i in np.flatnonzero(np.diff(bounds) >= 2 * _BRACKETS)
    )
