"""What a message says: a pure function of a decision and its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from monitoring.config import ModelConfig
from monitoring.decide import Action, Decision, State
from monitoring.judge import Finding, Status, Verdict
from monitoring.store.layout import Layout
from monitoring.window import Window

_MAX_SUBJECT = 150
_DECIDED = {
    Action.NONE: "Nothing is to be done.",
    Action.NOTIFY: "This message; retraining was not asked for.",
    Action.RETRAIN: "Retraining was asked for.",
    Action.VETOED: "Retraining was not asked for: {vetoes}.",
}
_FONT = "font-family:system-ui,sans-serif;font-size:15px;line-height:1.45"


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


def build_message(decision: Decision, verdict: Verdict, config: ModelConfig) -> Message:
    """The message about a decision.

    Args:
        decision: What was decided.
        verdict: The verdict that it was decided upon.
        config: The model.
    """
    link = report_link(config, verdict.window, verdict.revision)
    bad = verdict.of_status(Status.FAIL, Status.WARN)
    decided = _decided(decision)
    return Message(
        key=f"{decision.model}/{decision.window}/{decision.state}",
        subject=_subject(decision, verdict),
        text=_text(decision, verdict, bad, decided, link),
        html=_html(decision, verdict, bad, decided, link),
        fields=_fields(decision, verdict, config, bad, link),
    )


def report_link(config: ModelConfig, window: Window, revision: int) -> str:
    """Where people find the report; empty when the policy does not say where reports are served."""
    if not config.policy.report_url:
        return ""
    return f"{config.policy.report_url.rstrip('/')}/{Layout(config.name).report(window, revision)}"


def _subject(decision: Decision, verdict: Verdict) -> str:
    standing = {
        State.FAILING: f"failing since {decision.since}",
        State.HEALTHY: "healthy again",
        State.UNKNOWN: "unknown",
    }[decision.state]
    subject = " ".join(f"[{decision.model}] {standing}: {verdict.headline}".split())  # a header is one line
    return subject if len(subject) <= _MAX_SUBJECT else f"{subject[: _MAX_SUBJECT - 1]}…"


def _facts(decision: Decision, verdict: Verdict) -> list[str]:
    was = f", {decision.previous_state} before" if decision.previous_state else ""
    facts = [f"Window {verdict.window.label}: {verdict.status}. The model is {decision.state}{was}."]
    if decision.since:
        facts.append(f"Failing since {decision.since}.")
    rows = verdict.numbers.get("rows")
    if rows is not None:
        facts.append(f"{rows.rows} rows in the window.")
    return facts


def _decided(decision: Decision) -> str:
    vetoes = ", ".join(veto.replace("_", " ") for veto in decision.vetoes)
    return _DECIDED[decision.action].format(vetoes=vetoes)


def _text(decision: Decision, verdict: Verdict, bad: list[Finding], decided: str, link: str) -> str:
    parts = [verdict.headline, " ".join(_facts(decision, verdict))]
    parts.append("\n".join([f"Decided: {decided}", *(f"- {reason}" for reason in decision.reasons)]))
    if bad:
        parts.append("\n".join(["What the checks found:", *(f"- {f.status}: {f.message}" for f in bad)]))
    if link:
        parts.append(f"Report: {link}")
    return "\n\n".join(parts) + "\n"


def _html(decision: Decision, verdict: Verdict, bad: list[Finding], decided: str, link: str) -> str:
    parts = [
        f"<p><strong>{escape(verdict.headline)}</strong></p>",
        f"<p>{escape(' '.join(_facts(decision, verdict)))}</p>",
        f"<p>Decided: {escape(decided)}</p>{_list(decision.reasons)}",
    ]
    if bad:
        parts.append(f"<p>What the checks found:</p>{_list(f'{f.status}: {f.message}' for f in bad)}")
    if link:
        parts.append(f'<p><a href="{escape(link)}">Open the report</a></p>')
    return f'<!doctype html><html lang="en"><body style="{_FONT}">{"".join(parts)}</body></html>\n'


def _list(items: Any) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _fields(decision: Decision, verdict: Verdict, config: ModelConfig, bad: list[Finding], link: str) -> dict[str, Any]:
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
        "findings": [_finding(finding) for finding in bad],
        "report_url": link,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "subject": finding.subject,
        "status": str(finding.status),
        "code": str(finding.code),
        "message": finding.message,
        "value": finding.measurement.value if finding.measurement else None,
        "baseline": finding.baseline,
        "limit": finding.limit,
    }
