"""The pictures of performance before, during and after labels, as JSON values: its series, and how labels come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring.report.facts import Facts
from monitoring.report.measured import SeriesPoint, shown_number
from monitoring.report.text import CHECK_OF, MAIN_NUMBERS, NUMBER_WORDS, STAGE_WORDS, age_in_words, percent, plural

Part = dict[str, Any]
# How the keys of these parts start
PERFORMANCE = ("series:", "maturity:")


def performance_parts(facts: Facts) -> dict[str, Part]:
    """The parts by key: the series of each main number that is known of any window, and the maturity of labels."""
    task = facts.config.columns.task
    parts = {f"series:{name}": _series(facts, name) for name in MAIN_NUMBERS[task]}
    parts = {key: part for key, part in parts.items() if any(p["value"] is not None for p in part["points"])}
    parts = {key: {**part, "legend": not i} for i, (key, part) in enumerate(parts.items())}
    if facts.measured is not None and facts.measured.maturity is not None:
        parts["maturity:labels"] = _maturity(facts, facts.measured.maturity)
    # the first of an odd number is as wide as the page
    return {key: {**part, "wide": not i and len(parts) % 2 == 1} for i, (key, part) in enumerate(parts.items())}


def _series(facts: Facts, name: str) -> Part:
    task, every = facts.config.columns.task, facts.config.every
    points = [_point(point, name, facts.least_rows) for point in facts.series]
    own = [point["value"] for point in points if point["label"] == facts.verdict.window.label]
    return {
        "title": f"{NUMBER_WORDS[task][name]} of each {every}, before and after its labels",
        "value": own[0] if own else None,
        "points": points,
        "ordinary": _ordinary(facts, name),
    }


def _ordinary(facts: Facts, name: str) -> float | None:
    if facts.measured is not None and name == facts.measured.loss != "accuracy":
        return facts.measured.ordinary_loss
    check = CHECK_OF[facts.config.columns.task].get(name)
    finding = facts.finding(check) if check else None
    return finding.baseline if finding else None


def _point(point: SeriesPoint, name: str, least: int) -> Part:
    found = shown_number(point.performance.numbers, name, least)
    before = shown_number(point.performance.estimated, name, least)
    return {
        "x": point.window.start.strftime("%Y-%m-%dT%H:%M:%S"),
        "label": point.window.label,
        "stage": point.performance.stage,
        "value": found.value if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "estimate": before.value if before else None,
        "estimate_low": before.low if before else None,
        "estimate_high": before.high if before else None,
        "told": _told(point),
    }


def _told(point: SeriesPoint) -> str:
    stage, performance = STAGE_WORDS[point.performance.stage], point.performance
    labels = f"{percent(performance.coverage)} of {plural(performance.rows, 'row')} have a label"
    return f"{point.window.label}: {stage}, {labels} after {age_in_words(point.age)}"


def _maturity(facts: Facts, maturity: Mapping[str, Any]) -> Part:
    assert facts.measured is not None
    coverage = facts.verdict.numbers.get("label_coverage")
    return {
        "title": "Share of rows with a label, by age",
        "value": coverage.value if coverage else None,
        "points": maturity["points"],
        "windows": maturity["windows"],
        "unit": facts.config.every,
        "age": facts.measured.age,
        "label": facts.verdict.window.label,
    }
