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
from monitoring.capture import records
from monitoring.capture.records import FEATURE_PREFIX
from monitoring.config import ModelConfig
from monitoring.config.model import plain_label
from monitoring.errors import ConfigError, MonitorError
from monitoring.monitor import Monitor


@dataclass(frozen=True)
class LabelledRows:
    """Rows and what became of them.

    Attributes:
        records: Canonical records.
        labels: One per record: positive or not; None without a label.
        source: Hash of the file.
    """

    records: pa.Table
    labels: list[bool | None]
    source: str


def read_training_rows(monitor: Monitor, uri: str) -> LabelledRows:
    """The rows of a Parquet or CSV file.

    Args:
        monitor: The model.
        uri: The file; without a scheme, inside the monitor's own store.

    Raises:
        ConfigError: The file cannot be read, or its rows do not fit the model.
    """
    store, key = _locate(monitor, uri)
    data = store.get(key)
    table, labels = _parse(data, uri, monitor.config)
    return LabelledRows(table, labels, documents.fingerprint([data.hex()]))


def _locate(monitor: Monitor, uri: str) -> tuple[Any, str]:
    folder, _, name = uri.rpartition("/")
    store, prefix = monitor.source(folder) if folder else (monitor.store, "")
    return store, prefix + name


def _parse(data: bytes, uri: str, config: ModelConfig) -> tuple[pa.Table, list[bool | None]]:
    try:
        if uri.endswith(".parquet"):
            raw = pq.read_table(io.BytesIO(data))
        elif uri.endswith(".csv"):
            raw = pyarrow.csv.read_csv(io.BytesIO(data))
        else:
            raise ConfigError("a baseline is a Parquet or CSV file", where=uri, allowed=[".parquet", ".csv"])
    except pa.ArrowException as error:
        raise ConfigError(f"cannot be read: {error}", where=uri) from error
    need = [*config.columns.features, config.baseline.score, config.baseline.label, config.baseline.time]
    absent = [name for name in need if name not in raw.column_names]
    if absent:
        raise ConfigError(f"no column {absent[0]!r}", where=uri, allowed=raw.column_names)
    try:
        table, labels = _canonical(raw, config)
    except (pa.ArrowException, MonitorError) as error:
        raise ConfigError(f"a column has another type than declared: {error}", where=uri) from error
    _check(table, uri, config)
    return table, labels


def _check(table: pa.Table, uri: str, config: ModelConfig) -> None:
    """Every row has a time and a probability."""
    if table.num_rows == 0:
        raise ConfigError("there are no rows", where=uri)
    if table["event_time"].null_count:
        raise ConfigError(f"{config.baseline.time!r} is missing in {table['event_time'].null_count} rows", where=uri)
    score = table["score"].to_numpy()
    bad = int(np.count_nonzero(~((score >= 0) & (score <= 1))))  # a NaN is neither
    if bad:
        raise ConfigError(f"{config.baseline.score!r} is no probability in {bad} rows", where=uri, allowed=["0 to 1"])


def _canonical(raw: pa.Table, config: ModelConfig) -> tuple[pa.Table, list[bool | None]]:
    count = raw.num_rows
    schema = records.schema(config.columns)
    score = raw[config.baseline.score].cast(pa.float64())
    time = raw[config.baseline.time].cast(pa.timestamp("us", tz="UTC"))
    ids = (
        raw["event_id"].cast(pa.string())
        if "event_id" in raw.column_names
        else pa.array([f"{i}" for i in range(count)])
    )
    columns = {
        "event_id": ids,
        "event_time": time,
        "model_version": pa.array([""] * count),
        "score": score,
        "prediction": pc.greater_equal(score, config.columns.threshold),
        "latency_ms": pa.nulls(count, pa.float64()),
        "status": pa.nulls(count, pa.int32()),
    }
    for name, kind in config.columns.features.items():
        columns[FEATURE_PREFIX + name] = raw[name].cast(pa.float64() if kind == "numeric" else pa.string())
    labels = raw[config.baseline.label].to_pylist()
    positive = config.columns.positive
    marks = [
        None if label is None or (isinstance(label, float) and math.isnan(label)) else _text(label) == positive
        for label in labels
    ]
    return pa.table(columns, schema=schema), marks


def _text(label: object) -> str:
    return str(int(label)) if isinstance(label, bool) else plain_label(str(label))
