"""What values of a column are like."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.inspect.values import Described, describe, flat, words
from monitoring.capture.records import find

MANY = range(30)
NOON = datetime(2024, 1, 11, 12, tzinfo=UTC)


def described(values: list[Any], name: str = "x") -> Described:
    return describe([{name: value} for value in values])[name]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], "numeric"),
        (["1", " 2.5 ", "", "null", "-1e3"], "numeric"),
        (["0123", "0456"], "categorical"),
        (["a", "b"], "categorical"),
        ([True, False], "categorical"),
        (["1", "b"], "categorical"),
        ([f"some words and the number {i}" for i in MANY], "text"),
        (["x" * 60, "y" * 60], "text"),
        (["two words", "other words"] * 20, "categorical"),
        (["2024-01-11", "2024-01-12T10:00:00Z"], "time"),
        ([NOON, NOON], "time"),
        ([date(2024, 1, 11)], "time"),
        (["s3://bucket/a.png", "https://host/b"], "reference"),
        ([{}, {}], "nested"),
        ([[{"a": 1}]], "nested"),
        ([list(range(100))], "nested"),
        ([None, "", "NA"], "empty"),
    ],
)
def test_kinds(values: list[Any], kind: str) -> None:
    assert described(values).kind == kind


def test_numbers_are_times_only_if_they_are_called_so() -> None:
    seconds = [1704960000 + i for i in MANY]
    assert described(seconds, "created_at").kind == "time"
    assert described([str(s * 1000) for s in seconds], "eventTime").kind == "time"
    assert described(seconds, "amount").kind == "numeric"
    assert described(["20240111"], "date").kind == "time"
    assert described(["20240111"], "code").kind == "numeric"
    assert described([17, 18], "time").kind == "numeric"


def test_counts() -> None:
    item = describe([{"a": 1}, {"a": None}, {"b": 2}, {"a": 1}])["a"]
    assert (item.rows, item.present, item.values, item.distinct) == (4, 3, 2, 1)
    assert item.sparse
    assert not item.constant  # two values show nothing


def test_what_numbers_are_like() -> None:
    assert described([0, 1, 1]).truth
    assert described(["0", "1.0"]).truth
    assert described([True, False]).truth
    assert not described([0, 2]).truth
    assert described([0.0, 0.5, 1]).share
    assert not described([0.5, 1.5]).share
    assert described([1, 2.0]).whole
    assert (described([3, -1]).low, described([3, -1]).high) == (-1, 3)


def test_what_tells_rows_apart() -> None:
    assert described([f"id{i}" for i in MANY]).unique
    assert not described(["a", "b"]).unique
    assert described([7] * 30).constant
    assert described(list(MANY)).sequence
    assert not described([i % 24 for i in range(240)]).sequence  # hours count too, and come again
    assert not described([i * i for i in MANY]).sequence


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_every_column_can_be_found_at_its_path(row: dict[str, Any]) -> None:
    for path in describe([row]):
        assert any(find(row, path) is value for found, value in flat(row) if found == path)


def test_words_of_a_name() -> None:
    assert [words(name) for name in ("eventTime", "a.b.Model-Version", "p[1]", "...")] == [
        "event_time",
        "model_version",
        "p",
        "",
    ]


def test_a_time_far_away_is_none() -> None:
    assert described([(NOON + timedelta(days=365 * 200)).isoformat()]).kind == "categorical"


def test_ids_that_are_like_exponents_are_no_numbers() -> None:
    assert described([f"e{i}" for i in MANY]).kind == "categorical"
    assert described(["E5", "+e1", ".e3", "."]).kind == "categorical"


def test_a_few_faults_do_not_hide_a_time_or_a_score() -> None:
    times = [f"2024-01-11T10:00:{i:02d}Z" for i in MANY]
    assert described([*times, "yesterday"]).kind == "time"
    assert described([*times, "yesterday", "today"]).kind == "categorical"
    item = described([*[0.25] * 30, 1.7])
    assert (item.share, item.near_share) == (False, True)
    assert not described([*[0.25] * 30, 1.7, -1]).near_share


def test_the_uri_of_a_body_is_a_reference_in_a_directory_too() -> None:
    assert described(["/data/a.png", "/data/b.png"], "uri").kind == "reference"
    assert described(["/data/a.png", "/data/b.png"], "path").kind == "categorical"
