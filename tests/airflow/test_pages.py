from __future__ import annotations

import base64
import re
import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvicorn

from monitoring.report.site import ModelRows, Row
from monitoring.store.local import LocalStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette wants a successor of httpx
    from starlette.testclient import TestClient

pytestmark = [pytest.mark.airflow]

CHROMIUM = shutil.which("chromium")
REPORT = "toy/windows/2024-01-11/r1/report.html"
META = """<meta http-equiv="Content-Security-Policy" content="script-src 'self'">"""
PAGE = (
    "<style>@font-face{src:url(../../../../site/assets/icons-1.woff2)}</style>"
    '<p id="p">did not run</p><a href="../../../../site/index.html">Index</a>'
    '<script defer src="../../../../site/assets/app-1a2b.js"></script>'
)
SCRIPT = b"document.getElementById('p').textContent = `ran at ${self.origin}`;"
HIDDEN = "monitor_old"


@pytest.fixture
def store(store_root) -> LocalStore:
    store = LocalStore(store_root)
    store.put(REPORT, f"{META}{PAGE}".encode())
    store.put("site/assets/app-1a2b.js", SCRIPT)
    store.put("site/assets/icons-1.woff2", b"1")
    store.put("toy/windows/2024-01-11/records.parquet", b"private")
    row = Row("2024-01-11", 1, "ok", "All well.", "none", "", False, 0.9, 200, REPORT)
    for model in ("toy", "old"):
        rows = ModelRows(model, "", "day", (replace(row, headline=f"{model} is well."),))
        store.put(f"site/rows/{model}.json", rows.encode())
    return store


@pytest.fixture(scope="session")
def airflow_app(airflow_db: None) -> Any:
    from airflow.api_fastapi.app import create_app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own
        return create_app(apps="core")


@pytest.fixture
def anonymous(airflow_app, store) -> TestClient:
    return TestClient(airflow_app)


@pytest.fixture
def viewer(airflow_app, store) -> TestClient:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="v", role="VIEWER"))
    return TestClient(airflow_app, cookies={"_token": token})


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """One DAG that the user may not read."""
    from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

    allowed = SimpleAuthManager.is_authorized_dag

    def is_authorized_dag(self, *, details=None, **others):
        return details.id != HIDDEN and allowed(self, details=details, **others)

    monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", is_authorized_dag)


@contextmanager
def served(app: Any) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def pages_of(app: Any) -> Any:
    return next(route.app for route in app.routes if getattr(route, "path", "") == "/model-monitor")


def test_every_route_is_closed_to_strangers(airflow_app, anonymous):
    routes = pages_of(airflow_app).routes
    assert len(routes) >= 4
    for route in routes:
        path = re.sub(r"\{\w+\}", "x", route.path)
        for method in route.methods:
            assert anonymous.request(method, f"/model-monitor{path}").status_code == 401, route.path
    for path in ("docs", "openapi.json", REPORT):
        assert anonymous.get(f"/model-monitor/{path}").status_code in (401, 404)
    assert anonymous.get(f"/model-monitor/{REPORT}").status_code == 401


def test_airflow_knows_the_plugin_and_has_no_complaint(viewer, airflow_app):
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="a", role="ADMIN"))
    admin = TestClient(airflow_app, headers={"Authorization": f"Bearer {token}"})

    assert admin.get("/api/v2/plugins/importErrors").json()["total_entries"] == 0
    plugins = {plugin["name"]: plugin for plugin in admin.get("/api/v2/plugins").json()["plugins"]}
    views = plugins["model_monitor_pages"]["external_views"]
    assert [(view["destination"], view["href"]) for view in views] == [
        ("nav", "model-monitor/"),
        ("dag", "model-monitor/dag/{DAG_ID}"),
    ]


def test_the_page_lists_models_and_leads_to_reports(viewer):
    answer = viewer.get("/model-monitor/")

    assert answer.status_code == 200
    assert answer.url.path == "/model-monitor/site/index.html"
    assert f'href="../{REPORT}"' in answer.text
    assert "toy-by-dag" in answer.text  # a model of models/ that was never measured
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_report_is_sandboxed_and_brings_its_scripts_along(viewer):
    answer = viewer.get(f"/model-monitor/{REPORT}")

    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    assert policy.endswith("sandbox allow-scripts")
    assert answer.headers["cache-control"] == "no-store"
    script = f"data:text/javascript;charset=utf-8;base64,{base64.b64encode(SCRIPT).decode()}"
    assert answer.text == PAGE.replace(
        'src="../../../../site/assets/app-1a2b.js"', f'nonce="{nonce}" src="{script}"'
    ).replace("url(../../../../site/assets/icons-1.woff2)", "url(data:font/woff2;base64,MQ==)")
    assert nonce not in viewer.get(f"/model-monitor/{REPORT}").text


def test_a_stranger_in_a_frame_is_sent_round_once(anonymous):
    frame = {"Sec-Fetch-Dest": "iframe"}
    first = anonymous.get(f"/model-monitor/{REPORT}", headers=frame)
    second = anonymous.get(f"/model-monitor/{REPORT}?again=1", headers=frame)

    assert (first.status_code, second.status_code) == (401, 401)
    assert 'content="0;url=?again=1"' in first.text
    assert second.json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize(
    "path",
    [
        "toy/windows/2024-01-11/records.parquet",
        "toy/windows/2024-01-12/r1/report.html",
        "toy/windows/%2e%2e/r1/report.html",
        "site/assets/app-1a2b.js",
        "site/rows/toy.json",
        "docs",
    ],
)
def test_nothing_else_is_served(viewer, path):
    assert viewer.get(f"/model-monitor/{path}").status_code == 404


def test_who_may_not_read_a_dag_sees_nothing_of_its_model(viewer, hidden):
    page = viewer.get("/model-monitor/site/index.html").text

    assert "toy is well." in page
    assert "old" not in page
    assert viewer.get("/model-monitor/old/windows/2024-01-11/r1/report.html").status_code == 403
    assert viewer.get(f"/model-monitor/dag/{HIDDEN}").status_code == 403


def test_the_tab_of_a_dag_has_its_model_alone(viewer):
    page = viewer.get("/model-monitor/dag/monitor_toy").text

    assert f'href="../{REPORT}"' in page
    assert "old is well." not in page
    assert "&lt;b&gt; does not monitor a model." in viewer.get("/model-monitor/dag/<b>").text


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_in_a_frame_scripts_run_without_an_origin_and_links_keep_the_login(airflow_app, viewer):
    from playwright.sync_api import sync_playwright

    with served(airflow_app) as base, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": "_token", "value": viewer.cookies["_token"], "url": base, "sameSite": "Lax"}])
        page = context.new_page()
        page.goto(f"{base}/api/v2/version")  # a page of this origin, to stand for Airflow's
        page.evaluate("at => { document.body.innerHTML = `<iframe src='/model-monitor/${at}'></iframe>` }", REPORT)
        frame = page.frame_locator("iframe")
        frame.get_by_text("ran at null").wait_for(timeout=10_000)
        frame.get_by_text("Index").click(timeout=10_000)
        frame.get_by_text("toy is well.").first.wait_for(timeout=10_000)
        browser.close()
