"""Samples that do not depend on chance, order or partition."""

from __future__ import annotations

import hashlib

import pyarrow as pa


def bottom_k(table: pa.Table, rows: int) -> pa.Table:
    """The rows whose event ids have the smallest hashes, at most `rows`, in the table's order.

    The same rows are chosen however the table was cut or ordered, and the sample of a union is the sample of
    the samples (Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007).

    Args:
        table: With a column `event_id`.
        rows: Most rows to keep.
    """
    if table.num_rows <= rows:
        return table
    hashes = [hashlib.blake2b(str(key).encode(), digest_size=8).digest() for key in table["event_id"].to_pylist()]
    chosen = sorted(range(table.num_rows), key=lambda i: (hashes[i], i))[:rows]
    return table.take(sorted(chosen))
