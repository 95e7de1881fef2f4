"""The label benchmark on a world of a few hundred rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import label_data, labels
from benchmarks.label_data import World
from benchmarks.task import Clock

ROWS, DAYS, LABELS = 300, 2, 151


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("labels"), ROWS)


def _truth(back: int) -> np.ndarray:
    return label_data.labels_of(back, ROWS)["label"].to_numpy()


@pytest.mark.parametrize("kind", ["parquet", "sagemaker"])
def test_a_run_measures_every_day_that_got_labels(world: World, tmp_path: Path, kind: str) -> None:
    new = world.new_labels(LABELS, DAYS, kind)
    world.copy(DAYS, new, tmp_path)
    join, whole = Clock(), Clock()
    found = labels.label_run(world.monitor(tmp_path, DAYS), join, whole)
    assert 0 < join.wall < whole.wall
    assert {day: item["labelled"] for day, item in found.items()} == {
        "2026-02-28": ROWS // 2 + LABELS // 2,
        "2026-03-01": ROWS // 2 + LABELS - LABELS // 2,
    }
    assert len(labels.parts(tmp_path, DAYS)) == DAYS


def test_all_labels_give_the_accuracy_of_all_rows(world: World, tmp_path: Path) -> None:
    world.copy(DAYS, world.new_labels(ROWS // 2 * DAYS, DAYS, "parquet"), tmp_path)
    found = labels.label_run(world.monitor(tmp_path, DAYS), Clock(), Clock())
    for back in (1, 2):
        scores = label_data.predictions(back, ROWS)["score"].to_numpy()
        day = found[f"{label_data.day_of(back):%Y-%m-%d}"]
        assert day["labelled"] == ROWS
        assert day["accuracy"] == pytest.approx(((scores >= 0.5) == _truth(back)).mean())
        assert day["brier"] == pytest.approx(((scores - _truth(back)) ** 2).mean())


def test_a_run_leaves_the_days_that_it_shares_as_they_are(world: World, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in sorted(world.state(DAYS).rglob("*")) if path.is_file()}
    world.copy(DAYS, world.new_labels(LABELS, DAYS, "parquet"), tmp_path)
    labels.label_run(world.monitor(tmp_path, DAYS), Clock(), Clock())
    assert {path: path.read_bytes() for path in sorted(world.state(DAYS).rglob("*")) if path.is_file()} == before


def test_numbers_that_differ_from_those_of_duckdb_are_told() -> None:
    ours = {"2026-03-01": {"labelled": 10, "accuracy": 0.5, "brier": 0.25}}
    labels.compare(ours, ours)
    with pytest.raises(AssertionError):
        labels.compare(ours, {"2026-03-01": {"labelled": 10, "accuracy": 0.6, "brier": 0.25}})
