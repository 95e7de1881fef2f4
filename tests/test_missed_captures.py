"""Late captures beside missed runs, reruns, replays and labels: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monitoring import pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.engine import reading
from monitoring.engine.intake import Intake
from monitoring.engine.windows import load_records
from monitoring.errors import PinnedObjectChangedError
from monitoring.judge import Verdict
from monitoring.quarantine import list_quarantine, replay

MakeWorld = Callable[..., Any]
AS_TEXT = {"features": {"amount": "numeric", "age": "categorical", "country": "categorical"}}


def _world(make_world: MakeWorld, *numbers: int, **changes: Any) -> Any:
    world = make_world(**changes)
    world.train()
    world.play(*numbers)
    return world


def _run(world: Any, *numbers: int) -> list[Verdict]:
    return [verdict for n in numbers for verdict in pipeline.run_window(world.monitor, world.window(n))]


def _ids(world: Any, number: int) -> list[str]:
    return load_records(world.monitor, world.window(number), ["event_id"])["event_id"].to_pylist()


def _late(world: Any, number: int, name: str = "late") -> list[CapturedInference]:
    return [replace(item, event_id=f"{name} {i}") for i, item in enumerate(world.inferences(number)[:5])]


def _file(world: Any, items: list[CapturedInference], folder: str, name: str = "x") -> str:
    store = world.monitor.store
    keys = write_captures(store, "scratch", items)
    data = b"".join(store.get(key) for key in keys)
    for key in keys:
        store.delete(key)
    store.put(f"captures/toy/{folder}/{name}.jsonl", data)
    return f"captures/toy/{folder}/{name}.jsonl"


@pytest.mark.parametrize("labels", [None, {"uri": "labels/toy", "horizon": "2d"}])
@pytest.mark.parametrize("following", [2, 3, 4])
def test_what_came_while_runs_were_missed(make_world: MakeWorld, following: int, labels: Any) -> None:
    world = _world(make_world, 0, 1, 2, 3, 4, labels=labels)
    _run(world, 0)
    _file(world, _late(world, 0), "2024/01/11/10", "late")
    looks = [(v.window, v.numbers["rows"].value) for v in _run(world, following)]
    assert [name for name in _ids(world, 0) if name.startswith("late")] == [f"late {i}" for i in range(5)]
    assert (world.window(0), 305) in looks


def test_what_came_twice_while_runs_were_missed(make_world: MakeWorld) -> None:
    labels = {"uri": "labels/toy", "horizon": "5d"}
    world = _world(make_world, 0, 1, 2, 3, labels=labels, capture={"late": "5d"})
    _file(world, _late(world, 0), "2024/01/12/10", "late")
    _file(world, _late(world, 0), "2024/01/14/10", "late")
    _run(world, 0, 3)
    assert len(_ids(world, 0)) == len(set(_ids(world, 0))) == 305


def test_a_growing_file_in_a_pile_with_labels(make_world: MakeWorld) -> None:
    world = _world(make_world, capture={"folders": ""})
    _file(world, world.inferences(0)[:100], "pile", "a")
    _run(world, 0)
    _file(world, world.inferences(0)[:110], "pile", "a")
    write_labels(world.monitor.store, "labels/toy", world.labels(0))
    _run(world, 1)
    assert len(_ids(world, 0)) == 110
    assert Intake.load(world.monitor, world.window(1)).duplicate == 100


@pytest.mark.parametrize("gone", [True, False])
def test_a_large_object_that_changed_is_not_read_in_another_way(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    monkeypatch.setattr(reading, "_LARGEST_WHOLE", 1000)
    world = _world(make_world, labels=None)
    key = _file(world, world.inferences(0), "2024/01/11/10")
    _run(world, 0)
    world.monitor.store.delete(key)
    if not gone:
        _file(world, world.inferences(0)[:9], "2024/01/11/10")
    other = make_world(world.monitor.store, labels=None, columns={"threshold": 0.4})
    with pytest.raises(PinnedObjectChangedError):
        _run(other, 0)
    assert len(_ids(world, 0)) == 300


def test_replayed_and_then_read_again_with_the_same_fix(make_world: MakeWorld) -> None:
    world = _world(make_world)
    spoilt = [
        replace(item, features=[item.features[0], "forty", item.features[2]]) if number < 10 else item
        for number, item in enumerate(world.inferences(0))
    ]
    write_captures(world.monitor.store, "captures/toy", spoilt)
    world.play(1)
    write_labels(world.monitor.store, "labels/toy", world.labels(0))
    _run(world, 0)
    mended = make_world(world.monitor.store, columns=AS_TEXT)
    replay(mended.monitor)
    _run(mended, 1)
    assert len(_ids(mended, 0)) == 300
    _run(mended, 0)
    assert len(_ids(mended, 0)) == len(set(_ids(mended, 0))) == 300


def test_delivered_late_into_a_folder_of_the_day(make_world: MakeWorld) -> None:
    world = _world(make_world, labels=None, capture={"dated_by": "delivery", "folders": "%Y/%m/%d"})

    def put(number: int, items: list[CapturedInference], name: str, written: int) -> None:
        key = _file(world, items, f"2024/01/{11 + number}", name)
        moment = (world.window(written).start + timedelta(hours=23)).timestamp()
        os.utime(os.path.join(world.monitor.store.uri, key), (moment, moment))

    put(0, world.inferences(0)[:200], "x", 0)
    put(1, world.inferences(1), "x", 1)
    _run(world, 0, 1)
    put(0, world.inferences(0)[200:], "late", 2)
    put(2, world.inferences(2), "x", 2)
    _run(world, 2)
    assert len(_ids(world, 0)) == 300


@pytest.mark.parametrize("moment", ["2999-01-01T00:00:00Z", "0500-01-01T00:00:00Z", "9999-12-31T23:59:00Z"])
@pytest.mark.parametrize("folders", ["", "%Y/%m/%d/%H"])
def test_odd_times_are_set_aside(make_world: MakeWorld, folders: str, moment: str) -> None:
    world = _world(make_world, labels=None, capture={"folders": folders})
    store = world.monitor.store
    key = _file(world, world.inferences(0)[:3], "2024/01/11/10")
    lines = [json.loads(line) for line in store.get(key).splitlines()]
    lines[0]["eventMetadata"]["inferenceTime"] = moment
    store.put(key, "\n".join(map(json.dumps, lines)).encode() + b"\n")
    _run(world, 0, 1)
    assert Intake.load(world.monitor, world.window(0)).quarantined == {"bad_event_time": 1}
    assert len(_ids(world, 0)) == 2


def test_a_record_of_many_rows_is_replayed_once(make_world: MakeWorld) -> None:
    world = _world(make_world, 4, 5, labels=None, capture={"late": "1d"})
    rows = {"INPUT": "\n".join(["10,40,at"] * 100), "OUTPUT": "\n".join(["0.5"] * 100)}
    sides = {m: {"observedContentType": "text/csv", "mode": m, "encoding": "CSV", "data": d} for m, d in rows.items()}
    record = {
        "captureData": {"endpointInput": sides["INPUT"], "endpointOutput": sides["OUTPUT"]},
        "eventMetadata": {"eventId": "batch", "inferenceTime": "2024-01-11T10:00:00Z"},
    }
    world.monitor.store.put("captures/toy/2024/01/15/10/z.jsonl", json.dumps(record).encode() + b"\n")
    _run(world, 4)
    assert Intake.load(world.monitor, world.window(4)).quarantined == {"too_late": 100}
    assert replay(world.monitor).records == 1
    _run(world, 5)
    assert Intake.load(world.monitor, world.window(5)).read == 400
    assert len(_ids(world, 0)) == 100


def test_what_a_second_reading_sets_aside_can_be_replayed(make_world: MakeWorld) -> None:
    world = _world(make_world, 0, 1, 2, labels=None)
    store = world.monitor.store
    key = store.keys("captures/toy/2024/01/11/")[0]
    store.put(key, store.get(key).replace(b'"data": "0.', b'"data": "% 0.', 1))
    _run(world, 0)
    assert replay(world.monitor).records == 1
    _run(world, 1)
    wrong = make_world(store, labels=None, columns={"outputs": ["x", "score"]})
    _run(wrong, 0)
    [group] = list_quarantine(wrong.monitor, world.window(0))
    assert (group.records, group.replayed) == (300, 0)
    right = make_world(store, labels=None, columns={"threshold": 0.3})
    assert replay(right.monitor, world.window(0)).records == 300
    _run(right, 2)
    assert len(_ids(right, 0)) == 299


def test_a_fold_and_a_threshold_make_no_conflict(make_world: MakeWorld) -> None:
    columns = {"privacy": {"fold_below": 5}}
    world = _world(make_world, 0, 1, labels=None, columns=columns)
    rare = [replace(i, features=[i.features[0], i.features[1], "xx"]) for i in world.inferences(0)]
    world.replace_captures(0, lambda i: replace(i, features=[i.features[0], i.features[1], "xx"]))
    _run(world, 0)
    other = make_world(world.monitor.store, labels=None, columns={**columns, "threshold": 0.9})
    _file(other, rare[:40], "2024/01/12/10", "again")
    _run(other, 1)
    intake = Intake.load(other.monitor, world.window(1))
    assert (intake.duplicate, intake.conflicting) == (40, 0)
