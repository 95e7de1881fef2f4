"""What the readers of plain files share: which fields of a row are its identity and its time."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Reason, UnreadableError
from monitoring.capture.records import ABSENT, Row, find, is_text
from monitoring.config.capture import Columns

# Where `columns` names no column, the first of these that a row has is it.
EVENT_IDS = ("event_id", "id", "request_id", "inference_id", "uuid")
EVENT_TIMES = ("event_time", "timestamp", "time", "ts", "datetime", "created_at")
# Since 1970, and from which number on it is this unit: earlier than March 1973, nothing is taken for a time.
EPOCH_UNITS = ((1e8, 1_000_000), (1e11, 1_000), (1e14, 1), (1e17, 0.001))
EPOCH_END = 1e20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\d{9,}(\.\d*)?")


@dataclass(frozen=True)
class Identity:
    """How the rows of one object get their event ids and times.

    Attributes:
        captured: The object.
        event_ids: Where the id may be; the first one that a row has counts.
        event_times: Where the time may be.
        usual: Fields that say only one or the other.
        columns: What the columns mean.
    """

    captured: CaptureObject
    event_ids: tuple[str, ...]
    event_times: tuple[str, ...]
    usual: tuple[str, ...]
    columns: Columns

    @classmethod
    def of(cls, captured: CaptureObject, columns: Columns) -> Identity:
        """From what `columns` says, else from the usual names; a column that means something else is none of them."""
        meant = _meant(columns)
        ids = (columns.path(columns.event_id),) if columns.event_id else _without(EVENT_IDS, meant)
        times = (columns.path(columns.event_time),) if columns.event_time else _without(EVENT_TIMES, meant)
        return cls(captured, ids, times, _without((*EVENT_IDS, *EVENT_TIMES), meant), columns)

    def row(self, fields: dict[str, Any], origin: Origin, number: int) -> Row:
        """A row. Fields of the usual names are taken out of `fields`: the model need not declare them.

        Args:
            fields: By name.
            origin: The record.
            number: Of the row in its object.

        Raises:
            UnreadableError: The column with the id or the time is configured, and the row has none; or what should be
                the time is none.
        """
        event_id, event_time = self._event_id(fields), self._event_time(fields)
        for name in self.usual:
            fields.pop(name, None)
        return Row(event_id or f"{self.captured.key}#{number}", event_time, origin, fields, fields)

    def _event_id(self, fields: dict[str, Any]) -> str | None:
        """The id; None makes one, to which no label can be joined, and of which no duplicate is found."""
        for path in self.event_ids:
            found = id_text(find(fields, path))
            if found:
                return found
        if self.columns.event_id:
            raise UnreadableError(Reason.NO_EVENT_ID, f"no {self.columns.event_id}")
        return None

    def _event_time(self, fields: dict[str, Any]) -> datetime:
        for path in self.event_times:
            found = find(fields, path)
            if found is ABSENT or is_empty(found):
                continue
            try:
                return parse_time(found)
            except ValueError as error:
                raise UnreadableError(Reason.BAD_EVENT_TIME, f"{path} is no time") from error
        if self.columns.event_time:
            raise UnreadableError(Reason.BAD_EVENT_TIME, f"no {self.columns.event_time}")
        return self.captured.modified


def _meant(columns: Columns) -> set[str]:
    """The fields that `columns` gives a meaning."""
    own = (*columns.answers, columns.model_version, columns.latency_ms, columns.status)
    declared = (*columns.features, *columns.segments, *columns.references, *columns.attributions.values())
    names = (*own, *columns.outputs, *declared)
    return {part for name in names for part in (columns.path(name), re.split(r"[.\[]", columns.path(name))[0])}


def _without(names: tuple[str, ...], others: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def is_empty(value: Any) -> bool:
    """Whether a field holds nothing: null, not a number, or an empty text."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == ""


def id_text(value: Any) -> str | None:
    """A field as an event id; None when it cannot be one.

    >>> id_text("order-1"), id_text(17.0), id_text({"id": 1}), id_text("")
    ('order-1', '17', None, None)
    """
    if value is ABSENT or is_empty(value) or isinstance(value, bool | dict | list):
        return None
    if isinstance(value, float) and value.is_integer():  # integers beside nulls were made floats
        return str(int(value))
    text = str(value)
    return text if is_text(text) else None


def parse_time(value: Any) -> datetime:
    """The moment that a field says, in UTC.

    Args:
        value: ISO 8601, a date, or a number of seconds, milli-, micro- or nanoseconds since 1970. Without an offset
            it is UTC.

    Raises:
        ValueError: It says none.

    >>> parse_time("2026-03-01 10:20:30+01:00") == parse_time(1772356830) == parse_time("1772356830000")
    True
    """
    if isinstance(value, str):
        value = _number_or_moment(value.strip())
    if isinstance(value, datetime):
        return _in_utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    number = value if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else 0
    for least, microseconds in reversed(EPOCH_UNITS):
        if least <= number < EPOCH_END:
            if not isinstance(number, int):
                return EPOCH + timedelta(microseconds=round(float(number) * microseconds))
            return EPOCH + timedelta(microseconds=number * int(microseconds) if microseconds >= 1 else number // 1000)
    raise ValueError("neither a date, nor a number of that size")


def _number_or_moment(text: str) -> float | datetime:
    if _DIGITS.fullmatch(text):
        return int(text) if text.isdecimal() else float(text)
    return datetime.fromisoformat(text.removesuffix(" UTC"))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error
