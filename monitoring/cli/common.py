"""What every command of the command line shares: exit codes, opening a model, tables, and one line for an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click
from rich import box
from rich.table import Table

from monitoring import settings
from monitoring.config import load_model, model_path
from monitoring.errors import ConfigError, MonitorError
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.store import Store, open_store

P = ParamSpec("P")

COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "magenta"}


class ExitCode(IntEnum):
    """What a shell or a CI job can tell from the exit code."""

    OK = 0
    FAILED = 1
    WARNED = 2
    NOT_RUN = 3
    UNKNOWN = 4


EXIT = {
    Status.OK: ExitCode.OK,
    Status.WARN: ExitCode.WARNED,
    Status.FAIL: ExitCode.FAILED,
    Status.UNKNOWN: ExitCode.UNKNOWN,
}


def friendly(command: Callable[P, int]) -> Callable[P, int]:
    """Say what is wrong in one line instead of a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except (MonitorError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            return ExitCode.NOT_RUN

    return wrapped


def models_dir(context: click.Context) -> Path:
    """The directory with a file per model.

    Raises:
        ConfigError: There is no such directory.
    """
    directory = Path(context.obj["models"] or settings.models_dir())
    if not directory.is_dir():
        raise ConfigError("no such directory", where=str(directory), hint=f"set --models or ${settings.MODELS}")
    return directory


def open_home(context: click.Context) -> Store:
    """The monitor's own store."""
    return open_store(context.obj["store"] or settings.store_uri(), settings.s3_client)


def open_monitor(context: click.Context, name: str) -> Monitor:
    """The model of this name on the monitor's own store."""
    config = load_model(model_path(models_dir(context), name))
    return Monitor(open_home(context), config, settings.s3_client, settings.hash_key())


def print_json(value: Any) -> None:
    """Print for a program."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def table_of(*columns: str) -> Table:
    """A table that fits a terminal of 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
