"""Every failure of boto3 as one of ours, in this one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitoring.errors import ConfigError, ConflictError, MonitorError, ObjectMissingError, StoreUnavailableError


class BeyondEndError(ConflictError):
    """The object ends before the bytes that were asked for."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """What boto3 raises inside, as an error of ours.

    Args:
        where: The object's URI.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise _refusal(status, error.response.get("Error", {}).get("Code", ""), where) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigError(
            "no S3 credentials", where=where, hint="set an Airflow connection or AWS_ACCESS_KEY_ID"
        ) from error
    except BotoCoreError as error:
        raise StoreUnavailableError(f"the store did not answer: {error}", where=where) from error


def _refusal(status: int, code: str, where: str) -> MonitorError:
    if status == 404 and code != "NoSuchBucket":
        return ObjectMissingError("no such object", where=where)
    if status in (409, 412):
        return ConflictError("changed by somebody else", where=where)
    if status == 416:
        return BeyondEndError("the object is shorter than expected", where=where)
    if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout"):
        return StoreUnavailableError(f"the store answered {status} {code}", where=where)
    return ConfigError(f"the store refused: {status} {code}", where=where, hint="check bucket, credentials and policy")
