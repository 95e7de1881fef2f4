"""The monitoring DAG of one model: the pipeline's stages as tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitoring.airflow.errors import airflow_outcome
from monitoring.airflow.schedule import start_date, timetable, window_of
from monitoring.config import ModelConfig
from monitoring.config.model import dag_id

if TYPE_CHECKING:
    from airflow.sdk import DAG, Asset

    from monitoring.decide import Decision
    from monitoring.monitor import Monitor
    from monitoring.pipeline import Revision

# More batches than this in one mapped task would pass Airflow's `max_map_length`
_MOST_MAPPED = 1000
_PINNED_WINDOW = "{{ ti.xcom_pull(task_ids='pin_inputs', key='window') }}"


def retraining_asset(model: str) -> Asset:
    """The asset whose events ask for the retraining of a model: schedule a DAG on it."""
    from airflow.sdk import Asset

    return Asset(name=f"retrain_{dag_id(model).removeprefix('monitor_')}", uri=f"x-model-monitor://{model}/retraining")


def monitor_of(config: ModelConfig) -> Monitor:
    """The model on this installation's store."""
    from monitoring.monitor import Monitor
    from monitoring.settings import open_configured_store, s3_client

    return Monitor(open_configured_store(), config, s3_client)


def build_monitoring_dag(config: ModelConfig) -> DAG:
    """The DAG that looks after one model.

    pin → profile (one mapped task per batch) → join labels → measure and judge → report → decide, which
    branches to request_retraining, notify and all_clear.

    Args:
        config: The model.
    """
    from airflow.sdk import Param, dag, task

    @dag(
        dag_id=config.dag_id,
        schedule=timetable(config.schedule),
        start_date=start_date(config.schedule),
        catchup=False,
        max_active_runs=1,  # a decision looks at the decisions before it
        params={
            "window": Param(
                None, type=["null", "string"], description="Start of the window to look at, such as 2013-04-20."
            )
        },
        default_args={
            "owner": config.owner or "model-monitor",
            "retries": 3,
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": True,
        },
        tags=["model-monitor", config.name],
        doc_md=_doc(config),
    )
    def monitoring_dag() -> None:
        @task
        def pin_inputs(**context: Any) -> list[int]:
            """Pin the window's capture objects and label epochs; one number per batch."""
            from airflow.sdk.exceptions import AirflowSkipException

            from monitoring import pipeline

            with airflow_outcome():
                monitor, window = monitor_of(config), window_of(config, context)
                # not the DAG's end_date: that would keep people from running an old window by hand
                if monitor.ended(window) or not monitor.started(window):
                    raise AirflowSkipException(f"{window.label} is outside the schedule's start and end")
                batches = pipeline.pin_inputs(monitor, window)
            context["ti"].xcom_push(key="window", value=window.label)
            step = -(-batches // _MOST_MAPPED) or 1
            return list(range(0, batches, step))

        @task(map_index_template="batch {{ batch }}")
        def profile(batch: int, **context: Any) -> None:
            """Read one batch into canonical records, and profile them."""
            _profile(config, batch, context)

        # a window without objects maps to nothing, which Airflow calls skipped; a window outside the schedule
        # skips the pinning too
        @task(trigger_rule="none_failed_min_one_success")
        def join_labels(**context: Any) -> list[dict[str, Any]]:
            """Join the labels that have come, and find which windows are due for a new look."""
            from monitoring import pipeline

            with airflow_outcome():
                due = pipeline.join_labels(monitor_of(config), window_of(config, context))
            return [_to_xcom(revision) for revision in due]

        @task
        def measure_and_judge(due: Any) -> list[str]:
            """Measure and judge each window that is due."""
            from monitoring import pipeline

            monitor = monitor_of(config)
            with airflow_outcome():
                verdicts = [pipeline.measure_and_judge(monitor, _from_xcom(monitor, item)) for item in due]
            return [f"{verdict.window.label} r{verdict.revision}: {verdict.status}" for verdict in verdicts]

        @task
        def report(due: Any) -> list[str]:
            """Write the report of each window that was judged."""
            from monitoring.report import write_report

            monitor = monitor_of(config)
            with airflow_outcome():
                looks = [_from_xcom(monitor, item) for item in due]
                return [write_report(monitor, look.window, look.number) for look in looks]

        @task.branch
        def decide(**context: Any) -> list[str]:
            """Go where the recorded decision says."""
            with airflow_outcome():
                return next_tasks(decision_of(config, context))

        @task
        def notify(**context: Any) -> list[str]:
            """Tell the configured channels, once per change of state."""
            with airflow_outcome():
                return _notify(config, context)

        @task
        def all_clear(**context: Any) -> str:
            """Nothing to do."""
            return decision_of(config, context).reasons[0]

        batches = pin_inputs()
        due = join_labels()
        batches >> due
        profile.expand(batch=batches) >> due
        branch = decide()
        measure_and_judge(due) >> report(due) >> branch
        branch >> [notify(), all_clear(), _request_retraining(config)]

    return monitoring_dag()


def _profile(config: ModelConfig, batch: int, context: Any) -> None:
    from monitoring.capture.pinning import load_manifest
    from monitoring.engine.local import profile_batch

    with airflow_outcome():
        monitor, window = monitor_of(config), window_of(config, context)
        batches = len(load_manifest(monitor, window).batches)
        step = -(-batches // _MOST_MAPPED)
        for number in range(batch, min(batch + step, batches)):
            profile_batch(monitor, window, number)


def next_tasks(decision: Decision) -> list[str]:
    """The tasks that a decision leads to.

    Args:
        decision: The decision on the run's own window.
    """
    from monitoring.decide import Action

    tasks = ["request_retraining"] if decision.action is Action.RETRAIN else []
    tasks += ["notify"] if decision.notify else []
    return tasks or ["all_clear"]


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


def _notify(config: ModelConfig, context: Any) -> list[str]:
    from monitoring.airflow.channels import senders
    from monitoring.history import load_verdict
    from monitoring.notify import deliver

    monitor, decision = monitor_of(config), decision_of(config, context)
    verdict = load_verdict(monitor, window_of(config, context), 1)
    return deliver(monitor, decision, verdict, senders(config))


def _request_retraining(config: ModelConfig) -> Any:
    """The task that asks for retraining: an asset event, or a run of a configured DAG."""
    from airflow.sdk import task

    trigger = config.policy.retrain.trigger if config.policy.retrain else "asset"
    if trigger.startswith("dag:"):
        return _trigger_dag(config, trigger.removeprefix("dag:"))
    asset = retraining_asset(config.name)

    @task(outlets=[asset])
    def request_retraining(**context: Any) -> Iterator[Any]:
        """Emit the event that retraining DAGs wait for, with the reasons in its extra."""
        from airflow.sdk import Metadata
        from airflow.sdk.exceptions import AirflowSkipException

        from monitoring.retraining import claim_request

        with airflow_outcome():
            monitor, decision = monitor_of(config), decision_of(config, context)
            window = window_of(config, context)
            first = claim_request(monitor, window, owner=context["dag_run"].run_id)
        if not first:
            raise AirflowSkipException(f"retraining for {decision.window} was asked for by an earlier run")
        yield Metadata(asset, request_of(decision))

    return request_retraining()


def _trigger_dag(config: ModelConfig, target: str) -> Any:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    return TriggerDagRunOperator(
        task_id="request_retraining",
        trigger_dag_id=target,
        # the same window asks under the same id, so a rerun asks nothing new
        trigger_run_id=f"{config.name}__{_PINNED_WINDOW}",
        skip_when_already_exists=True,
        conf={"model": config.name, "window": _PINNED_WINDOW},
        wait_for_completion=False,
    )


def request_of(decision: Decision) -> dict[str, Any]:
    """What a request for retraining says."""
    return {
        "model": decision.model,
        "window": decision.window,
        "since": decision.since,
        "reasons": list(decision.reasons),
    }


def _to_xcom(revision: Revision) -> dict[str, Any]:
    return {"window": revision.window.label, "number": revision.number, "epoch": revision.epoch.label}


def _from_xcom(monitor: Monitor, item: dict[str, Any]) -> Revision:
    from monitoring.pipeline import Revision

    return Revision(monitor.window(item["window"]), item["number"], monitor.window(item["epoch"]))


def _doc(config: ModelConfig) -> str:
    return "\n".join(
        [
            f"# {config.name}",
            "",
            config.description,
            "",
            f"Looks at every {config.every} of captured inferences in `{config.capture.uri}`,"
            f" {config.schedule.settle} after its end. Reports: *Model monitoring* in the navigation.",
        ]
    )
