"""`make bench-labels`: what labels that come late cost, beside reading all ids once, and beside DuckDB.

A run of the last day joins the labels that came on it to the predictions of all days that still wait, and measures
every day that got some.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from benchmarks.label_data import World, day_of
from benchmarks.task import Clock, peak_mb

THREADS = 2
_TRUTH = pa.schema(
    {
        "groundTruthData": pa.struct({"data": pa.string()}),
        "eventMetadata": pa.struct({"eventId": pa.string()}),
    }
)


def run(home: str, rows: int, lookback: int, count: int, kind: str = "parquet") -> dict[str, Any]:
    """The label part of the last day's run, and then reading the ids once."""
    over = min(lookback, 30)
    world = World(Path(home), rows)
    _warm_up()
    join, whole, scan = Clock(), Clock(), Clock()
    new = world.new_labels(count, over, kind)
    with tempfile.TemporaryDirectory(dir=home) as folder:
        world.copy(lookback, new, Path(folder))
        days = _run(world.monitor(Path(folder), lookback), join, whole)
        peak = peak_mb()
        with scan.running():
            scanned = _scan(Path(folder), new, over)
    assert len(days) == over, (len(days), over)
    assert scanned == over * rows + count, scanned
    labelled = over * (rows // 2) + count
    assert sum(day["labelled"] for day in days.values()) == labelled, days
    return {
        "wall": whole.wall,
        "cpu": whole.cpu,
        "join": join.wall,
        "join_cpu": join.cpu,
        "scan": scan.wall,
        "scan_cpu": scan.cpu,
        "run_peak_mb": peak,
        "days": days,
    }


def _warm_up() -> None:
    with tempfile.TemporaryDirectory() as folder:
        small = World(Path(folder) / "small", 2_000)
        new = small.new_labels(1_000, 2, "parquet")
        small.copy(2, new, Path(folder) / "run")
        _run(small.monitor(Path(folder) / "run", 2), Clock(), Clock())


def _run(monitor: Any, join: Clock, whole: Clock) -> dict[str, Any]:
    """What a daily run does about labels, after its own captures were read; and the numbers of each day."""
    from monitoring.baseline import baseline_for
    from monitoring.engine.assessment import LookReader, assess
    from monitoring.engine.label_join import ensure_joined
    from monitoring.labels.epochs import pin_epochs

    last = monitor.window(f"{day_of(0):%Y-%m-%d}")
    found = {}
    with whole.running():
        with join.running():
            pin_epochs(monitor, last)
            ensure_joined(monitor, last)
        reader = LookReader(monitor)
        touched = [window for window in monitor.windows() if last in reader.joins.changes(window)]
        for window in touched:
            baseline = baseline_for(monitor, window)
            found[window.label] = assess(monitor, window, last, baseline, [window], reader).window
    return {
        label: {
            "labelled": performance.labelled,
            "accuracy": performance.realised["accuracy"].value,
            "brier": performance.realised["brier"].value,
        }
        for label, performance in found.items()
    }


def _scan(store: Path, new: Path, over: int) -> int:
    """Read the ids of all predictions, and the new labels; how many of both."""

    def ids(path: Path) -> int:
        return int(pq.ParquetFile(path, memory_map=True).read(["event_id"], use_threads=False).num_rows)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(ids, parts(store, over))) + sum(pool.map(_labels, sorted(new.rglob("labels.*"))))


def _labels(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.ParquetFile(path, memory_map=True).read(use_threads=False).num_rows)
    how = pyarrow.json.ParseOptions(explicit_schema=_TRUTH, unexpected_field_behavior="ignore")
    return int(pyarrow.json.read_json(path, parse_options=how).num_rows)


def parts(store: Path, over: int) -> list[Path]:
    """The Parquet parts of the days that got labels."""
    days = [store / "late/windows" / f"{day_of(back):%Y-%m-%d}" / "parts" for back in range(over, 0, -1)]
    return [path for day in days for path in sorted(day.glob("*.parquet"))]
