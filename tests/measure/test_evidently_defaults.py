"""Evidently's defaults, against Evidently itself."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring.measure.evidently_defaults import PREDICTION, DefaultDrift, default_drift
from monitoring.profile import ProfileSpec, RecordColumns, WindowProfile

KINDS = {"level": "numeric", "steady": "numeric", "digit": "numeric", "plan": "categorical", "flag": "categorical"}
FLAT = RecordColumns(score="score")
ROWS = {"a small reference": (600, 300), "a large reference": (3000, 400)}


def _columns(seed: int, rows: int, *, moved: bool) -> dict[str, Any]:
    """Five features and a score, some of which may move; of few values, so that a profile knows each of them."""
    random = np.random.default_rng(seed)
    return {
        "level": random.integers(0, 60, rows) + (20.0 if moved else 0.0),
        "steady": random.integers(0, 60, rows) * 1.0,
        "digit": random.integers(0, 4, rows) * 1.0,
        "plan": random.choice(list("abc"), rows, p=[0.2, 0.2, 0.6] if moved else [0.5, 0.3, 0.2]),
        "flag": random.choice(["no", "yes"], rows),
        "score": random.integers(1, 40, rows) / 40,
    }


def _theirs(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """The columns that have drifted by Evidently's own choice of test and threshold."""
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.legacy.calculations.stattests.registry import get_stattest
        from evidently.legacy.core import ColumnType

        found = set()
        for name, values in before.items():
            kind = ColumnType.Categorical if KINDS.get(name) == "categorical" else ColumnType.Numerical
            sides = pd.Series(values), pd.Series(now[name])
            test = get_stattest(*sides, kind, None)
            if test(*sides, kind, None).drifted:
                found.add(PREDICTION if name == "score" else name)
    return found


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("rows", ROWS)
def test_the_columns_that_evidently_says_have_drifted(rows: str, moved: bool) -> None:
    first, second = ROWS[rows]
    before, now = _columns(1, first, moved=False), _columns(2, second, moved=moved)
    spec = ProfileSpec.learn(pa.table(before), KINDS, FLAT)
    ours = default_drift(*(WindowProfile.of(pa.table(side), spec, FLAT) for side in (before, now)))
    assert set(ours.drifted) == _theirs(before, now)
    assert ours.columns == len(before)
    assert ("level" in ours.drifted) == moved


def test_a_column_without_values_is_left_out() -> None:
    before, now = _columns(1, 600, moved=False), _columns(2, 300, moved=True)
    now["level"] = np.full(300, np.nan)
    spec = ProfileSpec.learn(pa.table(before), KINDS, FLAT)
    found = default_drift(*(WindowProfile.of(pa.table(side), spec, FLAT) for side in (before, now)))
    assert found.columns == len(before) - 1
    assert "level" not in found.drifted


def test_a_data_set_drifts_with_half_of_its_columns() -> None:
    assert DefaultDrift(4, ("a", "b")).dataset
    assert not DefaultDrift(5, ("a", "b")).dataset
    assert not DefaultDrift(0, ()).dataset
