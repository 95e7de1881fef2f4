"""Which windows are compared, and what is learned of them inside the baseline."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.judge.limits import Spread
from monitoring.judge.references import (
    _Blocks,
    learn_references,
    main_version,
    spread_between,
    usual_windows,
    version_before,
    windows_of,
)
from monitoring.measure import block
from monitoring.profile import ProfileSpec, WindowProfile
from tests.judge.conftest import DAY, make_rows

Make = Callable[..., Any]
WEEKS = {"name": "weeks", "kind": "trailing", "windows": 6}
PHASE = {"name": "weekday", "kind": "phase", "count": 2}
CLOSED = {"name": "Closed", "from": "2024-01-05", "to": "2024-01-06", "effect": "suppress"}


def _profiles(bench: Any, count: int, **changes: Any) -> dict[Any, WindowProfile]:
    return {DAY.shift(back - count): make_rows(back, **changes).profile(bench.config) for back in range(count)}


def _versions(**counts: int) -> WindowProfile:
    profile = WindowProfile.empty(ProfileSpec({}))
    profile.versions.update(counts)
    return profile


def test_suppressed_days_are_left_out_of_what_moves_along(make_bench: Make) -> None:
    fixed = {"name": "days", "kind": "fixed", "from": "2024-01-03", "to": "2024-01-07"}
    config = make_bench(references=[WEEKS, PHASE, fixed], calendar=[CLOSED]).config
    labels = [[found.label[-2:] for found in windows_of(r, DAY, config)] for r in config.references]
    assert labels == [["03", "04", "07", "08"], ["28", "04"], ["03", "04", "05", "06", "07"]]


def test_the_judged_window_stays_whatever_the_calendar_says(make_bench: Make) -> None:
    calendar = make_bench(calendar=[CLOSED]).config.calendar
    days = [DAY.shift(back) for back in (-7, -6, -5, -4)]
    assert usual_windows(days, days[2], calendar) == [days[0], days[2], days[3]]


def test_the_version_before_is_the_newest_other_one() -> None:
    past = [_versions(a=9), _versions(b=6, a=3), _versions(b=2, c=7), _versions(c=9), _versions()]
    profiles = {DAY.shift(back): profile for back, profile in enumerate(past, -5)}
    assert [main_version(profile) for profile in past] == ["a", "b", "c", "c", ""]
    assert version_before("c", profiles) == "b"
    assert version_before("b", profiles) == "c"
    assert version_before("a", {DAY: past[0]}) == ""


def test_what_is_learned_is_the_comparison_that_is_made(make_bench: Make) -> None:
    bench = make_bench(references=[WEEKS, PHASE])
    profiles = _profiles(bench, 20)
    learned = learn_references(profiles, bench.config)
    keys = {"feature_drift:amount", "feature_drift:country", "prediction_drift"}
    assert set(learned) == {f"{name}/{key}" for name in ("trailing 6 3 of 3", "phase week 2 of 1") for key in keys}
    [spread] = learned["trailing 6 3 of 3/feature_drift:amount"]
    days = sorted(profiles)
    values = []
    for at in range(20):
        before = [profiles[day] for day in days[max(at - 8, 0) : max(at - 2, 0)]]
        if len(before) >= 3:
            now = reduce(WindowProfile.merge, (profiles[day] for day in days[at - 2 : at + 1]))
            found = block.drift(now, reduce(WindowProfile.merge, before))
            values.append(found["feature_drift:amount"].value)
    assert spread.blocks == len(values) == 15
    assert spread.mean == pytest.approx(sum(values) / len(values))


def test_a_short_baseline_teaches_nothing(make_bench: Make) -> None:
    bench = make_bench(references=[{**WEEKS, "windows": 28}, PHASE])
    assert learn_references(_profiles(bench, 7), bench.config) == {}


def test_nothing_is_learned_of_what_lies_outside_of_the_baseline(make_bench: Make) -> None:
    fixed = {"name": "days", "kind": "fixed", "from": "2024-01-01", "to": "2024-01-02"}
    bench = make_bench(references=[fixed, {"name": "version", "kind": "previous_version"}])
    assert learn_references(_profiles(bench, 20), bench.config) == {}


SQUARES = st.floats(0.001, 0.5)


@given(SQUARES, SQUARES, st.floats(0.0, 1.0))
def test_two_blocks_are_further_apart_than_each_is_from_the_middle(now: float, before: float, share: float) -> None:
    noise = math.sqrt(share * before)
    one = Spread(math.sqrt(now), 0.1, 30, 20.0, square=now, logit_mean=-0.9)
    other = Spread(math.sqrt(before), 0.1, 9, 5.0, noise=noise, square=before)
    found = spread_between(one, other)
    assert found is not None
    assert found.square == pytest.approx(now + before - noise**2)
    assert found.mean >= one.mean
    assert found.logit_mean - one.logit_mean == pytest.approx(math.log(found.square / now) / 2, abs=1e-9)
    assert found.independent == 5.0


def test_nothing_follows_from_a_spread_that_is_not_known() -> None:
    known = Spread(0.1, 0.1, 9, square=0.01)
    assert spread_between(known, None) is spread_between(None, known) is spread_between(Spread(0, 0, 1), known) is None


SPEC = ProfileSpec({})


@given(st.lists(st.integers(0, 30), unique=True, min_size=1, max_size=20))
def test_windows_in_a_row_are_merged_as_one_by_one(places: list[int]) -> None:
    profiles = {}
    for place in range(31):
        profile = WindowProfile.empty(SPEC)
        profile.versions[f"v{place}"] = place + 1
        profiles[DAY.shift(place)] = profile
    blocks, windows = _Blocks(profiles), [DAY.shift(place) for place in sorted(places)]
    expected = reduce(WindowProfile.merge, (profiles[window] for window in windows))
    assert blocks.merged(windows).versions == expected.versions
    assert blocks.merged(windows).versions == expected.versions
