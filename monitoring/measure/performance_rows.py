"""Records and their labels, as performance looks at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.schema import FEATURE_PREFIX, PROBABILITY_PREFIX
from monitoring.config.capture import Columns
from monitoring.config.values import plain_label
from monitoring.measure.basis import Basis, PerformanceRows
from monitoring.measure.binary_basis import BinaryBasis
from monitoring.measure.class_calibration import ClassCalibration
from monitoring.measure.error_model import ErrorModel
from monitoring.measure.multiclass_basis import MulticlassBasis
from monitoring.measure.regression_basis import RegressionBasis, largest_error
from monitoring.profile import ProfileSpec
from monitoring.profile.arrow_types import find_column
from monitoring.profile.cells import cell_count, cells_of
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile, class_codes
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

# The column of cells that stands for the score
SCORE = "(score)"


def needed_columns(columns: Columns) -> list[str]:
    """The columns of canonical records that performance looks at."""
    features = [FEATURE_PREFIX + name for name in columns.stored] if columns.task == "regression" else []
    return ["score", "prediction", *(PROBABILITY_PREFIX + name for name in columns.probabilities), *features]


def performance_rows(
    records: pa.Table, labels: pa.Array, columns: Columns, classes: tuple[str, ...] = ()
) -> tuple[PerformanceRows, BoolArray]:
    """The records that the model answered, and which of them those are.

    Args:
        records: Canonical records with `needed_columns`, n of them.
        labels: One per record, null where there is none: a truth value or a class (binary), a class, or a number.
        columns: What the columns mean.
        classes: The classes, of a classifier with several.

    Returns:
        The rows that have a score, or, of a classifier with several classes, a prediction; and whether a record is one
        of them, shape (n,).
    """
    answered = _valid(records["prediction" if columns.task == "multiclass" else "score"])
    table = records
    if not answered.all():
        table, labels = records.filter(pa.array(answered)), labels.filter(pa.array(answered))
    known = _valid(labels)
    scores = _numbers(table["score"])
    if columns.task == "regression":
        features = {name: table[FEATURE_PREFIX + name] for name in columns.stored}
        no_predictions = np.zeros(len(scores), np.int64)
        return PerformanceRows(scores, no_predictions, _numbers(labels), known, features=features), answered
    if columns.task == "binary":
        predictions = _truths(table["prediction"])
        return PerformanceRows(scores, predictions, _positives(labels, columns.positive), known), answered
    probabilities = None
    if columns.probabilities:
        probabilities = np.stack([_numbers(table[PROBABILITY_PREFIX + name]) for name in classes], axis=1)
    texts = labels.cast(pa.string())
    codes, predictions = class_codes(texts, classes), class_codes(_plain(table["prediction"]), classes)
    return PerformanceRows(scores, predictions, codes, known, probabilities), answered


def cells_by_column(records: pa.Table, spec: ProfileSpec) -> dict[str, tuple[IntArray, int]]:
    """By feature, and for the score, the cell of each record and how many cells there are."""
    found = {}
    for name, column in spec.features.items():
        values = find_column(records, FEATURE_PREFIX + name)
        cells = cells_of(pa.nulls(records.num_rows) if values is None else values, column)
        found[name] = (cells, cell_count(column))
    found[SCORE] = (cells_of(records["score"], spec.score), cell_count(spec.score))
    return found


def learn_basis(
    records: pa.Table, labels: pa.Array, columns: Columns, bins: Mapping[str, IntArray], sizes: Mapping[str, int]
) -> Basis:
    """What performance is held against, from a baseline's rows.

    Args:
        records: Canonical records, n of them.
        labels: One per record, null where there is none.
        columns: What the columns mean.
        bins: By column whose cells losses are counted in, the cell of each record, shape (n,).
        sizes: By column, the number of its cells.
    """
    classes = _classes(records, labels, columns)
    rows, answered = performance_rows(records, labels, columns, classes)
    labelled = rows.take(rows.known)
    basis = _without_losses(labelled, columns, classes)
    cells = {name: cell[answered][rows.known] for name, cell in bins.items()}
    basis.losses = LossByBin.of(cells, sizes, basis.losses_of(labelled), basis.largest)
    return basis


def unpack_basis(head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Basis:
    """The basis in a document."""
    tasks: dict[str, Any] = {"binary": BinaryBasis, "multiclass": MulticlassBasis, "regression": RegressionBasis}
    found: Basis = tasks[head["task"]].unpack(head, arrays)
    return found


def default_basis(columns: Columns) -> Basis:
    """What performance is held against without labelled rows: nothing, so that only realised numbers are told."""
    none = LossByBin.empty({}, 1.0)
    if columns.task == "binary":
        return BinaryBasis(OutcomeProfile.empty(), none)
    if columns.task == "multiclass":
        outcomes = MulticlassProfile.empty(tuple(columns.probabilities))
        return MulticlassBasis(outcomes, none, None, probabilities=bool(columns.probabilities))
    return RegressionBasis(ResidualProfile.empty(ResidualSpec()), none, None)


def _without_losses(labelled: PerformanceRows, columns: Columns, classes: tuple[str, ...]) -> Basis:
    none = LossByBin.empty({}, 1.0)
    if columns.task == "binary":
        predicted, actual = labelled.predictions > 0, labelled.labels > 0
        return BinaryBasis(OutcomeProfile.of(labelled.scores, predicted, actual), none)
    if columns.task == "multiclass":
        codes = labelled.labels.astype(np.int64)
        answers = (labelled.predictions, codes, labelled.probabilities)
        confidence = (labelled.predictions, codes, labelled.scores, labelled.probabilities)
        calibration = ClassCalibration.fit(classes, *confidence)
        given = labelled.probabilities is not None
        return MulticlassBasis(MulticlassProfile.of(classes, *answers), none, calibration, probabilities=given)
    actuals = np.asarray(labelled.labels, np.float64)
    spec = ResidualSpec.learn(labelled.scores, actuals)
    model = ErrorModel.fit(labelled.features or {}, labelled.scores, actuals, columns.stored, spec=spec)
    outcomes = ResidualProfile.of(labelled.scores, actuals, spec)
    return RegressionBasis(outcomes, LossByBin.empty({}, largest_error(spec)), model)


def _classes(records: pa.Table, labels: pa.Array, columns: Columns) -> tuple[str, ...]:
    if columns.task != "multiclass":
        return ()
    if columns.probabilities:
        return tuple(columns.probabilities)
    seen = {*labels.cast(pa.string()).unique().to_pylist(), *_plain(records["prediction"]).unique().to_pylist()}
    return tuple(sorted(name for name in seen if name is not None))


def _plain(predictions: pa.ChunkedArray) -> pa.Array:
    """Predicted classes, spelled as labels are."""
    coded = predictions.combine_chunks().dictionary_encode()
    names = [None if name is None else plain_label(name) for name in coded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(coded.indices)


def _valid(column: Any) -> BoolArray:
    valid = pc.is_valid(column)
    return np.asarray((valid.combine_chunks() if isinstance(valid, pa.ChunkedArray) else valid).to_numpy(False), bool)


def _numbers(column: Any) -> FloatArray:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(whole.to_numpy(zero_copy_only=False), np.float64)


def _truths(column: Any) -> IntArray:
    return np.asarray(_numbers(pc.fill_null(column, fill_value=False).cast(pa.int8())), np.int64)


def _positives(labels: pa.Array, positive: str) -> IntArray:
    if pa.types.is_dictionary(labels.type):  # a class is compared once, and not in each row
        return _truths(pc.equal(labels.dictionary, positive).take(labels.indices))
    return _truths(labels if pa.types.is_boolean(labels.type) else pc.equal(labels, positive))
