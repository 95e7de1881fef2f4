"""What may stand in the block `labels` of a model: where the ground truth arrives, and how it is written."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from monitoring.config.capture import Csv
from monitoring.config.values import Duration, Folders, Formats, Strict


class Labels(Strict):
    """Where the ground truth arrives."""

    format: Formats = Field(
        ["sagemaker"],
        min_length=1,
        description="How the labels are written: a format of the [list](labels.md), or one that a package of yours"
        " adds. With several, each object is read by the first one that knows it.",
    )
    uri: str = Field(
        description="Prefix over the folders: `s3://bucket/prefix`, an absolute path, or a path inside the monitor's"
        " own store."
    )
    folders: Folders = Field(
        "%Y/%m/%d/%H",
        description="How folders below the prefix name the time of collection in UTC, like `capture.folders`. Empty:"
        " there are none.",
    )
    horizon: Duration = Field(
        timedelta(days=30),
        description="How long a window waits for labels. When it has passed the window is final; a label that"
        " comes later changes nothing.",
    )
    final_coverage: float | None = Field(
        None,
        gt=0,
        le=1,
        description="A window is final before its horizon once this share of its rows has a label. Without it,"
        " only the horizon makes it final.",
    )
    event_id: str = Field("event_id", min_length=1, description="The column with the event id; not of `sagemaker`.")
    label: str = Field(
        "label", min_length=1, description="The column with the label: a class, or a number (`regression`)."
    )
    weight: str = Field(
        "", description="The column with the row's weight, a number of at least 0. Empty: every row counts once."
    )
    label_time: str = Field(
        "",
        description="The column with the time at which the label became known, written like"
        " `columns.event_time`. Empty: there is none.",
    )
    paths: dict[str, str] = Field(
        {},
        description="Where a column is in a record, if its name does not say it: `{label: outcome.class}`.",
    )
    csv: Csv = Field(Csv(), description="For `format: csv`.")

    def path(self, name: str) -> str:
        """Where a column is in a record."""
        return self.paths.get(name, name)
