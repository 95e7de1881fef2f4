"""Durations, defaults and fingerprints of a model's configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from monitoring.config import ModelConfig, load_models
from monitoring.config.values import format_duration, parse_duration

MakeConfig = Callable[..., ModelConfig]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", timedelta(minutes=30)),
        ("6h", timedelta(hours=6)),
        ("3d", timedelta(days=3)),
        ("2w", timedelta(weeks=2)),
        ("0m", timedelta(0)),
    ],
)
def test_durations(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected
    assert parse_duration(expected) == expected
    assert format_duration(expected) == text


@pytest.mark.parametrize("text", ["", "6", "h", "6 h", "-6h", "1.5h", "6H", "1d6h", "6h\n", 6, None])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="write a duration as"):
        parse_duration(text)


@given(st.integers(0, 10**6))
def test_durations_are_read_back(minutes: int) -> None:
    assert parse_duration(format_duration(timedelta(minutes=minutes))) == timedelta(minutes=minutes)


@pytest.mark.parametrize(("every", "trailing"), [("hour", 24), ("day", 7), ("week", 4)])
def test_the_trailing_windows_cover_a_cycle(make_config: MakeConfig, every: str, trailing: int) -> None:
    assert make_config(schedule={"every": every, "settle": "10m"}, trailing=None).trailing_windows == trailing
    assert make_config(trailing=2).trailing_windows == 2


@pytest.mark.parametrize("name", ["", "-a", "Toy", "a_b", "a/b", "../a", "a" * 64])
def test_names_that_are_no_names(make_config: MakeConfig, name: str) -> None:
    with pytest.raises(ValidationError):
        make_config(name=name)


@pytest.mark.parametrize("confirm", [[0, 5], [3, 2], [1], [1, 2, 3]])
def test_k_of_m_has_to_be_possible(make_config: MakeConfig, confirm: list[int]) -> None:
    with pytest.raises(ValidationError):
        make_config(policy={"retrain": {"confirm": confirm}})


def test_the_fingerprint_covers_what_can_change_a_verdict(make_config: MakeConfig) -> None:
    same = [
        make_config(),
        make_config(owner="someone", description="else"),
        make_config(policy={"retrain": {"cooldown": "3d"}}),
        make_config(report={"native": "never"}),
        make_config(schedule={"settle": "360m"}),
    ]
    others = [
        make_config(trailing=4),
        make_config(columns={"threshold": 0.4}),
        make_config(checks={"nulls": {"severity": "off"}}),
        make_config(labels={"horizon": "3d"}),
    ]
    assert len({config.fingerprint() for config in same}) == 1
    assert len({config.fingerprint() for config in (same[0], *others)}) == 5


def test_the_example_models_are_valid() -> None:
    names = [config.name for config in load_models(Path(__file__).parents[2] / "models")]
    assert names == ["flight-delay", "flight-delay-at-gate"]
