"""How many records an hour ordinarily has, by hour of the week where the baseline is long enough to tell."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from monitoring.measure.measurement import Measurement

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MONDAY, _HOUR = datetime(1970, 1, 5, tzinfo=UTC), timedelta(hours=1)
_WEEK, _DAY = 168, 24
# A slot that was seen less often is taken together with others
_LEAST_SEEN = 3


@dataclass(frozen=True)
class Traffic:
    """What the baseline's hours tell of an ordinary one.

    Attributes:
        expected: Mean records of an hour, by hour of the week (the first is that of Monday, UTC), by hour of the day,
            or of any hour: 168 numbers, 24, or one.
        seen: How many hours each of them was learned from.
        silent: How many of those had no record.
        log_mean: Mean logarithm of a window's records, relative to what the other windows had at its hours.
        log_deviation: The standard deviation of that.
        chance: The part of its square that would be there if records came independently.
        bursts: Variance of an hour's records beyond chance, relative to their squared mean.
    """

    expected: tuple[float, ...]
    seen: tuple[int, ...]
    silent: tuple[int, ...]
    log_mean: float
    log_deviation: float
    chance: float
    bursts: float

    def by_hour(self, start: datetime, hours: int) -> FloatArray:
        """Records to expect in each hour of a window, shape (hours,)."""
        return np.array(self.expected)[_slots(start, hours, len(self.expected))]

    def volume(self, rows: int, start: datetime, hours: int) -> Measurement:
        """Rows, as a share of what the window's hours ordinarily have; undefined where they have none."""
        ordinary = float(self.by_hour(start, hours).sum())
        method = f"rows / rows of {self.period}"
        return Measurement("volume", rows / ordinary if ordinary else None, rows, "both", method)

    @property
    def period(self) -> str:
        """What an hour is compared with."""
        return {_WEEK: "the same hours of the week", _DAY: "the same hours of the day"}.get(
            len(self.expected), "as many hours"
        )

    def deviation(self, ordinary_rows: float) -> float:
        """Standard deviation of the logarithm of a window's volume, of a window with so many rows to expect."""
        return math.sqrt(self.log_deviation**2 + max(1 / ordinary_rows - self.chance, 0.0))

    def gap(self, counts: Mapping[str, int], start: datetime, hours: int) -> Gap:
        """The hours of a window that are empty, and never were in the baseline.

        That all of them are empty by chance has the probability (1 + L v)^(-1/v) of a negative binomial variable, with
        L records to expect there, as the window's other hours tell, and the relative variance v of an hour; times the
        number of hours at which such a gap may begin.

        Args:
            counts: Records per hour of the window, named as in `WindowProfile.hours`.
            start: The window's start.
            hours: Hours in it.
        """
        slots = _slots(start, hours, len(self.expected))
        here = _counted(counts, start, hours)
        ordinary, total = self.by_hour(start, hours), sum(self.expected[slot] for slot in slots)
        never = (np.array(self.silent)[slots] == 0) & (np.array(self.seen)[slots] >= _LEAST_SEEN)
        missing = (here == 0) & never & (ordinary > 0)
        share = float(ordinary[missing].sum() / total) if total else 0.0
        names = tuple(_name(start + int(i) * _HOUR) for i in np.flatnonzero(missing))
        if not names or share >= 1:
            return Gap(names, share, 1.0)
        to_expect = float(here.sum()) * share / (1 - share)
        log_chance = -math.log1p(to_expect * self.bursts) / self.bursts if self.bursts else -to_expect
        return Gap(names, share, min(hours * math.exp(max(log_chance, -700.0)), 1.0))

    def to_json(self) -> list[Any]:
        """As JSON values."""
        return [list(item) if isinstance(item, tuple) else item for item in astuple(self)]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Self:
        """From `to_json`."""
        expected, seen, silent, *numbers = data
        return cls(tuple(expected), tuple(seen), tuple(silent), *numbers)


@dataclass(frozen=True)
class Gap:
    """Hours without a record that never are without one.

    Attributes:
        hours: Their names, in their order.
        share: Of the records that the window ordinarily has, how many come in those hours.
        p_value: Probability of such a gap in an ordinary window.
    """

    hours: tuple[str, ...]
    share: float
    p_value: float


def learn_traffic(windows: Sequence[Mapping[str, int]], hours: int) -> tuple[Traffic, list[Measurement]] | None:
    """Learn what is ordinary, and how far windows are from it.

    An hour of the week is learned from at least three weeks; with fewer, from that hour of all days; with fewer than
    three days, from all hours.

    Args:
        windows: Records per hour of each baseline window, oldest first, named as in `WindowProfile.hours`.
        hours: Hours in a window.

    Returns:
        The traffic, and the volume of each window against the others. None for fewer than two windows with records of
        a known time.

    >>> days = [{f"2024-01-0{day}T{hour:02d}Z": 10 for hour in range(24)} for day in range(1, 6)]
    >>> traffic, volumes = learn_traffic(days, 24)
    >>> len(traffic.expected), traffic.expected[0], {found.value for found in volumes}
    (24, 10.0, {1.0})
    """
    known = [(_start(counts, hours), counts) for counts in windows if counts]
    if len(known) < 2:
        return None
    records = np.array([_counted(counts, start, hours) for start, counts in known])
    period = next((length for length in (_WEEK, _DAY) if _is_enough(known, hours, length)), 1)
    slots = np.array([_slots(start, hours, period) for start, _ in known])
    total, seen = _sums(slots, records, period)
    silent = np.bincount(slots.ravel(), weights=(records == 0).ravel(), minlength=period).astype(np.int64)
    # where the baseline has no such hour, what its other hours have
    rest = total.sum() / seen.sum()
    expected = np.where(seen > 0, total / np.maximum(seen, 1), rest)
    volumes = _against_the_others(records, slots, total, seen)
    logs = [math.log(found.value) for found in volumes if found.value]
    ordinary = expected[slots].sum(axis=1)
    around = expected[slots]
    squared = float((around**2).sum())
    beyond = float(((records - around) ** 2 - around).sum()) * len(known) / (len(known) - 1)
    traffic = Traffic(
        expected=tuple(expected.tolist()),
        seen=tuple(seen.tolist()),
        silent=tuple(silent.tolist()),
        log_mean=statistics.fmean(logs) if logs else 0.0,
        log_deviation=statistics.stdev(logs) if len(logs) > 1 else 0.0,
        chance=float((1 / ordinary[ordinary > 0]).mean()),
        bursts=max(beyond / squared, 0.0),
    )
    return traffic, volumes


def _against_the_others(records: IntArray, slots: IntArray, total: FloatArray, seen: IntArray) -> list[Measurement]:
    found = []
    for own, at in zip(records, slots, strict=True):
        own_total, own_seen = _sums(at, own, len(total))
        others = np.maximum((seen - own_seen)[at], 1)
        ordinary = float(((total - own_total)[at] / others).sum())
        rows = int(own.sum())
        value = rows / ordinary if ordinary else None
        found.append(Measurement("volume", value, rows, "both", "rows / rows of the other windows"))
    return found


def _sums(slots: IntArray, records: IntArray, period: int) -> tuple[FloatArray, IntArray]:
    total = np.bincount(slots.ravel(), weights=records.ravel(), minlength=period).astype(np.float64)
    return total, np.bincount(slots.ravel(), minlength=period).astype(np.int64)


def _is_enough(known: Sequence[tuple[datetime, Mapping[str, int]]], hours: int, period: int) -> bool:
    """Whether every hour that was seen was seen often enough, and they are more than one."""
    seen = np.bincount(np.concatenate([_slots(start, hours, period) for start, _ in known]), minlength=period)
    # hours of no day but Monday say nothing of the week
    return int(np.count_nonzero(seen)) > period // 7 and int(seen[seen > 0].min()) >= _LEAST_SEEN


def _start(counts: Mapping[str, int], hours: int) -> datetime:
    """The start of the window that has these hours."""
    length = hours * _HOUR
    return _MONDAY + (_moment(min(counts)) - _MONDAY) // length * length


def _moment(name: str) -> datetime:
    return datetime.fromisoformat(f"{name.removesuffix('Z')}:00+00:00")


def _slots(start: datetime, hours: int, period: int) -> IntArray:
    first = (start - _MONDAY) // _HOUR
    return (first + np.arange(hours)) % period


def _counted(counts: Mapping[str, int], start: datetime, hours: int) -> IntArray:
    """Records of each hour of a window, shape (hours,); those outside of it are left out."""
    return np.array([counts.get(_name(start + i * _HOUR), 0) for i in range(hours)], np.int64)


def _name(hour: datetime) -> str:
    return f"{hour.isoformat()[:13]}Z"
