"""Write the generated parts of the documentation: `configuration.md` and `model.schema.json`.

Usage: python docs/generate.py [--check]

With `--check` nothing is written, and the exit code is 1 when a file is not what it should be.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
import types
from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from monitoring.config.added_checks import GROUP
from monitoring.config.checks import CheckRule, Checks
from monitoring.config.model import ModelConfig, SmtpChannel, WebhookChannel
from monitoring.config.references import (
    FixedReference,
    PhaseReference,
    PreviousVersionReference,
    Reference,
    TrailingReference,
)
from monitoring.config.values import format_duration

DOCS = Path(__file__).parent
REQUIRED = "**required**"
COLUMNS = ("key", "type", "default", "what it is")
INTRODUCTION = """<!-- Written by docs/generate.py from monitoring/config/model.py. Do not edit: `make docs`. -->

# Configuration

A model is one file, `models/NAME.yaml`. This page lists every key, with its type, its default and what it is.
Unknown keys are refused, and every complaint names the file and the line. `model-monitor validate` checks all files.

The same as a JSON Schema, for editors: [model.schema.json](model.schema.json). With the YAML language server, put
this line at the top of a file:

    # yaml-language-server: $schema=../docs/model.schema.json

What every measurement is, and why the defaults are what they are: [statistics](statistics.md). How a verdict is made
of them: [verdicts](verdicts.md).

**Types.** A *duration* is a number and a unit: `30m`, `6h`, `3d`, `2w`. A *date* is written `2013-03-01`. A
*location* is `s3://bucket/prefix`, an absolute path, or a path inside the monitor's store.

**What changes a verdict.** Everything but `incidents`, `policy`, `report`, `description` and `owner` goes into the
fingerprint of the configuration, which each verdict records. A window that has been measured keeps its verdict until
it is run again.
"""
CHECKS = """## `checks`

A check that is given in part keeps its other defaults: `checks: {nulls: {tolerance: 0.2}}` changes one number.

With `limit: baseline` a check fires when the measurement is further from what is ordinary than `tolerance`, **and** so
far that ordinary windows would hardly be. How rare is rare enough follows from [`alarms`](#alarms). A number instead is
a limit of one's own: nothing is asked but whether it is passed, and how often that is a false alarm is not promised.

"""
CHECK_DEFAULTS = """The checks and their defaults. A check has no use for a setting that reads –, and refuses another
value than the default. A check of severity `info` that has too few rows informs, and does not make the window
`unknown`.

"""
MORE_SETTINGS = """Settings that only one check has:

"""
ADDED_CHECKS = """These checks run for a model that names them, beside the others. Their `limit` has to be a number,
since no limit is learned for them; they warn. They are there for those who [come from SageMaker](sagemaker.md):
{names}. A package can add [checks of its own](verdicts.md#a-check-of-your-own).
"""
REFERENCES = (TrailingReference, FixedReference, PhaseReference, PreviousVersionReference)
NOTES = {
    "labels": "Without this block performance is not monitored.",
    "alarms": "How the budget is shared out: [verdicts](verdicts.md#the-alarm-budget).",
    "incidents": "See [incidents](incidents.md).",
    "calendar": "A list of entries with these keys. See [references and the calendar](references.md#the-calendar).",
}
_ISO_DURATION = re.compile(r"P(\d+D)?(T.+)?")
LOCATIONS = {"capture.uri", "labels.uri", "baseline.uri"}


def sections() -> Iterator[tuple[str, str, list[tuple[str, str, str, str]]]]:
    """Each block with its description and its rows: key, type, default, what it is."""
    nested = {name: _model(field) for name, field in ModelConfig.model_fields.items()}
    own = {name: field for name, field in ModelConfig.model_fields.items() if nested[name] is None}
    yield "The top of the file", "", _rows("", own)
    for name, model in nested.items():
        if model is None:
            continue
        if model is Checks:
            yield name, "", []
            continue
        fields = model.model_fields
        inner = {key: found for key, field in fields.items() if (found := _model(field)) is not None}
        note = _note(name, ModelConfig.model_fields[name])
        yield name, f"{_doc(model)} {note}", _rows(name, {k: f for k, f in fields.items() if k not in inner})
        for key, found in inner.items():
            text = f"{_doc(found)} {fields[key].description or ''}"
            yield f"{name}.{key}", text.strip(), _rows(f"{name}.{key}", found.model_fields)
        if name == "calendar":
            yield from _references()
    yield "policy.notify, kind smtp", _doc(SmtpChannel), _rows("", SmtpChannel.model_fields)
    yield "policy.notify, kind webhook or slack", _doc(WebhookChannel), _rows("", WebhookChannel.model_fields)


def configuration() -> str:
    """The page."""
    parts = [_unwrapped(INTRODUCTION)]
    for title, text, rows in sections():
        if title == "checks":
            parts.append(_checks())
            continue
        heading = title if title.startswith("The") else _heading(title)
        about = f"{text.strip()}\n\n" if text.strip() else ""
        parts.append(f"## {heading}\n\n{about}{_table(COLUMNS, rows)}")
    return "\n".join(parts)


def schema() -> str:
    """The JSON Schema of a model's file, as people may write it."""
    body = copy.deepcopy(ModelConfig.model_json_schema())
    # a check that is given in part keeps its other defaults
    for name, block in body["$defs"].items():
        if name in {type(field.default).__name__ for field in Checks.model_fields.values()}:
            block.pop("required")
    added = {name: {"$ref": "#/$defs/CheckRule"} for name in _added_checks()}
    body["$defs"]["Checks"]["properties"] |= added
    body = {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}
    body["title"] = "A monitored model: models/NAME.yaml"
    return json.dumps(_plain(body), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is stale")
    check = parser.parse_args().check
    stale = []
    for name, text in {"configuration.md": configuration(), "model.schema.json": schema()}.items():
        path = DOCS / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"docs/{name}: {'stale; write it with `make docs`' if check else 'written'}\n")
    return 1 if check and stale else 0


def _references() -> Iterator[tuple[str, str, list[tuple[str, str, str, str]]]]:
    for model in REFERENCES:
        (kind,) = get_args(model.model_fields["kind"].annotation)
        yield f"references, kind {kind}", _doc(model), _rows("", model.model_fields)


def _checks() -> str:
    rows = _rows("", CheckRule.model_fields)
    rows = [(key, kind, "the check's own", text) for key, kind, _, text in rows]
    names = ", ".join(f"`{name}`" for name in _added_checks())
    parts = [
        _unwrapped(CHECKS) + _table(COLUMNS, rows),
        _unwrapped(CHECK_DEFAULTS) + _table(("check", *CheckRule.model_fields, "what it is"), list(_check_rows())),
        _unwrapped(MORE_SETTINGS) + _table(("check", *COLUMNS), list(_more_rows())),
        _unwrapped(ADDED_CHECKS.format(names=names)),
    ]
    return "\n".join(parts)


def _check_rows() -> Iterator[tuple[str, ...]]:
    for name, rule, about in _rules():
        values = {key: getattr(rule, key) for key in CheckRule.model_fields}
        texts = {key: f"{value:g}" if isinstance(value, float) else value for key, value in values.items()}
        settings = [f"`{text}`" if _is_of_use(name, key) else "–" for key, text in texts.items()]
        yield (f"`{name}`", *settings, _cell(about))


def _more_rows() -> Iterator[tuple[str, ...]]:
    for name, rule, _ in _rules():
        more = {key: field for key, field in type(rule).model_fields.items() if key not in CheckRule.model_fields}
        for row in _rows("", more):
            yield (f"`{name}`", *row)


def _rules() -> Iterator[tuple[str, CheckRule, str]]:
    """The checks, with their defaults and what they are."""
    for name, field in Checks.model_fields.items():
        if isinstance(field.default, CheckRule):
            yield field.alias or name, field.default, field.description or ""


def _is_of_use(check: str, key: str) -> bool:
    other = {"severity": "off", "limit": 0.123, "tolerance": 0.123, "min_rows": 123}[key]
    try:
        Checks.model_validate({check: {key: other}})
    except ValidationError:
        return False
    return True


def _added_checks() -> list[str]:
    """The checks that this package itself adds; others may be installed beside it."""
    return sorted(point.name for point in entry_points(group=GROUP) if point.value.startswith("monitoring."))


def _unwrapped(text: str) -> str:
    """One line for each paragraph."""
    return re.sub(r"(?<!\n)\n(?![\n ]|\Z)", " ", text)


def _heading(title: str) -> str:
    block, _, kind = title.partition(", ")
    return f"`{block}`" + (f", {kind}" if kind else "")


def _note(name: str, field: FieldInfo) -> str:
    return NOTES.get(name, "Required." if field.is_required() else "")


def _rows(block: str, fields: dict[str, FieldInfo]) -> list[tuple[str, str, str, str]]:
    rows = []
    for name, field in fields.items():
        kind = "location" if f"{block}.{name}" in LOCATIONS else _type(field.annotation, field)
        rows.append((f"`{field.alias or name}`", kind, _default(field), _cell(field.description or "")))
    return rows


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(item) for item in arguments if item is not type(None))
    if origin in (list, dict, tuple):
        return _collection(origin, arguments)
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", timedelta: "duration"}
    name = names.get(annotation, getattr(annotation, "__name__", str(annotation)))
    return name + _bounds(field)


def _collection(origin: type, arguments: tuple[Any, ...]) -> str:
    if origin is tuple:
        return "[k, m]"
    if origin is dict:
        return f"mapping of names to {_type(arguments[1])}"
    return f"list of {_several(arguments[0])}"


def _bounds(field: FieldInfo | None) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [
        f"{sign} {getattr(item, name):g}"
        for item in (field.metadata if field else [])
        for name, sign in signs.items()
        if hasattr(item, name)
    ]
    return f", {', '.join(found)}" if found else ""


def _several(annotation: Any) -> str:
    if annotation == Reference:
        return "references"
    if get_origin(annotation) is Annotated and SmtpChannel in get_args(get_args(annotation)[0]):
        return "channels"
    return _type(annotation)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    value = field.default
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return f"`{value}`"


def _model(field: FieldInfo) -> type[BaseModel] | None:
    """The block that a field holds."""
    candidates = get_args(field.annotation) or (field.annotation,)
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _doc(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(value: Any) -> Any:
    """Without titles that only repeat a key, and with durations as text."""
    if isinstance(value, dict):
        found = {key: _plain(item) for key, item in value.items()}
        properties = found.get("properties")
        if isinstance(properties, dict):
            for item in properties.values():
                item.pop("title", None)
                if _ISO_DURATION.fullmatch(str(item.get("default"))):
                    default = TypeAdapter(timedelta).validate_python(item["default"])
                    item |= {"default": format_duration(default), "pattern": r"^\d+[mhdw]$"}
        return found
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


if __name__ == "__main__":
    sys.exit(main())
