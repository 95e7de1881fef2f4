"""Counts of scored rows: the same in any order, and a part can be taken away again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile import OutcomeProfile, scores
from monitoring.profile.score_counts import ScoreProfile

Row = tuple[float, bool]
_ODD = [0.0, -0.0, 1.0, 0.5, 5e-324, 2.0**-40, 1 - 2.0**-53, 0.1, 0.25, math.nan, math.inf, -0.1, 1.5]
_together = st.integers(0, 60).map(lambda step: 0.25 + step * 2.0**-18)
_row = st.tuples(_together | st.floats(0, 1) | st.sampled_from(_ODD) | st.floats(), st.booleans())
_rows = st.lists(_row, max_size=30)


def _of(rows: list[Row]) -> ScoreProfile:
    return ScoreProfile.of(np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], bool))


def _plain(profile: ScoreProfile) -> dict[str, Any]:
    return {name: x.tolist() for name, x in profile.arrays().items()}


@given(_rows, _rows, _rows)
def test_merging_is_associative_and_commutative_and_the_empty_profile_changes_nothing(
    first: list[Row], second: list[Row], third: list[Row]
) -> None:
    a, b, c = _of(first), _of(second), _of(third)
    assert _plain(a.merge(b)) == _plain(b.merge(a)) == _plain(_of(first + second))
    assert _plain(a.merge(b).merge(c)) == _plain(a.merge(b.merge(c)))
    assert _plain(a.merge(ScoreProfile.empty())) == _plain(ScoreProfile.empty().merge(a)) == _plain(a)
    assert _plain(_of([])) == _plain(ScoreProfile.empty())


@given(_rows, _rows)
def test_what_was_merged_can_be_taken_away(first: list[Row], second: list[Row]) -> None:
    a, b = _of(first), _of(second)
    assert _plain(a.merge(b).subtract(b)) == _plain(a)
    assert _plain(a.subtract(a)) == _plain(ScoreProfile.empty())


@given(_rows)
def test_profiles_survive_their_arrays(rows: list[Row]) -> None:
    profile = _of(rows)
    flat = {name: x.reshape(-1) for name, x in profile.arrays().items()}
    assert _plain(ScoreProfile.from_arrays(flat)) == _plain(profile)
    assert profile.total == len(rows)
    assert profile.scored == sum(0 <= score <= 1 for score, _ in rows)


@given(st.lists(st.tuples(_row, st.booleans()), max_size=30))
def test_labelled_rows_without_their_labels_are_scored_rows(rows: list[tuple[Row, bool]]) -> None:
    """30 rows cannot crowd a bin."""
    given_scores, predictions, labels = (
        np.array([row[0][0] for row in rows], float),
        np.array([row[0][1] for row in rows], bool),
        np.array([row[1] for row in rows], bool),
    )
    outcomes = OutcomeProfile.of(given_scores, predictions, labels)
    assert _plain(ScoreProfile.of_outcomes(outcomes)) == _plain(ScoreProfile.of(given_scores, predictions))


def test_those_of_crowded_bins_keep_their_rows_and_nearly_their_mean() -> None:
    random = np.random.default_rng(0)
    given_scores, predictions = random.random(200_000), random.random(200_000) < 0.3
    exact = ScoreProfile.of(given_scores, predictions)
    found = ScoreProfile.of_outcomes(OutcomeProfile.of(given_scores, predictions, predictions))
    assert np.array_equal(found.bins, exact.bins)
    assert np.array_equal(found.rows, exact.rows)
    off = (found.places.sum(axis=1) - exact.places.sum(axis=1)) / exact.rows.sum(axis=1)
    assert np.abs(off).max() <= scores.PLACES / 2**11


def test_chunks_make_no_difference() -> None:
    random = np.random.default_rng(0)
    given_scores, predictions = random.beta(0.3, 2, 600_000), random.random(600_000) < 0.3
    parts = [ScoreProfile.of(given_scores[i::7], predictions[i::7]) for i in range(7)]
    merged = ScoreProfile.empty()
    for part in parts:
        merged = merged.merge(part)
    assert _plain(merged) == _plain(ScoreProfile.of(given_scores, predictions))


def test_a_thousand_billion_rows_fit() -> None:
    profile = ScoreProfile.of(np.full(64, 0.999), np.arange(64) % 3 == 0)
    for _ in range(34):
        profile = profile.merge(profile)
    assert profile.scored == 2**40
    assert (profile.places >= 0).all()


def test_rows_that_are_not_there_cannot_be_taken_away() -> None:
    one = ScoreProfile.of(np.array([0.2]), np.array([True]))
    for other in (np.array([0.3]), np.array([np.nan])):
        with pytest.raises(ValueError, match="does not have them"):
            one.subtract(ScoreProfile.of(other, np.array([True])))


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="scores"):
        ScoreProfile.of(np.zeros(2), np.zeros(1, bool))
