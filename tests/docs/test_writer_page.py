"""The examples of the page about the writer, run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitoring.capture.delivery import DropReason
from monitoring.capture.log import CaptureLog
from monitoring.capture.middleware import CaptureMiddleware
from monitoring.store.local import LocalStore

PAGE = (Path(__file__).parents[2] / "docs" / "writer.md").read_text()
EXAMPLES = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    monkeypatch.chdir(tmp_path)
    return LocalStore(tmp_path / "store")


def run(name: str) -> dict[str, Any]:
    """What an example leaves behind."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(EXAMPLES[name], name, "exec", dont_inherit=True), names)
    return names


def test_every_example_is_run() -> None:
    assert sorted(EXAMPLES) == ["app.py", "images.py", "labels.py", "plain.py"]
    assert PAGE.count("```python") == len(EXAMPLES)


def test_plain(store: LocalStore, capsys: pytest.CaptureFixture[str]) -> None:
    event_id = run("plain.py")["event_id"]
    (key,) = store.keys("captures/churn/")
    assert event_id.encode() in store.get(key)
    assert b"17.2,31.5,basic" in store.get(key)
    assert event_id in capsys.readouterr().out


def test_app(store: LocalStore) -> None:
    names = run("app.py")

    async def predict() -> httpx.Response:
        transport = httpx.ASGITransport(names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"tenure": 17.2, "spend": 31.5, "plan": "basic"}
            return await client.post("/predict", json=body, headers={"x-request-id": "order-4711"})

    assert asyncio.run(predict()).headers["x-event-id"] == "order-4711"
    assert names["log"].close()
    (key,) = store.keys("captures/churn/")
    assert b"order-4711" in store.get(key)
    assert b"tenant=north" in store.get(key)


def test_images(store: LocalStore) -> None:
    run("images.py")
    (key,) = store.keys("captures/defects-objects/")
    assert store.get(key).startswith(b"\x89PNG")
    (record,) = store.keys("captures/defects/")
    assert f"{store.uri}/{key}".encode() in store.get(record)


def test_labels(store: LocalStore) -> None:
    run("labels.py")
    (key,) = store.keys("labels/churn/")
    assert b"order-4711" in store.get(key)


def test_the_page_names_all_reasons_and_the_defaults() -> None:
    assert {str(reason) for reason in DropReason} == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    log, middleware = CaptureLog.__init__.__kwdefaults__, CaptureMiddleware.__init__.__kwdefaults__
    assert f"`buffer_records` ({log['buffer_records']:,})" in PAGE
    assert f"`buffer_bytes` ({log['buffer_bytes'] >> 20} MiB" in PAGE
    assert f"`flush_bytes` ({log['flush_bytes'] >> 20} MiB)" in PAGE
    assert f"`flush_seconds` ({log['flush_seconds']:g})" in PAGE
    assert f"`inline_bytes` ({log['inline_bytes'] >> 10} KiB)" in PAGE
    assert f"`body_bytes` ({middleware['body_bytes'] >> 20} MiB)" in PAGE
    assert f"`flush_seconds` ({middleware['flush_seconds']:g})" in PAGE
