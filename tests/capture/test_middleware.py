"""Calls of an ASGI application, recorded as they pass: in process, and on a real server that is stopped or killed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from monitoring.capture import CaptureLog, CaptureMiddleware, DropReason
from monitoring.capture.middleware import Application, Message, Receive, Scope, Send
from monitoring.store.local import LocalStore
from tests.capture.captured import eventually, ids, keys, records, rows
from tests.conftest import free_ports

ROOT = Path(__file__).parents[2]
JSON = (b"content-type", b"application/json")
BODY = b'{"amount": 12.5, "country": "at"}'
ANSWER = b'{"score": 0.25}'


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


@pytest.fixture
def log(store: LocalStore) -> Iterator[CaptureLog]:
    with CaptureLog(store, "captures/toy", flush_seconds=3600) as log:
        yield log


def post(path: str = "/predict", *headers: tuple[bytes, bytes], method: str = "POST") -> Scope:
    return {"type": "http", "path": path, "method": method, "headers": [JSON, *headers]}


def chunks(*bodies: bytes) -> list[Message]:
    """A request's body as a server hands it over."""
    more = [{"type": "http.request", "body": body, "more_body": True} for body in bodies[:-1]]
    return [*more, {"type": "http.request", "body": bodies[-1]}]


def call(
    app: Application, scope: Scope, messages: list[Message] | None = None, *, fails: type[BaseException] | None = None
) -> list[Message]:
    """What the application sends."""
    waiting = iter(chunks(BODY) if messages is None else messages)
    sent: list[Message] = []

    async def receive() -> Message:
        return next(waiting, {"type": "http.disconnect"})

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        with pytest.raises(fails) if fails else contextlib.nullcontext():
            await app(scope, receive, send)

    asyncio.run(run())
    return sent


def answering(*bodies: bytes, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = (JSON,)) -> Application:
    """An application that reads the request and answers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for number, body in enumerate(bodies):
            await send({"type": "http.response.body", "body": body, "more_body": number + 1 < len(bodies)})

    return app


def watched(log: CaptureLog, app: Application, **settings: Any) -> CaptureMiddleware:
    return CaptureMiddleware(app, log=log, paths=("/predict",), **settings)


def event_id_of(sent: list[Message]) -> str:
    (found,) = [value for name, value in sent[0]["headers"] if name == b"x-event-id"]
    return str(found.decode())


# What is recorded


def test_a_call_is_recorded_as_the_reader_wants_it(log: CaptureLog, store: LocalStore) -> None:
    sent = call(watched(log, answering(ANSWER)), post())
    assert [message.get("body") for message in sent] == [None, ANSWER]
    assert log.flush()
    (row,) = rows(store)
    assert row.event_id == event_id_of(sent)
    assert (row.features, row.outputs) == ({"amount": 12.5, "country": "at"}, {"score": 0.25})
    assert row.attributes["status"] == "200"
    assert 0 < float(row.attributes["latency_ms"]) < 10_000


def test_content_types_and_bodies_are_kept(log: CaptureLog, store: LocalStore) -> None:
    app = answering(b"0.2", b"5\n", headers=((b"Content-Type", b"text/csv"),))
    scope = {**post(), "headers": [(b"content-type", b"image/png")]}
    call(watched(log, app), scope, chunks(b"\x89P", b"", b"NG"))
    assert log.flush()
    (record,) = records(store)
    assert record["captureData"] == {
        "endpointInput": {
            "observedContentType": "image/png",
            "mode": "INPUT",
            "data": base64.b64encode(b"\x89PNG").decode(),
            "encoding": "BASE64",
        },
        "endpointOutput": {
            "observedContentType": "text/csv",
            "mode": "OUTPUT",
            "data": "0.25\n",
            "encoding": "CSV",
        },
    }


@pytest.mark.parametrize("status", [400, 422, 503])
def test_a_refusal_is_recorded_with_its_status(status: int, log: CaptureLog, store: LocalStore) -> None:
    call(watched(log, answering(b'{"detail": "no"}', status=status)), post())
    assert log.flush()
    (row,) = rows(store)
    assert row.attributes["status"] == str(status)
    assert records(store)[0]["captureData"]["endpointOutput"]["data"] == '{"detail": "no"}'


async def failing(_scope: Scope, receive: Receive, _send: Send) -> None:
    await receive()
    raise ZeroDivisionError


async def breaking_off(_scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": b'{"sco', "more_body": True})
    raise ZeroDivisionError


async def cancelled(_scope: Scope, receive: Receive, _send: Send) -> None:
    await receive()
    raise asyncio.CancelledError


async def silent(_scope: Scope, receive: Receive, _send: Send) -> None:
    await receive()


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (failing, ZeroDivisionError),
        (breaking_off, ZeroDivisionError),
        (cancelled, asyncio.CancelledError),
        (silent, None),
    ],
)
def test_a_call_without_an_answer_is_recorded_as_status_500(
    app: Application, error: type[BaseException] | None, log: CaptureLog, store: LocalStore
) -> None:
    call(watched(log, app), post(), fails=error)
    assert log.flush()
    (record,) = records(store)
    assert list(record["captureData"]) == ["endpointInput"]
    (row,) = rows(store)
    assert row.attributes["status"] == "500"


def test_an_answer_that_was_given_stays_one_when_what_follows_fails(log: CaptureLog, store: LocalStore) -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(ANSWER)(scope, receive, send)
        seen.append(log.counts().offered)
        raise ZeroDivisionError

    call(watched(log, app), post(), fails=ZeroDivisionError)
    assert seen == [1]  # recorded before what runs in the background
    assert log.flush()
    (row,) = rows(store)
    assert row.attributes["status"] == "200"


def test_an_answer_that_nobody_waits_for_is_recorded(log: CaptureLog, store: LocalStore) -> None:
    async def receive() -> Message:
        return chunks(BODY)[0]

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            raise OSError("disconnected")

    with pytest.raises(OSError, match="disconnected"):
        asyncio.run(watched(log, answering(ANSWER))(post(), receive, send))
    assert log.flush()
    (row,) = rows(store)
    assert (row.attributes["status"], row.outputs) == ("200", {"score": 0.25})


def test_a_request_that_was_not_read_to_its_end_is_left_out(log: CaptureLog, store: LocalStore) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 401})
        await send({"type": "http.response.body"})

    call(watched(log, app), post(), chunks(b'{"amount"', b": 1}"))
    call(watched(log, app), post(), [*chunks(b'{"amount"', b"")[:1], {"type": "http.disconnect"}])
    assert log.flush()
    assert [record["captureData"] for record in records(store)] == [{}, {}]


def test_handlers_find_the_id_and_add_attributes(log: CaptureLog, store: LocalStore) -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["event_id"])
        scope["capture_attributes"]["model_version"] = 8
        scope["capture_attributes"] = "something else"
        await answering(ANSWER)(scope, receive, send)

    sent = call(watched(log, app), post())
    assert seen == [event_id_of(sent)]
    assert log.flush()
    (row,) = rows(store)
    assert row.attributes["model_version"] == "8"


def test_only_the_paths_and_methods_asked_for_are_recorded(log: CaptureLog) -> None:
    app = watched(log, answering(ANSWER), methods=("POST", "PUT"))
    for scope in (post("/health"), post("/predict/"), post(method="GET"), post(method="OPTIONS")):
        sent = call(app, scope)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert sent[0]["headers"] == [JSON]
        assert "event_id" not in scope
    assert log.counts().offered == 0
    call(app, post(method="PUT"))
    assert log.counts().offered == 1


# Event ids


@pytest.mark.parametrize("given", ["order-4711", "Bestellung 7 ä", "x" * 128, " padded "])
def test_the_callers_id_is_used_and_answered(given: str, log: CaptureLog, store: LocalStore) -> None:
    sent = call(watched(log, answering(ANSWER)), post("/predict", (b"X-Request-ID", given.encode())))
    assert event_id_of(sent) == given.strip()
    assert log.flush()
    assert ids(store) == [given.strip()]


@pytest.mark.parametrize("given", [b"", b"  ", b"x" * 129, b"\xff", b"a\r\nset-cookie: b", b"\0", "\u202e".encode()])
def test_an_id_that_cannot_be_used_is_replaced(given: bytes, log: CaptureLog, store: LocalStore) -> None:
    sent = call(watched(log, answering(ANSWER)), post("/predict", (b"x-request-id", given)))
    assert uuid.UUID(event_id_of(sent)).version == 4
    assert log.flush()
    assert ids(store) == [event_id_of(sent)]


def test_the_id_may_come_from_elsewhere(log: CaptureLog) -> None:
    def find(scope: Scope) -> str | None:
        return scope["query_string"].decode() or None  # type: ignore[no-any-return]

    app = watched(log, answering(ANSWER), event_id=find, response_header="X-Id")
    assert (b"x-id", b"a") in call(app, {**post(), "query_string": b"a"})[0]["headers"]
    for scope in ({**post(), "query_string": b""}, post()):  # none, and a KeyError
        (name,) = [value for key, value in call(app, scope)[0]["headers"] if key == b"x-id"]
        assert uuid.UUID(name.decode()).version == 4


def test_the_header_of_the_application_comes_first(log: CaptureLog) -> None:
    headers = (JSON, (b"X-Event-Id", b"mine"))
    assert call(watched(log, answering(ANSWER, headers=headers)), post())[0]["headers"] == list(headers)
    assert call(watched(log, answering(ANSWER), response_header=""), post())[0]["headers"] == [JSON]


# What passes


def test_nothing_is_held_back(log: CaptureLog) -> None:
    """Each chunk has gone out before the next is made, and is read only when the application asks."""
    trace = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        trace.append("app")
        for _ in range(2):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            trace.append(f"make {number}")
            await send({"type": "http.response.body", "body": b"x", "more_body": number < 2})

    async def receive() -> Message:
        trace.append("read")
        return {"type": "http.request", "body": b"y", "more_body": trace.count("read") < 2}

    async def send(message: Message) -> None:
        trace.append(message["type"].removeprefix("http.response."))

    asyncio.run(watched(log, app)(post(), receive, send))
    assert trace == [
        *("app", "read", "read", "start"),
        *("make 0", "body", "make 1", "body", "make 2", "body"),
    ]


def test_messages_pass_unchanged_but_for_the_header(log: CaptureLog) -> None:
    messages: list[Message] = [
        {"type": "http.response.start", "status": 200, "headers": [JSON, JSON], "trailers": True},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b"},
        {"type": "http.response.trailers", "headers": [(b"x", b"y")]},
    ]

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    sent = call(watched(log, app), post())
    assert sent[1:] == messages[1:]
    assert {**sent[0], "headers": sent[0]["headers"][:-1]} == messages[0]


def test_a_body_over_the_limit_passes_and_is_counted(log: CaptureLog) -> None:
    app = watched(log, answering(b"1234", b"5678"), body_bytes=8)
    assert len(call(app, post(), chunks(b"12345678"))) == 3
    assert (log.counts().waiting, log.counts().dropped) == (1, 0)
    assert len(call(app, post(), chunks(b"1234", b"56789"))) == 3
    sent = call(watched(log, answering(b"1234", b"56789"), body_bytes=8), post(), chunks(b"1"))
    assert b"".join(message.get("body", b"") for message in sent) == b"123456789"
    assert (log.counts().waiting, log.counts().drops) == (1, {DropReason.BODY_TOO_LARGE: 2})


def test_what_is_not_sampled_is_counted_and_has_an_id(store: LocalStore) -> None:
    with CaptureLog(store, "captures/toy", sample=0.0) as log:
        sent = call(watched(log, answering(ANSWER * 9), body_bytes=8), post())
    assert event_id_of(sent)
    assert (log.counts().sampled_out, log.counts().offered) == (1, 1)


def test_websockets_pass_untouched(log: CaptureLog) -> None:
    seen: list[object] = []

    async def app(*given: object) -> None:
        seen.extend(given)

    async def receive() -> Message:
        return {}

    async def send(_message: Message) -> None: ...

    scope = {"type": "websocket", "path": "/predict"}
    asyncio.run(watched(log, app)(scope, receive, send))
    assert seen[0] is scope
    assert seen[1:] == [receive, send]
    assert scope == {"type": "websocket", "path": "/predict"}


@pytest.mark.parametrize("end", ["complete", "failed"])
def test_a_shutdown_flushes_before_the_server_goes_on(end: str, log: CaptureLog, store: LocalStore) -> None:
    written = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        log.record((12.5, "at"), 0.5)
        await send({"type": f"lifespan.shutdown.{end}"})

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        written.append((message["type"], log.counts().written))

    asyncio.run(watched(log, app)({"type": "lifespan"}, receive, send))
    assert written == [("lifespan.startup.complete", 0), (f"lifespan.shutdown.{end}", 1)]
    assert len(keys(store)) == 1


# With FastAPI, on servers


def test_fastapi(log: CaptureLog, store: LocalStore) -> None:
    app = FastAPI()
    app.add_middleware(CaptureMiddleware, log=log, paths=("/predict",))

    @app.post("/predict")
    async def predict(body: dict[str, Any], request: Request) -> dict[str, Any]:
        request.scope["capture_attributes"]["model_version"] = "7"
        return {"score": 1 / body["amount"], "event_id": request.scope["event_id"]}

    @app.exception_handler(ZeroDivisionError)
    async def sorry(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "sorry"}, 503)

    async def run() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            bodies: list[Any] = [{"amount": 4, "country": "at"}, {"amount": 0, "country": "at"}, [1]]
            return [await client.post("/predict", json=body) for body in bodies]

    answers = asyncio.run(run())
    assert answers[0].json() == {"score": 0.25, "event_id": answers[0].headers["x-event-id"]}
    assert log.flush()
    assert [record["eventMetadata"]["eventId"] for record in records(store)] == [
        answer.headers["x-event-id"] for answer in answers
    ]
    statuses = [pair for record in records(store) for pair in record["eventMetadata"]["customAttributes"]]
    assert [pair for pair in statuses if pair.startswith("status=")] == ["status=200", "status=503", "status=422"]


SERVER = """
import sys
import uvicorn
from fastapi import FastAPI
from monitoring.capture import CaptureLog, CaptureMiddleware

app = FastAPI()
log = CaptureLog(sys.argv[2], "captures/toy", flush_seconds=float(sys.argv[3]))
app.add_middleware(CaptureMiddleware, log=log, paths=("/predict",))

@app.post("/predict")
async def predict(body: dict):
    return {"score": body["amount"] / 1000}

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""


class Server:
    """A real server in a process of its own."""

    def __init__(self, store: LocalStore, flush_seconds: float) -> None:
        self.store = store
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}/predict"
        command = [sys.executable, "-c", SERVER, str(port), str(store.root), str(flush_seconds)]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def ready(self) -> bool:
        assert self.process.poll() is None
        try:
            return httpx.get(self.url).status_code == 405
        except httpx.TransportError:
            return False

    def load(
        self, requests: int, at_once: int, until: Callable[[list[str]], Awaitable[None]] | None = None
    ) -> list[str]:
        """The ids of all requests that were answered, under concurrent load."""
        answered: list[str] = []
        names = iter(range(requests))

        async def caller(client: httpx.AsyncClient) -> None:
            for number in names:
                body = {"amount": number, "country": "at"}
                with contextlib.suppress(httpx.TransportError):  # killed meanwhile
                    answer = await client.post(self.url, json=body, headers={"x-request-id": f"request-{number}"})
                    assert answer.headers["x-event-id"] == f"request-{number}"
                    answered.append(answer.headers["x-event-id"])

        async def run() -> None:
            async with httpx.AsyncClient() as client:
                callers = [caller(client) for _ in range(at_once)]
                await asyncio.gather(*callers, *([until(answered)] if until else []))

        asyncio.run(run())
        return answered


@pytest.fixture
def serve(store: LocalStore) -> Iterator[Callable[[float], Server]]:
    started = []

    def start(flush_seconds: float) -> Server:
        started.append(Server(store, flush_seconds))
        eventually(started[-1].ready)
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.mark.service
def test_a_server_that_is_stopped_loses_nothing(serve: Callable[[float], Server], store: LocalStore) -> None:
    server = serve(3600)
    answered = server.load(100, 8)
    assert len(answered) == 100
    assert not keys(store)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(30)
    assert ids(store) == sorted(answered)
    assert {row.attributes["status"] for row in rows(store)} == {"200"}
    assert len(keys(store)) <= 2


@pytest.mark.service
def test_a_server_that_is_killed_leaves_whole_objects(serve: Callable[[float], Server], store: LocalStore) -> None:
    server = serve(0.02)

    async def kill(answered: list[str]) -> None:
        deadline = time.monotonic() + 30
        while not (len(answered) > 50 and keys(store)) and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
        server.process.kill()

    answered = server.load(400, 8, kill)
    server.process.wait(30)
    assert 50 < len(answered) < 400
    found = [row.event_id for row in rows(store)]
    assert found
    assert len(found) == len(set(found))
    assert set(found) <= {f"request-{number}" for number in range(400)}
    assert all(store.get(key).endswith(b"\n") for key in keys(store))
