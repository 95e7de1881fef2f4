from __future__ import annotations

import doctest
import importlib
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import bench, figures, processes, task

HERE = Path(__file__).parents[2] / "benchmarks"
PEERS = {name for name in figures.FIGURES if name.endswith("_over_profile_1m")}
# Those of `make bench-capture`
CAPTURE = {"canonical_over_duckdb", "objects_over_one_at_a_time", "large_object_peak_mb", "late_over_window"}
# Those of `make bench-verdicts`
VERDICTS = {"false_fails_per_model_month_worst", "power_worst", "delay_windows_worst"}
# Those of `make bench-labels`
LABELS = {"label_run_over_id_scan", "label_lookback_doubling", "label_peak_mb", "full_join_over_incremental"}


def in_this_process(name: str, **arguments: Any) -> dict[str, Any]:
    """What `processes.run` returns, without the seconds that a process takes to start."""
    if name == "evidently_presets.run":
        return {"wall": 1.0, "cpu": 1.0, "peak_mb": 1.0, "elapsed": 1.0}
    started = time.monotonic()
    module, _, function = name.rpartition(".")
    found = getattr(importlib.import_module(f"benchmarks.{module}"), function)(**arguments)
    return {**found, "peak_mb": task.peak_mb(), "elapsed": time.monotonic() - started}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[bench.Bench, dict[str, float]]:
    run = bench.Bench(bench.SIZES["tiny"], 3, tmp_path_factory.mktemp("bench"), in_this_process, lambda _: None)
    return run, bench.measure(run)


def test_every_figure_is_a_number(run: tuple[bench.Bench, dict[str, float]]) -> None:
    found = run[1]
    assert set(figures.FIGURES) - PEERS - CAPTURE - LABELS - VERDICTS <= set(found)
    assert all(math.isfinite(value) for value in found.values())


def test_the_page_and_the_figures(run: tuple[bench.Bench, dict[str, float]], tmp_path: Path) -> None:
    figures.keep(tmp_path, "peers", "A tool of others.", {"tfdv_over_profile_1m": 20})
    for _ in range(2):
        figures.keep(tmp_path, "bench", bench.report(*run), run[1])
    page = (tmp_path / "README.md").read_text()
    assert all(page.count(title) == 1 for title in ("A tool of others.", "| cold start until rows are profiled |"))
    assert "normal: Wasserstein" in page
    assert "fraud: ROC AUC" in page
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept == {**run[1], "tfdv_over_profile_1m": 20}


def test_a_fresh_process_and_how_it_fails(tmp_path: Path) -> None:
    found = processes.run("data.kinds", folder=str(_log(tmp_path)))
    assert found["f00"] == "numeric"
    assert 0 < found["elapsed"] < 60
    assert 1 < found["peak_mb"] < 1_000
    with pytest.raises(processes.TaskError, match=r"data.kinds: FileNotFoundError"):
        processes.run("data.kinds", folder=str(tmp_path / "nowhere"))


def test_a_process_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(processes, "MOST_SECONDS", 0.0)
    with pytest.raises(processes.TaskError, match="stopped after 0 s"):
        processes.run("data.kinds", python=str(sleeper))


def _log(folder: Path) -> Path:
    (folder / "log.json").write_text(json.dumps({"rows": 1, "numeric": 1, "categorical": 1}))
    return folder


def test_goals() -> None:
    figure = figures.Figure("", 1.5, bearable=2.0)
    assert [figure.verdict(x) for x in (1.5, 1.6, 2.1)] == ["met", "bearable", "MISSED"]
    assert figures.Figure("", 15, most=False).verdict(14) == "MISSED"
    assert doctest.testmod(figures).failed == 0


def test_every_peer_is_pinned() -> None:
    from benchmarks.peers.__main__ import PEERS as TOOLS

    for tool in TOOLS:
        assert f"{tool.module}_over_profile_1m" in figures.FIGURES
        assert (HERE / "peers" / f"{tool.module}.py").exists()
        pins = [line for line in (HERE / "peers" / f"{tool.name}.txt").read_text().splitlines() if line[:1] != "#"]
        assert all("==" in pin for pin in pins)
