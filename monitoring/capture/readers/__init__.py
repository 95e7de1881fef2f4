"""The readers: one module per format, and those that other packages add.

A reader is one function, `read(captured, config)`, that yields what it finds in one object:

- `Row`: one inference, request and response together;
- `Half`: one side of an inference, whose other side is in another record, maybe of another object;
- `Typed`: many rows at once, with typed columns;
- `Quarantined`: what it could not read.

It never raises for what an object holds. A package adds a reader under the entry point group
`model_monitor.readers`; its name is then a `capture.format`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Origin, Quarantined, Reason
from monitoring.capture.records import Half, Row, Typed
from monitoring.config import ModelConfig
from monitoring.errors import ConfigError

Found = Row | Half | Typed | Quarantined
ReadFunction = Callable[[CaptureObject, ModelConfig], Iterator[Found]]
GROUP = "model_monitor.readers"
# In the order in which `init` tries them: the most particular first
BUILT_IN = (
    "sagemaker",
    "sagemaker-batch",
    "azureml",
    "kserve",
    "cloudevents",
    "bentoml",
    "parquet",
    "jsonl",
    "csv",
)
_HEAD = 16 * 1024


@dataclass(frozen=True)
class Reader:
    """One format.

    Attributes:
        name: As in `capture.format`.
        read: Reads one object.
        knows: Whether an object with this key and these first bytes (decompressed) is of the format.
        group: What objects that belong together have in common, from their keys.
        timed: Whether each record says when it was made, so that the time of its object does not matter.
    """

    name: str
    read: ReadFunction
    knows: Callable[[str, bytes], bool] = lambda _key, _head: True
    group: Callable[[str], str] | None = None
    timed: bool = False


def reader(name: str) -> Reader:
    """The reader of a format.

    Raises:
        ConfigError: There is none of this name.
    """
    if name in BUILT_IN:
        module = import_module(f"{__name__}.{name.replace('-', '_')}")
        group, timed = getattr(module, "group", None), getattr(module, "TIMED", False)
        return Reader(name, module.read, module.knows, group, timed)
    added = {point.name: point for point in entry_points(group=GROUP)}
    if name not in added:
        raise ConfigError(
            f"no reader for the format {name!r}",
            where="capture.format",
            allowed=[*BUILT_IN, *sorted(added)],
            hint=f"a package adds one under the entry point group {GROUP}",
        )
    return Reader(name, added[name].load())


def readers(config: ModelConfig) -> list[Reader]:
    """The readers of a model's formats.

    Raises:
        ConfigError: There is none for one of them.
    """
    return [reader(name) for name in config.capture.format]


def read_object(captured: CaptureObject, config: ModelConfig, known: list[Reader]) -> Iterator[Found]:
    """What is in an object, by the first reader that knows it.

    Args:
        captured: The object.
        config: The model.
        known: The readers of its formats.
    """
    if len(known) == 1:
        yield from known[0].read(captured, config)
        return
    head = captured.head(_HEAD)
    for candidate in known:
        if candidate.knows(captured.key, head):
            yield from candidate.read(captured, config)
            return
    detail = f"none of the formats {', '.join(item.name for item in known)}"
    yield Quarantined(Reason.UNKNOWN_FORMAT, detail, Origin(captured.key, 0, head))


def group_of(known: list[Reader]) -> Callable[[str], str]:
    """What objects that belong together have in common: their key, unless a format says more."""
    return next((item.group for item in known if item.group), lambda key: key)
