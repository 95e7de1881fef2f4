"""Days on which things are known to be different: holidays, launches, sales."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Self

from pydantic import Field, model_validator

from monitoring.config.added_checks import added_rules
from monitoring.config.checks import Checks
from monitoring.config.values import Strict
from monitoring.window import Window

_DAY, _LONGEST = timedelta(days=1), timedelta(days=366)
# What another crowd on a holiday moves. What is broken is broken on a holiday too, and so is a model that is wrong
MOVED_BY_A_CROWD = frozenset(
    {
        "volume",
        "gaps",
        "unseen",
        "out_of_range",
        "feature_drift",
        "prediction_drift",
        "segment_share",
        "segment_predictions",
        "attribution_drift",
        "label_coverage",
        "label_delay",
        "unmatched_labels",
    }
)


class CalendarEntry(Strict):
    """Some days in UTC, and what is made of findings about windows that have any of them."""

    name: str = Field(min_length=1, max_length=100, description="What findings and the verdict call it.")
    from_: date = Field(alias="from", description="First day.")
    to: date | None = Field(None, description="Last day. Default: the first.")
    effect: Literal["annotate", "suppress"] = Field(
        "annotate",
        description="`annotate`: findings name it. `suppress`: what would warn or fail informs, and its windows are"
        " left out of trailing and phase references and of the windows that drift looks back over.",
    )
    checks: list[str] | None = Field(
        None,
        description="Which checks. Default: all are annotated; those that another crowd moves are suppressed (volume,"
        " gaps, unseen values, drift, and how many labels come), and neither what is broken nor performance.",
    )
    every: Literal["year"] | None = Field(None, description="`year`: on these days of every year.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) <= self.last - self.from_ < _LONGEST:
            raise ValueError("to must not lie before from, nor a year after it")
        return self

    @model_validator(mode="after")
    def _of_checks_that_exist(self) -> Self:
        fields = Checks.model_fields.items()
        known = {field.alias or name for name, field in fields if name != "added"} | set(added_rules())
        unknown = [name for name in self.checks or () if name not in known]
        if unknown:
            raise ValueError(f"there is no check {unknown[0]!r}; there are {', '.join(sorted(known))}")
        return self

    @property
    def last(self) -> date:
        """Its last day."""
        return self.to or self.from_

    def covers(self, window: Window) -> bool:
        """Whether any of its days is in a window.

        >>> entry = CalendarEntry.model_validate({"name": "Christmas", "from": "2024-12-24", "every": "year"})
        >>> [entry.covers(Window.parse(text, "day")) for text in ("2025-12-24", "2025-12-25")]
        [True, False]
        """
        if self.every is None:
            spans = [(self.from_, self.last)]
        else:
            # what begins in December may be over in January
            starts = [_in_year(self.from_, year) for year in range(window.start.year - 1, window.end.year + 1)]
            spans = [(start, start + (self.last - self.from_)) for start in starts]
        return any(midnight(first) < window.end and window.start < midnight(last) + _DAY for first, last in spans)

    def is_about(self, check: str) -> bool:
        """Whether it has an effect on a check."""
        if self.checks is not None:
            return check in self.checks
        return self.effect == "annotate" or check in MOVED_BY_A_CROWD


def in_force(calendar: Sequence[CalendarEntry], window: Window) -> tuple[CalendarEntry, ...]:
    """The entries that cover a window, in their order."""
    return tuple(entry for entry in calendar if entry.covers(window))


def is_suppressed(calendar: Sequence[CalendarEntry], window: Window) -> bool:
    """Whether a window is no example of what is usual."""
    return any(entry.effect == "suppress" for entry in in_force(calendar, window))


def midnight(day: date) -> datetime:
    """The first moment of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _in_year(day: date, year: int) -> date:
    """The same day of another year; the last of February for the 29th."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day.replace(year=year, day=28) if (day.month, day.day) == (2, 29) and not is_leap else day.replace(year=year)
