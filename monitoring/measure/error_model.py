"""Which errors a regression makes where: a small tree, learned from labelled rows of the baseline.

The tree is grown on one half of the rows, so that rows of one leaf have errors of one size; what the errors of a leaf
are is told by the other half, which the tree has not seen (honest estimation: Athey and Imbens, Recursive
partitioning for heterogeneous causal effects, PNAS 113, 2016). So a leaf's numbers are means of independent rows, with
known uncertainty, and the errors of rows without labels follow from how many of them are in each leaf. Direct
estimation of losses, as NannyML's DLE, with leaves in place of a second model's predictions.

Rows are coded as whole numbers before the tree sees them, and a stored tree needs nothing but NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa

from monitoring.profile.arrow_types import categories, find_column, is_testable, numbers
from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray, in_units, sum_of_products
from monitoring.profile.residuals import ResidualProfile, ResidualSpec

Kind = Literal["numeric", "categorical"]

# With fewer labelled rows there is no model
LEAST_ROWS = 400
MOST_LEAVES = 64
# A leaf holds at least so many rows of the half that the tree is grown on, or this share of all rows
_LEAST_LEAF, _LEAST_LEAF_SHARE = 50, 1 / 200
# A leaf that fewer rows of the other half are in has the numbers of all rows
_LEAST_HONEST = 10
_MOST_CUTS = 64
_MOST_CATEGORIES = 64
# A category's mean error is drawn to that of all rows as if by so many more of them
_PRIOR_ROWS = 10.0
# Errors beyond this share count as those at it while the tree is grown
_GROWN_ON = 0.99
# In squared scales: predictions of a leaf that vary less are one, but for rounding
_LEAST_SPREAD = 1e-12
_LARGEST = 2.0**22
_UNIT, _LIMB = 40, 21
_SHIFTS = (0, _LIMB, 2 * _LIMB)

# Per leaf, in scales: e the error, p the prediction less the centre, and |e / actual value|
QUANTITIES = ("error", "absolute", "error2", "relative", "product")


class _Codes(NamedTuple):
    """How the values of a column become whole numbers, which the tree splits.

    Attributes:
        cuts: Of a numeric column, ascending: the code is the number of cuts at or below the value, plus 1.
        ranks: Of a categorical column, the code of each category: their order by mean absolute error.
        other: The code of a category that has none of its own, as it is rare or new.
        null: The code of a missing value, and of one that is no number.
    """

    kind: Kind
    cuts: tuple[float, ...]
    ranks: dict[str, int]
    other: int
    null: int

    def of(self, column: pa.Array | pa.ChunkedArray) -> IntArray:
        if self.kind == "numeric":
            found = numbers(column)
            codes = np.searchsorted(np.array(self.cuts), found.values, side="right") + 1
            codes[~found.present() | np.isnan(found.values)] = self.null
            return codes
        if not is_testable(column.type):
            return np.full(len(column), self.null)
        texts = categories(column)
        known = [self.ranks.get(name, self.other) for name in texts.dictionary.to_pylist()]
        places = texts.indices.fill_null(len(known)).to_numpy()
        return np.asarray(np.array([*known, self.null], np.int64)[places])


class _Tree(NamedTuple):
    """A binary tree as arrays of shape (nodes,): codes up to `code` go left. Leaves are numbered from left to right.

    Attributes:
        column: The column that a node splits; -1 at a leaf.
        code: The largest code that goes left.
        left: The node on the left; at a leaf, its number.
        right: The node on the right; -1 at a leaf.
    """

    column: list[int]
    code: list[int]
    left: list[int]
    right: list[int]

    def leaves(self, codes: Sequence[IntArray], rows: int) -> IntArray:
        found = np.zeros(rows, np.int64)
        waiting = [(0, np.arange(rows))]
        while waiting:
            node, place = waiting.pop()
            column = self.column[node]
            if column < 0:
                found[place] = self.left[node]
                continue
            goes_left = codes[column][place] <= self.code[node]
            waiting.append((self.left[node], place[goes_left]))
            waiting.append((self.right[node], place[~goes_left]))
        return found


@dataclass(frozen=True, eq=False)
class LeafPredictions:
    """Predictions by leaf, whether labels are known or not: mergeable, and the same in any order.

    Attributes:
        spec: The frozen scales.
        rows: Rows with a prediction by leaf, shape (leaves,).
        sums: By leaf, sum of the predictions less the centre, in units of 2^-40 scales.
        squares: Sum of the squares of all of them, in units of 2^-80.
        unmeasured: Rows whose prediction is not finite or above 2^22 scales. They count in nothing else.
    """

    spec: ResidualSpec
    rows: IntArray
    sums: tuple[int, ...]
    squares: int = 0
    unmeasured: int = 0

    @classmethod
    def of(cls, leaves: IntArray, predictions: FloatArray, count: int, spec: ResidualSpec) -> Self:
        """The predictions of some rows.

        Args:
            leaves: The leaf of each row, shape (n,).
            predictions: Shape (n,).
            count: How many leaves there are.
            spec: The frozen scales.

        >>> found = LeafPredictions.of(np.array([0, 1, 1]), np.array([1.0, 2.0, np.nan]), 2, ResidualSpec())
        >>> found.rows.tolist(), found.unmeasured, found.mean, found.mean_square
        ([1, 1], 1, 1.5, 2.5)
        """
        with np.errstate(over="ignore", invalid="ignore"):
            p = np.ldexp(np.asarray(predictions, np.float64) - spec.centre, -spec.value_exponent)
            known = np.abs(p) < _LARGEST
        units, place = in_units(p[known], _UNIT), leaves[known]
        rows = np.bincount(place, minlength=count).astype(np.int64)
        unmeasured = int((~known).sum())
        return cls(spec, rows, _sums_by_leaf(units, place, count), sum_of_products(units, units), unmeasured)

    @classmethod
    def of_residuals(cls, labelled: Sequence[ResidualProfile]) -> Self:
        """Those of labelled rows by leaf, at least one leaf."""
        rows = np.array([part.measured for part in labelled], np.int64)
        lost = sum(part.nonfinite + part.beyond for part in labelled)
        sums = tuple(part.units("prediction") for part in labelled)
        return cls(labelled[0].spec, rows, sums, sum(part.units("prediction2") for part in labelled), lost)

    def merge(self, other: Self) -> Self:
        """The predictions of both sets of rows."""
        return self._with(other, 1)

    def subtract(self, other: Self) -> Self:
        """Those of the rows that are not in the other set, which is a part of this one."""
        return self._with(other, -1)

    def _with(self, other: Self, sign: int) -> Self:
        if self.spec != other.spec or len(self.rows) != len(other.rows):
            raise ValueError("predictions in the leaves of different models")
        return type(self)(
            self.spec,
            self.rows + sign * other.rows,
            tuple(a + sign * b for a, b in zip(self.sums, other.sums, strict=True)),
            self.squares + sign * other.squares,
            self.unmeasured + sign * other.unmeasured,
        )

    @property
    def n(self) -> int:
        """Rows with a prediction."""
        return int(self.rows.sum())

    @property
    def mean(self) -> float:
        """Mean prediction less the centre, in scales."""
        return float(sum(self.sums) / self.n / 2**_UNIT)

    @property
    def mean_square(self) -> float:
        """Mean of the squares of the predictions less the centre, in squared scales."""
        return float(self.squares / self.n / 2 ** (2 * _UNIT))

    @property
    def leaf_means(self) -> FloatArray:
        """Mean prediction of each leaf less the centre, in scales, NaN without rows; shape (leaves,)."""
        totals = np.array([total / 2**_UNIT for total in self.sums])
        return np.asarray(np.divide(totals, self.rows, out=np.full(len(totals), np.nan), where=self.rows > 0))

    def arrays(self) -> dict[str, IntArray | int]:
        """The state but for the spec; `sums` in two parts, of which the high one has a sign."""
        return {
            "rows": self.rows,
            "sums_high": np.array([total >> _UNIT for total in self.sums], np.int64),
            "sums_low": np.array([total & (2**_UNIT - 1) for total in self.sums], np.int64),
            "squares": self.squares,
            "unmeasured": self.unmeasured,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int], spec: ResidualSpec) -> Self:
        """From `arrays`, with the spec that they were made with."""
        rows, high, low = (np.asarray(arrays[name], np.int64) for name in ("rows", "sums_high", "sums_low"))
        sums = tuple((a << _UNIT) + b for a, b in zip(high.tolist(), low.tolist(), strict=True))
        return cls(spec, rows, sums, int(arrays["squares"]), int(arrays["unmeasured"]))


def _sums_by_leaf(units: IntArray, leaves: IntArray, count: int) -> tuple[int, ...]:
    """Exact sums of up to 2^31 whole numbers below 2^62 in size: floats add 21 bits of each without rounding."""
    parts = ((units >> shift) & (2**_LIMB - 1) if shift < 2 * _LIMB else units >> shift for shift in _SHIFTS)
    limbs = [np.bincount(leaves, part, count).tolist() for part in parts]
    return tuple(sum(int(limb[i]) << shift for limb, shift in zip(limbs, _SHIFTS, strict=True)) for i in range(count))


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Errors by leaf of a tree over features and the prediction.

    Attributes:
        spec: The frozen scales.
        columns: The features that the tree splits, in order; the prediction comes last, without a name.
        codes: How each of these columns is coded; the prediction's last.
        tree: The tree.
        rows: Rows behind each leaf, of the half that the tree has not seen; shape (leaves,).
        means: Mean of each of `QUANTITIES` per leaf, in scales; shape (leaves, 5).
        slopes: By how much each grows with the prediction, within a leaf; shape (leaves, 5).
        covariances: Their covariances about these lines, shape (leaves, 5, 5).
        prediction: Mean and variance of the predictions per leaf, less the centre, in scales; shape (leaves, 2).
        near_zero: Rows behind all leaves without a relative error; they count as 0 in it.
    """

    spec: ResidualSpec
    columns: tuple[str, ...]
    codes: tuple[_Codes, ...]
    tree: _Tree
    rows: IntArray
    means: FloatArray
    slopes: FloatArray
    covariances: FloatArray
    prediction: FloatArray
    near_zero: int

    @classmethod
    def fit(
        cls,
        features: pa.Table | Mapping[str, Any],
        predictions: FloatArray,
        actuals: FloatArray,
        kinds: Mapping[str, str],
        *,
        spec: ResidualSpec | None = None,
    ) -> Self | None:
        """Learn from labelled rows that the regression was not trained on.

        Args:
            features: Columns by name, n rows each; one that is missing is all null.
            predictions: Shape (n,).
            actuals: Shape (n,).
            kinds: By feature, `numeric` or `categorical`; others, such as texts, are not looked at.
            spec: The frozen scales; by default those of these rows. Profiles that are held against the model have
                the same.

        Returns:
            None with fewer than 400 rows that have a finite prediction and actual value.
        """
        predictions, actuals = np.asarray(predictions, np.float64), np.asarray(actuals, np.float64)
        spec = ResidualSpec.learn(predictions, actuals) if spec is None else spec
        found, near_zero, known = _quantities(predictions, actuals, spec)
        if known.sum() < LEAST_ROWS:
            return None
        columns = tuple(sorted(name for name, kind in kinds.items() if kind in ("numeric", "categorical")))
        arrays = [_column(features, name, len(predictions)) for name in columns]
        half = _half(len(predictions))
        growing, honest = np.flatnonzero(known & half), np.flatnonzero(known & ~half)
        size = found[growing, 1]
        codes = [
            _learn_codes(array.take(pa.array(growing)), size, "numeric" if kinds[name] == "numeric" else "categorical")
            for name, array in zip(columns, arrays, strict=True)
        ]
        codes.append(_learn_codes(pa.array(predictions[growing]), size, "numeric"))
        coded = [code.of(column) for code, column in zip(codes, [*arrays, pa.array(predictions)], strict=True)]
        tree = _grow([column[growing] for column in coded], found[growing], int(known.sum()))
        leaves = tree.leaves([column[honest] for column in coded], len(honest))
        count = sum(column < 0 for column in tree.column)
        p = np.ldexp(predictions[honest] - spec.centre, -spec.value_exponent)
        numbers_of_leaves = _leaf_numbers(leaves, found[honest], p, count)
        return cls(spec, columns, tuple(codes), tree, *numbers_of_leaves, near_zero=int(near_zero[honest].sum()))

    @property
    def count(self) -> int:
        """How many leaves there are."""
        return len(self.rows)

    def leaves(self, features: pa.Table | Mapping[str, Any], predictions: FloatArray) -> IntArray:
        """The leaf of each row, shape (n,).

        Args:
            features: Columns by name, n rows each; one that is missing is all null.
            predictions: Shape (n,).
        """
        predictions = np.asarray(predictions, np.float64)
        columns = [_column(features, name, len(predictions)) for name in self.columns]
        used = set(self.tree.column)
        nothing = np.zeros(0, np.int64)
        coded = [
            code.of(column) if place in used else nothing
            for place, (code, column) in enumerate(zip(self.codes, [*columns, pa.array(predictions)], strict=True))
        ]
        return self.tree.leaves(coded, len(predictions))

    def predictions(self, leaves: IntArray, predictions: FloatArray) -> LeafPredictions:
        """The predictions of rows by leaf."""
        return LeafPredictions.of(leaves, predictions, self.count, self.spec)

    def residuals(self, leaves: IntArray, predictions: FloatArray, actuals: FloatArray) -> list[ResidualProfile]:
        """The labelled rows of each leaf."""
        places = (leaves == leaf for leaf in range(self.count))
        return [ResidualProfile.of(predictions[place], actuals[place], self.spec) for place in places]

    def conditions(self, leaf: int) -> list[str]:
        """What rows of a leaf have in common, from the root on, in words."""
        above = {child: node for side in (self.tree.left, self.tree.right) for node, child in self._children(side)}
        node = next(i for i, column in enumerate(self.tree.column) if column < 0 and self.tree.left[i] == leaf)
        found = []
        while node in above:
            parent = above[node]
            found.append(self._condition(parent, on_left=self.tree.left[parent] == node))
            node = parent
        return found[::-1]

    def _children(self, side: list[int]) -> list[tuple[int, int]]:
        return [(node, side[node]) for node, column in enumerate(self.tree.column) if column >= 0]

    def _condition(self, node: int, *, on_left: bool) -> str:
        column, last = self.tree.column[node], self.tree.code[node]
        codes = self.codes[column]
        name = self.columns[column] if column < len(self.columns) else "prediction"
        has_null = (codes.null <= last) == on_left
        if codes.kind == "categorical":
            chosen = sorted(text for text, rank in codes.ranks.items() if (rank <= last) == on_left)
            chosen += ["any other"] * ((codes.other <= last) == on_left) + ["null"] * has_null
            return f"{name} is {', '.join(chosen)}"
        if not last:
            return f"{name} is {'null' if on_left else 'not null'}"
        return f"{name} {'<' if on_left else '≥'} {codes.cuts[last - 1]:.6g}{' or null' if has_null else ''}"

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "spec": self.spec.to_json(),
            "columns": list(self.columns),
            "codes": [{**code._asdict(), "cuts": list(code.cuts)} for code in self.codes],
            "tree": self.tree._asdict(),
            "rows": self.rows.tolist(),
            **{name: getattr(self, name).tolist() for name in _STATISTICS},
            "near_zero": self.near_zero,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(
            ResidualSpec.from_json(data["spec"]),
            tuple(data["columns"]),
            tuple(_Codes(**{**code, "cuts": tuple(code["cuts"])}) for code in data["codes"]),
            _Tree(**data["tree"]),
            np.array(data["rows"], np.int64),
            **{name: np.array(data[name], np.float64) for name in _STATISTICS},
            near_zero=data["near_zero"],
        )


_STATISTICS = ("means", "slopes", "covariances", "prediction")


def _column(features: pa.Table | Mapping[str, Any], name: str, rows: int) -> pa.Array | pa.ChunkedArray:
    if isinstance(features, pa.Table):
        column = find_column(features, name)
    else:
        column = features.get(name)
        if column is not None and not isinstance(column, pa.Array | pa.ChunkedArray):
            column = pa.array(column)
    return pa.nulls(rows) if column is None else column


def _quantities(
    predictions: FloatArray, actuals: FloatArray, spec: ResidualSpec
) -> tuple[FloatArray, BoolArray, BoolArray]:
    """`QUANTITIES` of each row, shape (n, 5); where the relative error is missing; and which rows count."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        raw = predictions - actuals
        error = np.ldexp(raw, -spec.error_exponent)
        a, p = (np.ldexp(x - spec.centre, -spec.value_exponent) for x in (actuals, predictions))
        known = (np.abs(error) < _LARGEST) & (np.abs(a) < _LARGEST) & (np.abs(p) < _LARGEST)
        relative = np.abs(raw / actuals)
        near_zero = ~(relative < _LARGEST)
    relative = np.where(near_zero, 0.0, relative)
    error, p = np.where(known, error, 0.0), np.where(known, p, 0.0)
    found = np.column_stack([error, np.abs(error), error * error, relative, p * error])
    return found, near_zero & known, known


def _half(rows: int) -> BoolArray:
    """Which rows the tree is grown on: by a hash of their place, as rows in turn may be of turns of the clock.

    Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    mixed = (np.arange(rows, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((mixed >> np.uint64(63)).astype(bool))


def _learn_codes(column: pa.Array | pa.ChunkedArray, size: FloatArray, kind: Kind) -> _Codes:
    """The codes of a column; `size` is the absolute error of each of its rows."""
    if kind == "categorical":
        return _learn_ranks(column, size)
    found = numbers(column)
    values = found.values[found.present() & ~np.isnan(found.values)]
    distinct = np.unique(values)
    if len(distinct) > _MOST_CUTS:
        at = np.arange(1, _MOST_CUTS) * len(values) // _MOST_CUTS
        distinct = np.unique(np.concatenate([distinct[:1], np.sort(values)[at]]))
    cuts = tuple(float(cut) for cut in distinct[1:])
    # nulls that the baseline never had go with the middle
    null = 0 if len(values) < len(column) else len(cuts) // 2 + 1
    return _Codes("numeric", cuts, {}, null, null)


def _learn_ranks(column: pa.Array | pa.ChunkedArray, size: FloatArray) -> _Codes:
    """Categories in the order of their mean absolute error; rare ones are one category, and so are nulls."""
    texts = categories(column) if is_testable(column.type) else categories(pa.nulls(len(column), pa.string()))
    names = texts.dictionary.to_pylist()
    place = texts.indices.fill_null(len(names)).to_numpy()
    rows, sums = (np.bincount(place, weights, len(names) + 1) for weights in (None, size))
    usual = float(size.mean())
    means = (sums + _PRIOR_ROWS * usual) / (rows + _PRIOR_ROWS)
    order = sorted(range(len(names)), key=lambda i: (-rows[i], names[i]))
    common, rare = [i for i in order if rows[i]][:_MOST_CATEGORIES], order[_MOST_CATEGORIES:]
    # what has no rows has the mean of all, and so a place in the middle
    of_rare = (float(sums[rare].sum()) + _PRIOR_ROWS * usual) / (float(rows[rare].sum()) + _PRIOR_ROWS)
    entries = [(float(means[i]), 0, names[i]) for i in common]
    entries += [(of_rare, 1, ""), (float(means[-1]), 2, "")]
    codes = {(kind, name): rank for rank, (_, kind, name) in enumerate(sorted(entries))}
    ranks = {name: rank for (kind, name), rank in codes.items() if kind == 0}
    return _Codes("categorical", (), ranks, codes[1, ""], codes[2, ""])


def _grow(codes: Sequence[IntArray], found: FloatArray, known: int) -> _Tree:
    """A tree on errors, absolute errors and squared ones, each in its own standard deviation."""
    from sklearn.tree import DecisionTreeRegressor

    targets = found[:, :3]
    low, high = np.quantile(targets, [1 - _GROWN_ON, _GROWN_ON], axis=0)
    targets = np.clip(targets, np.array([low[0], 0.0, 0.0]), high)
    spread = targets.std(axis=0)
    least = max(_LEAST_LEAF, math.ceil(known * _LEAST_LEAF_SHARE))
    grown = DecisionTreeRegressor(max_leaf_nodes=MOST_LEAVES, min_samples_leaf=least, random_state=0)
    grown.fit(np.column_stack(codes).astype(np.float32), targets / np.where(spread > 0, spread, 1.0))
    return _numbered(grown.tree_)


def _numbered(grown: Any) -> _Tree:
    """scikit-learn's tree, with leaves numbered from left to right."""
    column, left, right = (list(map(int, x)) for x in (grown.feature, grown.children_left, grown.children_right))
    code = [math.floor(threshold) for threshold in grown.threshold]
    waiting, count = [0], 0
    while waiting:
        node = waiting.pop()
        if left[node] >= 0:
            waiting += [right[node], left[node]]
        else:
            column[node], code[node], left[node], right[node], count = -1, 0, count, -1, count + 1
    return _Tree(column, code, left, right)


def _leaf_numbers(
    leaves: IntArray, found: FloatArray, prediction: FloatArray, count: int
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Rows, means, slopes, covariances and predictions of each leaf."""
    width = found.shape[1]
    rows, means, slopes = np.zeros(count, np.int64), np.zeros((count, width)), np.zeros((count, width))
    covariances, predictions = np.zeros((count, width, width)), np.zeros((count, 2))
    for leaf in range(count):
        own = leaves == leaf
        own = own if own.sum() >= _LEAST_HONEST else np.ones(len(leaves), bool)
        together = np.cov(np.column_stack([found[own], prediction[own]]), rowvar=False)
        spread = float(together[width, width])
        rows[leaf], means[leaf] = own.sum(), found[own].mean(axis=0)
        if spread < _LEAST_SPREAD:
            spread = 0.0
        slopes[leaf] = together[width, :width] / spread if spread else 0.0
        covariances[leaf] = together[:width, :width] - np.outer(slopes[leaf], slopes[leaf]) * spread
        predictions[leaf] = prediction[own].mean(), spread
    return rows, means, slopes, covariances, predictions
