"""What predictions of numbers are worth before their labels are known, and while some are.

Three numbers of each metric, each with the interval of what it will be once all labels of the window are known:

- *estimated*: every row is taken to have the errors that its leaf had in the baseline. Right as long as rows of a
  leaf go on having these errors, however the rows have moved between leaves.
- *combined*: leaves are strata, and rows without a label are taken to have the errors of the labelled rows of their
  stratum (prediction-powered and post-stratified: Angelopoulos et al., Prediction-powered inference, Science 382,
  2023). Right whether or not errors have changed, if within a stratum it is chance which labels are known.
- *concept gap*: realised less estimated on the same labelled rows. Neither moved inputs nor which labels come first
  have a part in it.

Every metric is a function of means of `QUANTITIES` over rows, so one covariance matrix of these means gives the
interval of all of them. Quantiles of the error are not means, and have no estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce

import numpy as np

from monitoring.measure import regression
from monitoring.measure.error_model import QUANTITIES, ErrorModel, LeafPredictions
from monitoring.measure.intervals import Z95, estimate, undefined
from monitoring.measure.measurement import Direction, Measurement
from monitoring.measure.performance import performance
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

# With fewer labelled rows than these, labels correct nothing, and no gap is told
LEAST_LABELLED = 30
# Leaves are merged until each stratum has so many labelled rows
LEAST_OF_STRATUM = 20
# In standard deviations of a leaf's predictions
_FURTHEST = 3.0
_E, _ABSOLUTE, _E2, _RELATIVE, _PRODUCT = range(len(QUANTITIES))


@dataclass(frozen=True)
class _Means:
    """Means over the rows of a window.

    Attributes:
        quantities: Of `QUANTITIES`, shape (5,).
        prediction: Of the predictions less the centre, in scales.
        prediction2: Of their squares.
        ratio: The scale of errors in that of values.
    """

    quantities: FloatArray
    prediction: float
    prediction2: float
    ratio: float

    @property
    def actual(self) -> float:
        return self.prediction - self.ratio * float(self.quantities[_E])

    @property
    def spread(self) -> float:
        """The variance of the actual values, in squared scales."""
        q = self.quantities
        squares = self.prediction2 - 2 * self.ratio * q[_PRODUCT] + self.ratio**2 * q[_E2]
        return float(squares) - self.actual**2


@dataclass(frozen=True)
class _Metric:
    """A metric as a function of means.

    Attributes:
        name: Its name.
        direction: The side that is bad.
        value: Its value in scales, None where it is not defined.
        gradient: Of it with respect to the means of `QUANTITIES`, shape (5,).
        above: Where its interval is normal in a logarithm: that of its distance from the second number, up (1) or
            down (-1).
    """

    name: str
    direction: Direction
    value: Callable[[_Means], float | None]
    gradient: Callable[[_Means], FloatArray]
    above: tuple[int, float] | None = None


def _unit(place: int, size: float = 1.0) -> FloatArray:
    found = np.zeros(len(QUANTITIES))
    found[place] = size
    return found


def _mean(place: int, means: _Means) -> float:
    return float(means.quantities[place])


def _rmse(means: _Means) -> float:
    return math.sqrt(max(_mean(_E2, means), 0.0))


def _rmse_gradient(means: _Means) -> FloatArray:
    root = _rmse(means)
    return _unit(_E2, 0.5 / root if root else math.nan)


def _r2(means: _Means) -> float | None:
    spread = means.spread
    return 1 - means.ratio**2 * _mean(_E2, means) / spread if spread > 0 else None


def _r2_gradient(means: _Means) -> FloatArray:
    """R² is 1 − E / V with V the variance of actual values, p − e each."""
    spread, squared = means.spread, means.ratio**2 * _mean(_E2, means)
    of_spread = np.zeros(len(QUANTITIES))
    of_spread[_E], of_spread[_E2], of_spread[_PRODUCT] = (
        2 * means.ratio * means.actual,
        means.ratio**2,
        -2 * means.ratio,
    )
    return np.asarray(squared / spread**2 * of_spread - _unit(_E2, means.ratio**2 / spread))


_METRICS = (
    _Metric("mean_actual", "both", lambda means: means.actual, lambda means: _unit(_E, -means.ratio)),
    _Metric("mean_prediction", "both", lambda means: means.prediction, lambda _: np.zeros(len(QUANTITIES))),
    _Metric("bias", "both", partial(_mean, _E), lambda _: _unit(_E)),
    _Metric("mae", "high", partial(_mean, _ABSOLUTE), lambda _: _unit(_ABSOLUTE), above=(1, 0.0)),
    _Metric("rmse", "high", _rmse, _rmse_gradient, above=(1, 0.0)),
    _Metric("r2", "low", _r2, _r2_gradient, above=(-1, 1.0)),
    _Metric("mape", "high", partial(_mean, _RELATIVE), lambda _: _unit(_RELATIVE), above=(1, 0.0)),
)
# A mean of relative errors that is known no better than to this share of itself is none
_MOST_RELATIVE = 0.25
_OF_GAP = tuple(metric for metric in _METRICS if metric.name != "mean_prediction")


def estimated(predictions: LeafPredictions, model: ErrorModel) -> dict[str, Measurement]:
    """Every metric of `performance` that is a function of means, without labels.

    The interval has the sampling of errors within leaves, and how well the baseline tells their means.

    Args:
        predictions: The window's predictions by leaf.
        model: What errors the leaves had in the baseline.

    Raises:
        ValueError: The predictions are in the leaves of another model.
    """
    _check(model, predictions.spec, len(predictions.rows))
    method = "estimated from the errors of like rows of the baseline; assumes that these have not changed"
    n = predictions.n
    if not n:
        return {metric.name: undefined(metric.name, 0, metric.direction, method) for metric in _METRICS}
    means = _with_predictions(_expected(predictions, model).sum(axis=0) / n, predictions)
    variance = _variance_of_expected(predictions, model)
    lost = bool(model.near_zero)
    return {metric.name: _measured(metric, means, variance, n, method, model, lost) for metric in _METRICS}


def combined(
    labelled: Sequence[ResidualProfile], unlabelled: LeafPredictions, model: ErrorModel
) -> dict[str, Measurement]:
    """The metrics of a window of which some labels are known.

    Args:
        labelled: The labelled rows of each leaf.
        unlabelled: The predictions of the other rows.
        model: The baseline's errors by leaf.

    Returns:
        `performance` of the labelled rows if there are no others, `estimated` of all rows if fewer than 30 labels are
        known. Else numbers that rest on the labels; without quantiles, which would need every row.

    Raises:
        ValueError: The rows are in the leaves of another model.
    """
    _check(model, unlabelled.spec, len(unlabelled.rows))
    _check(model, labelled[0].spec, len(labelled))
    whole = reduce(ResidualProfile.merge, labelled)
    if not unlabelled.n:
        return performance(whole)
    at_labels = LeafPredictions.of_residuals(labelled)
    everything = unlabelled.merge(at_labels)
    if whole.measured < LEAST_LABELLED:
        return estimated(everything, model)
    known = _Labelled.of(labelled)
    method = f"{whole.measured} labelled rows, and {unlabelled.n} that are taken to be like them leaf by leaf"
    if whole.beyond:
        return {m.name: undefined(m.name, everything.n, m.direction, method) for m in _METRICS}
    total = known.sums.sum(axis=0) + _expected(unlabelled, model).sum(axis=0)
    variance, ordinary = np.zeros((len(QUANTITIES), len(QUANTITIES))), _expected(at_labels, model)
    for stratum in _strata(known.rows):
        waiting = float(unlabelled.rows[stratum].sum())
        off, spread = known.off_baseline(stratum, ordinary, model)
        if waiting:
            mean = sum(unlabelled.sums[leaf] for leaf in stratum) / waiting / 2**40
            off[_PRODUCT] += off[_E] * (mean - known.prediction[stratum].sum() / known.rows[stratum].sum())
        total = total + waiting * off
        variance += (waiting + waiting**2 / float(known.rows[stratum].sum())) * spread
    n = everything.n
    means = _with_predictions(total / n, everything)
    lost = bool(model.near_zero or whole.near_zero)
    return {m.name: _measured(m, means, variance / n**2, n, method, model, lost) for m in _METRICS}


def concept_gap(labelled: Sequence[ResidualProfile], model: ErrorModel) -> dict[str, Measurement]:
    """Every metric on labelled rows, less what is estimated on the same rows.

    The variance is that of means over these rows, by the errors within leaves of the baseline or of these rows,
    whichever vary more, and how well the baseline tells its means. The p-value is that of a normal distribution.

    Args:
        labelled: The labelled rows of each leaf.
        model: The baseline's errors by leaf.

    Returns:
        Metrics by name; without a value with fewer than 30 labelled rows.

    Raises:
        ValueError: The rows are in the leaves of another model.
    """
    _check(model, labelled[0].spec, len(labelled))
    whole = reduce(ResidualProfile.merge, labelled)
    n, method = whole.measured, "realised less estimated on the same labelled rows"
    if n < LEAST_LABELLED or whole.beyond:
        return {metric.name: undefined(metric.name, n, metric.direction, method) for metric in _OF_GAP}
    known = _Labelled.of(labelled)
    predictions = LeafPredictions.of_residuals(labelled)
    ordinary = _expected(predictions, model)
    expected = _with_predictions(ordinary.sum(axis=0) / n, predictions)
    realised = _with_predictions(known.sums.sum(axis=0) / n, predictions)
    middle = replace(expected, quantities=(expected.quantities + realised.quantities) / 2)
    _, spread = known.off_baseline(np.arange(model.count), ordinary, model)
    variances = (
        _variance_of_expected(predictions, model),
        spread / n + _variance_of_means(predictions, model),
    )
    lost = bool(model.near_zero or whole.near_zero)
    return {m.name: _gap(m, realised, expected, middle, variances, n, method, model, lost) for m in _OF_GAP}


def _gap(
    metric: _Metric,
    realised: _Means,
    expected: _Means,
    middle: _Means,
    variances: tuple[FloatArray, FloatArray],
    n: int,
    method: str,
    model: ErrorModel,
    lost: bool,
) -> Measurement:
    now, ordinary = metric.value(realised), metric.value(expected)
    if now is None or ordinary is None or metric.value(middle) is None or (lost and metric.name == "mape"):
        return undefined(metric.name, n, metric.direction, method)
    gradient = metric.gradient(middle)
    variance = max(_along(gradient, each) for each in variances)
    found = estimate(metric.name, now - ordinary, variance, n, metric.direction, method)
    if found.standard_error:
        p_value = math.erfc(abs(now - ordinary) / found.standard_error / math.sqrt(2))
        found = replace(found, p_value=p_value)
    return _in_units(found, model.spec, centred=False)


def _check(model: ErrorModel, spec: ResidualSpec, leaves: int) -> None:
    if model.spec != spec or model.count != leaves:
        raise ValueError("rows in the leaves of another model")


def _moved(predictions: LeafPredictions, model: ErrorModel) -> FloatArray:
    """How far the mean prediction of each leaf is from that in the baseline, 0 without rows; shape (leaves,).

    At most 3 standard deviations of the leaf: no line is followed further.
    """
    moved = np.where(predictions.rows > 0, predictions.leaf_means - model.prediction[:, 0], 0.0)
    most = _FURTHEST * np.sqrt(model.prediction[:, 1])
    return np.asarray(np.clip(moved, -most, most))


def _by_leaf(predictions: LeafPredictions, model: ErrorModel) -> tuple[FloatArray, FloatArray]:
    """The mean of each quantity by the baseline's line in each leaf, shape (leaves, 5), and their covariances.

    Where the line leads to larger errors, these vary more.
    """
    means = model.means + _moved(predictions, model)[:, None] * model.slopes
    # what is no signed quantity is not below zero, however far the line is followed
    means[:, _ABSOLUTE:_PRODUCT] = np.maximum(means[:, _ABSOLUTE:_PRODUCT], 0.0)
    before = model.means[:, _ABSOLUTE:_PRODUCT]
    growth = np.divide(means[:, _ABSOLUTE:_PRODUCT], before, out=np.ones_like(before), where=before > 0)
    growth = np.maximum(growth, 1.0)
    factor = growth[:, [0, 0, 1, 2, 0]]
    return means, model.covariances * factor[:, :, None] * factor[:, None, :]


def _expected(predictions: LeafPredictions, model: ErrorModel) -> FloatArray:
    """The sum of each quantity over the rows of each leaf, by the baseline; shape (leaves, 5)."""
    return np.asarray(predictions.rows[:, None] * _by_leaf(predictions, model)[0])


def _variance_of_means(predictions: LeafPredictions, model: ErrorModel) -> FloatArray:
    """Covariance of the mean of each quantity by `_expected`, by how well the baseline tells the lines; shape (5, 5).

    The mean of a line's m rows has variance S / m, and at a distance d from their mean prediction S / m (1 + d² / s²).
    """
    share, spread = predictions.rows / predictions.n, model.prediction[:, 1]
    far2 = np.divide(_moved(predictions, model) ** 2, spread, out=np.zeros(len(share)), where=spread > 0)
    covariances = _by_leaf(predictions, model)[1]
    return np.asarray(np.einsum("l,lij->ij", share**2 * (1 + far2) / model.rows, covariances))


def _variance_of_expected(predictions: LeafPredictions, model: ErrorModel) -> FloatArray:
    """Covariance of the means over these rows about what is expected, shape (5, 5)."""
    covariances = _by_leaf(predictions, model)[1]
    sampling = np.einsum("l,lij->ij", predictions.rows / float(predictions.n) ** 2, covariances)
    return np.asarray(sampling + _variance_of_means(predictions, model))


def _with_predictions(quantities: FloatArray, predictions: LeafPredictions) -> _Means:
    spec = predictions.spec
    ratio = math.ldexp(1.0, spec.error_exponent - spec.value_exponent)
    return _Means(quantities, predictions.mean, predictions.mean_square, ratio)


def _measured(
    metric: _Metric, means: _Means, variance: FloatArray, n: int, method: str, model: ErrorModel, lost: bool
) -> Measurement:
    """A metric with its interval, in the data's units.

    Args:
        metric: Which.
        means: Means over the window's rows.
        variance: The covariance of the means.
        n: The window's rows.
        method: How they were found.
        model: Whose scales they are in.
        lost: Whether rows have no relative error.
    """
    value = metric.value(means)
    if value is None or (lost and metric.name == "mape"):
        return undefined(metric.name, n, metric.direction, method)
    gradient = metric.gradient(means)
    found = estimate(metric.name, value, _along(gradient, variance), n, metric.direction, method)
    if metric.name == "mape" and (found.standard_error is None or found.standard_error > _MOST_RELATIVE * value):
        # actual values near 0: a few rows would be the whole mean
        return undefined(metric.name, n, metric.direction, method)
    return _in_units(_skewed(found, metric), model.spec, centred=True)


def _along(gradient: FloatArray, covariance: FloatArray) -> float:
    """The variance of what has this gradient; quantities that it does not depend on may have none that is known."""
    used = np.flatnonzero(gradient)
    return float(gradient[used] @ covariance[np.ix_(used, used)] @ gradient[used])


def _skewed(number: Measurement, metric: _Metric) -> Measurement:
    """With a normal interval of the logarithm of what cannot be below zero.

    Squares are skewed: a low mean comes with a low variance, and a normal interval would not reach out of it.
    """
    if metric.above is None or number.value is None or number.standard_error is None:
        return number
    sign, zero = metric.above
    size = sign * (number.value - zero)
    if size <= 0:
        return number
    factor = math.exp(min(Z95 * number.standard_error / size, 700.0))
    ends = zero + sign * size / factor, zero + sign * size * factor
    return replace(number, low=min(ends), high=max(ends))


def _in_units(number: Measurement, spec: ResidualSpec, *, centred: bool) -> Measurement:
    if number.name in ("r2", "mape"):
        return number
    if number.name in ("mean_actual", "mean_prediction"):
        return regression.in_units(number, spec.value_exponent, spec.centre if centred else 0.0)
    return regression.in_units(number, spec.error_exponent)


def _strata(labelled: IntArray) -> list[IntArray]:
    """Runs of neighbouring leaves, each with enough labelled rows; neighbours are alike, as the tree is in order.

    >>> [run.tolist() for run in _strata(np.array([25, 5, 3, 15, 30, 4]))]
    [[0], [1, 2, 3], [4, 5]]
    """
    found: list[list[int]] = [[]]
    for leaf in range(len(labelled)):
        if labelled[found[-1]].sum() >= LEAST_OF_STRATUM:
            found.append([])
        found[-1].append(leaf)
    if len(found) > 1 and labelled[found[-1]].sum() < LEAST_OF_STRATUM:
        last = found.pop()
        found[-1] += last
    return [np.array(run) for run in found]


@dataclass(frozen=True)
class _Labelled:
    """Labelled rows by leaf.

    Attributes:
        rows: Rows, shape (leaves,).
        sums: Of `QUANTITIES`, in scales, shape (leaves, 5).
        squares: Of the squares of all but the product, which is not known; shape (leaves, 4).
        prediction: Of the predictions less the centre, shape (leaves,).
        prediction2: Of their squares, shape (leaves,).
    """

    rows: IntArray
    sums: FloatArray
    squares: FloatArray
    prediction: FloatArray
    prediction2: FloatArray

    @classmethod
    def of(cls, parts: Sequence[ResidualProfile]) -> _Labelled:
        rows = np.array([part.measured for part in parts], np.int64)
        sums, squares = (np.array([of(part) for part in parts]) for of in (_sums, _squares))
        return cls(rows, sums, squares, *(np.array([part.total(name) for part in parts]) for name in _PREDICTION))

    def off_baseline(self, leaves: IntArray, expected: FloatArray, model: ErrorModel) -> tuple[FloatArray, FloatArray]:
        """How far the quantities of some leaves' rows are from what the baseline expects.

        Variances are those of these rows, correlations those of the baseline; but the product varies as the error
        does if that has nothing to do with the prediction.

        Args:
            leaves: Which leaves.
            expected: The sum of each quantity over the rows of each leaf, by the baseline; shape (leaves, 5).
            model: The baseline.

        Returns:
            Mean, shape (5,), and covariance, shape (5, 5).
        """
        rows, sums = self.rows[leaves].astype(np.float64), self.sums[leaves]
        n = float(rows.sum())
        off = (sums - expected[leaves]).sum(axis=0) / n
        known = expected[leaves, :_PRODUCT] / np.maximum(rows, 1)[:, None]
        about = self.squares[leaves] - 2 * known * sums[:, :_PRODUCT] + rows[:, None] * known**2
        variance = np.maximum(about.sum(axis=0) - n * off[:_PRODUCT] ** 2, 0.0) / (n - 1)
        usual = np.einsum("l,lij->ij", rows / n, model.covariances[leaves])
        before = np.diag(usual)[:_PRODUCT]
        factor = np.sqrt(np.divide(variance, before, out=np.ones_like(variance), where=before > 0))
        factor = np.append(factor, 0.0)
        spread = usual * np.outer(factor, factor)
        # errors that are off by b all have squares that move with them: cov(e, e²) has a part 2 b Var(e)
        most = 0.99 * math.sqrt(max(spread[_E, _E] * spread[_E2, _E2], 0.0))
        together = spread[_E, _E2] + 2 * off[_E] * spread[_E, _E]
        spread[_E, _E2] = spread[_E2, _E] = min(max(together, -most), most)
        spread[_PRODUCT] = spread[:, _PRODUCT] = float(self.prediction[leaves].sum()) / n * spread[_E]
        # leaf by leaf, as errors may be larger where predictions are; within a leaf, as the baseline says
        errors2 = np.maximum(about[:, _E] - rows * off[_E] ** 2, 0.0) / np.maximum(rows, 1)
        covariances, mean_square = (
            model.covariances[leaves],
            model.prediction[leaves, 0] ** 2 + model.prediction[leaves, 1],
        )
        apart = covariances[:, _E, _E] * mean_square
        more = np.divide(covariances[:, _PRODUCT, _PRODUCT], apart, out=np.ones(len(leaves)), where=apart > 0)
        spread[_PRODUCT, _PRODUCT] = float(self.prediction2[leaves] @ (errors2 * more)) / (n - 1)
        return np.asarray(off), np.asarray(spread)


_PREDICTION = ("prediction", "prediction2")


def _sums(part: ResidualProfile) -> list[float]:
    shift = part.spec.value_exponent - part.spec.error_exponent
    # p (p - a); whole numbers, so that nothing is lost where both are large
    product = math.ldexp((part.units("prediction2") - part.units("product")) / 2**80, shift)
    return [*(part.total(name) for name in ("error", "absolute", "error2", "relative")), product]


def _squares(part: ResidualProfile) -> list[float]:
    fourth = math.nan if part.outlying else part.moment("e4")
    return [part.total("error2"), part.total("error2"), fourth, part.total("relative2")]
