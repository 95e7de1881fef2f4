"""The labelled rows of a baseline of several classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from monitoring.measure import multiclass_estimate
from monitoring.measure.basis import Basis, Numbers, PerformanceRows, State, packed, restored
from monitoring.measure.class_calibration import ClassCalibration, ClassRows
from monitoring.measure.measurement import Measurement
from monitoring.profile.fixed_point import FloatArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile


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

    def loss_difference(self, state: State) -> float | None:
        """That of the Brier score, or of the error rate."""
        rows, labels = state.labelled
        if self.calibration is None or not len(labels):
            return None
        expected = self.calibration.distributions(rows)
        known = labels < len(self.classes)
        hit = np.zeros(len(labels))
        if self.probabilities and rows.probabilities is not None:
            # the sum of (p - t)^2 is that of p^2, and 1, less 2 p of the label: only this depends on it
            hit[known] = 2 * rows.probabilities[known, labels[known]]
            likely = 2 * (rows.probabilities * expected[:, : len(self.classes)]).sum(axis=1)
            return float(np.mean(likely[known] - hit[known])) if known.any() else None
        likely = np.append(expected, np.zeros((len(labels), 1)), axis=1)[np.arange(len(labels)), rows.predictions]
        return float(np.mean(likely - (rows.predictions == labels)))

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile, the losses and the calibration."""
        numbers, arrays = packed(self.reference.arrays(), "outcomes.")
        more, of_losses = packed(self.losses.arrays(), "losses.")
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
        outcomes = MulticlassProfile.from_arrays(restored(head, arrays, "outcomes."), tuple(head["classes"]))
        losses = LossByBin.from_arrays(restored(head, arrays, "losses."), 2.0 if head["probabilities"] else 1.0)
        calibration = ClassCalibration.from_json(head["calibration"]) if head["calibration"] else None
        return cls(outcomes, losses, calibration, probabilities=head["probabilities"])


def _joined(a: ClassRows, b: ClassRows) -> ClassRows:
    given = None
    if a.probabilities is not None and b.probabilities is not None:
        given = np.concatenate([a.probabilities, b.probabilities])
    predictions = np.concatenate([a.predictions, b.predictions])
    return ClassRows.of(predictions, np.concatenate([a.confidence, b.confidence]), given)
