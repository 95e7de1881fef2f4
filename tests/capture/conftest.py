"""Hand-written capture records, as a SageMaker endpoint writes them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from monitoring.capture.records import Batch, build_batch
from monitoring.capture.sagemaker import read_object
from monitoring.config.model import Columns
from monitoring.window import Window

COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"})
DAY = Window.parse("2024-01-11", "day")

MakeRecord = Callable[..., dict[str, Any]]
Read = Callable[..., Batch]


@pytest.fixture
def columns() -> Columns:
    """Two features and a score."""
    return COLUMNS


@pytest.fixture
def window() -> Window:
    """The window of the records."""
    return DAY


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

    def run(*records: Any, columns: Columns = COLUMNS, window: Window = DAY) -> Batch:
        lines = [item if isinstance(item, bytes) else json.dumps(item).encode() + b"\n" for item in records]
        rows, quarantined = read_object("k", b"".join(lines), columns)
        return build_batch(rows, quarantined, columns, window)

    return run
