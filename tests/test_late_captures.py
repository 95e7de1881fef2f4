"""Captures that come late, twice, in another window's folder, or without dates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitoring import pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.engine.intake import Intake
from monitoring.engine.windows import load_records
from monitoring.judge import Code, Status, Verdict

MakeWorld = Callable[..., Any]


def _run(world: Any, *numbers: int) -> list[Verdict]:
    return [verdict for n in numbers for verdict in pipeline.run_window(world.monitor, world.window(n))]


def _world(make_world: MakeWorld, *numbers: int, **changes: Any) -> Any:
    world = make_world(**changes)
    world.train()
    world.play(*numbers)
    return world


def _file(world: Any, items: list[CapturedInference], folder: str, name: str = "x") -> None:
    """Write inferences into one object, wherever their times belong."""
    write_captures(world.monitor.store, "scratch", items)
    infos = world.monitor.store.objects("scratch/")
    data = b"".join(world.monitor.store.get(info.key) for info in infos)
    for info in infos:
        world.monitor.store.delete(info.key)
    world.monitor.store.put(f"captures/toy/{folder}/{name}.jsonl", data)


def _ids(world: Any, number: int, until: int | None = None) -> list[str]:
    epoch = None if until is None else world.window(until)
    return load_records(world.monitor, world.window(number), ["event_id"], epoch)["event_id"].to_pylist()


def test_a_late_object_makes_a_revision_of_its_window(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    held_back = world.inferences(0)[100:150]
    for info in world.monitor.store.objects("captures/toy/2024/01/11/"):
        world.monitor.store.delete(info.key)
    early = [item for item in world.inferences(0) if item not in held_back]
    write_captures(world.monitor.store, "captures/toy", early)
    [first] = _run(world, 0)
    assert first.numbers["rows"].value == 250
    _file(world, held_back, "2024/01/11/10")
    again, second = _run(world, 1)
    assert (again.window, again.revision, again.numbers["rows"].value) == (world.window(0), 2, 300)
    assert again.as_of == second.as_of
    assert again.accounting["records"]["late"] == 50
    assert second.accounting["records"] == {
        "read": 300,
        "profiled": 300,
        "duplicate": 0,
        "quarantined": {},
        "conflicting": 0,
        "late": 0,
        "waiting": 0,
    }
    intake = Intake.load(world.monitor, world.window(1))
    assert (intake.read, intake.targets) == (350, {"2024-01-11": 50, "2024-01-12": 300})
    assert _ids(world, 0) == [item.event_id for item in [*early, *held_back]]
    assert _ids(world, 0, until=0) == [item.event_id for item in early]


def test_what_is_measured_does_not_depend_on_when_it_came(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    at_once = _run(world, 0, 1)[0]
    store = world.monitor.store
    for info in store.objects("toy/windows/"):
        store.delete(info.key)
    [moved, *_] = store.objects("captures/toy/2024/01/11/")
    data = store.get(moved.key)
    store.delete(moved.key)
    _run(world, 0)
    store.put(moved.key, data)
    late = next(verdict for verdict in _run(world, 1) if verdict.window == world.window(0))
    assert late.numbers == at_once.numbers
    # without labels an estimate is made at the first look
    others = ("quarantine", "estimated_loss")
    of_rows = [[f.measurement for f in v.findings if f.check not in others] for v in (late, at_once)]
    assert of_rows[0] == of_rows[1]


def test_records_go_to_the_window_of_their_own_time(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None)
    _file(world, world.inferences(0)[:200], "2024/01/11/10")
    _file(world, [*world.inferences(0)[200:], *world.inferences(1)], "2024/01/12/00")
    [first] = _run(world, 0)
    assert first.numbers["rows"].value == 200
    again, second = _run(world, 1)
    assert (again.revision, again.numbers["rows"].value) == (2, 300)
    assert second.numbers["rows"].value == 300
    assert not second.accounting["records"]["quarantined"]


def test_records_that_are_too_late_or_too_early_are_set_aside(make_world: MakeWorld) -> None:
    world = _world(make_world, 5, labels=None, capture={"late": "2d"})
    _file(world, world.inferences(2)[:3] + world.inferences(3)[:4] + world.inferences(7)[:5], "2024/01/16/12")
    [verdict] = _run(world, 5)
    assert verdict.accounting["records"]["quarantined"] == {"in_the_future": 5, "too_late": 3}
    assert Intake.load(world.monitor, world.window(5)).targets == {"2024-01-14": 4, "2024-01-16": 300}


@pytest.mark.parametrize("folder", ["2024/01/11/20", "2024/01/12/02"])
def test_the_same_records_again_change_nothing(make_world: MakeWorld, folder: str) -> None:
    world = _world(make_world, 0, 1, labels=None)
    before = _run(world, 0)
    _file(world, world.inferences(0)[:40], folder, "again")
    [after] = _run(world, 1)
    assert after.window == world.window(1)
    assert Intake.load(world.monitor, world.window(1)).duplicate == 40
    assert _ids(world, 0) == [item.event_id for item in world.inferences(0)]
    assert before[0].numbers["rows"].value == 300


def test_an_event_id_in_two_windows_counts_once(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, labels=None)
    day = timedelta(days=1)
    shifted = [replace(item, event_time=item.event_time + day) for item in world.inferences(0)[:30]]
    write_captures(world.monitor.store, "captures/toy", [*world.inferences(1), *shifted])
    _run(world, 0)
    [verdict] = _run(world, 1)
    assert (verdict.numbers["rows"].value, verdict.accounting["records"]["duplicate"]) == (300, 30)
    assert verdict.accounting["records"]["conflicting"] == 30
    [finding] = [f for f in verdict.findings if f.check == "event_ids"]
    assert (finding.status, finding.code) == (Status.WARN, Code.EVENT_ID_REUSED)


def test_a_window_alone_is_what_it_is_in_the_order_of_days(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, 2, labels=None)
    _file(world, world.inferences(1)[:20], "2024/01/13/04")
    in_order = next(v for v in _run(world, 0, 1, 2) if v.window == world.window(2))
    for info in world.monitor.store.objects("toy/windows/"):
        world.monitor.store.delete(info.key)
    assert next(v for v in _run(world, 2) if v.window == world.window(2)) == in_order


def test_a_retry_with_another_answer_is_a_conflict_and_a_slower_one_is_not(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, labels=None)
    items = world.inferences(0)
    slower = replace(items[0], attributes={**items[0].attributes, "latency_ms": "900"})
    _file(world, [slower, replace(items[1], score=0.001)], "2024/01/11/23")
    [verdict] = _run(world, 0)
    assert (verdict.accounting["records"]["duplicate"], verdict.accounting["records"]["conflicting"]) == (2, 1)


def test_a_changed_object_is_read_again_and_only_what_is_new_counts(make_world: MakeWorld) -> None:
    world = _world(make_world, 1, labels=None)
    _file(world, world.inferences(0)[:100], "2024/01/11/10")
    [first] = _run(world, 0)
    _file(world, world.inferences(0)[:170], "2024/01/11/10")  # the writer has gone on
    again, _ = _run(world, 1)
    assert (first.numbers["rows"].value, again.numbers["rows"].value) == (100, 170)
    assert Intake.load(world.monitor, world.window(1)).duplicate == 100


def test_objects_dated_by_delivery(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None, capture={"dated_by": "delivery"})
    for number in range(3):
        items = world.inferences(number)
        cut = next(i for i, item in enumerate(items) if item.event_time.hour >= 20)
        _file(world, items[:cut], f"2024/01/{11 + number}/20")
        _file(world, items[cut:], f"2024/01/{12 + number}/01", "night")
    verdicts = _run(world, 0, 1, 2)
    assert [(v.window.label, v.revision, v.numbers["rows"].value) for v in verdicts] == [
        ("2024-01-11", 1, 300),
        ("2024-01-12", 1, 300),
        ("2024-01-13", 1, 300),
    ]
    assert [i.key for i in world.monitor.store.objects("toy/windows/2024-01-11/parts/") if i.key.endswith(".parquet")]


def test_a_pile_without_dates_is_read_once_and_sorted_into_its_windows(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None, capture={"folders": ""})
    _file(world, [*world.inferences(2), *world.inferences(0)], "pile", "a")
    _file(world, world.inferences(1)[:250], "pile", "b")
    [first] = _run(world, 0)
    assert first.numbers["rows"].value == 300
    assert Intake.load(world.monitor, world.window(0)).read == 850
    _file(world, world.inferences(1)[250:], "pile", "c")
    [second] = _run(world, 1)
    [third] = _run(world, 2)
    assert [v.numbers["rows"].value for v in (second, third)] == [300, 300]
    assert Intake.load(world.monitor, world.window(1)).read == 50
    _file(world, [replace(item, event_id=f"more {item.event_id}") for item in world.inferences(2)[:7]], "pile", "d")
    again, _ = _run(world, 3)
    assert (again.window, again.revision, again.numbers["rows"].value) == (world.window(2), 2, 307)


def test_a_pile_may_be_found_by_a_later_window_first(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None, trailing=1, capture={"folders": ""}, schedule={"start": "2024-01-11"})
    _file(world, [*world.inferences(0), *world.inferences(3)], "pile")
    [last] = _run(world, 3)
    [first] = _run(world, 0)
    assert (last.numbers["rows"].value, first.numbers["rows"].value) == (300, 300)
    assert _run(world, 0) == [first]


def test_folders_by_the_day_and_with_a_name_in_front(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None, capture={"folders": "*/dt=%Y-%m-%d"})
    _file(world, world.inferences(0)[:200], "blue/dt=2024-01-11")
    _file(world, world.inferences(0)[200:], "green/dt=2024-01-11")
    _file(world, world.inferences(1), "green/dt=2024-01-12")
    assert [v.numbers["rows"].value for v in _run(world, 0, 1)] == [300, 300]


def test_the_cost_of_late_records_follows_the_records(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    _run(world, 0)
    _file(world, [replace(world.inferences(0)[0], event_id="late")], "2024/01/11/10", "late")
    read: list[str] = []
    store = world.monitor.store
    spy = _Spy(store, read)
    pipeline.run_window(replace(world.monitor, store=spy), world.window(1))
    of_window = [key for key in read if key.startswith("toy/windows/2024-01-11/parts/")]
    assert not [key for key in of_window if key.endswith(".parquet") and "/2024-01-11-" in key]
    assert not [key for key in read if key.startswith("captures/toy/2024/01/11/") and "late" not in key]


class _Spy:
    """A store that notes what is read."""

    def __init__(self, store: Any, read: list[str]) -> None:
        self._store, self._read = store, read

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name == "read_many":
            return lambda infos, **more: (self._read.extend(i.key for i in infos), method(infos, **more))[1]
        if name not in ("get", "open", "stream", "get_range"):
            return method
        return lambda key, *args, **more: (self._read.append(key), method(key, *args, **more))[1]


def test_every_run_adds_up(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    _file(world, [*world.inferences(0)[:9], *world.inferences(9)[:2]], "2024/01/12/07", "mixed")
    world.monitor.store.put("captures/toy/2024/01/12/07/bad.jsonl", b"?\n[]\n" + json.dumps({"a": 1}).encode())
    _run(world, 0, 1)
    for number in (0, 1):
        intake = Intake.load(world.monitor, world.window(number))
        assert intake.read == intake.profiled + intake.duplicate + sum(intake.quarantined.values())
    assert intake.quarantined == {"in_the_future": 2, "not_a_capture": 2, "not_json": 1}
    assert intake.duplicate == 9


class _Stopped(BaseException):
    """The process ends here."""


class _Stopping:
    """A store whose process ends before its nth write."""

    def __init__(self, store: Any, writes: int) -> None:
        self._store, self.left = store, writes

    def __getattr__(self, name: str) -> Any:
        if name in ("put", "put_if_absent", "replace", "delete"):
            self.left -= 1
            if not self.left:
                raise _Stopped
        return getattr(self._store, name)


def test_a_window_that_is_read_in_another_way_is_whole_at_any_time(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    _run(world, 0)
    other = make_world(world.monitor.store, labels=None, columns={"threshold": 0.9})
    stops = 0
    for write in range(1, 60):
        stopping = replace(other.monitor, store=_Stopping(world.monitor.store, write))
        try:
            pipeline.run_window(stopping, world.window(0))
        except _Stopped:
            stops += 1
        assert len(_ids(world, 0)) == 300
        if stopping.store.left > 0:
            break
    assert stops > 5
    parts = world.monitor.store.keys("toy/windows/2024-01-11/parts/")
    assert len(parts) == 3
    assert sum(load_records(other.monitor, world.window(0), ["prediction"])["prediction"].to_pylist()) < 100


def test_a_run_does_not_read_the_run_before_in_its_own_way(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, labels=None)
    _run(world, 0)
    before = world.monitor.store.keys("toy/windows/2024-01-11/")
    other = make_world(world.monitor.store, labels=None, columns={"threshold": 0.9})
    _run(other, 1)
    assert world.monitor.store.keys("toy/windows/2024-01-11/") == before
