"""The logs that lie below one place: which objects belong together, and how the folders over them are named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Literal

from monitoring.capture.inspect.folders import common, is_unpadded
from monitoring.capture.inspect.probe import REQUEST, RESPONSE, Rows, Seen
from monitoring.capture.inspect.roles import Meaning, meaning_apart, meaning_together
from monitoring.capture.inspect.values import describe, flat
from monitoring.capture.readers.rows import parse_time
from monitoring.capture.records import ABSENT, find
from monitoring.config.capture import Capture, Csv
from monitoring.config.model import Schedule

Folder = tuple[str, ...]
# Columns that are the same, as a share of all, make one log of the objects in several folders.
_ALIKE = 0.6
# Columns are those that so many of the first rows of an object have.
_SOME_ROWS, _USUAL = 10, 0.3
# A log has at least this share of the objects, or this many; what has less lies beside it.
_LEAST_SHARE, _LEAST = 0.05, 3
_IN_TIME = 0.9
# More inferences than this would be set aside as too late or in the future: folders are then no help.
_ASTRAY = 0.02
# What an answer without a name is called, if it is the only one
_UNNAMED = f"{RESPONSE}0"
_LATE: timedelta = Capture.model_fields["late"].default


@dataclass
class Log:
    """One log, and what was guessed about it.

    Attributes:
        folder: Where it lies, below the place that was looked at.
        pattern: How folders name a time, as in `capture.folders`.
        objects: What was seen of it.
        meaning: What its columns mean.
        dated_by: What the time of a folder says; None without folders.
        timed: Whether the rows say when they were made.
        start: The first day that was seen.
        notes: What somebody should know.
    """

    folder: Folder
    pattern: str
    objects: list[Seen]
    meaning: Meaning = field(default_factory=Meaning)
    dated_by: Literal["inference", "delivery", "nothing"] | None = None
    timed: bool = False
    start: date | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def formats(self) -> list[str]:
        """Its formats, the most frequent first."""
        return [name for name, _ in Counter(seen.format for seen in self.objects).most_common()]

    @property
    def csv(self) -> Csv | None:
        """How its CSV files are written."""
        return next((seen.csv for seen in self.objects if seen.csv), None)

    @property
    def bytes(self) -> int:
        """Bytes of the objects that were looked at, as stored."""
        return sum(seen.size for seen in self.objects)

    @property
    def rows(self) -> int:
        """Rows that were looked at."""
        return max(sum(len(seen.request) for seen in self.objects), sum(len(seen.response) for seen in self.objects))


@dataclass
class Survey:
    """All that was found below one place.

    Attributes:
        logs: The logs, the largest first.
        beside: What else lies there: how many objects of what.
    """

    logs: list[Log]
    beside: Counter[str]


def survey(objects: Sequence[Seen]) -> Survey:
    """What objects that were looked at have in common."""
    beside: Counter[str] = Counter()
    usable = []
    for seen in objects:
        what = _beside(seen)
        if what:
            beside[what] += 1
        else:
            usable.append(seen)
    logs = _merged_undated(_merged_dated(_by_folder(usable)))
    kept = [log for log in logs if _is_log(log, logs, len(usable))]
    for log in logs:
        if log not in kept:
            beside[f"{' and '.join(log.formats)} in {'/'.join(log.folder) or 'the folder itself'}"] += len(log.objects)
    for log in kept:
        _explain(log)
        if not log.pattern and any(_is_below(other, log) for other in logs):
            log.notes.append("other logs lie below the same folder: move them, or they are read too")
        if not log.pattern and any(is_unpadded(seen.key) for seen in log.objects):
            log.notes.append("folders name days without leading zeros, which `capture.folders` cannot say")
    kept.sort(key=lambda log: (-len(log.objects), -log.bytes, log.folder))
    return Survey(kept, beside)


def _beside(seen: Seen) -> str:
    """What an object is, if it is no part of a log."""
    if seen.noise:
        return "empty, or left by the writer of a table"
    if not seen.format:
        return "of no format that is known"
    if seen.labels:
        return "labels, as SageMaker reads them"
    return "" if seen.request or seen.response or seen.roles else f"{seen.format} that could not be read"


def _by_folder(objects: Iterable[Seen]) -> list[Log]:
    """The objects of each folder; where they hold different things, the most of them that hold the same."""
    found: dict[tuple[Folder, str], list[Log]] = defaultdict(list)
    for seen in objects:
        log = Log(seen.place.above, seen.place.pattern, [seen])
        others = found[log.folder, log.pattern]
        same = next((other for other in others if _alike(log, other)), None)
        if same is None:
            others.append(log)
        else:
            same.objects.append(seen)
    logs = []
    for _, together in sorted(found.items()):
        largest = max(together, key=lambda log: (len(log.objects), log.bytes))
        other = sum(len(log.objects) for log in together if log is not largest)
        if other:
            largest.notes.append(
                f"{other} of {other + len(largest.objects)} objects in the same folders hold other columns"
            )
        logs.append(largest)
    return logs


def _merged_dated(logs: list[Log]) -> list[Log]:
    """Folders beside each other that hold the same, such as the variants of an endpoint, are one log."""
    siblings: dict[tuple[Folder, str], list[Log]] = defaultdict(list)
    for log in logs:
        if log.pattern and log.folder:
            siblings[log.folder[:-1], log.pattern].append(log)
    merged = list(logs)
    for (parent, pattern), members in siblings.items():
        if len(members) > 1 and all(_alike(members[0], other) for other in members[1:]):
            merged = [log for log in merged if log not in members]
            together = [seen for log in members for seen in log.objects]
            merged.append(Log(parent, f"*/{pattern}", together, notes=[note for log in members for note in log.notes]))
    return merged


def _merged_undated(logs: list[Log]) -> list[Log]:
    """Objects that hold the same, in folders that say nothing about time, are one log."""
    merged = [log for log in logs if log.pattern]
    for log in sorted((log for log in logs if not log.pattern), key=lambda log: -len(log.objects)):
        for other in merged:
            if not other.pattern and _alike(log, other) and not _is_positional(log):
                other.folder = common([log.folder, other.folder])
                other.objects += log.objects
                break
        else:
            merged.append(log)
    return merged


def _is_log(log: Log, logs: list[Log], objects: int) -> bool:
    """Whether it is large enough, and can be read without what lies below it."""
    if len(logs) == 1:
        return True
    over = any(_is_below(other, log) for other in logs)
    larger = any(len(other.objects) > len(log.objects) for other in logs)
    if over and not log.pattern and larger:
        return False
    return not larger or len(log.objects) >= min(_LEAST, _LEAST_SHARE * objects)


def _is_below(other: Log, log: Log) -> bool:
    return other is not log and other.folder[: len(log.folder)] == log.folder


def _alike(one: Log, other: Log) -> bool:
    """Whether two folders hold the same, or one the requests and the other the responses of the same."""
    if not _has_rows(one) or not _has_rows(other):  # a log of schemas
        return one.formats == other.formats and one.folder[:-1] == other.folder[:-1]
    sides = [(_columns(one, side), _columns(other, side)) for side in ("request", "response")]
    both = [_overlap(ours, theirs) for ours, theirs in sides if ours and theirs]
    together = all(seen.together for seen in [*one.objects, *other.objects])
    return all(both) and (set(one.formats) == set(other.formats) or (bool(both) and together))


def _overlap(ours: set[str], theirs: set[str]) -> bool:
    one_answer = len(ours) == len(theirs) == 1 and _UNNAMED in ours | theirs
    return one_answer or len(ours & theirs) >= _ALIKE * len(ours | theirs)


def _has_rows(log: Log) -> bool:
    return any(seen.request or seen.response for seen in log.objects)


def _is_positional(log: Log) -> bool:
    """Whether requests have fields without names: then the same ones in two folders say nothing."""
    found = _columns(log, "request")
    return bool(found) and found == {f"{REQUEST}{place}" for place in range(len(found))}


def _columns(log: Log, side: str) -> set[str]:
    rows = _with_names([row for seen in log.objects for row in getattr(seen, side)[:_SOME_ROWS]])
    found = Counter(path for row in rows for path, _ in flat(row))
    # calls that failed say something else
    return {path for path, count in found.items() if count >= _USUAL * len(rows)} or set(found)


def _with_names(rows: Rows) -> Rows:
    """Rows, the only answer of which has the same name in all, also where a body in CSV says none."""
    names = {name for row in rows for name in row} - {_UNNAMED}
    plain = all(len(row) <= 1 and not isinstance(value, list | dict) for row in rows for value in row.values())
    if len(names) != 1 or not plain:
        return rows
    name = names.pop()
    return [dict(zip([name], row.values(), strict=False)) for row in rows]


def _explain(log: Log) -> None:
    """Find out what the columns mean, and what the folders' times say."""
    request = describe([row for seen in log.objects for row in seen.request])
    if all(seen.together for seen in log.objects if seen.request):
        roles = {name: role for seen in log.objects for name, role in seen.roles.items()}
        identified = any(seen.format not in ("parquet", "jsonl", "csv") for seen in log.objects)
        log.meaning = meaning_together(request.values(), roles, identified=identified)
    else:
        response = describe(_with_names([row for seen in log.objects for row in seen.response]))
        attributes = describe([row for seen in log.objects for row in seen.attributes])
        log.meaning = meaning_apart(
            request.values(), response.values(), attributes.values(), positional=_is_positional(log)
        )
    times = {seen.key: _times(seen, log.meaning) for seen in log.objects}
    log.timed = any(times.values())
    days = [moment for moments in times.values() for moment in moments]
    if log.pattern:
        _date(log, times)
        # what came in the first hours of a day is read by the run of the day before
        early = Schedule().settle if log.dated_by == "delivery" else timedelta()
        if log.dated_by != "nothing":
            days += [seen.place.start - early for seen in log.objects if seen.place.start]
    log.start = min(days).date() if days else None


def _times(seen: Seen, meaning: Meaning) -> list[datetime]:
    path = meaning.named("event time")
    if not path:
        return seen.times
    found = []
    for row in seen.request:
        value: Any = find(row, path)
        try:
            found += [] if value is ABSENT else [parse_time(value)]
        except ValueError:
            continue
    return found


def _date(log: Log, times: dict[str, list[datetime]]) -> None:
    """Find out whether the inferences in a folder were made in its time."""
    inside = astray = total = 0
    for seen in log.objects:
        start, end = seen.place.start, seen.place.end
        if start and end:
            total += len(times[seen.key])
            inside += sum(start <= moment < end for moment in times[seen.key])
            astray += sum(not start - _LATE <= moment < end for moment in times[seen.key])
    if total and inside >= _IN_TIME * total:
        log.dated_by = "inference"
    elif astray > _ASTRAY * total:
        log.dated_by = "nothing"
        log.notes.append(f"{astray} of {total} inferences were made long before, or after, the time of their folder")
    elif not total and _written_astray(log) > _ASTRAY * len(log.objects):
        log.dated_by = "nothing"
        log.notes.append(
            "rows do not say when they were made, and objects were written long after the time of their folder:"
            " the time when an object was written counts, and copies have another one"
        )
    else:
        log.dated_by = "delivery"


def _written_astray(log: Log) -> int:
    """How many objects were written when no run looks into their folder any more."""
    late = Schedule().settle + _LATE
    ends = [(seen.written, seen.place.end) for seen in log.objects]
    return sum(end is not None and written >= end + late for written, end in ends)
