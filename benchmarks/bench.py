"""Everything `make bench` measures: our engine beside the decoding of the same columns, and beside Evidently."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import data, figures, processes

THREADS = 2
DECODERS = ("batches", "files", "scanner")
DRIFTED = 1.0

Call = Callable[..., dict[str, Any]]
Arguments = dict[str, object]
Task = tuple[str, Arguments]


@dataclass(frozen=True)
class Size:
    """How much data, and how often.

    Attributes:
        rows: What is called 1M.
        large_rows: What is called 10M.
        wide: Numeric and categorical features of the wide log.
        rounds: Of each measurement.
        repeats: Within one process, of which the median counts.
    """

    rows: int
    large_rows: int
    wide: tuple[int, int]
    rounds: int
    repeats: int


SIZES = {
    "full": Size(1_000_000, 10_000_000, (150, 50), 5, 5),
    "small": Size(50_000, 500_000, (150, 50), 2, 2),
    "tiny": Size(1_000, 3_000, (30, 10), 1, 1),
}


@dataclass
class Bench:
    """One run.

    Attributes:
        size: How much data.
        seed: Of the data.
        folder: Where the data are kept.
        call: Starts a measurement in a fresh process.
        say: Prints progress.
        results: Every measurement by name, one result per round.
    """

    size: Size
    seed: int
    folder: Path
    call: Call = processes.run
    say: Callable[[str], None] = print
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def log(self, name: str, rows: int, *, wide: bool = False, reference: bool = False) -> str:
        """The folder of a log, generated unless it is there."""
        shape = self.size.wide if wide else (15, 5)
        seed, drift = (self.seed + 1, 0.0) if reference else (self.seed, DRIFTED)
        log = data.Log(rows, *shape, seed=seed, drift=drift)
        folder = self.folder / f"{name}-{rows}-seed{self.seed}"
        self.say(f"data: {name}, {rows:,} rows x {sum(shape) + 2} columns")
        data.write(log, folder, workers=os.cpu_count() or 1)
        return str(folder.resolve())

    def rounds(self, tasks: Mapping[str, Task], rounds: int, *, warm: bool = True) -> None:
        """Run all tasks in turn, again and again; a first round that warms caches does not count."""
        for place in range(-1 if warm else 0, rounds):
            which = f"round {place + 1} of {rounds}" if place >= 0 else "warming up"
            for name, (task, arguments) in tasks.items():
                result = self.call(task, **arguments)
                self.say(f"{which}: {name}, {result.get('wall', result['elapsed']):.3f} s")
                if place >= 0:
                    self.results.setdefault(name, []).append(result)

    def once(self, name: str, task: str, **arguments: object) -> None:
        """Run one task, which takes long or does not vary."""
        self.rounds({name: (task, arguments)}, 1, warm=False)

    def of(self, name: str, what: str = "wall") -> float:
        """The median over rounds."""
        return float(median(result[what] for result in self.results[name]))


def measure(bench: Bench) -> dict[str, float]:
    """All figures but those of the other tools."""
    size = bench.size
    reference = bench.log("reference", size.rows, reference=True)
    rows, tiny = bench.log("rows", size.rows), bench.log("tiny", data.TINY_ROWS)
    narrow: Arguments = {"baseline": str(bench.folder / "baseline"), "warm_up": tiny}
    bench.once("learn 1m", "ours.learn", reference=reference, baseline=narrow["baseline"])
    broad = _wide_baseline(bench)
    _speed(bench, rows, narrow, broad)
    bench.rounds({"cold start": ("ours.first_rows", narrow)}, size.rounds)
    bench.rounds(
        {"drift wide": ("ours.drift", {"baseline": broad["baseline"], "folder": broad["folder"]})}, size.rounds
    )
    day = {**narrow, "folder": rows, "threads": THREADS, "labelled": True}
    bench.rounds({"day 1m": ("ours.day", day)}, size.rounds)
    bench.once("evidently 1m", "evidently_presets.run", folder=rows, reference=reference)
    bench.once(
        "distances", "accuracy.distances", rows=size.rows, seed=bench.seed, folder=str(bench.folder / "accuracy")
    )
    bench.once("scores", "accuracy.scores", rows=size.rows, seed=bench.seed)
    return _figures(bench)


def _wide_baseline(bench: Bench) -> Arguments:
    """Learn the wide reference; what the profile of the wide log needs."""
    rows, path = bench.size.rows, str(bench.folder / "wide-baseline")
    reference = bench.log("wide-reference", rows, wide=True, reference=True)
    bench.once("learn wide", "ours.learn", reference=reference, baseline=path)
    tiny = bench.log("wide-tiny", data.TINY_ROWS, wide=True)
    return {"baseline": path, "warm_up": tiny, "folder": bench.log("wide", rows, wide=True)}


def _speed(bench: Bench, rows: str, narrow: Arguments, broad: Arguments) -> None:
    """Profiles beside decoding: the smaller logs in turn, then the large one."""
    size, large = bench.size, bench.log("rows", bench.size.large_rows)
    tiny = str(narrow["warm_up"])
    again: Arguments = {"threads": THREADS, "repeats": size.repeats}
    once: Arguments = {"threads": THREADS, "repeats": 1}
    tasks: dict[str, Task] = {
        "profile 1m": ("ours.profile", {"folder": rows, **narrow, **again}),
        "once 1m": ("ours.profile", {"folder": rows, **narrow, **once}),
        "profile wide": ("ours.profile", {**broad, **again}),
    }
    bench.rounds(_decoders("1m", rows, tiny, again) | tasks, size.rounds)
    tasks = {
        "profile 10m": ("ours.profile", {"folder": large, **narrow, **once}),
        "one thread 10m": ("ours.profile", {"folder": large, **narrow, **once, "threads": 1}),
    }
    bench.rounds(_decoders("10m", large, tiny, once) | tasks, size.rounds)


def _decoders(size: str, folder: str, tiny: str, how: Arguments) -> dict[str, Task]:
    return {
        f"decode {size}, {variant}": ("decode.run", {"folder": folder, "warm_up": tiny, "variant": variant, **how})
        for variant in DECODERS
    }


def _limit(bench: Bench, size: str, what: str) -> float:
    return min(bench.of(f"decode {size}, {variant}", what) for variant in DECODERS)


def _figures(bench: Bench) -> dict[str, float]:
    size, of = bench.size, bench.of
    limit = {name: _limit(bench, name, "wall") for name in ("1m", "10m")}
    cells = sum(size.wide) + 2
    return {
        "profile_over_decode_1m": of("profile 1m") / limit["1m"],
        "profile_over_decode_10m": of("profile 10m") / limit["10m"],
        "evidently_cpu_over_profile_cpu_1m": of("evidently 1m", "cpu") / of("day 1m", "cpu"),
        "peak_mb_10m": of("profile 10m", "peak_mb"),
        "peak_10m_over_1m": of("profile 10m", "peak_mb") / of("once 1m", "peak_mb"),
        "cell_cost_200_over_22": of("profile wide") / cells / (of("profile 1m") / 22),
        "threads_2_over_1": of("one thread 10m") / of("profile 10m"),
        "drift_200_columns_ms": of("drift wide") * 1000,
        "wasserstein_worst_rel_error": of("distances", "worst"),
        "auc_worst_abs_error": of("scores", "worst"),
        "cold_start_s": of("cold start", "elapsed"),
        # the same in CPU time, for a machine that does other things as well
        "profile_cpu_over_decode_cpu_1m": of("profile 1m", "cpu") / _limit(bench, "1m", "cpu"),
        "profile_cpu_over_decode_cpu_10m": of("profile 10m", "cpu") / _limit(bench, "10m", "cpu"),
        "cell_cpu_200_over_22": of("profile wide", "cpu") / cells / (of("profile 1m", "cpu") / 22),
        "decode_1m_s": limit["1m"],
        "decode_10m_s": limit["10m"],
        "profile_1m_s": of("profile 1m"),
        "profile_10m_s": of("profile 10m"),
        "day_cpu_1m_s": of("day 1m", "cpu"),
        "evidently_cpu_1m_s": of("evidently 1m", "cpu"),
    }


def report(bench: Bench, found: Mapping[str, float]) -> str:
    """The generated part of the page."""
    timed = [
        [name, *(f"{bench.of(name, what):.3f}" for what in ("wall", "cpu")), f"{bench.of(name, 'peak_mb'):,.0f}"]
        for name, results in bench.results.items()
        if "wall" in results[0]
    ]
    compared = [
        [[what, *map(figures.number, numbers)] for what, numbers in bench.results[name][0]["details"].items()]
        for name in ("distances", "scores")
    ]
    return "\n\n".join(
        [
            figures.machine(),
            figures.markdown(figures.HEADER, figures.rows(found)),
            "Medians of every measurement:",
            figures.markdown(("measurement", "wall s", "CPU s", "peak MB"), timed),
            "Distances against those of all rows, by SciPy and NumPy:",
            figures.markdown(("column and distance", "exact", "ours", "error"), compared[0]),
            "Performance against scikit-learn:",
            figures.markdown(("scores", "exact", "ours", "absolute error"), compared[1]),
        ]
    )
