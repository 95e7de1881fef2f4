"""What is in real logs beside good records: no reader raises, no good row is lost, and every bad one has its reason."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.capture import objects
from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import BUILT_IN, Found, reader
from monitoring.capture.records import Half, Row, Sorted, Typed, sort_out, type_rows
from monitoring.config import ModelConfig
from monitoring.engine.halves import Pairs, alone
from tests.capture.readers.recorded import (
    AZURE,
    COLUMNS,
    KSERVE,
    KSERVE_CSV,
    WRITTEN,
    azure_event,
    batch_line,
    bento_line,
    cloud_event,
    foreign,
    kserve_record,
)

BOM = b"\xef\xbb\xbf"
# Stands where the number of a request goes, so that anything can be put there as it is
_NUMBER = '"@@"'
_BODY = '{"instances": [{"amount": "@@", "country": "at"}]}'
_MOMENT = "2026-03-01T10:20:30Z"


@dataclass(frozen=True)
class Format:
    """Objects with a record on each line.

    Attributes:
        name: Of the reader.
        make: The lines of one inference, of its id and of the JSON or CSV of its number.
        key: Of the objects.
        start: What is above the records.
        csv: How CSV is written.
    """

    name: str
    make: Callable[[str, str], list[bytes]]
    key: str = "logs/a"
    start: bytes = b""
    csv: dict[str, Any] | None = None

    def good(self, *ids: str) -> bytes:
        return b"".join(line + b"\n" for name in ids for line in self.make(name, "12.5"))

    def beside(self, *bad: bytes) -> bytes:
        """An object with some lines among three good inferences."""
        return self.start + self.good("good1", "good2") + b"".join(line + b"\n" for line in bad) + self.good("good3")

    def read(self, data: bytes) -> list[Found]:
        return list(self.found(CaptureObject.of(self.key, data, WRITTEN)))

    def found(self, captured: CaptureObject) -> Iterable[Found]:
        capture = {"uri": "x", "csv": self.csv or {}}
        columns = COLUMNS.model_dump()
        config = ModelConfig.model_validate({"name": "toy", "capture": capture, "columns": columns})
        return reader(self.name).read(captured, config)


def _json(*records: Any) -> Callable[[str], list[bytes]]:
    return lambda number: [json.dumps(record).replace(_NUMBER, number).encode() for record in records]


def _azure(name: str, number: str) -> list[bytes]:
    row, ids = {"amount": "@@", "country": "at"}, {"correlationid": name, "xrequestid": name}
    return _json(azure_event([row], **ids), azure_event([{"score": 0.25}], "model_outputs", **ids))(number)


def _kserve(name: str, number: str) -> list[bytes]:
    request = kserve_record(_BODY.replace(_NUMBER, number).encode(), Id=name)
    return _json(request, kserve_record({"predictions": [0.25]}, "response", Id=name))("")


def _kserve_csv(name: str, number: str) -> list[bytes]:
    bodies = {"request": _BODY.replace(_NUMBER, number), "response": "[0.25]"}
    kind = "application/json,org.kubeflow.serving.inference"
    return [
        f"u,{base64.b64encode(body.encode()).decode()},{kind}.{side},{name},s,i,n,c,e,,,,false".encode()
        for side, body in bodies.items()
    ]


def _events(name: str, number: str) -> list[bytes]:
    request = cloud_event({"instances": [{"amount": "@@", "country": "at"}]}, id=name)
    return _json(request, cloud_event({"predictions": [0.25]}, "response", id=name))(number)


def _bento(name: str, number: str) -> list[bytes]:
    return _json(bento_line({"amount": "@@", "country": "at", "score": 0.25}, request_id=name))(number)


def _batch(name: str, number: str) -> list[bytes]:
    return _json(batch_line({"score": 0.25}, SageMakerInferenceId=name, amount="@@", country="at"))(number)


def _sagemaker(name: str, number: str) -> list[bytes]:
    sides = {"endpointInput": f"{number},at", "endpointOutput": "0.25"}
    capture = {
        side: {"observedContentType": "text/csv", "mode": "M", "data": data, "encoding": "CSV"}
        for side, data in sides.items()
    }
    record = {"captureData": capture, "eventMetadata": {"eventId": name, "inferenceTime": _MOMENT}, "eventVersion": "0"}
    return [json.dumps(record).encode()]


def _jsonl(name: str, number: str) -> list[bytes]:
    return _json({"id": name, "timestamp": _MOMENT, "amount": "@@", "country": "at", "score": 0.25})(number)


FORMATS = {
    "azureml": Format("azureml", _azure, AZURE),
    "kserve": Format("kserve", _kserve, KSERVE),
    "kserve csv": Format("kserve", _kserve_csv, "k-request.csv", KSERVE_CSV),
    "cloudevents": Format("cloudevents", _events),
    "bentoml": Format("bentoml", _bento),
    "sagemaker-batch": Format("sagemaker-batch", _batch),
    "sagemaker-batch csv": Format(
        "sagemaker-batch", lambda name, number: [f"{number},at,0.25,{name},{_MOMENT}".encode()]
    ),
    "sagemaker": Format("sagemaker", _sagemaker),
    "jsonl": Format("jsonl", _jsonl),
    "csv": Format(
        "csv",
        lambda name, number: [f"{name},{_MOMENT},{number},at,0.25".encode()],
        start=b"id,timestamp,amount,country,score\n",
    ),
}
every_format = pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
GOOD = ["good1", "good2", "good3"]


def counted(found: Iterable[Found]) -> Sorted:
    """Canonical records of what was found; that nothing is counted twice or not at all, and everything has a reason."""
    pairs = Pairs()
    items: list[Any] = []
    for place, item in enumerate(found):
        items.extend(pairs.add(item, place) if isinstance(item, Half) else [item])
    items.extend(alone(half) for half in pairs.rest())
    assert not pairs.repeated
    rows = [item for item in items if isinstance(item, Row)]
    typed = [item for item in items if isinstance(item, Typed)]
    aside = [item for item in items if isinstance(item, Quarantined)]
    assert len(rows) + len(typed) + len(aside) == len(items)
    batch = sort_out([*typed, type_rows(rows, COLUMNS)], aside, COLUMNS)
    assert batch.read == batch.table.num_rows + sum(item.rows for item in batch.quarantined)
    given = len(rows) + sum(part.table.num_rows + sum(item.rows for item in part.quarantined) for part in typed)
    assert batch.read == given + sum(item.rows for item in aside)
    assert all(item.detail and item.detail.encode() for item in batch.quarantined)
    return batch


def kept(batch: Sorted) -> list[str]:
    """The good inferences, of which not even a value may be lost."""
    names = ["event_id", "feature:amount", "feature:country", "score"]
    rows = zip(*(batch.table[name].to_pylist() for name in names), strict=True)
    return sorted(str(name)[:5] for name, *values in rows if str(name)[:4] == "good" and values == [12.5, "at", 0.25])


def test_every_reader_of_lines_is_tried() -> None:
    assert {item.name for item in FORMATS.values()} | {"parquet"} == set(BUILT_IN)


@every_format
def test_good_records_are_good(format_: Format) -> None:
    batch = counted(format_.read(format_.beside()))
    assert kept(batch) == GOOD
    assert batch.read == 3


# One line each, and none that could be a record
LINES = {
    "a word": b"garbage",
    "no text": b"\xff\xfe\x80\x00garbage\xc3",
    "half a character": b'{"a": "\xc3"}',
    "latin-1": "{'länder'}".encode("latin-1"),
    "utf-16": '{"a": 1}'.encode("utf-16-le"),
    "NUL bytes in a line": b'{"a": 1, \0\0\0',
    "a beginning": b'{"captureData": {"endpointInput": {"data": "12.5',
    "a quote": b'12.5,"at,0.25',
    "a number": b"1e999",
    "a list": b"[1, 2",
    "an empty object": b"{}",
    "two objects": b'{"a": 1}, {"b": 2',
    "NaN": b"NaN",
    "deep": b"[" * 100 + b"]" * 100,
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "very deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep without an end": b"[" * 100_000,
    "gzip in the middle": gzip.compress(b"garbage").replace(b"\n", b""),
    "markup": b"<html><body>502 Bad Gateway</body></html>",
    "a long number": b'{"a": ' + b"9" * 5000 + b"}",
}


@every_format
@pytest.mark.parametrize("bad", LINES)
def test_a_bad_line_costs_itself_only(format_: Format, bad: str) -> None:
    batch = counted(format_.read(format_.beside(LINES[bad])))
    assert kept(batch) == GOOD
    assert len(batch.quarantined) == 1
    assert batch.read == 4


NUMBERS = {
    "too large": "1e999",
    "too small": "1e-999",
    "no number": "NaN",
    "infinite": "Infinity",
    "negative infinite": "-Infinity",
    "long": "9" * 5000,
    "as long as can be": "9" * 4000,
    "named twice": '1, "amount": 2',
    "nested": "[" * 100 + "]" * 100,
    "nested too deeply": "[" * 100_000 + "]" * 100_000,
    "half a pair": '"\\ud800"',
    "missing": "",
    "a NUL": '"\\u0000"',
}


@every_format
@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_strange_value_costs_its_own_row_at_most(format_: Format, number: str) -> None:
    batch = counted(format_.read(format_.beside(*format_.make("bad", number))))
    assert kept(batch) == GOOD
    # a call whose request cannot be read leaves its response alone
    assert batch.read in (4, 5)


@every_format
def test_records_of_other_formats_beside_those_of_ours(format_: Format) -> None:
    others = [data for _, data in foreign(format_.name) if data.startswith(b"{") and data.count(b"\n") == 1]
    bad = [data.rstrip(b"\n") for data in others]
    batch = counted(format_.read(format_.beside(*bad)))
    assert kept(batch) == GOOD
    assert batch.read >= 3 + len(bad)


@every_format
@pytest.mark.parametrize("blank", [b"", b"\n", b"\r\n\r\n", b" \n  \n", b"\n" * 1000])
def test_nothing_is_found_where_nothing_is(format_: Format, blank: bytes) -> None:
    for data in (blank, gzip.compress(blank), format_.start + blank):
        assert format_.read(data) == []
    assert kept(counted(format_.read(format_.beside(blank)))) == GOOD


@every_format
def test_marks_of_the_order_of_bytes(format_: Format) -> None:
    batch = counted(format_.read(BOM + format_.beside()))
    assert (kept(batch), batch.read) == (GOOD, 3)
    # as when files are put behind each other
    again = [BOM + line for line in format_.make("more", "12.5")]
    assert kept(counted(format_.read(format_.beside(*again)))) == GOOD


@every_format
def test_lines_end_as_they_like(format_: Format) -> None:
    data = format_.beside()
    assert kept(counted(format_.read(data.replace(b"\n", b"\r\n")))) == GOOD
    assert kept(counted(format_.read(data.rstrip(b"\n")))) == GOOD


@every_format
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_what_is_compressed_and_damaged(format_: Format, pack: Callable[[bytes], bytes]) -> None:
    data = pack(format_.beside())
    assert kept(counted(format_.read(data))) == GOOD
    for damaged in (data[: len(data) // 2], data[:12], data[:12] + bytes(40), data[:4]):
        batch = counted(format_.read(damaged))
        assert "bad_object" in [item.reason for item in batch.quarantined]
    garbage = pack(b"\xff garbage \x00\n\x80" * 20)
    assert counted(format_.read(garbage)).table.num_rows == 0


@every_format
def test_without_the_sum_at_the_end_everything_was_read_already(format_: Format) -> None:
    batch = counted(format_.read(gzip.compress(format_.beside())[:-8]))
    assert kept(batch) == GOOD
    assert [item.reason for item in batch.quarantined] == ["bad_object"]
    behind = counted(format_.read(gzip.compress(format_.beside()) + b"garbage"))
    assert kept(behind) == GOOD
    assert [item.reason for item in behind.quarantined] == ["bad_object"]


@every_format
def test_text_of_another_encoding(format_: Format) -> None:
    for encoding in ("utf-16", "utf-16-be", "utf-32"):
        batch = counted(format_.read(format_.beside().decode().encode(encoding)))
        # now and then a line is one of its encoding by itself
        assert len(kept(batch)) == batch.table.num_rows < 2
        assert batch.quarantined


@pytest.mark.parametrize("declared", ["utf-8", "latin-1", "utf-16"])
@pytest.mark.parametrize("written", ["utf-8", "latin-1", "utf-16", "utf-16-be", "utf-32"])
def test_csv_of_another_encoding_than_is_declared(declared: str, written: str) -> None:
    format_ = Format("csv", FORMATS["csv"].make, start=FORMATS["csv"].start, csv={"encoding": declared})
    batch = counted(format_.read(format_.beside("bäd,2026,1,ät,0.5".encode()).decode().encode(written)))
    assert (kept(batch) == GOOD) == (declared == written or {declared, written} == {"utf-8", "latin-1"})
    assert batch.table.num_rows in (0, 3, 4)


@every_format
def test_lines_that_are_too_long(format_: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LONGEST_LINE", 3000)
    monkeypatch.setattr(CaptureObject.pieces, "__defaults__", (500,))
    data = format_.beside(b"x" * 5000, *format_.make("bad", "1" * 4000), b"y" * 3001)
    for step in (100, 3500, len(data)):
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        captured = CaptureObject(format_.key, len(data), lambda: io.BytesIO(data), lambda found=parts: iter(found))
        found = list(format_.found(captured))
        batch = counted(found)
        assert kept(batch) == GOOD
        long = [item for item in batch.quarantined if item.reason == "too_long"]
        assert [data[item.origin.offset :][: item.length].strip(b"\n") for item in long] == [
            line for line in data.split(b"\n") if len(line) > 3000
        ]
        for item in found:
            if isinstance(item, Row) and b"#" not in item.origin.data:
                assert data[item.origin.offset :].startswith(item.origin.data)


@every_format
def test_a_line_of_fifty_megabytes(format_: Format) -> None:
    batch = counted(format_.read(format_.beside(b"x" * (50 * 2**20))))
    assert kept(batch) == GOOD
    assert [item.rows for item in batch.quarantined] == [1]


PARQUET = {"parquet": "logs/a.parquet", "kserve": "k-request.parquet"}
every_parquet = pytest.mark.parametrize("name", PARQUET)


def in_parquet(name: str, **more: pa.Array) -> bytes:
    """Three good inferences in a table."""
    if name == "kserve":
        bodies = [json.dumps({"instances": [[12.5, "at"]]}).encode()] * 3
        rows = {"Bytes": bodies, "ReqType": ["a.request"] * 3, "Id": GOOD}
    else:
        rows = {"id": GOOD, "timestamp": [_MOMENT] * 3, "amount": [12.5] * 3, "country": ["at"] * 3}
        rows["score"] = [0.25] * 3
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values) for name, values in rows.items()} | more), sink, row_group_size=1)
    return sink.getvalue()


def read_parquet(name: str, data: bytes) -> list[Found]:
    return Format(name, _jsonl, PARQUET[name]).read(data)


def _broken(data: bytes) -> dict[str, bytes]:
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return {
        "magic only": b"PAR1",
        "magic twice": b"PAR1PAR1",
        "cut": data[: len(data) // 2],
        "without its magic": data[:-4],
        "without its beginning": data[20:],
        "no footer": data[:footer] + data[-8:],
        "footer of zeros": data[:footer] + bytes(len(data) - 8 - footer) + data[-8:],
        "footer turned around": data[:footer] + data[footer:-8][::-1] + data[-8:],
        "long footer": data[:-8] + b"\xff\xff\xff\x7fPAR1",
        "encrypted": b"PARE" + data[4:-4] + b"PARE",
        "gzip": gzip.compress(data),
        "garbage behind it": data + b"garbage",
    }


@every_parquet
@pytest.mark.parametrize("how", _broken(b"PAR1"))
def test_parquet_without_a_footer_that_can_be_read(name: str, how: str) -> None:
    batch = counted(read_parquet(name, _broken(in_parquet(name))[how]))
    assert batch.table.num_rows == 0
    assert batch.quarantined
    if how not in ("without its beginning", "encrypted"):
        assert [(item.reason, item.rows) for item in batch.quarantined] == [("bad_object", 1)]


@every_parquet
def test_a_page_that_is_damaged_costs_its_rows_only(name: str) -> None:
    data = in_parquet(name)
    at = data.index(b"good2")
    found = read_parquet(name, data[: at - 12] + bytes(8) + data[at - 4 :])
    assert [(item.reason, item.rows) for item in found if isinstance(item, Quarantined)] == [("bad_object", 1)]
    assert [item.origin.offset for item in found if isinstance(item, Quarantined)] == [1]
    assert counted(found).read == 3


def _no_texts() -> pa.Array:
    whole = pa.array(["at", "at", "at"])
    return pa.Array.from_buffers(pa.string(), 3, [None, whole.buffers()[1], pa.py_buffer(b"at\xff\xfeat")])


ODD = {
    "days beyond the calendar": pa.array([1, 2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32()),
    "times beyond the calendar": pa.array([1, 2**63 - 1, -(2**63)]).cast(pa.timestamp("us")),
    "durations": pa.array([1, 2**63 - 1, -(2**63)]).cast(pa.duration("s")),
    "no texts": _no_texts(),
    "bytes": pa.array([b"\xff", b"", None]),
    "maps": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "infinite": pa.array([float("nan"), float("inf"), float("-inf")]),
    "nothing": pa.nulls(3),
}


@every_parquet
@pytest.mark.parametrize("odd", ODD)
def test_parquet_with_values_that_python_does_not_have(name: str, odd: str) -> None:
    found = read_parquet(name, in_parquet(name, Metadata=ODD[odd], status=ODD[odd]))
    if name == "parquet":
        assert kept(counted(found)) == GOOD
    else:
        assert [item.key for item in found if isinstance(item, Half)] == GOOD


@pytest.mark.parametrize("name", BUILT_IN)
def test_objects_of_other_formats(name: str) -> None:
    for key, data in foreign(name):
        counted(Format(name, _jsonl, key).read(data))
