"""The looks of the past, judged again in their order by one configuration."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from monitoring import history
from monitoring.decide import Decision, decide
from monitoring.decide.incident import Incident, advance
from monitoring.decide.recall import history_of, looked_back, recalled
from monitoring.decide.sighting import Sightings, sightings
from monitoring.engine.evidence import evidence_of, look_profiles
from monitoring.incidents import incidents_before, looks_change
from monitoring.judge import Verdict
from monitoring.judge.evidence import Evidence
from monitoring.judge.judge import Look, judge
from monitoring.monitor import Monitor
from monitoring.pipeline import labelled_rows, waited_for, wants_a_reason
from monitoring.replay.looks import History, StoredLook
from monitoring.watch import Watched, past_of
from monitoring.window import Window


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a configuration says of a look.

    Attributes:
        look: What was stored of it.
        evidence: What the verdict rests on.
        verdict: What is said.
        decision: What is done about it.
        unexplained: Whether performance would have been explained, which the look did not do.
        other_trailing: Whether the look's performance is of other trailing windows.
    """

    look: StoredLook
    evidence: Evidence
    verdict: Verdict
    decision: Decision
    unexplained: bool
    other_trailing: bool


class Fold:
    """Judges looks one after the other, and remembers what later ones have to know of them.

    What happened before the first run of the stretch is taken from what the runs of then have stored.

    Args:
        source: Where the looks come from.
        monitor: The model, with the configuration that judges.
    """

    def __init__(self, source: History, monitor: Monitor) -> None:
        self.monitor = monitor
        self._source, self._profiles = source, source.profiles_of(monitor)
        self._fingerprint = monitor.config.fingerprint()
        self._left = defaultdict(list, {window: list(left) for window, left in source.left_before.items()})
        self._verdicts: dict[Window, list[Verdict]] = {}
        self._decisions = _decided_before(monitor, source)
        self._incidents = incidents_before(monitor, source.first)
        self._run: Window | None = None
        self._looks: dict[Window, Sightings] = {}

    def take(self, look: StoredLook) -> Replayed:
        """Judge the next look."""
        if look.place.epoch != self._run:
            self.finish()
            self._run = look.place.epoch
        evidence, trailing = self._evidence(look)
        # what became of performance changes what is said, and no status: so that is judged at once
        explained = replace(evidence, diagnosis=look.diagnosis)
        verdict = self._judge(look, explained, trailing)
        explains = wants_a_reason(verdict) and _can_be_explained(look)
        if look.diagnosis is not None and not explains:
            verdict = self._judge(look, evidence, trailing)
        decision = self._decide(verdict, look)
        window = look.place.window
        self._left[window].append(Watched.of(verdict, evidence))
        self._known(window).append(verdict)
        self._looks[window] = sightings(verdict)
        if verdict.revision == 1:
            self._decisions[window] = decision
        self._forget(look.place.epoch)
        other = bool(self.monitor.config.labels) and trailing != look.trailing_windows
        return Replayed(look, evidence, verdict, decision, explains and look.diagnosis is None, other)

    def finish(self) -> tuple[Incident, ...]:
        """The incidents after the run whose looks were taken; to be asked for at the end, too."""
        if self._run is not None and self._looks:
            depth = looks_change(self.monitor, self._run)
            policy = self.monitor.config.incidents
            self._incidents = advance(self._incidents, self._run, self._looks, policy, depth)
            self._looks = {}
        return self._incidents.incidents if self._incidents else ()

    def _evidence(self, look: StoredLook) -> tuple[Evidence, tuple[str, ...]]:
        """What the look is judged by, and the trailing windows."""
        window, until, baseline = look.place.window, look.place.epoch, look.baseline
        profiles = look_profiles(self.monitor, window, until, baseline, self._profiles)
        past = past_of(self._left, window, self.monitor.as_of(until), baseline.version if baseline else "")
        evidence = evidence_of(window, profiles, look.assessment, past, baseline, self.monitor.config)
        return evidence, tuple(other.label for other in profiles.trailing)

    def _judge(self, look: StoredLook, evidence: Evidence, trailing: tuple[str, ...]) -> Verdict:
        place = look.place
        about = Look(
            window=place.window,
            revision=place.revision,
            as_of=self.monitor.as_of(place.epoch),
            final=look.assessment.final,
            trailing_windows=trailing,
            accounting=look.accounting,
            inputs={**look.inputs, "config": self._fingerprint},
        )
        return judge(about, evidence, look.baseline.reference if look.baseline else None, self.monitor.config)

    def _decide(self, verdict: Verdict, look: StoredLook) -> Decision:
        policy = self.monitor.config.policy
        known = history_of(
            verdict,
            [self._decisions[window] for window in recalled(self._decisions, verdict.window, policy)],
            lambda window: next((past for past in reversed(self._known(window)) if past.as_of <= verdict.as_of), None),
            lambda: labelled_rows(self._source.joins, look.place.epoch, look.baseline),
            reach=waited_for(self.monitor, verdict.window),
            policy=policy,
        )
        return decide(verdict, known, policy)

    def _known(self, window: Window) -> list[Verdict]:
        """The looks at a window so far: those before the stretch are the stored ones."""
        if window not in self._verdicts:
            there = window in self._source.left_before and self.monitor.started(window)
            revisions = history.revisions(self.monitor, window) if there else []
            stored = (history.load_verdict(self.monitor, window, revision) for revision in revisions)
            first = self.monitor.as_of(self._source.first)
            self._verdicts[window] = [verdict for verdict in stored if verdict.as_of < first]
        return self._verdicts[window]

    def _forget(self, run: Window) -> None:
        """Let go of verdicts that no later look asks for."""
        policy = self.monitor.config.policy
        # a look at the oldest window that is still looked at looks back as far again
        edge = run.shift(-2 * (waited_for(self.monitor, run) + looked_back(policy)) - 1)
        for window in [window for window in self._verdicts if window < edge]:
            self._verdicts[window] = self._verdicts[window][-1:]


def _decided_before(monitor: Monitor, source: History) -> dict[Window, Decision]:
    """The decisions before the stretch that those of its looks recall, at the oldest window that is looked at too."""
    oldest = min(source.first, *(place.window for place in source.places))
    found = {monitor.window(decision.window): decision for decision in history.decisions_before(monitor, oldest)}
    window = oldest
    while window < source.first:
        decision = history.load_decision(monitor, window, 1)
        found |= {window: decision} if decision is not None else {}
        window = window.shift(1)
    return found


def _can_be_explained(look: StoredLook) -> bool:
    baseline = look.baseline
    return baseline is not None and baseline.basis is not None and look.assessment.trailing.labelled > 0
