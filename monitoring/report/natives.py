"""Evidently's own presets on a bounded sample of rows: for exploring, never for a verdict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from monitoring.baseline import load_sample
from monitoring.capture.records import FEATURE_PREFIX
from monitoring.engine.local import load_records
from monitoring.judge import Status, Verdict
from monitoring.labels import join
from monitoring.labels.epochs import EpochReader
from monitoring.monitor import Monitor
from monitoring.report.facts import Facts, epoch_of
from monitoring.report.metrics import their_warnings_ignored
from monitoring.sampling import bottom_k

if TYPE_CHECKING:
    import pandas as pd

# What Evidently raises on data that it cannot take: see `Outcome.failed`
_THEIR_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_SCORE, _PREDICTION, _LABEL = "(score)", "(prediction)", "(label)"
# Larger numbers overflow in Evidently's histograms
_HUGE = 1e150


@dataclass(frozen=True)
class Sample:
    """Rows of the window and of the baseline, as Evidently takes them.

    Attributes:
        current: Rows of the window.
        reference: Rows of the baseline.
        numeric: Numeric columns to show.
        categorical: Categorical columns to show.
        remarks: What had to be left out.
    """

    current: pd.DataFrame
    reference: pd.DataFrame
    numeric: list[str]
    categorical: list[str]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of one preset.

    Attributes:
        title: Its name.
        widgets: What it drew; empty when it could not be computed.
        failed: Why it could not be computed; empty when it was.
    """

    title: str
    widgets: tuple[Any, ...] = ()
    failed: str = ""


@dataclass(frozen=True)
class Exploration:
    """The presets' outcomes, and the rows that they saw.

    Attributes:
        outcomes: One per preset.
        rows: Rows of the window in the sample.
        baseline_rows: Rows of the baseline in the sample.
        remarks: What had to be left out.
    """

    outcomes: tuple[Outcome, ...]
    rows: int
    baseline_rows: int
    remarks: tuple[str, ...]


def wanted(facts: Facts) -> bool:
    """Whether the presets are to be shown."""
    if facts.baseline is None or facts.window.rows == 0:
        return False
    when = facts.config.report.native
    return when == "always" or (when == "findings" and bool(facts.verdict.of_status(Status.WARN, Status.FAIL)))


def explore(monitor: Monitor, facts: Facts) -> Exploration:
    """Run the presets; one that fails leaves the others alone."""
    with their_warnings_ignored():
        sample = draw_sample(monitor, facts)
        outcomes = [_run("Data drift", _drift, sample, facts), _run("Data summary", _summary, sample, facts)]
        if facts.config.labels is not None:
            outcomes.append(_run("Classification quality", _classification, sample, facts))
    return Exploration(tuple(outcomes), len(sample.current), len(sample.reference), sample.remarks)


def draw_sample(monitor: Monitor, facts: Facts) -> Sample:
    """The sample, without what makes Evidently fail: columns without values, numbers that overflow."""
    verdict = facts.verdict
    table = load_records(monitor, verdict.window)
    table = table.append_column("label", _labels(monitor, verdict, table["event_id"]))
    current = _frame(bottom_k(table, monitor.config.report.sample_rows), monitor)
    reference = _frame(load_sample(monitor, verdict.inputs["baseline"]), monitor)
    numeric = [name for name, kind in monitor.config.columns.features.items() if kind == "numeric"] + [_SCORE]
    categorical = [name for name, kind in monitor.config.columns.features.items() if kind == "categorical"]
    remarks = []
    for name in [*numeric, *categorical]:
        empty = [where for where, frame in (("window", current), ("baseline", reference)) if frame[name].isna().all()]
        if empty:
            remarks.append(f"Column {name} has no usable value in the {' and in the '.join(empty)}: left out.")
            (numeric if name in numeric else categorical).remove(name)
    return Sample(current, reference, numeric, categorical, tuple(remarks))


def _labels(monitor: Monitor, verdict: Verdict, ids: pa.ChunkedArray) -> pa.Array:
    epochs = EpochReader(monitor).visible(verdict.window, epoch_of(monitor, verdict))
    labels = join(ids, epochs).labels
    return pc.equal(labels, monitor.config.columns.positive)


def _frame(table: pa.Table, monitor: Monitor) -> pd.DataFrame:
    """float64 and str only: what else Arrow and pandas have, Evidently does not monitor or fails on."""
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, kind in monitor.config.columns.features.items():
        values = table[FEATURE_PREFIX + name].to_pylist()
        columns[name] = _numbers(values) if kind == "numeric" else np.array(values, dtype=object)
    columns[_SCORE] = _numbers(table["score"].to_pylist())
    columns[_PREDICTION] = np.array([int(value) for value in table["prediction"].to_pylist()])
    columns[_LABEL] = np.array([math.nan if x is None else float(x) for x in table["label"].to_pylist()])
    return pd.DataFrame(columns)


def _numbers(values: list[float | None]) -> Any:
    import numpy as np

    numbers = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.abs(numbers) < _HUGE, numbers, math.nan)


def _run(title: str, preset: Callable[[Sample], Any], sample: Sample, facts: Facts) -> Outcome:
    try:
        report, current, reference = preset(sample)
        snapshot = report.run(current, reference, timestamp=facts.verdict.window.start)
    except _THEIR_ERRORS as error:
        return Outcome(title, failed=f"{type(error).__name__}: {error}"[:300])
    return Outcome(title, tuple(snapshot._widgets))  # its HTML is built from them


def _dataset(frame: pd.DataFrame, sample: Sample) -> Any:
    from evidently import DataDefinition, Dataset

    # every list is given: what is left open, Evidently guesses from each day's values
    definition = DataDefinition(
        numerical_columns=sample.numeric,
        categorical_columns=sample.categorical,
        text_columns=[],
        datetime_columns=[],
        unknown_columns=[],
        list_columns=[],
    )
    return Dataset.from_pandas(frame[[*sample.numeric, *sample.categorical]], data_definition=definition)


def _drift(sample: Sample) -> Any:
    from evidently import Report
    from evidently.presets import DataDriftPreset

    preset = DataDriftPreset(
        num_method="wasserstein",
        num_threshold=0.1,
        cat_method="jensenshannon",
        cat_threshold=0.1,
    )
    return Report([preset]), _dataset(sample.current, sample), _dataset(sample.reference, sample)


def _summary(sample: Sample) -> Any:
    from evidently import Report
    from evidently.presets import DataSummaryPreset

    return Report([DataSummaryPreset()]), _dataset(sample.current, sample), _dataset(sample.reference, sample)


def _classification(sample: Sample) -> Any:
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset

    definition = DataDefinition(
        numerical_columns=[],
        categorical_columns=[],
        text_columns=[],
        datetime_columns=[],
        unknown_columns=[],
        list_columns=[],
        classification=[
            BinaryClassification(
                target=_LABEL, prediction_labels=_PREDICTION, prediction_probas=_SCORE, pos_label=1, labels=None
            )
        ],
    )
    frames = []
    for where, frame in (("window", sample.current), ("baseline", sample.reference)):
        labelled = frame[[_LABEL, _PREDICTION, _SCORE]].dropna().astype({_LABEL: int})
        if labelled[_LABEL].nunique() < 2:
            raise ValueError(f"the sample of the {where} needs labelled rows of both classes")
        frames.append(Dataset.from_pandas(labelled.reset_index(drop=True), data_definition=definition))
    return Report([ClassificationPreset()]), *frames
