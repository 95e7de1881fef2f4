"""Captured inference logs: readers into canonical records, and the writer that serving code uses."""

from __future__ import annotations

from monitoring.capture.writer import CapturedInference, write_captures

__all__ = ["CapturedInference", "write_captures"]
