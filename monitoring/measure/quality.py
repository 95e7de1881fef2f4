"""Whether the data are what they were: measurements of one column, and of a window as a whole."""

from __future__ import annotations

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
    method = "share of values outside the baseline's range"
    if not reference.finite:
        return Measurement("out_of_range_share", None, column.finite, "high", method)
    edges = column.spec.edges
    first = int(np.searchsorted(edges, reference.low, side="right"))
    last = int(np.searchsorted(edges, reference.high, side="right"))
    outside = column.finite - int(column.counts[first : last + 1].sum())
    return proportion("out_of_range_share", outside, column.finite, "high", method)


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
    same = column.head() == before.head() and all(
        np.array_equal(mine, theirs)
        for mine, theirs in zip(column.arrays().values(), before.arrays().values(), strict=True)
    )
    return Measurement("staleness", float(same), column.rows, "high", method)


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
