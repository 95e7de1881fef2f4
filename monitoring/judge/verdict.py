"""What the checks say of one window at one revision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from monitoring.measure import Measurement
from monitoring.window import Window, iso

KIND, SCHEMA_VERSION = "verdict", 2


class Status(StrEnum):
    """How a check, or a window, turned out. `info` is evidence: it never changes a window's status."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Code(StrEnum):
    """Why a check turned out as it did."""

    WITHIN_LIMITS = "within_limits"
    NO_DATA = "no_data"
    NO_BASELINE = "no_baseline"
    TOO_FEW_ROWS = "too_few_rows"
    TOO_FEW_LABELS = "too_few_labels"
    UNTESTABLE = "untestable"
    COLUMN_MISSING = "column_missing"
    COLUMN_NEW = "column_new"
    COLUMN_ALL_NULL = "column_all_null"
    COLUMN_TYPE_CHANGED = "column_type_changed"
    NULLS_INCREASED = "nulls_increased"
    VALUES_OF_OTHER_TYPE = "values_of_other_type"
    NONFINITE_INCREASED = "nonfinite_increased"
    SCALE_CHANGED = "scale_changed"
    OUT_OF_RANGE = "out_of_range"
    COLUMN_CONSTANT = "column_constant"
    COLUMN_STALE = "column_stale"
    FEED_BROKEN = "feed_broken"
    BARRED = "barred"
    MODEL_VERSION = "model_version"
    RECORDS_REPEATED = "records_repeated"
    UNSEEN_CATEGORIES = "unseen_categories"
    RECORDS_QUARANTINED = "records_quarantined"
    EVENT_ID_REUSED = "event_id_reused"
    VOLUME_LOW = "volume_low"
    VOLUME_HIGH = "volume_high"
    HOURS_MISSING = "hours_missing"
    ERRORS_INCREASED = "errors_increased"
    FEATURE_DRIFT = "feature_drift"
    PREDICTION_DRIFT = "prediction_drift"
    LABELS_MISSING = "labels_missing"
    LABELS_LATE = "labels_late"
    LABELS_CONFLICT = "labels_conflict"
    LABELS_UNMATCHED = "labels_unmatched"
    CONCEPT_DRIFT = "concept_drift"
    WORSE_THAN_AVERAGE = "worse_than_average"
    RANKING_WORSE = "ranking_worse"
    CALIBRATION_OFF = "calibration_off"
    BIASED = "biased"
    ACCURACY_WORSE = "accuracy_worse"
    ERROR_LARGER = "error_larger"
    LOSS_HIGHER = "loss_higher"
    LOSS_EXPECTED = "loss_expected"
    SEGMENT_WORSE = "segment_worse"
    SEGMENT_SHARE = "segment_share"
    SEGMENT_PREDICTIONS = "segment_predictions"
    UNFAIR = "unfair"
    ATTRIBUTION_DRIFT = "attribution_drift"


PERFORMANCE_CHECKS = frozenset(
    {"worse_than_average", "ranking", "calibration", "bias", "accuracy", "error", "loss", "segment_loss"}
)
_ALWAYS = {"check", "subject", "status", "code", "message", "measurement", "baseline", "limit", "windows"}


@dataclass(frozen=True)
class Finding:
    """What one check says of one subject.

    Attributes:
        check: The check's key in the configuration.
        subject: The column it is about; empty for the whole window.
        status: How it turned out.
        code: Why.
        message: One sentence with the numbers.
        measurement: What was measured, None where nothing could be.
        baseline: The same measurement's ordinary value in the baseline.
        limit: The value beyond which the check fires.
        windows: How many windows the measurement looks back over.
        p_value: Probability of a value so far beyond what matters in an ordinary window; None for plain facts, and
            for limits of one's own.
        level: What the p-value was held against: the share of the alarm budget that was left to it.
        detectable: The value that would have been found with a power of 80 % in so many rows.
        group: Columns that drift together are one finding; named after one of them.
        reference: What the window was compared with; empty for the training baseline.
        impact: How much mean loss it could explain, in the loss's unit; None where that is not known.
        folded: Checks that this one explains, as `check:subject`: a column that is missing is not drifting as well.
        since: The window since when, of what lasts; empty where that is not known.
        suppressed: What would warn or fail and only informs: the name in the calendar for which it does; else empty.
    """

    check: str
    subject: str
    status: Status
    code: Code
    message: str
    measurement: Measurement | None = None
    baseline: float | None = None
    limit: float | None = None
    windows: int = 1
    p_value: float | None = None
    level: float | None = None
    detectable: float | None = None
    group: str = ""
    reference: str = ""
    impact: float | None = None
    folded: tuple[str, ...] = ()
    since: str = ""
    suppressed: str = ""

    @property
    def name(self) -> str:
        """What it is about, the same in every window."""
        return f"{self.check}:{self.group or self.subject}@{self.reference}"

    @property
    def about_performance(self) -> bool:
        """Whether it is about how well predictions met labels."""
        return self.check in PERFORMANCE_CHECKS

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what is empty is left out."""
        measured = self.measurement and dict(vars(self.measurement))
        found = {**vars(self), "measurement": measured, "folded": list(self.folded)}
        return {name: value for name, value in found.items() if name in _ALWAYS or value not in (None, "", [])}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        measurement = Measurement.from_json(data["measurement"]) if data["measurement"] else None
        return cls(
            **{
                **data,
                "status": Status(data["status"]),
                "code": Code(data["code"]),
                "measurement": measurement,
                "folded": tuple(data.get("folded", ())),
            }
        )


@dataclass(frozen=True)
class Verdict:
    """What the checks say of one window at one revision.

    Attributes:
        model: The model's name.
        window: The window.
        revision: 1 for the first look, more as labels come.
        as_of: Labels collected before this moment count.
        final: Whether the labels' horizon has passed.
        status: The worst of the findings (`info` aside).
        own_performance: How the performance checks turn out on this window's rows alone.
        headline: One sentence for people.
        findings: Every check's answer, worst first.
        numbers: Measurements of this window alone, by name.
        trailing: Measurements over the trailing windows, by name.
        trailing_windows: The labels of those windows, oldest first.
        accounting: What became of every record and label that was read.
        inputs: Versions and fingerprints of everything that the verdict depends on.
        families: By severity, how many questions were asked, the level they shared, how many were answered by an
            alarm, and how many false alarms a month of such windows would give at most.
        calendar: What the calendar says of the window, by name.
        why: Why performance is bad, as JSON values: see `monitoring.judge.why`; None where it is not.
    """

    model: str
    window: Window
    revision: int
    as_of: datetime
    final: bool
    status: Status
    own_performance: Status
    headline: str
    findings: tuple[Finding, ...]
    numbers: dict[str, Measurement]
    trailing: dict[str, Measurement]
    trailing_windows: tuple[str, ...]
    accounting: dict[str, Any]
    inputs: dict[str, Any]
    families: dict[str, Any] = field(default_factory=dict)
    calendar: tuple[str, ...] = ()
    why: dict[str, Any] | None = None

    def of_status(self, *statuses: Status) -> list[Finding]:
        """The findings with one of these statuses."""
        return [finding for finding in self.findings if finding.status in statuses]

    @property
    def performance_status(self) -> Status:
        """The worst of the performance findings; `unknown` when none could be judged."""
        about = [finding for finding in self.findings if finding.about_performance]
        return worst([finding.status for finding in about if finding.code is not Code.TOO_FEW_LABELS])

    def to_json(self) -> dict[str, Any]:
        """As the body of a document."""
        return {
            "model": self.model,
            "window": {"start": iso(self.window.start), "end": iso(self.window.end), "every": self.window.every},
            "revision": self.revision,
            "as_of": iso(self.as_of),
            "final": self.final,
            "status": self.status,
            "own_performance": self.own_performance,
            "headline": self.headline,
            "findings": [finding.to_json() for finding in self.findings],
            "numbers": {name: number.to_json() for name, number in self.numbers.items()},
            "trailing": {name: number.to_json() for name, number in self.trailing.items()},
            "trailing_windows": list(self.trailing_windows),
            "accounting": self.accounting,
            "inputs": self.inputs,
            "families": self.families,
            "calendar": list(self.calendar),
            "why": self.why,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(
            model=data["model"],
            window=Window(datetime.fromisoformat(data["window"]["start"]), data["window"]["every"]),
            revision=data["revision"],
            as_of=datetime.fromisoformat(data["as_of"]),
            final=data["final"],
            status=Status(data["status"]),
            own_performance=Status(data["own_performance"]),
            headline=data["headline"],
            findings=tuple(Finding.from_json(item) for item in data["findings"]),
            numbers={name: Measurement.from_json(item) for name, item in data["numbers"].items()},
            trailing={name: Measurement.from_json(item) for name, item in data["trailing"].items()},
            trailing_windows=tuple(data["trailing_windows"]),
            accounting=data["accounting"],
            inputs=data["inputs"],
            families=data["families"],
            calendar=tuple(data["calendar"]),
            why=data["why"],
        )


_RANK = {Status.FAIL: 4, Status.UNKNOWN: 3, Status.WARN: 2, Status.OK: 1, Status.INFO: 0}


def worst(statuses: list[Status]) -> Status:
    """The status that stands for many; `unknown` for none.

    >>> worst([Status.OK, Status.WARN]), worst([Status.INFO, Status.OK]), worst([])
    (<Status.WARN: 'warn'>, <Status.OK: 'ok'>, <Status.UNKNOWN: 'unknown'>)
    """
    return max(statuses, key=_RANK.__getitem__, default=Status.UNKNOWN)
