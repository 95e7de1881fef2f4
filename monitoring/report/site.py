"""The site: one row per window and revision, and an index over all models that needs no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Self
from urllib.parse import quote

from monitoring import documents
from monitoring.errors import ConflictError
from monitoring.monitor import Monitor
from monitoring.report.facts import Facts
from monitoring.report.finding_cards import badge
from monitoring.report.incident_words import active_count
from monitoring.report.style import INDEX, css
from monitoring.report.text import ACTION_SHORT, STATUS_MARKS, STATUS_WORDS, esc, percent
from monitoring.store import Store
from monitoring.store.layout import SITE_INDEX
from monitoring.window import Every, Window

KIND, SCHEMA_VERSION = "site-rows", 1
ROWS = "site/rows/"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
# Squares per model and windows in the open table; older windows are a click away
_MOST_SQUARES = 420
_OPEN_WINDOWS = 31


@dataclass(frozen=True, order=True)
class Row:
    """One window at one revision, as the site shows it.

    Attributes:
        window: The window's label.
        revision: The revision.
        status: The verdict's status.
        headline: The verdict in one sentence.
        action: What was decided; empty when nothing was.
        since: First window of the present run of failures; empty when nothing fails.
        final: Whether the labels' horizon has passed.
        coverage: Share of records with a label, None where that has no meaning.
        rows: Records in the window.
        report: The report's key in the store.
        incidents: How many incidents were open after the run of this look; None where nothing is known of that.
    """

    window: str
    revision: int
    status: str
    headline: str
    action: str
    since: str
    final: bool
    coverage: float | None
    rows: int
    report: str
    incidents: int | None = None


@dataclass(frozen=True)
class ModelRows:
    """All rows of one model.

    Attributes:
        model: Its name.
        description: What it does.
        every: Length of its windows.
        rows: By window and revision, ascending.
    """

    model: str
    description: str
    every: Every
    rows: tuple[Row, ...]

    def latest(self) -> list[Row]:
        """The newest revision of each window, oldest window first."""
        return [list(group)[-1] for _, group in groupby(self.rows, key=lambda row: row.window)]

    def with_row(self, row: Row) -> Self:
        """The rows with one more, which replaces its predecessor."""
        kept = [other for other in self.rows if (other.window, other.revision) != (row.window, row.revision)]
        rows = tuple(sorted([*kept, row], key=lambda item: (item.window, item.revision)))
        return type(self)(self.model, self.description, self.every, rows)

    def encode(self) -> bytes:
        """As a document."""
        body = {"model": self.model, "description": self.description, "every": self.every}
        return documents.encode(KIND, SCHEMA_VERSION, {**body, "rows": [asdict(row) for row in self.rows]})

    @classmethod
    def decode(cls, data: bytes, where: str) -> Self:
        """From `encode`."""
        body: dict[str, Any] = documents.decode(data, KIND, SCHEMA_VERSION, where)
        rows = tuple(Row(**row) for row in body["rows"])
        return cls(body["model"], body["description"], body["every"], rows)


def row_of(facts: Facts, report: str) -> Row:
    """The row of a report."""
    verdict, decision = facts.verdict, facts.decision
    coverage = verdict.numbers.get("label_coverage")
    return Row(
        window=verdict.window.label,
        revision=verdict.revision,
        status=str(verdict.status),
        headline=verdict.headline,
        action=str(decision.action) if decision else "",
        since=facts.since,
        final=verdict.final,
        coverage=coverage.value if coverage else None,
        rows=facts.window.rows,
        report=report,
        incidents=active_count(facts.incidents),
    )


def update_rows(monitor: Monitor, row: Row) -> None:
    """Put a row into its model's document, and take out rows of this window whose reports are gone."""
    store, key = monitor.store, f"{ROWS}{monitor.config.name}.json"
    while True:
        before = store.get(key) if store.exists(key) else None
        rows = ModelRows.decode(before, key).rows if before is not None else ()
        kept = tuple(item for item in rows if item.window != row.window or store.exists(item.report))
        after = ModelRows(monitor.config.name, monitor.config.description, monitor.config.every, kept).with_row(row)
        if after.encode() == before:
            return
        try:
            store.replace(key, after.encode(), before)
            return
        except ConflictError:
            continue  # another report's row came in between: add ours to what is there now


def load_rows(store: Store) -> dict[str, ModelRows]:
    """Every model's rows, by model."""
    keys = [info.key for info in store.objects(ROWS) if info.key.endswith(".json")]
    models = [ModelRows.decode(store.get(key), key) for key in keys]
    return {item.model: item for item in sorted(models, key=lambda item: item.model)}


def write_index(store: Store) -> None:
    """Write `site/index.html` from the rows."""
    written = None
    rows = load_rows(store)
    while rows != written:  # of many writers at once, the last one must have seen every row
        store.put(SITE_INDEX, render_index(rows))
        written, rows = rows, load_rows(store)


def render_index(rows_by_model: Mapping[str, ModelRows]) -> bytes:
    """The index page: a pure function of the rows."""
    items = [item for _, item in sorted(rows_by_model.items())]
    models = f"{_overview(items) if items else ''}{''.join(map(_model, items))}"
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Model monitoring</title>'
        f'<style>{css(INDEX)}</style></head><body><main class="mm"><h1>Model monitoring</h1>{_key()}'
        f"{models or '<p>No reports have been written yet.</p>'}</main></body></html>\n"
    )
    return page.encode()


def _key() -> str:
    items = "".join(
        f'<span><i class="sq {status}" style="font-style:normal">{mark}</i>{STATUS_WORDS[status]}</span>'
        for status, mark in STATUS_MARKS.items()
    )
    return f'<p class="key">{items}<span>one square per window, times in UTC</span></p>'


def _overview(items: list[ModelRows]) -> str:
    """How every model stands, a line each."""
    names = ("Model", "Newest window", "Verdict", "Open incidents", "Failing since")
    header = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(f"<tr>{_standing(item)}</tr>" for item in items)
    table = f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'
    return f'<section class="model">{table}</section>'


def _standing(item: ModelRows) -> str:
    name = f'<td><a href="#{esc(item.model)}">{esc(item.model)}</a></td>'
    if not item.rows:
        return f'{name}<td class="d">–</td><td></td><td class="d">–</td><td>–</td>'
    row = item.latest()[-1]
    return (
        f'{name}<td class="d"><a href="{_href(row.report)}">{esc(row.window)}</a></td><td>{badge(row.status)}</td>'
        f'<td class="d" data-name="Open incidents">{_count(row.incidents)}</td>'
        f'<td data-name="Failing since">{esc(row.since or "–")}</td>'
    )


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _href(report: str) -> str:
    return esc(quote(f"../{report}"))


def _model(item: ModelRows) -> str:
    latest = item.latest()
    newest = latest[-1] if latest else None
    about = f'<p class="soft">{esc(item.description)}</p>' if item.description else ""
    title = f'<header><h2 id="{esc(item.model)}">{esc(item.model)}</h2>'
    if newest is None:
        return f'<section class="model">{title}</header>{about}<p>No windows yet.</p></section>'
    since = f" Failing since {esc(newest.since)}." if newest.since else ""
    now = (
        f'<div class="latest {esc(newest.status)}"><p><a href="{_href(newest.report)}">{esc(newest.window)}</a>: '
        f"{esc(newest.headline)}{since}</p></div>"
    )
    return (
        f'<section class="model">{title}{badge(newest.status)}</header>{about}{now}'
        f"{_strip(item, latest)}{_tables(item)}</section>"
    )


def _strip(item: ModelRows, latest: list[Row]) -> str:
    """The windows as a calendar: months of days, days of hours, years of weeks; gaps are hollow squares."""
    known = {row.window: row for row in latest[-_MOST_SQUARES:]}
    first, last = (Window.parse(name, item.every) for name in (min(known), max(known)))
    windows = [first]
    while windows[-1] < last and len(windows) < _MOST_SQUARES * 4:
        windows.append(windows[-1].shift(1))
    length = {"hour": 10, "day": 7, "week": 4}[item.every]
    blocks = "".join(
        f'<div class="block"><p>{esc(name)}</p>{_block(item.every, list(group), known)}</div>'
        for name, group in groupby(windows, key=lambda window: window.label[:length])
    )
    return f'<div class="strip">{blocks}</div>'


def _block(every: Every, windows: list[Window], known: Mapping[str, Row]) -> str:
    lines = {"hour": 4, "day": 7, "week": 4}[every]
    # a column of days is a week, from Monday
    offset = {"hour": windows[0].start.hour, "day": windows[0].start.weekday(), "week": 0}[every] % lines + 1
    squares = []
    for i, window in enumerate(windows):
        start = f' style="grid-row-start:{offset}"' if i == 0 else ""
        squares.append(_square(window.label, known.get(window.label), start))
    return f'<div style="grid-template-rows:repeat({lines},18px)">{"".join(squares)}</div>'


def _square(label: str, row: Row | None, style: str) -> str:
    if row is None:
        return f'<span class="sq gap" title="{esc(label)}: nothing measured"{style}></span>'
    words = f"{label}: {STATUS_WORDS[row.status]}"
    return (
        f'<a class="sq {esc(row.status)}" href="{_href(row.report)}" title="{esc(words)}" aria-label="{esc(words)}"'
        f"{style}>{STATUS_MARKS.get(row.status, '')}</a>"
    )


def _tables(item: ModelRows) -> str:
    """Newest first: the last windows open to see, the older ones folded by month."""
    windows = [list(group) for _, group in groupby(item.rows, key=lambda row: row.window)][::-1]
    recent, older = windows[:_OPEN_WINDOWS], windows[_OPEN_WINDOWS:]
    tables = [f"<details open><summary>Latest windows</summary>{_table(recent)}</details>"]
    for month, group in groupby(older, key=lambda revisions: revisions[0].window[:7]):
        tables.append(f"<details><summary>{esc(month)}</summary>{_table(list(group))}</details>")
    return "".join(tables)


def _table(windows: list[list[Row]]) -> str:
    names = ("Window", "Verdict", "What was found", "Decision", "Incidents", "Labels", "Records", "Reports")
    header = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(_line(revisions) for revisions in windows)
    return f'<div class="wide"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def _line(revisions: list[Row]) -> str:
    row = revisions[-1]
    # what was asked for was asked at the first look, after the window's own run; the later ones only measure again
    action = ACTION_SHORT.get(revisions[0].action, "–")
    labels = "–" if row.coverage is None else f"{percent(row.coverage)} {'final' if row.final else 'so far'}"
    return (
        f'<tr><td class="d"><a href="{_href(row.report)}">{esc(row.window)}</a></td><td>{badge(row.status)}</td>'
        f'<td class="h">{esc(row.headline)}</td><td data-name="Decision">{esc(action)}</td>'
        f'<td class="n" data-name="Incidents">{_count(revisions[0].incidents)}</td>'
        f'<td class="n" data-name="Labels">{esc(labels)}</td><td class="n" data-name="Records">{row.rows:,}</td>'
        f'<td class="revs" data-name="Reports">{"".join(_revisions(revisions))}</td></tr>'
    )


def _revisions(revisions: list[Row]) -> Iterator[str]:
    for row in reversed(revisions):
        words = f"revision {row.revision}: {STATUS_WORDS[row.status]}"
        yield f'<a href="{_href(row.report)}" title="{esc(words)}">r{row.revision}</a>'
