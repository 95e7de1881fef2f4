"""What the environment says: the key of hashes."""

from __future__ import annotations

import pytest

from monitoring import settings
from monitoring.errors import ConfigError


def test_the_key_of_hashes_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.HASH_CONNECTION, raising=False)
    monkeypatch.delenv(settings.HASH_KEY, raising=False)
    assert settings.hash_key() == b""
    monkeypatch.setenv(settings.HASH_KEY, "sixteen bytes, ü")
    assert settings.hash_key() == "sixteen bytes, ü".encode()


def test_a_key_that_can_be_guessed_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.HASH_CONNECTION, raising=False)
    monkeypatch.setenv(settings.HASH_KEY, "fifteen bytes..")
    with pytest.raises(ConfigError) as caught:
        settings.hash_key()
    assert str(caught.value) == (
        "MODEL_MONITOR_HASH_KEY: the key has fewer than 16 bytes; hint: take what `openssl rand -hex 32` prints"
    )
