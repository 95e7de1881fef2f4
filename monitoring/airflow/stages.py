"""What the tasks of a monitoring DAG do: the pipeline's stages, given Airflow's context."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monitoring.airflow.errors import airflow_outcome
from monitoring.airflow.schedule import window_of
from monitoring.config import ModelConfig

if TYPE_CHECKING:
    from monitoring.decide import Decision
    from monitoring.decide.telling import Change
    from monitoring.monitor import Monitor
    from monitoring.pipeline import Revision

# More batches than this in one mapped task would pass Airflow's `max_map_length`
_MOST_MAPPED = 1000


def monitor_of(config: ModelConfig) -> Monitor:
    """The model on this installation's store."""
    from monitoring.monitor import Monitor
    from monitoring.settings import hash_key, open_configured_store, s3_client

    return Monitor(open_configured_store(), config, s3_client, hash_key())


@airflow_outcome()
def pin_inputs(config: ModelConfig, context: Any) -> list[int]:
    """Pin the window's inputs; the first batch of each mapped task.

    A window outside the schedule's start and end is skipped. The DAG has no end date, since that would keep
    people from running an old window by hand.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from monitoring import pipeline

    monitor, window = monitor_of(config), window_of(config, context)
    if monitor.ended(window) or not monitor.started(window):
        raise AirflowSkipException(f"{window.label} is outside the schedule's start and end")
    monitor.require_settled(window, datetime.now(UTC))
    batches = pipeline.pin_inputs(monitor, window)
    context["ti"].xcom_push(key="window", value=window.label)
    return list(range(0, batches, _step(batches)))


@airflow_outcome()
def profile(config: ModelConfig, first: int, context: Any) -> None:
    """Read and profile the batches of one mapped task."""
    from monitoring.capture.pinning import load_manifest
    from monitoring.engine.reading import batch_count, read_batch

    monitor, window = monitor_of(config), window_of(config, context)
    batches = batch_count(load_manifest(monitor, window))
    for number in range(first, min(first + _step(batches), batches)):
        read_batch(monitor, window, number)


@airflow_outcome()
def join_labels(config: ModelConfig, context: Any) -> list[dict[str, Any]]:
    """Join the labels that have come; the looks that are due."""
    from monitoring import pipeline

    due = pipeline.join_labels(monitor_of(config), window_of(config, context))
    return [_to_xcom(revision) for revision in due]


@airflow_outcome()
def measure_and_judge(config: ModelConfig, due: list[dict[str, Any]]) -> list[str]:
    """Measure and judge each look that is due; a line each."""
    from monitoring import pipeline
    from monitoring.engine.assessment import LookReader

    monitor = monitor_of(config)
    reader = LookReader(monitor)
    verdicts = [pipeline.measure_and_judge(monitor, _from_xcom(monitor, item), reader) for item in due]
    return [f"{verdict.window.label} r{verdict.revision}: {verdict.status}" for verdict in verdicts]


@airflow_outcome()
def write_reports(config: ModelConfig, due: list[dict[str, Any]]) -> list[str]:
    """Write the report of each look; the keys."""
    from monitoring.report import write_report

    monitor = monitor_of(config)
    looks = [_from_xcom(monitor, item) for item in due]
    return [write_report(monitor, look.window, look.number) for look in looks]


@airflow_outcome()
def decision_of(config: ModelConfig, context: Any) -> Decision:
    """The decision on the first look at the run's window.

    Raises:
        ObjectMissingError: There is none yet.
    """
    from monitoring.errors import ObjectMissingError
    from monitoring.history import load_decision

    monitor, window = monitor_of(config), window_of(config, context)
    decision = load_decision(monitor, window, 1)
    if decision is None:
        raise ObjectMissingError("no decision yet", where=monitor.layout.decision(window, 1))
    return decision


@airflow_outcome()
def occasion_of(config: ModelConfig, context: Any) -> tuple[Decision, tuple[Change, ...]]:
    """The decision, and what people are to be told of incidents.

    A decision that asks for a message asks for none where all that fails is acknowledged or snoozed.
    """
    from monitoring.notify import occasion

    decision = decision_of(config, context)
    return occasion(monitor_of(config), decision, window_of(config, context), datetime.now(UTC))


def next_tasks(decision: Decision, changes: Sequence[Change] = ()) -> list[str]:
    """The tasks that a decision, and changes of incidents, lead to."""
    from monitoring.decide import Action

    tasks = ["request_retraining"] if decision.action is Action.RETRAIN else []
    tasks += ["notify"] if decision.notify or changes else []
    return tasks or ["all_clear"]


@airflow_outcome()
def notify(config: ModelConfig, context: Any) -> list[str]:
    """Tell the configured channels of a change of state or of incidents, once; the channels that were told."""
    from monitoring.airflow.channels import senders
    from monitoring.history import load_verdict
    from monitoring.notify import deliver

    monitor = monitor_of(config)
    decision, changes = occasion_of(config, context)
    verdict = load_verdict(monitor, window_of(config, context), 1)
    return deliver(monitor, decision, verdict, senders(config), changes)


@airflow_outcome()
def claim_retraining(config: ModelConfig, context: Any) -> dict[str, Any]:
    """What a request for retraining says; skipped when another run has asked because of the same window."""
    from airflow.sdk.exceptions import AirflowSkipException

    from monitoring.retraining import claim_request

    monitor, decision = monitor_of(config), decision_of(config, context)
    if not claim_request(monitor, window_of(config, context), owner=context["dag_run"].run_id):
        raise AirflowSkipException(f"retraining for {decision.window} was asked for by an earlier run")
    return {
        "model": decision.model,
        "window": decision.window,
        "since": decision.since,
        "reasons": list(decision.reasons),
    }


def _step(batches: int) -> int:
    """How many batches one mapped task reads."""
    return max(-(-batches // _MOST_MAPPED), 1)


def _to_xcom(revision: Revision) -> dict[str, Any]:
    return {"window": revision.window.label, "number": revision.number, "epoch": revision.epoch.label}


def _from_xcom(monitor: Monitor, item: dict[str, Any]) -> Revision:
    from monitoring.pipeline import Revision

    return Revision(monitor.window(item["window"]), item["number"], monitor.window(item["epoch"]))
