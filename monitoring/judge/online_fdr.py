"""Many runs in a row: at which level to hold each, for ever, without wasting what was discovered."""

from __future__ import annotations

from collections.abc import Sequence


def level(base: float, most: float, rejections: Sequence[int], memory: float) -> float:
    """The level of the next window's family.

    Every window has `base` at least. A rejection earns more for the windows after it: of `most`, a share of
    (1 - d) d^(2j - 1) for the j-th window after it, where d is `memory`. No window gets more than `most`.

    Let a window count d^s when it is s windows ago. Then the levels so far sum to at most `most` times
    (the rejections + n), n = base / (most (1 - d)), after every window: those of `base` sum to base / (1 - d), and
    those that a rejection earns to (1 - d) (1 + d + d² + …) = 1 times what the rejection itself still counts. So the
    decaying-memory false discovery rate E[false / (rejected + n)], both sums in this count, is at most `most` for
    independent windows of one hypothesis each. A batch can reject several at once, which the bound does not cover;
    simulated, with 3 of 10 hypotheses false in a tenth of the windows, it is from 0.07 to 0.08 for `most` = 0.1.

    Without a change every rejection is false and brings at most most d / (1 + d) more of them, so that the rate of
    false rejections is from `base` to base / (1 - most / 2): 5 % above it for `most` = 0.1.

    Ramdas, Yang, Wainwright and Jordan, Online control of the false discovery rate with decaying memory, NeurIPS
    2017; Rebjock, Kurt, Januschowski and Callot, Online false discovery rate control for anomaly detection in time
    series, NeurIPS 2021, for the least level that lasts; Zrnic, Jiang, Ramdas and Jordan, The power of batching in
    multiple hypothesis testing, AISTATS 2020.

    Args:
        base: Level per window that spends the alarm budget evenly, from 0 to `most`.
        most: The false discovery rate that rejections may earn.
        rejections: How many hypotheses were rejected in each window before, the newest first. Count groups, not
            their members, and each change once: what is still the old incident is no discovery.
        memory: d, more than 0 and less than 1: what a discovery is still worth a window later.

    Raises:
        ValueError: `base`, `most` or `memory` is out of its range.

    >>> round(level(0.002, 0.1, [], 0.9), 6)
    0.002
    >>> round(level(0.002, 0.1, [1, 0, 0], 0.9), 6)  # 0.002 + 0.1 × 0.1 × 0.9
    0.011
    >>> round(level(0.002, 0.1, [0, 0, 0, 0, 0, 0, 1], 0.9), 6)
    0.004542
    """
    if not 0.0 <= base <= most <= 1.0:
        raise ValueError(f"a level needs 0 <= base <= most <= 1, not base {base} and most {most}")
    if not 0.0 < memory < 1.0:
        raise ValueError(f"a memory is between 0 and 1, not {memory}")
    earned = sum(count * memory ** (2 * age + 1) for age, count in enumerate(rejections))
    return min(base + most * (1 - memory) * earned, most)
