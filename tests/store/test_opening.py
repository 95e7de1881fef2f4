"""From URIs to stores."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from monitoring.errors import ConfigError
from monitoring.store import open_source, open_store
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
