"""Plotly figures as plain JSON: Evidently's page draws them, and building them costs no import of Plotly."""

from __future__ import annotations

from typing import Any

from monitoring.judge.verdict import Status
from monitoring.report.parts import Part
from monitoring.report.text import STAGE_WORDS, STATUS_WORDS, plotly_text, plural

Figure = tuple[list[dict[str, Any]], dict[str, Any]]

GREY, BLUE = "#9aa3ad", "#3b7cc4"
INK = "#7a4fa0"  # to be seen on white and on black
STATUS_COLOURS = {
    Status.OK: "#2e7d4f",
    Status.WARN: "#b7791f",
    Status.FAIL: "#c0392b",
    Status.UNKNOWN: "#6b7280",
}
_SYMBOLS = {Status.OK: "circle", Status.WARN: "triangle-up", Status.FAIL: "x", Status.UNKNOWN: "diamond-open"}
# Ages of more hours than these are told in days
_HOURS_AS_DAYS = 72.0
# Hollow without labels, half while they come, full with all of them
_STAGES = {"estimated": "no labels yet", "provisional": "labels still come", "final": "no more labels are waited for"}
_STAGE_MARKS: dict[str, dict[str, Any]] = {
    "estimated": {"symbol": "circle-open", "color": BLUE, "line": {"width": 2}},
    "provisional": {"symbol": "circle-open-dot", "color": BLUE, "line": {"width": 2}},
    "final": {"symbol": "circle", "color": BLUE},
}
_LAYOUT = {
    "margin": {"l": 55, "r": 15, "t": 30, "b": 45},
    "font": {"family": "system-ui, sans-serif", "size": 12},
    "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    "hovermode": "closest",
}
_AXIS = {"gridcolor": "rgba(128,140,152,0.22)", "zerolinecolor": "rgba(128,140,152,0.5)", "automargin": True}


def _layout(xaxis: dict[str, Any], yaxis: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**_LAYOUT, "xaxis": {**_AXIS, **xaxis}, "yaxis": {**_AXIS, **yaxis}, **more}


def history(part: Part) -> Figure:
    """One number over the last windows: its interval as a band, its verdicts as marks."""
    points = [point for point in part["points"] if point["value"] is not None]
    x = [point["x"] for point in points]
    data: list[dict[str, Any]] = []
    if any(point["low"] is not None for point in points):
        data += _band(points)
    line = {"type": "scatter", "mode": "lines", "x": x, "y": [p["value"] for p in points], "showlegend": False}
    data.append({**line, "line": {"color": GREY, "width": 1.5}, "hoverinfo": "skip"})
    for status, colour in STATUS_COLOURS.items():
        mine = [point for point in points if point["status"] == status]
        if mine:
            data.append(_marks(status, colour, mine))
    for name, dash in (("ordinary", "dot"), ("limit", "dash")):
        if part[name] is not None and x:
            data.append(_level(name, part[name], x, dash))
    return data, _layout({"type": "date"}, {"tickformat": part.get("format", "")})


def _band(points: list[Part]) -> list[dict[str, Any]]:
    known = [point for point in points if point["low"] is not None]
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": [p["x"] for p in known],
        "line": {"width": 0},
        "hoverinfo": "skip",
    }
    low = {**edge, "y": [point["low"] for point in known], "showlegend": False}
    high = {**edge, "y": [point["high"] for point in known], "name": "95 % interval"}
    return [low, {**high, "fill": "tonexty", "fillcolor": "rgba(37,99,168,0.15)"}]


def _marks(status: Status, colour: str, points: list[Part]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"verdict {STATUS_WORDS[status]}",
        "x": [point["x"] for point in points],
        "y": [point["value"] for point in points],
        "text": [f"{point['label']}: {STATUS_WORDS[status]}" for point in points],
        "hovertemplate": "%{text}<br>%{y:.3f}<extra></extra>",
        "marker": {"color": colour, "symbol": _SYMBOLS[status], "size": 9},
    }


def series(part: Part) -> Figure:
    """One number of each window with its interval, marked by stage, beside what was estimated without labels."""
    points = [point for point in part["points"] if point["value"] is not None]
    x = [point["x"] for point in points]
    data = _band(points) if points else []
    line = {"type": "scatter", "mode": "lines", "x": x, "y": [p["value"] for p in points], "showlegend": False}
    data.append({**line, "line": {"color": GREY, "width": 1.5}, "hoverinfo": "skip"})
    foretold = [point for point in part["points"] if point["estimate"] is not None]
    if foretold:
        data.append(_estimates(foretold))
    for stage, mark in _STAGE_MARKS.items():
        mine = [point for point in points if point["stage"] == stage]
        if mine:
            data.append(_stage_marks(stage, mark, mine))
    if part["ordinary"] is not None and x:
        data.append(_level("ordinary", part["ordinary"], x, "dot"))
    # marks are the same in each series, and the first one explains them
    return data, _layout({"type": "date"}, {}, showlegend=part["legend"])


def _stage_marks(stage: str, mark: dict[str, Any], points: list[Part]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{STAGE_WORDS[stage].lower()}: {_STAGES[stage]}",
        "x": [point["x"] for point in points],
        "y": [point["value"] for point in points],
        "text": [f"{point['told']}<br>{_ends(point['value'], point['low'], point['high'])}" for point in points],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"size": 10, **mark},
    }


def _estimates(points: list[Part]) -> dict[str, Any]:
    told = [_ends(p["estimate"], p["estimate_low"], p["estimate_high"]) for p in points]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "estimate without labels",
        "x": [point["x"] for point in points],
        "y": [point["estimate"] for point in points],
        "text": [f"{p['label']}: estimated without labels<br>{words}" for p, words in zip(points, told, strict=True)],
        "hovertemplate": "%{text}<extra></extra>",
        "line": {"color": INK, "width": 1.5},
        # an estimate that is all there is has a mark of its own
        "marker": {
            "symbol": "line-ew-open",
            "size": [0 if p["stage"] == "estimated" else 7 for p in points],
            "color": INK,
        },
    }


def _ends(value: float, low: float | None, high: float | None) -> str:
    return f"{value:.4g}" if low is None or high is None else f"{value:.4g} [{low:.4g}, {high:.4g}]"


def maturity(part: Part) -> Figure:
    """How labels ordinarily come by age, and how far this window's have come."""
    days = part["points"][-1]["age_hours"] >= _HOURS_AS_DAYS
    unit, scale = ("days", 24.0) if days else ("hours", 1.0)
    points = [{**p, "x": round(p["age_hours"] / scale, 4), "value": p["expected"]} for p in part["points"]]
    usual = {"x": [point["x"] for point in points], "y": [point["value"] for point in points]}
    data = _band(points)
    data[-1]["name"] = "what one window may have (95 %)"
    hover = "%{x:.3g} " + unit + ": %{y:.1%}<extra></extra>"
    line = {"type": "scatter", "mode": "lines", "name": f"usual, of {plural(part['windows'], part['unit'])}", **usual}
    data.append({**line, "line": {"color": GREY, "width": 2}, "hovertemplate": hover})
    if part["value"] is not None:
        own = {"type": "scatter", "mode": "markers", "name": f"this {part['unit']}", "text": [part["label"]]}
        spot = {"x": [round(part["age"] / scale, 4)], "y": [part["value"]]}
        marker = {"color": INK, "symbol": "diamond", "size": 12}
        data.append({**own, **spot, "marker": marker, "hovertemplate": "%{text}, " + hover})
    xaxis = {"title": f"age: {unit} since the end of the {part['unit']}", "rangemode": "tozero"}
    return data, _layout(xaxis, {"tickformat": ".0%", "range": [0, 1.05], "title": "rows with a label"})


def _level(name: str, value: float, x: list[str], dash: str) -> dict[str, Any]:
    colour = STATUS_COLOURS[Status.FAIL] if name == "limit" else INK
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{name} {value:.3f}",
        "x": [x[0], x[-1]],
        "y": [value, value],
        "hoverinfo": "name",
        "line": {"color": colour, "width": 1, "dash": dash},
    }


def distribution(part: Part) -> Figure:
    """Shares per cell: the baseline in grey, the trailing windows over it, this window as marks."""
    cells = [plotly_text(cell) for cell in part["cells"]]
    layout = _layout(
        {"type": "category", "tickangle": -40, "tickfont": {"size": 10}},
        {"title": "share of rows", "tickformat": ".0%"},
        barmode="overlay",
    )
    return _shares(part, cells), layout


def score(part: Part) -> Figure:
    """The score's distribution, with the threshold if there is one."""
    if "cells" in part:  # it is no probability
        return distribution(part)
    threshold, shapes = part["threshold"], []
    if threshold is not None:
        line = {"type": "line", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": threshold}
        shapes = [{**line, "x1": threshold, "line": {"color": INK, "width": 1, "dash": "dash"}}]
    layout = _layout(
        {"title": "score (dashed: threshold)" if shapes else "score", "range": [0, 1]},
        {"title": "share of rows", "tickformat": ".0%"},
        barmode="overlay",
        shapes=shapes,
    )
    return _shares(part, part["x"]), layout


def _shares(part: Part, x: list[Any]) -> list[dict[str, Any]]:
    trailing = f"trailing {plural(part['windows'], part['unit'])}"
    hover = "%{x}<br>%{y:.1%}"
    data = []
    for key, name, colour, opacity in (("baseline", "baseline", GREY, 0.75), ("trailing", trailing, BLUE, 0.55)):
        if part[key]:
            trace = {"type": "bar", "name": name, "x": x, "y": _rounded(part[key]), "hovertemplate": hover}
            data.append({**trace, "marker": {"color": colour}, "opacity": opacity})
    if part["windows"] != 1 and part["window"]:
        marks = {"type": "scatter", "mode": "markers", "name": f"this {part['unit']}", "x": x}
        marker = {"color": INK, "symbol": "line-ew-open", "size": 9, "line": {"width": 2}}
        data.append({**marks, "y": _rounded(part["window"]), "marker": marker, "hovertemplate": hover})
    return data


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 5) for value in values]


def hours(part: Part) -> Figure:
    """Records per hour, and what the baseline has in that hour of the day."""
    data: list[dict[str, Any]] = [
        {
            "type": "bar",
            "name": "records",
            "x": part["x"],
            "y": part["window"],
            "marker": {"color": BLUE},
            "opacity": 0.7,
        }
    ]
    if part["baseline"]:
        ordinary = {"type": "scatter", "mode": "lines+markers", "name": "baseline, mean of that hour of the day"}
        line = {"color": INK, "width": 1.5, "dash": "dot"}
        data.append({**ordinary, "x": part["x"], "y": _rounded(part["baseline"]), "line": line, "marker": {"size": 4}})
    return data, _layout({"type": "date"}, {"title": "records"})
