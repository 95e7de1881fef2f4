"""What may stand in `models/NAME.yaml`, with every default and its reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from monitoring.config.capture import Capture, Columns
from monitoring.config.labels import Labels
from monitoring.config.values import Duration, Strict
from monitoring.documents import fingerprint
from monitoring.window import LENGTHS, Every

# YAML reads a bare `off` as false
Severity = Annotated[
    Literal["fail", "warn", "info", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]


_RESERVED = ("site", "serving")


class Schedule(Strict):
    """When the model is looked at."""

    every: Every = Field("day", description="Length of a window: `hour`, `day` or `week` (from Monday), in UTC.")
    settle: Duration = Field(
        timedelta(hours=6),
        description="How long after a window's end it is measured. Captures are delivered minutes late, most"
        " labels later. What comes after this makes a new revision.",
    )
    start: date | None = Field(
        None, description="First day to monitor. Airflow schedules nothing before it; without it, today."
    )

    end: date | None = Field(
        None,
        description="Last day to monitor; later runs are skipped, so that the last windows stay provisional.",
    )

    @model_validator(mode="after")
    def _settle_within_a_window(self) -> Self:
        if self.settle >= LENGTHS[self.every]:
            raise ValueError(f"settle must be shorter than a window ({self.every})")
        if self.start and self.end and self.end < self.start:
            raise ValueError("end lies before start")
        return self


class Baseline(Strict):
    """The training rows that every window is compared with."""

    uri: str = Field(description="A Parquet or CSV file: features, a score, a label and a time per row.")
    time: str = Field("event_time", description="Column with the time of the row, for the ordinary spread.")
    score: str = Field(
        "score",
        description="Column with the model's score. Use scores from held-out folds: a model flatters itself on"
        " the rows that it was fitted to.",
    )
    label: str = Field("label", description="Column with the label.")


class ReportConfig(Strict):
    """What the HTML report holds."""

    native: Literal["always", "findings", "never"] = Field(
        "always",
        description="When to add Evidently's own presets on a sample of rows (about 5 CPU-seconds a report):"
        " always, only with a finding that warns or fails, or never.",
    )
    sample_rows: int = Field(20_000, ge=100, description="Rows in the sample for Evidently's presets.")


class CheckRule(Strict):
    """One check: how much it matters, and how far a measurement may move before it says so.

    A check fires when the measurement is further from the baseline than `tolerance` **and** further than
    `sigmas` ordinary standard deviations of windows like it. The first asks whether it matters, the second
    whether it is more than noise.
    """

    severity: Severity = Field(description="`fail` pages, `warn` tells, `info` is evidence only, `off` is off.")
    tolerance: float = Field(0.0, ge=0, description="Smallest change that matters, in the measurement's unit.")
    sigmas: float = Field(3.0, ge=0, description="Smallest change in standard deviations of baseline windows.")
    min_rows: int = Field(200, ge=1, description="Fewer rows than this give `unknown`.")


_USELESS = {
    "schema": ("tolerance", "sigmas", "min_rows"),
    "quarantine": ("sigmas", "min_rows"),
    "volume": ("min_rows",),
    "event_ids": ("sigmas", "min_rows"),
    "label_coverage": ("sigmas", "min_rows"),
    "label_conflicts": ("sigmas", "min_rows"),
    "unmatched_labels": ("sigmas", "min_rows"),
}


class Checks(Strict):
    """All checks, with their defaults: a model without this block is monitored with them."""

    schema_: CheckRule = Field(
        CheckRule(severity="fail", min_rows=1),
        alias="schema",
        description="Columns that are missing, entirely null or of another type fail; a new column informs.",
    )
    nulls: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.1),
        description="Share of nulls per feature. 0.1: below a tenth of the rows models usually cope.",
    )
    unseen: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05),
        description="Share of categories per feature that the baseline never saw.",
    )
    quarantine: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.01, min_rows=1),
        description="Share of records that could not be read.",
    )
    event_ids: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.001, min_rows=1),
        description="Share of records with the event id of another record that says something else: which of them a"
        " label belongs to is not known. 0.001: one in a thousand is somebody's retry.",
    )
    volume: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.5, sigmas=4.0, min_rows=1),
        description="Rows in the window, as a share of the baseline's mean. 0.5: half or one and a half times.",
    )
    gaps: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.25, min_rows=1),
        description="Share of the window's hours without any record, against the baseline.",
    )
    errors: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.01),
        description="Share of responses with status 500 or above, where the capture has a status.",
    )
    feature_drift: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.1, sigmas=2.0),
        description="Jensen-Shannon distance per feature. Evidence only: inputs move all the time and models"
        " mostly do not mind. As it wakes nobody it may look closer, at 2 deviations.",
    )
    prediction_drift: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.1, sigmas=2.0),
        description="Jensen-Shannon distance of the score. Evidence, like the drift of features.",
    )
    label_coverage: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.25, min_rows=1),
        description="Share of rows that have a label, judged when the window is final.",
    )
    label_conflicts: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.01, min_rows=1),
        description="Share of labelled rows that were given different labels at one and the same time, so that it is"
        " not known which is right. A label that a later one corrects is no conflict.",
    )
    unmatched_labels: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.05, min_rows=1),
        description="Share of labels whose event was never captured. Evidence only: several models may share a feed of"
        " labels.",
    )
    label_delay: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1, sigmas=3.3),
        description="Share of rows that have a label by now, against what earlier windows had at this age. Labels that"
        " come slower than usual, or have stopped. `tolerance`: how much of the rows may lack a label that should be"
        " there. `sigmas`: how rare that is among earlier windows.",
    )
    concept_drift: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, sigmas=3.5),
        description="Realised less estimated loss of the labelled rows: what the relation of inputs and labels has"
        " changed, since other inputs are in the estimate. `tolerance` is a share of the baseline's mean loss, `sigmas`"
        " are standard errors. The loss is the Brier score, without probabilities the error rate, for numbers the mean"
        " absolute error.",
    )
    accuracy: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.05),
        description="Share of right predictions of a classifier with several classes; `tolerance`: how far below the"
        " baseline's.",
    )
    error: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.2),
        description="Mean absolute error of a regression; `tolerance`: how far above the baseline's, as a share of it.",
    )
    worse_than_average: CheckRule = Field(
        CheckRule(severity="fail", sigmas=2.0),
        description="Brier skill score below 0 by more than `tolerance`: always predicting the average rate would"
        " have been better. `sigmas` are standard errors: with 2 the upper end of the interval must be below.",
    )
    ranking: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.25),
        description="ROC AUC. `tolerance` is the share of the baseline's lead over chance (AUC - 0.5) that is lost.",
    )
    calibration: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1),
        description="Mean score minus the rate of positive labels.",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_other_defaults(cls, data: Any) -> Any:
        """A check that is given in part keeps its other defaults; a setting that it has no use for is refused."""
        if not isinstance(data, dict):
            return data
        defaults = {field.alias or name: field.default for name, field in cls.model_fields.items()}
        for name, rule in data.items():
            for key in _USELESS.get(name, ()) if isinstance(rule, dict) else ():
                if key in rule and rule[key] != getattr(defaults[name], key):
                    raise ValueError(f"the check {name} has no use for {key!r}")
        return {
            name: {**defaults[name].model_dump(), **rule} if name in defaults and isinstance(rule, dict) else rule
            for name, rule in data.items()
        }


class RetrainPolicy(Strict):
    """When retraining is asked for."""

    confirm: tuple[int, int] = Field(
        (3, 5),
        description="k of m: of the last m windows with known performance, at least k must fail on their own rows."
        " Trailing windows overlap, so that one bad day fails a week of them; three bad days of five are no"
        " accident.",
    )
    cooldown: Duration = Field(timedelta(days=14), description="No second request within this time.")
    min_labels: int = Field(2000, ge=1, description="Labelled rows since the baseline that must be there.")
    trigger: str = Field(
        "asset",
        pattern=r"^(asset|dag:[A-Za-z0-9_.-]+)$",
        description="`asset` emits an event on the model's retraining asset; `dag:NAME` starts that DAG.",
    )

    @model_validator(mode="after")
    def _k_of_m(self) -> Self:
        if not 1 <= self.confirm[0] <= self.confirm[1]:
            raise ValueError("confirm is [k, m]: k at least 1 and at most m")
        return self


class SmtpChannel(Strict):
    """An e-mail through an Airflow SMTP connection."""

    kind: Literal["smtp"]
    connection: str = Field("smtp_default", description="Airflow connection id.")
    to: list[str] = Field(min_length=1, description="Recipients.")


class WebhookChannel(Strict):
    """A JSON POST through an Airflow HTTP connection: generic, or what Slack's incoming webhooks expect."""

    kind: Literal["webhook", "slack"]
    connection: str = Field(
        description="Airflow connection id; its host is the URL. Its password is a bearer token (webhook) or the"
        " secret rest of the URL (slack)."
    )


Channel = Annotated[SmtpChannel | WebhookChannel, Field(discriminator="kind")]


class Policy(Strict):
    """What is done about a verdict."""

    retrain: RetrainPolicy | None = Field(None, description="Without this block retraining is never asked for.")
    notify: list[Channel] = Field([], description="Who is told when the model's state changes.")
    report_url: str = Field("", description="Where the reports are served, for links in messages.")


class ModelConfig(Strict):
    """One monitored model: the whole of `models/NAME.yaml`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The file's name without `.yaml`.")
    description: str = Field("", description="One sentence for people who meet the model in a report.")
    owner: str = Field("", description="Who answers for the model.")
    schedule: Schedule = Schedule()
    trailing: int | None = Field(
        None,
        ge=1,
        le=90,
        description="How many windows drift and performance look back over, this one included. Default: a"
        " week of days, a day of hours, four weeks; a whole cycle, so that a Sunday is not compared with a week.",
    )
    capture: Capture
    labels: Labels | None = None
    columns: Columns
    baseline: Baseline | None = Field(
        None, description="Without it a window is read, profiled and accounted for, and its verdict is `unknown`."
    )
    report: ReportConfig = ReportConfig()
    checks: Checks = Checks()
    policy: Policy = Policy()

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name in _RESERVED:
            raise ValueError(f"the store keeps {self.name!r} for itself; choose another name")
        return self

    @model_validator(mode="after")
    def _folders_that_tell_windows_apart(self) -> Self:
        if self.schedule.every == "hour" and self.capture.dates == "inference" and not self.capture.hourly:
            raise ValueError("capture.folders must name the hour (%H) for windows of an hour")
        return self

    @property
    def every(self) -> Every:
        """Length of a window."""
        return self.schedule.every

    @property
    def trailing_windows(self) -> int:
        """How many windows drift and performance look back over."""
        return self.trailing or {"hour": 24, "day": 7, "week": 4}[self.schedule.every]

    @property
    def dag_id(self) -> str:
        """The id of the monitoring DAG."""
        return dag_id(self.name)

    def fingerprint(self) -> str:
        """A hash of everything that can change a verdict (not of who is told, or how it is shown)."""
        settings: dict[str, Any] = self.model_dump(mode="json", exclude={"policy", "report", "description", "owner"})
        return fingerprint(settings)


def dag_id(model: str) -> str:
    """The id of a model's monitoring DAG.

    >>> dag_id("flight-delay")
    'monitor_flight_delay'
    """
    return f"monitor_{model.replace('-', '_')}"
