"""What a configuration would have said: the same as the runs for the same configuration, and nothing is written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring import history, pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.config import ModelConfig
from monitoring.decide.incident import Incident
from monitoring.errors import ConfigError
from monitoring.incidents import load_incidents
from monitoring.judge import Status, Verdict
from monitoring.monitor import Monitor
from monitoring.replay import Fold, History, compare
from monitoring.replay.calibrate import calibrate, with_settings
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY, MakeWorld, World, make_day, merged

DAYS = range(12)
SETTINGS: dict[str, Any] = {
    "labels": {"horizon": "5d"},
    "trailing": 2,
    "policy": {"retrain": {"confirm": [1, 3], "cooldown": "4d", "min_labels": 100}},
    "references": [{"name": "before", "kind": "trailing", "windows": 2}],
    "calendar": [{"name": "Sale", "from": "2024-01-14", "effect": "suppress"}],
    "columns": {"segments": ["country"]},
    "checks": {"unseen": {"severity": "warn", "tolerance": 0.05}},
}


def _happened(item: CapturedInference, number: int) -> CapturedInference:
    """What goes wrong on a day.

    From the sixth day on amounts are ten times as large, and some countries are new; on the ninth and tenth the score
    says the opposite.
    """
    if number >= 5:
        amount, age, country = item.features
        country = "xx" if item.event_id[-1] in "036" else country
        item = replace(item, features=[amount and amount * 10, age, country])
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


def _stored(monitor: Monitor, source: History) -> list[tuple[Verdict, Any]]:
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


def test_what_runs_without_evidence_is_passed_over(monitor: Monitor, tmp_path: Path) -> None:
    # a run that was stopped has left its entry in the ledger, and no verdict
    shutil.copytree(Path(monitor.store.uri), tmp_path / "copy")
    stopped = replace(monitor, store=LocalStore(tmp_path / "copy"))
    stopped.store.delete(monitor.layout.verdict(_window(11), 1))
    found = compare(_stretch(stopped, 9))
    assert _window(11) not in found.now.statuses
    assert _window(10) in found.now.statuses


# --- beside another configuration and beside Evidently


def _other(monitor: Monitor, **changes: Any) -> Any:
    return ModelConfig.model_validate(merged(monitor.config.model_dump(mode="json", by_alias=True), changes))


def test_counts_are_those_of_the_runs(monitor: Monitor) -> None:
    found = compare(_stretch(monitor)).now
    newest = {number: history.latest_verdict(monitor, _window(number)) for number in DAYS}
    assert found.statuses == {_window(number): verdict.status for number, verdict in newest.items() if verdict}
    loaded = (history.load_decision(monitor, _window(number), 1) for number in DAYS)
    decisions = [decision for decision in loaded if decision]
    assert found.messages == sum(decision.notify for decision in decisions)
    assert found.actions == Counter(decision.action for decision in decisions)
    retrained = [decision.window for decision in decisions if decision.action == "retrain"]
    assert [window.label for window in found.retrained] == retrained != []
    assert found.of_check("unseen", Status.WARN) == {_window(number) for number in range(5, 12)}
    assert {_window(8), _window(9)} <= found.fired(Status.FAIL)
    ledger = load_incidents(monitor)
    assert ledger is not None
    listed = {incident.fingerprint for incident in ledger.incidents if incident.opened}
    assert {incident.fingerprint for incident in found.listed()} == listed
    assert 0 < found.expected(Status.FAIL) < monitor.config.alarms.fail


def test_another_configuration_beside_the_own(monitor: Monitor) -> None:
    source = _stretch(monitor)
    found = compare(source, [_other(monitor, checks={"unseen": {"severity": "info"}})])
    assert found.other is not None
    assert found.now.of_check("unseen", Status.WARN)
    assert not found.other.of_check("unseen", Status.WARN)
    assert found.other.of_check("unseen", Status.INFO) == found.now.of_check("unseen", Status.WARN)
    assert "ok instead of warn in 4 (2024-01-16, 2024-01-17, 2024-01-18 and 1 more)" in found.sentence
    assert f"{len(found.other.incidents)} instead of {len(found.now.incidents)} incidents" in found.sentence
    assert found.to_json()["other"]["checks"]["unseen"]["warn"] == []


def test_the_same_configuration_twice_differs_in_nothing(monitor: Monitor) -> None:
    found = compare(_stretch(monitor), [monitor.config])
    assert found.sentence == "Both say the same of every window, and ask for the same."
    assert found.other is not None
    assert found.other.to_json() == found.now.to_json()


def test_other_trailing_windows_are_said(monitor: Monitor) -> None:
    found = compare(_stretch(monitor, 6), [_other(monitor, trailing=3)])
    assert found.other is not None
    assert found.now.other_trailing == 0 < found.other.other_trailing


def test_an_explanation_that_nobody_asked_for_is_missed(monitor: Monitor) -> None:
    # what was fine when it was looked at has no explanation: only of the first and the last look, and of bad ones
    strict = {"ranking": {"severity": "fail", "limit": 0.99}}
    found = compare(_stretch(monitor), [_other(monitor, checks=strict)])
    assert found.other is not None
    assert found.now.unexplained == 0 < found.other.unexplained


@pytest.mark.parametrize("change", [{"labels": {"horizon": "6d"}}, {"schedule": {"settle": "7h"}}, {"name": "twin"}])
def test_what_was_measured_cannot_be_changed(monitor: Monitor, change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="decides what is read and measured"):
        compare(_stretch(monitor, 9), [_other(monitor, **change)])


def test_a_stretch_without_looks(monitor: Monitor) -> None:
    with pytest.raises(ConfigError, match="left anything to judge again"):
        _stretch(monitor, 20, 25)
    with pytest.raises(ConfigError, match="lies before"):
        _stretch(monitor, 5, 4)


def test_evidently_beside(monitor: Monitor) -> None:
    found = compare(_stretch(monitor))
    theirs = found.evidently
    assert theirs.windows == {_window(number) for number in DAYS}
    assert {_window(number) for number in range(5, 12)} <= theirs.columns["amount"]
    assert theirs.dataset <= theirs.any_column()
    assert f"a drifted data set in {len(theirs.dataset)}." in found.sentence
    assert theirs.of_check("nulls") is None


# --- calibration


def test_calibrated_limits_are_quiet(monitor: Monitor) -> None:
    found = calibrate(_stretch(monitor, 0, 7))
    assert found.before.fired(Status.WARN)
    assert found.after is not None
    assert not found.after.fired(Status.FAIL, Status.WARN)
    assert found.settings["unseen"].keys() == {"tolerance"}
    proposal = next(item for item in found.proposals if item.check == "unseen")
    assert proposal.before == 0.05 < proposal.value < 0.5
    assert proposal.windows == ("2024-01-16", "2024-01-17", "2024-01-18")
    # a little below what was just quiet fires again
    less = with_settings(monitor.config, {"unseen": {"tolerance": proposal.value * 0.7}})
    again = compare(_stretch(monitor, 0, 7), [less])
    assert again.other is not None
    assert again.other.of_check("unseen", Status.WARN)


def test_there_is_nothing_to_change_where_nothing_fired(monitor: Monitor) -> None:
    found = calibrate(_stretch(monitor, 0, 4))
    assert (found.proposals, found.settings, found.after) == ((), {}, None)


def test_a_limit_of_ones_own_is_moved_itself(monitor: Monitor) -> None:
    strict = replace(monitor, config=with_settings(monitor.config, {"ranking": {"limit": 0.99}}))
    found = calibrate(History(strict, _window(0), _window(7)))
    proposal = next(item for item in found.proposals if item.check == "ranking")
    assert proposal.setting == "limit"
    assert 0.5 < proposal.value < 0.9
    assert found.after is not None
    assert not found.after.of_check("ranking", Status.WARN)
