"""GETs of small objects past boto3, which takes ten times as long for each as its bytes do.

How boto3 asks for one object is watched. From then on requests of the same pattern, signed by botocore with the same
credentials, go through connections that stay open. Only the one answer that leaves no question counts: 200, with the
listed size and tag, to the last byte. After anything else boto3 reads the object: it knows about retries, redirects
and errors. So this way may fail, but it cannot do harm.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from ssl import SSLContext, create_default_context
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from monitoring.store.base import ObjectInfo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EVENT = "before-sign.s3.GetObject"
_NO_BODY = hashlib.sha256(b"").hexdigest()
_LONGEST_LINE, _MOST_HEADERS, _BUFFER = 8192, 100, 1 << 16
# These answers say something about the object, and nothing about this way of asking.
_ABOUT_THE_OBJECT = (404, 412)
# After so many failures, one after the other, boto3 reads the rest.
_MOST_FAILURES = 8


class DirectReads:
    """Reads objects of one bucket, past boto3 where it can. Threads may share it.

    Args:
        client: Where the pattern, the credentials and the settings of connections come from.
        bucket: The bucket.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._watch, self._watched = threading.Lock(), False
        self._pattern: _Pattern | None = None
        self._idle: deque[_Connection] = deque()
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._idle:
            self._idle.pop().close()

    def read(self, key: str, info: ObjectInfo, plainly: Callable[[], bytes]) -> bytes:
        """The object's content.

        Args:
            key: Its key in the bucket.
            info: Its listed size and tag.
            plainly: Reads it with boto3.
        """
        with self._watch:
            if not self._watched:
                self._watched = True
                with self._watching():
                    return plainly()
        if self._pattern is None or not info.etag or self._failures >= _MOST_FAILURES:
            return plainly()
        data = self._get(self._pattern, key, info)
        return plainly() if data is None else data

    def _get(self, pattern: _Pattern, key: str, info: ObjectInfo) -> bytes | None:
        """The content, if all goes well."""
        from botocore.exceptions import BotoCoreError

        status, data, connection = 0, None, None
        try:
            request = pattern.request(key, info.etag)
            connection = self._connection(pattern)
            status, data = connection.ask(request, info)
        except (OSError, ValueError, BotoCoreError):
            data = None
        self._failures = 0 if data is not None else self._failures + (status not in _ABOUT_THE_OBJECT)
        if connection is not None:
            self._idle.append(connection) if connection.open else connection.close()
        return data

    def _connection(self, pattern: _Pattern) -> _Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return _Connection(pattern.connect())

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """See how the client asks for an object of the bucket."""
        from botocore.exceptions import BotoCoreError

        def note(request: Any, **event: Any) -> None:
            if request.context.get("input_params", {}).get("Bucket") == self._bucket:
                try:
                    self._pattern = _pattern(self._client, request, **event)
                except (AttributeError, BotoCoreError, KeyError, OSError, ValueError):
                    self._pattern = None  # another botocore, or settings that only boto3 understands

        events = self._client.meta.events
        events.register_last(_EVENT, note)
        try:
            yield
        finally:
            events.unregister(_EVENT, note)


@dataclass(frozen=True)
class _Pattern:
    """How the client asks for an object.

    Attributes:
        base: The URL without the key.
        agent: What the client calls itself.
        signer: Botocore's signer with the credentials of this moment.
        context: Which servers are trusted; None without TLS.
        seconds: How long to wait for a connection, and for bytes.
    """

    base: str
    agent: str
    signer: Callable[[], Any]
    context: SSLContext | None
    seconds: tuple[float, float]

    def connect(self) -> HTTPConnection:
        """A new connection."""
        place = urlsplit(self.base)
        host = place.hostname or ""
        if self.context:
            link: HTTPConnection = HTTPSConnection(host, place.port, timeout=self.seconds[0], context=self.context)
        else:
            link = HTTPConnection(host, place.port, timeout=self.seconds[0])
        link.connect()
        link.sock.settimeout(self.seconds[1])
        return link

    def request(self, key: str, etag: str) -> bytes:
        """A GET on condition of the tag, signed.

        References:
            Signature Version 4, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        """
        place, signer = urlsplit(self.base), self.signer()
        moment = _Moment(datetime.now(UTC))
        path = place.path + _quoted(key)
        headers = {
            "host": place.netloc,
            "if-match": etag,
            "x-amz-content-sha256": _NO_BODY,
            "x-amz-date": moment.context["timestamp"],
        }
        if signer.credentials.token:
            headers["x-amz-security-token"] = signer.credentials.token
        lines, names = [f"{name}:{value}" for name, value in headers.items()], ";".join(headers)
        text = signer.string_to_sign(moment, "\n".join(["GET", path, "", *lines, "", names, _NO_BODY]))
        proof = f"Credential={signer.scope(moment)}, SignedHeaders={names}, Signature={signer.signature(text, moment)}"
        lines += [f"authorization:AWS4-HMAC-SHA256 {proof}", f"user-agent:{self.agent}", "accept-encoding:identity"]
        return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class _Moment:
    """What botocore's signer wants to know of a request: when it is made."""

    def __init__(self, moment: datetime) -> None:
        self.context = {"timestamp": f"{moment:%Y%m%dT%H%M%SZ}"}


class _Connection:
    """A connection that may stay open from one answer to the next."""

    def __init__(self, link: HTTPConnection) -> None:
        self._link, self._answers = link, link.sock.makefile("rb", _BUFFER)
        self.open = True

    def ask(self, request: bytes, info: ObjectInfo) -> tuple[int, bytes | None]:
        """The status of the answer, and the object, if it is as it was listed."""
        self.open = False
        self._link.sock.sendall(request)
        protocol, status = self._answers.readline(_LONGEST_LINE).split()[:2]
        headers = dict(self._headers())
        listed = (b"%d" % info.size, info.etag.encode(), None)
        found = (
            headers.get(b"content-length"),
            headers.get(b"etag", b"").strip(b'"'),
            headers.get(b"transfer-encoding"),
        )
        if (protocol, status) != (b"HTTP/1.1", b"200") or found != listed:
            return int(status), None
        data = self._answers.read(info.size)
        if len(data) < info.size:
            return 0, None
        self.open = headers.get(b"connection", b"").lower() != b"close"
        return 200, data

    def close(self) -> None:
        """Close it."""
        self._answers.close()
        self._link.close()

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        for _ in range(_MOST_HEADERS):
            line = self._answers.readline(_LONGEST_LINE)
            if line == b"\r\n":
                return
            name, _, value = line.partition(b":")
            yield name.lower(), value.strip()
        raise ValueError("headers without an end")


def _quoted(key: str) -> str:
    return quote(key, safe="/~")


def _pattern(client: S3Client, request: Any, **event: Any) -> _Pattern | None:
    """The pattern of a request that is about to be signed; None when it cannot be followed here."""
    from botocore.utils import get_environ_proxies

    config: Any = client.meta.config  # its stubs do not know what it has
    key = _quoted(request.context["input_params"]["Key"])
    base = request.url.removesuffix(key)
    proxies = config.proxies or get_environ_proxies(base)
    special = urlsplit(base).scheme in proxies or config.client_cert or event["signature_version"] != "s3v4"
    if special or base + key != request.url:
        return None
    name, region = event["signing_name"], request.context.get("signing", {}).get("region") or event["region_name"]
    signer = partial(event["request_signer"].get_auth_instance, name, region, "s3v4")
    if signer().credentials is None:
        return None
    return _Pattern(
        base=base,
        agent=request.headers.get("User-Agent", ""),
        signer=signer,
        context=_trust(client) if base.startswith("https://") else None,
        seconds=(config.connect_timeout, config.read_timeout),
    )


def _trust(client: S3Client) -> SSLContext:
    """What the client trusts; a client that trusts everybody gets the usual authorities here, and boto3 the rest."""
    from botocore.httpsession import get_cert_path

    session = getattr(getattr(client, "_endpoint", None), "http_session", None)
    return create_default_context(cafile=get_cert_path(getattr(session, "_verify", None) or True))
