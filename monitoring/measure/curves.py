"""Distances between two distribution functions, from counts and sums per bin.

Each bin knows how many values it holds and their mean, so the integral of a distribution function over a bin is
known exactly, however wide the bin is. What is not known is where inside a bin two functions cross.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from monitoring.measure.cells import require_same_edges
from monitoring.measure.null_distributions import (
    MEAN_FOLDED,
    folded_covariance,
    gamma_tail,
    mean_kolmogorov_smirnov,
    sampling_scale,
    smirnov_p_value,
)
from monitoring.measure.score import Score
from monitoring.profile.distribution import FloatArray, Histogram

# Places at which a Gaussian process is looked at for the variance of its integral
_NODES = 16
_MIDDLES = (np.arange(_NODES) + 0.5) / _NODES
_FIRST, _SECOND = np.triu_indices(_NODES, 1)
# A spread of fewer roundings than this is no spread.
_ROUNDINGS = 4
# Squares below this have lost digits to underflow.
_LEAST_VARIANCE = 1e-290


@dataclass(frozen=True, eq=False)
class Curves:
    """The distribution functions F of the reference and G of the current values over the same bins.

    Attributes:
        n: Rows of the reference.
        m: Rows of the current distribution.
        borders: Borders of the bins, cut to the range of the data, shape (b + 1,).
        widths: Widths of the bins, shape (b,).
        shares: Share of each side's rows per bin, shape (2, b).
        means: Mean of each side's values per bin, inside the bin, shape (2, b).
        below: F and G before the borders, shape (2, b + 1).
        gaps: F - G before the borders, shape (b + 1,).
        areas: Integral of F - G over each bin, shape (b,).
    """

    n: int
    m: int
    borders: FloatArray
    widths: FloatArray
    shares: FloatArray
    means: FloatArray
    below: FloatArray
    gaps: FloatArray
    areas: FloatArray

    @classmethod
    def of(cls, reference: Histogram, current: Histogram) -> Self | None:
        """The curves of two histograms, None if one has no finite value.

        Raises:
            ValueError: They are not on the same edges.
        """
        require_same_edges(reference, current)
        counts = np.stack([reference.counts, current.counts])
        reached = counts.cumsum(axis=1)
        n, m = reached[:, -1].tolist()
        if not n or not m:
            return None
        low, high = min(reference.low, current.low), max(reference.high, current.high)
        borders = np.empty(counts.shape[1] + 1)
        borders[0], borders[-1] = low, high
        np.minimum(np.maximum(reference.edges, low, out=borders[1:-1]), high, out=borders[1:-1])
        left, right = borders[:-1], borders[1:]
        means = np.stack([reference.sums, current.sums])
        means /= np.maximum(counts, 1)
        # sums are rounded: what is known of a bin is that its values lie inside
        np.minimum(np.maximum(means, left, out=means), right, out=means)
        np.copyto(means, left, where=reference.atoms)
        rows = np.array([[n], [m]], np.float64)
        shares = counts / rows
        below = np.zeros((2, len(borders)))
        np.divide(reached, rows, out=below[:, 1:])
        gaps = below[0] - below[1]
        widths = right - left
        missing = shares * (right - means)
        areas = gaps[:-1] * widths + missing[0] - missing[1]
        return cls(n, m, borders, widths, shares, means, below, gaps, areas)

    @property
    def pooled(self) -> FloatArray:
        """The distribution function of all rows together before each border, shape (b + 1,)."""
        weight = self.n / (self.n + self.m)
        return np.asarray(weight * self.below[0] + (1 - weight) * self.below[1])


def scale(reference: Histogram, current: Histogram) -> float:
    """What distances are counted in: the standard deviation of the reference.

    A reference whose values are all the same has none. Then it is the standard deviation of a mixture of equal
    parts of both, which is half the distance between two constants; 0 if they are the same constant.

    >>> one, two = (Histogram.of(np.full(9, x), np.array([1.5])) for x in (1.0, 2.0))
    >>> scale(one, two), scale(one, one)
    (0.5, 0.0)
    """
    deviation = _deviation(reference)
    if deviation or not current.n:
        return deviation
    return math.hypot(_deviation(current) / math.sqrt(2), _resolved(current.mean - reference.mean, reference) / 2)


def _deviation(side: Histogram) -> float:
    """Standard deviation of the values; 0 where it is no more than their rounding, NaN where its square has none."""
    # what is left of a histogram keeps its range, and rounding in its squares
    if side.low == side.high or (np.count_nonzero(side.counts) == 1 and side.exact):
        return 0.0
    variance = side.variance()
    if variance < _LEAST_VARIANCE and side.high - side.low < math.sqrt(_LEAST_VARIANCE):
        return math.nan
    return _resolved(math.sqrt(variance), side)


def _resolved(size: float, side: Histogram) -> float:
    return 0.0 if abs(size) <= _ROUNDINGS * np.spacing(max(abs(side.low), abs(side.high))) else size


def _over(amount: float, unit: float) -> float | None:
    """A distance in units; None where the unit is not a number, and 0 / 0 is no distance."""
    if not math.isfinite(unit):
        return None
    return amount / unit if unit else (0.0 if not amount else None)


def wasserstein(reference: Histogram, current: Histogram) -> Score:
    """The Wasserstein distance of order 1, in standard deviations of the reference.

    ∫ |F - G| dx / σ: how far a value has to move on average (Vallender, Calculation of the Wasserstein distance
    between probability distributions on the line, Theory Probab. Appl. 18, 1974). `scale` says what σ is for a
    constant. Without a change F - G is a Brownian bridge, so that the distance has mean
    ∫ sqrt(2 H (1 - H) (1/n + 1/m) / π) dx with H the distribution function of all rows (del Barrio, Giné and
    Matrán, Central limit theorems for the Wasserstein distance between the empirical and the true distributions,
    Ann. Probab. 27, 1999); its p-value is that of a gamma distribution with the bridge's mean and variance. The
    standard error is the delta method's, with that of σ.

    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> score = wasserstein(Histogram.of(np.array([1.0, 3.0]), edges), Histogram.of(np.array([2.0, 4.0]), edges))
    >>> score.value  # every value has moved by 1, and the standard deviation is 1
    1.0
    """
    return wasserstein_in(scale(reference, current), reference, current)


def wasserstein_in(unit: float, reference: Histogram, current: Histogram) -> Score:
    """The Wasserstein distance of order 1 in some unit."""
    curves = Curves.of(reference, current)
    if curves is None:
        return Score(None, reference.n, current.n)
    distance = _area_between(curves)
    value = _over(distance, unit)
    noise, variation = _wasserstein_noise(curves, unit)
    if not value:
        return Score(value, curves.n, curves.m, None, None if value is None else 1.0, noise)
    p_value = gamma_tail(value / noise, variation) if noise else None
    return Score(value, curves.n, curves.m, _wasserstein_error(curves, reference, value, unit), p_value, noise)


def _area_between(curves: Curves) -> float:
    """∫ |F - G| dx. In a bin where the functions cross, each takes its step at the mean of its values."""
    areas = np.abs(curves.areas)
    before, after = curves.gaps[:-1], curves.gaps[1:]
    crossed = np.flatnonzero(before * after < 0)
    if len(crossed):
        mean, other = curves.means[:, crossed]
        first, last = np.minimum(mean, other), np.maximum(mean, other)
        step = np.where(mean < other, curves.shares[0, crossed], -curves.shares[1, crossed])
        areas[crossed] = (
            np.abs(before[crossed]) * (first - curves.borders[crossed])
            + np.abs(before[crossed] + step) * (last - first)
            + np.abs(after[crossed]) * (curves.borders[crossed + 1] - last)
        )
    return float(areas.sum())


def _wasserstein_noise(curves: Curves, unit: float) -> tuple[float | None, float]:
    """Mean of the distance of two samples of the pooled rows, and its variance over the square of that mean."""
    pooled = curves.pooled
    deviations = np.sqrt(pooled * (1 - pooled))
    weights = (deviations[:-1] + deviations[1:]) * curves.widths / 2
    total = float(weights.sum())
    noise = _over(MEAN_FOLDED * math.sqrt(sampling_scale(curves.n, curves.m)) * total, unit)
    if not total:
        return noise, 1.0
    return noise, _mean_over_pairs(folded_covariance(_bridge_correlation(pooled, weights)))


def _bridge_correlation(pooled: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlation of a Brownian bridge between places that share the weight of the bins evenly.

    Returns:
        Shape (1 + pairs,): of a place with itself, then of all pairs of different places.
    """
    reached = np.zeros_like(pooled)
    np.cumsum(weights, out=reached[1:])
    places = np.interp(_MIDDLES * reached[-1], reached, pooled)
    odds = np.sqrt(places / (1 - places))
    correlation = np.ones(1 + len(_FIRST))
    np.divide(odds[_FIRST], odds[_SECOND], out=correlation[1:])
    return correlation


def _mean_over_pairs(numbers: FloatArray) -> float:
    """The mean of a symmetric matrix, of which the number on the diagonal and those above it are given."""
    return float(_NODES * numbers[0] + 2 * numbers[1:].sum()) / _NODES**2


def _wasserstein_error(curves: Curves, reference: Histogram, value: float, unit: float) -> float:
    """Standard error by the influence of single rows on the distance and, for the reference, on the unit."""
    signs = np.sign(curves.areas)
    steps = signs * curves.widths
    # antiderivative of sign(F - G): moving a value along it changes the distance
    influences = curves.means - curves.borders[:-1]
    influences *= signs
    influences += np.cumsum(steps) - steps
    influences[0] += value / (2 * unit) * np.square(curves.means[0] - reference.mean)
    return _error(influences, curves) / unit


def _error(influences: FloatArray, curves: Curves) -> float:
    """Standard error of a sum of influences of rows, by bin and side."""
    total = 0.0
    for values, shares, rows in zip(influences, curves.shares, (curves.n, curves.m), strict=True):
        centred = values - shares @ values
        total += float(shares @ (centred * centred)) / rows
    return math.sqrt(total)


def energy(reference: Histogram, current: Histogram) -> Score:
    """The energy distance, per root of the reference's standard deviation.

    sqrt(2 ∫ (F - G)² dx / σ): Cramér's distance (Székely and Rizzo, Energy statistics: a class of statistics based
    on distances, J. Stat. Plan. Inference 143, 2013). It has the unit of a root, hence the root of σ, for which
    see `scale`. Without a change its square has mean 2 (1/n + 1/m) ∫ H (1 - H) dx / σ; its p-value is that of a
    gamma distribution with the mean and the variance of the integral of a squared Brownian bridge.

    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> score = energy(Histogram.of(np.array([1.0, 3.0]), edges), Histogram.of(np.array([2.0, 4.0]), edges))
    >>> score.value  # the gap is a half on two intervals of length 1
    1.0
    """
    return energy_in(scale(reference, current), reference, current)


def energy_in(unit: float, reference: Histogram, current: Histogram) -> Score:
    """The energy distance per root of some unit."""
    curves = Curves.of(reference, current)
    if curves is None:
        return Score(None, reference.n, current.n)
    squared = _over(2 * float(_squared_areas(curves).sum()), unit)
    if squared is None:
        return Score(None, curves.n, curves.m)
    pooled = curves.pooled
    variances = pooled * (1 - pooled)
    weights = (variances[:-1] + variances[1:]) * curves.widths / 2
    mean = _over(2 * sampling_scale(curves.n, curves.m) * float(weights.sum()), unit)
    if not mean:
        return Score(math.sqrt(squared), curves.n, curves.m, None, 1.0 if not squared else None, mean)
    variation = 2 * _mean_over_pairs(_bridge_correlation(pooled, weights) ** 2)
    # mean of the root of a gamma variable
    shape = 1 / variation
    noise = math.sqrt(mean / shape) * math.exp(math.lgamma(shape + 0.5) - math.lgamma(shape))
    value = math.sqrt(squared)
    error = _energy_error(curves, value, unit) if value else None
    return Score(value, curves.n, curves.m, error, gamma_tail(squared / mean, variation), noise)


def _squared_areas(curves: Curves) -> FloatArray:
    """∫ (F - G)² dx per bin, with functions that are straight between the borders and the mean of a bin."""
    left, right = curves.borders[:-1], curves.borders[1:]
    first, last = curves.means.min(axis=0), curves.means.max(axis=0)
    gaps = [curves.gaps[:-1], *(curves.gaps[:-1] + _gained(curves, place) for place in (first, last)), curves.gaps[1:]]
    lengths = [first - left, last - first, right - last]
    pairs = zip(gaps[:-1], gaps[1:], lengths, strict=True)
    return np.asarray(sum(length * (a * a + a * b + b * b) / 3 for a, b, length in pairs))


def _gained(curves: Curves, place: FloatArray) -> FloatArray:
    """What F - G gains from the left border of each bin to a place in it; a bin keeps its mean."""
    left, right = curves.borders[:-1], curves.borders[1:]
    gained = []
    for share, mean in zip(curves.shares, curves.means, strict=True):
        knee = np.divide(right - mean, curves.widths, out=np.ones_like(mean), where=curves.widths > 0)
        before = np.divide(place - left, mean - left, out=np.ones_like(mean), where=mean > left)
        behind = np.divide(place - mean, right - mean, out=np.ones_like(mean), where=right > mean)
        gained.append(share * np.where(place <= mean, knee * before, knee + (1 - knee) * behind))
    return np.asarray(gained[0] - gained[1])


def _energy_error(curves: Curves, value: float, unit: float) -> float:
    """Standard error by the influence of single rows on the integral; the unit is taken as known."""
    middle = (curves.gaps[:-1] + curves.gaps[1:]) / 2
    travelled = np.cumsum(curves.areas) - curves.areas + middle * (curves.means - curves.borders[:-1])
    return 2 * _error(travelled, curves) / (unit * value)


def kolmogorov_smirnov(reference: Histogram, current: Histogram) -> Score:
    """The largest gap between the distribution functions: 0 for equal ones, 1 for ranges that do not meet.

    max |F - G|, looked at between bins: at most the share of one bin too small, and never too large. Kolmogorov,
    Sulla determinazione empirica di una legge di distribuzione, G. Ist. Ital. Attuari 4, 1933; Smirnov 1939 for two
    samples. The p-value is for values that do not repeat; where they do it is too high. The standard error takes
    the place of the gap as known.

    >>> edges = np.array([1.0, 2.0, 3.0, 4.0])
    >>> kolmogorov_smirnov(Histogram.of(np.array([1.0, 3.0]), edges), Histogram.of(np.array([2.0, 4.0]), edges)).value
    0.5
    """
    require_same_edges(reference, current)
    n, m = reference.n, current.n
    if not n or not m:
        return Score(None, n, m)
    below, below_current = np.cumsum(reference.counts) / n, np.cumsum(current.counts) / m
    gaps = np.abs(below - below_current)
    widest = int(gaps.argmax())
    value, f, g = float(gaps[widest]), float(below[widest]), float(below_current[widest])
    error = math.sqrt(f * (1 - f) / n + g * (1 - g) / m)
    return Score(value, n, m, error, smirnov_p_value(value, n, m), mean_kolmogorov_smirnov(n, m))
