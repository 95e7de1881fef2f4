"""What became of the predictions of a regression: bounded, mergeable, and the same in any order.

Values and errors are measured in scales that the baseline froze, powers of two, so that dividing by them is exact.
Sums of them and of their products are Python's whole numbers, without rounding beyond that of each value to 2^-40 of
its scale, and without overflow. Errors are counted on a signed grid, 256 bins per octave.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from functools import reduce
from typing import Any, Self

import numpy as np

from monitoring.profile.fixed_point import BoolArray, FloatArray, IntArray, in_units, sum_of, sum_of_products

_UNIT, _MOMENT_UNIT = 40, 20
# In scales: what is larger cannot be kept in units; what is larger than the second has no fourth power in units
_LARGEST, _MODERATE = 2.0**22, 2.0**10
# so that 2^22 scales are still a float
_MOST_EXPONENT = 1000
_CHUNK = 2**15
_BITS = 8
_DROPPED = 52 - _BITS
_SMALLEST = 30
_FIRST = (1023 - _SMALLEST) << _BITS
# Bins on each side of zero; the outermost has no outer end
SIDE = (_SMALLEST + 22) * 2**_BITS + 1

SUMS = (
    "error",
    "absolute",
    "error2",
    "actual",
    "actual2",
    "prediction",
    "prediction2",
    "product",
    "relative",
    "relative2",
)
# Means of these make intervals: e is the error and a the actual value less the centre, both in scales
MOMENTS = ("e4", "e2a", "e2a2", "a3", "a4")


@dataclass(frozen=True)
class ResidualSpec:
    """What the baseline froze.

    Attributes:
        centre: Subtracted from predictions and actual values before they are summed.
        value_exponent: Values are in units of 2^value_exponent.
        error_exponent: Errors are in units of 2^error_exponent.
    """

    centre: float = 0.0
    value_exponent: int = 0
    error_exponent: int = 0

    @classmethod
    def learn(cls, predictions: FloatArray, actuals: FloatArray) -> Self:
        """The median of the actual values, and the powers of two at or above their spread and that of the errors.

        >>> ResidualSpec.learn(np.array([9.0, 21.0, 29.0]), np.array([10.0, 20.0, 30.0]))
        ResidualSpec(centre=20.0, value_exponent=4, error_exponent=0)
        """
        with np.errstate(over="ignore", invalid="ignore"):
            errors = predictions - actuals
            known = np.isfinite(errors)
            if not known.any():
                return cls()
            centre = float(np.median(actuals[known]))
            return cls(centre, _exponent(actuals[known] - centre), _exponent(errors[known]))

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls(**data)


def _exponent(x: FloatArray) -> int:
    """That of the power of two at or above the root mean square; 0 where all are zero."""
    largest = float(np.abs(x).max())
    if not largest or not math.isfinite(largest):
        return _MOST_EXPONENT if largest else 0
    # divided first, so that no square overflows
    size = largest * math.sqrt(float(np.mean((x / largest) ** 2)))
    return min(max(math.ceil(math.log2(size)), -_MOST_EXPONENT), _MOST_EXPONENT)


@dataclass(frozen=True, eq=False)
class ResidualProfile:
    """Labelled rows of a regression. An error is prediction − actual value.

    Attributes:
        spec: The frozen scales.
        rows: Labelled rows.
        nonfinite: Rows whose prediction or actual value is not a finite number. They count in nothing else.
        beyond: Rows in which prediction, actual value or error is above 2^22 scales. They are in no sum, but their
            errors are counted.
        outlying: Rows in which the actual value or error is above 2^10 scales: they are not in `moments`.
        near_zero: Rows without a relative error: the actual value is 0, or below 2^-22 of the error.
        sums: For each of `SUMS`, its sum over rows that are not `beyond`, in units of 2^-40 scales, or 2^-80 of
            their products.
        moments: For each of `MOMENTS`, its sum, in units of 2^-20.
        bins: Bins of the error that have rows, ascending, shape (k,), from -SIDE to SIDE.
        counts: Rows per bin, shape (k,).
    """

    spec: ResidualSpec
    rows: int = 0
    nonfinite: int = 0
    beyond: int = 0
    outlying: int = 0
    near_zero: int = 0
    sums: tuple[int, ...] = (0,) * len(SUMS)
    moments: tuple[int, ...] = (0,) * len(MOMENTS)
    bins: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def empty(cls, spec: ResidualSpec) -> Self:
        """The profile of no rows."""
        return cls(spec)

    @classmethod
    def of(cls, predictions: FloatArray, actuals: FloatArray, spec: ResidualSpec) -> Self:
        """The profile of labelled rows.

        Args:
            predictions: Shape (n,).
            actuals: Shape (n,).
            spec: The frozen scales.

        >>> profile = ResidualProfile.of(np.array([1.0, 4.0, np.nan]), np.array([2.0, 2.0, 0.0]), ResidualSpec())
        >>> profile.rows, profile.nonfinite, profile.total("error"), profile.total("error2")
        (3, 1, 1.0, 5.0)
        """
        predictions, actuals = np.asarray(predictions, np.float64), np.asarray(actuals, np.float64)
        if len(predictions) > _CHUNK:
            # what stays in the processor's cache is several times faster
            starts = range(0, len(predictions), _CHUNK)
            parts = (cls.of(predictions[i : i + _CHUNK], actuals[i : i + _CHUNK], spec) for i in starts)
            return reduce(cls.merge, parts)
        known = np.isfinite(predictions) & np.isfinite(actuals)
        prediction, actual = predictions[known], actuals[known]
        with np.errstate(over="ignore"):
            raw = prediction - actual
            error = np.ldexp(raw, -spec.error_exponent)
            a, p = (np.ldexp(x - spec.centre, -spec.value_exponent) for x in (actual, prediction))
        within = (np.abs(error) < _LARGEST) & (np.abs(a) < _LARGEST) & (np.abs(p) < _LARGEST)
        moderate = within & (np.abs(error) < _MODERATE) & (np.abs(a) < _MODERATE)
        relative, ratio_known = _relative(raw[within], actual[within])
        counts = np.bincount(error_bin(error) + SIDE, minlength=2 * SIDE + 1)
        taken = np.flatnonzero(counts)
        return cls(
            spec,
            len(predictions),
            int((~known).sum()),
            int((~within).sum()),
            int((~moderate).sum()),
            int((~ratio_known).sum()),
            _sums(error[within], a[within], p[within], relative[ratio_known]),
            _moments(error[moderate], a[moderate]),
            taken - SIDE,
            counts[taken].astype(np.int64),
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of rows, of one spec."""
        if self.spec != other.spec:
            raise ValueError(f"scales {self.spec} and {other.spec}")
        bins = np.union1d(self.bins, other.bins)
        counts = np.zeros(len(bins), np.int64)
        counts[np.searchsorted(bins, self.bins)] += self.counts
        counts[np.searchsorted(bins, other.bins)] += other.counts
        return type(self)(
            self.spec,
            self.rows + other.rows,
            self.nonfinite + other.nonfinite,
            self.beyond + other.beyond,
            self.outlying + other.outlying,
            self.near_zero + other.near_zero,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            tuple(a + b for a, b in zip(self.moments, other.moments, strict=True)),
            bins,
            counts,
        )

    @property
    def measured(self) -> int:
        """Rows in the sums."""
        return self.rows - self.nonfinite - self.beyond

    def units(self, quantity: str) -> int:
        """The sum of one of `SUMS` in its units."""
        return self.sums[SUMS.index(quantity)]

    def total(self, quantity: str) -> float:
        """The sum of one of `SUMS` over measured rows, in scales or their products; values are less the centre."""
        order = 2 if quantity.endswith("2") or quantity == "product" else 1
        return float(self.units(quantity) / 2 ** (_UNIT * order))

    def moment(self, quantity: str) -> float:
        """The sum of one of `MOMENTS`, in scales."""
        return float(self.moments[MOMENTS.index(quantity)] / 2**_MOMENT_UNIT)

    def arrays(self) -> dict[str, IntArray | int]:
        """The state but for the spec; numbers `sum_...` and `moment_...` have signs, and may need over 64 bits."""
        state: dict[str, IntArray | int] = {name: getattr(self, name) for name in _COUNTS}
        state |= {f"sum_{name}": total for name, total in zip(SUMS, self.sums, strict=True)}
        state |= {f"moment_{name}": total for name, total in zip(MOMENTS, self.moments, strict=True)}
        return state | {"bins": self.bins, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: dict[str, IntArray | int], spec: ResidualSpec) -> Self:
        """From `arrays`, with the spec that they were made with."""
        return cls(
            spec,
            **{name: int(arrays[name]) for name in _COUNTS},
            sums=tuple(int(arrays[f"sum_{name}"]) for name in SUMS),
            moments=tuple(int(arrays[f"moment_{name}"]) for name in MOMENTS),
            bins=np.asarray(arrays["bins"], np.int64),
            counts=np.asarray(arrays["counts"], np.int64),
        )


_COUNTS = ("rows", "nonfinite", "beyond", "outlying", "near_zero")


def _relative(error: FloatArray, actual: FloatArray) -> tuple[FloatArray, BoolArray]:
    """|error / actual value|, and where it is known and below 2^22."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        relative = np.abs(error / actual)
    return relative, relative < _LARGEST


def _sums(error: FloatArray, actual: FloatArray, prediction: FloatArray, relative: FloatArray) -> tuple[int, ...]:
    e, a, p, r = (in_units(x, _UNIT) for x in (error, actual, prediction, relative))
    single = {"error": e, "absolute": np.abs(e), "actual": a, "prediction": p, "relative": r}
    pairs = {"error2": (e, e), "actual2": (a, a), "prediction2": (p, p), "product": (p, a), "relative2": (r, r)}
    return tuple(sum_of(single[name]) if name in single else sum_of_products(*pairs[name]) for name in SUMS)


def _moments(error: FloatArray, actual: FloatArray) -> tuple[int, ...]:
    e2, a2 = error * error, actual * actual
    rows = {"e4": e2 * e2, "e2a": e2 * actual, "e2a2": e2 * a2, "a3": a2 * actual, "a4": a2 * a2}
    return tuple(sum_of(in_units(rows[name], _MOMENT_UNIT)) for name in MOMENTS)


def error_bin(error: FloatArray) -> IntArray:
    """The bin of each error: 0 for what is below 2^-30 in size, then 256 per octave on either side.

    Args:
        error: Shape (n,), in scales; infinite is allowed.

    >>> error_bin(np.array([0.0, 2.0**-30, -(2.0**-30), np.inf])).tolist()
    [0, 1, -1, 13313]
    """
    size = np.abs(np.ascontiguousarray(error, np.float64))
    step = np.clip((size.view(np.int64) >> _DROPPED) - _FIRST + 1, 0, SIDE)
    return np.asarray(np.where(error < 0, -step, step))


def error_edges(bins: IntArray) -> tuple[FloatArray, FloatArray]:
    """The lowest and the highest error of some bins, in scales; both are 0 for bin 0, and infinity is not told.

    >>> [x.tolist() for x in error_edges(np.array([-7681, 0, 7681]))]
    [[-1.00390625, 0.0, 1.0], [-1.0, 0.0, 1.00390625]]
    """
    step = np.abs(np.asarray(bins, np.int64))
    near = ((np.maximum(step - 1, 0) + _FIRST) << _DROPPED).view(np.float64)
    far = ((np.clip(step, 0, SIDE - 1) + _FIRST) << _DROPPED).view(np.float64)
    near, far = np.where(step == 0, 0.0, near), np.where(step == 0, 0.0, far)
    return np.where(bins < 0, -far, near), np.where(bins < 0, -near, far)
