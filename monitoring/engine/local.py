"""Moved to monitoring.engine.windows; this name goes away."""

from monitoring.engine.windows import *  # noqa: F403
