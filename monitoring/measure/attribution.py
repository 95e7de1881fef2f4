"""Whether the features that matter to a model are still the same ones, from attributions that were captured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitoring.measure.measurement import Measurement
from monitoring.profile.attributions import Attributions

NAME = "attribution_drift"
METHOD = "NDCG of the features by mean absolute attribution"


@dataclass(frozen=True)
class Move:
    """A feature whose rank has changed.

    Attributes:
        feature: The feature.
        before: Its rank in the reference, from 1.
        now: Its rank now.
    """

    feature: str
    before: int
    now: int


def attribution_drift(
    current: Attributions, reference: Attributions, *, contained: Attributions | None = None
) -> Measurement:
    """How much of the reference's order of features is left: 1 where it is the same.

    The normalised discounted cumulative gain, with the reference's mean absolute attributions as gains, as Amazon
    SageMaker Clarify measures feature attribution drift (it alarms below 0.90); Järvelin and Kekäläinen, Cumulated
    gain-based evaluation of IR techniques, ACM Trans. Inf. Syst. 20, 2002. Only features that both have count.

    Args:
        current: The rows in question.
        reference: What they are compared with.
        contained: Rows to leave out of the reference: a block of the baseline is compared with the others.

    >>> units = lambda **means: Attributions(dict.fromkeys(means, 1), {k: v << 32 for k, v in means.items()})
    >>> round(attribution_drift(units(a=1, b=2), units(a=3, b=1)).value, 4)  # (1 + 3 / log2 3) / (3 + 1 / log2 3)
    0.7967
    """
    before = (reference.subtract(contained) if contained else reference).means()
    now = current.means()
    rows = max((current.rows[name] for name in now), default=0)
    rows_before = max(reference.rows.values(), default=0)
    common = before.keys() & now.keys()
    gains = {name: before[name] for name in common}
    best = _discounted(gains, order(gains))
    if len(common) < 2 or not best:
        return Measurement(NAME, None, rows, "low", METHOD, reference_rows=rows_before)
    found = _discounted(gains, order({name: now[name] for name in common}))
    return Measurement(NAME, found / best, rows, "low", METHOD, reference_rows=rows_before)


def order(means: Mapping[str, float]) -> list[str]:
    """Features by mean absolute attribution, the largest first; equal ones by name.

    >>> order({"b": 1.0, "a": 1.0, "c": 2.0})
    ['c', 'a', 'b']
    """
    return sorted(means, key=lambda name: (-means[name], name))


def moves(current: Attributions, reference: Attributions) -> list[Move]:
    """The features whose rank has changed, those that weigh most first: places moved times the larger mean."""
    before, now = reference.means(), current.means()
    common = before.keys() & now.keys()
    ranks = [
        {name: place for place, name in enumerate(order({name: means[name] for name in common}), 1)}
        for means in (before, now)
    ]
    found = [Move(name, ranks[0][name], ranks[1][name]) for name in common if ranks[0][name] != ranks[1][name]]

    def weight(move: Move) -> float:
        return abs(move.before - move.now) * max(before[move.feature], now[move.feature])

    return sorted(found, key=lambda move: (-weight(move), move.feature))


def _discounted(gains: Mapping[str, float], ranking: Sequence[str]) -> float:
    return math.fsum(gains[name] / math.log2(place + 1) for place, name in enumerate(ranking, 1))
