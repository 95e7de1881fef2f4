from __future__ import annotations

import math
import shutil
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitoring import prometheus
from monitoring.decide import Action
from monitoring.decide.incident import Incident, IncidentState
from monitoring.errors import StoreUnavailableError
from monitoring.incidents import load_incidents
from monitoring.judge import Status
from monitoring.measure import Measurement
from monitoring.pipeline import run_window
from monitoring.prometheus import Sample, collect, exposition, latest
from tests.conftest import ROWS_A_DAY


def parse(data: bytes) -> dict[tuple[str, ...], float]:
    """Values by metric and by the values of its labels, sorted by the labels' names."""
    samples = [s for family in text_string_to_metric_families(data.decode()) for s in family.samples]
    return {(s.name.removeprefix("model_monitor_"), *(s.labels[k] for k in sorted(s.labels))): s.value for s in samples}


@pytest.fixture
def world(make_world):
    world = make_world()
    world.train()
    world.play(0, 1)
    for number in (0, 1):
        run_window(world.monitor, world.window(number))
    return world


def test_the_latest_window(world):
    found = parse(collect(world.monitor.store, [world.monitor.config]))

    verdict = latest(world.monitor.store, world.monitor.config).verdict
    assert verdict.window == world.window(1)
    assert found["window_start_timestamp_seconds", "toy"] == world.window(1).start.timestamp()
    assert found["rows", "toy"] == ROWS_A_DAY
    assert 0.5 < found["label_coverage_ratio", "toy"] < 1
    assert found["verdict", "toy", verdict.status] == 1
    assert sum(value for key, value in found.items() if key[0] == "verdict") == 1
    for scope, numbers in (("window", verdict.numbers), ("trailing", verdict.trailing)):
        auc = numbers["roc_auc"]
        for name, value in (
            ("performance", auc.value),
            ("performance_lower", auc.low),
            ("performance_upper", auc.high),
        ):
            assert found[name, "roc_auc", "toy", scope] == value
    assert found["retraining_requested", "toy"] == 0


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool comes with Prometheus")
def test_promtool_has_no_complaint(world):
    data = collect(world.monitor.store, [world.monitor.config])

    done = subprocess.run(["promtool", "check", "metrics"], input=data, capture_output=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_undefined_numbers_are_left_out(world):
    sample = latest(world.monitor.store, world.monitor.config)
    numbers = {
        "rows": Measurement("rows", None, 0, "both", ""),
        "brier": Measurement("brier", math.nan, 0, "high", ""),
        "f1": Measurement("f1", 0.5, 10, "low", "", None, math.inf),
    }
    found = parse(exposition([replace(sample, verdict=replace(sample.verdict, numbers=numbers, trailing={}))]))

    assert {key for key in found if key[0].startswith(("rows", "performance", "label"))} == {
        ("performance", "f1", "toy", "window")
    }


def test_a_request_for_retraining(world):
    sample = latest(world.monitor.store, world.monitor.config)
    found = parse(exposition([replace(sample, decision=replace(sample.decision, action=Action.RETRAIN))]))

    assert found["retraining_requested", "toy"] == 1


def test_incidents_are_counted_by_severity_and_state(world):
    assert latest(world.monitor.store, world.monitor.config).incidents == load_incidents(world.monitor).incidents
    seen = ("2024-01-11", "2024-01-11", "2024-01-12", "", 2, 1, 1, 1, "Bad.")
    states = [("fail", "ongoing"), ("fail", "ongoing"), ("warn", "pending")]
    incidents = tuple(
        Incident(f"{i}", "nulls", f"{i}", "", Status(severity), IncidentState(state), *seen)
        for i, (severity, state) in enumerate(states)
    )
    found = parse(exposition([Sample("toy", incidents=incidents), Sample("young")]))

    counts = {key[1:]: value for key, value in found.items() if key[0] == "incidents"}
    assert counts["toy", "fail", "ongoing"] == 2
    assert counts["toy", "warn", "pending"] == 1
    assert sum(counts.values()) == 3
    assert len(counts) == 10


def test_one_unreadable_model_does_not_hide_the_others(world, make_config):
    world.monitor.store.put("broken/windows/2024-01-12/r1/verdict.json", b"{")
    configs = [make_config(name="broken"), make_config(name="young"), world.monitor.config]
    found = parse(collect(world.monitor.store, configs))

    assert {key[1]: value for key, value in found.items() if key[0] == "state_readable"} == {
        "broken": 0,
        "young": 1,
        "toy": 1,
    }
    assert found["rows", "toy"] == ROWS_A_DAY


def test_a_silent_store_is_an_error(world, monkeypatch):
    def silent(*args: object) -> list[str]:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(world.monitor.store, "folders", silent)
    with pytest.raises(StoreUnavailableError):
        prometheus.collect(world.monitor.store, [world.monitor.config])
