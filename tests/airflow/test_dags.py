from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from monitoring import history, pipeline
from monitoring.airflow.schedule import run_date, start_date, timetable, window_of
from monitoring.config import load_model
from monitoring.monitor import Monitor
from monitoring.store.local import LocalStore
from tests.conftest import World

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

pytestmark = pytest.mark.airflow


@pytest.fixture
def world(store_root: Path) -> World:
    import os

    config = load_model(Path(os.environ["MODEL_MONITOR_MODELS"]) / "toy.yaml")
    return World(LocalStore(store_root), config)


def run(bag: DagBag, world: World, number: int, dag_id: str = "monitor_toy") -> dict[str, str]:
    """The state of each task after the run that looks after day `number`."""
    dag = bag.dags[dag_id]
    result = dag.test(logical_date=run_date(world.monitor.config, world.window(number)))
    return {
        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
        for ti in result.get_task_instances()
    } | {"run": str(result.state)}


def test_every_model_has_a_dag_and_a_broken_file_is_one_readable_error(dag_bag: DagBag) -> None:
    assert set(dag_bag.dags) == {"monitor_toy", "monitor_toy_by_dag", "retrain_flight_delay"}
    ((path, message),) = dag_bag.import_errors.items()
    assert path.endswith("broken_models.py")
    assert "broken.yaml:2: unknown key 'colour'; allowed: name, description" in message


def test_the_tasks_stand_in_the_order_of_the_pipeline(dag_bag: DagBag) -> None:
    tasks = dag_bag.dags["monitor_toy"].task_dict
    order = ["pin_inputs", "profile", "join_labels", "measure_and_judge", "report", "decide"]
    for before, after in pairwise(order):
        assert after in tasks[before].downstream_task_ids
    assert tasks["decide"].downstream_task_ids == {"notify", "request_retraining", "all_clear"}


def test_a_configured_dag_is_triggered_instead_of_an_asset_event(dag_bag: DagBag) -> None:
    task = dag_bag.dags["monitor_toy_by_dag"].task_dict["request_retraining"]
    assert task.trigger_dag_id == "retrain_flight_delay"
    assert task.skip_when_already_exists


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        ({"every": "day", "settle": "6h", "start": "2024-01-11"}, "2024-01-11T00:00:00+00:00"),
        ({"every": "hour", "settle": "20m", "start": "2024-01-11"}, "2024-01-11T00:00:00+00:00"),
        ({"every": "week", "settle": "2d", "start": "2024-01-11"}, "2024-01-08T00:00:00+00:00"),
    ],
)
def test_scheduled_runs_look_after_consecutive_windows(schedule: dict[str, Any], first: str, make_config: Any) -> None:
    import pendulum
    from airflow.timetables.base import TimeRestriction

    config = make_config(schedule=schedule)
    table = timetable(config.schedule)
    restriction = TimeRestriction(earliest=pendulum.instance(start_date(config.schedule)), latest=None, catchup=True)
    last, windows = None, []
    for _ in range(3):
        info = _core(table).next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        last = info.data_interval
        windows.append(window_of(config, {"params": {}, "dag_run": None, "data_interval_end": last.end}))
        assert run_date(config, windows[-1]) == last.end
    assert windows[0].start == datetime.fromisoformat(first)
    assert [w.start for w in windows[1:]] == [windows[0].end, windows[1].end]


def _core(table: Any) -> Any:
    """The scheduler's twin of an authoring timetable."""
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    return decode_timetable(encode_timetable(table))


def test_a_window_outside_the_schedule_is_skipped_whole(dag_bag: DagBag, world: World) -> None:
    states = run(dag_bag, world, -1)
    assert set(states.values()) == {"skipped", "success"}
    assert [task for task, state in states.items() if state == "success"] == ["run"]
    assert not world.monitor.store.folders("toy/windows/")


def test_runs_give_what_the_pipeline_gives_by_hand(dag_bag: DagBag, world: World, tmp_path: Path) -> None:
    world.train()
    world.play(0, 1)
    for number in (0, 1):
        states = run(dag_bag, world, number)
        assert states["run"] == "success"
        assert states["profile[0]"] == states["all_clear"] == "success"
        assert states["notify"] == states["request_retraining"] == "skipped"
    by_hand = World(LocalStore(tmp_path / "by-hand"), world.monitor.config)
    by_hand.train()
    by_hand.play(0, 1)
    for number in (0, 1):
        pipeline.run_window(by_hand.monitor, world.window(number))
    for number, revisions in ((0, [1, 2]), (1, [1])):
        assert history.revisions(world.monitor, world.window(number)) == revisions
        for revision in revisions:
            for key in (world.monitor.layout.verdict, world.monitor.layout.decision, world.monitor.layout.metrics):
                name = key(world.window(number), revision)
                assert world.monitor.store.get(name) == by_hand.monitor.store.get(name)
            assert world.monitor.store.exists(world.monitor.layout.report(world.window(number), revision))


def test_a_window_without_objects_is_unknown_and_its_run_succeeds(dag_bag: DagBag, world: World) -> None:
    world.train()
    states = run(dag_bag, world, 0)
    assert states["run"] == "success"
    assert states["profile"] == "skipped"
    assert states["notify"] == "success"
    assert history.load_verdict(world.monitor, world.window(0), 1).status == "unknown"


def test_retraining_is_asked_for_once_with_the_reasons(dag_bag: DagBag, world: World) -> None:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    world.train()
    # scores turned round: what was likely is unlikely now
    world.play(0)
    world.replace_captures(0, _turned)
    first = run(dag_bag, world, 0)
    assert first["request_retraining"] == first["notify"] == "success"
    assert first["all_clear"] == "skipped"
    with create_session() as session:
        events = [event.extra for event in session.scalars(select(AssetEvent)) if event.extra.get("model") == "toy"]
    assert [event["window"] for event in events] == ["2024-01-11"]
    assert "worse than always predicting the average" in events[0]["reasons"][0]

    by_another_run = dag_bag.dags["monitor_toy"].test(
        logical_date=run_date(world.monitor.config, world.window(5)), run_conf={"window": "2024-01-11"}
    )
    again = {ti.task_id: str(ti.state) for ti in by_another_run.get_task_instances()}
    assert again["request_retraining"] == "skipped"


def _turned(item: Any) -> Any:
    from dataclasses import replace

    return replace(item, score=1 - item.score)


def test_what_no_retry_can_mend_fails_at_once() -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from monitoring.airflow.errors import airflow_outcome
    from monitoring.errors import ConfigError, StoreUnavailableError

    with pytest.raises(AirflowFailException, match=r"models/a\.yaml:3: wrong"), airflow_outcome():
        raise ConfigError("wrong", where="models/a.yaml:3")
    with pytest.raises(StoreUnavailableError), airflow_outcome():
        raise StoreUnavailableError("try again")


def test_a_window_parameter_must_be_the_start_of_a_window(make_config: Any) -> None:
    from monitoring.errors import ConfigError

    config = make_config()
    with pytest.raises(ConfigError, match="no day window starts at 2024-01-11T05"):
        window_of(config, {"params": {"window": "2024-01-11T05"}})
    monitor = Monitor(LocalStore(Path("unused")), config)
    assert window_of(config, {"params": {"window": "2024-01-12"}}) == monitor.window("2024-01-12")
