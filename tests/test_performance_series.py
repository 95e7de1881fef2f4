"""One performance series, end to end, for every task: estimated, provisional, final; and concept drift by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitoring import documents, history, pipeline
from monitoring.baseline import create_baseline
from monitoring.config import ModelConfig
from monitoring.engine.assessment import KIND, SCHEMA_VERSION
from monitoring.judge import Code, Verdict
from monitoring.monitor import Monitor
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY, World

ROWS, CLASSES = 400, ("a", "b", "c")
HALF = timedelta(hours=30)


def _rows(task: str, day: int, moved: float = 0.0, shift: float = 0.0) -> dict[str, Any]:
    """Features, answers and truth of a day: `moved` inputs, and a `shift` of what they mean."""
    random = np.random.default_rng([11, day + 1000])
    x = random.normal(moved, 1, ROWS)
    site = random.choice(["north", "south"], ROWS)
    start = FIRST_DAY + timedelta(days=day)
    rows: dict[str, Any] = {
        "event_id": [f"{day}-{i}" for i in range(ROWS)],
        "event_time": pa.array([start + timedelta(seconds=200 * i) for i in range(ROWS)], pa.timestamp("us", tz="UTC")),
        "x": x,
        "site": site,
    }
    if task == "regression":
        return rows | {"score": 2 * x, "label": 2 * x + random.normal(size=ROWS) * (1 + (x > 0)) + shift}
    if task == "binary":
        label = random.random(ROWS) < 1 / (1 + np.exp(-x - shift))
        return rows | {"score": 1 / (1 + np.exp(-x)), "label": label.astype(int)}
    logits = np.stack([x, -x, np.zeros(ROWS)], axis=1)
    given, true = (
        np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in (logits, logits + np.array([0.0, 0.0, shift]))
    )
    place = (true.cumsum(axis=1) < random.random((ROWS, 1))).sum(axis=1).clip(max=2)
    rows |= {f"p_{name}": given[:, i] for i, name in enumerate(CLASSES)}
    return rows | {"label": np.array(CLASSES)[place]}


def _config(task: str, **labels: Any) -> ModelConfig:
    columns: dict[str, Any] = {"task": task, "features": {"x": "numeric"}, "segments": ["site"]}
    columns |= {"event_id": "event_id", "event_time": "event_time"}
    if task == "multiclass":
        columns |= {"probabilities": {name: f"p_{name}" for name in CLASSES}}
    return ModelConfig.model_validate(
        {
            "name": "toy",
            "schedule": {"start": "2024-01-11", "settle": "6h"},
            "trailing": 3,
            "capture": {"format": "parquet", "uri": "captures", "folders": "%Y/%m/%d"},
            "labels": {"format": "csv", "uri": "labels", "horizon": "4d", **labels},
            "columns": columns,
            "baseline": {"uri": "training.parquet"},
        }
    )


def _parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _csv(ids: Any, labels: Any) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(pa.table({"event_id": ids, "label": labels}), sink)
    return sink.getvalue()


class Stream:
    """A model whose days happen one after the other."""

    def __init__(self, root: Path, task: str, **labels: Any) -> None:
        self.task = task
        self.monitor = Monitor(LocalStore(root), _config(task, **labels))
        days = [_rows(task, day) for day in range(-10, 0)]
        training = {name: np.concatenate([np.asarray(day[name]) for day in days]) for name in days[0]}
        self.monitor.store.put("training.parquet", _parquet(training))
        create_baseline(self.monitor)

    def play(self, day: int, halves: tuple[timedelta, ...] = (HALF, 2 * HALF), **change: float) -> None:
        """A day's captures, and its labels in parts that come so long after its start; what is left never comes."""
        rows, store = _rows(self.task, day, **change), self.monitor.store
        start = FIRST_DAY + timedelta(days=day)
        store.put(f"captures/{start:%Y/%m/%d}/x.parquet", _parquet({k: v for k, v in rows.items() if k != "label"}))
        for part, after in enumerate(halves):
            moment = start + after
            mine = slice(part * ROWS // 2, (part + 1) * ROWS // 2)
            data = _csv(rows["event_id"][mine], rows["label"][mine])
            store.put(f"labels/{moment:%Y/%m/%d/%H}/{day}-{part}.csv", data)

    def run(self, *days: int) -> list[Verdict]:
        """The runs of some days; the verdicts of all looks."""
        return [verdict for day in days for verdict in pipeline.run_window(self.monitor, self.window(day))]

    def window(self, day: int) -> Window:
        """The window of a day."""
        return Window(FIRST_DAY, "day").shift(day)

    def performance(self, day: int, revision: int) -> dict[str, Any]:
        """What is told of performance at a look."""
        key = self.monitor.layout.performance(self.window(day), revision)
        return documents.decode(self.monitor.store.get(key), KIND, SCHEMA_VERSION, key)


TASKS = ("binary", "multiclass", "regression")
MAIN = {"binary": "brier", "multiclass": "brier", "regression": "mae"}


@pytest.mark.parametrize("task", TASKS)
def test_a_window_is_estimated_then_provisional_then_final(tmp_path: Path, task: str) -> None:
    stream = Stream(tmp_path, task)
    for day in range(5):
        stream.play(day, (timedelta(hours=40), timedelta(hours=70)))
    stream.run(*range(5))
    looks = [
        stream.performance(0, revision)["window"] for revision in history.revisions(stream.monitor, stream.window(0))
    ]
    assert [(look["stage"], look["labelled"]) for look in looks] == [
        ("estimated", 0),
        ("provisional", 200),
        ("provisional", 400),
        ("final", 400),
    ]
    numbers = [look["numbers"][MAIN[task]] for look in looks]
    assert numbers[3]["value"] == numbers[2]["value"]  # with all labels it is the realised one
    assert all(number["low"] < numbers[3]["value"] < number["high"] for number in numbers[:2])
    estimated = [look["estimated"][MAIN[task]]["value"] for look in looks]
    assert estimated == [estimated[0]] * 4
    assert "assumes that" in looks[0]["numbers"]["accuracy" if task != "regression" else "mae"]["method"]


@pytest.mark.parametrize("task", TASKS)
def test_concept_drift_is_named_and_moved_inputs_are_not(tmp_path: Path, task: str) -> None:
    kinds, codes = [], []
    for name, change in (("moved", {"moved": 0.7}), ("changed", {"shift": 2.0})):
        stream = Stream(tmp_path / name, task)
        for day in range(4):
            stream.play(day, **change)
        stream.run(*range(4))
        verdict = history.load_verdict(stream.monitor, stream.window(3), 1)
        codes.append(Code.CONCEPT_DRIFT in {finding.code for finding in verdict.findings})
        kinds.append(stream.performance(3, 1)["explanation"]["diagnosis"]["kind"])
    assert codes == [False, True]
    assert kinds[0] in ("none", "covariate shift", "unknown")
    assert kinds[1] == "concept drift"


def test_a_change_in_one_segment_is_found_there(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "binary")
    for day in range(4):
        stream.play(day, ())
        rows, turned = _rows("binary", day), _rows("binary", day, shift=3.0)
        labels = np.where(rows["site"] == "north", turned["label"], rows["label"])
        start = FIRST_DAY + timedelta(days=day, hours=25)
        stream.monitor.store.put(f"labels/{start:%Y/%m/%d/%H}/{day}.csv", _csv(rows["event_id"], labels))
    stream.run(*range(4))
    verdict = history.load_verdict(stream.monitor, stream.window(3), 1)
    subjects = {finding.subject for finding in verdict.findings if finding.code is Code.CONCEPT_DRIFT}
    assert "site=north" in subjects
    assert "site=south" not in subjects
    found = stream.performance(3, 1)["segments"]["site"]
    assert {value: item["rows"] for value, item in found.items()}.keys() == {"north", "south"}


def test_enough_labels_make_a_window_final_before_its_horizon(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "binary", final_coverage=0.5)
    for day in range(5):
        stream.play(day, (timedelta(hours=40), timedelta(hours=70)))
    verdicts = [verdict for verdict in stream.run(*range(5)) if verdict.window == stream.window(0)]
    assert [(verdict.revision, verdict.final) for verdict in verdicts] == [(1, False), (2, True)]
    assert "label_coverage" not in {finding.check for finding in verdicts[-1].findings}
    found = stream.performance(0, 2)["window"]
    assert (found["stage"], found["labelled"]) == ("final", 200)
    assert found["numbers"]["brier"]["method"].endswith("estimate corrected by 200 labels of 400")


def test_labels_that_stop_are_noticed(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "binary")
    for day in range(9):
        stream.play(day, (timedelta(hours=25), timedelta(hours=26)) if day < 8 else ())
    stream.run(*range(9))
    first = [history.load_verdict(stream.monitor, stream.window(day), 1) for day in range(9)]
    late = [day for day in range(9) if Code.LABELS_LATE in {finding.code for finding in first[day].findings}]
    assert late == [8]


def test_missing_labels_are_held_against_the_others(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "binary")
    for day in range(6):
        stream.play(day, ())
        rows = _rows("binary", day)
        kept = rows["x"] < 0.5  # what is high never gets a label
        start = FIRST_DAY + timedelta(days=day, hours=25)
        ids = [name for name, keep in zip(rows["event_id"], kept, strict=True) if keep]
        stream.monitor.store.put(f"labels/{start:%Y/%m/%d/%H}/{day}.csv", _csv(ids, rows["label"][kept]))
    stream.run(*range(6))
    last = history.revisions(stream.monitor, stream.window(0))[-1]
    missing = stream.performance(0, last)["explanation"]["missing"]
    column = next(item for item in missing["columns"] if item["column"] == "x")
    assert column["found"]
    assert "higher x" in column["sentence"]
    assert missing["bounds"][0] < missing["mean_loss"] < missing["bounds"][1]


def test_without_labels_configured_performance_stays_an_estimate(make_world: Callable[..., World]) -> None:
    world = make_world(labels=None)
    world.train()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    key = world.monitor.layout.performance(world.window(0), 1)
    found = documents.decode(world.monitor.store.get(key), KIND, SCHEMA_VERSION, key)["window"]
    assert found["stage"] == "estimated"
    assert found["numbers"]["roc_auc"]["low"] < found["numbers"]["roc_auc"]["value"]


def test_a_baseline_without_labels_gives_no_estimate(tmp_path: Path) -> None:
    stream = Stream(tmp_path, "regression")
    rows = _rows("regression", -1)
    rows["label"] = pa.nulls(ROWS, pa.float64())
    stream.monitor.store.put("training.parquet", _parquet(rows))
    create_baseline(stream.monitor, version="bare", valid_from=datetime(2024, 1, 11, tzinfo=FIRST_DAY.tzinfo))
    stream.play(0, (timedelta(hours=25), timedelta(hours=26)))
    stream.run(0)
    found = stream.performance(0, 1)
    assert (found["window"]["estimated"], found["ordinary_loss"]) == ({}, None)
    assert found["window"]["realised"]["mae"]["rows"] == ROWS
