"""The canonical records that every reader produces, and the quarantine for what could not be read."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.config.model import Columns
from monitoring.window import Window

FEATURE_PREFIX = "feature:"
# A column that fails in this share of a batch's rows has changed; below it, the rows are at fault.
COLUMN_AT_FAULT = 0.5
_MOST_NEW_COLUMNS = 50


class Reason(StrEnum):
    """Why a record is in quarantine."""

    NOT_JSON = "not_json"
    CUT_OFF = "cut_off"
    NOT_A_CAPTURE = "not_a_capture"
    NO_INPUT = "no_input"
    NO_OUTPUT = "no_output"
    NO_EVENT_ID = "no_event_id"
    BAD_EVENT_TIME = "bad_event_time"
    BAD_PAYLOAD = "bad_payload"
    ROW_COUNT = "row_count"
    FIELD_COUNT = "field_count"
    MISSING_FIELD = "missing_field"
    UNPARSABLE_FIELD = "unparsable_field"
    BAD_SCORE = "bad_score"
    BAD_LABEL = "bad_label"
    OUTSIDE_WINDOW = "outside_window"


@dataclass(frozen=True)
class Origin:
    """Where a record's bytes lie.

    Attributes:
        key: The object.
        offset: First byte in it.
        data: The bytes.
    """

    key: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Quarantined:
    """One record that could not be read."""

    reason: Reason
    detail: str
    origin: Origin
    rows: int = 1


@dataclass
class Row:
    """One inference as a reader found it, before its columns are typed."""

    event_id: str
    event_time: datetime
    origin: Origin
    features: dict[str, Any]
    score: float
    model_version: str = ""
    latency_ms: float | None = None
    status: int | None = None


@dataclass
class Batch:
    """What became of a batch of objects: `read = table.num_rows + duplicate + quarantined rows`."""

    table: pa.Table
    read: int
    duplicate: int
    quarantined: list[Quarantined] = field(default_factory=list)
    missing_columns: dict[str, int] = field(default_factory=dict)
    changed_columns: dict[str, int] = field(default_factory=dict)
    new_columns: list[str] = field(default_factory=list)


def schema(columns: Columns) -> pa.Schema:
    """The canonical schema: identity, time and response first, then one column per feature."""
    types = {"numeric": pa.float64(), "categorical": pa.string()}
    return pa.schema(
        [
            ("event_id", pa.string()),
            ("event_time", pa.timestamp("us", tz="UTC")),
            ("model_version", pa.string()),
            ("score", pa.float64()),
            ("prediction", pa.bool_()),
            ("latency_ms", pa.float64()),
            ("status", pa.int32()),
            *((FEATURE_PREFIX + name, types[kind]) for name, kind in columns.features.items()),
        ]
    )


def build_batch(rows: list[Row], quarantined: list[Quarantined], columns: Columns, window: Window) -> Batch:
    """Type the rows' columns, drop duplicates, and set aside what cannot be used.

    Args:
        rows: Every row of the batch, in the order of its objects.
        quarantined: What the reader could not turn into rows.
        columns: What the columns mean.
        window: Rows with an event time outside it are set aside.
    """
    read = len(rows) + sum(item.rows for item in quarantined)
    quarantined = list(quarantined)
    values, faults = _typed(rows, columns)
    counts = Counter(name for row_faults in faults for name, _ in row_faults)
    at_fault = {name for name, n in counts.items() if n >= COLUMN_AT_FAULT * len(rows)}
    absent = {name for name in at_fault if all(name not in row.features for row in rows)}
    keep: list[int] = []
    seen: set[str] = set()
    duplicate = 0
    for index, row in enumerate(rows):
        fault = next(((name, why) for name, why in faults[index] if name not in at_fault), None)
        if fault:
            reason = Reason.UNPARSABLE_FIELD if fault[0] in row.features else Reason.MISSING_FIELD
            quarantined.append(Quarantined(reason, f"{fault[0]}: {fault[1]}", row.origin))
        elif not window.start <= row.event_time < window.end:
            detail = f"{row.event_time.isoformat()} is not in {window.label}"
            quarantined.append(Quarantined(Reason.OUTSIDE_WINDOW, detail, row.origin))
        elif row.event_id in seen:
            duplicate += 1
        else:
            seen.add(row.event_id)
            keep.append(index)
    table = _table(
        [rows[i] for i in keep], {name: [column[i] for i in keep] for name, column in values.items()}, columns
    )
    unknown = {name for row in rows for name in row.features} - set(columns.features)
    new = sorted(name.encode(errors="replace").decode() for name in unknown)
    return Batch(
        table,
        read,
        duplicate,
        quarantined,
        missing_columns={name: counts[name] for name in sorted(absent)},
        changed_columns={name: counts[name] for name in sorted(at_fault - absent)},
        new_columns=new[:_MOST_NEW_COLUMNS],
    )


def _typed(rows: list[Row], columns: Columns) -> tuple[dict[str, list[Any]], list[list[tuple[str, str]]]]:
    """Each feature's values, None where there is none or it does not parse, and each row's faults."""
    faults: list[list[tuple[str, str]]] = [[] for _ in rows]
    values: dict[str, list[Any]] = {}
    for name, kind in columns.features.items():
        parse = _number if kind == "numeric" else _category
        column: list[Any] = []
        for index, row in enumerate(rows):
            if name not in row.features:
                faults[index].append((name, "missing"))
                column.append(None)
                continue
            try:
                column.append(parse(row.features[name]))
            except (TypeError, ValueError, OverflowError):
                faults[index].append((name, f"{str(row.features[name])[:40]!r} is not {kind}"))
                column.append(None)
        values[name] = column
    return values, faults


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().lower() in ("null", "none", "na"):
        return None
    return float(value)


def _category(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise TypeError("nested")
    text = str(value)
    text.encode()  # JSON can spell half a surrogate pair, which no table can hold
    return text


def _table(rows: list[Row], values: dict[str, list[Any]], columns: Columns) -> pa.Table:
    head: dict[str, list[Any]] = {
        "event_id": [row.event_id for row in rows],
        "event_time": [row.event_time for row in rows],
        "model_version": [row.model_version for row in rows],
        "score": [row.score for row in rows],
        "prediction": [row.score >= columns.threshold for row in rows],
        "latency_ms": [row.latency_ms for row in rows],
        "status": [row.status for row in rows],
    }
    features = {FEATURE_PREFIX + name: column for name, column in values.items()}
    return pa.table(head | features, schema=schema(columns))


def to_parquet(table: pa.Table) -> bytes:
    """The table as Parquet bytes, the same for the same table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def from_parquet(data: bytes) -> pa.Table:
    """The table in Parquet bytes."""
    return pq.read_table(io.BytesIO(data))


def quarantine_lines(items: list[Quarantined]) -> bytes:
    """The quarantine as JSON Lines: reason, place, and the offending bytes in base64."""
    lines = [
        json.dumps(
            {
                "reason": item.reason,
                "detail": item.detail,
                "key": item.origin.key,
                "offset": item.origin.offset,
                "length": len(item.origin.data),
                "data": base64.b64encode(item.origin.data).decode(),
            }
        )
        for item in items
    ]
    return "".join(f"{line}\n" for line in lines).encode()
