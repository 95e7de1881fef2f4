"""What may stand in the blocks `capture` and `columns` of a model: where the logs are, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from monitoring.config.values import Duration, Folders, Formats, Label, Strict

# What a feature is in the captures, and what is kept of it
CapturedType = Literal["numeric", "categorical", "text"]
FeatureType = Literal["numeric", "categorical"]
Task = Literal["binary", "multiclass", "regression"]


class Csv(Strict):
    """How CSV objects are written, for the format `csv`."""

    delimiter: str = Field(",", min_length=1, max_length=1, description="One character between two fields.")
    header: bool = Field(True, description="Whether the first line names the columns; else `columns` says them.")
    columns: list[str] = Field([], description="Names of the fields of a file without a header, by position.")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = Field("utf-8", description="Of the text. A BOM is skipped.")

    @model_validator(mode="after")
    def _names(self) -> Self:
        if not self.header and not self.columns:
            raise ValueError("a file without a header needs `columns`: the names of its fields, in their order")
        return self


class Capture(Strict):
    """Where the inference logs are."""

    format: Formats = Field(
        ["sagemaker"],
        min_length=1,
        description="How the records are written: a format of the [list](formats.md), or one that a package of yours"
        " adds. With several, each object is read by the first one that knows it.",
    )
    uri: str = Field(
        description="Prefix over the folders: `s3://bucket/prefix`, an absolute path, or a path inside the monitor's"
        " own store."
    )
    folders: Folders = Field(
        "%Y/%m/%d/%H",
        description="How folders below the prefix name a time in UTC, with `%Y`, `%m`, `%d` and `%H`, such as"
        " `dt=%Y-%m-%d/hour=%H`. Empty: there are none.",
    )
    dated_by: Literal["inference", "delivery", "nothing"] | None = Field(
        None,
        description="What the time of an object says. `inference`: when the inferences in it were made. `delivery`:"
        " when it came. `nothing`: each object is read once, by the first run that finds it. Default: `inference`"
        " with folders, `nothing` without.",
    )
    late: Duration = Field(
        timedelta(days=3),
        description="How long after a window captures may still come: they make a new revision. 3d: a long weekend."
        " What comes later is set aside.",
    )
    batch_bytes: int = Field(
        64 * 2**20, gt=0, description="Objects are read in batches of about this size, one Airflow task each."
    )
    csv: Csv = Field(Csv(), description="For `format: csv`.")

    @model_validator(mode="after")
    def _folders_for_inferences(self) -> Self:
        if self.dated_by == "inference" and not self.folders:
            raise ValueError("dated_by: inference needs folders that name the time")
        return self

    @property
    def dates(self) -> Literal["inference", "delivery", "nothing"]:
        """What the time of an object says."""
        return self.dated_by or ("inference" if self.folders else "nothing")

    @property
    def hourly(self) -> bool:
        """Whether folders name the hour, and not only the day."""
        return "%H" in self.folders


# So many rows stand behind a value that is told, where nothing else is configured
_LEAST_ROWS = 5


class Privacy(Strict):
    """What is kept of the values that were captured. It is applied before anything is stored."""

    columns: dict[str, Literal["keep", "drop", "hash"] | list[float]] = Field(
        {},
        description="Per feature or segment: `keep` (default); `drop`: nothing of it is stored; `hash`: a keyed hash"
        " instead of the value, as a category; a list of numbers: only the interval between two of them, as a"
        " category.",
    )
    fold_below: int = Field(
        0,
        ge=0,
        description="A category that fewer training rows than this hold is stored as `(rare)`; and in a window one that"
        " the baseline does not have, and fewer rows of a batch hold. 0: none is.",
    )
    show_rows: bool = Field(
        False,
        description="Whether values of single rows may stand in a report: rare categories, the lowest and the highest"
        " number, and the rows that Evidently's presets draw.",
    )

    @field_validator("columns")
    @classmethod
    def _edges(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, rule in value.items():
            if isinstance(rule, list) and (not rule or sorted(set(rule)) != rule or not all(map(math.isfinite, rule))):
                raise ValueError(f"{name}: the numbers of a bucket are finite and ascend")
        return value

    @property
    def least_rows(self) -> int:
        """How many rows have to stand behind a value that is told; 1 when values of single rows may be."""
        return 1 if self.show_rows else self.fold_below or _LEAST_ROWS

    @property
    def hides(self) -> bool:
        """Whether any column is kept otherwise than it was captured."""
        return any(rule != "keep" for rule in self.columns.values())


class Columns(Strict):
    """What the columns of a record mean."""

    task: Task = Field(
        "binary",
        description="What the model predicts. The score is the probability of the positive class (`binary`), that of"
        " the predicted class (`multiclass`), or the prediction itself (`regression`).",
    )
    features: dict[str, CapturedType] = Field(
        {},
        description="Every feature and its type. CSV payloads are read by position in this order. Of a `text` only"
        " its length in characters is kept.",
    )
    outputs: list[str] = Field(
        ["score"],
        description="Names of the fields of a response without names, by position. Empty: responses are not captured."
        " Default with `probabilities`: their fields.",
    )
    score: str = Field(
        "score",
        description="The response field that holds the score; empty: there is none. Default with `probabilities`:"
        " none, and the score is the largest of them.",
    )
    prediction: str = Field(
        "",
        description="The response field that holds the predicted class. Empty: `threshold` decides (`binary`), or the"
        " largest of the `probabilities` (`multiclass`).",
    )
    probabilities: dict[Label, str] = Field(
        {},
        description="For `multiclass`: each class, and the response field that holds its probability. Training rows"
        " have columns with the names of the fields. Of classes that are equally probable the first one counts.",
    )
    threshold: float = Field(0.5, ge=0, le=1, description="A score at or above it counts as a positive prediction.")
    positive: Label = Field("1", description="The label that means the positive class; every other label is negative.")
    event_id: str = Field("", description="The column with the event id, where the format does not say it.")
    event_time: str = Field(
        "",
        description="The column with the time of the inference, where the format does not say it: ISO 8601, or a"
        " number of seconds, milli-, micro- or nanoseconds since 1970. Without one it is the time of the object.",
    )
    model_version: str = Field("model_version", description="The column or attribute with the model's version.")
    latency_ms: str = Field("latency_ms", description="The column or attribute with the milliseconds of the call.")
    status: str = Field("status", description="The column or attribute with the HTTP status of the response.")
    segments: list[str] = Field([], description="Columns or attributes that tell groups of inferences apart.")
    attributions: dict[str, str] = Field(
        {},
        description="How much each feature mattered to a prediction, such as SHAP values: a feature, and the column or"
        " attribute that holds its number. Training rows have columns of the same names. Of a feature that `privacy`"
        " does not keep as it is, none is stored.",
    )
    references: list[str] = Field(
        [], description="Columns that hold the URI of an input which is stored elsewhere, such as an image."
    )
    ignored: list[str] = Field(
        [], description="Columns of the request that are known and not watched: they are not reported as new."
    )
    paths: dict[str, str] = Field(
        {},
        description="Where a column is in a record, if its name does not say it: `{age: customer.age, first:"
        " 'x[0]'}`. Names that are not in the request are looked for in the response.",
    )
    privacy: Privacy = Field(Privacy(), description="What is kept of the values.")

    @model_validator(mode="before")
    @classmethod
    def _answers_are_probabilities(cls, data: Any) -> Any:
        """What is not said of a response's fields follows from its probabilities."""
        given = data.get("probabilities") if isinstance(data, dict) else None
        if not isinstance(given, dict) or not given:
            return data
        return {"score": "", "outputs": list(given.values()), **data}

    @model_validator(mode="after")
    def _probabilities_of_classes(self) -> Self:
        if not self.probabilities:
            return self
        if self.task != "multiclass":
            raise ValueError(f"probabilities are for task multiclass; a {self.task} model has a score")
        if len(self.probabilities) < 2:
            raise ValueError("probabilities: give those of two classes or more")
        if not self.outputs:
            raise ValueError("probabilities are fields of a response, and without outputs responses are not captured")
        if not all((*self.probabilities, *self.probabilities.values())):
            raise ValueError("probabilities: a class or a field has no name")
        _refuse_repeated("probabilities", self.probabilities.values())
        return self

    @model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        if not self.features and not self.outputs:
            raise ValueError("there is nothing to watch: give features or outputs")
        _refuse_repeated("outputs", self.outputs)
        _refuse_repeated("segments", self.segments)
        _refuse_repeated("attributions", self.attributions.values())
        if stray := sorted(set(self.attributions) - set(self.features)):
            raise ValueError(f"attributions: {stray[0]!r} is no feature")
        unknown = set(self.privacy.columns) - set(self.features) - set(self.segments)
        if unknown:
            raise ValueError(f"privacy: {sorted(unknown)[0]!r} is neither a feature nor a segment")
        for name, rule in self.privacy.columns.items():
            if isinstance(rule, list) and self.features.get(name) != "numeric":
                raise ValueError(f"privacy: {name!r} is not numeric and has no intervals")
            if rule == "hash" and self.features.get(name) == "text":
                raise ValueError(f"privacy: of the text {name!r} only its length is kept, which needs no hash")
        return self

    @property
    def stored(self) -> dict[str, FeatureType]:
        """Every feature that is kept, and what it is then.

        >>> Columns(features={"age": "numeric", "note": "text"}, privacy={"columns": {"age": [18, 65]}}).stored
        {'age': 'categorical', 'note': 'numeric'}
        """
        found: dict[str, FeatureType] = {}
        for name, kind in self.features.items():
            rule = self.privacy.columns.get(name, "keep")
            if rule == "hash" or isinstance(rule, list):
                found[name] = "categorical"
            elif rule != "drop":
                found[name] = "categorical" if kind == "categorical" else "numeric"
        return found

    @property
    def stored_segments(self) -> list[str]:
        """Every segment that is kept."""
        return [name for name in self.segments if self.privacy.columns.get(name) != "drop"]

    @property
    def stored_attributions(self) -> list[str]:
        """Every feature whose attributions are kept: those of a number tell much of the number."""
        return [name for name in self.attributions if self.privacy.columns.get(name, "keep") == "keep"]

    @property
    def answers(self) -> tuple[str, ...]:
        """The fields of a response that mean something: the score, the predicted class, the probabilities.

        >>> Columns(features={"age": "numeric"}).answers
        ('score',)
        """
        return tuple(name for name in (self.score, self.prediction, *self.probabilities.values()) if name)

    @property
    def hides(self) -> bool:
        """Whether anything is kept otherwise than it was captured, so that the bytes of a record may not be kept."""
        return self.privacy.hides or self.privacy.fold_below > 0 or "text" in self.features.values()

    def path(self, name: str) -> str:
        """Where a column is in a record."""
        return self.paths.get(name, name)


def _refuse_repeated(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: {name!r} stands twice")
        seen.add(name)
