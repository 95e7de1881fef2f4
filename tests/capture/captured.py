"""What a capture log has written, read back as the monitor reads it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from monitoring.capture.objects import Piece
from monitoring.capture.readers.sagemaker import read_piece
from monitoring.capture.records import Row
from monitoring.config.capture import Columns
from monitoring.store import Store

COLUMNS = Columns(features={"amount": "numeric", "country": "categorical"})
MOST_SECONDS = 30


def keys(store: Store, prefix: str = "captures/toy") -> list[str]:
    return store.keys(f"{prefix}/")


def records(store: Store, prefix: str = "captures/toy") -> list[dict[str, Any]]:
    """Every record, as JSON."""
    return [json.loads(line) for key in keys(store, prefix) for line in store.get(key).splitlines()]


def rows(store: Store, prefix: str = "captures/toy") -> list[Row]:
    """Every row; nothing may be unreadable."""
    found = [
        row for key in keys(store, prefix) for row in read_piece(Piece(key, 0, store.get(key), last=True), COLUMNS)
    ]
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def ids(store: Store, prefix: str = "captures/toy") -> list[str]:
    return sorted(record["eventMetadata"]["eventId"] for record in records(store, prefix))


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another thread or process does."""
    deadline = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
