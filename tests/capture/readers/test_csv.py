"""CSV logs."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture import objects
from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined, Reason
from monitoring.capture.readers.csv import knows, read
from monitoring.capture.records import Row
from monitoring.config import ModelConfig

WRITTEN = datetime(2024, 1, 11, 12, tzinfo=UTC)
HEADER = "event_id,timestamp,amount,country,score\n"
TWO = HEADER + "a,2024-01-11T10:00:00Z,1.5,at,0.25\nb,1704967200,,ch,0.75\n"


def config(**settings: Any) -> ModelConfig:
    capture = {"format": "csv", "uri": "logs", "csv": settings}
    columns = {"features": {"amount": "numeric", "country": "categorical"}}
    return ModelConfig.model_validate({"name": "toy", "capture": capture, "columns": columns})


def found(data: bytes | str, **settings: Any) -> list[Row | Quarantined]:
    data = data.encode() if isinstance(data, str) else data
    return list(read(CaptureObject.of("logs/a.csv", data, WRITTEN), config(**settings)))


def rows(data: bytes | str, **settings: Any) -> list[Row]:
    items = found(data, **settings)
    assert all(isinstance(item, Row) for item in items), items
    return [item for item in items if isinstance(item, Row)]


def reasons(items: list[Row | Quarantined]) -> list[str]:
    return [item.reason if isinstance(item, Quarantined) else item.event_id for item in items]


def test_a_line_is_a_row() -> None:
    first, second = rows(TWO)
    assert (first.event_id, second.event_id) == ("a", "b")
    assert first.event_time == second.event_time == datetime(2024, 1, 11, 10, tzinfo=UTC)
    assert first.features == first.outputs == {"amount": "1.5", "country": "at", "score": "0.25"}
    assert (second.origin.offset, second.origin.data) == (TWO.index("b,17"), b"b,1704967200,,ch,0.75\n")


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        (TWO.rstrip().encode(), {}),
        (TWO.replace("\n", "\r\n\r\n").encode(), {}),
        (TWO.encode("utf-8-sig"), {}),
        (TWO.replace(",", "\t").encode(), {"delimiter": "\t"}),
        (TWO.encode("utf-16"), {"encoding": "utf-16"}),
        (b"\xfe\xff" + TWO.encode("utf-16-be"), {"encoding": "utf-16"}),
        (TWO.encode("utf-16-le"), {"encoding": "utf-16"}),
        (TWO.encode("latin-1"), {"encoding": "latin-1"}),
        (gzip.compress(TWO.encode()), {}),
        (TWO.replace("b,", f"{HEADER}b,").encode(), {}),
        (TWO.removeprefix(HEADER).encode(), {"header": False, "columns": HEADER.strip().split(",")}),
    ],
    ids=["no end", "crlf", "bom", "tabs", "utf-16", "big endian", "little endian", "latin-1", "gzip", "twice", "bare"],
)
def test_however_it_is_written(data: bytes, settings: dict[str, Any]) -> None:
    assert [(row.event_id, row.features["country"], row.outputs["score"]) for row in rows(data, **settings)] == [
        ("a", "at", "0.25"),
        ("b", "ch", "0.75"),
    ]


def test_quoted_fields() -> None:
    data = TWO + 'c,2024-01-11,"1\n2","a ""b"", \nc",1\nd,2024-01-11,1,at,0\n'
    *_, third, last = rows(data)
    assert third.features == {"amount": "1\n2", "country": 'a "b", \nc', "score": "1"}
    assert last.event_id == "d"
    assert data[last.origin.offset :] == last.origin.data.decode()


def test_places_in_other_encodings() -> None:
    data = (TWO + "ü,2024-01-11,1,ä,1\n").encode("utf-16")
    *_, last = rows(data, encoding="utf-16")
    assert data[last.origin.offset :] == last.origin.data
    assert last.event_id == "ü"


def test_rows_of_another_number_of_fields() -> None:
    assert reasons(found(TWO + "c,2024-01-11,1\nd,2024-01-11,1,at,0.5,more\ne,2024-01-11,1,at,0.5\n")) == [
        "a",
        "b",
        Reason.FIELD_COUNT,
        Reason.FIELD_COUNT,
        "e",
    ]


@pytest.mark.parametrize("bad", ['c,2024-01-11,1,"at,0.5', 'c,2024-01-11,1,"a"t,0.5', 'c,"2024-01-11,1,at,0.5'])
def test_a_quote_at_the_wrong_place_costs_its_own_line_only(bad: str) -> None:
    items = found(TWO + bad + "\nd,2024-01-11,1,at,0.5\ne,2024-01-11,1,at,0.5\n")
    assert reasons(items) == ["a", "b", Reason.BAD_PAYLOAD, "d", "e"]
    assert isinstance(items[2], Quarantined)
    assert items[2].origin.data.decode() == bad + "\n"


def test_what_is_no_text_costs_its_own_row_only() -> None:
    data = TWO.encode() + b"c,2024-01-11,1,\xff,0.5\nd,2024-01-11,1,at,0.5\n"
    items = found(data)
    assert reasons(items) == ["a", "b", Reason.BAD_PAYLOAD, "d"]
    assert isinstance(items[2], Quarantined)
    assert (items[2].detail, items[2].origin.data) == ("not utf-8 text", b"c,2024-01-11,1,\xff,0.5\n")


def test_nul_bytes() -> None:
    items = found(TWO.encode() + b"c,2024-01-11,1,a\0t,0.5\n" + bytes(100))
    assert reasons(items) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ((TWO + "c,2024-01-11,1,at,0.5").encode("utf-16") + b"\x30", "utf-16"),
        (TWO.encode() + b"c,2024-01-11,1,at,0.5\xc3", "utf-8"),
    ],
)
def test_half_a_character_at_the_end(data: bytes, encoding: str) -> None:
    last = found(data, encoding=encoding)[-1]
    assert isinstance(last, Quarantined)
    assert last.reason == Reason.BAD_PAYLOAD
    assert data[last.origin.offset :] == last.origin.data


@pytest.mark.parametrize("data", ["a,b\n".encode("utf-16"), b"a,\xff\n1,2\n", b'a,"b\n1,2\n'])
def test_without_a_header_nothing_can_be_read(data: bytes) -> None:
    items = found(data)
    assert reasons(items) == [Reason.BAD_OBJECT]


def test_an_object_with_nothing_in_it() -> None:
    assert found(b"") == found(HEADER) == found(b"\n\n") == []


def test_repeated_names_and_names_that_are_missing() -> None:
    (row,) = rows(",amount,amount,score,score\n7,1,2,0.25,0.5\n")
    assert row.features == {"column0": "7", "amount": "1", "amount.1": "2", "score": "0.25", "score.1": "0.5"}


def test_very_many_names_that_are_the_same() -> None:
    (row,) = rows(",".join(["a"] * 50_000) + "\n" + ",".join(["1"] * 50_000) + "\n")
    assert list(row.features)[-1] == "a.49999"


def test_what_is_cut_off_says_so() -> None:
    assert reasons(found(TWO + "c,2024-01-11,1")) == ["a", "b", Reason.CUT_OFF]
    body = "".join(f"{i},2024-01-11,{i * 7919},at,0.123456789\n" for i in range(2000))
    items = found(gzip.compress((HEADER + body).encode())[:-5000])
    assert reasons(items)[-2:] == [Reason.CUT_OFF, Reason.BAD_OBJECT]
    read_ = [item for item in items if isinstance(item, Row)]
    assert all(row.outputs["score"] == "0.123456789" for row in read_)
    assert len(read_) > 100


def test_the_place_of_what_is_cut_off_behind_lines_that_were_not_yet_read() -> None:
    data = TWO + 'c,2024-01-11,1,"at\nd,2024-01-11,ä'
    items = found(gzip.compress(data.encode())[:-8])
    assert sorted(reasons(items)) == ["a", "b", Reason.BAD_OBJECT, Reason.BAD_PAYLOAD, Reason.CUT_OFF]
    (cut,) = (item for item in items if isinstance(item, Quarantined) and item.reason is Reason.CUT_OFF)
    assert data.encode()[cut.origin.offset :] == cut.origin.data == "d,2024-01-11,ä".encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_line_that_is_too_long_costs_itself_only(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LONGEST_LINE", 1000)
    monkeypatch.setattr(CaptureObject.pieces, "__defaults__", (300,))
    mark = "" if encoding == "utf-8" else "\ufeff"
    text = mark + TWO + "x" * 2000 + "\nc,2024-01-11,1,at,0.5\n" + "y" * 2000 + "\nd,2024-01-11,1,at,0.5\n"
    data = text.encode(encoding)
    items = found(data, encoding=encoding[:6].rstrip("-"))
    assert sorted(reasons(items)) == ["a", "b", "c", "d", Reason.TOO_LONG, Reason.TOO_LONG]
    for item in items:
        if isinstance(item, Row):
            assert data[item.origin.offset :].startswith(item.origin.data)


def test_a_header_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LONGEST_LINE", 1000)
    monkeypatch.setattr(CaptureObject.pieces, "__defaults__", (300,))
    (item,) = found("a," * 1000 + "b\n" + TWO)
    assert isinstance(item, Quarantined)
    assert (item.reason, item.detail) == (Reason.BAD_OBJECT, "its header: a line of more than 1000 bytes")


def test_a_field_without_an_end_is_not_read_for_ever() -> None:
    body = "".join(f"{i},2024-01-11,1,at,0.5\n" for i in range(20_000))
    items = found(TWO + 'c,2024-01-11,1,"at,0.5\n' + body)
    assert len(items) == 20_003
    assert [item.reason for item in items if isinstance(item, Quarantined)] == [Reason.BAD_PAYLOAD]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=6), st.sampled_from(["\n", "\r\n"]), st.sampled_from([",", ";", "\t"]))
def test_what_a_writer_writes_is_read(pairs: list[tuple[str, str]], end: str, delimiter: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["event_id", "amount", "country", "score"])
    writer.writerows([f"id{i}", *pair, "0.5"] for i, pair in enumerate(pairs))
    read_ = rows(text.getvalue().encode(), delimiter=delimiter)
    assert [(row.features["amount"], row.features["country"]) for row in read_] == pairs
    assert b"".join(row.origin.data for row in read_) == text.getvalue().encode().split(end.encode(), 1)[1]


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "latin-1", "utf-16"]))
def test_nothing_makes_the_reader_raise(data: bytes, encoding: str) -> None:
    for prefix in (b"", TWO.encode(encoding), b'a,"'):
        assert all(isinstance(item, Row | Quarantined) for item in found(prefix + data, encoding=encoding))


def test_what_is_known() -> None:
    assert knows("a.csv", b"a\n1\n")
    assert knows("a.tsv.gz", b"a\tb\n")
    assert knows("a", b"a,b\n1,2\n")
    assert knows("a.csv", "a,b\n".encode("utf-16"))
    assert not knows("a", b"a line of text, and\nanother, which goes on,\n")
    assert not knows("a.md", b"# Title, and more\n")
    assert not knows("a.csv", b"PAR1\x15\x04")
    assert not knows("a.csv", b'{"a": 1, "b": 2}\n')
    assert not knows("a.csv", b"")
    assert not knows("_committed_1", b"a,b\n")
