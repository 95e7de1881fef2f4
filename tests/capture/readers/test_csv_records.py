from __future__ import annotations

from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers.csv_records import csv_lines, csv_records


def found(data: bytes) -> list[Any]:
    records = csv_records(CaptureObject.of("k", data))
    return [item.reason.value if isinstance(item, Quarantined) else item[1] for item in records]


def test_records_by_the_names_in_the_first_line() -> None:
    data = b'\xef\xbb\xbfa,b\r\n1,"x,y"\r\n\r\na,b\r\n,\n'
    assert found(data) == [{"a": "1", "b": "x,y"}, {"a": "", "b": ""}]


def test_a_record_can_be_read_again_by_itself() -> None:
    data = b"a,b\n1,2\n3,4\n"
    places = [item[0] for item in csv_records(CaptureObject.of("k", data)) if not isinstance(item, Quarantined)]
    assert [(place.offset, found(place.data)) for place in places] == [
        (4, [{"a": "1", "b": "2"}]),
        (8, [{"a": "3", "b": "4"}]),
    ]


def test_what_is_no_record_is_set_aside_and_nothing_else() -> None:
    data = b"a,b\n1\n\xff,2\n1,2\r3,4\n5,6\n" + b'"' + b"x" * 10
    assert found(data) == ["field_count", "bad_payload", "bad_payload", {"a": "5", "b": "6"}, "field_count"]


def test_lines_have_their_place() -> None:
    places = [
        item[0].offset for item in csv_lines(CaptureObject.of("k", b"a\n\nbc\n")) if not isinstance(item, Quarantined)
    ]
    assert places == [0, 3]
