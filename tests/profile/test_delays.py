"""Delays of labels are counted in frozen bins, in any order and any partition."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile.delays import LAG_BINS, LAG_EDGES, MOST_GROUPS, DelayProfile, lag_bin

GROUPS = ("a", "b", "c")
_lags = st.floats(-1e6, 1e6) | st.sampled_from([*LAG_EDGES.tolist(), -0.0, 5e-324, math.inf, -math.inf])
_label = st.tuples(_lags, st.integers(0, len(GROUPS)))
_part = st.tuples(st.lists(_label, max_size=20), st.integers(0, 20))


def _profile(part: tuple[list[tuple[float, int]], int]) -> DelayProfile:
    labels, without = part
    lags, codes = np.array([lag for lag, _ in labels]), np.array([code for _, code in labels], np.int64)
    return DelayProfile.of(lags, codes, GROUPS, len(labels) + without)


def _state(profile: DelayProfile) -> Any:
    return json.dumps({name: np.asarray(value).tolist() for name, value in profile.arrays().items()})


def test_the_edges_are_frozen() -> None:
    assert (len(LAG_EDGES), LAG_BINS) == (740, 741)
    assert (LAG_EDGES[0], LAG_EDGES[1], LAG_EDGES[-1]) == (0.0, 1 / 64, 18432.0)
    assert (np.diff(LAG_EDGES) > 0).all()
    assert (np.diff(LAG_EDGES)[1:] <= LAG_EDGES[1:-1] / 16).all()
    assert set(map(float, range(513))) <= set(LAG_EDGES.tolist())


@given(_lags)
def test_a_lag_is_in_the_bin_between_its_edges(lag: float) -> None:
    place = int(lag_bin(np.array([lag]))[0])
    assert place == 0 or lag > LAG_EDGES[place - 1]
    assert place == LAG_BINS - 1 or lag <= LAG_EDGES[place]


@given(_part, _part, _part)
def test_laws(a: Any, b: Any, c: Any) -> None:
    x, y, z = (_profile(part) for part in (a, b, c))
    together = _profile((a[0] + b[0] + c[0], a[1] + b[1] + c[1]))
    empty = DelayProfile.empty(GROUPS)
    assert _state(x.merge(y).merge(z)) == _state(x.merge(y.merge(z))) == _state(z.merge(y).merge(x))
    assert _state(x.merge(y).merge(z)) == _state(together)
    assert _state(x.merge(empty)) == _state(x)
    assert together.labelled == len(a[0]) + len(b[0]) + len(c[0])
    assert together.rows - together.labelled == a[1] + b[1] + c[1]


@given(_part)
def test_state_and_back(part: Any) -> None:
    profile = _profile(part)
    arrays = {name: np.ravel(value) if name == "counts" else value for name, value in profile.arrays().items()}
    again = DelayProfile.from_arrays(arrays, GROUPS)
    assert _state(again) == _state(profile)
    assert again.groups == GROUPS


def test_many_classes_and_unknown_labels_are_counted_together() -> None:
    classes = tuple(f"class {i}" for i in range(30))
    profile = DelayProfile.of(np.ones(31), np.arange(31), classes, 31)
    assert profile.groups == classes[:MOST_GROUPS]
    assert profile.counts.sum(axis=0).tolist() == [1] * 20 + [11]
    assert _state(DelayProfile.from_arrays(profile.arrays(), classes)) == _state(profile)


def test_a_regression_has_one_group() -> None:
    profile = DelayProfile.of(np.array([1.0, 2.0]), np.zeros(2, np.int64), (), 5)
    assert profile.counts.shape == (LAG_BINS, 1)
    assert (profile.labelled, profile.rows) == (2, 5)


@pytest.mark.parametrize(
    ("lags", "codes", "rows"),
    [([1.0], [0, 1], 5), ([1.0, 2.0], [0, 1], 1), ([math.nan], [0], 5), ([1.0], [4], 5), ([1.0], [-1], 5)],
    ids=["lengths", "more labels than rows", "no number", "no group", "negative group"],
)
def test_what_cannot_be_is_refused(lags: list[float], codes: list[int], rows: int) -> None:
    with pytest.raises(ValueError, match=r"lag|group"):
        DelayProfile.of(np.array(lags), np.array(codes), GROUPS, rows)


def test_other_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="groups"):
        DelayProfile.empty(("a",)).merge(DelayProfile.empty(("b",)))
