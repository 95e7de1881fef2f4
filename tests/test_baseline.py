"""Baselines: frozen, versioned, valid from a moment on, and clear about rows that do not fit."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitoring.baseline import ALWAYS, baseline_for, create_baseline, load_baseline, load_sample
from monitoring.errors import ConfigError, ObjectMissingError
from monitoring.store.local import LocalStore

MakeWorld = Callable[..., Any]
KEY = "training/toy.parquet"


@pytest.fixture
def world(make_world: MakeWorld) -> Any:
    """A world with training rows and a baseline."""
    world = make_world()
    world.train()
    return world


def _table(world: Any) -> pa.Table:
    return pq.read_table(io.BytesIO(world.monitor.store.get(KEY)))


def _write(world: Any, table: pa.Table, key: str = KEY) -> None:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    world.monitor.store.put(key, sink.getvalue())


def _change(world: Any, name: str, values: Any) -> None:
    table = _table(world)
    _write(world, table.set_column(table.column_names.index(name), name, values))


def test_a_baseline_is_read_back_as_it_was_made(world: Any) -> None:
    made = create_baseline(world.monitor)
    assert load_baseline(world.monitor, made.version) == made
    assert baseline_for(world.monitor, world.window(0)) == made
    assert (made.rows, made.windows, made.valid_from) == (3000, 10, ALWAYS)
    assert made.reference.limits.rows == 300
    assert set(made.reference.spec.features) == {"amount", "age", "country"}


def test_making_it_again_changes_nothing(world: Any) -> None:
    store = world.monitor.store
    before = {key: store.get(key) for key in store.keys("toy/")}
    create_baseline(world.monitor)
    assert {key: store.get(key) for key in store.keys("toy/")} == before


def test_other_rows_or_settings_make_another_version(world: Any, make_world: MakeWorld) -> None:
    first = create_baseline(world.monitor).version
    other = make_world(world.monitor.store, columns={"threshold": 0.4})
    changed = create_baseline(other.monitor, valid_from=datetime(2024, 2, 1, tzinfo=UTC)).version
    _write(world, _table(world).slice(300))
    fewer = create_baseline(world.monitor, valid_from=datetime(2024, 3, 1, tzinfo=UTC)).version
    assert len({first, changed, fewer}) == 3


def test_windows_use_the_version_that_is_valid_for_them(world: Any) -> None:
    first = baseline_for(world.monitor, world.window(0))
    second = create_baseline(world.monitor, version="v2", valid_from=world.window(5).start)
    third = create_baseline(world.monitor, version="v3", valid_from=world.window(9).start)
    found = [baseline_for(world.monitor, world.window(number)) for number in (-500, 4, 5, 8, 9, 99)]
    assert found == [first, first, second, second, third, third]
    # making one of them again leaves all as they are
    assert create_baseline(world.monitor, version="v2") == second
    assert baseline_for(world.monitor, world.window(5)) == second


def test_a_second_version_has_to_say_from_when_it_is_valid(world: Any) -> None:
    version = create_baseline(world.monitor).version
    with pytest.raises(ConfigError, match=rf"toy: there is a baseline already \({version}\); hint: say from when"):
        create_baseline(world.monitor, version="v2")


def test_a_version_is_never_changed(world: Any) -> None:
    create_baseline(world.monitor, version="v2", valid_from=world.window(5).start)
    _write(world, _table(world).slice(300))
    with pytest.raises(ConfigError, match="baseline v2 exists and is different; hint: baselines are never changed"):
        create_baseline(world.monitor, version="v2", valid_from=world.window(5).start)


def test_without_a_baseline_there_is_none(make_world: MakeWorld) -> None:
    world = make_world()
    assert baseline_for(world.monitor, world.window(0)) is None
    with pytest.raises(ObjectMissingError):
        create_baseline(world.monitor)


def test_a_version_that_is_made_in_between_is_kept(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, others = LocalStore.replace, ["v3"]

    def interrupted(store: LocalStore, key: str, data: bytes, expected: bytes | None) -> None:
        if others:
            create_baseline(world.monitor, version=others.pop(), valid_from=world.window(2).start)
        replace(store, key, data, expected)

    monkeypatch.setattr(LocalStore, "replace", interrupted)
    create_baseline(world.monitor, version="v2", valid_from=world.window(1).start)
    found = [baseline_for(world.monitor, world.window(n)) for n in (1, 2)]
    assert [item.version for item in found if item] == ["v2", "v3"]


def test_the_sample_has_the_labels(world: Any, make_world: MakeWorld) -> None:
    small = make_world(world.monitor.store, report={"sample_rows": 100})
    create_baseline(small.monitor, version="v2", valid_from=world.window(1).start)
    sample = load_sample(world.monitor, "v2")
    assert sample.num_rows == 100
    labels = dict(zip(range(3000), _table(world)["label"].to_pylist(), strict=True))
    for row in sample.to_pylist():
        assert row["label"] == (labels[int(row["event_id"])] == "1")


@pytest.mark.parametrize(
    ("labels", "positive"),
    [([True, False, None], "1"), ([1, 0, None], "1"), ([1.0, 0.0, float("nan")], "1"), (["yes", "no", None], "yes")],
)
def test_labels_of_any_type(make_world: MakeWorld, labels: list[Any], positive: str) -> None:
    world = make_world(columns={"positive": positive})
    world.monitor.store.put(KEY, b"")
    moments = pa.array([world.window(-1).start + timedelta(hours=h) for h in range(3)], pa.timestamp("us", tz="UTC"))
    features = {"amount": [1.0, 2.0, None], "age": [1, 2, 3], "country": ["at", "ch", None]}
    _write(world, pa.table({"event_time": moments, **features, "label": labels, "score": [0.1, 0.5, 0.9]}))
    version = create_baseline(world.monitor).version
    assert load_sample(world.monitor, version)["label"].to_pylist() == [True, False, None]


def test_csv_gives_the_same_baseline_as_parquet(world: Any) -> None:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(_table(world), sink)
    world.monitor.store.put("training/toy.csv", sink.getvalue())
    found = create_baseline(
        world.monitor, version="csv", uri="training/toy.csv", valid_from=world.window(1).start
    ).reference
    expected = create_baseline(world.monitor).reference
    assert (found.profile, found.limits) == (expected.profile, expected.limits)


def test_rows_that_do_not_fit(world: Any) -> None:
    columns = "event_time, amount, country, label, score"
    _write(world, _table(world).drop_columns(["age"]))
    with pytest.raises(ConfigError) as caught:
        create_baseline(world.monitor)
    assert str(caught.value) == f"{KEY}: no column 'age'; allowed: {columns}"


@pytest.mark.parametrize(
    ("column", "values"),
    [("age", ["old"] * 3000), ("score", ["high"] * 3000), ("event_time", ["soon"] * 3000)],
)
def test_columns_of_another_type(world: Any, column: str, values: list[str]) -> None:
    _change(world, column, pa.array(values))
    with pytest.raises(ConfigError, match=rf"^{KEY}: a column has another type than declared: "):
        create_baseline(world.monitor)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("event_time", None, f"{KEY}: 'event_time' is missing in 1 rows"),
        ("score", None, f"{KEY}: 'score' is no probability in 1 rows; allowed: 0 to 1"),
        ("score", float("nan"), f"{KEY}: 'score' is no probability in 1 rows; allowed: 0 to 1"),
        ("score", 1.5, f"{KEY}: 'score' is no probability in 1 rows; allowed: 0 to 1"),
    ],
)
def test_rows_without_a_time_or_a_probability(world: Any, column: str, value: Any, message: str) -> None:
    values = _table(world)[column]
    _change(world, column, pa.array([value, *values.to_pylist()[1:]], values.type))
    with pytest.raises(ConfigError) as caught:
        create_baseline(world.monitor)
    assert str(caught.value) == message


def test_no_rows(world: Any) -> None:
    _write(world, _table(world).slice(0, 0))
    with pytest.raises(ConfigError, match=f"^{KEY}: there are no rows$"):
        create_baseline(world.monitor)


@pytest.mark.parametrize(
    ("key", "data", "message"),
    [
        ("x.parquet", b"no parquet", r"^x.parquet: cannot be read: "),
        ("x.xlsx", b"", r"^x.xlsx: a baseline is a Parquet or CSV file; allowed: .parquet, .csv$"),
    ],
)
def test_files_that_are_no_tables(world: Any, key: str, data: bytes, message: str) -> None:
    world.monitor.store.put(key, data)
    with pytest.raises(ConfigError, match=message):
        create_baseline(world.monitor, uri=key)


def test_rows_outside_the_store(make_world: MakeWorld, tmp_path: Any, world: Any) -> None:
    (tmp_path / "elsewhere.parquet").write_bytes(world.monitor.store.get(KEY))
    made = create_baseline(
        world.monitor, version="v2", uri=f"{tmp_path}/elsewhere.parquet", valid_from=world.window(1).start
    )
    assert made.rows == 3000
