"""What a call becomes, whichever stack recorded it: rows when both sides are at hand, else half of each row."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.readers.json_objects import Known, json_objects
from monitoring.capture.readers.payload import is_error, request_rows, response_rows
from monitoring.capture.readers.rows import id_text, parse_time
from monitoring.capture.records import ABSENT, Half, Row, find
from monitoring.config.capture import Columns

# What an answer that is an error counts as, where the record does not say the status
ERROR_STATUS = 500
# Records of one request lie this close together, where each row is a record of its own.
REACH = 1000
_Item = TypeVar("_Item")


def numbered(event_id: str, count: int) -> list[str]:
    """The event ids of a call's rows.

    >>> numbered("e", 1), numbered("e", 2)
    (['e'], ['e#0', 'e#1'])
    """
    return [event_id] if count == 1 else [f"{event_id}#{i}" for i in range(count)]


@dataclass(frozen=True)
class Call:
    """What a record says of a call beside its bodies.

    Attributes:
        event_id: What both sides carry.
        event_time: When it was, if the record says so.
        written: When the object was last written, which stands in for the time of the call.
        origin: The record.
        attributes: What else was captured of the call.
        ids: Makes the event ids of its rows.
    """

    event_id: str
    event_time: datetime | None
    written: datetime
    origin: Origin
    attributes: dict[str, Any] = field(default_factory=dict)
    ids: Callable[[str, int], list[str]] = numbered

    def request(self, value: Any, columns: Columns) -> list[Row | Half]:
        """What a request alone gives: rows, if the model's answer is in it or is not watched, else a half.

        It gives nothing when only responses are watched.

        Raises:
            UnreadableError: The body holds no rows of this model.
        """
        if not columns.features:
            return []
        rows = _some(request_rows(value, columns))
        answered = holds_answer(rows, columns)
        if answered or not columns.outputs:
            return list(self._rows(rows, rows if answered else None, columns))
        return [self._half("input", rows, self._moment(rows, columns), self.attributes, columns)]

    def response(self, value: Any, columns: Columns) -> list[Row | Half]:
        """What a response alone gives: a half, or rows, if only responses are watched.

        It gives nothing when they are not. A half of an answer that is an error has no rows.

        Raises:
            UnreadableError: The body holds no rows.
        """
        if not columns.outputs:
            return []
        failed = is_error(value, columns)
        rows = [] if failed else _some(response_rows(value, columns))
        attributes = self._answered(value, columns, failed=failed)
        if columns.features:
            return [self._half("output", rows, self._moment(rows, columns), attributes, columns)]
        return list(self._rows(None, rows or [{}], columns, attributes))

    def both(self, request: Any, response: Any, columns: Columns) -> list[Row]:
        """The rows of a record that has both sides.

        Raises:
            UnreadableError: The bodies hold no rows of this model, or one holds more than the other.
        """
        inputs = _some(request_rows(request, columns)) if columns.features else None
        if not columns.outputs:
            return list(self._rows(inputs, None, columns))
        failed = is_error(response, columns)
        attributes = self._answered(response, columns, failed=failed)
        if failed:
            return list(self._rows(inputs or [{}], None, columns, attributes))
        outputs = _some(response_rows(response, columns, None if inputs is None else len(inputs)))
        return list(self._rows(inputs, outputs, columns, attributes))

    def _rows(
        self,
        inputs: list[dict[str, Any]] | None,
        outputs: list[dict[str, Any]] | None,
        columns: Columns,
        attributes: dict[str, Any] | None = None,
    ) -> Iterator[Row]:
        found = inputs if inputs is not None else outputs or []
        moment = self._moment(found, columns)
        for i, event_id in enumerate(self._ids(found, columns)):
            yield Row(
                event_id,
                moment,
                self.origin,
                inputs[i] if inputs is not None else {},
                outputs[i] if outputs is not None else {},
                self.attributes if attributes is None else attributes,
            )

    def _half(
        self,
        side: Literal["input", "output"],
        rows: list[dict[str, Any]],
        moment: datetime,
        attributes: dict[str, Any],
        columns: Columns,
    ) -> Half:
        ids = self._ids(rows, columns) if side == "input" else self.ids(self.event_id, len(rows))
        return Half(self.event_id, side, self.origin, ids, rows, moment, attributes)

    def _ids(self, rows: list[dict[str, Any]], columns: Columns) -> list[str]:
        if not columns.event_id:
            return self.ids(self.event_id, len(rows))
        # an empty one sets its row aside, and no other
        return [id_text(find(row, columns.path(columns.event_id))) or "" for row in rows]

    def _moment(self, rows: list[dict[str, Any]], columns: Columns) -> datetime:
        if self.event_time is not None:
            return self.event_time
        value = find(rows[0], columns.path(columns.event_time)) if columns.event_time and rows else ABSENT
        return self.written if value is ABSENT else event_time_of(value)

    def _answered(self, value: Any, columns: Columns, *, failed: bool) -> dict[str, Any]:
        """The attributes, and what a response says of the model and of its success."""
        version = value.get("model_version") if isinstance(value, dict) else None
        said = {} if version is None else {columns.path(columns.model_version): version}
        if failed:
            said[columns.path(columns.status)] = ERROR_STATUS
        return said | self.attributes


def _some(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        raise UnreadableError(Reason.ROW_COUNT, "no rows")
    return rows


def holds_answer(rows: Sequence[dict[str, Any]], columns: Columns) -> bool:
    """Whether the rows of a request hold what the model answered, as those that were logged together do."""
    name = next(iter(columns.answers), "")
    if not columns.outputs or not name or name in columns.features:
        return False
    return any(find(row, columns.path(name)) is not ABSENT for row in rows)


def event_id_of(value: Any) -> str:
    """The event id that a record carries.

    Raises:
        UnreadableError: It carries none.
    """
    found = id_text(value)
    if found is None or not found.strip():
        raise UnreadableError(Reason.NO_EVENT_ID, "no id, or no Unicode text")
    return found


def event_time_of(value: Any) -> datetime:
    """The moment that a record carries.

    Raises:
        UnreadableError: It carries none.
    """
    try:
        return parse_time(value)
    except ValueError as error:
        raise UnreadableError(Reason.BAD_EVENT_TIME, "neither ISO 8601 nor a number since 1970") from error


def read_objects(
    captured: CaptureObject,
    known: Known,
    rows_of: Callable[[dict[str, Any], Origin], Iterable[Row | Half]],
) -> Iterator[Row | Half | Quarantined]:
    """What is in the JSON objects of a captured object, and what could not be read.

    Args:
        captured: The object.
        known: Whether a JSON object is a record of the format.
        rows_of: Reads a record; it may raise `UnreadableError`.
    """
    for found in json_objects(captured, known):
        if isinstance(found, Quarantined):
            yield found
            continue
        origin, record = found
        try:
            yield from list(rows_of(record, origin))
        except UnreadableError as error:
            yield error.at(origin)


def gathered(items: Iterable[tuple[str, _Item]]) -> Iterator[tuple[str, list[_Item]]]:
    """Items that carry the same key, together; the keys in the order of their last items.

    Args:
        items: Each with its key. Those of one key follow each other within `REACH` items; what comes later is a
            group of its own.

    >>> list(gathered([("a", 1), ("b", 2), ("a", 3)]))
    [('b', [2]), ('a', [1, 3])]
    """
    waiting: OrderedDict[str, tuple[int, list[_Item]]] = OrderedDict()
    for number, (key, item) in enumerate(items):
        _, group = waiting.pop(key, (number, []))
        group.append(item)
        waiting[key] = (number, group)
        while number - next(iter(waiting.values()))[0] >= REACH:
            oldest, (_, group) = waiting.popitem(last=False)
            yield oldest, group
    for key, (_, group) in waiting.items():
        yield key, group
