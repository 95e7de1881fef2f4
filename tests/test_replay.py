"""What a configuration would have said: the same as the runs for the same configuration, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring import history, pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.decide import Decision
from monitoring.decide.incident import Incident
from monitoring.errors import ConfigError
from monitoring.incidents import load_incidents
from monitoring.judge import Verdict
from monitoring.monitor import Monitor
from monitoring.replay import Fold, History, Replayed, compare
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY, MakeWorld, World, make_day, merged

DAYS = range(12)
SETTINGS: dict[str, Any] = {
    "labels": {"horizon": "5d"},
    "trailing": 2,
    "policy": {"retrain": {"confirm": [2, 3], "cooldown": "4d", "min_labels": 100}},
    "references": [{"name": "before", "kind": "trailing", "windows": 2}],
    "calendar": [{"name": "Sale", "from": "2024-01-14", "effect": "suppress"}],
    "columns": {"segments": ["country"]},
}
Saved = dict[tuple[str, int], tuple[Verdict, Decision]]


def _happened(item: CapturedInference, number: int) -> CapturedInference:
    """From the sixth day on amounts are ten times as large, on the ninth and tenth the score says the opposite."""
    amount = item.features[0]
    if number >= 5:
        item = replace(item, features=[amount and amount * 10, *item.features[1:]])
    return replace(item, score=1 - item.score) if number in (8, 9) else item


def _play(world: World, numbers: Iterable[int]) -> None:
    """Labels of a day come in two halves: at noon of the next day, and two days later."""
    for number in numbers:
        items = [_happened(item, number) for item in world.inferences(number)]
        write_captures(world.monitor.store, "captures/toy", items)
        day = make_day(number)
        for half, delay in ((0, 1), (1, 3)):
            came = FIRST_DAY + timedelta(days=number + delay, hours=12)
            labels = [(key, label, came) for key, label in zip(day.ids[half::2], day.labels[half::2], strict=True)]
            write_labels(world.monitor.store, "labels/toy", labels)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store is kept that all tests look at."""
    return tmp_path_factory.mktemp("replay") / "store"


@pytest.fixture
def monitor(make_world: MakeWorld, prepared: Path) -> Monitor:
    """Twelve days with late labels, drift and two bad days, of which every run was made."""
    world = make_world(LocalStore(prepared), **SETTINGS)
    if not prepared.exists():
        world.train()
        _play(world, DAYS)
        for number in DAYS:
            pipeline.run_window(world.monitor, world.window(number))
    return world.monitor


def _window(number: int) -> Window:
    return Window(FIRST_DAY, "day").shift(number)


def _stretch(monitor: Monitor, first: int = 0, last: int = DAYS[-1]) -> History:
    return History(monitor, _window(first), _window(last))


def _stored(monitor: Monitor, source: History) -> list[tuple[Verdict, Decision | None]]:
    places = [(place.window, place.revision) for place in source.places]
    return [(history.load_verdict(monitor, *place), history.load_decision(monitor, *place)) for place in places]


@pytest.mark.parametrize("first", [0, 6])
def test_the_same_configuration_says_what_the_runs_said(monitor: Monitor, first: int) -> None:
    source, found = _stretch(monitor, first), []
    incidents: list[tuple[Incident, ...]] = []
    fold = Fold(source, source.monitor)
    for look in source.looks():
        if found and found[-1].look.place.epoch != look.place.epoch:
            incidents.append(fold.finish())
        found.append(fold.take(look))
    incidents.append(fold.finish())
    # most days are looked at again when their labels come
    assert len(found) > 2 * (len(DAYS) - first)
    assert not any(item.unexplained or item.other_trailing for item in found)
    for replayed, (verdict, decision) in zip(found, _stored(monitor, source), strict=True):
        assert replayed.verdict.to_json() == verdict.to_json()
        assert replayed.decision == decision
    runs = [_window(number) for number in range(first, len(DAYS))]
    for run, listed in zip(runs, incidents, strict=True):
        ledger = load_incidents(monitor, run)
        assert ledger is not None
        assert listed == ledger.incidents
    assert any(item.decision.action == "retrain" for item in found)


def test_nothing_is_written(monitor: Monitor) -> None:
    before = {info.key: info.modified for info in monitor.store.objects("")}
    compare(_stretch(monitor, 9))
    assert {info.key: info.modified for info in monitor.store.objects("")} == before
