"""Distances between distributions, against SciPy; and which rows they are between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance

from monitoring.capture.schema import FEATURE_PREFIX, schema
from monitoring.config.capture import Columns
from monitoring.measure import Measurement, block
from monitoring.measure.drift import drift
from monitoring.profile import CategoricalSpec, NumericSpec, ProfileSpec, WindowProfile
from monitoring.profile.distribution import Categories

_counts = st.lists(st.integers(0, 10**6), min_size=4, max_size=4).filter(any)
SPEC = ProfileSpec({"x": NumericSpec.fixed(np.array([1.0, 2.0])), "c": CategoricalSpec(("a",))})


def jensen_shannon(reference: dict[str, int], current: dict[str, int]) -> Measurement:
    return drift("jensen_shannon", Categories(reference), Categories(current))


@given(_counts, _counts)
def test_jensen_shannon_against_scipy(p: list[int], q: list[int]) -> None:
    found = jensen_shannon(dict(enumerate(p)), dict(enumerate(q)))  # type: ignore[arg-type]
    assert found.value is not None
    # the distance is a root: near zero it has half the digits of the divergence
    assert found.value**2 == pytest.approx(distance.jensenshannon(p, q, base=2) ** 2, abs=1e-12)
    assert 0 <= found.value <= 1
    assert found.rows == sum(q)
    back = jensen_shannon(dict(enumerate(q)), dict(enumerate(p)))  # type: ignore[arg-type]
    assert back.value == pytest.approx(found.value, abs=1e-7)


def test_a_cell_that_one_side_has_not_is_empty() -> None:
    assert jensen_shannon({"a": 1}, {"b": 1}).value == 1.0
    assert jensen_shannon({"a": 1, "b": 0}, {"a": 5}).value == 0.0


@pytest.mark.parametrize(("p", "q"), [({"a": 0}, {"a": 1}), ({"a": 1}, {"a": 0}), ({}, {})])
def test_without_rows_there_is_no_distance(p: dict[str, int], q: dict[str, int]) -> None:
    assert jensen_shannon(p, q).value is None


def _profile(*rows: dict[str, Any]) -> WindowProfile:
    columns = Columns(features={"x": "numeric", "c": "categorical"})
    table = pa.Table.from_pylist(list(rows), schema=schema(columns))
    return WindowProfile.of(table, SPEC)


def _row(x: float | None, c: str | None, score: float, hour: int = 0, status: int | None = None) -> dict[str, Any]:
    features = {f"{FEATURE_PREFIX}x": x, f"{FEATURE_PREFIX}c": c}
    return {"event_time": 3_600_000_000 * hour, "score": score, "status": status, **features}


def test_drift_of_features_and_score() -> None:
    reference = _profile(_row(0, "a", 0.1), _row(0, "a", 0.1))
    found = block.drift(_profile(_row(0, None, 0.9), _row(0, None, 0.9)), reference)
    assert {name: number.value for name, number in found.items()} == {
        "feature_drift:x": 0.0,
        "feature_drift:c": 1.0,
        "prediction_drift": 1.0,
    }


def test_a_block_is_compared_with_the_rest_of_the_baseline() -> None:
    part, rest = _profile(_row(0, "a", 0.1)), _profile(_row(3, "a", 0.9), _row(3, "a", 0.9))
    found = block.drift(part, part.merge(rest), contained=part)
    assert found["feature_drift:x"].value == found["prediction_drift"].value == 1.0
    assert found["feature_drift:c"].value == 0.0


def test_quality_of_a_window() -> None:
    rows = [_row(0, "a", 0.1, 0, 200), _row(None, "z", 0.1, 0, 503), _row(1, None, 0.1, 1, 500), _row(2, "a", 0.1, 5)]
    found = block.quality(_profile(*rows), 2.0, 24)
    assert {name: (number.value, number.rows) for name, number in found.items()} == {
        "nulls:x": (0.25, 4),
        "nulls:c": (0.25, 4),
        "unseen:c": (0.25, 4),
        "volume": (2.0, 4),
        "gaps": (21 / 24, 4),
        "errors": (2 / 3, 3),
    }
    assert "errors" not in block.quality(_profile(_row(0, "a", 0.1)), 1.0, 24)
    assert block.quality(_profile(), 0.0, 24)["volume"].value is None


@given(
    st.builds(Measurement, st.text(), st.none() | st.floats(allow_nan=False), st.integers(), st.just("low"), st.text())
)
def test_measurements_survive_json(measurement: Measurement) -> None:
    assert Measurement.from_json(measurement.to_json()) == measurement
