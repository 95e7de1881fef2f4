"""What tells records apart: 128 bits of the event id, and 64 of what the record says.

Two ids of n agree in all 128 bits with a probability of n²/2¹²⁹: 10⁻¹⁹ for 10¹⁰ records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numba import njit

from monitoring.profile.kernels import mix

Bits = np.ndarray[Any, np.dtype[np.uint64]]
Places = np.ndarray[Any, np.dtype[np.int64]]
# How long a call took tells nothing about what it was.
_NOT_SAID = ("event_id", "latency_ms")
_FIRST, _SECOND, _NULL = np.uint64(0x243F6A8885A308D3), np.uint64(0x13198A2E03707344), np.uint64(0xA4093822299F31D0)
_SCHEMA = pa.schema([("id", pa.uint64()), ("id2", pa.uint64()), ("body", pa.uint64())])


@dataclass(frozen=True)
class Fingerprints:
    """The fingerprints of some records, in their order.

    Attributes:
        ids: The id's first 64 bits, shape (n,).
        ids2: Its others.
        bodies: What the record says.
    """

    ids: Bits
    ids2: Bits
    bodies: Bits

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, records: pa.Table) -> Self:
        """The fingerprints of canonical records."""
        ids, ids2 = text_hashes(records["event_id"])
        bodies = np.zeros(records.num_rows, np.uint64)
        for place, name in enumerate(records.column_names):
            follows = name == "prediction" and pa.types.is_boolean(records[name].type)  # from the score
            if name not in _NOT_SAID and not follows:
                _fold(bodies, _column_hashes(records[name]), np.uint64(place + 1))
        return cls(ids, ids2, bodies)

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """Those of several sets of records."""
        empty = np.zeros(0, np.uint64)
        columns = zip(*((p.ids, p.ids2, p.bodies) for p in parts), strict=True) if parts else ([empty],) * 3
        return cls(*(np.concatenate(column) for column in columns))

    def take(self, places: Places) -> Self:
        """Those of some of the records."""
        return type(self)(self.ids[places], self.ids2[places], self.bodies[places])

    def pack(self) -> bytes:
        """As an Arrow file; not compressed, since hashes cannot be."""
        sink = pa.BufferOutputStream()
        with pyarrow.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_table(pa.table([self.ids, self.ids2, self.bodies], schema=_SCHEMA))
        return bytes(sink.getvalue())

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From `pack`."""
        table = pyarrow.ipc.open_file(pa.py_buffer(data)).read_all()
        return cls(*(table[name].to_numpy() for name in _SCHEMA.names))


@dataclass(frozen=True)
class Repeats:
    """Which records came before.

    Attributes:
        dropped: Positions of the records whose id came before, ascending.
        conflicting: Positions of those that say something else than the first one of their id.
    """

    dropped: Places
    conflicting: Places


def find_repeats(new: Fingerprints, before: Fingerprints) -> Repeats:
    """The records of `new` whose id is in `before`, or earlier in `new`: the first one of an id counts.

    Args:
        new: In the order of their arrival.
        before: What arrived before.
    """
    both = [np.concatenate(pair) for pair in zip(_columns(before), _columns(new), strict=True)]
    ascending = np.sort(both[0])
    several = ascending[1:][ascending[1:] == ascending[:-1]]
    # only those that may be repeated have to be put in order, and they are mostly few
    place = np.flatnonzero(np.isin(both[0], several)) if len(several) else np.zeros(0, np.int64)
    ids, ids2, bodies = (column[place] for column in both)
    order = np.lexsort((place, ids2, ids))
    starts = np.ones(len(order), bool)
    starts[1:] = (ids[order][1:] != ids[order][:-1]) | (ids2[order][1:] != ids2[order][:-1])
    firsts = order[starts][np.cumsum(starts) - 1]  # of each record in this order, the first of its id
    repeated = (order != firsts) & (place[order] >= len(before))
    dropped = (place[order[repeated]] - len(before)).astype(np.int64)
    return Repeats(np.sort(dropped), np.sort(dropped[bodies[order[repeated]] != bodies[firsts[repeated]]]))


def id_fingerprints(ids: Sequence[str]) -> list[tuple[int, int]]:
    """The two parts of the fingerprint of each id."""
    one, two = text_hashes(pa.chunked_array([pa.array(ids, pa.string())]))
    return list(zip(one.tolist(), two.tolist(), strict=True))


def _columns(prints: Fingerprints) -> tuple[Bits, Bits, Bits]:
    return prints.ids, prints.ids2, prints.bodies


def _column_hashes(column: pa.ChunkedArray) -> Bits:
    """A 64-bit hash of each value, shape (n,)."""
    if pa.types.is_string(column.type):
        return text_hashes(column)[0]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    valid = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)
    filled = pc.fill_null(column.cast(pa.float64()) if pa.types.is_floating(column.type) else column, 0)
    values = np.ascontiguousarray(filled.to_numpy(zero_copy_only=False))
    bits = values.view(np.uint64) if values.dtype == np.float64 else values.astype(np.int64).view(np.uint64)
    return np.where(valid, bits, _NULL)


def text_hashes(column: pa.ChunkedArray) -> tuple[Bits, Bits]:
    """Two hashes of each text, shape (n,)."""
    one, two = np.full(len(column), _NULL), np.full(len(column), _NULL)
    done = 0
    for chunk in column.chunks:
        count = len(chunk)
        if count:
            valid = np.asarray(pc.is_valid(chunk).to_numpy(zero_copy_only=False), bool)
            _, offsets, data = chunk.buffers()
            starts = np.frombuffer(offsets, np.int32, chunk.offset + count + 1)[chunk.offset :]
            texts = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
            _hash_texts(texts, starts, valid, one[done : done + count], two[done : done + count])
        done += count
    return one, two


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _hash_texts(data: Any, starts: Any, valid: Any, one: Any, two: Any) -> None:
    for i in range(starts.shape[0] - 1):
        if not valid[i]:
            continue
        length = np.uint64(starts[i + 1] - starts[i])
        a, b, word, held = _FIRST ^ length, _SECOND + length, np.uint64(0), 0
        for at in range(starts[i], starts[i + 1]):
            word |= np.uint64(data[at]) << np.uint64(8 * held)
            held += 1
            if held == 8:
                a, b = mix(a ^ word), mix(b + mix(word + _SECOND))
                word, held = np.uint64(0), 0
        a, b = mix(a ^ word), mix(b + mix(word + _SECOND))
        one[i], two[i] = mix(a + _FIRST), mix(b ^ _FIRST)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _fold(bodies: Any, hashes: Any, salt: Any) -> None:
    for i in range(bodies.shape[0]):
        bodies[i] = mix(bodies[i] ^ mix(hashes[i] + salt))
