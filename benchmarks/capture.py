"""`make bench-capture`: what reading captures costs, beside DuckDB, one-at-a-time requests, and the whole window.

DuckDB is installed by itself into `.bench/duckdb`, for this comparison only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import figures, object_reads, scan, writer
from benchmarks.__main__ import KEPT, place
from benchmarks.processes import run
from benchmarks.task import Clock, peak_mb

ROWS, ROUNDS, THREADS = 1_000_000, 5, 2
COPIES = 4  # of the million rows, in the large object
LATE_ROWS = 1_000
DUCKDB = "duckdb==2.0.*"
HEADER = ("what", "wall", "processor", "peak")


def canonical(folder: str, warm_up: str, threads: int) -> dict[str, float]:
    """Files to canonical records: read, validated, typed, faults set aside."""
    from concurrent.futures import ThreadPoolExecutor

    from monitoring.capture.readers import reader
    from monitoring.capture.records import Typed, sort_out

    config, read = _config("unused"), reader("sagemaker").read

    def rows_of(path: Path) -> int:
        found = list(read(_captured(path), config))
        typed = [item for item in found if isinstance(item, Typed)]
        aside = [item for item in found if not isinstance(item, Typed)]
        assert not aside
        return sort_out(typed, [], config.columns).table.num_rows

    def all_rows(of: str) -> int:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(rows_of, sorted(Path(of).glob("*.jsonl"))))

    return scan.measured(all_rows, folder, warm_up)


def large(folder: str, warm_up: str) -> dict[str, float]:
    """One object of some gigabytes, read by a run of its own; then the same for a few records that come late."""
    from monitoring import pipeline
    from monitoring.engine.intake import Intake
    from monitoring.monitor import Monitor
    from monitoring.store.local import LocalStore

    with tempfile.TemporaryDirectory() as home:
        config = _config(str(Path(folder).parent / "large"))
        monitor = Monitor(LocalStore(Path(home)), config)
        del warm_up
        day = monitor.window("2024-03-01")
        captures = Path(config.capture.uri) / "2024/03/01"
        whole, late = Clock(), Clock()
        with whole.running():
            pipeline.run_window(monitor, day)
        read, peak = Intake.load(monitor, day).read, peak_mb()
        lines = next(captures.rglob("all.jsonl")).open("rb").readlines(4 << 20)[:LATE_ROWS]
        straggler = captures / "05/late.jsonl"
        straggler.parent.mkdir(exist_ok=True)
        straggler.write_bytes(b"".join(line.replace(b'"eventId":"', b'"eventId":"late') for line in lines))
        try:
            with late.running():
                pipeline.run_window(monitor, day.shift(1))
        finally:
            straggler.unlink()
        brought = Intake.load(monitor, day.shift(1)).targets
    assert brought == {day.label: LATE_ROWS}, brought
    return {"rows": read, "wall": whole.wall, "cpu": whole.cpu, "peak_mb": peak, "late": late.wall}


def _config(uri: str) -> Any:
    from monitoring.config import ModelConfig

    features = dict.fromkeys(scan.NUMERIC, "numeric") | dict.fromkeys(scan.CATEGORICAL, "categorical")
    return ModelConfig.model_validate(
        {
            "name": "bench",
            "trailing": 1,
            "schedule": {"start": "2024-03-01"},
            "capture": {"uri": uri},
            "columns": {"features": features},
        }
    )


def _captured(path: Path) -> Any:
    from monitoring.capture.objects import PIECE_BYTES, CaptureObject

    def stream() -> Any:
        with path.open("rb") as file:
            while part := file.read(PIECE_BYTES):
                yield part

    return CaptureObject(path.name, path.stat().st_size, lambda: path.open("rb"), stream)


def _environment() -> Path:
    """An environment with DuckDB."""
    folder = KEPT / "duckdb"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", DUCKDB, "pyarrow", "numpy"]
        subprocess.run(pip, check=True)
        (folder / "ready").touch()
    return folder / "bin/python"


def _write_large(folder: Path) -> Path:
    """One object with the rows of all hours, several times over under other ids."""
    path = folder.parent / "large/2024/03/01/00/all.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".part").open("wb") as out:
            for copy in range(COPIES):
                for hour in sorted(folder.glob("*.jsonl")):
                    data = hour.read_bytes().replace(b'"eventId":"', b'"eventId":"%d-' % copy)
                    out.write(_on_one_day(data))
        path.with_suffix(".part").rename(path)
    return path


def _on_one_day(data: bytes) -> bytes:
    return re.sub(rb'"inferenceTime":"[^T]*T', b'"inferenceTime":"2024-03-01T', data)


def measure_reading(found: dict[str, float]) -> list[list[str]]:
    """Our reader and DuckDB, taking turns in fresh processes."""
    folder, warm_up = KEPT / f"scan-{ROWS}", KEPT / "scan-warm-up"
    scan.write(folder, ROWS)
    scan.write(warm_up, 2_400)
    ways = {
        "canonical records": ("capture.canonical", sys.executable),
        "DuckDB": ("scan.duckdb", str(_environment())),
    }
    results: dict[str, list[dict[str, Any]]] = {title: [] for title in ways}
    for turn in range(ROUNDS + 1):
        for title, (task, python) in ways.items():
            result = run(task, python=python, folder=str(folder), warm_up=str(warm_up), threads=THREADS)
            assert result["rows"] == ROWS
            if turn:  # the first one warms the page cache
                results[title].append(result)
    medians = {
        title: {k: median(r[k] for r in rs) for k in ("wall", "cpu", "peak_mb")} for title, rs in results.items()
    }
    ours, theirs = medians["canonical records"], medians["DuckDB"]
    found |= {
        "canonical_over_duckdb": ours["wall"] / theirs["wall"],
        "canonical_cpu_over_duckdb_cpu": ours["cpu"] / theirs["cpu"],
        "canonical_1m_s": ours["wall"],
    }
    return [_row(f"1M records, {title}", values) for title, values in medians.items()]


def measure_large(found: dict[str, float]) -> list[list[str]]:
    """A large object, and late records."""
    path = _write_large(KEPT / f"scan-{ROWS}")
    result = run("capture.large", folder=str(KEPT / f"scan-{ROWS}"), warm_up="")
    found |= {
        "large_object_peak_mb": result["peak_mb"],
        "late_over_window": result["late"] / result["wall"],
    }
    size = path.stat().st_size / 1e9
    return [
        _row(f"a run over one object of {size:.1f} GB, {result['rows'] / 1e6:.0f}M records", result),
        [f"the next run, with {LATE_ROWS:,} late records", f"{result['late']:.2f} s", "", ""],
    ]


def measure_objects(found: dict[str, float]) -> list[list[str]]:
    """Small objects through S3."""
    seaweed, bucket, open_store = object_reads.seaweed, object_reads.BUCKET, object_reads.open_store
    with tempfile.TemporaryDirectory() as folder, seaweed(Path(folder)) as environment:
        os.environ.update(environment)
        store = open_store(f"s3://{bucket}/bench")
        hours = [f"captures/2024/01/11/{hour:02d}/" for hour in range(24)]
        object_reads.write(store, [f"{hours[i % 24]}{i:06d}.jsonl" for i in range(2000)], 20_000)
        ways = object_reads.measure(object_reads.reading(store, hours), 3)
    found["objects_over_one_at_a_time"] = ways["one at a time"]["wall"] / ways["list_many and read_many"]["wall"]
    return [_row(f"2,000 objects of 20 kB through S3, {title}", way) for title, way in ways.items()]


def _row(title: str, values: dict[str, Any]) -> list[str]:
    peak = f"{values['peak_mb']:.0f} MB" if "peak_mb" in values else ""
    return [title, f"{values['wall']:.2f} s", f"{values['cpu']:.2f} s", peak]


def main() -> None:
    KEPT.mkdir(exist_ok=True)
    found: dict[str, float] = {}
    rows: list[list[str]] = []
    for part in (measure_reading, measure_large, measure_objects):
        print(part.__doc__, flush=True)
        rows += part(found)
    print(writer.__doc__.partition("\n")[0], flush=True)
    found |= writer.measure()
    shown = figures.rows(found) + writer.rows(found)
    text = [figures.machine(), figures.markdown(figures.HEADER, shown), figures.markdown(HEADER, rows)]
    figures.keep(place("full"), "capture", "\n\n".join(text), found)
    figures.show(figures.HEADER, shown)
    figures.show(HEADER, rows)
    shutil.rmtree(KEPT / "large", ignore_errors=True)


if __name__ == "__main__":
    main()
