"""The same few operations for every task: stored and read back, merged, estimated, corrected, realised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring import documents
from monitoring.config.capture import Columns
from monitoring.measure.basis import Basis, PerformanceRows, State
from monitoring.measure.performance import performance
from monitoring.measure.performance_rows import default_basis, learn_basis, performance_rows, unpack_basis
from monitoring.measure.series import performance_of

Make = Callable[..., tuple[pa.Table, pa.Array]]
CLASSES = ("a", "b", "c")


def _binary(rows: int, seed: int, shift: float = 0.0) -> tuple[pa.Table, pa.Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    scores = 1 / (1 + np.exp(-x))
    labels = random.random(rows) < 1 / (1 + np.exp(-x - shift))
    table = pa.table({"score": scores, "prediction": scores >= 0.5, "feature:x": x})
    return table, pa.array(labels)


def _multiclass(rows: int, seed: int, shift: float = 0.0) -> tuple[pa.Table, pa.Array]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, 3)) * 2
    given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    moved = np.exp(logits + np.array([shift, 0.0, 0.0]))
    true = moved / moved.sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1).clip(max=2)
    body: dict[str, Any] = {f"probability.{name}": given[:, i] for i, name in enumerate(CLASSES)}
    body |= {
        "score": given.max(axis=1),
        "prediction": np.array(CLASSES)[given.argmax(axis=1)],
        "feature:x": logits[:, 0],
    }
    return pa.table(body), pa.array(np.array(CLASSES)[labels])


def _regression(rows: int, seed: int, shift: float = 0.0) -> tuple[pa.Table, pa.Array]:
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    actual = 2 * x + random.normal(size=rows) * (0.5 + 0.5 * (x > 0)) + shift
    return pa.table({"score": 2 * x, "prediction": pa.nulls(rows, pa.string()), "feature:x": x}), pa.array(actual)


COLUMNS = {
    "binary": Columns(features={"x": "numeric"}),
    "multiclass": Columns(task="multiclass", features={"x": "numeric"}, probabilities={name: name for name in CLASSES}),
    "confidence": Columns(task="multiclass", features={"x": "numeric"}, prediction="label", outputs=["label", "score"]),
    "regression": Columns(task="regression", features={"x": "numeric"}),
}
MAKE: dict[str, Make] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "confidence": _multiclass,
    "regression": _regression,
}
TASKS = list(MAKE)


def _basis(task: str) -> Basis:
    table, labels = MAKE[task](3000, 1)
    cells = np.digitize(table["feature:x"].to_numpy(), [-1.0, 0.0, 1.0])
    return learn_basis(table, labels, COLUMNS[task], {"x": cells}, {"x": 4})


def _rows(task: str, basis: Basis, rows: int, seed: int, share: float = 1.0, shift: float = 0.0) -> PerformanceRows:
    table, labels = MAKE[task](rows, seed, shift)
    hidden = np.random.default_rng(seed + 99).random(rows) >= share
    labels = pa.array(labels.to_pylist(), labels.type, mask=hidden)
    return performance_rows(table, labels, COLUMNS[task], basis.classes)[0]


def _numbers(found: dict[str, Any]) -> dict[str, Any]:
    return {name: (number.value, number.low, number.high) for name, number in found.items()}


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    """One task after the other."""
    return str(request.param)


@pytest.fixture(scope="module")
def basis(task: str) -> Basis:
    """A baseline of 3000 rows."""
    return _basis(task)


def _state(task: str, basis: Basis, *args: Any, **more: Any) -> State:
    return basis.state(_rows(task, basis, *args, **more))


def test_a_basis_that_was_stored_is_the_same(task: str, basis: Basis) -> None:
    data = documents.pack("labelled", 1, *basis.pack())
    again = unpack_basis(*documents.unpack(data, "labelled", 1, "here"))
    assert documents.pack("labelled", 1, *again.pack()) == data
    state = _state(task, basis, 400, 2, 0.5)
    for name in ("estimated", "realised"):
        assert _numbers(getattr(again, name)(state)) == _numbers(getattr(basis, name)(state))
    assert _numbers(again.combined(state, {})) == _numbers(basis.combined(state, {}))


def test_two_windows_together_are_the_rows_of_both(task: str, basis: Basis) -> None:
    rows = _rows(task, basis, 600, 3, 0.5)
    first = np.arange(600) < 250
    merged = basis.merge(basis.state(rows.take(first)), basis.state(rows.take(~first)))
    whole = basis.state(rows)
    assert _numbers(basis.realised(merged)) == _numbers(basis.realised(whole))
    merged = basis.merge(basis.empty(), whole)
    assert _numbers(basis.estimated(merged)) == _numbers(basis.estimated(whole))


def test_the_series_begins_as_an_estimate_and_ends_as_the_truth(task: str, basis: Basis) -> None:
    stages = []
    for share, final in ((0.0, False), (0.02, False), (0.5, False), (1.0, False), (0.9, True)):
        rows = _rows(task, basis, 800, 4, share)
        state, labelled = basis.state(rows), int(rows.known.sum())
        found = performance_of(basis, state, 800, labelled, {}, final=final)
        stages.append(found.stage)
        realised = _numbers(performance(basis.profile(state)))
        assert _numbers(found.realised) == realised
        if found.stage == "estimated":
            assert found.numbers is found.estimated
        elif share == 1.0 or final:
            assert _numbers(found.numbers) == realised
        number = found.numbers[basis.loss]
        assert number.low is not None
        assert number.high is not None
        assert number.low <= number.value <= number.high
    assert stages == ["estimated", "estimated", "provisional", "provisional", "final"]


def test_the_gap_tells_a_changed_relation_from_rows_that_moved(task: str, basis: Basis) -> None:
    rows = _rows(task, basis, 4000, 5)
    moved = rows.take(rows.scores > np.quantile(rows.scores, 0.6))
    quiet = basis.loss_gap(basis.gap(basis.state(moved), {}))
    assert quiet is not None
    assert quiet.p_value is not None
    assert quiet.p_value > 0.01
    changed = basis.loss_gap(basis.gap(_state(task, basis, 4000, 5, shift=2.0), {}))
    assert changed is not None
    assert changed.p_value is not None
    assert changed.p_value < 1e-6
    assert (changed.value or 0) > 0


def test_the_cheap_difference_is_that_of_the_gap(task: str, basis: Basis) -> None:
    state = _state(task, basis, 2000, 6, shift=1.0)
    gap = basis.loss_gap(basis.gap(state, {}))
    assert gap is not None
    # the gap takes the map's optimism away as well
    assert basis.loss_difference(state) == pytest.approx(gap.value, abs=0.01 * max(basis.largest, 1.0))


def test_losses_by_cell_average_to_the_loss(task: str, basis: Basis) -> None:
    rows, total, _ = basis.losses.of_feature("x")
    reference = performance(basis.reference)[basis.loss].value
    mean = total.sum() / rows.sum()
    assert mean == pytest.approx(1 - reference if basis.loss == "accuracy" else reference, rel=1e-4)


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_without_labelled_rows_only_realised_numbers_are_told(name: str) -> None:
    nothing = default_basis(COLUMNS[name])
    rows = _rows(name, nothing, 100, 7)
    state = nothing.state(rows)
    found = performance_of(nothing, state, 100, 100, {}, final=True)
    assert (found.stage, found.estimated, nothing.estimates) == ("final", {}, False)
    assert found.numbers["mae" if name == "regression" else "accuracy"].rows == 100
    before = performance_of(nothing, nothing.state(_rows(name, nothing, 100, 7, 0.0)), 100, 0, {}, final=False)
    assert before.stage == "unknown"


def test_a_call_that_failed_is_no_row() -> None:
    table = pa.table({"score": [0.2, None, 0.7], "prediction": [False, None, True]})
    rows, answered = performance_rows(table, pa.array(["1", "1", None]), COLUMNS["binary"])
    assert answered.tolist() == [True, False, True]
    assert (rows.known.tolist(), rows.labels.tolist()[:1]) == ([True, False], [1])


def test_classes_are_spelled_like_labels() -> None:
    columns = Columns(task="multiclass", features={"x": "numeric"}, prediction="label", outputs=["label", "score"])
    table = pa.table({"score": [0.9, 0.8], "prediction": ["1.0", "x"]})
    rows, _ = performance_rows(table, pa.array(["1", "2"]), columns, ("1", "2"))
    assert (rows.predictions.tolist(), rows.labels.tolist()) == ([0, 2], [0, 1])
