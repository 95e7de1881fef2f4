"""What the values of a column are like: counts and kinds, never a value itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from monitoring.capture.readers.rows import is_empty, parse_time
from monitoring.capture.records import find, is_text

Kind = Literal["numeric", "categorical", "text", "time", "reference", "nested", "empty"]
# A column is of a kind when this share of its values is.
_MOST = 0.99
# A log may have faults: times, and scores by their names, are known among so many of them.
_DESPITE_FAULTS = 0.95
# With fewer values, that all differ or none does says nothing.
ENOUGH = 20
_MOST_COLUMNS, _MOST_ITEMS, _MOST_NESTED = 2000, 16, 6
_LONG_TEXT = 50
_NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_NULLS = frozenset({"null", "none", "na", "nan"})
_URI = re.compile(r"(?:s3|s3a|gs|https?|abfss?|wasbs?|file)://\S+")
_DATED = re.compile(r"\d{4}-\d\d-\d\d.*|\d{8}(?:T\d{4,6}.*)?")
_TIME_NAME = re.compile(r"(?:^|_)(?:time|timestamp|ts|datetime|date|at|epoch|millis)(?:_(?:ms|us|ns|utc))?$")
_EARLIEST, _LATEST = 9.5e8, 4.2e9  # from 2000 to 2103, in seconds since 1970


@dataclass(frozen=True)
class Described:
    """What a column is like.

    Attributes:
        name: Its path in a row.
        rows: Rows that were looked at.
        present: Rows that have the field.
        values: Rows in which it is not empty.
        distinct: Different values.
        kind: What the values are.
        truth: Whether they are 0 and 1, or true and false.
        share: Whether they are numbers from 0 to 1.
        near_share: Whether all but a few are.
        whole: Whether they are whole numbers.
        low: The smallest number.
        high: The largest number.
        sequence: Whether each is one more than the one before.
    """

    name: str
    rows: int
    present: int
    values: int
    distinct: int
    kind: Kind
    truth: bool = False
    share: bool = False
    near_share: bool = False
    whole: bool = False
    low: float = math.nan
    high: float = math.nan
    sequence: bool = False

    @property
    def constant(self) -> bool:
        """Whether it says nothing: one value in many rows."""
        return self.distinct == 1 and self.values >= ENOUGH

    @property
    def unique(self) -> bool:
        """Whether it is another value in each of many rows."""
        return self.distinct == self.values >= ENOUGH

    @property
    def sparse(self) -> bool:
        """Whether many rows lack the field."""
        return self.present < _MOST * self.rows


def words(name: str) -> str:
    """The last part of a path in small letters, its words parted by `_`.

    >>> words("customer.homeCountry"), words("Predicted Label"), words("scores[1]")
    ('home_country', 'predicted_label', 'scores')
    """
    last = re.sub(r"\[\d+\]", "", name).rpartition(".")[2] or name
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).lower()).strip("_")


def flat(fields: dict[str, Any], parent: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    """The fields of a row, those that are nested by their paths; what paths cannot reach stays nested."""
    for name, value in fields.items():
        path = f"{parent}.{name}" if parent else name
        inner = value if isinstance(value, dict) and value and depth < _MOST_NESTED else None
        if (
            isinstance(value, list)
            and 0 < len(value) <= _MOST_ITEMS
            and not any(isinstance(x, list | dict) for x in value)
        ):
            yield from ((f"{path}[{place}]", item) for place, item in enumerate(value))
        elif inner is not None:
            yield from flat(inner, path, depth + 1)
        else:
            yield path, value


def describe(rows: Sequence[dict[str, Any]]) -> dict[str, Described]:
    """What the columns of rows are like, in the order in which they appear."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        for path, value in flat(row):
            if path in found or (len(found) < _MOST_COLUMNS and is_text(path) and find(row, path) is value):
                found.setdefault(path, []).append(value)
    return {path: _described(path, values, len(rows)) for path, values in found.items()}


def _described(path: str, found: list[Any], rows: int) -> Described:
    values = [value for value in found if not _is_null(value)]
    distinct = len(set(map(str, values)))
    base = Described(path, rows, len(found), len(values), distinct, "empty")
    if not values:
        return base
    kind = _kind(values, path, distinct)
    about: dict[str, Any] = {"kind": kind, "truth": all(_is_truth(value) for value in values)}
    if kind == "numeric":
        numbers = [float(value) for value in values if _is_number(value)]
        whole = all(number.is_integer() for number in numbers)
        steps = sum(b - a == 1 for a, b in pairwise(numbers))
        about |= {
            "share": min(numbers) >= 0 and max(numbers) <= 1,
            "near_share": sum(0 <= number <= 1 for number in numbers) >= _DESPITE_FAULTS * len(values),
            "whole": whole,
            "low": min(numbers),
            "high": max(numbers),
            "sequence": whole
            and distinct > len(numbers) / 2
            and len(numbers) >= ENOUGH
            and steps >= 0.9 * (len(numbers) - 1),
        }
    return Described(**{**base.__dict__, **about})


def _kind(values: list[Any], path: str, distinct: int) -> Kind:
    if _most(values, lambda value: isinstance(value, dict | list)):
        return "nested"
    if _most(values, lambda value: isinstance(value, date)) or _is_time(values, path):
        return "time"
    if _most(values, _is_number):
        return "numeric"
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < _MOST * len(values):
        return "nested" if any(isinstance(value, dict | list) for value in values) else "categorical"
    if _most(texts, lambda text: _is_uri(text.strip(), path)):
        return "reference"
    spaced = sum(" " in text.strip() for text in texts) > len(texts) / 2
    long = sum(map(len, texts)) > _LONG_TEXT * len(texts)
    return "text" if long or (spaced and len(texts) >= ENOUGH and distinct > 0.9 * len(texts)) else "categorical"


def _most(values: list[Any], is_one: Any, share: float = _MOST) -> bool:
    return sum(map(bool, map(is_one, values))) >= share * len(values)


def _is_uri(text: str, path: str) -> bool:
    # a body that lies in a directory
    return _URI.fullmatch(text) is not None or (path == "uri" and text.startswith("/"))


def _is_null(value: Any) -> bool:
    return is_empty(value) or (isinstance(value, str) and value.strip().lower() in _NULLS)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float | Decimal):
        return math.isfinite(value)
    text = value.strip() if isinstance(value, str) else ""
    # what begins with a zero is a code
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str | int | float) and str(value) in {"0", "1", "0.0", "1.0"})


def _is_time(values: list[Any], path: str) -> bool:
    """Dates as texts; numbers only if the name says so too."""
    named = _TIME_NAME.search(words(path)) is not None

    def is_one(value: Any) -> bool:
        if isinstance(value, str) and _DATED.fullmatch(value.strip()):
            if value.strip().isdecimal() and not named:
                return False
        elif not named or not _is_number(value):
            return False
        try:
            return _EARLIEST < parse_time(value).timestamp() < _LATEST
        except ValueError:
            return False

    return _most(values, is_one, _DESPITE_FAULTS)
