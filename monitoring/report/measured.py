"""The performance of windows, as looks have written it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from monitoring import documents
from monitoring.engine.assessment import KIND, SCHEMA_VERSION
from monitoring.judge import Verdict
from monitoring.measure import Measurement
from monitoring.measure.series import Performance
from monitoring.monitor import Monitor
from monitoring.window import Window


@dataclass(frozen=True, eq=False)
class SeriesPoint:
    """One window of the performance series.

    Attributes:
        window: The window.
        revision: The look.
        performance: The performance of its own rows.
        age: Hours from its end to what the look knew of its labels.
    """

    window: Window
    revision: int
    performance: Performance
    age: float


@dataclass(frozen=True, eq=False)
class Measured:
    """What one look measured of performance.

    Attributes:
        own: The performance of the window's rows.
        trailing: That of the trailing windows' rows.
        final: Whether no more labels are waited for.
        age: Hours from the window's end to what the look knew of its labels.
        loss: The number that losses by cell average to.
        loss_title: What it is called.
        ordinary_loss: The baseline's mean loss, None without labels in it.
        maturity: How labels have come in windows before, as `MaturityCurve.to_json` tells it; None where nothing is
            known of that.
        lateness: The window's share of labelled rows less what is usual at its age.
        segments: The performance of each value of each segment, over the trailing windows.
        explanation: What became of the loss, as `Explanation.to_json` tells it; None where it was not asked for.
    """

    own: Performance
    trailing: Performance
    final: bool
    age: float
    loss: str
    loss_title: str
    ordinary_loss: float | None
    maturity: Mapping[str, Any] | None
    lateness: Measurement | None
    segments: Mapping[str, Mapping[str, Performance]]
    explanation: Mapping[str, Any] | None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """From the document of a look."""
        segments = {
            segment: {value: Performance.from_json(item) for value, item in values.items()}
            for segment, values in body["segments"].items()
        }
        return cls(
            own=Performance.from_json(body["window"]),
            trailing=Performance.from_json(body["trailing"]),
            final=body["final"],
            age=body["age_hours"],
            loss=body["loss"],
            loss_title=body["loss_title"],
            ordinary_loss=body["ordinary_loss"],
            maturity=body["maturity"],
            lateness=body["lateness"] and Measurement.from_json(body["lateness"]),
            segments=segments,
            explanation=body["explanation"],
        )

    def loss_gap(self, performance: Performance) -> Measurement | None:
        """Realised less estimated loss of some labelled rows; above 0 is worse."""
        found = performance.gap.get(self.loss)
        if found is None or found.value is None or self.loss != "accuracy":
            return found
        # the error rate is what accuracy leaves
        low, high = (None if end is None else -end for end in (found.high, found.low))
        return replace(found, name="error_rate", value=-found.value, low=low, high=high, direction="high")


def load_measured(monitor: Monitor, verdict: Verdict) -> Measured | None:
    """What a look measured; None of a look that an older release took."""
    body = _load(monitor, verdict)
    return None if body is None else Measured.from_json(body)


def load_point(monitor: Monitor, verdict: Verdict) -> SeriesPoint | None:
    """The same for the series: of the window's own rows alone."""
    body = _load(monitor, verdict)
    if body is None:
        return None
    return SeriesPoint(verdict.window, verdict.revision, Performance.from_json(body["window"]), body["age_hours"])


def _load(monitor: Monitor, verdict: Verdict) -> dict[str, Any] | None:
    key = monitor.layout.performance(verdict.window, verdict.revision)
    if not monitor.store.exists(key):
        return None
    return documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)


def shown(number: Measurement | None, least: int) -> Measurement | None:
    """A number if it is defined and enough rows stand behind it: of fewer, it may tell a value of one of them."""
    return number if number is not None and number.value is not None and number.rows >= least else None


def shown_number(numbers: Mapping[str, Measurement], name: str, least: int) -> Measurement | None:
    """The same of one of many numbers."""
    return shown(numbers.get(name), least)
