"""The command line: what each DAG does, by hand and without Airflow."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from monitoring import settings
from monitoring.cli import incidents, quarantine, replay, sagemaker, serve, windows
from monitoring.cli import models as model_files
from monitoring.cli.common import ExitCode

__all__ = ["cli", "main"]


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


for _command in (
    model_files.init,
    model_files.validate,
    model_files.baseline,
    sagemaker.import_sagemaker,
    windows.run,
    windows.backfill,
    windows.status,
    replay.replay,
    replay.calibrate,
    incidents.incidents,
    quarantine.quarantine,
    serve.serve,
):
    cli.add_command(_command)


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
