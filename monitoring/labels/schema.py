"""The columns of labels, as every reader gives them and as they are stored."""

from __future__ import annotations

import pyarrow as pa

from monitoring.config import ModelConfig


def _schema(label: pa.DataType) -> pa.Schema:
    return pa.schema(
        [
            pa.field("event_id", pa.string(), nullable=False),
            pa.field("label", label, nullable=False),
            pa.field("weight", pa.float64()),
            pa.field("label_time", pa.timestamp("us", tz="UTC")),
        ]
    )


# Labels that are classes, spelled by `monitoring.config.values.plain_label`
LABEL_SCHEMA = _schema(pa.string())
# Labels that are finite numbers
NUMBER_SCHEMA = _schema(pa.float64())


def label_schema(config: ModelConfig) -> pa.Schema:
    """The schema of a model's labels: classes, or the numbers of a regression.

    Weights are finite and at least 0; null stands for a row that counts once. A label's time is null where it is
    not known.
    """
    return NUMBER_SCHEMA if config.columns.task == "regression" else LABEL_SCHEMA
