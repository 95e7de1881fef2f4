"""Requests and responses that are captured apart, through the whole pipeline: in one batch, in two, in two runs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from monitoring import pipeline
from monitoring.engine.intake import Intake
from monitoring.engine.windows import load_records
from monitoring.judge import Verdict
from monitoring.quarantine import replay

MakeWorld = Callable[..., Any]


def _world(make_world: MakeWorld, **capture: Any) -> Any:
    changes = {"format": "kserve", "folders": "%Y/%m/%d", "dated_by": "inference", "late": "1d", **capture}
    world = make_world(labels=None, capture=changes)
    world.train()
    return world


def _write(world: Any, name: str, side: str, body: Any, folder: str = "2024/01/11") -> None:
    moment = datetime.fromisoformat(f"{folder.replace('/', '-')}T10:00:00").replace(tzinfo=UTC)
    record = {
        "Url": {"Scheme": "s3"},
        "Bytes": base64.b64encode(json.dumps(body).encode()).decode(),
        "ContentType": "application/json",
        "ReqType": f"org.kubeflow.serving.inference.{side}",
        "Id": name,
        "InferenceService": "toy",
        "Metadata": {"Ce-Time": [moment.isoformat()]},
    }
    world.monitor.store.put(f"captures/toy/{folder}/{name}-{side}.json", json.dumps(record).encode())


def _request(world: Any, name: str, folder: str = "2024/01/11") -> None:
    _write(world, name, "request", {"instances": [[12.5, 41, "at"]]}, folder)


def _response(world: Any, name: str, folder: str = "2024/01/11") -> None:
    _write(world, name, "response", {"predictions": [{"score": 0.25}]}, folder)


def _run(world: Any, *numbers: int) -> list[Verdict]:
    return [verdict for n in numbers for verdict in pipeline.run_window(world.monitor, world.window(n))]


def _ids(world: Any, number: int) -> list[str]:
    return load_records(world.monitor, world.window(number), ["event_id"])["event_id"].to_pylist()


def test_both_sides_in_one_batch(make_world: MakeWorld) -> None:
    world = _world(make_world)
    for name in ("a", "b"):
        _request(world, name)
        _response(world, name)
    [verdict] = _run(world, 0)
    assert verdict.numbers["rows"].value == 2
    assert _ids(world, 0) == ["a", "b"]
    [batch] = json.loads(world.monitor.store.get("toy/windows/2024-01-11/manifest.json"))["batches"]
    assert len(batch) == 4


def test_the_sides_of_one_inference_are_in_one_batch_however_small_it_is(make_world: MakeWorld) -> None:
    world = _world(make_world, batch_bytes=1)
    for name in ("a", "b"):
        _request(world, name)
        _response(world, name)
    _run(world, 0)
    manifest = json.loads(world.monitor.store.get("toy/windows/2024-01-11/manifest.json"))
    assert [len(batch) for batch in manifest["batches"]] == [2, 2]
    assert _ids(world, 0) == ["a", "b"]


def test_a_side_waits_for_the_other_until_the_next_run(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _request(world, "b")
    _response(world, "a")
    [first] = _run(world, 0)
    assert (first.numbers["rows"].value, first.accounting["records"]["waiting"]) == (1, 1)
    assert first.accounting["records"]["quarantined"] == {}
    _response(world, "b", "2024/01/12")
    again, second = _run(world, 1)
    assert (again.window, again.revision, again.numbers["rows"].value) == (world.window(0), 2, 2)
    assert second.numbers["rows"].value == 0
    assert Intake.load(world.monitor, world.window(1)).waiting == 0


def test_a_side_whose_other_side_never_comes_is_set_aside(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _response(world, "b")
    _run(world, 0)
    for number, (waiting, quarantined) in enumerate([(2, {}), (0, {"no_input": 1, "no_output": 1}), (0, {})], start=1):
        world.monitor.store.put(f"captures/toy/2024/01/{11 + number}/x-request.json", b"")
        _run(world, number)
        intake = Intake.load(world.monitor, world.window(number))
        assert (intake.waiting, intake.quarantined) == (waiting, quarantined), number
        assert intake.read == sum(quarantined.values())


def test_a_side_that_comes_twice_counts_once(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _response(world, "a")
    store = world.monitor.store
    store.put("captures/toy/2024/01/11/a-request.json.gz", store.get("captures/toy/2024/01/11/a-request.json"))
    [verdict] = _run(world, 0)
    assert verdict.numbers["rows"].value == 1
    intake = Intake.load(world.monitor, world.window(0))
    assert (intake.read, intake.duplicate, intake.waiting) == (2, 1, 0)


def test_a_rerun_gives_the_same_bytes(make_world: MakeWorld) -> None:
    world = _world(make_world, batch_bytes=1)
    _request(world, "a")
    _request(world, "b")
    _response(world, "a")
    _response(world, "b", "2024/01/12")
    _run(world, 0, 1)
    store = world.monitor.store
    before = {key: store.get(key) for key in store.keys("toy/")}
    for key in store.keys("toy/windows/2024-01-12/"):
        if "manifest" not in key:
            store.delete(key)
    _run(world, 0, 1)
    assert {key: store.get(key) for key in store.keys("toy/")} == before


def test_a_pile_of_requests_and_responses_without_dates(make_world: MakeWorld) -> None:
    world = _world(make_world, folders="", dated_by=None)
    for name in ("a", "b", "c"):
        _request(world, name)
    _response(world, "a")
    _response(world, "b", "2024/01/12")
    [first] = _run(world, 0)
    assert (first.numbers["rows"].value, first.accounting["records"]["waiting"]) == (2, 1)
    _response(world, "c", "2024/01/12")
    again, _ = _run(world, 1)
    assert (again.window, again.numbers["rows"].value) == (world.window(0), 3)


def test_a_side_that_comes_again_in_a_later_run_is_a_duplicate(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _response(world, "a")
    _run(world, 0)
    _request(world, "a", "2024/01/12")
    _run(world, 1, 2, 3)
    intakes = [Intake.load(world.monitor, world.window(number)) for number in (1, 2, 3)]
    assert [(i.read, i.duplicate, i.waiting, i.quarantined) for i in intakes] == [
        (1, 1, 0, {}),
        (0, 0, 0, {}),
        (0, 0, 0, {}),
    ]


def test_a_side_that_was_set_aside_finds_the_other_one_after_a_replay(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _run(world, 0, 1, 2)
    assert Intake.load(world.monitor, world.window(2)).quarantined == {"no_output": 1}
    assert replay(world.monitor).records == 1
    _run(world, 3)
    assert Intake.load(world.monitor, world.window(3)).waiting == 1
    _response(world, "a", "2024/01/15")
    _run(world, 4)
    assert _ids(world, 0) == ["a"]


def test_a_side_is_set_aside_after_an_outage_or_when_its_object_has_gone(make_world: MakeWorld) -> None:
    world = _world(make_world)
    _request(world, "a")
    _request(world, "b")
    _run(world, 0)
    world.monitor.store.delete("captures/toy/2024/01/11/b-request.json")
    _run(world, 6)
    found = [Intake.load(world.monitor, world.window(n)).quarantined for n in range(3, 7)]
    assert found == [{"missing_object": 1, "no_output": 1}, {}, {}, {}]
