"""The numbers of a report, as JSON values: what the Evidently metrics are given."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from monitoring.judge.verdict import Finding, Status, Verdict
from monitoring.measure import Measurement
from monitoring.profile import ColumnProfile, ColumnSpec, NumericProfile
from monitoring.profile.window import SCORE_CELLS
from monitoring.report.facts import Facts
from monitoring.report.text import (
    CHECK_WORDS,
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
_CHECK_OF = {"brier_skill": "worse_than_average", "roc_auc": "ranking", "calibration": "calibration"}


def check_key(check: str, subject: str) -> str:
    """The key of a check's part."""
    return f"check:{check}:{subject}"


def all_parts(facts: Facts) -> dict[str, Part]:
    """Every part of the report by its key, in the order in which they are shown."""
    parts = dict(_histories(facts))
    if facts.verdict.trailing:
        parts["table:performance"] = _performance(facts)
    if facts.window.rows:
        parts["chart:score"] = _score(facts)
        parts["chart:hours"] = _hours(facts)
    for name in facts.features:
        parts[f"drift:{name}"] = _distribution(facts, name)
    if facts.window.features:
        parts["table:quality"] = _quality(facts)
    for finding in facts.verdict.findings:
        parts[check_key(finding.check, finding.subject)] = _check(finding)
    return parts


def _check(finding: Finding) -> Part:
    title = CHECK_WORDS.get(finding.check, finding.check)
    about = f" of {finding.subject}" if finding.subject else ""
    limit = f" (limit {short(finding.limit)})" if finding.limit is not None else ""
    evidence = "Evidence, which changes no verdict: " if finding.status is Status.INFO else ""
    return {
        "title": f"{title}{about}{limit}",
        "message": f"{evidence}{finding.message}",
        "status": str(finding.status),
        "value": finding.measurement.value if finding.measurement else None,
    }


def _histories(facts: Facts) -> Iterator[tuple[str, Part]]:
    unit = facts.config.every
    if facts.config.labels is not None:
        back = f"over {plural(facts.config.trailing_windows, unit)}" if facts.config.trailing_windows > 1 else ""
        for name, limited in (("brier_skill", "worse_than_average"), ("roc_auc", "ranking")):
            points = [_point(v, v.trailing.get(name)) for v in facts.past]
            yield f"history:{name}", _history(f"{NUMBER_WORDS[name]} {back}", points, facts.finding(limited))
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
    rows = []
    for name, words in NUMBER_WORDS.items():
        finding = facts.finding(_CHECK_OF[name]) if name in _CHECK_OF else None
        rows.append(
            [
                words,
                with_interval(facts.verdict.numbers.get(name)),
                with_interval(facts.verdict.trailing.get(name)),
                number(finding.baseline) if finding else NOTHING,
                number(finding.limit) if finding else NOTHING,
                STATUS_WORDS[finding.status] if finding else "not judged",
            ]
        )
    windows = plural(max(len(facts.verdict.trailing_windows), 1), facts.config.every)
    header = ["Number", f"This {facts.config.every}", f"Trailing {windows}", "Ordinary", "Limit", "Verdict"]
    labelled = facts.verdict.trailing["roc_auc"].rows
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
    reference = _shares(facts.baseline.reference.profile.features[name].cells())
    trailing = _shares(facts.trailing.features[name].cells())
    window = _shares(facts.window.features[name].cells())
    value, limit, ordinary = finding.measurement.value, number(finding.limit), number(finding.baseline)
    word = "moved" if finding.code == "feature_drift" else "not moved"
    return {
        "title": f"{name}: {word}, distance {number(value)} (ordinary {ordinary}, limit {limit})",
        "value": value,
        "column": name,
        **_bars(spec, reference, trailing, window),
        "windows": len(facts.verdict.trailing_windows),
        "unit": facts.config.every,
    }


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
    edges = [0.0, *SCORE_CELLS.tolist(), 1.0]
    finding = facts.finding("prediction_drift")
    value = finding.measurement.value if finding and finding.measurement else None
    title = "Score: share of rows per score"
    if finding is not None and value is not None:
        title += f"; distance {number(value)} (ordinary {number(finding.baseline)}, limit {number(finding.limit)})"
    reference = facts.baseline.reference.profile.score if facts.baseline else None
    return {
        "title": title,
        "value": value,
        "x": [(low + high) / 2 for low, high in pairwise(edges)],
        "threshold": facts.config.columns.threshold,
        "baseline": _score_shares(reference),
        "trailing": _score_shares(facts.trailing.score),
        "window": _score_shares(facts.window.score),
        "windows": len(facts.verdict.trailing_windows),
        "unit": facts.config.every,
    }


def _score_shares(profile: NumericProfile | None) -> list[float]:
    cells = list(profile.cells().values())[: len(SCORE_CELLS) + 1] if profile is not None else []
    total = sum(cells)
    return [count / total for count in cells] if total else []


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
            means = [short(column.mean), short(before.mean)]
            span = f"{short(column.low)}\u00a0…\u00a0{short(column.high)}"
            rows.append([*start, *means, span, f"{column.nonfinite} not finite" if column.nonfinite else ""])
        elif not isinstance(column, NumericProfile):
            unseen = f"{plural(column.unseen, 'row')} not in the baseline" if column.unseen else ""
            examples = f" ({', '.join(column.examples[:3])})" if column.examples else ""
            known = plural(int((column.counts > 0).sum()), "known value").replace(" ", "\u00a0")
            rows.append([*start, NOTHING, NOTHING, known, unseen + examples])
    header = ["Column", "Type", "Verdict", "Nulls", "Baseline nulls", "Mean", "Baseline mean", "Range", "Remarks"]
    return {
        "title": "Data quality, all records of the window",
        "value": float(len(rows)),
        "header": header,
        "rows": rows,
    }


def column_kind(column: ColumnProfile) -> str:
    """Whether a column is numeric or categorical."""
    return "numeric" if isinstance(column, NumericProfile) else "categorical"


_RANK = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.INFO, Status.OK)


def _worst_quality(facts: Facts, name: str) -> Status:
    mine = [f.status for f in facts.verdict.findings if f.subject == name and f.check in ("schema", "nulls", "unseen")]
    return min(mine, key=_RANK.index, default=Status.OK)
