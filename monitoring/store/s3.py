"""S3 and what speaks its protocol, through boto3."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from monitoring.errors import (
    ConfigError,
    ConflictError,
    ObjectMissingError,
    StoreUnavailableError,
)
from monitoring.store.base import ObjectInfo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_READ_ATTEMPTS = 3


class S3Store:
    """Objects in one bucket, below one prefix.

    Args:
        client: A boto3 S3 client.
        bucket: The bucket.
        prefix: Put before every key; empty for the bucket's root.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def uri(self) -> str:
        """The bucket and prefix."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def get(self, key: str, *, etag: str = "") -> bytes:
        """The object's content, if it still has the tag."""
        from botocore.exceptions import IncompleteReadError, ResponseStreamingError

        condition: dict[str, Any] = {"IfMatch": etag} if etag else {}
        # botocore retries requests, but not a body that breaks off while it is read
        for attempt in range(_READ_ATTEMPTS):
            with self._errors(key):
                response = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key, **condition)
                try:
                    return response["Body"].read()
                except (IncompleteReadError, ResponseStreamingError):
                    if attempt + 1 == _READ_ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        try:
            with self._errors(key):
                self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except ObjectMissingError:
            return False
        return True

    def put(self, key: str, data: bytes) -> None:
        """Write the object with a single request."""
        with self._errors(key):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write the object unless it is there.

        When the store's answer is lost after it has written, the client's own retry is refused: so a refusal
        counts as ours when what is there is what we wrote.
        """
        return self._put_on_condition(key, data, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, expected: bytes | None) -> None:
        """Swap the content, if it is still `expected`."""
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": self._tag_of(key, expected)}
        if not self._put_on_condition(key, data, condition):
            raise self._changed(key)

    def objects(self, prefix: str) -> list[ObjectInfo]:
        """Every object whose key begins with `prefix`, sorted here: not every store lists in binary order."""
        found = []
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self._prefix)
                    found.append(ObjectInfo(key, item["Size"], item["ETag"].strip('"')))
        return sorted(found)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return [info.key for info in self.objects(prefix)]

    def folders(self, prefix: str) -> list[str]:
        """The common prefixes right below `prefix`, sorted."""
        names = []
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix, Delimiter="/"
            )
            for page in pages:
                found = [item["Prefix"] for item in page.get("CommonPrefixes", [])]
                names += [name.removeprefix(self._prefix + prefix).rstrip("/") for name in found]
        return sorted(names)

    def delete(self, key: str) -> None:
        """Remove the object."""
        with self._errors(key):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _tag_of(self, key: str, expected: bytes) -> str:
        """The tag of the object, if its content is `expected`."""
        try:
            with self._errors(key):
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
            found = self.get(key)
        except ObjectMissingError as error:
            raise self._changed(key) from error
        if found != expected:
            raise self._changed(key)
        return head["ETag"].strip('"')  # Ceph refuses the quoted form

    def _changed(self, key: str) -> ConflictError:
        return ConflictError("changed by somebody else", where=f"{self.uri}/{key}", hint="read it again")

    def _put_on_condition(self, key: str, data: bytes, condition: dict[str, Any]) -> bool:
        try:
            with self._errors(key):
                self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, **condition)
        except (ConflictError, ObjectMissingError):  # S3 answers 404 when the object to be replaced has gone
            return self.exists(key) and hashlib.sha256(self.get(key)).digest() == hashlib.sha256(data).digest()
        return True

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Every failure of boto3 as one of ours, in this one place."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        where = f"{self.uri}/{key}"
        try:
            yield
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            code = error.response.get("Error", {}).get("Code", "")
            if status == 404 and code != "NoSuchBucket":
                raise ObjectMissingError("no such object", where=where) from error
            if status in (409, 412):
                raise ConflictError("changed by somebody else", where=where) from error
            if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout"):
                raise StoreUnavailableError(f"the store answered {status} {code}", where=where) from error
            raise ConfigError(
                f"the store refused: {status} {code}", where=where, hint="check bucket, credentials and policy"
            ) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ConfigError(
                "no S3 credentials", where=where, hint="set an Airflow connection or AWS_ACCESS_KEY_ID"
            ) from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"the store did not answer: {error}", where=where) from error
