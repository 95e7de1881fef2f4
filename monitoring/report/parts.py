"""The numbers of a report, as JSON values: what the Evidently metrics are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from monitoring.capture.privacy import RARE
from monitoring.judge.verdict import Finding, Status, Verdict
from monitoring.measure import Measurement
from monitoring.profile import CategoricalProfile, ColumnProfile, ColumnSpec, NumericProfile
from monitoring.profile.window import SCORE_CELLS
from monitoring.report.facts import Facts
from monitoring.report.finding_words import about
from monitoring.report.measured import shown
from monitoring.report.performance_parts import performance_parts
from monitoring.report.text import (
    CHECK_OF,
    NOTHING,
    NUMBER_WORDS,
    STATUS_WORDS,
    number,
    percent,
    plural,
    short,
    with_interval,
)

Part = dict[str, Any]
# More bars than this cannot be read; the rest is one bar.
_MOST_BARS = 24
# Of the numbers that are judged, so many have a chart of their limits
_MOST_HISTORIES = 2
# Cells of a categorical column that are no categories
_UNNAMED = ("(other)", "(unseen)", "(null)")


def check_key(check: str, subject: str, reference: str = "") -> str:
    """The key of the part of a check, of a subject and what it was compared with."""
    return f"check:{check}:{reference}:{subject}"


def all_parts(facts: Facts) -> dict[str, Part]:
    """Every part of the report by its key, in the order in which they are shown."""
    parts = {**performance_parts(facts), **dict(_histories(facts))}
    if facts.verdict.trailing:
        parts["table:performance"] = _performance(facts)
    if facts.window.rows and facts.config.columns.score:
        parts["chart:score"] = _score(facts)
    if facts.window.rows:
        parts["chart:hours"] = _hours(facts)
    for name in facts.features:
        parts[f"drift:{name}"] = _distribution(facts, name)
    if facts.window.features:
        parts["table:quality"] = _quality(facts)
    for finding in facts.verdict.findings:
        parts[check_key(finding.check, finding.subject, finding.reference)] = _check(finding)
    return parts


def _check(finding: Finding) -> Part:
    limit = f" (limit {short(finding.limit)})" if finding.limit is not None else ""
    evidence = "Evidence, which changes no verdict: " if finding.status is Status.INFO else ""
    return {
        "title": f"{about(finding)}{limit}",
        "message": f"{evidence}{finding.message}",
        "status": str(finding.status),
        "value": finding.measurement.value if finding.measurement else None,
    }


def _histories(facts: Facts) -> Iterator[tuple[str, Part]]:
    unit, task = facts.config.every, facts.config.columns.task
    if facts.config.labels is not None:
        back = f"over {plural(facts.config.trailing_windows, unit)}" if facts.config.trailing_windows > 1 else ""
        judged = list(CHECK_OF[task].items())[:_MOST_HISTORIES]
        for name, limited in judged:
            points = [_point(v, shown(v.trailing.get(name), facts.least_rows)) for v in facts.past]
            part = _history(f"{NUMBER_WORDS[task][name]} {back}", points, facts.finding(limited))
            # with the coverage of labels, an even number of charts is half as wide as the page
            yield f"history:{name}", {**part, "wide": len(judged) > 1 and name == judged[0][0]}
        points = [_point(v, v.numbers.get("label_coverage")) for v in facts.past]
        coverage = _history("Share of rows with a label", points, facts.finding("label_coverage"))
        yield "history:coverage", {**coverage, "format": ".1%"}
        return
    for check, title in (("prediction_drift", "Distance of the score's distribution"), ("volume", "Volume")):
        points = [_point(v, _measured(v, check)) for v in facts.past]
        yield f"history:{check}", _history(title, points, facts.finding(check))


def _measured(verdict: Verdict, check: str) -> Measurement | None:
    return next((finding.measurement for finding in verdict.findings if finding.check == check), None)


def _point(verdict: Verdict, measurement: Measurement | None) -> Part:
    return {
        "x": verdict.window.start.strftime("%Y-%m-%dT%H:%M:%S"),
        "label": verdict.window.label,
        "status": str(verdict.status),
        "value": measurement.value if measurement else None,
        "low": measurement.low if measurement else None,
        "high": measurement.high if measurement else None,
    }


def _history(title: str, points: list[Part], finding: Finding | None) -> Part:
    return {
        "title": title.strip(),
        "value": points[-1]["value"],
        "points": points,
        "limit": finding.limit if finding else None,
        "ordinary": finding.baseline if finding else None,
    }


def _performance(facts: Facts) -> Part:
    task, least, rows = facts.config.columns.task, facts.least_rows, []
    for name, words in NUMBER_WORDS[task].items():
        check = CHECK_OF[task].get(name)
        finding = facts.finding(check) if check else None
        rows.append(
            [
                words,
                with_interval(shown(facts.verdict.numbers.get(name), least)),
                with_interval(shown(facts.verdict.trailing.get(name), least)),
                number(finding.baseline) if finding else NOTHING,
                number(finding.limit) if finding else NOTHING,
                STATUS_WORDS[finding.status] if finding else "not judged",
            ]
        )
    windows = plural(max(len(facts.verdict.trailing_windows), 1), facts.config.every)
    header = ["Number", f"This {facts.config.every}", f"Trailing {windows}", "Ordinary", "Limit", "Verdict"]
    labelled = max(found.rows for found in facts.verdict.trailing.values())
    title = f"Performance: {plural(labelled, 'labelled row')} in the trailing {windows}, with 95 % intervals"
    return {"title": title, "value": float(labelled), "header": header, "rows": rows}


def _shares(cells: dict[str, int]) -> dict[str, float]:
    total = sum(cells.values())
    return {name: count / total if total else 0.0 for name, count in cells.items()}


def _distribution(facts: Facts, name: str) -> Part:
    assert facts.baseline is not None
    spec = facts.baseline.reference.spec.features[name]
    finding = facts.finding("feature_drift", name)
    assert finding is not None
    assert finding.measurement is not None
    profiles = (facts.baseline.reference.profile, facts.trailing, facts.window)
    cells = [profile.features[name].cells() for profile in profiles]
    if spec.kind == "categorical":
        cells = _without_rare(cells, facts.least_rows)
    value, limit, ordinary = finding.measurement.value, number(finding.limit), number(finding.baseline)
    word = "moved" if finding.code == "feature_drift" else "not moved"
    return {
        "title": f"{name}: {word}, distance {number(value)} (ordinary {ordinary}, limit {limit})",
        "value": value,
        "column": name,
        **_bars(spec, *map(_shares, cells)),
        "windows": len(facts.verdict.trailing_windows),
        "unit": facts.config.every,
    }


def _without_rare(series: Sequence[dict[str, int]], least: int) -> list[dict[str, int]]:
    """The cells with those as one that name a category of too few rows, of the baseline and of the window alike."""
    reference, _, window = series
    rare = [name for name in reference if name not in _UNNAMED and max(reference[name], window[name]) < least]
    if not rare:
        return list(series)
    common = [{name: rows for name, rows in cells.items() if name not in rare} for cells in series]
    together = [sum(cells[name] for name in rare) for cells in series]
    return [cells | {RARE: cells.get(RARE, 0) + rows} for cells, rows in zip(common, together, strict=True)]


def _bars(
    spec: ColumnSpec, reference: dict[str, float], trailing: dict[str, float], window: dict[str, float]
) -> dict[str, Any]:
    """Three shares per cell; empty special cells are left out, and rare categories are one bar."""
    series = (reference, trailing, window)
    names = [name for name in reference if not name.startswith("(") or any(cells[name] for cells in series)]
    if spec.kind == "categorical":
        names.sort(key=lambda name: (name.startswith("("), -reference[name], name))
        names.sort(key=lambda name: -max(cells[name] for cells in series) if len(names) > _MOST_BARS else 0)
    kept, rest = names[:_MOST_BARS], names[_MOST_BARS:]
    bars = [[cells[name] for name in kept] for cells in series]
    if rest:
        kept = [*kept, f"({len(rest)} others)"]
        for values, cells in zip(bars, series, strict=True):
            values.append(sum(cells[name] for name in rest))
    return {"cells": kept, "baseline": bars[0], "trailing": bars[1], "window": bars[2]}


def _score(facts: Facts) -> Part:
    finding = facts.finding("prediction_drift")
    value = finding.measurement.value if finding and finding.measurement else None
    title = "Score: share of rows per score"
    if finding is not None and value is not None:
        title += f"; distance {number(value)} (ordinary {number(finding.baseline)}, limit {number(finding.limit)})"
    reference = facts.baseline.reference.profile.score if facts.baseline else None
    part = {
        "title": title,
        "value": value,
        "windows": len(facts.verdict.trailing_windows),
        "unit": facts.config.every,
    }
    if facts.config.columns.task == "regression":
        return {**part, **_score_cells(reference, facts.trailing.score, facts.window.score)}
    edges = [0.0, *SCORE_CELLS.tolist(), 1.0]
    return {
        **part,
        "x": [(low + high) / 2 for low, high in pairwise(edges)],
        "threshold": facts.config.columns.threshold if facts.config.columns.task == "binary" else None,
        "baseline": _score_shares(reference),
        "trailing": _score_shares(facts.trailing.score),
        "window": _score_shares(facts.window.score),
    }


def _score_shares(profile: NumericProfile | None) -> list[float]:
    cells = list(profile.cells().values())[: len(SCORE_CELLS) + 1] if profile is not None else []
    total = sum(cells)
    return [count / total for count in cells] if total else []


def _score_cells(reference: NumericProfile | None, trailing: NumericProfile, window: NumericProfile) -> Part:
    """A score that is no probability, by its cells."""
    series = {"trailing": _shares(trailing.cells()), "window": _shares(window.cells())}
    if reference is not None:
        series["baseline"] = _shares(reference.cells())
    names = [name for name in series["window"] if not name.startswith("(") or any(s[name] for s in series.values())]
    return {"baseline": [], **{key: [cells[name] for name in names] for key, cells in series.items()}, "cells": names}


def _hours(facts: Facts) -> Part:
    """Records per hour; beside them what the baseline has in that hour of the day."""
    window = facts.verdict.window
    names = [hour.strftime("%Y-%m-%dT%HZ") for hour in window.hours()]
    counts = facts.window.hours
    if window.every == "hour":  # one bar says little: show the hours before it, too
        names = sorted({*facts.trailing.hours, *names})
        counts = {**facts.trailing.hours, **facts.window.hours}
    ordinary = facts.baseline.reference.profile.hours if facts.baseline else {}
    days = len({name[:10] for name in ordinary})
    per_hour = {f"{i:02d}": 0 for i in range(24)}
    for name, count in ordinary.items():
        per_hour[name[11:13]] += count
    return {
        "title": f"Volume: {plural(facts.window.rows, 'record')} by hour of inference (UTC)",
        "value": float(facts.window.rows),
        "x": [f"{name[:13]}:00:00" for name in names],
        "window": [counts.get(name, 0) for name in names],
        "baseline": [per_hour[name[11:13]] / days for name in names] if days else [],
    }


def _quality(facts: Facts) -> Part:
    assert facts.baseline is not None
    reference = facts.baseline.reference.profile
    rows = []
    for name, column in facts.window.features.items():
        before = reference.features[name]
        status = _worst_quality(facts, name)
        share = column.unusable / column.rows if column.rows else None
        usual = before.unusable / before.rows if before.rows else None
        start = [name, column_kind(column), STATUS_WORDS[status], percent(share), percent(usual)]
        if isinstance(column, NumericProfile) and isinstance(before, NumericProfile):
            rows.append([*start, *_numeric_quality(column, before, facts.least_rows)])
        elif not isinstance(column, NumericProfile):
            rows.append([*start, *_categorical_quality(column, facts.least_rows)])
    spread = "Range" if facts.least_rows == 1 else "Deviation"
    header = ["Column", "Type", "Verdict", "Nulls", "Baseline nulls", "Mean", "Baseline mean", spread, "Remarks"]
    return {
        "title": "Data quality, all records of the window",
        "value": float(len(rows)),
        "header": header,
        "rows": rows,
    }


def _numeric_quality(column: NumericProfile, before: NumericProfile, least: int) -> list[str]:
    """Both means, the range or the deviation, and remarks."""
    means = [short(profile.mean) if profile.finite >= least else NOTHING for profile in (column, before)]
    spread = f"{short(column.low)}\u00a0…\u00a0{short(column.high)}"
    if least > 1:  # the lowest and the highest number are values of single rows
        spread = short(column.deviation) if column.finite >= least else NOTHING
    return [*means, spread, f"{column.nonfinite} not finite" if column.nonfinite else ""]


def _categorical_quality(column: CategoricalProfile, least: int) -> list[str]:
    """No means, the number of known categories, and remarks."""
    unseen = f"{plural(column.unseen, 'row')} not in the baseline" if column.unseen else ""
    shown = [name for name in column.examples if column.new[name][1] >= least][:3]
    examples = f" ({', '.join(shown)})" if shown else ""
    known = plural(int((column.counts > 0).sum()), "known value").replace(" ", "\u00a0")
    return [NOTHING, NOTHING, known, unseen + examples]


def column_kind(column: ColumnProfile) -> str:
    """Whether a column is numeric or categorical."""
    return "numeric" if isinstance(column, NumericProfile) else "categorical"


_OF_QUALITY = frozenset(
    {"schema", "nulls", "unseen", "mismatch", "nonfinite", "out_of_range", "constants", "staleness"}
)
_RANK = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.INFO, Status.OK)


def _worst_quality(facts: Facts, name: str) -> Status:
    mine = [f.status for f in facts.verdict.findings if f.subject == name and f.check in _OF_QUALITY]
    return min(mine, key=_RANK.index, default=Status.OK)
