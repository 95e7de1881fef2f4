"""Numbers computed from profiles, each with its method, direction, size and uncertainty."""

from __future__ import annotations

from monitoring.measure.measurement import Measurement

__all__ = ["Measurement"]
