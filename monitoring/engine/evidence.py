"""What a window is judged by, from what a look has measured: the same for a run and for a replay of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from monitoring.baseline import Baseline
from monitoring.config import ModelConfig
from monitoring.engine.assessment import Assessment
from monitoring.engine.profiles import ProfileReader
from monitoring.engine.references import past_references, usual_profiles
from monitoring.engine.windows import WindowData
from monitoring.judge.evidence import Evidence, Past, PastReference
from monitoring.measure.basis import Numbers
from monitoring.measure.series import Performance
from monitoring.monitor import Monitor
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.window import LENGTHS, Window


@dataclass(frozen=True, eq=False)
class LookProfiles:
    """The records that a look is about.

    Attributes:
        own: The window.
        trailing: The trailing windows that have records, by window, oldest first.
        usual: Those of them that the calendar does not suppress.
        before: The records of the window before; None without any.
        references: What it is compared with beside the baseline.
    """

    own: WindowData
    trailing: Mapping[Window, WindowProfile]
    usual: Mapping[Window, WindowProfile]
    before: WindowProfile | None
    references: tuple[PastReference, ...]


def look_profiles(
    monitor: Monitor, window: Window, until: Window, baseline: Baseline | None, reader: ProfileReader
) -> LookProfiles:
    """Read the records that a look is about.

    Args:
        monitor: The model.
        window: The window.
        until: The run whose knowledge counts.
        baseline: What it is held against.
        reader: Where profiles come from.
    """
    trailing = reader.trailing(window, baseline, until)
    previous = window.shift(-1)
    before = trailing.get(previous)
    if monitor.config.trailing_windows == 1:
        before = reader.profile(previous, baseline, until)
    return LookProfiles(
        own=reader.data(window, baseline, until),
        trailing=trailing,
        usual=usual_profiles(monitor, window, trailing),
        before=before,
        references=past_references(monitor, window, until, baseline, trailing, reader),
    )


def evidence_of(
    window: Window,
    profiles: LookProfiles,
    assessment: Assessment,
    past: Past,
    baseline: Baseline | None,
    config: ModelConfig,
) -> Evidence:
    """What a window is judged by, but for what became of its performance: a pure function.

    Args:
        window: The window.
        profiles: Its records, and those before.
        assessment: Its performance.
        past: What is known of the windows before.
        baseline: What it is held against.
        config: The model.
    """
    counts, labels = profiles.own.counts, assessment.labels
    spec = baseline.reference.spec if baseline else ProfileSpec({})
    return Evidence(
        profile=profiles.own.profile,
        realised=assessment.window.realised,
        trailing=reduce(WindowProfile.merge, profiles.usual.values(), WindowProfile.empty(spec)),
        drift_windows=max(len(profiles.usual), 1),
        trailing_realised=assessment.trailing.realised,
        trailing_labelled=assessment.trailing.labelled,
        windows=max(len(profiles.trailing), 1),
        hours=LENGTHS[config.every] // LENGTHS["hour"],
        final=assessment.final,
        enough_labels=assessment.enough_labels,
        coverage=labels.coverage() if config.labels else None,
        quarantined=sum(counts.quarantined.values()),
        read=counts.own_run,
        conflicting=counts.conflicting,
        duplicates=counts.duplicate,
        start=window.start,
        window=window.label,
        before=profiles.before,
        missing_columns=counts.columns_at_fault(counts.missing_columns),
        changed_columns=counts.columns_at_fault(counts.changed_columns),
        new_columns=counts.new_columns,
        numbers=_judged(assessment.window),
        trailing_numbers=_judged(assessment.trailing),
        labelled=labels.labelled,
        label_conflicts=labels.conflicting,
        labels_read=assessment.counts.read if assessment.counts else 0,
        labels_expired=assessment.counts.expired if assessment.counts else 0,
        lateness=assessment.lateness,
        loss=assessment.basis.loss_title,
        ordinary_loss=assessment.ordinary_loss,
        concept_gap=assessment.concept_gap,
        own_gap=assessment.basis.loss_gap(assessment.window.gap),
        segment_gaps=assessment.segment_gaps,
        segment_losses=assessment.segment_losses,
        groups=assessment.groups,
        everyone=assessment.everyone,
        own_loss=assessment.own_loss,
        estimated_loss=assessment.basis.loss_in(assessment.window.estimated),
        past=past,
        references=profiles.references,
    )


def _judged(performance: Performance) -> Numbers:
    """The numbers that checks look at, where they are not the realised ones."""
    told = performance.stage in ("provisional", "final") and performance.numbers != performance.realised
    return performance.numbers if told else {}
