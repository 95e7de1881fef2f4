"""One report as HTML: the words, then Evidently's page around our numbers, then the exploration."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from monitoring.report.facts import Facts
from monitoring.report.metrics import run_metrics, their_warnings_ignored
from monitoring.report.natives import Exploration
from monitoring.report.parts import all_parts
from monitoring.report.performance_parts import PERFORMANCE
from monitoring.report.performance_words import performance_cards, performance_head
from monitoring.report.style import REPORT, css
from monitoring.report.text import esc, plural
from monitoring.report.words import first_page
from monitoring.store import Store
from monitoring.store.layout import SITE_ASSETS

# From `{model}/windows/{window}/r{n}/report.html` to the site
SITE = "../../../../site/"
# `file:` is what 'self' means to a browser that has opened the page from a disk
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' 'unsafe-inline'; img-src data: blob:; "
    "font-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_COUNTS = ("count", "missing")
_BOOT = """"use strict";
globalThis.global = globalThis;
document.addEventListener("DOMContentLoaded", function () {
  function draw(root) {
    var data = JSON.parse(document.getElementById(root.id + "-data").textContent);
    if (window.drawDashboard) {
      window.drawDashboard(data.report, new Map(Object.entries(data.graphs)), root.id);
    } else {
      root.textContent = "The charts could not be drawn: the files in site/assets are not beside this report.";
    }
  }
  document.querySelectorAll("[data-dashboard]").forEach(function (root) {
    var box = root.closest("details");
    if (box === null || box.open) draw(root);
    else box.addEventListener("toggle", function () { draw(root); }, { once: true });
  });
});
"""


@dataclass(frozen=True)
class Assets:
    """The names of the files that all reports share; each name stands for one content."""

    library: str
    font: str
    licences: str
    boot: str


def asset_names() -> Assets:
    """The shared files' names, with Evidently's version: an old report needs its old files."""
    name = f"evidently-{version('evidently')}"
    boot = f"{name}-boot-{sha256(_BOOT.encode()).hexdigest()[:8]}.js"
    return Assets(f"{name}.js", f"{name}-icons.woff2", f"{name}-licences.txt", boot)


def ensure_assets(store: Store) -> None:
    """Put the shared files into the store, unless they are there."""
    names = asset_names()
    with their_warnings_ignored():
        static = files("evidently") / "nbextension" / "static"
    sources = {
        names.library: "index.js",
        names.font: "material-ui-icons.woff2",
        names.licences: "index.js.LICENSE.txt",
    }
    for name, source in sources.items():
        if not store.exists(SITE_ASSETS + name):
            store.put_if_absent(SITE_ASSETS + name, (static / source).read_bytes())
    if not store.exists(SITE_ASSETS + names.boot):
        store.put_if_absent(SITE_ASSETS + names.boot, _BOOT.encode())


def render(facts: Facts, exploration: Exploration | None) -> bytes:
    """The report; the same facts give the same bytes.

    Args:
        facts: What is known of the window.
        exploration: What Evidently's presets drew; None to leave them out.
    """
    parts = all_parts(facts)
    snapshot = run_metrics(parts, facts.verdict.window.start)
    drawn = list(zip((key for key in parts if not key.startswith("check:")), snapshot._widgets, strict=True))
    performance = [widget for key, widget in drawn if key.startswith(PERFORMANCE)]
    others = [widget for key, widget in drawn if not key.startswith(PERFORMANCE)]
    # Evidently shows two pages, metrics and tests, when the widgets come in this order
    measured = [_group(others), *snapshot._tests_widgets]
    body = [
        '<main class="mm">',
        first_page(facts, SITE),
        performance_head(facts),
        _dashboard("performance", [_group(performance)] if performance else []),
        performance_cards(facts),
        '<h2 class="big">Measurements</h2>',
        '<p class="soft">Over every record of the window. The tests repeat the verdict, check by check.</p>',
        _dashboard("measurements", measured),
        _explored(exploration) if exploration else "",
        _provenance(facts),
        "</main>",
    ]
    title = f"{facts.config.name} {facts.verdict.window.label}: {facts.verdict.status}"
    return f"{_head(title)}<body>{''.join(body)}</body></html>\n".encode()


def _head(title: str) -> str:
    names = asset_names()
    assets = f"{SITE}assets/"
    font = (
        f"@font-face{{font-family:'Material Icons';src:url({assets}{names.font}) format('woff2')}}"
        ".material-icons{font-family:'Material Icons';font-size:24px;line-height:1;display:inline-block;"
        "white-space:nowrap}"
    )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{esc(title)}</title><style>{css(REPORT)}{font}</style>"
        f'<script defer src="{assets}{names.boot}"></script>'
        f'<script defer src="{assets}{names.library}"></script></head>'
    )


def _explored(exploration: Exploration) -> str:
    rows = (
        f"{plural(exploration.rows, 'row')} of this window, {plural(exploration.baseline_rows, 'row')} of the baseline"
    )
    failed = [
        f"{outcome.title} could not be computed on this sample: {outcome.failed}"
        for outcome in exploration.outcomes
        if outcome.failed
    ]
    notes = "".join(f"<li>{esc(note)}</li>" for note in (*failed, *exploration.remarks))
    drawn = [_titled(outcome.title, list(outcome.widgets)) for outcome in exploration.outcomes if outcome.widgets]
    return (
        f'<details><summary>Explore a sample with Evidently\'s own presets ({esc(rows)})</summary><div class="notice">'
        "<strong>For exploring, never the verdict.</strong> These presets see a sample of rows, know nothing of what is"
        " ordinary for this model, and call a column drifted at one fixed distance (0.1). They can therefore disagree"
        " with the findings above, which count every record and allow for the baseline's own variation."
        f"{f'<ul>{notes}</ul>' if notes else ''}</div>{_dashboard('sample', drawn)}</details>"
    )


def _provenance(facts: Facts) -> str:
    inputs = facts.verdict.inputs
    versions = ", ".join(f"{name or 'unnamed'} ({count:,})" for name, count in inputs.get("model_versions", {}).items())
    lines = {
        "Baseline": inputs.get("baseline") or "none",
        "Configuration": inputs.get("config", ""),
        "Captures": inputs.get("captures", ""),
        "Model versions (records)": versions or "none",
        "Drawn with": f"Evidently {version('evidently')}",
    }
    items = "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in lines.items())
    return f'<h2 class="big">Where it comes from</h2><dl class="small">{items}</dl>'


def _dashboard(name: str, widgets: list[Any]) -> str:
    """A place for Evidently's page, and its data beside it."""
    if not widgets:
        return ""
    data = script_json(_page_data(widgets))
    return (
        f'<div class="dashboard" id="{name}" data-dashboard><noscript>The charts need JavaScript.</noscript></div>'
        f'<script type="application/json" id="{name}-data">{data}</script>'
    )


def script_json(value: object) -> str:
    """JSON that no browser takes for markup: it stands inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _group(widgets: list[Any]) -> Any:
    return _titled("", widgets)


def _titled(title: str, widgets: list[Any]) -> Any:
    with their_warnings_ignored():
        from evidently.legacy.renderers.html_widgets import group_widget

        return group_widget(title=title, widgets=widgets)


def _page_data(widgets: list[Any]) -> dict[str, Any]:
    """What `drawDashboard` takes, as strict JSON, with ids that depend on nothing but their order."""
    with their_warnings_ignored():
        from evidently.legacy.model.widget import AdditionalGraphInfo
        from evidently.legacy.utils import NumpyEncoder

        graphs = {}
        for widget in widgets:
            for graph in widget.get_additional_graphs():
                graphs[str(graph.id)] = graph.params if isinstance(graph, AdditionalGraphInfo) else graph.dict()
        shown = [widget.dict() for widget in widgets]
        text = json.dumps({"report": {"name": "Report", "widgets": shown}, "graphs": graphs}, cls=NumpyEncoder)
    # NaN and infinity are no JSON, and nobody sees a picture's sixth digit
    data: dict[str, Any] = json.loads(
        text, parse_constant=lambda _: None, parse_float=lambda text: float(f"{float(text):.5g}")
    )
    names = _ids(data, {})
    return {part: in_order(_renamed(content, names)) for part, content in data.items()}


def _ids(value: object, found: dict[str, str]) -> dict[str, str]:
    """A deterministic name for every random id, in the order of their appearance."""
    if isinstance(value, dict):
        name = value.get("id")
        if isinstance(name, str) and _UUID7.fullmatch(name):
            found.setdefault(name, f"w{len(found)}")
        for item in value.values():
            _ids(item, found)
    elif isinstance(value, list):
        for item in value:
            _ids(item, found)
    return found


def in_order(value: Any) -> Any:
    """The same data with the categories of a summary in alphabetical order: Evidently's comes from a set."""
    if isinstance(value, list):
        return [in_order(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {key: in_order(item) for key, item in value.items()}
    if ordered.get("description") == "cat" and isinstance(ordered.get("metrics"), list):
        counts = [item for item in ordered["metrics"] if item["label"] in _COUNTS]
        others = [item for item in ordered["metrics"] if item["label"] not in _COUNTS]
        ordered["metrics"] = counts + sorted(others, key=lambda item: str(item["label"]))
    return ordered


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        # the page finds these graphs by their id among all graphs
        kept = {key: [] if key == "additionalGraphs" else item for key, item in value.items()}
        return {names.get(key, key): _renamed(item, names) for key, item in kept.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
