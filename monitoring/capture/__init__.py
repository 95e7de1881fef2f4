"""Captured inference logs: readers into canonical records, and the writer that serving code uses."""

from __future__ import annotations

from monitoring.capture.delivery import DropReason
from monitoring.capture.log import CaptureLog, Counts, keeps
from monitoring.capture.middleware import CaptureMiddleware
from monitoring.capture.writer import CapturedInference, write_captures, write_labels

__all__ = [
    "CaptureLog",
    "CaptureMiddleware",
    "CapturedInference",
    "Counts",
    "DropReason",
    "keeps",
    "write_captures",
    "write_labels",
]
