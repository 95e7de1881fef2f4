"""What folders of keys say about time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_BETWEEN = r"/(?:[A-Za-z_]+=)?|[-_.]|"
_DATE = re.compile(
    r"(?:^|/)(?P<lead>[A-Za-z][A-Za-z_-]*[=_-]|)(?P<Y>(?:19|20)\d\d)"
    rf"(?P<a>{_BETWEEN})(?P<m>\d\d)(?P<b>{_BETWEEN})(?P<d>\d\d)"
    r"(?:(?P<c>/(?:[A-Za-z_]+=)?|[-_.T]|)(?P<H>[01]\d|2[0-3]))?(?=/|$)"
)
_UNPADDED = re.compile(r"(?:^|/)(?:[A-Za-z_]+=)?20\d\d/(?:[A-Za-z_]+=)?\d{1,2}/(?:[A-Za-z_]+=)?\d{1,2}(?=/|$)")


@dataclass(frozen=True)
class Place:
    """Where an object lies.

    Attributes:
        above: The folders over those that name a time; all of them when none does.
        pattern: How folders name the time, as in `capture.folders`; empty when they do not.
        start: The time that they name.
    """

    above: tuple[str, ...]
    pattern: str = ""
    start: datetime | None = None

    @property
    def end(self) -> datetime | None:
        """The end of the hour, or of the day, that the folders name."""
        step = timedelta(hours=1) if "%H" in self.pattern else timedelta(days=1)
        return self.start + step if self.start else None


def place_of(key: str) -> Place:
    """Where an object lies.

    >>> place_of("churn/AllTraffic/2024/01/11/10/a.jsonl").pattern
    '%Y/%m/%d/%H'
    >>> place_of("logs/dt=2024-01-11/hour=10/a.parquet")
    Place(above=('logs',), pattern='dt=%Y-%m-%d/hour=%H', start=datetime.datetime(2024, 1, 11, 10, 0, \
tzinfo=datetime.timezone.utc))
    """
    folder = key.rpartition("/")[0]
    found = _DATE.search(folder)
    if found is not None:
        part = found.groupdict()
        try:
            start = datetime(int(part["Y"]), int(part["m"]), int(part["d"]), int(part["H"] or 0), tzinfo=UTC)
        except ValueError:
            return Place(_parts(folder))
        pattern = f"{part['lead']}%Y{part['a']}%m{part['b']}%d"
        if part["H"]:
            pattern += f"{part['c']}%H"
        return Place(_parts(folder[: found.start()]), pattern, start)
    return Place(_parts(folder))


def is_unpadded(key: str) -> bool:
    """Whether folders name a day without leading zeros, which `capture.folders` cannot say.

    >>> is_unpadded("year=2024/month=1/day=11/a.parquet"), is_unpadded("2024/01/11/a.parquet")
    (True, False)
    """
    return not place_of(key).pattern and _UNPADDED.search(key.rpartition("/")[0]) is not None


def common(places: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders that all of these lie in.

    >>> common([("a", "b", "c"), ("a", "b")])
    ('a', 'b')
    """
    shortest = min(places, key=len)
    for depth, name in enumerate(shortest):
        if any(other[depth] != name for other in places):
            return shortest[:depth]
    return shortest


def _parts(folder: str) -> tuple[str, ...]:
    return tuple(part for part in folder.split("/") if part)
