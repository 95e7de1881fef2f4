"""The flights: unique ids, times in UTC, and labels from the real arrival on."""

from __future__ import annotations

import pandas as pd
import pytest

from demo.flights import FEATURES, load_flights, rows_for
from monitoring.config import ModelConfig


@pytest.fixture(scope="module")
def hours() -> pd.Series[float]:
    """How long after its scheduled departure the label of each flight exists."""
    flights = load_flights()
    return (flights["label_time"] - flights["scheduled"]).dt.total_seconds() / 3600


@pytest.mark.parametrize("model", FEATURES)
def test_event_ids_are_unique(model: str) -> None:
    rows = rows_for(model)
    assert rows["event_id"].is_unique
    assert "2013-01-01-UA-1545-EWR-0515" in set(rows["event_id"])


def test_times_are_utc_on_both_sides_of_the_change_of_clocks() -> None:
    scheduled = load_flights().set_index("event_id")["scheduled"]
    assert scheduled["2013-01-01-UA-1545-EWR-0515"] == pd.Timestamp("2013-01-01T10:15Z")
    assert scheduled["2013-05-31-B6-727-JFK-2359"] == pd.Timestamp("2013-06-01T03:59Z")


def test_an_arrival_is_a_clock_at_the_destination() -> None:
    flights = load_flights().set_index("event_id")
    # lands at 8:30 in Houston, an hour behind New York
    assert flights.loc["2013-01-01-UA-1545-EWR-0515", "label_time"] == pd.Timestamp("2013-01-01T14:30Z")


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 2.8), (0.9, 6.0), (0.99, 7.6), (0.999, 11.1), (1.0, 32.7)])
def test_label_delays(hours: pd.Series[float], quantile: float, expected: float) -> None:
    assert hours.quantile(quantile) == pytest.approx(expected, abs=0.1)


def test_cancelled_and_diverted_flights_never_get_a_label(hours: pd.Series[float]) -> None:
    flights = load_flights()
    assert (flights["late"].isna() == flights["label_time"].isna()).all()
    assert flights["label_time"][flights["departure"].isna()].isna().all()
    assert hours[flights["scheduled"] >= "2013-03-01"].isna().mean() == pytest.approx(0.028, abs=0.001)


@pytest.mark.parametrize("model", FEATURES)
def test_no_label_exists_at_its_inference(model: str) -> None:
    known = rows_for(model).dropna(subset="label")
    assert (known["label_time"] > known["event_time"]).all()
    assert set(known["label"]) == {"0", "1"}


def test_only_the_model_at_the_gate_knows_the_departure_delay() -> None:
    assert "dep_delay" not in rows_for("flight-delay")
    assert rows_for("flight-delay-at-gate")["dep_delay"].notna().all()
    assert len(rows_for("flight-delay")) == len(load_flights())


def test_configuration_declares_the_features_in_order(config: ModelConfig) -> None:
    assert list(config.columns.features.items()) == list(FEATURES[config.name].items())
