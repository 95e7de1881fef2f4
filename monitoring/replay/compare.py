"""A stretch under one configuration, beside another one and beside Evidently's default tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.config import ModelConfig
from monitoring.judge.verdict import Status
from monitoring.measure.evidently_defaults import default_drift
from monitoring.replay.fold import Fold, Replayed
from monitoring.replay.looks import History
from monitoring.replay.tally import EvidentlyTally, Tally
from monitoring.window import Window

_NAMED = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """What came of a stretch.

    Attributes:
        model: The model's name.
        first: Its first window.
        last: Its last window.
        now: Under the model's configuration.
        other: Under the other one; None without one.
        evidently: Under Evidently's default tests.
    """

    model: str
    first: Window
    last: Window
    now: Tally
    other: Tally | None
    evidently: EvidentlyTally

    @property
    def sentence(self) -> str:
        """What differs."""
        return _beside_evidently(self) if self.other is None else _beside_other(self.now, self.other)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "model": self.model,
            "from": self.first.label,
            "to": self.last.label,
            "every": self.first.every,
            "now": self.now.to_json(),
            "other": self.other and self.other.to_json(),
            "evidently": self.evidently.to_json(),
            "sentence": self.sentence,
        }


def compare(
    source: History,
    configs: Sequence[ModelConfig] = (),
    *,
    seen: Callable[[Sequence[Replayed]], object] = lambda _: None,
) -> Comparison:
    """Judge the stored looks again.

    Args:
        source: What runs have stored.
        configs: Another configuration, or none.
        seen: Called with what each configuration says of every look.

    Raises:
        ConfigError: Another configuration would read or measure something else.
    """
    monitors = [source.monitor, *(source.monitor_of(config) for config in configs)]
    folds = [Fold(source, monitor) for monitor in monitors]
    windows = frozenset(source.windows)
    tallies = [Tally(monitor.config, windows) for monitor in monitors]
    evidently = EvidentlyTally()
    run = None
    for look in source.looks():
        if run is not None and look.place.epoch != run:
            _finish(folds, tallies)
        run = look.place.epoch
        found = [fold.take(look) for fold in folds]
        for tally, replayed in zip(tallies, found, strict=True):
            tally.add(replayed)
        profile = found[0].evidence.profile
        if look.place.revision == 1 and look.place.window in windows and look.baseline is not None and profile.rows:
            evidently.add(look.place.window, default_drift(look.baseline.reference.profile, profile))
        seen(found)
    _finish(folds, tallies)
    other = tallies[1] if len(tallies) > 1 else None
    return Comparison(source.monitor.config.name, source.first, source.last, tallies[0], other, evidently)


def _finish(folds: Sequence[Fold], tallies: Sequence[Tally]) -> None:
    for fold, tally in zip(folds, tallies, strict=True):
        tally.add_incidents(fold.finish())


def _beside_evidently(found: Comparison) -> str:
    now, windows = found.now, len(found.now.statuses)
    alarmed = now.fired(Status.FAIL, Status.WARN)
    incidents = _count(len(now.incidents), "incident")
    theirs = found.evidently
    return (
        f"This configuration fails or warns in {len(alarmed)} of {_windows(windows, found.first)}, with {incidents} and"
        f" {_count(now.messages, 'message')}; Evidently's default tests find at least one drifted column in"
        f" {len(theirs.any_column())} of {len(theirs.windows)}, and a drifted data set in {len(theirs.dataset)}."
    )


def _beside_other(now: Tally, other: Tally) -> str:
    changed: dict[tuple[Status, Status], list[Window]] = {}
    for window, status in sorted(now.statuses.items()):
        theirs = other.statuses.get(window, Status.UNKNOWN)
        if theirs is not status:
            changed.setdefault((status, theirs), []).append(window)
    parts = [
        f"{after} instead of {before} in {len(windows)} ({_named(windows)})"
        for (before, after), windows in sorted(changed.items())
    ]
    more = [
        f"{theirs} instead of {ours} {what}"
        for what, ours, theirs in (
            ("incidents", len(now.incidents), len(other.incidents)),
            ("messages", now.messages, other.messages),
            ("requests to retrain", len(now.retrained), len(other.retrained)),
        )
        if ours != theirs
    ]
    if not parts and not more:
        return "Both say the same of every window, and ask for the same."
    total = sum(len(windows) for windows in changed.values())
    says = f"says something else of {total} of {len(now.statuses)} windows: {', '.join(parts)}" if parts else ""
    gives = f"gives {', '.join(more)}" if more else "no other incidents, messages or retraining"
    if not parts:
        return f"The other configuration says the same of every window, and {gives}."
    return f"The other configuration {says}; it {gives}." if more else f"The other configuration {says}; {gives}."


def _named(windows: Sequence[Window]) -> str:
    rest = len(windows) - _NAMED
    return ", ".join(window.label for window in windows[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _windows(count: int, window: Window) -> str:
    return _count(count, window.every)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
