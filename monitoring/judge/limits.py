"""What is ordinary: the spread of every measurement over blocks of baseline windows."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

from monitoring.measure import block
from monitoring.measure.basis import Basis, State
from monitoring.profile import WindowProfile

# Block lengths for which the concept gap is learned, of so many blocks at most; others take that of the next longer.
# Of longer blocks than a week of days, performance too.
_GAP_LENGTHS, _MOST_GAPS, _EVERY_LENGTH = (1, 2, 3, 5, 7, 14, 24, 30, 60, 90), 200, 7


@dataclass(frozen=True)
class Spread:
    """How a measurement varies over blocks of baseline windows.

    Attributes:
        mean: Its mean.
        deviation: Its standard deviation; 0 for a single block.
        blocks: How many blocks were measured.
    """

    mean: float
    deviation: float
    blocks: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of some values, at least one."""
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(statistics.fmean(values), deviation, len(values))


@dataclass(frozen=True)
class Limits:
    """The ordinary spread of each measurement, for blocks of 1, 2, … windows.

    Attributes:
        rows: Mean rows of a baseline window.
        spreads: By measurement key: element k-1 is the spread over blocks of k windows.
    """

    rows: float
    spreads: dict[str, tuple[Spread, ...]]

    def spread(self, key: str, windows: int) -> Spread | None:
        """The spread of a measurement over `windows` windows; of the longest block learned, if that is shorter."""
        learned = self.spreads.get(key, ())
        return learned[min(windows, len(learned)) - 1] if learned else None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "spreads": {
                key: [[spread.mean, spread.deviation, spread.blocks] for spread in spreads]
                for key, spreads in self.spreads.items()
            },
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        spreads = {key: tuple(Spread(*item) for item in items) for key, items in data["spreads"].items()}
        return cls(data["rows"], spreads)


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
    single: defaultdict[str, list[float]] = defaultdict(list)
    for profile in profiles:
        _collect(single, block.quality(profile, rows, hours))
    spreads = {key: [Spread.of(values)] for key, values in single.items()}
    merged, labelled = list(profiles), list(states)
    for length in range(1, min(longest, len(profiles)) + 1):
        values: defaultdict[str, list[float]] = defaultdict(list)
        for profile in merged if length < len(profiles) else ():
            _collect(values, block.drift(profile, reference, contained=profile))
        for state in labelled if basis and (length <= _EVERY_LENGTH or length in _GAP_LENGTHS) else ():
            assert basis is not None
            _collect(values, block.outcome(basis.profile(state)))
        gaps = _gaps(basis, labelled) if basis and length in _GAP_LENGTHS else []
        if gaps:
            values["concept_drift"] = gaps
        for key, found in values.items():
            known = spreads.setdefault(key, [])
            # undefined for shorter blocks: take the shortest for which it is defined
            known += [Spread.of(found)] * (length - len(known))
        merged = [a.merge(b) for a, b in zip(merged, profiles[length:], strict=False)]
        labelled = [basis.merge(a, b) for a, b in zip(labelled, states[length:], strict=False)] if basis else []
    return Limits(rows, {key: tuple(items) for key, items in sorted(spreads.items())})


def _gaps(basis: Basis, states: Sequence[State]) -> list[float]:
    """The concept gap of some of the blocks, evenly spread: each takes its time."""
    some = states[:: -(-len(states) // _MOST_GAPS)]
    return [gap for gap in map(basis.loss_difference, some) if gap is not None]


def _collect(into: defaultdict[str, list[float]], measured: dict[str, Any]) -> None:
    for key, measurement in measured.items():
        if measurement.value is not None:
            into[key].append(measurement.value)
