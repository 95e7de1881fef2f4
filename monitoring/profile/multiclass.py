"""What became of the predictions of a classifier with several classes: bounded, mergeable, the same in any order.

Each class against all others is a problem of two classes, and has an `OutcomeProfile` of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray, in_units, natural_log, sum_of
from monitoring.profile.outcomes import LEAST_PROBABILITY, OutcomeProfile

# What is summed over scored rows, with the exponent of its unit; a row's Brier score is at most the number of classes
SUMS = {"brier": 40, "brier_squared": 32, "log_loss": 40, "log_loss_squared": 36}
# so that the squares of 2^13 classes stay below 2^62
MOST_CLASSES = 2**13


def class_codes(names: pa.Array | pa.ChunkedArray | Sequence[Any], classes: tuple[str, ...]) -> IntArray:
    """The place of each name among the classes; the number of classes for nulls and names that are none of them.

    >>> class_codes(["b", "a", None, "x"], ("a", "b")).tolist()
    [1, 0, 2, 2]
    """
    column = names if isinstance(names, pa.Array | pa.ChunkedArray) else pa.array(names, pa.string())
    found = pc.fill_null(pc.index_in(column, value_set=pa.array(classes, pa.string())), len(classes))
    return np.asarray(found.to_numpy() if isinstance(found, pa.ChunkedArray) else found.to_numpy(False), np.int64)


@dataclass(frozen=True, eq=False)
class MulticlassProfile:
    """Labelled rows by prediction and label.

    Attributes:
        classes: The classes, frozen; c of them.
        confusion: Rows by prediction and label, shape (c + 1, c + 1); the last of each is for unknown classes.
        one_vs_rest: For each class, the rows by the probability of the class, whether it was predicted, and whether
            it is the label. Rows without probabilities, or whose label is unknown, are there without a score.
        confidence: The rows by the probability of the predicted class, and whether the prediction came true.
        invalid: Rows whose probabilities are not all between 0 and 1; they count as rows without probabilities.
        sums: For each of `SUMS`, its sum over scored rows, in units.
    """

    classes: tuple[str, ...]
    confusion: IntArray
    one_vs_rest: tuple[OutcomeProfile, ...]
    confidence: OutcomeProfile
    invalid: int = 0
    sums: tuple[int, ...] = (0,) * len(SUMS)

    @classmethod
    def empty(cls, classes: tuple[str, ...]) -> Self:
        """The profile of no rows."""
        side = len(classes) + 1
        parts = tuple(OutcomeProfile.empty() for _ in classes)
        return cls(classes, np.zeros((side, side), np.int64), parts, OutcomeProfile.empty())

    @classmethod
    def of(
        cls,
        classes: tuple[str, ...],
        predictions: IntArray,
        labels: IntArray,
        probabilities: FloatArray | None = None,
    ) -> Self:
        """The profile of labelled rows.

        Args:
            classes: The classes, c of them.
            predictions: Shape (n,), codes from `class_codes`: places among the classes, c for an unknown one.
            labels: Shape (n,), likewise.
            probabilities: Shape (n, c), of each class; None if the model gives none. They are taken as they are,
                whether or not they add up to 1.

        Raises:
            ValueError: Shapes do not fit, a code is out of range, or there are more than 2^13 classes.

        >>> p = np.array([[0.7, 0.3], [0.4, 0.6]])
        >>> profile = MulticlassProfile.of(("a", "b"), np.array([0, 1]), np.array([0, 0]), p)
        >>> profile.confusion.tolist(), profile.one_vs_rest[0].confusion.tolist()
        ([[1, 0, 0], [1, 0, 0], [0, 0, 0]], [[0, 1], [0, 1]])
        """
        count = len(classes)
        given = np.full((len(labels), count), np.nan) if probabilities is None else np.asarray(probabilities)
        if count > MOST_CLASSES or given.shape != (len(labels), count) or predictions.shape != labels.shape:
            raise ValueError(f"{count} classes, {predictions.shape} predictions, {given.shape} probabilities")
        codes = np.concatenate([predictions, labels])
        if len(codes) and not (codes.min() >= 0 and codes.max() <= count):
            raise ValueError(f"codes from {codes.min()} to {codes.max()} for {count} classes")
        side = count + 1
        table = np.bincount(predictions * side + labels, minlength=side * side).reshape(side, side)
        valid = ((given >= 0) & (given <= 1)).all(axis=1)
        scored = valid & (labels < count)
        columns = [np.where(scored, np.asarray(given[:, place], np.float64), np.nan) for place in range(count)]
        return cls(
            classes,
            table.astype(np.int64),
            tuple(
                OutcomeProfile.of(column, predictions == place, labels == place) for place, column in enumerate(columns)
            ),
            _confidence(columns, predictions, labels),
            0 if probabilities is None else int((~valid).sum()),
            _sums(columns, labels, scored),
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows, which have the same classes."""
        if self.classes != other.classes:
            raise ValueError(f"classes {self.classes} and {other.classes}")
        return type(self)(
            self.classes,
            self.confusion + other.confusion,
            tuple(a.merge(b) for a, b in zip(self.one_vs_rest, other.one_vs_rest, strict=True)),
            self.confidence.merge(other.confidence),
            self.invalid + other.invalid,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
        )

    @property
    def rows(self) -> int:
        """Labelled rows."""
        return int(self.confusion.sum())

    @property
    def scored(self) -> int:
        """Rows with valid probabilities and a known label."""
        return self.one_vs_rest[0].scored if self.one_vs_rest else 0

    def total(self, quantity: str) -> float:
        """The sum of one of `SUMS` over scored rows."""
        return float(self.sums[list(SUMS).index(quantity)] / 2 ** SUMS[quantity])

    def arrays(self) -> dict[str, IntArray | int]:
        """The state but for the names of the classes; single numbers `sum_...` may have more than 64 bits."""
        state: dict[str, IntArray | int] = {"confusion": self.confusion, "invalid": self.invalid}
        state |= {f"sum_{name}": total for name, total in zip(SUMS, self.sums, strict=True)}
        for prefix, part in self._parts():
            state |= {f"{prefix}_{name}": item for name, item in part.arrays().items()}
        return state

    def _parts(self) -> list[tuple[str, OutcomeProfile]]:
        return [
            *((f"class_{place}", part) for place, part in enumerate(self.one_vs_rest)),
            ("confidence", self.confidence),
        ]

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int], classes: tuple[str, ...]) -> Self:
        """From `arrays`, with the classes that they were made with."""

        def part(prefix: str) -> OutcomeProfile:
            start = f"{prefix}_"
            return OutcomeProfile.from_arrays(
                {name.removeprefix(start): item for name, item in arrays.items() if name.startswith(start)}
            )

        side = len(classes) + 1
        return cls(
            classes,
            np.asarray(arrays["confusion"], np.int64).reshape(side, side),
            tuple(part(f"class_{place}") for place in range(len(classes))),
            part("confidence"),
            int(arrays["invalid"]),
            tuple(int(arrays[f"sum_{name}"]) for name in SUMS),
        )


def _confidence(columns: list[FloatArray], predictions: IntArray, labels: IntArray) -> OutcomeProfile:
    """The probability of the predicted class, where there is one; whether it was right, as prediction and label."""
    chosen = np.full(len(labels), np.nan)
    for place, column in enumerate(columns):
        mine = predictions == place
        chosen[mine] = column[mine]
    right = (predictions == labels) & (labels < len(columns))
    return OutcomeProfile.of(chosen, np.ones(len(labels), bool), right)


def _sums(columns: list[FloatArray], labels: IntArray, scored: BoolArray) -> tuple[int, ...]:
    """The sums over scored rows."""
    error, given = np.zeros(int(scored.sum()), np.int64), np.ones(int(scored.sum()))
    for place, column in enumerate(columns):
        p, mine = column[scored], labels[scored] == place
        off = np.where(mine, 1 - p, p)
        # whole numbers, so that the order of the classes does not matter either
        error += in_units(off * off, SUMS["brier"])
        given[mine] = p[mine]
    brier, loss = np.ldexp(error, -SUMS["brier"]), -natural_log(np.maximum(given, LEAST_PROBABILITY))
    rows = {"brier": brier, "brier_squared": brier * brier, "log_loss": loss, "log_loss_squared": loss * loss}
    return tuple(sum_of(in_units(rows[name], bits)) for name, bits in SUMS.items())
