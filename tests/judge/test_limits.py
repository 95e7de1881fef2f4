"""What is ordinary is learned from blocks of consecutive baseline windows."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitoring.judge.limits import Limits, Spread, learn_limits
from monitoring.measure import block
from monitoring.measure.performance import roc_auc
from monitoring.profile import OutcomeProfile


@pytest.fixture
def bench(make_bench: Callable[..., Any]) -> Any:
    """The toy model on its reference of 20 ordinary days."""
    return make_bench()


def _days(bench: Any) -> tuple[list[Any], list[Any]]:
    import sys

    module = sys.modules[type(bench).__module__]
    days = [module.make_rows(seed) for seed in range(20)]
    return [day.profile(bench.config) for day in days], [day.outcomes() for day in days]


def _labelled(bench: Any, outcomes: list[OutcomeProfile]) -> Any:
    import sys

    return sys.modules[type(bench).__module__].labelled(outcomes)


def test_spreads_are_means_and_deviations_over_blocks(bench: Any) -> None:
    _, outcomes = _days(bench)
    for length in (1, 2, 3):
        blocks = []
        for start in range(20 - length + 1):
            merged = outcomes[start]
            for other in outcomes[start + 1 : start + length]:
                merged = merged.merge(other)
            blocks.append(roc_auc(merged).value)
        spread = bench.limits.spread("ranking", length)
        assert (spread.mean, spread.deviation, spread.blocks) == pytest.approx(
            (statistics.fmean(blocks), statistics.stdev(blocks), 21 - length)
        )


def test_a_block_is_compared_with_the_other_days(bench: Any) -> None:
    profiles, _ = _days(bench)
    values = []
    for i in range(20):
        others = [profile for j, profile in enumerate(profiles) if j != i]
        rest = others[0]
        for profile in others[1:]:
            rest = rest.merge(profile)
        values.append(block.drift(profiles[i], rest)["feature_drift:amount"].value)
    assert bench.limits.spread("feature_drift:amount", 1).mean == pytest.approx(statistics.fmean(values))


def test_longer_blocks_vary_less(bench: Any) -> None:
    for key in ("ranking", "feature_drift:amount"):
        one, three = bench.limits.spread(key, 1), bench.limits.spread(key, 3)
        assert three.deviation < one.deviation
    assert bench.limits.spread("feature_drift:amount", 3).mean < bench.limits.spread("feature_drift:amount", 1).mean


def test_blocks_longer_than_learned_use_the_longest(bench: Any) -> None:
    assert bench.limits.spread("ranking", 99) == bench.limits.spread("ranking", 3)
    assert bench.limits.spread("unknown", 1) is None
    assert bench.limits.spread("nulls:amount", 3) == bench.limits.spread("nulls:amount", 1)


def test_volume_is_relative_to_the_mean(bench: Any) -> None:
    assert bench.limits.rows == 400
    assert bench.limits.spread("volume", 1) == Spread(1.0, 0.0, 20, independent=20.0, rows=400.0)


def test_a_single_baseline_window_has_no_spread_and_no_drift(bench: Any) -> None:
    profiles, outcomes = _days(bench)
    limits = learn_limits(profiles[:1], *_labelled(bench, outcomes[:1]), longest=3, hours=24)
    assert limits.spread("ranking", 3) == Spread(roc_auc(outcomes[0]).value or 0.0, 0.0, 1, independent=1.0, rows=400.0)
    assert limits.spread("feature_drift:amount", 1) is None


def test_what_a_single_day_does_not_define_is_learned_from_longer_blocks(bench: Any) -> None:
    profiles, _ = _days(bench)
    random = np.random.default_rng(0)
    one_class = []
    for day in range(20):
        scores = random.random(100)
        one_class.append(OutcomeProfile.of(scores, scores >= 0.5, np.full(100, bool(day % 2))))
    limits = learn_limits(profiles, *_labelled(bench, one_class), longest=3, hours=24)
    one, two, three = limits.spreads["ranking"]
    assert (one, two.blocks, three.blocks) == (two, 19, 18)
    assert limits.spreads["calibration"][0].blocks == 20


def test_limits_survive_json(bench: Any) -> None:
    assert Limits.from_json(json.loads(json.dumps(bench.limits.to_json()))) == bench.limits


def test_the_spread_of_the_concept_gap_is_that_of_ordinary_blocks(bench: Any) -> None:
    _, outcomes = _days(bench)
    states, basis = _labelled(bench, outcomes)
    gaps = [basis.loss_difference(state) for state in states]
    one = bench.limits.spread("concept_drift", 1)
    assert (one.mean, one.deviation) == pytest.approx((statistics.fmean(gaps), statistics.stdev(gaps)))
    assert abs(one.mean) < one.deviation
