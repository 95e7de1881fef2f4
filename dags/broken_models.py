"""Shows every broken file in `models/` as one readable Airflow import error, while the other DAGs go on."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.sdk import get_parsing_context

from monitoring.config import broken_models
from monitoring.errors import ConfigError

MODELS = Path(os.environ.get("MODEL_MONITOR_MODELS") or Path(__file__).parents[1] / "models")

if get_parsing_context().dag_id is None and (errors := broken_models(MODELS)):
    raise ConfigError("\n".join(str(error) for error in errors))
