"""How far two distributions are apart: every drift statistic by name, in two flavours.

`corrected`, the default, is what we stand behind: the value is a distance or an effect, whose size does not depend
on the number of rows, and beside it stand its standard error, the p-value of a two-sided test of two samples, and
the value that sampling alone would give. `evidently` is the score that Evidently 0.7.23 gives for the same rows.

A statistic is added in one place: `register(Statistic(...))`. `docs/drift-statistics.md` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from monitoring.measure import cells, curves, evidently, location
from monitoring.measure.measurement import Direction, Measurement
from monitoring.measure.score import Score
from monitoring.profile.distribution import Distribution, Histogram

Flavour = Literal["corrected", "evidently"]
Kind = Literal["numeric", "categorical"]
_BOTH: tuple[Kind, ...] = ("numeric", "categorical")
_NUMERIC: tuple[Kind, ...] = ("numeric",)


@dataclass(frozen=True)
class Formula:
    """One way to compute a statistic.

    Attributes:
        function: From the reference and the current distribution, both of one kind and on the same edges.
        direction: The side of its value that means drift.
        method: What the value is, for people.
        threshold: Where Evidently says drift, None for our own: what is ordinary is learned from the baseline.
        at_threshold: Whether a value at the threshold is drift already.
    """

    function: Callable[[Any, Any], Score]
    direction: Direction
    method: str
    threshold: float | None = None
    at_threshold: bool = True

    def says_drift(self, value: float) -> bool:
        """Evidently's verdict with its own threshold.

        >>> STATISTICS["ks"].evidently.says_drift(0.05), STATISTICS["t"].evidently.says_drift(0.05)
        (True, False)
        """
        if self.threshold is None:
            return False
        if value == self.threshold:
            return self.at_threshold
        return value > self.threshold if self.direction == "high" else value < self.threshold


@dataclass(frozen=True)
class Statistic:
    """A drift statistic.

    Attributes:
        name: Its name in configurations and measurements.
        kinds: The kinds of columns that it is defined for.
        corrected: Our formula.
        evidently: Evidently's, None where it has none that distributions can give.
        evidently_name: What Evidently calls it.
    """

    name: str
    kinds: tuple[Kind, ...]
    corrected: Formula
    evidently: Formula | None = None
    evidently_name: str | None = None

    def formula(self, flavour: Flavour) -> Formula:
        """The formula of a flavour.

        Raises:
            ValueError: There is none.
        """
        found = {"corrected": self.corrected, "evidently": self.evidently}.get(flavour)
        if found is None:
            raise ValueError(f"{self.name} has no flavour {flavour!r}; flavours are {', '.join(get_args(Flavour))}")
        return found


STATISTICS: dict[str, Statistic] = {}


def register(statistic: Statistic) -> Statistic:
    """Make a statistic known by its name.

    Raises:
        ValueError: The name is taken.

    >>> formula = Formula(lambda reference, current: Score(0.0, reference.n, current.n), "high", "nothing")
    >>> register(Statistic("psi", ("numeric",), formula))
    Traceback (most recent call last):
    ...
    ValueError: there is a statistic psi already
    """
    if statistic.name in STATISTICS:
        raise ValueError(f"there is a statistic {statistic.name} already")
    STATISTICS[statistic.name] = statistic
    return statistic


def drift(method: str, reference: Distribution, current: Distribution, flavour: Flavour = "corrected") -> Measurement:
    """How far the current distribution is from the reference.

    Args:
        method: Name of a statistic, one of `STATISTICS`.
        reference: The baseline.
        current: The rows in question, of the same kind and, if numeric, on the same edges.
        flavour: Whose formula: `corrected`, ours, or `evidently`.

    Returns:
        The measurement; its value is None where it is not defined: a side without rows, or numbers that overflow.

    Raises:
        ValueError: There is no such statistic or flavour, or it does not fit the kind of column.

    >>> from monitoring.profile.distribution import Categories
    >>> old, new = Categories({"a": 50, "b": 50}), Categories({"a": 60, "b": 40})
    >>> found = drift("psi", old, new)
    >>> round(found.value, 4), round(found.noise, 4), round(found.p_value, 2)
    (0.0405, 0.02, 0.16)
    >>> round(drift("chi_square", old, new, "evidently").value, 4)
    0.0455
    """
    statistic = STATISTICS.get(method)
    if statistic is None:
        raise ValueError(f"there is no drift statistic {method!r}; there are {', '.join(sorted(STATISTICS))}")
    formula = statistic.formula(flavour)
    if kind_of(reference) != kind_of(current):
        raise ValueError("a numeric and a categorical distribution cannot be compared")
    if kind_of(reference) not in statistic.kinds:
        raise ValueError(f"{method} is not defined for {kind_of(reference)} columns")
    with np.errstate(all="ignore"):
        score = formula.function(reference, current)
    return Measurement(
        method,
        _finite(score.value),
        score.rows,
        formula.direction,
        formula.method,
        reference_rows=score.reference_rows,
        standard_error=_finite(score.standard_error),
        p_value=_finite(score.p_value),
        noise=_finite(score.noise),
        freedom=score.freedom,
        reciprocals=_finite(score.reciprocals),
    )


def kind_of(distribution: Distribution) -> Kind:
    """The kind of a column.

    >>> from monitoring.profile.distribution import Categories
    >>> kind_of(Categories({}))
    'categorical'
    """
    return "numeric" if isinstance(distribution, Histogram) else "categorical"


def _finite(number: float | None) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)


register(
    Statistic(
        "wasserstein",
        _NUMERIC,
        Formula(curves.wasserstein, "high", "Wasserstein distance, in standard deviations of the reference"),
        Formula(evidently.wasserstein, "high", "Wasserstein distance, normed as Evidently does", 0.1),
        "wasserstein",
    )
)
register(
    Statistic(
        "jensen_shannon",
        _BOTH,
        Formula(cells.jensen_shannon, "high", "Jensen-Shannon distance, base 2"),
        Formula(evidently.jensen_shannon, "high", "Jensen-Shannon distance, base e, in Evidently's bins", 0.1),
        "jensenshannon",
    )
)
register(
    Statistic(
        "psi",
        _BOTH,
        Formula(cells.psi, "high", "population stability index"),
        Formula(evidently.psi, "high", "population stability index in Evidently's bins", 0.1),
        "psi",
    )
)
register(
    Statistic(
        "kl",
        _BOTH,
        Formula(cells.kullback_leibler, "high", "Kullback-Leibler divergence from the reference, in nats"),
        Formula(evidently.kullback_leibler, "high", "Kullback-Leibler divergence in Evidently's bins", 0.1),
        "kl_div",
    )
)
register(
    Statistic(
        "hellinger",
        _BOTH,
        Formula(cells.hellinger, "high", "Hellinger distance"),
        Formula(evidently.hellinger, "high", "Hellinger distance in Evidently's bins", 0.1),
        "hellinger",
    )
)
register(Statistic("total_variation", _BOTH, Formula(cells.total_variation, "high", "total variation distance")))
register(Statistic("l_infinity", _BOTH, Formula(cells.l_infinity, "high", "largest difference in the share of a cell")))
register(
    Statistic(
        "ks",
        _NUMERIC,
        Formula(curves.kolmogorov_smirnov, "high", "Kolmogorov-Smirnov distance"),
        Formula(evidently.kolmogorov_smirnov, "low", "p-value of the Smirnov test", 0.05),
        "ks",
    )
)
register(
    Statistic(
        "chi_square",
        _BOTH,
        Formula(cells.chi_square, "high", "Cohen's w of the chi-square test of two samples"),
        Formula(evidently.chi_square, "low", "p-value of Evidently's chi-square test of one sample", 0.05, False),
        "chisquare",
    )
)
register(
    Statistic(
        "z",
        _BOTH,
        Formula(location.share_shift, "both", "change of the share of the greater of two values"),
        Formula(evidently.share_shift, "low", "p-value of the z-test of two proportions", 0.05, False),
        "z",
    )
)
register(
    Statistic(
        "energy",
        _NUMERIC,
        Formula(curves.energy, "high", "energy distance, per root of the reference's standard deviation"),
        Formula(evidently.energy, "high", "energy distance, in the root of the column's unit", 0.1, False),
        "ed",
    )
)
register(
    Statistic(
        "t",
        _NUMERIC,
        Formula(location.mean_shift, "both", "change of the mean, in standard deviations of the reference"),
        Formula(evidently.mean_shift, "low", "p-value of Student's t-test", 0.05, False),
        "t_test",
    )
)
