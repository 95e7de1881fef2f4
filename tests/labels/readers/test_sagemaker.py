"""SageMaker's ground truth: one label, or those of a call's rows, in a record."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.capture.quarantine import Reason
from tests.labels.readers.labelled import TIMED, read

GOOD = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "a"}, "eventVersion": "0"}


def _truth(data: Any, encoding: str = "CSV", **more: Any) -> dict[str, Any]:
    return GOOD | {"groundTruthData": {"data": data, "encoding": encoding}} | more


def _lines(*records: Any) -> bytes:
    return b"".join(item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in records)


@pytest.mark.parametrize(
    ("data", "encoding", "labels"),
    [
        ("1", "CSV", ["1"]),
        ("1.0\n", "CSV", ["1"]),
        ('"late, again"', "CSV", ["late, again"]),
        ("0\n1\n\n1", "CSV", ["0", "1", "1"]),
        ("true", "JSON", ["1"]),
        ('"late"', "JSON", ["late"]),
        ('{"label": 1}', "JSON", ["1"]),
        ("[1]", "JSON", ["1"]),
        ("[1, 0]", "JSON", ["1", "0"]),
        ("[[1], [0]]", "JSON", ["1", "0"]),
        ('[{"label": 1}, {"label": "late"}]', "JSON", ["1", "late"]),
        ('[[{"label": 1}]]', "JSON", ["1"]),
        ('{"instances": [{"label": 1}, {"label": 0}]}', "JSON", ["1", "0"]),
        ('{"predictions": [1, 0]}', "JSON", ["1", "0"]),
        ('{"label": 1}\n{"label": 0}', "JSON", ["1", "0"]),
        (base64.b64encode(b"1").decode(), "BASE64", ["1"]),
    ],
)
def test_labels_of_a_record(data: str, encoding: str, labels: list[str]) -> None:
    found = read(_lines(GOOD, _truth(data, encoding), GOOD))
    ids = ["a"] if len(labels) == 1 else [f"a#{i}" for i in range(len(labels))]
    assert found.pairs == [("a", "1"), *zip(ids, labels, strict=True), ("a", "1")]
    assert not found.quarantined


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"eventId": "e"}, "e"),
        ({"eventId": "e", "inferenceId": "i"}, "i"),
        ({"eventId": "e", "inferenceId": ""}, "e"),
        ({"eventId": "e", "inferenceId": None}, "e"),
        ({"inferenceId": "i", "other": {"eventId": 1}}, "i"),
    ],
)
def test_the_id_is_that_of_the_capture(metadata: Any, expected: str) -> None:
    assert read(_lines(GOOD | {"eventMetadata": metadata})).pairs == [(expected, "1")]


@pytest.mark.parametrize(
    ("reason", "record"),
    [
        (Reason.BAD_LABEL, _truth("")),
        (Reason.BAD_LABEL, _truth(" ")),
        (Reason.BAD_LABEL, _truth("1,0")),
        (Reason.BAD_LABEL, _truth("nan")),
        (Reason.BAD_LABEL, _truth("null", "JSON")),
        (Reason.BAD_LABEL, _truth("NaN", "JSON")),
        (Reason.BAD_LABEL, _truth("[]", "JSON")),
        (Reason.BAD_LABEL, _truth("{}", "JSON")),
        (Reason.BAD_LABEL, _truth('"\\ud800"', "JSON")),
        (Reason.BAD_LABEL, _truth("1", "XML")),
        (Reason.BAD_LABEL, _truth(1)),
        (Reason.BAD_LABEL, _truth("s3://truths/1", "URI")),
        (Reason.NOT_A_CAPTURE, GOOD | {"groundTruthData": None}),
        (Reason.NOT_A_CAPTURE, b"[1]\n"),
        (Reason.NOT_JSON, b"no json\n"),
        (Reason.NO_EVENT_ID, GOOD | {"eventMetadata": {}}),
        (Reason.NO_EVENT_ID, GOOD | {"eventMetadata": {"eventId": 7}}),
        (Reason.NO_EVENT_ID, GOOD | {"eventMetadata": {"eventId": "\ud800"}}),
        (Reason.NO_EVENT_ID, GOOD | {"eventMetadata": None}),
    ],
)
def test_what_is_set_aside(reason: Reason, record: Any) -> None:
    found = read(_lines(GOOD, record, GOOD))
    assert found.pairs == [("a", "1")] * 2
    [item] = found.quarantined
    line = _lines(record).removesuffix(b"\n")
    assert (item.reason, item.origin.offset, item.origin.data, item.rows) == (reason, len(_lines(GOOD)), line, 1)


def test_a_line_that_is_cut_off() -> None:
    found = read(_lines(GOOD) + _lines(GOOD)[:40])
    assert (found.pairs, found.reasons) == ([("a", "1")], [Reason.CUT_OFF])


def test_a_bad_label_of_a_record_costs_itself_only() -> None:
    found = read(_lines(_truth("[1, null, 0, [2, 3]]", "JSON")))
    assert found.pairs == [("a#0", "1"), ("a#2", "0")]
    assert [(item.reason, item.rows) for item in found.quarantined] == [(Reason.BAD_LABEL, 2)]


def test_weights_and_times_are_beside_the_label_or_in_the_record() -> None:
    paths = {"label_time": "eventMetadata.labelTime"}
    metadata = {"eventId": "a", "labelTime": "2026-03-01"}
    record = _truth('[{"label": 1, "weight": 2}, {"label": 0}]', "JSON", weight=0.5, eventMetadata=metadata)
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    assert read(_lines(record), paths=paths, **TIMED).rows == [("a#0", "1", 2.0, moment), ("a#1", "0", 0.5, moment)]
