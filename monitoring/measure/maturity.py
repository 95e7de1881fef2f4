"""How many labels there should be by now, and whether they come as they usually do.

What is usual is learned from past windows, each seen at its own age: a development triangle. A past window counts for
a lag as soon as even its youngest row is that old. So windows that are still waiting contribute what they can, and
nothing is assumed about how lag and age go together within a window.

Ages and lags are in hours. Where lags are measured from the *inference*, the rows of a window differ in age, from
`youngest` to `oldest`, and shares are averaged over that range: right for labels that come one by one. Where they are
measured from the *end of the window*, youngest and oldest are the same, and all is exact, for deliveries in batches
too. `docs/maturity.md` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from monitoring.measure.intervals import undefined
from monitoring.measure.measurement import Measurement
from monitoring.profile.delays import LAG_EDGES, DelayProfile
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray

# No curve is longer than what this many windows tell of, where there are as many
_FEWEST = 3
_POINTS = 24
_INSIDE, _SIDE = 0.95, 0.025
# Nearly all labels that ever come, where windows differ as they do in the end
_NEARLY_ALL = 0.99
# At most this share of all labels came in the second half of the ages that were seen
_LATE_LABELS = 0.05
# What averaging may leave on a share, and hours below which ages are the same
_ROUNDING, _LEAST_RANGE = 1e-12, 1e-6
# Gaps vary by at least this share, and their tail is looked at from this many of the longest on
_LEAST_VARIATION, _LONGEST = 0.05, range(2, 9)
# What has not seen a weekend does not know how long labels may be away
_LEAST_GAPS, _LEAST_HOURS = 3, 168.0


@dataclass(frozen=True, eq=False)
class Observed:
    """A past window as it was when it was looked at.

    Attributes:
        profile: Its delays.
        youngest: Hours from its last row to the look.
        oldest: Hours from its first row to the look; the same as `youngest` where lags count from the window's end.
    """

    profile: DelayProfile
    youngest: float
    oldest: float

    def __post_init__(self) -> None:
        require_ages(self.youngest, self.oldest)


class Expected(NamedTuple):
    """A share of rows with a label, and the 95 % interval of what a window may have.

    Attributes:
        expected: Share of all rows.
        low: Lower end of a window's, 0 with fewer than two windows to learn it from.
        high: Upper end of a window's, 1 with fewer than two windows to learn it from.
    """

    expected: float
    low: float
    high: float


class _Usual(NamedTuple):
    """What past windows had at an age; mean, and deviation of a further window of `rows` rows, on Anscombe's scale."""

    windows: int
    rows: int
    centre: float
    deviation: float
    shares: FloatArray
    least: FloatArray
    reference_rows: int


@dataclass(frozen=True, eq=False)
class MaturityCurve:
    """How labels have come in past windows.

    Attributes:
        ages: Ages, ascending from 0, shape (k,).
        shares: Share of all rows with a label by each age, shape (k,).
        groups: The classes.
        completeness_by_group: Of the rows of each group that had a label by the last age, the share that had it by
            each age, shape (groups + 1, k); the last is for all other rows.
        rows: Rows of each past window, shape (w,).
        youngest: The age of its youngest row, shape (w,).
        known: Labels by each age, shape (w, k); of no meaning where the window was younger.
        labelled: Labels of each group, shape (groups + 1,).
    """

    ages: FloatArray
    shares: FloatArray
    groups: tuple[str, ...]
    completeness_by_group: FloatArray
    rows: IntArray
    youngest: FloatArray
    known: IntArray
    labelled: IntArray

    @property
    def horizon(self) -> float:
        """The last age that the curve tells of, in hours."""
        return float(self.ages[-1])

    @property
    def settled(self) -> bool:
        """Whether labels have nearly stopped coming at the end: 5 % of them or fewer came in its second half."""
        final = float(self.shares[-1])
        return final - self._mean(self.shares, self.horizon / 2) <= _LATE_LABELS * final

    @property
    def ever(self) -> Expected:
        """The share of a window's rows that has a label in the end, as far as past windows have been seen."""
        settled = self.age_of(_NEARLY_ALL)
        _, low, high = self.coverage(self.horizon if settled is None else settled)
        final = float(self.shares[-1])
        return Expected(final, min(low, final), max(high, final))

    def coverage(self, age: float, *, oldest: float | None = None, rows: int | None = None) -> Expected:
        """The share of a window's rows that has a label at an age.

        Args:
            age: Hours since its youngest row.
            oldest: Hours since its oldest row; None for the same.
            rows: Its rows; None for as many as past windows have.

        Raises:
            ValueError: The ages are not from 0 on, or `oldest` is less than `age`.
        """
        oldest = age if oldest is None else oldest
        expected = self._mean(self.shares, age, oldest)
        usual = self._usual(age, oldest, rows)
        if usual is None:
            return Expected(expected, 0.0, 1.0)
        from scipy.special import stdtrit

        width = float(stdtrit(usual.windows - 1, 1 - _SIDE)) * usual.deviation
        low, high = (_share_of(usual.centre + side * width, usual.rows) for side in (-1, 1))
        # windows that differ by days of the week are not normal: what one in forty of them has is usual
        seen = np.quantile(usual.shares, [_SIDE, 1 - _SIDE], method="nearest")
        return Expected(expected, float(min(low, seen[0], expected)), float(max(high, seen[1], expected)))

    def completeness(self, age: float, group: str | None = None, *, oldest: float | None = None) -> float:
        """The probability that a label is known by an age, given its class, and that it becomes known by the horizon.

        Args:
            age: Hours since the youngest row.
            group: The class; None, or a class that the curve does not name, for all other rows: those of a regression.
            oldest: Hours since the oldest row; None for the same.

        Returns:
            A share; 1 where no label of that class has been seen.
        """
        place = self.groups.index(group) if group in self.groups else len(self.groups)
        return self._mean(self.completeness_by_group[place], age, oldest)

    def age_of(self, coverage: float) -> float | None:
        """The age at which a share of all labels that ever come has come, in hours; None if none came or will.

        Args:
            coverage: A share of the labels that come up to the horizon, above 0.
        """
        reached = self.shares >= coverage * self.shares[-1] * (1 - _ROUNDING)
        if not self.shares[-1] or not reached.any():
            return None
        at = int(np.argmax(reached))
        if not at:
            return float(self.ages[0])
        before, after = self.shares[at - 1 : at + 1]
        part = min((coverage * self.shares[-1] - before) / (after - before), 1.0)
        return float(self.ages[at - 1] + part * (self.ages[at] - self.ages[at - 1]))

    def to_json(self) -> dict[str, Any]:
        """For drawing: about 24 points, and what they come from."""
        # closer together where most labels come
        wanted = self.horizon * np.linspace(0, 1, _POINTS) ** 2
        places = np.unique(np.searchsorted(self.ages, wanted).clip(max=len(self.ages) - 1))
        ages = self.ages[places].tolist()
        return {
            "windows": len(self.rows),
            "rows": int(self.rows.sum()),
            "horizon_hours": self.horizon,
            "settled": self.settled,
            "ever": self.ever._asdict(),
            "points": [{"age_hours": age, **self.coverage(age)._asdict()} for age in ages],
        }

    def _mean(self, shares: FloatArray, youngest: float, oldest: float | None = None) -> float:
        weights = _weights(self.ages, youngest, youngest if oldest is None else oldest)
        return min(float(shares @ weights), 1.0)

    def _usual(self, youngest: float, oldest: float, rows: int | None) -> _Usual | None:
        """What windows had at an age, from those that are old enough; None if fewer than two are."""
        last = min(int(np.searchsorted(self.ages, oldest)), len(self.ages) - 1)
        old = self.youngest >= self.ages[last]
        windows = int(old.sum())
        if windows < 2:
            return None
        known, sizes = self.known[old], self.rows[old]
        counts = known @ _weights(self.ages, youngest, oldest)
        turned = _turned(counts, sizes)
        spread, sampling = float(turned.var(ddof=1)), float(np.mean(_sampling(sizes)))
        rows = round(float(np.median(sizes))) if rows is None else rows
        variance = max(spread - sampling, 0.0) + float(_sampling(rows))
        deviation = math.sqrt(variance + max(spread, sampling) / windows)
        return _Usual(
            windows=windows,
            rows=rows,
            centre=float(turned.mean()),
            deviation=deviation,
            shares=np.minimum(counts / sizes, 1.0),
            least=(counts if youngest == oldest else known @ _weights(self.ages, youngest, youngest)) / sizes,
            reference_rows=int(sizes.sum()),
        )


def maturity_curve(observed: Sequence[Observed]) -> MaturityCurve | None:
    """How labels come, from past windows.

    The share by an age is that of Kaplan and Meier (JASA 53, 1958) with all rows at risk: 1 − Π (1 − h), where h is the
    share of the rows without a label at the start of a lag's bin that got it in the bin. The completeness of a class
    is from labelled rows only, as the class of others is not known. They are truncated on the right, and the
    hazard is taken in reverse: Π (1 − q) over later bins, where q is the share of the labels by the end of a bin that
    came in it (Lagakos, Barraj and De Gruttola, Nonparametric analysis of truncated survival data, Biometrika 75,
    1988). Both take a window for a bin only if all of its rows have reached the bin's end.

    Args:
        observed: Past windows, of the same groups.

    Returns:
        The curve; None without a row.

    Raises:
        ValueError: The groups differ.

    >>> lags = np.array([1.0, 1.0, 4.0, 30.0])
    >>> profile = DelayProfile.of(lags, np.array([0, 0, 1, 1]), ("no", "yes"), 8)
    >>> curve = maturity_curve([Observed(profile, 48.0, 48.0)] * 2)
    >>> curve.coverage(2.0).expected, curve.completeness(10.0, "yes"), curve.age_of(0.75)
    (0.25, 0.5, 4.0)
    """
    observed = [window for window in observed if window.profile.rows]
    if not observed:
        return None
    groups = observed[0].profile.groups
    if any(window.profile.groups != groups for window in observed):
        raise ValueError("delays of different groups")
    rows = np.array([window.profile.rows for window in observed], np.int64)
    youngest = np.array([window.youngest for window in observed])
    horizon = np.sort(youngest)[-min(_FEWEST, len(youngest))]
    ages = LAG_EDGES[: np.searchsorted(LAG_EDGES, horizon, side="right")]
    counts = np.stack([window.profile.counts[: len(ages)] for window in observed])
    counted = youngest[:, None] >= ages
    total = counts.sum(axis=2)
    by_group = np.stack([_completeness(counts[:, :, g], counted) for g in range(len(groups) + 1)])
    known = total.cumsum(axis=1)
    shares, labelled = _shares(total, known, rows, counted), counts.sum(axis=(0, 1))
    return MaturityCurve(ages, shares, groups, by_group, rows, youngest, known, labelled)


def _shares(counts: IntArray, known: IntArray, rows: IntArray, counted: BoolArray) -> FloatArray:
    at_risk = ((rows[:, None] - known + counts) * counted).sum(axis=0)
    hazard = (counts * counted).sum(axis=0) / np.maximum(at_risk, 1)
    return np.asarray(1 - np.cumprod(1 - hazard))


def _completeness(counts: IntArray, counted: BoolArray) -> FloatArray:
    by_now = (counts.cumsum(axis=1) * counted).sum(axis=0)
    hazard = (counts * counted).sum(axis=0) / np.maximum(by_now, 1)
    later = np.cumprod((1 - hazard)[:0:-1])[::-1]
    return np.append(later, 1.0)


def _weights(ages: FloatArray, youngest: float, oldest: float) -> FloatArray:
    """Weights of values at some ages, so that their sum is the mean over a range of ages; shape (k,).

    Between ages values are straight lines, and after the last age they stay.
    """
    require_ages(youngest, oldest)
    weight = np.zeros(len(ages))
    if len(ages) == 1 or youngest >= ages[-1]:
        weight[-1] = 1.0
        return weight
    first, last = np.minimum([youngest, oldest], ages[-1])
    inner = ages[(ages > first) & (ages < last)]
    knots = np.concatenate([[first], inner, [last]])
    # the trapezoidal rule: half of the stretch on either side of a knot
    widths = np.diff(knots)
    parts = (np.append(widths, 0.0) + np.insert(widths, 0, 0.0)) / 2
    if oldest - youngest < _LEAST_RANGE:
        knots, parts = knots[:1], np.ones(1)
    after = np.searchsorted(ages, knots).clip(1, len(ages) - 1)
    upper = (knots - ages[after - 1]) / (ages[after] - ages[after - 1])
    np.add.at(weight, after - 1, parts * (1 - upper))
    np.add.at(weight, after, parts * upper)
    weight[-1] += max(oldest - max(youngest, ages[-1]), 0.0)
    return np.asarray(weight / weight.sum())


def require_ages(youngest: float, oldest: float) -> None:
    """Raise a ValueError unless 0 <= youngest <= oldest, and both are finite."""
    if not 0 <= youngest <= oldest < math.inf:
        raise ValueError(f"ages from {youngest} to {oldest} hours")


def _turned(labelled: FloatArray, rows: IntArray) -> FloatArray:
    """Shares on a scale on which sampling gives all of them the variance of `_sampling`.

    Anscombe, The transformation of Poisson, binomial and negative-binomial data, Biometrika 35, 1948.
    """
    return np.asarray(np.arcsin(np.sqrt((labelled + 3 / 8) / (rows + 3 / 4))))


def _sampling(rows: IntArray | int) -> FloatArray:
    return np.asarray(1 / (4 * np.asarray(rows, np.float64) + 2))


def _share_of(turned: float, rows: int) -> float:
    sine = math.sin(min(max(turned, 0.0), math.pi / 2))
    return min(max(((rows + 3 / 4) * sine * sine - 3 / 8) / max(rows, 1), 0.0), 1.0)


def lateness(curve: MaturityCurve, rows: int, labelled: int, youngest: float, oldest: float) -> Measurement:
    """Whether a window has fewer labels than windows of its age usually have.

    The p-value is that of a further window: a t-test on a scale on which sampling has one variance, with the spread
    between past windows. Where past windows have had as few labels, it is at least their share: deliveries by the
    week leave some days without labels every week.

    Args:
        curve: What is usual, learned without this window.
        rows: Rows of the window.
        labelled: Those with a label.
        youngest: Hours since its youngest row.
        oldest: Hours since its oldest row.

    Returns:
        `label_lateness`: the share with a label minus the expected one, below 0 where labels are late, and the same
        for both ends of what is usual. None without rows or with fewer than two past windows of that age.

    >>> lags, codes = np.linspace(1, 50, 90), np.zeros(90, np.int64)
    >>> curve = maturity_curve([Observed(DelayProfile.of(lags, codes, (), 100), 60.0, 60.0)] * 5)
    >>> late = lateness(curve, 100, 20, 24.0, 24.0)
    >>> round(late.value, 2), late.p_value < 0.05
    (-0.22, True)
    """
    name, method = "label_lateness", "share of rows with a label, less the usual share at this age"
    usual = curve._usual(youngest, oldest, rows) if rows else None
    if usual is None:
        return undefined(name, rows, "low", method)
    from scipy.special import stdtr

    expected, low, high = curve.coverage(youngest, oldest=oldest, rows=rows)
    share = labelled / rows
    turned = float(_turned(np.array([labelled], np.float64), np.array([rows]))[0])
    tail = float(stdtr(usual.windows - 1, (turned - usual.centre) / usual.deviation))
    # where ages range, the least that a past window may have had: a batch may have come just before or just after
    as_few = int((usual.least <= share + _ROUNDING).sum())
    p_value = max(tail, as_few / (usual.windows + 1)) if share < expected else max(tail, 0.5)
    return Measurement(
        name,
        share - expected,
        rows,
        "low",
        method,
        share - high,
        share - low,
        reference_rows=usual.reference_rows,
        p_value=min(p_value, 1.0),
    )


def stopped(silence: float, gaps: Sequence[float] | FloatArray) -> Measurement:
    """Whether the time since the newest label is longer than labels usually leave.

    Somebody who looks at any moment finds themselves in a long gap more often than in a short one. So the p-value is
    the share of past *time* that was in gaps of this length or longer. Beyond the longest ones their logarithms are
    taken for exponential, with as much doubt as a few of them leave.

    Args:
        silence: Hours since the newest label became known.
        gaps: Past hours between one time that labels became known and the next, without the present gap, positive;
            shape (n,).

    Returns:
        `label_silence` in hours; its p-value is None with fewer than three gaps, or gaps of less than a week together.

    Raises:
        ValueError: A gap is not a positive number, or the silence is negative.

    >>> weekly = [168.0, 167.0, 169.0, 168.5, 168.0, 167.5]
    >>> [round(stopped(hours, weekly).p_value, 3) for hours in (24.0, 170.0, 336.0)]
    [1.0, 0.268, 0.001]
    """
    name, method = "label_silence", "hours since the newest label became known"
    sizes = np.sort(np.asarray(gaps, np.float64))[::-1]
    if not (silence >= 0 and np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError("gaps between labels are positive numbers of hours, and silence is not negative")
    if len(sizes) < _LEAST_GAPS or sizes.sum() < _LEAST_HOURS:
        return Measurement(name, silence, len(sizes), "high", method)
    p_value = max(float(sizes[sizes >= silence].sum()) / float(sizes.sum()), _beyond(silence, sizes))
    return Measurement(name, silence, len(sizes), "high", method, p_value=min(p_value, 1.0))


def _beyond(silence: float, sizes: FloatArray) -> float:
    """The share of time in gaps that are longer than `silence`, from the tail of gaps, longest first; 0 within it.

    Time sees gaps weighted by their length; `told` is how many of one length they are worth (Kish, Survey sampling,
    1965). The tail is that of a further gap whose logarithm is exponential with a mean that so many have told.
    """
    shares = np.cumsum(sizes) / sizes.sum()
    found = []
    for longest in _LONGEST:
        if longest < len(sizes) and silence > sizes[longest]:
            # over the longest, so that no sum overflows
            top, border = sizes[:longest] / sizes[0], float(sizes[longest])
            told = float(top.sum() ** 2 / (top @ top))
            variation = max(float(top @ np.log(sizes[:longest] / border)) / float(top.sum()), _LEAST_VARIATION)
            tail = (1 + math.log(silence / border) / (told * variation)) ** -told
            found.append(float(shares[longest - 1]) * tail)
    return min(found, default=0.0)
