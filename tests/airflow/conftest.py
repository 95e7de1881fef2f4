"""A real Airflow on a database of its own: settings are frozen when Airflow is first imported."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

ROOT = Path(__file__).parents[2]
_HOME = Path(tempfile.mkdtemp(prefix="airflow-test-"))

_MODELS = _HOME / "models"
_MODELS.mkdir()
_TOY = """
name: {name}
schedule: {{every: day, settle: 6h, start: 2024-01-11}}
trailing: 3
capture: {{uri: captures/toy}}
labels: {{uri: labels/toy, horizon: 2d}}
columns: {{features: {{amount: numeric, age: numeric, country: categorical}}}}
baseline: {{uri: training/toy.parquet}}
report: {{native: never}}
checks:
  worse_than_average: {{min_rows: 50}}
  ranking: {{min_rows: 50}}
  calibration: {{min_rows: 50, tolerance: 0.2}}
policy: {{retrain: {{confirm: [1, 1], min_labels: 1, trigger: "{trigger}"}}}}
"""
(_MODELS / "toy.yaml").write_text(_TOY.format(name="toy", trigger="asset"))
(_MODELS / "toy-by-dag.yaml").write_text(_TOY.format(name="toy-by-dag", trigger="dag:retrain_flight_delay"))
(_MODELS / "broken.yaml").write_text("name: broken\ncolour: blue\n")

os.environ.update(
    MODEL_MONITOR_MODELS=str(_MODELS),
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(ROOT / "dags"),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME / 'airflow.db'}",
    AIRFLOW__API_AUTH__JWT_SECRET="x" * 64,  # shorter ones warn
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """The tables, made once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def dag_bag(airflow_db: None) -> DagBag:
    """The project's DAGs."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(ROOT / "dags")


@pytest.fixture
def store_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh store that the DAGs use."""
    monkeypatch.setenv("MODEL_MONITOR_STORE", str(tmp_path / "store"))
    return tmp_path / "store"
