"""Label epochs: what each run was the first to see, whenever and in whatever order the runs come."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.capture.writer import write_labels
from monitoring.engine.label_rows import epoch_labels
from monitoring.labels.epochs import load_epoch, pin_epochs, pinned_epochs, visible_epochs
from monitoring.monitor import Monitor
from monitoring.window import Window

START = datetime(2024, 1, 11, tzinfo=UTC)


@pytest.fixture
def monitor(make_world: Callable[..., Any]) -> Monitor:
    """The toy model: measured 6 hours after a day's end, horizon 2 days."""
    return make_world().monitor


def _collect(monitor: Monitor, *labels: tuple[str, float]) -> None:
    """Labels by name, and hours after the first day's start when they were collected."""
    items = [(name, "1", START + timedelta(hours=hours)) for name, hours in labels]
    write_labels(monitor.store, "labels/toy", items)


def _window(number: int) -> Window:
    return Window(START, "day").shift(number)


def _ids(monitor: Monitor, number: int) -> list[str]:
    """The events whose labels the run of a day is the first to see, in the order in which they count."""
    objects = [monitor.store.get(item.info.key) for item in load_epoch(monitor, _window(number)).objects]
    return [json.loads(line)["eventMetadata"]["eventId"] for data in objects for line in data.splitlines()]


def test_an_epoch_holds_what_was_collected_between_two_measurements(monitor: Monitor) -> None:
    _collect(monitor, ("before", 5.9), ("first", 6), ("last", 29.9), ("after", 30))
    pin_epochs(monitor, _window(0))
    assert _ids(monitor, 0) == ["first", "last"]
    assert _ids(monitor, -1) == ["before"]
    pin_epochs(monitor, _window(1))
    assert _ids(monitor, 1) == ["after"]


def test_objects_count_in_the_order_of_their_hours(monitor: Monitor) -> None:
    _collect(monitor, ("late", 25), ("early", 7), ("middle", 12))
    pin_epochs(monitor, _window(0))
    assert _ids(monitor, 0) == ["early", "middle", "late"]


def test_stragglers_belong_to_the_next_run(monitor: Monitor) -> None:
    _collect(monitor, ("in time", 10))
    pin_epochs(monitor, _window(0))
    _collect(monitor, ("straggler", 11), ("next", 31))
    pin_epochs(monitor, _window(0))
    assert _ids(monitor, 0) == ["in time"]
    pin_epochs(monitor, _window(1))
    assert _ids(monitor, 1) == ["straggler", "next"]
    pin_epochs(monitor, _window(2))
    assert _ids(monitor, 2) == []


def test_a_gap_in_the_runs_is_filled(monitor: Monitor) -> None:
    _collect(monitor, *((f"day {n}", 24 * n + 7) for n in range(6)))
    pin_epochs(monitor, _window(0))
    pin_epochs(monitor, _window(5))
    assert [_ids(monitor, n) for n in range(6)] == [[f"day {n}"] for n in range(6)]


def test_runs_in_reverse_order_give_the_same_labels(make_world: Callable[..., Any], tmp_path: Any) -> None:
    from monitoring.store.local import LocalStore

    rows = []
    for name, order in (("forward", range(6)), ("reverse", reversed(range(6)))):
        monitor = make_world(LocalStore(tmp_path / name)).monitor
        _collect(monitor, *((f"{hours}", hours) for hours in range(0, 150, 5)))
        for number in order:
            pin_epochs(monitor, _window(number))
        rows.append([_ids(monitor, number) for number in range(6)])
    assert rows[0] == rows[1]
    assert sum(map(len, rows[0])) == len([hours for hours in range(0, 150, 5) if hours >= 6])


def test_no_epoch_is_visible_after_the_horizon_or_long_before(monitor: Monitor) -> None:
    window, pinned = _window(0), [_window(n) for n in range(-9, 9)]
    assert monitor.final_epoch(window) == _window(2)
    assert visible_epochs(monitor, window, window, pinned) == [_window(n) for n in range(-3, 1)]
    assert visible_epochs(monitor, window, _window(30), pinned) == [_window(n) for n in range(-3, 3)]


def test_the_first_run_pins_what_its_windows_may_need(monitor: Monitor) -> None:
    _collect(monitor, ("early", -20))
    pin_epochs(monitor, _window(0))
    assert pinned_epochs(monitor) == [_window(n) for n in range(-6, 1)]
    assert _ids(monitor, -2) == ["early"]


def test_an_object_that_was_changed_is_pinned_again(monitor: Monitor) -> None:
    _collect(monitor, ("a", 10))
    pin_epochs(monitor, _window(0))
    (item,) = load_epoch(monitor, _window(0)).objects
    monitor.store.put(item.info.key, monitor.store.get(item.info.key) * 2)
    pin_epochs(monitor, _window(1))
    assert _ids(monitor, 1) == ["a", "a"]
    assert [item.version for item in load_epoch(monitor, _window(1)).objects] == [1]


@pytest.mark.parametrize(
    ("folders", "day", "next_day"),
    [
        ("dt=%Y-%m-%d", "dt=2024-01-11", "dt=2024-01-12"),
        ("*/%Y/%m/%d", "eu/2024/01/11", "us/2024/01/12"),
        ("%Y/%m/%d/h%H", "2024/01/11/h23", "2024/01/12/h06"),
    ],
)
def test_folders_of_any_names(make_world: Callable[..., Any], folders: str, day: str, next_day: str) -> None:
    monitor = make_world(labels={"folders": folders, "format": "csv"}).monitor
    for folder in (day, next_day, "other"):
        monitor.store.put(f"labels/toy/{folder}/x.csv", b"event_id,label\na,1\n")
    pin_epochs(monitor, _window(1))
    found = {n: [item.info.key for item in load_epoch(monitor, _window(n)).objects] for n in (0, 1)}
    assert found == {0: [f"labels/toy/{day}/x.csv"], 1: [f"labels/toy/{next_day}/x.csv"]}


def test_pinned_labels_are_read_once(monitor: Monitor) -> None:
    _collect(monitor, ("a", 10))
    pin_epochs(monitor, _window(0))
    before = epoch_labels(monitor, _window(0))
    for info in monitor.store.objects("labels/toy/"):
        monitor.store.delete(info.key)
    again = epoch_labels(monitor, _window(0))
    assert again.rows.equals(before.rows)
    assert again.rows["label"].to_pylist() == ["1"]


def test_an_object_that_has_gone_before_it_was_read_is_accounted_for(monitor: Monitor) -> None:
    _collect(monitor, ("a", 10), ("b", 11))
    pin_epochs(monitor, _window(0))
    monitor.store.delete(load_epoch(monitor, _window(0)).objects[0].info.key)
    found = epoch_labels(monitor, _window(0))
    assert (found.read, found.quarantined, found.rows.num_rows) == (2, 1, 1)


def test_unreadable_labels_go_to_quarantine(monitor: Monitor) -> None:
    good = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "a"}}
    lines = [json.dumps(good), "no json", json.dumps(good | {"groundTruthData": {}})]
    monitor.store.put("labels/toy/2024/01/11/10/x.jsonl", "\n".join(lines).encode())
    pin_epochs(monitor, _window(0))
    found = epoch_labels(monitor, _window(0))
    assert (found.read, found.quarantined, found.rows["label"].to_pylist()) == (3, 2, ["1"])
    kept = monitor.store.get(monitor.layout.label_quarantine(_window(0))).splitlines()
    assert [json.loads(line)["reason"] for line in kept] == ["not_json", "bad_label"]


def test_keys_outside_the_hours_are_ignored(monitor: Monitor) -> None:
    _collect(monitor, ("a", 10))
    for hour in ("24", "tmp", "-1"):
        monitor.store.put(f"labels/toy/2024/01/11/{hour}/x.jsonl", b"no label")
    monitor.store.put("labels/toy/2024/01/11/_SUCCESS", b"no label")
    pin_epochs(monitor, _window(0))
    assert _ids(monitor, 0) == ["a"]


def test_a_model_without_labels_has_no_epochs(make_world: Callable[..., Any]) -> None:
    monitor = make_world(labels=None).monitor
    pin_epochs(monitor, _window(0))
    assert pinned_epochs(monitor) == visible_epochs(monitor, _window(0), _window(1), []) == []
