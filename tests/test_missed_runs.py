"""Runs that were missed, came late, or came out of their order: in the end every window has its looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring import history, pipeline
from monitoring.capture import write_captures
from monitoring.capture.writer import write_labels
from monitoring.store.local import LocalStore
from tests.conftest import BuildOnce, World, measured

MakeWorld = Callable[..., World]
Looks = dict[str, list[tuple[int, bool]]]


def _play(world: World, days: Iterable[int], hours: tuple[int, ...] = (2, 20)) -> None:
    """Let a few hours of days happen; labels come 36 hours late: those of the two hours in two epochs."""
    for number in days:
        items = [item for item in world.inferences(number) if item.event_time.hour in hours]
        write_captures(world.monitor.store, "captures/toy", items)
        moments = {item.event_id: item.event_time + timedelta(hours=36) for item in items}
        labels = [(key, label, moments[key]) for key, label, _ in world.labels(number) if key in moments]
        write_labels(world.monitor.store, "labels/toy", labels)


def _run(world: World, days: Iterable[int], **options: Any) -> None:
    for number in days:
        pipeline.run_window(world.monitor, world.window(number), **options)


def _verdicts(world: World) -> dict[str, Any]:
    store = world.monitor.store
    return {key: measured(store.get(key)) for key in store.keys("toy/windows/") if key.endswith("verdict.json")}


def _looks(world: World, *days: int) -> list[list[tuple[int, bool]]]:
    """The revisions of some windows, and whether each is final."""
    monitor = world.monitor
    return [
        [(r, history.load_verdict(monitor, window, r).final) for r in history.revisions(monitor, window)]
        for window in map(world.window, days)
    ]


@pytest.fixture
def make_twin(make_world: MakeWorld, tmp_path: Path) -> Callable[..., World]:
    """Worlds in which the same happens, each on a store of its own."""
    count = iter(range(9))

    def make(days: Iterable[int], **changes: Any) -> World:
        world = make_world(LocalStore(tmp_path / f"twin-{next(count)}"), **changes)
        world.train()
        _play(world, days)
        return world

    return make


def _three_days_and_their_labels(world: World) -> None:
    world.train()
    _play(world, range(3))
    _run(world, range(6))


@pytest.mark.parametrize("back", [7, 12, 40])
def test_windows_before_a_gap_get_their_last_look(
    make_twin: Callable[..., World], build_once: BuildOnce, back: int
) -> None:
    # the horizon is 2 days, and 3 days are looked back over: neither reaches over the longer gaps
    daily, missed = build_once(_three_days_and_their_labels, "daily"), make_twin([0, 1, 2, back])
    _run(missed, (0, 1, 2))
    assert not any(final for looks in _looks(missed, 1, 2) for _, final in looks)
    _run(missed, [back])
    assert [looks[-1] for looks in _looks(missed, 0, 1, 2)] == [(3, True)] * 3
    before = {key: data for key, data in _verdicts(daily).items() if key[len("toy/windows/") :] < "2024-01-14"}
    assert before.items() <= _verdicts(missed).items()
    # nothing is looked at twice
    _run(missed, [back + 1])
    assert _looks(missed, 0, 1, 2) == _looks(daily, 0, 1, 2)


def test_a_gap_and_a_late_backfill_of_it_end_in_the_same_looks(make_twin: Callable[..., World]) -> None:
    daily, missed = make_twin(range(12)), make_twin(range(12))
    _run(daily, range(12))
    _run(missed, (0, 1, 2, 10, 11, *range(3, 10)))
    assert _verdicts(missed) == _verdicts(daily)


def test_runs_out_of_order_end_in_the_same_looks(make_twin: Callable[..., World]) -> None:
    changes = {"labels": {"horizon": "4d"}, "trailing": 1}
    # the last window is beyond the horizon of the first ones
    forward = make_twin(range(9), **changes)
    _run(forward, range(9))
    assert _looks(forward, 0, 4) == [[(1, False), (2, False), (3, False), (4, True)]] * 2
    for order in ((8, *range(9)), reversed(range(9))):
        other = make_twin(range(9), **changes)
        _run(other, order)
        assert _verdicts(other) == _verdicts(forward)


def test_a_horizon_of_many_windows_is_waited_for(
    make_twin: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_FURTHEST", 3)  # an hourly model with a horizon of two months has more than 1000
    world = make_twin([0], labels={"horizon": "5d"})
    _run(world, range(6))
    assert _looks(world, 0) == [[(1, False), (2, False), (3, False), (4, True)]]


def test_a_look_that_is_numbered_anew_is_taken_anew(make_world: MakeWorld, make_twin: Callable[..., World]) -> None:
    world = make_twin([])
    _play(world, range(6), hours=(2,))
    _run(world, range(4))
    # labels come in one epoch alone, so that the third look is the last one, at whatever time that is
    assert _looks(world, 0, 1) == [[(1, False), (2, False), (3, True)]] * 2
    patient = make_world(world.monitor.store, labels={"horizon": "4d"})
    before = history.load_verdict(world.monitor, world.window(1), 3)
    _run(patient, (4, 5))
    after = history.load_verdict(patient.monitor, world.window(1), 3)
    assert (before.as_of, after.as_of) == (world.monitor.as_of(world.window(3)), world.monitor.as_of(world.window(5)))
    assert after.final
