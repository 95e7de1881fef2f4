"""The command line: what each DAG does, by hand and without Airflow."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from monitoring import history, settings
from monitoring.config import broken_models, load_model, load_models, model_path
from monitoring.errors import ConfigError, MonitorError
from monitoring.judge import Status, Verdict
from monitoring.monitor import Monitor
from monitoring.window import LENGTHS, Window

if TYPE_CHECKING:
    from monitoring.capture.inspect.text import Proposal

P = ParamSpec("P")

_SHOWN_BYTES = 400
_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "magenta"}


class ExitCode(IntEnum):
    """What a shell or a CI job can tell from the exit code."""

    OK = 0
    FAILED = 1
    WARNED = 2
    NOT_RUN = 3
    UNKNOWN = 4


_EXIT = {
    Status.OK: ExitCode.OK,
    Status.WARN: ExitCode.WARNED,
    Status.FAIL: ExitCode.FAILED,
    Status.UNKNOWN: ExitCode.UNKNOWN,
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="model-monitor")
@click.option("--store", help=f"Object store: a directory or s3://bucket/prefix (default: ${settings.STORE}).")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    help=f"Directory with NAME.yaml per model (default: ${settings.MODELS}).",
)
@click.pass_context
def cli(context: click.Context, store: str | None, models: Path | None) -> None:
    """Watch machine-learning models in production.

    Exit codes: 0 ok, 1 a check failed, 2 a check warned, 3 the command could not be done, 4 unknown.
    """
    context.obj = {"store": store, "models": models}


def main() -> NoReturn:
    """Entry point of `model-monitor`."""
    try:
        sys.exit(cli(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.NOT_RUN)
    except Exception:  # noqa: BLE001  # a crash must not look like a failed check, which is Python's own code 1
        traceback.print_exc()
        sys.exit(ExitCode.NOT_RUN)


def _friendly(command: Callable[P, int]) -> Callable[P, int]:
    """Say what is wrong in one line instead of a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except (MonitorError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            return ExitCode.NOT_RUN

    return wrapped


def _models_dir(context: click.Context) -> Path:
    directory = Path(context.obj["models"] or settings.models_dir())
    if not directory.is_dir():
        raise ConfigError("no such directory", where=str(directory), hint=f"set --models or ${settings.MODELS}")
    return directory


def _monitor(context: click.Context, name: str) -> Monitor:
    from monitoring.store import open_store

    config = load_model(model_path(_models_dir(context), name))
    uri = context.obj["store"] or settings.store_uri()
    return Monitor(open_store(uri, settings.s3_client), config, settings.s3_client, settings.hash_key())


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@_friendly
def validate(context: click.Context, name: str | None, *, as_json: bool) -> int:
    """Check the configuration of one model, or of all."""
    directory = _models_dir(context)
    broken = [] if name else [str(error) for error in broken_models(directory)]
    bad = {error.split(":", 1)[0] for error in broken}
    paths = [path for path in sorted(directory.glob("*.yaml")) if str(path) not in bad]
    models = []
    for path in [model_path(directory, name)] if name else paths:
        try:
            models.append(_validated(path))
        except ConfigError as wrong:
            if name:
                raise
            broken.append(str(wrong))
    if as_json:
        _print_json({"valid": models, "errors": broken})
    else:
        for model in models:
            click.echo(f"{model}: valid")
        for error in broken:
            click.echo(f"error: {error}", err=True)
        if not models and not broken:
            click.echo(f"no models in {directory}", err=True)
    return ExitCode.OK if models and not broken else ExitCode.NOT_RUN


def _validated(path: Path) -> str:
    """The name of a model whose file is valid, and whose formats are known here."""
    from monitoring.capture.readers import readers

    config = load_model(path)
    try:
        readers(config)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{path}, {error.where}", allowed=error.allowed, hint=error.hint) from error
    return config.name


@cli.command()
@click.argument("name")
@click.option("--rows", "uri", default="", help="Training rows, Parquet or CSV (default: the configured baseline.uri).")
@click.option("--version", default="", help="Name of the version (default: a hash of the rows).")
@click.option("--valid-from", default="", help="First moment it is valid, ISO 8601; needed for a second version.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@_friendly
def baseline(context: click.Context, name: str, uri: str, version: str, valid_from: str, *, as_json: bool) -> int:
    """Make a baseline from training rows: profile, schema, limits."""
    from monitoring.baseline import create_baseline

    monitor = _monitor(context, name)
    if uri and "://" not in uri and Path(uri).is_file():
        uri = str(Path(uri).absolute())
    start = None
    if valid_from:
        try:
            start = datetime.fromisoformat(valid_from)
        except ValueError as error:
            what = f"--valid-from {valid_from} is no date"
            raise ConfigError(what, where=name, hint="write it like 2013-05-01") from error
        start = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    made = create_baseline(monitor, version=version, uri=uri, valid_from=start)
    limits = made.reference.limits
    if as_json:
        counts = {"model": name, "version": made.version, "rows": made.rows, "windows": made.windows}
        _print_json({**limits.to_json(), **counts})
        return ExitCode.OK
    click.echo(f"{name}: baseline {made.version}, {made.rows} rows in {made.windows} {monitor.config.every}s")
    table = _table("measurement", "ordinary", "deviation", f"{monitor.config.trailing_windows} windows", "deviation")
    for key, spreads in limits.spreads.items():
        first, last = spreads[0], spreads[-1]
        table.add_row(escape(key), *(f"{x:.3f}" for x in (first.mean, first.deviation, last.mean, last.deviation)))
    Console().print(table)
    return ExitCode.OK


@cli.command()
@click.argument("name")
@click.option("--window", "text", default="", help="Start of the window (default: the last one that has settled).")
@click.option("--no-report", is_flag=True, help="Leave out the HTML reports.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: the verdict.")
@click.pass_context
@_friendly
def run(context: click.Context, name: str, text: str, *, no_report: bool, as_json: bool) -> int:
    """Look at one window: pin, read, join, measure, judge, report, decide."""
    monitor = _monitor(context, name)
    window = monitor.window(text) if text else _last_settled(monitor)
    monitor.require_settled(window, datetime.now(UTC))
    verdict = _run(monitor, window, reports=not no_report)
    if as_json:
        decision = history.load_decision(monitor, window, 1)
        _print_json({**verdict.to_json(), "decision": decision.to_json() if decision else None})
    else:
        _show(verdict, monitor, report=not no_report)
    return _EXIT[verdict.status]


@cli.command()
@click.argument("name")
@click.option("--from", "first", required=True, help="First window, such as 2013-03-01.")
@click.option("--to", "last", required=True, help="Last window.")
@click.option("--no-report", is_flag=True, help="Leave out the HTML reports.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: a verdict per window.")
@click.pass_context
@_friendly
def backfill(context: click.Context, name: str, first: str, last: str, *, no_report: bool, as_json: bool) -> int:
    """Look at many windows, oldest first; the exit code is the worst one's."""
    monitor = _monitor(context, name)
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
        _print_json([{"window": v.window.label, "status": v.status, "headline": v.headline} for v in verdicts])
    else:
        _show_windows([(monitor, verdict) for verdict in verdicts])
    return max((_EXIT[v.status] for v in verdicts), key=_SEVERITY.index, default=ExitCode.UNKNOWN)


_SEVERITY = [ExitCode.OK, ExitCode.WARNED, ExitCode.UNKNOWN, ExitCode.FAILED]


@cli.command()
@click.argument("name", required=False)
@click.option("--last", type=click.IntRange(min=1), default=1, show_default=True, help="Windows of each model.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@_friendly
def status(context: click.Context, name: str | None, last: int, *, as_json: bool) -> int:
    """How each model stands: the newest verdict of its last windows."""
    directory = _models_dir(context)
    names = [name] if name else [config.name for config in load_models(directory)]
    rows: list[tuple[Monitor, Verdict]] = []
    silent = []
    for model in names:
        monitor = _monitor(context, model)
        found = [history.latest_verdict(monitor, window) for window in monitor.windows()[-last:]]
        verdicts = [(monitor, verdict) for verdict in found if verdict is not None]
        rows += verdicts
        silent += [] if verdicts else [model]
    if as_json:
        _print_json([verdict.to_json() for _, verdict in rows])
    else:
        _show_windows(rows)
        _show_performance(rows)
        for model in silent:
            click.echo(f"{model}: no window has been looked at yet", err=True)
    codes = [_EXIT[verdict.status] for _, verdict in rows] + [ExitCode.UNKNOWN for _ in silent]
    return max(codes, key=_SEVERITY.index, default=ExitCode.UNKNOWN)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port to listen on.")
@click.pass_context
@_friendly
def serve(context: click.Context, host: str, port: int) -> int:
    """Serve the reports, and /metrics for Prometheus."""
    from monitoring.serve import serve as serve_pages
    from monitoring.store import open_store

    models = load_models(_models_dir(context))
    store = open_store(context.obj["store"] or settings.store_uri(), settings.s3_client)
    click.echo(f"Reports: http://{host}:{port}/  Prometheus: http://{host}:{port}/metrics  (Ctrl-C stops)")
    serve_pages(store, models, host=host, port=port)
    return ExitCode.OK


@cli.group()
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
@_friendly
def quarantine_list(context: click.Context, name: str, text: str, *, as_json: bool) -> int:
    """How many records were set aside, by run and reason."""
    from monitoring.quarantine import list_quarantine

    monitor = _monitor(context, name)
    groups = list_quarantine(monitor, monitor.window(text) if text else None)
    if as_json:
        _print_json([{**asdict(group), "window": group.window.label} for group in groups])
        return ExitCode.OK
    table = _table("run of", "reason", "records", "replayed", "example")
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
@_friendly
def quarantine_show(
    context: click.Context, name: str, text: str, reason: str | None, limit: int, *, as_json: bool
) -> int:
    """Records in quarantine: why, where they are, and their bytes."""
    from itertools import islice

    from monitoring.capture.quarantine import Reason
    from monitoring.quarantine import show_quarantine

    monitor = _monitor(context, name)
    window = monitor.window(text) if text else None
    found = list(islice(show_quarantine(monitor, window, Reason(reason) if reason else None), limit))
    if as_json:
        _print_json([{"window": run.label, **item.to_json()} for run, item in found])
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
@_friendly
def quarantine_replay(context: click.Context, name: str, text: str, reason: str | None, *, as_json: bool) -> int:
    """Let the next run read records again: after the configuration, a reader or the objects were mended."""
    from monitoring.capture.quarantine import Reason
    from monitoring.quarantine import replay

    monitor = _monitor(context, name)
    done = replay(monitor, monitor.window(text) if text else None, Reason(reason) if reason else None)
    if as_json:
        _print_json(asdict(done))
        return ExitCode.OK
    click.echo(f"{name}: the next run reads {done.records} records again, into the windows of their own time")
    if done.lost:
        click.echo(f"{done.lost} records are lost: their bytes were not kept, and their objects have gone", err=True)
    return ExitCode.OK


@cli.command()
@click.argument("uri")
@click.option("--name", default="", help="Name of the model (default: after the folder).")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file (default: NAME.yaml in the models directory)."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: what was found, and the files.")
@click.pass_context
@_friendly
def init(context: click.Context, uri: str, name: str, output: Path | None, *, force: bool, as_json: bool) -> int:
    """Look at a few objects below URI, and write the model that watches them."""
    from monitoring import init as looking
    from monitoring.store import open_store

    home = open_store(context.obj["store"] or settings.store_uri(), settings.s3_client)
    found = looking.look(uri, home, settings.s3_client, name=name)
    directory = Path(context.obj["models"] or settings.models_dir())
    paths = looking.write(found.proposals, directory, output=output, force=force)
    if as_json:
        _print_json({**looking.to_json(found), "files": [str(path) for path in paths]})
        return ExitCode.OK
    for proposal, path in zip(found.proposals, paths, strict=True):
        _show_proposal(proposal, path)
    for what, count in found.beside.most_common():
        click.echo(f"beside: {count} {what}")
    return ExitCode.OK


def _show_proposal(proposal: Proposal, path: Path) -> None:
    from monitoring.init import notes_of, rows_of

    console, log = Console(), proposal.log
    what = f"{' and '.join(log.formats)} in {escape(proposal.uri)}"
    console.print(f"[bold]{escape(proposal.name)}[/]: {what}", soft_wrap=True)
    if not log.pattern or log.dated_by == "nothing":
        folders = "no folders tell the time of the inferences"
    else:
        folders = f"folders {log.pattern} tell the time of {log.dated_by}"
    console.print(f"{len(log.objects)} objects and {log.rows} rows were looked at; {escape(folders)}", soft_wrap=True)
    table = _table("column", "type", "values", "role", "sure")
    for row in rows_of(proposal):
        table.add_row(*map(escape, row))
    for column, width in zip(table.columns, (21, 11, 11, 10, 21), strict=True):
        column.max_width, column.overflow = width, "ellipsis"
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    console.print(table)
    for note in notes_of(proposal):
        console.print(f"note: {escape(note)}")
    console.print(f"written: {escape(str(path))}", soft_wrap=True, highlight=False)


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
    colour = _COLOURS[verdict.status]
    # texts may hold what people's data hold, and square brackets mean something to rich
    headline = escape(verdict.headline)
    console.print(f"[bold]{verdict.model} {verdict.window.label}[/] [{colour}]{verdict.status}[/]: {headline}")
    table = _table("check", "about", "status", "value", "ordinary", "limit", "rows")
    for finding in verdict.of_status(Status.FAIL, Status.WARN, Status.UNKNOWN, Status.INFO):
        measured = finding.measurement
        numbers = (measured.value if measured else None, finding.baseline, finding.limit)
        cells = ["" if number is None else f"{number:.4g}" for number in numbers]
        rows = f"{measured.rows}" if measured else ""
        table.add_row(finding.check, escape(finding.subject), f"{finding.status}", *cells, rows)
    if table.row_count:
        console.print(table)
    console.print(_accounted(verdict), soft_wrap=True, highlight=False)
    decision = history.load_decision(monitor, verdict.window, verdict.revision)
    if decision is not None:
        console.print(f"decision: {decision.action}" + (f", failing since {decision.since}" if decision.since else ""))
    if report:
        key = monitor.layout.report(verdict.window, verdict.revision)
        console.print(f"report: {escape(monitor.store.uri)}/{key}", soft_wrap=True, highlight=False)


def _accounted(verdict: Verdict) -> str:
    """What became of the records, in one line."""
    records = verdict.accounting["records"]
    aside = sum(records["quarantined"].values())
    counts = [f"{records['profiled']:,} kept", f"{records['duplicate']:,} duplicates", f"{aside:,} set aside"]
    counts += [f"{records['waiting']:,} waiting for their other side"] if records["waiting"] else []
    return f"records: {records['read']:,} read: {', '.join(counts)}"


def _show_windows(rows: list[tuple[Monitor, Verdict]]) -> None:
    table = _table("model", "window", "r", "verdict", "rows", "labels", "decision", "why")
    for monitor, verdict in rows:
        decision = history.load_decision(monitor, verdict.window, 1)
        coverage = verdict.numbers["label_coverage"].value
        table.add_row(
            verdict.model,
            verdict.window.label,
            str(verdict.revision),
            f"[{_COLOURS[verdict.status]}]{verdict.status}[/]",
            f"{verdict.numbers['rows'].rows}",
            "" if coverage is None else f"{coverage:.1%}",
            decision.action if decision else "",
            "" if verdict.status is Status.OK else verdict.findings[0].code,
        )
    if rows:
        Console().print(table)


def _show_performance(rows: list[tuple[Monitor, Verdict]]) -> None:
    """How good each model is in its newest window, and how sure that is: one line for each."""
    from monitoring.report.measured import load_measured
    from monitoring.report.performance_words import performance_line

    for monitor, verdict in {verdict.model: (monitor, verdict) for monitor, verdict in rows}.values():
        measured = load_measured(monitor, verdict)
        if measured is not None:
            click.echo(f"{verdict.model} {verdict.window.label}: {performance_line(measured, monitor.config)}")


def _table(*columns: str) -> Table:
    """A table that fits a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
