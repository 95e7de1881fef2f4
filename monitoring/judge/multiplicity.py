"""Many hypotheses in one run: which of them to reject so that few of the rejected are true."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def benjamini_hochberg(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses are rejected, with at most a share of `level` of them true on average.

    Valid for p-values that are independent or positively dependent. Where every hypothesis is true, `level` is also
    the probability that any is rejected. Benjamini and Hochberg, Controlling the false discovery rate, J. R. Stat.
    Soc. B 57, 1995; Benjamini and Yekutieli, Ann. Stat. 29, 2001, for positive dependence.

    Args:
        p_values: One per hypothesis, from 0 to 1.
        level: The false discovery rate.

    Returns:
        True for each hypothesis that is rejected, in the order given.

    Raises:
        ValueError: A p-value is not between 0 and 1.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.20], 0.05)  # against 0.05 / 4, 0.10 / 4, 0.15 / 4, 0.20 / 4
    [True, False, False, False]
    >>> benjamini_hochberg([0.01, 0.037, 0.03, 0.20], 0.05)
    [True, True, True, False]
    """
    _require_probabilities(p_values)
    count = len(p_values)
    border = -math.inf
    for rank, p_value in enumerate(sorted(p_values), 1):
        if p_value <= level * rank / count:
            border = p_value
    return [p_value <= border for p_value in p_values]


def simes(p_values: Sequence[float]) -> float:
    """The p-value of the hypothesis that all of some hypotheses are true: the least of p₍ᵢ₎ k / i.

    Valid for positively dependent p-values: Simes, An improved Bonferroni procedure, Biometrika 73, 1986; Sarkar,
    Ann. Stat. 26, 1998. Never more than the smallest times their number, and at a level that it meets
    `benjamini_hochberg` rejects at least one.

    Args:
        p_values: At least one.

    >>> simes([0.04, 0.03, 0.5])
    0.06
    """
    count = len(p_values)
    return min(p_value * count / rank for rank, p_value in enumerate(sorted(p_values), 1))


def by_group(p_values: Sequence[float], groups: Sequence[str], level: float) -> list[bool]:
    """Which hypotheses are rejected where those of one group count as one.

    A group has the p-value of `simes`. Benjamini-Hochberg decides on the groups, then, in each of the R groups of G
    that it rejects, on the members at `level` R / G. So the average share of falsely rejected members over the
    rejected groups is at most `level`, and ten columns that say the same neither raise the bar for all others nor
    lower it. Each rejected group has a rejected member. Benjamini and Bogomolov, Selective inference on multiple
    families of hypotheses, J. R. Stat. Soc. B 76, 2014.

    Args:
        p_values: One per hypothesis, from 0 to 1.
        groups: The group of each.
        level: The false discovery rate.

    Returns:
        True for each hypothesis that is rejected, in the order given.

    Raises:
        ValueError: A p-value is not between 0 and 1, or there is not one group per p-value.

    >>> by_group([0.020, 0.022, 0.024, 0.6, 0.015], ["temp", "temp", "temp", "hour", "load"], 0.05)
    [True, True, True, False, True]
    >>> by_group([0.030, 0.6, 0.7, 0.6, 0.7], ["temp", "temp", "temp", "hour", "load"], 0.05)
    [False, False, False, False, False]
    """
    _require_probabilities(p_values)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for place, group in zip(range(len(p_values)), groups, strict=True):
        members[group].append(place)
    of_groups = [simes([p_values[place] for place in places]) for places in members.values()]
    chosen = benjamini_hochberg(of_groups, level)
    within = level * sum(chosen) / max(len(chosen), 1)
    rejected = [False] * len(p_values)
    for places, is_chosen in zip(members.values(), chosen, strict=True):
        found = benjamini_hochberg([p_values[place] for place in places], within) if is_chosen else []
        for place, is_rejected in zip(places, found, strict=False):
            rejected[place] = is_rejected
    return rejected


def groups_of(association: ArrayLike, names: Sequence[str], threshold: float) -> dict[str, str]:
    """The group of each name: names whose association reaches the threshold, in a chain of pairs, are of one group.

    The clusters of single linkage. What is not known (NaN) ties nothing together.

    Args:
        association: Correlations or another association of pairs, negative ones as strong as positive ones; shape
            (k, k). A pair counts as the stronger of its two entries.
        names: k names.
        threshold: The least association of a pair in one group, more than 0.

    Returns:
        For each name, in order, the first name of its group.

    Raises:
        ValueError: The matrix does not have a row and a column per name.

    >>> groups_of([[1, -0.9, 0.1], [-0.9, 1, 0.8], [0.1, 0.8, 1]], ["temp", "humidity", "dew"], 0.7)
    {'temp': 'temp', 'humidity': 'temp', 'dew': 'temp'}
    >>> groups_of([[1, -0.9, 0.1], [-0.9, 1, 0.8], [0.1, 0.8, 1]], ["temp", "humidity", "dew"], 0.85)
    {'temp': 'temp', 'humidity': 'temp', 'dew': 'dew'}
    """
    count = len(names)
    matrix = np.abs(np.asarray(association, float).reshape(-1, count) if count else np.zeros((0, 0)))
    if matrix.shape != (count, count):
        raise ValueError(f"{count} names need an association of shape ({count}, {count}), not {matrix.shape}")
    tied = (matrix >= threshold) | (threshold <= matrix.T)
    found: dict[int, int] = {}
    for first in range(count):
        reached = [] if first in found else [first]
        while reached:
            place = reached.pop()
            found[place] = first
            reached += [int(other) for other in np.flatnonzero(tied[place]) if int(other) not in found]
    return {name: names[found[place]] for place, name in enumerate(names)}


def _require_probabilities(p_values: Sequence[float]) -> None:
    for p_value in p_values:
        if not 0.0 <= p_value <= 1.0:
            raise ValueError(f"a p-value is between 0 and 1, not {p_value}")
