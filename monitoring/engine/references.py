"""The profiles of past windows that a window is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from monitoring.baseline import Baseline
from monitoring.config.references import FixedReference, PreviousVersionReference, Reference
from monitoring.engine.intake import is_complete
from monitoring.engine.profiles import ProfileReader
from monitoring.judge.evidence import PastReference
from monitoring.judge.references import are_enough, main_version, usual_windows, version_before, windows_of
from monitoring.monitor import Monitor
from monitoring.profile import WindowProfile
from monitoring.window import Window


def usual_profiles(
    monitor: Monitor, window: Window, past: Mapping[Window, WindowProfile]
) -> dict[Window, WindowProfile]:
    """The trailing windows that drift looks back over: without those that the calendar suppresses.

    Args:
        monitor: The model.
        window: The judged window.
        past: The trailing windows that have records.
    """
    return {w: past[w] for w in usual_windows([*past], window, monitor.config.calendar)}


def past_references(
    monitor: Monitor,
    window: Window,
    until: Window,
    baseline: Baseline | None,
    past: Mapping[Window, WindowProfile],
    profiles: ProfileReader,
) -> tuple[PastReference, ...]:
    """The further references of a model, as they stood at a look.

    They have windows before the judged one and on the bins of its baseline, those alone for which that baseline was
    valid.

    Args:
        monitor: The model.
        window: The judged window.
        until: The run whose knowledge counts.
        baseline: Whose bins; without one there is nothing to compare.
        past: The trailing windows that have records, the judged one included.
        profiles: Where those of earlier windows come from.
    """
    if baseline is None or window not in past:
        return ()
    read = _Reader(monitor, until, baseline, dict(past), profiles)
    return tuple(_of(reference, read, window, past) for reference in monitor.config.references)


class _Reader:
    """Profiles of past windows; each is read once for all references."""

    def __init__(
        self,
        monitor: Monitor,
        until: Window,
        baseline: Baseline,
        found: dict[Window, WindowProfile | None],
        profiles: ProfileReader,
    ) -> None:
        self.monitor, self._profiles = monitor, profiles
        self._until, self._baseline, self._found = until, baseline, found

    def profiles(self, windows: Sequence[Window]) -> dict[Window, WindowProfile]:
        """Those that have records."""
        found = {window: self._profile(window) for window in windows}
        return {window: profile for window, profile in found.items() if profile is not None}

    def _profile(self, window: Window) -> WindowProfile | None:
        if window not in self._found:
            self._found[window] = self._load(window)
        return self._found[window]

    def _load(self, window: Window) -> WindowProfile | None:
        # windows may run out of their order, and verdicts must not depend on it; but without a first day there is no
        # end to what would have to be read
        if self.monitor.config.schedule.start is None and not is_complete(self.monitor, window):
            return None
        return self._profiles.profile(window, self._baseline, self._until)


def _of(reference: Reference, read: _Reader, window: Window, past: Mapping[Window, WindowProfile]) -> PastReference:
    if isinstance(reference, PreviousVersionReference):
        return _previous_version(reference, read, window, past)
    config = read.monitor.config
    wanted = windows_of(reference, window, config)
    found = read.profiles(wanted)
    definition, alone = "", False
    if not isinstance(reference, FixedReference):
        definition, alone = reference.definition(config.trailing_windows), reference.alone
    now = {window: past[window]} if alone else usual_profiles(read.monitor, window, past)
    if are_enough(len(found), len(wanted)):
        return PastReference(reference.name, _merged(found), _merged(now), len(now), len(found), definition)
    if wanted:
        why = f"{len(found)} of its {len(wanted)} windows have records under this baseline, and half of them are needed"
    else:
        why = "it is not over" if isinstance(reference, FixedReference) else "the calendar leaves none of its windows"
    return PastReference(reference.name, missing=why)


def _previous_version(
    reference: PreviousVersionReference, read: _Reader, window: Window, past: Mapping[Window, WindowProfile]
) -> PastReference:
    present = main_version(past[window])
    if not present:
        return PastReference(reference.name, missing="the records do not say which version of the model answered")
    earlier = read.profiles(reference.windows_before(window))
    version = version_before(present, earlier)
    if not version:
        why = f"version {present} answered in all of the last {reference.windows} windows that have records"
        return PastReference(reference.name, missing=f"{why} under this baseline")
    found = {w: profile for w, profile in earlier.items() if main_version(profile) == version}
    usual = usual_profiles(read.monitor, window, past)
    now = {w: profile for w, profile in usual.items() if main_version(profile) == present}
    return PastReference(reference.name, _merged(found), _merged(now), len(now), len(found))


def _merged(profiles: Mapping[Window, WindowProfile]) -> WindowProfile:
    return reduce(WindowProfile.merge, profiles.values())
