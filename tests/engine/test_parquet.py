"""Profiles of Parquet files: the same whatever the files, row groups and threads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.config.capture import FeatureType
from monitoring.engine import parquet
from monitoring.engine.parquet import learn_spec, profile_parquet
from monitoring.errors import ConfigError
from monitoring.profile import NumericProfile, NumericSpec, ProfileSpec, RecordColumns, WindowProfile

COLUMNS = RecordColumns("", "score", "prediction", "event_time", "model_version", "status", "latency_ms")
KINDS: dict[str, FeatureType] = {
    "amount": "numeric",
    "count": "numeric",
    "country": "categorical",
    "code": "categorical",
}
START = datetime(2024, 1, 11, tzinfo=UTC)


def _records(n: int = 3000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    amount = rng.lognormal(sigma=2, size=n)
    amount[rng.random(n) < 0.05] = np.nan
    amount[:3] = 1e12, -1e300, np.inf
    return pa.table(
        {
            "amount": pa.array(amount, mask=rng.random(n) < 0.1),
            "count": pa.array(rng.poisson(3, n), mask=rng.random(n) < 0.1),
            "country": pa.array(rng.choice([f"c{i}" for i in range(300)], n), mask=rng.random(n) < 0.1),
            "code": rng.integers(0, 9, n),
            "score": rng.random(n),
            "prediction": rng.random(n) < 0.5,
            "event_time": pa.array([START + timedelta(minutes=i % 900) for i in range(n)], pa.timestamp("us", "UTC")),
            "model_version": [f"v{i % 3}" for i in range(n)],
            "status": [200 if i % 9 else 503 for i in range(n)],
            "latency_ms": rng.exponential(20, n),
            "not profiled": rng.random(n),
        }
    )


RECORDS = _records()
SPEC = ProfileSpec.learn(_records(1000, seed=1), KINDS, COLUMNS)
WHOLE = WindowProfile.of(RECORDS, SPEC, COLUMNS).pack()


def _write(folder: Path, *tables: pa.Table, **how: Any) -> list[Path]:
    paths = []
    for number, table in enumerate(tables):
        path = folder / f"{number}.parquet"
        pq.write_table(table, path, **how)
        paths.append(path)
    return paths


def _cut(table: pa.Table, cuts: list[int]) -> list[pa.Table]:
    ends = [0, *sorted(cuts), table.num_rows]
    return [table.slice(a, b - a) for a, b in pairwise(ends)]


@settings(deadline=None, max_examples=12)
@given(cuts=st.lists(st.integers(0, 3000), max_size=6), size=st.integers(100, 5000), seed=st.integers(0, 9))
def test_any_files_row_groups_order_and_threads_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], size: int, seed: int
) -> None:
    shuffled = RECORDS.take(np.random.default_rng(seed).permutation(RECORDS.num_rows))
    paths = _write(tmp_path_factory.mktemp("cut"), *_cut(shuffled, cuts), row_group_size=size)
    for threads in (1, 2, 5):
        assert profile_parquet(paths, SPEC, COLUMNS, threads=threads).pack() == WHOLE
    assert profile_parquet([str(path) for path in paths[::-1]], SPEC, COLUMNS).pack() == WHOLE


def test_batches_of_any_size_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = RECORDS.slice(0, 1500)
    paths = _write(tmp_path, records, row_group_size=700)
    for rows in (17, 999, 5000):
        monkeypatch.setattr(parquet, "_BATCH_ROWS", rows)
        assert profile_parquet(paths, SPEC, COLUMNS).pack() == WindowProfile.of(records, SPEC, COLUMNS).pack()


@pytest.mark.parametrize("threads", [1, 2])
def test_many_files_are_shared_out_whole(tmp_path: Path, threads: int) -> None:
    paths = _write(tmp_path, *_cut(RECORDS, list(range(300, 3000, 300))))
    assert len(paths) == 10 >= parquet._FILES_PER_THREAD * threads
    assert [groups for _, groups in parquet._parts(paths, threads)] == [None] * 10
    assert profile_parquet(paths, SPEC, COLUMNS, threads=threads).pack() == WHOLE


@pytest.mark.parametrize("how", [{"use_dictionary": False}, {"compression": "zstd"}, {"dictionary_pagesize_limit": 64}])
def test_the_encoding_of_a_file_does_not_matter(tmp_path: Path, how: dict[str, Any]) -> None:
    assert profile_parquet(_write(tmp_path, RECORDS, **how), SPEC, COLUMNS).pack() == WHOLE


def _recast(table: pa.Table, **types: pa.DataType) -> pa.Table:
    for name, type_ in types.items():
        place = table.schema.get_field_index(name)
        column = table[name]
        encoded = column.dictionary_encode() if pa.types.is_dictionary(type_) else column.cast(type_)
        table = table.set_column(place, name, encoded)
    return table


def test_files_may_have_the_same_column_in_different_types(tmp_path: Path) -> None:
    encoded = pa.dictionary(pa.int32(), pa.string())
    parts = [
        RECORDS,
        _recast(RECORDS, count=pa.int32(), code=pa.string(), country=encoded, prediction=pa.bool_()),
        _recast(RECORDS, count=pa.float64(), code=pa.int8(), country=pa.large_string(), status=pa.float64()),
        _recast(RECORDS, count=pa.string(), code=pa.float64(), model_version=pa.large_string()),
    ]
    paths = _write(tmp_path, *parts)
    whole = WindowProfile.of(RECORDS, SPEC, COLUMNS)
    expected = whole.merge(whole).merge(whole).merge(whole).pack()
    for threads in (1, 2):
        assert profile_parquet(paths, SPEC, COLUMNS, threads=threads).pack() == expected
    learned = learn_spec(paths, KINDS, COLUMNS)
    once = _recast(pa.concat_tables([RECORDS] * 4), count=pa.float64())
    assert learned.fingerprint == ProfileSpec.learn(once, KINDS, COLUMNS).fingerprint


@pytest.mark.parametrize("size", [100, 5000])
def test_what_is_learned_does_not_depend_on_files_and_row_groups(tmp_path: Path, size: int) -> None:
    paths = _write(tmp_path, *_cut(RECORDS, [0, 7, 2500]), row_group_size=size)
    assert learn_spec(paths, KINDS, COLUMNS).to_json() == ProfileSpec.learn(RECORDS, KINDS, COLUMNS).to_json()
    without = RecordColumns()
    assert learn_spec(paths, KINDS, without).to_json() == ProfileSpec.learn(RECORDS, KINDS, without).to_json()


def test_columns_that_a_file_has_not_are_null(tmp_path: Path) -> None:
    empty = pa.table({"not profiled": [1, 2, 3]})
    paths = _write(tmp_path, RECORDS, RECORDS.drop_columns(["country", "amount", "prediction", "status"]), empty)
    found = profile_parquet(paths, SPEC, COLUMNS, threads=2)
    assert found.rows == 2 * 3000 + 3
    assert {name: p.rows for name, p in found.features.items()} == dict.fromkeys(KINDS, 6003)
    assert found.features["country"].nulls == RECORDS["country"].null_count + 3003
    assert found.scores[""].rows == 3000
    assert sum(found.statuses.values()) == 3000
    learned = learn_spec(paths[2:], KINDS, COLUMNS)
    assert learned.fingerprint == ProfileSpec.learn(empty, KINDS, COLUMNS).fingerprint


def test_parts_of_nested_columns(tmp_path: Path) -> None:
    places: list[Any] = [{"city": "Rom", "n": 1}, None, {"city": None, "n": 3}, {"city": "Bonn", "n": None}] * 50
    table = pa.table({"place": places, "embedding": pa.array([[1.0, 2.0], None, [3.0], []] * 50), "id": range(200)})
    kinds: dict[str, FeatureType] = {
        "place.city": "categorical",
        "place.n": "numeric",
        "embedding[1]": "numeric",
        "place": "categorical",
        "embedding": "numeric",
        "place.zip": "categorical",
    }
    paths = _write(tmp_path, table, row_group_size=64)
    spec = learn_spec(paths, kinds, COLUMNS)
    assert spec.fingerprint == ProfileSpec.learn(table, kinds, COLUMNS).fingerprint
    whole = WindowProfile.of(table, spec, COLUMNS)
    assert profile_parquet(paths, spec, COLUMNS, threads=2).pack() == whole.pack()
    assert {name: p.nulls for name, p in whole.features.items()} == {
        "place.city": 100,
        "place.n": 100,
        "embedding[1]": 150,
        "place": 50,
        "embedding": 50,
        "place.zip": 200,
    }


def test_every_type_comes_back_from_a_file_as_it_went_in(tmp_path: Path) -> None:
    moment = datetime(1969, 12, 31, 23, 59, 59, 250_000, tzinfo=UTC)
    arrays = {
        "half": pa.array([0.5, None, -0.0], pa.float16()),
        "single": pa.array([0.1, None, np.nan], pa.float32()),
        "decimal": pa.array([Decimal("1.50"), None, Decimal("-2")], pa.decimal128(30, 2)),
        "wide": pa.array([Decimal("1.50"), None, Decimal("-2")], pa.decimal256(60, 2)),
        "unsigned": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "flag": pa.array([True, None, False]),
        "day": pa.array([moment.date(), None, moment.date()], pa.date32()),
        "moment": pa.array([moment, None, moment], pa.timestamp("ns", "Europe/Berlin")),
        "span": pa.array([timedelta(seconds=-3), None, timedelta(1)], pa.duration("us")),
        "text": pa.array(["1", None, "x"], pa.string_view()),
        "raw": pa.array([b"\xff", None, b"ab"], pa.large_binary()),
        "fixed": pa.array([b"ab", None, b"cd"], pa.binary(2)),
        "uuid": pa.array([b"\x01" * 16, None, b"\x02" * 16], pa.uuid()),
        "named": pa.array(["a", None, "b"]).dictionary_encode(),
        "leveled": pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), pa.array([1.5, 2.5])),
        "nothing": pa.nulls(3),
        "list": pa.array([[1], None, []]),
    }
    table = pa.table(arrays)
    path = _write(tmp_path, table)
    each: tuple[FeatureType, FeatureType] = ("numeric", "categorical")
    for kind in each:
        kinds: dict[str, FeatureType] = dict.fromkeys(arrays, kind)
        spec = learn_spec(path, kinds, COLUMNS)
        assert spec.fingerprint == ProfileSpec.learn(table, kinds, COLUMNS).fingerprint
        assert profile_parquet(path, spec, COLUMNS).pack() == WindowProfile.of(table, spec, COLUMNS).pack()


def test_only_what_is_profiled_is_decoded(tmp_path: Path) -> None:
    schema = pq.read_schema(_write(tmp_path, RECORDS)[0])
    assert parquet._wanted(schema, SPEC, COLUMNS) == sorted(set(RECORDS.column_names) - {"not profiled"})
    assert parquet._wanted(schema, ProfileSpec({}), RecordColumns()) == []


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_no_files_and_no_rows(tmp_path: Path, threads: int) -> None:
    empty = WindowProfile.empty(SPEC).pack()
    assert profile_parquet([], SPEC, COLUMNS, threads=threads).pack() == empty
    paths = _write(tmp_path, RECORDS.slice(0, 0), RECORDS.slice(0, 0))
    assert profile_parquet(paths, SPEC, COLUMNS, threads=threads).pack() == empty
    assert (
        learn_spec(paths, KINDS, COLUMNS).fingerprint
        == ProfileSpec.learn(RECORDS.slice(0, 0), KINDS, COLUMNS).fingerprint
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, threads: int) -> None:
    good = _write(tmp_path, RECORDS, row_group_size=500)[0]
    data = good.read_bytes()
    no_parquet, cut, damaged = tmp_path / "x.parquet", tmp_path / "cut.parquet", tmp_path / "damaged.parquet"
    no_parquet.write_bytes(b"not Parquet")
    cut.write_bytes(data[:-100])
    middle = len(data) // 3
    damaged.write_bytes(data[:200] + bytes(255 - x for x in data[200:middle]) + data[middle:])
    for path in (no_parquet, cut, damaged, tmp_path / "missing.parquet"):
        with pytest.raises(ConfigError, match=rf"^{path}: cannot be read as Parquet"):
            profile_parquet([good, path], SPEC, COLUMNS, threads=threads)
        with pytest.raises(ConfigError, match=rf"^{path}: cannot be read as Parquet"):
            learn_spec([good, path], KINDS, COLUMNS)


def test_a_million_rows_in_one_pass(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=1_000_000)
    path = _write(tmp_path, pa.table({"amount": values}), row_group_size=300_000)
    spec = ProfileSpec({"amount": NumericSpec.learn(pa.array(values[:10_000]))})
    found = profile_parquet(path, spec, COLUMNS, threads=2).features["amount"]
    assert isinstance(found, NumericProfile)
    assert found.mean == pytest.approx(values.mean(), abs=1e-6)
    assert found.deviation == pytest.approx(values.std(), rel=1e-6)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_texts_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    table = pa.table({"c": [f"c{i % 7}" for i in range(1000)]})
    spec = ProfileSpec.learn(table, {"c": "categorical"}, RecordColumns())
    path = tmp_path / "x.parquet"
    pq.write_table(table, path, use_dictionary=False, column_encoding={"c": encoding}, row_group_size=300)
    found = [profile_parquet([path], spec, RecordColumns(), threads=threads) for threads in (1, 2)]
    assert found == [WindowProfile.of(table, spec, RecordColumns())] * 2
