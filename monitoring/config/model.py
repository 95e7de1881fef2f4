"""What may stand in `models/NAME.yaml`, with every default and its reason."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from monitoring.config.calendar import CalendarEntry
from monitoring.config.capture import Capture, Columns
from monitoring.config.checks import Alarms, Checks
from monitoring.config.incidents import Incidents
from monitoring.config.labels import Labels
from monitoring.config.references import Reference, require_references
from monitoring.config.values import Duration, Strict
from monitoring.documents import fingerprint
from monitoring.window import LENGTHS, Every

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
    sagemaker: bool = Field(
        False,
        description="Whether each look also writes `statistics.json` and `constraint_violations.json` in the shapes of"
        " SageMaker Model Monitor, with the lowest and the highest number of each column and the names of categories.",
    )


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
    alarms: Alarms = Alarms()
    incidents: Incidents = Field(Incidents(), description="When a finding becomes an incident, and when it is over.")
    references: list[Reference] = Field(
        [], description="What drift is judged against beside the baseline, which is always there: see below."
    )
    calendar: list[CalendarEntry] = Field([], description="Days on which things are known to be different.")
    policy: Policy = Policy()

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name in _RESERVED:
            raise ValueError(f"the store keeps {self.name!r} for itself; choose another name")
        return self

    @model_validator(mode="after")
    def _references_that_can_be_made(self) -> Self:
        require_references(self.references, self.every, self.trailing_windows)
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
        exclude = {"policy", "report", "description", "owner", "incidents"}
        settings: dict[str, Any] = self.model_dump(mode="json", exclude=exclude)
        return fingerprint(settings)


def dag_id(model: str) -> str:
    """The id of a model's monitoring DAG.

    >>> dag_id("flight-delay")
    'monitor_flight_delay'
    """
    return f"monitor_{model.replace('-', '_')}"
