"""What columns are used to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.measure.habits import Habits, learn_habits, outside_the_others
from monitoring.profile import CategoricalSpec, NumericSpec, ProfileSpec, RecordColumns, WindowProfile

SPEC = ProfileSpec({"x": NumericSpec.fixed(np.arange(1.0, 100.0)), "c": CategoricalSpec(("a", "b"))})


def _window(x: list[Any], c: list[Any]) -> WindowProfile:
    return WindowProfile.of(
        pa.table({"x": pa.array(x, pa.float64()), "c": pa.array(c, pa.string())}), SPEC, RecordColumns()
    )


def test_the_fullest_cell_and_what_repeats_itself() -> None:
    forty = [float(i) for i in range(40)]
    windows = [_window(forty, ["a", "b"] * 20), _window(forty, ["a", "a", "a", "b"] * 10)]
    habits = learn_habits(windows)
    assert habits == Habits(2, {"x": 1 / 40, "c": 0.75}, ("x",))
    assert Habits.from_json(habits.to_json()) == habits
    # a column that is empty in a window may have one value as well
    assert learn_habits([_window([None], ["a"])]).fullest == {"x": 1.0, "c": 1.0}


def test_the_range_is_that_of_the_other_windows() -> None:
    windows = [_window([1.5, 5.5, 9.5], ["a"] * 3), _window([2.5, 5.5, 8.5], ["a"] * 3), _window([None], ["a"])]
    found = outside_the_others(windows)
    assert set(found) == {"x"}
    assert [share.value for share in found["x"]] == [2 / 3, 0.0, None]
    assert outside_the_others(windows[:1])["x"][0].value is None
