"""What happens around the monitor: models are trained and served, flights leave, labels arrive.

Everything is a function of the store and of the day that is played, so a day that is played twice writes the
same objects under the same keys.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import joblib
import pandas as pd

from demo.flights import FEATURES, rows_for
from demo.train import Bundle, baseline, fit, score
from monitoring.capture.writer import CapturedInference, write_captures, write_labels
from monitoring.config.model import ModelConfig
from monitoring.errors import ObjectMissingError
from monitoring.store import Store
from monitoring.window import Window, iso

FIRST_DAY = datetime(2013, 3, 1, tzinfo=UTC)
FIRST_VERSION = f"{FIRST_DAY:%Y-%m-%d}"


def baseline_key(model: str) -> str:
    """Where the training rows of `model` lie."""
    return f"training/{model}/baseline.parquet"


def model_key(model: str, version: str) -> str:
    """Where the fitted model of one version lies."""
    return f"serving/{model}/{version}/model.joblib"


def pointer_key(model: str) -> str:
    """Where it is written which version serves from when on."""
    return f"serving/{model}/current.json"


def prepare(store: Store, model: str) -> None:
    """Train the first version on January and February and put it into service; once is enough.

    The pointer is written last: when it is there, all that it points to is. A pointer that is there already
    is kept, since it may know later versions.
    """
    keys = [baseline_key(model), model_key(model, FIRST_VERSION), pointer_key(model)]
    if all(store.exists(key) for key in keys):
        return
    rows = rows_for(model)
    rows = rows[rows["event_time"] < FIRST_DAY]
    sink = io.BytesIO()
    baseline(rows, model).to_parquet(sink, index=False)
    store.put(keys[0], sink.getvalue())
    sink = io.BytesIO()
    joblib.dump(fit(rows, model), sink)
    store.put(keys[1], sink.getvalue())
    pointer = {"versions": [{"version": FIRST_VERSION, "valid_from": iso(FIRST_DAY)}]}
    store.put_if_absent(keys[2], f"{json.dumps(pointer, indent=2)}\n".encode())


def serving_version(store: Store, model: str, moment: datetime) -> str:
    """The version of `model` that answers at `moment`: the latest one that is valid by then.

    Raises:
        ObjectMissingError: No version is.
    """
    versions = json.loads(store.get(pointer_key(model)))["versions"]
    valid = [entry for entry in versions if datetime.fromisoformat(entry["valid_from"]) <= moment]
    if not valid:
        raise ObjectMissingError(
            f"no version of {model} serves at {iso(moment)}",
            where=f"{store.uri}/{pointer_key(model)}",
            allowed=[f"from {entry['valid_from']} on" for entry in versions],
        )
    latest = max(valid, key=lambda entry: datetime.fromisoformat(entry["valid_from"]))
    return str(latest["version"])


def play_day(store: Store, config: ModelConfig, window: Window) -> list[str]:
    """Let one day happen: its inferences, and the labels that arrive before it is measured.

    A day is measured when it has settled, so its labels are those collected from one such moment to the next.
    The first day also gets those collected before; there is no earlier day to write them.

    Args:
        store: The monitor's store, prepared for this model.
        config: The model; its capture and labels are keys in the store.
        window: A window of one day.

    Returns:
        The keys that were written, captures first.
    """
    version = serving_version(store, config.name, window.start)
    rows = _between(rows_for(config.name), "event_time", window.start, window.end)
    keys = write_captures(store, config.capture.uri, _inferences(store, config.name, version, rows))
    if config.labels is None:
        return keys
    settle = config.schedule.settle
    start = window.start if window.start == FIRST_DAY else window.start + settle
    found = _between(_label_rows(config.name), "label_time", start, window.end + settle)
    moments = pd.DatetimeIndex(found["label_time"]).to_pydatetime()
    labels = zip(found["event_id"], found["label"], moments, strict=True)
    return keys + write_labels(store, config.labels.uri, labels)


def _inferences(store: Store, model: str, version: str, rows: pd.DataFrame) -> Iterator[CapturedInference]:
    scores = score(_load(store.get(model_key(model, version))), rows)
    columns = [_values(rows[name]) for name in FEATURES[model]]
    moments = pd.DatetimeIndex(rows["event_time"]).to_pydatetime()
    for event_id, moment, value, *features in zip(rows["event_id"], moments, scores, *columns, strict=True):
        yield CapturedInference(event_id, moment, features, float(value), {"model_version": version})


def _values(column: pd.Series[Any]) -> list[Any]:
    """The column as Python values, None for a missing one: NaN would be captured as the text `nan`."""
    return column.astype(object).where(column.notna(), None).tolist()


@lru_cache(maxsize=8)
def _load(data: bytes) -> Bundle:
    return cast("Bundle", joblib.load(io.BytesIO(data)))


@lru_cache(maxsize=4)
def _label_rows(model: str) -> pd.DataFrame:
    """Labels of the flights that were captured, by the time of their collection."""
    rows = rows_for(model)
    rows = rows.loc[(rows["event_time"] >= FIRST_DAY) & rows["label"].notna()]
    return rows.sort_values(["label_time", "event_id"], ignore_index=True)


def _between(rows: pd.DataFrame, column: str, start: datetime, end: datetime) -> pd.DataFrame:
    """The rows of `[start, end)`, of rows that are sorted by `column`."""
    first, last = rows[column].searchsorted([pd.Timestamp(start), pd.Timestamp(end)])
    return rows.iloc[first:last]
