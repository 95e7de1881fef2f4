"""Whether rows that have moved could cost performance: what tells a warning from a piece of evidence."""

from __future__ import annotations

from monitoring.judge.context import Context
from monitoring.measure.impact import impact
from monitoring.measure.performance_rows import SCORE
from monitoring.profile import WindowProfile


def impact_of(context: Context, name: str, before: WindowProfile, now: WindowProfile) -> float | None:
    """How much higher a loss is to be expected from where the rows are now; None where the baseline has no labels.

    Args:
        context: The window.
        name: The feature, or `SCORE`.
        before: The rows that it is compared with.
        now: The rows.
    """
    losses = context.reference.losses
    if losses is None:
        return None
    if name == SCORE:
        scores = [profile.score_distribution().cell_counts().tolist() for profile in (before, now)]
        return impact(losses, SCORE, *scores)
    cells = [[*profile.features[name].cells().values()] for profile in (before, now)]
    return impact(losses, name, *cells)


def is_harmless(context: Context, cost: float | None) -> bool:
    """Whether the rows have moved to where the model is about as good as before; not where that is not known."""
    ordinary = context.evidence.ordinary_loss
    if cost is None or not ordinary:
        return False
    return cost < context.config.checks.concept_drift.tolerance * ordinary
