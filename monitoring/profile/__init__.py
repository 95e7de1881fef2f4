"""Mergeable state of a set of rows: counts and histograms on edges that the baseline froze."""

from __future__ import annotations

from monitoring.profile.columns import CategoricalProfile, ColumnSpec, NumericProfile
from monitoring.profile.outcomes import OutcomeProfile
from monitoring.profile.window import ProfileSpec, WindowProfile

__all__ = [
    "CategoricalProfile",
    "ColumnSpec",
    "NumericProfile",
    "OutcomeProfile",
    "ProfileSpec",
    "WindowProfile",
]
