"""Values that may not be kept are searched for in everything that is stored; and those that may, to test the search."""

from __future__ import annotations

import base64
import functools
import html
import io
import json
import math
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring import history, pipeline
from monitoring.baseline import create_baseline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.privacy import hashed
from monitoring.capture.quarantine import parse_quarantine
from monitoring.capture.writer import write_labels
from monitoring.config import ModelConfig
from monitoring.engine.fingerprints import text_hashes
from monitoring.engine.label_rows import read_arrow
from monitoring.monitor import Monitor
from monitoring.notify.message import build_message
from monitoring.quarantine import replay
from monitoring.report import write_report
from monitoring.retraining import export_training_rows
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import merged

KEY = b"a secret of this installation"
FIRST, DAYS, ROWS = datetime(2024, 1, 11, tzinfo=UTC), 4, 60
SOURCES = ("captures/", "labels/", "training/")
RULES = {
    "ssn": "drop",
    "income": "drop",
    "mail": "hash",
    "pin": "hash",
    "age": [30, 60],
    "region": "hash",
}
SETTINGS: dict[str, Any] = {
    "name": "toy",
    "schedule": {"every": "day", "settle": "6h", "start": "2024-01-11"},
    "trailing": 2,
    "capture": {"uri": "captures/toy"},
    "labels": {"uri": "labels/toy", "horizon": "2d"},
    "columns": {
        "features": {
            "amount": "numeric",
            "colour": "categorical",
            "ssn": "categorical",
            "income": "numeric",
            "mail": "categorical",
            "pin": "numeric",
            "age": "numeric",
            "note": "text",
        },
        "segments": ["region", "tier"],
        "privacy": {"columns": RULES, "fold_below": 5},
    },
    "baseline": {"uri": "training/toy.parquet"},
}
# Every text that may not be stored begins so; these are the numbers.
HIDDEN = "PLANT"
HIDDEN_NUMBERS = (73140.625, 90210.125, 41.0625)
KEPT_NUMBER = 31337.4375


# --- a world with values in it that must not get out


def features(row: int, secret: bool) -> dict[str, Any]:
    """One request. A secret one has values that stand in no other row."""
    return {
        "amount": KEPT_NUMBER if secret else round(20 + row**1.7 + 0.0317, 4),
        "colour": f"{HIDDEN}-colour" if secret else ("red", "green", "green", "teal")[row % 4],
        "ssn": f"{HIDDEN}-ssn-{row}",
        "income": HIDDEN_NUMBERS[0] if secret else 1000.0 + row,
        "mail": f"{HIDDEN}-mail" if secret else f"{HIDDEN}-of-many-{row % 2}",
        "pin": HIDDEN_NUMBERS[1] if secret else float(row % 3),
        "age": HIDDEN_NUMBERS[2] if secret else 20.0 + row,
        "note": f"{HIDDEN}-note" if secret else f"{HIDDEN}{'.' * (row % 9)}",
    }


def segments(secret: bool) -> dict[str, str]:
    return {name: f"{HIDDEN}-{name}" if secret else f"common-{name}" for name in ("region", "tier")}


def score(row: int) -> float:
    return round(0.5 + 0.44 * math.sin(row * row + 1), 7)


def train(monitor: Monitor) -> None:
    """Training rows of ten days, two of them secret. None of them is teal."""
    rows = [features(i % ROWS, secret=i in (7, 8)) | segments(secret=i in (7, 8)) for i in range(10 * 30)]
    rows = [{**row, "amount": row["amount"] + 0.125, "colour": row["colour"].replace("teal", "red")} for row in rows]
    moments = [FIRST - timedelta(days=10) + timedelta(minutes=48 * i) for i in range(len(rows))]
    table = pa.Table.from_pylist(
        [
            {**row, "event_time": moment, "score": score(i), "label": str(i % 2)}
            for i, (row, moment) in enumerate(zip(rows, moments, strict=True))
        ]
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    monitor.store.put("training/toy.parquet", sink.getvalue())
    create_baseline(monitor)


def play(monitor: Monitor, day: int) -> None:
    """One day: a secret row, a row that cannot be read, and something that is no record."""
    start = FIRST + timedelta(days=day)
    moments = [start + timedelta(minutes=24 * i) for i in range(ROWS)]
    inferences = [
        CapturedInference(f"{day}-{i}", moment, features(i, secret=i == 3), score(i), segments(secret=i == 3))  # type: ignore[arg-type]
        for i, moment in enumerate(moments)
    ]
    broken = replace(inferences[0], event_id=f"{day}-bad", features={**features(9, False), "amount": f"{HIDDEN}-bad"})  # type: ignore[arg-type]
    write_captures(monitor.store, "captures/toy", [*inferences, broken])
    monitor.store.put(f"captures/toy/{start:%Y/%m/%d}/05/junk.jsonl", f'{{"{HIDDEN}-junk": '.encode())
    labels = [(f"{day}-{i}", str(i % 2), moment + timedelta(hours=1)) for i, moment in enumerate(moments)]
    write_labels(monitor.store, "labels/toy", labels)


def changed(**changes: Any) -> ModelConfig:
    return ModelConfig.model_validate(merged(SETTINGS, changes))


def monitor_of(root: Path, **changes: Any) -> Monitor:
    return Monitor(LocalStore(root), changed(**changes), hash_key=KEY)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Monitor:
    """Four days through every stage, with two reports and the rows of a retraining."""
    monitor = monitor_of(tmp_path_factory.mktemp("private"))
    train(monitor)
    window = Window(FIRST, "day")
    for day in range(DAYS):
        play(monitor, day)
        pipeline.run_window(monitor, window.shift(day))
    write_report(monitor, window, 1)
    write_report(replace(monitor, config=changed(report={"native": "never"})), window.shift(DAYS - 1), 1)
    export_training_rows(monitor, window.shift(DAYS - 1), held_out=1)
    return monitor


# --- the search


def contents(data: bytes, depth: int = 4) -> Iterator[bytes]:
    """The bytes, and everything that is packed into them."""
    yield data
    if depth:
        for packed in _unpacked(data):
            yield from contents(packed, depth - 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(data))
        for name in table.column_names:
            values = table[name].to_pylist()
            yield "\n".join(map(str, values)).encode()
            if pa.types.is_floating(table[name].type):
                yield np.array([math.nan if value is None else value for value in values], "<f8").tobytes()
        return
    for at in (match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data)):
        with suppress(zlib.error):
            yield zlib.decompressobj().decompress(data[at:])
    for encoded in re.findall(rb"[A-Za-z0-9+/]{8,}={0,2}", data):
        with suppress(ValueError):
            yield base64.b64decode(encoded, validate=True)
    if data.lstrip().startswith((b"<!DOCTYPE", b"<!doctype")):
        yield html.unescape(data.decode()).encode()


def holds(data: bytes, value: str | float) -> bool:
    """Whether a value is somewhere in the data: a number as text, in whole or to some digits, or as eight bytes."""
    if isinstance(value, str):
        return any(value.encode() in part for part in contents(data))
    return bool(rounded(value, 4) & numbers_in(data)) or any(struct.pack("<d", value) in c for c in contents(data))


@functools.cache
def numbers_in(data: bytes) -> set[float]:
    """Every number that is written out somewhere in the data."""
    found = (re.findall(rb"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])", part) for part in contents(data))
    return {float(text) for texts in found for text in texts if len(text) < 40}


def rounded(value: float, least: int) -> set[float]:
    """A number in whole and to some digits, as reports show it."""
    return {value, *(float(f"{value:.{digits}g}") for digits in range(least, 8))}


def where(monitor: Monitor, value: str | float) -> set[str]:
    """The stored objects that hold a value, but for the sources, which the product does not write."""
    keys = [key for key in monitor.store.keys("") if not key.startswith((*SOURCES, "site/assets/"))]
    return {key for key in keys if holds(monitor.store.get(key), value)}


def kinds(keys: set[str]) -> set[str]:
    """What kinds of objects these are."""
    return {re.sub(r".*\.", "", key) for key in keys}


# --- what is found


def test_no_value_that_is_hidden_is_in_anything_that_is_stored(private: Monitor) -> None:
    assert where(private, HIDDEN) == set()
    for number in HIDDEN_NUMBERS:
        assert where(private, number) == set()


def test_the_search_finds_what_may_be_kept(private: Monitor) -> None:
    hidden_mail = hashed(f"{HIDDEN}-of-many-1", KEY)
    assert hidden_mail is not None
    for text in ("green", "[30,60)", "(rare)", hidden_mail):
        assert kinds(where(private, text)) == {"json", "parquet", "html"}, text
    assert kinds(where(private, "teal")) == {"parquet", "bin", "html"}  # the baseline does not have it
    assert kinds(where(private, "common-tier")) == {"json", "parquet", "html"}
    assert any("retraining/" in key for key in where(private, "green"))
    # a number that is kept is in the records, and as the highest one in their profiles
    assert kinds(where(private, KEPT_NUMBER)) >= {"parquet", "bin"}
    assert kinds(where(private, 9.0)) >= {"parquet"}  # a length


def test_the_search_finds_the_sources(private: Monitor) -> None:
    for prefix in ("captures/", "training/"):
        data = [private.store.get(key) for key in private.store.keys(prefix)]
        for value in (HIDDEN, *HIDDEN_NUMBERS):
            assert any(holds(item, value) for item in data)


def test_no_value_of_a_single_row_is_in_a_report(private: Monitor) -> None:
    reports = {key for key in private.store.keys("toy/") if key.endswith(".html")}
    assert len(reports) == 2
    single = [features(i, secret=False)["amount"] for i in range(ROWS) if i != 3]
    for key in reports:
        page = private.store.get(key)
        assert not holds(page, KEPT_NUMBER)
        assert [value for value in single if rounded(value, 5) & numbers_in(page)] == []
        assert [i for i in range(ROWS) if rounded(score(i), 5) & numbers_in(page)] == []


def test_values_of_single_rows_are_in_a_report_that_may_show_them(private: Monitor) -> None:
    shown, window = replace(private, config=changed(columns={"privacy": {"show_rows": True}})), Window(FIRST, "day")
    key = private.layout.report(window, 1)
    before = private.store.get(key)
    write_report(shown, window, 1)
    page = private.store.get(key)
    private.store.put(key, before)
    assert holds(page, KEPT_NUMBER)
    assert any(rounded(score(i), 5) & numbers_in(page) for i in range(ROWS))
    assert not holds(page, HIDDEN)


def test_a_quarantined_record_is_kept_as_its_place_alone(private: Monitor) -> None:
    keys = private.store.keys("toy/quarantine/")
    found = [item for key in keys for item in parse_quarantine(private.store.get(key))]
    assert sorted(item.reason for item in found) == ["cut_off"] * DAYS + ["unparsable_field"] * DAYS
    for item in found:
        assert (item.detail, item.origin.data) == ("", b"")
        source = private.store.get(item.origin.key)[item.origin.offset :][: item.length]
        assert HIDDEN.encode() in source


def test_without_rules_the_quarantine_quotes_what_it_holds(tmp_path: Path) -> None:
    plain = monitor_of(tmp_path, columns={"privacy": None, "features": {"note": None}})
    play(plain, 0)
    pipeline.run_window(plain, Window(FIRST, "day"))
    found = where(plain, f"{HIDDEN}-bad") & set(plain.store.keys("toy/quarantine/"))
    assert len(found) == 1
    assert where(plain, f"{HIDDEN}-junk") == found


def test_messages_quote_no_value(private: Monitor) -> None:
    for window in private.windows():
        for revision in history.revisions(private, window):
            decision = history.load_decision(private, window, revision)
            assert decision is not None
            message = build_message(decision, history.load_verdict(private, window, revision), private.config)
            said = json.dumps([message.subject, message.text, message.html, message.fields]).encode()
            assert not any(holds(said, value) for value in (HIDDEN, *HIDDEN_NUMBERS, KEPT_NUMBER))


def test_the_key_is_nowhere(private: Monitor) -> None:
    assert where(private, KEY.decode()) == set()
    assert KEY.decode() not in repr(private)


def test_an_event_is_erased_as_the_documentation_says(private: Monitor, tmp_path: Path) -> None:
    shutil.copytree(private.store.uri, tmp_path / "copy")
    copy, window, event = replace(private, store=LocalStore(tmp_path / "copy")), Window(FIRST, "day").shift(1), "1-17"
    store, quoted = copy.store, f'"{event}"'.encode()
    # in the sources
    for key in [*store.keys("captures/"), *store.keys("labels/")]:
        lines = store.get(key).splitlines(keepends=True)
        if any(quoted in line for line in lines):
            store.put(key, b"".join(line for line in lines if quoted not in line))
    holding = _with_event(copy, event)
    assert {key.split("/")[1] for key in holding} == {"windows", "retraining"}
    hashed_in = _with_hash(copy, event)
    assert {key.rpartition("/")[0] for key in hashed_in} == {
        "toy/labels/consumed",
        f"toy/labels/records/{window.label}",
    }
    # in the store
    for key in [*store.keys(copy.layout.window(window)), *store.keys("toy/retraining/")]:
        store.delete(key)
    for key in hashed_in:
        store.delete(key)
        store.delete(f"{key.removesuffix('.arrow')}.json")
    before = history.load_verdict(private, window, 1)
    for number in range(1, DAYS):
        pipeline.run_window(copy, Window(FIRST, "day").shift(number))
    export_training_rows(copy, Window(FIRST, "day").shift(DAYS - 1), held_out=1)
    assert _with_event(copy, event) == _with_hash(copy, event) == set()
    after = history.load_verdict(copy, window, 1)
    assert after.numbers["rows"].rows == before.numbers["rows"].rows - 1
    assert after.numbers["base_rate"].rows == before.numbers["base_rate"].rows - 1


def _with_hash(monitor: Monitor, event: str) -> set[str]:
    """The stored labels of an event id."""
    (found,), _ = text_hashes(pa.chunked_array([[event]]))
    keys = [key for key in monitor.store.keys("toy/labels/") if key.endswith(".arrow")]
    return {key for key in keys if found in read_arrow(monitor.store.get(key), ["id"])["id"].to_numpy()}


def _with_event(monitor: Monitor, event: str) -> set[str]:
    """The stored objects with an event id as a value of its own."""
    pattern = re.compile(rb'(?:^|")%s(?:$|")' % event.encode(), re.MULTILINE)
    keys = [key for key in monitor.store.keys("") if not key.startswith((*SOURCES, "site/assets/"))]
    return {key for key in keys if any(pattern.search(part) for part in contents(monitor.store.get(key)))}


def test_what_is_replayed_does_not_stay_as_it_was_captured(private: Monitor, tmp_path: Path) -> None:
    shutil.copytree(private.store.uri, tmp_path / "copy")
    copy = replace(private, store=LocalStore(tmp_path / "copy"))
    assert replay(copy).records == 2 * DAYS
    assert where(copy, HIDDEN) == set(copy.store.keys("toy/replayed/"))
    pipeline.run_window(copy, Window(FIRST, "day").shift(DAYS))
    assert where(copy, HIDDEN) == set()
