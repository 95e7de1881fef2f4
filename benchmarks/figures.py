"""The figures, their goals, and how they are written down."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.processes import memory_mb

PACKAGES = ("pyarrow", "numpy", "numba", "evidently", "scipy", "scikit-learn")
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """One number that has a goal.

    Attributes:
        title: What it is.
        goal: The number to reach.
        most: Whether the goal is the most it may be; otherwise the least.
        unit: Written after the number.
        bearable: What is still acceptable, though the goal is missed.
    """

    title: str
    goal: float
    most: bool = True
    unit: str = ""
    bearable: float | None = None

    def verdict(self, value: float) -> str:
        """Whether the goal is met.

        >>> Figure("", 1.5, bearable=2.0).verdict(1.7)
        'bearable'
        """
        if self._reaches(value, self.goal):
            return "met"
        return "bearable" if self.bearable is not None and self._reaches(value, self.bearable) else "MISSED"

    def _reaches(self, value: float, goal: float) -> bool:
        return value <= goal if self.most else value >= goal

    def aim(self) -> str:
        also = f" ({self.bearable:g} at worst)" if self.bearable is not None else ""
        return f"{'≤' if self.most else '≥'} {self.goal:g}{self.unit}{also}"


def _peer(tool: str) -> Figure:
    return Figure(f"{tool}: wall time over ours, 1M rows", 15, most=False, unit=" x")


FIGURES = {
    "profile_over_decode_1m": Figure("profile over decoding alone, 1M rows", 1.5, unit=" x", bearable=2.0),
    "profile_over_decode_10m": Figure("profile over decoding alone, 10M rows", 1.5, unit=" x", bearable=2.0),
    "evidently_cpu_over_profile_cpu_1m": Figure("Evidently: CPU time over ours, 1M rows", 250, most=False, unit=" x"),
    "peak_mb_10m": Figure("peak memory, 10M rows", 600, unit=" MB"),
    "peak_10m_over_1m": Figure("peak memory, 10M rows over 1M rows", 1.3, unit=" x"),
    "cell_cost_200_over_22": Figure("time per value, 202 columns over 22", 1.2, unit=" x"),
    "threads_2_over_1": Figure("speed of 2 threads over 1", 1.7, most=False, unit=" x"),
    "drift_200_columns_ms": Figure("drift of 200 columns", 50, unit=" ms"),
    "wasserstein_worst_rel_error": Figure("Wasserstein distance, worst relative error", 0.01),
    "auc_worst_abs_error": Figure("ROC AUC, PR AUC, Brier, log loss, worst absolute error", 1e-4),
    "cold_start_s": Figure("cold start until rows are profiled", 2, unit=" s"),
    "canonical_over_duckdb": Figure("SageMaker lines to canonical records over DuckDB, 1M rows", 1.5, unit=" x"),
    "objects_over_one_at_a_time": Figure("2,000 S3 objects: one at a time over ours", 5, most=False, unit=" x"),
    "large_object_peak_mb": Figure("peak memory, one object of 2 GB", 1000, unit=" MB"),
    "late_over_window": Figure("1,000 late records over the window of 4M", 0.25, unit=" x"),
    "label_run_over_id_scan": Figure("1M late labels: a run's label part over reading all ids once", 2, unit=" x"),
    "label_lookback_doubling": Figure("the same with twice the days that wait: more time", 0.10),
    "label_peak_mb": Figure("peak memory, 1M late labels of 30M predictions", 1024, unit=" MB"),
    "full_join_over_incremental": Figure("DuckDB joining everything over ours", 5, most=False, unit=" x"),
    "false_fails_per_model_month_worst": Figure("false alarms that fail per model and month, worst stream", 0.1),
    "power_worst": Figure("changes that are named at once where an oracle has 90 % power, worst", 0.7, most=False),
    "delay_windows_worst": Figure("windows later than the oracle, worst", 2),
    "tfdv_over_profile_1m": _peer("TFDV"),
    "great_expectations_over_profile_1m": _peer("Great Expectations"),
    "alibi_detect_over_profile_1m": _peer("alibi-detect"),
    "nannyml_over_profile_1m": _peer("NannyML"),
    "whylogs_over_profile_1m": _peer("whylogs"),
}


def number(value: float) -> str:
    """Three significant digits.

    >>> [number(x) for x in (1234.5, 0.12345, 0.0, 3e-07)]
    ['1,234', '0.123', '0', '3e-07']
    """
    if value and abs(value) < 1e-3:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rows(found: Mapping[str, float]) -> list[list[str]]:
    """A line for each figure that was found: what, value, goal, verdict."""
    return [
        [figure.title, number(found[name]) + figure.unit, figure.aim(), figure.verdict(found[name])]
        for name, figure in FIGURES.items()
        if name in found
    ]


HEADER = ("figure", "value", "goal", "")


def show(header: Sequence[str], body: Rows) -> None:
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(header):
        table.add_column(name, overflow="fold", justify="left" if place == 0 else "right")
    for row in body:
        table.add_row(*row)
    Console().print(table)


def markdown(header: Sequence[str], body: Rows) -> str:
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *body))


def machine() -> str:
    """What it ran on, without anything that names one machine."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    hardware = f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores"
    return f"{hardware}, {round(memory_mb('MemTotal') / 1024)} GB of memory; {', '.join(_versions())}."


def _versions() -> Iterable[str]:
    yield f"Python {platform.python_version()}"
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def keep(folder: Path, block: str, text: str, found: Mapping[str, float]) -> None:
    """Write a block of the page between its markers, and merge the figures into those of earlier runs."""
    template = Path(__file__).parent / "README.md"
    folder.mkdir(parents=True, exist_ok=True)
    page, results = folder / "README.md", folder / "results.json"
    begin, end = f"<!-- {block}: written by make -->", f"<!-- /{block} -->"
    before, _, rest = (page if page.exists() else template).read_text().partition(begin)
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")
    kept = json.loads(results.read_text()) if results.exists() else {}
    results.write_text(json.dumps(dict(sorted({**kept, **found}.items())), indent=2) + "\n")
