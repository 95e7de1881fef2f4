"""What is kept of captured values: nothing, a keyed hash, or an interval. Applied before anything is stored."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Container, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.schema import FEATURE_PREFIX, SEGMENT_PREFIX, schema
from monitoring.config.capture import Columns
from monitoring.errors import ConfigError

RARE = "(rare)"
HASH_PREFIX = "h:"
_HASH_DIGITS = 16


def applied(captured: pa.Table, columns: Columns, key: bytes) -> pa.Table:
    """Captured records as they may be stored.

    Args:
        captured: Of the schema `captured_schema`.
        columns: What the columns mean, and what is kept of them.
        key: Of the hashes.

    Returns:
        The same rows, of the schema `schema`.

    Raises:
        ConfigError: A column is hashed, and there is no key.
    """
    if not columns.privacy.hides:
        return captured
    kept = {}
    for column in captured.column_names:
        rule = columns.privacy.columns.get(_own_name(column), "keep")
        if rule == "hash":
            kept[column] = _hashed(captured[column], _required(key, _own_name(column)))
        elif isinstance(rule, list):
            kept[column] = _intervals(captured[column], rule)
        elif rule == "keep":
            kept[column] = captured[column]
    return pa.table(kept, schema=schema(columns))


def folded(table: pa.Table, columns: Columns, known: Mapping[str, Container[str]]) -> pa.Table:
    """Stored records whose rare categories have become one, `(rare)`. What is folded once is folded for good.

    Args:
        table: Of the schema `schema`.
        columns: What the columns mean, and how few rows are rare.
        known: Categories that are kept however rare they are, by feature or segment: those of the baseline.
    """
    least = columns.privacy.fold_below
    if not least:
        return table
    categorical = [FEATURE_PREFIX + name for name, kind in columns.stored.items() if kind == "categorical"]
    for column in [*categorical, *(SEGMENT_PREFIX + name for name in columns.stored_segments)]:
        place = table.schema.get_field_index(column)
        common = without_rare(table[column], least, known.get(_own_name(column), ()))
        table = table.set_column(place, table.schema.field(place), common)
    return table


def without_rare(column: pa.ChunkedArray, least: int, known: Container[str] = ()) -> pa.ChunkedArray:
    """A column of texts in which every category that fewer than `least` rows hold has become `(rare)`.

    Args:
        column: The texts; missing ones stay missing.
        least: Rows that a category needs.
        known: Categories that need none.

    >>> without_rare(pa.chunked_array([["a", "b", "a", None]]), 2).to_pylist()
    ['a', '(rare)', 'a', None]
    """
    counted = column.value_counts()
    few = counted.field("values").filter(pc.less(counted.field("counts"), least))
    rare = [name for name in few.to_pylist() if name is not None and name not in known]
    if not rare:
        return column
    return pc.if_else(pc.is_in(column, value_set=pa.array(rare, column.type)), pa.scalar(RARE, column.type), column)


def hashed(value: str | float, key: bytes) -> str | None:
    """The keyed hash that stands for a value: the first 16 digits of its HMAC-SHA256 (RFC 2104).

    Args:
        value: A text, or a number, which is hashed as Python writes it: `41.0`.
        key: The secret.

    Returns:
        None for NaN, which is no value.

    >>> hashed("Rome", b"a secret of this installation"), hashed(41.0, b"a secret of this installation")
    ('h:1e9a2aefebeb8e6e', 'h:47d1d0cdc1174145')
    """
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = repr(value + 0.0)  # zero has one sign
    return HASH_PREFIX + hmac.digest(key, value.encode(), "sha256").hex()[:_HASH_DIGITS]


def key_check(columns: Columns, key: bytes) -> str:
    """What tells the key of a model's hashes from any other, without telling it; empty when nothing is hashed.

    Args:
        columns: What is kept of the columns.
        key: The secret.

    Raises:
        ConfigError: A column is hashed, and there is no key.
    """
    names = [name for name, rule in columns.privacy.columns.items() if rule == "hash"]
    if not names:
        return ""
    return hmac.digest(_required(key, names[0]), b"model-monitor: which key is this?", "sha256").hex()[:_HASH_DIGITS]


def interval_names(edges: list[float]) -> list[str]:
    """What the intervals between some numbers are called, from the lowest to the highest.

    >>> interval_names([18.0, 65.5])
    ['<18', '[18,65.5)', '>=65.5']
    """
    plain = [np.format_float_positional(edge, trim="-") for edge in edges]
    return [f"<{plain[0]}", *(f"[{low},{high})" for low, high in pairwise(plain)), f">={plain[-1]}"]


def _own_name(column: str) -> str:
    """The name of a feature or segment; empty for any other column, which no rule is about."""
    for prefix in (FEATURE_PREFIX, SEGMENT_PREFIX):
        if column.startswith(prefix):
            return column.removeprefix(prefix)
    return ""


def _required(key: bytes, name: str) -> bytes:
    if not key:
        raise ConfigError(
            "is to be hashed, and there is no key",
            where=f"columns.privacy.columns.{name}",
            hint="set MODEL_MONITOR_HASH_KEY to a secret, such as what `openssl rand -hex 32` prints",
        )
    return key


def _hashed(column: pa.ChunkedArray, key: bytes) -> pa.ChunkedArray:
    return _each(column, lambda value: hashed(value, key))


def _intervals(column: pa.ChunkedArray, edges: list[float]) -> pa.ChunkedArray:
    """The interval of each number; a segment may spell it as text."""
    numbers = column
    if pa.types.is_string(column.type):
        numbers = _each(column, _number, pa.float64())
    values = numbers.to_numpy().astype(np.float64)
    places = pa.array(np.searchsorted(edges, values, side="right"), mask=np.isnan(values))
    return pa.chunked_array([pa.array(interval_names(edges)).take(places)])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _each(column: pa.ChunkedArray, change: Callable[[Any], object], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    """The column with each distinct value changed, once in each piece; missing ones stay missing."""
    kind = kind or pa.string()
    pieces = []
    for piece in column.chunks:
        codes = piece.dictionary_encode()
        values = pa.array([change(value) for value in codes.dictionary.to_pylist()], kind)
        pieces.append(values.take(codes.indices))
    return pa.chunked_array(pieces, kind)
