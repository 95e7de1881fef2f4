"""Everything that a report shows of one window and revision, gathered from the store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import takewhile

from monitoring import history
from monitoring.baseline import Baseline, load_baseline
from monitoring.config import ModelConfig
from monitoring.decide import Decision
from monitoring.engine.windows import load_window
from monitoring.judge import Verdict
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.monitor import Monitor
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.report.incident_words import KnownIncident, known_incidents
from monitoring.report.measured import Measured, SeriesPoint, load_measured, load_point
from monitoring.window import Window

# A month shows whether a bad day stands alone, and two of them how labels come.
HISTORY, SERIES = 30, 60


@dataclass(frozen=True)
class Facts:
    """What is known of one window at one revision.

    Attributes:
        config: The model.
        verdict: The verdict.
        decision: What was decided; None when nothing was.
        baseline: What the window was compared with; None without one.
        window: The profile of the window's records.
        trailing: The profile of the trailing windows' records.
        past: The verdicts of the last windows as they were known at the time, oldest first, this one included.
        measured: What this look measured of performance; None of a look that an older release took.
        series: The performance of the last windows as it was known at the time, oldest first, this one included.
        incidents: What was known of incidents after the run that took this look; None where nothing was.
    """

    config: ModelConfig
    verdict: Verdict
    decision: Decision | None
    baseline: Baseline | None
    window: WindowProfile
    trailing: WindowProfile
    past: tuple[Verdict, ...]
    measured: Measured | None = None
    series: tuple[SeriesPoint, ...] = ()
    incidents: tuple[KnownIncident, ...] | None = None

    def finding(self, check: str, subject: str = "") -> Finding | None:
        """What one check says of one subject, held against the training baseline."""
        found = (f for f in self.verdict.findings if (f.check, f.subject, f.reference) == (check, subject, ""))
        return next(found, None)

    @property
    def least_rows(self) -> int:
        """How many rows have to stand behind a value that is shown; 1 when values of single rows may be."""
        return least_rows(self.config)

    @property
    def moved(self) -> list[Finding]:
        """The features, and the score, that have drifted: those first that could cost most, then the furthest."""
        codes = (Code.FEATURE_DRIFT, Code.PREDICTION_DRIFT)
        found = (f for f in self.verdict.findings if f.code in codes)
        return sorted(found, key=lambda f: (-max(f.impact or 0.0, 0.0), -_value(f)))

    @property
    def since(self) -> str:
        """First window of the present run of failures, as far back as is known; empty when nothing fails."""
        decided = self.decision.since if self.decision else ""
        run = list(takewhile(lambda past: past.status is Status.FAIL, reversed(self.past)))
        return min(filter(None, [decided, run[-1].window.label if run else ""]), default="")

    @property
    def features(self) -> list[str]:
        """The features that can be drawn: those that have moved first, then by distance."""
        drift = [f for f in self.verdict.findings if f.check == "feature_drift" and not f.reference]
        findings = [f for f in drift if f.measurement is not None]
        ranked = sorted(findings, key=lambda f: (f.code is not Code.FEATURE_DRIFT, -_value(f)))
        return [f.subject for f in ranked if f.subject in self.window.features]


def least_rows(config: ModelConfig) -> int:
    """How many rows have to stand behind a value that a report shows; 1 when values of single rows may be shown."""
    return config.columns.privacy.least_rows


def _value(finding: Finding) -> float:
    value = finding.measurement.value if finding.measurement else None
    return 0.0 if value is None else value


def gather(monitor: Monitor, window: Window, revision: int) -> Facts:
    """What the store holds on a window at a revision."""
    verdict = history.load_verdict(monitor, window, revision)
    version = verdict.inputs.get("baseline")
    baseline = load_baseline(monitor, version) if version else None
    spec = baseline.reference.spec if baseline else ProfileSpec({})
    epoch = epoch_of(monitor, verdict)
    own = load_window(monitor, window, baseline, epoch).profile
    before = [monitor.window(label) for label in verdict.trailing_windows]
    profiles = [own if past == window else load_window(monitor, past, baseline, epoch).profile for past in before]
    past = (*_past(monitor, verdict), verdict)
    points = (load_point(monitor, item) for item in past)
    return Facts(
        config=monitor.config,
        verdict=verdict,
        decision=history.load_decision(monitor, window, revision),
        baseline=baseline,
        window=own,
        trailing=reduce(WindowProfile.merge, profiles, WindowProfile.empty(spec)),
        past=tuple(item for item in past if item.window > window.shift(-HISTORY)),
        measured=load_measured(monitor, verdict),
        series=tuple(point for point in points if point is not None),
        incidents=known_incidents(monitor, epoch, verdict.as_of),
    )


def _past(monitor: Monitor, verdict: Verdict) -> list[Verdict]:
    earlier = [verdict.window.shift(-back) for back in range(SERIES - 1, 0, -1)]
    known = [history.latest_verdict(monitor, w, verdict.as_of) for w in earlier if monitor.started(w)]
    return [item for item in known if item is not None]


def epoch_of(monitor: Monitor, verdict: Verdict) -> Window:
    """The window whose run took this look: what it knew of records and labels is what counted."""
    return Window.containing(verdict.as_of - monitor.config.schedule.settle, verdict.window.every).shift(-1)
