"""What becomes of each Arrow type, as a number and as a category."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec, arrow_types
from monitoring.profile.arrow_types import categories, find_column, numbers, plain
from monitoring.profile.categorical import rows_per_code

NAN, INF = float("nan"), float("inf")
OLD = datetime(1969, 12, 31, 23, 59, 58, 500_000, tzinfo=UTC)
NEW = datetime(2024, 2, 29, 12, 0, 0, 250_000, tzinfo=UTC)
SECONDS = [-1.5, 1709208000.25]
WHOLE = [-2.0, 1709208000.0]
BAD = "mismatch"


class Celsius(pa.ExtensionType):  # type: ignore[misc]
    """A type that this process does not register."""

    def __init__(self, storage: pa.DataType | None = None) -> None:
        super().__init__(storage or pa.float32(), "celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Celsius:
        return cls(storage)


def _moments(unit: str, zone: str | None = None) -> pa.Array:
    whole = unit == "s"
    moments = [m.replace(microsecond=0 if whole else m.microsecond) for m in (OLD, NEW)]
    moments = moments if zone else [m.replace(tzinfo=None) for m in moments]
    return pa.array([*moments, None], pa.timestamp(unit, zone))


def _spans(unit: str) -> pa.Array:
    return pa.array([timedelta(seconds=-2), timedelta(hours=30), None], pa.duration(unit))


def _decimals(type_: pa.DataType) -> pa.Array:
    return pa.array([Decimal("-1.50"), Decimal("123.25"), None], type_)


# array, numbers (None where it is null), texts
Case = tuple[pa.Array, list[Any], list[str | None]]
CASES: dict[str, Case] = {
    **{
        str(type_): (pa.array([0, 1, 100, None], type_), [0.0, 1.0, 100.0, None], ["0", "1", "100", None])
        for type_ in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())
    },
    "negative int8": (pa.array([-128, None], pa.int8()), [-128.0, None], ["-128", None]),
    "large int64": (
        pa.array([-(2**63), 2**63 - 1, 2**53 + 1, None]),
        [-(2.0**63), 2.0**63, 2.0**53, None],
        ["-9223372036854775808", "9223372036854775807", "9007199254740993", None],
    ),
    "large uint64": (
        pa.array([2**64 - 1, 2**63, 1, None], pa.uint64()),
        [2.0**64, 2.0**63, 1.0, None],
        ["18446744073709551615", "9223372036854775808", "1", None],
    ),
    "float16": (
        pa.array([0.5, 0.1, NAN, INF, -0.0, None], pa.float16()),
        [0.5, float(np.float16(0.1)), NAN, INF, 0.0, None],
        ["0.5", "0.1", None, "inf", "0", None],
    ),
    "float32": (
        pa.array([0.1, 3.0, NAN, -INF, 1e20, None], pa.float32()),
        [float(np.float32(0.1)), 3.0, NAN, -INF, float(np.float32(1e20)), None],
        ["0.1", "3", None, "-inf", "1e+20", None],
    ),
    "float64": (
        pa.array([0.1, 3.0, NAN, -0.0, 1e300, 5e-324, None]),
        [0.1, 3.0, NAN, 0.0, 1e300, 5e-324, None],
        ["0.1", "3", None, "0", "1e+300", "5e-324", None],
    ),
    **{
        str(type_): (_decimals(type_), [-1.5, 123.25, None], ["-1.5", "123.25", None])
        for type_ in (pa.decimal32(5, 2), pa.decimal64(5, 2), pa.decimal128(5, 2), pa.decimal256(50, 2))
    },
    "bool": (pa.array([True, False, None]), [1.0, 0.0, None], ["true", "false", None]),
    **{
        str(type_): (
            pa.array([date(1969, 12, 31), date(2024, 2, 29), None], type_),
            [-86400.0, 1709164800.0, None],
            ["1969-12-31", "2024-02-29", None],
        )
        for type_ in (pa.date32(), pa.date64())
    },
    "timestamp s": (_moments("s"), [*WHOLE, None], ["1969-12-31 23:59:58", "2024-02-29 12:00:00", None]),
    "timestamp ms": (_moments("ms"), [*SECONDS, None], ["1969-12-31 23:59:58.5", "2024-02-29 12:00:00.25", None]),
    "timestamp us": (
        _moments("us"),
        [*SECONDS, None],
        ["1969-12-31 23:59:58.5", "2024-02-29 12:00:00.25", None],
    ),
    "timestamp ns": (
        _moments("ns"),
        [*SECONDS, None],
        ["1969-12-31 23:59:58.5", "2024-02-29 12:00:00.25", None],
    ),
    "timestamp UTC": (
        _moments("ms", "UTC"),
        [*SECONDS, None],
        ["1969-12-31 23:59:58.5Z", "2024-02-29 12:00:00.25Z", None],
    ),
    "timestamp offset": (
        _moments("s", "+02:00"),
        [*WHOLE, None],
        ["1970-01-01 01:59:58+0200", "2024-02-29 14:00:00+0200", None],
    ),
    "time32 s": (pa.array([time(1, 2, 3), None], pa.time32("s")), [3723.0, None], ["01:02:03", None]),
    "time32 ms": (pa.array([time(1, 2, 3, 5000), None], pa.time32("ms")), [3723.005, None], ["01:02:03.005", None]),
    "time64 us": (pa.array([time(1, 2, 3, 5), None], pa.time64("us")), [3723.000005, None], ["01:02:03.000005", None]),
    "time64 ns": (pa.array([time(0, 0, 1), None], pa.time64("ns")), [1.0, None], ["00:00:01", None]),
    **{
        f"duration {unit}": (_spans(unit), [-2.0, 108000.0, None], ["-2", "108000", None])
        for unit in ("s", "ms", "us", "ns")
    },
    **{
        str(type_): (
            pa.array(["1.5", "-2e3", "x", "", " 7 ", "1_000", "NaN", None], type_),
            [1.5, -2000.0, BAD, BAD, 7.0, BAD, NAN, None],
            ["1.5", "-2e3", "x", "", " 7 ", "1_000", "NaN", None],
        )
        for type_ in (pa.string(), pa.large_string(), pa.string_view())
    },
    **{
        str(type_): (pa.array([b"\x00\xff\x10", b"abc", None], type_), [BAD, BAD, None], ["00ff10", "616263", None])
        for type_ in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3))
    },
    "uuid": (pa.array([b"\x01" * 16, None], pa.uuid()), [BAD, None], ["01" * 16, None]),
    "json": (pa.array(["3", "{}", None], pa.json_()), [3.0, BAD, None], ["3", "{}", None]),
    "bool8": (pa.array([1, 0, None], pa.bool8()), [1.0, 0.0, None], ["1", "0", None]),
    "extension": (
        pa.ExtensionArray.from_storage(Celsius(), pa.array([21.5, None], pa.float32())),
        [21.5, None],
        ["21.5", None],
    ),
    "null": (pa.nulls(3), [None] * 3, [None] * 3),
}
NESTED: dict[str, pa.Array] = {
    "struct": pa.array([{"a": 1}, None, {"a": None}]),
    "list": pa.array([[1], None, []]),
    "large list": pa.array([[1], None, []], pa.large_list(pa.int8())),
    "list view": pa.array([[1], None, []], pa.list_view(pa.int8())),
    "fixed size list": pa.array([[1], None, [2]], pa.list_(pa.int8(), 1)),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int8())),
    "interval": pa.array([pa.MonthDayNano([1, 2, 3]), None, pa.MonthDayNano([0, 0, 0])]),
}


def _wrapped(array: pa.Array) -> Iterator[tuple[str, pa.Array | pa.ChunkedArray, list[int | None]]]:
    """The array in other layouts, and which of its values each then holds."""
    n = len(array)
    every: list[int | None] = list(range(n))
    yield "plain", array, every
    yield "sliced", array.slice(1), every[1:]
    yield "sliced twice", pa.concat_arrays([array, array]).slice(2, n - 1), (every + every)[2 : n + 1]
    yield "chunks", pa.chunked_array([array, array.slice(0, 0), array.slice(1)]), every + every[1:]
    yield "no chunks", pa.chunked_array([], array.type), []
    places = [n - 1, None, 0, 0, None, 1]  # some entries are not used, one is used twice
    for index in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()):
        encoded = pa.DictionaryArray.from_arrays(pa.array(places, index), array)
        yield f"dictionary {index}", encoded, places
        yield f"sliced dictionary {index}", encoded.slice(2, 3), places[2:5]
    twice = pa.DictionaryArray.from_arrays(pa.array([0, n, 2 * n - 1]), pa.concat_arrays([array, array]))
    yield "repetitions in the dictionary", twice, [0, 0, n - 1]
    pieces = [pa.DictionaryArray.from_arrays(pa.array([0, None]), array.slice(k)) for k in (0, 1)]
    yield "chunks of different dictionaries", pa.chunked_array(pieces), [0, None, 1, None]
    ends = pa.array(range(2, 2 * n + 1, 2), pa.int32())
    runs = pa.RunEndEncodedArray.from_arrays(ends, array)
    yield "runs", runs, [k // 2 for k in range(2 * n)]
    yield "sliced runs", runs.slice(1, n), [(k + 1) // 2 for k in range(n)]
    yield (
        "runs of a dictionary",
        pa.RunEndEncodedArray.from_arrays(
            pa.array([2, 3], pa.int16()), pa.DictionaryArray.from_arrays(pa.array([0, None], pa.int8()), array)
        ),
        [0, 0, None],
    )


def _same(found: list[Any], expected: list[Any]) -> bool:
    return [repr(x) for x in found] == [repr(x) for x in expected]


@pytest.mark.parametrize("name", CASES)
def test_as_a_number(name: str) -> None:
    array, expected, _ = CASES[name]
    for how, column, places in _wrapped(array):
        wanted = [None if k is None else expected[k] for k in places]
        found = numbers(column)
        present = found.present().tolist()
        values = [value + 0.0 if there else None for value, there in zip(found.values.tolist(), present, strict=True)]
        assert _same(values, [None if x == BAD else x for x in wanted]), how
        assert (found.nulls, found.mismatched) == (wanted.count(None), wanted.count(BAD)), how
        profile = NumericProfile.of(column, NumericSpec())
        numeric = [x for x in wanted if x not in (None, BAD)]
        finite = [x for x in numeric if np.isfinite(x)]
        assert (profile.rows, profile.finite) == (len(wanted), len(finite)), how
        assert (profile.nulls, profile.mismatched) == (wanted.count(None), wanted.count(BAD)), how
        assert profile.nans == sum(np.isnan(x) for x in numeric), how
        assert profile.infinities == sum(np.isinf(x) for x in numeric), how
        assert round(profile.distinct) == len({*finite}), how


@pytest.mark.parametrize("name", CASES)
def test_as_a_category(name: str) -> None:
    array, _, expected = CASES[name]
    for how, column, places in _wrapped(array):
        wanted = [None if k is None else expected[k] for k in places]
        found = categories(column)
        assert found.type == pa.dictionary(pa.int32(), pa.string()), how
        assert found.dictionary.null_count == 0, how
        assert found.to_pylist() == wanted, how
        assert rows_per_code(found)[-1] == wanted.count(None), how
        counted = Counter(text for text in wanted if text is not None)
        profile = CategoricalProfile.of(column, CategoricalSpec())
        assert {text: n for text, (_, n) in profile.new.items()} == counted, how
        assert (profile.nulls, profile.mismatched, profile.rows) == (wanted.count(None), 0, len(wanted)), how
        assert CategoricalSpec.learn(column).names == tuple(sorted(counted)), how


def test_bytes_that_are_no_text_are_replaced() -> None:
    offsets, data = np.array([0, 2, 4, 5], np.int32).tobytes(), b"a\xffa\xfe7"
    column = pa.Array.from_buffers(pa.string(), 3, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    for texts in (column, column.dictionary_encode(), column.cast(pa.large_string()), column.cast(pa.string_view())):
        assert categories(texts).to_pylist() == ["a\ufffd", "a\ufffd", "7"]
        profile = NumericProfile.of(texts, NumericSpec())
        assert (profile.mismatched, profile.high) == (2, 7.0)
    assert CategoricalSpec.learn(column).names == ("7", "a\ufffd")


@pytest.mark.parametrize("name", NESTED)
def test_what_is_no_single_value_is_a_mismatch(name: str) -> None:
    array = NESTED[name]
    assert not arrow_types.is_testable(array.type)
    indices = pa.array([0, None, 1, 2], pa.uint8())
    for column, nulls in (
        (array, 1),
        (array.slice(2), 0),
        (pa.chunked_array([array, array]), 2),
        (pa.DictionaryArray.from_arrays(indices, array), 2),
        (pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), array), 2),
    ):
        for profile in (NumericProfile.of(column, NumericSpec()), CategoricalProfile.of(column, CategoricalSpec())):
            assert (profile.nulls, profile.mismatched, profile.rows) == (nulls, len(column) - nulls, len(column))
            assert profile.distinct == 0
        assert not len(NumericSpec.learn(column).edges)
        assert CategoricalSpec.learn(column).names == ()


def test_unions_are_mismatches() -> None:
    members = [pa.array([1, None]), pa.array(["a"])]
    types, offsets = pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32())
    for column in (
        pa.UnionArray.from_dense(types, offsets, members),
        pa.UnionArray.from_sparse(types, [pa.array([1, 2, 3]), pa.array(["a", "b", "c"])]),
    ):
        for profile in (NumericProfile.of(column, NumericSpec()), CategoricalProfile.of(column, CategoricalSpec())):
            assert (profile.mismatched, profile.rows) == (3, 3)


@pytest.mark.parametrize("index", [pa.int8(), pa.uint8()])
def test_a_dictionary_as_large_as_its_indices_reach(index: pa.DataType) -> None:
    size = 128 if index == pa.int8() else 256
    encoded = pa.DictionaryArray.from_arrays(pa.array([0, size - 1, None], index), pa.array(np.arange(float(size))))
    assert NumericProfile.of(encoded, NumericSpec()).high == size - 1
    large = pa.DictionaryArray.from_arrays(pa.array([0, size - 1, None], index), pa.array(range(2**60, 2**60 + size)))
    assert round(NumericProfile.of(large, NumericSpec()).distinct) == 2
    names = pa.DictionaryArray.from_arrays(
        pa.array([0, size - 1, None], index), pa.array([str(i) for i in range(size)])
    )
    assert categories(names).to_pylist() == ["0", str(size - 1), None]


def test_buffers_need_not_be_writable_nor_aligned_nor_a_multiple_of_a_value_long() -> None:
    raw = np.array([1.0, 2.0, 4.0]).tobytes()
    for buffer in (pa.py_buffer(raw), pa.py_buffer(b"x" + raw).slice(1), pa.py_buffer(raw + b"xyz")):
        assert NumericProfile.of(pa.Array.from_buffers(pa.float64(), 3, [None, buffer]), NumericSpec()).mean == 7 / 3
    codes = np.array([1, 0, 1], np.int32).tobytes()
    for buffer in (pa.py_buffer(codes), pa.py_buffer(b"x" + codes).slice(1), pa.py_buffer(codes + b"x")):
        indices = pa.Array.from_buffers(pa.int32(), 3, [None, buffer])
        column = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]))
        assert rows_per_code(categories(column)).tolist() == [1, 2, 0]
    batch = pa.record_batch({"x": pa.array([1.0, None, 4.0])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    assert NumericProfile.of(pa.ipc.open_stream(sink.getvalue()).read_all()["x"], NumericSpec()).mean == 2.5


def test_values_under_a_null_do_not_matter() -> None:
    data = pa.py_buffer(np.array([NAN, 1e300, 5.0, INF]).tobytes())
    column = pa.Array.from_buffers(pa.float64(), 4, [pa.py_buffer(bytes([0b0100])), data])
    profile = NumericProfile.of(column, NumericSpec())
    assert (profile.finite, profile.nans, profile.infinities, profile.nulls, profile.high) == (1, 0, 0, 3, 5.0)


def test_categories_of_plain_texts_are_not_copied() -> None:
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    assert categories(column) is column
    repeated = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["z", "z", "y"]))
    assert categories(repeated) is repeated


def test_numbers_that_are_written_alike_are_one_category() -> None:
    spec = CategoricalSpec.learn(pa.array([1, 2], pa.int64()))
    for column in (
        pa.array([1.0, 2.0]),
        pa.array([1, 2], pa.uint8()),
        pa.array(["1", "2"]),
        pa.array([1.0], pa.float16()),
    ):
        assert CategoricalProfile.of(column, spec).unseen == 0


@pytest.mark.parametrize("chosen", [[True, False, True, None], [False] * 4, [True] * 4])
def test_only_some_of_the_values(chosen: list[bool | None]) -> None:
    for values in ([1.0, 2.0, 3.0, 4.0], [1.0, None, None, 4.0]):
        mask = pa.array([False, *chosen]).slice(1)
        found = numbers(pa.array([0.0, *values]).slice(1)).where(mask)
        expected = [bool(c) and v is not None for c, v in zip(chosen, values, strict=True)]
        assert found.present().tolist() == expected
        assert found.nulls == sum(bool(c) and v is None for c, v in zip(chosen, values, strict=True))


PLACES = pa.array(
    [
        {"city": "Rom", "at": [1.0, 2.0], "deep": [{"x": 7}]},
        None,
        {"city": None, "at": [3.0], "deep": []},
        {"city": "Bonn", "at": None, "deep": None},
    ]
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("place.city", ["Rom", None, None, "Bonn"]),
        ("place.at[0]", [1.0, None, 3.0, None]),
        ("place.at[1]", [2.0, None, None, None]),
        ("place.at[9]", [None] * 4),
        ("place.deep[0].x", [7, None, None, None]),
    ],
)
def test_parts_of_nested_columns(path: str, expected: list[Any]) -> None:
    table = pa.table({"place": PLACES})
    encoded = pa.table({"place": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2, 3, 4], pa.int32()), PLACES)})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    for source in (table, chunked, encoded, table.to_batches()[0]):
        found = find_column(source, path)
        assert found is not None
        assert found.to_pylist() == expected
    sliced = find_column(table.to_batches()[0].slice(2), path)
    assert sliced is not None
    assert sliced.to_pylist() == expected[2:]


@pytest.mark.parametrize(
    "type_",
    [
        pa.list_(pa.float32()),
        pa.large_list(pa.float32()),
        pa.list_(pa.float32(), 2),
        pa.list_view(pa.float32()),
        pa.large_list_view(pa.float32()),
    ],
)
def test_elements_of_lists(type_: pa.DataType) -> None:
    table = pa.table({"embedding": pa.array([[1, 2], None, [3, None], [5, 6]], type_)})
    parts: dict[str, list[Any]] = {
        "embedding[0]": [1.0, None, 3.0, 5.0],
        "embedding[1]": [2.0, None, None, 6.0],
        "embedding[2]": [None] * 4,
    }
    for path, expected in parts.items():
        found = find_column(table, path)
        assert found is not None
        assert found.to_pylist() == expected
        part = find_column(table.slice(2), path)
        assert part is not None
        assert part.to_pylist() == expected[2:]


def test_elements_of_tensors() -> None:
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6.0).reshape(3, 2))
    found = find_column(pa.table({"embedding": tensor}), "embedding[1]")
    assert found is not None
    assert found.to_pylist() == [1.0, 3.0, 5.0]


@pytest.mark.parametrize(
    "path", ["x", "place.zip", "place[0]", "place.", "place.city.name", "at[0]", "place.at[-1]", ""]
)
def test_parts_that_are_not_there(path: str) -> None:
    assert find_column(pa.table({"place": PLACES}), path) is None


def test_a_column_of_that_very_name_comes_before_a_path() -> None:
    table = pa.table({"place": PLACES, "place.city": [1, 2, 3, 4]})
    found = find_column(table, "place.city")
    assert found is not None
    assert found.to_pylist() == [1, 2, 3, 4]


def test_plain_takes_off_every_wrapping() -> None:
    storage = pa.array([1.5, None], pa.float32())
    array = pa.ExtensionArray.from_storage(Celsius(), storage)
    assert plain(array).equals(storage)
    assert plain(pa.chunked_array([array, array])).to_pylist() == [1.5, None, 1.5, None]
    runs = pc.run_end_encode(pa.array([1, 1, 2]))
    assert plain(runs).to_pylist() == [1, 1, 2]


Profile = Callable[[pa.Array], str]


def test_a_number_is_the_same_in_every_type_that_holds_it() -> None:
    spec = NumericSpec.learn(pa.array([1.0, 2.0, 3.0]))
    same = [
        pa.array([1.0, 2.0, None]),
        pa.array([1, 2, None], pa.int8()),
        pa.array([1, 2, None], pa.uint64()),
        pa.array(["1", "2.0", None]),
        pa.array([Decimal(1), Decimal(2), None]),
        pa.array([1, 2, None]).dictionary_encode(),
        pc.run_end_encode(pa.array([1.0, 2.0, None])),
    ]
    seen = set()
    for column in same:
        profile = NumericProfile.of(column, spec)
        seen.add(json.dumps([profile.head(), profile.registers.tolist(), profile.units.tolist()]))
    assert len(seen) == 1


def test_decimals_are_the_nearest_floats() -> None:
    texts = [f"{i / 100:.2f}" for i in range(-300, 300)]
    values = numbers(pa.array([Decimal(text) for text in texts])).values
    assert values.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("type_", [pa.decimal128(12, 0), pa.decimal128(20, 6), pa.int32(), pa.float64()])
def test_numbers_have_one_spelling_as_categories(type_: pa.DataType) -> None:
    texts = categories(pa.array([1, 20, 300], pa.int32()).cast(type_)).dictionary.to_pylist()
    assert texts == [str(value) for value in range(1, 301)] or texts == ["1", "20", "300"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_have_one_spelling_as_categories(unit: str) -> None:
    moments = pa.array([0, 10], pa.timestamp("s", "UTC")).cast(pa.timestamp(unit, "UTC"))
    assert categories(moments).dictionary.to_pylist() == ["1970-01-01 00:00:00Z", "1970-01-01 00:00:10Z"]
    if unit in ("ms", "us"):
        tenth = pa.array([100 if unit == "ms" else 100_000], pa.timestamp(unit))
        assert categories(tenth).dictionary.to_pylist() == ["1970-01-01 00:00:00.1"]


def test_of_columns_of_one_name_the_first_counts() -> None:
    twice = pa.table([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    assert find_column(twice, "x").to_pylist() == [1.0]
