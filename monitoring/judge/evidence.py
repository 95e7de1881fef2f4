"""What a window is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from monitoring.judge.limits import Limits
from monitoring.measure import Measurement
from monitoring.measure.concept import Diagnosis
from monitoring.measure.segments import GroupCounts
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.profile.losses import LossByBin


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    Attributes:
        version: The baseline's version.
        spec: The frozen edges.
        profile: The baseline's rows.
        limits: What is ordinary.
        losses: The losses of the baseline's labelled rows, by cell of each feature; None without labels.
    """

    version: str
    spec: ProfileSpec
    profile: WindowProfile
    limits: Limits
    losses: LossByBin | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PastReference:
    """Windows before this one that it is compared with, beside the baseline: see `monitoring.config.references`.

    Attributes:
        name: What it is called.
        profile: Their records; None where there are none to compare with.
        now: The records that are compared with them.
        windows: How many windows these are of.
        windows_before: Of how many windows the reference is.
        definition: Under which the limits hold what was learned of such a comparison; empty where nothing was.
        missing: Why there is none.
    """

    name: str
    profile: WindowProfile | None = None
    now: WindowProfile | None = None
    windows: int = 1
    windows_before: int = 1
    definition: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Past:
    """What the ledger tells of earlier windows, as far as it was known at the time of the look.

    Attributes:
        windows: Their labels, oldest first.
        losses: The loss of each, as it was first known; None where it was not.
        estimated: What was expected of each.
        rejected: By severity, how many questions each answered with an alarm.
        told: The names of what each warned of or failed for, as it was known last; see `Finding.name`.
    """

    windows: tuple[str, ...] = ()
    losses: tuple[Measurement | None, ...] = ()
    estimated: tuple[Measurement | None, ...] = ()
    rejected: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    told: tuple[frozenset[str], ...] = ()

    def since(self, name: str, window: str) -> str:
        """The window since when something has been told, up to this one; one window without it does not end it."""
        since, missed = window, 0
        for label, names in zip(reversed(self.windows), reversed(self.told), strict=True):
            missed = 0 if name in names else missed + 1
            if missed > 1:
                break
            since = label if not missed else since
        return since


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a window when it is judged.

    Attributes:
        window: Its label.
        profile: The window's records.
        trailing: The records of the trailing windows, this one included, without those that the calendar suppresses.
        realised: The performance of the window's labelled records.
        trailing_realised: The same of the trailing windows.
        trailing_labelled: Labelled records of the trailing windows.
        windows: How many of the trailing windows have records.
        hours: Hours in a window.
        final: Whether no more labels are waited for.
        coverage: Share of the window's records with a label, None without records or labels.
        quarantined: Records that could not be read.
        read: Records that the window's own run read, of whichever window.
        conflicting: Records with the event id of another record that says something else.
        duplicates: Records whose event id was there before, besides those that count.
        start: The window's start; None where it is not known.
        before: The records of the newest window before it that has some, on the same bins; None without one.
        missing_columns: Features that the records do not have.
        changed_columns: Features whose values no longer parse.
        new_columns: Columns that no feature declares.
        enough_labels: Whether it is final because as many rows as were asked for have a label.
        numbers: The performance of its own rows, as far as labels tell it, where that is not the realised one: see
            `monitoring.measure.series`.
        trailing_numbers: The same of the trailing windows.
        own_loss: The loss of its own rows, as far as labels tell it; None where they do not.
        estimated_loss: What is expected of them without labels.
        past: What is known of the windows before.
        drift_windows: Of how many windows `trailing` is; None for all of those that have records.
        references: What it is compared with beside the baseline.
        labelled: Its records with a label.
        label_conflicts: Those that were given different labels of one time.
        labels_read: Labels that may be of its records.
        labels_expired: Those that found no record of any window, and are no longer waited for.
        lateness: Its share of labelled records less what is usual at its age; None where nothing is known of that.
        loss: What the loss is called.
        ordinary_loss: The baseline's mean loss, None without labels in it.
        concept_gap: Realised less estimated loss of the labelled rows of the trailing windows.
        own_gap: The same of the window's rows alone.
        segment_gaps: The same for values of segments, by `segment=value`.
        segment_losses: The loss of values of segments over the trailing windows, by `segment=value`, as far as labels
            tell it.
        groups: What was counted of each value over the trailing windows, by segment and value.
        everyone: The same of all rows.
        diagnosis: What happened to performance; None where it was not asked for.
    """

    profile: WindowProfile
    trailing: WindowProfile
    windows: int
    hours: int
    final: bool
    coverage: float | None
    realised: Mapping[str, Measurement] = field(default_factory=dict)
    trailing_realised: Mapping[str, Measurement] = field(default_factory=dict)
    trailing_labelled: int = 0
    quarantined: int = 0
    read: int = 0
    conflicting: int = 0
    duplicates: int = 0
    start: datetime | None = None
    before: WindowProfile | None = None
    missing_columns: tuple[str, ...] = ()
    changed_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    enough_labels: bool = False
    numbers: Mapping[str, Measurement] = field(default_factory=dict)
    trailing_numbers: Mapping[str, Measurement] = field(default_factory=dict)
    labelled: int = 0
    label_conflicts: int = 0
    labels_read: int = 0
    labels_expired: int = 0
    lateness: Measurement | None = None
    loss: str = ""
    ordinary_loss: float | None = None
    concept_gap: Measurement | None = None
    own_gap: Measurement | None = None
    segment_gaps: Mapping[str, Measurement] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    segment_losses: Mapping[str, Measurement] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, GroupCounts]] = field(default_factory=dict)
    everyone: GroupCounts = field(default_factory=GroupCounts)
    own_loss: Measurement | None = None
    estimated_loss: Measurement | None = None
    past: Past = Past()
    window: str = ""
    drift_windows: int | None = None
    references: tuple[PastReference, ...] = ()

    @cached_property
    def unusable(self) -> frozenset[str]:
        """Features with nothing in them to compare."""
        empty = {name for name, column in self.profile.features.items() if 0 < column.rows == column.unusable}
        return frozenset(empty.union(self.missing_columns, self.changed_columns))
