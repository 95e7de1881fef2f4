"""The mergeable state of a categorical column."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.errors import StoredDocumentError
from monitoring.profile import kernels
from monitoring.profile.arrow_types import categories, is_testable, numbers
from monitoring.profile.distinct import Registers, distinct_count, no_registers
from monitoring.profile.distribution import Categories, IntArray

HashArray = np.ndarray[Any, np.dtype[np.uint64]]
# Categories that are counted by name; the rest of the baseline's categories are one cell.
MOST_NAMED = 200
# Categories that are known to be the baseline's, by hash. With more, nothing can be told to be unseen.
MOST_KNOWN = 1 << 16
# Unseen categories that are counted by name: those with the lowest hashes, so that any partition keeps the same.
MOST_NEW = 200
# A column with more categories than this share of its rows holds identifiers or free text: no names are kept.
_TEXT_SHARE = 0.5
_TEXT_LEAST = 1000
_LONGEST_NAME = 200
_NO_BITS = np.zeros(1, np.uint8)


@dataclass(frozen=True, eq=False)
class CategoricalSpec:
    """What the baseline froze about a categorical column.

    Attributes:
        names: The categories that are counted by name: the baseline's most frequent ones, in alphabetical order.
        known: Hashes of the baseline's other categories, ascending, shape (k,).
        is_open: Whether the baseline had more categories than can be known, so that none is unseen.
        is_text: Whether the column holds identifiers or free text: lengths and the distinct count are kept, no names.
    """

    names: tuple[str, ...] = ()
    known: HashArray = field(default_factory=lambda: np.zeros(0, np.uint64))
    is_open: bool = False
    is_text: bool = False

    kind = "categorical"

    @classmethod
    def learn(cls, column: pa.ChunkedArray | pa.Array) -> Self:
        """Freeze the categories of a baseline column."""
        counts = _count_texts(column)
        rows = sum(counts.values())
        # of a column without values nothing is known, and its later ones may be identifiers
        if not counts or len(counts) > max(_TEXT_LEAST, _TEXT_SHARE * rows):
            return cls(is_open=True, is_text=True)
        ranked = heapq.nsmallest(MOST_NAMED, counts.items(), key=lambda item: (-item[1], item[0]))
        named = tuple(sorted(name for name, _ in ranked))
        if len(counts) > MOST_KNOWN:
            return cls(named, is_open=True)
        others = pa.array(sorted(counts.keys() - set(named)), pa.string())
        return cls(named, np.sort(hashes(others)))

    @cached_property
    def places(self) -> tuple[HashArray, IntArray]:
        """Hashes of all known categories, ascending, and where each is counted: named ones first, then `other`."""
        own = hashes(pa.array(self.names, pa.string()))
        together = np.concatenate([own, self.known])
        where = np.concatenate([np.arange(len(own)), np.full(len(self.known), len(own))])
        order = np.argsort(together)
        return together[order], where[order]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "known": self.known.tolist(),
            "is_open": self.is_open,
            "is_text": self.is_text,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        known = np.array(data["known"], np.uint64)
        return cls(tuple(data["names"]), known, data["is_open"], data["is_text"])


@dataclass(frozen=True, eq=False)
class CategoricalProfile:
    """A categorical column.

    Attributes:
        spec: What the baseline froze.
        nulls: Missing values.
        mismatched: Values that are no single value, such as lists.
        counts: Rows per named category, then rows with any other category of the baseline; shape (names + 1,).
        unseen: Rows with a category that the baseline does not have.
        new: Unseen categories with their hashes and rows, by name: those with the lowest hashes.
        empty_texts: Rows with a text of no characters.
        characters: Characters of all values together.
        shortest: Characters of the shortest value, None without values.
        longest: Characters of the longest value, None without values.
        registers: Sketch of the distinct values, shape (4096,).
    """

    spec: CategoricalSpec
    nulls: int
    mismatched: int
    counts: IntArray
    unseen: int
    new: dict[str, tuple[int, int]]
    empty_texts: int
    characters: int
    shortest: int | None
    longest: int | None
    registers: Registers

    @classmethod
    def empty(cls, spec: CategoricalSpec) -> Self:
        """The profile of no rows."""
        return cls(spec, 0, 0, np.zeros(len(spec.names) + 1, np.int64), 0, {}, 0, 0, None, None, no_registers())

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array, spec: CategoricalSpec) -> Self:
        """The profile of a column."""
        builder = CategoricalBuilder(spec)
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            builder.add(chunk)
        return cls.built(builder)

    @classmethod
    def built(cls, builder: CategoricalBuilder) -> Self:
        """The profile of what a builder was given."""
        return cls(
            builder.spec,
            builder.nulls,
            builder.mismatched,
            builder.counts,
            builder.unseen,
            builder.new,
            builder.empty_texts,
            builder.characters,
            builder.shortest,
            builder.longest,
            builder.registers,
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows."""
        return type(self)(
            self.spec,
            self.nulls + other.nulls,
            self.mismatched + other.mismatched,
            self.counts + other.counts,
            self.unseen + other.unseen,
            _lowest(self.new, other.new),
            self.empty_texts + other.empty_texts,
            self.characters + other.characters,
            min((n for n in (self.shortest, other.shortest) if n is not None), default=None),
            max((n for n in (self.longest, other.longest) if n is not None), default=None),
            np.maximum(self.registers, other.registers),
        )

    @cached_property
    def present(self) -> int:
        """Rows with a value."""
        return int(self.counts.sum()) + self.unseen

    @property
    def unusable(self) -> int:
        """Rows without a single value."""
        return self.nulls + self.mismatched

    @property
    def rows(self) -> int:
        """All rows, with or without a value."""
        return self.present + self.nulls + self.mismatched

    @property
    def distinct(self) -> float:
        """About how many different values there are."""
        return distinct_count(self.registers)

    @property
    def mean_length(self) -> float | None:
        """Mean number of characters, None without values."""
        return self.characters / self.present if self.present else None

    @property
    def examples(self) -> list[str]:
        """Unseen categories, the most frequent first."""
        return sorted(self.new, key=lambda name: (-self.new[name][1], name))

    def categories(self) -> Categories:
        """What measurements read."""
        named = dict(zip(self.spec.names, self.counts.tolist(), strict=False))
        new = {name: rows for name, (_, rows) in sorted(self.new.items())}
        return Categories(named, self.nulls + self.mismatched, int(self.counts[-1]), self.unseen, new)

    def cells(self) -> dict[str, int]:
        """Rows per cell; nulls and categories without a name are cells like any other.

        A category that is called like one of these cells is put in quotes.
        """
        found = self.categories()
        unnamed = {"(other)": found.other, "(unseen)": found.unseen, "(null)": found.nulls}
        return {f'"{name}"' if name in unnamed else name: rows for name, rows in found.counts.items()} | unnamed

    def head(self) -> dict[str, Any]:
        """The single numbers and the names, as JSON values."""
        return {
            "nulls": self.nulls,
            "mismatched": self.mismatched,
            "unseen": self.unseen,
            "new": [[name, *self.new[name]] for name in sorted(self.new)],
            "empty_texts": self.empty_texts,
            "characters": self.characters,
            "shortest": self.shortest,
            "longest": self.longest,
        }

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """The arrays, to be stored beside the head."""
        return {"counts": self.counts, "registers": self.registers}

    @classmethod
    def restore(cls, spec: CategoricalSpec, head: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Self:
        """From `head` and `arrays`.

        Raises:
            StoredDocumentError: It was made with other categories.
        """
        if len(arrays["counts"]) != len(spec.names) + 1:
            raise StoredDocumentError("a profile of other categories")
        new = {name: (bits, rows) for name, bits, rows in head["new"]}
        return cls(spec=spec, **{**head, **arrays, "new": new})


class CategoricalBuilder:
    """Adds batches to the state of a categorical column, in place."""

    def __init__(self, spec: CategoricalSpec) -> None:
        self.spec = spec
        self.nulls = self.mismatched = self.unseen = self.empty_texts = self.characters = 0
        self.counts = np.zeros(len(spec.names) + 1, np.int64)
        self.new: dict[str, tuple[int, int]] = {}
        self.shortest: int | None = None
        self.longest: int | None = None
        self.registers = no_registers()

    def add(self, array: pa.Array) -> None:
        """Add one batch."""
        if not is_testable(array.type):
            missing = numbers(array).nulls
            self.nulls += missing
            self.mismatched += len(array) - missing
            return
        texts = categories(array)
        rows = rows_per_code(texts)
        self.nulls += int(rows[-1])
        used = np.flatnonzero(rows[:-1])
        rows = rows[used]
        names = texts.dictionary if len(used) == len(texts.dictionary) else texts.dictionary.take(pa.array(used))
        if len(used):
            self._add_names(names, rows)

    def _add_names(self, names: pa.StringArray, rows: IntArray) -> None:
        lengths = pc.utf8_length(names).to_numpy().astype(np.int64)
        self.characters += int((lengths * rows).sum())
        self.empty_texts += int(rows[lengths == 0].sum())
        self.shortest = min(int(lengths.min()), self.shortest if self.shortest is not None else int(lengths.min()))
        self.longest = max(int(lengths.max()), self.longest or 0)
        bits = hashes(names)
        kernels.add_hashes(bits, self.registers)
        known, where = self.spec.places
        at = np.minimum(np.searchsorted(known, bits), max(len(known) - 1, 0))
        found = known[at] == bits if len(known) else np.zeros(len(bits), bool)
        np.add.at(self.counts, where[at[found]], rows[found])
        rest = int(rows[~found].sum())
        if self.spec.is_open:
            self.counts[-1] += rest
        elif rest:
            self.unseen += rest
            self._add_new(names, bits, rows, np.flatnonzero(~found))

    def _add_new(self, names: pa.StringArray, bits: HashArray, rows: IntArray, places: IntArray) -> None:
        lowest = places[bits[places] <= _highest_kept(bits[places])]
        texts = names.take(pa.array(lowest)).to_pylist()
        for name, hashed, count in zip(texts, bits[lowest].tolist(), rows[lowest].tolist(), strict=True):
            short = shortened(name, hashed)
            self.new[short] = (hashed, count + self.new.get(short, (hashed, 0))[1])
        self.new = _lowest(self.new, {})


def _highest_kept(bits: HashArray) -> int:
    """The highest of the `MOST_NEW` lowest hashes. A dictionary may hold a category twice, so some may be equal."""
    if len(bits) > 4 * MOST_NEW:
        some = np.unique(np.partition(bits, 2 * MOST_NEW)[: 2 * MOST_NEW])
        if len(some) >= MOST_NEW:
            return int(some[MOST_NEW - 1])
    return int(np.unique(bits)[:MOST_NEW][-1])


def _lowest(a: dict[str, tuple[int, int]], b: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """The categories of both with the lowest hashes. One that is left out here is left out of every larger set."""
    together = {name: (item[0], item[1] + b.get(name, (0, 0))[1]) for name, item in a.items()} | {
        name: item for name, item in b.items() if name not in a
    }
    if len(together) <= MOST_NEW:
        return together
    return dict(heapq.nsmallest(MOST_NEW, together.items(), key=lambda item: (item[1][0], item[0])))


def shortened(name: str, hashed: int) -> str:
    """A name, its end replaced by its hash if it is long: two names stay two.

    >>> shortened("rome", 7), len(shortened("r" * 1000, 7)), shortened("r" * 1000, 7)[-20:]
    ('rome', 200, 'rrr…0000000000000007')
    """
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 17]}…{hashed:016x}"


def hashes(names: pa.StringArray) -> HashArray:
    """A 64-bit hash of each text, shape (n,); none may be null.

    Args:
        names: Texts with 32-bit offsets.
    """
    out = np.zeros(len(names), np.uint64)
    if len(names):
        _, offsets, data = names.buffers()
        starts = np.frombuffer(offsets, np.int32, names.offset + len(names) + 1)[names.offset :].astype(np.int64)
        kernels.hash_texts(np.frombuffer(data, np.uint8) if data and data.size else _NO_BITS, starts, out)
    return out


def rows_per_code(texts: pa.DictionaryArray) -> IntArray:
    """Rows per dictionary entry, and behind them rows without a value; shape (entries + 1,)."""
    counts = np.zeros((4, len(texts.dictionary) + 1), np.int64)
    codes = texts.indices
    if len(codes):
        validity, data = codes.buffers()
        values = np.frombuffer(data, np.int32, codes.offset + len(codes))[codes.offset :]
        has_nulls = codes.null_count > 0
        bits = np.frombuffer(validity, np.uint8) if has_nulls else _NO_BITS
        kernels.add_codes(values, bits, codes.offset, has_nulls, counts)
    return np.asarray(counts.sum(axis=0))


def _count_texts(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    counts: dict[str, int] = {}
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        if not is_testable(chunk.type):
            continue
        texts = categories(chunk)
        rows = rows_per_code(texts)[:-1].tolist()
        for name, count in zip(texts.dictionary.to_pylist(), rows, strict=True):
            if count:
                counts[name] = counts.get(name, 0) + count
    return counts
