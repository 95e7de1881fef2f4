"""What each look leaves for the looks after it: its loss, what was expected, and which questions fired.

An append-only ledger: an alarm that may be looked at every day holds only if what was seen once is not changed
afterwards. Of each window the first look counts that knew its loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring import documents
from monitoring.judge.evidence import Evidence, Past
from monitoring.judge.verdict import Code, Status, Verdict
from monitoring.measure import Measurement
from monitoring.monitor import Monitor
from monitoring.window import Window, iso

KIND, SCHEMA_VERSION = "watched", 1
# An alarm has forgotten what is longer ago, in windows
MOST_WINDOWS = 90


@dataclass(frozen=True)
class Watched:
    """What one look leaves.

    Attributes:
        as_of: When it was taken.
        baseline: What it was held against.
        loss: The window's loss; None where labels do not tell it.
        estimated: What was expected without labels.
        fired: By family, the questions that fired.
        told: The names of what it warned of or failed for.
    """

    as_of: datetime
    baseline: str
    loss: Measurement | None
    estimated: Measurement | None
    fired: dict[str, tuple[str, ...]]
    told: frozenset[str] = frozenset()

    @classmethod
    def of(cls, verdict: Verdict, evidence: Evidence) -> Watched:
        """What a look leaves."""
        fired = {name: tuple(family["fired"]) for name, family in verdict.families.items() if family["fired"]}
        baseline = verdict.inputs.get("baseline", "")
        told = frozenset(finding.name for finding in verdict.of_status(Status.FAIL, Status.WARN))
        if any(finding.code is Code.FEED_BROKEN for finding in verdict.findings):
            return cls(verdict.as_of, baseline, None, None, fired, told)  # nothing is known of the model
        return cls(verdict.as_of, baseline, evidence.own_loss, evidence.estimated_loss, fired, told)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "as_of": iso(self.as_of),
            "baseline": self.baseline,
            "loss": self.loss and self.loss.to_json(),
            "estimated": self.estimated and self.estimated.to_json(),
            "fired": {name: list(found) for name, found in self.fired.items()},
            "told": sorted(self.told),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Watched:
        """From `to_json`."""
        loss, estimated = (data[name] and Measurement.from_json(data[name]) for name in ("loss", "estimated"))
        fired = {name: tuple(found) for name, found in data["fired"].items()}
        moment = datetime.fromisoformat(data["as_of"])
        return cls(moment, data["baseline"], loss, estimated, fired, frozenset(data["told"]))


def past_of(looks: Mapping[Window, Sequence[Watched]], window: Window, as_of: datetime, baseline: str) -> Past:
    """What was known of the windows before at a time: a pure function.

    Args:
        looks: What looks have left, by window, in their order.
        window: The window that is looked at.
        as_of: The time of the look.
        baseline: Only what was held against it counts.
    """
    first = window.shift(-MOST_WINDOWS)
    known = {
        other: [look for look in left if look.as_of <= as_of and look.baseline == baseline]
        for other, left in sorted(looks.items())
        if first <= other < window
    }
    known = {other: left for other, left in known.items() if left}
    return Past(
        windows=tuple(other.label for other in known),
        losses=tuple(next((look.loss for look in left if look.loss is not None), None) for left in known.values()),
        estimated=tuple(left[0].estimated for left in known.values()),
        rejected=_discoveries([left[0].fired for left in known.values()]),
        told=tuple(left[-1].told for left in known.values()),
    )


class Ledger:
    """The ledger of one model, as one run reads it.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._entries: dict[str, Watched] = {}

    def write(self, window: Window, revision: int, watched: Watched) -> None:
        """Write what a look leaves; the same look again says the same, or what a changed configuration says."""
        key = self._monitor.layout.watched(window, revision)
        self._monitor.store.put(key, documents.encode(KIND, SCHEMA_VERSION, watched.to_json()))
        self._entries[key] = watched

    def past(self, window: Window, as_of: datetime, baseline: str) -> Past:
        """What was known of the windows before at a time.

        Args:
            window: The window that is looked at.
            as_of: The time of the look.
            baseline: Only what was held against it counts.
        """
        looks: defaultdict[Window, list[Watched]] = defaultdict(list)
        for other, _, watched in self.between(window.shift(-MOST_WINDOWS), window.shift(-1)):
            looks[other].append(watched)
        return past_of(looks, window, as_of, baseline)

    def between(self, first: Window, last: Window) -> list[tuple[Window, int, Watched]]:
        """What looks at some windows have left: the window, the revision, and that; in their order."""
        prefix = self._monitor.layout.watch
        found = []
        for key in self._monitor.store.keys(prefix):
            label, _, number = key.removeprefix(prefix).removesuffix(".json").rpartition("-r")
            window = self._monitor.window_or_none(label)
            if window is not None and number.isdecimal() and first <= window <= last:
                found.append((window, int(number), key))
        return [(window, number, self._load(key)) for window, number, key in sorted(found)]

    def _load(self, key: str) -> Watched:
        if key not in self._entries:
            body = documents.decode(self._monitor.store.get(key), KIND, SCHEMA_VERSION, key)
            self._entries[key] = Watched.from_json(body)
        return self._entries[key]


def _discoveries(fired: list[dict[str, tuple[str, ...]]]) -> dict[str, tuple[int, ...]]:
    """By family, how many questions fired in each window that had not fired in the one before, newest first."""
    names = {name for found in fired for name in found}
    counts = {}
    for name in sorted(names):
        before: set[str] = set()
        new = []
        for found in fired:
            now = set(found.get(name, ()))
            new.append(len(now - before))
            before = now
        counts[name] = tuple(reversed(new))
    return counts
