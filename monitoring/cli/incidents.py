"""Commands about incidents: what lasts, since when, and who is at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from monitoring.cli.common import COLOURS, ExitCode, friendly, open_monitor, print_json, table_of
from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import ActionKind, IncidentAction, action_at
from monitoring.errors import ConfigError
from monitoring.incidents import (
    find_incident,
    incident_history,
    load_actions,
    load_incidents,
    record_action,
)
from monitoring.monitor import Monitor
from monitoring.window import iso

_OVER = (IncidentState.RESOLVED, IncidentState.WITHDRAWN)


class _ListsByDefault(click.Group):
    """A group whose own arguments are those of its command `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in where none is named."""
        named = bool(args) and (args[0] in self.commands or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if named or not args else ["list", *args])


@click.group(cls=_ListsByDefault)
def incidents() -> None:
    """Findings that last. `model-monitor incidents NAME` lists those of a model; see `list --help`."""


@incidents.command(name="list")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help="Those that are over, too.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def incidents_list(context: click.Context, name: str, *, everything: bool, as_json: bool) -> int:
    """The incidents of a model, as its newest run left them."""
    monitor, now = open_monitor(context, name), datetime.now(UTC)
    ledger, actions = load_incidents(monitor), load_actions(monitor)
    found = [i for i in ledger.incidents if everything or i.state not in _OVER] if ledger else []
    held = {i.fingerprint: action_at(actions.get(i.fingerprint, ()), i, now) for i in found}
    if as_json:
        print_json([i.to_json() | {"action": _action_json(held[i.fingerprint])} for i in found])
        return ExitCode.OK
    if ledger is None:
        click.echo(f"{name}: no window has been looked at yet", err=True)
    elif not found:
        click.echo(f"{name}: no incidents after the run of {ledger.run.label}")
    for incident in found:
        _show(incident, held[incident.fingerprint])
    return ExitCode.OK


@incidents.command(name="show")
@click.argument("name")
@click.argument("fingerprint")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def incidents_show(context: click.Context, name: str, fingerprint: str, *, as_json: bool) -> int:
    """One incident's history: what each run made of it, and what people did."""
    monitor, now = open_monitor(context, name), datetime.now(UTC)
    incident = find_incident(monitor, fingerprint)
    history = incident_history(monitor, incident.fingerprint)
    actions = load_actions(monitor).get(incident.fingerprint, [])
    if as_json:
        runs = [{"run": run.label, **found.to_json()} for run, found in history]
        print_json({"incident": incident.to_json(), "runs": runs, "actions": [_action_json(a) for a in actions]})
        return ExitCode.OK
    _show(incident, action_at(actions, incident, now))
    table = table_of("run of", "state", "severity", "since", "last seen", "windows")
    for run, found in history:
        table.add_row(run.label, found.state, found.severity, found.first_seen, found.last_seen, f"{found.windows}")
    Console().print(table)
    for action in actions:
        click.echo(f"{iso(action.at)}: {_action_text(action)}")
    return ExitCode.OK


@incidents.command(name="ack")
@click.argument("name")
@click.argument("fingerprint")
@click.option("--by", required=True, help="Who is at it.")
@click.option("--until", "end", default="", help="When it is to be told again, ISO 8601 (default: never).")
@click.option("--note", default="", help="Why, or what is done.")
@click.pass_context
@friendly
def incidents_ack(context: click.Context, name: str, fingerprint: str, by: str, end: str, note: str) -> int:
    """Acknowledge an incident: it is told again when it gets worse, or is over."""
    return _act(open_monitor(context, name), fingerprint, ActionKind.ACKNOWLEDGE, by, end, note)


@incidents.command(name="snooze")
@click.argument("name")
@click.argument("fingerprint")
@click.option("--by", required=True, help="Who does not want to hear of it.")
@click.option("--until", "end", required=True, help="How long, ISO 8601.")
@click.option("--note", default="", help="Why.")
@click.pass_context
@friendly
def incidents_snooze(context: click.Context, name: str, fingerprint: str, by: str, end: str, note: str) -> int:
    """Hear nothing of an incident until a date; if it is still there then, it is told."""
    return _act(open_monitor(context, name), fingerprint, ActionKind.SNOOZE, by, end, note)


def _act(monitor: Monitor, fingerprint: str, kind: ActionKind, by: str, end: str, note: str) -> int:
    incident = find_incident(monitor, fingerprint)
    until = _moment(monitor, end) if end else None
    action = IncidentAction(incident.fingerprint, kind, by, datetime.now(UTC), until, note)
    record_action(monitor, action)
    click.echo(f"{incident.fingerprint}: {_action_text(action)}")
    return ExitCode.OK


def _moment(monitor: Monitor, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--until {text} is no date", where=monitor.config.name, hint="write it like 2013-05-01"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _show(incident: Incident, action: IncidentAction | None) -> None:
    """A line with its name and state, and a line for each sentence."""
    console = Console(highlight=False)
    about = " ".join(filter(None, (incident.check, incident.subject)))
    against = f" against {incident.reference}" if incident.reference else ""
    colour = COLOURS[incident.severity] if incident.active else "bright_black"
    how = f"[{colour}]{incident.state} {incident.severity}[/]"
    console.print(f"[bold]{incident.fingerprint}[/] {how} {escape(about + against)}", soft_wrap=True)
    console.print(f"  {escape(incident.message)}", soft_wrap=True)
    click.echo(f"  {_span(incident)}")
    if incident.note:
        click.echo(f"  {incident.note}")
    if action is not None:
        click.echo(f"  {_action_text(action)}")


def _span(incident: Incident) -> str:
    """Since when, how long, and by how many windows."""
    counted = f"{incident.windows} window{'s' if incident.windows > 1 else ''}"
    span = f"seen in {counted} from {incident.first_seen} to {incident.last_seen}"
    if incident.state is IncidentState.PENDING:
        return f"{span}; {incident.hits} of {incident.among}, and {incident.needed} would confirm it"
    return f"{span}; over since {incident.closed}" if incident.state is IncidentState.RESOLVED else span


def _action_text(action: IncidentAction) -> str:
    what = "acknowledged" if action.kind is ActionKind.ACKNOWLEDGE else "snoozed"
    until = f" until {iso(action.until)}" if action.until else ""
    return f"{what} by {action.by}{until}{f': {action.note}' if action.note else ''}"


def _action_json(action: IncidentAction | None) -> dict[str, Any] | None:
    return action.to_json() if action else None
