"""Ground truth: read once, joined by event id whenever it comes."""

from __future__ import annotations

from monitoring.labels.join import Joined, join, label_state, unlabelled

__all__ = ["Joined", "join", "label_state", "unlabelled"]
