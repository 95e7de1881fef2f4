"""Which reader reads an object, and what none of them may do, whatever an object holds."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from functools import partialmethod
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture import objects
from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Reason
from monitoring.errors import ConfigError
from monitoring.labels.readers import BUILT_IN, GROUP, csv, label_reader, label_readers
from tests.labels.readers.labelled import TIMED, collected, make_config, mutated, read

TRUTH = b'{"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "a"}}'
LINE = b'{"event_id": "a", "label": 1}'
CSV = b"event_id,label\na,1\n"


def _parquet(*, rows: int = 1, **changes: Any) -> bytes:
    sink = io.BytesIO()
    columns = {"event_id": ["a"] * rows, "label": [1] * rows} | changes
    pq.write_table(pa.table(columns), sink, row_group_size=100)
    return sink.getvalue()


def test_several_formats_under_one_prefix() -> None:
    for data in (TRUTH, LINE, CSV, _parquet()):
        assert read(data, key="labels.csv", format=list(BUILT_IN)).pairs == [("a", "1")]
    found = read(b"\x89PNG\r\n", format=list(BUILT_IN))
    assert (found.pairs, found.reasons) == ([], [Reason.UNKNOWN_FORMAT])


def test_the_readers_of_a_model() -> None:
    assert [known.name for known in label_readers(make_config(format=["csv", "parquet"]))] == ["csv", "parquet"]
    assert label_readers(make_config().model_copy(update={"labels": None})) == []


def test_a_reader_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "vase_labels-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vase-labels\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\nvase = vase_labels:read\n")
    lines = [
        "from monitoring.labels.readers.values import Label, tables",
        "from monitoring.labels.schema import label_schema",
        "def read(captured, config):",
        "    pairs = [line.split('=') for line in captured.whole().decode().split()]",
        "    yield from tables((Label(name, label, None, None) for name, label in pairs), label_schema(config))",
    ]
    (tmp_path / "vase_labels.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read(b"a=1 b=0", format="vase").pairs == [("a", "1"), ("b", "0")]
    with pytest.raises(ConfigError, match=r"labels.format: no reader for the format 'vases'; allowed: .*, csv, vase;"):
        label_reader("vases")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
@pytest.mark.parametrize(("name", "data"), [("sagemaker", TRUTH), ("jsonl", LINE), ("csv", CSV)])
def test_what_is_compressed(name: str, data: bytes, pack: Any) -> None:
    assert read(pack(data), format=name).pairs == [("a", "1")]
    assert Reason.BAD_OBJECT in read(pack(data)[:-3], format=name).reasons


def test_csv_in_another_dialect() -> None:
    dialect = {"delimiter": ";", "encoding": "utf-16", "header": False, "columns": ["when", "event_id", "label"]}
    data = '2026-03-01;"ä;1";1\n2026-03-02;b;\n2026-03-03;c;0;1\n'.encode("utf-16")
    found = read(data, format="csv", csv=dialect, label_time="when")
    assert [(row[0], row[1], row[3].day) for row in found.rows] == [("ä;1", "1", 1)]
    assert found.reasons == [Reason.BAD_LABEL, Reason.FIELD_COUNT]


def test_csv_files_that_were_put_together() -> None:
    assert read(CSV + CSV, format="csv").pairs == [("a", "1")] * 2
    assert read(b"", format="csv").pairs == []
    assert read(b'event_id,"lab\n', format="csv").reasons == [Reason.BAD_OBJECT]


def test_a_row_of_a_table_is_kept_as_its_fields() -> None:
    data = _parquet(rows=3, label=["1", None, "0"], other=[1, 2, 3])
    found = read(data, format="parquet")
    assert found.pairs == [("a", "1"), ("a", "0")]
    [item] = found.quarantined
    assert (item.origin.offset, json.loads(item.origin.data)) == (1, {"event_id": "a", "label": None})


def test_a_table_that_is_damaged() -> None:
    data = bytearray(_parquet(rows=300, event_id=[f"e{i}" for i in range(300)]))
    assert read(bytes(data[:-9]), format="parquet").reasons == [Reason.BAD_OBJECT]
    data[40:60] = bytes(20)
    found = read(bytes(data), format="parquet")
    assert (found.reasons, found.count) == ([Reason.BAD_OBJECT], 300)
    assert [name for name, _ in found.pairs] == [f"e{i}" for i in range(100, 300)]


def test_columns_of_odd_types() -> None:
    moments = pa.array([2**62, 0, 1], pa.timestamp("ms"))
    found = read(_parquet(rows=3, label_time=moments), format="parquet", label_time="label_time")
    assert (found.reasons, found.count) == ([Reason.BAD_EVENT_TIME], 3)
    for label in (
        pa.array([[1], [], [1, 2]]),
        pa.array([b"1", b"\xff", None]),
        pa.array(["1", "", None]).dictionary_encode(),
    ):
        found = read(_parquet(rows=3, label=label), format="parquet")
        assert (found.pairs, found.reasons) == ([("a", "1")], [Reason.BAD_LABEL] * 2)


_garbage = st.binary(max_size=60) | mutated(
    st.lists(
        st.sampled_from([TRUTH, LINE, CSV.splitlines()[0], b"a,1", b'"a', b"[", b"]", b"{", b"\xfe\xff"]), max_size=5
    )
)


@settings(max_examples=300, deadline=None)
@given(_garbage, st.sampled_from(BUILT_IN), st.sampled_from(["binary", "regression"]), st.sampled_from([{}, TIMED]))
def test_no_garbage_stops_a_reader(data: bytes, name: str, task: str, more: dict[str, str]) -> None:
    found = read(data, task, format=name, **more)
    if name == "sagemaker" and not data.startswith((b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd")):
        assert found.count >= sum(bool(line.strip(b" \t\r\n\xef\xbb\xbf")) for line in data.split(b"\n"))


_cells = st.none() | st.sampled_from(["", "1", "0.5", "late", "2026-03-01", "nan", " ", "é", "1772356830"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(_cells, _cells, _cells, _cells), min_size=1, max_size=6),
    st.sampled_from(["multiclass", "regression"]),
)
def test_every_row_is_a_label_or_set_aside_in_every_format(rows: list[Any], task: str) -> None:
    names = ["event_id", "label", "weight", "label_time"]
    table = pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    lines = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    in_table = read(sink.getvalue(), task, format="parquet", **TIMED)
    in_lines = read(lines.encode(), task, format="jsonl", **TIMED)
    in_list = read(f"[{lines}]".replace("\n", ",").encode(), task, format="jsonl", **TIMED)
    in_csv = read(
        "\n".join([",".join(names), *(",".join(f'"{cell or ""}"' for cell in row) for row in rows)]).encode(),
        task,
        format="csv",
        **TIMED,
    )
    for found in (in_table, in_lines, in_list, in_csv):
        assert (found.rows, found.reasons, found.count) == (in_table.rows, in_table.reasons, len(rows))


_pieces = CaptureObject.pieces
_fields = st.sampled_from(["a", "b", "1", "0.5", "", " ", "late", "é", "event_id", '"x"', '"y,z"', "nan", "-1"])


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.lists(_fields, min_size=3, max_size=3), max_size=8),
    st.sampled_from([{}, {"weight": "weight"}, {"label": "other"}, {"event_id": "x", "label": "y"}]),
    st.sampled_from([{}, {"header": False, "columns": ["event_id", "label", "weight"]}, {"delimiter": ";"}]),
    st.sampled_from([1, 30, 1 << 20]),
    st.data(),
)
def test_plain_lines_of_csv_are_read_as_all_others(
    rows: list[list[str]], more: dict[str, str], dialect: Any, size: int, data: st.DataObject
) -> None:
    lines = [(dialect.get("delimiter", ",").join(row)).encode() for row in [["event_id", "label", "weight"], *rows]]
    content = data.draw(mutated(st.just(lines)))
    config = make_config(format="csv", csv=dialect, **more)
    captured = CaptureObject.of("k", content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CaptureObject, "pieces", partialmethod(_pieces, piece_bytes=size))
        found = collected(csv.read(captured, config), config)
        alone = collected(csv.rows_from(0, captured, config), config)
    assert repr(found) == repr(alone)


def test_plain_lines_of_csv_are_read_by_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "rows_from", None)
    assert read(b"event_id,label,x\r\na,1,\r\nb,\xc3\xa9,2", format="csv").pairs == [("a", "1"), ("b", "é")]


def test_csv_that_is_damaged_or_has_lines_that_are_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(format="csv")
    data = b"event_id,label\n" + b"".join(b"e%d,%d\n" % (i, 10 + i % 7) for i in range(5000))
    monkeypatch.setattr(objects, "LONGEST_LINE", 200)
    for content in (gzip.compress(data)[:-2000], data[:900] + b"x" * 500 + data[900:], data + b"y" * 300):
        captured = CaptureObject.of("k", content)
        for size in (100, 190):
            monkeypatch.setattr(CaptureObject, "pieces", partialmethod(_pieces, piece_bytes=size))
            found = collected(csv.read(captured, config), config)
            assert repr(found) == repr(collected(csv.rows_from(0, captured, config), config))
            assert {Reason.BAD_OBJECT, Reason.TOO_LONG} & set(found.reasons)
            assert len(found.pairs) > 100
