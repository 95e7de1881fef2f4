"""Secrets from Airflow connections."""

from __future__ import annotations

from monitoring.errors import ConfigError


def secret_of(connection: str) -> str:
    """The password of a connection.

    Raises:
        ConfigError: There is no such connection, or it has no password.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        password = BaseHook.get_connection(connection).password
    except AirflowNotFoundException as error:
        hint = f"airflow connections add {connection}"
        raise ConfigError(f"no Airflow connection {connection!r}", hint=hint) from error
    if not password:
        raise ConfigError("has no password", where=f"connection {connection}", hint="the secret is its password")
    return str(password)
