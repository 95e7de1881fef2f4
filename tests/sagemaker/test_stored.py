from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.baseline import baseline_for, load_sample
from monitoring.config import ModelConfig
from monitoring.errors import ConfigError
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.pipeline import run_window
from monitoring.profile import CategoricalSpec, NumericProfile, WindowProfile
from monitoring.sagemaker.baselines import baseline_of
from monitoring.sagemaker.files import Statistics
from monitoring.sagemaker.stored import freeze_baseline, read_file, write_look
from monitoring.store.local import LocalStore
from tests.conftest import FEATURES, ROWS_A_DAY, Seaweed, World, training_rows
from tests.sagemaker.written import constraints_file, numeric_feature, statistics_file, text_feature

MakeConfig = Callable[..., ModelConfig]


def rows() -> pa.Table:
    return pq.read_table(pa.BufferReader(training_rows()))


def toy_statistics(*, score: bool = True) -> bytes:
    data = rows()
    features = [
        (text_feature if name == "country" else numeric_feature)(name, data[name].to_pylist())
        for name in (*FEATURES, *(["score"] if score else []))
    ]
    return statistics_file(data.num_rows, *features)


@pytest.fixture
def world(tmp_path: Path, make_config: MakeConfig) -> World:
    return World(LocalStore(tmp_path), make_config(report={"sagemaker": True}))


def test_a_baseline_is_like_that_of_the_rows(world: World) -> None:
    monitor = world.monitor
    made = freeze_baseline(monitor, toy_statistics())
    found = baseline_for(monitor, world.window(0))
    assert found is not None
    assert (found.version, found.rows, found.basis) == (made.version, rows().num_rows, None)
    profile, data = found.reference.profile, rows()
    for name in ("amount", "age"):
        column, values = profile.features[name], data[name].drop_null().to_numpy()
        assert isinstance(column, NumericProfile)
        assert (column.nulls, column.finite) == (data[name].null_count, len(values))
        # a sketch of 2,048 values of 3,000, in bins of one value
        assert column.mean == pytest.approx(values.mean(), abs=1e-3 * values.std())
    country = found.reference.spec.features["country"]
    assert isinstance(country, CategoricalSpec)
    assert country.names == ("at", "ch", "de", "li")
    assert profile.score.finite == data.num_rows
    assert load_sample(monitor, made.version).num_rows == 0


def test_the_same_files_give_the_same_baseline(world: World) -> None:
    first = freeze_baseline(world.monitor, toy_statistics())
    assert freeze_baseline(world.monitor, toy_statistics()).version == first.version
    with pytest.raises(ConfigError, match="there is a baseline already"):
        freeze_baseline(world.monitor, toy_statistics(score=False))


def test_nothing_but_nulls_and_categories_has_an_ordinary_value(world: World) -> None:
    limits = freeze_baseline(world.monitor, toy_statistics()).reference.limits
    assert list(limits.spreads) == [
        *(f"{check}:{name}" for check in ("mismatch", "nulls") for name in ("age", "amount", "country")),
        "unseen:country",
    ]
    share = rows()["amount"].null_count / rows().num_rows
    assert [(s.mean, s.deviation) for s in limits.spreads["nulls:amount"]] == [(share, 0.0)]


def test_domains_are_categories_of_the_baseline(world: World) -> None:
    column = {"name": "country", "inferred_type": "String", "string_constraints": {"domains": ["fr"]}}
    found = freeze_baseline(world.monitor, toy_statistics(), constraints_file(column))
    spec = found.reference.spec.features["country"]
    assert isinstance(spec, CategoricalSpec)
    assert "fr" in spec.names


def frozen(config: ModelConfig, key: bytes = b"") -> WindowProfile:
    found = Statistics.parse(toy_statistics(), "s")
    always = rows()["event_time"][0].as_py()
    return baseline_of(found, None, config, version="v", valid_from=always, source="", key=key).reference.profile


def test_private_values_are_hashed_and_rare_ones_folded(make_config: MakeConfig) -> None:
    config = make_config(columns={"privacy": {"columns": {"country": "hash"}, "fold_below": 300}})
    names = frozen(config, b"a key of sixteen bytes").features["country"].cells()
    assert sum(name.startswith("h:") for name in names) == 3
    assert names["(rare)"] == rows()["country"].to_pylist().count("li")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"features": {"missing": "numeric"}}, "no column 'missing' in the statistics"),
        ({"features": {"age": "categorical"}}, "age is categorical in the model, and Integral in the statistics"),
        ({"features": {"country": "text"}}, "country: its lengths are stored"),
        ({"privacy": {"columns": {"age": [18.0, 65.0]}}}, "age: its intervals or hashes are stored"),
        ({"privacy": {"columns": {"age": "hash"}}}, "age: its intervals or hashes are stored"),
    ],
)
def test_what_statistics_cannot_give_is_refused(make_config: MakeConfig, columns: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        frozen(make_config(columns=columns))


def test_a_run_on_such_a_baseline_writes_the_files(world: World) -> None:
    monitor, window = world.monitor, world.window(0)
    freeze_baseline(monitor, toy_statistics())
    world.play(0)
    verdict = run_window(monitor, window)[0]
    assert verdict.status is not Status.FAIL
    body = json.loads(monitor.store.get(monitor.layout.statistics(window, 1)))
    assert body["dataset"] == {"item_count": ROWS_A_DAY}
    assert [feature["name"] for feature in body["features"]] == [*sorted(FEATURES), "score"]
    place = monitor.layout.constraint_violations(window, 1)
    before = monitor.store.get(place)
    assert json.loads(before) == {"violations": []}
    run_window(monitor, window)
    assert monitor.store.get(place) == before
    assert json.loads(monitor.store.get(monitor.layout.model_quality_violations(window, 1))) == {"violations": []}


def test_files_without_labels_say_nothing_of_model_quality(tmp_path: Path, make_config: MakeConfig) -> None:
    world = World(LocalStore(tmp_path), make_config(labels=None))
    freeze_baseline(world.monitor, toy_statistics())
    world.play(0)
    verdict = run_window(world.monitor, world.window(0))[0]
    place = (verdict.window, 1)
    assert not world.monitor.store.exists(world.monitor.layout.statistics(*place))
    baseline = baseline_for(world.monitor, verdict.window)
    assert baseline is not None
    write_look(world.monitor, verdict, baseline.reference.profile)
    assert world.monitor.store.exists(world.monitor.layout.statistics(*place))
    assert not world.monitor.store.exists(world.monitor.layout.model_quality_violations(*place))


def test_a_file_may_be_here_or_in_the_store(world: World, tmp_path: Path) -> None:
    world.monitor.store.put("from/aws/statistics.json", b"stored")
    (tmp_path / "here.json").write_bytes(b"here")
    assert read_file(world.monitor, "from/aws/statistics.json") == b"stored"
    assert read_file(world.monitor, str(tmp_path / "here.json")) == b"here"


def test_a_file_may_be_in_another_bucket(world: World, seaweed: Seaweed) -> None:
    monitor = Monitor(world.monitor.store, world.monitor.config, lambda: seaweed.client)
    seaweed.client.put_object(Bucket=seaweed.bucket, Key="from/aws/constraints.json", Body=b"there")
    assert read_file(monitor, f"s3://{seaweed.bucket}/from/aws/constraints.json") == b"there"
