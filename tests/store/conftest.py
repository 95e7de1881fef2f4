"""An empty store of each kind, and a server that fails on request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store
from tests.conftest import Seaweed
from tests.store.faults import FaultyServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def prefix_of(request: pytest.FixtureRequest) -> str:
    """A prefix for one test alone."""
    return hashlib.md5(request.node.nodeid.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.service)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "local":
        yield LocalStore(tmp_path)
    else:
        seaweed = request.getfixturevalue("seaweed")
        yield S3Store(seaweed.client, seaweed.bucket, f"/{prefix_of(request)}/")


@pytest.fixture(scope="session")
def faulty_server(seaweed: Seaweed) -> Iterator[FaultyServer]:
    """Stands before SeaweedFS."""
    with FaultyServer(seaweed.endpoint) as server:
        yield server


@pytest.fixture
def faulty(faulty_server: FaultyServer) -> Iterator[FaultyServer]:
    """The same, with nothing planned and nothing remembered."""
    faulty_server.forget()
    yield faulty_server
    faulty_server.forget()


MakeClient = Callable[..., "S3Client"]


@pytest.fixture
def make_client(seaweed: Seaweed) -> Iterator[MakeClient]:
    """Clients with SeaweedFS's credentials, for any endpoint."""
    found = seaweed.client._request_signer._credentials  # type: ignore[attr-defined]
    made: list[S3Client] = []

    def make(endpoint: str, **options: Any) -> S3Client:
        config = Config(
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path"},
            max_pool_connections=32,
            **{"connect_timeout": 5, "read_timeout": 20, **options.pop("config", {})},
        )
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            config=config,
            **{"aws_access_key_id": found.access_key, "aws_secret_access_key": found.secret_key, **options},
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def shaky(request: pytest.FixtureRequest, faulty: FaultyServer, make_client: MakeClient, seaweed: Seaweed) -> S3Store:
    """An empty store behind the server that fails on request."""
    return S3Store(make_client(faulty.url), seaweed.bucket, prefix_of(request))
