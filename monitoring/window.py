"""Windows: half-open intervals of inference time, in UTC, one per run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from monitoring.errors import ConfigError

Every = Literal["hour", "day", "week"]

LENGTHS: dict[Every, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """The interval `[start, end)` of inference time.

    Attributes:
        start: First moment, UTC.
        every: The length: an hour, a day, or a week that begins on Monday.
    """

    start: datetime
    every: Every

    @property
    def end(self) -> datetime:
        """The first moment that is no longer in the window."""
        return self.start + LENGTHS[self.every]

    @property
    def label(self) -> str:
        """The window's name in keys and on the command line.

        >>> Window.parse("2013-04-20", "day").label
        '2013-04-20'
        >>> Window.parse("2013-04-20T07", "hour").label
        '2013-04-20T07'
        """
        return self.start.strftime("%Y-%m-%dT%H" if self.every == "hour" else "%Y-%m-%d")

    def shift(self, windows: int) -> Window:
        """The window `windows` later (earlier when negative)."""
        return Window(self.start + windows * LENGTHS[self.every], self.every)

    def hours(self) -> list[datetime]:
        """The start of each hour in the window."""
        return [self.start + timedelta(hours=i) for i in range(int((self.end - self.start) / LENGTHS["hour"]))]

    @classmethod
    def containing(cls, moment: datetime, every: Every) -> Window:
        """The window that `moment` lies in.

        >>> Window.containing(datetime(2013, 4, 20, 7, 30, tzinfo=UTC), "week").label
        '2013-04-15'
        """
        return cls(_MONDAY + (moment.astimezone(UTC) - _MONDAY) // LENGTHS[every] * LENGTHS[every], every)

    @classmethod
    def parse(cls, text: str, every: Every) -> Window:
        """The window that starts at `text` (ISO 8601; UTC unless an offset is given).

        Raises:
            ConfigError: The text is no date, or no window starts there.
        """
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ConfigError(f"{text!r} is not a window", hint="write a date like 2013-04-20") from error
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            raise ConfigError(f"{text!r} is out of range", allowed=[f"{_FIRST_YEAR} to {_LAST_YEAR}"])
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        window = cls.containing(moment, every)
        if window.start != moment:
            raise ConfigError(
                f"no {every} window starts at {text}", hint=f"the window around it starts at {window.label}"
            )
        return window


def iso(moment: datetime) -> str:
    """`moment` in UTC as ISO 8601 with a `Z`.

    >>> iso(datetime(2013, 4, 20, tzinfo=UTC))
    '2013-04-20T00:00:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
