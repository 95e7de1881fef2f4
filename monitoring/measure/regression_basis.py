"""The labelled rows of a baseline of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any, Self

import numpy as np

from monitoring.measure import regression_estimate
from monitoring.measure.basis import Basis, Numbers, PerformanceRows, State, packed, restored
from monitoring.measure.error_model import ErrorModel, LeafPredictions
from monitoring.measure.measurement import Measurement
from monitoring.profile.fixed_point import FloatArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

# The largest absolute error that is counted in losses by cell, in scales of the baseline's errors
_MOST_SCALES = 6


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

    def loss_difference(self, state: State) -> float | None:
        """That of the mean absolute error."""
        found = self.loss_gap(self.gap(state, {}))
        return found.value if found else None

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile, the losses and the model."""
        numbers, arrays = packed(self.reference.arrays(), "outcomes.")
        more, of_losses = packed(self.losses.arrays(), "losses.")
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
        outcomes = ResidualProfile.from_arrays(restored(head, arrays, "outcomes."), spec)
        losses = LossByBin.from_arrays(restored(head, arrays, "losses."), largest_error(spec))
        return cls(outcomes, losses, ErrorModel.from_json(head["model"]) if head["model"] else None)


def largest_error(spec: ResidualSpec) -> float:
    """The largest absolute error that is counted by cell."""
    return math.ldexp(1.0, spec.error_exponent + _MOST_SCALES)
