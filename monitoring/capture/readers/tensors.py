"""Tensors of the Open Inference Protocol (version 2), in JSON and in its binary extension.

The protocol is described by KServe ("Open Inference Protocol") and by Triton ("Binary Tensor Data Extension").
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np

from monitoring.capture.quarantine import Reason, UnreadableError

BINARY_MARK = b'"binary_data_size"'
# As NumPy reads them; BF16 is the upper half of a 32-bit number
_DATATYPES = {
    "BOOL": "?",
    **{f"{sign}INT{8 * size}": f"<{sign.lower() or 'i'}{size}" for sign in ("", "U") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    "BF16": "<u2",
}


def is_tensor(value: Any) -> bool:
    """Whether a JSON value is a tensor, or stands for one whose data is elsewhere."""
    if not isinstance(value, dict) or not isinstance(value.get("shape"), list):
        return False
    return isinstance(value.get("data"), list) or "data" not in value


def parse_tensor(tensor: dict[str, Any]) -> tuple[str, list[list[Any]]]:
    """The name of a tensor, and the values of each of its rows: the first dimension counts rows.

    Args:
        tensor: Its values are flat in row-major order, or nested.

    Raises:
        UnreadableError: It has another number of values than its shape says, or none in the JSON.

    >>> parse_tensor({"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]})
    ('x', [[1.0, 2.0], [3.0, 4.0]])
    """
    shape, data = tensor["shape"], tensor.get("data")
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape):
        raise UnreadableError(Reason.BAD_PAYLOAD, "the shape of a tensor is no list of sizes")
    if data is None:
        detail = "a tensor without data: it is in shared memory, or what followed the JSON was not captured"
        raise UnreadableError(Reason.BAD_PAYLOAD, detail)
    values = _decoded(_flat(data), tensor)
    if math.prod(shape) != len(values):
        raise UnreadableError(Reason.BAD_PAYLOAD, f"a tensor with {len(values)} values, and not as its shape says")
    if not values:
        return str(tensor.get("name", "")), []
    count = shape[0] if shape else 1
    width = len(values) // count
    return str(tensor.get("name", "")), [values[i * width : (i + 1) * width] for i in range(count)]


def _flat(values: list[Any]) -> list[Any]:
    while values and all(isinstance(item, list) for item in values):
        values = [inner for item in values for inner in item]
    return values


def _decoded(values: list[Any], tensor: dict[str, Any]) -> list[Any]:
    """Values as they were meant: truth values for `BOOL`, and texts that MLServer wrote in base64."""
    parameters = tensor.get("parameters")
    if tensor.get("datatype") == "BOOL":
        return [bool(value) if isinstance(value, int) else value for value in values]
    if isinstance(parameters, dict) and parameters.get("content_type") == "base64":
        return [_from_base64(value) for value in values]
    return values


def _from_base64(value: Any) -> Any:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (TypeError, ValueError):
        return value


def with_binary(body: bytes) -> Any:
    """A body of JSON and the raw values of tensors behind it, as if all of it were JSON.

    Args:
        body: Its JSON says in `parameters.binary_data_size` how many bytes belong to which tensor, in their order.

    Raises:
        UnreadableError: It is no such body.
    """
    text = body.decode("utf-8", "surrogateescape")
    try:
        value, end = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(Reason.BAD_PAYLOAD, "payload does not begin with the JSON of tensors") from error
    at = len(text[:end].encode("utf-8", "surrogateescape"))
    tensors = [item for name in ("inputs", "outputs") for item in _tensors(value, name)]
    for tensor in tensors:
        parameters = tensor.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            continue
        if not isinstance(size, int) or not 0 <= size <= len(body) - at:
            raise UnreadableError(Reason.BAD_PAYLOAD, "the raw values of a tensor are cut off")
        tensor["data"] = _from_raw(body[at : at + size], str(tensor.get("datatype")))
        at += size
    if body[at:].strip():
        raise UnreadableError(Reason.BAD_PAYLOAD, "there are more bytes than the tensors have")
    return value


def _tensors(value: Any, name: str) -> list[dict[str, Any]]:
    found = value.get(name) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _from_raw(data: bytes, datatype: str) -> list[Any]:
    if datatype == "BYTES":
        return _texts(data)
    code = _DATATYPES.get(datatype)
    if code is None:
        raise UnreadableError(Reason.BAD_PAYLOAD, "a tensor of raw values has no datatype of the protocol")
    try:
        values = np.frombuffer(data, code)
    except ValueError as error:
        raise UnreadableError(Reason.BAD_PAYLOAD, "the raw values of a tensor are cut off") from error
    if datatype == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    return list(values.tolist())


def _texts(data: bytes) -> list[Any]:
    """Texts, each behind its length in four bytes."""
    found: list[Any] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        text = data[at + 4 : at + 4 + size]
        if len(text) < size or at + 4 > len(data):
            raise UnreadableError(Reason.BAD_PAYLOAD, "the raw texts of a tensor are cut off")
        found.append(text.decode("utf-8", "replace"))
        at += 4 + size
    return found
