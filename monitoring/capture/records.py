"""The canonical records that every reader produces."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring.capture import privacy
from monitoring.capture.quarantine import Origin, Quarantined, Reason, UnreadableError
from monitoring.capture.schema import (
    ATTRIBUTION_PREFIX,
    FEATURE_PREFIX,
    PROBABILITY_PREFIX,
    REFERENCE_PREFIX,
    SEGMENT_PREFIX,
    captured_schema,
)
from monitoring.config.capture import Columns
from monitoring.config.values import plain_label

# A column that fails in this share of the rows read together has changed; below it, the rows are at fault.
COLUMN_AT_FAULT = 0.5
# A call that was answered with this status or more may have no score.
FAILED_STATUS = 400
_MOST_NEW_COLUMNS = 50
ABSENT = object()
_NO_ROWS = np.zeros(0, np.int64)
_ROW_GROUP = 1 << 16

Rows = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass
class Row:
    """One inference as a reader found it, before its columns are typed.

    Attributes:
        event_id: What the label will carry.
        event_time: When the model answered, UTC.
        origin: The record.
        features: The request's fields by name; they may be nested.
        outputs: The response's fields by name.
        attributes: What else was captured of the call.
    """

    event_id: str
    event_time: datetime
    origin: Origin
    features: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Half:
    """One side of an inference, whose other side is another record.

    Attributes:
        key: What both sides carry.
        side: Which one it is.
        origin: The record.
        ids: The event id of each row.
        rows: The fields of each row.
        event_time: When, if this side knows.
        attributes: What else was captured of the call.
    """

    key: str
    side: Literal["input", "output"]
    origin: Origin
    ids: Sequence[str]
    rows: Sequence[dict[str, Any]]
    event_time: datetime | None = None
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Typed:
    """Rows with typed columns, before those at fault are set aside.

    Attributes:
        table: Canonical records as they were captured; null where a value is missing or does not parse.
        origin: The record of a row.
        missing: Per feature, the rows that lack it.
        unparsable: Per feature, the rows whose value does not parse.
        unknown: Columns that the model does not declare.
        quarantined: Rows that could not be typed at all.
    """

    table: pa.Table
    origin: Callable[[int], Origin]
    missing: dict[str, Rows] = field(default_factory=dict)
    unparsable: dict[str, Rows] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    quarantined: list[Quarantined] = field(default_factory=list)


@dataclass
class Sorted:
    """What became of some rows: `read = table.num_rows + rows of quarantined`.

    Attributes:
        table: Canonical records as they are stored.
        origin: The record of a row of the table.
        read: Rows that were read.
        quarantined: What could not be used.
        missing_columns: Per feature that all these rows lack, which rows: all of them.
        changed_columns: Per feature that does not parse, or is missing, in most of these rows, the rows at fault.
        new_columns: Columns that the model does not declare.
    """

    table: pa.Table
    origin: Callable[[int], Origin]
    read: int
    quarantined: list[Quarantined]
    missing_columns: dict[str, Mask]
    changed_columns: dict[str, Mask]
    new_columns: list[str]

    def take(self, rows: Rows) -> Sorted:
        """Some of the rows."""
        return replace(
            self,
            table=self.table.take(pa.array(rows)),
            origin=lambda index: self.origin(int(rows[index])),
            missing_columns={name: mask[rows] for name, mask in self.missing_columns.items()},
            changed_columns={name: mask[rows] for name, mask in self.changed_columns.items()},
        )


def type_rows(rows: Sequence[Row], columns: Columns) -> Typed:
    """Type the columns of rows, and set aside those without a usable response.

    Args:
        rows: In the order of their objects.
        columns: What the columns mean.
    """
    kept, heads, quarantined = [], [], []
    for row in rows:
        try:
            heads.append(_head(row, columns))
            kept.append(row)
        except UnreadableError as error:
            quarantined.append(error.at(row.origin))
    missing: dict[str, Rows] = {}
    unparsable: dict[str, Rows] = {}
    features: dict[str, list[Any]] = {}
    for name, kind in columns.features.items():
        values, absent, bad = _column(kept, columns.path(name), PARSERS[kind])
        features[FEATURE_PREFIX + name] = values
        if absent:
            missing[name] = np.array(absent, np.int64)
        if bad:
            unparsable[name] = np.array(bad, np.int64)
    names = captured_schema(columns).names
    body = {name: [head[name] for head in heads] for name in names if name not in features}
    table = pa.table(body | features, schema=captured_schema(columns))
    return Typed(
        table,
        lambda index: kept[index].origin,
        missing,
        unparsable,
        unknown_columns((row.features for row in kept), columns),
        quarantined,
    )


def merged(one: Typed, other: Typed, order: Rows) -> Typed:
    """Two sets of rows as one.

    Args:
        one: Some rows.
        other: Some others.
        order: For each row of the result, its place in the one and then the other.
    """
    count = one.table.num_rows
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))

    def both(of_one: dict[str, Rows], of_other: dict[str, Rows]) -> dict[str, Rows]:
        names = [*of_one, *(name for name in of_other if name not in of_one)]
        return {
            name: np.sort(place[np.concatenate([of_one.get(name, _NO_ROWS), of_other.get(name, _NO_ROWS) + count])])
            for name in names
        }

    def origin(index: int) -> Origin:
        row = int(order[index])
        return one.origin(row) if row < count else other.origin(row - count)

    return Typed(
        pa.concat_tables([one.table, other.table]).take(pa.array(order)),
        origin,
        both(one.missing, other.missing),
        both(one.unparsable, other.unparsable),
        one.unknown | other.unknown,
        [*one.quarantined, *other.quarantined],
    )


def sort_out(typed: Sequence[Typed], quarantined: Sequence[Quarantined], columns: Columns, key: bytes = b"") -> Sorted:
    """Set aside the rows at fault, unless a column is, and keep of the others what privacy allows.

    Args:
        typed: Rows that are looked at together.
        quarantined: What the reader could not turn into rows.
        columns: What the columns mean.
        key: Of the hashes that replace values.
    """
    rows = sum(part.table.num_rows for part in typed)
    missing = _total(part.missing for part in typed)
    unparsable = _total(part.unparsable for part in typed)
    counts = Counter(missing) + Counter(unparsable)
    at_fault = {name for name, n in counts.items() if n >= COLUMN_AT_FAULT * rows}
    absent = {name for name in at_fault if missing.get(name) == rows}
    aside = [*(item for part in typed for item in part.quarantined), *quarantined]
    kept = []
    for part in typed:
        faults = _faults(part, at_fault)
        keep = np.ones(part.table.num_rows, bool)
        for index, (name, reason) in sorted(faults.items()):
            keep[index] = False
            what = "missing" if reason is Reason.MISSING_FIELD else f"not {columns.features[name]}"
            aside.append(Quarantined(reason, f"{name}: {what}", part.origin(index)))
        kept.append(keep)
    tables = [p.table if k.all() else p.table.filter(pa.array(k)) for p, k in zip(typed, kept, strict=True)]
    captured = pa.concat_tables([captured_schema(columns).empty_table(), *tables])
    unknown = {name for part in typed for name in part.unknown}
    faulty = {name: _at_fault(typed, kept, name) for name in sorted(at_fault)}
    return Sorted(
        privacy.applied(captured, columns, key),
        _origins(typed, kept),
        rows + sum(item.rows for part in typed for item in part.quarantined) + sum(item.rows for item in quarantined),
        aside,
        missing_columns={name: mask for name, mask in faulty.items() if name in absent},
        changed_columns={name: mask for name, mask in faulty.items() if name not in absent},
        new_columns=sorted(name.encode(errors="replace").decode() for name in unknown)[:_MOST_NEW_COLUMNS],
    )


def _at_fault(typed: Sequence[Typed], kept: Sequence[Mask], name: str) -> Mask:
    """Which of the rows that are kept lack a column, or do not parse."""
    found = []
    for part, keep in zip(typed, kept, strict=True):
        mask = np.zeros(part.table.num_rows, bool)
        for faults in (part.missing, part.unparsable):
            mask[faults.get(name, _NO_ROWS)] = True
        found.append(mask[keep])
    return np.concatenate(found)


def _origins(typed: Sequence[Typed], kept: Sequence[Mask]) -> Callable[[int], Origin]:
    """Where each row that is kept comes from."""
    ends = np.cumsum([keep.sum() for keep in kept])

    def origin(index: int) -> Origin:
        part = int(np.searchsorted(ends, index, side="right"))
        before = int(ends[part - 1]) if part else 0
        return typed[part].origin(int(np.flatnonzero(kept[part])[index - before]))

    return origin


def _total(parts: Iterable[dict[str, Rows]]) -> dict[str, int]:
    return dict(sum((Counter({name: len(rows) for name, rows in part.items()}) for part in parts), Counter()))


def _faults(part: Typed, at_fault: set[str]) -> dict[int, tuple[str, Reason]]:
    """The rows to set aside, each with its first fault."""
    found: dict[int, tuple[str, Reason]] = {}
    for reason, faults in ((Reason.UNPARSABLE_FIELD, part.unparsable), (Reason.MISSING_FIELD, part.missing)):
        for name, rows in faults.items():
            if name not in at_fault:
                found |= {int(index): (name, reason) for index in rows if int(index) not in found}
    return found


def unknown_columns(rows: Iterable[dict[str, Any]], columns: Columns) -> frozenset[str]:
    """The request's fields that the model does not declare."""
    own = (columns.event_id, columns.event_time, columns.model_version, columns.latency_ms, columns.status)
    named = {*own, *columns.answers, *columns.outputs, *columns.ignored}
    named |= {
        part
        for name in (*columns.features, *columns.segments, *columns.references, *columns.attributions.values())
        for path in (columns.path(name), name)
        for part in (path, re.split(r"[.\[]", path, maxsplit=1)[0])
    }
    return frozenset({name for row in rows for name in row} - named)


def find(values: dict[str, Any], path: str) -> Any:
    """The value at a path such as `customer.age` or `x[0]`; `ABSENT` when there is none.

    >>> find({"customer": {"age": 41}, "x": [7]}, "customer.age"), find({"x": [7]}, "x[0]")
    (41, 7)
    """
    if path in values:
        return values[path]
    found: Any = values
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        if name and isinstance(found, dict) and name in found:
            found = found[name]
        elif index and isinstance(found, list) and int(index) < len(found):
            found = found[int(index)]
        else:
            return ABSENT
    return ABSENT if found is values else found


def _look_up(row: Row, path: str, *, attributes_first: bool = False) -> Any:
    places = [row.features, row.outputs]
    for place in [row.attributes, *places] if attributes_first else places:
        value = find(place, path) if place else ABSENT
        if value is not ABSENT:
            return value
    return ABSENT


def _head(row: Row, columns: Columns) -> dict[str, Any]:
    """What a record holds beside its features."""

    def attribute(name: str) -> Any:
        value = _look_up(row, columns.path(name), attributes_first=True)
        return None if value is ABSENT else value

    if not row.event_id or not is_text(row.event_id):
        raise UnreadableError(Reason.NO_EVENT_ID, "the event id is empty or no Unicode text")
    status = optional_status(attribute(columns.status))
    answer = _answer(row, columns, failed=status is not None and status >= FAILED_STATUS)
    return {
        "event_id": row.event_id,
        "event_time": row.event_time,
        "model_version": plain_text(attribute(columns.model_version)) or "",
        "score": answer.score,
        "prediction": answer.prediction,
        "latency_ms": optional_number(attribute(columns.latency_ms)),
        "status": status,
        **{PROBABILITY_PREFIX + name: answer.probabilities.get(name) for name in columns.probabilities},
        **{
            ATTRIBUTION_PREFIX + name: optional_number(attribute(place)) for name, place in columns.attributions.items()
        },
        **{SEGMENT_PREFIX + name: plain_text(attribute(name)) for name in columns.segments},
        **{REFERENCE_PREFIX + name: plain_text(attribute(name)) for name in columns.references},
    }


class _Answer(NamedTuple):
    """What a model answered; the probabilities by class, none of them where they are not captured."""

    score: float | None = None
    prediction: Any = None
    probabilities: Mapping[str, float] = MappingProxyType({})


def _answer(row: Row, columns: Columns, *, failed: bool) -> _Answer:
    """The answer; nothing for a call that failed, or whose response is not captured."""
    if not columns.outputs:
        return _Answer()
    try:
        score = _parsed(row, columns.score, columns) if columns.score else None
        probabilities = {name: _parsed(row, place, columns) for name, place in columns.probabilities.items()}
    except UnreadableError:
        if failed:
            return _Answer()
        raise
    # the first of those that are equal
    likeliest = max(probabilities, key=lambda name: probabilities[name]) if probabilities else None
    if likeliest is not None and not columns.score:
        score = probabilities[likeliest]
    if columns.prediction:
        found = find(row.outputs, columns.path(columns.prediction))
        label = None if found is ABSENT else plain_text(found)
        if label is None and not failed and score is None:
            raise UnreadableError(Reason.BAD_SCORE, f"no {columns.prediction}")
        if label is not None:
            right = plain_label(label) == columns.positive if columns.task == "binary" else label
            return _Answer(score, right, probabilities)
    if columns.task == "binary":
        return _Answer(score, None if score is None else score >= columns.threshold)
    return _Answer(score, likeliest, probabilities)


def _parsed(row: Row, name: str, columns: Columns) -> float:
    return parse_score(find(row.outputs, columns.path(name)), name, columns)


def parse_score(value: Any, name: str, columns: Columns) -> float:
    """A score: a probability, unless the model is a regression.

    Args:
        value: As it was found.
        name: Of the field.
        columns: What the columns mean.

    Raises:
        UnreadableError: It is none.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        what = "missing" if value is ABSENT else "no number"
        raise UnreadableError(Reason.BAD_SCORE, f"{name} is {what}") from error
    if columns.task == "regression" and not np.isfinite(score):
        raise UnreadableError(Reason.BAD_SCORE, f"{name} is {score}")
    if columns.task != "regression" and not 0 <= score <= 1:
        raise UnreadableError(Reason.BAD_SCORE, f"{name} is not a probability")
    return score


def _column(rows: Sequence[Row], path: str, parse: Callable[[Any], Any]) -> tuple[list[Any], list[int], list[int]]:
    """A feature's values, None where there is none or it does not parse; the rows that lack it; those at fault."""
    values: list[Any] = []
    absent: list[int] = []
    bad: list[int] = []
    for index, row in enumerate(rows):
        value = row.features.get(path, ABSENT)
        if value is ABSENT:
            value = _look_up(row, path)
        if value is ABSENT:
            absent.append(index)
            values.append(None)
            continue
        try:
            values.append(parse(value))
        except (TypeError, ValueError, OverflowError):
            bad.append(index)
            values.append(None)
    return values, absent, bad


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.strip().lower() in ("null", "none", "na"):
        return None
    return float(value)


def _category(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, dict | list):
        raise TypeError("nested")
    # spelt as Arrow does, which makes texts of the columns of training rows
    text = pa.scalar(value).cast(pa.string()).as_py() if isinstance(value, bool | float) else str(value)
    text.encode()  # JSON can spell half a surrogate pair, which no table can hold
    return text


def _length(value: Any) -> float | None:
    text = _category(value)
    return None if text is None else float(len(text))


# What makes a value of each captured type; it raises what is not one
PARSERS: dict[str, Callable[[Any], Any]] = {"numeric": _number, "categorical": _category, "text": _length}


def plain_text(value: Any) -> str | None:
    """A plain value as text; None for what is none."""
    if value is None or isinstance(value, dict | list):
        return None
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return text if is_text(text) else None


def is_text(value: str) -> bool:
    """Whether it is Unicode text: JSON can spell half a surrogate pair, which nothing else can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def optional_number(value: Any) -> float | None:
    """A number, or None."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def optional_status(value: Any) -> int | None:
    """An HTTP status, or None."""
    text = str(value).removesuffix(".0")
    return int(text) if re.fullmatch(r"[0-9]{3}", text) else None


def to_parquet(table: pa.Table) -> bytes:
    """The table as Parquet bytes, the same for the same table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=_ROW_GROUP)
    return sink.getvalue()


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in Parquet bytes, or some of its columns."""
    return pq.read_table(io.BytesIO(data), columns=columns)


def with_prediction(table: pa.Table, columns: Columns) -> pa.Table:
    """Records with the predicted class that follows from their score, or from the probabilities of the classes."""
    if columns.task == "binary":
        return _set(table, "prediction", pc.greater_equal(table["score"], columns.threshold))
    if not columns.probabilities:
        return _set(table, "prediction", pa.nulls(table.num_rows, pa.string()))
    found = likeliest([table[PROBABILITY_PREFIX + name] for name in columns.probabilities], list(columns.probabilities))
    table = table if columns.score else _set(table, "score", found[1])
    return _set(table, "prediction", found[0])


def likeliest(columns: Sequence[pa.ChunkedArray | pa.Array], classes: Sequence[str]) -> tuple[pa.Array, pa.Array]:
    """The most probable class of each row, the first of those that are equal, and its probability.

    Args:
        columns: The probabilities, one column per class; a row without all of them has no class.
        classes: The names of the classes.
    """
    each = np.column_stack([np.asarray(column.to_numpy(zero_copy_only=False), np.float64) for column in columns])
    absent = np.isnan(each).any(axis=1)
    place = np.where(np.isnan(each), -1.0, each).argmax(axis=1)
    names = pa.array(classes, pa.string()).take(pa.array(place, mask=absent))
    return names, pa.array(each[np.arange(len(each)), place], mask=absent)


def _set(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)
