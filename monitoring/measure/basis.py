"""What performance is estimated from and held against: the labelled rows of the baseline, whatever the task.

One class per task gives the same few operations: what rows amount to (a state, which merges over windows), and from a
state its realised, estimated and combined numbers, and the concept gap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.losses import LossByBin
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.residuals import ResidualProfile

Numbers = dict[str, Measurement]
Profile = OutcomeProfile | MulticlassProfile | ResidualProfile


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
    def loss_difference(self, state: State) -> float | None:
        """The value of `loss_gap` alone, which costs little; None where it is not defined."""

    @abstractmethod
    def pack(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        """The head and the arrays of a document; see `unpack_basis`."""

    def loss_in(self, numbers: Mapping[str, Measurement]) -> Measurement | None:
        """The loss among some numbers; None where it is not among them, or not defined."""
        found = numbers.get(self.loss)
        if found is None or found.value is None or self.loss != "accuracy":
            return found if found is None or found.value is not None else None
        low, high = (None if end is None else 1 - end for end in (found.high, found.low))
        return replace(found, name="error_rate", value=1 - found.value, low=low, high=high, direction="high")

    def realised(self, state: State) -> Numbers:
        """The numbers of the labelled rows."""
        return performance(self.profile(state))

    def empty(self) -> State:
        """What no rows amount to."""
        none = np.zeros(0)
        codes = none.astype(np.int64)
        return self.state(PerformanceRows(none, codes, self._no_labels, none.astype(bool), self._no_probabilities, {}))


def packed(arrays: Mapping[str, IntArray | int], prefix: str) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """Whole numbers for a head, and arrays in one dimension."""
    numbers = {f"{prefix}{name}": item for name, item in arrays.items() if not isinstance(item, np.ndarray)}
    flat = {f"{prefix}{name}": item.ravel() for name, item in arrays.items() if isinstance(item, np.ndarray)}
    return numbers, flat


def restored(head: Mapping[str, Any], arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """What `packed` was given."""
    found = {**head["numbers"], **arrays}
    return {name.removeprefix(prefix): item for name, item in found.items() if name.startswith(prefix)}
