"""What a label is, value by value: the meaning that all formats share, and that reading many at once keeps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

import pyarrow as pa

from monitoring.capture.quarantine import Quarantined, Reason, UnreadableError
from monitoring.capture.readers.rows import id_text, is_empty, parse_time
from monitoring.capture.records import ABSENT, PARSERS, find, is_text
from monitoring.config import ModelConfig
from monitoring.config.values import plain_label
from monitoring.labels.schema import label_schema

# Labels that were read one by one become tables of so many.
_ROWS = 1 << 16


class Label(NamedTuple):
    """One label.

    Attributes:
        event_id: Of the inference.
        label: A class as `plain_label` spells it, or a finite number.
        weight: Finite and at least 0; None where there is none.
        label_time: When it became known, UTC; None where that is not said.
    """

    event_id: str
    label: str | float
    weight: float | None
    label_time: datetime | None


def class_label(value: Any) -> str:
    """A value as a class.

    Raises:
        ValueError: It is none: empty, nested, or not a number.

    >>> class_label(True), class_label(1.0), class_label(" late ")
    ('1', '1', 'late')
    """
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str | int) or (isinstance(value, float | Decimal) and math.isfinite(value)):
        text = plain_label(str(value))
        # as which missing numbers are written; `null` and `none` may be names of classes
        if text and text.lower() != "nan" and is_text(text):
            return text
    raise ValueError("no class")


def number_label(value: Any) -> float:
    """A value as a number.

    Raises:
        TypeError: It is nested.
        ValueError: It is none, or not finite.
        OverflowError: It is too large.
    """
    found: float | None = PARSERS["numeric"](value)
    if found is None or not math.isfinite(found):
        raise ValueError("no finite number")
    return found


def parse_weight(value: Any) -> float | None:
    """A value as a weight; None where there is none.

    Raises:
        TypeError: It is nested.
        ValueError: It is no number, negative, or infinite.
        OverflowError: It is too large.
    """
    found: float | None = PARSERS["numeric"](value)
    if found is None or math.isnan(found):
        return None
    if not 0 <= found < math.inf:
        raise ValueError("neither 0 nor a positive number")
    return found


@dataclass(frozen=True)
class Meaning:
    """What the fields of a record of labels mean.

    Attributes:
        event_id: Where the event id is.
        label: Where the label is.
        weight: Where its weight is; empty: there is none.
        label_time: Where the time is at which it became known; empty: there is none.
        schema: Of the tables.
        complete: Whether a record has every field, if only empty, as in a table.
    """

    event_id: str
    label: str
    weight: str
    label_time: str
    schema: pa.Schema
    complete: bool = False

    @classmethod
    def of(cls, config: ModelConfig, *, complete: bool = False) -> Self:
        """What `labels` says."""
        labels = config.labels
        assert labels is not None
        names = (labels.event_id, labels.label, labels.weight, labels.label_time)
        event_id, label, weight, label_time = map(labels.path, names)
        return cls(event_id, label, weight, label_time, label_schema(config), complete)

    @property
    def paths(self) -> list[str]:
        """Where something is."""
        return [path for path in (self.event_id, self.label, self.weight, self.label_time) if path]

    @property
    def numeric(self) -> bool:
        """Whether labels are numbers, and not classes."""
        return bool(pa.types.is_floating(self.schema.field("label").type))

    def of_fields(self, fields: dict[str, Any]) -> Label:
        """The label in a record of fields.

        Raises:
            UnreadableError: It has none, or one of its fields is not what it should be.
        """
        event_id = id_text(find(fields, self.event_id))
        if event_id is None:
            raise UnreadableError(Reason.NO_EVENT_ID, f"no {self.event_id}")
        return Label(event_id, self.parsed(find(fields, self.label)), *self.about(fields))

    def parsed(self, value: Any) -> str | float:
        """A label.

        Raises:
            UnreadableError: It is none.
        """
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        try:
            return number_label(value) if self.numeric else class_label(value)
        except (TypeError, ValueError, OverflowError) as error:
            what = "a finite number" if self.numeric else "a number or a text"
            raise UnreadableError(Reason.BAD_LABEL, f"the label is not {what}") from error

    def about(self, *places: dict[str, Any]) -> tuple[float | None, datetime | None]:
        """The weight, and the time at which a label became known, from the first place that has them.

        Raises:
            UnreadableError: One of them is not what it should be.
        """
        weight, moment = self._first(self.weight, places), self._first(self.label_time, places)
        try:
            found = parse_weight(weight)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnreadableError(Reason.BAD_LABEL, f"{self.weight} is neither 0 nor a positive number") from error
        try:
            return found, None if is_empty(moment) else parse_time(moment)
        except (TypeError, ValueError, OverflowError) as error:
            raise UnreadableError(Reason.BAD_EVENT_TIME, f"{self.label_time} is no time") from error

    def _first(self, path: str, places: Iterable[dict[str, Any]]) -> Any:
        if not path:
            return None
        value = next((value for place in places if (value := find(place, path)) is not ABSENT), ABSENT)
        if value is ABSENT and self.complete:
            raise UnreadableError(Reason.MISSING_FIELD, f"no {path}")
        return None if value is ABSENT else value


def to_table(labels: list[Label], schema: pa.Schema) -> pa.Table:
    """Labels as a table."""
    columns = zip(*labels, strict=True) if labels else ((),) * len(schema)
    return pa.table([pa.array(list(c), f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def tables(found: Iterable[Label | Quarantined], schema: pa.Schema) -> Iterator[pa.Table | Quarantined]:
    """Labels that were read one by one, as tables of bounded size."""
    labels: list[Label] = []
    for item in found:
        if isinstance(item, Quarantined):
            yield item
            continue
        labels.append(item)
        if len(labels) == _ROWS:
            yield to_table(labels, schema)
            labels = []
    if labels:
        yield to_table(labels, schema)
