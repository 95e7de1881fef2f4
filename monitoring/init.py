"""Look at a few objects below a URI, and write the models that could watch them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from monitoring.capture.inspect.logs import Log, survey
from monitoring.capture.inspect.probe import Probe
from monitoring.capture.inspect.text import Proposal, feature_type, propose
from monitoring.capture.objects import CaptureObject
from monitoring.capture.readers import BUILT_IN
from monitoring.config import model_path
from monitoring.errors import ConfigError, MonitorError
from monitoring.store import ObjectInfo, Store, open_source
from monitoring.store.opening import ClientFactory, environment_client
from monitoring.store.spread import evenly

# So much is looked at, however much there is: objects, bytes of each, and rows of all
_OBJECTS, _BYTES, _ROWS = 60, 2**20, 6000
# Of larger files the part that says where the columns are is at the end: of so many it is looked up.
_LARGE = 12
_PARQUET = b"PAR1"
# What says nothing about a model, as the name of a folder
_COMMON = frozenset(
    {"alltraffic", "capture", "captures", "data", "datacapture", "data-capture", "log", "logs", "raw", "parquet", "v1"}
    | {"inference", "inferences", "prediction", "predictions", "predictor", "prod", "production"}
    | {"input", "inputs", "output", "outputs", "request", "requests", "response", "responses"}
    | {"model-inputs", "model-outputs", "modeldatacollector"}
)
_RESERVED = ("site", "serving")
# Folders at the end of a URI that are part of a date
_DATES = re.compile(r"/((?:[A-Za-z_]+[=_-])?(?:19|20)\d\d(?:[-_.]?\d\d){0,3}(?:/(?:[A-Za-z_]+=)?\d\d)*)$")


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        uri: Where.
        proposals: A model for each log, the largest first.
        objects: How many objects were looked at.
        beside: What else lies there, and how many objects of it were seen.
    """

    uri: str
    proposals: list[Proposal]
    objects: int
    beside: Counter[str]


def look(uri: str, home: Store, client: ClientFactory = environment_client, *, name: str = "") -> Found:
    """Look at a few objects below a URI.

    Args:
        uri: `s3://bucket/prefix`, a directory, a path inside the monitor's own store, or one object of these.
        home: The monitor's own store.
        client: Where an S3 client comes from.
        name: Of the model; with several logs, what their names begin with.

    Raises:
        ConfigError: There are no objects, or none that can be read.
        StoreUnavailableError: The store did not answer.
    """
    uri, store, prefix, infos = _sample(_located(uri), home, client)
    # the folders over a date hold the log, and those of one date only a part of it
    dates = _DATES.search(uri)
    above = f"{dates[1]}/" if dates else ""
    uri = uri[: dates.start()] if dates else uri
    probe = Probe(max(_ROWS // len(infos), 1))
    found = survey([probe.look(captured) for captured in _contents(store, prefix, infos, above)])
    logs = [log for log in found.logs if log.meaning.outputs or log.meaning.of("feature")]
    if not logs:
        seen = [f"{count} {what}" for what, count in found.beside.most_common()]
        seen += [f"{' and '.join(log.formats)} without a column to watch" for log in found.logs]
        what = f"nothing that can be watched in the {len(infos)} objects looked at: {'; '.join(seen)}"
        raise ConfigError(what, where=uri, allowed=BUILT_IN, hint="name the folder over the logs")
    names = _names(uri, logs, name)
    places = ["/".join([uri.rstrip("/"), *log.folder]) for log in logs]
    proposals = [propose(*of_log) for of_log in zip(names, places, logs, strict=True)]
    return Found(uri, proposals, len(infos), found.beside)


def write(
    proposals: Sequence[Proposal], directory: Path, *, output: Path | None = None, force: bool = False
) -> list[Path]:
    """Write the models' files.

    Args:
        proposals: The models.
        directory: Where `NAME.yaml` goes.
        output: The file of a single model; its name has to be the model's.
        force: Whether files that are there are replaced.

    Raises:
        ConfigError: A file is there, or one file is not enough.
    """
    if output is not None and [output.name] != [f"{proposal.name}.yaml" for proposal in proposals]:
        names = [f"{proposal.name}.yaml" for proposal in proposals]
        raise ConfigError("the file has to be called after the model", where=str(output), allowed=names)
    paths = [output or model_path(directory, proposal.name) for proposal in proposals]
    for path in paths:
        if path.exists() and not force:
            raise ConfigError("is there already", where=str(path), hint="use --force to replace it, or another --name")
    for path, proposal in zip(paths, proposals, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(proposal.text, encoding="utf-8")
    return paths


def rows_of(proposal: Proposal) -> list[tuple[str, str, str, str, str]]:
    """What was found out about each column: its name, its type, how many values it has, what it is, and why."""
    found: list[tuple[str, str, str, str, str]] = []
    for column in proposal.log.meaning.columns:
        item = column.described
        kind = feature_type(column) if column.role == "feature" else item.kind
        why = (column.why or "sure") if column.sure else f"guessed: {column.why}"
        found.append((item.name, kind, f"{item.values}/{item.rows}", column.role, why))
    return found


def to_json(found: Found) -> dict[str, Any]:
    """What was found, as JSON values."""
    return {
        "uri": found.uri,
        "objects": found.objects,
        "beside": dict(found.beside),
        "models": [
            {
                "name": proposal.name,
                "uri": proposal.uri,
                "formats": proposal.log.formats,
                "folders": proposal.log.pattern,
                "dated_by": proposal.log.dated_by,
                "objects": len(proposal.log.objects),
                "rows": proposal.log.rows,
                "columns": [
                    dict(zip(("name", "type", "values", "role", "why"), row, strict=True)) for row in rows_of(proposal)
                ],
                "notes": notes_of(proposal),
                "yaml": proposal.text,
            }
            for proposal in found.proposals
        ],
    }


def notes_of(proposal: Proposal) -> list[str]:
    """What somebody should know."""
    return [*proposal.log.notes, *filter(None, [proposal.log.meaning.answer.note])]


def _located(uri: str) -> str:
    """A URI as it stands in a model: directories are absolute."""
    if urlsplit(uri).scheme == "file":
        uri = urlsplit(uri).path
    if "://" in uri:
        return uri.rstrip("/")
    path = Path(uri).expanduser()
    return str(path.absolute()) if path.exists() or path.is_absolute() else uri.strip("/")


def _sample(uri: str, home: Store, client: ClientFactory) -> tuple[str, Store, str, list[ObjectInfo]]:
    """A few objects below a URI, or the one that it names; then the URI is that of its folder."""
    store, prefix = open_source(uri, home, client)
    infos = store.sample(prefix, _OBJECTS)
    if not infos:
        above, _, name = uri.rpartition("/")
        if above and not above.endswith("/"):
            store, prefix = open_source(above, home, client)
            infos = [info for info in store.objects(prefix + name) if info.key == prefix + name]
        if infos:
            return above, store, prefix, infos
        raise ConfigError("there are no objects", where=uri, hint="name a folder that has logs in it, or one of them")
    return uri, store, prefix, infos


def _contents(store: Store, prefix: str, infos: list[ObjectInfo], above: str) -> Iterator[CaptureObject]:
    """The objects as readers see them, of large ones the beginning."""
    large = evenly([info for info in infos if info.size > _BYTES], _LARGE)
    for info, content in store.read_many(infos, largest=_BYTES):
        if isinstance(content, MonitorError):
            continue  # it has gone meanwhile
        key = above + info.key.removeprefix(prefix)
        start = store.get_range(info.key, 0, _BYTES) if content is None else content
        if len(start) == info.size or not start.startswith(_PARQUET):
            yield CaptureObject.of(key, start, info.modified)
        elif info in large:
            yield _opened(store, info, key)


def _opened(store: Store, info: ObjectInfo, key: str) -> CaptureObject:
    def opened() -> BinaryIO:
        return cast("BinaryIO", store.open(info.key))

    return CaptureObject(key, info.size, opened, lambda: store.stream(info.key), info.modified)


def _names(uri: str, logs: Sequence[Log], name: str) -> list[str]:
    """A name for each model, after the folders that tell them apart."""
    above = [part for part in re.split(r"[/\\]+", urlsplit(uri).netloc + "/" + urlsplit(uri).path) if part]
    found: list[str] = []
    for log in logs:
        if len(logs) == 1:
            chosen = name or _telling([*above, *log.folder])
        else:
            own = _telling(log.folder) if log.folder else _telling(above)
            chosen = f"{name}-{own}" if name else own
        chosen = _slug(chosen) or "model"
        while chosen in found or chosen in _RESERVED:
            base, _, number = chosen.rpartition("-")
            chosen = f"{base}-{int(number) + 1}" if base and number.isdecimal() else f"{chosen}-2"
        found.append(chosen)
    return found


def _telling(folders: Sequence[str]) -> str:
    """The last folder whose name says something."""
    names = [_slug(folder) for folder in folders]
    telling = (slug for slug in reversed(names) if slug not in _COMMON and re.search("[a-z]", slug))
    return next(telling, names[-1] if names else "model")


def _slug(text: str) -> str:
    """A text as the name of a model.

    >>> _slug("Flight Delay (v2)")
    'flight-delay-v2'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
