"""Checks that other packages add."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

GROUP = "model_monitor.checks"


@cache
def added_checks() -> dict[str, Any]:
    """The checks of the packages that are installed, by name: see `monitoring.judge.registry.Check`."""
    return {point.name: point.load() for point in entry_points(group=GROUP)}


def added_rules() -> dict[str, Any]:
    """Their settings, with the defaults of each."""
    return {name: check.rule for name, check in added_checks().items()}
