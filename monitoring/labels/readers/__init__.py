"""The readers of labels: one module per format, and those that other packages add.

A reader is one function, `read(captured, config)`, that yields what it finds in one object, in the object's order:

- tables of `monitoring.labels.schema.label_schema(config)`, each of bounded size;
- `Quarantined`: what it could not read, with the number of its labels.

It never raises for what an object holds. A package adds a reader under the entry point group
`model_monitor.label_readers`; its name is then a `labels.format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

import pyarrow as pa

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import added, first_that_knows
from monitoring.config import ModelConfig

Found: TypeAlias = pa.Table | Quarantined
ReadFunction = Callable[[CaptureObject, ModelConfig], Iterator[Found]]
GROUP = "model_monitor.label_readers"
BUILT_IN = ("sagemaker", "parquet", "jsonl", "csv")


@dataclass(frozen=True)
class LabelReader:
    """One format of labels.

    Attributes:
        name: As in `labels.format`.
        read: Reads one object.
        knows: Whether an object with this key and these first bytes (decompressed) is of the format.
    """

    name: str
    read: ReadFunction
    knows: Callable[[str, bytes], bool] = lambda _key, _head: True


def label_reader(name: str) -> LabelReader:
    """The reader of a format.

    Raises:
        ConfigError: There is none of this name.
    """
    if name in BUILT_IN:
        module = import_module(f"{__name__}.{name}")
        return LabelReader(name, module.read, module.knows)
    return LabelReader(name, added(name, GROUP, BUILT_IN, where="labels.format"))


def label_readers(config: ModelConfig) -> list[LabelReader]:
    """The readers of a model's formats of labels; none for a model without labels.

    Raises:
        ConfigError: There is none for one of them.
    """
    return [label_reader(name) for name in config.labels.format] if config.labels else []


def read_labels(captured: CaptureObject, config: ModelConfig, known: list[LabelReader]) -> Iterator[Found]:
    """The labels in an object, by the first reader that knows it.

    Args:
        captured: The object.
        config: The model.
        known: The readers of its formats.
    """
    chosen = first_that_knows(captured, known)
    if isinstance(chosen, Quarantined):
        yield chosen
    else:
        yield from chosen.read(captured, config)
