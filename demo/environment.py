"""Where the demo lives, and the environment that its Airflow processes get."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".demo"
MODELS = ("flight-delay", "flight-delay-at-gate")
BUCKET = "model-monitor"
_CONNECTION = "model_monitor_s3"


def airflow_environment(home: Path, store: str) -> dict[str, str]:
    """The environment of an Airflow that runs the project's DAGs on a store.

    Args:
        home: Its `AIRFLOW_HOME`; each process that runs on its own needs its own.
        store: The object store, a directory or `s3://…`.
    """
    home.mkdir(parents=True, exist_ok=True)
    modules = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    # standalone starts its parts by the name `airflow`
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home),
        "DO_NOT_TRACK": "1",
        "MODEL_MONITOR_STORE": store,
        "MODEL_MONITOR_MODELS": str(ROOT / "models"),
        "PATH": programs,
        "PYTHONPATH": modules,
    }


def _secret(home: Path) -> str:
    file = home / "jwt-secret"
    if not file.exists():
        file.write_text(secrets.token_hex(32))
        file.chmod(0o600)
    return file.read_text()


def s3_environment(endpoint: str, key: str, secret: str) -> dict[str, str]:
    """What makes boto3, and Airflow's AWS connection, speak to an S3 endpoint."""
    connection = {
        "conn_type": "aws",
        "login": key,
        "password": secret,
        "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        f"AIRFLOW_CONN_{_CONNECTION.upper()}": json.dumps(connection),
        "MODEL_MONITOR_AWS_CONN_ID": _CONNECTION,
    }
