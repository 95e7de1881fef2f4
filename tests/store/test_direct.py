"""Past boto3 or not, through faults and TLS: what is read is what is there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConflictError, ObjectMissingError, StoreUnavailableError
from monitoring.store import ObjectInfo
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
def test_faults_at_random_places_of_many_threads(shaky: S3Store, infos: list[ObjectInfo], faulty: FaultyServer) -> None:
    faulty.plan(None, *[fault for fault in FAULTS.values() for fault in (fault, None, None)])
    # a refusal is final for boto3, whose turn it may be
    faulty.plan(*[fault for fault in FAULTS.values() if fault.status != 403 and fault.headers == ()] * 2)
    found = []
    for info, content in shaky.read_many(infos * 3, workers=8):
        found.append(content if isinstance(content, bytes) else shaky.get(info.key))
    assert found == [_body(i) for i in range(COUNT)] * 3


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
    class Refusing(FaultyServer):
        """Refuses whatever does not come from boto3."""

    take = faulty.take

    def refuse(request: Any) -> Fault | None:
        take(request)
        return Fault(status=403) if request.direct else None

    faulty.take = refuse  # type: ignore[method-assign]
    try:
        assert [content for _, content in shaky.read_many(infos, workers=1)] == [_body(i) for i in range(COUNT)]
    finally:
        faulty.take = take  # type: ignore[method-assign]
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
    with DirectReads(make_client("http://elsewhere.invalid"), seaweed.bucket) as direct:
        client = direct._client
        key = f"{shaky.uri.rpartition('/')[2]}/{infos[0].key}"
        for _ in range(2):
            direct.read(key, infos[0], lambda: client.get_object(Bucket=seaweed.bucket, Key=key)["Body"].read())
    assert not any(_direct(faulty))


def test_a_client_that_cannot_be_watched_reads_by_itself() -> None:
    client = Mock(get_object=Mock(side_effect=lambda **_: {"Body": Mock(read=lambda: b"content")}))
    infos = [ObjectInfo(f"{i}", 7, "tag") for i in range(5)]
    assert [content for _, content in S3Store(client, "bucket").read_many(infos)] == [b"content"] * 5


# --- what is sent

KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(key=KEYS, token=st.sampled_from([None, "a/token+=="]), bucket=st.sampled_from(["bucket", "with.dots"]))
def test_the_signature_is_that_of_botocore(key: str, token: str | None, bucket: str) -> None:
    client = boto3.client(
        "s3",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        aws_session_token=token,
        region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    sent: list[Any] = []

    def stop(request: Any, **_: object) -> None:
        sent.append(request)
        raise InterruptedError

    client.meta.events.register("before-send.s3", stop)
    with DirectReads(client, bucket) as direct:
        with pytest.raises(InterruptedError):
            direct.read("any", ObjectInfo("any", 1, "tag"), lambda: client.get_object(Bucket=bucket, Key="any"))  # type: ignore[arg-type,return-value]
        pattern = direct._pattern
    assert pattern
    with pytest.raises(InterruptedError):
        client.get_object(Bucket=bucket, Key=key, IfMatch="tag")
    client.close()
    head, _, rest = pattern.request(key, "tag").decode().partition("\r\n")
    headers = dict(line.split(":", 1) for line in rest.strip().split("\r\n"))
    # to the same address as boto3 asks
    assert (f"{pattern.base.split('/')[0]}//{headers['host']}{head.split()[1]}") == sent[1].url
    proof = headers.pop("authorization")
    unsigned = ("user-agent", "accept-encoding")
    request = AWSRequest("GET", sent[1].url, {name: text for name, text in headers.items() if name not in unsigned})
    request.context["timestamp"] = headers["x-amz-date"]
    signer = pattern.signer()
    expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    names = "host;if-match;x-amz-content-sha256;x-amz-date" + (";x-amz-security-token" if token else "")
    assert proof.split("Credential=")[1] == f"{signer.scope(request)}, SignedHeaders={names}, Signature={expected}"
    assert headers.get("x-amz-security-token") == token


# --- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for loopback and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    import ipaddress

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
