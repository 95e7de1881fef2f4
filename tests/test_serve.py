from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn

from monitoring.errors import StoreUnavailableError
from monitoring.pipeline import run_window
from monitoring.serve import create_app, page_key
from monitoring.store import Store
from monitoring.store.local import LocalStore
from tests.conftest import ROWS_A_DAY

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette wants a successor of httpx
    from starlette.testclient import TestClient

CHROMIUM = shutil.which("chromium")
REPORT = "toy/windows/2024-01-11/r1/report.html"
SCRIPT = "document.getElementById('p').textContent = `ran at ${self.origin}`;"
PAGE = '<!doctype html><p id="p">did not run</p><script src="../../../../site/assets/app-1a2b.js"></script>'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = LocalStore(tmp_path)
    store.put("site/index.html", b"<h1>Index</h1>")
    store.put("site/assets/app-1a2b.js", SCRIPT.encode())
    store.put(REPORT, PAGE.encode())
    store.put("toy/windows/2024-01-11/records.parquet", b"private")
    return store


@pytest.fixture
def client(store: Store) -> TestClient:
    return TestClient(create_app(store, []))


@pytest.fixture
def start(store: Store) -> Iterator[Callable[[], str]]:
    """A real server on a free port of loopback."""
    running = []

    def run() -> str:
        server = uvicorn.Server(uvicorn.Config(create_app(store, []), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield run
    for server, thread in running:
        server.should_exit = True
        thread.join()


def test_the_root_leads_to_the_index(client):
    answer = client.get("/", follow_redirects=False)

    assert (answer.status_code, answer.headers["location"]) == (307, "site/index.html")
    assert client.get("/").text == "<h1>Index</h1>"


def test_an_empty_store_has_a_friendly_page(tmp_path):
    answer = TestClient(create_app(LocalStore(tmp_path / "none"), [])).get("/")

    assert answer.status_code == 200
    assert "No reports yet" in answer.text


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("site/index.html", "text/html; charset=utf-8", "no-cache"),
        (REPORT, "text/html; charset=utf-8", "no-cache"),
        ("site/assets/app-1a2b.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_pages_and_their_headers(client, path, kind, cache):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == cache
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert policy.endswith("; sandbox allow-scripts") == (path == REPORT)

    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(answer.headers)

    again = client.get(path, headers={"If-None-Match": f'W/"other", {answer.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "toy/windows/2024-01-11/records.parquet",
        "toy/windows/2024-01-11/r1/verdict.json",
        "toy/windows/2024-01-11/r1/../records.parquet",
        "toy/windows/2024-01-11/r1/report.html/",
        "toy/windows/../r1/report.html",
        "site/../toy/windows/2024-01-11/records.parquet",
        "site/..%2ftoy/x",
        "site/.lock",
        "site//index.html",
        "site",
        "/etc/passwd",
        ".lock",
    ],
)
def test_nothing_else_is_served(client, path):
    assert page_key(path) is None
    assert client.get("/" + path.replace("..", "%2e%2e")).status_code == 404


def test_a_newline_is_no_part_of_a_key():
    assert page_key(f"{REPORT}\n") is None
    assert page_key("site/index.html\n") is None


@pytest.mark.parametrize("path", ["docs", "redoc", "openapi.json", "site/none.html"])
def test_what_is_not_there(client, path):
    assert client.get(path).status_code == 404


def test_a_silent_store(client, store, monkeypatch):
    def silent(key: str) -> bytes:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr(store, "get", silent)
    answer = client.get(REPORT)

    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert client.get("healthz").json() == {"status": "ok"}


def test_metrics_and_states(make_world, make_config):
    world = make_world()
    world.train()
    world.play(0)
    (verdict,) = run_window(world.monitor, world.window(0))
    client = TestClient(create_app(world.monitor.store, [world.monitor.config, make_config(name="young")]))

    metrics = client.get("metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert f'model_monitor_rows{{model="toy"}} {ROWS_A_DAY}.0' in metrics.text

    toy, young = client.get("api/models").json()
    assert (toy["model"], toy["window"], toy["revision"]) == ("toy", "2024-01-11", 1)
    assert (toy["status"], toy["headline"], toy["report"]) == (verdict.status, verdict.headline, None)
    assert (young["status"], "window" in young) == ("unknown", False)

    world.monitor.store.put(REPORT, b"")
    assert client.get("api/models").json()[0]["report"] == REPORT


@pytest.mark.service
def test_over_a_real_server(start):
    base = start()

    with urllib.request.urlopen(f"{base}/healthz", timeout=10) as answer:
        assert json.load(answer) == {"status": "ok"}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/{REPORT}", method="HEAD"), timeout=10) as answer:
        assert (answer.headers["Content-Length"], answer.read()) == (str(len(PAGE)), b"")
    with pytest.raises(urllib.error.HTTPError, match="404") as missing:
        urllib.request.urlopen(f"{base}/%2e%2e/%2e%2e/etc/passwd", timeout=10)
    missing.value.close()


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_a_report_runs_its_scripts_without_an_origin(start):
    """Chromium matches 'self' with the page's address even when the sandbox has taken its origin."""
    from playwright.sync_api import sync_playwright

    base = start()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{base}/{REPORT}")
        assert page.locator("#p").text_content() == "ran at null"
        browser.close()
