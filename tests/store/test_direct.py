"""Past boto3 or not, through faults and TLS: what is read is what is there."""

from __future__ import annotations

import functools
import ipaddress
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConfigError, ConflictError, ObjectMissingError, StoreUnavailableError
from monitoring.store import ObjectInfo, direct
from monitoring.store.direct import DirectReads
from monitoring.store.s3 import S3Store
from tests.conftest import Seaweed
from tests.store.conftest import MakeClient
from tests.store.faults import Fault, FaultyServer

COUNT = 40


def _body(i: int) -> bytes:
    return f"{i:04d}".encode() * 500


@pytest.fixture
def infos(shaky: S3Store, faulty: FaultyServer) -> list[ObjectInfo]:
    """Objects behind the server that fails on request."""
    for i in range(COUNT):
        shaky.put(f"m/{i:02d}", _body(i))
    found = shaky.objects("m/")
    faulty.forget()
    return found


def _direct(faulty: FaultyServer) -> list[bool]:
    return [request.direct for request in faulty.requests if request.method == "GET"]


@pytest.mark.service
def test_only_the_first_object_goes_through_boto3(
    shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer
) -> None:
    assert [content for _, content in shaky.read_many(infos)] == [_body(i) for i in range(COUNT)]
    assert sorted(_direct(faulty)) == [False] + [True] * (COUNT - 1)
    assert {request.headers["if-match"] for request in faulty.requests} == {info.etag for info in infos}


FAULTS = {
    "a server error": Fault(status=503),
    "too many requests": Fault(status=429),
    "a refusal": Fault(status=403),
    "a redirect": Fault(status=307),
    "nothing": Fault(drop_after=0),
    "half": Fault(drop_after=700),
    "half and a reset": Fault(drop_after=700, reset=True),
    "another size": Fault(body=b"x" * 1999),
    "another tag": Fault(headers=(("ETag", '"another"'),)),
    "no tag": Fault(headers=(("ETag", None),)),
    "no size": Fault(headers=(("Content-Length", None), ("Connection", "close"))),
    "no number of bytes": Fault(headers=(("Content-Length", "many"),), drop_after=2000),
    "chunks": Fault(chunked=True),
    "the end of the connection": Fault(headers=(("Connection", "close"),)),
    "very many headers": Fault(headers=tuple((f"x-{i}", "x") for i in range(120))),
    "a very long header": Fault(headers=(("x", "x" * 70_000),)),
}


@pytest.mark.service
@pytest.mark.parametrize("name", FAULTS)
def test_a_spoiled_answer_spoils_nothing(
    shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer, name: str
) -> None:
    faulty.plan(None, FAULTS[name], None, FAULTS[name])
    found = list(shaky.read_many(infos, workers=1))
    assert found == [(info, _body(i)) for i, info in enumerate(infos)]
    assert faulty.requests[1].direct
    assert _direct(faulty)[-1]


@pytest.mark.service
def test_spoiled_answers_to_many_threads(shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer) -> None:
    faulty.plan(*[fault for each in FAULTS.values() for fault in (each, None)] * 2, direct=True)
    assert [content for _, content in shaky.read_many(infos * 3, workers=8)] == [_body(i) for i in range(COUNT)] * 3


@pytest.mark.service
def test_an_answer_that_does_not_come_is_asked_for_again(
    infos: list[ObjectInfo], faulty: FaultyServer, make_client: MakeClient, seaweed: Seaweed, shaky: S3Store
) -> None:
    client = make_client(faulty.url, config={"read_timeout": 1})
    store = S3Store(client, seaweed.bucket, shaky.uri.rpartition("/")[2])
    faulty.plan(None, Fault(hang=True))
    assert [content for _, content in store.read_many(infos[:4], workers=1)] == [_body(i) for i in range(4)]


@pytest.mark.service
def test_after_failures_in_a_row_boto3_reads_the_rest(
    shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer
) -> None:
    faulty.plan(always=Fault(status=403), direct=True)
    assert [content for _, content in shaky.read_many(infos, workers=1)] == [_body(i) for i in range(COUNT)]
    assert sum(_direct(faulty)) == 8


@pytest.mark.service
def test_a_store_that_fails_for_long_is_an_error(shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer) -> None:
    faulty.plan(always=Fault(status=503), about="/m/02")
    contents = shaky.read_many(infos, workers=2)
    assert [next(contents)[1] for _ in range(2)] == [_body(0), _body(1)]
    with pytest.raises(StoreUnavailableError, match="the store answered 503"):
        next(contents)


@pytest.mark.service
def test_missing_and_changed_objects_do_not_end_the_direct_way(
    shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer
) -> None:
    for info in infos[1:-1]:
        shaky.delete(info.key) if info.key < "m/20" else shaky.put(info.key, b"another")
    faulty.forget()
    kinds = [type(content) for _, content in shaky.read_many(infos, workers=1)]
    assert kinds == [bytes] + [ObjectMissingError] * 19 + [ConflictError] * 19 + [bytes]
    assert _direct(faulty)[-1]


# --- when it cannot be used


@pytest.mark.service
@pytest.mark.parametrize(
    "options",
    [{"config": {"signature_version": "s3"}}, {"config": {"client_cert": "/nowhere.pem"}}],
    ids=["an old signature", "a client certificate"],
)
def test_other_clients_read_with_boto3_alone(
    infos: list[ObjectInfo],
    shaky: S3Store,
    faulty: FaultyServer,
    make_client: MakeClient,
    seaweed: Seaweed,
    options: dict[str, Any],
) -> None:
    store = S3Store(make_client(faulty.url, **options), seaweed.bucket, shaky.uri.rpartition("/")[2])
    assert [content for _, content in store.read_many(infos)] == [_body(i) for i in range(COUNT)]
    assert not any(_direct(faulty))


@pytest.mark.service
def test_a_proxy_is_left_to_boto3(
    monkeypatch: pytest.MonkeyPatch,
    infos: list[ObjectInfo],
    faulty: FaultyServer,
    make_client: MakeClient,
    seaweed: Seaweed,
    shaky: S3Store,
) -> None:
    monkeypatch.setenv("http_proxy", faulty.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with DirectReads(make_client("http://elsewhere.invalid"), seaweed.bucket) as reads:
        client = reads._client
        key = f"{shaky.uri.rpartition('/')[2]}/{infos[0].key}"

        def plainly() -> bytes:
            return client.get_object(Bucket=seaweed.bucket, Key=key)["Body"].read()

        assert [reads.read(key, infos[0], plainly) for _ in range(2)] == [_body(0)] * 2
    assert not any(_direct(faulty))


def test_a_client_that_cannot_be_watched_reads_by_itself() -> None:
    client = Mock(get_object=Mock(side_effect=lambda **_: {"Body": Mock(read=lambda: b"content")}))
    infos = [ObjectInfo(f"{i}", 7, "tag") for i in range(5)]
    assert [content for _, content in S3Store(client, "bucket").read_many(infos)] == [b"content"] * 5


@pytest.mark.service
@pytest.mark.parametrize("error", [KeyError, AttributeError, FileNotFoundError, ssl.SSLError, ValueError])
def test_what_is_not_as_expected_is_left_to_boto3(
    monkeypatch: pytest.MonkeyPatch,
    shaky: S3Store,
    infos: list[ObjectInfo],
    faulty: FaultyServer,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(direct, "_pattern", Mock(side_effect=error))
    assert [content for _, content in shaky.read_many(infos[:5])] == [_body(i) for i in range(5)]
    assert _direct(faulty) == [False] * 5


def test_no_credentials_are_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.Session(region_name="us-east-1").client("s3", endpoint_url="http://127.0.0.1:9")
    infos = [ObjectInfo(f"{i}", 7, "tag") for i in range(30)]
    with pytest.raises(ConfigError, match="no S3 credentials"):
        list(S3Store(client, "bucket").read_many(infos))
    client.close()


# --- what is sent

KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


class _StoppedError(Exception):
    """Nothing is sent."""


@functools.cache
def _silent_client(token: str | None) -> tuple[Any, list[AWSRequest]]:
    """A client, and what it would have sent."""
    client = boto3.client(
        "s3",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        aws_session_token=token,
        region_name="eu-central-1",
    )
    sent: list[AWSRequest] = []

    def stop(request: AWSRequest, **_: object) -> None:
        sent.append(request)
        raise _StoppedError

    client.meta.events.register("before-send.s3", stop)
    return client, sent


@functools.cache
def _pattern_of(token: str | None, bucket: str) -> Any:
    client, _ = _silent_client(token)

    def plainly() -> bytes:
        return client.get_object(Bucket=bucket, Key="any")["Body"].read()

    with DirectReads(client, bucket) as reads, pytest.raises(_StoppedError):
        reads.read("any", ObjectInfo("any", 1, "tag"), plainly)
    return reads._pattern


@given(key=KEYS, token=st.sampled_from([None, "a/token+=="]), bucket=st.sampled_from(["bucket", "with.dots"]))
def test_address_and_signature_are_those_of_botocore(key: str, token: str | None, bucket: str) -> None:
    client, sent = _silent_client(token)
    pattern = _pattern_of(token, bucket)
    with pytest.raises(_StoppedError):
        client.get_object(Bucket=bucket, Key=key)
    head, _, rest = pattern.request(key, "tag").decode().partition("\r\n")
    headers = dict(line.split(":", 1) for line in rest.strip().split("\r\n"))
    assert f"https://{headers['host']}{head.split()[1]}" == sent[-1].url
    signed = {name: text for name, text in headers.items() if name.startswith(("host", "if-", "x-amz-"))}
    request = AWSRequest("GET", sent[-1].url, signed)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = pattern.signer()
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    proof = f"Credential={signer.scope(request)}, SignedHeaders={';'.join(sorted(signed))}, Signature={expected}"
    assert headers["authorization"] == f"AWS4-HMAC-SHA256 {proof}"
    assert headers.get("x-amz-security-token") == token


# --- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@pytest.fixture
def secure(seaweed: Seaweed, certificate: Path) -> Iterator[FaultyServer]:
    """SeaweedFS behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FaultyServer(seaweed.endpoint, context) as server:
        yield server


@pytest.mark.service
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize(("trusts", "directly"), [(True, COUNT - 1), (False, 0)])
def test_tls(
    infos: list[ObjectInfo],
    shaky: S3Store,
    secure: FaultyServer,
    certificate: Path,
    make_client: MakeClient,
    seaweed: Seaweed,
    trusts: bool,
    directly: int,
) -> None:
    client = make_client(secure.url, verify=str(certificate) if trusts else False)
    store = S3Store(client, seaweed.bucket, shaky.uri.rpartition("/")[2])
    assert [content for _, content in store.read_many(infos)] == [_body(i) for i in range(COUNT)]
    assert sum(_direct(secure)) == directly
