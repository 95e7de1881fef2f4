"""What a message says: a pure function of a decision, its verdict, and what has become of incidents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from monitoring.config import ModelConfig
from monitoring.decide import Action, Decision, State
from monitoring.decide.telling import Change
from monitoring.judge import Finding, Status, Verdict
from monitoring.report.alarm_words import alarm_sentence
from monitoring.report.finding_words import Loss, by_todo, details, todo
from monitoring.store.layout import Layout
from monitoring.window import Window

_MAX_SUBJECT = 150
# A message is read on a telephone; the report has the others
_MOST_FINDINGS = 10
_DECIDED = {
    Action.NONE: "Retraining was not asked for.",
    Action.NOTIFY: "This message; retraining was not asked for.",
    Action.RETRAIN: "Retraining was asked for.",
    Action.VETOED: "Retraining was not asked for: {vetoes}.",
}
_FONT = "font-family:system-ui,sans-serif;font-size:15px;line-height:1.45"
_SMALL = "font-size:13px;color:#5b6673"


@dataclass(frozen=True)
class Message:
    """One message, ready for every kind of channel.

    Attributes:
        key: The same for every attempt to send it: `model/window/state`.
        subject: One line.
        text: The body as plain text.
        html: The body as HTML.
        fields: Everything in it, as JSON values.
    """

    key: str
    subject: str
    text: str
    html: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class _Item:
    """One point of a list: a sentence, and what stands under it."""

    sentence: str
    under: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Part:
    """One part of a message: a heading, and points under it; without a heading, paragraphs."""

    heading: str
    items: tuple[_Item, ...]


def build_message(decision: Decision, verdict: Verdict, config: ModelConfig, changes: Sequence[Change] = ()) -> Message:
    """The message about a decision and about incidents.

    Args:
        decision: What was decided.
        verdict: The verdict that it was decided upon.
        config: The model.
        changes: What has become of incidents, and is to be told.
    """
    link = report_link(config, verdict.window, verdict.revision)
    parts = _parts(decision, verdict, config, changes)
    return Message(
        key=f"{decision.model}/{decision.window}/{decision.state}",
        subject=_subject(decision, verdict, changes),
        text=_text(verdict.headline, parts, link),
        html=_html(verdict.headline, parts, link),
        fields=_fields(decision, verdict, config, changes, link),
    )


def report_link(config: ModelConfig, window: Window, revision: int) -> str:
    """Where people find the report; empty when the policy does not say where reports are served."""
    if not config.policy.report_url:
        return ""
    return f"{config.policy.report_url.rstrip('/')}/{Layout(config.name).report(window, revision)}"


def _subject(decision: Decision, verdict: Verdict, changes: Sequence[Change]) -> str:
    standing = {
        State.FAILING: f"failing since {decision.since}",
        State.HEALTHY: "healthy again",
        State.UNKNOWN: "unknown",
    }[decision.state]
    about = f"{standing}: {verdict.headline}" if decision.notify or not changes else changes[0].sentence
    subject = " ".join(f"[{decision.model}] {about}".split())  # a header is one line
    return subject if len(subject) <= _MAX_SUBJECT else f"{subject[: _MAX_SUBJECT - 1]}…"


# --- what it says


def _parts(decision: Decision, verdict: Verdict, config: ModelConfig, changes: Sequence[Change]) -> list[_Part]:
    alarms = alarm_sentence(verdict, config) if verdict.families else ""
    parts = [
        _Part("", (_Item(" ".join(_facts(decision, verdict))),)),
        _Part("What the checks found:", tuple(_findings(verdict, config))),
        _Part("Why performance is bad:", (_Item(verdict.why["sentence"]),) if verdict.why else ()),
        _Part("Incidents:", tuple(_Item(change.sentence) for change in changes)),
        _Part(f"Decided: {_decided(decision)}", tuple(map(_Item, decision.reasons))),
        _Part("", (_Item(alarms),) if alarms else ()),
    ]
    return [part for part in parts if part.items]


def _facts(decision: Decision, verdict: Verdict) -> list[str]:
    was = f", {decision.previous_state} before" if decision.previous_state else ""
    facts = [f"Window {verdict.window.label}: {verdict.status}. The model is {decision.state}{was}."]
    if decision.since:
        facts.append(f"Failing since {decision.since}.")
    rows = verdict.numbers.get("rows")
    if rows is not None:
        facts.append(f"{rows.rows} rows in the window.")
    if verdict.calendar:
        facts.append(f"In the calendar: {', '.join(verdict.calendar)}.")
    return facts


def _bad(verdict: Verdict) -> list[Finding]:
    return verdict.of_status(Status.FAIL, Status.WARN)


def _findings(verdict: Verdict, config: ModelConfig) -> list[_Item]:
    """The findings, each with its details; what to do first stands under the last of those that it is about."""
    groups = by_todo(_bad(verdict))
    lines = [(finding, words if finding is found[-1] else "") for words, found in groups for finding in found]
    items = []
    for finding, first in lines[:_MOST_FINDINGS]:
        known = details(finding, config.every, Loss())
        under = [f"{name}: {told.removesuffix('.')}." for name, told in known.items()]
        items.append(_Item(f"{finding.status}: {finding.message}", (*under, *([f"First: {first}"] if first else []))))
    more = len(lines) - len(items)
    return [*items, _Item(f"And {more} more, which stand in the report.")] if more > 0 else items


def _decided(decision: Decision) -> str:
    vetoes = ", ".join(veto.replace("_", " ") for veto in decision.vetoes)
    return _DECIDED[decision.action].format(vetoes=vetoes)


# --- how it looks


def _text(headline: str, parts: Iterable[_Part], link: str) -> str:
    blocks = [headline, *map(_block, parts), *([f"Report: {link}"] if link else [])]
    return "\n\n".join(blocks) + "\n"


def _block(part: _Part) -> str:
    if not part.heading:
        return "\n".join(item.sentence for item in part.items)
    lines = [part.heading]
    for item in part.items:
        lines += [f"- {item.sentence}", *(f"  {line}" for line in item.under)]
    return "\n".join(lines)


def _html(headline: str, parts: Iterable[_Part], link: str) -> str:
    blocks = [f"<p><strong>{escape(headline)}</strong></p>", *map(_html_block, parts)]
    blocks += [f'<p><a href="{escape(link)}">Open the report</a></p>'] if link else []
    return f'<!doctype html><html lang="en"><body style="{_FONT}">{"".join(blocks)}</body></html>\n'


def _html_block(part: _Part) -> str:
    if not part.heading:
        return "".join(f"<p>{escape(item.sentence)}</p>" for item in part.items)
    points = "".join(f"<li>{escape(item.sentence)}{_html_under(item.under)}</li>" for item in part.items)
    return f"<p>{escape(part.heading)}</p><ul>{points}</ul>"


def _html_under(lines: Sequence[str]) -> str:
    return f'<div style="{_SMALL}">{"<br>".join(map(escape, lines))}</div>' if lines else ""


# --- for programs


def _fields(
    decision: Decision, verdict: Verdict, config: ModelConfig, changes: Sequence[Change], link: str
) -> dict[str, Any]:
    return {
        "model": decision.model,
        "description": config.description,
        "owner": config.owner,
        "window": decision.window,
        "revision": decision.revision,
        "state": str(decision.state),
        "previous_state": str(decision.previous_state) if decision.previous_state else None,
        "since": decision.since,
        "status": str(verdict.status),
        "headline": verdict.headline,
        "action": str(decision.action),
        "vetoes": [str(veto) for veto in decision.vetoes],
        "reasons": list(decision.reasons),
        "findings": [_finding(finding) for finding in _bad(verdict)],
        "why": verdict.why,
        "families": verdict.families,
        "calendar": list(verdict.calendar),
        "incidents": [{"change": str(change.kind), **change.incident.to_json()} for change in changes],
        "report_url": link,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    found = finding.measurement
    return {
        "check": finding.check,
        "subject": finding.subject,
        "reference": finding.reference,
        "status": str(finding.status),
        "code": str(finding.code),
        "message": finding.message,
        "todo": todo(finding),
        "value": found.value if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "rows": found.rows if found else None,
        "baseline": finding.baseline,
        "limit": finding.limit,
        "p_value": finding.p_value,
        "level": finding.level,
        "impact": finding.impact,
        "since": finding.since,
        "folded": list(finding.folded),
    }
