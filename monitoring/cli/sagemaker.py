"""The command that reads the files of Amazon SageMaker Model Monitor."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from monitoring.cli.common import ExitCode, friendly, open_monitor, print_json
from monitoring.errors import ConfigError


@click.command(name="import-sagemaker")
@click.argument("name")
@click.option("--constraints", "constraints_file", default="", help="constraints.json of a data or model quality job.")
@click.option("--statistics", "statistics_file", default="", help="statistics.json of a data quality job.")
@click.option("--write-baseline", is_flag=True, help="Make the statistics the model's baseline.")
@click.option("--version", default="", help="Name of the baseline (default: a hash of the files).")
@click.option("--valid-from", default="", help="First moment it is valid, ISO 8601; needed for a second version.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
@click.pass_context
@friendly
def import_sagemaker(
    context: click.Context,
    name: str,
    constraints_file: str,
    statistics_file: str,
    version: str,
    valid_from: str,
    *,
    write_baseline: bool,
    as_json: bool,
) -> int:
    """Propose `columns` and `checks` from SageMaker's constraints and statistics.

    The files may be here, in S3 (s3://bucket/key), or in the monitor's own store.
    """
    from monitoring.sagemaker.files import Constraints, Statistics
    from monitoring.sagemaker.proposal import propose
    from monitoring.sagemaker.stored import freeze_baseline, read_file

    if not constraints_file and not statistics_file:
        raise ConfigError("no file is named", where=name, allowed=["--constraints FILE", "--statistics FILE"])
    if write_baseline and not statistics_file:
        raise ConfigError("a baseline needs --statistics FILE", where=name)
    monitor = open_monitor(context, name)
    constraints = read_file(monitor, constraints_file) if constraints_file else None
    statistics = read_file(monitor, statistics_file) if statistics_file else None
    proposal = propose(
        Constraints.parse(constraints, constraints_file) if constraints is not None else None,
        Statistics.parse(statistics, statistics_file) if statistics is not None else None,
        monitor.config,
        freezes=write_baseline,
    )
    made = None
    if write_baseline and statistics is not None:
        start = _moment(valid_from, name) if valid_from else None
        made = freeze_baseline(monitor, statistics, constraints, version=version, valid_from=start)
    if as_json:
        blocks = {"task": proposal.task, "features": proposal.features, "checks": proposal.checks}
        about = {"notes": proposal.notes, "yaml": proposal.text, "baseline": made.version if made else None}
        print_json({**blocks, **about})
        return ExitCode.OK
    click.echo(proposal.text, nl=False)
    if made is not None:
        click.echo(f"{name}: baseline {made.version}, of the statistics of {made.rows} rows", err=True)
    return ExitCode.OK


def _moment(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--valid-from {text} is no date", where=name, hint="write it like 2013-05-01") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
