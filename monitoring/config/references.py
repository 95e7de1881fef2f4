"""What a window is compared with beside the training baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from monitoring.config.calendar import midnight
from monitoring.config.values import Strict
from monitoring.window import LENGTHS, Every, Window

_MOST_WINDOWS = 1000
_DAY = timedelta(days=1)

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="What findings call it: small letters, digits, - and _."),
]


class TrailingReference(Strict):
    """The windows before the present ones: it finds what is sudden, and gets used to what is slow."""

    name: Name
    kind: Literal["trailing"]
    windows: int = Field(28, ge=1, le=_MOST_WINDOWS, description="How many windows.")
    lag: int | None = Field(
        None,
        ge=1,
        le=_MOST_WINDOWS,
        description="How many windows its newest one lies before the judged one. Default, and least: `trailing`, so"
        " that no window is compared with itself.",
    )

    @property
    def alone(self) -> bool:
        """Whether the judged window is compared alone, without the trailing ones."""
        return False

    def definition(self, span: int) -> str:
        """What is learned of one reference is right for every other with the same definition."""
        return f"trailing {self.windows} {self.lag or span} of {span}"

    def windows_before(self, window: Window, span: int) -> list[Window]:
        """Its windows, oldest first.

        Args:
            window: The judged window.
            span: How many windows drift looks back over.

        >>> day = Window.parse("2024-01-31", "day")
        >>> reference = TrailingReference(name="before", kind="trailing", windows=3)
        >>> [found.label for found in reference.windows_before(day, 7)]
        ['2024-01-22', '2024-01-23', '2024-01-24']
        """
        newest = self.lag or span
        return [window.shift(-back) for back in range(newest + self.windows - 1, newest - 1, -1)]


class FixedReference(Strict):
    """The same days for good, such as a month that was looked into and found to be in order."""

    name: Name
    kind: Literal["fixed"]
    from_: date = Field(alias="from", description="First day.")
    to: date = Field(description="Last day.")

    def windows_before(self, window: Window, span: int) -> list[Window]:
        """The windows that lie within it, oldest first; none until it is over and done with."""
        first, found = window.shift(1 - span), self._within(window.every)
        return found if found and found[-1] < first else []

    def _within(self, every: Every) -> list[Window]:
        start, end = midnight(self.from_), midnight(self.to) + _DAY
        place = Window.containing(start, every)
        found = []
        while place.end <= end:
            found += [place] if place.start >= start else []
            place = place.shift(1)
        return found

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to < self.from_:
            raise ValueError("to lies before from")
        return self


class PhaseReference(Strict):
    """The same phase of a cycle: the same hour or day of the last weeks, or the same month of last year."""

    name: Name
    kind: Literal["phase"]
    every: Literal["week", "year"] = Field(
        "week",
        description="`week`: the window itself against those that lie whole weeks before it. `year`: the trailing"
        " windows against the month of a year ago.",
    )
    count: int | None = Field(None, ge=1, le=104, description="How many weeks or years. Default: 4 weeks, 1 year.")

    def definition(self, span: int) -> str:
        """See `TrailingReference`."""
        return f"phase {self.every} {self.cycles} of {1 if self.alone else span}"

    @property
    def alone(self) -> bool:
        """Whether the judged window is compared alone: the trailing ones are a whole cycle, which has no phase."""
        return self.every == "week"

    @property
    def cycles(self) -> int:
        """How many weeks or years it looks back over."""
        return self.count or {"week": 4, "year": 1}[self.every]

    def windows_before(self, window: Window) -> list[Window]:
        """Its windows, oldest first.

        >>> reference = PhaseReference(name="weekday", kind="phase", count=2)
        >>> [found.label for found in reference.windows_before(Window.parse("2024-01-31", "day"))]
        ['2024-01-17', '2024-01-24']
        """
        if self.every == "week":
            step = LENGTHS["week"] // LENGTHS[window.every]
            return [window.shift(-back * step) for back in range(self.cycles, 0, -1)]
        years = range(window.start.year - self.cycles, window.start.year)
        return [found for year in years for found in _month(year, window.start.month, window.every)]


class PreviousVersionReference(Strict):
    """The model version before the present one: the windows in which it answered most of the calls."""

    name: Name
    kind: Literal["previous_version"]
    windows: int = Field(90, ge=1, le=_MOST_WINDOWS, description="How many windows to look for it in.")

    def windows_before(self, window: Window) -> list[Window]:
        """The windows to look for it in, oldest first."""
        return [window.shift(-back) for back in range(self.windows, 0, -1)]


Reference = Annotated[
    TrailingReference | FixedReference | PhaseReference | PreviousVersionReference, Field(discriminator="kind")
]


def require_references(references: Sequence[Reference], every: Every, span: int) -> None:
    """Refuse references that cannot be made for windows of this length.

    Args:
        references: Those of one model.
        every: Length of a window.
        span: How many windows drift looks back over.

    Raises:
        ValueError: Two have one name, or one is too long or too near.
    """
    names = [reference.name for reference in references]
    if len(set(names)) < len(names):
        raise ValueError(f"each reference needs a name of its own, not {', '.join(names)}")
    for reference in references:
        where = f"the reference {reference.name!r}"
        if isinstance(reference, TrailingReference) and reference.lag is not None and reference.lag < span:
            raise ValueError(f"{where} needs a lag of at least {span} (`trailing`), or it has the judged windows in it")
        if isinstance(reference, PhaseReference) and reference.every == every:
            raise ValueError(f"{where} has no phase: each window is a whole {every}; take kind: trailing")
        if isinstance(reference, FixedReference):
            count = (reference.to - reference.from_ + _DAY) // LENGTHS[every]
            if not 1 <= count <= _MOST_WINDOWS:
                raise ValueError(f"{where} has {count} windows; from 1 to {_MOST_WINDOWS} are allowed")


def _month(year: int, month: int, every: Every) -> list[Window]:
    """The windows that start in a month, oldest first."""
    place = Window.containing(midnight(date(year, month, 1)), every)
    found = [place.shift(steps) for steps in range(31 * 24 + 1)]
    return [item for item in found if (item.start.year, item.start.month) == (year, month)]
