"""What is ordinary for each value of a segment: its loss, its share, its predictions, and how it is treated."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from monitoring.judge.limits import Spread
from monitoring.measure import block
from monitoring.measure.fairness import OF_SEVERAL, OF_TWO_CLASSES, SHARES, Metric
from monitoring.measure.segments import FIELDS, LEAST_ROWS
from monitoring.profile.fixed_point import FloatArray

# Of longer blocks than a week of days only these are measured; others take the spread of the next longer
_EVERY_LENGTH, _SOME_LENGTHS = 7, (14, 24, 30, 60, 90)


def learn_segments(
    tables: Mapping[str, FloatArray], *, longest: int, compared: Collection[str], binary: bool
) -> dict[str, tuple[Spread, ...]]:
    """The spreads of everything that is said of segments.

    Args:
        tables: From `monitoring.measure.segments.segment_tables`.
        longest: Longest block, in windows.
        compared: Segments whose values are compared with each other.
        binary: Whether the model tells two classes apart.
    """
    longest = min(longest, len(tables[""]))
    lengths = [k for k in range(1, longest + 1) if k <= _EVERY_LENGTH or k in _SOME_LENGTHS or k == longest]
    spreads: dict[str, list[Spread]] = {}
    for length in lengths:
        blocks = {subject: _blocks(table, length) for subject, table in tables.items()}
        for subject, rows in blocks.items():
            for key, measured, of in _measured(subject, rows, blocks[""], compared, binary=binary) if subject else ():
                if len(measured):
                    known = spreads.setdefault(key, [])
                    spread = Spread.of_numbers(measured.tolist(), of.tolist(), length)
                    known += [spread] * (length - len(known))
    return {key: tuple(found) for key, found in sorted(spreads.items())}


def fairness_key(metric: Metric, subject: str) -> str:
    """Where the rate of a value, beside that of all rows, has its spread.

    >>> fairness_key("accuracy_difference", "gender=f")
    'fairness:accuracy_difference:gender=f'
    """
    return block.key("fairness", f"{metric}:{subject}")


def _blocks(table: FloatArray, length: int) -> FloatArray:
    """The sums over every `length` windows in a row."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(table, length, axis=0).sum(axis=-1))


def _measured(
    subject: str, blocks: FloatArray, whole: FloatArray, compared: Collection[str], *, binary: bool
) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """By key, the values over all blocks, and the rows that each is of."""
    mine, all_of = _columns(blocks), _columns(whole)
    nonempty = all_of["rows"] > 0
    yield block.key("segment_share", subject), _ratio(mine["rows"], all_of["rows"])[nonempty], all_of["rows"][nonempty]
    rates = {"segment_loss": ("loss", "lossy")} | ({"segment_predictions": ("positives", "rows")} if binary else {})
    for check, (hits, rows) in rates.items():
        enough = mine[rows] >= LEAST_ROWS
        yield block.key(check, subject), _ratio(mine[hits], mine[rows])[enough], mine[rows][enough]
    if subject.partition("=")[0] in compared:
        for metric in OF_TWO_CLASSES if binary else OF_SEVERAL:
            hits, rows = SHARES[metric]
            rate, everyone = _ratio(mine[hits], mine[rows]), _ratio(all_of[hits], all_of[rows])
            # beside all rows: what moves all values together is not in it
            beside = _ratio(rate, everyone) if metric == "disparate_impact" else rate - everyone
            enough = (mine[rows] >= LEAST_ROWS) & np.isfinite(beside)
            yield fairness_key(metric, subject), beside[enough], mine[rows][enough]


def _columns(table: FloatArray) -> dict[str, FloatArray]:
    return dict(zip(FIELDS, table.T, strict=True))


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN over nothing."""
    return np.asarray(np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0))
