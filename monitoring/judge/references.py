"""Which windows are compared with which, and how far ordinary ones are from their references: pure functions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise

from monitoring.config.calendar import CalendarEntry, is_suppressed
from monitoring.config.model import ModelConfig
from monitoring.config.references import FixedReference, PhaseReference, Reference, TrailingReference
from monitoring.judge.limits import Spread
from monitoring.measure import Measurement, block
from monitoring.profile import WindowProfile
from monitoring.window import Window


def usual_windows(windows: Sequence[Window], judged: Window, calendar: Sequence[CalendarEntry]) -> list[Window]:
    """The windows that drift looks back over: those that the calendar suppresses say nothing of the others."""
    return [window for window in windows if window == judged or not is_suppressed(calendar, window)]


def windows_of(reference: Reference, window: Window, config: ModelConfig) -> list[Window]:
    """The windows that a reference consists of, whether or not there are records of them; oldest first."""
    if isinstance(reference, TrailingReference | FixedReference):
        found = reference.windows_before(window, config.trailing_windows)
    else:
        found = reference.windows_before(window)
    moving = isinstance(reference, TrailingReference | PhaseReference)
    return [w for w in found if not is_suppressed(config.calendar, w)] if moving else found


def are_enough(found: int, wanted: int) -> bool:
    """Whether as many windows of a reference have records as are needed: half of them, and one at least.

    >>> are_enough(2, 4), are_enough(1, 4), are_enough(0, 0)
    (True, False, False)
    """
    return found > 0 and 2 * found >= wanted


def main_version(profile: WindowProfile) -> str:
    """The model version that answered most calls; empty where none is known."""
    return max(sorted(profile.versions), key=lambda name: profile.versions[name], default="")


def version_before(present: str, profiles: Mapping[Window, WindowProfile]) -> str:
    """The version that answered most calls of the newest window in which it was not the present one; empty for none."""
    for window in sorted(profiles, reverse=True):
        if (found := main_version(profiles[window])) and found != present:
            return found
    return ""


def learn_references(profiles: Mapping[Window, WindowProfile], config: ModelConfig) -> dict[str, tuple[Spread, ...]]:
    """How far the baseline's windows are from their own references, where it is long enough to have them.

    Args:
        profiles: One per baseline window.
        config: The model.

    Returns:
        Spreads for `monitoring.judge.limits.Limits`, by the definition of the reference and the measurement's key.
    """
    blocks, ordered, span = _Blocks(profiles), sorted(profiles), config.trailing_windows
    spreads: dict[str, tuple[Spread, ...]] = {}
    for reference in config.references:
        if not isinstance(reference, TrailingReference | PhaseReference):
            continue
        length = 1 if reference.alone else span
        values: defaultdict[str, list[Measurement]] = defaultdict(list)
        for window in ordered:
            wanted = windows_of(reference, window, config)
            found = [w for w in wanted if w in profiles]
            back = [w for shift in range(length - 1, -1, -1) if (w := window.shift(-shift)) in profiles]
            if not are_enough(len(found), len(wanted)):
                continue
            now = blocks.merged(usual_windows(back, window, config.calendar))
            for key, measured in block.drift(now, blocks.merged(found)).items():
                values[key] += [measured] if measured.value is not None else []
        prefix = reference.definition(span)
        spreads |= {f"{prefix}/{key}": (Spread.of(items, length),) for key, items in values.items() if items}
    return spreads


def spread_between(now: Spread | None, before: Spread | None) -> Spread | None:
    """How far two blocks of ordinary windows are from each other, from how far each is from the baseline.

    It takes them for independent, so that their squares add, as those of small distances do; what sampling gives to
    the second is left out, since the baseline has it already.

    Args:
        now: The spread of blocks as long as what is judged.
        before: That of blocks as long as the reference, or shorter ones, which vary more.

    Returns:
        None where one of them is not known.

    >>> one = Spread(mean=0.3, deviation=0.1, blocks=9, independent=9.0, square=0.1, logit_mean=-0.9)
    >>> round(spread_between(one, one).square, 3), round(spread_between(one, one).mean, 3)
    (0.2, 0.424)
    """
    if now is None or before is None or not now.square:
        return None
    more = max(before.square - before.noise**2, 0.0)
    square = min(now.square + more, 1.0)
    factor = math.sqrt(square / now.square)
    return replace(
        now,
        mean=min(now.mean * factor, 1.0),
        deviation=now.deviation * factor,
        independent=min(now.independent, before.independent),
        square=square,
        logit_mean=now.logit_mean + math.log(factor),
    )


class _Blocks:
    """Rows of windows taken together; what windows in a row amount to is kept, since most references overlap."""

    def __init__(self, profiles: Mapping[Window, WindowProfile]) -> None:
        self._profiles = profiles
        self._kept: dict[tuple[Window, int], WindowProfile] = {}

    def merged(self, windows: Sequence[Window]) -> WindowProfile:
        """The profile of windows that are all there, at least one, oldest first."""
        breaks = [at for at, (a, b) in enumerate(pairwise(windows), 1) if a.end != b.start]
        runs = pairwise([0, *breaks, len(windows)])
        return reduce(WindowProfile.merge, (self._run(windows[start], stop - start) for start, stop in runs))

    def _run(self, first: Window, count: int) -> WindowProfile:
        if count == 1:
            return self._profiles[first]
        if (first, count) not in self._kept:
            half = 1 << (count - 1).bit_length() - 1
            rest = self._run(first.shift(half), count - half)
            self._kept[first, count] = self._run(first, half).merge(rest)
        return self._kept[first, count]
