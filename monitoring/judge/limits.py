"""What is ordinary: the spread of every measurement over blocks of baseline windows."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import reduce
from typing import Any, Self

import numpy as np

from monitoring.judge.multiplicity import groups_of
from monitoring.measure import Measurement, block
from monitoring.measure.attribution import attribution_drift
from monitoring.measure.basis import Basis, State
from monitoring.measure.habits import Habits, learn_habits, outside_the_others
from monitoring.measure.null_distributions import mean_chi
from monitoring.measure.traffic import Traffic, learn_traffic
from monitoring.profile import WindowProfile

# Block lengths for which the concept gap is learned, of so many blocks at most; others take that of the next longer.
# Of longer blocks than a week of days, performance too.
_GAP_LENGTHS, _MOST_GAPS, _EVERY_LENGTH = (1, 2, 3, 5, 7, 14, 24, 30, 60, 90), 200, 7
# Lengths for which drift is compared, which takes most of the time
_DRIFT_LENGTHS = (1, 2, 4, 7, 14, 24)
# So many independent blocks tell a deviation to a quarter of itself
_ENOUGH_BLOCKS = 8.0
_LEAST_FOR_GROUPS, _TOGETHER = 10, 0.7
_NEAR_END = 1e-6
# Where no window of the baseline had any, there is no spread to keep
_RARE = ("mismatch", "nonfinite", "out_of_range")


@dataclass(frozen=True)
class Spread:
    """How a measurement varies over blocks of baseline windows.

    Attributes:
        mean: Its mean.
        deviation: Its standard deviation; 0 for a single block.
        blocks: How many blocks were measured; they overlap.
        independent: How many blocks would tell as much of the deviation if they had nothing in common.
        rows: Rows of a block, on average.
        noise: Of a distance, the root mean square that sampling alone gives it; 0 for other measurements.
        square: Of a distance, its mean square.
        logit_mean: Mean of its logit, of a distance, which is between 0 and 1 and skewed near either end.
        logit_deviation: Standard deviation of its logit, of a distance.
        carried: Correlation of one window with the next.
    """

    mean: float
    deviation: float
    blocks: int
    independent: float = 0.0
    rows: float = 0.0
    noise: float = 0.0
    square: float = 0.0
    logit_mean: float = 0.0
    logit_deviation: float = 0.0
    carried: float = 0.0

    @classmethod
    def of(cls, found: Sequence[Measurement], length: int = 1) -> Self:
        """The spread of a measurement over overlapping blocks of `length` windows, oldest first, at least one."""
        values = [item.value for item in found if item.value is not None]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        carried = correlation(values, length)
        distances = [item for item in found if item.noise is not None and item.value]
        logits = [logit(item.value) for item in distances if item.value]
        return cls(
            mean=statistics.fmean(values),
            deviation=deviation,
            blocks=len(values),
            independent=_independent(len(values), length, carried),
            rows=statistics.fmean(item.rows for item in found),
            noise=math.sqrt(statistics.fmean(sampling_square(item) for item in found)),
            square=statistics.fmean(value * value for value in values) if distances else 0.0,
            logit_mean=statistics.fmean(logits) if logits else 0.0,
            logit_deviation=statistics.stdev(logits) if len(logits) > 1 else 0.0,
            carried=carried if length == 1 else 0.0,
        )

    @classmethod
    def of_numbers(cls, values: Sequence[float], rows: Sequence[float], length: int) -> Self:
        """The same of numbers that are no distances, at least one, of so many rows each: segments have very many."""
        count, carried = len(values), correlation(values, length)
        mean = math.fsum(values) / count
        squares = math.fsum([(value - mean) ** 2 for value in values])
        return cls(
            mean=mean,
            deviation=math.sqrt(squares / (count - 1)) if count > 1 else 0.0,
            blocks=count,
            independent=_independent(count, length, carried),
            rows=math.fsum(rows) / count,
            carried=carried if length == 1 else 0.0,
        )


# Overlapping blocks tell about half more of a variance than those that do not overlap
# (Künsch, The jackknife and the bootstrap for general stationary observations, Ann. Stat. 17, 1989)
_OVERLAP_GAIN = 1.5


def sampling_square(found: Measurement) -> float:
    """The mean square that sampling alone gives to a distance; 0 for other measurements."""
    if not found.noise or not found.freedom:
        return (found.noise or 0.0) ** 2
    return found.noise**2 * found.freedom / mean_chi(found.freedom) ** 2


def logit(distance: float) -> float:
    """The logarithm of a distance over what is left to 1.

    >>> logit(0.5), round(logit(1.0), 1)
    (0.0, 13.8)
    """
    within = min(max(distance, _NEAR_END), 1 - _NEAR_END)
    return math.log(within / (1 - within))


def correlation(values: Sequence[float], lag: int) -> float:
    """The correlation of a series with itself, `lag` places on; 0 where it has not three times as many.

    >>> round(correlation([1.0, 2.0, 1.0, 2.0, 1.0, 2.0], 2), 2)
    0.67
    """
    if len(values) < 3 * lag:
        return 0.0
    mean = statistics.fmean(values)
    centred = [value - mean for value in values]
    total = sum(value * value for value in centred)
    along = sum(a * b for a, b in zip(centred, centred[lag:], strict=False))
    return min(max(along / total, 0.0), 0.95) if total else 0.0


def _independent(blocks: int, length: int, carried: float) -> float:
    apart = blocks if length == 1 else min(_OVERLAP_GAIN * (blocks - 1) / length + 1, blocks)
    return apart * (1 - carried**2) / (1 + carried**2)


@dataclass(frozen=True)
class Limits:
    """The ordinary spread of each measurement, for blocks of 1, 2, … windows.

    Attributes:
        rows: Mean rows of a baseline window.
        spreads: By measurement key: element k-1 is the spread over blocks of k windows.
        groups: Columns that drift together, by column, named after one of them; those that are alone are left out.
        traffic: What hours ordinarily have; None where the baseline's hours do not tell.
        habits: What columns are used to.
    """

    rows: float
    spreads: dict[str, tuple[Spread, ...]]
    groups: dict[str, str] = field(default_factory=dict)
    traffic: Traffic | None = None
    habits: Habits = field(default_factory=Habits)

    def spread(self, key: str, windows: int) -> Spread | None:
        """The spread of a measurement over `windows` windows; of the longest block learned, if that is shorter."""
        learned = self.spreads.get(key, ())
        return learned[min(windows, len(learned)) - 1] if learned else None

    def telling(self, key: str, windows: int) -> Spread | None:
        """The spread to judge by: that of the longest block of at most `windows` of which enough are independent.

        Shorter blocks vary more than longer ones: to judge by one is to be careful.
        """
        learned = self.spreads.get(key, ())[:windows]
        enough = [spread for spread in learned if spread.independent >= _ENOUGH_BLOCKS]
        return enough[-1] if enough else max(learned, key=lambda spread: spread.independent, default=None)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "spreads": {key: [list(astuple(spread)) for spread in spreads] for key, spreads in self.spreads.items()},
            "groups": self.groups,
            "traffic": self.traffic and self.traffic.to_json(),
            "habits": self.habits.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        spreads = {key: tuple(Spread(*item) for item in items) for key, items in data["spreads"].items()}
        traffic = data["traffic"] and Traffic.from_json(data["traffic"])
        return cls(data["rows"], spreads, data["groups"], traffic, Habits.from_json(data["habits"]))


def learn_limits(
    profiles: Sequence[WindowProfile],
    states: Sequence[State],
    basis: Basis | None,
    *,
    longest: int,
    hours: int,
) -> Limits:
    """Learn what is ordinary from consecutive windows of the baseline.

    Blocks overlap, so their number says little of how independent they are; what counts is that a block of
    seven days varies as seven real days in a row do.

    Args:
        profiles: One per baseline window, oldest first, at least one.
        states: What their answered rows amount to; empty for a baseline without labels.
        basis: All of the baseline's labelled rows; None without any.
        longest: Longest block, in windows.
        hours: Hours in a window.
    """
    reference = reduce(WindowProfile.merge, profiles)
    rows = statistics.fmean(profile.rows for profile in profiles)
    spreads, traffic = _of_data(profiles, rows, hours)
    groups: dict[str, str] = {}
    merged, labelled = list(profiles), list(states)
    most = min(longest, len(profiles))
    for length in range(1, most + 1):
        values: defaultdict[str, list[Measurement]] = defaultdict(list)
        compared = length in _DRIFT_LENGTHS or length == most
        for profile in merged if compared and length < len(profiles) else ():
            _collect(values, block.drift(profile, reference, contained=profile))
            ranking = attribution_drift(profile.attributions, reference.attributions, contained=profile.attributions)
            _collect(values, {"attribution_drift": ranking})
        for state in labelled if basis and (length <= _EVERY_LENGTH or length in _GAP_LENGTHS) else ():
            assert basis is not None
            _collect(values, block.outcome(basis.profile(state)))
        if basis and length == 1:
            _collect_losses(values, basis, labelled)
        gaps = _gaps(basis, labelled) if basis and length in _GAP_LENGTHS else []
        if gaps:
            values["concept_drift"] = gaps
        if length == 1:
            groups = _drift_together(values, len(profiles))
        for key, found in values.items():
            known = spreads.setdefault(key, [])
            spread = Spread.of(found, length)
            # not looked at: take that of the next shorter; undefined for shorter ones: the shortest that has one
            known += [known[-1] if known else spread] * (length - 1 - len(known)) + [spread]
        merged = [a.merge(b) for a, b in zip(merged, profiles[length:], strict=False)]
        labelled = [basis.merge(a, b) for a, b in zip(labelled, states[length:], strict=False)] if basis else []
    learned = {key: tuple(items) for key, items in sorted(spreads.items())}
    return Limits(rows, learned, groups, traffic, learn_habits(profiles))


def _of_data(
    profiles: Sequence[WindowProfile], rows: float, hours: int
) -> tuple[dict[str, list[Spread]], Traffic | None]:
    """The spread of what is measured of single windows, and the traffic."""
    single: defaultdict[str, list[Measurement]] = defaultdict(list)
    for profile in profiles:
        _collect(single, block.quality(profile, rows, hours))
        _collect(single, block.faults(profile))
    for name, shares in outside_the_others(profiles).items():
        for share in shares:
            _collect(single, {block.key("out_of_range", name): share})
    traffic, volumes = learn_traffic([profile.hours for profile in profiles], hours) or (None, [])
    known = [volume for volume in volumes if volume.value is not None]
    if traffic is not None and known:
        single["volume"] = known
    rare = {key for key in single if key.partition(":")[0] in _RARE and not any(item.value for item in single[key])}
    return {key: [Spread.of(values)] for key, values in single.items() if key not in rare}, traffic


def _gaps(basis: Basis, states: Sequence[State]) -> list[Measurement]:
    """The concept gap of some of the blocks, evenly spread: each takes its time."""
    some = states[:: -(-len(states) // _MOST_GAPS)]
    gaps = [(basis.loss_difference(state), basis.profile(state).rows) for state in some]
    return [Measurement("concept_drift", gap, rows, "high", "loss gap") for gap, rows in gaps if gap is not None]


def _collect_losses(into: defaultdict[str, list[Measurement]], basis: Basis, states: Sequence[State]) -> None:
    """The loss of each window, and what would have been expected of it without labels."""
    some = states[:: -(-len(states) // _MOST_GAPS)]
    for key, numbers in (("loss", basis.realised), ("estimated_loss", basis.estimated)):
        for state in some:
            found = basis.loss_in(numbers(state))
            if found is not None:
                _collect(into, {key: found})


def _drift_together(values: Mapping[str, Sequence[Measurement]], windows: int) -> dict[str, str]:
    """Features whose distances from the other windows go up and down together, by feature."""
    series = {
        key: [item.value or 0.0 for item in found]
        for key, found in values.items()
        if key.startswith("feature_drift:") and len(found) == windows
    }
    if len(series) < 2 or windows < _LEAST_FOR_GROUPS:
        return {}
    names = [key.removeprefix("feature_drift:") for key in series]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.nan_to_num(np.corrcoef(np.array(list(series.values()))))
    # no pair of two hundred columns that have nothing in common comes so close
    least = max(_TOGETHER, math.tanh(5.0 / math.sqrt(windows - 3)))
    groups = groups_of(found, names, least)
    sizes = Counter(groups.values())
    return {name: group for name, group in groups.items() if sizes[group] > 1}


def _collect(into: defaultdict[str, list[Measurement]], measured: Mapping[str, Measurement]) -> None:
    for key, measurement in measured.items():
        if measurement.value is not None:
            into[key].append(measurement)
