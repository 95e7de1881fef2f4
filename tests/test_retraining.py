"""What a retraining learns from, how its model is compared, and what a promotion changes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitoring import history, pipeline
from monitoring.baseline import baseline_for, create_baseline
from monitoring.capture.writer import write_labels
from monitoring.decide.gate import Comparison
from monitoring.errors import ConfigError
from monitoring.retraining import (
    TrainingRows,
    claim_request,
    compare_models,
    conclude,
    export_training_rows,
    outcomes,
    request_for,
    version_after,
)
from monitoring.store import Store
from monitoring.store.local import LocalStore
from tests.conftest import ROWS_A_DAY, TRAINING_DAYS, World, training_rows

MakeWorld = Callable[..., World]
ASKED = 7  # the window whose decision asks; at its run the windows up to two days before have matured
HELD_OUT = 3
REQUEST = {"model": "toy", "window": "2024-01-18", "reasons": ["It fails."]}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the world is kept that each test gets a copy of."""
    return tmp_path_factory.mktemp("retraining") / "store"


@pytest.fixture
def world(make_world: MakeWorld, prepared: Path, tmp_path: Path) -> World:
    """Eight days that have been looked at."""
    if not prepared.exists():
        first = make_world(LocalStore(prepared))
        first.train()
        first.play(*range(ASKED + 1))
        _run(first, *range(ASKED + 1))
        for folder in ("captures", "labels"):  # they were read, and fewer files are copied faster
            shutil.rmtree(prepared / folder)
    shutil.copytree(prepared, tmp_path / "copy")
    return make_world(LocalStore(tmp_path / "copy"))


def _run(world: World, *numbers: int) -> None:
    for number in numbers:
        pipeline.run_window(world.monitor, world.window(number))


def _read(store: Store, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(store.get(key)))


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _bytes(store: Store) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.keys("")}


def _export(world: World) -> TrainingRows:
    return export_training_rows(world.monitor, world.window(ASKED), held_out=HELD_OUT)


def _challenge(world: World, rows: TrainingRows, better: bool) -> Comparison:
    """Compare with a challenger that is surer of what came true, or of what did not."""
    held = _read(world.monitor.store, rows.held_out)
    truth = np.array(held["label"].to_pylist()) == ("1" if better else "0")
    scores = 0.5 * held["score"].to_numpy() + 0.5 * truth
    scored = pa.table({"event_id": held["event_id"], "score": scores})
    return compare_models(world.monitor, rows, _parquet(scored))


def _conclude(world: World, better: bool) -> str:
    rows = _export(world)
    return conclude(
        world.monitor,
        world.window(ASKED),
        _challenge(world, rows, better),
        request=REQUEST,
        model=b"the fitted model",
        baseline_rows=world.monitor.store.get(rows.fit),
    )


# --- what is learned from


def test_the_newest_matured_windows_are_held_out(world: World) -> None:
    rows = _export(world)
    fit, held = _read(world.monitor.store, rows.fit), _read(world.monitor.store, rows.held_out)
    assert sorted(set(held["window"].to_pylist())) == ["2024-01-14", "2024-01-15", "2024-01-16"]
    assert sorted(set(fit["window"].to_pylist())) == ["", "2024-01-11", "2024-01-12", "2024-01-13"]
    assert (rows.fit_rows, rows.held_out_rows) == (fit.num_rows, held.num_rows)
    assert fit["window"].to_pylist().count("") == TRAINING_DAYS * ROWS_A_DAY
    for number in range(6):
        table, name = fit if number < 3 else held, world.window(number).label
        mine = table.filter(pc.equal(table["window"], name))
        # every label that ever came, and no row without one
        assert dict(zip(mine["event_id"].to_pylist(), mine["label"].to_pylist(), strict=True)) == {
            key: label for key, label, _ in world.labels(number)
        }
    assert fit.schema == held.schema
    assert {"amount", "age", "country", "event_time", "score", "label", "event_id", "window"} == set(fit.column_names)


def test_without_enough_matured_windows_there_is_nothing_to_compare_on(world: World) -> None:
    with pytest.raises(ConfigError, match=r"^toy: 6 matured windows before 2024-01-18, 6 are held out; hint: wait"):
        export_training_rows(world.monitor, world.window(ASKED), held_out=6)
    assert not world.monitor.store.keys("toy/retraining/")


@pytest.mark.parametrize("kind", ["bool", "int", "float", "csv", "csv of bool"])
def test_labels_of_the_training_rows_come_out_as_the_labels_of_windows_do(world: World, kind: str) -> None:
    table = pq.read_table(io.BytesIO(training_rows()))
    truth = [label == "1" for label in table["label"].to_pylist()]
    types = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "csv": pa.int64(), "csv of bool": pa.bool_()}
    values = pa.array(truth).cast(pa.int64()).cast(types[kind])
    table = table.set_column(table.column_names.index("label"), "label", values)
    uri = "training/toy.csv" if "csv" in kind else "training/toy.parquet"
    if "csv" in kind:
        sink = io.BytesIO()
        pyarrow.csv.write_csv(table, sink)
        world.monitor.store.put(uri, sink.getvalue())
    else:
        world.monitor.store.put(uri, _parquet(table))
    config = world.monitor.config.model_copy(
        update={"baseline": world.monitor.config.baseline.model_copy(update={"uri": uri})}
    )
    other = World(world.monitor.store, config)
    fit = _read(other.monitor.store, _export(other).fit)
    assert set(fit["label"].to_pylist()) == {"0", "1"}
    original = fit.filter(pc.equal(fit["window"], ""))
    assert [label == "1" for label in original["label"].to_pylist()] == truth


def test_a_feature_may_have_the_name_of_a_column_of_ours(make_world: MakeWorld) -> None:
    features = {"amount": None, "age": None, "country": None, "status": "categorical"}
    world = make_world(columns={"features": features})
    table = pq.read_table(io.BytesIO(training_rows()))
    renamed = table.rename_columns(["status" if name == "country" else name for name in table.column_names])
    world.monitor.store.put("training/toy.parquet", _parquet(renamed))
    create_baseline(world.monitor)
    world.play(*range(ASKED + 1))
    for number in range(ASKED + 1):
        world.replace_captures(number, lambda item: replace(item, features=item.features[2:]))
    _run(world, *range(ASKED + 1))
    fit = _read(world.monitor.store, _export(world).fit)
    assert fit["status"].to_pylist()[: table.num_rows] == table["country"].to_pylist()


def test_windows_of_before_a_feature_was_declared_are_learned_from(make_world: MakeWorld) -> None:
    before = make_world(columns={"features": {"country": None}})
    before.train()
    before.play(*range(ASKED + 1))
    for number in range(ASKED + 1):
        kept = 2 if number < 4 else 3
        before.replace_captures(number, lambda item, kept=kept: replace(item, features=item.features[:kept]))
    _run(before, *range(4))
    after = make_world(before.monitor.store)
    create_baseline(after.monitor, version="v2", valid_from=after.window(4).start)
    _run(after, *range(4, ASKED + 1))
    rows = _export(after)
    fit, held = (_read(after.monitor.store, key) for key in (rows.fit, rows.held_out))
    assert fit.schema == held.schema
    assert [name in fit.column_names for name in ("amount", "age", "country")] == [True] * 3
    old = held.filter(pc.equal(held["window"], after.window(3).label))
    assert old["country"].null_count == old.num_rows > 0


# --- champion and challenger


def test_the_served_scores_are_the_champions(world: World) -> None:
    rows = _export(world)
    held = _read(world.monitor.store, rows.held_out)
    better, worse = _challenge(world, rows, better=True), _challenge(world, rows, better=False)
    truth, scores = np.array(held["label"].to_pylist()) == "1", held["score"].to_numpy()
    assert better.champion == worse.champion == pytest.approx(float(((scores - truth) ** 2).mean()))
    assert better.challenger == pytest.approx(better.champion / 4)
    assert (better.rows, better.windows) == (held.num_rows, HELD_OUT)
    assert (better.promote, worse.promote) == (True, False)
    assert worse.difference > 0 > better.difference


def test_a_challenger_has_to_score_the_rows_that_were_held_out(world: World) -> None:
    rows = _export(world)
    held = _read(world.monitor.store, rows.held_out).select(["event_id", "score"])
    for other in (held.slice(1), held.take(list(reversed(range(held.num_rows))))):
        with pytest.raises(ConfigError, match="the challenger scored other rows than those held out"):
            compare_models(world.monitor, rows, _parquet(other))


# --- what becomes of it


def test_a_promotion_serves_from_the_first_window_after_the_request(world: World) -> None:
    version, start = version_after(world.monitor, world.window(ASKED))
    assert start == world.window(ASKED + 2).start > world.monitor.as_of(world.window(ASKED))
    key = _conclude(world, better=True)
    store = world.monitor.store
    baseline = baseline_for(world.monitor, world.window(ASKED + 2))
    assert baseline is not None
    assert (baseline.version, baseline.valid_from) == (version, start)
    before = baseline_for(world.monitor, world.window(ASKED + 1))
    assert before is not None
    assert before.version != version
    assert json.loads(store.get("serving/toy/current.json")) == {
        "versions": [{"version": version, "valid_from": f"{start:%Y-%m-%d}T00:00:00Z"}]
    }
    assert store.get(f"serving/toy/{version}/model.joblib") == b"the fitted model"
    [record] = outcomes(world.monitor)
    assert json.loads(store.get(key)).items() >= record.items()
    assert (record["version"], record["request"], record["comparison"]["promote"]) == (version, REQUEST, True)
    assert record["valid_from"] == f"{start:%Y-%m-%d}T00:00:00Z"


def test_a_challenger_that_is_held_changes_nothing_but_the_record(world: World) -> None:
    before = _bytes(world.monitor.store)
    key = _conclude(world, better=False)
    after = _bytes(world.monitor.store)
    assert before.items() <= after.items()
    assert key == "toy/retraining/2024-01-20.json"
    assert all(name.startswith("toy/retraining/") for name in after.keys() - before.keys())
    [record] = outcomes(world.monitor)
    assert (record["valid_from"], record["comparison"]["promote"]) == (None, False)
    assert record["comparison"]["reason"].startswith("Held: not better beyond noise; ")


@pytest.mark.parametrize("better", [True, False])
def test_a_retraining_that_is_repeated_ends_in_the_same_bytes(world: World, better: bool) -> None:
    _conclude(world, better)
    before = _bytes(world.monitor.store)
    _conclude(world, better)
    assert _bytes(world.monitor.store) == before


def test_a_later_promotion_keeps_the_earlier_ones(world: World) -> None:
    pointer = b'{"versions": [{"version": "2023-12-24", "valid_from": "2023-12-24T00:00:00Z"}]}'
    world.monitor.store.put("serving/toy/current.json", pointer)
    _conclude(world, better=True)
    versions = json.loads(world.monitor.store.get("serving/toy/current.json"))["versions"]
    assert [item["version"] for item in versions] == ["2023-12-24", "2024-01-20"]


def test_after_a_promotion_the_windows_are_judged_anew(world: World) -> None:
    old = history.load_verdict(world.monitor, world.window(ASKED), 1).inputs["baseline"]
    version, start = version_after(world.monitor, world.window(ASKED))
    _conclude(world, better=True)
    world.play(*range(ASKED + 1, ASKED + 5))
    _run(world, *range(ASKED + 1, ASKED + 5))
    looks = [history.load_verdict(world.monitor, world.window(n), 1) for n in range(ASKED + 1, ASKED + 5)]
    assert [look.inputs["baseline"] for look in looks] == [old, version, version, version]
    first = world.window(ASKED + 2)
    assert first.start == start
    assert [look.trailing_windows for look in looks[1:]] == [
        tuple(first.shift(n).label for n in range(count)) for count in (1, 2, 3)
    ]
    # later looks at windows of before keep their baseline
    last = history.latest_verdict(world.monitor, world.window(ASKED + 1))
    assert last is not None
    assert (last.revision > 1, last.inputs["baseline"]) == (True, old)


def test_a_request_is_made_by_one_run_and_may_be_repeated_by_it(world: World) -> None:
    monitor, window = world.monitor, world.window(ASKED)
    assert claim_request(monitor, window, owner="run 1")
    assert claim_request(monitor, window, owner="run 1")
    assert not claim_request(monitor, window, owner="run 2")
    assert claim_request(monitor, window.shift(1), owner="run 2")
    assert outcomes(monitor) == []  # a request is no outcome


def test_what_a_retraining_by_hand_acts_on(world: World) -> None:
    decision = history.load_decision(world.monitor, world.window(ASKED), 1)
    assert decision is not None
    assert request_for(world.monitor, world.window(ASKED))["reasons"] == list(decision.reasons)
    assert request_for(world.monitor, world.window(99))["reasons"] == ["Started by hand."]


def test_only_labels_within_the_horizon_are_learned_from(world: World) -> None:
    moment = world.window(ASKED).start + timedelta(hours=12)
    known = {key for key, *_ in world.labels(0)}
    late = [item for item in world.inferences(0) if item.event_id not in known]
    assert late
    write_labels(world.monitor.store, "labels/toy", [(item.event_id, "1", moment) for item in late])
    world.play(ASKED + 1)
    _run(world, ASKED + 1)
    rows = export_training_rows(world.monitor, world.window(ASKED + 1), held_out=HELD_OUT)
    assert not {item.event_id for item in late} & set(_read(world.monitor.store, rows.fit)["event_id"].to_pylist())
