"""Samples that do not depend on chance, order or partition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from monitoring.profile.categorical import hashes


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
    bits = np.concatenate([hashes(chunk) for chunk in table["event_id"].cast(pa.string()).chunks])
    chosen = np.argsort(bits, kind="stable")[:rows]
    return table.take(np.sort(chosen))
