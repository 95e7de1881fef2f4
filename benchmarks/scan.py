"""Capture in JSON Lines to typed columns: our scanner beside DuckDB, `python -m benchmarks.scan --rows 1000000`.

Both read the same files, from the page cache, with as many threads, and make the same columns: id, time, score and
features, typed, where what is no number is null. They take turns, each time in a fresh process; the compiled code, the
imports and a first small file are not counted. DuckDB is installed by itself into the environment that `--duckdb`
names: `python -m venv .bench/duckdb && .bench/duckdb/bin/pip install duckdb pyarrow numpy`. Without it, only ours runs.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import ROOT, run
from benchmarks.task import Clock

PIECE = 8 << 20
NUMERIC = [f"f{i:02d}" for i in range(15)]
CATEGORICAL = [f"c{i:02d}" for i in range(5)]
KEPT = ROOT / ".bench"


def write(folder: Path, rows: int) -> None:
    """Write a log of 24 hours, unless it is there already."""
    stamp = folder / "rows"
    if stamp.exists() and stamp.read_text() == str(rows):
        return
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_write_hour, [folder] * 24, [rows] * 24, range(24)))
    stamp.write_text(str(rows))


def _write_hour(folder: Path, rows: int, hour: int) -> None:
    from benchmarks import data

    table, _ = data.part_of(data.Log(rows), hour)
    columns = [table[name].to_pylist() for name in (*NUMERIC, *CATEGORICAL)]
    rest = (table[name].to_pylist() for name in ("event_id", "event_time", "score"))
    with (folder / f"{hour:02d}.jsonl").open("w") as file:
        for values, event_id, time, score in zip(zip(*columns, strict=True), *rest, strict=True):
            fields = ",".join("" if value is None else str(value) for value in values)
            record = {
                "captureData": {
                    "endpointInput": _side("INPUT", "text/csv", fields),
                    "endpointOutput": _side("OUTPUT", "text/csv; charset=utf-8", repr(score)),
                },
                "eventMetadata": {"eventId": event_id, "inferenceTime": f"{time:%Y-%m-%dT%H:%M:%SZ}"},
                "eventVersion": "0",
            }
            file.write(json.dumps(record, separators=(",", ":")) + "\n")


def _side(mode: str, content_type: str, data: str) -> dict[str, str]:
    return {"observedContentType": content_type, "mode": mode, "data": data, "encoding": "CSV"}


def pieces(path: Path) -> Iterator[memoryview]:
    """A file in pieces that end at a line's end."""
    at = 0
    with path.open("rb") as file:
        while read := os.pread(file.fileno(), PIECE, at):
            end = read.rfind(b"\n") + 1
            yield memoryview(read)[:end]
            at += end


def ours(folder: str, warm_up: str, threads: int) -> dict[str, float]:
    from monitoring.capture.scanner import scan

    features: dict[str, Any] = dict.fromkeys(NUMERIC, "numeric") | dict.fromkeys(CATEGORICAL, "categorical")

    def rows_of(path: Path) -> int:
        scans = (scan(piece, features=features, outputs=["score"], score="score") for piece in pieces(path))
        return sum(found.table.num_rows for found in scans)

    def all_rows(of: str) -> int:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(rows_of, sorted(Path(of).glob("*.jsonl"))))

    return measured(all_rows, folder, warm_up)


def duckdb(folder: str, warm_up: str, threads: int) -> dict[str, float]:
    import duckdb as database

    connection = database.connect()
    connection.execute(f"SET threads = {threads}")
    fields = [f"try_cast(fields[{i + 1}] AS DOUBLE) AS {name}" for i, name in enumerate(NUMERIC)]
    fields += [f"nullif(fields[{i + 1 + len(NUMERIC)}], '') AS {name}" for i, name in enumerate(CATEGORICAL)]

    def all_rows(of: str) -> int:
        found = connection.sql(f"""
            SELECT id, time, score, {", ".join(fields)}
            FROM (
                SELECT string_split(captureData.endpointInput.data, ',') AS fields,
                    try_cast(captureData.endpointOutput.data AS DOUBLE) AS score,
                    eventMetadata.eventId AS id, eventMetadata.inferenceTime AS time
                FROM read_json('{of}/*.jsonl', format = 'newline_delimited', columns = {{
                    captureData: 'STRUCT(endpointInput STRUCT(data VARCHAR), endpointOutput STRUCT(data VARCHAR))',
                    eventMetadata: 'STRUCT(eventId VARCHAR, inferenceTime TIMESTAMP)'
                }})
            )""")
        return sum(batch.num_rows for batch in found.to_arrow_reader(65_536))

    return measured(all_rows, folder, warm_up)


def measured(all_rows: Any, folder: str, warm_up: str) -> dict[str, float]:
    all_rows(warm_up)
    clock = Clock()
    with clock.running():
        rows = all_rows(folder)
    return {"rows": rows, "wall": clock.wall, "cpu": clock.cpu}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan", description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--duckdb", type=Path, default=KEPT / "duckdb", help="environment with DuckDB")
    given = parser.parse_args()
    folder, warm_up = KEPT / f"scan-{given.rows}", KEPT / "scan-warm-up"
    write(folder, given.rows)
    write(warm_up, 2_400)
    arguments = {"folder": str(folder), "warm_up": str(warm_up), "threads": given.threads}
    found: dict[str, list[dict[str, Any]]] = {"ours": []}
    python = given.duckdb / "bin" / "python"
    if python.exists():
        found["duckdb"] = []
    for turn in range(given.rounds + 1):
        for name, results in found.items():
            result = run(f"scan.{name}", **({"python": str(python)} if name == "duckdb" else {}), **arguments)
            assert result["rows"] == given.rows
            if turn:  # the first one warms the page cache
                results.append(result)
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    print(f"{given.rows:,} rows, {size / 1e6:,.0f} MB, {given.threads} threads, medians of {given.rounds}")
    medians = {
        name: {key: median(r[key] for r in rs) for key in ("wall", "cpu", "peak_mb")} for name, rs in found.items()
    }
    for name, values in medians.items():
        print(f"{name:8} {values['wall']:7.3f} s wall {values['cpu']:7.3f} s CPU {values['peak_mb']:7.0f} MB at most")
    if "duckdb" in medians:
        ratios = (medians["ours"][key] / medians["duckdb"][key] for key in ("wall", "cpu"))
        print("ours over duckdb: {:.2f} x wall, {:.2f} x CPU".format(*ratios))


if __name__ == "__main__":
    main()
