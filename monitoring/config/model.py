"""What may stand in `models/NAME.yaml`, with every default and its reason."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from monitoring.documents import fingerprint
from monitoring.window import LENGTHS, Every

_LONGEST, _LONGEST_DAYS = 1_000_000, 730
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(value: object) -> timedelta:
    """A length of time such as `30m`, `6h`, `3d` or `2w`.

    >>> parse_duration("6h")
    datetime.timedelta(seconds=21600)
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([mhdw])", str(value))
    if match is None:
        raise ValueError("write a duration as a number and a unit: 30m, 6h, 3d or 2w")
    number = int(match[1])
    if number > _LONGEST:
        raise ValueError(f"at most {_LONGEST} of a unit")
    duration = timedelta(**{_UNITS[match[2]]: number})
    if duration > timedelta(days=_LONGEST_DAYS):
        raise ValueError(f"at most {_LONGEST_DAYS}d")
    return duration


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back.

    >>> format_duration(timedelta(hours=48))
    '2d'
    """
    minutes = int(value.total_seconds() // 60)
    for unit, size in (("w", 10080), ("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]
# YAML reads a bare `off` as false
Severity = Annotated[
    Literal["fail", "warn", "info", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]
FeatureType = Literal["numeric", "categorical"]


_RESERVED = ("site", "serving")


def plain_label(text: str) -> str:
    """One spelling for a label, whichever way its number was written.

    >>> plain_label("1.0"), plain_label("1"), plain_label("late")
    ('1', '1', 'late')
    """
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text.strip())


def _label(value: object) -> object:
    # YAML reads a bare `yes` as true, and no label is spelt so: only numbers are taken for texts
    return plain_label(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Label = Annotated[str, BeforeValidator(_label)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(_Strict):
    """When the model is looked at."""

    every: Every = Field("day", description="Length of a window: `hour`, `day` or `week` (from Monday), in UTC.")
    settle: Duration = Field(
        timedelta(hours=6),
        description="How long after a window's end it is measured. Captures are delivered minutes late, most"
        " labels later. A label that comes after this makes a new revision; a capture that comes after it is not"
        " read.",
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


class Capture(_Strict):
    """Where the inference logs are."""

    format: Literal["sagemaker"] = Field("sagemaker", description="How the records are written.")
    uri: str = Field(
        description="Prefix over the `yyyy/mm/dd/hh/` folders: `s3://bucket/prefix`, an absolute path, or a path"
        " inside the monitor's own store."
    )
    batch_bytes: int = Field(
        64 * 2**20, gt=0, description="Objects are read in batches of about this size, one Airflow task each."
    )


class Labels(_Strict):
    """Where the ground truth arrives."""

    format: Literal["sagemaker"] = Field("sagemaker", description="How the labels are written.")
    uri: str = Field(description="Prefix over the `yyyy/mm/dd/hh/` folders, by the hour of collection.")
    horizon: Duration = Field(
        timedelta(days=30),
        description="How long a window waits for labels. When it has passed the window is final; a label that"
        " comes later changes nothing.",
    )


class Columns(_Strict):
    """What the columns of a record mean."""

    features: dict[str, FeatureType] = Field(
        description="Every feature and its type. CSV payloads are read by position in this order.", min_length=1
    )
    outputs: list[str] = Field(
        ["score"], description="Names of the fields of a CSV response, by position. JSON responses carry names."
    )
    score: str = Field("score", description="The response field that holds the probability of the positive class.")
    threshold: float = Field(0.5, ge=0, le=1, description="A score at or above it counts as a positive prediction.")
    positive: Label = Field("1", description="The label that means the positive class; every other label is negative.")


class Baseline(_Strict):
    """The training rows that every window is compared with."""

    uri: str = Field(description="A Parquet or CSV file: features, a score, a label and a time per row.")
    time: str = Field("event_time", description="Column with the time of the row, for the ordinary spread.")
    score: str = Field(
        "score",
        description="Column with the model's score. Use scores from held-out folds: a model flatters itself on"
        " the rows that it was fitted to.",
    )
    label: str = Field("label", description="Column with the label.")


class ReportConfig(_Strict):
    """What the HTML report holds."""

    native: Literal["always", "findings", "never"] = Field(
        "always",
        description="When to add Evidently's own presets on a sample of rows (about 5 CPU-seconds a report):"
        " always, only with a finding that warns or fails, or never.",
    )
    sample_rows: int = Field(20_000, ge=100, description="Rows in the sample for Evidently's presets.")


class CheckRule(_Strict):
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
    "label_coverage": ("sigmas", "min_rows"),
}


class Checks(_Strict):
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


class RetrainPolicy(_Strict):
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


class SmtpChannel(_Strict):
    """An e-mail through an Airflow SMTP connection."""

    kind: Literal["smtp"]
    connection: str = Field("smtp_default", description="Airflow connection id.")
    to: list[str] = Field(min_length=1, description="Recipients.")


class WebhookChannel(_Strict):
    """A JSON POST through an Airflow HTTP connection: generic, or what Slack's incoming webhooks expect."""

    kind: Literal["webhook", "slack"]
    connection: str = Field(
        description="Airflow connection id; its host is the URL. Its password is a bearer token (webhook) or the"
        " secret rest of the URL (slack)."
    )


Channel = Annotated[SmtpChannel | WebhookChannel, Field(discriminator="kind")]


class Policy(_Strict):
    """What is done about a verdict."""

    retrain: RetrainPolicy | None = Field(None, description="Without this block retraining is never asked for.")
    notify: list[Channel] = Field([], description="Who is told when the model's state changes.")
    report_url: str = Field("", description="Where the reports are served, for links in messages.")


class ModelConfig(_Strict):
    """One monitored model: the whole of `models/NAME.yaml`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="The file's name without `.yaml`.")
    description: str = Field("", description="One sentence for people who meet the model in a report.")
    owner: str = Field("", description="Who answers for the model.")
    task: Literal["binary"] = Field("binary", description="What the model predicts.")
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
    baseline: Baseline
    report: ReportConfig = ReportConfig()
    checks: Checks = Checks()
    policy: Policy = Policy()

    @model_validator(mode="after")
    def _name_is_free(self) -> Self:
        if self.name in _RESERVED:
            raise ValueError(f"the store keeps {self.name!r} for itself; choose another name")
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
