"""Log the calls of an ASGI application, such as FastAPI or Starlette, without a change to its handlers."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from monitoring.capture.delivery import DropReason
from monitoring.capture.entries import new_event_id
from monitoring.capture.log import CaptureLog

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LONGEST_ID = 128


class CaptureMiddleware:
    """Records requests and responses as they pass, by the ASGI 3 specification. Nothing is held back.

    Handlers find the event id in `scope["event_id"]`, and may add attributes to `scope["capture_attributes"]`.
    The bodies are taken as they pass here: put what compresses responses outside of this.

    Args:
        app: The application.
        log: Where to.
        paths: The paths to record, exactly as they are requested.
        methods: The methods to record.
        event_id_header: A request header with the caller's own id. An id that is empty, longer than 128 characters,
            not UTF-8 or not printable is replaced.
        event_id: Finds the caller's id instead, such as in another header or the path.
        response_header: Carries the event id in the response, so that the caller can label it. Empty: none.
        body_bytes: A call with a larger body is not recorded, and counted as `body_too_large`.
        flush_seconds: Longest time to write what is waiting when the application shuts down.
    """

    def __init__(
        self,
        app: Application,
        *,
        log: CaptureLog,
        paths: Collection[str],
        methods: Collection[str] = ("POST",),
        event_id_header: str = "x-request-id",
        event_id: Callable[[Scope], str | None] | None = None,
        response_header: str = "x-event-id",
        body_bytes: int = 4 * 1024 * 1024,
        flush_seconds: float = 10.0,
    ) -> None:
        self._app, self._log = app, log
        self._paths, self._methods = frozenset(paths), frozenset(methods)
        header = event_id_header.lower().encode()
        self._event_id = event_id or (lambda scope: _header(scope["headers"], header))
        self._response_header = response_header.lower().encode()
        self._body_bytes, self._flush_seconds = body_bytes, flush_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "http" and scope["path"] in self._paths and scope["method"] in self._methods:
            await self._record(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, self._flushing(send))
        else:
            await self._app(scope, receive, send)

    async def _record(self, scope: Scope, receive: Receive, send: Send) -> None:
        event_id = self._identify(scope)
        limit = self._body_bytes if self._log.samples(event_id) else None
        call = _Call(self._log, scope, event_id, limit)
        scope["event_id"], scope["capture_attributes"] = event_id, call.attributes

        async def receive_copied() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                call.request.add(message)
            return message

        async def send_copied(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                call.answer(message["status"], headers)
                message = {**message, "headers": self._named(headers, event_id)}
            elif message["type"] == "http.response.body":
                call.response.add(message)
            try:
                await send(message)
            finally:  # whether or not the caller has waited for it
                if call.response.complete:
                    call.end()

        try:
            await self._app(scope, receive_copied, send_copied)
        except BaseException:  # who is cancelled has not answered either
            call.status = 500
            raise
        finally:
            call.end()

    def _identify(self, scope: Scope) -> str:
        try:
            given = (self._event_id(scope) or "").strip()
        except Exception:  # noqa: BLE001  # an id that cannot be found must not cost the answer
            given = ""
        return given if 0 < len(given) <= _LONGEST_ID and given.isprintable() else new_event_id()

    def _named(self, headers: Headers, event_id: str) -> Headers:
        name = self._response_header
        wanted = name and all(key.lower() != name for key, _ in headers)
        return [*headers, (name, event_id.encode())] if wanted else headers

    def _flushing(self, send: Send) -> Send:
        async def flush_first(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                # no request is served any more, and a server stopped by a signal may not run what Python does at exit
                self._log.flush(self._flush_seconds)
            await send(message)

        return flush_first


class _Copy:
    """A body as it passes, up to a limit; without a limit none of it is wanted."""

    def __init__(self, limit: int | None) -> None:
        self._limit, self._size = limit, 0
        self._chunks: list[bytes] = []
        self.complete = False

    @property
    def too_large(self) -> bool:
        return self._limit is not None and self._size > self._limit

    def add(self, message: Message) -> None:
        self.complete = not message.get("more_body", False)
        if self._limit is None:
            return
        chunk = message.get("body", b"")
        self._size += len(chunk)
        if self.too_large:
            self._chunks.clear()
        else:
            self._chunks.append(bytes(chunk))

    def body(self) -> bytes | None:
        """All of it; None when there is none, or when it broke off."""
        return b"".join(self._chunks) or None if self.complete else None


class _Call:
    """One request and its response, until it is recorded."""

    def __init__(self, log: CaptureLog, scope: Scope, event_id: str, limit: int | None) -> None:
        self._log, self._event_id = log, event_id
        self._request_type = _header(scope["headers"], b"content-type")
        self._response_type: str | None = None
        self._started, self._ended = time.perf_counter(), False
        self.request, self.response = _Copy(limit), _Copy(limit)
        self.status = 500  # what servers answer for an application that says nothing
        self.attributes: dict[str, object] = {}

    def answer(self, status: int, headers: Headers) -> None:
        self.status, self._response_type = status, _header(headers, b"content-type")

    def end(self) -> None:
        """Record the call, once."""
        if self._ended:
            return
        self._ended = True
        if self.request.too_large or self.response.too_large:
            self._log.drop(DropReason.BODY_TOO_LARGE)
            return
        milliseconds = (time.perf_counter() - self._started) * 1000
        self._log.record_request(
            self.request.body(),
            self._request_type,
            self.response.body(),
            self._response_type,
            event_id=self._event_id,
            attributes={"latency_ms": f"{milliseconds:.3f}", "status": self.status, **self.attributes},
        )


def _header(headers: Headers, name: bytes) -> str | None:
    """The first header of that name, if it is text."""
    found = next((value for key, value in headers if key.lower() == name), b"")
    try:
        return found.decode() or None
    except UnicodeDecodeError:
        return None
