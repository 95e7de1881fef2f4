"""Write captured inferences and labels as SageMaker does: what serving code and label jobs use."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from monitoring.store.base import Store
from monitoring.window import iso


@dataclass(frozen=True)
class CapturedInference:
    """One request and its response.

    Attributes:
        event_id: The id that the label will carry.
        event_time: When the model answered, UTC.
        features: The values in the model's declared order; None is a missing value.
        score: The probability of the positive class.
        attributes: More about the call, such as `model_version`, `latency_ms`, `status`.
    """

    event_id: str
    event_time: datetime
    features: Sequence[Any]
    score: float
    attributes: dict[str, str] = field(default_factory=dict)


def write_captures(store: Store, prefix: str, inferences: Iterable[CapturedInference]) -> list[str]:
    """Write inferences as capture objects, one per hour of inference time.

    The object's name is a hash of its content, so writing the same inferences again changes nothing.

    Args:
        store: Where to.
        prefix: Prefix over the `yyyy/mm/dd/hh/` folders.
        inferences: What to write.

    Returns:
        The keys, sorted.
    """
    hours: dict[datetime, list[str]] = defaultdict(list)
    for inference in inferences:
        hours[_hour(inference.event_time)].append(json.dumps(_capture_record(inference)))
    return _write_hours(store, prefix, hours)


def write_labels(store: Store, prefix: str, labels: Iterable[tuple[str, str, datetime]]) -> list[str]:
    """Write `(event id, label, time of collection)` as ground-truth objects, one per hour of collection.

    Returns:
        The keys, sorted.
    """
    hours: dict[datetime, list[str]] = defaultdict(list)
    for event_id, label, collected in labels:
        record = {
            "groundTruthData": {"data": label, "encoding": "CSV"},
            "eventMetadata": {"eventId": event_id},
            "eventVersion": "0",
        }
        hours[_hour(collected)].append(json.dumps(record))
    return _write_hours(store, prefix, hours)


def _write_hours(store: Store, prefix: str, hours: dict[datetime, list[str]]) -> list[str]:
    keys = []
    for hour, lines in sorted(hours.items()):
        data = "".join(f"{line}\n" for line in lines).encode()
        name = hashlib.sha256(data).hexdigest()[:16]
        key = f"{prefix.rstrip('/')}/{hour:%Y/%m/%d/%H}/{name}.jsonl"
        store.put(key, data)
        keys.append(key)
    return keys


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _capture_record(inference: CapturedInference) -> dict[str, Any]:
    row = io.StringIO()
    csv.writer(row).writerow(["" if value is None else value for value in inference.features])
    metadata: dict[str, Any] = {
        "eventId": inference.event_id,
        "inferenceId": inference.event_id,
        "inferenceTime": iso(inference.event_time),
    }
    if inference.attributes:
        metadata["customAttributes"] = [f"{key}={value}" for key, value in inference.attributes.items()]
    request = {
        "observedContentType": "text/csv",
        "mode": "INPUT",
        "data": row.getvalue().removesuffix("\r\n"),
        "encoding": "CSV",
    }
    response = {
        "observedContentType": "text/csv",
        "mode": "OUTPUT",
        "data": repr(float(inference.score)),
        "encoding": "CSV",
    }
    return {
        "captureData": {"endpointInput": request, "endpointOutput": response},
        "eventMetadata": metadata,
        "eventVersion": "0",
    }
