"""Every failure of S3 becomes one of ours: worth a retry, or not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, IncompleteReadError, NoCredentialsError

from monitoring.errors import (
    ConfigError,
    ConflictError,
    MonitorError,
    ObjectMissingError,
    StoreUnavailableError,
    TerminalError,
    TransientError,
)
from monitoring.store import ObjectInfo
from monitoring.store.s3 import S3Store


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


class _Server:
    """Answers every request with the next of the given answers, the last one for ever."""

    def __init__(self, *answers: tuple[int, str] | Exception) -> None:
        self.answers, self.requests = list(answers), 0

    def __call__(self, request: Any, **_: object) -> AWSResponse:
        self.requests += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, code = answer
        body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode() if code else b""
        return AWSResponse(request.url, status, {"content-length": str(len(body))}, _Body(body))


def _store(server: _Server) -> S3Store:
    client = boto3.client(
        "s3",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        region_name="us-east-1",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    client.meta.events.register("before-send.s3", server)
    return S3Store(client, "bucket", "pre")


_CALLS = {
    "get": lambda store: store.get("k"),
    "get_range": lambda store: store.get_range("k", 0, 9),
    "open": lambda store: store.open("k"),
    "stream": lambda store: next(store.stream("k")),
    "read_many": lambda store: next(store.read_many([ObjectInfo("k", 9, "tag")])),
    "exists": lambda store: store.exists("k"),
    "put": lambda store: store.put("k", b""),
    "put_if_absent": lambda store: store.put_if_absent("k", b""),
    "replace": lambda store: store.replace("k", b"2", b"1"),
    "objects": lambda store: store.objects("k"),
    "list_many": lambda store: store.list_many(["k"]),
    "sample": lambda store: store.sample("k", 3),
    "folders": lambda store: store.folders("k"),
    "delete": lambda store: store.delete("k"),
}


@pytest.mark.parametrize("call", _CALLS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((503, "SlowDown"), StoreUnavailableError),
        ((500, "InternalError"), StoreUnavailableError),
        ((429, "TooManyRequests"), StoreUnavailableError),
        (EndpointConnectionError(endpoint_url="x"), StoreUnavailableError),
        ((403, "AccessDenied"), ConfigError),
        ((400, "InvalidBucketName"), ConfigError),
        (NoCredentialsError(), ConfigError),
    ],
)
def test_failures_by_kind(call: str, answer: tuple[int, str] | Exception, expected: type[MonitorError]) -> None:
    with pytest.raises(expected) as caught:
        _CALLS[call](_store(_Server(answer)))
    assert caught.value.where == "s3://bucket/pre/k"
    assert isinstance(caught.value, TransientError) == (expected is StoreUnavailableError)
    assert isinstance(caught.value, TerminalError) == (expected is ConfigError)


def test_a_missing_object_and_a_missing_bucket_are_not_the_same() -> None:
    with pytest.raises(ObjectMissingError):
        _store(_Server((404, "NoSuchKey"))).get("k")
    with pytest.raises(ConfigError, match="the store refused: 404 NoSuchBucket"):
        _store(_Server((404, "NoSuchBucket"))).get("k")


def test_an_object_deleted_while_it_is_replaced_is_a_conflict() -> None:
    with pytest.raises(ConflictError):
        _store(_Server((404, "NoSuchKey"))).replace("k", b"2", b"1")


def _client(**answers: Any) -> Mock:
    return Mock(**{f"{name}.side_effect": answer for name, answer in answers.items()})


def _got(data: bytes | Exception) -> dict[str, Any]:
    return {"Body": Mock(read=Mock(side_effect=[data]))}


def test_a_body_that_breaks_off_is_read_again() -> None:
    broken = IncompleteReadError(actual_bytes=1, expected_bytes=2)
    client = _client(get_object=[_got(broken), _got(broken), _got(b"whole")])
    assert S3Store(client, "bucket").get("k") == b"whole"
    client = _client(get_object=[_got(broken), _got(broken), _got(broken)])
    with pytest.raises(StoreUnavailableError):
        S3Store(client, "bucket").get("k")


@pytest.mark.parametrize(("found", "won"), [(b"mine", True), (b"theirs", False)])
def test_a_refusal_after_a_lost_answer_is_ours_if_the_content_is(found: bytes, won: bool) -> None:
    server = _Server((412, "PreconditionFailed"), (200, ""))
    store = _store(server)
    store.get = Mock(return_value=found)  # type: ignore[method-assign]
    assert store.put_if_absent("k", b"mine") is won
    assert server.requests == 2
