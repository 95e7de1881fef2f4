"""Ground truth: read once, joined by event id whenever it comes."""

from __future__ import annotations
