"""What Evidently's default tests and NannyML's thresholds say of the same windows.

Both rules are computed from the rows of each distinct value, which is what both tools see; the formulas of Evidently
are held against `monitoring.measure.evidently` in the tests, which in turn are held against Evidently.

Evidently 0.7.23: with more than 1,000 rows in the reference, a numeric column of more than 5 values has drifted where
the Wasserstein distance is 0.1 standard deviations or more, another column where the Jensen-Shannon distance is 0.1 or
more; the data set where half of the columns have. Its tests of a classifier ask that each number is within 20 % of the
reference's. https://docs.evidentlyai.com/metrics/explainer_drift

NannyML 0.13.1: the values of the chunks of the reference, here its days, give the mean and three standard deviations
beyond which there is an alert; above for the Jensen-Shannon distance of a column, on both sides for performance.
https://nannyml.readthedocs.io/en/stable/tutorials/thresholds.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.verdict_profiles import NumericCounter, Profiler
from benchmarks.verdict_streams import Draw
from monitoring.measure.evidently_defaults import dataset_drifts
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray

LEAST_REFERENCE = 1000
_DRIFTED, _MANY, _KEYS, _LEAST_DEVIATION, _WITHIN, _SIGMAS = 0.1, 5, 20, 0.001, 0.2, 3.0

Counts = Mapping[str, IntArray]


def counts_of(profiler: Profiler, draw: Draw) -> Counts:
    """By column, and for the score, the rows of each distinct value; without those that have none."""
    found = {name: column.counts(draw.rows)[:-1] for name, column in profiler.columns.items()}
    return {**found, "": profiler.score.counts(draw.rows)[:-1]}


def together(parts: Sequence[Counts]) -> dict[str, IntArray]:
    return {name: np.sum([part[name] for part in parts], axis=0) for name in parts[0]}


def metrics(known: IntArray, scores: FloatArray) -> dict[str, float]:
    """What both tools know of labelled rows, by distinct score and label, shape (scores, 2)."""
    negative, positive = known[:, 0].astype(np.float64), known[:, 1].astype(np.float64)
    predicted = scores >= 0.5
    hits, false = positive[predicted].sum(), negative[predicted].sum()
    rows, positives = float(known.sum()), positive.sum()
    precision, recall = _over(hits, hits + false), _over(hits, positives)
    below = np.cumsum(negative) - negative / 2
    losses = -(positive @ np.log(scores) + negative @ np.log(1 - scores))
    return {
        "roc_auc": _over(float(positive @ below), positives * (rows - positives)),
        "accuracy": _over(hits + negative[~predicted].sum(), rows),
        "precision": precision,
        "recall": recall,
        "f1": _over(2 * precision * recall, precision + recall),
        "log_loss": _over(losses, rows),
    }


def _over(above: float, below: float) -> float:
    return float(above / below) if below else math.nan


def jensen_shannon(p: FloatArray, q: FloatArray, base: float) -> float:
    """The distance of two shares of the same cells."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(x > 0, x * np.log(x / middle), 0.0).sum() for x in (p, q)]
    return math.sqrt(max(float(sum(parts)) / 2, 0.0) / math.log(base))


class EvidentlyDefaults:
    """Evidently's default tests.

    Args:
        profiler: What the columns are.
        reference: The windows of the reference.
        labels: Their labelled rows by distinct score and label, shape (scores, 2).
    """

    def __init__(self, profiler: Profiler, reference: Counts, labels: IntArray) -> None:
        self.score, self.reference = profiler.score, reference
        self.numeric = {name: c for name, c in profiler.columns.items() if isinstance(c, NumericCounter)}
        self.numeric[""] = profiler.score
        self.expected = metrics(labels, self.score.values)
        assert min(int(counts.sum()) for counts in reference.values()) > LEAST_REFERENCE

    def drifted(self, counts: Counts) -> set[str]:
        """The columns that have drifted; the score's name is empty."""
        return {name for name, current in counts.items() if self.distance(name, current) >= _DRIFTED}

    def distance(self, name: str, current: IntArray) -> float:
        """The default distance of a column."""
        reference = self.reference[name]
        column = self.numeric.get(name)
        occupied = int(((reference + current) > 0).sum())
        if column is not None and occupied > _MANY:
            return _wasserstein(column.values, reference, current)
        return jensen_shannon(reference / reference.sum(), current / current.sum(), math.e)

    def dataset_drifted(self, counts: Counts) -> bool:
        """Whether half of the columns have."""
        return dataset_drifts(len(self.drifted(counts)), len(counts))

    def performance_failed(self, known: IntArray) -> bool:
        """Whether a number is not within 20 % of the reference's."""
        found = metrics(known, self.score.values)
        return any(abs(found[name] - value) > _WITHIN * abs(value) for name, value in self.expected.items())


def _wasserstein(values: FloatArray, reference: IntArray, current: IntArray) -> float:
    p, q = reference / reference.sum(), current / current.sum()
    mean = float(p @ values)
    deviation = math.sqrt(float(p @ (values - mean) ** 2))
    gaps = np.abs(np.cumsum(p - q))[:-1]
    return float(gaps @ np.diff(values)) / max(deviation, _LEAST_DEVIATION)


class NannyThresholds:
    """NannyML's thresholds.

    Args:
        profiler: What the columns are.
        chunks: The windows of the reference.
        labels: Of each, its labelled rows by distinct score and label, shape (scores, 2).
    """

    METRICS = ("roc_auc", "accuracy")

    def __init__(self, profiler: Profiler, chunks: Sequence[Counts], labels: Sequence[IntArray]) -> None:
        self.scores = profiler.score.values
        whole = together(chunks)
        columns = {**profiler.columns, "": profiler.score}
        self.bins = {
            name: _doane(column.values, whole[name]) if isinstance(column, NumericCounter) else _each(whole[name])
            for name, column in columns.items()
        }
        self.reference = {name: self._shares(name, counts) for name, counts in whole.items()}
        self.upper = {
            name: _limits([self.distance(name, chunk[name]) for chunk in chunks])[1] for name in self.reference
        }
        found = [metrics(known, self.scores) for known in labels]
        self.range = {name: _limits([item[name] for item in found]) for name in self.METRICS}

    def _shares(self, name: str, counts: IntArray) -> FloatArray:
        """Shares of the bins, the last for what is outside of them."""
        place, size = self.bins[name]
        return np.asarray(np.bincount(place, counts, size + 1) / counts.sum())

    def distance(self, name: str, current: IntArray) -> float:
        """The Jensen-Shannon distance of a column."""
        return jensen_shannon(self.reference[name], self._shares(name, current), 2.0)

    def drifted(self, counts: Counts) -> set[str]:
        """The columns with an alert; the score's name is empty."""
        return {name for name, current in counts.items() if self.distance(name, current) > self.upper[name]}

    def performance_failed(self, known: IntArray) -> bool:
        """Whether a number of performance has an alert."""
        found = metrics(known, self.scores)
        return any(found[name] < low or found[name] > high for name, (low, high) in self.range.items())


def _limits(values: Sequence[float]) -> tuple[float, float]:
    mean, deviation = float(np.nanmean(values)), float(np.nanstd(values))
    return mean - _SIGMAS * deviation, mean + _SIGMAS * deviation


def _each(counts: IntArray) -> tuple[IntArray, int]:
    """A bin for each category of the reference; others are outside."""
    known = counts > 0
    size = int(known.sum())
    return np.where(known, np.cumsum(known) - 1, size), size


def _doane(values: FloatArray, counts: IntArray) -> tuple[IntArray, int]:
    """Bins of equal width after Doane, Aesthetic frequency classifications, The American Statistician 30, 1976."""
    seen = values[counts > 0]
    low, high, n = float(seen[0]), float(seen[-1]), float(counts.sum())
    shares = counts / n
    mean = float(shares @ values)
    deviation = math.sqrt(float(shares @ (values - mean) ** 2))
    size = 1
    if high > low and n > 2:
        skewness = float(shares @ ((values - mean) / deviation) ** 3)
        error = math.sqrt(6.0 * (n - 2) / ((n + 1.0) * (n + 3)))
        size = math.ceil(1.0 + math.log2(n) + math.log2(1.0 + abs(skewness) / error))
    edges = np.linspace(low, high, size + 1)
    place = np.where(values == high, size - 1, np.searchsorted(edges, values, side="right") - 1)
    inside: BoolArray = (values >= low) & (values <= high)
    return np.where(inside, place, size).astype(np.int64), size
