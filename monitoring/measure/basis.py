"""What performance is estimated from and held against: the labelled rows of the baseline, whatever the task.

One class per task gives the same few operations: what rows amount to (a state, which merges over windows), and from a
state its realised, estimated and combined numbers, and the concept gap.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Self

import numpy as np
import pyarrow as pa

from monitoring.measure import estimate, multiclass_estimate, regression_estimate
from monitoring.measure.calibration_map import CalibrationMap
from monitoring.measure.class_calibration import ClassCalibration, ClassRows
from monitoring.measure.error_model import ErrorModel, LeafPredictions
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.residuals import ResidualProfile, ResidualSpec
from monitoring.profile.score_counts import ScoreProfile

Numbers = dict[str, Measurement]
Profile = OutcomeProfile | MulticlassProfile | ResidualProfile
# The largest absolute error that is counted in losses by cell, in scales of the baseline's errors
_MOST_SCALES = 6


@dataclass(frozen=True, eq=False)
class PerformanceRows:
    """Rows that the model answered, as performance looks at them; n rows.

    Attributes:
        scores: Probabilities or predicted numbers; NaN where a classifier gives none, shape (n,).
        predictions: Of a classifier, the place of the predicted class (binary: 1 for the positive one; several: the
            number of classes for an unknown one), shape (n,).
        labels: Of a classifier, the place of the label likewise, of a regression the actual value, shape (n,); of no
            meaning where it is not known.
        known: Which rows have a label, shape (n,).
        probabilities: Of each class, shape (n, c); None where the model gives none.
        features: Feature columns by name; only a regression looks at them.
    """

    scores: FloatArray
    predictions: IntArray
    labels: FloatArray | IntArray
    known: BoolArray
    probabilities: FloatArray | None = None
    features: Mapping[str, pa.ChunkedArray | pa.Array] | None = None

    def take(self, rows: BoolArray) -> PerformanceRows:
        """Some of the rows."""
        given = None if self.probabilities is None else self.probabilities[rows]
        features = self.features and {name: column.filter(pa.array(rows)) for name, column in self.features.items()}
        arrays = (self.scores[rows], self.predictions[rows], self.labels[rows], self.known[rows])
        return PerformanceRows(*arrays, given, features)


@dataclass(frozen=True, eq=False)
class State:
    """What some rows amount to: those with a label, and the others.

    Attributes:
        labelled: An `OutcomeProfile`; pairs of `ClassRows` and labels; or a `ResidualProfile` per leaf.
        unlabelled: A `ScoreProfile`; `ClassRows`; or `LeafPredictions`.
    """

    labelled: Any
    unlabelled: Any


class Basis(ABC):
    """The labelled rows of a baseline, for one task.

    Attributes:
        loss: The name of the number that losses by cell average to.
        loss_title: What it is called.
        losses: The losses of the baseline's rows by cell.
        groups: The classes whose labels may come at different times; none for a regression.
        classes: The classes, of a classifier with several.
        largest: The largest loss of a row that is counted by cell.
        reference: The performance profile of the baseline's labelled rows.
    """

    loss: str
    loss_title: str
    losses: LossByBin
    groups: tuple[str, ...]
    classes: tuple[str, ...] = ()
    largest: float
    reference: Profile
    _no_labels: FloatArray | IntArray = np.zeros(0, np.int64)
    _no_probabilities: FloatArray | None = None

    @property
    @abstractmethod
    def estimates(self) -> bool:
        """Whether the baseline has enough labelled rows to estimate from."""

    @abstractmethod
    def losses_of(self, rows: PerformanceRows) -> FloatArray:
        """The loss of each labelled row; NaN where it has none."""

    @abstractmethod
    def state(self, rows: PerformanceRows) -> State:
        """What some rows amount to."""

    @abstractmethod
    def merge(self, a: State, b: State) -> State:
        """What two sets of rows amount to together."""

    @abstractmethod
    def profile(self, state: State) -> Profile:
        """The labelled rows."""

    @abstractmethod
    def estimated(self, state: State) -> Numbers:
        """What is to be expected of all rows, as if none had a label."""

    @abstractmethod
    def combined(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """What the rows amount to as far as labels tell, and the expectation that they correct."""

    @abstractmethod
    def gap(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """Realised less estimated numbers of the labelled rows."""

    @abstractmethod
    def loss_gap(self, gap: Numbers) -> Measurement | None:
        """The gap of the loss."""

    @abstractmethod
    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The head and the arrays of a document; see `unpack_basis`."""

    def realised(self, state: State) -> Numbers:
        """The numbers of the labelled rows."""
        return performance(self.profile(state))

    def empty(self) -> State:
        """What no rows amount to."""
        none = np.zeros(0)
        codes = none.astype(np.int64)
        return self.state(PerformanceRows(none, codes, self._no_labels, none.astype(bool), self._no_probabilities, {}))


def _packed(
    arrays: Mapping[str, IntArray | int], prefix: str
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Whole numbers for a head, and arrays in one dimension."""
    numbers = {f"{prefix}{name}": item for name, item in arrays.items() if not isinstance(item, np.ndarray)}
    flat = {f"{prefix}{name}": item.ravel() for name, item in arrays.items() if isinstance(item, np.ndarray)}
    return numbers, flat


def _restored(head: Mapping[str, Any], arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found = {**head["numbers"], **arrays}
    return {name.removeprefix(prefix): item for name, item in found.items() if name.startswith(prefix)}


class BinaryBasis(Basis):
    """Of two classes. The loss is the Brier score.

    Args:
        outcomes: The baseline's labelled rows.
        losses: Their losses by cell.
    """

    loss, loss_title, largest = "brier", "Brier score", 1.0
    groups = ("negative", "positive")
    reference: OutcomeProfile

    def __init__(self, outcomes: OutcomeProfile, losses: LossByBin) -> None:
        self.reference, self.losses = outcomes, losses
        self.calibration = CalibrationMap.fit(outcomes)

    @property
    def estimates(self) -> bool:
        """Whether there is a calibration map."""
        return self.calibration is not None

    def losses_of(self, rows: PerformanceRows) -> FloatArray:
        """Squared errors of the probability."""
        return np.asarray((rows.scores - rows.labels) ** 2)[rows.known]

    def state(self, rows: PerformanceRows) -> State:
        """An `OutcomeProfile` and a `ScoreProfile`."""
        known, waiting = rows.known, ~rows.known
        labelled = OutcomeProfile.of(rows.scores[known], rows.predictions[known] > 0, rows.labels[known] > 0)
        return State(labelled, ScoreProfile.of(rows.scores[waiting], rows.predictions[waiting] > 0))

    def merge(self, a: State, b: State) -> State:
        """Both merged."""
        return State(a.labelled.merge(b.labelled), a.unlabelled.merge(b.unlabelled))

    def profile(self, state: State) -> OutcomeProfile:
        """The labelled rows."""
        outcomes: OutcomeProfile = state.labelled
        return outcomes

    def estimated(self, state: State) -> Numbers:
        """By the calibration map."""
        if self.calibration is None:
            return {}
        everything = ScoreProfile.of_outcomes(state.labelled).merge(state.unlabelled)
        return estimate.estimated(everything, self.calibration)

    def combined(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """The map, corrected by the labels."""
        if self.calibration is None:
            return {}
        shares = (completeness.get("negative", 1.0), completeness.get("positive", 1.0))
        return estimate.combined(state.labelled, state.unlabelled, self.calibration, shares)

    def gap(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """By the calibration map."""
        if self.calibration is None:
            return {}
        shares = (completeness.get("negative", 1.0), completeness.get("positive", 1.0))
        return estimate.concept_gap(state.labelled, self.calibration, shares)

    def loss_gap(self, gap: Numbers) -> Measurement | None:
        """That of the Brier score."""
        return gap.get("brier")

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile and the losses; the map follows from them."""
        numbers, arrays = _packed(self.reference.arrays(), "outcomes.")
        more, of_losses = _packed(self.losses.arrays(), "losses.")
        return {"task": "binary", "numbers": numbers | more}, arrays | of_losses

    @classmethod
    def unpack(cls, head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """From `pack`."""
        losses = LossByBin.from_arrays(_restored(head, arrays, "losses."), cls.largest)
        return cls(OutcomeProfile.from_arrays(_restored(head, arrays, "outcomes.")), losses)


class MulticlassBasis(Basis):
    """Of several classes. The loss is the Brier score where there are probabilities, else whether it was wrong.

    Args:
        outcomes: The baseline's labelled rows.
        losses: Their losses by cell.
        calibration: What they tell of rows without a label.
        probabilities: Whether the model gives a probability for each class.
    """

    reference: MulticlassProfile

    def __init__(
        self,
        outcomes: MulticlassProfile,
        losses: LossByBin,
        calibration: ClassCalibration | None,
        *,
        probabilities: bool,
    ) -> None:
        self.reference, self.losses, self.calibration = outcomes, losses, calibration
        self.groups = self.classes = outcomes.classes
        self.loss, self.loss_title = ("brier", "Brier score") if probabilities else ("accuracy", "error rate")
        self.probabilities = probabilities
        self.largest = 2.0 if probabilities else 1.0
        self._no_probabilities = np.zeros((0, len(self.classes))) if probabilities else None

    @property
    def estimates(self) -> bool:
        """Whether there is a calibration."""
        return self.calibration is not None

    def losses_of(self, rows: PerformanceRows) -> FloatArray:
        """Squared errors of the probabilities, summed over classes; or 1 for a wrong prediction."""
        known, count = rows.known, len(self.classes)
        labels = rows.labels[known].astype(np.int64)
        if not self.probabilities or rows.probabilities is None:
            return np.asarray(rows.predictions[known] != labels, np.float64)
        target = np.zeros((len(labels), count + 1))
        target[np.arange(len(labels)), labels] = 1.0
        losses = ((rows.probabilities[known] - target[:, :count]) ** 2).sum(axis=1)
        return np.asarray(np.where(labels < count, losses, np.nan))

    def state(self, rows: PerformanceRows) -> State:
        """The rows themselves."""
        everything = ClassRows.of(rows.predictions, rows.scores, rows.probabilities)
        labels = rows.labels[rows.known].astype(np.int64)
        return State((everything.take(rows.known), labels), everything.take(~rows.known))

    def merge(self, a: State, b: State) -> State:
        """The rows of both."""
        rows = _joined(a.labelled[0], b.labelled[0])
        labels = np.concatenate([a.labelled[1], b.labelled[1]])
        return State((rows, labels), _joined(a.unlabelled, b.unlabelled))

    def profile(self, state: State) -> MulticlassProfile:
        """The labelled rows."""
        rows, labels = state.labelled
        return MulticlassProfile.of(self.classes, rows.predictions, labels, rows.probabilities)

    def estimated(self, state: State) -> Numbers:
        """By the calibration."""
        everything = _joined(state.labelled[0], state.unlabelled)
        return multiclass_estimate.estimated(everything, self.calibration) if self.calibration else {}

    def combined(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """The calibration, corrected by the labels."""
        if self.calibration is None:
            return {}
        waiting = np.full(len(state.unlabelled), multiclass_estimate.UNLABELLED, np.int64)
        labels = np.concatenate([state.labelled[1], waiting])
        everything = _joined(state.labelled[0], state.unlabelled)
        return multiclass_estimate.combined(everything, labels, self.calibration, self._shares(completeness))

    def gap(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """By the calibration."""
        if self.calibration is None or not len(state.labelled[1]):
            return {}
        rows, labels = state.labelled
        return multiclass_estimate.concept_gap(rows, labels, self.calibration, self._shares(completeness))

    def _shares(self, completeness: Mapping[str, float]) -> FloatArray:
        return np.array([completeness.get(name, 1.0) for name in (*self.classes, "")])

    def loss_gap(self, gap: Numbers) -> Measurement | None:
        """That of the Brier score, or of the error rate, which is that of the accuracy the other way round."""
        found = gap.get(self.loss)
        if found is None or found.value is None or self.probabilities:
            return found
        low, high = (None if end is None else -end for end in (found.high, found.low))
        return replace(found, name="error_rate", value=-found.value, low=low, high=high, direction="high")

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile, the losses and the calibration."""
        numbers, arrays = _packed(self.reference.arrays(), "outcomes.")
        more, of_losses = _packed(self.losses.arrays(), "losses.")
        head = {
            "task": "multiclass",
            "classes": list(self.classes),
            "probabilities": self.probabilities,
            "calibration": self.calibration and self.calibration.to_json(),
            "numbers": numbers | more,
        }
        return head, arrays | of_losses

    @classmethod
    def unpack(cls, head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """From `pack`."""
        outcomes = MulticlassProfile.from_arrays(_restored(head, arrays, "outcomes."), tuple(head["classes"]))
        losses = LossByBin.from_arrays(_restored(head, arrays, "losses."), 2.0 if head["probabilities"] else 1.0)
        calibration = ClassCalibration.from_json(head["calibration"]) if head["calibration"] else None
        return cls(outcomes, losses, calibration, probabilities=head["probabilities"])


def _joined(a: ClassRows, b: ClassRows) -> ClassRows:
    given = None
    if a.probabilities is not None and b.probabilities is not None:
        given = np.concatenate([a.probabilities, b.probabilities])
    predictions = np.concatenate([a.predictions, b.predictions])
    return ClassRows.of(predictions, np.concatenate([a.confidence, b.confidence]), given)


class RegressionBasis(Basis):
    """Of numbers. The loss is the absolute error.

    Args:
        outcomes: The baseline's labelled rows.
        losses: Their losses by cell.
        model: The errors of like rows.
    """

    loss, loss_title, groups = "mae", "mean absolute error", ()
    reference: ResidualProfile
    _no_labels = np.zeros(0)

    def __init__(self, outcomes: ResidualProfile, losses: LossByBin, model: ErrorModel | None) -> None:
        self.reference, self.losses, self.model = outcomes, losses, model
        self.largest = largest_error(outcomes.spec)

    @property
    def estimates(self) -> bool:
        """Whether there is an error model."""
        return self.model is not None

    def losses_of(self, rows: PerformanceRows) -> FloatArray:
        """Absolute errors."""
        return np.abs(rows.scores - rows.labels)[rows.known]

    def state(self, rows: PerformanceRows) -> State:
        """By leaf of the error model; all in one without it."""
        spec, count = self.reference.spec, self.model.count if self.model else 1
        leaves = np.zeros(len(rows.scores), np.int64)
        if self.model is not None and len(rows.scores):
            leaves = self.model.leaves(rows.features or {}, rows.scores)
        known, waiting = rows.known, ~rows.known
        scores, labels, of_known = rows.scores[known], rows.labels[known], leaves[known]
        labelled = [
            ResidualProfile.of(scores[of_known == leaf], labels[of_known == leaf], spec) for leaf in range(count)
        ]
        return State(labelled, LeafPredictions.of(leaves[waiting], rows.scores[waiting], count, spec))

    def merge(self, a: State, b: State) -> State:
        """Leaf by leaf."""
        labelled = [x.merge(y) for x, y in zip(a.labelled, b.labelled, strict=True)]
        return State(labelled, a.unlabelled.merge(b.unlabelled))

    def profile(self, state: State) -> ResidualProfile:
        """The labelled rows."""
        found: ResidualProfile = reduce(ResidualProfile.merge, state.labelled)
        return found

    def estimated(self, state: State) -> Numbers:
        """By the error model."""
        if self.model is None:
            return {}
        everything = state.unlabelled.merge(LeafPredictions.of_residuals(state.labelled))
        return regression_estimate.estimated(everything, self.model)

    def combined(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """The error model, corrected by the labels, which are taken to come whatever the number."""
        del completeness
        return regression_estimate.combined(state.labelled, state.unlabelled, self.model) if self.model else {}

    def gap(self, state: State, completeness: Mapping[str, float]) -> Numbers:
        """By the error model."""
        del completeness
        return regression_estimate.concept_gap(state.labelled, self.model) if self.model else {}

    def loss_gap(self, gap: Numbers) -> Measurement | None:
        """That of the mean absolute error."""
        return gap.get("mae")

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile, the losses and the model."""
        numbers, arrays = _packed(self.reference.arrays(), "outcomes.")
        more, of_losses = _packed(self.losses.arrays(), "losses.")
        head = {
            "task": "regression",
            "spec": self.reference.spec.to_json(),
            "model": self.model and self.model.to_json(),
            "numbers": numbers | more,
        }
        return head, arrays | of_losses

    @classmethod
    def unpack(cls, head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """From `pack`."""
        spec = ResidualSpec.from_json(head["spec"])
        outcomes = ResidualProfile.from_arrays(_restored(head, arrays, "outcomes."), spec)
        losses = LossByBin.from_arrays(_restored(head, arrays, "losses."), largest_error(spec))
        return cls(outcomes, losses, ErrorModel.from_json(head["model"]) if head["model"] else None)


def largest_error(spec: ResidualSpec) -> float:
    """The largest absolute error that is counted by cell."""
    return math.ldexp(1.0, spec.error_exponent + _MOST_SCALES)


def unpack_basis(head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Basis:
    """The basis in a document."""
    tasks: dict[str, Any] = {"binary": BinaryBasis, "multiclass": MulticlassBasis, "regression": RegressionBasis}
    found: Basis = tasks[head["task"]].unpack(head, arrays)
    return found
