"""Every shape in which an endpoint captures requests and responses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.capture.records import Sorted
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.config.capture import Columns

MakeRecord = Callable[..., dict[str, Any]]
Payload = Callable[..., dict[str, str]]
Read = Callable[..., Sorted]


def _values(batch: Sorted) -> list[tuple[Any, ...]]:
    assert not batch.quarantined
    names = ["event_id", f"{FEATURE_PREFIX}amount", f"{FEATURE_PREFIX}country", "score"]
    return list(zip(*(batch.table[name].to_pylist() for name in names), strict=True))


ONE = [("e1", 12.5, "at", 0.25)]
TWO = [("e1#0", 12.5, "at", 0.25), ("e1#1", None, "ch", 0.75)]


def test_csv(record: MakeRecord, read: Read) -> None:
    assert _values(read(record())) == ONE
    assert _values(read(record('12.5,"at"\r\n', "0.25\n"))) == ONE
    assert _values(read(record("12.5,at\n,ch\n", "0.25\n0.75\n"))) == TWO


def test_a_quoted_field_may_hold_what_separates_rows_and_fields(record: MakeRecord, read: Read) -> None:
    assert _values(read(record('1,"a\n""b"", c"'))) == [("e1", 1.0, 'a\n"b", c', 0.25)]
    assert _values(read(record("1,a\u2028b"))) == [("e1", 1.0, "a\u2028b", 0.25)]


@pytest.mark.parametrize(
    ("request_data", "response_data", "expected"),
    [
        ({"amount": 12.5, "country": "at"}, {"score": 0.25}, ONE),
        ({"features": {"amount": "12.5", "country": "at"}}, 0.25, ONE),
        ({"features": [12.5, "at"]}, [[0.25]], ONE),
        ({"instances": [[12.5, "at"]]}, {"predictions": [{"score": 0.25}]}, ONE),
        (
            {"instances": [{"features": [12.5, "at"]}, {"features": [None, "ch"]}]},
            {"predictions": [{"score": 0.25, "label": 0}, {"score": 0.75, "label": 1}]},
            TWO,
        ),
        (
            {"instances": [{"amount": 12.5, "country": "at"}, {"amount": None, "country": "ch"}]},
            {"predictions": [[0.25], [0.75]]},
            TWO,
        ),
        ([[12.5, "at"], [None, "ch"]], [[0.25], [0.75]], TWO),
        (
            '{"features": [12.5, "at"]}\n{"features": [null, "ch"]}\n',
            '{"score": 0.25}\n\n{"score": 0.75}\n',
            TWO,
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["JSON", "BASE64"])
def test_json(
    record: MakeRecord,
    payload: Payload,
    read: Read,
    request_data: Any,
    response_data: Any,
    expected: list[tuple[Any, ...]],
    encoding: str,
) -> None:
    found = read(record(payload(request_data, encoding), payload(response_data, encoding)))
    assert _values(found) == expected


def test_json_lines_content_type_and_csv_in_base64(record: MakeRecord, payload: Payload, read: Read) -> None:
    lines = payload('{"amount": 12.5, "country": "at"}\n', content_type="application/jsonlines")
    assert _values(read(record(lines))) == ONE
    csv = payload("12.5,at\n,ch", "BASE64", "text/csv; charset=utf-8")
    assert _values(read(record(csv, "0.25\n0.75"))) == TWO


def test_the_score_by_position_and_by_name(record: MakeRecord, payload: Payload, read: Read) -> None:
    features = {"amount": "numeric", "country": "categorical"}
    columns = Columns(features=features, outputs=["label", "p"], score="p", threshold=0.25)
    found = read(record(response="1,0.25"), columns=columns)
    assert _values(found) == ONE
    assert found.table["prediction"].to_pylist() == [True]
    assert _values(read(record(response=payload({"p": "0.25", "score": 0.9})), columns=columns)) == ONE


def test_probabilities_of_classes(record: MakeRecord, read: Read) -> None:
    columns = Columns.model_validate(
        {
            "task": "multiclass",
            "features": {"amount": "numeric", "country": "categorical"},
            "probabilities": {"ant": "p_ant", "bee": "p_bee"},
        }
    )
    batch = read(record("1.5,at\n2.5,ch\n", "0.25,0.75\n0.5,0.5\n"), columns=columns)
    found = batch.table.select(["score", "prediction", "probability.ant", "probability.bee"]).to_pydict()
    assert found == {
        "score": [0.75, 0.5],
        "prediction": ["bee", "ant"],
        "probability.ant": [0.25, 0.5],
        "probability.bee": [0.75, 0.5],
    }
    scored = columns.model_copy(update={"outputs": ["p_ant", "p_bee", "score"], "score": "score"})
    batch = read(record("1.5,at", "0.25,0.75,0.75"), columns=scored)
    assert batch.table["prediction"].to_pylist() == ["bee"]


def test_metadata(record: MakeRecord, read: Read) -> None:
    attributes = ["model_version=7=a", "latency_ms=12.5", "status=503", "noise", 5]
    found = read(
        record(inferenceId="mine", inferenceTime="2024-01-11T12:30:00.5+02:00", customAttributes=attributes),
        record(eventId="e2", inferenceTime="2024-01-11T23:59:59"),
        record(eventId="e3", customAttributes=["latency_ms=soon", "status=fine"]),
    )
    assert found.table.select(["event_id", "event_time", "model_version", "latency_ms", "status"]).to_pylist() == [
        {
            "event_id": "mine",
            "event_time": datetime(2024, 1, 11, 10, 30, 0, 500_000, UTC),
            "model_version": "7=a",
            "latency_ms": 12.5,
            "status": 503,
        },
        {
            "event_id": "e2",
            "event_time": datetime(2024, 1, 11, 23, 59, 59, tzinfo=UTC),
            "model_version": "",
            "latency_ms": None,
            "status": None,
        },
        {
            "event_id": "e3",
            "event_time": datetime(2024, 1, 11, 10, tzinfo=UTC),
            "model_version": "",
            "latency_ms": None,
            "status": None,
        },
    ]


@pytest.mark.parametrize("text", ["", "null", "None", " NA "])
def test_what_counts_as_a_missing_number(record: MakeRecord, read: Read, text: str) -> None:
    assert _values(read(record(f"{text},at"))) == [("e1", None, "at", 0.25)]
