"""Read `models/*.yaml`, with the file and the line in every complaint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from monitoring.config.model import ModelConfig
from monitoring.errors import ConfigError


def model_path(directory: Path, name: str) -> Path:
    """Where the configuration of model `name` lies."""
    return directory / f"{name}.yaml"


def load_models(directory: Path) -> list[ModelConfig]:
    """Every model in `directory`, sorted by name.

    Raises:
        ConfigError: One of them is not valid.
    """
    return [load_model(path) for path in _files(directory)]


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.yaml"), key=lambda path: path.stem)


def broken_models(directory: Path) -> list[ConfigError]:
    """What is wrong with the models in `directory`: one error per file that cannot be used."""
    errors = []
    for path in _files(directory):
        try:
            load_model(path)
        except ConfigError as error:
            errors.append(error)
    return errors


def load_model(path: Path, *, name: str = "") -> ModelConfig:
    """One model.

    Args:
        path: The file.
        name: The model that it is another configuration of; by default the one that the file is named after.

    Raises:
        ConfigError: The file is missing, is no YAML, or holds something that is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("not valid YAML: not UTF-8 text", where=f"{path}:1") from error
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        raise ConfigError(f"no model {path.stem!r}", where=str(path), allowed=known) from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(path, root)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"not valid YAML: {error.problem}", where=f"{path}:{line}") from error
    except RecursionError as error:
        raise ConfigError("not valid YAML: nested too deeply", where=f"{path}:1") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
        # control characters, a date that does not exist, or a tag whose value is none: PyYAML raises as it falls
        raise ConfigError(f"not valid YAML: {str(error).splitlines()[0]}", where=f"{path}:1") from error
    if not isinstance(content, dict):
        raise ConfigError("expected a mapping of settings", where=f"{path}:1", allowed=ModelConfig.model_fields)
    try:
        config = ModelConfig.model_validate(content)
    except ValidationError as error:
        raise _explain(path, root, error) from error
    if config.name != (name or path.stem):
        raise ConfigError(
            f"name is {config.name!r}",
            where=f"{path}:{_line(root, ('name',))}",
            allowed=[name or path.stem],
            hint="" if name else "a model's name and its file's name must agree",
        )
    return config


def _refuse_duplicates(path: Path, root: yaml.Node | None) -> None:
    """YAML takes the last of two equal keys without a word."""
    waiting, walked = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in walked:  # an alias, and aliases of aliases would be walked for ever
            continue
        walked.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        raise ConfigError(f"{key.value!r} is given twice", where=f"{path}:{key.start_mark.line + 1}")
                    seen.add(key.value)
                waiting.append(value)
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _explain(path: Path, root: yaml.Node | None, error: ValidationError) -> ConfigError:
    # a misspelt key is also a missing one: name the misspelling
    details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
    first = details[0]
    location = tuple(part for part in first["loc"] if part not in ("smtp", "webhook", "slack"))
    key = ".".join(str(part) for part in location) or "the file"
    allowed: list[str] = []
    if first["type"] == "extra_forbidden":
        allowed = _known_keys(location[:-1])
        what = f"unknown key {key!r}"
    elif first["type"] == "missing":
        what = f"{key!r} is required and missing"
    elif first["type"] == "literal_error":
        what = f"{key!r} is {first['input']!r}"
        allowed = [str(first["ctx"]["expected"])]
    else:
        what = f"{key!r} is {_short(first)}: {_message(first)}"
    more = f"{len(details) - 1} more problem(s) in this file" if len(details) > 1 else ""
    return ConfigError(what, where=f"{path}:{_line(root, location)}", allowed=allowed, hint=more)


def _short(detail: ErrorDetails) -> str:
    text = repr(detail["input"])
    return text if len(text) <= 60 else f"{text[:57]}..."


def _message(detail: ErrorDetails) -> str:
    return detail["msg"].removeprefix("Value error, ")


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = ModelConfig
    for part in location:
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        candidates = getattr(field.annotation, "__args__", (field.annotation,)) if field else ()
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        if not nested:
            return []
        model = nested[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _line(root: yaml.Node | None, location: tuple[Any, ...]) -> int:
    """The line of the deepest part of `location` that the file has."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
