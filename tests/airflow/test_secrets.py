"""The key of hashes as the password of an Airflow connection."""

from __future__ import annotations

import json

import pytest

from monitoring import settings
from monitoring.errors import ConfigError


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HASH_CONNECTION, "hashes")


def connect(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HASHES", json.dumps({"conn_type": "generic", "password": password}))


def test_the_key_is_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "a secret of this installation")
    monkeypatch.setenv(settings.HASH_KEY, "another one, which does not count")
    assert settings.hash_key() == b"a secret of this installation"


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("", "connection hashes: has no password; hint: the secret is its password"),
        ("short", "connection hashes: the key has fewer than 16 bytes; hint: take what `openssl rand -hex 32` prints"),
    ],
)
def test_a_password_that_will_not_do(monkeypatch: pytest.MonkeyPatch, password: str, message: str) -> None:
    connect(monkeypatch, password)
    with pytest.raises(ConfigError) as caught:
        settings.hash_key()
    assert str(caught.value) == message


def test_a_connection_that_is_not_there(airflow_db: None) -> None:
    with pytest.raises(ConfigError, match=r"^no Airflow connection 'hashes'; hint: airflow connections add hashes$"):
        settings.hash_key()
