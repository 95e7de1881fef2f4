"""A test that knows what has changed: the kind, the column, the direction and the size, and what days are like.

It is that of Neyman and Pearson: the mean, over the rows of a window, of the logarithm of how much more likely a row
and its label are after the change. Its mean and its variance, of rows and of days, are those of the world, so that the
effect at which it finds the change with a given power is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import NormalDist

import numpy as np

from benchmarks.verdict_peers import jensen_shannon
from benchmarks.verdict_streams import Change, Day, Draw, Pool, Shift, days_of, unchanged, world_on
from monitoring.profile.fixed_point import FloatArray, IntArray

POWER = 0.9
_DAYS, _STEPS = 150, 25
Cells = Mapping[str, tuple[IntArray, int]]


@dataclass(frozen=True, eq=False)
class Oracle:
    """The test of one change.

    Attributes:
        effect: The effect at which it has 90 % power.
        least: The effect that is still no change to it: 0, or one that is within the tolerances.
        change: The world at the effect.
        weights: What a row adds, without and with a positive label; shape (n, 2).
        limit: The mean above which it says that there is a change.
    """

    effect: float
    least: float
    change: Change
    weights: FloatArray
    limit: float

    def says(self, draw: Draw) -> bool:
        """Whether a window has changed."""
        total = (draw.rows - draw.positives) @ self.weights[:, 0] + draw.positives @ self.weights[:, 1]
        return bool(total / draw.rows.sum() > self.limit)


def days_like(stream: str, pool: Pool) -> list[Day]:
    """Days of a stream, to average over."""
    return list(
        islice(days_of(stream, pool, np.random.default_rng(5)), _DAYS if stream in ("weather", "weekly") else 1)
    )


def oracle_for(
    pool: Pool, days: Sequence[Day], shift: Shift, rows: int, level: float, least: float = 0.0
) -> Oracle | None:
    """The smallest effect that the oracle finds; None where even the largest is not found.

    Args:
        pool: The world.
        days: What days are like.
        shift: The kind of change.
        rows: Rows of an ordinary window.
        level: The probability of a false alarm in a window.
        least: The effect that is no change.
    """
    none = shift.of(pool, least) if least else unchanged(pool)

    def at(effect: float) -> tuple[float, float, FloatArray, Change]:
        change = shift.of(pool, effect)
        weights = _likelihood(change, none)
        mean, deviation = _moments(days, none, weights, rows)
        limit = mean + NormalDist().inv_cdf(1 - level) * deviation
        mean, deviation = _moments(days, change, weights, rows)
        return mean - NormalDist().inv_cdf(POWER) * deviation - limit, limit, weights, change

    low, high = least, shift.largest
    if least >= high or at(high)[0] < 0:
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if at(middle)[0] >= 0 else (middle, high)
    _, limit, weights, change = at(high)
    return Oracle(high, least, change, weights, limit)


def _likelihood(change: Change, none: Change) -> FloatArray:
    shares = [np.exp(world.weights - world.weights.max()) for world in (change, none)]
    rows = np.log(shares[0] / shares[0].sum()) - np.log(shares[1] / shares[1].sum())
    of_label = [np.log(1 - change.rates) - np.log(1 - none.rates), np.log(change.rates) - np.log(none.rates)]
    return np.stack([rows + part for part in of_label], axis=1)


def _moments(days: Sequence[Day], world: Change, weights: FloatArray, rows: int) -> tuple[float, float]:
    """Mean and standard deviation of the mean weight in a window: of its rows, and of days."""
    means, variances = [], []
    for day in days:
        shares, rates = world_on(day, world)
        of_row = weights[:, 0] * (1 - rates) + weights[:, 1] * rates
        squares = weights[:, 0] ** 2 * (1 - rates) + weights[:, 1] ** 2 * rates
        means.append(float(shares @ of_row))
        variances.append((float(shares @ squares) - means[-1] ** 2) / (rows * day.volume))
    return float(np.mean(means)), math.sqrt(float(np.mean(variances) + np.var(means)))


def tolerated(pool: Pool, shift: Shift, cells: Cells, tolerances: Mapping[str, float]) -> float:
    """The largest effect of which no measurement is beyond its tolerance.

    Args:
        pool: The world.
        shift: The kind of change.
        cells: By column, and `(score)`, the cell of each row and how many cells there are.
        tolerances: Of `drift`, of `score`, of `calibration`, and of `concept` as a share of the mean loss.
    """

    def beyond(effect: float) -> bool:
        measured = measure(pool, shift, shift.of(pool, effect), cells)
        return any(measured[name] > tolerances[name] for name in measured)

    return _first(beyond, shift.largest)


def _first(beyond: Callable[[float], bool], largest: float) -> float:
    low, high = 0.0, largest
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(middle) else (middle, high)
    return low


def measure(pool: Pool, shift: Shift, change: Change, cells: Cells) -> dict[str, float]:
    """What the product's measurements are in a changed world, without chance: those that could tell of the shift."""
    shares = np.exp(change.weights - change.weights.max())
    shares /= shares.sum()
    before = np.full(len(shares), 1 / len(shares))

    def distance(name: str) -> float:
        cell, size = cells[name]
        return jensen_shannon(np.bincount(cell, before, size), np.bincount(cell, shares, size), 2.0)

    if not shift.about_labels:
        return {"drift": max(distance(name) for name in shift.columns)}
    scores = pool.rates
    expected, realised = (
        float(shares @ (rates * (1 - scores) ** 2 + (1 - rates) * scores**2)) for rates in (scores, change.rates)
    )
    ordinary = float(before @ (scores * (1 - scores)))
    return {
        "score": distance("(score)"),
        "calibration": abs(float(shares @ (scores - change.rates))),
        "concept": (realised - expected) / ordinary,
    }
