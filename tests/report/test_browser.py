"""The pages in a real browser: they draw, and hostile text stays text."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monitoring.report import write_report

CHROMIUM = shutil.which("chromium")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:; font-src 'self'; "
    "sandbox allow-scripts"
)
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's package chromium is not installed"),
]


class Handler(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def served(folder: str) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


def opened(browser: Any, url: str) -> tuple[Any, list[str]]:
    page, faults = browser.new_page(), []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(url)
    return page, faults


@pytest.mark.parametrize("place", ["served", "disk"])
def test_a_hostile_report_draws_and_does_nothing_else(hostile: Any, browser: Any, place: str) -> None:
    store = hostile.monitor.store
    key = write_report(hostile.monitor, hostile.window(1), 1)
    with served(store.uri) as base:
        page, faults = opened(browser, f"{base if place == 'served' else Path(store.uri).as_uri()}/{key}")
        page.wait_for_selector("#measurements .main-svg")
        page.get_by_role("tab", name="Tests").click()
        page.wait_for_selector("#measurements >> text=SUCCESS")
        page.locator("summary", has_text="Explore a sample").click()
        page.wait_for_selector("#sample .main-svg")
        page.wait_for_timeout(500)
        assert page.title() == "toy 2024-01-12: fail"
        assert page.locator("img[src=x]").count() == 0
        assert "<img src=x onerror" in page.locator("main").inner_text()
        assert faults == []
        page.close()


def test_a_hostile_index_does_nothing_and_needs_no_script(hostile: Any, browser: Any) -> None:
    write_report(hostile.monitor, hostile.window(1), 1)
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(f"{Path(hostile.monitor.store.uri).as_uri()}/site/index.html")
    assert page.title() == "Model monitoring"
    assert "</script>" in page.locator("main").inner_text()
    assert page.locator("img").count() == 0
    page.locator("a.sq").last.click()
    assert "2024-01-12" in page.locator("h1").inner_text()
    context.close()


def test_a_report_without_its_shared_files_says_so(judged: Any, browser: Any) -> None:
    key = write_report(judged.monitor, judged.window(0), 1)
    for info in judged.monitor.store.objects("site/assets/"):
        if "boot" not in info.key:
            judged.monitor.store.delete(info.key)
    page = browser.new_page()
    page.goto(f"{Path(judged.monitor.store.uri).as_uri()}/{key}")
    page.wait_for_selector("text=The charts could not be drawn")
    assert "Nothing" in page.locator(".card").first.inner_text()
    page.close()
