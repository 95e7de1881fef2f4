"""The columns of canonical records: as they were captured, and as they are stored."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from monitoring.config.capture import Columns

FEATURE_PREFIX, SEGMENT_PREFIX, REFERENCE_PREFIX = "feature:", "segment:", "reference:"
PROBABILITY_PREFIX, ATTRIBUTION_PREFIX = "probability.", "attribution:"
_ARROW = {"numeric": pa.float64(), "categorical": pa.string(), "text": pa.float64()}


def schema(columns: Columns) -> pa.Schema:
    """The schema of stored records: identity, time and response first, then a column per segment and feature."""
    features = {name: _ARROW[kind] for name, kind in columns.stored.items()}
    return _schema(columns, features, columns.stored_segments, columns.stored_attributions)


def captured_schema(columns: Columns) -> pa.Schema:
    """The schema of typed rows, before `privacy` takes anything away."""
    features = {name: _ARROW[kind] for name, kind in columns.features.items()}
    return _schema(columns, features, columns.segments, columns.attributions)


def _schema(
    columns: Columns, features: dict[str, pa.DataType], segments: Iterable[str], attributions: Iterable[str]
) -> pa.Schema:
    return pa.schema(
        [
            ("event_id", pa.string()),
            ("event_time", pa.timestamp("us", tz="UTC")),
            ("model_version", pa.string()),
            ("score", pa.float64()),
            ("prediction", pa.bool_() if columns.task == "binary" else pa.string()),
            ("latency_ms", pa.float64()),
            ("status", pa.int32()),
            *((PROBABILITY_PREFIX + name, pa.float64()) for name in columns.probabilities),
            *((ATTRIBUTION_PREFIX + name, pa.float64()) for name in attributions),
            *((SEGMENT_PREFIX + name, pa.string()) for name in segments),
            *((REFERENCE_PREFIX + name, pa.string()) for name in columns.references),
            *((FEATURE_PREFIX + name, kind) for name, kind in features.items()),
        ]
    )
