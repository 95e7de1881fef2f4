"""Example: retrain `flight-delay` when its monitor asks for it (Airflow DAG on the retraining asset).

The champion is what served; the challenger learns from the original rows and the matured windows. Both are
compared on the same newest matured windows, and the challenger serves only if it is better beyond noise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from monitoring.airflow.errors import airflow_outcome
from monitoring.airflow.monitoring_dag import retraining_asset
from monitoring.airflow.stages import monitor_of
from monitoring.config import load_model

ROOT = Path(__file__).parents[1]
MODELS = Path(os.environ.get("MODEL_MONITOR_MODELS") or ROOT / "models")
MODEL = "flight-delay"


def _train(*arguments: str) -> None:
    """Run the training script: it knows nothing of Airflow and can be run by hand."""
    subprocess.run([sys.executable, "-m", "demo.train", *arguments], cwd=ROOT, check=True)  # noqa: S603


@dag(
    dag_id="retrain_flight_delay",
    schedule=[retraining_asset(MODEL)],
    catchup=False,
    max_active_runs=1,
    params={
        "window": Param(
            None,
            type=["null", "string"],
            description="By hand: the window whose decision to act on, such as 2013-04-24.",
        ),
        "held_out": Param(7, type="integer", minimum=2, description="Newest matured windows to compare on."),
    },
    tags=["model-monitor", "retraining", MODEL],
    doc_md=__doc__,
)
def retrain_flight_delay() -> None:
    """Export rows, fit, compare, conclude."""

    @task
    def read_request(**context: Any) -> dict[str, Any]:
        """The newest request: from the asset's events, or from the ledger when started by hand."""
        from monitoring.retraining import request_for

        events = [event for items in (context.get("triggering_asset_events") or {}).values() for event in items]
        requests = [event.extra for event in events if event.extra and event.extra.get("window")]
        if requests:
            return max(requests, key=lambda request: request["window"])
        with airflow_outcome():
            monitor = monitor_of(load_model(MODELS / f"{MODEL}.yaml"))
            return request_for(monitor, monitor.window(context["params"]["window"] or ""))

    @task
    def export_rows(request: dict[str, Any], **context: Any) -> dict[str, Any]:
        """Write the rows to learn from and the rows to compare on."""
        from dataclasses import asdict

        from monitoring.retraining import export_training_rows

        with airflow_outcome():
            monitor = monitor_of(load_model(MODELS / f"{MODEL}.yaml"))
            held_out = context["params"]["held_out"]
            return asdict(export_training_rows(monitor, monitor.window(request["window"]), held_out=held_out))

    @task
    def train_and_compare(request: dict[str, Any], rows: dict[str, Any]) -> str:
        """Fit the challenger, compare it with the champion, and conclude."""
        from monitoring.retraining import TrainingRows, compare_models, conclude

        with airflow_outcome(), tempfile.TemporaryDirectory() as folder:
            monitor = monitor_of(load_model(MODELS / f"{MODEL}.yaml"))
            place, exported = Path(folder), TrainingRows(**rows)
            (place / "fit.parquet").write_bytes(monitor.store.get(exported.fit))
            (place / "held-out.parquet").write_bytes(monitor.store.get(exported.held_out))
            _train("fit", "--rows", f"{place}/fit.parquet", "--out", folder, "--model", MODEL)
            scored = place / "scored.parquet"
            _train(
                "score",
                *("--model-file", f"{place}/model.joblib"),
                *("--rows", f"{place}/held-out.parquet", "--out", str(scored)),
            )
            comparison = compare_models(monitor, exported, scored.read_bytes())
            return conclude(
                monitor,
                monitor.window(request["window"]),
                comparison,
                request=request,
                model=(place / "model.joblib").read_bytes(),
                baseline_rows=(place / "baseline.parquet").read_bytes(),
            )

    request = read_request()
    train_and_compare(request, export_rows(request))


retrain_flight_delay()
