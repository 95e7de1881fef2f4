"""Mergeable state of a set of rows: counts, sums and sketches on bins that the baseline froze."""

from __future__ import annotations

from monitoring.profile.categorical import CategoricalProfile, CategoricalSpec
from monitoring.profile.numeric import NumericProfile, NumericSpec
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.window import (
    LATENCY,
    RECORDS,
    ColumnProfile,
    ColumnSpec,
    Packed,
    ProfileSpec,
    RecordColumns,
    WindowProfile,
)

__all__ = [
    "LATENCY",
    "RECORDS",
    "CategoricalProfile",
    "CategoricalSpec",
    "ColumnProfile",
    "ColumnSpec",
    "NumericProfile",
    "NumericSpec",
    "OutcomeProfile",
    "Packed",
    "ProfileSpec",
    "RecordColumns",
    "WindowProfile",
]
