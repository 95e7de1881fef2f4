"""Segments and attributions from captures to verdicts: what is learned with the baseline, and what is found by it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring import pipeline
from monitoring.baseline import create_baseline
from monitoring.config import ModelConfig
from monitoring.judge import Code, Verdict
from monitoring.monitor import Monitor
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY

ROWS, TRAINING_DAYS = 600, 12
Encode = Callable[[dict[str, Any]], bytes]


def _rows(day: int, *, wrong: str = "", swapped: bool = False, unfair: float = 0.0) -> dict[str, Any]:
    """A day: of a site the labels may be wrong, attributions may change places, one site's scores may fall."""
    random = np.random.default_rng([7, day + 1000])
    x, site = random.normal(size=ROWS), random.choice(["north", "south", "west", "east"], ROWS)
    score = 1 / (1 + np.exp(-x - np.where(site == "west", -unfair, 0.0)))
    label = random.random(ROWS) < 1 / (1 + np.exp(-x))
    label = np.where(site == wrong, ~label, label)
    start = FIRST_DAY + timedelta(days=day)
    shap_x, shap_y = np.abs(x), random.normal(scale=0.1, size=ROWS)
    return {
        "event_id": [f"{day}-{i}" for i in range(ROWS)],
        "event_time": [(start + timedelta(seconds=140 * i)).isoformat() for i in range(ROWS)],
        "x": x.tolist(),
        "y": random.normal(size=ROWS).tolist(),
        "site": site.tolist(),
        "score": score.tolist(),
        "shap_x": (shap_y if swapped else shap_x).tolist(),
        "shap_y": (shap_x if swapped else shap_y).tolist(),
        "label": label.astype(int).tolist(),
    }


def _table(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    times = pa.array([datetime.fromisoformat(item) for item in columns["event_time"]], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns | {"event_time": times}), sink)
    return sink.getvalue()


def _lines(columns: dict[str, Any]) -> bytes:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _csv(columns: dict[str, Any]) -> bytes:
    sink = io.StringIO()
    writer = csv.writer(sink)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return sink.getvalue().encode()


ENCODERS: dict[str, Encode] = {"parquet": _table, "jsonl": _lines, "csv": _csv}


def _config(form: str) -> ModelConfig:
    return ModelConfig.model_validate(
        {
            "name": "toy",
            "schedule": {"start": "2024-01-11", "settle": "6h"},
            "trailing": 2,
            "capture": {"format": form, "uri": "captures", "folders": "%Y/%m/%d"},
            "labels": {"format": "csv", "uri": "labels", "horizon": "2d"},
            "columns": {
                "features": {"x": "numeric", "y": "numeric"},
                "segments": ["site"],
                "attributions": {"x": "shap_x", "y": "shap_y"},
                "event_id": "event_id",
                "event_time": "event_time",
            },
            "checks": {"fairness": {"columns": ["site"]}},
            "baseline": {"uri": "training.parquet"},
        }
    )


def _play(root: Path, form: str = "parquet", **change: Any) -> Verdict:
    """Two days; the verdict on the second one."""
    monitor = Monitor(LocalStore(root), _config(form))
    days = [_rows(day) for day in range(-TRAINING_DAYS, 0)]
    training = {name: [item for day in days for item in day[name]] for name in days[0]}
    monitor.store.put("training.parquet", _table(training))
    create_baseline(monitor)
    verdicts: list[Verdict] = []
    for day in range(2):
        rows, start = _rows(day, **change), FIRST_DAY + timedelta(days=day)
        captured = {name: column for name, column in rows.items() if name != "label"}
        monitor.store.put(f"captures/{start:%Y/%m/%d}/x.{form}", ENCODERS[form](captured))
        labels = {name: rows[name] for name in ("event_id", "label")}
        monitor.store.put(f"labels/{start + timedelta(hours=25):%Y/%m/%d/%H}/{day}.csv", _csv(labels))
    for day in range(2):
        verdicts += pipeline.run_window(monitor, Window(FIRST_DAY, "day").shift(day))
    return verdicts[-1]


def _found(verdict: Verdict, code: Code) -> set[str]:
    return {finding.subject for finding in verdict.findings if finding.code is code}


@pytest.mark.parametrize("form", ENCODERS)
def test_a_quiet_stretch_is_quiet_in_every_format(tmp_path: Path, form: str) -> None:
    verdict = _play(tmp_path, form)
    asked = {(finding.check, finding.subject) for finding in verdict.findings}
    for site in ("north", "south", "west", "east"):
        assert {("segment_loss", f"site={site}"), ("segment_share", f"site={site}")} <= asked
    assert {("attribution_drift", ""), ("fairness", "site/demographic_parity_difference")} <= asked
    for code in (Code.SEGMENT_WORSE, Code.SEGMENT_SHARE, Code.UNFAIR, Code.ATTRIBUTION_DRIFT):
        assert not _found(verdict, code)


def test_what_is_broken_is_found_where_it_is(tmp_path: Path) -> None:
    verdict = _play(tmp_path, wrong="north", swapped=True, unfair=2.0)
    assert "site=north" in _found(verdict, Code.SEGMENT_WORSE)
    assert not {"site=south", "site=east"} & _found(verdict, Code.SEGMENT_WORSE)
    assert "site/demographic_parity_difference" in _found(verdict, Code.UNFAIR)
    assert _found(verdict, Code.ATTRIBUTION_DRIFT) == {""}
    [finding] = [item for item in verdict.findings if item.code is Code.ATTRIBUTION_DRIFT]
    assert "x from 1 to 2" in finding.message
