"""The first page of a report: what is wrong, since when, what was decided and why. Plain HTML, no script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from monitoring.judge.verdict import Code, Finding, Status
from monitoring.report.facts import Facts
from monitoring.report.finding_cards import all_checks, badge, how_sure, incidents, loss_of, why, wrong
from monitoring.report.finding_words import Loss, cost
from monitoring.report.text import (
    ACTION_WORDS,
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


def first_page(facts: Facts, site: str) -> str:
    """The words of a report.

    Args:
        facts: What is known.
        site: The relative URL of the site's folder, ending in `/`.
    """
    cards = [
        _card("What is wrong, and what to do", wrong(facts), full=True),
        *([_card("Why performance is bad", reason, full=True)] if (reason := why(facts)) else []),
        _card("Since when", _since(facts)),
        _card("Labels", _labels(facts)),
        _card("What was decided, and why", _decided(facts), full=True),
        _card("Incidents", incidents(facts), full=True),
        _card("What moved", _moved(facts), full=True),
        _card("How sure this is", how_sure(facts), full=True),
        _card("Accounting", _accounting(facts), full=True),
    ]
    return f'{_head(facts, site)}<div class="cards">{"".join(cards)}</div>{all_checks(facts)}'


def _card(title: str, body: str, *, full: bool = False) -> str:
    return f'<section class="card{" full" if full else ""}"><h2>{esc(title)}</h2>{body}</section>'


def _paragraph(text: str, style: str = "") -> str:
    return f'<p class="{style}">{esc(text)}</p>' if style else f"<p>{esc(text)}</p>"


def _head(facts: Facts, site: str) -> str:
    verdict, config = facts.verdict, facts.config
    end = f"; final on {moment(verdict.as_of)}" if verdict.final else f"; as known on {moment(verdict.as_of)}"
    about = f"{_NAMES[config.every]} {verdict.window.label} (UTC), revision {verdict.revision}{end}"
    owner = f" Owner: {config.owner}." if config.owner else ""
    calendar = f"In the calendar: {', '.join(verdict.calendar)}." if verdict.calendar else ""
    return (
        f'<p class="small"><a href="{esc(site)}index.html">Model monitoring</a> / {esc(config.name)}</p>'
        f"<h1>{esc(config.name)}, {esc(verdict.window.label)}</h1>"
        f"{_paragraph(config.description + owner, 'soft') if config.description or owner else ''}"
        f"{_paragraph(about, 'soft small')}"
        f"{_paragraph(calendar, 'soft small') if calendar else ''}"
        f'<div class="verdict {esc(verdict.status)}">{badge(verdict.status)}{_paragraph(verdict.headline)}</div>'
    )


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
    told = (
        " A message was due."
        if decision.notify
        else " Its state has not changed, so that no message was due for it; what is new of incidents is told anyway."
    )
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
        return _paragraph(
            f"Nothing for sure: the {plural(len(facts.features), 'feature')} and the score are within their limits."
        )
    drifted = len({finding.subject for finding in moved if finding.code is Code.FEATURE_DRIFT})
    score = " The score has moved, too." if any(f.code is Code.PREDICTION_DRIFT for f in moved) else ""
    count = f"{drifted} of {plural(len(facts.config.columns.stored), 'feature')} moved.{score}"
    return f"<p>{esc(count)} {esc(_harm(facts))}</p><ul>{''.join(_meters(moved, loss_of(facts)))}</ul>"


def _harm(facts: Facts) -> str:
    performance = facts.verdict.performance_status
    if performance is Status.OK:
        return "Evidence without harm: performance is within its limits."
    if performance is Status.UNKNOWN:
        return "Whether it does harm is not known: performance could not be judged."
    return "Evidence beside the fall in performance; it moved at the same time, which does not make it the cause."


def _meters(moved: list[Finding], loss: Loss) -> Iterator[str]:
    for finding in moved:
        value = finding.measurement.value if finding.measurement else None
        limit = min(max(finding.limit or 0.0, 0.0), 1.0)
        against = f" against {finding.reference}" if finding.reference else ""
        told = f"{number(value)} (ordinary {number(finding.baseline)}, limit {number(finding.limit)})"
        bar = f'<b style="width:{100 * min(value or 0.0, 1.0):.1f}%"></b><i style="left:{100 * limit:.1f}%"></i>'
        could = cost(finding, loss)
        cost_of_it = f'<span class="small soft costs">Cost: {esc(could)}.</span>' if could else ""
        yield (
            f'<li class="move"><strong>{esc((finding.subject or "score") + against)}</strong>'
            f'<span class="meter" aria-hidden="true">{bar}</span><span class="small">{esc(told)}</span>'
            f"{cost_of_it}</li>"
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
