"""The first page of a report: what is wrong, since when, what was decided and why. Plain HTML, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from monitoring.judge.verdict import Code, Finding, Status
from monitoring.report.facts import Facts
from monitoring.report.text import (
    ACTION_WORDS,
    CHECK_WORDS,
    STATUS_MARKS,
    STATUS_WORDS,
    VETO_WORDS,
    esc,
    moment,
    number,
    percent,
    plural,
)
from monitoring.window import Every

_NAMES: dict[Every, str] = {"hour": "Hour", "day": "Day", "week": "Week from"}


def badge(status: str) -> str:
    """A status as a coloured word."""
    return f'<span class="badge {esc(status)}">{esc(STATUS_WORDS[status])}</span>'


def first_page(facts: Facts, site: str) -> str:
    """The words of a report.

    Args:
        facts: What is known.
        site: The relative URL of the site's folder, ending in `/`.
    """
    cards = [
        _card("What is wrong", _wrong(facts), full=True),
        _card("Since when", _since(facts)),
        _card("Labels", _labels(facts)),
        _card("What was decided, and why", _decided(facts), full=True),
        _card("What moved", _moved(facts), full=True),
        _card("Accounting", _accounting(facts), full=True),
    ]
    return f'{_head(facts, site)}<div class="cards">{"".join(cards)}</div>'


def _card(title: str, body: str, *, full: bool = False) -> str:
    return f'<section class="card{" full" if full else ""}"><h2>{esc(title)}</h2>{body}</section>'


def _paragraph(text: str, style: str = "") -> str:
    return f'<p class="{style}">{esc(text)}</p>' if style else f"<p>{esc(text)}</p>"


def _head(facts: Facts, site: str) -> str:
    verdict, config = facts.verdict, facts.config
    end = f"; final on {moment(verdict.as_of)}" if verdict.final else f"; as known on {moment(verdict.as_of)}"
    about = f"{_NAMES[config.every]} {verdict.window.label} (UTC), revision {verdict.revision}{end}"
    owner = f" Owner: {config.owner}." if config.owner else ""
    return (
        f'<p class="small"><a href="{esc(site)}index.html">Model monitoring</a> / {esc(config.name)}</p>'
        f"<h1>{esc(config.name)}, {esc(verdict.window.label)}</h1>"
        f"{_paragraph(config.description + owner, 'soft') if config.description or owner else ''}"
        f"{_paragraph(about, 'soft small')}"
        f'<div class="verdict {esc(verdict.status)}">{badge(verdict.status)}{_paragraph(verdict.headline)}</div>'
    )


def _wrong(facts: Facts) -> str:
    bad = facts.verdict.of_status(Status.FAIL, Status.UNKNOWN, Status.WARN)
    checked = len(facts.verdict.findings)
    if not bad:
        return _paragraph(f"Nothing. {plural(checked, 'check')} were made, and all are within their limits.")
    items = "".join(f'<li class="says">{badge(f.status)}<span>{esc(_sentence(f))}</span></li>' for f in bad)
    rest = checked - len(bad)
    within = _paragraph(f"The other {plural(rest, 'check')} raise nothing.", "soft small") if rest else ""
    return f"<ul>{items}</ul>{within}"


def _sentence(finding: Finding) -> str:
    return f"{CHECK_WORDS.get(finding.check, finding.check)}: {finding.message}"


def _since(facts: Facts) -> str:
    since = facts.since
    if not since:
        return _paragraph("No run of failures is under way.") + _row(facts)
    at = next((i for i, past in enumerate(facts.past) if past.window.label == since), None)
    count = f" ({plural(len(facts.past) - at, facts.config.every)})" if at is not None else ""
    return _paragraph(f"Failing since {since}{count}.") + _row(facts)


def _row(facts: Facts) -> str:
    """The last windows as squares, the newest at the end."""
    squares = []
    for past in facts.past:
        words = f"{past.window.label}: {STATUS_WORDS[past.status]}"
        place = f'class="sq {esc(past.status)}" title="{esc(words)}" aria-label="{esc(words)}"'
        mark = STATUS_MARKS.get(past.status, "")
        if past.window == facts.verdict.window:
            squares.append(f'<span {place} role="img" aria-current="true">{mark}</span>')
        else:
            url = quote(f"../../{past.window.label}/r{past.revision}/report.html")
            squares.append(f'<a {place} href="{esc(url)}">{mark}</a>')
    count = plural(len(facts.past), facts.config.every)
    legend = f"The last {count}, as they were known then: ✕ fail, ! warning, ? unknown."
    return f'<div class="row">{"".join(squares)}</div>{_paragraph(legend, "soft small")}'


def _decided(facts: Facts) -> str:
    decision = facts.decision
    if decision is None:
        return _paragraph("Nothing has been decided about this revision.")
    reasons = "".join(f"<li>{esc(reason)}</li>" for reason in decision.reasons)
    vetoes = "; ".join(VETO_WORDS[veto] for veto in decision.vetoes)
    against = _paragraph(f"Against retraining: {vetoes}.") if vetoes else ""
    before = f" (before: {decision.previous_state})" if decision.previous_state else ""
    told = " A message was due." if decision.notify else " No message was due: the state has not changed."
    state = _paragraph(f"The model is {decision.state}{before}.{told}", "soft small")
    return f"<p><strong>{esc(ACTION_WORDS[decision.action])}.</strong></p><ul>{reasons}</ul>{against}{state}"


def _labels(facts: Facts) -> str:
    verdict = facts.verdict
    if facts.config.labels is None:
        estimated = facts.measured is not None and facts.measured.own.stage == "estimated"
        known = "its performance can only be estimated" if estimated else "its performance is not monitored"
        return _paragraph(f"No labels are configured for this model: {known}.")
    coverage = verdict.numbers.get("label_coverage")
    share = coverage.value if coverage else None
    joined = verdict.accounting.get("labels", {}).get("joined", 0)
    if share is None:
        text = "There are no records that could have a label."
    else:
        text = f"{percent(share)} of the records have a label ({joined:,} of {facts.window.rows:,})."
    word, why = "Provisional", f"labels collected before {moment(verdict.as_of)} count; later ones make a new revision."
    if verdict.final:
        word, why = "Final", "the labels' horizon has passed, and these numbers will not change."
    return f"{_paragraph(text)}<p><strong>{word}</strong>: {esc(why)}</p>"


def _moved(facts: Facts) -> str:
    if not facts.features:
        return _paragraph("Distributions were not compared.")
    moved = facts.moved
    if not moved:
        return _paragraph(f"Nothing: the {plural(len(facts.features), 'feature')} and the score are as ordinary.")
    drifted = sum(finding.code is Code.FEATURE_DRIFT for finding in moved)
    score = " The score has moved, too." if drifted < len(moved) else ""
    count = f"{drifted} of {plural(len(facts.config.columns.stored), 'feature')} moved.{score}"
    return f"<p>{esc(count)} {esc(_harm(facts))}</p><ul>{''.join(_meters(moved))}</ul>"


def _harm(facts: Facts) -> str:
    performance = facts.verdict.performance_status
    if performance is Status.OK:
        return "Evidence without harm: performance is within its limits."
    if performance is Status.UNKNOWN:
        return "Whether it does harm is not known: performance could not be judged."
    return "Evidence beside the fall in performance; it moved at the same time, which does not make it the cause."


def _meters(moved: list[Finding]) -> Iterator[str]:
    for finding in moved:
        value = finding.measurement.value if finding.measurement else None
        limit = min(max(finding.limit or 0.0, 0.0), 1.0)
        name = finding.subject or "score"
        told = f"{number(value)} (ordinary {number(finding.baseline)}, limit {number(finding.limit)})"
        bar = f'<b style="width:{100 * min(value or 0.0, 1.0):.1f}%"></b><i style="left:{100 * limit:.1f}%"></i>'
        yield (
            f'<li class="move"><strong>{esc(name)}</strong><span class="meter" aria-hidden="true">{bar}</span>'
            f'<span class="small">{esc(told)}</span></li>'
        )


def _beside(records: dict[str, Any]) -> str:
    """What else is known of the records that were read, if there is anything."""
    words = {"late": "Late", "conflicting": "Conflicting event ids", "waiting": "Waiting for their other side"}
    return "".join(f" {said}: {records[key]:,}." for key, said in words.items() if records.get(key))


def _accounting(facts: Facts) -> str:
    accounting = facts.verdict.accounting
    records, labels = accounting.get("records", {}), accounting.get("labels", {})
    lines = []
    if records:
        bad = records["quarantined"]
        reasons = f" ({', '.join(f'{reason} {count:,}' for reason, count in sorted(bad.items()))})" if bad else ""
        lines.append(
            f"Records: {records['read']:,} read = {records['profiled']:,} profiled + {records['duplicate']:,} duplicate"
            f" + {sum(bad.values()):,} quarantined{reasons}.{_beside(records)}"
        )
    if labels and facts.config.labels is not None:
        lines.append(
            f"Labels: {labels['read']:,} read = {labels['joined']:,} joined + {labels['superseded']:,} superseded"
            f" + {labels['elsewhere']:,} of other windows + {labels['quarantined']:,} quarantined;"
            f" {plural(labels['conflicting'], 'record')} with conflicting labels."
        )
    return "".join(_paragraph(line, "sum") for line in lines) or _paragraph("Nothing was read.")
