"""The quarantine by hand: listing, showing, and reading again after a fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from monitoring import pipeline
from monitoring.capture.quarantine import Reason
from monitoring.engine.intake import Intake
from monitoring.quarantine import list_quarantine, replay, show_quarantine

MakeWorld = Callable[..., Any]


def _world(make_world: MakeWorld, **changes: Any) -> Any:
    """A day on which five scores were written as percentages."""
    world = make_world(labels=None, **changes)
    world.train()
    world.play(0, 1, 2)
    store = world.monitor.store
    [key, *_] = store.keys("captures/toy/2024/01/11/")
    lines = store.get(key).splitlines()
    for number in range(5):
        record = json.loads(lines[number])
        record["captureData"]["endpointOutput"]["data"] += " %"
        lines[number] = json.dumps(record).encode()
    store.put(key, b"\n".join([*lines, b"garbage"]))
    return world


def _mend(world: Any) -> None:
    """The fix: here the records are repaired where they were put; elsewhere it would be the reader."""
    store = world.monitor.store
    for key in store.keys("toy/replayed/"):
        store.put(key, store.get(key).replace(b" %", b""))


def test_what_is_in_quarantine(make_world: MakeWorld) -> None:
    world = _world(make_world)
    assert list_quarantine(world.monitor) == []
    pipeline.run_window(world.monitor, world.window(0))
    found = [(g.window, g.reason, g.records, g.rows, g.replayed) for g in list_quarantine(world.monitor)]
    assert found == [(world.window(0), Reason.BAD_SCORE, 5, 5, 0), (world.window(0), Reason.CUT_OFF, 1, 1, 0)]
    [(window, item)] = show_quarantine(world.monitor, reason=Reason.CUT_OFF)
    assert (window, item.origin.data) == (world.window(0), b"garbage")
    assert len(list(show_quarantine(world.monitor, world.window(0)))) == 6
    assert list(show_quarantine(world.monitor, world.window(1))) == []


def test_replayed_records_make_a_revision_of_their_window(make_world: MakeWorld) -> None:
    world = _world(make_world)
    [first] = pipeline.run_window(world.monitor, world.window(0))
    assert first.numbers["rows"].value == 295
    taken = replay(world.monitor, reason=Reason.BAD_SCORE)
    assert (taken.records, len(taken.objects), taken.lost) == (5, 1, 0)
    assert replay(world.monitor, reason=Reason.BAD_SCORE).records == 0
    _mend(world)
    again, second = pipeline.run_window(world.monitor, world.window(1))
    assert (again.window, again.revision, again.numbers["rows"].value) == (world.window(0), 2, 300)
    assert second.numbers["rows"].value == 300
    groups = {group.reason: (group.replayed, group.read_again) for group in list_quarantine(world.monitor)}
    assert groups[Reason.BAD_SCORE] == (5, True)
    assert groups[Reason.CUT_OFF] == (0, True)
    assert [v.window for v in pipeline.run_window(world.monitor, world.window(2))] == [world.window(2)]
    assert Intake.load(world.monitor, world.window(2)).read == 300


def test_what_still_cannot_be_read_is_set_aside_again(make_world: MakeWorld) -> None:
    world = _world(make_world)
    pipeline.run_window(world.monitor, world.window(0))
    replay(world.monitor)
    pipeline.run_window(world.monitor, world.window(1))
    intake = Intake.load(world.monitor, world.window(1))
    assert intake.quarantined == {"bad_score": 5, "not_json": 1}
    assert intake.read == 306
    _mend(world)
    taken = replay(world.monitor, world.window(1), Reason.BAD_SCORE)
    assert taken.records == 5
    _mend(world)
    again, _ = pipeline.run_window(world.monitor, world.window(2))
    assert (again.window, again.numbers["rows"].value) == (world.window(0), 300)


def test_a_record_that_came_too_late_can_be_replayed(make_world: MakeWorld) -> None:
    world = make_world(labels=None, capture={"late": "1d"})
    world.train()
    world.play(0, 4, 5)
    moved = world.monitor.store.keys("captures/toy/2024/01/11/")[0]
    data = world.monitor.store.get(moved)
    world.monitor.store.delete(moved)
    [before] = pipeline.run_window(world.monitor, world.window(0))
    world.monitor.store.put(moved.replace("/11/", "/15/"), data)
    pipeline.run_window(world.monitor, world.window(4))
    assert {group.reason for group in list_quarantine(world.monitor)} == {Reason.TOO_LATE}
    replay(world.monitor)
    again, _ = pipeline.run_window(world.monitor, world.window(5))
    assert (again.window, again.numbers["rows"].value) == (world.window(0), 300)
    assert before.numbers["rows"].value == 300 - data.count(b"\n")


def test_records_whose_bytes_are_not_kept_are_read_where_they_are(make_world: MakeWorld) -> None:
    world = _world(make_world, columns={"privacy": {"columns": {"age": "drop"}}})
    pipeline.run_window(world.monitor, world.window(0))
    items = [item for _, item in show_quarantine(world.monitor, reason=Reason.BAD_SCORE)]
    assert {item.origin.data for item in items} == {b""}
    assert replay(world.monitor, reason=Reason.BAD_SCORE).records == 5
    [key] = world.monitor.store.keys("toy/replayed/")
    assert world.monitor.store.get(key).count(b" %") == 5
    _mend(world)
    again, _ = pipeline.run_window(world.monitor, world.window(1))
    assert (again.window, again.numbers["rows"].value) == (world.window(0), 300)
    assert world.monitor.store.keys("toy/replayed/") == []


def test_an_object_that_was_damaged_is_read_whole(make_world: MakeWorld) -> None:
    import gzip

    world = make_world(labels=None)
    world.train()
    world.play(0, 1)
    [first, *_] = world.monitor.store.keys("captures/toy/2024/01/11/")
    whole = gzip.compress(world.monitor.store.get(first), mtime=0)
    lines = world.monitor.store.get(first).count(b"\n")
    world.monitor.store.put(f"{first}.gz", whole[:-20])
    world.monitor.store.delete(first)
    [before] = pipeline.run_window(world.monitor, world.window(0))
    assert before.numbers["rows"].value < 300
    store = replace(world.monitor, store=world.monitor.store).store
    store.put(f"{first}.gz", whole)
    assert replay(world.monitor, reason=Reason.BAD_OBJECT).records == 1
    again, _ = pipeline.run_window(world.monitor, world.window(1))
    assert (again.window, again.numbers["rows"].value) == (world.window(0), 300)
    assert lines > 1
