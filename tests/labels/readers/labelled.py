"""Labels as a model's file describes them, and what a reader finds of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.config import ModelConfig
from monitoring.labels.readers import Found, label_readers, read_labels
from monitoring.labels.schema import label_schema

TIMED = {"weight": "weight", "label_time": "label_time"}
# What changes the meaning of JSON, or only looks like it
_MARKS = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"\r", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\t"]
_TEXTS = [
    *(b"0", b"-", b"-0", b"1e9", b"1e999", b"NaN", b"-NaN", b"Inf", b"-Inf", b"Infinity", b"null", b"true", b"1.0"),
    *(b"{}", b"[[", b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"9007199254740993", b"}\n{", b"}{"),
    *(b'"label": 1, ', b'"weight": null, ', b'"data": "1", ', b'"eventId": "x", ', b'"inferenceId": "", '),
    *(b'"other": {"label": 2}, ', b"\xc3\xa9", b"\xed\xa0\x80", b'"', b"]" * 3, b'"event_id": 7, '),
]


def make_config(task: str = "binary", **labels: Any) -> ModelConfig:
    """A model with labels."""
    return ModelConfig.model_validate(
        {
            "name": "toy",
            "capture": {"uri": "captures"},
            "labels": {"uri": "labels", **labels},
            "columns": {"task": task, "features": {"amount": "numeric"}},
        }
    )


@dataclass
class Labels:
    """What is in an object.

    Attributes:
        rows: Event id, label, weight and time of each label.
        quarantined: What could not be read.
    """

    rows: list[tuple[Any, ...]]
    quarantined: list[Quarantined]

    @property
    def reasons(self) -> list[str]:
        """Why something could not be read."""
        return [str(item.reason) for item in self.quarantined]

    @property
    def count(self) -> int:
        """How many labels there were, usable or not."""
        return len(self.rows) + sum(item.rows for item in self.quarantined)

    @property
    def pairs(self) -> list[tuple[Any, Any]]:
        """Event ids and labels."""
        return [(row[0], row[1]) for row in self.rows]


def read(data: bytes, task: str = "binary", key: str = "k", **labels: Any) -> Labels:
    """What the readers of a model find in an object."""
    config = make_config(task, **labels)
    return collected(read_labels(CaptureObject.of(key, data), config, label_readers(config)), config)


def collected(found: Iterable[Found], config: ModelConfig) -> Labels:
    """What was found, whose tables are of the schema and hold no null where none may be."""
    rows: list[tuple[Any, ...]] = []
    quarantined = []
    for item in found:
        if isinstance(item, Quarantined):
            quarantined.append(item)
            continue
        assert isinstance(item, pa.Table)
        assert item.schema == label_schema(config)
        assert item.num_rows
        item.validate(full=True)
        assert not item["event_id"].null_count
        assert not item["label"].null_count
        rows += zip(*(column.to_pylist() for column in item.columns), strict=True)
    return Labels(rows, sorted(quarantined, key=lambda item: item.origin.offset))


@st.composite
def mutated(draw: st.DrawFn, lines: st.SearchStrategy[list[bytes]]) -> bytes:
    """Lines with a few changes that parsers may take differently."""
    data = b"\n".join(draw(lines)) + draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"]))
    if draw(st.booleans()):
        data = data.replace(b"\n", b"\r\n")
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.sampled_from(_MARKS + _TEXTS)) + data[at + draw(st.integers(0, 2)) :]
    return data
