"""Whether the rows of a window that have no label differ from those that have one, and what that may do to the loss.

Performance is of labelled rows. If the others differ from them, it is not that of the model. How far off it may be is
told in two ways: by what labelled rows that look alike tell of the others, which takes for granted that rows in one
cell of a column have alike losses whether or not they have a label; and by bounds that take nothing for granted.
`docs/maturity.md` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from monitoring.measure.cells import jensen_shannon_of, shares_of
from monitoring.measure.intervals import estimate, sample_variance, undefined
from monitoring.measure.measurement import Measurement
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.losses import LossByBin

_LEVEL = 0.05
# Rows that a cell must have by chance on the side of fewer rows
_LEAST_EXPECTED = 2.0
# Rows that a cell must have to be named
_LEAST_NAMED = 5
# Rows that all cells together lend to the variance of each
_LENT_ROWS = 5
# How many deviations make a column's values higher or lower, rather than only different
_DEVIATIONS = 2.0


@dataclass(frozen=True, eq=False)
class CellRows:
    """The rows of a window by cell of one column, in the order of `cell_counts` of its distribution.

    Attributes:
        rows: All rows, shape (k,).
        labelled: Those with a label, shape (k,).
        categories: The named categories of a categorical column, whose last three cells are of other categories, of
            unseen ones and of nulls. None for a numeric column or a score: its cells ascend, but for the last two,
            of nulls and of values that are not finite.
    """

    rows: IntArray
    labelled: IntArray
    categories: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        named = 1 if self.categories is None else len(self.categories) + 3
        fits = len(self.rows) >= 3 if self.categories is None else len(self.rows) == named
        if self.rows.shape != self.labelled.shape or not fits:
            raise ValueError(f"cells of {self.rows.shape} rows, {self.labelled.shape} labels, {self.categories}")
        if (self.labelled < 0).any() or (self.labelled > self.rows).any():
            raise ValueError("a cell has more labels than rows")


@dataclass(frozen=True)
class ColumnDifference:
    """How rows without a label differ from those with one in a column.

    Attributes:
        column: Its name.
        distance: The Jensen-Shannon distance of both in bits, with its p-value.
        adjusted_p_value: The p-value after Holm's correction for the number of columns; None where not defined.
        loss_shift: Mean loss of labelled rows, reweighted to the cells of all rows, less their plain mean.
        without_losses: Share of all rows in cells where no loss is known: they count with the plain mean.
        sentence: What it says, for people.
    """

    column: str
    distance: Measurement
    adjusted_p_value: float | None
    loss_shift: Measurement
    without_losses: float
    sentence: str

    @property
    def found(self) -> bool:
        """Whether the difference is more than chance gives to any of the columns in one window of twenty."""
        return self.adjusted_p_value is not None and self.adjusted_p_value < _LEVEL

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "column": self.column,
            "found": self.found,
            "distance": self.distance.to_json(),
            "adjusted_p_value": self.adjusted_p_value,
            "loss_shift": self.loss_shift.to_json(),
            "without_losses": self.without_losses,
            "sentence": self.sentence,
        }


@dataclass(frozen=True)
class MissingLabels:
    """What missing labels may hide in one window.

    Attributes:
        rows: All rows.
        labelled: Those with a label.
        loss: What the loss is called.
        mean_loss: Mean loss of the rows whose loss is known, None without one.
        lowest: The mean loss of all rows if all others had a loss of 0.
        highest: The same if all others had the largest loss; None without rows, as `lowest`.
        columns: The difference in each column: those found first, by the size of their shift of the loss.
    """

    rows: int
    labelled: int
    loss: str
    mean_loss: float | None
    lowest: float | None
    highest: float | None
    columns: tuple[ColumnDifference, ...]

    @property
    def findings(self) -> tuple[ColumnDifference, ...]:
        """The columns in which rows without a label differ beyond chance."""
        return tuple(column for column in self.columns if column.found)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "labelled": self.labelled,
            "loss": self.loss,
            "mean_loss": self.mean_loss,
            "bounds": [self.lowest, self.highest],
            "columns": [column.to_json() for column in self.columns],
        }


class _Losses(NamedTuple):
    """Rows whose loss is known, sum of losses and of their squares, each by cell, shape (k,)."""

    rows: FloatArray
    total: FloatArray
    squares: FloatArray


def missing_labels(columns: Mapping[str, CellRows], losses: LossByBin, loss: str) -> MissingLabels:
    """How rows without a label differ from those with one.

    Args:
        columns: By name, the features and the score of one window whose labels should have come.
        losses: The losses of its labelled rows, by the same cells of the same columns.
        loss: What the loss is called: `Brier score`.

    Raises:
        ValueError: Columns differ in rows or labels, or from those of the losses.

    >>> x = CellRows(np.array([50, 50, 0, 0]), np.array([50, 10, 0, 0]))
    >>> bins, loss = np.repeat([0, 1], [50, 10]), np.repeat([0.1, 0.4], [50, 10])
    >>> found = missing_labels({"x": x}, LossByBin.of({"x": bins}, {"x": 4}, loss, 1.0), "Brier score")
    >>> found.findings[0].sentence
    'Rows without a label have higher x; if rows alike have alike losses, the Brier score would be 0.1 higher.'
    >>> round(found.mean_loss, 2), round(found.lowest, 2), round(found.highest, 2)
    (0.15, 0.09, 0.49)
    """
    _require_alike(columns, losses)
    p_values = {name: _distance(cells) for name, cells in columns.items()}
    adjusted = _holm({name: found.p_value for name, found in p_values.items() if found.p_value is not None})
    differences = [
        _difference(name, cells, p_values[name], adjusted.get(name), _Losses(*losses.of_feature(name)), loss)
        for name, cells in columns.items()
    ]
    differences.sort(key=lambda column: (not column.found, -abs(column.loss_shift.value or 0.0), column.column))
    rows, labelled = next(((int(c.rows.sum()), int(c.labelled.sum())) for c in columns.values()), (0, 0))
    mean, lowest, highest = _bounds(rows, columns, losses)
    return MissingLabels(rows, labelled, loss, mean, lowest, highest, tuple(differences))


def _require_alike(columns: Mapping[str, CellRows], losses: LossByBin) -> None:
    totals = {(int(cells.rows.sum()), int(cells.labelled.sum())) for cells in columns.values()}
    if len(totals) > 1:
        raise ValueError(f"columns of one window with different rows and labels: {sorted(totals)}")
    for name, cells in columns.items():
        table = losses.features.get(name)
        if table is None or len(table) != len(cells.rows) or (table[:, 0] > cells.labelled).any():
            raise ValueError(f"the losses by cell of {name} are not those of its labelled rows")


def _bounds(
    rows: int, columns: Mapping[str, CellRows], losses: LossByBin
) -> tuple[float | None, float | None, float | None]:
    """Mean of the known losses, and the least and the largest mean loss that all rows can have.

    Manski, Nonparametric bounds on treatment effects, Am. Econ. Rev. 80, 1990.
    """
    if not rows:
        return None, None, None
    counted, total, _ = (float(x.sum()) for x in losses.of_feature(next(iter(columns))))
    mean = total / counted if counted else None
    return mean, total / rows, (total + (rows - counted) * losses.largest) / rows


def _distance(cells: CellRows) -> Measurement:
    method = "Jensen-Shannon distance of rows without a label from labelled ones, base 2"
    labelled, unlabelled = _pooled(cells)
    shares = shares_of(labelled, unlabelled)
    if shares is None:
        return undefined("missing_labels", int(unlabelled.sum()), "high", method)
    score = jensen_shannon_of(shares)
    return Measurement(
        "missing_labels",
        score.value,
        score.rows,
        "high",
        method,
        reference_rows=score.reference_rows,
        standard_error=score.standard_error,
        p_value=score.p_value,
        noise=score.noise,
    )


def _pooled(cells: CellRows) -> tuple[IntArray, IntArray]:
    """Rows with and without a label by cell, neighbours taken together until chance alone fills both sides of each.

    With some twenty cells and six rows without a label, every eighth chi-square test of six columns finds something.
    """
    unlabelled = cells.rows - cells.labelled
    fewer = min(int(cells.labelled.sum()), int(unlabelled.sum()))
    expected = np.cumsum(cells.rows) * (fewer / max(int(cells.rows.sum()), 1))
    starts, reached = [0], 0.0
    for i, total in enumerate(expected[:-1]):
        if total - reached >= _LEAST_EXPECTED and expected[-1] - total >= _LEAST_EXPECTED:
            starts.append(i + 1)
            reached = total
    return np.add.reduceat(cells.labelled, starts), np.add.reduceat(unlabelled, starts)


def _holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several tests, corrected so that 5 % of windows have one below 0.05 by chance, at most.

    Holm, A simple sequentially rejective multiple test procedure, Scand. J. Stat. 6, 1979.

    >>> _holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    adjusted, most = {}, 0.0
    for i, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        most = max(most, min((len(p_values) - i) * p_value, 1.0))
        adjusted[name] = most
    return adjusted


def _difference(
    name: str, cells: CellRows, distance: Measurement, adjusted: float | None, losses: _Losses, loss: str
) -> ColumnDifference:
    shift, without = _loss_shift(cells, losses)
    said = "" if distance.value is None else f"Rows without a label {_how(name, cells)}{_what_if(loss, shift)}."
    return ColumnDifference(name, distance, adjusted, shift, without, said)


def _loss_shift(cells: CellRows, losses: _Losses) -> tuple[Measurement, float]:
    """The reweighted mean loss less the plain one, and the share of rows in cells that no loss is known of.

    The reweighted mean is Σ share of all rows · mean loss over cells, Horvitz and Thompson's estimator with the
    cell's share of labels as probability (JASA 47, 1952), normed as poststratification is (Holt and Smith, J. R. Stat.
    Soc. A 142, 1979). A row's loss moves the shift by its weight in the one less its weight in the other.
    """
    method = "mean loss of labelled rows, reweighted to the cells of all rows, less their plain mean"
    rows, counted = int(cells.rows.sum()), int(losses.rows.sum())
    if not counted:
        return undefined("loss_shift", 0, "both", method), 1.0 if rows else 0.0
    known = losses.rows > 0
    share = cells.rows / rows
    without = float(share[~known].sum())
    of_cell = losses.total[known] / losses.rows[known]
    mean = float(losses.total.sum()) / counted
    # differences from the mean, so that cells without losses move nothing
    value = float(share[known] @ (of_cell - mean))
    weight = share[known] / losses.rows[known] - (1 - without) / counted
    within = np.maximum(losses.squares[known] - losses.total[known] ** 2 / losses.rows[known], 0.0)
    freedom = losses.rows[known] - 1
    # a cell of few rows does not know its own variance
    overall = sample_variance(float(losses.total.sum()), float(losses.squares.sum()), counted)
    pooled = float(within.sum() / freedom.sum()) if freedom.any() else overall
    spread = (within + _LENT_ROWS * pooled) / (freedom + _LENT_ROWS)
    variance = float((losses.rows[known] * weight * weight) @ spread)
    return estimate("loss_shift", value, variance, counted, "both", method), without


def _what_if(loss: str, shift: Measurement) -> str:
    if shift.value is None:
        return ""
    assumed = f"; if rows alike have alike losses, the {loss} would"
    if shift.low is not None and shift.high is not None and shift.low <= 0 <= shift.high:
        return f"{assumed} not differ beyond chance"
    return f"{assumed} be {abs(shift.value):.2g} {'higher' if shift.value > 0 else 'lower'}"


def _how(name: str, cells: CellRows) -> str:
    """How rows without a label differ from those with one, by the cells that make the most of it."""
    unlabelled = cells.rows - cells.labelled
    p, q = cells.labelled / cells.labelled.sum(), unlabelled / unlabelled.sum()
    together = cells.rows / cells.rows.sum()
    # a category of few rows is not named: it could tell something about one of them
    part = np.divide((q - p) ** 2, together, out=np.zeros(len(p)), where=cells.rows >= _LEAST_NAMED)
    most = int(part.argmax())
    shares = f"({_percent(q[most])} against {_percent(p[most])})"
    often = "more" if q[most] >= p[most] else "less"
    if cells.categories is not None and cells.rows[most] < _LEAST_NAMED:
        return f"have other values of {name}"
    if cells.categories is not None:
        return f"{_category(name, cells.categories, most)} {often} often {shares}"
    values = len(p) - 2
    if most >= values and 2 * part[most] >= part.sum():
        return f"{'have no' if most == values else 'have no finite'} {name} {often} often {shares}"
    higher = _superiority(cells.labelled[:values], unlabelled[:values])
    if not higher:
        return f"have other values of {name}, neither higher nor lower on the whole"
    return f"have {'higher' if higher > 0 else 'lower'} {name}"


def _category(name: str, categories: tuple[str, ...], cell: int) -> str:
    if cell < len(categories):
        return f"have {name} {categories[cell]}"
    rest = ("a rare", "an unseen", "no")
    return f"have {rest[cell - len(categories)]} {name}"


def _superiority(labelled: IntArray, unlabelled: IntArray) -> float:
    """P(an unlabelled row is in a higher cell) − P(in a lower one), 0 where it may be chance.

    Its variance without a difference is (1/n + 1/m) / 3, or less where rows share cells (Mann and Whitney, On a test of
    whether one of two random variables is stochastically larger than the other, Ann. Math. Stat. 18, 1947).
    """
    n, m = int(labelled.sum()), int(unlabelled.sum())
    if not n or not m:
        return 0.0
    below = np.cumsum(labelled) - labelled
    above = n - below - labelled
    value = float(unlabelled @ (below - above)) / (n * m)
    return value if abs(value) > _DEVIATIONS * math.sqrt((1 / n + 1 / m) / 3) else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"
