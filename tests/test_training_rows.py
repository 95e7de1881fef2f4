"""Training rows: of any task, with or without a score, and with nothing in them that may not be stored."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitoring.baseline import baseline_for, create_baseline, load_baseline, load_sample
from monitoring.capture.privacy import RARE, hashed
from monitoring.capture.schema import schema
from monitoring.errors import ConfigError
from monitoring.monitor import Monitor
from monitoring.training_rows import read_training_rows

MakeWorld = Callable[..., Any]
KEY = b"a secret of this installation"
URI = "training/toy.parquet"
ROWS = 12
PRIVATE = {
    "columns": {
        "features": {"amount": "numeric", "age": "numeric", "country": "categorical", "note": "text", "pin": "numeric"},
        "segments": ["region", "tier"],
        "references": ["image"],
        "privacy": {
            "columns": {"amount": "drop", "age": [18, 65], "country": "hash", "pin": "hash", "region": "hash"},
            "fold_below": 2,
        },
    }
}


@pytest.fixture
def private(make_world: MakeWorld) -> Monitor:
    """A model of which little may be stored."""
    world = make_world(**PRIVATE)
    return replace(world.monitor, hash_key=KEY)


def rows_of(world_monitor: Monitor, **columns: Any) -> None:
    """Write training rows; of a column only what is given."""
    start = world_monitor.window("2024-01-01").start
    moments = [start + timedelta(hours=2 * i) for i in range(ROWS)]
    table = pa.table({"event_time": pa.array(moments, pa.timestamp("us", tz="UTC")), **columns})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    world_monitor.store.put(URI, sink.getvalue())


def private_rows(monitor: Monitor, **changes: Any) -> None:
    columns = {
        "age": [17, 18, 64, 65, 70, 80, 20, 30, 40, 50, None, 12],
        "country": ["at", "ch"] * 5 + ["li", None],
        "note": ["Ada", "", None, "Ünïcode", *["four"] * 8],
        "pin": [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, None],
        "region": ["north"] * 6 + ["south"] * 5 + ["east"],
        "tier": ["gold"] * 11 + ["lead"],
        "score": [0.25] * ROWS,
        "label": [1, 0] * 6,
    }
    rows_of(monitor, **{name: values for name, values in (columns | changes).items() if values is not None})


# --- privacy


def test_training_rows_are_stored_as_captures_are(private: Monitor) -> None:
    private_rows(private)
    found = read_training_rows(private, URI).records
    assert found.schema == schema(private.config.columns)
    body = found.to_pydict()
    assert body["feature:age"][:4] == ["<18", "[18,65)", "[18,65)", ">=65"]
    assert body["feature:country"] == [*[hashed("at", KEY), hashed("ch", KEY)] * 5, RARE, None]
    assert body["feature:note"][:5] == [3.0, None, None, 7.0, 4.0]
    assert body["feature:pin"] == [*[hashed(1.0, KEY)] * 6, *[hashed(2.0, KEY)] * 4, RARE, None]
    assert body["segment:region"] == [*[hashed("north", KEY)] * 6, *[hashed("south", KEY)] * 5, RARE]
    assert body["segment:tier"] == ["gold"] * 11 + [RARE]
    assert body["reference:image"] == [None] * ROWS


def test_a_csv_file_gives_the_same(private: Monitor) -> None:
    private_rows(private)
    table = pq.read_table(io.BytesIO(private.store.get(URI)))
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink)
    private.store.put("training/toy.csv", sink.getvalue())
    expected = read_training_rows(private, URI).records
    assert read_training_rows(private, "training/toy.csv").records.drop_columns(
        ["feature:country"]
    ) == expected.drop_columns(["feature:country"])  # CSV cannot tell an empty category from a missing one


def test_rows_that_were_stored_before_are_taken_as_they_are(private: Monitor) -> None:
    private_rows(private)
    first = read_training_rows(private, URI)
    plain = {
        name.split(":")[-1]: first.records[name]
        for name in first.records.column_names
        if name.startswith(("feature:", "segment:"))
    }
    rows_of(private, **plain, event_id=first.records["event_id"], score=[0.25] * ROWS, label=[1, 0] * 6)
    again = read_training_rows(private, URI, stored=True)
    assert again.records == first.records
    assert again.labels.equals(first.labels)


def test_what_is_dropped_need_not_be_there_but_the_rest_must(private: Monitor) -> None:
    private_rows(private, note=None)
    with pytest.raises(ConfigError, match="no column 'note'"):
        create_baseline(private)
    private_rows(private, region=None)
    create_baseline(private)


def test_without_a_key_there_is_no_baseline(private: Monitor) -> None:
    private_rows(private)
    with pytest.raises(
        ConfigError, match=r"^columns.privacy.columns.region: is to be hashed, and there is no key; hint: "
    ):
        create_baseline(replace(private, hash_key=b""))


def test_an_error_does_not_quote_a_value(private: Monitor) -> None:
    private_rows(private, pin=["PLANTED"] * ROWS)
    with pytest.raises(ConfigError) as caught:
        create_baseline(private)
    assert str(caught.value) == (
        f"{URI}: a column has another type than declared: 'pin' is string, and some of it is no double"
    )
    assert caught.value.__suppress_context__


# --- the baseline that is made of them


def test_a_baseline_profiles_what_is_stored(private: Monitor) -> None:
    private_rows(private)
    made = create_baseline(private)
    assert load_baseline(private, made.version) == made
    assert baseline_for(private, private.window("2024-02-01")) == made
    kinds = {name: spec.kind for name, spec in made.reference.spec.features.items()}
    assert kinds == {"age": "categorical", "country": "categorical", "note": "numeric", "pin": "categorical"}
    sample = load_sample(private, made.version)
    assert sample.drop_columns(["label"]).schema == schema(private.config.columns)


def test_its_categories_are_known_however_many_there_are(private: Monitor) -> None:
    private_rows(private)
    known = create_baseline(private).known_categories()
    assert set(known) == {"age", "country", "pin", "region", "tier"}
    assert hashed("at", KEY) in known["country"]
    assert "<18" in known["age"]
    assert hashed("li", KEY) not in known["country"]
    assert ("gold" in known["tier"], "lead" in known["tier"]) == (True, False)
    assert hashed("south", KEY) in known["region"]


def test_categories_that_are_known_by_their_hashes_alone(make_world: MakeWorld) -> None:
    monitor = make_world(columns={"privacy": {"fold_below": 1}}).monitor
    names = [f"c{i:03d}" for i in range(300)]
    table = {"amount": [1.0] * 900, "age": [1.0] * 900, "country": names * 3, "score": [0.5] * 900, "label": [1] * 900}
    moments = pa.array([monitor.window("2024-01-01").start] * 900, pa.timestamp("us", tz="UTC"))
    sink = io.BytesIO()
    pq.write_table(pa.table({"event_time": moments, **table}), sink)
    monitor.store.put(URI, sink.getvalue())
    known = create_baseline(monitor).known_categories()["country"]
    assert all(name in known for name in names)
    assert "c300" not in known


def test_another_key_is_told(private: Monitor) -> None:
    private_rows(private)
    create_baseline(private, version="v1")
    other, window = replace(private, hash_key=KEY[::-1]), private.window("2024-02-01")
    with pytest.raises(ConfigError, match=r"^toy: baseline v1 was made with another hash key; hint: give back the old"):
        baseline_for(other, window)
    with pytest.raises(ConfigError, match="there is no key"):
        baseline_for(replace(private, hash_key=b""), window)
    create_baseline(other, version="v2", valid_from=window.start)
    assert baseline_for(other, window) == load_baseline(other, "v2")


# --- tasks


def test_without_a_block_there_is_no_baseline(make_world: MakeWorld) -> None:
    monitor = make_world(baseline=None).monitor
    for uri in ("", "training/toy.parquet"):
        with pytest.raises(ConfigError) as caught:
            create_baseline(monitor, uri=uri)
        assert str(caught.value) == (
            "toy: no baseline is configured; hint: add a block `baseline` with the `uri` of the training rows"
        )


def _plain(monitor: Monitor, **columns: Any) -> None:
    rows_of(monitor, amount=[1.0] * ROWS, age=[2.0] * ROWS, country=["at"] * ROWS, **columns)


@pytest.mark.parametrize(("task", "score"), [("multiclass", 0.5), ("regression", -12.5)])
def test_other_tasks_need_no_label(make_world: MakeWorld, task: str, score: float) -> None:
    monitor = make_world(labels=None, columns={"task": task}).monitor
    _plain(monitor, score=[score] * ROWS)
    rows = read_training_rows(monitor, URI)
    assert rows.labels.to_pylist() == [None] * ROWS
    assert rows.records["score"].to_pylist() == [score] * ROWS
    assert rows.records["prediction"].to_pylist() == [None] * ROWS
    assert rows.records.schema == schema(monitor.config.columns)
    made = create_baseline(monitor)
    assert load_baseline(monitor, made.version) == made
    assert made.reference.profile.score.finite == ROWS


@pytest.mark.parametrize(
    ("task", "score", "message"),
    [
        ("multiclass", 1.5, "'score' is no probability in 1 rows; allowed: 0 to 1"),
        ("regression", float("inf"), "'score' is not finite in 1 rows; allowed: numbers"),
        ("regression", None, "'score' is not finite in 1 rows; allowed: numbers"),
    ],
)
def test_scores_that_the_task_does_not_have(make_world: MakeWorld, task: str, score: Any, message: str) -> None:
    monitor = make_world(labels=None, columns={"task": task}).monitor
    _plain(monitor, score=[score, *[0.5] * (ROWS - 1)])
    with pytest.raises(ConfigError) as caught:
        create_baseline(monitor)
    assert str(caught.value) == f"{URI}: {message}"


PROBABLE = {"task": "multiclass", "probabilities": {"ant": "p_ant", "bee": "p_bee"}, "score": "", "outputs": ["p_ant"]}


def test_probabilities_of_training_rows(make_world: MakeWorld) -> None:
    monitor = make_world(labels=None, columns=PROBABLE).monitor
    _plain(monitor, p_ant=[0.5, 0.25] * 6, p_bee=[0.5, 0.75] * 6, label=["ant", "", None, "cat"] * 3)
    rows = read_training_rows(monitor, URI)
    assert rows.records.schema == schema(monitor.config.columns)
    assert rows.records["probability.bee"].to_pylist() == [0.5, 0.75] * 6
    assert rows.records["score"].to_pylist() == [0.5, 0.75] * 6
    assert rows.records["prediction"].to_pylist() == ["ant", "bee"] * 6
    assert rows.labels.equals(pa.array(["ant", None, None, "cat"] * 3))
    _plain(monitor, p_ant=[0.5, 0.25] * 6)
    with pytest.raises(ConfigError, match="no column 'p_bee'"):
        read_training_rows(monitor, URI)
    _plain(monitor, p_ant=[0.5] * ROWS, p_bee=[0.5] * (ROWS - 2) + [None, 1.5])
    with pytest.raises(ConfigError, match="'p_bee' is no probability in 2 rows; allowed: 0 to 1"):
        read_training_rows(monitor, URI)


def test_predictions_of_training_rows(make_world: MakeWorld) -> None:
    monitor = make_world(labels=None, columns={"task": "multiclass", "prediction": "class"}).monitor
    _plain(monitor, score=[0.5] * ROWS, label=[1.0, 2.0, None] * 4, **{"class": [1, 2, 3] * 4})
    rows = read_training_rows(monitor, URI)
    assert rows.records["prediction"].to_pylist() == ["1", "2", "3"] * 4
    assert rows.labels.to_pylist() == ["1", "2", None] * 4


def test_labels_that_are_numbers(make_world: MakeWorld) -> None:
    monitor = make_world(labels=None, columns={"task": "regression"}).monitor
    _plain(monitor, score=[0.5] * ROWS, label=[1.0, float("nan"), None] * 4)
    labels = read_training_rows(monitor, URI).labels
    assert labels.equals(pa.array([1.0, None, None] * 4, pa.float64()))
    _plain(monitor, score=[0.5] * ROWS, label=[float("inf")] * ROWS)
    with pytest.raises(ConfigError, match="'label' is not finite in 12 rows"):
        read_training_rows(monitor, URI)
    _plain(monitor, score=[0.5] * ROWS, label=["high"] * ROWS)
    with pytest.raises(ConfigError, match="'label' is string, and some of it is no double"):
        read_training_rows(monitor, URI)


def test_a_model_without_scores(make_world: MakeWorld) -> None:
    monitor = make_world(columns={"score": "", "outputs": []}).monitor
    _plain(monitor, label=[1, 0] * 6)
    rows = read_training_rows(monitor, URI)
    assert rows.records["score"].to_pylist() == rows.records["prediction"].to_pylist() == [None] * ROWS
    assert rows.labels.to_pylist() == [True, False] * 6
    made = create_baseline(monitor)
    assert load_baseline(monitor, made.version) == made
    assert made.reference.limits.spread("ranking", 1) is None


def test_a_file_whose_first_column_has_no_name(make_world: MakeWorld) -> None:
    monitor = make_world().monitor
    _plain(monitor, score=[0.5] * ROWS, label=[1, 0] * 6)
    table = pq.read_table(io.BytesIO(monitor.store.get(URI)))
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table.add_column(0, "", pa.array(range(ROWS))), sink)
    monitor.store.put("training/toy.csv", sink.getvalue())
    assert read_training_rows(monitor, "training/toy.csv").records["status"].null_count == ROWS
