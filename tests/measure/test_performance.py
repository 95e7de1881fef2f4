"""Numbers of binary classifiers from binned state against scikit-learn on all rows, published formulas, simulation."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from monitoring.measure import Measurement, binary, ranking
from monitoring.measure.performance import Z95, performance, proportion, roc_auc
from monitoring.profile import OutcomeProfile

Random = np.random.Generator
Arrays = tuple[np.ndarray[Any, np.dtype[np.float64]], np.ndarray[Any, np.dtype[np.bool_]]]
# What binning may cost an area; everything else is exact up to rounding
BINNED, EXACT = 1e-4, 1e-11


def _of(scores: Any, labels: Any, threshold: float = 0.5) -> OutcomeProfile:
    return OutcomeProfile.of(scores, np.asarray(scores) >= threshold, labels)


def _ordinary(random: Random, rows: int) -> Arrays:
    scores = random.beta(2, 3, rows)
    return scores, random.random(rows) < scores**1.5


def _sharp(random: Random, rows: int) -> Arrays:
    labels = random.random(rows) < 0.2
    return 1 / (1 + np.exp(-random.normal(np.where(labels, 2, -2), 1.5))), labels


def _rare(random: Random, rows: int) -> Arrays:
    """Fraud: 0.13 % positives, most scores below a thousandth."""
    logit = random.normal(-8.5, 1.8, rows)
    noisy = 1.05 * logit + random.normal(0, 0.3, rows)
    return 1 / (1 + np.exp(-noisy)), random.random(rows) < 1 / (1 + np.exp(-logit))


def _rare_and_sharp(random: Random, rows: int) -> Arrays:
    labels = random.random(rows) < 0.0013
    return 1 / (1 + np.exp(-random.normal(np.where(labels, -3, -9), 1.7))), labels


def _near_one(random: Random, rows: int) -> Arrays:
    scores, labels = _rare(random, rows)
    return 1 - scores, ~labels


def _leaves(count: int) -> Callable[[Random, int], Arrays]:
    def draw(random: Random, rows: int) -> Arrays:
        scores = random.beta(1, 4, count)[random.integers(0, count, rows)]
        return scores, random.random(rows) < scores

    return draw


def _ends(random: Random, rows: int) -> Arrays:
    scores, labels = _sharp(random, rows)
    return np.where(random.random(rows) < 0.3, np.round(scores), scores), labels


def _rounded(draw: Callable[[Random, int], Arrays], digits: int) -> Callable[[Random, int], Arrays]:
    def rounded(random: Random, rows: int) -> Arrays:
        scores, labels = draw(random, rows)
        return scores.round(digits), labels

    return rounded


def _constant(score: float) -> Callable[[Random, int], Arrays]:
    return lambda random, rows: (np.full(rows, score), random.random(rows) < 0.3)


KINDS: dict[str, Callable[[Random, int], Arrays]] = {
    "ordinary": _ordinary,
    "sharp": _sharp,
    "rare": _rare,
    "rare and sharp": _rare_and_sharp,
    "near one": _near_one,
    "two decimals": _rounded(_ordinary, 2),
    "three decimals": _rounded(_ordinary, 3),
    "four decimals": _rounded(_sharp, 4),
    "rare, six decimals": _rounded(_rare, 6),
    "37 leaves": _leaves(37),
    "700 leaves": _leaves(700),
    "0 and 1 among others": _ends,
    "0 and 1 only": _rounded(_sharp, 0),
    "32-bit floats": lambda random, rows: (_ordinary(random, rows)[0].astype(np.float32).astype(float),
                                           random.random(rows) < 0.3),
    **{f"all {score}": _constant(score) for score in (0.0, 0.3, 0.5, 1.0)},
}  # fmt: skip


def _expected(scores: Any, labels: Any, predicted: Any) -> dict[str, float]:
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    loss = metrics.brier_score_loss(labels, scores)
    return {
        "base_rate": labels.mean(),
        "mean_score": scores.mean(),
        "calibration": scores.mean() - labels.mean(),
        "brier": loss,
        "brier_skill": 1 - loss / labels.var(),
        "log_loss": metrics.log_loss(labels, scores, labels=[False, True]),
        "roc_auc": metrics.roc_auc_score(labels, scores),
        "average_precision": metrics.average_precision_score(labels, scores),
        "pr_auc": metrics.auc(recall, precision),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted, zero_division=0),
        "recall": metrics.recall_score(labels, predicted),
        "f0_5": metrics.fbeta_score(labels, predicted, beta=0.5),
        "f1": metrics.f1_score(labels, predicted),
        "f2": metrics.fbeta_score(labels, predicted, beta=2),
        "expected_calibration_error": _calibration_error(scores, labels),
    }


def _calibration_error(scores: Any, labels: Any) -> float:
    # the groups below 1/2 hold their lower end, those above it their upper one
    group = np.where(scores <= 0.5, np.floor(scores * 16), np.ceil(scores * 16) - 1)
    groups = [group == i for i in range(16)]
    return float(sum(abs((scores[g] - labels[g]).mean()) * g.mean() for g in groups if g.any()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_against_scikit_learn(kind: str, seed: int) -> None:
    scores, labels = KINDS[kind](np.random.default_rng(seed), 100_000)
    predicted = scores >= 0.3
    found = performance(OutcomeProfile.of(scores, predicted, labels))
    expected = _expected(scores, labels, predicted)
    assert set(found) == {*expected, "adaptive_calibration_error"}
    for name, number in expected.items():
        if found[name].value is None:
            assert name == "precision" and not predicted.any()  # noqa: PT018
            continue
        # scores that were rounded, or are few, are told apart exactly
        tied = any(word in kind for word in ("decimals", "leaves", "only", "all"))
        binned = name in ("roc_auc", "average_precision", "pr_auc") and not tied
        rounded = 1e-6 if name == "expected_calibration_error" else EXACT * 10
        assert found[name].value == pytest.approx(number, abs=BINNED if binned else rounded), name


def test_a_million_rare_events_against_scikit_learn() -> None:
    scores, labels = _rare(np.random.default_rng(7), 10**6)
    found = performance(_of(scores, labels, 0.1))
    expected = _expected(scores, labels, scores >= 0.1)
    assert [found[name].value for name in expected] == pytest.approx(list(expected.values()), abs=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_a_few_hundred_rows_are_nearly_exact_too(seed: int) -> None:
    scores, labels = _ordinary(np.random.default_rng(seed), 800)
    found, expected = performance(_of(scores, labels)), _expected(scores, labels, scores >= 0.5)
    for name in ("roc_auc", "average_precision", "pr_auc"):
        assert found[name].value == pytest.approx(expected[name], abs=2e-5)


# 32 scores of one bin of the grid, which is 2^-11 wide, and one of another
_WITHIN = [0.6, *(0.25 + step * 2.0**-16 for step in range(32))]


@given(st.lists(st.tuples(st.sampled_from(_WITHIN), st.booleans()), min_size=2, max_size=60))
def test_32_scores_of_one_bin_are_told_apart_exactly(rows: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if labels.all() or not labels.any():
        return
    found, expected = performance(_of(scores, labels)), _expected(scores, labels, scores >= 0.5)
    for name in ("roc_auc", "average_precision", "pr_auc"):
        assert found[name].value == pytest.approx(expected[name], abs=EXACT)


AREAS = ("roc_auc", "average_precision", "pr_auc")


def _informative(random: Random, scores: Any, low: float, high: float) -> Arrays:
    """Labels that the place of a score between two tells much about."""
    return scores, random.random(len(scores)) < np.clip((scores - low) / (high - low), 0.02, 0.98)


def _peaks(random: Random, deviation: float) -> Arrays:
    labels = random.random(50_000) < 0.3
    return random.normal(np.where(labels, 0.30002, 0.30001), deviation), labels


def test_twenty_scores_very_near_each_other_are_told_apart_exactly() -> None:
    random = np.random.default_rng(0)
    scores = random.choice(0.3 + np.linspace(0, 0.0005, 20), 50_000)
    scores, labels = _informative(random, scores, 0.3, 0.3005)
    found, expected = performance(_of(scores, labels)), _expected(scores, labels, scores >= 0.5)
    for name in AREAS:
        assert found[name].value == pytest.approx(expected[name], abs=EXACT), name


@pytest.mark.parametrize(
    "draw",
    [
        lambda random: _peaks(random, 1e-5),
        lambda random: _peaks(random, 1e-6),
        lambda random: _informative(random, 0.3 + 1e-7 * random.random(50_000), 0.3, 0.3 + 1e-7),
        lambda random: _informative(random, 0.3 + 5e-4 * random.random(50_000), 0.3, 0.3 + 5e-4),
        lambda random: _informative(random, random.choice(0.3 + np.linspace(0, 0.0004, 100), 50_000), 0.3, 0.3004),
    ],
)
def test_scores_too_close_together_have_no_areas_rather_than_wrong_ones(draw: Callable[[Random], Arrays]) -> None:
    found = performance(_of(*draw(np.random.default_rng(0))))
    for name in AREAS:
        assert (found[name].value, found[name].low, found[name].standard_error) == (None, None, None), name
        assert "undefined: the scores are too close together" in found[name].method
    assert found["brier"].value is not None


@pytest.mark.parametrize("width", [0.02, 0.05, 0.2])
def test_intervals_hold_what_leaves_close_together_truly_have(width: float) -> None:
    random = np.random.default_rng(1)
    leaves = 0.5 + random.uniform(-width, width, 5000)
    # many rows, so that little of the interval is from sampling
    scores, labels = _informative(random, random.choice(leaves, 400_000), 0.5 - width, 0.5 + width)
    found, expected = performance(_of(scores, labels)), _expected(scores, labels, scores >= 0.5)
    for name in AREAS:
        number = found[name]
        assert number.low < expected[name] < number.high, name  # type: ignore[operator]
        assert number.value == pytest.approx(expected[name], abs=1e-3), name


@pytest.mark.parametrize("kind", ["peaks", "leaves", "apart", "turned"])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_within_crowded_bins_is_allowed_for(kind: str, seed: int) -> None:
    """Some rows have scores too close together, most have not: the areas are defined, and may be off."""
    random = np.random.default_rng(seed)
    scores, labels = _ordinary(random, 200_000)
    few = 20_000
    scores[:few], labels[:few] = {
        "peaks": lambda: (0.30001 + 1e-6 * labels[:few] + random.normal(0, 1e-7, few), labels[:few]),
        "leaves": lambda: _informative(random, random.choice(0.3 + np.linspace(0, 4e-4, 100), few), 0.3, 0.3004),
        "apart": lambda: (0.3 + 1e-9 * (labels[:few] + 0.4 * random.random(few)), labels[:few]),
        "turned": lambda: (0.3 + 1e-9 * (~labels[:few] + 0.4 * random.random(few)), labels[:few]),
    }[kind]()
    found, expected = performance(_of(scores, labels)), _expected(scores, labels, scores >= 0.5)
    for name in AREAS:
        number = found[name]
        assert number.low < expected[name] < number.high, name  # type: ignore[operator]
        # at least as wide as that is unknown, beside what sampling does
        unknown = number.high - number.low - 2 * Z95 * number.standard_error  # type: ignore[operator]
        assert 1e-3 < unknown < ranking.MOST_UNKNOWN, name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.booleans(), max_size=3),
    st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=6),
    st.lists(st.booleans(), max_size=3),
)
def test_no_order_and_no_ties_bring_areas_out_of_their_bounds(
    before: list[bool], block: list[tuple[bool, int]], after: list[bool]
) -> None:
    labels = np.array([*before, *(label for label, _ in block), *after])
    if not labels.any():
        return
    scores = np.array([*(99 - np.arange(len(before))), *(10 + place for _, place in block), *-np.arange(len(after))])
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    positives = np.array([*before, sum(label for label, _ in block), *after], float)
    sizes = np.array([1] * len(before) + [len(block)] + [1] * len(after), float)
    tied = np.arange(len(sizes)) != len(before)
    rows = ranking._Descending(positives, sizes, tied, np.cumsum(positives) - positives, np.cumsum(sizes) - sizes)
    for true, gain, bounds in (
        (metrics.average_precision_score(labels, scores), ranking._step_gain, ranking._step_bounds),
        (metrics.auc(recall, precision), ranking._trapezoid_gain, ranking._trapezoid_bounds),
    ):
        low, high = (np.where(tied, gain(rows), bound).sum() / labels.sum() for bound in bounds(rows))
        assert low - EXACT <= true <= high + EXACT
        assert low - EXACT <= gain(rows).sum() / labels.sum() <= high + EXACT


def _orders(before: list[bool], block: list[bool]) -> list[tuple[float, float]]:
    """Average precision and trapezoid area for every order of the block after the rows before it."""
    found = []
    for order in set(itertools.permutations(block)):
        labels = np.array([*before, *order])
        scores = -np.arange(len(labels), dtype=float)
        precision, recall, _ = metrics.precision_recall_curve(labels, scores)
        found.append((metrics.average_precision_score(labels, scores), metrics.auc(recall, precision)))
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), max_size=3), st.lists(st.booleans(), min_size=3, max_size=6).filter(any))
def test_spread_rows_get_the_mean_over_all_their_orders(before: list[bool], block: list[bool]) -> None:
    expected = np.mean(_orders(before, block), axis=0)
    # with the same mean for both classes, so that the bin says nothing of the order
    blocks = ranking.Ranked(
        bins=np.arange(len(before) + 1),
        scores=np.zeros(len(before) + 1),
        negatives=np.array([len(block) - sum(block), *(not label for label in reversed(before))], float),
        positives=np.array([sum(block), *reversed(before)], float),
        tied=np.array([False] + [True] * len(before)),
        wins=np.full(len(before) + 1, 0.5),
    )
    rows = ranking._descending(blocks)
    positives = rows.positives.sum()
    found = ranking._step_gain(rows).sum() / positives, ranking._trapezoid_gain(rows).sum() / positives
    assert found == pytest.approx(tuple(expected), abs=1e-12)


@given(st.integers(0, 10**6), st.integers(0, 300))
def test_harmonic_numbers(start: int, more: int) -> None:
    expected = math.fsum(1 / (start + j) for j in range(1, more + 1))
    found = ranking.harmonic_growth(np.array([float(start)]), np.array([float(more)]))[0]
    assert found == pytest.approx(expected, abs=1e-13)


def test_a_thousand_billion_rows_are_measured_like_a_few() -> None:
    small = _of(*_ordinary(np.random.default_rng(0), 500))
    big = small
    for _ in range(31):
        big = big.merge(big)
    assert big.rows == 500 * 2**31
    few, many = performance(small), performance(big)
    for name in ("brier", "log_loss", "calibration", "accuracy", "f1", "roc_auc"):
        assert many[name].value == pytest.approx(few[name].value, abs=2e-3), name


def test_curves_are_those_of_scikit_learn() -> None:
    scores, labels = _rounded(_ordinary, 2)(np.random.default_rng(3), 5000)
    outcomes = _of(scores, labels)
    false, true, level = metrics.roc_curve(labels, scores, drop_intermediate=False)
    found = ranking.roc_curve(outcomes)
    assert np.allclose(found[0], false, atol=1e-12)
    assert np.allclose(found[1], true, atol=1e-12)
    assert np.allclose(found[2][1:], level[1:], atol=1e-6)
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    found = ranking.precision_recall_curve(outcomes)
    assert np.allclose(found[0], precision[::-1], atol=1e-12)
    assert np.allclose(found[1], recall[::-1], atol=1e-12)


def test_groups_of_the_calibration_curve_have_equally_many_rows() -> None:
    scores, labels = _rare(np.random.default_rng(1), 100_000)
    outcomes = _of(scores, labels)
    blocks = ranking.ranked(outcomes)
    score, rate, rows = binary.calibration_curve(blocks, binary.equal_groups(blocks))
    assert np.all(np.abs(rows - 100_000 / 16) < 200)
    assert np.all(np.diff(score) > 0)
    assert rate @ rows == labels.sum()
    cuts = np.searchsorted(np.sort(scores), scores, side="right") / len(scores)
    exact = [abs((scores[g] - labels[g]).mean()) * g.mean() for g in (np.ceil(cuts * 16) == i for i in range(1, 17))]
    assert performance(outcomes)["adaptive_calibration_error"].value == pytest.approx(sum(exact), abs=1e-4)


def test_every_value_lies_in_its_interval() -> None:
    for name, number in performance(_of(*_ordinary(np.random.default_rng(1), 400))).items():
        assert number.low < number.value < number.high, name  # type: ignore[operator]
        assert number.standard_error > 0, name  # type: ignore[operator]


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Nominal 95 %; of 300 samples, a share of 0.95 is within 0.915 and 0.98 nearly always."""
    whole = performance(_of(*_ordinary(np.random.default_rng(10**6), 2 * 10**6)))
    held = dict.fromkeys(whole, 0)
    for seed in range(300):
        for name, number in performance(_of(*_ordinary(np.random.default_rng(seed), 400))).items():
            held[name] += number.low <= whole[name].value <= number.high  # type: ignore[operator]
    for name, hits in held.items():
        # what chance adds to a calibration error is only bounded, so its interval is wide
        assert 0.915 <= hits / 300 <= (1 if "calibration_error" in name else 0.985), name


@functools.cache
def _bootstrapped(digits: int) -> list[dict[str, Measurement]]:
    """The numbers of some rows, and those of 400 samples of them, drawn with replacement."""
    scores, labels = _rounded(_ordinary, digits)(np.random.default_rng(5), 600)
    random = np.random.default_rng(0)
    picks = [np.arange(600), *(random.integers(0, 600, 600) for _ in range(400))]
    return [performance(_of(scores[p], labels[p])) for p in picks]


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "pr_auc", "brier_skill", "f0_5", "f2"])
@pytest.mark.parametrize("digits", [1, 17])
def test_standard_errors_against_the_bootstrap(name: str, digits: int) -> None:
    number, *samples = (numbers[name] for numbers in _bootstrapped(digits))
    deviation = np.std([sample.value for sample in samples], ddof=1)
    assert number.standard_error == pytest.approx(deviation, rel=0.12)


@pytest.mark.parametrize(
    ("hits", "rows", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_against_published_numbers(hits: int, rows: int, low: float, high: float) -> None:
    share = proportion("share", hits, rows, "high", "")
    assert (share.value, share.low, share.high) == pytest.approx((hits / rows, low, high), abs=5e-5)


NOTHING = OutcomeProfile.empty()
ALL_POSITIVE = _of(np.array([0.2, 0.9]), np.array([True, True]))
ALL_NEGATIVE = _of(np.array([0.2, 0.3]), np.array([False, False]))
ONE_EACH = _of(np.array([0.2, 0.4]), np.array([False, True]))
UNSCORED = _of(np.array([np.nan, 7.0]), np.array([False, True]))
_NEED_SCORES = {"mean_score", "calibration", "brier", "log_loss", "expected_calibration_error",
                "adaptive_calibration_error"}  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "undefined"),
    [
        (NOTHING, set(performance(NOTHING))),
        (ALL_POSITIVE, {"roc_auc", "brier_skill"}),
        (ALL_NEGATIVE, {"roc_auc", "brier_skill", "average_precision", "pr_auc", "precision", "recall",
                        "f0_5", "f1", "f2"}),
        (ONE_EACH, {"precision"}),
        (UNSCORED, {"roc_auc", "brier_skill", "average_precision", "pr_auc", *_NEED_SCORES}),
    ],
)  # fmt: skip
def test_undefined_numbers_are_none(outcomes: OutcomeProfile, undefined: set[str]) -> None:
    found = performance(outcomes)
    assert {name for name, number in found.items() if number.value is None} == undefined
    assert len(found) == 17
    for number in found.values():
        assert all(x is None or math.isfinite(x) for x in (number.value, number.low, number.high))


def test_curves_of_nothing_are_curves() -> None:
    assert [len(x) for x in ranking.roc_curve(NOTHING)] == [1, 1, 1]
    assert [len(x) for x in ranking.precision_recall_curve(NOTHING)] == [1, 1, 1]


def test_an_interval_needs_two_rows_of_each_class_and_an_overlap() -> None:
    area = roc_auc(ONE_EACH)
    assert (area.value, area.low, area.high) == (1.0, None, None)
    apart = roc_auc(_of(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True])))
    assert (apart.value, apart.low) == (1.0, None)


def test_certain_and_wrong_is_finite() -> None:
    wrong = performance(_of(np.array([0.0, 1.0]), np.array([True, False])))
    assert wrong["log_loss"].value == pytest.approx(52 * math.log(2))
    assert wrong["roc_auc"].value == 0.0


def test_rows_without_a_score_count_where_no_score_is_needed() -> None:
    scores, predicted, labels = (
        np.array([0.2, 0.9, np.nan]),
        np.array([False, True, True]),
        np.array([False, True, True]),
    )
    found = performance(OutcomeProfile.of(scores, predicted, labels))
    assert (found["accuracy"].rows, found["base_rate"].rows, found["brier"].rows) == (3, 3, 2)
    assert found["recall"].value == 1.0
    assert found["brier"].value == pytest.approx((0.04 + 0.01) / 2)


def test_the_prediction_counts_and_not_a_threshold() -> None:
    scores, labels = np.array([0.1, 0.9]), np.array([True, False])
    assert performance(OutcomeProfile.of(scores, labels, labels))["accuracy"].value == 1.0


def test_shares_have_wilsons_interval_and_its_standard_error() -> None:
    share = proportion("share", 0, 20, "high", "")
    assert share.standard_error == pytest.approx((share.high - share.low) / 2 / Z95)  # type: ignore[operator]
