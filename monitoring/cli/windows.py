"""Commands that look at windows, and at what was found there."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monitoring import history
from monitoring.cli.common import COLOURS, EXIT, ExitCode, friendly, models_dir, open_monitor, print_json, table_of
from monitoring.config import load_models
from monitoring.errors import ConfigError
from monitoring.judge import Status, Verdict
from monitoring.monitor import Monitor
from monitoring.window import LENGTHS, Window

# A terminal has few lines; the report and `--json` have the others
_MOST_FINDINGS = 10
_SEVERITY = [ExitCode.OK, ExitCode.WARNED, ExitCode.UNKNOWN, ExitCode.FAILED]


@click.command()
@click.argument("name")
@click.option("--window", "text", default="", help="Start of the window (default: the last one that has settled).")
@click.option("--no-report", is_flag=True, help="Leave out the HTML reports.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: the verdict.")
@click.pass_context
@friendly
def run(context: click.Context, name: str, text: str, *, no_report: bool, as_json: bool) -> int:
    """Look at one window: pin, read, join, measure, judge, report, decide."""
    monitor = open_monitor(context, name)
    window = monitor.window(text) if text else _last_settled(monitor)
    monitor.require_settled(window, datetime.now(UTC))
    verdict = _run(monitor, window, reports=not no_report)
    if as_json:
        decision = history.load_decision(monitor, window, 1)
        print_json({**verdict.to_json(), "decision": decision.to_json() if decision else None})
    else:
        _show(verdict, monitor, report=not no_report)
    return EXIT[verdict.status]


@click.command()
@click.argument("name")
@click.option("--from", "first", required=True, help="First window, such as 2013-03-01.")
@click.option("--to", "last", required=True, help="Last window.")
@click.option("--no-report", is_flag=True, help="Leave out the HTML reports.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: a verdict per window.")
@click.pass_context
@friendly
def backfill(context: click.Context, name: str, first: str, last: str, *, no_report: bool, as_json: bool) -> int:
    """Look at many windows, oldest first; the exit code is the worst one's."""
    monitor = open_monitor(context, name)
    window, end = monitor.window(first), monitor.window(last)
    if end < window:
        raise ConfigError(f"--to {last} lies before --from {first}", where=name)
    monitor.require_settled(end, datetime.now(UTC))
    count = (end.start - window.start) // LENGTHS[window.every] + 1
    verdicts: list[Verdict] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=count)
        while window <= end:
            verdict = _run(monitor, window, reports=not no_report)
            verdicts.append(verdict)
            progress.update(task, advance=1, description=f"{name} {window.label} {verdict.status}")
            window = window.shift(1)
    if as_json:
        print_json([{"window": v.window.label, "status": v.status, "headline": v.headline} for v in verdicts])
    else:
        _show_windows([(monitor, verdict) for verdict in verdicts])
    return max((EXIT[v.status] for v in verdicts), key=_SEVERITY.index, default=ExitCode.UNKNOWN)


@click.command()
@click.argument("name", required=False)
@click.option("--last", type=click.IntRange(min=1), default=1, show_default=True, help="Windows of each model.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def status(context: click.Context, name: str | None, last: int, *, as_json: bool) -> int:
    """How each model stands: the newest verdict of its last windows."""
    directory = models_dir(context)
    names = [name] if name else [config.name for config in load_models(directory)]
    rows: list[tuple[Monitor, Verdict]] = []
    silent = []
    for model in names:
        monitor = open_monitor(context, model)
        found = [history.latest_verdict(monitor, window) for window in monitor.windows()[-last:]]
        verdicts = [(monitor, verdict) for verdict in found if verdict is not None]
        rows += verdicts
        silent += [] if verdicts else [model]
    if as_json:
        print_json([verdict.to_json() for _, verdict in rows])
    else:
        _show_windows(rows)
        _show_performance(rows)
        _show_standing(rows)
        for model in silent:
            click.echo(f"{model}: no window has been looked at yet", err=True)
    codes = [EXIT[verdict.status] for _, verdict in rows] + [ExitCode.UNKNOWN for _ in silent]
    return max(codes, key=_SEVERITY.index, default=ExitCode.UNKNOWN)


def _last_settled(monitor: Monitor) -> Window:
    """The last window that is due by now."""
    now = datetime.now(UTC)
    return Window.containing(now - monitor.config.schedule.settle, monitor.config.every).shift(-1)


def _run(monitor: Monitor, window: Window, *, reports: bool) -> Verdict:
    from monitoring import pipeline

    verdicts = pipeline.run_window(monitor, window, reports=reports)
    if reports:
        from monitoring.report import write_report

        for verdict in verdicts:
            write_report(monitor, verdict.window, verdict.revision)
    return next(verdict for verdict in verdicts if verdict.window == window and verdict.revision == 1)


def _show(verdict: Verdict, monitor: Monitor, *, report: bool) -> None:
    console = Console()
    colour = COLOURS[verdict.status]
    # texts may hold what people's data hold, and square brackets mean something to rich
    headline = escape(verdict.headline)
    console.print(f"[bold]{verdict.model} {verdict.window.label}[/] [{colour}]{verdict.status}[/]: {headline}")
    _show_findings(verdict, monitor, console)
    _show_information(verdict, console)
    _show_certainty(verdict, monitor, console)
    _show_incidents(verdict, monitor, console)
    console.print(_accounted(verdict), soft_wrap=True, highlight=False)
    decision = history.load_decision(monitor, verdict.window, verdict.revision)
    if decision is not None:
        console.print(f"decision: {decision.action}" + (f", failing since {decision.since}" if decision.since else ""))
    if report:
        key = monitor.layout.report(verdict.window, verdict.revision)
        console.print(f"report: {escape(monitor.store.uri)}/{key}", soft_wrap=True, highlight=False)


def _show_findings(verdict: Verdict, monitor: Monitor, console: Console, *, briefly: bool = False) -> None:
    """What fails, cannot be told or warns, with all that is known of it, and what to do first; or only that."""
    from monitoring.report.finding_words import Loss, by_sentence, by_todo, details
    from monitoring.report.measured import load_measured

    measured = None if briefly else load_measured(monitor, verdict)
    loss = Loss(measured.loss_title, measured.ordinary_loss) if measured else Loss()
    groups = by_todo(verdict.of_status(Status.FAIL, Status.UNKNOWN, Status.WARN))
    said = [(name, same, todo) for todo, found in groups for name, same in by_sentence(found)]
    for at, (name, same, todo) in enumerate(said[:_MOST_FINDINGS]):
        status = same[0].status
        sentence = escape(f"{name}: {same[0].message}")
        console.print(f"[{COLOURS[status]}]{status}[/] {sentence}", highlight=False)
        known = {} if briefly or len(same) > 1 else details(same[0], monitor.config.every, loss)
        for part, told in known.items():
            _print_under(console, f"{part}: {told}")
        is_last_of_them = at + 1 == len(said[:_MOST_FINDINGS]) or said[at + 1][2] != todo
        if todo and is_last_of_them:
            _print_under(console, f"First: {todo}")
    if len(said) > _MOST_FINDINGS:
        console.print(f"and {len(said) - _MOST_FINDINGS} more, which stand in the report and in --json")


def _print_under(console: Console, text: str) -> None:
    """A paragraph under what it is about."""
    console.print(Padding(escape(text), (0, 0, 0, 2)), highlight=False)


def _show_information(verdict: Verdict, console: Console) -> None:
    """What changes no verdict, as a table."""
    table = table_of("for your information", "about", "value", "ordinary", "limit", "rows")
    for finding in verdict.of_status(Status.INFO):
        measured = finding.measurement
        numbers = (measured.value if measured else None, finding.baseline, finding.limit)
        cells = ["" if number is None else f"{number:.4g}" for number in numbers]
        table.add_row(finding.check, escape(finding.subject), *cells, f"{measured.rows}" if measured else "")
    if table.row_count:
        console.print(table)


def _show_certainty(verdict: Verdict, monitor: Monitor, console: Console) -> None:
    """Why performance is bad, and how many false alarms are to be expected."""
    from monitoring.report.alarm_words import alarm_sentence

    if verdict.why:
        console.print(escape(f"why: {verdict.why['sentence']}"), highlight=False)
    if verdict.families:
        console.print(escape(alarm_sentence(verdict, monitor.config)), highlight=False)


def _show_incidents(verdict: Verdict, monitor: Monitor, console: Console) -> None:
    """The incidents that are open after the run that took this look, a line each."""
    from monitoring.report.facts import epoch_of
    from monitoring.report.incident_words import action_words, incident_name, known_incidents, span

    for known in known_incidents(monitor, epoch_of(monitor, verdict), verdict.as_of) or ():
        incident, who = known.incident, action_words(known.action)
        if incident.active:
            since = f"since {span(incident, monitor.config.every)}{f', {who}' if who else ''}"
            name = incident_name(incident)
            line = f"incident {incident.fingerprint} {incident.state} {incident.severity}: {name}, {since}"
            console.print(escape(line), highlight=False)


def _accounted(verdict: Verdict) -> str:
    """What became of the records, in one line."""
    records = verdict.accounting["records"]
    aside = sum(records["quarantined"].values())
    counts = [f"{records['profiled']:,} kept", f"{records['duplicate']:,} duplicates", f"{aside:,} set aside"]
    counts += [f"{records['waiting']:,} waiting for their other side"] if records["waiting"] else []
    return f"records: {records['read']:,} read: {', '.join(counts)}"


def _show_windows(rows: list[tuple[Monitor, Verdict]]) -> None:
    table = table_of("model", "window", "r", "verdict", "rows", "labels", "decision", "why")
    for monitor, verdict in rows:
        decision = history.load_decision(monitor, verdict.window, 1)
        coverage = verdict.numbers["label_coverage"].value
        table.add_row(
            verdict.model,
            verdict.window.label,
            str(verdict.revision),
            f"[{COLOURS[verdict.status]}]{verdict.status}[/]",
            f"{verdict.numbers['rows'].rows}",
            "" if coverage is None else f"{coverage:.1%}",
            decision.action if decision else "",
            "" if verdict.status is Status.OK else verdict.findings[0].code,
        )
    if rows:
        Console().print(table)


def _newest(rows: list[tuple[Monitor, Verdict]]) -> list[tuple[Monitor, Verdict]]:
    """The newest verdict of each model."""
    return [*{verdict.model: (monitor, verdict) for monitor, verdict in rows}.values()]


def _show_standing(rows: list[tuple[Monitor, Verdict]]) -> None:
    """What is wrong with each model in its newest window, what to do first, and its open incidents."""
    console = Console()
    for monitor, verdict in _newest(rows):
        _show_findings(verdict, monitor, console, briefly=True)
        _show_incidents(verdict, monitor, console)


def _show_performance(rows: list[tuple[Monitor, Verdict]]) -> None:
    """How good each model is in its newest window, and how sure that is: one line for each."""
    from monitoring.report.measured import load_measured
    from monitoring.report.performance_words import performance_line

    for monitor, verdict in _newest(rows):
        measured = load_measured(monitor, verdict)
        if measured is not None:
            click.echo(f"{verdict.model} {verdict.window.label}: {performance_line(measured, monitor.config)}")
