"""The pages in Airflow's UI: models and windows by verdict, and their reports, behind Airflow's login."""

from __future__ import annotations

import base64
import functools
import re
import secrets
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from monitoring.config import load_model
from monitoring.config.model import dag_id as dag_id_of
from monitoring.errors import ConfigError, ObjectMissingError
from monitoring.serve import TYPES, add_error_answers, content_policy, headers_of, page_key
from monitoring.settings import models_dir, open_configured_store
from monitoring.store.layout import SITE_ASSETS, SITE_INDEX

if TYPE_CHECKING:
    from monitoring.report.site import ModelRows

_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
_SCRIPT = re.compile(rf'(<script\b[^>]*?)\bsrc="(?:\.\./)+{SITE_ASSETS}({_NAME})"')
_STYLE_URL = re.compile(rf"\burl\((?:\.\./)+{SITE_ASSETS}({_NAME})\)")
_META_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def create_pages_app() -> FastAPI:
    """The application that Airflow's API server mounts.

    A mounted application inherits nothing of Airflow's login, so every route asks for it here.
    """
    # the API server alone needs these, and they take seconds
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import get_user, requires_access_dag, requires_access_view

    from monitoring.report.site import render_index

    signed_in = Depends(get_user)

    def may_read(model: str, request: Request, user: Any = signed_in) -> None:
        """Who may read a model's DAG may read its reports."""
        requires_access_dag("GET", param_dag_id=dag_id_of(model))(request, user)

    def reads(model: str, request: Request, user: Any) -> bool:
        try:
            may_read(model, request, user)
        except HTTPException:
            return False
        return True

    website = Depends(requires_access_view(AccessView.WEBSITE))
    app = FastAPI(dependencies=[website], docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(401, _closed)
    add_error_answers(app)
    # an asset's name stands for one content
    asset = functools.lru_cache(maxsize=8)(_asset)

    @app.get("/")
    def root() -> Response:
        return RedirectResponse(SITE_INDEX)

    @app.get(f"/{SITE_INDEX}")
    def index(request: Request, user: Any = signed_in) -> Response:
        """The site's index, made anew from what this user may see."""
        return _page(render_index({name: rows for name, rows in _models().items() if reads(name, request, user)}))

    @app.get("/dag/{dag_id}", dependencies=[Depends(requires_access_dag("GET"))])
    def of_dag(dag_id: str) -> Response:
        """The part of the index about one DAG's model; its links fit, as it lies as deep as the index."""
        models = {name: rows for name, rows in _models().items() if dag_id_of(name) == dag_id}
        return _page(render_index(models) if models else _note(f"{dag_id} does not monitor a model."))

    @app.get("/{model}/windows/{window}/{revision}/report.html", dependencies=[Depends(may_read)])
    def report(model: str, window: str, revision: str) -> Response:
        key = page_key(f"{model}/windows/{window}/{revision}/report.html")
        if key is None:
            raise ObjectMissingError("no such page", where=model)
        nonce = secrets.token_urlsafe(16)
        page = embed_assets(open_configured_store().get(key).decode(), asset, nonce)
        policy = content_policy(sandbox=True, script_src=f"'nonce-{nonce}'", font_src="data:")
        return HTMLResponse(page, headers=_headers(key) | {"Content-Security-Policy": policy})

    return app


def embed_assets(page: str, read: Callable[[str], str], nonce: str) -> str:
    """A report with the files that all reports share inside.

    A sandboxed page has no origin, so the browser fetches its scripts and fonts without the login's cookie, and
    they would not come. A data URL keeps what `defer` and the order of scripts mean. The page's own policy, which
    knows nothing of data URLs, gives way to the header's.

    Args:
        page: The report.
        read: From an asset's key to a data URL.
        nonce: What allows these scripts, and no others, to run.

    >>> embed_assets('<script defer src="../site/assets/a.js"></script>', lambda key: f"data:{key}", "n")
    '<script defer nonce="n" src="data:site/assets/a.js"></script>'
    """
    page = _META_POLICY.sub("", page, count=1)
    page = _SCRIPT.sub(lambda found: f'{found[1]}nonce="{nonce}" src="{read(SITE_ASSETS + found[2])}"', page)
    return _STYLE_URL.sub(lambda found: f"url({read(SITE_ASSETS + found[1])})", page)


def _asset(key: str) -> str:
    data = base64.b64encode(open_configured_store().get(key)).decode()
    kind = TYPES.get(f".{key.rpartition('.')[2]}", "application/octet-stream")
    return f"data:{kind.replace(' ', '')};base64,{data}"


def _closed(request: Request, error: Exception) -> Response:
    """What strangers are answered.

    A link in a sandboxed report that is shown in a frame of Airflow's UI comes without the cookie too, since it is
    followed from a page without an origin. Followed once more from the page that is answered here, which has one,
    it brings the cookie along.
    """
    if request.headers.get("sec-fetch-dest") == "iframe" and "again" not in request.query_params:
        again = '<!doctype html><meta http-equiv="refresh" content="0;url=?again=1"><title>Model monitoring</title>'
        return HTMLResponse(again, 401, headers=_headers(SITE_INDEX))
    return JSONResponse({"detail": getattr(error, "detail", "Not authenticated")}, 401)


def _models() -> dict[str, ModelRows]:
    """Every model's rows; a model that was never measured has none."""
    from monitoring.report.site import ModelRows, load_rows

    found = {}
    for path in models_dir().glob("*.yaml"):
        try:
            config = load_model(path)
        except ConfigError:
            continue  # Airflow's list of import errors has it
        found[config.name] = ModelRows(config.name, config.description, config.every, ())
    return found | load_rows(open_configured_store())


def _page(content: bytes | str) -> HTMLResponse:
    return HTMLResponse(content, headers=_headers(SITE_INDEX))


def _headers(key: str) -> dict[str, str]:
    return headers_of(key) | {"Cache-Control": "no-store"}


def _note(text: str) -> str:
    style = "body{font:16px/1.5 system-ui,sans-serif;padding:1rem;color-scheme:light dark}"
    return f"<!doctype html><title>Model monitoring</title><style>{style}</style><p>{escape(text)}</p>"
