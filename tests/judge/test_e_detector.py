"""How often there is a false alarm, how soon a true one, since when, and until when."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import nct, t

from monitoring.judge.e_detector import path, threshold

RATE = 0.02


def _streams(
    seed: int, count: int, windows: int, blocks: int, correlation: float = 0.0, tolerance: float = 0.0
) -> np.ndarray:
    """The excess of ordinary windows over what was learned from as many blocks before them, shape (count, windows)."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, blocks + windows))
    for index in range(1, values.shape[1]):
        fresh = math.sqrt(1 - correlation**2) * values[:, index]
        values[:, index] = correlation * values[:, index - 1] + fresh
    learned, later = values[:, :blocks], values[:, blocks:]
    return (later - learned.mean(axis=1, keepdims=True) - tolerance) / learned.std(axis=1, ddof=1, keepdims=True)


def _rate(streams: np.ndarray, limit: float, blocks: int, correlation: float = 0.0) -> float:
    """Alarms that begin, per window."""
    begun = 0
    for stream in streams.tolist():
        alarm = np.array((False, *path(stream, limit, blocks, correlation).alarm))
        begun += int((alarm[1:] & ~alarm[:-1]).sum())
    return begun / streams.size


@pytest.mark.parametrize("blocks", [6, 12, 40])
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_false_alarms_come_at_the_stated_rate(blocks: int, correlation: float) -> None:
    streams = _streams(1, 100, 100, blocks, correlation)
    assert 0.5 * RATE < _rate(streams, threshold(RATE, blocks), blocks, correlation) < 1.5 * RATE


def test_the_bound_is_kept_at_one_over_the_rate() -> None:
    assert _rate(_streams(2, 80, 100, 12), 1 / RATE, 12) < RATE


def test_a_correlation_that_is_not_told_costs_false_alarms() -> None:
    streams = _streams(3, 60, 100, 40, 0.6)
    assert _rate(streams, threshold(0.005, 40), 40) > 1.5 * 0.005


def test_a_tolerance_that_nothing_uses_up_makes_false_alarms_rarer() -> None:
    assert _rate(_streams(4, 60, 100, 40, tolerance=0.5), threshold(RATE, 40), 40) < 0.5 * RATE


@settings(max_examples=30)
@given(st.lists(st.floats(-2, 4), min_size=1, max_size=6), st.integers(4, 50))
def test_the_first_start_has_the_bayes_factor_of_the_two_sample_t_test(windows: list[float], blocks: int) -> None:
    """Rouder et al. 2009: t is noncentral Student's under the effect, Student's without one."""
    count = len(windows)
    mean = math.fsum(windows) / count
    squares = blocks - 1 + sum((value - mean) ** 2 for value in windows)
    freedom, weight = blocks + count - 2, blocks * count / (blocks + count)
    statistic = mean * math.sqrt(weight) / math.sqrt(squares / freedom)

    def density(effect: float) -> float:
        prior = math.exp(-(effect**2) / 8) / (2 * math.sqrt(math.pi / 2))
        return float(nct.pdf(statistic, freedom, effect * math.sqrt(weight))) * prior

    expected = quad(density, 0, 12, limit=200)[0] / t.pdf(statistic, freedom)
    alone = path(windows, math.inf, blocks).evidence[-1]
    others = sum(path(windows[start:], math.inf, blocks).evidence[-1] for start in range(1, min(count, 2)))
    # the sum over starts, less that of the same windows without the first
    assert alone - others == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("effect", "delay"), [(1.0, 20), (2.0, 7), (4.0, 3)])
def test_a_change_is_found_soon_with_its_start_and_its_end(effect: float, delay: int) -> None:
    limit = threshold(0.05 / 30, 60)
    delays, starts, ends = [], [], []
    for stream in _streams(5, 40, 120, 60):
        stream[40:80] += effect
        found = path(stream.tolist(), limit, 60)
        changed = [index for index in range(40, 80) if found.alarm[index]]
        if changed:
            delays.append(changed[0] - 39)
            starts.append(found.since[changed[-1]])
            ends.append(next((index for index in range(80, 120) if not found.alarm[index]), 120) - 80)
    assert len(delays) >= 38
    assert np.mean(delays) <= delay
    assert np.median(np.abs(np.array(starts) - 40)) <= 4 / effect
    assert np.mean(ends) <= 14 / effect


def test_an_alarm_lasts_as_long_as_its_cause_and_keeps_its_start() -> None:
    stream = _streams(6, 1, 400, 60)[0]
    stream[50:] += 4
    found = path(stream.tolist(), threshold(0.001, 60), 60)
    first = found.alarm.index(True)
    assert first <= 52
    assert all(found.alarm[first:])
    assert {since for since in found.since[60:] if since is not None} <= {49, 50, 51, 52}
    assert found.since[:first] == (None,) * first


@given(st.lists(st.floats(-5, 5), max_size=30), st.lists(st.floats(-5, 5), max_size=5), st.floats(0, 0.8))
def test_what_comes_later_changes_nothing_of_before(early: list[float], late: list[float], correlation: float) -> None:
    before, after = path(early, 50, 20, correlation), path(early + late, 50, 20, correlation)
    count = len(early)
    assert after.evidence[:count] == before.evidence
    assert after.alarm[:count] == before.alarm
    assert after.since[:count] == before.since


def test_numbers_without_bound_overflow_nothing() -> None:
    found = path([1e6, 1e6, -1e6, 0.0], 1e9, math.inf)
    assert all(map(math.isfinite, found.evidence))
    assert found.alarm == (True, True, False, False)


@pytest.mark.parametrize(
    ("excess", "blocks", "correlation"), [([0.0], 1.0, 0.0), ([0.0], 10.0, 1.0), ([math.nan], 10.0, 0.0)]
)
def test_what_makes_no_path_is_refused(excess: list[float], blocks: float, correlation: float) -> None:
    with pytest.raises(ValueError, match="two blocks or more"):
        path(excess, 100, blocks, correlation)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1.5])
def test_a_rate_is_a_share_of_windows(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        threshold(rate, 20)
