"""What a window is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitoring.judge.limits import Limits
from monitoring.measure import Measurement
from monitoring.measure.basis import Profile
from monitoring.profile import ProfileSpec, WindowProfile


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    Attributes:
        version: The baseline's version.
        spec: The frozen edges.
        profile: The baseline's rows.
        limits: What is ordinary.
    """

    version: str
    spec: ProfileSpec
    profile: WindowProfile
    limits: Limits


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a window when it is judged.

    Attributes:
        profile: The window's records.
        outcomes: Its labelled records.
        trailing: The records of the trailing windows, this one included.
        trailing_outcomes: Their labelled records.
        windows: How many of the trailing windows have records.
        hours: Hours in a window.
        final: Whether no more labels are waited for.
        coverage: Share of the window's records with a label, None without records or labels.
        quarantined: Records that could not be read.
        read: Records that the window's own run read, of whichever window.
        conflicting: Records with the event id of another record that says something else.
        missing_columns: Features that the records do not have.
        changed_columns: Features whose values no longer parse.
        new_columns: Columns that no feature declares.
        enough_labels: Whether it is final because as many rows as were asked for have a label.
        numbers: The performance of its own rows, as far as labels tell it: see `monitoring.measure.series`.
        trailing_numbers: The same of the trailing windows.
        labelled: Its records with a label.
        label_conflicts: Those that were given different labels of one time.
        labels_read: Labels that may be of its records.
        labels_expired: Those that found no record of any window, and are no longer waited for.
        lateness: Its share of labelled records less what is usual at its age; None where nothing is known of that.
        loss: What the loss is called.
        ordinary_loss: The baseline's mean loss, None without labels in it.
        concept_gap: Realised less estimated loss of the labelled rows of the trailing windows.
        segment_gaps: The same for values of segments, by `segment=value`.
        diagnosis: One sentence that names what happened to performance; empty where it was not asked for.
    """

    profile: WindowProfile
    outcomes: Profile
    trailing: WindowProfile
    trailing_outcomes: Profile
    windows: int
    hours: int
    final: bool
    coverage: float | None
    quarantined: int = 0
    read: int = 0
    conflicting: int = 0
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
    segment_gaps: Mapping[str, Measurement] = field(default_factory=dict)
    diagnosis: str = ""

    @property
    def unusable(self) -> frozenset[str]:
        """Features with nothing in them to compare."""
        empty = {name for name, column in self.profile.features.items() if 0 < column.rows == column.unusable}
        return frozenset(empty.union(self.missing_columns, self.changed_columns))
