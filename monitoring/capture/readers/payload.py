"""The bodies of requests and responses, whatever serving stack wrote them down: rows of named fields.

CSV and JSON, with one row or many: JSON Lines, a list of lists or of objects, `instances` and `predictions`
(TensorFlow's predict protocol, version 1), tensors (Open Inference Protocol, version 2), pandas' `split` and
`records` (MLflow, Azure Machine Learning), `ndarray` (Seldon), and columns as lists.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from monitoring.capture.objects import LONGEST_LINE
from monitoring.capture.quarantine import Reason, UnreadableError
from monitoring.capture.readers import tensors
from monitoring.capture.records import ABSENT
from monitoring.config.capture import Columns

# What rows are kept under, and nothing else
_ROWS = ("instances", "predictions", "dataframe_records", "rows")
# What may hold rows, columns, tensors or one row
_HOLDERS = (*_ROWS, "dataframe_split", "inputs", "outputs", "input_data", "data", "jsonData")
_MOST_NESTED = 4
# A body is bounded already, so a field of it needs no bound of its own.
csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True)
class _Side:
    """What a body should hold.

    Attributes:
        positions: Names of the fields that have none, by position.
        names: Every name that is looked for.
        columns: What the columns mean.
        complete: Whether every row has all of the fields, as requests do.
    """

    positions: Sequence[str]
    names: Sequence[str]
    columns: Columns
    complete: bool

    def knows(self, key: str) -> bool:
        """Whether a column is under this name."""
        return any(key in (name, _root(self.columns.path(name))) for name in self.names)

    def known(self, value: dict[str, Any]) -> bool:
        """Whether any column is in an object."""
        if any(name in value for name in self.names):
            return True
        return bool(self.columns.paths) and any(_root(self.columns.path(name)) in value for name in self.names)


def _root(path: str) -> str:
    return re.split(r"[.\[]", path, maxsplit=1)[0]


def parse_json(data: str | bytes) -> Any:
    """One JSON value.

    Raises:
        UnreadableError: It is none.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(Reason.BAD_PAYLOAD, f"payload is not JSON: {fault_of_json(error)}") from error


def fault_of_json(error: Exception) -> str:
    """What is wrong with JSON, without the values that are in it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at {error.pos}"
    return "nested too deeply" if isinstance(error, RecursionError) else type(error).__name__


def parse_body(data: str | bytes, content_type: str) -> Any:
    """A body as JSON values; CSV becomes a list of lists of text.

    Args:
        data: The body.
        content_type: Of its header; what is not CSV is taken for JSON or JSON Lines.

    Raises:
        UnreadableError: It is not what its content type says.
    """
    if isinstance(data, bytes):
        if tensors.BINARY_MARK in data and "csv" not in content_type:
            return tensors.with_binary(data)
        try:
            data = data.decode()
        except UnicodeDecodeError as error:
            raise UnreadableError(Reason.BAD_PAYLOAD, "payload is not UTF-8 text") from error
    data = data.removeprefix("\ufeff")
    if "csv" in content_type:
        return _parse_csv(data)
    try:
        value = json.loads(data)
    except RecursionError as error:
        raise UnreadableError(Reason.BAD_PAYLOAD, "payload is nested too deeply") from error
    except ValueError:
        return _parse_lines(data)
    # some services answer with JSON in a JSON text
    return parse_json(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _parse_csv(data: str) -> list[list[str]]:
    try:
        return [fields for fields in csv.reader(io.StringIO(data, newline="")) if fields]
    except csv.Error as error:
        raise UnreadableError(Reason.BAD_PAYLOAD, f"payload is not CSV: {error}") from error


def _parse_lines(data: str) -> list[Any]:
    # a line ends with a newline: other separators of lines may stand in a text
    lines = [parse_json(line) for line in data.split("\n") if line.strip()]
    if not lines:
        raise UnreadableError(Reason.BAD_PAYLOAD, "payload is empty")
    return lines


def request_rows(value: Any, columns: Columns) -> list[dict[str, Any]]:
    """The rows of a request, each by name; fields without names get those of the features, by position.

    Raises:
        UnreadableError: The value holds no rows, or rows of another number of fields.

    >>> columns = Columns(features={"amount": "numeric", "country": "categorical"})
    >>> request_rows({"instances": [[12.5, "at"], {"amount": 7}]}, columns)
    [{'amount': 12.5, 'country': 'at'}, {'amount': 7}]
    """
    features = list(columns.features)
    rows = _without_header(_rows(value, _Side(features, features, columns, complete=True)), features)
    return [_request_row(row, columns, len(rows)) for row in rows]


def response_rows(value: Any, columns: Columns, count: int | None = None) -> list[dict[str, Any]]:
    """The rows of a response, each by name; fields without names get those of `outputs`, by position.

    Args:
        value: The response.
        columns: What the columns mean.
        count: Rows of the request; None when they are not known. Then a list of plain values is one row, unless
            `outputs` names one field only.

    Raises:
        UnreadableError: The response has another number of rows, or rows of more fields than `outputs`.

    >>> response_rows({"predictions": [[0.25], [0.75]]}, Columns(outputs=["score"]), 2)
    [{'score': 0.25}, {'score': 0.75}]
    """
    names = [*columns.outputs, *columns.answers]
    side = _Side(columns.outputs, names, columns, complete=False)
    rows = _rows(value, side)
    if count is not None and len(rows) != count:
        # plain values were taken for the fields of one row
        if not isinstance(value, list) or len(value) != count:
            raise UnreadableError(Reason.ROW_COUNT, f"{count} rows in, {len(rows)} rows out", max(count, 1))
        rows = value
    return [_response_row(row, columns, len(rows)) for row in rows]


def is_error(value: Any, columns: Columns) -> bool:
    """Whether a response is what servers answer when a call failed: an object with `error` and no answer."""
    if not isinstance(value, dict) or "error" not in value:
        return False
    return not any(name in value for name in (*_HOLDERS, *columns.outputs, *columns.answers))


def _rows(value: Any, side: _Side, depth: int = 0) -> list[Any]:
    """The rows of a body; a value that has none inside is one row itself."""
    if isinstance(value, list):
        return _rows_of_list(value, side)
    if not isinstance(value, dict):
        return [value]
    if not side.known(value) and depth < _MOST_NESTED:
        rows = _framed(value, side)
        holders = (name for name in _HOLDERS if name in value)
        while rows is None and (name := next(holders, None)):
            rows = _held(name, value[name], side, depth + 1)
        if rows is not None:
            return rows
    found = _from_columns(value, side)
    return [value] if found is None else found


def _rows_of_list(value: list[Any], side: _Side) -> list[Any]:
    nested = all(isinstance(item, dict | list) for item in value)
    # plain values are the fields of one row, unless a row has one field only
    return value if nested or len(side.positions) == 1 else [value]


def _held(name: str, value: Any, side: _Side, depth: int) -> list[Any] | None:
    """The rows under a name that may hold some."""
    if isinstance(value, dict):
        found = _framed(value, side)
        return (_all_columns(value) or _rows(value, side, depth)) if found is None else found
    if not isinstance(value, list):
        return None
    if name in ("inputs", "outputs") and value and all(map(tensors.is_tensor, value)):
        return _tensor_rows(value, side)
    return value if name in _ROWS else _rows_of_list(value, side)


def _framed(value: dict[str, Any], side: _Side) -> list[Any] | None:
    """The rows of a frame: names beside fields."""
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _named(value["columns"], value["data"], side)
    if isinstance(value.get("ndarray"), list):
        return _named(value.get("names"), value["ndarray"], side)
    tensor = value.get("tensor")
    if isinstance(tensor, dict) and isinstance(tensor.get("shape"), list) and isinstance(tensor.get("values"), list):
        return _named(value.get("names"), tensors.parse_tensor({**tensor, "data": tensor["values"]})[1], side)
    return None


def _named(names: Any, rows: list[Any], side: _Side) -> list[Any]:
    """Rows of fields that have names; those that pandas or Seldon made up are none."""
    names = [str(name) for name in names] if isinstance(names, list) else []
    if not names or _made_up(names):
        return rows
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        raise UnreadableError(Reason.FIELD_COUNT, f"rows of another length than the {len(names)} names", len(rows))
    if len(names) != len(side.positions) or side.complete or any(map(side.knows, names)):
        return [dict(zip(names, row, strict=True)) for row in rows]
    # names that the model's server made up for its answers, such as `t:0`
    return [dict(zip([*names, *side.positions], row * 2, strict=True)) for row in rows]


def _made_up(names: Collection[str]) -> bool:
    return next(iter(names), "") == "0" and list(names) == [str(i) for i in range(len(names))]


def _tensor_rows(values: list[dict[str, Any]], side: _Side) -> list[Any]:
    parts = [tensors.parse_tensor(value) for value in values]
    if len({len(rows) for _, rows in parts}) != 1:
        raise UnreadableError(Reason.BAD_PAYLOAD, "tensors of different length")
    if len(parts) == 1:
        name, rows = parts[0]
        fits = bool(rows) and len(rows[0]) == len(side.positions)
        # one matrix with a column for each feature
        if not side.knows(name) and (fits or side.complete):
            return list(rows)
    names = [name for name, _ in parts]
    together = zip(*(rows for _, rows in parts), strict=True)
    return [{n: v[0] if len(v) == 1 else v for n, v in zip(names, row, strict=True)} for row in together]


def _all_columns(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Rows from an object that has columns only, each a list of the same length."""
    lengths = {len(item) if isinstance(item, list) else -1 for item in value.values()}
    return None if len(lengths) != 1 or -1 in lengths else _across(value, lengths.pop())


def _from_columns(value: dict[str, Any], side: _Side) -> list[dict[str, Any]] | None:
    """Rows from an object whose columns are lists of the same length; None when it is something else."""
    count = None
    for name in side.names:
        column = value.get(name, value.get(side.columns.path(name), ABSENT))
        if column is ABSENT:
            continue
        if not isinstance(column, list) or count not in (None, len(column)):
            return None
        count = len(column)
    if count is None:
        return None
    return _across({key: item for key, item in value.items() if isinstance(item, list) and len(item) == count}, count)


def _across(columnar: dict[str, list[Any]], count: int) -> list[dict[str, Any]]:
    return [{name: item[i] for name, item in columnar.items()} for i in range(count)]


def _without_header(rows: list[Any], features: Sequence[str]) -> list[Any]:
    """Rows by name, if the first one is the names of the features: MLflow's CSV has such a line."""
    header = rows[0] if rows and isinstance(rows[0], list) else []
    if len(features) < 2 or not all(name in header for name in features):
        return rows
    if any(not isinstance(row, list) or len(row) != len(header) for row in rows):
        raise UnreadableError(Reason.FIELD_COUNT, f"rows of another length than the {len(header)} names", len(rows) - 1)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows[1:]]


def _request_row(value: Any, columns: Columns, rows: int) -> dict[str, Any]:
    if isinstance(value, dict) and "features" not in columns.features:
        inner = value.get("features")
        value = inner if isinstance(inner, dict | list) else value
    if isinstance(value, dict):
        if not _made_up(value) or any(name in value for name in columns.features):
            return value
        value = list(value.values())
    if not columns.features:
        return {}  # only responses are watched
    if not isinstance(value, list):
        if len(columns.features) > 1:
            raise UnreadableError(Reason.BAD_PAYLOAD, "the request is neither an object nor a list of fields", rows)
        value = [value]
    if len(value) != len(columns.features):
        detail = f"{len(value)} fields, the model has {len(columns.features)} features"
        raise UnreadableError(Reason.FIELD_COUNT, detail, rows)
    return dict(zip(columns.features, value, strict=True))


def _response_row(value: Any, columns: Columns, rows: int) -> dict[str, Any]:
    if isinstance(value, dict):
        if not _made_up(value):
            return value
        # a frame without names: its fields count, whichever way they are looked for
        return dict(zip(columns.outputs, value.values(), strict=False)) | value
    fields = value if isinstance(value, list) else [value]
    if columns.outputs and len(fields) > len(columns.outputs):
        # the first of two probabilities is not that of the positive class
        detail = f"{len(fields)} fields, outputs names {len(columns.outputs)}"
        raise UnreadableError(Reason.FIELD_COUNT, detail, rows)
    return dict(zip(columns.outputs, fields, strict=False))
