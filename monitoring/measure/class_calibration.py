"""What labels a classifier of several classes can expect: the distribution of a row's label, learned from a reference.

With probabilities: one isotonic map per class against the rest, normalised per row (Zadrozny and Elkan, Transforming
classifier scores into accurate multiclass probability estimates, KDD 2002). Each map is right on average over the
rows of one probability, but what is normalised need not be, and with many classes it is too sure of itself. So
normalised rates are calibrated again, all classes together, and multiplied by factors with which the reference rows
of each predicted class have as many labels of each class as they had. Both are found with rates by maps that were
learned from other rows. Without: an isotonic map per predicted
class from the confidence to the rate of right predictions; the wrong ones are spread over the other classes as they
were in the reference.

A class with too few rows for a map of its own has that of all such classes, its odds multiplied by a factor.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from monitoring.measure.calibration_map import FEWEST_ROWS, CalibrationMap
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray
from monitoring.profile.outcomes import OutcomeProfile

# As many rows like those of all classes are added to what a class with few rows has shown itself
PRIOR_ROWS = 10.0
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class ClassRows:
    """Rows of a classifier of several classes; n rows, c classes.

    Attributes:
        predictions: Places among the classes, c for an unknown one, shape (n,).
        confidence: The probability of the predicted class, NaN without one, shape (n,).
        probabilities: Of each class, shape (n, c); None if the model gives none.
    """

    predictions: IntArray
    confidence: FloatArray
    probabilities: FloatArray | None = None

    @classmethod
    def of(
        cls, predictions: IntArray, confidence: FloatArray | None = None, probabilities: FloatArray | None = None
    ) -> Self:
        """Rows of which the confidence may follow from the probabilities, or be unknown."""
        predictions = np.asarray(predictions, np.int64)
        if confidence is None:
            confidence = np.full(len(predictions), np.nan)
            if probabilities is not None:
                inside = np.flatnonzero(predictions < probabilities.shape[1])
                confidence[inside] = probabilities[inside, predictions[inside]]
        return cls(predictions, np.asarray(confidence, np.float64), probabilities)

    def __len__(self) -> int:
        return len(self.predictions)

    def take(self, rows: IntArray | BoolArray) -> ClassRows:
        """Some of the rows."""
        given = None if self.probabilities is None else self.probabilities[rows]
        return ClassRows(self.predictions[rows], self.confidence[rows], given)

    def valid(self) -> BoolArray:
        """Which rows have a probability between 0 and 1 for each class, shape (n,)."""
        if self.probabilities is None:
            return np.zeros(len(self), bool)
        return np.asarray(((self.probabilities >= 0) & (self.probabilities <= 1)).all(axis=1))


@dataclass(frozen=True, eq=False)
class ClassCalibration:
    """The distribution of a row's label as the reference shows it; c classes.

    Attributes:
        classes: The classes.
        by_class: Whether maps give the rate of a class by its probability, and not that of right predictions by
            the confidence in them.
        maps: Maps of single classes, and one for all classes that have none of their own.
        map_of: Which of the maps each class has, shape (c,).
        odds: By what the map's odds are multiplied, shape (c,); 1 for a map of the class's own.
        odds_variance: The variance of the logarithm of that factor, shape (c,).
        again: The rate of a class by its normalised rate, for all classes; None where they are one.
        factors: By what that is multiplied, by prediction and class, before it is normalised, shape (c + 1, c).
        confusion: Labelled reference rows by prediction and label, shape (c + 1, c); the last row is for predictions
            of unknown classes.
        typical: The mean confidence of the rows of each predicted class, where a row has none, shape (c + 1,).
    """

    classes: tuple[str, ...]
    by_class: bool
    maps: tuple[CalibrationMap, ...]
    map_of: IntArray
    odds: FloatArray
    odds_variance: FloatArray
    again: CalibrationMap | None
    factors: FloatArray
    confusion: FloatArray
    typical: FloatArray

    @classmethod
    def fit(
        cls,
        classes: tuple[str, ...],
        predictions: IntArray,
        labels: IntArray,
        confidence: FloatArray | None = None,
        probabilities: FloatArray | None = None,
    ) -> Self | None:
        """From labelled reference rows.

        Args:
            classes: The classes, c of them.
            predictions: Shape (n,), places among the classes, c for an unknown one.
            labels: Shape (n,), likewise. Rows with a label of an unknown class say nothing here.
            confidence: Shape (n,), the probability of the predicted class; NaN or None where there is none.
            probabilities: Shape (n, c), of each class; None if the model gives none.

        Returns:
            None with fewer than `FEWEST_ROWS` usable rows.
        """
        rows, count = ClassRows.of(predictions, confidence, probabilities), len(classes)
        usable = np.asarray(labels) < count
        if probabilities is not None:
            usable &= rows.valid()
        rows, labels = rows.take(usable), np.asarray(labels, np.int64)[usable]
        if len(rows) < FEWEST_ROWS:
            return None
        found = cls._plain(classes, rows, labels)
        return found._sharpened(found._held_out(rows, labels), rows, labels) if found.by_class else found

    @classmethod
    def _plain(cls, classes: tuple[str, ...], rows: ClassRows, labels: IntArray) -> Self:
        """The maps, before they are sharpened."""
        count = len(classes)
        confusion = np.bincount(rows.predictions * count + labels, minlength=(count + 1) * count)
        if rows.probabilities is None:
            inside = rows.predictions < count
            right = rows.predictions == labels
            parts = [(rows.confidence[at], right[at]) for at in _places(rows.predictions, count)]
            everything = (rows.confidence[inside], right[inside])
        else:
            parts = [(rows.probabilities[:, place], labels == place) for place in range(count)]
            everything = (rows.probabilities.ravel(), (labels[:, None] == np.arange(count)).ravel())
        maps, map_of, odds, variance = _fitted(parts, everything)
        return cls(
            classes=classes,
            by_class=rows.probabilities is not None,
            maps=maps,
            map_of=map_of,
            odds=odds,
            odds_variance=variance,
            again=None,
            factors=np.ones((count + 1, count)),
            confusion=confusion.reshape(count + 1, count).astype(np.float64),
            typical=_means(rows.predictions, rows.confidence, count + 1),
        )

    def _held_out(self, rows: ClassRows, labels: IntArray) -> FloatArray:
        """The rates of reference rows by maps that were learned from others of them, shape (n, c)."""
        found = np.empty((len(rows), len(self.classes)))
        fold = np.arange(len(rows)) % _FOLDS
        for number in range(_FOLDS):
            others = self._plain(self.classes, rows.take(fold != number), labels[fold != number])
            mine = rows.take(fold == number)
            assert mine.probabilities is not None
            for place in range(len(self.classes)):
                found[fold == number, place] = others._rates(place, mine.probabilities[:, place])[1]
        return found

    def _sharpened(self, rates: FloatArray, rows: ClassRows, labels: IntArray) -> Self:
        """With what the reference rows ask for when rates are normalised.

        Args:
            rates: By maps that were learned from other rows, shape (n, c).
            rows: The reference rows.
            labels: Their labels.
        """
        shares = _normalised(rates)
        actual = labels[:, None] == np.arange(len(self.classes))
        again = CalibrationMap.fit(_outcomes(shares.ravel(), actual.ravel()))
        if again is not None:
            shares = _shrunk(again)[again.steps(shares)]
        factors = self.factors
        for _ in range(_ROUNDS):
            q = _normalised(shares * factors[rows.predictions])
            factors = factors * (self.confusion + PRIOR_ROWS) / (_by_prediction(rows.predictions, q) + PRIOR_ROWS)
        return replace(self, again=again, factors=factors)

    @property
    def rows(self) -> int:
        """Labelled reference rows."""
        return int(self.confusion.sum())

    def distributions(self, rows: ClassRows) -> FloatArray:
        """The expected distribution of each row's label.

        Args:
            rows: Rows with or without labels, with probabilities if the reference had them.

        Returns:
            Shape (n, c + 1); rows add up to 1. The last column is for unknown classes, of which none is expected.
        """
        found = np.empty((len(rows), len(self.classes) + 1))
        for start in range(0, len(rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            part = rows.take(np.arange(len(rows))[chunk])
            found[chunk] = self._parts(part).q
        return found

    def sensitivity(self, rows: ClassRows, weights: FloatArray) -> Sensitivity:
        """What tells how unsure a number is that depends on the distributions of some rows.

        Args:
            rows: Some rows.
            weights: For how many rows each of them stands, shape (m,).
        """
        return Sensitivity(self, self._parts(rows), rows, weights)

    def _parts(self, rows: ClassRows) -> _Parts:
        return self._of_probabilities(rows) if self.by_class else self._of_confidence(rows)

    def _rates(self, place: int, scores: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
        """The step of each score on a class's map, the class's rate, and how it moves with that of the step."""
        found, factor = self.maps[self.map_of[place]], self.odds[place]
        step = found.steps(scores)
        known = _shrunk(found)
        below = 1 - known + factor * known
        return step, (factor * known / below)[step], (factor / below**2)[step]

    def _of_probabilities(self, rows: ClassRows) -> _Parts:
        count, m = len(self.classes), len(rows)
        valid = rows.valid()
        q, slope, step = np.zeros((m, count + 1)), np.zeros((m, count)), np.zeros((m, count), np.int64)
        given = np.where(valid[:, None], rows.probabilities, 0.0) if rows.probabilities is not None else slope
        for place in range(count):
            step[:, place], q[:, place], slope[:, place] = self._rates(place, given[:, place])
        slope /= q[:, :count]
        shares = _normalised(q[:, :count])
        if self.again is not None:
            shares = _shrunk(self.again)[self.again.steps(shares)]
        shares = _normalised(shares * self.factors[rows.predictions])
        q[:, :count] = np.where(valid[:, None], shares, self.spread()[rows.predictions])
        # as if to calibrate again would not change by what share a rate moves its class
        return _Parts(q, step, np.where(valid[:, None], slope * q[:, :count], 0.0), valid)

    def _of_confidence(self, rows: ClassRows) -> _Parts:
        count, m = len(self.classes), len(rows)
        scores = np.where(np.isnan(rows.confidence), self.typical[rows.predictions], rows.confidence)
        right, slope, step = np.zeros(m), np.zeros((m, 1)), np.zeros((m, 1), np.int64)
        for place, at in enumerate(_places(rows.predictions, count)):
            step[at, 0], right[at], slope[at, 0] = self._rates(place, scores[at])
        usable = rows.predictions < count
        wrong = self.errors()
        q = np.zeros((m, count + 1))
        q[:, :count] = wrong[rows.predictions] * (1 - right)[:, None]
        inside = np.flatnonzero(usable)
        q[inside, rows.predictions[inside]] = right[inside]
        return _Parts(q, step, slope, usable)

    def spread(self) -> FloatArray:
        """The labels of the rows of each predicted class, with some like those of all rows, shape (c + 1, c)."""
        prior = self.confusion.sum(axis=0) / self.confusion.sum()
        n = self.confusion.sum(axis=1, keepdims=True)
        return np.asarray((self.confusion + PRIOR_ROWS * prior) / (n + PRIOR_ROWS))

    def errors(self) -> FloatArray:
        """The labels of wrong predictions of each class, with one like those of all rows, shape (c + 1, c)."""
        count = len(self.classes)
        wrong = np.array(self.confusion)
        np.fill_diagonal(wrong[:count], 0.0)
        prior = np.tile(self.confusion.sum(axis=0) + 1.0, (count + 1, 1))
        np.fill_diagonal(prior[:count], 0.0)
        wrong += prior / np.maximum(prior.sum(axis=1, keepdims=True), _LEAST)
        return np.asarray(wrong / np.maximum(wrong.sum(axis=1, keepdims=True), _LEAST))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "classes": list(self.classes),
            "by_class": self.by_class,
            "maps": [found.to_json() for found in self.maps],
            "map_of": self.map_of.tolist(),
            "again": None if self.again is None else self.again.to_json(),
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(
            classes=tuple(data["classes"]),
            by_class=data["by_class"],
            maps=tuple(CalibrationMap.from_json(item) for item in data["maps"]),
            map_of=np.array(data["map_of"], np.int64),
            again=None if data["again"] is None else CalibrationMap.from_json(data["again"]),
            **{name: np.array(data[name], np.float64) for name in _ARRAYS},
        )


_ARRAYS = ("odds", "odds_variance", "factors", "confusion", "typical")
_CHUNK = 2**16
# Factors are found in so many rounds, with maps that were learned from all but one of so many parts of the reference
_ROUNDS = 8
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class _Parts:
    """How the distributions of some rows depend on the maps.

    Attributes:
        q: The distributions, shape (m, c + 1).
        step: The step of each of a row's rates on its map, shape (m, c), or (m, 1) by confidence.
        slope: How the rate of the step moves the row's rate before it is normalised, over the sum by which it is.
        usable: Which rows depend on maps at all, shape (m,).
    """

    q: FloatArray
    step: IntArray
    slope: FloatArray
    usable: BoolArray


class Sensitivity:
    """How unsure a number is, since labels are drawn and since maps were learned from a sample.

    Both by the delta method: `gradient[i, j]` is how the number moves with the expected rows i that have label j.

    Attributes:
        q: The distributions of the rows, shape (m, c + 1).
        weights: For how many rows each of them stands, shape (m,).
    """

    def __init__(self, calibration: ClassCalibration, parts: _Parts, rows: ClassRows, weights: FloatArray) -> None:
        self._calibration, self._parts, self._rows = calibration, parts, rows
        self.q, self.weights = parts.q, weights
        count = len(calibration.classes)
        sizes = np.array([len(found.starts) for found in calibration.maps])
        starts = np.cumsum(sizes) - sizes
        which = calibration.map_of[np.minimum(rows.predictions, count - 1)][:, None]
        which = calibration.map_of[None, :] if calibration.by_class else which
        self._at = (parts.step + starts[which]).astype(np.int64)
        self._step_variances = np.concatenate([found.step_variances for found in calibration.maps])

    def of_labels(self, gradient: FloatArray) -> float:
        """The variance by labels that are drawn from the distributions."""
        mean = np.einsum("ij,ij->i", self.q, gradient)
        return float(self.weights @ np.einsum("ij,ij->i", self.q, (gradient - mean[:, None]) ** 2))

    def of_reference(self, gradient: FloatArray) -> float:
        """The variance by the sample that the maps were learned from."""
        q, rows, count = self._parts.q, self._rows, len(self._calibration.classes)
        mean = np.einsum("ij,ij->i", q, gradient)
        weight = self.weights * self._parts.usable
        if self._calibration.by_class:
            moved = (weight[:, None] * (gradient - mean[:, None]))[:, :count]
            on_odds = moved * q[:, :count]
            return self._of_steps(moved * self._parts.slope, on_odds, self._classes(), joint=True) + self._of_factors(
                on_odds
            )
        inside = np.minimum(rows.predictions, count - 1)
        own = gradient[np.arange(len(rows)), inside]
        right = q[np.arange(len(rows)), inside]
        others = np.divide(mean - right * own, 1 - right, out=own.copy(), where=right < 1)
        moved = (weight * (own - others))[:, None]
        on_odds = moved * (right * (1 - right))[:, None]
        return self._of_steps(moved * self._parts.slope, on_odds, inside[:, None], joint=False) + self._of_errors(
            gradient, weight * (1 - right)
        )

    def _classes(self) -> IntArray:
        return np.arange(len(self._calibration.classes))[None, :]

    def _of_steps(self, moved: FloatArray, on_odds: FloatArray, place: IntArray, *, joint: bool) -> float:
        """The variance by the rates of the steps, and by the odds of classes without a map of their own."""
        lever = np.asarray(np.bincount(self._at.ravel(), moved.ravel(), len(self._step_variances)), np.float64)
        apart = float(lever**2 @ self._step_variances)
        factor = self._together(lever) if joint else 1.0
        count = len(self._calibration.classes)
        shifts = np.bincount(np.broadcast_to(place, on_odds.shape).ravel(), on_odds.ravel(), count)
        return factor * apart + float(shifts**2 @ self._calibration.odds_variance)

    def _together(self, lever: FloatArray) -> float:
        """By what the variance is larger since the maps of all classes were learned from the same labels.

        One label is that of one class and not of all others. How much that matters is taken from these rows, since
        the rows of the reference are not kept.
        """
        rows = np.concatenate([found.step_rows for found in self._calibration.maps])
        w, q = (lever / rows)[self._at], self.q[:, : len(self._calibration.classes)]
        mean = np.einsum("ij,ij->i", q, w)
        joint = float(self.weights @ np.einsum("ij,ij->i", q, (w - mean[:, None]) ** 2))
        apart = float(self.weights @ np.einsum("ij,ij->i", q * (1 - q), w**2))
        return joint / apart if apart > 0 else 1.0

    def _of_factors(self, moved: FloatArray) -> float:
        """The variance by the factors of the reference rows of each predicted class, whose labels are a sample."""
        calibration = self._calibration
        lever = np.zeros_like(calibration.factors)
        np.add.at(lever, self._rows.predictions, moved)
        lever /= calibration.confusion + PRIOR_ROWS
        share = calibration.spread()
        mean = (share * lever).sum(axis=1, keepdims=True)
        return float(calibration.confusion.sum(axis=1) @ (share * (lever - mean) ** 2).sum(axis=1))

    def _of_errors(self, gradient: FloatArray, wrong: FloatArray) -> float:
        """The variance by how wrong predictions were spread over the other classes."""
        calibration, count = self._calibration, len(self._calibration.classes)
        share = calibration.errors()
        total = np.zeros((count + 1, count))
        np.add.at(total, self._rows.predictions, wrong[:, None] * gradient[:, :count])
        mean = (share * total).sum(axis=1)
        n = calibration.confusion.sum(axis=1)
        n[:count] -= np.diag(calibration.confusion[:count])
        return float((((share * total**2).sum(axis=1) - mean**2) / (n + 1)).sum())


def _shrunk(found: CalibrationMap) -> FloatArray:
    """The rates of a map's steps with two more rows like all others, so that nothing is certain; shape (t,)."""
    mean = float(found.step_rates @ found.step_rows / found.step_rows.sum())
    return np.asarray((found.step_rates * found.step_rows + 2 * mean) / (found.step_rows + 2))


def _normalised(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), _LEAST))


def _by_prediction(predictions: IntArray, q: FloatArray) -> FloatArray:
    """Expected rows by prediction and label, shape (c + 1, c)."""
    columns = [np.bincount(predictions, q[:, j], q.shape[1] + 1) for j in range(q.shape[1])]
    return np.column_stack(columns)


def _places(codes: IntArray, count: int) -> list[IntArray]:
    """The rows of each code below `count`."""
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(count + 1))
    return [order[start:end] for start, end in itertools.pairwise(ends)]


def _means(codes: IntArray, values: FloatArray, count: int) -> FloatArray:
    """The mean of the values that are numbers for each code, 0 without one, shape (count,)."""
    known = ~np.isnan(values)
    total = np.bincount(codes[known], values[known], count)
    return np.asarray(total / np.maximum(np.bincount(codes[known], minlength=count), 1))


def _outcomes(scores: FloatArray, positive: BoolArray) -> OutcomeProfile:
    return OutcomeProfile.of(scores, np.ones(len(scores), bool), positive)


def _fitted(
    parts: list[tuple[FloatArray, BoolArray]], everything: tuple[FloatArray, BoolArray]
) -> tuple[tuple[CalibrationMap, ...], IntArray, FloatArray, FloatArray]:
    """The maps, which of them each class has, and its odds with their variance."""
    own = [CalibrationMap.fit(_outcomes(*part)) for part in parts]
    maps = [found for found in own if found is not None]
    few = [place for place, found in enumerate(own) if found is None]
    map_of, odds, variance = np.zeros(len(parts), np.int64), np.ones(len(parts)), np.zeros(len(parts))
    map_of[[place for place, found in enumerate(own) if found is not None]] = np.arange(len(maps))
    if not few:
        return tuple(maps), map_of, odds, variance
    together = (np.concatenate([parts[place][0] for place in few]), np.concatenate([parts[place][1] for place in few]))
    shared = CalibrationMap.fit(_outcomes(*together)) or CalibrationMap.fit(_outcomes(*everything))
    if shared is None:
        positive = float(everything[1].sum())
        rate = (positive + 1) / (len(everything[1]) + 2)
        shared = CalibrationMap(
            starts=np.zeros(1),
            step_rates=np.array([rate]),
            step_rows=np.array([float(len(everything[1]))]),
            unscored_rows=np.zeros(2),
            unscored_rates=np.full(2, rate),
        )
    map_of[few] = len(maps)
    for place in few:
        odds[place], variance[place] = _odds(shared, *parts[place])
    return (*maps, shared), map_of, odds, variance


def _odds(shared: CalibrationMap, scores: FloatArray, positive: BoolArray) -> tuple[float, float]:
    """By what the odds of a shared map are multiplied for one class, and the variance of the factor's logarithm."""
    n, prior = len(scores), float(shared.step_rates @ shared.step_rows / shared.step_rows.sum())
    expected = float((shared.rates(np.nan_to_num(scores)).sum() + PRIOR_ROWS * prior) / (n + PRIOR_ROWS))
    found = float((positive.sum() + PRIOR_ROWS * expected) / (n + PRIOR_ROWS))
    found, expected = (min(max(x, _LEAST), 1 - _LEAST) for x in (found, expected))
    factor = found / (1 - found) * (1 - expected) / expected
    return factor, 1 / ((n + PRIOR_ROWS) * found * (1 - found))
