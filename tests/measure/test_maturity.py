"""What past windows tell of labels that are still to come: by hand, as laws, and in simulated streams."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from monitoring.measure.maturity import (
    MaturityCurve,
    Observed,
    _weights,
    lateness,
    maturity_curve,
    stopped,
)
from monitoring.measure.measurement import Measurement
from monitoring.profile.delays import LAG_EDGES, DelayProfile

DAY = 24.0
GROUPS = ("no", "yes")
Floats = Any
Delay = Callable[[np.random.Generator, Floats, Floats], Floats]


def _observed(lags: list[float], rows: int, age: float, codes: list[int] | None = None) -> Observed:
    found = np.zeros(len(lags), np.int64) if codes is None else np.array(codes, np.int64)
    return Observed(DelayProfile.of(np.array(lags), found, GROUPS, rows), age, age)


def _curve(observed: list[Observed]) -> MaturityCurve:
    curve = maturity_curve(observed)
    assert curve is not None
    return curve


# by hand


def test_young_windows_count_as_far_as_they_are_old() -> None:
    old = _observed([1.0] * 4 + [48.0] * 3, 10, 64.0)
    young = _observed([1.0] * 8, 10, 2.0)
    curve = _curve([old, old, old, young])
    assert curve.coverage(1.0).expected == pytest.approx(20 / 40)
    # 9 of the 18 old rows that had none: 0.5 + 0.5 · 9 / 18
    assert curve.coverage(48.0).expected == pytest.approx(0.75)
    assert curve.horizon == 64.0


def test_what_a_window_has_beyond_its_youngest_row_does_not_count() -> None:
    old = Observed(DelayProfile.of(np.array([1.0]), np.array([0]), GROUPS, 2), 64.0, 88.0)
    begun = Observed(DelayProfile.of(np.array([3.0]), np.array([0]), GROUPS, 2), 2.0, 26.0)
    curve = _curve([old, old, old, begun])
    assert curve.coverage(2.0).expected == pytest.approx(3 / 8)
    assert curve.coverage(64.0).expected == pytest.approx(3 / 8)


def test_classes_are_taken_from_the_end() -> None:
    old = _observed([1.0, 40.0, 40.0, 1.0], 10, 64.0, [0, 0, 0, 1])
    young = _observed([1.0, 1.0, 1.0], 10, 2.0, [0, 0, 1])
    curve = _curve([old, old, old, young])
    # of old windows one in three; the young one says nothing of what came later
    assert curve.completeness(2.0, "no") == pytest.approx(1 / 3)
    assert curve.completeness(2.0, "yes") == 1.0
    assert curve.completeness(64.0, "no") == 1.0


def test_a_class_without_labels_is_complete() -> None:
    curve = _curve([_observed([40.0], 10, 64.0)] * 3)
    assert curve.completeness(1.0, "yes") == 1.0
    assert curve.completeness(1.0, "no") == 0.0
    assert curve.completeness(1.0, "a class that is not known") == curve.completeness(1.0) == 1.0


def test_no_more_is_told_than_three_windows_do() -> None:
    ages = [300.0, 200.0, 64.0, 40.0, 20.0]
    assert _curve([_observed([1.0], 2, age) for age in ages]).horizon == 64.0


def test_labels_before_the_inference_are_there_at_once() -> None:
    curve = _curve([_observed([-3.0, 0.0], 4, 64.0)] * 3)
    assert curve.coverage(0.0).expected == 0.5
    assert curve.age_of(1.0) == 0.0


def test_without_rows_or_labels_nothing_is_known() -> None:
    assert maturity_curve([]) is None
    assert maturity_curve([_observed([], 0, 10.0)]) is None
    never = _curve([_observed([], 100, 64.0)] * 5)
    assert never.age_of(0.5) is None
    assert never.ever.expected == 0.0
    assert never.ever.high < 0.1


def test_one_window_does_not_tell_how_windows_differ() -> None:
    curve = _curve([_observed([1.0] * 50, 100, 64.0)])
    assert curve.coverage(2.0) == (0.5, 0.0, 1.0)
    late = lateness(curve, 100, 0, 2.0, 2.0)
    assert (late.value, late.p_value) == (None, None)


def test_few_windows_widen() -> None:
    few, many = (_curve([_observed([1.0] * (50 + i % 2), 100, 64.0) for i in range(n)]) for n in (3, 30))
    widths = [curve.coverage(2.0).high - curve.coverage(2.0).low for curve in (few, many)]
    assert widths[0] > 1.5 * widths[1]


def test_a_small_window_may_be_further_off() -> None:
    curve = _curve([_observed([1.0] * 500, 1000, 64.0)] * 10)
    widths = [curve.coverage(2.0, rows=rows).high - curve.coverage(2.0, rows=rows).low for rows in (20, 1000)]
    assert widths[0] > 3 * widths[1]


def test_the_interval_by_hand() -> None:
    labels = np.array([30, 50, 60, 45])
    curve = _curve([_observed([1.0] * int(n), 100, 64.0) for n in labels])
    turned = np.arcsin(np.sqrt((labels + 3 / 8) / 100.75))
    # with as many rows as the past windows, what sampling gives is in their spread
    width = stats.t.ppf(0.975, 3) * turned.std(ddof=1) * math.sqrt(1 + 1 / 4)
    low, high = ((100.75 * np.sin(turned.mean() + side * width) ** 2 - 3 / 8) / 100 for side in (-1, 1))
    assert curve.coverage(2.0, rows=100) == pytest.approx((0.4625, low, high))


def test_what_one_window_in_seven_has_is_within_the_interval() -> None:
    curve = _curve([_observed([1.0] * (85 if i % 7 else 0), 100, 64.0) for i in range(70)])
    assert curve.coverage(2.0).low == 0.0


def test_only_windows_that_are_old_enough_tell_how_windows_differ() -> None:
    old = [_observed([1.0] * n, 100, 64.0) for n in (40, 50, 60)]
    young = [_observed([1.0] * 50, 100, 2.0)] * 20
    alone, together = _curve(old), _curve([*old, *young])
    assert together.coverage(48.0) == pytest.approx(alone.coverage(48.0))
    assert lateness(together, 100, 50, 48.0, 48.0).reference_rows == 300
    assert lateness(together, 100, 50, 2.0, 2.0).reference_rows == 2300


def test_whether_labels_still_come_at_the_end() -> None:
    assert _curve([_observed([1.0] * 50, 100, 64.0)] * 3).settled
    assert not _curve([_observed([1.0] * 50 + [60.0] * 10, 100, 64.0)] * 3).settled


def test_other_groups_are_refused() -> None:
    other = Observed(DelayProfile.of(np.array([1.0]), np.array([0]), (), 2), 2.0, 2.0)
    with pytest.raises(ValueError, match="groups"):
        maturity_curve([_observed([1.0], 2, 2.0), other])


@pytest.mark.parametrize(("youngest", "oldest"), [(-1.0, 2.0), (3.0, 2.0), (0.0, math.inf), (math.nan, 2.0)])
def test_ages_that_cannot_be_are_refused(youngest: float, oldest: float) -> None:
    with pytest.raises(ValueError, match="ages"):
        Observed(DelayProfile.empty(), youngest, oldest)


# laws

_window = st.tuples(st.lists(st.floats(-1.0, 400.0), min_size=1, max_size=12), st.integers(0, 12), st.floats(0, 400))


def _of(windows: list[tuple[list[float], int, float]]) -> list[Observed]:
    """Windows of labels, of which those are known that are not younger than the look, and further rows."""
    found = []
    for lags, more, age in windows:
        known = [lag for lag in lags if lag <= age]
        found.append(_observed(known, len(lags) + more, age, [i % 2 for i in range(len(known))]))
    return found


@settings(deadline=None, max_examples=40)
@given(st.lists(_window, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_curves_rise_and_no_order_changes_them(windows: list[Any], chance: Any) -> None:
    observed = _of(windows)
    curve = _curve(observed)
    assert (np.diff(curve.shares) >= 0).all()
    assert (np.diff(curve.completeness_by_group, axis=1) >= 0).all()
    for age in (0.0, 5.0, 100.0, 1000.0):
        expected, low, high = curve.coverage(age, oldest=age + 24)
        assert 0 <= low <= expected + 1e-12
        assert expected - 1e-12 <= high <= 1
    chance.shuffle(observed)
    assert _curve(observed).shares.tolist() == curve.shares.tolist()
    assert len(json.dumps(curve.to_json(), allow_nan=False)) < 10_000


@settings(deadline=None)
@given(st.lists(_window, min_size=3, max_size=8))
def test_with_mature_windows_shares_are_those_of_the_rows(windows: list[Any]) -> None:
    observed = _of([(lags, more, 512.0) for lags, more, _ in windows])
    curve = _curve(observed)
    rows = sum(window.profile.rows for window in observed)
    lags = np.array([lag for found, _, _ in windows for lag in found])
    for at in (0, 50, 150, 300, 500):
        assert curve.shares[at] == pytest.approx((lags <= LAG_EDGES[at]).sum() / rows)
    labels = sum(window.profile.counts[:, 0].cumsum() for window in observed)
    if labels[-1]:
        of_no = curve.completeness_by_group[0]
        assert of_no.tolist() == pytest.approx((labels[: len(curve.ages)] / labels[-1]).tolist())


@given(st.floats(0, 100), st.floats(0, 100))
def test_means_over_ages_are_exact_for_straight_lines(youngest: float, width: float) -> None:
    ages = LAG_EDGES[LAG_EDGES <= 64]
    weights = _weights(ages, youngest, youngest + width)
    knots = np.linspace(youngest, youngest + width, 20001)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ ages == pytest.approx(np.minimum(knots, 64.0).mean(), rel=1e-3, abs=1e-6)


@settings(deadline=None)
@given(st.lists(_window, min_size=3, max_size=6), st.floats(0.01, 1.0))
def test_the_age_of_a_share_has_that_share(windows: list[Any], share: float) -> None:
    curve = _curve(_of(windows))
    age = curve.age_of(share)
    if age is None:
        assert curve.ever.expected == 0
    else:
        assert curve.coverage(age).expected >= share * curve.ever.expected - 1e-9
        assert age == 0 or curve.coverage(age).expected == pytest.approx(share * curve.ever.expected)


def test_the_drawing_has_enough_points() -> None:
    drawn = _curve([_observed([1.0, 30.0], 4, 2000.0)] * 4).to_json()
    assert len(drawn["points"]) == 24
    assert drawn["points"][-1]["age_hours"] == drawn["horizon_hours"]
    assert drawn["points"][-1]["expected"] == drawn["ever"]["expected"] == 0.5
    assert (drawn["windows"], drawn["rows"], drawn["settled"]) == (4, 16, True)


# simulated streams: daily windows, looked at six hours after their end


def _lognormal(rng: np.random.Generator, times: Floats, yes: Floats) -> Floats:
    return rng.lognormal(math.log(5 * DAY) + 0.5 * (yes - 0.3), 1.0, len(times))


def _two_phase(rng: np.random.Generator, times: Floats, yes: Floats) -> Floats:
    fast = rng.lognormal(math.log(2.0), 0.8, len(times))
    return np.where(rng.random(len(times)) < 0.4, fast, rng.lognormal(math.log(6 * DAY), 0.5, len(times)))


def _weekly(rng: np.random.Generator, times: Floats, yes: Floats) -> Floats:
    """A delivery each week holds what was ready two hours or so before."""
    ready = times + rng.lognormal(math.log(2.0), 0.5, len(times))
    return np.ceil(ready / (7 * DAY)) * 7 * DAY + 5.0 - times


class _Stream:
    """Windows of about 300 rows, of which some 15 % never have a label; windows differ by a tenth in their delays."""

    def __init__(
        self, delay: Delay, windows: int, seed: int, *, slow_from: float = math.inf, stop: float = math.inf
    ) -> None:
        rng = np.random.default_rng(seed)
        self.known, self.profiles = [], []
        for window in range(windows):
            times = (window + rng.random(rng.poisson(300))) * DAY
            yes = (rng.random(len(times)) < 0.3).astype(np.int64)
            slower = math.exp(0.1 * rng.normal()) * (2.0 if window >= slow_from else 1.0)
            known = times + delay(rng, times, yes) * (slower if delay not in (_weekly, _daily) else 1.0)
            known[(rng.random(len(times)) < 0.15 + 0.02 * rng.normal()) | (known > stop)] = math.inf
            ever = np.isfinite(known)
            lags = known[ever] - (window + 1) * DAY
            self.known.append(known)
            # with what is known only later, which must not count
            self.profiles.append(DelayProfile.of(lags, yes[ever], GROUPS, len(times)))

    def observed(self, window: int, now: float) -> Observed:
        age = now - (window + 1) * DAY
        return Observed(self.profiles[window], age, age)

    def curve(self, now: float, but: Collection[int] = ()) -> MaturityCurve:
        last = int(now // DAY)
        return _curve([self.observed(w, now) for w in range(max(last - 60, 0), last) if w not in but])

    def look(self, window: int, now: float) -> tuple[int, int, float]:
        known = self.known[window]
        return len(known), int((known <= now).sum()), now - (window + 1) * DAY


def _daily(rng: np.random.Generator, times: Floats, yes: Floats) -> Floats:
    """A delivery each morning, an hour before the look, holds what was ready by midnight."""
    return np.ceil((times + _lognormal(rng, times, yes)) / DAY) * DAY + 5.0 - times


@pytest.mark.parametrize("delay", [_lognormal, _two_phase, _weekly, _daily])
def test_intervals_hold_and_steady_streams_raise_no_alarm(delay: Delay) -> None:
    looks, ages = 200, (3, 14)
    stream = _Stream(delay, 61 + looks, 5)
    inside: dict[int, list[bool]] = {age: [] for age in ages}
    alarms: dict[int, list[float]] = {age: [] for age in ages}
    for step in range(looks):
        now = (60 + step) * DAY + 6.0
        windows = [59 + step - age for age in ages]
        curve = stream.curve(now, but=windows)
        for age, window in zip(ages, windows, strict=True):
            rows, labelled, youngest = stream.look(window, now)
            _, low, high = curve.coverage(youngest, rows=rows)
            inside[age].append(low - 1e-9 <= labelled / rows <= high + 1e-9)
            alarms[age].append(lateness(curve, rows, labelled, youngest, youngest).p_value or 0.0)
    for age in ages:
        # three days after a weekly delivery there is none or all: then the interval holds everything
        assert 0.90 <= np.mean(inside[age]) <= (1.0 if delay is _weekly and age == 3 else 0.99)
        assert np.mean(np.array(alarms[age]) < 0.05) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / looks)
        assert np.mean(np.array(alarms[age]) < 0.01) <= 0.03


def _looks_until_alarm(stream: _Stream, change: int, windows: range) -> float:
    """How many windows ended since the change when one of `windows` was first late at the level of 1 %."""
    for look in range(1, 7):
        now = (change + look) * DAY + 6.0
        for window in windows:
            if (window + 1) * DAY <= now:
                rows, labelled, youngest = stream.look(window, now)
                curve = stream.curve(now, but=[window])
                if (lateness(curve, rows, labelled, youngest, youngest).p_value or 1.0) < 0.01:
                    return look
    return math.inf


def test_labels_that_come_twice_as_slowly_are_noticed_by_the_second_window() -> None:
    found = [_looks_until_alarm(_Stream(_lognormal, 67, seed, slow_from=60), 60, range(60, 66)) for seed in range(10)]
    assert np.mean(np.array(found) <= 2) >= 0.9


@pytest.mark.parametrize("delay", [_lognormal, _two_phase])
def test_labels_that_have_stopped_are_noticed_by_the_next_window(delay: Delay) -> None:
    found = [_looks_until_alarm(_Stream(delay, 67, seed, stop=60 * DAY), 60, range(55, 66)) for seed in range(10)]
    assert max(found) == 1


def test_completeness_of_classes_with_different_delays() -> None:
    curves = [_Stream(_lognormal, 60, seed).curve(60 * DAY + 6.0) for seed in range(8)]
    rng = np.random.default_rng(0)
    for yes, name in enumerate(GROUPS):
        rows = 200_000
        lags = _lognormal(rng, np.zeros(rows), np.full(rows, yes)) * np.exp(0.1 * rng.normal(size=rows))
        lags -= rng.random(rows) * DAY
        for age in (30.0, 78.0, 174.0):
            truth = (lags <= age).sum() / (lags <= curves[0].horizon).sum()
            found = [curve.completeness(age, name) for curve in curves]
            assert np.mean(found) == pytest.approx(truth, abs=0.01)


def test_rows_of_different_ages_are_averaged() -> None:
    rng = np.random.default_rng(1)
    observed = []
    for window in range(40):
        times, age = rng.random(2000) * DAY, (window + 0.25) * DAY
        lags = _lognormal(rng, times, 0.3)
        lags = lags[lags <= age + DAY - times]
        observed.append(Observed(DelayProfile.of(lags, np.zeros(len(lags), np.int64), (), 2000), age, age + DAY))
    curve = _curve(observed)
    ages = 3.25 * DAY + rng.random(200_000) * DAY
    truth = float((_lognormal(rng, ages, 0.3) <= ages).mean())
    assert curve.coverage(3.25 * DAY, oldest=4.25 * DAY).expected == pytest.approx(truth, abs=0.01)
    assert curve.coverage(3.25 * DAY).expected < truth - 0.02


def test_more_labels_than_usual_are_no_alarm() -> None:
    curve = _curve([_observed([1.0] * 50, 100, 64.0)] * 10)
    late = lateness(curve, 100, 90, 2.0, 2.0)
    assert late.value == pytest.approx(0.4)
    assert late.low is not None
    assert late.low > 0
    assert (late.p_value or 0) > 0.5
    assert late.reference_rows == 1000
    assert Measurement.from_json(late.to_json()) == late


def test_what_has_been_before_is_no_alarm() -> None:
    usual = [_observed([1.0] * 99, 100, 64.0)] * 20
    for before, alarm in (([], True), ([_observed([], 100, 64.0)] * 2, False)):
        late = lateness(_curve([*usual, *before]), 100, 0, 2.0, 2.0)
        assert ((late.p_value or 0) < 0.05) == alarm


# silence


def test_silence_is_held_against_the_longest_gaps() -> None:
    nights = np.tile([*[0.5] * 32, 8.0], 30)
    p_values = [stopped(hours, nights).p_value for hours in (0.4, 4.0, 7.9, 10.0, 16.0)]
    assert p_values[0] == 1.0
    assert p_values[1] == p_values[2] == pytest.approx(1 / 3)
    assert (p_values[3] or 1) < 0.05
    assert (p_values[4] or 1) < 0.01


@pytest.mark.parametrize(
    "gaps",
    [
        lambda rng, n: rng.exponential(12.0, n),
        lambda rng, n: rng.lognormal(2.0, 1.0, n),
        lambda rng, n: 168.0 + rng.normal(0.0, 2.0, n),
    ],
    ids=["one by one", "in bursts", "weekly"],
)
def test_steady_labels_are_not_taken_to_have_stopped(gaps: Callable[[np.random.Generator, int], Floats]) -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(500):
        past = gaps(rng, 60)
        # whoever looks at any time is in a gap by its length, at any place of it
        among = gaps(rng, 1000)
        present = rng.choice(among, p=among / among.sum()) * rng.random()
        p_values.append(stopped(float(present), past).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.05
    assert np.mean(np.array(p_values) < 0.01) <= 0.02
    # a stop is noticed before thrice the longest gap
    assert (stopped(3 * float(past.max()), past).p_value or 1) < 0.02


@given(
    st.lists(st.floats(1e-3, 1e4), max_size=30).map(lambda gaps: [*gaps, 50.0, 60.0, 70.0]),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
)
def test_longer_silence_is_never_more_usual(gaps: list[float], one: float, other: float) -> None:
    shorter, longer = (stopped(silence, gaps).p_value for silence in sorted([one, other]))
    assert shorter is not None
    assert longer is not None
    assert 0 <= longer <= shorter <= 1


def test_too_few_gaps_tell_nothing() -> None:
    assert stopped(100.0, [1000.0, 2000.0]).p_value is None
    assert stopped(100.0, [1.0] * 167).p_value is None
    assert stopped(100.0, [1.0] * 168).p_value is not None
    with pytest.raises(ValueError, match="gaps"):
        stopped(1.0, [1.0, 0.0, 2.0])
    with pytest.raises(ValueError, match="silence"):
        stopped(-1.0, [1.0, 1.0, 2.0])
