"""Replay one model's spring through the real DAGs, day by day, in this process.

Run by `demo.run`, one process per model; it writes a JSON line per day to standard output.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

from demo.environment import ROOT
from monitoring import history, settings
from monitoring.airflow.schedule import run_date
from monitoring.baseline import baseline_for, create_baseline
from monitoring.config import load_model, model_path
from monitoring.decide import Action
from monitoring.monitor import Monitor
from monitoring.window import Window

if TYPE_CHECKING:
    from airflow.sdk import DAG

_RETRAINING = {"flight-delay": "retrain_flight_delay"}


def days(monitor: Monitor) -> list[Window]:
    """The days that are replayed."""
    schedule = monitor.config.schedule
    assert schedule.start is not None
    assert schedule.end is not None
    first = monitor.window(schedule.start.isoformat())
    return [first.shift(i) for i in range((schedule.end - schedule.start) // timedelta(days=1) + 1)]


def done_key(monitor: Monitor, window: Window) -> str:
    """The mark of a day that was replayed to its end."""
    return f"demo/done/{monitor.config.name}/{window.label}"


def replay(monitor: Monitor, progress: TextIO) -> None:
    """Play every day that is not done yet, and run the monitoring DAG after it."""
    from demo import world

    todo = [day for day in days(monitor) if not monitor.store.exists(done_key(monitor, day))]
    if not todo:
        return
    _say(progress, stage="training")
    world.prepare(monitor.store, monitor.config.name)
    if baseline_for(monitor, todo[0]) is None:
        create_baseline(monitor)
    _say(progress, stage="starting Airflow")
    dags = _load_dags()
    for window in todo:
        world.play_day(monitor.store, monitor.config, window)
        _run(dags[monitor.config.dag_id], {"window": window.label}, logical_date=run_date(monitor.config, window))
        decision = history.load_decision(monitor, window, 1)
        verdict = history.load_verdict(monitor, window, 1)
        if decision is not None and decision.action is Action.RETRAIN:
            # a scheduler would start it on the asset's event
            _say(progress, stage="retraining")
            _run(dags[_RETRAINING[monitor.config.name]], {"window": window.label})
        monitor.store.put(done_key(monitor, window), b"done\n")
        _say(progress, day=window.label, status=verdict.status)


def _load_dags() -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    bag = DagBag(ROOT / "dags")
    if bag.import_errors:
        raise SystemExit(str(bag.import_errors))
    return dict(bag.dags)


def _run(dag: DAG, conf: dict[str, Any], **when: Any) -> None:
    run = dag.test(run_conf=conf, **when)
    if run.state != "success":
        raise SystemExit(f"{dag.dag_id} {conf} ended as {run.state}")


def _say(progress: TextIO, **message: str) -> None:
    progress.write(json.dumps(message) + "\n")
    progress.flush()


def main() -> None:
    """Replay the model that the command line names."""
    # Airflow writes its log to standard output: keep that apart from the progress
    progress = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    config = load_model(model_path(settings.models_dir(), sys.argv[1]))
    replay(Monitor(settings.open_configured_store(), config, settings.s3_client), progress)


if __name__ == "__main__":
    main()
