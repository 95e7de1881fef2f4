"""`make bench-labels`: what labels that come late cost, beside reading all ids once, and beside DuckDB.

A run of the last day joins the labels that came on it to the predictions of all days that still wait, and measures
every day that got some. DuckDB joins all predictions with all labels so far, as is done where nothing is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.json
import pyarrow.parquet as pq

from benchmarks import figures
from benchmarks.__main__ import KEPT, place
from benchmarks.capture import _environment as duckdb_environment
from benchmarks.label_data import World, day_of
from benchmarks.processes import run as in_fresh_process
from benchmarks.task import Clock, peak_mb

ROWS, LABELS, DAYS = 1_000_000, 1_000_000, 30  # predictions a day, new labels, and the days that they are of
ROUNDS, THREADS = 3, 2
HEADER = ("label run of a day", "all", "pin, read, join", "processor", "time", "peak")
_WARM_UP = World(KEPT / "labels-warm-up", 2_000)
_TRUTH = pa.schema(
    {"groundTruthData": pa.struct({"data": pa.string()}), "eventMetadata": pa.struct({"eventId": pa.string()})}
)
# By name: days of lookback, new labels, and how they are written
CASES = {
    "30 days, 1M labels": (30, 1_000_000, "parquet"),
    "60 days, 1M labels of the newest 30": (60, 1_000_000, "parquet"),
    "30 days, 1M labels in SageMaker's JSON Lines": (30, 1_000_000, "sagemaker"),
    "15 days, 1M labels": (15, 1_000_000, "parquet"),
    "7 days, 1M labels": (7, 1_000_000, "parquet"),
    "30 days, 100k labels": (30, 100_000, "parquet"),
    "30 days, 10k labels": (30, 10_000, "parquet"),
}
MAIN, DOUBLE, *_ = CASES


def run(home: str, rows: int, lookback: int, count: int, kind: str) -> dict[str, Any]:
    """The label part of the last day's run, and then reading the ids once."""
    if Path(home) != _WARM_UP.home:  # imports and compiled code
        run(str(_WARM_UP.home), _WARM_UP.rows, 2, 1_000, kind)
    over, world = min(lookback, DAYS), World(Path(home), rows)
    new = world.new_labels(count, over, kind)
    join, whole, scan = Clock(), Clock(), Clock()
    with tempfile.TemporaryDirectory(dir=home) as folder:
        world.copy(lookback, new, Path(folder))
        days = label_run(world.monitor(Path(folder), lookback), join, whole)
        peak = peak_mb()
        with scan.running():
            scanned = _scan(parts(Path(folder), over), new)
    labelled = sum(day["labelled"] for day in days.values())
    assert (len(days), labelled) == (over, over * (rows // 2) + count), days
    assert scanned == over * rows + count, scanned
    seconds = {f"{name}_{unit}": getattr(clock, unit) for name, clock in _named(join, whole, scan) for unit in _UNITS}
    return {**seconds, "run_peak_mb": peak, "days": days}


_UNITS = ("wall", "cpu")


def _named(*clocks: Clock) -> Any:
    return zip(("join", "run", "scan"), clocks, strict=True)


def label_run(monitor: Any, join: Clock, whole: Clock) -> dict[str, dict[str, float]]:
    """What a daily run does about labels, once its own captures were read; and the numbers of each day.

    Args:
        monitor: The model.
        join: Times what pins the labels, reads them, and joins them.
        whole: Times that, and the measuring of each window that got labels.
    """
    from monitoring.baseline import baseline_for
    from monitoring.engine.label_history import age_of, completeness, past_labels
    from monitoring.engine.label_join import JoinReader, ensure_joined
    from monitoring.engine.performance import PerformanceReader
    from monitoring.labels.epochs import pin_epochs
    from monitoring.measure.series import performance_of

    last = monitor.window(f"{day_of(0):%Y-%m-%d}")
    found = {}
    with whole.running():
        with join.running():
            pin_epochs(monitor, last)
            ensure_joined(monitor, last)
        joins, reader, baseline = JoinReader(monitor), PerformanceReader(monitor), baseline_for(monitor, last)
        basis = reader.basis(baseline)
        for window in monitor.windows():
            if last not in joins.changes(window):
                continue
            rows = reader.window(window, last, baseline).whole
            curve = past_labels(monitor, joins, window, last, basis)
            shares = completeness(curve, age_of(monitor, window, last))
            final = last >= monitor.final_epoch(window)
            found[window.label] = performance_of(basis, rows.state, rows.rows, rows.labelled, shares, final=final)
    return {
        label: {"labelled": item.labelled, **{name: item.realised[name].value or 0.0 for name in ("accuracy", "brier")}}
        for label, item in found.items()
    }


def parts(store: Path, over: int) -> list[Path]:
    """The Parquet parts of the days that got labels."""
    days = [store / "late/windows" / f"{day_of(back):%Y-%m-%d}" / "parts" for back in range(over, 0, -1)]
    return [path for day in days for path in sorted(day.glob("*.parquet"))]


def _scan(paths: list[Path], new: Path) -> int:
    """Read the ids of all predictions, and the new labels; how many of both."""

    def ids(path: Path) -> int:
        return int(pq.ParquetFile(path, memory_map=True).read(["event_id"], use_threads=False).num_rows)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(ids, paths)) + sum(pool.map(_labels, sorted(new.rglob("labels.*"))))


def _labels(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.ParquetFile(path, memory_map=True).read(use_threads=False).num_rows)
    how = pyarrow.json.ParseOptions(explicit_schema=_TRUTH, unexpected_field_behavior="ignore")
    return int(pyarrow.json.read_json(path, parse_options=how).num_rows)


def _full_join(world: World) -> dict[str, Any]:
    """What DuckDB takes, and finds."""
    store = world.state(DAYS)
    roots = (store / "labels", world.new_labels(LABELS, DAYS, "parquet"))
    labels = [str(path) for root in roots for path in sorted(root.rglob("labels.parquet"))]
    predictions = [str(path) for path in parts(store, DAYS)]
    about = {"predictions": predictions, "labels": labels, "threads": THREADS}
    return in_fresh_process("full_join.run", python=str(duckdb_environment()), **about)


def measure(world: World, rounds: int) -> tuple[dict[str, float], list[list[str]]]:
    """The figures, and a row for each case; everything takes turns, in fresh processes."""
    for lookback, count, kind in CASES.values():
        world.state(lookback)
        world.new_labels(count, min(lookback, DAYS), kind)
    runs: dict[str, list[dict[str, Any]]] = {title: [] for title in CASES}
    theirs = []
    for turn in range(1, rounds + 1):
        for title, (lookback, count, kind) in CASES.items():
            if turn > 1 and title not in (MAIN, DOUBLE):  # of which there is no figure
                continue
            print(f"  round {turn} of {rounds}: {title}", flush=True)
            about = {"lookback": lookback, "count": count, "kind": kind}
            runs[title].append(in_fresh_process("labels.run", home=str(world.home), rows=world.rows, **about))
        print(f"  round {turn} of {rounds}: DuckDB", flush=True)
        theirs.append(_full_join(world))
        compare(runs[MAIN][-1]["days"], theirs[-1]["days"])
    medians = {title: _medians(results) for title, results in runs.items()}
    main, double = medians[MAIN], medians[DOUBLE]
    found = {
        "label_run_over_id_scan": main["run_over_scan"],
        "label_join_over_id_scan": main["join_over_scan"],
        "label_run_cpu_over_id_scan_cpu": main["cpu_over_scan_cpu"],
        "label_run_sagemaker_over_id_scan": medians["30 days, 1M labels in SageMaker's JSON Lines"]["run_over_scan"],
        "label_lookback_doubling": double["run_wall"] / main["run_wall"] - 1,
        "label_lookback_doubling_cpu": double["run_cpu"] / main["run_cpu"] - 1,
        "label_peak_mb": main["run_peak_mb"],
        "full_join_over_incremental": median(item["wall"] for item in theirs) / main["run_wall"],
        "full_join_cpu_over_incremental_cpu": median(item["cpu"] for item in theirs) / main["run_cpu"],
    }
    return found, [_row(title, values, main) for title, values in medians.items()]


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Hold the numbers of each day against those of the other side."""
    assert ours.keys() == theirs.keys()
    for day, found in ours.items():
        assert found["labelled"] == theirs[day]["labelled"], day
        assert all(abs(found[name] - theirs[day][name]) < 1e-9 for name in ("accuracy", "brier")), (day, found)


def _medians(results: list[dict[str, Any]]) -> dict[str, float]:
    """Of each number, and of the ratios of numbers of one process."""
    ratios = [
        {
            "run_over_scan": item["run_wall"] / item["scan_wall"],
            "join_over_scan": item["join_wall"] / item["scan_wall"],
            "cpu_over_scan_cpu": item["run_cpu"] / item["scan_cpu"],
        }
        for item in results
    ]
    numbers = {name: median(item[name] for item in results) for name in ("run_wall", "run_cpu", "run_peak_mb")}
    return numbers | {name: median(item[name] for item in ratios) for name in ratios[0]}


def _row(title: str, values: Mapping[str, float], main: Mapping[str, float]) -> list[str]:
    ratios = [values[name] for name in ("run_over_scan", "join_over_scan", "cpu_over_scan_cpu")]
    ratios.append(values["run_wall"] / main["run_wall"])
    return [title, *(f"{ratio:.2f} x" for ratio in ratios), f"{values['run_peak_mb']:.0f} MB"]


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    print("Weeks of predictions, read by the engine, and the labels of half of them", flush=True)
    found, rows = measure(World(KEPT / f"labels-{ROWS}", ROWS), ROUNDS)
    shown = figures.rows(found)
    text = [figures.machine(), figures.markdown(figures.HEADER, shown), figures.markdown(HEADER, rows)]
    figures.keep(place("full"), "labels", "\n\n".join(text), found)
    figures.show(figures.HEADER, shown)
    figures.show(HEADER, rows)


if __name__ == "__main__":
    main()
