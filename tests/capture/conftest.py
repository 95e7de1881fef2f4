"""Hand-written capture records, as a SageMaker endpoint writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers.sagemaker import read as read_sagemaker
from monitoring.capture.records import Row, Sorted, Typed, sort_out, type_rows
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns

COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"})

MakeRecord = Callable[..., dict[str, Any]]
Read = Callable[..., Sorted]


def sorted_out(data: bytes, columns: Columns = COLUMNS) -> Sorted:
    """What is in one object of SageMaker captures."""
    config = ModelConfig.model_validate({"name": "toy", "capture": {"uri": "x"}, "columns": columns.model_dump()})
    found = list(read_sagemaker(CaptureObject.of("k", data), config))
    rows = type_rows([item for item in found if isinstance(item, Row)], columns)
    scanned = [item for item in found if isinstance(item, Typed)]
    return sort_out([*scanned, rows], [item for item in found if isinstance(item, Quarantined)], columns)


@pytest.fixture
def columns() -> Columns:
    """Two features and a score."""
    return COLUMNS


@pytest.fixture
def record() -> MakeRecord:
    """One capture record; a side may be given as text (CSV) or as a whole mapping."""

    def side(value: Any, mode: str) -> Any:
        if not isinstance(value, str):
            return value
        return {"observedContentType": "text/csv", "mode": mode, "data": value, "encoding": "CSV"}

    def make(request: Any = "12.5,at", response: Any = "0.25", **metadata: Any) -> dict[str, Any]:
        given = {"eventId": "e1", "inferenceTime": "2024-01-11T10:00:00Z", **metadata}
        return {
            "captureData": {"endpointInput": side(request, "INPUT"), "endpointOutput": side(response, "OUTPUT")},
            "eventMetadata": {key: value for key, value in given.items() if value is not ...},
            "eventVersion": "0",
        }

    return make


@pytest.fixture
def payload() -> Callable[..., dict[str, str]]:
    """One side that is not CSV."""

    def make(data: Any, encoding: str = "JSON", content_type: str = "application/json") -> dict[str, str]:
        text = data if isinstance(data, str) else json.dumps(data)
        if encoding == "BASE64":
            text = base64.b64encode(text.encode()).decode()
        return {"observedContentType": content_type, "mode": "INPUT", "data": text, "encoding": encoding}

    return make


@pytest.fixture
def read() -> Read:
    """Read records (or raw lines) as one batch of one object."""

    def run(*records: Any, columns: Columns = COLUMNS) -> Sorted:
        lines = [item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in records]
        return sorted_out(b"".join(lines), columns)

    return run
