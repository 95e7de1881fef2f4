"""The command that serves the reports."""

from __future__ import annotations

import click

from monitoring.cli.common import ExitCode, friendly, models_dir, open_home
from monitoring.config import load_models


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port to listen on.")
@click.pass_context
@friendly
def serve(context: click.Context, host: str, port: int) -> int:
    """Serve the reports, and /metrics for Prometheus."""
    from monitoring.serve import serve as serve_pages

    models, store = load_models(models_dir(context)), open_home(context)
    click.echo(f"Reports: http://{host}:{port}/  Prometheus: http://{host}:{port}/metrics  (Ctrl-C stops)")
    serve_pages(store, models, host=host, port=port)
    return ExitCode.OK
