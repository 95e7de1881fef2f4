"""Profiles of records: features, scores by class, versions, statuses and hours."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from monitoring import documents
from monitoring.errors import StoredDocumentError
from monitoring.profile import (
    CategoricalSpec,
    NumericProfile,
    NumericSpec,
    Packed,
    ProfileSpec,
    RecordColumns,
    WindowProfile,
    window,
)
from monitoring.profile.categorical import hashes
from monitoring.profile.window import MOST_NAMES, SCORE_CELLS, learn_score

FLAT = RecordColumns("", "score", "prediction", "event_time", "model_version", "status", "latency_ms")
MOMENT = datetime(2024, 1, 11, 7, 59, tzinfo=UTC)
SPEC = ProfileSpec({"x": NumericSpec.learn(pa.array([1.0, 2.0])), "c": CategoricalSpec.learn(pa.array(["a", "b"]))})


def _of(spec: ProfileSpec = SPEC, columns: RecordColumns = FLAT, **table: Any) -> WindowProfile:
    return WindowProfile.of(pa.table(table), spec, columns)


def _halves(spec: ProfileSpec = SPEC, **table: Any) -> WindowProfile:
    whole = pa.table(table)
    cut = whole.num_rows // 2
    parts = [WindowProfile.of(part, spec, FLAT) for part in (whole.slice(cut), whole.slice(0, cut))]
    return parts[0].merge(parts[1])


def test_versions_statuses_hours_latency_and_positives() -> None:
    rows: list[dict[str, Any]] = [
        {"x": 1.0, "c": "a", "score": 0.5, "prediction": True, "status": 200, "model_version": "1"},
        {"x": None, "c": "z", "score": 0.7, "prediction": False, "status": 200, "model_version": "2"},
        {"x": 3.0, "c": None, "score": None, "prediction": True, "status": None, "latency_ms": 3.0},
    ]
    profile = WindowProfile.of(
        pa.Table.from_pylist([{"event_time": MOMENT, "latency_ms": None, **r} for r in rows]), SPEC, FLAT
    )
    assert (profile.rows, profile.positives) == (3, 2)
    assert (profile.versions, profile.statuses) == ({"1": 1, "2": 1}, {"200": 2})
    assert profile.hours == {"2024-01-11T07Z": 3}
    assert (profile.latency.rows, profile.latency.nulls, profile.latency.mean) == (3, 2, 3.0)
    assert [profile.features[name].nulls for name in ("x", "c")] == [1, 1]
    assert {name: (p.finite, p.nulls) for name, p in profile.scores.items()} == {"false": (1, 0), "true": (1, 1)}
    assert (profile.score.finite, profile.score.nulls) == (2, 1)
    assert profile.score_distribution().counts.sum() == 2
    assert profile.distribution("c").n == 2
    assert profile.distribution("x").n == 2


def test_columns_that_a_table_has_not_are_null_or_nothing() -> None:
    profile = _of(other=[1, 2])
    assert (profile.rows, profile.features["x"].nulls, profile.features["c"].nulls) == (2, 2, 2)
    assert (profile.scores, profile.versions, profile.statuses, profile.hours) == ({}, {}, {}, {})
    assert (profile.latency.rows, profile.score.rows) == (0, 0)
    without = _of(columns=RecordColumns(), x=[1.0], score=[0.5])
    assert (without.features["x"].rows, without.scores) == (1, {})


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (pa.array([1, 0, None], pa.int8()), {"1": 1, "0": 1, "(null)": 1}),
        (pa.array(["1", "no", None]), {"1": 1, "no": 1, "(null)": 1}),
        (pa.array(["1", "no", None], pa.string_view()).cast(pa.large_string()), {"1": 1, "no": 1, "(null)": 1}),
        (pa.array([True, False, None]), {"true": 1, "false": 1, "(null)": 1}),
        (pa.array([1.0, float("nan"), None]), {"1": 1, "(null)": 2}),
        (pa.array([{"a": 1}, None, None]), {"(null)": 3}),
        (pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["1", "1", None])), {"1": 2, "(null)": 1}),
        (pa.nulls(3), {"(null)": 3}),
    ],
)
def test_scores_are_kept_by_predicted_class(prediction: pa.Array, expected: dict[str, int]) -> None:
    profile = _of(score=[0.25, 0.5, 0.75], prediction=prediction)
    assert {name: column.rows for name, column in profile.scores.items()} == dict(sorted(expected.items()))
    assert profile.positives == expected.get("1", 0) + expected.get("true", 0)
    assert profile.score.rows == 3


def test_scores_without_predictions_are_one_class() -> None:
    assert {name: p.rows for name, p in _of(score=[0.25, None]).scores.items()} == {"": 2}


@pytest.mark.parametrize("classes", [2, 30])
def test_a_score_that_is_no_number_is_a_mismatch_in_every_class(classes: int) -> None:
    names = [f"class {i % classes}" for i in range(120)]
    scores = ["0.5", "much", None, "nan"] * 30
    profile = _of(score=scores, prediction=names)
    assert len(profile.scores) == classes
    assert (profile.score.mismatched, profile.score.nulls, profile.score.nans, profile.score.finite) == (30, 30, 30, 30)
    assert profile.pack() == _halves(score=scores, prediction=names).pack()


@pytest.mark.parametrize("count", [window._FEW_CLASSES, window._FEW_CLASSES + 1, 100])
def test_few_and_many_classes_are_told_apart_alike(count: int) -> None:
    rng = np.random.default_rng(1)
    scores, classes = rng.random(3000), rng.integers(0, count, 3000)
    classes[:count] = np.arange(count)
    spec = ProfileSpec({}, learn_score(pa.array(scores)))
    column = pa.array(scores, mask=rng.random(3000) < 0.1)
    profile = _of(spec, score=column, prediction=classes)
    assert set(profile.scores) == {str(i) for i in range(count)}
    for name, found in profile.scores.items():
        expected = NumericProfile.of(column.filter(pa.array(classes == int(name))), spec.score)
        assert found.head() == expected.head()
        assert found.units.tolist() == expected.units.tolist()
        assert found.registers.tolist() == expected.registers.tolist()


def _crowd(count: int, seed: int = 0) -> list[str]:
    return [f"name {i}" for i in np.random.default_rng(seed).integers(0, count, 4000)] + ["(other)", "", "(null)"]


def test_versions_and_statuses_are_bounded_and_do_not_depend_on_the_partition() -> None:
    names = _crowd(2000)
    truth = Counter(names)
    profile = _of(model_version=names, status=names)
    for counts in (profile.versions, profile.statuses):
        assert len(counts) <= MOST_NAMES + 3
        assert sum(counts.values()) == len(names)
        assert all(truth[name] == n for name, n in counts.items() if name != "(other)")
        assert counts["(other)"] > 1
    rows = [{"model_version": name, "status": name} for name in names]
    for pieces in (2, 50):
        parts = [pa.Table.from_pylist(rows[k::pieces]) for k in range(pieces)]
        merged = WindowProfile.empty(SPEC)
        for part in parts:
            merged = merged.merge(WindowProfile.of(part, SPEC, FLAT))
        assert (merged.versions, merged.statuses) == (profile.versions, profile.statuses)
    few = _of(model_version=[f"{i}" for i in range(MOST_NAMES)])
    assert len(few.versions) == MOST_NAMES
    named = sorted({*names} - {"(other)", "", "(null)"})
    order = np.argsort(hashes(pa.array(named)))
    assert profile.versions.keys() - {"(other)", "", "(null)"} == {named[place] for place in order[:MOST_NAMES]}
    assert "(other)" not in few.versions


def test_classes_are_bounded_and_do_not_depend_on_the_partition() -> None:
    names = _crowd(600)
    scores = np.random.default_rng(1).random(len(names))
    spec = ProfileSpec({}, learn_score(pa.array(scores)))
    profile = _of(spec, score=scores, prediction=names)
    assert MOST_NAMES <= len(profile.scores) <= MOST_NAMES + 3
    assert (profile.score.rows, profile.rows) == (len(names), len(names))
    assert profile.pack() == _halves(spec, score=scores, prediction=names).pack()
    builder = window.WindowBuilder(spec, FLAT)
    for start in range(0, len(names), 97):
        piece = slice(start, start + 97)
        builder.add(pa.table({"score": scores[piece], "prediction": names[piece]}))
        assert len(builder.scores) <= MOST_NAMES + 3
    assert WindowProfile.built(builder).pack() == profile.pack()


def test_classes_without_a_name_do_not_push_out_one_that_has() -> None:
    names: list[str | None] = [f"name {i}" for i in range(MOST_NAMES)]
    names += [None, "(other)", ""]
    scores = [0.5] * len(names)
    profile = _of(score=scores, prediction=names)
    assert len(profile.scores) == MOST_NAMES + 3
    assert profile.pack() == _halves(score=scores, prediction=names).pack()


def test_long_names_of_versions_are_cut_and_stay_different() -> None:
    profile = _of(model_version=["v" * 300 + "1", "v" * 300 + "2", "v"])
    assert sorted(map(len, profile.versions)) == [1, 200, 200]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (pa.array([200, 503, None], pa.int16()), {"200": 1, "503": 1}),
        (pa.array([200.0, 503.0, float("nan")]), {"200": 1, "503": 1}),
        (pa.array(["200", "timeout", None]), {"200": 1, "timeout": 1}),
        (pa.array([[200], None, None]), {}),
    ],
)
def test_statuses_of_every_type(status: pa.Array, expected: dict[str, int]) -> None:
    assert _of(status=status).statuses == expected
    assert _of(model_version=status).versions == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+05:30"])
def test_hours_are_of_utc_in_every_unit(unit: str, zone: str | None) -> None:
    moments = [datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2024, 2, 29, 12, tzinfo=UTC), None]
    column = pa.array([m and (m if zone else m.replace(tzinfo=None)) for m in moments], pa.timestamp(unit, zone))
    expected = {"1969-12-31T23Z": 1, "2024-02-29T12Z": 1}
    assert _of(event_time=column).hours == expected
    assert _of(event_time=column.dictionary_encode()).hours == expected
    assert _of(event_time=pc.run_end_encode(column)).hours == expected
    chunked = pa.chunked_array([column, column.slice(1)])
    assert _of(event_time=chunked).hours == {"1969-12-31T23Z": 1, "2024-02-29T12Z": 2}


@pytest.mark.parametrize("column", [["2024-01-11T07:00:00"], [1.7e9], [{"at": 1}], pa.array([date(2024, 1, 11)])])
def test_what_is_no_timestamp_has_no_hour(column: Any) -> None:
    profile = _of(event_time=column)
    assert (profile.rows, profile.hours) == (1, {})


def test_times_beyond_the_calendar_have_no_hour() -> None:
    first, last = (
        int(datetime(1, 1, 1, tzinfo=UTC).timestamp()),
        int(datetime(9999, 12, 31, 23, tzinfo=UTC).timestamp()),
    )
    column = pa.array([-(2**62), first - 1, first, last, last + 3600, 2**62], pa.int64()).cast(pa.timestamp("s"))
    assert _of(event_time=column).hours == {"0001-01-01T00Z": 1, "9999-12-31T23Z": 1}


@pytest.mark.parametrize("span", [40, 200])
def test_the_latest_hours_are_kept(monkeypatch: pytest.MonkeyPatch, span: int) -> None:
    monkeypatch.setattr(window, "MOST_HOURS", 24)
    moments = [MOMENT + timedelta(hours=int(h)) for h in np.random.default_rng(0).integers(0, span, 3000)]
    whole = _of(event_time=moments)
    assert len(whole.hours) == 24
    assert max(whole.hours) == f"{max(moments):%Y-%m-%dT%HZ}"
    truth = Counter(f"{m:%Y-%m-%dT%HZ}" for m in moments)
    assert all(truth[hour] == n for hour, n in whole.hours.items())
    builder = window.WindowBuilder(SPEC, FLAT)
    for start in range(0, 3000, 70):
        builder.add(pa.table({"event_time": moments[start : start + 70]}))
        assert len(builder.hours) <= 48
    assert WindowProfile.built(builder).hours == _halves(event_time=moments).hours == whole.hours


def test_probabilities_have_cells_of_their_own_and_other_scores_quantiles() -> None:
    rng = np.random.default_rng(0)
    spec = learn_score(pa.array(rng.random(1000)))
    assert spec.edges[spec.cells].tolist() == SCORE_CELLS.tolist()
    other = learn_score(pa.array(rng.normal(50, 9, 1000)))
    assert len(other.cells) == 19
    assert learn_score(pa.nulls(3)).edges.tolist() == SCORE_CELLS.tolist()


def test_parts_of_nested_columns_are_features() -> None:
    table = pa.table({"place": [{"city": "Rom"}, None, {"city": "Bonn"}], "embedding": [[1.0, 2.0], [3.0], None]})
    kinds: dict[str, Any] = {"place.city": "categorical", "embedding[1]": "numeric", "embedding": "numeric"}
    spec = ProfileSpec.learn(table, kinds, FLAT)
    assert spec.features["place.city"].to_json()["names"] == ["Bonn", "Rom"]
    profile = WindowProfile.of(table, spec, FLAT)
    assert {name: p.nulls for name, p in profile.features.items()} == {
        "place.city": 1,
        "embedding[1]": 2,
        "embedding": 1,
    }
    assert profile.features["embedding"].mismatched == 2


def test_a_text_where_a_number_is_declared_and_the_other_way_round() -> None:
    profile = _of(x=["1", "two", None], c=[1.0, 2.5, None])
    assert (profile.features["x"].mismatched, profile.features["x"].nulls) == (1, 1)
    assert profile.distribution("c").new == {"1": 1, "2.5": 1}  # type: ignore[union-attr]


def test_three_hundred_columns() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.lognormal(size=500) for i in range(300)})
    spec = ProfileSpec.learn(table, dict.fromkeys(table.column_names, "numeric"), FLAT)
    profile = WindowProfile.of(table, spec, FLAT)
    data = profile.pack()
    assert len(data) < 300 * 6000
    again = WindowProfile.unpack(Packed.read(data, "k"), spec)
    assert again.pack() == data
    assert [p.rows for p in again.features.values()] == [500] * 300


SECRETS = [f"secret{i}@example.org" for i in range(1200)]


def test_the_bytes_hold_no_value_of_a_row_but_names_and_extremes() -> None:
    rng = np.random.default_rng(0)
    amounts = np.round(rng.normal(size=1200), 6)
    table = pa.table({"mail": SECRETS, "amount": amounts, "age": SECRETS, "score": amounts, "latency_ms": SECRETS})
    kinds: dict[str, Any] = {"mail": "categorical", "amount": "numeric", "age": "numeric"}
    spec = ProfileSpec.learn(table, kinds, FLAT)
    data = WindowProfile.of(table, spec, FLAT).pack()
    raw = zlib.decompress(data[len(documents._MAGIC) + documents._PACKED.size :])
    assert b'"spec"' in raw
    for text in (b"secret", b"example"):
        assert text not in raw
    written = [value for value in amounts.tolist() if repr(value).encode() in raw]
    assert sorted(written) == [amounts.min(), amounts.max()]
    assert not any(np.float64(value).tobytes() in raw for value in amounts)
    spelled = json.dumps(spec.to_json())
    assert "secret" not in spelled


def test_a_profile_survives_its_bytes() -> None:
    profile = _of(
        x=[1.0, 1e300, None, 5.0],
        c=["a", "z", None, "y"],
        score=[0.1, 0.2, None, 0.4],
        prediction=["a/b", "", None, "(other)"],
        model_version=["1"] * 4,
        status=[200] * 4,
        event_time=[MOMENT] * 4,
        latency_ms=[1.5, None, 1e12, 2.0],
    )
    data = profile.pack(window="2024-01-11", nested={"b": [1, None]})
    packed = Packed.read(data, "k")
    assert packed.about == {"window": "2024-01-11", "nested": {"b": [1, None]}}
    again = WindowProfile.unpack(packed, SPEC)
    assert again.pack(**packed.about) == data
    assert again.merge(profile).pack() == profile.merge(profile).pack()
    assert again.score.mean == profile.score.mean


def test_the_order_of_columns_does_not_change_the_bytes() -> None:
    turned = ProfileSpec(dict(reversed(SPEC.features.items())), SPEC.score)
    table: dict[str, Any] = {"x": [1.0, 5.0], "c": ["a", "z"], "score": [0.5, 0.25]}
    assert turned.fingerprint == SPEC.fingerprint
    assert _of(turned, **table).pack() == _of(SPEC, **dict(reversed(table.items()))).pack()


def test_a_profile_on_another_baselines_bins_is_refused() -> None:
    data = _of(x=[1.0]).pack()
    other = ProfileSpec({**SPEC.features, "x": NumericSpec.learn(pa.array([1.0, 3.0]))}, SPEC.score)
    with pytest.raises(StoredDocumentError, match=r"^k: a profile on the bins of another baseline"):
        WindowProfile.unpack(Packed.read(data, "k"), other)
    with pytest.raises(ValueError, match="different baselines"):
        _of(x=[1.0]).merge(_of(other, x=[1.0]))


def test_a_spec_survives_json_and_keeps_its_fingerprint() -> None:
    names = [f"{i % 3000}" for i in range(7000)]
    table = pa.table({"x": np.random.default_rng(0).lognormal(size=7000), "c": names, "score": np.linspace(0, 1, 7000)})
    spec = ProfileSpec.learn(table, {"x": "numeric", "c": "categorical"}, FLAT)
    for text in (json.dumps(spec.to_json(), allow_nan=False), json.dumps(spec.to_json(), sort_keys=True, indent=2)):
        again = ProfileSpec.from_json(json.loads(text))
        assert again.fingerprint == spec.fingerprint
        assert WindowProfile.of(table, again, FLAT).pack() == WindowProfile.of(table, spec, FLAT).pack()
    assert spec.fingerprint != SPEC.fingerprint
    assert ProfileSpec({"x": SPEC.features["x"]}).fingerprint != ProfileSpec({"y": SPEC.features["x"]}).fingerprint


def test_merging_nothing_changes_nothing() -> None:
    profile = _of(x=[1.0, None], c=["a", "q"], score=[0.5, 0.25], prediction=[1, 0])
    assert WindowProfile.empty(SPEC).merge(profile).pack() == profile.merge(WindowProfile.empty(SPEC)).pack()
    assert WindowProfile.empty(SPEC).merge(profile).pack() == profile.pack()
