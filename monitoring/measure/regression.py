"""What predictions of numbers are worth. An error is prediction − actual value."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from monitoring.measure.intervals import Z95, estimate, mean_of, sample_variance, undefined
from monitoring.measure.measurement import Direction, Measurement
from monitoring.profile.fixed_point import FloatArray
from monitoring.profile.residuals import ResidualProfile, error_edges

QUANTILES = (0.05, 0.5, 0.95)
ABSOLUTE_QUANTILES = (0.5, 0.95)


def _defined(outcomes: ResidualProfile, least: int = 1) -> bool:
    """Whether sums tell the whole: no row was too large to be added."""
    return outcomes.beyond == 0 and outcomes.measured >= least


def bias(outcomes: ResidualProfile) -> Measurement:
    """Mean error: above 0, too much was predicted. Normal interval.

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> outcomes = ResidualProfile.of(np.array([1.0, 4.0]), np.array([2.0, 2.0]), ResidualSpec())
    >>> bias(outcomes).value  # (-1 + 2) / 2
    0.5
    """
    return _mean("bias", outcomes, ("error", "error2"), "both", "mean error")


def mae(outcomes: ResidualProfile) -> Measurement:
    """Mean absolute error, normal interval.

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> mae(ResidualProfile.of(np.array([1.0, 4.0]), np.array([2.0, 2.0]), ResidualSpec())).value  # (1 + 2) / 2
    1.5
    """
    return _mean("mae", outcomes, ("absolute", "error2"), "high", "mean absolute error", lowest=0.0)


def mean_actual(outcomes: ResidualProfile) -> Measurement:
    """Mean actual value, normal interval."""
    return _mean("mean_actual", outcomes, ("actual", "actual2"), "both", "mean of the actual values")


def mean_prediction(outcomes: ResidualProfile) -> Measurement:
    """Mean prediction of labelled rows, normal interval."""
    method = "mean of the predictions of labelled rows"
    return _mean("mean_prediction", outcomes, ("prediction", "prediction2"), "both", method)


def _mean(
    name: str,
    outcomes: ResidualProfile,
    sums: tuple[str, str],
    direction: Direction,
    method: str,
    *,
    lowest: float = -math.inf,
) -> Measurement:
    """The mean of a quantity from its sum and that of its squares."""
    n, spec = outcomes.measured, outcomes.spec
    if not _defined(outcomes):
        return undefined(name, n, direction, method)
    total, squares = (outcomes.total(quantity) for quantity in sums)
    found = mean_of(name, total, squares, n, direction, method, lowest=lowest)
    if sums[0] == "relative":
        return found
    if sums[0] in ("actual", "prediction"):
        return in_units(found, spec.value_exponent, spec.centre)
    return in_units(found, spec.error_exponent)


def in_units(number: Measurement, exponent: int, centre: float = 0.0) -> Measurement:
    """A number in the data's own units, from one in scales."""
    value, low, high = (
        None if x is None else math.ldexp(x, exponent) + centre for x in (number.value, number.low, number.high)
    )
    error = None if number.standard_error is None else math.ldexp(number.standard_error, exponent)
    return replace(number, value=value, low=low, high=high, standard_error=error)


def rmse(outcomes: ResidualProfile) -> Measurement:
    """Root of the mean squared error; delta method: Var(RMSE) = Var(e²) / (4 n MSE).

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> rmse(ResidualProfile.of(np.array([1.0, 9.0]), np.array([2.0, 2.0]), ResidualSpec())).value  # root of 25
    5.0
    """
    n, method = outcomes.measured, "root mean squared error"
    if not _defined(outcomes):
        return undefined("rmse", n, "high", method)
    squared = outcomes.total("error2") / n
    value = math.sqrt(squared)
    if not value or outcomes.outlying:
        found = Measurement("rmse", value, n, "high", method)
    else:
        variance = sample_variance(n * squared, outcomes.moment("e4"), n) / (4 * n * squared)
        found = estimate("rmse", value, variance, n, "high", method, lowest=0.0)
    return in_units(found, outcomes.spec.error_exponent)


def r2(outcomes: ResidualProfile) -> Measurement:
    """1 − squared errors / squared deviations of the actual values from their own mean.

    The interval is the delta method's: with E and V the mean squares, a row moves 1 − E / V by
    −(e² − E) / V + E (d² − V) / V², d its deviation.

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> outcomes = ResidualProfile.of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]), ResidualSpec())
    >>> r2(outcomes).value  # 1 - 1 / 2
    0.5
    """
    n, method = outcomes.measured, "R²: share of the variance of the actual values that the predictions explain"
    # whole numbers, so that a large mean takes no digits from the variance
    deviations = n * outcomes.units("actual2") - outcomes.units("actual") ** 2
    if not _defined(outcomes, 2) or not deviations:
        return undefined("r2", n, "low", method)
    spec = outcomes.spec
    # the error's scale in the values'
    shift = 2 * (spec.error_exponent - spec.value_exponent)
    ratio = math.ldexp(outcomes.units("error2") * n / deviations, shift)
    if outcomes.outlying:
        return Measurement("r2", 1 - ratio, n, "low", method)
    mean = outcomes.units("actual") / n / 2.0**40
    spread = deviations / n**2 / 2.0**80
    squared = outcomes.units("error2") / n / 2.0**80
    e4, e2a, e2a2, a3, a4 = (outcomes.moment(name) / n for name in ("e4", "e2a", "e2a2", "a3", "a4"))
    a2 = spread + mean**2
    # central moments from those about the frozen centre
    d4 = a4 - 4 * mean * a3 + 6 * mean**2 * a2 - 3 * mean**4
    e2d2 = e2a2 - 2 * mean * e2a + mean**2 * squared
    scale = 2.0**shift
    of_errors, of_deviations = (e4 - squared**2) * scale**2, d4 - spread**2
    together = (e2d2 - squared * spread) * scale
    variance = (of_errors - 2 * ratio * together + ratio**2 * of_deviations) / spread**2 / (n - 1)
    return estimate("r2", 1 - ratio, variance, n, "low", method, highest=1.0)


def mape(outcomes: ResidualProfile) -> Measurement:
    """Mean of |error / actual value|, where every row has one; a share, not percent.

    None if an actual value is zero, or below 2^-22 of its error: one such row would be the whole mean.

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> outcomes = ResidualProfile.of(np.array([1.0, 3.0]), np.array([2.0, 2.0]), ResidualSpec())
    >>> mape(outcomes).value
    0.5
    """
    n, method = outcomes.measured, "mean absolute error relative to the actual value"
    if outcomes.near_zero:
        return undefined("mape", n, "high", method)
    return _mean("mape", outcomes, ("relative", "relative2"), "high", method, lowest=0.0)


def error_quantile(outcomes: ResidualProfile, share: float, *, absolute: bool = False) -> Measurement:
    """A quantile of the error, or of its size, within 0.4 % of the row that has its rank.

    Linear between ranks, as NumPy's, with the rows of a bin spread evenly over it. The interval takes the ranks
    q n ± 1.96 √(n q (1 − q)), whatever the distribution.

    Args:
        outcomes: The rows.
        share: Between 0 and 1.
        absolute: Whether of the error's size.

    >>> from monitoring.profile.residuals import ResidualSpec
    >>> outcomes = ResidualProfile.of(np.arange(101.0), np.zeros(101), ResidualSpec())
    >>> round(error_quantile(outcomes, 0.5).value)
    50
    """
    name = f"{'absolute_' if absolute else ''}error_p{share * 100:g}"
    method = f"{share:.0%} quantile of the {'absolute ' if absolute else ''}error"
    direction: Direction = "high" if absolute else "both"
    bins, counts = outcomes.bins, outcomes.counts.astype(np.float64)
    n = int(outcomes.counts.sum())
    if not n:
        return undefined(name, 0, direction, method)
    if absolute:
        bins, place = np.unique(np.abs(bins), return_inverse=True)
        counts = np.bincount(place, counts).astype(np.float64)
    low, high = error_edges(bins)
    half = Z95 * math.sqrt(n * share * (1 - share))
    ranks = np.clip([(n - 1) * share, n * share - half - 0.5, n * share + half - 0.5], 0, n - 1)
    found = [math.ldexp(x, outcomes.spec.error_exponent) for x in _at_rank(ranks, counts, low, high)]
    return Measurement(name, found[0], n, direction, method, min(found[:2]), max(found[0], found[2]))


def _at_rank(ranks: FloatArray, counts: FloatArray, low: FloatArray, high: FloatArray) -> list[float]:
    """The value at each rank, from 0 to n − 1, if a bin's rows are spread evenly over it."""
    below = np.cumsum(counts) - counts
    place = np.searchsorted(np.cumsum(counts), ranks, side="right")
    share = np.minimum((ranks - below[place] + 0.5) / counts[place], 1.0)
    return [float(x) for x in low[place] + share * (high - low)[place]]
