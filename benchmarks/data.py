"""Inference logs that are the same for the same seed: `python -m benchmarks.data FOLDER --rows 1000000`.

Features repeat one mix: 15 numeric ones (full-entropy normal, lognormal and gamma values, rounded amounts, counts,
zero-inflated amounts, six of them with nulls) to 5 categorical ones of 3 to 30 categories. Every column of every
file has a random stream of its own, so a narrower log holds the same values as a wider one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Changes when the same arguments give other data, so that old folders are not taken for new ones
VERSION = 1
FIRST_HOUR_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
HOUR_MS = 3_600_000
CARDINALITIES = (3, 5, 8, 12, 30)
TINY_ROWS = 1_000

Kind = Literal["numeric", "categorical"]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator, int, float], Floats]


def _amounts(rng: np.random.Generator, n: int, mean: float) -> Floats:
    return np.round(rng.exponential(mean, n), 2)


def _mostly_zero(rng: np.random.Generator, n: int, zeros: float, mean: float) -> Floats:
    return np.where(rng.random(n) < zeros, 0.0, _amounts(rng, n, mean))


# How to draw each column of the mix, and its share of nulls. The last argument is how far it has drifted.
NUMERIC: tuple[tuple[Draw, float], ...] = (
    (lambda rng, n, drift: rng.standard_normal(n) + 0.1 * drift, 0.0),
    (lambda rng, n, _: rng.standard_normal(n), 0.0),
    (lambda rng, n, _: rng.lognormal(0.0, 1.0, n), 0.01),
    (lambda rng, n, drift: rng.lognormal(0.0, 1.0 + 0.1 * drift, n), 0.0),
    (lambda rng, n, _: rng.gamma(2.0, 3.0, n), 0.05),
    (lambda rng, n, drift: np.round(rng.normal(50.0 + 0.5 * drift, 10.0, n), 2), 0.0),
    (lambda rng, n, _: np.round(rng.normal(0.0, 100.0, n), 2), 0.0),
    (lambda rng, n, _: _amounts(rng, n, 40.0), 0.02),
    (lambda rng, n, _: np.round(rng.lognormal(3.0, 1.5, n), 2), 0.0),
    (lambda rng, n, _: np.round(rng.beta(2.0, 5.0, n), 4), 0.005),
    (lambda rng, n, drift: rng.poisson(3.0 + 0.3 * drift, n).astype(float), 0.0),
    (lambda rng, n, _: rng.integers(18, 90, n).astype(float), 0.001),
    (lambda rng, n, _: rng.poisson(40.0, n).astype(float), 0.0),
    (lambda rng, n, _: _mostly_zero(rng, n, 0.7, 100.0), 0.1),
    (lambda rng, n, drift: _mostly_zero(rng, n, 0.9, 5.0 + drift), 0.0),
)


@dataclass(frozen=True)
class Log:
    """A log to generate.

    Attributes:
        rows: Rows of all files.
        numeric: Numeric features.
        categorical: Categorical features.
        files: Parquet files, one hour each.
        seed: Of the random numbers.
        drift: How far the distributions are from those of the reference: 0 is none, 1 is mild.
    """

    rows: int
    numeric: int = 15
    categorical: int = 5
    files: int = 24
    seed: int = 7
    drift: float = 1.0

    @property
    def kinds(self) -> dict[str, Kind]:
        """The features in order."""
        found: dict[str, Kind] = {f"f{i:02d}": "numeric" for i in range(self.numeric)}
        return found | {f"c{i:02d}": "categorical" for i in range(self.categorical)}

    def rows_of(self, part: int) -> int:
        return self.rows // self.files + (part < self.rows % self.files)


def part_of(log: Log, part: int) -> tuple[pa.Table, pa.Table]:
    """One file of a log, and its labels."""
    n = log.rows_of(part)
    numbers = [_numeric(log, part, i, n) for i in range(log.numeric)]
    score, label = _outcome(_stream(log, part, 2, 0), [values for values, _ in numbers], n)
    stream = _stream(log, part, 3, 0)
    ids = _ids(stream, n)
    first = FIRST_HOUR_MS + part * HOUR_MS
    columns = {
        "event_id": ids,
        "event_time": pa.array(np.sort(stream.integers(first, first + HOUR_MS, n)), pa.timestamp("ms", tz="UTC")),
        **{f"f{i:02d}": pa.array(values, mask=nulls) for i, (values, nulls) in enumerate(numbers)},
        **{f"c{i:02d}": _categorical(log, part, i, n) for i in range(log.categorical)},
        "score": pa.array(score),
        "prediction": pa.array((score >= 0.5).astype(np.int8)),
    }
    return pa.table(columns), pa.table({"event_id": ids, "label": pa.array(label)})


def _stream(log: Log, part: int, kind: int, column: int) -> np.random.Generator:
    return np.random.default_rng([log.seed, part, kind, column])


def _numeric(log: Log, part: int, column: int, n: int) -> tuple[Floats, Any]:
    draw, nulls = NUMERIC[column % len(NUMERIC)]
    rng = _stream(log, part, 0, column)
    values = draw(rng, n, log.drift)
    return values, rng.random(n) < nulls if nulls else None


def _categorical(log: Log, part: int, column: int, n: int) -> pa.Array:
    place = column % len(CARDINALITIES)
    rng = _stream(log, part, 1, column)
    weights = 1.0 / np.arange(1, CARDINALITIES[place] + 1) ** (1.0 + (0.15 * log.drift if place in (1, 3) else 0.0))
    codes = rng.choice(len(weights), n, p=weights / weights.sum()).astype(np.int32)
    nulls = rng.random(n) < 0.02 if place == 2 else None
    names = pa.array([f"value_{column}_{code}" for code in range(len(weights))])
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=nulls), names).cast(pa.string())


def _outcome(rng: np.random.Generator, numbers: Sequence[Floats], n: int) -> tuple[Floats, Any]:
    """A score that is a little over-confident, and what came of it."""
    weights = (0.8, 0.6, 0.1)
    logit = sum((w * values for w, values in zip(weights, numbers, strict=False)), start=np.full(n, -1.5))
    label = (rng.random(n) < sigmoid(logit)).astype(np.int8)
    return sigmoid(1.15 * logit + 0.1 + 0.3 * rng.standard_normal(n)), label


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _ids(rng: np.random.Generator, n: int) -> pa.Array:
    """128 random bits each, as 32 hexadecimal digits."""
    text = pa.py_buffer(rng.bytes(16 * n).hex().encode("ascii"))
    offsets = pa.py_buffer(np.arange(n + 1, dtype=np.int32) * 32)
    return pa.Array.from_buffers(pa.string(), n, [None, offsets, text])


def write(log: Log, folder: Path, *, workers: int = 2) -> None:
    """Write a log to `FOLDER/records` and `FOLDER/labels`, unless it is there already."""
    stamp, wanted = folder / "log.json", json.dumps({"version": VERSION, **asdict(log)})
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    for name in ("records", "labels"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).glob("*.parquet"):
            old.unlink()
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(_write_part, [log] * log.files, [folder] * log.files, range(log.files)))
    stamp.write_text(wanted)


def _write_part(log: Log, folder: Path, part: int) -> None:
    for name, table in zip(("records", "labels"), part_of(log, part), strict=True):
        pq.write_table(table, folder / name / f"{part:03d}.parquet", compression="zstd")


def files(folder: str | Path, what: str = "records") -> list[str]:
    """The files of a log, `records` or `labels`, in the same order."""
    return sorted(str(path) for path in Path(folder, what).glob("*.parquet"))


def kinds(folder: str | Path) -> dict[str, Kind]:
    """The features of a log that was written."""
    saved = json.loads(Path(folder, "log.json").read_text())
    return Log(saved["rows"], saved["numeric"], saved["categorical"]).kinds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description="Generate an inference log.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    defaults = Log(0)
    for name in ("numeric", "categorical", "files", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(defaults, name))
    parser.add_argument("--drift", type=float, default=defaults.drift, help="0 for a reference (default 1)")
    arguments = vars(parser.parse_args())
    write(Log(**{name: value for name, value in arguments.items() if name != "folder"}), arguments["folder"])


if __name__ == "__main__":
    main()
