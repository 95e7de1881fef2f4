"""The cells of single rows are those that profiles count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.profile import CategoricalProfile, CategoricalSpec, NumericProfile, NumericSpec
from monitoring.profile.categorical import hashes
from monitoring.profile.cells import cell_count, cells_of

_NUMBERS = st.none() | st.floats() | st.sampled_from([-0.0, 0.0, 5e-324, math.nan, -math.inf])


@given(st.lists(_NUMBERS, max_size=30), st.lists(_NUMBERS, max_size=30))
def test_numeric_rows(baseline: list[Any], values: list[Any]) -> None:
    spec = NumericSpec.learn(pa.array(baseline, pa.float64()))
    column = pa.array(values, pa.float64())
    counted = NumericProfile.of(column, spec).histogram().cell_counts().tolist()
    assert np.bincount(cells_of(column, spec), minlength=cell_count(spec)).tolist() == counted


@pytest.mark.parametrize("is_open", [False, True])
@given(values=st.lists(st.none() | st.sampled_from(["a", "b", "c", "d", ""]), max_size=30))
def test_categorical_rows(is_open: bool, values: list[Any]) -> None:
    spec = CategoricalSpec(("a", "b"), hashes(pa.array(["c"])), is_open=is_open)
    column = pa.array(values, pa.string())
    counted = CategoricalProfile.of(column, spec).categories().cell_counts().tolist()
    assert np.bincount(cells_of(column, spec), minlength=cell_count(spec)).tolist() == counted
