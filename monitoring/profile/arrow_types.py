"""What becomes of each Arrow type: the one place that knows.

| Arrow type | as a number | as a category |
|---|---|---|
| integers of all widths | the value; beyond 2^53 the nearest float (distinct counts tell them apart) | digits |
| float16, float32, float64 | the value; NaN and infinities are counted apart | shortest digits; NaN is null |
| decimals of all widths | the nearest float | digits |
| booleans | 0 or 1 | `true` or `false` |
| dates, timestamps | seconds since 1970-01-01 UTC, negative before it | ISO 8601 |
| times of day, durations | seconds | ISO 8601 time; seconds |
| strings of all layouts | as JSON or CSV spell numbers; what does not parse is a mismatch | the text |
| binary of all layouts | every value is a mismatch | hexadecimal digits |
| dictionaries, run-end encoded | like their values | like their values |
| extension types | like their storage | like their storage |
| null | null | null |
| structs, lists, maps, unions | not testable, unless a part is declared: `place.city`, `embedding[0]` | the same |

Bytes of a text that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.distribution import BoolArray, FloatArray, IntArray

_NO_BITS = np.zeros(1, np.uint8)
_BY_BITS = np.zeros(0, np.int64)
_EXACT = 2**53
_NARROW = 256
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_LISTS = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column's values as numbers, over Arrow's own memory where that is possible.

    Attributes:
        values: Shape (n,); arbitrary where there is none.
        identity: What tells values apart where that is not their bits, since a float rounds the integer; shape (n,), or
            of no elements.
        validity: Arrow's validity bits.
        first_bit: The validity bit of the first value.
        has_nulls: Whether any value is missing.
        nulls: Missing values.
        mismatched: Values that are no numbers; their validity bits are unset too.
    """

    values: FloatArray
    identity: IntArray
    validity: np.ndarray[Any, np.dtype[np.uint8]]
    first_bit: int
    has_nulls: bool
    nulls: int
    mismatched: int

    def present(self) -> BoolArray:
        """Which values are there, shape (n,)."""
        if not self.has_nulls:
            return np.ones(len(self.values), bool)
        bits = np.unpackbits(self.validity, bitorder="little")
        return bits[self.first_bit : self.first_bit + len(self.values)].astype(bool)

    def where(self, chosen: pa.BooleanArray) -> Self:
        """Some of them.

        Args:
            chosen: Shape (n,); a null chooses nothing. What is chosen and no number counts as missing, so all that
                is no number has to be missing: there are no mismatches.
        """
        chosen = chosen.fill_null(False)
        if not self.has_nulls:
            bits = np.frombuffer(chosen.buffers()[1], np.uint8)
            return replace(self, validity=bits, first_bit=chosen.offset, has_nulls=True)
        mine, there = np.asarray(chosen.to_numpy(zero_copy_only=False), bool), self.present()
        absent = int(mine.sum() - (mine & there).sum())
        bits = np.packbits(mine & there, bitorder="little")
        return replace(self, validity=bits, first_bit=0, has_nulls=True, nulls=absent, mismatched=0)


def is_testable(type_: pa.DataType) -> bool:
    """Whether a column of this type can be profiled.

    >>> is_testable(pa.float16()), is_testable(pa.list_(pa.int8()))
    (True, False)
    """
    value_type = _value_type(type_)
    return not bool(pa.types.is_nested(value_type) or pa.types.is_interval(value_type))


def is_integer(type_: pa.DataType) -> bool:
    """Whether the values of a column of this type are whole numbers."""
    return bool(pa.types.is_integer(_value_type(type_)))


def _is_text(type_: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_string(type_) or t.is_large_string(type_) or t.is_string_view(type_))


def _is_binary(type_: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_binary(type_) or t.is_large_binary(type_) or t.is_fixed_size_binary(type_))


def _value_type(type_: pa.DataType) -> pa.DataType:
    while True:
        if isinstance(type_, pa.BaseExtensionType):
            type_ = type_.storage_type
        elif pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
            type_ = type_.value_type
        else:
            return type_


def find_column(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array | pa.ChunkedArray | None:
    """A column by its name, or a part of a nested one by its path, such as `place.city` or `embedding[0]`.

    Args:
        batch: Where to look.
        name: A column's own name comes before any path.

    Returns:
        None if there is no such column or part.

    >>> find_column(pa.table({"place": [{"city": "Rom"}]}), "place.city").to_pylist()
    ['Rom']
    """
    index = _first_index(batch.schema, name)
    if index >= 0:
        return batch.column(index)
    head = re.split(r"[.\[]", name, maxsplit=1)[0]
    rest = name[len(head) :]
    index = _first_index(batch.schema, head)
    if index < 0 or not rest or _PART.sub("", rest):
        return None
    column = batch.column(index)
    for match in _PART.finditer(rest):
        column = _part(column, match[1], match[2])
        if column is None:
            return None
    return column


def _first_index(schema: pa.Schema, name: str) -> int:
    """Where a column is, -1 if nowhere; of columns of one name the first counts, as in a CSV file."""
    return next(iter(schema.get_all_field_indices(name)), -1)


def _part(column: pa.Array | pa.ChunkedArray, field: str | None, position: str | None) -> Any:
    if isinstance(column.type, pa.BaseExtensionType) or pa.types.is_run_end_encoded(column.type):
        column = plain(column)
    type_ = column.type
    if field is not None:
        is_there = pa.types.is_struct(type_) and type_.get_field_index(field) >= 0
        return pc.struct_field(column, field) if is_there else None
    if position is None or not any(is_list(type_) for is_list in _LISTS):
        return None
    # a list that is too short has no such element, which is a null
    cut = pc.list_slice(column, int(position), int(position) + 1, return_fixed_size_list=True)
    return pc.list_element(cut, 0)


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values themselves, in one piece: out of extension types, run-end encodings and chunks."""
    if isinstance(array, pa.ChunkedArray):
        array = _one_piece(array)
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif pa.types.is_run_end_encoded(array.type):
            array = _unrolled(array)
        else:
            return array


def _unrolled(array: pa.RunEndEncodedArray) -> pa.Array:
    """The values of runs: Arrow's own kernel does not know dictionaries, views and extension types."""
    ends = np.clip(array.run_ends.to_numpy().astype(np.int64) - array.offset, 0, len(array))
    places = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    return takeable(array.values).take(pa.array(places))


def _one_piece(chunked: pa.ChunkedArray) -> pa.Array:
    if chunked.num_chunks == 1:
        return chunked.chunk(0)
    if chunked.num_chunks == 0:
        return pa.nulls(0, chunked.type)
    try:
        array = chunked.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # of several dictionaries
            array = pa.concat_arrays(array.unify_dictionaries().chunks)
    except pa.ArrowException:  # such dictionaries with nulls in them
        return pa.concat_arrays([_decoded(chunk) for chunk in chunked.chunks])
    return array


def _decoded(array: pa.Array) -> pa.Array:
    array = plain(array)
    return takeable(array.dictionary).take(array.indices) if pa.types.is_dictionary(array.type) else array


def numbers(array: pa.Array | pa.ChunkedArray) -> Numbers:
    """The values of a column as numbers.

    Args:
        array: Of a type that is `is_testable`; every value of another is a mismatch.
    """
    array = plain(array)
    missing = array.null_count
    if pa.types.is_dictionary(array.type):
        return _numbers_of_dictionary(array)
    converted, identity = _as_floats(array)
    mismatched = converted.null_count - missing
    n = len(converted)
    validity, data = converted.buffers()
    values = np.frombuffer(data, np.float64, converted.offset + n)[converted.offset :] if n else np.zeros(0)
    has_nulls = converted.null_count > 0
    bits = np.frombuffer(validity, np.uint8) if has_nulls else _NO_BITS
    return Numbers(values, identity, bits, converted.offset, has_nulls, missing, mismatched)


def _numbers_of_dictionary(array: pa.DictionaryArray) -> Numbers:
    """Convert each distinct value once."""
    missing = array.null_count
    found = numbers(array.dictionary)
    if found.nulls:  # a null in the dictionary itself
        return numbers(_decoded(array))
    values = pa.array(found.values, mask=~found.present()).take(array.indices)
    identity = found.identity
    if len(identity):
        # the last place is that of nulls, which small indices could not name
        places = array.indices.cast(pa.int64(), safe=False).fill_null(len(identity))
        identity = np.append(identity, 0)[places.to_numpy()]
    result = numbers(values)
    return Numbers(
        result.values, identity, result.validity, result.first_bit, result.has_nulls, missing, result.nulls - missing
    )


def takeable(array: pa.Array) -> pa.Array:
    """The values, in a layout that Arrow can take some of and encode as a dictionary."""
    array = plain(array)
    for applies, same in _LAYOUTS:
        if applies(array.type):
            return array.cast(same(array.type))
    return array


def _as_floats(array: pa.Array) -> tuple[pa.Array, IntArray]:
    """The values as floats, null where there is none, and what tells them apart where it is not their bits."""
    type_ = array.type
    if type_ == pa.float64():
        return array, _BY_BITS
    if pa.types.is_int64(type_) or pa.types.is_uint64(type_):
        return array.cast(pa.float64(), safe=False), _large_integers(array)
    for applies, convert in _TO_FLOATS:
        if applies(type_):
            return convert(array), _BY_BITS
    return pa.nulls(len(array), pa.float64()), _BY_BITS


def _large_integers(array: pa.Array) -> IntArray:
    """The integers themselves, if some of them are too large for a float to tell apart."""
    extremes = pc.min_max(array)
    low, high = extremes["min"].as_py(), extremes["max"].as_py()
    if low is None or (low >= -_EXACT and high <= _EXACT):
        return _BY_BITS
    data = array.buffers()[1]
    whole = np.frombuffer(data, np.int64, array.offset + len(array))[array.offset :]
    floats = whole.astype(np.float64).view(np.int64)
    return np.where((whole >= -_EXACT) & (whole <= _EXACT), floats, whole)


def _seconds(array: pa.Array) -> pa.Array:
    type_ = array.type
    if pa.types.is_date32(type_):
        return pc.multiply(array.cast(pa.int32()).cast(pa.float64()), 86400.0)
    if pa.types.is_date64(type_):
        array, unit = array.cast(pa.int64()), "ms"
    else:
        unit = type_.unit
        array = array.cast(pa.int32() if pa.types.is_time32(type_) else pa.int64())
    if unit == "ns":  # since 1970 these are more than a float can count
        whole = pc.divide(array, _PER_SECOND["ns"])
        rest = pc.subtract(array, pc.multiply(whole, _PER_SECOND["ns"]))
        return pc.add(whole.cast(pa.float64()), pc.divide(rest.cast(pa.float64()), float(_PER_SECOND["ns"])))
    return pc.divide(array.cast(pa.float64(), safe=False), float(_PER_SECOND[unit]))


def _parsed(array: pa.Array) -> pa.Array:
    """Each text as a number, null where it is none."""
    return pa.array([_number(text) for text in _readable(takeable(array)).to_pylist()], pa.float64())


def _number(text: str | None) -> float | None:
    if text is None or "_" in text:  # Python's own way to group digits
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _readable(texts: pa.Array) -> pa.Array:
    """The texts, with U+FFFD for what is not UTF-8: Arrow does not look when it reads, but Python fails."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = texts.cast(pa.large_binary()).to_pylist()
        return pa.array([None if text is None else text.decode(errors="replace") for text in raw], pa.string())
    return texts


_LAYOUTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.DataType], pa.DataType]], ...] = (
    (pa.types.is_string_view, lambda _: pa.string()),
    (pa.types.is_binary_view, lambda _: pa.binary()),
    (pa.types.is_decimal32, lambda type_: pa.decimal128(type_.precision, type_.scale)),
    (pa.types.is_decimal64, lambda type_: pa.decimal128(type_.precision, type_.scale)),
)

_TO_FLOATS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_integer, lambda array: array.cast(pa.float64())),
    (pa.types.is_floating, lambda array: array.cast(pa.float64())),
    # by way of their digits: Arrow's own cast is off by one in the last bit of every seventh value
    (pa.types.is_decimal, lambda array: array.cast(pa.string()).cast(pa.float64())),
    (pa.types.is_boolean, lambda array: array.cast(pa.int8()).cast(pa.float64())),
    (pa.types.is_interval, lambda array: pa.nulls(len(array), pa.float64())),
    (pa.types.is_temporal, _seconds),
    (_is_text, _parsed),
)


def categories(array: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """The values of a column as texts, each distinct one converted once; no text of the dictionary is null.

    Args:
        array: Of a type that is `is_testable`. A dictionary of texts is not searched for repetitions.
    """
    array = plain(array)
    if pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        small = _small_integers(array)
        if small is not None:
            return small
    if not pa.types.is_dictionary(array.type):
        array = takeable(array).dictionary_encode()
    names = _readable(_as_texts(takeable(array.dictionary)))
    if names is array.dictionary and array.indices.type == pa.int32() and not names.null_count:
        return array
    if names.null_count or pc.count_distinct(names).as_py() < len(names):
        merged = names.dictionary_encode()
        return pa.DictionaryArray.from_arrays(merged.indices.take(array.indices), merged.dictionary)
    return pa.DictionaryArray.from_arrays(array.indices.cast(pa.int32()), names, safe=False)


def _small_integers(array: pa.Array) -> pa.DictionaryArray | None:
    """Truth values, or integers of a narrow range, which are their own codes; None if they are spread further."""
    if pa.types.is_boolean(array.type):
        return pa.DictionaryArray.from_arrays(array.cast(pa.int8()).cast(pa.int32()), ["false", "true"], safe=False)
    extremes = pc.min_max(array)
    low, high = extremes["min"].as_py(), extremes["max"].as_py()
    if low is None or high - low >= _NARROW or not -(2**63) <= low <= high < 2**63:
        return None
    codes = pc.subtract(array.cast(pa.int64()), low).cast(pa.int32())
    return pa.DictionaryArray.from_arrays(codes, [str(value) for value in range(low, high + 1)], safe=False)


def _as_texts(names: pa.Array) -> pa.Array:
    if pa.types.is_string(names.type):
        return names
    for applies, convert in _TO_TEXTS:
        if applies(names.type):
            return convert(names)
    return names.cast(pa.string()) if is_testable(names.type) else pa.nulls(len(names), pa.string())


def _float_text(value: Any) -> str | None:
    """Whole numbers as integers are written: 1.0 and 1 are the same category."""
    number = float(value)
    if np.isnan(number):
        return None
    return str(int(number)) if abs(number) < _EXACT and number == int(number) else str(value)


def _float_texts(names: pa.Array) -> pa.Array:
    # NumPy's own numbers know that 0.1 is the shortest way to write a float32
    return pa.array([_float_text(value) for value in names.to_numpy(zero_copy_only=False)], pa.string())


def _hexadecimal(names: pa.Array) -> pa.Array:
    return pa.array([None if name is None else name.hex() for name in names.to_pylist()], pa.string())


_DECIMAL_ZEROS = (r"^([^.E]*)(?:\.0+|(\.[0-9]*?[1-9])0+)$", r"\1\2")
_SECOND_ZEROS = (r"(:[0-9]{2})(?:\.0+|(\.[0-9]*?[1-9])0+)(Z?)$", r"\1\2\3")
_TO_TEXTS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], pa.Array]], ...] = (
    (pa.types.is_boolean, lambda names: pc.if_else(names, "true", "false")),
    (_is_binary, _hexadecimal),
    (pa.types.is_floating, _float_texts),
    (pa.types.is_duration, lambda names: _float_texts(_seconds(names))),
    # one spelling whatever the scale of the decimals or the unit of the times
    (pa.types.is_decimal, lambda names: pc.replace_substring_regex(names.cast(pa.string()), *_DECIMAL_ZEROS)),
    (pa.types.is_temporal, lambda names: pc.replace_substring_regex(names.cast(pa.string()), *_SECOND_ZEROS)),
)
