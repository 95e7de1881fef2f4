"""How the labels that are there correct what is expected of the rows without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from monitoring.measure.class_calibration import ClassRows
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray

# A stratum has at least so many labelled rows; a predicted class is cut into at most so many by its confidence
STRATUM_ROWS = 30
MOST_STRATA = 4
# However few labels of a class are expected to be known, one of them stands for at most a hundred
LEAST_COMPLETE = 0.01
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class LabelStrata:
    """Rows of a window of which some have labels; n rows, c classes.

    Attributes:
        labels: The distribution of each row's label: all of it at the label, or what is expected as the labels of the
            row's stratum correct it, which may be below 0; shape (n, c + 1).
        known: Which rows have a label, shape (n,).
        corrected: What would be expected of the labelled rows if they had no label, shape (l, c + 1).
        codes: Their labels, shape (l,).
        weights: For how many rows each of them stands, shape (l,).
        stratum: The stratum of each row, from 0; shape (n,).
        missing: How likely it is that a label of each class is not known yet, shape (c + 1,); None where that does
            not depend on the class.
    """

    labels: FloatArray
    known: BoolArray
    corrected: FloatArray
    codes: IntArray
    weights: FloatArray
    stratum: IntArray
    missing: FloatArray | None

    @classmethod
    def of(
        cls, rows: ClassRows, labels: IntArray, expected: FloatArray, completeness: FloatArray | None = None
    ) -> Self:
        """Correct what is expected.

        Args:
            rows: The rows.
            labels: Their labels, below 0 where there is none; shape (n,).
            expected: The distribution that is expected of each row's label, shape (n, c + 1).
            completeness: The share of the labels of each class that is known, shape (c + 1,).
        """
        known = labels >= 0
        codes = labels[known]
        weights, missing = np.ones(len(codes)), None
        # that all classes are as complete tells nothing of the rows without a label
        if completeness is not None and np.ptp(completeness[:-1]) > 0:
            weights, missing = 1 / np.maximum(completeness[codes], LEAST_COMPLETE), 1 - completeness
        stratum, several = _strata(rows, known, expected.shape[1])
        found = np.array(expected)
        for number, relative in enumerate(several):
            mine, here = np.flatnonzero(stratum == number), stratum[known] == number
            residual = _mean_residual(expected[known][here], codes[here], weights[here])
            if not relative:
                found[mine] += residual
                continue
            predictions = rows.predictions[known][here]
            off = (predictions == codes[here]) - expected[known][here][np.arange(len(predictions)), predictions]
            more = float(weights[here] @ off) / max(float(weights[here].sum()), _LEAST)
            found[mine] += more * _towards(rows.predictions[mine], expected[mine])
        corrected = found[known]
        if missing is not None:  # rows without a label are those whose label is late
            found[~known] = _late(found[~known], missing)
        found[known] = 0.0
        found[np.flatnonzero(known), codes] = 1.0
        return cls(found, known, corrected, codes, weights, stratum, missing)

    def settle(self, gradient: FloatArray, sample: IntArray, weights: FloatArray) -> tuple[float, float]:
        """What has to be added to a number, and its variance.

        Within a stratum, rows may move the number differently. What labels differ from the corrected expectation is
        therefore weighed by that: a step along the gradient, with which the number is right on average whatever the
        expectation is. The variance is that of the labels that are not there, and that of this step.

        Args:
            gradient: How the number moves with the expected rows i that have label j, of the rows in the sample.
            sample: Some rows, of those with and of those without a label.
            weights: For how many each of them stands.
        """
        has = self.known[sample]
        q = _proper(self.labels[sample[~has]])
        variance = float(weights[~has] @ _spread(q, gradient[~has]))
        place = (np.cumsum(self.known) - 1)[sample[has]]
        w, slope, q = weights[has] * self.weights[place], gradient[has], self.corrected[place]
        at = self.stratum[sample[has]]
        rows, late = np.bincount(self.stratum, ~self.known), np.ones(len(at))
        if self.missing is not None:
            # only how classes differ matters, and not how many labels are missing in all
            late = _proper(q) @ self.missing
            slope = self.missing * (slope - (_late(q, self.missing) * slope).sum(axis=1, keepdims=True))
        off = slope[np.arange(len(at)), self.codes[place]] - (q * slope).sum(axis=1)

        def total(x: FloatArray) -> FloatArray:
            return np.asarray(np.bincount(at, x, len(rows)), np.float64)

        all_w, n = np.maximum(total(w * late), _LEAST), total(np.ones(len(at)))
        mean = total(w * off) / all_w
        seen = total(w**2 * (off - late * mean[at]) ** 2) * n / np.maximum(n - 1, 1)
        # a few labels that all are as expected do not say that others are, too
        squares = np.maximum(seen, total(w**2 * _spread(_proper(q), slope)))
        return float(rows @ mean), variance + float(rows**2 @ (squares / all_w**2))


def _mean_residual(expected: FloatArray, codes: IntArray, weights: FloatArray) -> FloatArray:
    """What labels are minus what was expected of them, on average."""
    counts = np.bincount(codes, weights, expected.shape[1])
    return np.asarray((counts - weights @ expected) / max(float(weights.sum()), _LEAST))


def _towards(predictions: IntArray, q: FloatArray) -> FloatArray:
    """How distributions change if predictions are right more often: others lose in proportion, shape (k, c + 1)."""
    places = np.arange(len(predictions))
    others = q + _LEAST
    others[:, -1] = 0.0
    others[places, predictions] = 0.0
    others /= -np.maximum(others.sum(axis=1, keepdims=True), _LEAST)
    others[places, predictions] = 1.0
    return others


def _spread(q: FloatArray, values: FloatArray) -> FloatArray:
    """The variance of values under distributions, of each row."""
    mean = (q * values).sum(axis=1, keepdims=True)
    return np.asarray((q * (values - mean) ** 2).sum(axis=1))


def _late(q: FloatArray, missing: FloatArray) -> FloatArray:
    """The distributions of labels that are not known yet; of a row whose label should be, any."""
    found = _proper(q) * missing
    return _proper(np.where(found.sum(axis=1, keepdims=True) > 0, found, q))


def _strata(rows: ClassRows, known: BoolArray, side: int) -> tuple[IntArray, BoolArray]:
    """The stratum of each row, and which of the strata have several predicted classes."""
    stratum = np.zeros(len(rows), np.int64)
    relative = [True]
    for code in range(side):
        mine = rows.predictions == code
        have = int((mine & known).sum())
        if have < STRATUM_ROWS or code == side - 1:
            continue
        parts = min(have // STRATUM_ROWS, MOST_STRATA)
        confidence = np.nan_to_num(rows.confidence[mine])
        ends = np.quantile(confidence[known[mine]], np.arange(1, parts) / parts)
        cut = np.unique(ends)
        part = np.searchsorted(cut, confidence, side="right")
        # values that many rows share may have left a part without labels
        part = _merged(part, np.bincount(part[known[mine]], minlength=len(cut) + 1))
        stratum[mine] = len(relative) + part
        relative += [False] * (int(part.max()) + 1)
    rest = stratum == 0
    if rest.any() and int((rest & known).sum()) < STRATUM_ROWS:
        return np.zeros(len(rows), np.int64), np.array([True])
    return stratum, np.array(relative)


def _merged(part: IntArray, labelled: IntArray) -> IntArray:
    """Parts in their order, each with enough labelled rows."""
    place, count, new = np.zeros(len(labelled), np.int64), 0, 0
    for number, rows in enumerate(labelled):
        place[number] = new
        count += int(rows)
        if count >= STRATUM_ROWS:
            count, new = 0, new + 1
    last = max(new - 1, 0) if count < STRATUM_ROWS else new
    return np.minimum(place, last)[part]


def _proper(q: FloatArray) -> FloatArray:
    """The nearest of what has no negative probabilities, adding up to 1."""
    clipped = np.clip(q, 0.0, 1.0)
    return np.asarray(clipped / np.maximum(clipped.sum(axis=1, keepdims=True), _LEAST))
