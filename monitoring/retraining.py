"""What a retraining DAG needs: the request, the rows to learn from, the comparison, the promotion."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring import documents, history
from monitoring.baseline import create_baseline
from monitoring.capture.records import from_parquet, to_parquet
from monitoring.capture.schema import FEATURE_PREFIX, schema
from monitoring.decide.gate import Comparison, compare
from monitoring.engine.intake import is_complete
from monitoring.engine.labelled import labelled_window
from monitoring.errors import ConfigError, ConflictError
from monitoring.monitor import Monitor
from monitoring.training_rows import configured_baseline, read_training_rows
from monitoring.window import Window, iso

REQUEST, PROMOTION, SCHEMA_VERSION = "retraining-request", "retraining", 1


@dataclass(frozen=True)
class TrainingRows:
    """Where a retraining's rows lie in the store, as Parquet with plain feature names.

    Attributes:
        fit: Key of the rows to learn from.
        held_out: Key of the newest matured windows, which both models are compared on.
        fit_rows: Rows to learn from.
        held_out_rows: Rows held out.
    """

    fit: str
    held_out: str
    fit_rows: int
    held_out_rows: int


def claim_request(monitor: Monitor, window: Window, *, owner: str) -> bool:
    """Whether the run `owner` is the one that may ask for retraining because of `window`.

    A retry of the same run may ask again: it cannot know whether its first attempt got through.

    Args:
        monitor: The model.
        window: The window whose decision it is.
        owner: The id of the run.
    """
    key = f"{monitor.config.name}/retraining/requests/{window.label}.json"
    document = documents.encode(REQUEST, SCHEMA_VERSION, {"window": window.label, "owner": owner})
    return monitor.store.put_if_absent(key, document) or monitor.store.get(key) == document


def version_after(monitor: Monitor, window: Window) -> tuple[str, datetime]:
    """The version that a retraining asked for by `window` makes, and from when on it may serve.

    It serves from the first window that begins after the request was made.
    """
    moment = monitor.as_of(window)
    first = Window.containing(moment, window.every)
    first = first if first.start >= moment else first.shift(1)
    return first.label, first.start


def export_training_rows(monitor: Monitor, window: Window, *, held_out: int = 7, lookback: int = 90) -> TrainingRows:
    """Write the rows that a retraining learns from and is compared on.

    Learned from: the training rows of the first baseline and the matured windows, but for the newest
    `held_out` of them, which are held out. A window is matured when its label horizon had passed at the run
    of `window`.

    Args:
        monitor: The model.
        window: The window whose decision asked.
        held_out: Matured windows to hold out.
        lookback: Windows to look back over.

    Raises:
        ConfigError: No more matured windows than are to be held out.
    """
    matured = [
        past
        for past in (window.shift(-i) for i in range(lookback, -1, -1))
        if monitor.started(past) and monitor.final_epoch(past) <= window and is_complete(monitor, past)
    ]
    if len(matured) <= held_out:
        raise ConfigError(
            f"{len(matured)} matured windows before {window.label}, {held_out} are held out",
            where=monitor.config.name,
            hint="wait for labels, or hold out fewer",
        )
    tables = [labelled_rows(monitor, past, window) for past in matured]
    first = _original_rows(monitor, tables[0].schema)
    fit = pa.concat_tables([first, *tables[:-held_out]])
    held = pa.concat_tables(tables[-held_out:])
    held = held.filter(pc.is_valid(held["score"]))  # a call that failed has none to compare
    version, _ = version_after(monitor, window)
    prefix = f"{monitor.config.name}/retraining/{version}/"
    monitor.store.put(f"{prefix}fit.parquet", to_parquet(fit))
    monitor.store.put(f"{prefix}held-out.parquet", to_parquet(held))
    return TrainingRows(f"{prefix}fit.parquet", f"{prefix}held-out.parquet", fit.num_rows, held.num_rows)


def labelled_rows(monitor: Monitor, window: Window, until: Window) -> pa.Table:
    """The window's labelled records with plain feature names, `event_id`, `event_time`, `window`, `label`, `score`.

    Features are as they are stored: what `privacy` drops is not there, what it hashes is hashed.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
    """
    found = labelled_window(monitor, window, until, None)
    table = found.records
    columns = {
        # a window that was read before the feature was declared has none
        field.name.removeprefix(FEATURE_PREFIX): table[field.name]
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema(monitor.config.columns)
        if field.name.startswith(FEATURE_PREFIX)
    }
    columns |= {
        "event_id": table["event_id"],
        "event_time": table["event_time"],
        "window": pa.array([window.label] * table.num_rows, pa.string()),
        "label": found.label,
        "score": table["score"],
    }
    whole = pa.table(columns)
    return whole.filter(pc.is_valid(whole["label"]))


def compare_models(monitor: Monitor, rows: TrainingRows, challenger: bytes) -> Comparison:
    """Compare the scores that were served with the challenger's on the held-out rows.

    Args:
        monitor: The model.
        rows: What `export_training_rows` wrote.
        challenger: Parquet of the held-out rows, in their order, with the challenger's `score`.
    """
    held = from_parquet(monitor.store.get(rows.held_out))
    scores = pq.read_table(io.BytesIO(challenger), columns=["event_id", "score"])
    if scores["event_id"].to_pylist() != held["event_id"].to_pylist():
        raise ConfigError("the challenger scored other rows than those held out", where=rows.held_out)
    positive = np.asarray(pc.equal(held["label"], monitor.config.columns.positive).to_numpy(), bool)
    champion = np.asarray(held["score"].to_numpy(), np.float64)
    return compare(champion, np.asarray(scores["score"].to_numpy(), np.float64), positive, held["window"].to_pylist())


def conclude(
    monitor: Monitor,
    window: Window,
    comparison: Comparison,
    *,
    request: dict[str, Any],
    model: bytes,
    baseline_rows: bytes,
) -> str:
    """Put the challenger into service if it is better, and keep the reason either way.

    Everything is written before the pointers that make it count, so a run that is stopped and repeated ends
    in the same state.

    Args:
        monitor: The model.
        window: The window whose decision asked.
        comparison: What the gate says.
        request: Why it was asked for.
        model: The fitted challenger, as a file.
        baseline_rows: Its training rows with held-out scores, as Parquet; features as `export_training_rows` wrote
            them.

    Returns:
        The key of the record.
    """
    version, start = version_after(monitor, window)
    name, store = monitor.config.name, monitor.store
    prefix = f"{name}/retraining/{version}/"
    store.put(f"{prefix}model.joblib", model)
    store.put(f"{prefix}baseline.parquet", baseline_rows)
    if comparison.promote:
        store.put(f"serving/{name}/{version}/model.joblib", model)
        create_baseline(monitor, version=version, uri=f"{prefix}baseline.parquet", valid_from=start, stored=True)
        _point_to(monitor, version, start)
    body = {
        "model": name,
        "version": version,
        "window": window.label,
        "request": request,
        "comparison": comparison.to_json(),
        "valid_from": iso(start) if comparison.promote else None,
    }
    key = monitor.layout.promotion(version)
    store.put(key, documents.encode(PROMOTION, SCHEMA_VERSION, body))
    return key


def outcomes(monitor: Monitor) -> list[dict[str, Any]]:
    """What came of each retraining, oldest first."""
    prefix = f"{monitor.config.name}/retraining/"
    records = [
        key for key in monitor.store.keys(prefix) if key.endswith(".json") and "/" not in key.removeprefix(prefix)
    ]
    return [documents.decode(monitor.store.get(key), PROMOTION, SCHEMA_VERSION, key) for key in records]


def request_for(monitor: Monitor, window: Window) -> dict[str, Any]:
    """What the recorded decision on `window` says, for a retraining that is started by hand."""
    decision = history.load_decision(monitor, window, 1)
    reasons = list(decision.reasons) if decision else ["Started by hand."]
    return {"model": monitor.config.name, "window": window.label, "reasons": reasons}


def _original_rows(monitor: Monitor, wanted: pa.Schema) -> pa.Table:
    """The configured training rows, in the schema of labelled windows."""
    rows = read_training_rows(monitor, configured_baseline(monitor.config).uri)
    count = rows.records.num_rows
    # any other text than the positive label is negative
    names = {True: monitor.config.columns.positive, False: f"not {monitor.config.columns.positive}", None: None}
    if monitor.config.columns.positive in {"0", "1"}:
        names[False] = str(1 - int(monitor.config.columns.positive))
    binary = monitor.config.columns.task == "binary"
    texts = [names[label] for label in rows.labels.to_pylist()] if binary else rows.labels.cast(pa.string())
    columns = {
        "window": pa.array([""] * count, pa.string()),
        "label": pa.array(texts, pa.string()),
    }
    for field in wanted:
        if field.name not in columns:
            own = field.name in {"event_id", "event_time", "score"}
            columns[field.name] = rows.records[field.name if own else FEATURE_PREFIX + field.name]
    return pa.table({field.name: columns[field.name] for field in wanted}, schema=wanted)


def _point_to(monitor: Monitor, version: str, start: datetime) -> None:
    key = f"serving/{monitor.config.name}/current.json"
    while True:
        before = monitor.store.get(key) if monitor.store.exists(key) else None
        known = json.loads(before)["versions"] if before else []
        others = [item for item in known if item["version"] != version]
        versions = sorted([*others, {"version": version, "valid_from": iso(start)}], key=lambda v: v["valid_from"])
        try:
            monitor.store.replace(key, f"{json.dumps({'versions': versions}, indent=2)}\n".encode(), before)
            return
        except ConflictError:
            continue  # another version was added in between: add ours to what is there now
