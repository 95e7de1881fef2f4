"""The compiled scanner against the reader in Python: the same rows, bit for bit, from whatever bytes."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitoring.capture.objects import Piece
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers.sagemaker import read_piece
from monitoring.capture.records import Row, type_rows
from monitoring.capture.scanner import Scan, scan
from monitoring.config.capture import Columns

COLUMNS = Columns(
    features={"amount": "numeric", "country": "categorical", "age": "numeric"},
    outputs=["label", "score"],
    score="score",
    segments=["tenant", "country"],
)
ONE = Columns(features={"amount": "numeric"}, outputs=["score"], score="score")


def scanned(data: bytes, columns: Columns = COLUMNS) -> Scan:
    assert columns.score
    return scan(
        data,
        features=columns.features,  # type: ignore[arg-type]
        outputs=columns.outputs,
        score=columns.score,
        segments=columns.segments,
    )


def bits(values: list[Any]) -> list[Any]:
    """Values that are equal only if they are the same, also for NaN and negative zero."""
    return [struct.pack("<d", value) if isinstance(value, float) else value for value in values]


def contents(found: Scan) -> dict[str, list[Any]]:
    return {name: bits(found.table[name].to_pylist()) for name in found.table.column_names}


def agree(data: bytes, columns: Columns = COLUMNS) -> Scan:
    """Scan, and compare all that the scanner vouches for with what the reader in Python makes of it."""
    found = scanned(data, columns)
    found.table.validate(full=True)
    piece = Piece("k", 0, data, last=True)
    origins = [origin for origin, _ in piece.lines()]
    assert found.line_starts.tolist() == [origin.offset for origin in origins]
    assert found.line_ends.tolist() == [origin.offset + len(origin.data) for origin in origins]
    read: dict[int, list[Row]] = defaultdict(list)
    unreadable = set()
    for item in read_piece(piece, columns):
        assert isinstance(item, Row | Quarantined)
        if isinstance(item, Row):
            read[item.origin.offset].append(item)
        else:
            unreadable.add(item.origin.offset)
    vouched = sorted(set(range(len(origins))) - set(found.slow.tolist()))
    assert not unreadable & {origins[line].offset for line in vouched}
    rows = [(line, row) for line in vouched for row in read[origins[line].offset]]
    assert found.lines.tolist() == [line for line, _ in rows]
    typed = type_rows([row for _, row in rows], columns)
    assert not typed.quarantined
    assert not typed.missing
    table = typed.table.select(found.table.column_names)
    assert found.table.schema.equals(table.schema)
    assert contents(found) == {name: bits(table[name].to_pylist()) for name in table.column_names}
    assert {name: at.tolist() for name, at in found.faults.items()} == {
        name: at.tolist() for name, at in typed.unparsable.items()
    }
    return found


def record(request: str = "12.5,at,30", response: str = "b,0.25", /, **metadata: Any) -> dict[str, Any]:
    given = {"eventId": "e1", "inferenceTime": "2024-01-11T10:00:00Z", "customAttributes": ["country=x"], **metadata}
    return {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": request, "encoding": "CSV"},
            "endpointOutput": {"observedContentType": None, "mode": "OUTPUT", "data": response, "encoding": "CSV"},
        },
        "eventMetadata": {key: value for key, value in given.items() if value is not ...},
        "eventVersion": "0",
    }


def line(*arguments: Any, **metadata: Any) -> bytes:
    return json.dumps(record(*arguments, **metadata)).encode() + b"\n"


PLAIN = line()
ATTRIBUTES = ["model_version=7", "latency_ms=12.5", "status=200", "tenant=a", "country=x"]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.replace(b" ", b""),
        PLAIN.replace(b": ", b" \t: \r").replace(b", ", b" , "),
        b" \t" + PLAIN[:-1] + b" \r\n",
        PLAIN[:-1],
        line("12.5,at,30\n", "b,0.25\n"),
        line("12.5,at,30\r\n,ch,\r\n", "a,0.25\nb,1"),
        line("\n\n12.5,at,30\n\n,ch,", "a,0.25\n\n\nb,1\n"),
        line("\n".join(["1,at,30"] * 120), "\n".join(["a,0.5"] * 120)),
        line("\n".join([",,"] * 120), "\n".join([",1"] * 120)),
        line("1,\t/at ,30"),
        PLAIN.replace(b",at,", rb",\/\t,"),
        line("1,ÄÖ€😀,3"),
        json.dumps(record("1,ÄÖ€😀,3"), ensure_ascii=False).encode(),
        line("null, ,NA"),
        line(" 1e3 ,at,\t-0.0"),
        line("abc,at,1.5.2"),
        line("nan,at,-inf"),
        line("9007199254740993,at,1e22"),
        line("1,at,0.1000000000000000055511151231257827021181583404541015625"),
        json.dumps(record(inferenceId="é", eventId=None), ensure_ascii=False).encode(),
        line(inferenceId=None),
        line(inferenceId=""),
        line(inferenceTime="2024-02-29T23:59:59.120000+05:30"),
        line(inferenceTime="2024-01-11T10:00:00.5"),
        line(customAttributes=ATTRIBUTES),
        line(customAttributes=[*ATTRIBUTES, "odd", "=", "status=40", "status=502.0", "tenant=", "latency_ms="]),
        json.dumps({"more": [{"a": [1, -0.5e-3, True, None, "\\ud800\u00e9"]}, {}, []], **record()}).encode(),
    ],
)
def test_what_captures_are_made_of_is_scanned(data: bytes) -> None:
    assert agree(data).table.num_rows > 0
    assert not len(agree(PLAIN + data + b"\n" + PLAIN + data + b"\n" + data).slow)


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"null",
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN[:-2],
        PLAIN[:-1] + b"}",
        PLAIN.replace(b"{", b"[", 1),
        PLAIN.replace(b'"12.5', b'"\x0012.5'),
        PLAIN.replace(b",at,", b",\xff,"),
        PLAIN.replace(b",at,", b",\xc0\x80,"),
        PLAIN.replace(b",at,", b",\xed\xa0\x80,"),
        PLAIN.replace(b",at,", b",\xf4\x90\x80\x80,"),
        PLAIN.replace(b",at,", b",\xe2\x82,"),
        PLAIN.replace(b",at,", rb",\ud800,"),
        PLAIN.replace(b",at,", rb",\ud800\u0041,"),
        PLAIN.replace(b",at,", rb",\u0022at\u0022,"),
        PLAIN.replace(b",at,", rb",\"at\","),
        PLAIN.replace(b",at,", rb",a\rt,"),
        PLAIN.replace(b",at,", rb",\x41,"),
        PLAIN.replace(b",at,", rb",\u00e,"),
        PLAIN.replace(b'"12.5', rb'"\ufeff12.5'),
        PLAIN.replace(b'"eventVersion": "0"', b'"eventVersion": 01'),
        PLAIN.replace(b'"eventVersion": "0"', b'"eventVersion": NaN'),
        PLAIN.replace(b'"eventVersion": "0"', b'"eventVersion": ' + b"1" * 5000),
        PLAIN.replace(b'"eventVersion": "0"', b'"eventVersion": ' + b"[" * 5000),
        PLAIN.replace(b'"eventVersion": "0"', b'"eventVersion": ' + b"[" * 100 + b"]" * 100),
        PLAIN.replace(b'"eventVersion"', rb'"captureDat\u0061"'),
        PLAIN.replace(b'"eventVersion": "0"', b'"captureData": 1'),
        PLAIN.replace(b'"mode": "INPUT"', b'"data": "1,at,3"'),
        PLAIN.replace(b'"CSV"', b'"JSON"', 1),
        PLAIN.replace(b'"encoding": "CSV"', b'"encoding": "CSV" "mode": 1', 1),
        line("12.5,at"),
        line("12.5,at,30,"),
        line("amount,country,age\n12.5,at,30"),
        line("age,country,amount"),
        line("12.5,at,30\n1,at,3"),
        line("", ""),
        line("12.5,at,30", "0.25"),
        line("12.5,at,30", "b,1.5"),
        line("12.5,at,30", "b,nan"),
        line("12.5,at,30", "b,null"),
        line("12.5,at,30", "b,0.25,0.5"),
        line("1_000,at,30"),
        line("１２,at,30"),
        line("1e999,at,30"),
        line("1e-320,at,30"),
        line("9007199254740993.0,at,30"),
        line("-nan,at,infinity"),
        line("1," + "x" * 100_000 + ",30"),
        line(eventId=...),
        line(eventId=""),
        line(eventId=7),
        line(inferenceId="\\"),
        line(inferenceTime=...),
        line(inferenceTime="2023-02-29T10:00:00Z"),
        line(inferenceTime="2024-01-11"),
        line(inferenceTime="2024-01-11T24:00:00Z"),
        line(inferenceTime="2024-01-11T10:00:00.Z"),
        line(inferenceTime="2024-01-11T10:00:00+24:00"),
        line(inferenceTime="0001-01-01T00:00:00+01:00"),
        line(inferenceTime="2024-01-11T10:00:00.1234567"),
        line(customAttributes=...),  # the reader looks for a segment among the features too
        line(customAttributes="country=x"),
        line(customAttributes=["country=x", 1]),
        line(customAttributes=["country=\n"]),
        line(customAttributes=["country=x", "latency_ms=nan"]),
        line("1,at,3\n1,at,3", "a,0\na,0", eventId="x" * 2000),
    ],
)
def test_what_is_not_plain_is_left_to_the_reader(data: bytes) -> None:
    assert agree(data).slow.tolist() == [0]
    found = agree(PLAIN + data.rstrip(b"\n") + b"\n" + PLAIN)
    assert found.slow.tolist() == [1]
    assert found.lines.tolist() == [0, 2]


def test_columns_hold_what_the_line_says() -> None:
    found = agree(line("12.5,at,x\n,,3\n", "a,0.25\nb,1\n", customAttributes=ATTRIBUTES))
    assert found.table.select(["event_id", "score", "latency_ms", "status"]).to_pylist() == [
        {"event_id": "e1#0", "score": 0.25, "latency_ms": 12.5, "status": 200},
        {"event_id": "e1#1", "score": 1.0, "latency_ms": 12.5, "status": 200},
    ]
    assert found.table["feature:amount"].to_pylist() == [12.5, None]
    assert found.table["feature:country"].to_pylist() == ["at", None]
    assert found.table["segment:tenant"].to_pylist() == ["a", "a"]
    assert {name: rows.tolist() for name, rows in found.faults.items()} == {"age": [0]}


@pytest.mark.parametrize("data", [b"", b"\n", b" \t\r\n\0\n", b"\x0b\n", b"x" * 40, b"\n" * 100])
def test_lines_without_anything(data: bytes) -> None:
    assert agree(data).table.num_rows == 0


def test_any_buffer_and_any_number_of_lines() -> None:
    data = b'"\n' * 50_000 + PLAIN  # shorter lines than expected
    found = agree(data)
    assert found.table.num_rows == 1
    for same in (memoryview(data), np.frombuffer(data, np.uint8), bytearray(data)):
        assert scanned(same).table.equals(found.table)  # type: ignore[arg-type]


def test_bounds_and_names_of_attributes() -> None:
    data = line("1", "-7.5", customAttributes=["v=2", "ms=3", "code=201"])
    names = ("v", "ms", "code")
    arguments: dict[str, Any] = {"features": ONE.features, "outputs": ["y"], "score": "y", "attributes": names}
    assert scan(data, **arguments).slow.tolist() == [0]
    (row,) = scan(data, **arguments, bounds=(-10.0, 10.0)).table.to_pylist()
    assert (row["score"], row["model_version"], row["latency_ms"], row["status"]) == (-7.5, "2", 3.0, 201)


def test_one_attribute_may_be_looked_for_twice() -> None:
    columns = ONE.model_copy(update={"segments": ["model_version", "status"]})
    version = "x" * 5000
    for body in ("1", "1\n"):
        data = line(body, "0", customAttributes=[f"model_version={version}", "status=200"])
        found = agree(data + data, columns)
        assert found.table["segment:model_version"].to_pylist() == [version] * 2


def test_without_features_there_is_nothing_to_scan() -> None:
    with pytest.raises(ValueError, match="0 features"):
        scan(PLAIN, features={}, outputs=["score"], score="score")


# --- Numbers ---

digits = st.from_regex(r"[+-]?0{0,3}[0-9]{0,24}(\.0{0,12}[0-9]{0,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
floats = st.floats(allow_nan=False).map(repr)
halves = st.builds(
    lambda mantissa, power, end: f"{(2 * mantissa + 1) * 2**power if power >= 0 else mantissa + 0.5}"[:end],
    st.integers(2**52, 2**53 - 1),
    st.integers(-1, 40),
    st.integers(15, 40),
)


@given(st.lists(st.one_of(floats, digits, halves, st.integers().map(str)), min_size=1, max_size=40))
@example(["1e23", "8.5e22", "1.7976931348623157e308", "2.2250738585072014e-308", "-0", "0e999", "1e+5", "00.50"])
@example(["9007199254740993", "9007199254740992.9", "1" * 19, "1" * 25 + "e-10", "123456789012345678e-30"])
def test_numbers_are_those_of_float(texts: list[str]) -> None:
    for text in texts:
        found = agree(line(text, "0"), ONE)
        values = found.table["feature:amount"].to_pylist()
        assert len(found.slow) or bits(values) == bits([float(text) if _is_float(text) else None])


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_every_float_comes_back(value: float) -> None:
    (found,) = agree(line(repr(value), "0"), ONE).table["feature:amount"].to_pylist()
    assert bits([found]) == bits([value])


# --- Random records ---

# What records are made of: by part of the record, what the scanner reads, and what it may leave to the reader.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ASCII = st.text("abz09-_#. /", max_size=8)
MADE_OF: dict[str, tuple[st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    "number": (
        st.one_of(
            st.floats(allow_nan=False, allow_subnormal=False).map(repr),
            st.integers(-(10**18), 10**18).map(str),
            st.sampled_from(
                ["", " ", "null", "None", " NA\t", "nan", "+nan", "inf", "-INF", "-", ".", "1e", "x", " .5 "]
            ),
        ),
        st.one_of(ANY_TEXT, digits, st.sampled_from(["-nan", "Infinity", "1_0", "0x1", "1e-310", "2e308"])),
    ),
    "word": (st.text("abzÄ€😀 -._/;\t", max_size=8), ANY_TEXT),
    "score": (
        st.one_of(st.floats(0, 1, allow_subnormal=False).map(repr), st.sampled_from(["0", "1", " 0.5 ", "-0.0"])),
        st.sampled_from(["1.01", "nan", "", "x", "null", "0.5,0.5"]),
    ),
    "time": (
        st.builds(
            lambda moment, offset: moment.isoformat() + offset,
            st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001  (with and without an offset)
            st.sampled_from(["", "Z", "+05:30", "-23:59", "-00:00"]),
        ),
        st.one_of(
            st.datetimes().map(lambda moment: moment.isoformat() + "+00:30"),
            st.from_regex(
                r"2024-[0-1][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?", fullmatch=True
            ),
            st.from_regex(r"2024-05-06T07:08:09(\.[0-9]{1,6})?(Z|[+-][0-2][0-9]:[0-6][0-9])?", fullmatch=True),
        ),
    ),
    "id": (ASCII.map("e{}".format), st.one_of(ANY_TEXT, st.none(), st.just(...), st.integers())),
    "attribute": (
        st.one_of(
            st.builds("{}={}".format, st.sampled_from(["model_version", "status", "tenant", "more"]), ASCII),
            st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map("latency_ms={!r}".format),
            st.sampled_from([*ATTRIBUTES, "status=401.0", "odd", "=", "tenant=="]),
        ),
        st.one_of(ANY_TEXT, ANY_TEXT.map("latency_ms={}".format), ANY_TEXT.map("country={}".format), st.none()),
    ),
    "more": (
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)).filter(
                lambda value: value not in (float("inf"), float("-inf"))
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=6,
        ),
        st.floats(),
    ),
    "end": (st.sampled_from(["\n", "\r\n", "\n\n"]), st.sampled_from(["\r", "\n\r", "\v"])),
}


@st.composite
def captures(draw: st.DrawFn, *, odd: bool = True) -> bytes:
    """A line, with its members in any order and any space between them; at most one kind of part is odd."""
    oddity = draw(st.sampled_from([None, *MADE_OF])) if odd else None

    def part(kind: str) -> Any:
        return draw(MADE_OF[kind][kind == oddity])

    rows, end = draw(st.integers(1, 4)), part("end")
    last = draw(st.sampled_from(["", end]))
    made = record(
        end.join(f"{part('number')},{part('word')},{part('number')}" for _ in range(rows)) + last,
        end.join(f"{part('word')},{part('score')}" for _ in range(rows)) + last,
        eventId=part("id"),
        inferenceId=draw(st.one_of(st.none(), st.just(""), st.just(...), MADE_OF["id"][oddity == "id"])),
        inferenceTime=part("time"),
        customAttributes=["country=x", *(part("attribute") for _ in range(draw(st.integers(0, 5))))],
    )
    made[draw(st.sampled_from(["eventVersion", "more", "captureDat"]))] = part("more")

    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: shuffled(inner) for key, inner in draw(st.permutations(list(value.items())))}

    text = json.dumps(
        shuffled(made) if draw(st.booleans()) else made,
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " : "), ("\r,", ":\r")])),
        ensure_ascii=draw(st.booleans()),
    )
    # attributes and ids with escapes are odd
    slashes = odd and draw(st.booleans())
    return (text.replace("/", "\\/") if slashes else text).encode()


@settings(max_examples=100)
@given(st.lists(captures(odd=False), min_size=1, max_size=3), st.sampled_from([b"\n", b"\r\n", b"\n \n"]))
def test_plain_records_are_scanned(lines: list[bytes], end: bytes) -> None:
    assert not len(agree(end.join(lines)).slow)


@settings(max_examples=100)
@given(st.lists(captures(), min_size=1, max_size=3))
def test_odd_records_are_scanned_or_left(lines: list[bytes]) -> None:
    agree(b"\n".join(lines))


# --- Broken records ---

bits_of_json = st.sampled_from(
    [
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\n",
        b"\r\n",
        b'"',
        b"\\",
        b"\\u",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"NaN",
        b"1e999",
        b"9" * 400,
        b"[" * 70,
        b'{"a":' * 70,
        b'"data":"",',
        b"\\n",
        b"\\ud83d",
        b"\\ude00",
        b" ",
        b"=",
        b"null",
        b"-",
        b"0",
        b"e5",
        b"Z",
        b"+01:00",
        b'"eventId":"e2",',
        b"#",
        b"\t",
        b"/",
    ]
)
changes = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),  # where
        st.integers(0, 12),  # how many bytes are taken away
        st.one_of(st.just(b""), bits_of_json, st.binary(max_size=3)),  # what comes in their place
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, where: list[tuple[float, int, bytes]]) -> bytes:
    for share, taken, put in where:
        at = int(share * len(data))
        data = data[:at] + put + data[at + taken :]
    return data


@settings(max_examples=100)
@given(
    st.one_of(
        st.sampled_from([PLAIN, line("1,at,3\n2,,4\n", "a,0\nb,1"), line(customAttributes=ATTRIBUTES)]), captures()
    ),
    changes,
)
def test_broken_records_never_become_other_rows(data: bytes, where: list[tuple[float, int, bytes]]) -> None:
    data = data.rstrip(b"\n") + b"\n"
    agree(data + changed(data, where))  # after a line that it resembles
    agree(changed(data * 3, where))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    agree(data)


@settings(max_examples=40)
@given(st.lists(captures(), min_size=2, max_size=4), st.integers(0, 400))
def test_pieces_make_the_rows_of_the_whole(lines: list[bytes], cut: int) -> None:
    data = b"\n".join(lines) + b"\n"
    cut = data.find(b"\n", min(cut, len(data) - 1)) + 1
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(scanned, [data[:cut], data[cut:]]))
    whole = contents(scanned(data))
    assert whole == {name: [*contents(parts[0])[name], *contents(parts[1])[name]] for name in whole}
