"""The log that serving code writes: what is kept, what is dropped, and that nothing of it harms the service."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture import CapturedInference, CaptureLog, Counts, DropReason, delivery, keeps, write_captures
from monitoring.errors import ConfigError, StoreUnavailableError
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store
from tests.capture.captured import MOST_SECONDS, eventually, ids, keys, records, rows

ROOT = Path(__file__).parents[2]
NOON = datetime(2024, 1, 11, 12, 30, tzinfo=UTC)
ROW = (12.5, "at")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


class Faulty(LocalStore):
    """A store that can be made to fail, or to wait."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.error: Exception | None = None
        self.error_on = ""
        self.failures = 0
        self.puts: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def put(self, key: str, data: bytes) -> None:
        self.entered.set()
        assert self.gate.wait(MOST_SECONDS)
        if self.error and self.error_on in key:
            self.failures += 1
            raise self.error
        super().put(key, data)
        self.puts.append(key)


@pytest.fixture
def store(tmp_path: Path) -> Faulty:
    return Faulty(tmp_path)


@pytest.fixture
def open_log(store: Faulty) -> Iterator[Callable[..., CaptureLog]]:
    """Logs on the store that write when told to, all closed at the end."""
    opened = []

    def make(**changes: Any) -> CaptureLog:
        opened.append(CaptureLog(store, "captures/toy", **{"flush_seconds": 3600, **changes}))
        return opened[-1]

    yield make
    store.error = None
    store.gate.set()
    for log in opened:
        log.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(delivery, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(delivery, "_LONGEST_DELAY", 0.01)


OpenLog = Callable[..., CaptureLog]


def balanced(counts: Counts) -> bool:
    return counts.offered == counts.sampled_out + counts.dropped + counts.written + counts.waiting


# What is written


def test_a_record_is_what_write_captures_writes(store: Faulty, open_log: OpenLog) -> None:
    items = [
        CapturedInference(
            f"e{i}",
            NOON.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=i),
            [i + 0.1, 'a "quoted",\nlïne', None, True],
            i / 9,
            {"model_version": "7", "status": "200"},
        )
        for i in range(9)
    ]
    log = open_log()
    for item in items:
        log.record(
            item.features,
            item.score,
            event_id=item.event_id,
            event_time=item.event_time,
            attributes={"model_version": 7, "status": 200},
        )
    assert log.flush()
    (key,) = keys(store)
    (other,) = write_captures(store, "other", items)
    assert store.get(key) == store.get(other)


def test_the_reader_finds_what_was_recorded(store: Faulty, open_log: OpenLog) -> None:
    log = open_log(attributes={"model_version": "7", "tenant": "a"})
    log.record([12.5, "at"], 0.25, event_id="list", event_time=NOON, attributes={"latency_ms": 1.5, "tenant": "b"})
    log.record({"amount": 12.5, "country": "at"}, {"score": 0.25}, event_id="named", event_time=NOON)
    log.record((None, ""), [0.25], event_id="outputs", event_time=NOON.replace(tzinfo=None))
    assert log.flush()
    first, second, third = rows(store)
    assert [row.event_id for row in (first, second, third)] == ["list", "named", "outputs"]
    assert {row.event_time for row in (first, second, third)} == {NOON}
    assert first.features == {"amount": "12.5", "country": "at"}
    assert second.features == {"amount": 12.5, "country": "at"}
    assert third.features == {"amount": "", "country": ""}
    assert [float(row.outputs["score"]) for row in (first, second, third)] == [0.25] * 3
    assert first.attributes == {"model_version": "7", "latency_ms": "1.5", "tenant": "b"}
    assert second.attributes == {"model_version": "7", "tenant": "a"}


def test_an_id_and_a_time_are_made_when_there_is_none(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    before = datetime.now(UTC)
    made = [log.record(ROW, 0.5) for _ in range(50)]
    after = datetime.now(UTC)
    assert log.flush()
    assert ids(store) == sorted(made)
    assert {uuid.UUID(event_id).version for event_id in made} == {4}
    assert {uuid.UUID(event_id).variant for event_id in made} == {uuid.RFC_4122}
    assert all(str(uuid.UUID(event_id)) == event_id for event_id in made)
    assert all(before <= row.event_time <= after for row in rows(store))


def test_what_the_caller_changes_later_is_not_recorded(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    features, named, attributes, body = (
        [1.0, "at"],
        {"amount": 2.0, "country": "at"},
        {"status": 200},
        bytearray(b"3,a"),
    )
    log.record(features, 0.5, event_id="a", attributes=attributes)
    log.record(named, 0.5, event_id="b")
    log.record_request(body, "text/csv", b"0.5", "text/csv", event_id="c")
    features[0], named["amount"], attributes["status"] = 9.0, 9.0, 500
    body[0:1] = b"9"
    assert log.flush()
    assert [row.features["amount"] for row in rows(store)] == ["1.0", 2.0, "3"]
    assert rows(store)[0].attributes == {"status": "200"}


def test_an_object_holds_one_hour(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    for minutes in range(0, 300, 7):
        log.record(ROW, 0.5, event_time=NOON + timedelta(minutes=minutes))
    assert log.flush()
    assert len(keys(store)) == log.counts().objects == 6
    for key in keys(store):
        folder = re.fullmatch(r"captures/toy/(\d{4}/\d\d/\d\d/\d\d)/[0-5]\d-[0-5]\d-\d{3}-[0-9a-f]{16}-\d+\.jsonl", key)
        assert folder
        times = [record["eventMetadata"]["inferenceTime"] for record in map(json.loads, store.get(key).splitlines())]
        assert {datetime.fromisoformat(text).strftime("%Y/%m/%d/%H") for text in times} == {folder[1]}


def test_no_object_is_written_twice(store: Faulty, open_log: OpenLog) -> None:
    logs = [open_log(), open_log()]
    for _ in range(5):
        for log in logs:
            log.record(ROW, 0.5, event_time=NOON)
            assert log.flush()
    assert len(set(store.puts)) == len(store.puts) == len(keys(store)) == 10


def test_a_large_batch_is_cut(store: Faulty, open_log: OpenLog) -> None:
    log = open_log(flush_bytes=2000)
    made = [log.record(ROW, 0.5, event_time=NOON) for _ in range(100)]
    assert log.flush()
    sizes = [len(store.get(key)) for key in keys(store)]
    assert len(sizes) > 10
    assert max(sizes) < 2500
    assert ids(store) == sorted(made)


def test_a_batch_is_written_when_it_is_large_or_old_or_fills_half_the_buffer(open_log: OpenLog) -> None:
    for changes in ({"flush_bytes": 5000}, {"flush_seconds": 0.01}, {"buffer_records": 20}, {"buffer_bytes": 12_000}):
        log = open_log(**changes)
        for _ in range(10):
            log.record(ROW, 0.5)
        eventually(lambda log=log: log.counts().written > 0)


# Sampling


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_sample_holds_the_smaller_one(event_id: str, one: float, other: float) -> None:
    assert keeps(event_id, min(one, other)) <= keeps(event_id, max(one, other))
    assert keeps(event_id, 1.0)
    assert not keeps(event_id, 0.0)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([0.01, 0.1, 0.5, 0.9]))
def test_a_sample_is_about_as_large_as_its_fraction(seed: int, fraction: float) -> None:
    count = 2000
    kept = sum(keeps(f"{seed}-{i}", fraction) for i in range(count))
    assert abs(kept - count * fraction) < 6 * (count * fraction * (1 - fraction)) ** 0.5


def test_the_hash_is_the_documented_one() -> None:
    # sha256("order-4711") begins with 173d0ddbff034193
    limit = 0x173D0DDBFF034193 / 2**64
    assert keeps("order-4711", limit * (1 + 1e-12))
    assert not keeps("order-4711", limit * (1 - 1e-12))


def test_what_is_left_out_is_counted(store: Faulty, open_log: OpenLog) -> None:
    log = open_log(sample=0.3)
    names = [f"e{i}" for i in range(200)]
    for name in names[:100]:
        assert log.record(ROW, 0.5, event_id=name) == name
    for name in names[100:]:
        assert log.record_request(b"1,at", "text/csv", b"0.5", "text/csv", event_id=name) == name
    assert log.flush()
    kept = [name for name in names if keeps(name, 0.3)]
    assert ids(store) == sorted(kept)
    assert log.counts() == Counts(200, 200 - len(kept), len(kept), 0, {}, 1)


# Limits


def test_a_full_buffer_drops_and_does_not_wait(store: Faulty, open_log: OpenLog) -> None:
    log = open_log(buffer_records=10)
    store.gate.clear()
    for _ in range(25):
        log.record(ROW, 0.5)
    counts = log.counts()
    assert (counts.offered, counts.waiting, counts.drops) == (25, 10, {DropReason.BUFFER_FULL: 15})
    store.gate.set()
    assert log.flush()
    assert len(records(store)) == log.counts().written == 10
    log.record(ROW, 0.5)
    assert log.flush()
    assert log.counts().written == 11


@pytest.mark.parametrize("features", [["x" * 3000], [b"x" * 3000], [[1.0] * 75], {"x" * 3000: 1}])
def test_the_buffer_is_bounded_in_bytes(features: Any, store: Faulty, open_log: OpenLog) -> None:
    log = open_log(buffer_bytes=10_000)
    store.gate.clear()
    for _ in range(5):
        log.record(features, 0.5)
        log.record_request(b"x" * 3000, "text/csv", None, None)
    assert log.counts().waiting == 2
    assert log.counts().drops == {DropReason.BUFFER_FULL: 8}
    store.gate.set()
    assert log.flush()
    log.record(features, 0.5)
    assert log.flush()
    assert log.counts().written == 3


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text for this")


@pytest.mark.parametrize(
    ("features", "score"),
    [(None, 0.5), ("12.5,at", 0.5), (ROW, "high"), (ROW, None), (ROW, [Unprintable()]), ([Unprintable()], 0.5)],
)
def test_what_cannot_be_encoded_is_dropped_alone(
    features: Any, score: Any, store: Faulty, open_log: OpenLog, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_log()
    log.record(ROW, 0.5, event_id="before")
    assert log.record(features, score, event_id="bad") == "bad"
    log.record(ROW, 0.5, event_id="after")
    assert log.flush()
    assert ids(store) == ["after", "before"]
    assert log.counts() == Counts(3, 0, 2, 0, {DropReason.UNENCODABLE: 1}, 1)
    assert "unencodable 1" in caplog.text
    assert "Error" in caplog.text
    assert not re.search("high|12.5|no text", caplog.text)  # values do not leak into logs


def test_bad_arguments_are_counted_and_not_raised(open_log: OpenLog) -> None:
    log = open_log()
    log.record(ROW, 0.5, event_time="noon")  # type: ignore[arg-type]
    log.record(ROW, 0.5, attributes=5)  # type: ignore[arg-type]
    log.record_request("text", "text/csv", None, None)  # type: ignore[arg-type]
    assert log.record(ROW, 0.5, event_id=4711) == "4711"  # type: ignore[arg-type]
    assert log.flush()
    assert log.counts() == Counts(4, 0, 1, 0, {DropReason.UNENCODABLE: 3}, 1)


def test_drops_are_logged_once_a_minute(
    store: Faulty, open_log: OpenLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    for _ in range(5):
        log.drop(DropReason.BODY_TOO_LARGE)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "body_too_large 1" in caplog.text
    monkeypatch.setattr(delivery, "_QUIET_SECONDS", 0)
    log.record(ROW, 0.5)
    assert log.flush()
    assert "body_too_large 5" in caplog.text
    caplog.clear()
    log.record(ROW, 0.5)
    assert log.flush()
    assert not caplog.records  # nothing more was dropped


@pytest.mark.parametrize(
    "changes",
    [
        {"sample": 1.5},
        {"sample": -0.1},
        {"buffer_records": 0},
        {"buffer_bytes": 0},
        {"flush_bytes": 0},
        {"flush_seconds": 0},
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], open_log: OpenLog) -> None:
    with pytest.raises(ConfigError):
        open_log(**changes)


# A store that fails


@pytest.mark.parametrize(
    "error",
    [StoreUnavailableError("down"), ConfigError("refused"), OSError("disk full"), RuntimeError("a defect")],
    ids=lambda error: type(error).__name__,
)
def test_a_store_that_fails_for_a_while_loses_nothing(
    error: Exception, store: Faulty, open_log: OpenLog, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    log = open_log()
    store.error = error
    made = [log.record(ROW, 0.5) for _ in range(20)]
    assert not log.flush(0.05)
    eventually(lambda: store.failures >= 4)
    assert log.counts() == Counts(20, 0, 0, 20, {}, 0)
    assert str(error) in caplog.text
    store.error = None
    assert log.flush()
    assert ids(store) == sorted(made)
    assert log.counts() == Counts(20, 0, 20, 0, {}, 1)


def test_a_flush_does_not_wait_for_the_next_try(
    store: Faulty, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_DELAY", 3600)
    monkeypatch.setattr(delivery, "_LONGEST_DELAY", 3600)
    log = open_log()
    store.error = StoreUnavailableError("down")
    log.record(ROW, 0.5)
    assert not log.flush(0.05)
    store.error = None
    assert log.flush()
    assert log.counts().written == 1


def test_a_store_that_fails_for_long_costs_what_the_buffer_cannot_hold(
    store: Faulty, open_log: OpenLog, impatient: None
) -> None:
    log = open_log(buffer_records=100)
    store.error = StoreUnavailableError("down")
    offered = 0
    while DropReason.STORE_FAILED not in log.counts().drops:
        log.record(ROW, 0.5)
        offered += 1
        assert balanced(log.counts())
        assert log.counts().waiting <= 100
    store.error = None
    late = log.record(ROW, 0.5)
    eventually(lambda: log.flush(0.1))
    counts = log.counts()
    assert balanced(counts)
    assert counts.offered == offered + 1
    assert set(counts.drops) <= {DropReason.STORE_FAILED, DropReason.BUFFER_FULL}
    assert late in ids(store)
    assert len(records(store)) == counts.written


def test_a_burst_in_the_past_does_not_cost_retries_now(store: Faulty, open_log: OpenLog, impatient: None) -> None:
    log = open_log(buffer_records=10)
    store.gate.clear()
    for _ in range(20):
        log.record(ROW, 0.5)
    store.gate.set()
    assert log.flush()
    store.error = StoreUnavailableError("down")
    log.record(ROW, 0.5)
    assert not log.flush(0.05)
    eventually(lambda: store.failures >= 4)
    store.error = None
    assert log.flush()
    assert log.counts().drops == {DropReason.BUFFER_FULL: 10}


def test_the_counts_agree_at_any_moment(store: Faulty, open_log: OpenLog, impatient: None) -> None:
    log = open_log(buffer_records=200, flush_bytes=20_000, sample=0.7)
    done = threading.Event()
    seen = []

    def watch() -> None:
        while not done.is_set():
            seen.append(log.counts())

    def serve(number: int) -> None:
        for i in range(400):
            log.record(ROW if i % 50 else None, 0.5, event_id=f"{number}-{i}")  # type: ignore[arg-type]
            if i % 100 == 0:
                store.error = None if store.error else StoreUnavailableError("down")

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(3)]
    watcher = threading.Thread(target=watch)
    for thread in [watcher, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    store.error = None
    eventually(lambda: log.flush(0.1))
    done.set()
    watcher.join()
    counts = log.counts()
    assert all(map(balanced, [*seen, counts]))
    assert (counts.offered, counts.waiting) == (1200, 0)
    assert counts.sampled_out == sum(not keeps(f"{n}-{i}", 0.7) for n in range(3) for i in range(400))
    found = ids(store)
    assert len(found) == len(set(found)) == counts.written


# The end


def test_closing_writes_what_is_waiting_and_takes_no_more(store: Faulty) -> None:
    with CaptureLog(store, "captures/toy", flush_seconds=3600) as log:
        made = log.record(ROW, 0.5)
    assert ids(store) == [made]
    log.record(ROW, 0.5)
    assert log.close()
    assert log.flush()
    assert log.counts() == Counts(2, 0, 1, 0, {DropReason.CLOSED: 1}, 1)
    assert CaptureLog(store, "captures/toy").close()


def test_closing_ends_in_time_when_the_store_is_down(store: Faulty, open_log: OpenLog, impatient: None) -> None:
    log = open_log()
    store.error = StoreUnavailableError("down")
    log.record(ROW, 0.5)
    log.record(ROW, 0.5, event_time=NOON)
    log.close(0.1)
    eventually(lambda: not log.counts().waiting)
    assert log.counts().drops == {DropReason.CLOSED: 2}
    assert store.failures


def test_closing_does_not_wait_for_a_store_that_hangs(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    store.gate.clear()
    log.record(ROW, 0.5)
    assert not log.flush(0.05)
    assert not log.close(0.05)
    assert balanced(log.counts())
    assert log.counts().waiting == 1


def run(code: str, *arguments: object, **environment: str) -> str:
    """The output of a program of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


AT_EXIT = """
import sys
from monitoring.capture import CaptureLog
log = CaptureLog(sys.argv[1], "captures/toy", flush_seconds=3600)
print(*[log.record((12.5, "at"), 0.5) for _ in range(100)])
"""


def test_the_end_of_a_program_writes_what_is_waiting(store: Faulty) -> None:
    made = run(AT_EXIT, store.root).split()
    assert ids(store) == sorted(made)
    assert len(made) == 100


FORK = """
import os, sys
from monitoring.capture import CaptureLog

def record(who, count):
    return [log.record((12.5, "at"), 0.5, event_id=f"{who}-{i}") for i in range(count)]

log = CaptureLog(sys.argv[1], "captures/toy", flush_seconds=3600)
record("parent", 100)
log.flush()
record("parent too", 100)
children = []
for child in range(3):
    pid = os.fork()
    if not pid:
        assert log.counts().offered == 0
        record(f"child {child}", 50)
        assert log.close() and log.counts().written == 50
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
assert log.counts().waiting == 100
"""


def test_a_forked_child_writes_its_own_records_only(store: Faulty) -> None:
    run(FORK, store.root)
    expected = {"parent": 100, "parent too": 100, "child 0": 50, "child 1": 50, "child 2": 50}
    assert ids(store) == sorted(f"{who}-{i}" for who, count in expected.items() for i in range(count))
    assert len(keys(store)) == 5


LAZY = """
import sys
import monitoring.capture as capture
log = capture.CaptureLog("s3://bucket/captures/toy", flush_seconds=3600)
log.record((12.5, "at"), 0.5)
print(*sys.modules)
log.close(0)
"""


def test_serving_code_loads_nothing_heavy() -> None:
    loaded = {name.partition(".")[0] for name in run(LAZY).split()}
    assert "monitoring" in loaded
    heavy = {"airflow", "boto3", "botocore", "fastapi", "numba", "numpy", "pandas", "pyarrow", "pydantic", "starlette"}
    assert not loaded & heavy


# Destinations


def test_a_directory_is_opened_with_or_without_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "captures" / "toy"
    for destination, prefix in [
        (folder, ""),
        (f"{folder}/", ""),
        (f"file://{folder}", ""),
        ("captures/toy", ""),
        (tmp_path, "captures/toy"),
        ("captures", "/toy/"),
        (LocalStore(tmp_path), "captures/toy/"),
        (LocalStore(folder.parent), "toy"),
    ]:
        with CaptureLog(destination, prefix) as log:
            log.record(ROW, 0.5)
            log.record_request(PNG, "image/png", None, None)
            monkeypatch.chdir("/")
        monkeypatch.chdir(tmp_path)
    assert len(records(LocalStore(tmp_path))) == 16


@pytest.mark.parametrize("destination", ["s3://bucket", "s3://", "s3:///captures", "gs://bucket/captures", "/", ""])
def test_a_destination_that_cannot_be_is_refused(destination: str) -> None:
    with pytest.raises(ConfigError):
        CaptureLog(destination)


def test_a_store_needs_a_prefix(store: Faulty) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        CaptureLog(store)


@pytest.mark.service
def test_s3(seaweed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = seaweed.client._request_signer._credentials
    for name, value in {
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret_key,
        "AWS_ENDPOINT_URL_S3": seaweed.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with CaptureLog(f"s3://{seaweed.bucket}/log/captures/toy", references=True) as log:
        made = [log.record(ROW, 0.5) for _ in range(100)]
        image = log.record_request(PNG, "image/png", b"0.5", "text/csv", event_id="image", event_time=NOON)
    assert log.counts() == Counts(101, 0, 101, 0, {}, 2)
    store = S3Store(seaweed.client, seaweed.bucket, "log")
    assert ids(store) == sorted([*made, image])
    uri = records(store)[0]["captureData"]["endpointInput"]["data"]
    assert store.get(uri.removeprefix(f"{store.uri}/")) == PNG


@pytest.mark.service
def test_an_s3_store_that_refuses_is_no_fault_of_the_service(seaweed: Any, impatient: None) -> None:
    log = CaptureLog(S3Store(seaweed.client, "no-such-bucket"), "captures/toy")
    log.record(ROW, 0.5)
    log.close(0.5)
    eventually(lambda: not log.counts().waiting)
    assert log.counts().drops == {DropReason.CLOSED: 1}


# Bodies


@pytest.mark.parametrize(
    ("content_type", "body", "encoding", "data"),
    [
        ("text/csv", b"12.5,at\n3,ch\n", "CSV", "12.5,at\n3,ch\n"),
        ("Text/CSV; charset=utf-8", "1,ä".encode(), "CSV", "1,ä"),
        ("application/json", b'{"amount": 1}', "JSON", '{"amount": 1}'),
        ("application/vnd.api+json", b"[1]", "JSON", "[1]"),
        ("application/x-ndjson", b"1\n2\n", "JSON", "1\n2\n"),
        ("text/csv", b"\xff", "BASE64", "/w=="),
        ("image/png", b"\x89PNG", "BASE64", "iVBORw=="),
        (None, b"1", "BASE64", "MQ=="),
        ("application/json", b"", "JSON", ""),
    ],
)
def test_a_body_is_kept_as_it_is(
    content_type: str | None, body: bytes, encoding: str, data: str, store: Faulty, open_log: OpenLog
) -> None:
    log = open_log()
    log.record_request(body, content_type, body, content_type, event_time=NOON)
    assert log.flush()
    (record,) = records(store)
    expected = {"observedContentType": content_type, "data": data, "encoding": encoding}
    assert record["captureData"] == {
        "endpointInput": {**expected, "mode": "INPUT"},
        "endpointOutput": {**expected, "mode": "OUTPUT"},
    }


def test_the_reader_finds_the_rows_of_bodies(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    answer = b'{"predictions": [0.25, 0.75]}'
    log.record_request(b"12.5,at\n3,ch\n", "text/csv", answer, "application/json", event_id="many", event_time=NOON)
    assert log.flush()
    assert [(row.event_id, row.features["country"]) for row in rows(store)] == [("many#0", "at"), ("many#1", "ch")]


def test_one_side_may_be_missing(store: Faulty, open_log: OpenLog) -> None:
    log = open_log()
    log.record_request(b"12.5,at", "text/csv", None, None, attributes={"status": 500})
    log.record_request(None, None, b"0.5", "text/csv")
    assert log.flush()
    assert [list(record["captureData"]) for record in records(store)] == [["endpointInput"], ["endpointOutput"]]
    (failed,) = rows_of_first(store)
    assert (failed.outputs, failed.attributes) == ({}, {"status": "500"})


def rows_of_first(store: Faulty) -> list[Any]:
    """The rows of the first record alone."""
    (key,) = keys(store)
    other = LocalStore(store.root / "first")
    other.put(key, store.get(key).splitlines()[0])
    return rows(other)


def test_a_large_body_becomes_an_object_before_its_record(store: Faulty, open_log: OpenLog) -> None:
    log = open_log(inline_bytes=10)
    log.record_request(b"0123456789", "text/csv", b"0123456789a", "text/csv", event_time=NOON)
    assert log.flush()
    (record,) = records(store)
    assert record["captureData"]["endpointInput"]["data"] == "0123456789"
    side = record["captureData"]["endpointOutput"]
    key = "captures/toy-objects/2024/01/11/73ceda67679033f468e81fc709c07fdb6bc02e0b6df5edf314dac5f4f6931b27.csv"
    assert store.puts == [key, keys(store)[0]]
    assert side == {
        "observedContentType": "text/csv",
        "mode": "OUTPUT",
        "data": f"{store.uri}/{key}",
        "encoding": "URI",
    }
    assert Path(side["data"]).read_bytes() == b"0123456789a"


def test_images_become_objects_when_asked_for_and_equal_ones_once(store: Faulty, open_log: OpenLog) -> None:
    for log in (open_log(references=True), open_log(references=True)):
        for image in (PNG, PNG, PNG + b"other"):
            log.record_request(image, "image/png", b'{"score": 0.5}', "application/json", event_time=NOON)
        log.record_request(PNG, "image/png", b"0.5", "text/csv", event_time=NOON + timedelta(days=1))
        assert log.flush()
    images = [key for key in store.puts if key.endswith(".png")]
    assert len(images) == len(set(images)) == 3
    assert {store.get(key) for key in images} == {PNG, PNG + b"other"}
    assert {key.rsplit("/", 1)[0] for key in images} == {
        "captures/toy-objects/2024/01/11",
        "captures/toy-objects/2024/01/12",
    }
    assert all(record["captureData"]["endpointInput"]["encoding"] == "URI" for record in records(store))
    assert not [key for key in keys(store) if not key.endswith(".jsonl")]


def test_a_body_that_cannot_be_stored_takes_its_record_along(store: Faulty, open_log: OpenLog, impatient: None) -> None:
    log = open_log(references=True, buffer_records=2)
    store.error, store.error_on = StoreUnavailableError("down"), "-objects/"
    for side in range(2):
        before = log.counts().drops.get(DropReason.STORE_FAILED, 0)
        while log.counts().drops.get(DropReason.STORE_FAILED, 0) == before:
            image, score = (PNG, "image/png"), (b"0.5", "text/csv")
            log.record_request(*(image + score if side else score + image))
    store.error = None
    eventually(lambda: log.flush(0.1))
    assert balanced(log.counts())
    assert len(records(store)) == log.counts().written
    for record in records(store):
        (uri,) = [side["data"] for side in record["captureData"].values() if side["encoding"] == "URI"]
        assert Path(uri).read_bytes() == PNG


def test_no_more_than_some_keys_of_bodies_are_remembered(
    store: Faulty, open_log: OpenLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_KNOWN_OBJECTS", 3)
    log = open_log(references=True)
    for i in range(10):
        log.record_request(b"%d" % i, "image/png", None, None)
    assert log.flush()
    assert len(log._delivery._known) == 3
    assert len([key for key in store.puts if key.endswith(".png")]) == 10
