"""Commands that prepare a model: look at logs, check a configuration, make a baseline."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from monitoring import settings
from monitoring.cli.common import ExitCode, friendly, models_dir, open_home, open_monitor, print_json, table_of
from monitoring.config import broken_models, load_model, model_path
from monitoring.errors import ConfigError

if TYPE_CHECKING:
    from monitoring.capture.inspect.text import Proposal


@click.command()
@click.argument("uri")
@click.option("--name", default="", help="Name of the model (default: after the folder).")
@click.option(
    "--output", type=click.Path(path_type=Path), help="The file (default: NAME.yaml in the models directory)."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output: what was found, and the files.")
@click.pass_context
@friendly
def init(context: click.Context, uri: str, name: str, output: Path | None, *, force: bool, as_json: bool) -> int:
    """Look at a few objects below URI, and write the model that watches them."""
    from monitoring import init as looking

    found = looking.look(uri, open_home(context), settings.s3_client, name=name)
    directory = Path(context.obj["models"] or settings.models_dir())
    paths = looking.write(found.proposals, directory, output=output, force=force)
    if as_json:
        print_json({**looking.to_json(found), "files": [str(path) for path in paths]})
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
    table = table_of("column", "type", "values", "role", "sure")
    for row in rows_of(proposal):
        table.add_row(*map(escape, row))
    for column, width in zip(table.columns, (21, 11, 11, 10, 21), strict=True):
        column.max_width, column.overflow = width, "ellipsis"
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    console.print(table)
    for note in notes_of(proposal):
        console.print(f"note: {escape(note)}")
    console.print(f"written: {escape(str(path))}", soft_wrap=True, highlight=False)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def validate(context: click.Context, name: str | None, *, as_json: bool) -> int:
    """Check the configuration of one model, or of all."""
    directory = models_dir(context)
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
        print_json({"valid": models, "errors": broken})
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


@click.command()
@click.argument("name")
@click.option("--rows", "uri", default="", help="Training rows, Parquet or CSV (default: the configured baseline.uri).")
@click.option("--version", default="", help="Name of the version (default: a hash of the rows).")
@click.option("--valid-from", default="", help="First moment it is valid, ISO 8601; needed for a second version.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def baseline(context: click.Context, name: str, uri: str, version: str, valid_from: str, *, as_json: bool) -> int:
    """Make a baseline from training rows: profile, schema, limits."""
    from monitoring.baseline import create_baseline

    monitor = open_monitor(context, name)
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
        print_json({**limits.to_json(), **counts})
        return ExitCode.OK
    click.echo(f"{name}: baseline {made.version}, {made.rows} rows in {made.windows} {monitor.config.every}s")
    table = table_of("measurement", "ordinary", "deviation", f"{monitor.config.trailing_windows} windows", "deviation")
    for key, spreads in limits.spreads.items():
        first, last = spreads[0], spreads[-1]
        table.add_row(escape(key), *(f"{x:.3f}" for x in (first.mean, first.deviation, last.mean, last.deviation)))
    Console().print(table)
    return ExitCode.OK
