"""Evidently's own presets on a bounded sample of rows: for exploring, never for a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.baseline import load_sample
from monitoring.capture.privacy import without_rare
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.config.capture import Columns, Task
from monitoring.engine.labelled import labelled_window
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.profile.distribution import FloatArray
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
        show_rows: Whether values of single rows may be drawn.
    """

    current: pd.DataFrame
    reference: pd.DataFrame
    numeric: list[str]
    categorical: list[str]
    remarks: tuple[str, ...]
    show_rows: bool


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
        show_rows: Whether values of single rows may be drawn.
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
            outcomes.append(_run(*_QUALITY[facts.config.columns.task], sample, facts))
    return Exploration(tuple(outcomes), len(sample.current), len(sample.reference), sample.remarks)


def draw_sample(monitor: Monitor, facts: Facts) -> Sample:
    """The sample, without what makes Evidently fail: columns without values, numbers that overflow.

    Unless values of single rows may be shown, there are none in it: see `blurred` and `_common_names`.
    """
    verdict = facts.verdict
    found = labelled_window(monitor, verdict.window, epoch_of(monitor, verdict), None)
    table = found.records
    sample = load_sample(monitor, verdict.inputs["baseline"])
    table = table.append_column("label", _label(found.label, monitor.config.columns))
    names = _common_names(monitor, facts.least_rows, table, sample)
    current = _frame(bottom_k(table, monitor.config.report.sample_rows), monitor, facts.least_rows, names)
    reference = _frame(sample, monitor, facts.least_rows, names)
    stored = monitor.config.columns.stored
    numeric = [name for name, kind in stored.items() if kind == "numeric"] + [_SCORE]
    categorical = [name for name, kind in stored.items() if kind == "categorical"]
    remarks = []
    for name in [*numeric, *categorical]:
        empty = [where for where, frame in (("window", current), ("baseline", reference)) if frame[name].isna().all()]
        if empty:
            remarks.append(f"Column {name} has too few usable values in the {' and in the '.join(empty)}: left out.")
            (numeric if name in numeric else categorical).remove(name)
    show_rows = facts.least_rows == 1
    if monitor.config.columns.task == "regression" and monitor.config.labels is not None and not show_rows:
        remarks.append(
            "Of the regression's quality only means are drawn: the other pictures show errors of single rows."
        )
    return Sample(current, reference, numeric, categorical, tuple(remarks), show_rows)


def _label(labels: pa.Array, columns: Columns) -> pa.Array:
    """The labels of a window as `load_sample` has those of the baseline."""
    if columns.task == "binary":
        return pc.equal(labels, columns.positive)
    return labels if columns.task == "regression" else labels.cast(pa.string())


def _common_names(monitor: Monitor, least: int, *tables: pa.Table) -> dict[str, set[str]]:
    """Per categorical feature, the categories that at least `least` rows of one of the tables hold; so of classes."""
    columns = monitor.config.columns
    places = {name: [FEATURE_PREFIX + name] for name, kind in columns.stored.items() if kind == "categorical"}
    if columns.task == "multiclass":
        places[_LABEL] = ["label", "prediction"]
    found: dict[str, set[str]] = {}
    for name, held in places.items():
        counted = [table[place].value_counts() for table in tables for place in held]
        common = [c.field("values").filter(pc.greater_equal(c.field("counts"), least)) for c in counted]
        found[name] = {category for categories in common for category in categories.to_pylist()}
    return found


def blurred(values: FloatArray, least: int) -> FloatArray:
    """Numbers of which each stands in at least `least` rows: a rarer one is the mean of so many rare neighbours.

    So a minimum, a quantile or the edge of a bin of them is no value of a single row. (This is microaggregation:
    Domingo-Ferrer and Mateo-Sanz, IEEE TKDE 14(1), 2002.)

    Args:
        values: NaN for missing ones, shape (n,).
        least: Rows that a number needs.

    Returns:
        Shape (n,); NaN for rare numbers if all of them together are fewer than `least`.

    >>> blurred(np.array([1.0, 9.0, 2.0, 7.0, 7.0, 5.0]), 2).tolist()
    [1.5, 7.0, 1.5, 7.0, 7.0, 7.0]
    """
    there = np.flatnonzero(~np.isnan(values))
    _, which, rows = np.unique(values[there], return_inverse=True, return_counts=True)
    rare = there[rows[which] < least]
    rare = rare[np.argsort(values[rare], kind="stable")]
    out = values.copy()
    out[rare] = np.nan
    if len(rare) >= least > 1:
        group = np.minimum(np.arange(len(rare)) // least, len(rare) // least - 1)
        out[rare] = (np.bincount(group, weights=values[rare]) / np.bincount(group))[group]
    return out


def _frame(table: pa.Table, monitor: Monitor, least: int, names: dict[str, set[str]]) -> pd.DataFrame:
    """float64 and str only: what else Arrow and pandas have, Evidently does not monitor or fails on."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, kind in monitor.config.columns.stored.items():
        values = table[FEATURE_PREFIX + name]
        if kind == "numeric":
            columns[name] = _numbers(values, least)
        else:
            columns[name] = _texts(values, least, names[name])
    columns[_SCORE] = _numbers(table["score"], least)
    if monitor.config.labels is not None:
        columns |= _answers(table, monitor.config.columns.task, least, names)
    return pd.DataFrame(columns)


def _answers(table: pa.Table, task: Task, least: int, names: dict[str, set[str]]) -> dict[str, Any]:
    """What was predicted and what came true."""
    if task == "regression":
        return {_LABEL: _numbers(table["label"], least)}
    places = {_PREDICTION: table["prediction"], _LABEL: table["label"]}
    if task == "binary":
        return {name: column.cast(pa.float64()).to_numpy() for name, column in places.items()}
    return {name: _texts(column, least, names[_LABEL]) for name, column in places.items()}


def _texts(column: pa.ChunkedArray, least: int, names: set[str]) -> Any:
    return np.array(without_rare(column, least, names).to_pylist(), dtype=object)


def _numbers(column: pa.ChunkedArray, least: int) -> FloatArray:
    numbers = column.to_numpy().astype(np.float64)
    return blurred(np.where(np.abs(numbers) < _HUGE, numbers, np.nan), least)


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


def _labelled(sample: Sample, kinds: dict[str, type], least: int = 2, **definition: Any) -> Iterator[Any]:
    """The rows of the window and of the baseline that have values in all of these columns, and enough labels."""
    from evidently import DataDefinition, Dataset

    nothing: dict[str, list[str]] = {
        f"{kind}_columns": [] for kind in ("numerical", "categorical", "text", "datetime", "unknown", "list")
    }
    for where, frame in (("window", sample.current), ("baseline", sample.reference)):
        labelled = frame[[*kinds]].dropna().astype(kinds)
        if labelled[_LABEL].nunique() < least:
            raise ValueError(f"the sample of the {where} needs labelled rows with {least} different labels")
        data = DataDefinition(**nothing, **definition)
        yield Dataset.from_pandas(labelled.reset_index(drop=True), data_definition=data)


def _binary(sample: Sample) -> Any:
    from evidently import BinaryClassification, Report
    from evidently.presets import ClassificationPreset

    classes = BinaryClassification(
        target=_LABEL, prediction_labels=_PREDICTION, prediction_probas=_SCORE, pos_label=1, labels=None
    )
    return Report([ClassificationPreset()]), *_labelled(
        sample, {_LABEL: int, _PREDICTION: float, _SCORE: float}, classification=[classes]
    )


def _multiclass(sample: Sample) -> Any:
    from evidently import MulticlassClassification, Report
    from evidently.presets import ClassificationPreset

    classes = MulticlassClassification(
        target=_LABEL, prediction_labels=_PREDICTION, prediction_probas=None, labels=None
    )
    kinds: dict[str, type] = {_LABEL: object, _PREDICTION: object}
    # of two classes it would have to know which one is positive
    return Report([ClassificationPreset()]), *_labelled(sample, kinds, 3, classification=[classes])


def _regression(sample: Sample) -> Any:
    from evidently import Regression, Report
    from evidently.presets import RegressionPreset, RegressionQuality

    numbers = Regression(target=_LABEL, prediction=_SCORE)
    preset = RegressionPreset() if sample.show_rows else RegressionQuality()
    return Report([preset]), *_labelled(sample, {_LABEL: float, _SCORE: float}, regression=[numbers])


_QUALITY: dict[Task, tuple[str, Callable[[Sample], Any]]] = {
    "binary": ("Classification quality", _binary),
    "multiclass": ("Classification quality", _multiclass),
    "regression": ("Regression quality", _regression),
}
