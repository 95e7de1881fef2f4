"""S3 clients from Airflow connections."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@functools.cache
def s3_client_of(connection: str) -> S3Client:
    """A boto3 S3 client from an AWS connection; one per process, since making it takes longer than a request."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return cast("S3Client", S3Hook(aws_conn_id=connection).get_conn())
