"""The level of each window keeps the alarm budget without a change, and the false discovery rate with changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from monitoring.judge.multiplicity import benjamini_hochberg
from monitoring.judge.online_fdr import level

BASE, MOST, MEMORY = 0.01, 0.1, 0.9
_REMEMBERED = 30
HISTORIES = st.lists(st.integers(0, 5), max_size=40)


def _run(p_values: np.ndarray, memory: float = MEMORY) -> tuple[list[np.ndarray], list[float]]:
    """Which hypotheses of each window were rejected, and at which level; p_values has shape (windows, hypotheses)."""
    counts: list[int] = []
    rejected, levels = [], []
    for window in p_values:
        levels.append(level(BASE, MOST, counts[: -_REMEMBERED - 1 : -1], memory))
        rejected.append(np.array(benjamini_hochberg(window.tolist(), levels[-1])))
        counts.append(int(rejected[-1].sum()))
    return rejected, levels


@pytest.mark.parametrize("memory", [0.5, 0.9, 0.98])
def test_without_a_change_the_rate_is_the_base_for_ever(memory: float) -> None:
    random = np.random.default_rng(1)
    rejected, levels = _run(random.random((20_000, 5)), memory)
    alarms = np.array([hits.any() for hits in rejected])
    # 200 expected and 5 % more: 3 standard errors are 21 %
    assert 0.79 * BASE < alarms.mean() < 1.27 * BASE
    assert 0.7 * BASE < alarms[10_000:].mean() < 1.4 * BASE
    assert min(levels) == BASE


@pytest.mark.parametrize("strength", [2.0, 3.0, 4.5])
def test_few_recent_discoveries_are_false(strength: float) -> None:
    random = np.random.default_rng(2)
    windows, columns = 5_000, 10
    true = np.ones((windows, columns), bool)
    for start in range(0, windows, 50):
        true[start : start + 5, :3] = False
    values = random.normal(size=true.shape) + strength * ~true
    rejected, _ = _run(ndtr(-values))
    smoothing = BASE / (MOST * (1 - MEMORY))
    false_sum = rejected_sum = 0.0
    shares = []
    for hits, null in zip(rejected, true, strict=True):
        false_sum = MEMORY * false_sum + (hits & null).sum()
        rejected_sum = MEMORY * rejected_sum + hits.sum()
        shares.append(false_sum / (rejected_sum + smoothing))
    assert np.mean(shares) <= MOST


def test_discoveries_are_worth_power() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=(2_000, 10))
    values[:, :3] += 2.5
    rejected, levels = _run(ndtr(-values))
    even = [benjamini_hochberg(row, BASE) for row in ndtr(-values).tolist()]
    assert sum(hits[:3].sum() for hits in rejected) > 1.3 * sum(sum(hits[:3]) for hits in even)
    assert max(levels) <= MOST


@given(HISTORIES, st.floats(0.01, 0.99))
def test_what_is_spent_never_exceeds_what_rejections_allow(counts: list[int], memory: float) -> None:
    """Σ d^(T - t) level_t <= most (Σ d^(T - t) rejected_t + n) after every window, counts oldest first."""
    spent = allowed = 0.0
    smoothing = BASE / (MOST * (1 - memory))
    for window, count in enumerate(counts):
        spent = memory * spent + level(BASE, MOST, counts[:window][::-1], memory)
        assert spent <= MOST * (memory * allowed + smoothing) * (1 + 1e-9)
        allowed = memory * allowed + count


@given(HISTORIES, st.integers(0, 39), st.floats(0.01, 0.99))
def test_a_further_rejection_never_lowers_the_level(counts: list[int], place: int, memory: float) -> None:
    more = [count + (index == place) for index, count in enumerate(counts)]
    assert BASE <= level(BASE, MOST, counts, memory) <= level(BASE, MOST, more, memory) <= MOST


_WRONG = [(0.2, 0.1, 0.9), (-0.1, 0.1, 0.9), (0.01, 1.1, 0.9), (0.01, 0.1, 1.0)]


@pytest.mark.parametrize(("base", "most", "memory"), _WRONG)
def test_what_cannot_be_a_level_is_refused(base: float, most: float, memory: float) -> None:
    with pytest.raises(ValueError, match=r"base|memory"):
        level(base, most, [], memory)
