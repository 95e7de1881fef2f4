"""How differently a model treats the values of a segment, with intervals from the counts.

The differences are those between the highest and the lowest value (Bird et al., Fairlearn: a toolkit for assessing and
improving fairness in AI, 2020); the ratio of the rates of positive predictions is the disparate impact of Feldman et
al., Certifying and removing disparate impact, KDD 2015; equal opportunity is that of Hardt, Price and Srebro, Equality
of opportunity in supervised learning, NeurIPS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from monitoring.measure.intervals import Z95, wilson
from monitoring.measure.measurement import Measurement
from monitoring.measure.segments import GroupCounts

Metric = Literal[
    "demographic_parity_difference", "disparate_impact", "equal_opportunity_difference", "accuracy_difference"
]
OF_TWO_CLASSES: tuple[Metric, ...] = (
    "demographic_parity_difference",
    "disparate_impact",
    "equal_opportunity_difference",
    "accuracy_difference",
)
# Of what the rates are that a metric compares, by the names in `GroupCounts`
SHARES: dict[Metric, tuple[str, str]] = {
    "demographic_parity_difference": ("positives", "rows"),
    "disparate_impact": ("positives", "rows"),
    "equal_opportunity_difference": ("hits", "actual"),
    "accuracy_difference": ("right", "labelled"),
}
OF_SEVERAL: tuple[Metric, ...] = ("accuracy_difference",)


@dataclass(frozen=True)
class Disparity:
    """The values of a segment that are furthest apart.

    Attributes:
        measurement: Their difference, or their ratio.
        highest: The value with the highest rate.
        lowest: The value with the lowest.
        rates: Both rates, the highest first.
        groups: How many values were compared.
    """

    measurement: Measurement
    highest: str
    lowest: str
    rates: tuple[float, float]
    groups: int


def share_of(metric: Metric, counts: GroupCounts) -> tuple[int, int]:
    """What a metric compares: hits, and the rows that they are of.

    Positive predictions of all rows (demographic parity, disparate impact), of the rows with a positive label (equal
    opportunity), or right ones of the labelled rows (accuracy).

    >>> share_of("equal_opportunity_difference", GroupCounts(rows=100, positives=30, labelled=90, actual=40, hits=25))
    (25, 40)
    """
    hits, rows = SHARES[metric]
    return getattr(counts, hits), getattr(counts, rows)


def disparity(metric: Metric, groups: Mapping[str, GroupCounts], least: int) -> Disparity | None:
    """The largest difference between two values of a segment; None where fewer than two have enough rows.

    Args:
        metric: Which one.
        groups: The rows of each value.
        least: A value with fewer rows than this, of those that count for the metric, is left out.

    >>> groups = {"f": GroupCounts(rows=200, positives=60), "m": GroupCounts(rows=200, positives=100)}
    >>> found = disparity("disparate_impact", groups, 100)
    >>> round(found.measurement.value, 6), found.highest, found.lowest
    (0.6, 'm', 'f')
    """
    shares = {name: share_of(metric, counts) for name, counts in groups.items()}
    shares = {name: (hits, rows) for name, (hits, rows) in shares.items() if rows >= max(least, 1)}
    if len(shares) < 2:
        return None
    ordered = sorted(shares, key=lambda name: (shares[name][0] / shares[name][1], name))
    lowest, highest = ordered[0], ordered[-1]
    (low_hits, low_rows), (high_hits, high_rows) = shares[lowest], shares[highest]
    if metric == "disparate_impact":
        measured = ratio(metric, low_hits, low_rows, high_hits, high_rows)
    else:
        measured = difference(metric, high_hits, high_rows, low_hits, low_rows)
    rates = (high_hits / high_rows, low_hits / low_rows)
    return Disparity(measured, highest, lowest, rates, len(shares))


def difference(name: str, hits: int, rows: int, other_hits: int, other_rows: int) -> Measurement:
    """The difference of two independent shares, with Newcombe's interval.

    Newcombe, Interval estimation for the difference between independent proportions: comparison of eleven methods,
    Stat. Med. 17, 1998, method 10. The standard error is the interval's, so that it is never zero.

    >>> found = difference("d", 56, 70, 48, 80)  # Newcombe's own example: 0.0524 to 0.3339
    >>> round(found.value, 2), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    one, other = hits / rows, other_hits / other_rows
    (low, high), (other_low, other_high) = wilson(one, rows), wilson(other, other_rows)
    value = one - other
    below = math.hypot(one - low, other_high - other)
    above = math.hypot(high - one, other - other_low)
    error = (below + above) / (2 * Z95)
    method = "highest less lowest, Newcombe's interval"
    return Measurement(
        name, value, rows + other_rows, "high", method, value - below, value + above, standard_error=error
    )


def ratio(name: str, hits: int, rows: int, other_hits: int, other_rows: int) -> Measurement:
    """The ratio of two independent shares, with the interval of its logarithm by the delta method.

    Katz, Baptista, Azen and Pike, Obtaining confidence intervals for the risk ratio in cohort studies, Biometrics 34,
    1978; with half a hit more in each where one has none, or all (Walter, The distribution of Levin's measure of
    attributable risk, Biometrika 62, 1975).

    >>> found = ratio("r", 60, 200, 100, 200)
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.6, 0.4659, 0.7728)
    """
    method = "lowest over highest, interval of the logarithm"
    if not other_hits:
        return Measurement(name, None, rows + other_rows, "low", method)
    edge = 0.5 if hits in (0, rows) or other_hits == other_rows else 0.0
    one, other = (hits + edge) / (rows + edge), (other_hits + edge) / (other_rows + edge)
    variance = 1 / (hits + edge) - 1 / (rows + edge) + 1 / (other_hits + edge) - 1 / (other_rows + edge)
    error = math.sqrt(max(variance, 0.0))
    middle, width = one / other, math.exp(Z95 * error)
    value = hits / rows / (other_hits / other_rows)
    low, high = min(middle / width, value), max(middle * width, value)
    return Measurement(name, value, rows + other_rows, "low", method, low, high, standard_error=middle * error)
