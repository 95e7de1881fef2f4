"""How far two distributions are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping

from monitoring.measure.measurement import Measurement


def jensen_shannon(reference: Mapping[str, int], current: Mapping[str, int]) -> Measurement:
    """The Jensen-Shannon distance between two sets of counts over the same cells.

    The square root of the Jensen-Shannon divergence in bits: 0 for equal shares, 1 for no cell in common
    (Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37, 1991; Endres and
    Schindelin, A new metric for probability distributions, 2003).

    Args:
        reference: Rows per cell in the baseline.
        current: Rows per cell in the window.

    >>> jensen_shannon({"a": 8, "b": 2}, {"a": 80, "b": 20}).value
    0.0
    >>> jensen_shannon({"a": 1, "b": 0}, {"a": 0, "b": 5}).value
    1.0
    >>> round(jensen_shannon({"a": 1, "b": 1}, {"a": 1, "b": 3}).value, 6)
    0.220896
    """
    n, m = sum(reference.values()), sum(current.values())
    if not n or not m:
        return Measurement("jensen_shannon", None, m, "high", "Jensen-Shannon distance, base 2")
    divergence = 0.0
    for cell in {**reference, **current}:
        p, q = reference.get(cell, 0) / n, current.get(cell, 0) / m
        middle = (p + q) / 2
        divergence += sum(x * math.log2(x / middle) for x in (p, q) if x) / 2
    value = math.sqrt(min(max(divergence, 0.0), 1.0))
    return Measurement("jensen_shannon", value, m, "high", "Jensen-Shannon distance, base 2")
