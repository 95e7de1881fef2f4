"""The kinds of values that stand in `models/NAME.yaml`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

_DIRECTIVES = ["Y", "m", "d", "H"]
_LONGEST, _LONGEST_DAYS = 1_000_000, 730
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_duration(value: object) -> timedelta:
    """A length of time such as `30m`, `6h`, `3d` or `2w`.

    >>> parse_duration("6h")
    datetime.timedelta(seconds=21600)
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"(\d+)([mhdw])", str(value))
    if match is None:
        raise ValueError("write a duration as a number and a unit: 30m, 6h, 3d or 2w")
    number = int(match[1])
    if number > _LONGEST:
        raise ValueError(f"at most {_LONGEST} of a unit")
    duration = timedelta(**{_UNITS[match[2]]: number})
    if duration > timedelta(days=_LONGEST_DAYS):
        raise ValueError(f"at most {_LONGEST_DAYS}d")
    return duration


def format_duration(value: timedelta) -> str:
    """The shortest text that `parse_duration` reads back.

    >>> format_duration(timedelta(hours=48))
    '2d'
    """
    minutes = int(value.total_seconds() // 60)
    for unit, size in (("w", 10080), ("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration, json_schema_input_type=str),
    PlainSerializer(format_duration, return_type=str),
]


def plain_label(text: str) -> str:
    """One spelling for a label, whichever way its number was written.

    >>> plain_label("1.0"), plain_label("1"), plain_label("late")
    ('1', '1', 'late')
    """
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text.strip())


def _label(value: object) -> object:
    # YAML reads a bare `yes` as true, and no label is spelt so: only numbers are taken for texts
    return plain_label(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


Label = Annotated[str, BeforeValidator(_label)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


# One format or several, each object being read by the first that knows it
Formats = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]


def _folders(value: str) -> str:
    found = re.findall(r"%(.?)", value)
    unknown = [name for name in found if name not in _DIRECTIVES]
    if unknown:
        raise ValueError(f"%{unknown[0]} is not known; use %Y, %m, %d and %H")
    if found != _DIRECTIVES[: len(found)] or (value and len(found) < 3):
        raise ValueError("name the year, the month, the day and maybe the hour, each once and in this order")
    if value != value.strip("/"):
        raise ValueError("must neither begin nor end with a slash")
    return value


# How folders name a time, by the directives of strftime; empty: there are none
Folders = Annotated[str, AfterValidator(_folders)]


class Strict(BaseModel):
    """Settings: unknown keys are refused, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
