"""A guess as the YAML of a model: what was found, and in comments what somebody should look at.

Names, types and counts stand in it, and never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

from monitoring.capture.inspect.logs import Log
from monitoring.capture.inspect.roles import Column, Meaning, Role
from monitoring.capture.readers.rows import EVENT_IDS, EVENT_TIMES
from monitoring.config import ModelConfig

_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./=-]*(://[A-Za-z0-9_./=-]+)?")
_NO_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_TYPES = {"numeric": "numeric", "text": "text"}


@dataclass(frozen=True)
class Proposal:
    """A model that could watch a log.

    Attributes:
        name: Its name.
        uri: Where the log is.
        text: The YAML.
        log: What was found.
    """

    name: str
    uri: str
    text: str
    log: Log

    def config(self) -> ModelConfig:
        """The model, as the YAML says."""
        return ModelConfig.model_validate(yaml.safe_load(self.text))


def propose(name: str, uri: str, log: Log) -> Proposal:
    """The YAML for a log.

    Args:
        name: Of the model.
        uri: Where the log is.
        log: What was found.
    """
    lines = [
        f"# Written by `model-monitor init` after a look at {len(log.objects)} objects and {log.rows} rows.",
        "# Look at what is marked as guessed. `model-monitor validate` checks the file.",
        *(f"# Note: {note}." for note in [*log.notes, *filter(None, [log.meaning.answer.note])]),
        f"name: {quoted(name)}",
        "",
        "schedule:",
        "  every: day",
        *([f"  start: {log.start.isoformat()}   # the first day with something to read"] if log.start else []),
        "",
        *_capture(uri, log),
        "",
        *_columns(log),
        "",
        *_rest(log),
    ]
    return Proposal(name, uri, "\n".join(lines) + "\n", log)


def _capture(uri: str, log: Log) -> Iterator[str]:
    formats = log.formats
    yield "capture:"
    yield f"  format: {formats[0] if len(formats) == 1 else '[' + ', '.join(formats) + ']'}"
    yield f"  uri: {quoted(uri)}"
    if not log.pattern:
        yield '  folders: ""   # no folders that name a time: each object is read once'
    else:
        yield f"  folders: {quoted(log.pattern)}"
        yield f"  dated_by: {log.dated_by}   # {_why_dated(log)}"
    if log.csv:
        settings = log.csv.model_dump(exclude_defaults=True, exclude={"columns"})
        yield from ["  csv:"] if settings else []
        for key, value in settings.items():
            yield f"    {key}: {quoted(value) if isinstance(value, str) else str(value).lower()}"
        if log.csv.columns:
            yield "    # The names of the fields, by position: rename them here and below"
            yield f"    columns: [{', '.join(map(quoted, log.csv.columns))}]"


def _why_dated(log: Log) -> str:
    if log.dated_by == "inference":
        return "the inferences in a folder were made in its time"
    if log.dated_by == "nothing":
        return "guessed: the folders do not say when the inferences were made, so each object is read once"
    if log.timed:
        return "guessed: many inferences in a folder were not made in its time, so it says when they came"
    return "guessed: the rows do not say when they were made"


def _columns(log: Log) -> Iterator[str]:
    meaning = log.meaning
    answer = meaning.answer
    yield "columns:"
    if answer.score or answer.prediction:
        yield f"  task: {answer.task}" + ("" if answer.sure else f"   # guessed: {answer.why}")
    else:
        yield f"  task: {answer.task}   # guessed: no answer of the model was found"
    if log.objects[0].together and not any(seen.times for seen in log.objects):
        yield from _identity(meaning)
    yield f"  outputs: [{', '.join(map(quoted, meaning.outputs))}]"
    yield f"  score: {quoted(answer.score)}"
    if answer.prediction:
        yield f"  prediction: {quoted(answer.prediction)}"
    for role, setting in _SETTINGS.items():
        name = meaning.named(role)
        if name and name != setting:
            yield f"  {setting}: {quoted(name)}"
    references = [column.name for column in meaning.of("reference")]
    if references:
        yield f"  references: [{', '.join(map(quoted, references))}]"
    known = [column.name for column in meaning.columns if column.role == "left out"]
    if known and not meaning.positional:
        yield f"  ignored: [{', '.join(map(quoted, known))}]   # known, and not watched: see below"
    yield from _features(meaning.columns, positional=meaning.positional)


def _identity(meaning: Meaning) -> Iterator[str]:
    for setting, role, usual, without in _IDENTITY:
        found = meaning.of(role)
        if found:
            yield f"  {setting}: {quoted(found[0].name)}{_comment(found[0])}"
            continue
        used = next((column.name for column in meaning.of("left out") if column.name in usual), "")
        why = f"{quoted(used)} counts, by its name, although it does not look like one" if used else without
        yield f"  # {setting}: COLUMN   # none was found: {why}"


_IDENTITY: tuple[tuple[str, Role, tuple[str, ...], str], ...] = (
    ("event_id", "event id", EVENT_IDS, "labels cannot be joined, nor duplicates found"),
    ("event_time", "event time", EVENT_TIMES, "the time of the object counts"),
)
_SETTINGS: dict[Role, str] = {"version": "model_version", "latency": "latency_ms", "status": "status"}


def _features(columns: Iterable[Column], *, positional: bool) -> Iterator[str]:
    found = [column for column in columns if column.role in ("feature", "left out")]
    features = [column for column in found if column.role == "feature"]
    if positional:
        yield "  # The fields of a request, by position: rename them, and keep their number and order"
    yield "  features:" if features else "  features: {}"
    for column in found:
        line = f"{quoted(column.name)}: {feature_type(column)}"
        yield f"    {line}{_comment(column)}" if column.role == "feature" else f"    # {line}   # {column.why}"


def feature_type(column: Column) -> str:
    """The type of a feature."""
    return _TYPES.get(column.described.kind, "categorical")


def _comment(column: Column) -> str:
    if not column.why:
        return ""
    return f"   # {column.why}" if column.sure else f"   # guessed: {column.why}"


def _rest(log: Log) -> Iterator[str]:
    yield "# Add the training rows, and every window is compared with them: without, verdicts are `unknown`."
    yield "# baseline:"
    yield "#   uri: s3://BUCKET/training.parquet   # a row per example: the features, score, label and time"
    yield "#   score: score"
    yield "#   label: label"
    yield "#   time: event_time"
    if log.meaning.answer.task == "binary":
        yield "# Add the labels, and performance is measured as they come."
        yield "# labels:"
        yield "#   uri: s3://BUCKET/labels   # SageMaker's ground truth, below yyyy/mm/dd/hh/"
        yield "#   horizon: 30d"


def quoted(text: str) -> str:
    """A text as YAML, on one line.

    >>> quoted("amount"), quoted("a: b"), quoted("no")
    ('amount', '"a: b"', '"no"')
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_WORDS:
        return text
    found: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1 << 30)
    return found.strip()
