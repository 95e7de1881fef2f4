"""Serve reports, metrics and the latest state over HTTP, without Airflow and without a login."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from monitoring.config import ModelConfig
from monitoring.errors import ObjectMissingError, StoreUnavailableError
from monitoring.monitor import Monitor
from monitoring.prometheus import Sample, collect, latest
from monitoring.store import Store
from monitoring.store.layout import SITE_ASSETS, SITE_INDEX

# What may be asked for: the site, and reports. Captured rows, labels and baselines lie in the same store.
_REPORT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/windows/\d{4}-\d\d-\d\d(T\d\d)?/r\d{1,6}/report\.html", re.ASCII)
_SITE = re.compile(r"site(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+", re.ASCII)

_READ = ["GET", "HEAD"]
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'none'",
    "frame-ancestors": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
_EMPTY = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Model monitoring</title>
<meta name="color-scheme" content="light dark">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}</style></head>
<body><h1>No reports yet</h1><p>The first one appears here when a window has been measured:
<code>model-monitor run MODEL --window 2013-04-20</code>, or the model's DAG in Airflow.</p></body></html>
"""


def page_key(path: str) -> str | None:
    """The key of the page or asset at `path`; None for everything that is not to be served.

    Args:
        path: A URL's path without the leading slash.

    >>> page_key("flight-delay/windows/2013-04-20/r1/report.html")
    'flight-delay/windows/2013-04-20/r1/report.html'
    >>> page_key("flight-delay/windows/2013-04-20/records.parquet")
    """
    return path if is_report(path) or _SITE.fullmatch(path) else None


def is_report(key: str) -> bool:
    """Whether `key` is a window's report."""
    return _REPORT.fullmatch(key) is not None


def content_policy(*, sandbox: bool = False, **changes: str) -> str:
    """The Content-Security-Policy of our pages: nothing from elsewhere, and no connections.

    Args:
        sandbox: Take the page's origin away, so that its scripts reach neither cookies nor other pages.
        changes: Directives to replace, with `_` for `-`.
    """
    directives = _POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    parts = [f"{name} {value}" for name, value in directives.items()]
    return "; ".join([*parts, "sandbox allow-scripts"] if sandbox else parts)


def headers_of(key: str) -> dict[str, str]:
    """The headers under which a page or an asset is served."""
    asset = key.startswith(SITE_ASSETS)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if asset else "no-cache",
        "Content-Security-Policy": content_policy(sandbox=is_report(key)),
        "Content-Type": TYPES.get(PurePosixPath(key).suffix, "application/octet-stream"),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    # a sandboxed page asks for fonts as a page from elsewhere
    return headers | ({"Access-Control-Allow-Origin": "*"} if asset else {})


def file_response(store: Store, key: str, request: Request) -> Response:
    """A stored page or asset, or that it has not changed.

    Args:
        store: The monitor's store.
        key: What `page_key` has let pass.
        request: The request; its `If-None-Match` is looked at.
    """
    data = store.get(key)
    headers = headers_of(key) | {"ETag": f'"{hashlib.sha256(data).hexdigest()[:32]}"'}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers=headers | {"Content-Length": str(len(data))})
    return Response(data, headers=headers)


def empty_page() -> HTMLResponse:
    """What stands in the place of pages before there are any."""
    return HTMLResponse(_EMPTY, headers=headers_of(SITE_INDEX))


def add_error_answers(app: FastAPI) -> None:
    """Answer for what the store cannot give: 404 for what is not there, 503 when it does not answer."""

    @app.exception_handler(ObjectMissingError)
    def _missing(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("There is no such page.\n", 404)

    @app.exception_handler(StoreUnavailableError)
    def _unavailable(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("The store does not answer.\n", 503, {"Retry-After": "10"})


def create_app(store: Store, models: list[ModelConfig]) -> FastAPI:
    """The application.

    Args:
        store: The monitor's store.
        models: The models, for metrics and states.
    """
    app = FastAPI(title="Model monitoring", docs_url=None, redoc_url=None, openapi_url=None)
    add_error_answers(app)

    @app.api_route("/", methods=_READ)
    def index() -> Response:
        return RedirectResponse(SITE_INDEX) if store.exists(SITE_INDEX) else empty_page()

    @app.api_route("/healthz", methods=_READ)
    def healthz() -> dict[str, str]:
        """Whether this process answers; the store is not asked, as a restart would not mend it."""
        return {"status": "ok"}

    @app.api_route("/metrics", methods=_READ)
    def metrics() -> Response:
        return Response(collect(store, models), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.api_route("/api/models", methods=_READ)
    def states() -> Response:
        return JSONResponse(
            [_state(store, config, latest(store, config)) for config in models], headers={"Cache-Control": "no-cache"}
        )

    @app.api_route("/{path:path}", methods=_READ)
    def page(path: str, request: Request) -> Response:
        key = page_key(path)
        if key is None:
            raise ObjectMissingError("no such page", where=path)
        return file_response(store, key, request)

    return app


def serve(store: Store, models: list[ModelConfig], host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serve until interrupted.

    Args:
        store: The monitor's store.
        models: The models.
        host: The address to listen on; whoever reaches it reads every report.
        port: The port.
    """
    import uvicorn

    uvicorn.run(create_app(store, models), host=host, port=port, log_level="warning", server_header=False)


def _state(store: Store, config: ModelConfig, sample: Sample) -> dict[str, Any]:
    state: dict[str, Any] = {
        "model": config.name,
        "description": config.description,
        "owner": config.owner,
        "readable": sample.readable,
        "status": "unknown",
    }
    if sample.verdict is None:
        return state
    verdict, decision = sample.verdict, sample.decision
    report = Monitor(store, config).layout.report(verdict.window, verdict.revision)
    return state | {
        "window": verdict.window.label,
        "revision": verdict.revision,
        "final": verdict.final,
        "status": verdict.status,
        "headline": verdict.headline,
        "state": decision.state if decision else None,
        "action": decision.action if decision else None,
        "since": decision.since if decision else "",
        "report": report if store.exists(report) else None,
    }
