"""From a URI to a store."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from monitoring.errors import ConfigError
from monitoring.store.base import Store
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ClientFactory = Callable[[], "S3Client"]


@functools.cache
def environment_client() -> S3Client:
    """A boto3 client from the usual environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL_S3`, profiles, roles)."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import get_session

    session = get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
        s3={"addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL_S3") else "auto"},
    )
    try:
        return boto3.Session(botocore_session=session).client("s3", config=config)
    except BotoCoreError as error:
        raise ConfigError(f"no S3 client: {error}", hint="look at AWS_PROFILE and the other AWS_ variables") from error


def open_store(uri: str, client: ClientFactory = environment_client) -> Store:
    """The store at `uri`: `s3://bucket/prefix`, or a directory.

    Raises:
        ConfigError: The URI has a scheme that is not known here.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise ConfigError(f"{uri!r} names no bucket", hint="write s3://bucket/prefix")
        return S3Store(client(), parts.netloc, parts.path)
    if parts.scheme in ("", "file"):
        return LocalStore(Path(parts.path).expanduser())
    raise ConfigError(f"no store for {uri!r}", allowed=["s3://bucket/prefix", "a directory"])


def open_source(uri: str, home: Store, client: ClientFactory = environment_client) -> tuple[Store, str]:
    """The store that holds `uri`, and the prefix in it, ending in `/`.

    Args:
        uri: `s3://bucket/prefix`, an absolute path, or a path inside `home`.
        home: The monitor's own store.
        client: Where an S3 client comes from.
    """
    if "://" in uri or uri.startswith(("/", "~")):
        return open_store(uri, client), ""
    return home, f"{uri.strip('/')}/"


def _moment(value: str) -> datetime:
    """A time as S3 writes it; botocore's own way takes three quarters of the time of a listing."""
    from botocore.utils import parse_timestamp

    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return parse_timestamp(value)
