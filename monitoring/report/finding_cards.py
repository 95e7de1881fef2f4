"""Findings on the page: what is wrong, how sure that is, why, what to do first; and the table of all checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitoring.judge.verdict import Code, Finding, Status
from monitoring.report.alarm_words import Asked, alarm_sentence, asked, beside_sentence
from monitoring.report.facts import Facts
from monitoring.report.finding_words import (
    Loss,
    by_sentence,
    by_todo,
    check_name,
    could_find,
    details,
    hours_of,
    reached,
)
from monitoring.report.incident_words import (
    OVER,
    STATE_WORDS,
    KnownIncident,
    action_words,
    confirmation,
    incident_name,
    span,
)
from monitoring.report.text import NOTHING, STATUS_WORDS, esc, how_often, plural, short, with_interval
from monitoring.window import Every

# Findings that one thing to do is told for; the others of them are a click away
_OPEN = 8
# Fewer false alarms a month are not told apart
_LEAST_ALARMS = 0.001
# What informs and stands elsewhere: what has moved, and what could not be judged
_ELSEWHERE = frozenset(
    {
        Code.FEATURE_DRIFT,
        Code.PREDICTION_DRIFT,
        Code.BARRED,
        Code.TOO_FEW_ROWS,
        Code.TOO_FEW_LABELS,
        Code.UNTESTABLE,
        Code.WITHIN_LIMITS,
    }
)
_ORDER = (Status.FAIL, Status.UNKNOWN, Status.WARN, Status.INFO, Status.OK)


def badge(status: str) -> str:
    """A status as a coloured word."""
    return f'<span class="badge {esc(status)}">{esc(STATUS_WORDS[status])}</span>'


def table(header: Sequence[str], rows: Iterator[str]) -> str:
    """A table that scrolls by itself where it is too wide."""
    head = "".join(f'<th scope="col">{esc(name)}</th>' for name in header)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _cells(*texts: str) -> str:
    return "".join(f"<td>{esc(text or NOTHING)}</td>" for text in texts)


# --- what is wrong


def wrong(facts: Facts) -> str:
    """What fails, cannot be told or warns: each with its effect, how sure it is, and what to do first."""
    findings = facts.verdict.findings
    bad = facts.verdict.of_status(Status.FAIL, Status.UNKNOWN, Status.WARN)
    informs = [f for f in facts.verdict.of_status(Status.INFO) if f.suppressed or f.code not in _ELSEWHERE]
    items = "".join(_group(todo, found, facts) for todo, found in by_todo([*bad, *informs]))
    listed = f"<ul>{items}</ul>" if items else ""
    if not bad:
        return f"<p>{esc(_rest(findings))}</p>{listed}"
    return f'{listed}<p class="soft small">{esc(_rest(findings))}</p>'


def _rest(findings: Sequence[Finding]) -> str:
    """How many checks are within their limits, or only inform."""
    within = sum(finding.status is Status.OK for finding in findings)
    informs = sum(finding.status is Status.INFO for finding in findings)
    told = [f"{plural(within, 'check')} within limits"] if within else []
    told += [f"{informs:,} for your information"] if informs else []
    if within + informs == len(findings):
        return f"Nothing fails or warns: {', '.join(told)}. What could have been found stands under All checks."
    return f"Beside these: {', '.join(told)}." if told else "No other check was made."


def _group(todo: str, findings: list[Finding], facts: Facts) -> str:
    """Findings with one thing to do about them."""
    said = [_says(name, found, facts) for name, found in by_sentence(findings)]
    more = len(said) - _OPEN
    rest = f"<details><summary>and {more:,} more</summary>{''.join(said[_OPEN:])}</details>" if more > 0 else ""
    first = f'<p class="todo"><strong>First</strong>: {esc(todo)}</p>' if todo else ""
    return f'<li class="says">{badge(findings[0].status)}<div>{"".join(said[:_OPEN])}{rest}{first}</div></li>'


def _says(name: str, findings: list[Finding], facts: Facts) -> str:
    sentence = f"<p><strong>{esc(name)}</strong>: {esc(findings[0].message)}</p>"
    known = details(findings[0], facts.config.every, loss_of(facts)) if len(findings) == 1 else {}
    items = "".join(f"<dt>{esc(part)}</dt><dd>{esc(told)}</dd>" for part, told in known.items())
    return f'{sentence}<dl class="small">{items}</dl>' if items else sentence


def loss_of(facts: Facts) -> Loss:
    """The loss that impacts are told in."""
    return Loss(facts.measured.loss_title, facts.measured.ordinary_loss) if facts.measured else Loss()


# --- why


def why(facts: Facts) -> str:
    """Why performance is bad; empty where it is not."""
    reason = facts.verdict.why
    if reason is None:
        return ""
    known = {
        "Since": reason["since"],
        "Kind": reason["kind"],
        "Where": _where(reason["feature"], reason["cells"]),
        "Segments": ", ".join(reason["segments"]),
        "Inputs that moved": ", ".join(reason["moved"]),
    }
    items = "".join(f"<dt>{esc(part)}</dt><dd>{esc(told)}</dd>" for part, told in known.items() if told)
    return f'<p>{esc(reason["sentence"])}</p><dl class="small">{items}</dl>'


def _where(feature: str, cells: Sequence[str]) -> str:
    return f"{feature} is {', '.join(cells)}" if feature and cells else feature


# --- how sure


def how_sure(facts: Facts) -> str:
    """What was asked of the window, and how many false alarms that gives in a month."""
    told = f"<p>{esc(alarm_sentence(facts.verdict, facts.config))}</p>"
    hours = hours_of(facts.config.every)
    families = asked(facts.verdict, facts.config)
    unit = facts.config.every
    header = ["Severity", "About", "Questions", f"Level in this {unit}", "Fired", "False alarms a month, at most"]
    rows = (_family(family, hours) for family in families)
    beside = beside_sentence(facts.verdict)
    note = (
        "The level is the probability that any of these questions fires where nothing has changed; it is shared among"
        " them, so that more columns make no more alarms."
    )
    small = "".join(f'<p class="soft small">{esc(text)}</p>' for text in (note if families else "", beside) if text)
    return f"{told}{table(header, rows) if families else ''}{small}"


def _family(family: Asked, hours: int) -> str:
    level = f"{family.level:.2g} ({how_often(family.level, hours)})"
    month = f"{family.false_alarms:.2g}" if family.false_alarms >= _LEAST_ALARMS else f"less than {_LEAST_ALARMS}"
    counts = (f"{family.questions:,}", level, f"{family.fired:,}", month)
    return f"<tr><td>{badge(family.severity)}</td>{_cells(family.title, *counts)}</tr>"


# --- incidents


def incidents(facts: Facts) -> str:
    """What lasts, since when, and who is at it."""
    if facts.incidents is None:
        return "<p>Nothing is known of incidents after this run.</p>"
    now = [known for known in facts.incidents if known.incident.state not in OVER]
    over = [known for known in facts.incidents if known.incident.state in OVER]
    active = sum(known.incident.active for known in now)
    counted = f"{plural(active, 'incident')} open" if active else "No incident is open"
    waiting = len(now) - active
    pending = f"; {waiting:,} not confirmed by enough windows" if waiting else ""
    body = f"<p>{esc(f'{counted}{pending}.')}</p>{_incident_table(now, facts) if now else ''}"
    if over:
        title = f"Over or withdrawn: {len(over):,}"
        body += f"<details><summary>{esc(title)}</summary>{_incident_table(over, facts)}</details>"
    return body


def _incident_table(known: Sequence[KnownIncident], facts: Facts) -> str:
    header = ["", "State", "What", "Since", "Windows that confirm it", "Who is at it", "Name"]
    return table(header, (_incident(item, facts) for item in known))


def _incident(known: KnownIncident, facts: Facts) -> str:
    incident, who = known.incident, action_words(known.action)
    said = " ".join(filter(None, (incident.message, incident.note)))
    what = f'<td class="h"><strong>{esc(incident_name(incident))}</strong><br>{esc(said)}</td>'
    cells = _cells(span(incident, facts.config.every), confirmation(incident), who or "nobody")
    name = f"<td><code>{esc(incident.fingerprint)}</code></td>"
    return f"<tr><td>{badge(incident.severity)}</td>{_cells(STATE_WORDS[incident.state])}{what}{cells}{name}</tr>"


# --- all checks


def all_checks(facts: Facts) -> str:
    """Every check's answer as a table: what it has measured, how sure that is, and what it could have found."""
    findings = sorted(facts.verdict.findings, key=lambda finding: _ORDER.index(finding.status))
    header = [
        "",
        "Check",
        "About",
        "Value",
        "Ordinary",
        "Limit",
        "Could have found",
        "Ordinary windows reach it",
        "Rows",
    ]
    note = (
        "Could have found: the value that would have been found four times in five in so many rows. Where nothing was"
        " found, a change that is larger than this is unlikely to have been missed."
    )
    body = table(header, (_check(finding, facts.config.every) for finding in findings))
    title = f"All {plural(len(findings), 'check')}, and what each could have found"
    return f'<details><summary>{esc(title)}</summary><p class="soft small">{esc(note)}</p>{body}</details>'


def _check(finding: Finding, every: Every) -> str:
    found = finding.measurement
    against = f"against {finding.reference}" if finding.reference else ""
    subject = " ".join(filter(None, (finding.subject, against)))
    cells = _cells(
        check_name(finding.check),
        subject,
        with_interval(found),
        short(finding.baseline),
        short(finding.limit),
        could_find(finding),
        reached(finding, every),
        f"{found.rows:,}" if found else "",
    )
    said = f' title="{esc(finding.message)}"'
    return f"<tr{said}><td>{badge(finding.status)}</td>{cells}</tr>"
