"""The numbers of a classifier of several classes when the label of a row is a distribution, and how they move with it.

A row with a label is a distribution, too: all of it at one class. So the same formulas hold before, during and after
labels come. The names are those of `monitoring.measure.multiclass`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from monitoring.measure.class_calibration import ClassRows
from monitoring.measure.measurement import Direction
from monitoring.measure.multiclass import BETAS
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.outcomes import LEAST_PROBABILITY

Kind = Literal["share", "mean", "area", "difference", "known"]


@dataclass(frozen=True, eq=False)
class Expected:
    """One number.

    Attributes:
        name: What it is.
        value: Its expectation; None when it is not defined.
        rows: Rows that it is about.
        direction: The side that is bad.
        method: What it is, in words.
        kind: Where it may lie: a share or an area between 0 and 1, a mean that is not negative, a difference of
            shares between -1 and 1; `known` does not depend on labels.
        gradient: How it moves with the expected rows i that have label j, of the rows in the sample; shape (m, c + 1).
            Rows may have any constant added.
    """

    name: str
    value: float | None
    rows: int
    direction: Direction
    method: str
    kind: Kind
    gradient: Callable[[], FloatArray]


@dataclass(frozen=True, eq=False)
class ExpectedClasses:
    """Rows with the distributions of their labels; n rows, c classes.

    Attributes:
        classes: The classes.
        rows: The rows.
        labels: The distribution of each row's label, shape (n, c + 1); the last column is for unknown classes.
        sample: The rows that gradients are wanted of, shape (m,).
    """

    classes: tuple[str, ...]
    rows: ClassRows
    labels: FloatArray
    sample: IntArray

    def numbers(self) -> Iterator[Expected]:
        """Every number but the expected calibration errors and the share of unknown labels.

        Those are about what the model's own probabilities are worth, which the calibration has replaced, and about
        classes that no reference has.
        """
        yield self._accuracy()
        yield from self._averages()
        if self.rows.probabilities is not None:
            yield self._brier()
            yield self._log_loss()
            yield from self._areas()
        yield from self._priors()

    @cached_property
    def confusion(self) -> FloatArray:
        """Expected rows by prediction and label, shape (c + 1, c + 1)."""
        side = len(self.classes) + 1
        columns = [np.bincount(self.rows.predictions, self.labels[:, j], side) for j in range(side)]
        return np.column_stack(columns).astype(np.float64)

    @cached_property
    def _valid(self) -> BoolArray:
        return self.rows.valid()

    @cached_property
    def scored(self) -> int:
        """Rows with valid probabilities."""
        return int((self._weight > 0).sum())

    @cached_property
    def _given(self) -> FloatArray:
        """The probabilities, shape (n, c)."""
        assert self.rows.probabilities is not None
        return self.rows.probabilities

    @cached_property
    def _weight(self) -> FloatArray:
        """How much of each row has probabilities and a label of a known class, shape (n,)."""
        return np.where(self._valid, 1 - self.labels[:, -1], 0.0)

    def _by_cell(self, moved: FloatArray) -> Callable[[], FloatArray]:
        predictions = self.rows.predictions[self.sample]
        return lambda: moved[predictions]

    def _accuracy(self) -> Expected:
        n, c = len(self.rows), len(self.classes)
        moved = np.zeros((c + 1, c + 1))
        np.fill_diagonal(moved[:c, :c], 1 / max(n, 1))
        value = float(np.trace(self.confusion[:c, :c])) / n if n else None
        method = "share of predictions that came true"
        return Expected("accuracy", value, n, "low", method, "share", self._by_cell(moved))

    def _averages(self) -> Iterator[Expected]:
        kinds: list[tuple[str, float, float]] = [("precision", 0.0, 1.0), ("recall", 1.0, 0.0)]
        kinds += [(f"f{beta:g}".replace(".", "_"), beta * beta, 1.0) for beta in BETAS]
        for name, of_labels, of_predictions in kinds:
            for average in ("macro", "weighted", "micro"):
                if average == "micro":
                    value, moved = micro_share(self.confusion, of_labels, of_predictions)
                else:
                    by = self._present if average == "macro" else None
                    value, moved = mean_share(self.confusion, of_labels, of_predictions, by)
                full, method = f"{name}_{average}", f"{name.replace('_', '.')}, {average} average over classes"
                yield Expected(full, value, len(self.rows), "low", method, "share", self._by_cell(moved))

    @cached_property
    def _present(self) -> FloatArray:
        """How likely it is that any row has a label of each class, shape (c,)."""
        absent = np.log1p(-np.clip(self.labels[:, :-1], 0.0, 1 - 1e-12)).sum(axis=0)
        return np.asarray(-np.expm1(absent))

    def _mean_loss(self, name: str, loss: Callable[[FloatArray], FloatArray], method: str) -> Expected:
        """The mean of a loss that each label of a row has."""
        total = float(self._weight.sum())
        value = 0.0
        for start in range(0, len(self.rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            scored = self._valid[chunk]
            value += float((self.labels[chunk, :-1][scored] * loss(self._given[chunk][scored])).sum())
        if total <= 0:
            return Expected(name, None, 0, "high", method, "mean", lambda: np.zeros((0, 0)))
        value /= total

        def gradient() -> FloatArray:
            found = np.zeros((len(self.sample), len(self.classes) + 1))
            scored = self._valid[self.sample]
            found[scored, :-1] = (loss(self._given[self.sample][scored]) - value) / total
            return found

        return Expected(name, value, self.scored, "high", method, "mean", gradient)

    def _brier(self) -> Expected:
        method = "Brier score: squared error of the probabilities, summed over classes"
        return self._mean_loss("brier", lambda p: (p**2).sum(axis=1, keepdims=True) - 2 * p + 1, method)

    def _log_loss(self) -> Expected:
        return self._mean_loss(
            "log_loss", lambda p: -np.log(np.maximum(p, LEAST_PROBABILITY)), "log loss, natural logarithm"
        )

    def _areas(self) -> Iterator[Expected]:
        """Areas of each class against the rest: their means, plain and by the labels of the classes."""
        scored = np.flatnonzero(self._valid)
        place = np.full(len(self.rows), -1)
        place[scored] = np.arange(len(scored))
        at = place[self.sample]
        found = [
            class_areas(self._given[scored, j], self.labels[scored, j], self._weight[scored], at[at >= 0])
            for j in range(len(self.classes))
        ]
        support = (self.labels[scored, :-1]).sum(axis=0)
        for which, name in enumerate(("roc_auc", "average_precision")):
            for average in ("macro", "weighted"):
                method = f"{name} of each class against the rest, mean{' by labels' if average == 'weighted' else ''}"
                weight = support if average == "weighted" else np.ones(len(self.classes))
                yield self._mean_area(f"{name}_{average}", [each[which] for each in found], weight, at >= 0, method)

    def _mean_area(
        self,
        name: str,
        areas: list[tuple[float | None, FloatArray]],
        weight: FloatArray,
        inside: BoolArray,
        method: str,
    ) -> Expected:
        value = np.array([np.nan if area is None else area for area, _ in areas])
        weight = np.where(np.isnan(value), 0.0, np.maximum(weight, 0.0))
        total = float(weight.sum())
        if total <= 0:
            return Expected(name, None, self.scored, "low", method, "area", lambda: np.zeros((0, 0)))
        mean = float(np.nansum(weight * value) / total)

        def gradient() -> FloatArray:
            moved = np.zeros((len(self.sample), len(self.classes) + 1))
            for j, (area, slope) in enumerate(areas):
                if area is not None:
                    by_support = (area - mean) / total if name.endswith("weighted") else 0.0
                    moved[inside, j] = slope * weight[j] / total + by_support
            return moved

        return Expected(name, mean, self.scored, "low", method, "area", gradient)

    def _priors(self) -> Iterator[Expected]:
        n = len(self.rows)
        for j, name in enumerate(self.classes):

            def gradient(j: int = j) -> FloatArray:
                found = np.zeros((len(self.sample), len(self.classes) + 1))
                found[:, j] = 1 / n
                return found

            value = float(self.labels[:, j].sum()) / n if n else None
            method = f"share of labels, class {name}"
            yield Expected(f"base_rate:{name}", value, n, "both", method, "share", gradient)
            if self.scored:
                weight = self._weight[self._valid]
                mean = float(weight @ self._given[self._valid, j] / weight.sum()) if weight.sum() > 0 else None
                method = f"mean score, class {name}"
                yield Expected(f"mean_score:{name}", mean, self.scored, "both", method, "known", lambda: np.zeros(0))
            yield self._calibration(j)

    def _calibration(self, j: int) -> Expected:
        """The mean probability of a class, or its share of the predictions, minus its share of the labels."""
        name, scored = self.classes[j], self.scored > 0
        weight = self._weight if scored else np.ones(len(self.rows))
        given = self._given[:, j] if scored else self.rows.predictions == j
        used = weight > 0
        total = float(weight.sum())
        method = f"{'mean score' if scored else 'share of predictions'} minus share of labels, class {name}"
        value = float((weight[used] @ given[used] - self.labels[used, j].sum()) / total) if total > 0 else None

        def gradient() -> FloatArray:
            found = np.zeros((len(self.sample), len(self.classes) + 1))
            found[:, j] = -1 / total
            if scored:
                valid = self._valid[self.sample]
                found[~valid] = 0.0
                found[valid, :-1] += (given[self.sample][valid, None] - (value or 0.0)) / total
            return found

        return Expected(f"calibration:{name}", value, int(used.sum()), "both", method, "difference", gradient)


_CHUNK = 2**16


def mean_share(
    counts: FloatArray, of_labels: float, of_predictions: float, present: FloatArray | None
) -> tuple[float | None, FloatArray]:
    """A mean over classes of (1 + w) n_cc / (w · labels of c + predictions of c), and how counts move it.

    Args:
        counts: Rows by prediction and label, shape (c + 1, c + 1); the last of each is for unknown classes.
        of_labels: How much labels count in the denominator.
        of_predictions: How much predictions count.
        present: How likely it is that each class has a label, and so a number if nothing was predicted to be it,
            shape (c,). None: classes count by their labels.

    Returns:
        None where no class has a denominator. The movement has the shape of the counts.
    """
    labels, predictions = counts.sum(axis=0)[:-1], counts.sum(axis=1)[:-1]
    denominator = of_labels * labels + of_predictions * predictions
    weight = np.maximum(labels, 0.0)
    if present is not None:
        weight = np.where((predictions > 0) & (of_predictions > 0), 1.0, present)
    weight = np.where(denominator > 0, weight, 0.0)
    moved, total = np.zeros_like(counts), float(weight.sum())
    if total <= 0:
        return None, moved
    safe = np.where(denominator > 0, denominator, 1.0)
    share = (of_labels + of_predictions) * np.diag(counts)[:-1] / safe
    value = float(share @ weight / total)
    lever = weight / total / safe
    moved[:-1, :-1] += np.diag((of_labels + of_predictions) * lever)
    moved[:-1] -= (of_predictions * lever * share)[:, None]
    moved[:, :-1] -= of_labels * lever * share
    if present is None:
        moved[:, :-1] += np.where(weight > 0, share - value, 0.0) / total
    return value, moved


def micro_share(counts: FloatArray, of_labels: float, of_predictions: float) -> tuple[float | None, FloatArray]:
    """As `mean_share`, of the sums over all classes."""
    right, known = np.zeros_like(counts), np.zeros_like(counts)
    np.fill_diagonal(right[:-1, :-1], of_labels + of_predictions)
    known[:, :-1] += of_labels
    known[:-1] += of_predictions
    denominator = float((counts * known).sum())
    if denominator <= 0:
        return None, right
    value = float((counts * right).sum()) / denominator
    return value, (right - value * known) / denominator


def class_areas(
    scores: FloatArray, positive: FloatArray, weight: FloatArray, sample: IntArray
) -> tuple[tuple[float | None, FloatArray], tuple[float | None, FloatArray]]:
    """ROC AUC and average precision of one class when a row is positive with a probability, and their gradients.

    Expectations over independent labels of numerator and denominator apart: a row is no pair with itself.

    Args:
        scores: Shape (n,).
        positive: How probable it is that a row is positive, shape (n,).
        weight: How much of a row counts at all, shape (n,).
        sample: The rows that gradients are wanted of, shape (m,).
    """
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    first = np.flatnonzero(np.diff(descending, prepend=np.inf) != 0)
    block = np.empty(len(scores), np.int64)
    block[order] = np.cumsum(np.bincount(first, minlength=len(scores))) - 1
    negative = weight - positive
    itself = np.maximum(positive * negative, 0.0)
    p, n, own = (np.add.reduceat(x[order], first) for x in (positive, negative, itself))
    all_p, all_n = float(p.sum()), float(n.sum())
    if not (all_p > 0 and all_n > 0):
        nothing = np.zeros(len(sample))
        return (None, nothing), (1.0 if all_p > 0 else None, nothing)
    p_before, n_before = np.cumsum(p) - p, np.cumsum(n) - n
    below = all_n - n_before - n
    wins = float((p * below + 0.5 * (p * n - own)).sum())
    pairs = all_p * all_n - float(own.sum())
    roc = wins / pairs if pairs > 0 else 0.5
    # what a row moves must not depend on its own label
    at, mine, other = block[sample], positive[sample], negative[sample]
    beaten = (below[at] + (n[at] - other) / 2) / all_n
    beating = (p_before[at] + (p[at] - mine) / 2) / all_p
    roc_slope = (beaten - roc) / all_p - (beating - roc) / all_n
    seen = np.maximum(p_before + p + n_before + n, 1e-12)
    average = float(((p * p_before + p * p + own) / seen).sum()) / all_p
    after = np.cumsum((p / seen)[::-1])[::-1]
    average_slope = ((p_before[at] + p[at] + 1 - 2 * mine) / seen[at] + after[at] - average) / all_p
    return (roc, roc_slope), (min(average, 1.0), average_slope)
