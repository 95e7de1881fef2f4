"""Rows without a label against rows with one: by hand, as laws, and where what is missing is known."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.measure.missing_labels import CellRows, MissingLabels, missing_labels
from monitoring.profile.losses import LossByBin

COLORS = ("red", "green", "blue")
# of the feature x in twenty quantiles, a color, and two columns that have nothing to do with anything
SIZES = {"x": 22, "color": 6, "first": 22, "second": 22}


class _Rows(NamedTuple):
    bins: dict[str, Any]
    losses: Any
    labelled: Any

    def measured(self) -> MissingLabels:
        return _measured(self.bins, self.losses, self.labelled)


def _measured(bins: dict[str, Any], losses: Any, labelled: Any, sizes: dict[str, int] | None = None) -> MissingLabels:
    sizes = {name: SIZES[name] for name in bins} if sizes is None else sizes
    columns = {
        name: CellRows(
            np.bincount(cells, minlength=sizes[name]),
            np.bincount(cells[labelled], minlength=sizes[name]),
            COLORS if name == "color" else None,
        )
        for name, cells in bins.items()
    }
    by_bin = LossByBin.of({name: cells[labelled] for name, cells in bins.items()}, sizes, losses[labelled], 1.0)
    return missing_labels(columns, by_bin, "Brier score")


def _rows(rng: np.random.Generator, rows: int, mechanism: str) -> _Rows:
    """The loss rises with x, and is higher for blue; by mechanism, so does the chance to have no label."""
    x, color = rng.random(rows), rng.integers(0, 3, rows)
    mean = 0.05 + 0.3 * x + 0.1 * (color == 2)
    losses = rng.beta(4 * mean, 4 * (1 - mean))
    chance = {
        "at random": np.full(rows, 0.7),
        "few": np.full(rows, 0.97),
        "x": 0.9 - 0.5 * x,
        "color": np.where(color == 2, 0.3, 0.8),
        "loss": 0.9 - 0.6 * losses,
    }[mechanism]
    others = {name: (rng.random(rows) * 20).astype(np.int64) for name in ("first", "second")}
    bins = {"x": (x * 20).astype(np.int64), "color": color, **others}
    return _Rows(bins, losses, rng.random(rows) < chance)


def _one(rows: list[int], labelled: list[int], names: tuple[str, ...] | None = None) -> str:
    cells = CellRows(np.array(rows), np.array(labelled), names)
    losses = LossByBin.empty({"x": len(rows)}, 1.0)
    return missing_labels({"x": cells}, losses, "Brier score").columns[0].sentence


# by hand


def test_reweighted_by_hand() -> None:
    bins = {"x": np.array([0, 0, 1, 1, 1, 1])}
    losses = np.array([0.1, 0.3, 0.5, 0.0, 0.0, 0.0])
    found = _measured(bins, losses, np.array([True, True, True, False, False, False]), {"x": 4})
    # 2/6 · 0.2 + 4/6 · 0.5 = 0.4 instead of 0.3
    assert found.mean_loss == pytest.approx(0.3, abs=1e-6)
    assert found.columns[0].loss_shift.value == pytest.approx(0.1, abs=1e-6)
    assert found.columns[0].without_losses == 0.0
    assert (found.lowest, found.highest) == pytest.approx((0.15, 0.65), abs=1e-6)
    assert (found.rows, found.labelled) == (6, 3)


def test_cells_without_losses_count_as_the_mean_and_are_said() -> None:
    bins = {"x": np.array([0, 0, 1, 1, 2, 3])}
    losses = np.array([0.1, 0.3, 0.5, 0.5, 0.9, 0.9])
    found = _measured(bins, losses, np.array([True, True, True, False, False, False]), {"x": 4})
    column = found.columns[0]
    # 2/6 · 0.2 + 2/6 · 0.5 + 2/6 · 0.3
    assert column.loss_shift.value == pytest.approx(1 / 3 - 0.3, abs=1e-6)
    assert column.without_losses == pytest.approx(2 / 6)


def test_the_error_of_the_shift_by_hand() -> None:
    # variance 1/90 within both cells; half of all rows are in a third one, of which no loss is known
    step = math.sqrt(1 / 90)
    losses = np.array([0.2, 0.4] * 5 + [0.5 - step, 0.5 + step] * 2 + [0.5] + [0.9] * 25)
    cells = np.repeat([0, 1, 2], [10, 10, 20])
    found = _measured({"x": cells}, losses, np.arange(40) < 15, {"x": 5})
    weights = np.array([10 / 40 / 10, 10 / 40 / 5]) + 20 / 40 / 15 - 1 / 15
    error = math.sqrt((np.array([10, 5]) * weights**2).sum() / 90)
    assert found.columns[0].loss_shift.standard_error == pytest.approx(error, rel=0.01)


def test_where_all_or_none_have_a_label_nothing_differs() -> None:
    bins, losses = {"x": np.arange(8) % 2}, np.linspace(0, 1, 8)
    every = _measured(bins, losses, np.ones(8, bool), {"x": 4})
    none = _measured(bins, losses, np.zeros(8, bool), {"x": 4})
    for found in (every, none):
        assert found.findings == ()
        assert found.columns[0].distance.value is None
        assert found.columns[0].sentence == ""
    assert every.columns[0].loss_shift.value == pytest.approx(0.0, abs=1e-9)
    assert every.lowest == every.highest == pytest.approx(0.5, abs=1e-6)
    assert none.columns[0].loss_shift.value is None
    assert (none.mean_loss, none.lowest, none.highest) == (None, 0.0, 1.0)
    assert none.columns[0].without_losses == 1.0


def test_without_rows_nothing_is_known() -> None:
    none = np.zeros(0, np.int64)
    found = _measured({"x": none}, np.zeros(0), none.astype(bool))
    assert (found.mean_loss, found.lowest, found.highest, found.findings) == (None, None, None, ())
    assert missing_labels({}, LossByBin.empty({}, 1.0), "Brier score").columns == ()


def test_labelled_rows_without_a_loss_are_within_the_bounds() -> None:
    found = _measured({"x": np.array([0, 0, 1, 1])}, np.array([0.5, math.nan, 0.5, 0.5]), np.ones(4, bool), {"x": 4})
    assert (found.labelled, found.mean_loss) == (4, 0.5)
    assert (found.lowest, found.highest) == (0.375, 0.625)


@pytest.mark.parametrize(
    ("rows", "labelled", "names", "said"),
    [
        ([50, 50, 0, 0], [45, 5, 0, 0], None, "have higher x."),
        ([50, 50, 0, 0], [5, 45, 0, 0], None, "have lower x."),
        ([50, 100, 50, 0, 0], [45, 20, 45, 0, 0], None, "have other values of x, neither higher nor lower"),
        ([50, 50, 60, 0], [45, 45, 5, 0], None, "have no x more often (85 % against 5.3 %)."),
        ([50, 50, 0, 60], [10, 10, 0, 55], None, "have no finite x less often (5.9 % against 73 %)."),
        ([50, 50, 50, 0, 0, 0], [45, 10, 45, 0, 0, 0], COLORS, "have x green more often (80 % against 10 %)."),
        ([50, 50, 0, 50, 0, 0], [45, 45, 0, 9, 0, 0], COLORS, "have a rare x more often"),
        ([50, 50, 0, 0, 50, 0], [45, 45, 0, 0, 9, 0], COLORS, "have an unseen x more often"),
        ([50, 50, 0, 0, 0, 50], [45, 45, 0, 0, 0, 9], COLORS, "have no x more often"),
    ],
)
def test_what_is_said(rows: list[int], labelled: list[int], names: tuple[str, ...] | None, said: str) -> None:
    assert _one(rows, labelled, names).startswith(f"Rows without a label {said}")


def test_what_it_may_do_to_the_loss_is_said() -> None:
    rng = np.random.default_rng(0)
    said = {column.column: column.sentence for column in _rows(rng, 20_000, "x").measured().columns}
    assert said["x"].startswith("Rows without a label have higher x; if rows alike have alike losses, the Brier score")
    assert said["x"].endswith("would be 0.019 higher.")
    assert said["first"].endswith("would not differ beyond chance.")


@pytest.mark.parametrize(
    ("rows", "labelled", "names"),
    [([1, 1, 1], [1, 1], None), ([1, 1, 1], [2, 1, 1], None), ([1, 1], [1, 1], None), ([1, 1, 1], [1, 1, 1], COLORS)],
    ids=["lengths", "more labels than rows", "no cells of nulls", "names"],
)
def test_cells_that_cannot_be_are_refused(rows: list[int], labelled: list[int], names: tuple[str, ...] | None) -> None:
    with pytest.raises(ValueError, match="cell"):
        CellRows(np.array(rows), np.array(labelled), names)


def test_columns_of_different_windows_are_refused() -> None:
    x, y = (CellRows(np.array([n, 0, 0]), np.array([1, 0, 0])) for n in (1, 2))
    losses = LossByBin.empty({"x": 3, "y": 3}, 1.0)
    with pytest.raises(ValueError, match="different rows"):
        missing_labels({"x": x, "y": y}, losses, "loss")
    with pytest.raises(ValueError, match="losses by cell of x"):
        missing_labels({"x": x}, LossByBin.empty({"x": 4}, 1.0), "loss")
    with pytest.raises(ValueError, match="losses by cell of x"):
        missing_labels({"x": x}, LossByBin.of({"x": np.zeros(2, np.int64)}, {"x": 3}, np.zeros(2), 1.0), "loss")


# laws


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.booleans()), min_size=1, max_size=40))
def test_bounds_hold_whatever_is_missing(rows: list[tuple[int, float, bool]]) -> None:
    cells, losses, labelled = (np.array(column) for column in zip(*rows, strict=True))
    found = _measured({"x": cells}, losses, labelled, {"x": 4})
    assert found.lowest is not None
    assert found.highest is not None
    assert found.lowest - 1e-6 <= losses.mean() <= found.highest + 1e-6
    shift = found.columns[0].loss_shift.value
    if shift is not None and found.mean_loss is not None:
        assert -1e-6 <= found.mean_loss + shift <= 1 + 1e-6
    json.dumps(found.to_json(), allow_nan=False)


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=8), st.integers(2, 5))
def test_equal_shares_of_labels_shift_nothing(labels: list[int], times: int) -> None:
    cells = CellRows(np.array([*labels, 0, 0]) * times, np.array([*labels, 0, 0]))
    bins = np.repeat(np.arange(len(labels)), labels)
    losses = LossByBin.of({"x": bins}, {"x": len(cells.rows)}, (bins % 3) / 3, 1.0)
    column = missing_labels({"x": cells}, losses, "loss").columns[0]
    assert column.distance.value == pytest.approx(0.0, abs=1e-6)
    assert column.loss_shift.value == pytest.approx(0.0, abs=1e-12)
    assert not column.found


# simulated windows


@pytest.mark.parametrize(("rows", "mechanism"), [(200, "at random"), (200, "few"), (2000, "at random")])
def test_labels_missing_at_random_are_no_finding(rows: int, mechanism: str) -> None:
    rng = np.random.default_rng(1)
    found = [bool(_rows(rng, rows, mechanism).measured().findings) for _ in range(200)]
    assert np.mean(found) <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("cause", ["x", "color"])
def test_what_labels_depend_on_is_found_and_reweighting_mends_the_loss(cause: str) -> None:
    rng = np.random.default_rng(2)
    plain, mended, inside = [], [], []
    for _ in range(200):
        rows = _rows(rng, 2000, cause)
        found = rows.measured()
        assert found.findings[0].column == cause
        shift = found.findings[0].loss_shift
        assert shift.value is not None
        assert shift.low is not None
        assert shift.high is not None
        assert found.mean_loss is not None
        plain.append(found.mean_loss - rows.losses.mean())
        mended.append(plain[-1] + shift.value)
        # the shift that the expected loss of each cell would give
        cells, size = rows.bins[cause], 20 if cause == "x" else 3
        expected = 0.05 + 0.3 * (np.arange(20) + 0.5) / 20 + 0.1 / 3 if cause == "x" else np.array([0.2, 0.2, 0.3])
        shares = (np.bincount(some, minlength=size) / len(some) for some in (cells, cells[rows.labelled]))
        every, labelled = shares
        inside.append(shift.low <= (every - labelled) @ expected <= shift.high)
    assert np.mean(plain) < -0.01
    assert abs(np.mean(mended)) < 0.002
    assert 0.90 <= np.mean(inside) <= 0.99


def test_what_depends_on_the_loss_itself_only_the_bounds_hold() -> None:
    rows = _rows(np.random.default_rng(3), 20_000, "loss")
    found = rows.measured()
    assert found.mean_loss is not None
    assert found.lowest is not None
    assert found.highest is not None
    best = max(found.mean_loss + (column.loss_shift.value or 0.0) for column in found.columns)
    assert best < rows.losses.mean() - 0.01
    assert found.lowest < rows.losses.mean() < found.highest
