"""The monitoring DAG of one model: the pipeline's stages as tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from monitoring.airflow import stages
from monitoring.airflow.schedule import start_date, timetable
from monitoring.config import ModelConfig
from monitoring.config.model import dag_id

if TYPE_CHECKING:
    from airflow.sdk import DAG, Asset

_PINNED_WINDOW = "{{ ti.xcom_pull(task_ids='pin_inputs', key='window') }}"


def retraining_asset(model: str) -> Asset:
    """The asset whose events ask for the retraining of a model: schedule a DAG on it."""
    from airflow.sdk import Asset

    return Asset(name=f"retrain_{dag_id(model).removeprefix('monitor_')}", uri=f"x-model-monitor://{model}/retraining")


def build_monitoring_dag(config: ModelConfig) -> DAG:
    """The DAG that looks after one model.

    pin → profile (one mapped task per batch) → join labels → measure and judge → report → decide, which
    branches to request_retraining, notify and all_clear.

    Args:
        config: The model.
    """
    from airflow.sdk import Param, dag

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
        due = _read(config)
        branch = _judge(config, due)
        branch >> [_notify(config), _all_clear(config), _request_retraining(config)]

    return monitoring_dag()


def _read(config: ModelConfig) -> Any:
    """Pin → profile → join labels."""
    from airflow.sdk import task

    @task
    def pin_inputs(**context: Any) -> list[int]:
        """Pin the window's capture objects and label epochs."""
        return stages.pin_inputs(config, context)

    @task(map_index_template="batch {{ batch }}")
    def profile(batch: int, **context: Any) -> None:
        """Read one batch into canonical records, and profile them."""
        stages.profile(config, batch, context)

    # a window without objects maps to nothing, which Airflow calls skipped; a window outside the schedule
    # skips the pinning too
    @task(trigger_rule="none_failed_min_one_success")
    def join_labels(**context: Any) -> list[dict[str, Any]]:
        """Join the labels that have come, and find which windows are due for a new look."""
        return stages.join_labels(config, context)

    batches = pin_inputs()
    due = join_labels()
    batches >> due
    profile.expand(batch=batches) >> due
    return due


def _judge(config: ModelConfig, due: Any) -> Any:
    """Measure and judge → report → decide."""
    from airflow.sdk import task

    @task
    def measure_and_judge(due: Any) -> list[str]:
        """Measure and judge each window that is due."""
        return stages.measure_and_judge(config, due)

    @task
    def report(due: Any) -> list[str]:
        """Write the report of each window that was judged."""
        return stages.write_reports(config, due)

    @task.branch
    def decide(**context: Any) -> list[str]:
        """Go where the recorded decision, and what has become of incidents, lead."""
        return stages.next_tasks(*stages.occasion_of(config, context))

    branch = decide()
    measure_and_judge(due) >> report(due) >> branch
    return branch


def _notify(config: ModelConfig) -> Any:
    from airflow.sdk import task

    @task
    def notify(**context: Any) -> list[str]:
        """Tell the configured channels of a change of state or of incidents, once."""
        return stages.notify(config, context)

    return notify()


def _all_clear(config: ModelConfig) -> Any:
    from airflow.sdk import task

    @task
    def all_clear(**context: Any) -> str:
        """Nothing to do; the reason is the result."""
        return stages.decision_of(config, context).reasons[0]

    return all_clear()


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

        yield Metadata(asset, stages.claim_retraining(config, context))

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


def _doc(config: ModelConfig) -> str:
    return f"""# {config.name}

{config.description}

Looks at every {config.every} of captured inferences in `{config.capture.uri}`, {config.schedule.settle} after its
end. Reports: *Models* in the navigation.
"""
