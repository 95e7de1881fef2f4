"""Verdicts: measurements against limits that the baseline's own spread sets."""

from __future__ import annotations

from monitoring.judge.verdict import Code, Finding, Status, Verdict

__all__ = ["Code", "Finding", "Status", "Verdict"]
