"""The training rows that baselines are made of, as canonical records."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from monitoring import documents
from monitoring.capture import privacy, records
from monitoring.capture.schema import (
    ATTRIBUTION_PREFIX,
    FEATURE_PREFIX,
    PROBABILITY_PREFIX,
    REFERENCE_PREFIX,
    SEGMENT_PREFIX,
    captured_schema,
    schema,
)
from monitoring.config import ModelConfig
from monitoring.config.capture import Columns
from monitoring.config.model import Baseline
from monitoring.config.values import plain_label
from monitoring.errors import ConfigError
from monitoring.monitor import Monitor

_LABELS = {"binary": pa.bool_(), "multiclass": pa.string(), "regression": pa.float64()}


@dataclass(frozen=True)
class LabelledRows:
    """Rows and what became of them.

    Attributes:
        records: Canonical records, as they may be stored.
        labels: One per record, null without a label. By task: whether it is positive (bool), its class (string, as
            `plain_label` spells it), or its number (float64).
        source: Hash of the file.
    """

    records: pa.Table
    labels: pa.Array
    source: str


def configured_baseline(config: ModelConfig) -> Baseline:
    """What the configuration says of training rows.

    Raises:
        ConfigError: Nothing.
    """
    if config.baseline is None:
        raise ConfigError(
            "no baseline is configured",
            where=config.name,
            hint="add a block `baseline` with the `uri` of the training rows",
        )
    return config.baseline


def read_training_rows(monitor: Monitor, uri: str, *, stored: bool = False) -> LabelledRows:
    """The rows of a Parquet or CSV file, with nothing in them that may not be stored.

    Args:
        monitor: The model.
        uri: The file; without a scheme, inside the monitor's own store.
        stored: Whether the file has its columns as they are stored, as `export_training_rows` writes them: hashed
            values are then not hashed again.

    Raises:
        ConfigError: No baseline is configured, the file cannot be read, or its rows do not fit the model.
    """
    config, baseline = monitor.config, configured_baseline(monitor.config)
    store, key = _locate(monitor, uri)
    data = store.get(key)
    raw = _read(data, uri)
    _require_columns(raw, uri, config.columns, baseline)
    table = _canonical(raw, uri, config.columns, baseline, stored=stored)
    _check(table, uri, config.columns, baseline)
    if not stored:
        table = privacy.applied(table, config.columns, monitor.hash_key)
    table = privacy.folded(table, config.columns, {})
    return LabelledRows(table, _labels(raw, uri, config.columns, baseline), documents.fingerprint([data.hex()]))


def _locate(monitor: Monitor, uri: str) -> tuple[Any, str]:
    folder, _, name = uri.rpartition("/")
    store, prefix = monitor.source(folder) if folder else (monitor.store, "")
    return store, prefix + name


def _read(data: bytes, uri: str) -> pa.Table:
    try:
        if uri.endswith(".parquet"):
            return pq.read_table(io.BytesIO(data))
        if uri.endswith(".csv"):
            return pyarrow.csv.read_csv(io.BytesIO(data))
    except pa.ArrowException as error:
        raise ConfigError(f"cannot be read: {error}", where=uri) from error
    raise ConfigError("a baseline is a Parquet or CSV file", where=uri, allowed=[".parquet", ".csv"])


def _require_columns(raw: pa.Table, uri: str, columns: Columns, baseline: Baseline) -> None:
    need = [name for name in columns.features if name in columns.stored]
    need += [baseline.score] if columns.score else []
    need += columns.probabilities.values()
    need += [baseline.label] if columns.task == "binary" else []
    absent = [name for name in [*need, baseline.time] if name not in raw.column_names]
    if absent:
        raise ConfigError(f"no column {absent[0]!r}", where=uri, allowed=raw.column_names)


def _check(table: pa.Table, uri: str, columns: Columns, baseline: Baseline) -> None:
    """Every row has a time and, if the model has scores, a score; so also a probability of each class."""
    if table.num_rows == 0:
        raise ConfigError("there are no rows", where=uri)
    if table["event_time"].null_count:
        raise ConfigError(f"{baseline.time!r} is missing in {table['event_time'].null_count} rows", where=uri)
    scores = {"score": baseline.score} if columns.score else {}
    scores |= {PROBABILITY_PREFIX + name: place for name, place in columns.probabilities.items()}
    for column, place in scores.items():
        score = table[column].to_numpy()
        usable, what, allowed = (score >= 0) & (score <= 1), "no probability", "0 to 1"  # a NaN is neither
        if columns.task == "regression":
            usable, what, allowed = np.isfinite(score), "not finite", "numbers"
        bad = int(np.count_nonzero(~usable))
        if bad:
            raise ConfigError(f"{place!r} is {what} in {bad} rows", where=uri, allowed=[allowed])


def _canonical(raw: pa.Table, uri: str, columns: Columns, baseline: Baseline, *, stored: bool) -> pa.Table:
    """The rows as if they had been captured, or as they are stored; null where the file has no such column."""
    wanted = schema(columns) if stored else captured_schema(columns)
    texts = [FEATURE_PREFIX + name for name, kind in columns.features.items() if kind == "text" and not stored]
    places = _places(columns, baseline)
    body = {}
    for field in wanted:
        place = places.get(field.name)
        if place is not None and place in raw.column_names:
            kind = pa.string() if field.name in texts else field.type
            found = _cast(raw[place], place, kind, uri)
            body[field.name] = _lengths(found) if field.name in texts else found
        else:
            body[field.name] = pa.nulls(raw.num_rows, field.type)
    body["model_version"] = pa.array([""] * raw.num_rows)
    if "event_id" not in raw.column_names:
        body["event_id"] = pa.array([f"{i}" for i in range(raw.num_rows)])
    table = pa.table(body, schema=wanted)
    if columns.task == "multiclass" and columns.prediction in raw.column_names:
        return table
    return records.with_prediction(table, columns)


def _places(columns: Columns, baseline: Baseline) -> dict[str, str]:
    """Where the file has what stands in a record."""
    places = {"event_id": "event_id", "event_time": baseline.time}
    if columns.score:
        places["score"] = baseline.score
    if columns.task == "multiclass":
        places["prediction"] = columns.prediction
    places |= {PROBABILITY_PREFIX + name: place for name, place in columns.probabilities.items()}
    places |= {ATTRIBUTION_PREFIX + name: place for name, place in columns.attributions.items()}
    for prefix, names in (
        (FEATURE_PREFIX, columns.features),
        (SEGMENT_PREFIX, columns.segments),
        (REFERENCE_PREFIX, columns.references),
    ):
        places |= {prefix + name: name for name in names}
    return places


def _cast(column: pa.ChunkedArray, name: str, kind: pa.DataType, uri: str) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except pa.ArrowException:  # it quotes a value, which may be private
        what = f"{name!r} is {column.type}, and some of it is no {kind}"
        raise ConfigError(f"a column has another type than declared: {what}", where=uri) from None


def _lengths(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Characters of each text; an empty one counts as missing, as in captures."""
    lengths = pc.utf8_length(texts).cast(pa.float64())
    return pc.if_else(pc.equal(lengths, 0), None, lengths)


def _labels(raw: pa.Table, uri: str, columns: Columns, baseline: Baseline) -> pa.Array:
    kind = _LABELS[columns.task]
    if baseline.label not in raw.column_names:  # only a binary model needs one
        return pa.nulls(raw.num_rows, kind)
    if columns.task == "regression":
        numbers = _cast(raw[baseline.label], baseline.label, kind, uri).to_numpy()
        if infinite := int(np.isinf(numbers).sum()):
            raise ConfigError(f"{baseline.label!r} is not finite in {infinite} rows", where=uri, allowed=["numbers"])
        return pa.array(numbers, kind, mask=np.isnan(numbers))
    texts = [_text(label) for label in raw[baseline.label].to_pylist()]
    if columns.task == "multiclass":
        return pa.array([text or None for text in texts], kind)
    return pa.array([None if text is None else text == columns.positive for text in texts], kind)


def _text(label: object) -> str | None:
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return None
    return str(int(label)) if isinstance(label, bool) else plain_label(str(label))
