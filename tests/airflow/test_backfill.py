"""A real scheduler: Airflow's own backfill gives what the runs of each day give."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.environment import airflow_environment
from demo.ui import start, stop, ui_settings, wait_until_healthy
from monitoring import history, pipeline
from monitoring.config import load_model
from monitoring.store.local import LocalStore
from tests.conftest import World, free_ports

pytestmark = [pytest.mark.airflow, pytest.mark.service]

# Several commands of `airflow` in one process: most of the time of each goes into its start
COMMANDS = """
import sys
from airflow.cli.cli_parser import get_parser
for line in sys.argv[1:]:
    arguments = get_parser().parse_args(line.split())
    arguments.func(arguments)
"""
DAYS = 2
SECONDS = 600


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An Airflow of its own, on the toy models."""
    [port] = free_ports(1)
    own = airflow_environment(tmp_path / "airflow", str(tmp_path / "store")) | ui_settings(tmp_path / "airflow", port)
    own.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", None)  # the other tests' database
    # else the newest day runs too, for which the backfilled windows are final: a look more, at a time of its own
    backfill_alone = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}
    # the DAGs do not change, and what reads them anew takes the time of those that run them
    read_once = dict.fromkeys(
        ("AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL", "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL"), "3600"
    )
    return own | backfill_alone | read_once | {"MODEL_MONITOR_MODELS": os.environ["MODEL_MONITOR_MODELS"]}


@contextmanager
def scheduler(environment: dict[str, str], log: Path) -> Iterator[None]:
    """A running `airflow standalone`."""
    with log.open("w") as file:
        process = start(environment, file)
        try:
            assert wait_until_healthy(process, int(environment["AIRFLOW__API__PORT"])), log.read_text()[-3000:]
            yield
        finally:
            stop(process)


def airflow(environment: dict[str, str], *commands: str) -> None:
    program = [sys.executable, "-c", COMMANDS, *commands]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_backfill_gives_the_same_bytes(environment: dict[str, str], tmp_path: Path) -> None:
    config = load_model(Path(environment["MODEL_MONITOR_MODELS"]) / "toy.yaml")
    filled, by_hand = World(LocalStore(tmp_path / "store"), config), World(LocalStore(tmp_path / "by-hand"), config)
    for world in (by_hand, filled):
        world.train()
        world.play(*range(DAYS))
    for number in range(DAYS):
        pipeline.run_window(by_hand.monitor, by_hand.window(number))

    # before the scheduler starts: two writers at once are more than SQLite takes
    dates = f"--from-date 2024-01-11 --to-date 2024-01-{11 + DAYS}"
    backfill = f"backfill create --dag-id monitor_toy {dates} --max-active-runs 1"
    airflow(environment, "db migrate", "dags reserialize", backfill, "dags unpause monitor_toy")
    last = filled.monitor.layout.report(filled.window(DAYS - 1), 1)
    with scheduler(environment, tmp_path / "log"):
        deadline = time.monotonic() + SECONDS
        while not filled.monitor.store.exists(last) and time.monotonic() < deadline:
            time.sleep(1)

    for number in range(DAYS):
        window = filled.window(number)
        revisions = history.revisions(by_hand.monitor, window)
        assert history.revisions(filled.monitor, window) == revisions
        for revision in revisions:
            for key in (filled.monitor.layout.verdict, filled.monitor.layout.decision, filled.monitor.layout.metrics):
                name = key(window, revision)
                assert filled.monitor.store.get(name) == by_hand.monitor.store.get(name), name
