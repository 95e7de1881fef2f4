"""The labelled rows of a baseline of two classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np

from monitoring.measure import estimate
from monitoring.measure.basis import Basis, Numbers, PerformanceRows, State, packed, restored
from monitoring.measure.binary import brier
from monitoring.measure.calibration_map import CalibrationMap
from monitoring.measure.expected import Cells
from monitoring.measure.expected import brier as brier_expected
from monitoring.measure.measurement import Measurement
from monitoring.measure.rates import mapped
from monitoring.profile.fixed_point import FloatArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.score_counts import ScoreProfile


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

    @cached_property
    def calibration(self) -> CalibrationMap | None:
        """The calibration map; None without enough rows. Who only reads records never needs it."""
        return CalibrationMap.fit(self.reference)

    @property
    def estimates(self) -> bool:
        """Whether there is a calibration map."""
        return self.calibration is not None

    def losses_of(self, rows: PerformanceRows) -> FloatArray:
        """Squared errors of the probability."""
        return np.asarray((rows.scores - rows.labels) ** 2)[rows.known]

    def state(self, rows: PerformanceRows) -> State:
        """An `OutcomeProfile` and a `ScoreProfile`."""
        # taking rows by number is sooner done than by a mask, once per column
        known, waiting = np.flatnonzero(rows.known), np.flatnonzero(~rows.known)
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

    def loss_difference(self, state: State) -> float | None:
        """That of the Brier score."""
        outcomes: OutcomeProfile = state.labelled
        if self.calibration is None or not outcomes.scored:
            return None
        scores = ScoreProfile.of_outcomes(outcomes)
        expected = brier_expected(Cells.unlabelled(scores, mapped(scores, self.calibration).rates)).value
        realised = brier(outcomes).value
        return None if expected is None or realised is None else realised - expected

    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The profile and the losses; the map follows from them."""
        numbers, arrays = packed(self.reference.arrays(), "outcomes.")
        more, of_losses = packed(self.losses.arrays(), "losses.")
        return {"task": "binary", "numbers": numbers | more}, arrays | of_losses

    @classmethod
    def unpack(cls, head: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """From `pack`."""
        losses = LossByBin.from_arrays(restored(head, arrays, "losses."), cls.largest)
        return cls(OutcomeProfile.from_arrays(restored(head, arrays, "outcomes.")), losses)
