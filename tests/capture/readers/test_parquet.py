"""Parquet logs: typed all at once, and what single rows would have become."""

from __future__ import annotations

import decimal
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.arrow_rows import fields_of, typed
from monitoring.capture.readers.parquet import first_rows, knows, read
from monitoring.capture.readers.rows import Identity
from monitoring.capture.records import Row, Typed, type_rows
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns
from monitoring.errors import StoreUnavailableError

WRITTEN = datetime(2024, 1, 11, 12, tzinfo=UTC)
DAY = datetime(2024, 1, 11, 10, tzinfo=UTC)


def config(**columns: Any) -> ModelConfig:
    columns = {"features": {"amount": "numeric", "country": "categorical"}, **columns}
    capture = {"format": "parquet", "uri": "logs"}
    return ModelConfig.model_validate({"name": "toy", "capture": capture, "columns": columns})


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def captured(data: bytes) -> CaptureObject:
    return CaptureObject.of("logs/a.parquet", data, WRITTEN)


def found(data: bytes, **columns: Any) -> list[Typed | Quarantined]:
    return list(read(captured(data), config(**columns)))


def one(table: pa.Table, **columns: Any) -> Typed:
    (part,) = found(parquet(table), **columns)
    assert isinstance(part, Typed)
    return part


GOOD = pa.table(
    {
        "event_id": ["a", "b", "c"],
        "timestamp": pa.array([DAY, DAY, DAY], pa.timestamp("ms", "UTC")),
        "amount": [1.5, None, 3.0],
        "country": pa.array(["at", "", "ch"]).dictionary_encode(),
        "score": pa.array([0.25, 0.5, 1.0], pa.float32()),
        "model_version": pa.array([7, 7, None], pa.int16()),
        "latency_ms": [12, 13, 14],
        "status": [200, 200, 503],
    }
)


def test_columns_are_typed() -> None:
    part = one(GOOD)
    assert part.table.to_pylist()[0] == {
        "event_id": "a",
        "event_time": DAY,
        "model_version": "7",
        "score": 0.25,
        "prediction": False,
        "latency_ms": 12.0,
        "status": 200,
        "feature:amount": 1.5,
        "feature:country": "at",
    }
    assert part.table["feature:amount"].to_pylist() == [1.5, None, 3.0]
    assert part.table["feature:country"].to_pylist() == ["at", None, "ch"]
    assert part.table["model_version"].to_pylist() == ["7", "7", ""]
    assert (part.missing, part.unparsable, part.unknown, part.quarantined) == ({}, {}, frozenset(), [])


def test_the_place_of_a_row_is_its_number_and_its_bytes_are_what_the_model_needs() -> None:
    table = GOOD.append_column("secret", pa.array(["x", "y", "z"]))
    part = one(table, features={"amount": "numeric"})
    origin = part.origin(2)
    assert (origin.key, origin.offset) == ("logs/a.parquet", 2)
    assert json.loads(origin.data)["event_id"] == "c"
    assert b"secret" not in origin.data
    assert part.unknown == {"secret", "country"}


def test_rows_without_a_usable_score_are_set_aside_with_their_place() -> None:
    table = GOOD.set_column(4, "score", pa.array([None, 1.5, None]))
    part = one(table)
    assert part.table["event_id"].to_pylist() == ["c"]  # its call failed, and may have no score
    assert [(q.reason, q.detail, q.origin.offset) for q in part.quarantined] == [
        (Reason.BAD_SCORE, "score is no number", 0),
        (Reason.BAD_SCORE, "score is not a probability", 1),
    ]
    assert part.origin(0).offset == 2


def test_a_column_that_is_missing_is_missing_in_all_rows() -> None:
    part = one(GOOD.drop_columns(["amount"]))
    assert part.missing["amount"].tolist() == [0, 1, 2]
    assert part.table["feature:amount"].null_count == 3


def test_values_that_do_not_parse() -> None:
    table = GOOD.set_column(2, "amount", pa.array(["1.5", "much", " 2 "]))
    part = one(table)
    assert part.unparsable["amount"].tolist() == [1]
    assert part.table["feature:amount"].to_pylist() == [1.5, None, 2.0]


def test_structs_lists_and_paths() -> None:
    table = GOOD.drop_columns(["amount", "country"]).append_column(
        "customer", pa.array([{"age": 41, "home": {"country": "at"}}, None, {"age": None, "home": None}])
    )
    table = table.append_column("x", pa.array([[1.0, 2.0], [3.0], None]))
    part = one(
        table,
        features={"customer.age": "numeric", "country": "categorical", "second": "numeric"},
        paths={"country": "customer.home.country", "second": "x[1]"},
    )
    assert part.table["feature:customer.age"].to_pylist() == [41, None, None]
    assert part.table["feature:country"].to_pylist() == ["at", None, None]
    assert part.table["feature:second"].to_pylist() == [2.0, None, None]
    rows = {name: rows.tolist() for name, rows in part.missing.items()}
    assert rows == {"customer.age": [1], "country": [1, 2], "second": [1, 2]}
    assert part.unknown == frozenset()


def test_ids_and_times_of_the_usual_names_or_none() -> None:
    bare = GOOD.drop_columns(["event_id", "timestamp"])
    part = one(bare)
    assert part.table["event_id"].to_pylist() == [f"logs/a.parquet#{i}" for i in range(3)]
    assert set(part.table["event_time"].to_pylist()) == {WRITTEN}
    part = one(bare.append_column("uuid", pa.array(["u", None, ""])).append_column("ts", pa.array([1.70496e9] * 3)))
    assert part.table["event_id"].to_pylist() == ["u", "logs/a.parquet#1", "logs/a.parquet#2"]
    assert set(part.table["event_time"].to_pylist()) == {datetime(2024, 1, 11, 8, tzinfo=UTC)}
    assert part.unknown == frozenset()


def test_rows_without_a_configured_id_or_time_are_set_aside() -> None:
    table = GOOD.rename_columns({"event_id": "order", "timestamp": "when"})
    part = one(table.set_column(0, "order", pa.array(["a", None, "c"])), event_id="order", event_time="when")
    assert part.table["event_id"].to_pylist() == ["a", "c"]
    assert [q.reason for q in part.quarantined] == [Reason.NO_EVENT_ID]
    part = one(table.set_column(1, "when", pa.array(["2024-01-11", "soon", None])), event_time="when")
    faults = [(q.reason, q.origin.offset) for q in part.quarantined]
    assert faults == [(Reason.BAD_EVENT_TIME, 1), (Reason.BAD_EVENT_TIME, 2)]


def test_a_table_of_several_row_groups_comes_in_batches() -> None:
    table = pa.table({"score": np.linspace(0, 1, 100), "amount": range(100), "country": ["at"] * 100})
    parts = found(parquet(table, row_group_size=30))
    assert [part.table.num_rows for part in parts if isinstance(part, Typed)] == [30, 30, 30, 10]
    last = parts[-1]
    assert isinstance(last, Typed)
    assert last.table["event_id"].to_pylist()[-1] == "logs/a.parquet#99"
    assert last.origin(9).offset == 99


def test_texts_that_are_none_cost_their_rows_only() -> None:
    broken = pa.array([b"at", b"\xff\xfe", b"ch"]).cast(pa.binary())
    table = GOOD.set_column(3, "country", pa.StringArray.from_buffers(3, *broken.buffers()[1:]))
    part = one(table)
    assert part.unparsable["country"].tolist() == [1]
    assert part.table["feature:country"].to_pylist() == ["at", None, "ch"]
    assert json.loads(part.origin(1).data)["country"] == "\ud800"


def test_bytes_that_are_texts_are_texts() -> None:
    part = one(GOOD.set_column(3, "country", pa.array([b"at", b"", b"ch"])))
    assert part.table["feature:country"].to_pylist() == ["at", None, "ch"]


def _encrypted(data: bytes) -> bytes:
    return data[:-4] + b"PARE"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"",
        lambda data: bytes(len(data)),
        lambda data: data[:-10],
        lambda data: data[: len(data) // 2],
        lambda data: b"PAR1",
        gzip.compress,
        _encrypted,
        lambda data: data[:-1000] + bytes(992) + data[-8:],
    ],
)
def test_a_file_that_is_broken_is_one_bad_object(spoil: Callable[[bytes], bytes]) -> None:
    (item,) = found(spoil(parquet(GOOD)))
    assert isinstance(item, Quarantined)
    assert item.reason is Reason.BAD_OBJECT
    assert first_rows(captured(spoil(parquet(GOOD))), 2) == []


def test_a_row_group_that_is_damaged_costs_its_rows_only() -> None:
    table = pa.table({"score": np.linspace(0, 1, 3000), "amount": np.arange(3000.0), "country": ["at"] * 3000})
    data = bytearray(parquet(table, row_group_size=1000, write_page_checksum=True, use_dictionary=False))
    group = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1)
    place = group.column(0).data_page_offset + 200
    data[place : place + 50] = bytes(50)
    parts = found(bytes(data))
    kept = sum(part.table.num_rows for part in parts if isinstance(part, Typed))
    lost = [part for part in parts if isinstance(part, Quarantined)]
    assert (kept, [item.rows for item in lost]) == (2000, [1000])
    assert lost[0].reason is Reason.BAD_OBJECT
    assert lost[0].origin.offset == 1000


@settings(max_examples=40)
@given(st.data())
def test_nothing_that_is_in_a_file_makes_the_reader_raise(data: st.DataObject) -> None:
    spoilt = bytearray(parquet(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    for item in found(bytes(spoilt)):
        assert isinstance(item, Typed | Quarantined)


def test_a_store_that_does_not_answer_is_no_damage() -> None:
    class Failing(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise StoreUnavailableError("gone")

    data = parquet(GOOD)
    broken = CaptureObject("k", len(data), lambda: Failing(data), lambda: iter([data]))
    with pytest.raises(StoreUnavailableError):
        list(read(broken, config()))


def test_what_is_known() -> None:
    head = parquet(GOOD)[:100]
    assert knows("a/part-0.snappy.parquet", head)
    assert knows("a/part-0", head)
    assert not knows("a/_metadata", head)
    assert not knows("a.csv", b"a,b\n")


def test_the_first_rows_have_all_columns() -> None:
    rows = first_rows(captured(parquet(GOOD)), 2)
    assert [row["event_id"] for row in rows] == ["a", "b"]
    assert set(rows[0]) == set(GOOD.column_names)


# --- The same as row by row ---

MOMENT = datetime(2024, 1, 11, 10, 0, 0, 123456)  # noqa: DTZ001  # as files without a zone have it
TEXTS = [
    "a",
    "",
    "1",
    "1.0",
    "0",
    "true",
    "0.25",
    "+0.5",
    " 0.5 ",
    "1_0",
    "nan",
    "inf",
    "null",
    "NA",
    "1e-3",
    ".5",
    "1.",
    "-3",
]
TIMES = [
    MOMENT.isoformat(),
    "2024-01-11 10:00:00.123Z",
    "2024-01-11T10:00:00+05:30",
    "2024-01-11T10:00:00-0500",
    "2024-01-11",
    "2024-02-30T00:00:00",
    "1704960000",
    "1704960000123",
    "1704960000.25",
    "2024-01-11 10:00:00 UTC",
    "0000-01-11T10:00:00",
    "9999-12-31T23:59:59-05:00",
]
EPOCHS = [
    0,
    1,
    200,
    503,
    10**8,
    1704960000,
    1704960000123,
    1704960000123456,
    1704960000123456789,
    -5,
    2**63 - 1,
    -(2**63),
]
FLOATS = [0.25, 1.0, 0.0, -0.0, 1.5, -1.5, float("nan"), float("inf"), 0.1, 1e300, 1704960000.25, 200.0, 1e19, 2e20]
DECIMALS = [decimal.Decimal(text) for text in ("0.250", "1.000", "200.000", "-7.125", "0.001", "1704960000.123")]
KINDS = {
    "int8": pa.array([0, 1, None, 100, -5], pa.int8()),
    "uint64": pa.array([0, 1, None, 2**64 - 1, 1704960000], pa.uint64()),
    "int64": pa.array([*EPOCHS, None]),
    "bool": pa.array([True, False, None]),
    "float16": pa.array(np.array([0.25, 1, 0.1, np.nan], np.float16)),
    "float32": pa.array([0.25, 1.0, 0.1, None, float("nan")], pa.float32()),
    "float64": pa.array([*FLOATS, None]),
    "decimal128": pa.array([*DECIMALS, None], pa.decimal128(20, 3)),
    "decimal256": pa.array([*DECIMALS, None], pa.decimal256(40, 5)),
    "text": pa.array([*TEXTS, None]),
    "large text": pa.array([*TEXTS, None], pa.large_string()),
    "dictionary": pa.array([*TEXTS, None, *TEXTS]).dictionary_encode(),
    "dictionary of numbers": pa.array([1, 2, None, 1]).dictionary_encode(),
    "usual times": pa.array([None, *TIMES[:1], ""]),
    "usual times with offsets": pa.array([*TIMES[1:4], None]),
    "times in texts": pa.array([*TIMES, "", None]),
    "times in a dictionary": pa.array([*TIMES, "", None]).dictionary_encode(),
    "timestamp": pa.array([MOMENT, None], pa.timestamp("us")),
    "timestamp in a zone": pa.array([MOMENT, None], pa.timestamp("ms", "Europe/Vienna")),
    "nanoseconds": pa.array([1704960000123456789, None]).cast(pa.timestamp("ns")),
    "far timestamps": pa.array([2**62, -(2**62), 0, None]).cast(pa.timestamp("s")),
    "strange timestamps": pa.array([2**63 - 1, -(2**63), None]).cast(pa.timestamp("us", "UTC")),
    "date32": pa.array([MOMENT.date(), None]),
    "date64": pa.array([MOMENT.date(), None], pa.date64()),
    "time": pa.array([MOMENT.time(), None]),
    "duration": pa.array([timedelta(seconds=5), None]),
    "list": pa.array([[0.5], [0.25, 1.0], [], None, [None]]),
    "list of texts": pa.array([["0.5"], ["x"], ["a", "b"]], pa.large_list(pa.string())),
    "fixed list": pa.array([[0.5], [2.0], None], pa.list_(pa.float64(), 1)),
    "struct": pa.array([{"y": 0.5}, {"y": None}, None]),
    "map": pa.array([[("y", 1.0)], None], pa.map_(pa.string(), pa.float64())),
    "null": pa.nulls(3),
    "uuid": pa.array([bytes(range(16)), None], pa.uuid()),
}
FIELDS = ("n", "c", "t", "p", "s", "r", "status", "model_version", "latency_ms")
USUAL = Columns(
    features={
        "n": "numeric",
        "c": "categorical",
        "t": "text",
        "p.y": "numeric",
        "first": "categorical",
        "gone": "numeric",
    },
    outputs=["score"],
    prediction="label",
    segments=["s"],
    references=["r"],
    paths={"first": "p[0]"},
)
# Settings, and the columns to try with them
MEANINGS: list[tuple[dict[str, Any], list[tuple[str, ...]]]] = [
    ({}, [FIELDS, ("score",), ("score", "status"), ("label",), ("order", "id"), ("when", "ts")]),
    ({"task": "multiclass", "event_id": "order"}, [("score",), ("label",), ("order", "id")]),
    ({"task": "regression", "event_time": "when", "prediction": ""}, [("score",), ("when", "ts")]),
    ({"score": ""}, [("label", "status")]),
    ({"score": "", "task": "multiclass"}, [("label",)]),
    ({"outputs": []}, [("score",)]),
    (
        {"task": "multiclass", "probabilities": {"x": "score", "y": "py", "z": "pz"}, "score": "", "prediction": ""},
        [("py", "pz"), ("score", "py"), ("py", "pz", "status"), ("score", "py", "pz")],
    ),
    (
        {"task": "multiclass", "probabilities": {"x": "score", "y": "py", "z": "pz"}},
        [("py", "pz", "label"), ("pz", "status", "label")],
    ),
    ({"task": "multiclass", "probabilities": {"x": "score", "y": "py", "z": "pz"}, "outputs": []}, [("py",)]),
]


def row_by_row(batch: pa.RecordBatch, columns: Columns) -> Typed:
    identity = Identity.of(captured(b""), columns)
    rows: list[Row] = []
    aside: list[Quarantined] = []
    for number in range(batch.num_rows):
        origin = Origin("logs/a.parquet", number, b"")
        try:
            rows.append(identity.row(fields_of(batch, number), origin, number))
        except UnreadableError as error:
            aside.append(error.at(origin))
    slow = type_rows(rows, columns)
    slow.quarantined = sorted([*aside, *slow.quarantined], key=lambda item: item.origin.offset)
    return slow


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_becomes_what_its_rows_would(kind: str) -> None:
    array = KINDS[kind]
    usual = {
        "score": pa.array(np.linspace(0, 1, len(array))),
        "order": pa.array(map(str, range(len(array)))),
        "when": pa.array([MOMENT] * len(array)),
    }
    for meaning, several in MEANINGS:
        for roles in several:
            batch = pa.table({**usual, **dict.fromkeys(roles, array)}).to_batches()[0]
            _compare(batch, USUAL.model_copy(update=meaning), (meaning, roles))


def _compare(batch: pa.RecordBatch, columns: Columns, case: object) -> None:
    fast = typed(batch, 0, batch.schema.names, Identity.of(captured(b""), columns))
    slow = row_by_row(batch, columns)
    for name in slow.table.column_names:
        assert repr(fast.table[name].to_pylist()) == repr(slow.table[name].to_pylist()), (case, name)
    assert _lists(fast.missing) == _lists(slow.missing), case
    assert _lists(fast.unparsable) == _lists(slow.unparsable), case
    assert fast.unknown == slow.unknown, case
    assert list(map(_essence, fast.quarantined)) == list(map(_essence, slow.quarantined)), case
    rows = range(fast.table.num_rows)
    assert [fast.origin(row).offset for row in rows] == [slow.origin(row).offset for row in rows]


def _lists(faults: dict[str, Any]) -> dict[str, list[int]]:
    return {name: rows.tolist() for name, rows in faults.items()}


def _essence(item: Quarantined) -> tuple[Reason, str, int]:
    return item.reason, item.detail, item.origin.offset


@given(st.decimals(-(10**9), 10**9, places=6))
def test_decimals_are_the_nearest_floats(value: decimal.Decimal) -> None:
    table = GOOD.set_column(2, "amount", pa.array([value] * 3, pa.decimal128(18, 6)))
    assert one(table).table["feature:amount"].to_pylist() == [float(value)] * 3
