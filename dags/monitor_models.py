"""One Airflow DAG per model in `models/*.yaml`; a broken file never takes the others down."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from airflow.sdk import get_parsing_context

from monitoring.airflow.monitoring_dag import build_monitoring_dag
from monitoring.config import load_model
from monitoring.config.model import dag_id
from monitoring.errors import ConfigError

MODELS = Path(os.environ.get("MODEL_MONITOR_MODELS") or Path(__file__).parents[1] / "models")
# inside a task only its own DAG is needed
WANTED = get_parsing_context().dag_id

for path in sorted(MODELS.glob("*.yaml")):
    if WANTED in {None, dag_id(path.stem)}:
        try:
            build_monitoring_dag(load_model(path))
        except ConfigError as error:  # dags/broken_models.py shows it
            logging.getLogger(__name__).warning("skipped: %s", error)
