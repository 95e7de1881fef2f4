"""The streams, the peers and the oracle of the benchmark of verdicts, held against the rows that they stand for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import verdicts
from benchmarks.verdict_judge import Said
from benchmarks.verdict_oracle import POWER, days_like, oracle_for, tolerated
from benchmarks.verdict_peers import EvidentlyDefaults, NannyThresholds, counts_of, metrics, together
from benchmarks.verdict_profiles import NumericCounter, Profiler
from benchmarks.verdict_streams import STREAMS, Draw, Stream, config_of, pool_of, shifts_of, unchanged
from monitoring.capture.schema import schema
from monitoring.measure import evidently, performance
from monitoring.measure.performance_rows import cells_by_column, learn_basis
from monitoring.profile import OutcomeProfile, WindowProfile
from monitoring.profile.score_counts import ScoreProfile

ROWS = 500


@pytest.fixture(scope="module")
def profiler() -> Profiler:
    return Profiler(pool_of("weather"))


@pytest.fixture(scope="module")
def draws(profiler: Profiler) -> list[Draw]:
    stream = Stream.of("weather", profiler.pool, ROWS, 3)
    return [stream.draw() for _ in range(8)]


def records(profiler: Profiler, draw: Draw) -> pa.Table:
    """The rows of a window, one by one."""
    rows = profiler.pool.records.take(pa.array(np.repeat(np.arange(len(draw.rows)), draw.rows)))
    wanted = schema(config_of(profiler.pool).columns)
    start = datetime(draw.day.year, draw.day.month, draw.day.day, tzinfo=UTC)
    times = [start + timedelta(hours=int(hour)) for hour in np.repeat(np.arange(24), draw.hours)]
    given: dict[str, Any] = {
        **{name: rows[name] for name in rows.column_names},
        "event_time": pa.array(times),
        "model_version": pa.array(["v1"] * rows.num_rows),
        "status": pa.array([200] * rows.num_rows),
    }
    blank = {field.name: pa.nulls(rows.num_rows, field.type) for field in wanted}
    return pa.table({**blank, **{k: v.cast(wanted.field(k).type) for k, v in given.items()}}, schema=wanted)


def labels(draw: Draw) -> np.ndarray:
    pairs = zip(draw.rows, draw.positives, strict=True)
    return np.concatenate([np.repeat([True, False], [positive, rows - positive]) for rows, positive in pairs])


def test_the_profile_of_a_draw_is_that_of_its_rows(profiler: Profiler, draws: list[Draw]) -> None:
    found = [WindowProfile.of(records(profiler, draw), profiler.spec) for draw in draws[:2]]
    assert profiler.window(draws[:1]) == found[0]
    assert profiler.window(draws[:2]) == found[0].merge(found[1])


def test_the_state_of_a_draw_is_that_of_its_rows(profiler: Profiler, draws: list[Draw]) -> None:
    draw = draws[0]
    scores, actual = np.repeat(profiler.pool.rates, draw.rows), labels(draw)
    known = np.random.default_rng(1).random(len(actual)) < 0.7
    counts = [
        np.stack([profiler.score.counts(np.bincount(rows, minlength=len(draw.rows)))[:-1] for rows in sides], axis=1)
        for sides in (
            [np.repeat(np.arange(len(draw.rows)), draw.rows)[part & (actual == side)] for side in (False, True)]
            for part in (np.ones_like(known), known)
        )
    ]
    assert np.array_equal(counts[0], profiler.labels(draw))
    state = profiler.state(*counts)
    wanted = OutcomeProfile.of(scores[known], scores[known] >= 0.5, actual[known]).arrays()
    assert all(np.array_equal(item, wanted[name]) for name, item in state.labelled.arrays().items())
    waiting = ScoreProfile.of(scores[~known], scores[~known] >= 0.5).arrays()
    assert all(np.array_equal(item, waiting[name]) for name, item in state.unlabelled.arrays().items())


def test_the_basis_of_draws_is_that_of_their_rows(profiler: Profiler, draws: list[Draw]) -> None:
    table = pa.concat_tables([records(profiler, draw) for draw in draws])
    actual = pa.array(np.concatenate([labels(draw) for draw in draws]))
    cells = cells_by_column(table, profiler.spec)
    bins, sizes = {name: cell for name, (cell, _) in cells.items()}, {name: size for name, (_, size) in cells.items()}
    wanted = learn_basis(table, actual, config_of(profiler.pool).columns, bins, sizes)
    found = profiler.basis(draws)
    assert all(np.array_equal(found.losses.features[name], wanted.losses.features[name]) for name in bins)
    assert found.reference.sums == wanted.reference.sums


def test_evidently_is_what_the_measurements_say_it_is(profiler: Profiler, draws: list[Draw]) -> None:
    parts = [counts_of(profiler, draw) for draw in draws]
    known = sum((profiler.labels(draw) for draw in draws[1:7]), profiler.labels(draws[0]))
    ours = EvidentlyDefaults(profiler, together(parts[:7]), known)
    reference, current = profiler.window(draws[:7]), profiler.window(draws[7:])
    for name, column in profiler.columns.items():
        sides = reference.distribution(name), current.distribution(name)
        method = "wasserstein" if isinstance(column, NumericCounter) else "jensen_shannon"
        assert evidently.default_method(*sides) == method
        assert ours.distance(name, parts[7][name]) == pytest.approx(getattr(evidently, method)(*sides).value, abs=1e-9)


def test_the_numbers_of_performance_are_ours(profiler: Profiler, draws: list[Draw]) -> None:
    counts = profiler.labels(draws[0])
    ours = performance.performance(profiler.outcomes(counts))
    for name, value in metrics(counts, profiler.score.values).items():
        assert value == pytest.approx(ours[name].value, abs=1e-9)


def test_nannyml_takes_its_bins_from_the_reference_and_its_limits_from_the_chunks(
    profiler: Profiler, draws: list[Draw]
) -> None:
    parts = [counts_of(profiler, draw) for draw in draws]
    found = NannyThresholds(profiler, parts[:7], [profiler.labels(draw) for draw in draws[:7]])
    values = np.repeat(profiler.columns["age"].values, together(parts[:7])["age"]).astype(float)
    edges = np.histogram_bin_edges(values, bins="doane")
    assert found.reference["age"][:-1] == pytest.approx(np.histogram(values, edges)[0] / len(values))
    distances = [found.distance("age", part["age"]) for part in parts[:7]]
    assert found.upper["age"] == pytest.approx(np.mean(distances) + 3 * np.std(distances))


@pytest.mark.parametrize("stream", STREAMS)
def test_a_seed_gives_the_same_windows(stream: str) -> None:
    pool = pool_of(stream)
    one, two = (Stream.of(stream, pool, 100, 5).draw() for _ in range(2))
    assert np.array_equal(one.rows, two.rows)
    assert np.array_equal(one.positives, two.positives)
    assert not np.array_equal(one.rows, Stream.of(stream, pool, 100, 6).draw().rows)


@pytest.mark.parametrize("kind", [*shifts_of("iid")])
def test_no_effect_is_no_change(profiler: Profiler, kind: str) -> None:
    change, none = shifts_of("iid")[kind].of(profiler.pool, 0.0), unchanged(profiler.pool)
    assert np.ptp(change.weights) == pytest.approx(0.0, abs=1e-9)
    assert change.rates == pytest.approx(none.rates)


@pytest.mark.parametrize("kind", ["mean", "concept"])
def test_the_oracle_has_its_power_and_its_level(profiler: Profiler, kind: str) -> None:
    pool, level = profiler.pool, 0.1
    oracle = oracle_for(pool, days_like("iid", pool), shifts_of("iid")[kind], 1_000, level)
    assert oracle is not None
    stream = Stream.of("iid", pool, 1_000, 9)
    found = [np.mean([oracle.says(stream.draw(change)) for _ in range(400)]) for change in (None, oracle.change)]
    assert found == pytest.approx([level, POWER], abs=0.06)


def test_a_tolerance_makes_the_effect_larger(profiler: Profiler) -> None:
    pool, shift, days = profiler.pool, shifts_of("iid")["mean"], days_like("iid", profiler.pool)
    least = tolerated(pool, shift, profiler.cells, {"drift": 0.05})
    plain, tolerant = (oracle_for(pool, days, shift, 1_000, 0.01, item) for item in (0.0, least))
    assert plain is not None
    assert tolerant is not None
    assert 0 < least < tolerant.effect
    assert plain.effect < tolerant.effect


def test_a_finding_names_columns_or_labels() -> None:
    assert Said("warn", "feature_drift", "age").names(["amount", "age"])
    assert not Said("warn", "feature_drift", "amount").names(["age"])
    assert not Said("warn", "nulls", "age").names(["age"])
    assert Said("fail", "loss", "").names([])


def test_a_model_is_looked_at_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MONTH_DAYS", 3)
    monkeypatch.setattr(verdicts, "AFTER", 2)
    cell = verdicts.Cell("iid", 300, days=10)
    some = {item: oracle for item, oracle in verdicts.oracles("iid", 300).items() if item[0] == "concept"}
    found = verdicts.run(cell, 1, 1, some)
    assert found.months == 1
    assert [(item["kind"], item["null"]) for item in found.changes] == [*some]
    text = verdicts.report({cell: found})
    assert "iid, 300 rows, 10 days" in text
    assert set(verdicts.figures_of({cell: found})) <= {
        "false_fails_per_model_month_worst",
        "power_worst",
        "delay_windows_worst",
    }
