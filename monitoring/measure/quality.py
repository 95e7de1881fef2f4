"""Whether the data are what they were: measurements of one column, and of a window as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitoring.measure.intervals import proportion
from monitoring.measure.measurement import Measurement
from monitoring.profile import CategoricalProfile, ColumnProfile, NumericProfile, WindowProfile

SERVER_ERROR = 500


def completeness(column: ColumnProfile) -> Measurement:
    """Share of rows without a usable value: nulls, NaN, infinities, and values of another type."""
    return proportion("null_share", column.unusable, column.rows, "high", "share of rows without a usable value")


def mismatch(column: ColumnProfile) -> Measurement:
    """Share of rows whose value is not of the declared type, such as a text where a number belongs."""
    method = "share of values of another type"
    return proportion("mismatched_share", column.mismatched, column.rows, "high", method)


def nonfinite(column: NumericProfile) -> Measurement:
    """Share of rows that are NaN or infinite."""
    method = "share of NaN and infinite values"
    return proportion("nonfinite_share", column.nonfinite, column.rows, "high", method)


def out_of_range(column: NumericProfile, reference: NumericProfile) -> Measurement:
    """Share of finite values below the baseline's lowest or above its highest.

    The baseline's extremes are bin edges, so this is exact.
    """
    return outside(column, (reference.low, reference.high) if reference.finite else None)


def outside(column: NumericProfile, between: tuple[float, float] | None) -> Measurement:
    """Share of finite values outside of a range, to the width of the bins at its ends; undefined without one."""
    method = "share of values outside the baseline's range"
    if between is None:
        return Measurement("out_of_range_share", None, column.finite, "high", method)
    first, last = np.searchsorted(column.spec.edges, between, side="right").tolist()
    beyond = column.finite - int(column.counts[first : last + 1].sum())
    return proportion("out_of_range_share", beyond, column.finite, "high", method)


def outside_the_others(windows: Sequence[NumericProfile]) -> list[Measurement]:
    """Share of each window's values outside of the range of all the other windows.

    Args:
        windows: One column in windows of the baseline.
    """
    lows = sorted(column.low for column in windows if column.finite)[:2]
    highs = sorted((column.high for column in windows if column.finite), reverse=True)[:2]
    found = []
    for column in windows:
        if not column.finite or len(lows) < 2:
            found.append(outside(column, None))
            continue
        low, high = lows[column.low == lows[0]], highs[column.high == highs[0]]
        found.append(outside(column, (low, high)))
    return found


def unseen(column: CategoricalProfile) -> Measurement:
    """Share of rows with a category that the baseline does not have; undefined where it has too many to know."""
    method = "share of categories that the baseline has not"
    if column.spec.is_open:
        return Measurement("unseen_share", None, column.rows, "high", method)
    return proportion("unseen_share", column.unseen, column.rows, "high", method)


def uniqueness(column: ColumnProfile) -> Measurement:
    """Number of different values over number of values: 1 for an identifier; to the 1.6 % of the sketch."""
    n = column.finite if isinstance(column, NumericProfile) else column.present
    value = min(column.distinct / n, 1.0) if n else None
    return Measurement("uniqueness", value, n, "both", "different values / values")


def constancy(column: ColumnProfile) -> Measurement:
    """1 if all values are the same one, else 0; undefined for fewer than two values."""
    if isinstance(column, NumericProfile):
        n, same = column.finite, bool(column.low == column.high)
    else:
        # the sketch may take two values for one
        named = int(np.count_nonzero(column.counts[:-1])) + len(column.new)
        n, same = column.present, named <= 1 and column.shortest == column.longest and round(column.distinct) == 1
    return Measurement("constancy", float(same) if n > 1 else None, n, "high", "1 if there is a single value")


def staleness(column: ColumnProfile, before: ColumnProfile) -> Measurement:
    """1 if a column holds just the values of the window before, as a feed does that repeats itself; else 0.

    Counts, sums and sketches are compared. That two windows of real measurements agree in all of them is
    practically impossible; a column with few different values may, so at least 30 of them are asked for.

    Args:
        column: This window's.
        before: The window's before it, on the same bins.
    """
    method = "1 if the values are those of the window before"
    if column.rows == 0 or before.rows == 0 or column.distinct < 30:
        return Measurement("staleness", None, column.rows, "high", method)
    return Measurement("staleness", float(is_repeated(column, before)), column.rows, "high", method)


def is_repeated(column: ColumnProfile, before: ColumnProfile) -> bool:
    """Whether a column is in nothing different from the window before; one of few values may be so by chance."""
    return column.head() == before.head() and all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(column.arrays().values(), before.arrays().values(), strict=True)
    )


def largest_cell(column: ColumnProfile) -> float:
    """Share of the values that the fullest cell has; at least that of the most frequent value. 1 without values.

    >>> from monitoring.profile import CategoricalSpec
    >>> import pyarrow as pa
    >>> largest_cell(CategoricalProfile.of(pa.array(["a", "a", "b", "c"]), CategoricalSpec(("a", "b", "c"))))
    0.5
    """
    if isinstance(column, NumericProfile):
        return float(column.counts.max() / column.finite) if column.finite else 1.0
    most = max(int(column.counts.max()), column.unseen)
    return most / column.present if column.present else 1.0


def volume(rows: int, ordinary_rows: float) -> Measurement:
    """Rows, as a share of an ordinary window's."""
    share = rows / ordinary_rows if ordinary_rows else None
    return Measurement("volume", share, rows, "both", "rows / rows of an ordinary window")


def silent_hours(window: WindowProfile, hours: int) -> Measurement:
    """Share of a window's hours without a record.

    Args:
        window: The window.
        hours: Hours in it.
    """
    share = max(hours - len(window.hours), 0) / hours
    return Measurement("silent_hours", share, window.rows, "high", "share of hours without a record")


def server_errors(window: WindowProfile) -> Measurement:
    """Share of the responses with a status that has 500 or more; undefined where no response has a status."""
    answered = sum(window.statuses.values())
    errors = sum(n for status, n in window.statuses.items() if status.isdecimal() and int(status) >= SERVER_ERROR)
    return proportion("error_share", errors, answered, "high", "share of responses with status 500+")
