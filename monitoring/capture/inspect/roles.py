"""What the columns of a log probably mean, from their names and what their values are like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from monitoring.capture.inspect.answers import Answer, answer
from monitoring.capture.inspect.values import ENOUGH, Described, words
from monitoring.capture.readers.rows import EVENT_IDS, EVENT_TIMES

Role = Literal[
    "feature", "event id", "event time", "score", "prediction", "version", "latency", "status", "reference", "left out"
]
_VERSIONS = ("model_version", "modelversion", "model_ver", "version")
_LATENCY = re.compile(r"(latency|duration|elapsed|(response|processing|inference)_time|took)_?(ms|millis|milliseconds)")
_STATUSES = ("status", "status_code", "http_status", "http_status_code", "response_code", "response_status")
_LABEL = re.compile(
    r"labels?|targets?|y|y_true|actuals?|(ground_)?truth|true_label|outcome|class|actual_.*|.*_(label|target)"
)
_IDENTIFIER = re.compile(r"(.*_)?(id|uuid|guid|key|hash|session|token|index|idx|row|number|no)")
_PERSONAL = re.compile(
    r"(.*_)?(e_?mail|phone|mobile|ssn|iban|passport|password|ip|ip_address|user_agent|address"
    r"|(first|last|full|sur|user)_?name)"
)
# Of so few values a whole number may be a category; so many rows show that most values differ
_FEW, _MANY_ROWS = 10, 50
# So many of the rows have another id when some were logged twice
_DUPLICATES = 0.9


@dataclass(frozen=True)
class Column:
    """One column, and what it is taken for.

    Attributes:
        described: What its values are like.
        role: What it is.
        why: The reason, for people; empty for what is plain.
        sure: Whether its name says so.
    """

    described: Described
    role: Role
    why: str = ""
    sure: bool = True

    @property
    def name(self) -> str:
        """Its path in a row."""
        return self.described.name


@dataclass
class Meaning:
    """What the columns of a log mean.

    Attributes:
        columns: All of them, in their order.
        answer: Where the model's answer is.
        outputs: What `columns.outputs` names.
        positional: Whether the fields of requests have no names.
    """

    columns: list[Column] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    outputs: list[str] = field(default_factory=list)
    positional: bool = False

    def named(self, role: Role) -> str:
        """The first column of a role; empty when there is none."""
        return next((column.name for column in self.columns if column.role == role), "")

    def of(self, role: Role) -> list[Column]:
        """The columns of a role."""
        return [column for column in self.columns if column.role == role]


def meaning_together(fields: Iterable[Described], roles: dict[str, str], *, identified: bool) -> Meaning:
    """What the fields of a log mean whose requests and responses are side by side.

    Args:
        fields: What they are like.
        roles: What the log itself calls them: `feature`, `prediction` or `target`.
        identified: Whether the format says the id and the time of a row.
    """
    rest = list(fields)
    taken: dict[str, Column] = {}

    def take(role: Role, chosen: Described | None, why: str = "", *, sure: bool = True) -> None:
        if chosen is not None:
            taken[chosen.name] = Column(chosen, role, why, sure)
            rest.remove(chosen)

    if not identified:
        event_id, why, sure = _event_id(rest)
        take("event id", event_id, why, sure=sure)
        event_time, why = _event_time(rest)
        take("event time", event_time, why, sure=not why)
    for role, is_one in _CALLS:
        take(role, next(filter(is_one, rest), None))
    given = {name for name, role in roles.items() if role == "prediction"}
    found = answer(rest, given, alone=bool(given))
    for role, path in (("score", found.score), ("prediction", found.prediction)):
        take(role, next((item for item in rest if item.name == path), None), found.why, sure=found.sure)
    for item in [item for item in rest if _is_label(item, roles)]:
        take("left out", item, "probably the label, which the model does not know")
    features = {item.name: _feature(item) for item in rest}
    columns = [taken.get(item.name) or features[item.name] for item in fields]
    return Meaning(columns, found, [path for path in (found.score, found.prediction) if path])


def meaning_apart(
    request: Iterable[Described], response: Iterable[Described], attributes: Iterable[Described], *, positional: bool
) -> Meaning:
    """What the fields of a log mean whose requests and responses are apart.

    Args:
        request: What the fields of requests are like.
        response: What those of responses are like.
        attributes: What else the records say.
        positional: Whether the fields of requests have no names.
    """
    answers = list(response)
    found = answer(answers, set(), alone=True)
    if found.positions:
        answers = [replace(item, name=name) for item, name in zip(answers, found.positions, strict=True)]
    columns = [_by_position(item) if positional else _asked(item) for item in request]
    used = {found.score: "score", found.prediction: "prediction"}
    for item in answers:
        if item.name in used:
            role: Role = "score" if used[item.name] == "score" else "prediction"
            columns.append(Column(item, role, found.why, found.sure))
        elif found.score or found.prediction or found.positions:
            columns.append(Column(item, "left out", "of the response"))
        else:
            columns.append(_feature(item))
    for item in attributes:
        columns += [Column(item, role) for role, is_one in _CALLS if is_one(item)]
    outputs = found.positions or [path for path in (found.score, found.prediction) if path]
    asked = {item.name for item in request}
    outputs = outputs or [column.name for column in columns if column.role == "feature" and column.name not in asked]
    return Meaning(columns, found, outputs, positional)


def _asked(item: Described) -> Column:
    if _is_label(item, {}):
        return Column(item, "left out", "probably the label, which the model does not know")
    return _feature(item)


def _by_position(item: Described) -> Column:
    """A field without a name: none can be left out."""
    why = "empty in every row" if item.kind == "empty" else "the same value in every row" if item.constant else ""
    return Column(item, "feature", why)


def _feature(item: Described) -> Column:
    why = _why_not(item)
    if why:
        return Column(item, "left out", why)
    if item.kind == "reference":
        return Column(item, "reference")
    few = item.distinct <= _FEW and item.values >= ENOUGH
    if item.kind == "numeric" and item.whole and few and not item.truth:
        return Column(item, "feature", "few whole numbers: maybe categorical", sure=False)
    return Column(item, "feature")


def _why_not(item: Described) -> str:
    """Why a column is no feature; empty when it may be one."""
    name = words(item.name)
    many = item.distinct > _FEW
    spread = item.values >= _MANY_ROWS and item.distinct > item.values / 2
    reasons = {
        "empty in every row": item.kind == "empty",
        f"missing in {item.rows - item.present} of {item.rows} rows": item.sparse,
        "nested: name what is in it by a path": item.kind == "nested",
        "a time": item.kind == "time",
        "may tell who somebody is": _PERSONAL.fullmatch(name) is not None,
        "the same value in every row": item.constant,
        "counts the rows": item.sequence,
        "an identifier": many and item.kind != "text" and _IDENTIFIER.fullmatch(name) is not None and _is_code(item),
        "another value in each row": item.kind == "categorical" and item.unique,
        f"{item.distinct} different values in {item.values} rows": item.kind == "categorical" and spread,
    }
    return next((why for why, applies in reasons.items() if applies), "")


def _is_code(item: Described) -> bool:
    return item.whole or item.kind == "categorical"


def _event_id(fields: list[Described]) -> tuple[Described | None, str, bool]:
    """The column that tells rows apart. One that is called so may come again, as duplicates do."""
    usable = [item for item in fields if item.kind in ("categorical", "numeric") and _is_code(item)]
    for name in EVENT_IDS:
        for item in usable:
            if name in (item.name, words(item.name)) and item.values == item.rows:
                if item.distinct == item.values:
                    return item, "", True
                if item.distinct >= _DUPLICATES * item.values:
                    why = f"{item.values - item.distinct} of {item.values} rows repeat one: they count once"
                    return item, why, True
    for item in usable:
        # a number of the row is no id beyond its object
        if _IDENTIFIER.fullmatch(words(item.name)) and item.unique and item.values == item.rows and not item.sequence:
            return item, "tells the rows apart", False
    return None, "", True


def _event_time(fields: list[Described]) -> tuple[Described | None, str]:
    times = [item for item in fields if item.kind == "time" and not item.sparse]
    named = [item for name in EVENT_TIMES for item in times if item.name == name or words(item.name) == name]
    if named:
        return named[0], ""
    # one that is sometimes empty is the time of something that does not always happen
    always = [item for item in times if item.values == item.present]
    return (always[0], "the first column of times") if always else (None, "")


def _is_label(item: Described, roles: dict[str, str]) -> bool:
    if item.name in roles:
        return roles[item.name] == "target"
    return _LABEL.fullmatch(words(item.name)) is not None


def _is_version(item: Described) -> bool:
    return words(item.name) in _VERSIONS and item.kind in ("categorical", "numeric")


def _is_latency(item: Described) -> bool:
    return item.kind == "numeric" and _LATENCY.fullmatch(words(item.name)) is not None


def _is_status(item: Described) -> bool:
    return words(item.name) in _STATUSES and item.whole and item.low >= 100 and item.high < 600


_CALLS: tuple[tuple[Role, Callable[[Described], bool]], ...] = (
    ("version", _is_version),
    ("latency", _is_latency),
    ("status", _is_status),
)
