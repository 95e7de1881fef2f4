"""`make bench`: measure, show the figures beside their goals, and write them down."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import bench, figures

HERE = Path(__file__).parent
KEPT = HERE.parent / ".bench"


def parser(program: str) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(prog=program)
    arguments.add_argument("--size", choices=sorted(bench.SIZES), default="full")
    arguments.add_argument("--seed", type=int, default=7)
    return arguments


def place(size: str) -> Path:
    """Only a full run is written beside the code."""
    return HERE if size == "full" else KEPT / size


def main() -> None:
    given = parser("python -m benchmarks").parse_args()
    run = bench.Bench(bench.SIZES[given.size], given.seed, KEPT)
    KEPT.mkdir(exist_ok=True)
    found = bench.measure(run)
    figures.keep(place(given.size), "bench", bench.report(run, found), found)
    figures.show(figures.HEADER, figures.rows(found))
    print(f"Written to {place(given.size).relative_to(HERE.parent)}/README.md and results.json")


if __name__ == "__main__":
    main()
