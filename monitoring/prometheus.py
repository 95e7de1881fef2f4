"""The latest window of each model as Prometheus metrics."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from monitoring import history
from monitoring.config import ModelConfig
from monitoring.decide import Action, Decision, State
from monitoring.decide.incident import Incident, IncidentState
from monitoring.errors import MonitorError, StoreUnavailableError
from monitoring.incidents import load_incidents
from monitoring.judge import Code, Status, Verdict
from monitoring.monitor import Monitor
from monitoring.store import Store

_STATUSES = (Status.OK, Status.WARN, Status.FAIL, Status.UNKNOWN)
_NOT_PERFORMANCE = {"rows", "label_coverage"}


@dataclass(frozen=True)
class Sample:
    """How a model stands.

    Attributes:
        model: Its name.
        readable: Whether what the store holds of it can be read.
        verdict: The newest verdict on its latest window; None before the first.
        decision: What was decided at the first look at that window.
        incidents: Its incidents after the newest run; None before the first.
    """

    model: str
    readable: bool = True
    verdict: Verdict | None = None
    decision: Decision | None = None
    incidents: tuple[Incident, ...] | None = None


def collect(store: Store, configs: Iterable[ModelConfig]) -> bytes:
    """The metrics of every model.

    Args:
        store: The monitor's store.
        configs: The models.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    return exposition(latest(store, config) for config in configs)


def latest(store: Store, config: ModelConfig) -> Sample:
    """How a model stands; a model that cannot be read says so and leaves the others alone.

    Raises:
        StoreUnavailableError: The store did not answer.
    """
    monitor = Monitor(store, config)
    try:
        for window in reversed(monitor.windows()):
            verdict = history.latest_verdict(monitor, window)
            if verdict is not None:
                decision, ledger = history.load_decision(monitor, window, 1), load_incidents(monitor)
                return Sample(config.name, True, verdict, decision, ledger.incidents if ledger else None)
    except StoreUnavailableError:
        raise
    except MonitorError:
        return Sample(config.name, readable=False)
    return Sample(config.name)


def exposition(samples: Iterable[Sample]) -> bytes:
    """Samples in Prometheus' text format.

    Args:
        samples: How each model stands.
    """
    gauges = _Gauges()
    for sample in samples:
        gauges.readable.labels(sample.model).set(sample.readable)
        if sample.verdict is not None:
            gauges.of_verdict(sample.model, sample.verdict)
        if sample.decision is not None:
            gauges.of_decision(sample.model, sample.decision)
        if sample.incidents is not None:
            gauges.of_incidents(sample.model, sample.incidents)
    return generate_latest(gauges.registry)


class _Gauges:
    """One set of gauges, on a registry of its own: a model that is gone leaves nothing behind."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.readable = self._gauge("state_readable", "Whether the model's stored results can be read.")
        self.verdict = self._gauge("verdict", "Verdict on the latest window: 1 for its status.", "status")
        self.findings = self._gauge("findings", "Checks of the latest window by status.", "status")
        self.start = self._gauge("window_start_timestamp_seconds", "Start of the latest window.")
        self.final = self._gauge("window_final", "Whether the horizon of the latest window's labels has passed.")
        self.rows = self._gauge("rows", "Records in the latest window, without duplicates.")
        self.quarantined = self._gauge("quarantined_records", "Records of the latest window that could not be read.")
        self.coverage = self._gauge("label_coverage_ratio", "Share of the latest window's records that have a label.")
        self.drifted = self._gauge("features_drifted", "Features beyond their drift limit.")
        about = ("metric", "scope")
        self.performance = self._gauge("performance", "Realised performance, of a window or of the trailing.", *about)
        self.low = self._gauge("performance_lower", "Lower end of the 95 percent interval of the performance.", *about)
        self.high = self._gauge("performance_upper", "Upper end of the 95 percent interval of the performance.", *about)
        self.state = self._gauge("state", "How the model stands after the latest decision: 1 for its state.", "state")
        self.retraining = self._gauge("retraining_requested", "Whether the latest decision asks for retraining.")
        self.vetoed = self._gauge("retraining_vetoed", "Whether the latest decision has withheld retraining.")
        self.incidents = self._gauge("incidents", "Incidents after the newest run.", "severity", "state")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"model_monitor_{name}", text, ("model", *labels), registry=self.registry)

    def of_verdict(self, model: str, verdict: Verdict) -> None:
        for status in _STATUSES:
            self.verdict.labels(model, status).set(verdict.status is status)
        for status in Status:
            self.findings.labels(model, status).set(len(verdict.of_status(status)))
        self.start.labels(model).set(verdict.window.start.timestamp())
        self.final.labels(model).set(verdict.final)
        self.quarantined.labels(model).set(sum(verdict.accounting["records"]["quarantined"].values()))
        self.drifted.labels(model).set(sum(f.code is Code.FEATURE_DRIFT for f in verdict.findings))
        for name, gauge in (("rows", self.rows), ("label_coverage", self.coverage)):
            if name in verdict.numbers:
                _set(gauge, verdict.numbers[name].value, model)
        for scope, numbers in (("window", verdict.numbers), ("trailing", verdict.trailing)):
            for name, number in numbers.items():
                if name not in _NOT_PERFORMANCE:
                    _set(self.performance, number.value, model, name, scope)
                    _set(self.low, number.low, model, name, scope)
                    _set(self.high, number.high, model, name, scope)

    def of_decision(self, model: str, decision: Decision) -> None:
        for state in State:
            self.state.labels(model, state).set(decision.state is state)
        self.retraining.labels(model).set(decision.action is Action.RETRAIN)
        self.vetoed.labels(model).set(decision.action is Action.VETOED)

    def of_incidents(self, model: str, incidents: Iterable[Incident]) -> None:
        counts = Counter((incident.severity, incident.state) for incident in incidents)
        for severity in (Status.WARN, Status.FAIL):
            for state in IncidentState:
                self.incidents.labels(model, severity, state).set(counts[severity, state])


def _set(gauge: Gauge, value: float | None, *labels: str) -> None:
    """Set a gauge, unless the value is not defined: a missing series is honest, a NaN poisons sums."""
    if value is not None and math.isfinite(value):
        gauge.labels(*labels).set(value)
