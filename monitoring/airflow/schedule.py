"""From a model's schedule to Airflow's timetable, and from a run back to its window."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from monitoring.config.model import ModelConfig, Schedule
from monitoring.errors import ConfigError
from monitoring.window import LENGTHS, Window

if TYPE_CHECKING:
    from airflow.sdk import CronDataIntervalTimetable

_LONG_AGO = datetime(2000, 1, 3, tzinfo=UTC)


def cron(schedule: Schedule) -> str:
    """The cron expression that fires `settle` after each window's end.

    >>> cron(Schedule(every="day", settle="6h")), cron(Schedule(every="hour", settle="20m"))
    ('0 6 * * *', '20 * * * *')
    >>> cron(Schedule(every="week", settle="2d"))
    '0 0 * * 3'
    """
    minutes = int(schedule.settle.total_seconds() // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if schedule.every == "hour":
        return f"{minutes % 60} * * * *"
    weekday = "*" if schedule.every == "day" else str((1 + days) % 7)
    return f"{minutes % 60} {hours} * * {weekday}"


def timetable(schedule: Schedule) -> CronDataIntervalTimetable:
    """The timetable: a data interval as long as a window, that ends when the window is measured.

    A bare cron string would give runs without a data interval.
    """
    from airflow.sdk import CronDataIntervalTimetable

    return CronDataIntervalTimetable(cron(schedule), timezone="UTC")


def start_date(schedule: Schedule) -> datetime:
    """The beginning of the first data interval."""
    first = datetime.combine(schedule.start, time(), UTC) if schedule.start else _LONG_AGO
    return Window.containing(first, schedule.every).start + schedule.settle


def window_of(config: ModelConfig, context: dict[str, Any]) -> Window:
    """The window that a run looks after.

    It is the `window` parameter when there is one; else the last window whose settling time had passed at the
    end of the data interval (or, for a run that has none, when it was asked for).

    Raises:
        ConfigError: No window starts at the parameter.
    """
    text = context["params"].get("window")
    if text:
        return Window.parse(text, config.every)
    run = context["dag_run"]
    moment = context.get("data_interval_end") or run.run_after
    if moment is None:
        raise ConfigError("the run has no data interval", hint="trigger it with a window, such as 2013-04-20")
    # Airflow's moments are pendulum's, whose differences cannot be divided by a timedelta
    plain = datetime.fromtimestamp(moment.timestamp(), UTC)
    return Window.containing(plain - config.schedule.settle, config.every).shift(-1)


def run_date(config: ModelConfig, window: Window) -> datetime:
    """The logical date of a manual run that looks after `window`."""
    return window.start + LENGTHS[config.every] + config.schedule.settle
