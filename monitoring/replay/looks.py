"""The looks that past runs have taken, as they have stored them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from monitoring import documents
from monitoring.baseline import Baseline, load_baseline
from monitoring.config import ModelConfig
from monitoring.engine.assessment import KIND as PERFORMANCE
from monitoring.engine.assessment import SCHEMA_VERSION as PERFORMANCE_VERSION
from monitoring.engine.assessment import Assessment
from monitoring.engine.label_join import JoinReader
from monitoring.engine.profiles import StoredProfileReader
from monitoring.errors import ConfigError
from monitoring.judge import Verdict
from monitoring.judge import verdict as verdicts
from monitoring.judge.verdict import Status
from monitoring.measure.concept import Diagnosis
from monitoring.measure.performance_rows import default_basis
from monitoring.monitor import Monitor
from monitoring.store.snapshot import SnapshotStore
from monitoring.watch import MOST_WINDOWS, Ledger, Watched
from monitoring.window import LENGTHS, Window

# What decides what is read and measured cannot be changed afterwards
MEASURED = ("name", "schedule", "capture", "labels", "columns", "baseline")
# Documents that are read before they are needed
_AHEAD = 32


@dataclass(frozen=True, order=True)
class Place:
    """Which look: they are in the order in which they were taken.

    Attributes:
        epoch: The window whose run took it.
        window: The window that was looked at.
        revision: 1 for the first look.
    """

    epoch: Window
    window: Window
    revision: int


@dataclass(frozen=True, eq=False)
class StoredLook:
    """What a look has stored.

    Attributes:
        place: Which look.
        accounting: What became of every record and label.
        inputs: Versions and fingerprints.
        trailing_windows: Labels of the windows that its performance looks back over.
        status: What it came to.
        baseline: What it was held against.
        assessment: What it measured of performance.
        diagnosis: What became of performance; None where that was not asked for.
    """

    place: Place
    accounting: dict[str, Any]
    inputs: dict[str, Any]
    trailing_windows: tuple[str, ...]
    status: Status
    baseline: Baseline | None
    assessment: Assessment
    diagnosis: Diagnosis | None


class History:
    """What the runs of a stretch have stored, to be judged by any number of configurations.

    Args:
        monitor: The model.
        first: The first run.
        last: The last run.

    Raises:
        ConfigError: `last` lies before `first`, or no run of the stretch has left a look.
    """

    def __init__(self, monitor: Monitor, first: Window, last: Window) -> None:
        if last < first:
            raise ConfigError(f"--to {last.label} lies before --from {first.label}", where=monitor.config.name)
        self.monitor = replace(monitor, store=SnapshotStore(monitor.store))
        self.first, self.last = first, last
        self.joins = JoinReader(self.monitor)
        self._profiles = StoredProfileReader(self.monitor)
        self._baselines: dict[str, Baseline] = {}
        self.left_before: dict[Window, list[Watched]] = defaultdict(list)
        self.places = self._find()
        if not self.places:
            raise ConfigError(
                f"no run from {first.label} to {last.label} has left anything to judge again",
                where=monitor.config.name,
                hint=f"model-monitor backfill {monitor.config.name} --from {first.label} --to {last.label}",
            )

    @property
    def windows(self) -> list[Window]:
        """The windows of the stretch."""
        count = (self.last.start - self.first.start) // LENGTHS[self.first.every] + 1
        return [self.first.shift(number) for number in range(count)]

    def monitor_of(self, config: ModelConfig) -> Monitor:
        """The model with another configuration, on the same stored looks.

        Raises:
            ConfigError: It would read or measure something else.
        """
        for name in MEASURED:
            if getattr(config, name) != getattr(self.monitor.config, name):
                raise ConfigError(
                    f"`{name}` differs, which decides what is read and measured: a replay judges what was stored",
                    where=f"the other configuration of {self.monitor.config.name}",
                    hint="keep it as it is; to try another one, backfill a model of another name",
                )
        return replace(self.monitor, config=config)

    def profiles_of(self, monitor: Monitor) -> StoredProfileReader:
        """Where profiles come from; all configurations share what was read."""
        return StoredProfileReader(monitor, self._profiles)

    def looks(self) -> Iterator[StoredLook]:
        """The looks, in the order in which they were taken."""
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(self.places), _AHEAD):
                part = self.places[start : start + _AHEAD]
                for place, (verdict, performance) in zip(part, pool.map(self._read, part), strict=True):
                    yield self._look(place, verdict, performance)

    def _find(self) -> list[Place]:
        """The looks of the stretch; what earlier ones have left is kept aside."""
        first, last = self.monitor.as_of(self.first), self.monitor.as_of(self.last)
        oldest = min(self.first.shift(-MOST_WINDOWS), self._oldest())
        places = []
        for window, revision, watched in Ledger(self.monitor).between(oldest, self.last):
            if watched.as_of < first:
                self.left_before[window].append(watched)
            elif watched.as_of <= last and self.monitor.store.exists(self.monitor.layout.verdict(window, revision)):
                moment = watched.as_of - self.monitor.config.schedule.settle
                epoch = Window.containing(moment, window.every).shift(-1)
                places.append(Place(epoch, window, revision))
        return sorted(places)

    def _oldest(self) -> Window:
        """The oldest window at which a run of the stretch can look again."""
        waits = (self.monitor.final_epoch(self.first).start - self.first.start) // LENGTHS[self.first.every]
        return self.first.shift(-waits)

    def _read(self, place: Place) -> tuple[bytes, bytes]:
        layout, store, look = self.monitor.layout, self.monitor.store, (place.window, place.revision)
        return store.get(layout.verdict(*look)), store.get(layout.performance(*look))

    def _look(self, place: Place, verdict: bytes, performance: bytes) -> StoredLook:
        layout, look = self.monitor.layout, (place.window, place.revision)
        told = Verdict.from_json(
            documents.decode(verdict, verdicts.KIND, verdicts.SCHEMA_VERSION, layout.verdict(*look))
        )
        body = documents.decode(performance, PERFORMANCE, PERFORMANCE_VERSION, layout.performance(*look))
        baseline = self._baseline(told.inputs["baseline"])
        basis = baseline.basis if baseline is not None else None
        explained = body["explanation"]
        return StoredLook(
            place=place,
            accounting=told.accounting,
            inputs=told.inputs,
            trailing_windows=told.trailing_windows,
            status=told.status,
            baseline=baseline,
            assessment=Assessment.from_json(body, basis or default_basis(self.monitor.config.columns)),
            diagnosis=Diagnosis.from_json(explained["diagnosis"]) if explained else None,
        )

    def _baseline(self, version: str) -> Baseline | None:
        """The baseline that a look was held against."""
        if not version:
            return None
        if version not in self._baselines:
            self._baselines[version] = load_baseline(self.monitor, version)
        return self._baselines[version]
