"""What logging an inference costs: in the request's path, in the background, and beside an ASGI application.

`python -m benchmarks.writer` prints the figures beside their goals, and then all numbers as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.figures import Figure
from monitoring.capture import CaptureLog, CaptureMiddleware
from monitoring.store.local import LocalStore

FEATURES = [1.5, 2.25, 0.1, 3.0, 7.0, *range(10), "at", "premium", "web", "de", None]
ATTRIBUTES = {"latency_ms": 12.5, "status": 200}
BODY = json.dumps({"features": FEATURES}).encode()
ANSWER = b'{"score": 0.2731}'
CALLS, CYCLES, ROUNDS = 20_000, 3_000, 5
# Nothing is written while the request's path is timed alone
IDLE = {"flush_seconds": 3600.0, "flush_bytes": 1 << 30, "buffer_bytes": 1 << 30}
WORK = 1_500  # additions, about 0.1 ms
IO_SECONDS = 5e-5

FIGURES = {
    "record_p50_us": Figure("record, 20 features: median wall time", 20, unit=" µs"),
    "record_mean_us": Figure("record, 20 features: mean CPU time", 20, unit=" µs"),
    "record_id_given_mean_us": Figure("record with an id: mean CPU time", 20, unit=" µs"),
    "record_request_mean_us": Figure("record_request, 0.2 kB of JSON: mean CPU time", 20, unit=" µs"),
    "sampled_out_mean_us": Figure("record, 1 % sampled: mean CPU time", 20, unit=" µs"),
    "buffer_full_mean_us": Figure("record, buffer full: mean CPU time", 20, unit=" µs"),
    "middleware_mean_us": Figure("middleware around a call: mean CPU time", 100, unit=" µs"),
    "written_per_second": Figure("records made and written a second", 5_000, most=False),
    "import_ms": Figure("import monitoring.capture: CPU time", 200, unit=" ms"),
}


def _times(call: Callable[[], object], count: int) -> list[float]:
    """Microseconds of each call."""
    clock, found = time.perf_counter_ns, []
    for _ in range(count):
        start = clock()
        call()
        found.append((clock() - start) / 1000)
    return found


def _recording(folder: str, call: Callable[[CaptureLog], object], **settings: Any) -> dict[str, float]:
    """One call on a log whose thread sleeps, in µs: wall time, and the mean of CPU time. Other processes only add to
    both, so the best of some rounds counts.
    """
    rounds = []
    for _ in range(ROUNDS):
        log = CaptureLog(folder, "captures", **{**IDLE, **settings})
        cpu = time.thread_time()
        times = _times(lambda log=log: call(log), CALLS)
        rounds.append((sorted(times), (time.thread_time() - cpu) / CALLS * 1e6))
        log.close(0)
    return {
        "p50": min(one[CALLS // 2] for one, _ in rounds),
        "p99": min(one[CALLS * 99 // 100] for one, _ in rounds),
        "mean": min(cpu for _, cpu in rounds),
    }


def paths(folder: str) -> dict[str, float]:
    """What the request pays."""
    found = {
        "record": _recording(folder, lambda log: log.record(FEATURES, 0.2731, attributes=ATTRIBUTES)),
        "record_id_given": _recording(folder, lambda log: log.record(FEATURES, 0.2731, event_id="order-4711")),
        "record_request": _recording(
            folder, lambda log: log.record_request(BODY, "application/json", ANSWER, "application/json")
        ),
        "sampled_out": _recording(folder, lambda log: log.record(FEATURES, 0.2731), sample=0.01),
        "buffer_full": _recording(folder, lambda log: log.record(FEATURES, 0.2731), buffer_bytes=1),
    }
    return {f"{name}_{what}_us": value for name, numbers in found.items() for what, value in numbers.items()}


def background(folder: str) -> dict[str, float]:
    """How fast records become objects in a directory, and how large they are."""
    store = LocalStore(Path(folder))
    log = CaptureLog(store, "background", **IDLE)
    for _ in range(CALLS):
        log.record(FEATURES, 0.2731, attributes=ATTRIBUTES)
    wall, cpu = time.perf_counter(), time.process_time()
    assert log.flush(60)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(len(store.get(key)) for key in store.keys("background/"))
    log.close()
    return {
        "written_per_second": CALLS / wall,
        "background_cpu_us": cpu / CALLS * 1e6,
        "bytes_per_record": size / CALLS,
    }


def _cycle(call: Callable[[], object]) -> None:
    """A request as a server sees it: some work, the log, and a moment of waiting for the network."""
    total = 0
    for i in range(WORK):
        total += i
    call()
    time.sleep(IO_SECONDS)


def beside_work(folder: str) -> dict[str, float]:
    """Whole requests without a log, with a log that waits, and with one that writes twenty times a second."""
    logs = {"idle": CaptureLog(folder, "beside", **IDLE), "busy": CaptureLog(folder, "beside", flush_seconds=0.05)}
    calls = {
        "none": lambda: None,
        "idle": lambda: logs["idle"].record(FEATURES, 0.2731, attributes=ATTRIBUTES),
        "busy": lambda: logs["busy"].record(FEATURES, 0.2731, attributes=ATTRIBUTES),
    }
    rounds: dict[str, list[list[float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            rounds[name].append(sorted(_times(lambda call=call: _cycle(call), CYCLES)))
    for log in logs.values():
        log.close()
    found: dict[str, float] = {}
    for name, times in rounds.items():
        found[f"request_{name}_p50_us"] = min(one[CYCLES // 2] for one in times)
        found[f"request_{name}_p99_us"] = min(one[CYCLES * 99 // 100] for one in times)
    return found


async def _application(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": ANSWER})


def middleware(folder: str) -> dict[str, float]:
    """A call of an application that does nothing, with the middleware and without."""
    headers = [(b"content-type", b"application/json"), (b"x-request-id", b"order-4711"), (b"accept", b"*/*")]

    async def receive() -> Any:
        return {"type": "http.request", "body": BODY}

    async def send(_message: Any) -> None: ...

    async def mean(app: Any) -> float:
        start = time.thread_time()
        for _ in range(CALLS):
            await app({"type": "http", "method": "POST", "path": "/predict", "headers": headers}, receive, send)
        return (time.thread_time() - start) / CALLS * 1e6

    differences = []
    for _ in range(ROUNDS):
        log = CaptureLog(folder, "middleware", **{**IDLE, "buffer_records": CALLS})
        watched = CaptureMiddleware(_application, log=log, paths=("/predict",))
        differences.append(asyncio.run(mean(watched)) - asyncio.run(mean(_application)))
        log.close(0)
    return {"middleware_mean_us": min(differences)}


def imports() -> dict[str, float]:
    """CPU time of a fresh interpreter with the import, less one without."""

    def best(statement: str) -> float:
        times = []
        for _ in range(ROUNDS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", statement], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times) * 1000

    return {"import_ms": best("import monitoring.capture") - best("pass")}


def measure() -> dict[str, float]:
    """All numbers."""
    logging.disable(logging.WARNING)  # what a closed log drops is said, and is not the matter here
    with tempfile.TemporaryDirectory() as folder:
        return paths(folder) | background(folder) | beside_work(folder) | middleware(folder) | imports()


def rows(found: dict[str, float]) -> list[list[str]]:
    return [
        [figure.title, figures.number(found[name]) + figure.unit, figure.aim(), figure.verdict(found[name])]
        for name, figure in FIGURES.items()
    ]


def main() -> None:
    found = measure()
    figures.show(figures.HEADER, rows(found))
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=2))


if __name__ == "__main__":
    main()
