"""Commands that ask what would have been said over history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitoring.cli.common import COLOURS, ExitCode, friendly, open_monitor, print_json, table_of
from monitoring.config import load_model
from monitoring.decide import Action
from monitoring.judge import Status

if TYPE_CHECKING:
    from monitoring.replay import Comparison, History
    from monitoring.replay.calibrate import Calibration
    from monitoring.replay.tally import Tally

_WIDTH = 100
_MOST_INCIDENTS = 20


@click.command()
@click.argument("name")
@click.option("--from", "first", required=True, help="First window, such as 2013-03-01.")
@click.option("--to", "last", required=True, help="Last window.")
@click.option(
    "--config", "other", type=click.Path(path_type=Path), help="Another configuration of the model, to compare with."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: everything, with the windows.")
@click.pass_context
@friendly
def replay(context: click.Context, name: str, first: str, last: str, other: Path | None, *, as_json: bool) -> int:
    """What the configuration would have said over history, from what past runs have stored.

    Nothing is read again, and nothing is written. The exit code is 0 whatever would have been said.
    """
    from monitoring.replay import History, compare

    monitor = open_monitor(context, name)
    configs = [load_model(other, name=name)] if other else []
    source = History(monitor, monitor.window(first), monitor.window(last))
    with _progress(name, len(source.places)) as advance:
        found = compare(source, configs, seen=lambda _: advance())
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)
    return ExitCode.OK


@click.command()
@click.argument("name")
@click.option("--from", "first", required=True, help="First window of the quiet stretch.")
@click.option("--to", "last", required=True, help="Its last window.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def calibrate(context: click.Context, name: str, first: str, last: str, *, as_json: bool) -> int:
    """Propose limits from a stretch in which nothing was wrong.

    What was wrong in it would be taken for ordinary, and never be found again.
    """
    from monitoring.replay import History
    from monitoring.replay.calibrate import calibrate as propose

    monitor = open_monitor(context, name)
    source = History(monitor, monitor.window(first), monitor.window(last))
    with _progress(name, len(source.places)) as advance:
        found = propose(source, seen=lambda _: advance())
    if as_json:
        print_json({"model": name, "from": source.first.label, "to": source.last.label, **found.to_json()})
    else:
        _show_calibration(found, source)
    return ExitCode.OK


@contextmanager
def _progress(name: str, looks: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, which one call moves by one look."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(name, total=looks)
        yield lambda: progress.advance(task)


def _show(found: Comparison) -> None:
    console = Console(width=_WIDTH) if not Console().is_terminal else Console()
    console.print(_checks(found))
    for title, tally in (("", found.now), ("other: ", found.other)):
        if tally is not None:
            _show_incidents(console, title, tally)
    console.print(_decisions(found))
    console.print(_alarms(found))
    for line in _notes(found):
        console.print(line, highlight=False)
    console.print(escape(found.sentence), highlight=False)


def _checks(found: Comparison) -> Table:
    """Per check, the windows in which it fired, and its incidents."""
    from monitoring.replay.tally import SEVERITIES, in_order

    table = table_of("check")
    tallies = [found.now, *([found.other] if found.other else [])]
    for start in ("", "other ")[: len(tallies)]:
        for severity in SEVERITIES:
            table.add_column(f"{start}{severity}", justify="right")
        table.add_column(f"{start}inc.", justify="right")
    table.add_column("Evidently", justify="right")
    theirs = [check for check in ("feature_drift", "prediction_drift") if found.evidently.of_check(check)]
    for check in in_order({*theirs, *(check for tally in tallies for check in tally.alarms)}):
        cells = []
        for tally in tallies:
            counts = [len(tally.of_check(check, severity)) for severity in SEVERITIES]
            cells += [_or_nothing(count) for count in (*counts, tally.incidents_of(check))]
        drifted = found.evidently.of_check(check)
        table.add_row(check, *cells, "" if drifted is None else f"{len(drifted)}")
    table.caption = f"windows of {len(found.now.statuses)} in which a check fired; inc.: incidents"
    return table


def _or_nothing(count: int) -> str:
    return f"{count}" if count else ""


def _show_incidents(console: Console, title: str, tally: Tally) -> None:
    listed = tally.listed()
    for incident in listed[:_MOST_INCIDENTS]:
        colour, about = COLOURS[incident.severity], escape(incident.subject)
        reference = f" against {escape(incident.reference)}" if incident.reference else ""
        console.print(
            f"{title}{incident.fingerprint} [{colour}]{incident.severity}[/] {incident.check} {about}{reference}"
            f" {incident.first_seen} – {incident.last_seen} {incident.state}",
            highlight=False,
        )
    if len(listed) > _MOST_INCIDENTS:
        console.print(f"{title}and {len(listed) - _MOST_INCIDENTS} more; --json has all", highlight=False)


def _decisions(found: Comparison) -> Table:
    table = table_of("decisions", *Action, "messages")
    for title, tally in (("this", found.now), ("other", found.other)):
        if tally is not None:
            counts = [tally.actions[action] for action in Action]
            table.add_row(title, *(f"{count}" for count in (*counts, tally.messages)))
    return table


def _alarms(found: Comparison) -> Table:
    from monitoring.replay.tally import SEVERITIES

    table = table_of(
        "windows a month", *(f"{severity} {what}" for severity in SEVERITIES for what in ("false", "fired"))
    )
    for title, tally in (("this", found.now), ("other", found.other)):
        if tally is not None and tally.months:
            cells = []
            for severity in SEVERITIES:
                cells += [f"{tally.expected(severity):.2g}", f"{len(tally.fired(severity)) / tally.months:.2g}"]
            table.add_row(title, *cells)
    table.caption = "false: as many as would fire at most if nothing had changed, as the windows state it"
    return table


def _notes(found: Comparison) -> Iterator[str]:
    """What a replay cannot know."""
    for title, tally in (("", found.now), ("Under the other configuration ", found.other)):
        if tally is not None and tally.other_trailing:
            yield (
                f"{title}{tally.other_trailing} of {tally.looks} looks judge performance over the trailing windows that"
                " were measured then; `trailing` is another one now."
            )
        if tally is not None and tally.unexplained:
            yield f"{title}{tally.unexplained} looks lack an explanation of performance that was not asked for then."


def _show_calibration(found: Calibration, source: History) -> None:
    model, before = source.monitor.config.name, found.before
    click.echo(f"# {model}, {source.first.label} to {source.last.label}: {_windows(len(before.statuses))}.")
    click.echo("# Only a stretch in which nothing was wrong may be used: what was, would be taken for ordinary.")
    if before.incidents:
        first = before.listed()[0]
        click.echo(f"# There was an incident of {first.check} from {first.first_seen}; look first whether it was one.")
    for sentence in found.close:
        click.echo(f"# {sentence}")
    if not found.proposals:
        click.echo("# There is nothing to change: the checks kept within the alarm budget.")
        return
    for item in (item for item in found.proposals if not item.setting):
        click.echo(f"# {item.check}: {item.reason}")
    if found.settings:
        click.echo("checks:")
    for item in (item for item in found.proposals if item.setting):
        click.echo(f"  # {item.reason}")
        click.echo(f"  {item.check}:")
        click.echo(f"    {item.setting}: {item.value:g}  # was {item.before:g}")
    if found.after is not None:
        alarmed = [len(tally.fired(Status.FAIL, Status.WARN)) for tally in (before, found.after)]
        total = _windows(len(before.statuses))
        click.echo(f"# {alarmed[0]} of {total} failed or warned; with these {alarmed[1]} would.")


def _windows(count: int) -> str:
    return f"{count} window{'' if count == 1 else 's'}"
