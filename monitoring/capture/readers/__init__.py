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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, TypeVar

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


class _Knows(Protocol):
    """A reader, of captures or of something else."""

    @property
    def name(self) -> str: ...

    @property
    def knows(self) -> Callable[[str, bytes], bool]: ...


Knowing = TypeVar("Knowing", bound=_Knows)


def reader(name: str) -> Reader:
    """The reader of a format.

    Raises:
        ConfigError: There is none of this name.
    """
    if name in BUILT_IN:
        module = import_module(f"{__name__}.{name.replace('-', '_')}")
        group, timed = getattr(module, "group", None), getattr(module, "TIMED", False)
        return Reader(name, module.read, module.knows, group, timed)
    return Reader(name, added(name, GROUP, BUILT_IN, where="capture.format"))


def added(name: str, group: str, built_in: Iterable[str], *, where: str) -> Any:
    """What a package adds.

    Args:
        name: Of the format.
        group: Of entry points.
        built_in: Formats that no package has to add.
        where: The setting that names the format.

    Raises:
        ConfigError: No package adds it.
    """
    points = {point.name: point for point in entry_points(group=group)}
    if name not in points:
        raise ConfigError(
            f"no reader for the format {name!r}",
            where=where,
            allowed=[*built_in, *sorted(points)],
            hint=f"a package adds one under the entry point group {group}",
        )
    return points[name].load()


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
    chosen = first_that_knows(captured, known)
    if isinstance(chosen, Quarantined):
        yield chosen
    else:
        yield from chosen.read(captured, config)


def first_that_knows(captured: CaptureObject, known: Sequence[Knowing]) -> Knowing | Quarantined:
    """The reader of an object; why there is none. The only one reads whatever there is."""
    if len(known) == 1:
        return known[0]
    head = captured.head(_HEAD)
    for candidate in known:
        if candidate.knows(captured.key, head):
            return candidate
    detail = f"none of the formats {', '.join(item.name for item in known)}"
    return Quarantined(Reason.UNKNOWN_FORMAT, detail, Origin(captured.key, 0, head))


def group_of(known: list[Reader]) -> Callable[[str], str]:
    """What objects that belong together have in common: their key, unless a format says more."""
    return next((item.group for item in known if item.group), lambda key: key)
