"""Why the mean loss has changed: rows have moved (mix), or predictions of the same cells got worse (rate).

With w the share of the rows in a cell and l their mean loss, primes for now and L the baseline's mean loss, a change
of the mean loss is, over the cells of any one feature,

    mix   Σ (w′ − w)(l − L)    rows are now in cells where the loss is ordinarily higher
    rate  Σ w′ (l′ − l)        the loss is higher in the same cells
    new   Σ w′ (l′ − L)        cells of which the baseline has no labelled rows; L is taken for their ordinary loss

Kitagawa, Components of a difference between two rates, JASA 50, 1955. L in the mix changes no sum, as shares add up
to 1; it makes what a cell adds to the mix positive where the cell is worse than others and has more rows now.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from monitoring.measure.intervals import estimate
from monitoring.measure.measurement import Measurement
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.losses import LossByBin

# Cells with fewer rows than these on either side are one cell in the test of uniformity
LEAST_TESTED = 20
# Rows that the spread of losses over all cells counts for in the spread within a cell
_PRIOR_ROWS = 5.0
# Parts are whole multiples of 2^-44 of the largest loss, so that they add up to the last bit
_PART_BITS = 44


class CellShare(NamedTuple):
    """What one cell adds to the rate part.

    Attributes:
        cell: Its number.
        name: What it is called.
        rate: What it adds to the change of the mean loss.
        rows: Labelled rows in it now.
        before: Their mean loss in the baseline.
        now: Their mean loss now.
    """

    cell: int
    name: str
    rate: float
    rows: int
    before: float
    now: float


@dataclass(frozen=True, eq=False)
class FeatureChange:
    """The change of the mean loss over the cells of one feature; `mix + rate + new` is the change, exactly.

    Attributes:
        feature: The feature.
        mix: Rows have moved.
        rate: The loss of the same cells has changed.
        new: Cells that the baseline has no labelled rows of.
        concentration: How differently the loss has changed from cell to cell: the standard deviation of l′ − l over
            the rows of now, beyond what sampling gives. 0 where the change is the same everywhere, so that this
            feature names nothing. With p-value; None with fewer than two cells.
        rows_before: Labelled rows of the baseline by cell, shape (cells,).
        rows_now: Labelled rows of now by cell, shape (cells,).
        losses_before: Mean loss of the baseline by cell, NaN without rows, shape (cells,).
        losses_now: Mean loss of now by cell, NaN without rows, shape (cells,).
        by_cell: What each cell adds to mix, rate and new, shape (cells, 3).
    """

    feature: str
    mix: Measurement
    rate: Measurement
    new: Measurement
    concentration: Measurement
    rows_before: IntArray
    rows_now: IntArray
    losses_before: FloatArray
    losses_now: FloatArray
    by_cell: FloatArray

    def where(self, name: Callable[[int], str] = str, most: int = 3) -> tuple[CellShare, ...]:
        """The cells with the largest rate part, largest first; only those that go the way of the whole rate part.

        Args:
            name: What a cell is called.
            most: How many at most.
        """
        rate = self.by_cell[:, 1]
        sign = math.copysign(1.0, self.rate.value or 0.0)
        order = np.argsort(-sign * rate, kind="stable")[:most]
        return tuple(self._share(int(cell), name) for cell in order if sign * rate[cell] > 0)

    def _share(self, cell: int, name: Callable[[int], str]) -> CellShare:
        losses = float(self.losses_before[cell]), float(self.losses_now[cell])
        return CellShare(cell, name(cell), float(self.by_cell[cell, 1]), int(self.rows_now[cell]), *losses)


@dataclass(frozen=True, eq=False)
class Decomposition:
    """The change of the mean loss, and how each feature splits it.

    Attributes:
        change: Mean loss now less that of the baseline; None without rows on a side.
        before: The baseline's mean loss, None without rows.
        now: Mean loss now, None without rows.
        features: The split by each feature, in order of their names; empty without rows on a side.
        uncounted_before: Rows of the baseline without a loss.
        uncounted_now: Rows of now without a loss.
    """

    change: Measurement
    before: float | None
    now: float | None
    features: tuple[FeatureChange, ...]
    uncounted_before: int
    uncounted_now: int

    @cached_property
    def by_mix(self) -> tuple[FeatureChange, ...]:
        """Features by the size of their mix part, largest first: what moved inputs explain."""
        return tuple(sorted(self.features, key=lambda found: -abs(found.mix.value or 0.0)))

    @cached_property
    def by_concentration(self) -> tuple[FeatureChange, ...]:
        """Features by how much of the rate part is in few of their cells, most first."""
        return tuple(sorted(self.features, key=lambda found: -(found.concentration.value or 0.0)))

    def where(self, feature: str, name: Callable[[int], str] = str) -> tuple[CellShare, ...]:
        """The 3 cells of a feature with the largest rate part.

        Raises:
            KeyError: There is no such feature.
        """
        return {found.feature: found for found in self.features}[feature].where(name)


def decompose(baseline: LossByBin, current: LossByBin) -> Decomposition:
    """Split the change of the mean loss by each feature.

    Args:
        baseline: Losses of labelled rows of the baseline.
        current: Losses of labelled rows of now, on the same cells.

    Raises:
        ValueError: The losses are not on the same cells.

    >>> def losses(cells, losses):
    ...     return LossByBin.of({"x": np.array(cells)}, {"x": 2}, np.array(losses), 1.0)
    >>> found = decompose(losses([0, 0, 1, 1], [0.0, 0.0, 0.5, 0.5]), losses([0, 1, 1, 1], [0.0, 0.5, 0.5, 1.0]))
    >>> split = found.features[0]
    >>> found.change.value, split.mix.value, round(split.rate.value, 6)  # ¼ more rows in the worse cell
    (0.25, 0.125, 0.125)
    >>> [(cell.name, round(cell.rate, 6)) for cell in split.where(lambda cell: "ab"[cell])]
    [('b', 0.125)]
    """
    sizes = [{name: table.shape for name, table in side.features.items()} for side in (baseline, current)]
    if baseline.largest != current.largest or sizes[0] != sizes[1]:
        raise ValueError("losses of different cells, or of different largest losses")
    sides = {name: (_Side(baseline, name), _Side(current, name)) for name in sorted(sizes[0])}
    uncounted = baseline.uncounted, current.uncounted
    whole = next(iter(sides.values()), None)
    if whole is None or not whole[0].n or not whole[1].n:
        rows = (whole[1].n, whole[0].n) if whole else (0, 0)
        means = [side.mean if side.n else None for side in whole] if whole else [None, None]
        return Decomposition(_part("change", None, math.nan, *rows), means[0], means[1], (), *uncounted)
    before, now = whole
    step = math.ldexp(1.0, math.frexp(baseline.largest)[1] - _PART_BITS)
    change = round((now.mean - before.mean) / step) * step
    variance = before.variance / before.n + now.variance / now.n
    features = tuple(_feature_change(name, *pair, change, step) for name, pair in sides.items())
    found = _part("change", change, variance, now.n, before.n)
    return Decomposition(found, before.mean, now.mean, features, *uncounted)


class _Side:
    """Rows and losses of one set of rows by the cells of a feature."""

    def __init__(self, losses: LossByBin, feature: str) -> None:
        self.rows, self.totals, squares = losses.of_feature(feature)
        self.n = int(self.rows.sum())
        self.taken = self.rows > 0
        self.share = self.rows / max(self.n, 1)
        # sums are whole numbers of units, the same for every feature
        self.mean = float(self.totals.sum()) / max(self.n, 1)
        with np.errstate(invalid="ignore"):
            self.means = self.totals / self.rows
        mean_square = float(squares.sum()) / max(self.n, 1)
        self.variance = max(mean_square - self.mean**2, 0.0) * self.n / (self.n - 1) if self.n > 1 else math.nan
        within = np.where(self.taken, np.maximum(squares - self.totals * np.nan_to_num(self.means), 0.0), 0.0)
        freedom = self.n - int(self.taken.sum())
        pooled = float(within.sum()) / freedom if freedom else self.variance
        # a cell of few rows borrows its spread from all
        spread = (within + _PRIOR_ROWS * pooled) / (np.maximum(self.rows - 1, 0) + _PRIOR_ROWS)
        self.variances: FloatArray = np.asarray(spread, np.float64)


def _part(name: str, value: float | None, variance: float, rows: int, reference_rows: int) -> Measurement:
    method = {
        "change": "mean loss less that of the baseline",
        "mix": "change of the mean loss by rows that moved between cells (Kitagawa 1955)",
        "rate": "change of the mean loss within cells (Kitagawa 1955)",
        "new": "change of the mean loss by cells that the baseline has no labelled rows of",
    }[name]
    if value is None:
        return Measurement(name, None, rows, "high", method, reference_rows=reference_rows)
    found = estimate(name, value, variance, rows, "high", method)
    return Measurement(**{**found.to_json(), "reference_rows": reference_rows})


def _feature_change(feature: str, before: _Side, now: _Side, change: float, step: float) -> FeatureChange:
    old, share = before.taken, now.share
    ordinary = np.where(old, before.means, before.mean)
    losses_now = np.where(now.taken, now.means, ordinary)
    mix = (share - before.share) * (ordinary - before.mean)
    moved = share * (losses_now - ordinary)
    by_cell = np.column_stack([mix, np.where(old, moved, 0.0), np.where(old, 0.0, moved)])
    mix_sum, new_sum = (round(math.fsum(by_cell[:, i].tolist()) / step) * step for i in (0, 2))
    parts = {"mix": mix_sum, "rate": change - mix_sum - new_sum, "new": new_sum}
    variances = _variances(before, now, parts)
    mix_part, rate_part, new_part = (_part(k, parts[k], variances[k], now.n, before.n) for k in parts)
    return FeatureChange(
        feature,
        mix_part,
        rate_part,
        new_part,
        _concentration(before, now),
        before.rows.astype(np.int64),
        now.rows.astype(np.int64),
        before.means,
        now.means,
        by_cell,
    )


def _variances(before: _Side, now: _Side, parts: dict[str, float]) -> dict[str, float]:
    """The variance of each part, by what one row more of either side would change; cells' rows are multinomial.

    A row of loss y in cell b moves, of now, the mix by l_b − L less the mix, the rate by y − l_b less the rate and
    the new part by y − L less it; of the baseline, with r = w′/w and W the share of rows of now in the baseline's
    cells, the mix by r (y − l_b) − W (y − L), the rate by −r (y − l_b), and the new part by −(1 − W)(y − L).
    """
    old, share, fresh = before.taken, now.share, ~before.taken
    kept = float(share[old].sum())
    ordinary = np.where(old, before.means, before.mean)
    losses_now = np.where(now.taken, now.means, ordinary)
    ratio = np.divide(share, before.share, out=np.zeros_like(share), where=old)
    off = ordinary - before.mean
    moved2 = now.variances + (losses_now - ordinary) ** 2
    by_now = {
        "mix": float((share * off**2).sum()),
        "rate": float((share * moved2)[old].sum()),
        "new": float((share * moved2)[fresh].sum()),
    }
    by_before = {
        "mix": float((before.share * ((ratio - kept) ** 2 * before.variances + kept**2 * off**2))[old].sum()),
        "rate": float((before.share * ratio**2 * before.variances)[old].sum()),
        "new": (1 - kept) ** 2 * before.variance if kept < 1 else 0.0,
    }
    return {k: max(by_now[k] - parts[k] ** 2, 0.0) / now.n + by_before[k] / before.n for k in parts}


def _concentration(before: _Side, now: _Side) -> Measurement:
    """Whether the loss has changed differently from cell to cell: Cochran's Q, and the spread beyond sampling.

    Cochran, The combination of estimates from different experiments, Biometrics 10, 1954.
    """
    from scipy.special import chdtrc

    name, method = "concentration", "standard deviation over cells of the change of their mean loss, beyond sampling"
    groups = _tested(before, now)
    rows = np.array([float(now.rows[group].sum()) for group in groups])
    if len(groups) < 2:
        return Measurement(name, None, int(rows.sum()), "high", method)
    cell_change, cell_noise = now.means - before.means, _noise(before, now)
    weights = [now.rows[group] / now.rows[group].sum() for group in groups]
    change = np.array([weight @ cell_change[group] for weight, group in zip(weights, groups, strict=True)])
    noise = np.array([weight**2 @ cell_noise[group] for weight, group in zip(weights, groups, strict=True)])
    share = rows / rows.sum()
    spread = float((share * (change - (share * change).sum()) ** 2).sum())
    # of independent changes about one mean
    expected = float((share * (1 - share) * noise).sum())
    p_value = 1.0
    if (noise > 0).all():
        middle = float((change / noise).sum() / (1 / noise).sum())
        p_value = float(chdtrc(len(groups) - 1, float(((change - middle) ** 2 / noise).sum())))
    value = math.sqrt(max(spread - expected, 0.0))
    return Measurement(name, value, int(rows.sum()), "high", method, p_value=p_value, noise=math.sqrt(expected))


def _tested(before: _Side, now: _Side) -> list[IntArray]:
    """The cells that are compared: those with enough rows on both sides, and the others together if they have."""
    both = before.taken & now.taken
    enough = (before.rows >= LEAST_TESTED) & (now.rows >= LEAST_TESTED)
    rest = np.flatnonzero(both & ~enough)
    groups = [np.array([cell]) for cell in np.flatnonzero(enough)]
    if min(before.rows[rest].sum(), now.rows[rest].sum()) >= LEAST_TESTED:
        groups.append(rest)
    return groups


def _noise(before: _Side, now: _Side) -> FloatArray:
    """The variance of the change of each cell's mean loss, NaN where a side has no rows; shape (cells,).

    Losses are skewed: of few rows, a low mean comes with a low variance. So that such a cell is not taken to be
    sure, both sides tell the variance of a cell together, but for one factor between the sides.
    """
    usual = float((now.share * before.variances).sum())
    factor = float((now.share * now.variances).sum()) / usual if usual else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        if not factor:
            return np.asarray(now.variances / now.rows + before.variances / before.rows, np.float64)
        common = before.rows * before.variances + now.rows * now.variances / factor
        common /= before.rows + now.rows
        return np.asarray(common * (factor / now.rows + 1 / before.rows), np.float64)
