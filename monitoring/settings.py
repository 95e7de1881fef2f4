"""Where this installation's store and models are: read from the environment, in this one place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.errors import ConfigError
from monitoring.store import Store, open_store
from monitoring.store.opening import environment_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STORE = "MODEL_MONITOR_STORE"
MODELS = "MODEL_MONITOR_MODELS"
AWS_CONNECTION = "MODEL_MONITOR_AWS_CONN_ID"
HASH_KEY = "MODEL_MONITOR_HASH_KEY"
HASH_CONNECTION = "MODEL_MONITOR_HASH_CONN_ID"
# A key that can be guessed protects nothing.
_LEAST_KEY_BYTES = 16


def store_uri() -> str:
    """The store: `MODEL_MONITOR_STORE`, by default a directory in the user's home."""
    return os.environ.get(STORE) or str(Path.home() / ".model-monitor" / "store")


def models_dir() -> Path:
    """The directory with `NAME.yaml` per model: `MODEL_MONITOR_MODELS`, by default `models` in this directory."""
    return Path(os.environ.get(MODELS) or "models").absolute()


def s3_client() -> S3Client:
    """An S3 client: through the Airflow connection `MODEL_MONITOR_AWS_CONN_ID` names, else the usual environment."""
    connection = os.environ.get(AWS_CONNECTION)
    if not connection:
        return environment_client()
    from monitoring.airflow.connections import s3_client_of

    return s3_client_of(connection)


def hash_key() -> bytes:
    """The key of the hashes that stand for captured values; empty when there is none.

    It is the password of the Airflow connection that `MODEL_MONITOR_HASH_CONN_ID` names, else
    `MODEL_MONITOR_HASH_KEY`.

    Raises:
        ConfigError: It is too short.
    """
    connection = os.environ.get(HASH_CONNECTION)
    if connection:
        from monitoring.airflow.secrets import secret_of

        key, where = secret_of(connection).encode(), f"connection {connection}"
    else:
        key, where = os.environ.get(HASH_KEY, "").encode(), HASH_KEY
    if 0 < len(key) < _LEAST_KEY_BYTES:
        hint = "take what `openssl rand -hex 32` prints"
        raise ConfigError(f"the key has fewer than {_LEAST_KEY_BYTES} bytes", where=where, hint=hint)
    return key


def open_configured_store() -> Store:
    """The store of this installation."""
    return open_store(store_uri(), s3_client)
