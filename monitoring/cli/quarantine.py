"""Commands about records that could not be read."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.console import Console
from rich.markup import escape

from monitoring.cli.common import ExitCode, friendly, open_monitor, print_json, table_of

_SHOWN_BYTES = 400


@click.group()
def quarantine() -> None:
    """Records that could not be read: look at them, and read them again after a fix."""


def _reasons() -> click.Choice[str]:
    from monitoring.capture.quarantine import Reason

    return click.Choice([str(reason) for reason in Reason])


@quarantine.command(name="list")
@click.argument("name")
@click.option("--window", "text", default="", help="Only what the run of this window set aside.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def quarantine_list(context: click.Context, name: str, text: str, *, as_json: bool) -> int:
    """How many records were set aside, by run and reason."""
    from monitoring.quarantine import list_quarantine

    monitor = open_monitor(context, name)
    groups = list_quarantine(monitor, monitor.window(text) if text else None)
    if as_json:
        print_json([{**asdict(group), "window": group.window.label} for group in groups])
        return ExitCode.OK
    table = table_of("run of", "reason", "records", "replayed", "example")
    for group in groups:
        state = f"{group.replayed}" + ("" if group.read_again else ", waiting")
        example = escape(f"{group.example} ({group.key.rsplit('/', 1)[-1]})")
        table.add_row(group.window.label, group.reason, f"{group.records}", state if group.replayed else "", example)
    if groups:
        table.expand, table.columns[-1].ratio, table.columns[-1].overflow = True, 1, "ellipsis"
        Console().print(table)
    else:
        click.echo(f"{name}: nothing is in quarantine")
    return ExitCode.OK


@quarantine.command(name="show")
@click.argument("name")
@click.option("--window", "text", default="", help="Only what the run of this window set aside.")
@click.option("--reason", type=_reasons(), help="Only what was set aside for this reason.")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Most records to show.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output, with the bytes in base64.")
@click.pass_context
@friendly
def quarantine_show(
    context: click.Context, name: str, text: str, reason: str | None, limit: int, *, as_json: bool
) -> int:
    """Records in quarantine: why, where they are, and their bytes."""
    from itertools import islice

    from monitoring.capture.quarantine import Reason
    from monitoring.quarantine import show_quarantine

    monitor = open_monitor(context, name)
    window = monitor.window(text) if text else None
    found = list(islice(show_quarantine(monitor, window, Reason(reason) if reason else None), limit))
    if as_json:
        print_json([{"window": run.label, **item.to_json()} for run, item in found])
        return ExitCode.OK
    for run, item in found:
        click.echo(f"{run.label} {item.reason}: {item.detail}")
        click.echo(f"  {item.origin.key}, byte {item.origin.offset}, {max(item.length, len(item.origin.data))} bytes")
        # as Python would write it, so that no control character reaches the terminal
        click.echo(f"  {item.origin.data[:_SHOWN_BYTES]!r}{' ...' if len(item.origin.data) > _SHOWN_BYTES else ''}")
    if not found:
        click.echo(f"{name}: nothing is in quarantine")
    return ExitCode.OK


@quarantine.command(name="replay")
@click.argument("name")
@click.option("--window", "text", default="", help="Only what the run of this window set aside.")
@click.option("--reason", type=_reasons(), help="Only what was set aside for this reason.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def quarantine_replay(context: click.Context, name: str, text: str, reason: str | None, *, as_json: bool) -> int:
    """Let the next run read records again: after the configuration, a reader or the objects were mended."""
    from monitoring.capture.quarantine import Reason
    from monitoring.quarantine import replay

    monitor = open_monitor(context, name)
    done = replay(monitor, monitor.window(text) if text else None, Reason(reason) if reason else None)
    if as_json:
        print_json(asdict(done))
        return ExitCode.OK
    click.echo(f"{name}: the next run reads {done.records} records again, into the windows of their own time")
    if done.lost:
        click.echo(f"{done.lost} records are lost: their bytes were not kept, and their objects have gone", err=True)
    return ExitCode.OK
