"""A server on loopback that passes requests on, and spoils the answers that it is told to spoil."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Fault:
    """One spoiled answer.

    Attributes:
        status: Answered in place of the real one.
        drop_after: So many bytes of the body, and then the connection ends.
        reset: It ends with a reset, not as if all had been said.
        hang: The answer does not come.
        headers: Put into the answer; None takes one out.
        chunked: The body is sent in chunks.
        body: Sent in place of the real one.
    """

    status: int = 0
    drop_after: int | None = None
    reset: bool = False
    hang: bool = False
    headers: tuple[tuple[str, str | None], ...] = ()
    chunked: bool = False
    body: bytes | None = None


@dataclass(frozen=True)
class Request:
    """A request that has come.

    Attributes:
        method: Its method.
        path: Its path.
        headers: Its headers, by names in small letters.
    """

    method: str
    path: str
    headers: dict[str, str]

    @property
    def direct(self) -> bool:
        """Whether it has come past boto3, which numbers its attempts."""
        return "amz-sdk-request" not in self.headers


class FaultyServer(ThreadingHTTPServer):
    """Stands before a real server.

    Args:
        upstream: The real server's URL.
        trust: Speaks TLS with this.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: str, trust: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if trust:
            self.socket = trust.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if trust else 'http'}://127.0.0.1:{self.server_port}"
        self.upstream = urlsplit(upstream).netloc
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._plan: deque[Fault | None] = deque()
        self._always: Fault | None = None
        self._about, self._direct = "", False
        self.requests: list[Request] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def forget(self) -> None:
        """Nothing is planned, nothing has come."""
        self.plan()
        self.requests.clear()

    def plan(self, *faults: Fault | None, always: Fault | None = None, about: str = "", direct: bool = False) -> None:
        """What happens to the next GETs of objects, one after the other, and then to all others.

        Args:
            faults: One for each of the next GETs; None: nothing happens to it.
            always: What happens to those after them.
            about: Only GETs whose path has this in it are meant.
            direct: Only GETs that have come past boto3 are meant.
        """
        with self._lock:
            self._plan, self._always = deque(faults), always
            self._about, self._direct = about, direct

    def take(self, request: Request) -> Fault | None:
        """What happens to this request."""
        with self._lock:
            self.requests.append(request)
            meant = request.method == "GET" and "list-type" not in request.path and self._about in request.path
            if not meant or (self._direct and not request.direct):
                return None
            return self._plan.popleft() if self._plan else self._always

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or does not trust, is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing is logged."""

    def _answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        fault = self.server.take(request) or Fault()
        if fault.hang:
            self.server.stopped.wait()
        status, headers, body = self._ask(content)
        if fault.status:
            status, headers, body = fault.status, {}, b"<Error><Code>Planned</Code></Error>"
        body = body if fault.body is None else fault.body
        if self.command != "HEAD":
            headers["Content-Length"] = str(len(body))
        for name, value in fault.headers:
            headers.pop(name, None)
            if value is not None:
                headers[name] = value
        if fault.chunked:
            del headers["Content-Length"]
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body[: fault.drop_after])
        self.close_connection = fault.drop_after is not None or headers.get("Connection") == "close"
        if fault.reset:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    do_GET = do_HEAD = do_PUT = do_DELETE = _answer  # noqa: N815

    def _ask(self, content: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the real server says."""
        link = HTTPConnection(self.server.upstream, timeout=30)
        try:
            link.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    link.putheader(name, value)
            link.endheaders(content or None)
            answer = link.getresponse()
            body = answer.read()
        finally:
            link.close()
        dropped = ("connection", "transfer-encoding", "content-length")
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        if self.command == "HEAD" and (length := answer.getheader("Content-Length")):
            headers["Content-Length"] = length
        return answer.status, headers, body
