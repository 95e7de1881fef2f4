"""What could not be read: its reason, its place, and its bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

# More of a record than this is not kept: the place in its object is.
MOST_BYTES = 64 * 1024


class Reason(StrEnum):
    """Why a record is in quarantine."""

    # the object
    MISSING_OBJECT = "missing_object"
    CHANGED_OBJECT = "changed_object"
    BAD_OBJECT = "bad_object"
    UNKNOWN_FORMAT = "unknown_format"
    # the record
    NOT_JSON = "not_json"
    CUT_OFF = "cut_off"
    TOO_LONG = "too_long"
    NOT_A_CAPTURE = "not_a_capture"
    NO_INPUT = "no_input"
    NO_OUTPUT = "no_output"
    NO_EVENT_ID = "no_event_id"
    BAD_EVENT_TIME = "bad_event_time"
    BAD_PAYLOAD = "bad_payload"
    ROW_COUNT = "row_count"
    # the row
    FIELD_COUNT = "field_count"
    MISSING_FIELD = "missing_field"
    UNPARSABLE_FIELD = "unparsable_field"
    BAD_SCORE = "bad_score"
    BAD_LABEL = "bad_label"
    TOO_LATE = "too_late"
    IN_THE_FUTURE = "in_the_future"


@dataclass(frozen=True)
class Origin:
    """Where a record's bytes lie.

    Attributes:
        key: The object.
        offset: First byte in it, of the decompressed content.
        data: The bytes.
    """

    key: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Quarantined:
    """One record that could not be read.

    Attributes:
        reason: Why, of the closed list.
        detail: More about it, for people; it may quote a value of the record.
        origin: Where it is.
        rows: How many rows it would have had.
        length: Bytes of the record; more than `origin.data` has when it was cut.
    """

    reason: Reason
    detail: str
    origin: Origin
    rows: int = 1
    length: int = -1

    def to_json(self, *, quotes: bool = True) -> dict[str, Any]:
        """As JSON values.

        Args:
            quotes: Whether values and bytes of the record may stand in it.
        """
        data = self.origin.data[:MOST_BYTES] if quotes else b""
        return {
            "reason": self.reason,
            "detail": self.detail if quotes else "",
            "key": self.origin.key,
            "offset": self.origin.offset,
            "length": max(self.length, len(self.origin.data)),
            "rows": self.rows,
            "data": base64.b64encode(data).decode(),
        }

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> Self:
        """From `to_json`."""
        origin = Origin(item["key"], item["offset"], base64.b64decode(item["data"]))
        return cls(Reason(item["reason"]), item["detail"], origin, item.get("rows", 1), item["length"])


class UnreadableError(Exception):
    """What a reader raises about one record; it never leaves the reader.

    Args:
        reason: Why.
        detail: More about it.
        rows: How many rows the record would have had.
    """

    def __init__(self, reason: Reason, detail: str, rows: int = 1) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.rows = reason, detail, rows

    def at(self, origin: Origin) -> Quarantined:
        """The record, for the quarantine."""
        return Quarantined(self.reason, self.detail, origin, self.rows)


def quarantine_lines(items: Iterable[Quarantined], *, quotes: bool = True) -> bytes:
    """The quarantine as JSON Lines.

    Args:
        items: The records.
        quotes: Whether values and bytes of the records may stand in it.
    """
    return "".join(f"{json.dumps(item.to_json(quotes=quotes))}\n" for item in items).encode()


def parse_quarantine(data: bytes) -> list[Quarantined]:
    """The records that `quarantine_lines` wrote."""
    return [Quarantined.from_json(json.loads(line)) for line in data.splitlines()]
