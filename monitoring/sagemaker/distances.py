"""SageMaker's distance and ours: what one says of the other."""

from __future__ import annotations

import math


def least_jensen_shannon(largest_difference: float) -> float:
    """The smallest Jensen-Shannon distance (base 2) of two distributions that differ by so much in some event.

    SageMaker's distance is the largest difference of two distribution functions, or of the shares of a category. The
    two distributions cannot be closer than the two sides of that event are, and of two events whose probabilities
    differ by d those with (1 ± d)/2 are the closest: √(1 - H((1 - d)/2)), H the binary entropy (Lin, Divergence
    measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37, 1991, for the bounds of this kind).

    Args:
        largest_difference: From 0 to 1; what lies outside is taken for the end.

    >>> round(least_jensen_shannon(0.1), 4), least_jensen_shannon(1.0)
    (0.085, 1.0)
    """
    share = (1 - min(max(largest_difference, 0.0), 1.0)) / 2
    entropy = -sum(p * math.log2(p) for p in (share, 1 - share) if p)
    return math.sqrt(max(1 - entropy, 0.0))


def largest_difference(jensen_shannon: float) -> float:
    """The difference in an event whose least Jensen-Shannon distance is this: the inverse of the function above.

    >>> round(largest_difference(least_jensen_shannon(0.1)), 6)
    0.1
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if least_jensen_shannon(middle) < jensen_shannon else (low, middle)
    return (low + high) / 2
