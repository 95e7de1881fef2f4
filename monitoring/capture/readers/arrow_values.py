"""Values of Arrow columns as canonical records hold them, without a look at each row.

What Arrow reads exactly as `monitoring.capture.records` does is left to Arrow. Of everything else each distinct value
is given to the parser of single rows, so that a value means the same in a table as in a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.readers.rows import EPOCH, EPOCH_END, EPOCH_UNITS, id_text, is_empty, parse_time
from monitoring.capture.records import PARSERS, optional_status, plain_text

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_MOMENTS = ((f"{_MOMENT}$", pa.timestamp("us")), (_MOMENT + r"(Z|[+-][0-9]{2}:?[0-9]{2})$", pa.timestamp("us", "UTC")))
MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class Column:
    """A column that was looked up in a table.

    Attributes:
        values: Null where there is no value.
        there: Which rows have the field at all; their value may be null.
    """

    values: pa.Array
    there: Mask


@dataclass(frozen=True)
class Parsed:
    """A column of one type.

    Attributes:
        values: Null where a value is missing or does not parse.
        bad: Which rows have a value that does not parse.
    """

    values: pa.Array
    bad: Mask


def look_up(batch: pa.RecordBatch, path: str) -> Column | None:
    """The column at a path such as `customer.age` or `x[0]`; None when no row can have it.

    Like `monitoring.capture.records.find`, for all rows at once.
    """
    names = batch.schema.names
    if path in names:
        return Column(_plain(batch.column(_last(names, path))), np.ones(batch.num_rows, bool))
    found: Column | None = None
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if found is None:
            found = look_up(batch, name) if name and name in names else None
        else:
            found = _member(found, name) if name else _element(found, int(index))
        if found is None:
            return None
    return found


def _last(names: list[str], name: str) -> int:
    """Of columns with the same name the last one counts, as in a dict."""
    return len(names) - 1 - names[::-1].index(name)


def _member(column: Column, name: str) -> Column | None:
    type_ = column.values.type
    if pa.types.is_map(type_) and pa.types.is_string(type_.key_type):
        there = _valid(pc.map_lookup(column.values, name, "all"))
        return Column(_plain(pc.map_lookup(column.values, name, "last")), there)
    names = [field.name for field in type_] if pa.types.is_struct(type_) else []
    if name not in names:
        return None
    return Column(_plain(pc.struct_field(column.values, _last(names, name))), column.there & _valid(column.values))


def _element(column: Column, index: int) -> Column | None:
    values = column.values
    if not _is_list(values.type):
        return None
    there = _bits(pc.fill_null(pc.greater(pc.list_value_length(values), index), False))
    long = values.filter(pa.array(there))
    if not len(long):
        return None
    places = pa.array(np.cumsum(there) - 1, mask=~there)
    return Column(_plain(pc.list_element(long, index)).take(places), there)


def only_items(array: pa.Array) -> pa.Array:
    """Of lists of one value that value; other lists are null, and what is no list is itself."""
    if not _is_list(array.type):
        return array
    found = _element(Column(array, np.ones(len(array), bool)), 0)
    one = pc.equal(pc.list_value_length(array), 1)
    return pc.if_else(one, found.values, None) if found else pa.nulls(len(array))


def numbers(array: pa.Array) -> Parsed:
    """As numbers."""
    if pa.types.is_dictionary(array.type):
        return _of_dictionary(array, numbers)
    for applies, convert in _TO_NUMBERS:
        if applies(array.type):
            return convert(array)
    return by_value(array, PARSERS["numeric"], pa.float64())


def _numbers_of_texts(array: pa.Array) -> Parsed:
    usual = pc.match_substring_regex(array, _NUMBER)
    rest = by_value(array.filter(pc.invert(usual)), PARSERS["numeric"], pa.float64())
    others = ~_bits(pc.fill_null(usual, True))
    bad = np.zeros(len(array), bool)
    bad[others] = rest.bad
    known = pc.if_else(usual, array, None).cast(pa.float64())
    return Parsed(pc.replace_with_mask(known, pa.array(others), rest.values), bad)


_TO_NUMBERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Parsed]], ...] = (
    (pa.types.is_integer, lambda array: _all_good(array.cast(pa.float64(), safe=False))),
    (pa.types.is_floating, lambda array: _all_good(array.cast(pa.float64()))),
    (pa.types.is_boolean, lambda array: _all_good(array.cast(pa.int8()).cast(pa.float64()))),
    # by way of their digits: Arrow's own cast is off in the last bit now and then
    (pa.types.is_decimal, lambda array: _all_good(array.cast(pa.string()).cast(pa.float64()))),
    (pa.types.is_temporal, lambda array: Parsed(pa.nulls(len(array), pa.float64()), _valid(array))),
    (pa.types.is_nested, lambda array: Parsed(pa.nulls(len(array), pa.float64()), _valid(array))),
    (pa.types.is_string, _numbers_of_texts),
)


def categories(array: pa.Array) -> Parsed:
    """As categories."""
    return _texts(array, PARSERS["categorical"], empty=False)


def lengths(array: pa.Array) -> Parsed:
    """As lengths of texts, in characters."""
    if pa.types.is_dictionary(array.type):
        return _of_dictionary(array, lengths)
    if not pa.types.is_string(array.type):
        return by_value(array, PARSERS["text"], pa.float64())
    found = pc.utf8_length(array)
    return _all_good(pc.if_else(pc.equal(found, 0), None, found).cast(pa.float64()))


def texts(array: pa.Array) -> pa.Array:
    """As plain texts; null for what is none."""
    return _texts(array, plain_text, empty=True).values


def event_ids(array: pa.Array) -> pa.Array:
    """As event ids; null for what is none."""
    return _texts(array, id_text, empty=False).values


def statuses(array: pa.Array) -> pa.Array:
    """As HTTP statuses; null for what is none."""
    return by_value(array, optional_status, pa.int32()).values


def _texts(array: pa.Array, parse: Callable[[Any], str | None], *, empty: bool) -> Parsed:
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _of_dictionary(array, lambda values: _texts(values, parse, empty=empty))
    if pa.types.is_integer(type_):
        return _all_good(array.cast(pa.string()))
    if not pa.types.is_string(type_):
        return by_value(array, parse, pa.string())
    return _all_good(array if empty else pc.if_else(pc.equal(array, ""), None, array))


def moments(array: pa.Array) -> tuple[Integers, Mask, Mask]:
    """As microseconds since 1970, which rows have something else there, and which have nothing.

    Returns:
        The microseconds, 0 where there is no time.
    """
    found = _microseconds(array)
    count = _numpy(found.values, 0)
    bad = found.bad | (count < _FIRST) | (count > _LAST)
    return np.where(bad, 0, count), bad, ~bad & ~_valid(found.values)


def _microseconds(array: pa.Array) -> Parsed:
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return _of_dictionary(array, _microseconds)
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return _of_timestamps(array)
    if pa.types.is_integer(type_):
        return _of_numbers(_numpy(array, 0), _valid(array))
    if pa.types.is_floating(type_):
        values = _numpy(array.cast(pa.float64()), np.nan)
        return _of_numbers(values, ~np.isnan(values))
    if pa.types.is_string(type_):
        array = pc.if_else(pc.equal(array, ""), None, array)
        for pattern, kind in _MOMENTS:
            usual = pc.match_substring_regex(array, pattern)
            if pc.all(usual).as_py():
                try:
                    return _of_timestamps(array.cast(kind))
                except pa.ArrowInvalid:
                    break  # a day that does not exist
    return by_value(array, _microsecond, pa.int64())


def _microsecond(value: Any) -> int | None:
    return None if is_empty(value) else (parse_time(value) - EPOCH) // MICROSECOND


def _of_timestamps(array: pa.Array) -> Parsed:
    timestamps = pa.types.is_timestamp(array.type)
    zone, finer = (array.type.tz, array.type.unit == "ns") if timestamps else (None, False)
    try:
        return _all_good(array.cast(pa.timestamp("us", zone), safe=not finer).cast(pa.int64()))
    except pa.ArrowInvalid:  # further from 1970 than 64 bits can count
        return by_value(array, _microsecond, pa.int64())


def _of_numbers(values: np.ndarray[Any, Any], valid: Mask) -> Parsed:
    """Numbers of seconds, milli-, micro- or nanoseconds, told apart by their size."""
    found = np.zeros(len(values), np.int64)
    known = np.zeros(len(values), bool)
    ends = [least for least, _ in EPOCH_UNITS[1:]] + [EPOCH_END]
    for (least, microseconds), end in zip(EPOCH_UNITS, ends, strict=True):
        chosen = valid & (values >= least) & (values < end)
        part = values[chosen]
        if part.dtype.kind == "f":
            found[chosen] = np.rint(part * microseconds)
        else:
            wide = part.astype(np.uint64)
            found[chosen] = wide * np.uint64(microseconds) if microseconds >= 1 else wide // np.uint64(1000)
        known |= chosen
    return Parsed(pa.array(found, mask=~known), valid & ~known)


def by_value(array: pa.Array, parse: Callable[[Any], Any], type_: pa.DataType) -> Parsed:
    """Parse each distinct value once, where Arrow can tell values apart; `parse` raises what is not one."""
    if pa.types.is_dictionary(array.type):
        return _of_dictionary(array, lambda distinct: by_value(distinct, parse, type_))
    codes, distinct = pa.array(np.arange(len(array))), array
    if not pa.types.is_nested(array.type):
        try:
            encoded = array.dictionary_encode()
            codes, distinct = encoded.indices, encoded.dictionary
        except pa.ArrowNotImplementedError:
            pass
    values, bad = [], []
    for scalar in distinct:
        try:
            values.append(parse(python_value(scalar)))
            bad.append(False)
        except (TypeError, ValueError, OverflowError):
            values.append(None)
            bad.append(True)
    return _taken(Parsed(pa.array(values, type_), np.array(bad, bool)), codes)


def python_value(scalar: pa.Scalar) -> Any:
    """A value as Python has it; bytes as the text that they are.

    Raises:
        ValueError: The bytes are no text, or Python has no such value.
        OverflowError: The same.
    """
    value = scalar.as_py(maps_as_pydicts="lossy")
    return value.decode() if isinstance(value, bytes) else value


def _of_dictionary(array: pa.DictionaryArray, parse: Callable[[pa.Array], Parsed]) -> Parsed:
    return _taken(parse(_plain(array.dictionary)), array.indices)


def _taken(parsed: Parsed, codes: pa.Array) -> Parsed:
    bad = pa.array(parsed.bad).take(codes)
    return Parsed(parsed.values.take(codes), _bits(pc.fill_null(bad, False)))


def _all_good(values: pa.Array) -> Parsed:
    return Parsed(values, np.zeros(len(values), bool))


def _plain(array: pa.Array) -> pa.Array:
    """In a layout that Arrow can compute with; texts are valid, bytes that are texts are texts."""
    if isinstance(array, pa.ExtensionArray) and not isinstance(array.type, pa.UuidType):
        array = array.storage
    type_ = array.type
    if pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return _plain(array.cast(pa.string()))
    if pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_):
        return _plain(array.cast(pa.binary()))
    if pa.types.is_string(type_):
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            return array.cast(pa.binary())
    elif pa.types.is_binary(type_):
        try:
            return array.cast(pa.string())
        except pa.ArrowInvalid:
            pass
    return array


def _is_list(type_: pa.DataType) -> bool:
    found: bool = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    return found


def _valid(array: pa.Array) -> Mask:
    return _bits(array.is_valid())


def _bits(array: pa.Array) -> Mask:
    found: Mask = array.to_numpy(zero_copy_only=False)
    return found


def _numpy(array: pa.Array, null: float) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = pc.fill_null(array, null).to_numpy(zero_copy_only=False)
    return found
