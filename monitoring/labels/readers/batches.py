"""Labels of Arrow tables: what `Meaning.of_fields` makes of their rows, for all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import arrow_values as values
from monitoring.capture.readers.arrow_values import Mask
from monitoring.labels.readers.values import Label, Meaning, class_label, to_table

# Reads the labels of a row by itself
ReadRow = Callable[[int], Iterable[Label | Quarantined]]
# Beyond it a float does not tell whole numbers apart.
_EXACT = 2.0**53


def labels_of(batch: pa.RecordBatch, meaning: Meaning, read_row: ReadRow) -> Iterator[pa.Table | Quarantined]:
    """The labels of some rows.

    Args:
        batch: At least the columns that are meant.
        meaning: What they mean.
        read_row: Reads a row in which something is not as it should be.
    """
    count = batch.num_rows
    id_column, label_column = (values.look_up(batch, path) for path in (meaning.event_id, meaning.label))
    ids = pa.nulls(count, pa.string()) if id_column is None else values.event_ids(id_column.values)
    labels = pa.nulls(count) if label_column is None else usable(label_column.values, meaning)
    return with_others(ids, labels, about(batch, meaning), meaning, read_row)


def usable(array: pa.Array, meaning: Meaning) -> pa.Array:
    """Labels, null where there is none."""
    array = values.only_items(array)
    if not meaning.numeric:
        return values.by_value(array, class_label, pa.string()).values
    found = values.numbers(array).values
    return pc.if_else(pc.is_finite(found), found, None)


def about(batch: pa.RecordBatch, meaning: Meaning) -> tuple[pa.Array, pa.Array, Mask]:
    """The weights, the times at which labels became known, and in which rows both are as they should be."""
    count = batch.num_rows
    weights, times = pa.nulls(count, pa.float64()), pa.nulls(count, pa.int64())
    fine = np.ones(count, bool)
    if meaning.weight:
        column = values.look_up(batch, meaning.weight)
        if column is not None:
            parsed = values.numbers(column.values)
            weights = pc.if_else(pc.is_nan(parsed.values), None, parsed.values)
            good = pc.and_(pc.greater_equal(weights, 0), pc.is_finite(weights))
            fine &= ~parsed.bad & pc.fill_null(good, True).to_numpy(zero_copy_only=False)
        fine &= _there(column, meaning, count)
    if meaning.label_time:
        column = values.look_up(batch, meaning.label_time)
        if column is not None:
            moments, bad, nothing = values.moments(column.values)
            times = pa.array(moments, mask=nothing | bad)
            fine &= ~bad
        fine &= _there(column, meaning, count)
    return weights, times, fine


def with_others(
    ids: pa.Array,
    labels: pa.Array,
    more: tuple[pa.Array, pa.Array, Mask],
    meaning: Meaning,
    read_row: ReadRow,
) -> Iterator[pa.Table | Quarantined]:
    """Labels that were read at once, and between them, in the rows' order, those of rows that are read alone.

    Args:
        ids: The event ids; null where there is none.
        labels: Null where there is none that is read at once.
        more: What `about` gives.
        meaning: What the rows mean.
        read_row: Reads a row of which the id or the label is null, or the rest is not as it should be.
    """
    weights, times, fine = more
    fine = fine & _valid(ids) & _valid(labels)
    columns = (ids, labels, weights, times.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))
    types = meaning.schema.types
    table = pa.table([c.cast(t) for c, t in zip(columns, types, strict=True)], schema=meaning.schema)
    if fine.all():
        if table.num_rows:
            yield table
        return
    others: list[Label] = []
    places: list[int] = []
    for row in np.flatnonzero(~fine):
        for found in read_row(int(row)):
            if isinstance(found, Quarantined):
                yield found
            else:
                others.append(found)
                places.append(int(row))
    table = table.filter(pa.array(fine))
    if others:
        order = np.argsort(np.concatenate([np.flatnonzero(fine), np.array(places, np.int64)]), kind="stable")
        table = pa.concat_tables([table, to_table(others, meaning.schema)]).take(pa.array(order))
    if table.num_rows:
        yield table


def is_exact(array: pa.Array, *, whole: bool) -> bool:
    """Whether floats are what Python makes of the same numbers, some of which may be written as whole ones.

    Args:
        array: Of floats.
        whole: Whether the digits of whole numbers matter.
    """
    found = pc.fill_null(array, 1).to_numpy(zero_copy_only=False)
    negative_zeros = (found == 0) & np.signbit(found)
    return not negative_zeros.any() and (not whole or bool((np.abs(found) < _EXACT).all()))


def _there(column: values.Column | None, meaning: Meaning, count: int) -> Mask:
    if not meaning.complete:
        return np.ones(count, bool)
    return np.zeros(count, bool) if column is None else column.there


def _valid(array: pa.Array) -> Mask:
    found: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return found
