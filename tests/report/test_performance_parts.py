"""The pictures of performance, and the part of the page around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitoring import history, pipeline
from monitoring.config import ModelConfig
from monitoring.report import drawing
from monitoring.report.facts import gather
from monitoring.report.page import render
from monitoring.report.performance_parts import performance_parts
from monitoring.report.text import CHECK_OF, CHECK_WORDS, MAIN_NUMBERS, NUMBER_WORDS
from monitoring.store.local import LocalStore
from tests.conftest import World

MakeWorld = Callable[..., Any]
SETTINGS: dict[str, Any] = {
    "name": "toy",
    "schedule": {"every": "day", "settle": "6h", "start": "2024-01-11"},
    "trailing": 3,
    "capture": {"uri": "captures/toy"},
    "labels": {"uri": "labels/toy", "horizon": "2d"},
    "columns": {"features": {"amount": "numeric", "age": "numeric", "country": "categorical"}},
    "baseline": {"uri": "training/toy.parquet"},
}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Four judged days, which these tests only read."""
    store = LocalStore(tmp_path_factory.mktemp("known") / "store")
    world = World(store, ModelConfig.model_validate(SETTINGS))
    world.train()
    world.play(*range(4))
    for number in range(4):
        pipeline.run_window(world.monitor, world.window(number))
    return world


def test_the_series_shows_what_was_known_at_the_time(known: World) -> None:
    facts = gather(known.monitor, known.window(2), 1)
    assert [(point.window.label, point.revision) for point in facts.series] == [
        ("2024-01-11", 3),
        ("2024-01-12", 2),
        ("2024-01-13", 1),
    ]
    points = performance_parts(facts)["series:roc_auc"]["points"]
    assert [point["stage"] for point in points] == ["final", "provisional", "provisional"]
    for point, at_the_time in zip(points, facts.series, strict=True):
        assert point["value"] == at_the_time.performance.numbers["roc_auc"].value
        assert point["estimate"] == at_the_time.performance.estimated["roc_auc"].value
        assert point["low"] <= point["value"] <= point["high"]
    later = gather(known.monitor, known.window(2), 2)
    assert [point.revision for point in later.series] == [3, 3, 2]


def test_a_number_of_few_rows_is_no_point(known: World) -> None:
    facts = gather(known.monitor, known.window(2), 1)
    own = facts.series[0].performance
    few = replace(own, numbers={"roc_auc": replace(own.numbers["roc_auc"], rows=4)}, estimated={})
    facts = replace(facts, series=(replace(facts.series[0], performance=few), *facts.series[1:]))
    assert performance_parts(facts)["series:roc_auc"]["points"][0]["value"] is None
    assert set(performance_parts(replace(facts, series=facts.series[:1]))) == {"maturity:labels"}


def test_marks_differ_by_stage(known: World) -> None:
    part = performance_parts(gather(known.monitor, known.window(2), 1))["series:roc_auc"]
    points = [{**p, "stage": stage} for p, stage in zip(part["points"], drawing._STAGES, strict=True)]
    data, _ = drawing.series({**part, "points": points})
    marks = {trace["name"]: trace["marker"]["symbol"] for trace in data if trace.get("mode") == "markers"}
    assert marks == {
        "estimated: no labels yet": "circle-open",
        "provisional: labels still come": "circle-open-dot",
        "final: no more labels are waited for": "circle",
    }
    estimates = next(trace for trace in data if trace.get("name") == "estimate without labels")
    assert estimates["marker"]["size"] == [0, 7, 7]
    assert all("2024-01-1" in text for trace in data for text in trace.get("text", []))


def test_the_maturity_curve_has_the_window_on_it(known: World) -> None:
    facts = gather(known.monitor, known.window(3), 1)
    part = performance_parts(facts)["maturity:labels"]
    data, _ = drawing.maturity(part)
    own = next(trace for trace in data if trace.get("name") == "this day")
    assert own["y"] == [facts.verdict.numbers["label_coverage"].value]
    assert own["x"] == [6.0]  # hours after the end, in which the run waits for captures
    usual = next(trace for trace in data if trace.get("name", "").startswith("usual"))
    assert usual["y"] == sorted(usual["y"])


def test_the_first_of_an_odd_number_of_pictures_is_wide(known: World) -> None:
    parts = performance_parts(gather(known.monitor, known.window(3), 1))
    assert [part["wide"] for part in parts.values()] == [True, False, False]
    assert [part["legend"] for part in parts.values() if "legend" in part] == [True, False]


def test_looks_of_an_older_release_are_reported_without_performance(judged: Any) -> None:
    monitor = judged.monitor
    with_all = render(gather(monitor, judged.window(3), 1), None).decode()
    assert 'id="performance"' in with_all
    assert "Track record of the estimates" in with_all
    for info in monitor.store.objects("toy/windows/"):
        if info.key.endswith("performance.json"):
            monitor.store.delete(info.key)
    facts = gather(monitor, judged.window(3), 1)
    assert (facts.measured, facts.series) == (None, ())
    page = render(facts, None).decode()
    assert 'id="performance"' not in page
    assert "Track record of the estimates" not in page
    assert 'id="measurements"' in page


def test_a_model_without_labels_is_estimated(make_world: MakeWorld) -> None:
    world = make_world(labels=None, report={"native": "never"})
    world.train()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    assert history.latest_verdict(world.monitor, world.window(0)) is not None
    page = render(gather(world.monitor, world.window(0), 1), None).decode()
    assert "<strong>Estimated</strong>: no labels are configured." in page
    assert "its performance can only be estimated" in page


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_main_number_has_words(task: Any) -> None:
    assert set(MAIN_NUMBERS[task]) <= set(NUMBER_WORDS[task])
    assert set(CHECK_OF[task]) <= set(NUMBER_WORDS[task])
    assert set(CHECK_OF[task].values()) <= set(CHECK_WORDS)
