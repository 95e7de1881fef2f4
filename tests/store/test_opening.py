"""From URIs to stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.utils import parse_timestamp

from monitoring.errors import ConfigError
from monitoring.store import open_source, open_store, opening
from monitoring.store.local import LocalStore


@pytest.mark.parametrize("uri", ["s3://bucket/some/prefix", "s3://bucket/some/prefix/"])
def test_s3_uris(uri: str) -> None:
    assert open_store(uri, Mock()).uri == "s3://bucket/some/prefix"
    assert open_store("s3://bucket", Mock()).uri == "s3://bucket"


def test_directories(tmp_path: Path) -> None:
    assert open_store(f"{tmp_path}").uri == str(tmp_path)
    assert open_store(f"file://{tmp_path}").uri == str(tmp_path)
    assert open_store("relative").uri == str(Path("relative").absolute())
    assert open_store("~/x").uri == str(Path.home() / "x")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3:///prefix", "'s3:///prefix' names no bucket; hint: write s3://bucket/prefix"),
        ("gs://bucket", "no store for 'gs://bucket'; allowed: s3://bucket/prefix, a directory"),
    ],
)
def test_what_cannot_be_opened(uri: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(uri, Mock())
    assert str(caught.value) == message


def test_a_source_without_a_scheme_lies_in_the_home_store(tmp_path: Path) -> None:
    home = LocalStore(tmp_path)
    assert open_source("captures/toy/", home) == (home, "captures/toy/")
    store, prefix = open_source(f"{tmp_path}/other", home)
    assert (store.uri, prefix) == (f"{tmp_path}/other", "")
    store, prefix = open_source("s3://bucket/captures", home, Mock())
    assert (store.uri, prefix) == ("s3://bucket/captures", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-28T04:52:41.123Z", datetime(2026, 11, 28, 4, 52, 41, 123_000, UTC)),
        ("2026-11-28T04:52:41+00:00", datetime(2026, 11, 28, 4, 52, 41, tzinfo=UTC)),
        ("Sat, 28 Nov 2026 04:52:41 GMT", datetime(2026, 11, 28, 4, 52, 41, tzinfo=UTC)),
    ],
)
def test_times_as_s3_writes_them(text: str, expected: datetime) -> None:
    assert opening._moment(text) == expected == parse_timestamp(text)


@pytest.mark.service
def test_the_environment_makes_a_client(seaweed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = seaweed.client._request_signer._credentials
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", seaweed.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = opening.environment_client.__wrapped__()
    store = open_store(f"s3://{seaweed.bucket}/opening", lambda: client)
    store.put("x", b"1")
    [info] = store.objects("")
    assert abs(datetime.now(UTC) - info.modified) < timedelta(minutes=5)
    assert store.get("x", etag=info.etag) == b"1"
    client.close()
