"""What becomes of captured values: nothing, a keyed hash, an interval, a length, and one name for what is rare."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.capture.privacy import RARE, applied, folded, hashed, interval_names, key_check
from monitoring.capture.schema import captured_schema, schema
from monitoring.config.capture import Columns
from monitoring.errors import ConfigError

KEY = b"a secret of this installation"
FEATURES = {"age": "numeric", "zip": "categorical", "pin": "numeric", "name": "categorical", "note": "text"}


def columns_of(rules: dict[str, Any], segments: tuple[str, ...] = (), fold_below: int = 0) -> Columns:
    return Columns.model_validate(
        {
            "features": FEATURES,
            "segments": list(segments),
            "references": ["image"],
            "privacy": {"columns": rules, "fold_below": fold_below},
        }
    )


def captured(columns: Columns, **values: list[Any]) -> pa.Table:
    """Captured records with these values, in two pieces; null everywhere else."""
    wanted = captured_schema(columns)
    rows = len(next(iter(values.values())))
    body = {}
    for field in wanted:
        found = values.get(field.name.replace(":", "_"), [None] * rows)
        pieces = [pa.array(part, field.type) for part in (found[: rows // 2], found[rows // 2 :])]
        body[field.name] = pa.chunked_array(pieces, field.type)
    return pa.table(body, schema=wanted)


def by_hand(text: str) -> str:
    return "h:" + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:16]


# --- the four rules


def test_without_rules_nothing_changes() -> None:
    columns = columns_of({"age": "keep"}, ("zip",))
    table = captured(columns, feature_age=[1.0, 2.0])
    assert applied(table, columns, b"") is table
    assert captured_schema(columns) == schema(columns)


def test_what_is_dropped_is_gone() -> None:
    columns = columns_of({"name": "drop", "region": "drop"}, ("region", "tier"))
    table = captured(columns, feature_name=["Ada", "Bob"], segment_region=["x", "y"], segment_tier=["a", "b"])
    found = applied(table, columns, b"")
    assert found.schema == schema(columns)
    assert "feature:name" not in found.column_names
    assert "segment:region" not in found.column_names
    assert found["segment:tier"].to_pylist() == ["a", "b"]


def test_a_hash_is_the_beginning_of_the_hmac_of_the_value() -> None:
    columns = columns_of({"zip": "hash", "pin": "hash", "region": "hash"}, ("region",))
    table = captured(
        columns,
        feature_zip=["1010", None, "1010", "É"],
        feature_pin=[0.0, -0.0, math.nan, 1e22],
        segment_region=["1010", "", None, "x"],
    )
    found = applied(table, columns, KEY)
    assert found.schema == schema(columns)
    assert found["feature:zip"].to_pylist() == [by_hand("1010"), None, by_hand("1010"), by_hand("É")]
    assert found["feature:pin"].to_pylist() == [by_hand("0.0"), by_hand("0.0"), None, by_hand("1e+22")]
    assert found["segment:region"].to_pylist() == [by_hand("1010"), by_hand(""), None, by_hand("x")]


@given(st.lists(st.one_of(st.none(), st.floats(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_equal_values_and_no_others_have_equal_hashes(values: list[Any]) -> None:
    known = [value for value in values if value is not None and value == value]  # noqa: PLR0124  (not NaN)
    plain = {repr(value + 0.0) if isinstance(value, float) else value for value in known}
    assert len({hashed(value, KEY) for value in known}) == len(plain)
    assert not {hashed(value, KEY) for value in known} & {hashed(value, b"another key") for value in known}


def test_a_bucket_holds_its_lower_end() -> None:
    columns = columns_of({"age": [18, 65.5]})
    ages = [17.999, 18.0, 65.0, 65.5, math.inf, -math.inf, math.nan, None]
    found = applied(captured(columns, feature_age=ages), columns, b"")
    assert found.schema == schema(columns)
    expected = ["<18", "[18,65.5)", "[18,65.5)", ">=65.5", ">=65.5", "<18", None, None]
    assert found["feature:age"].to_pylist() == expected


def test_a_segment_of_the_same_name_is_hidden_like_the_feature() -> None:
    columns = columns_of({"age": [18], "zip": "hash", "name": "drop"}, ("age", "zip", "name"))
    table = captured(columns, segment_age=["17", "18.5", "old", None], segment_zip=["a"] * 4, segment_name=["Ada"] * 4)
    found = applied(table, columns, KEY)
    assert found["segment:age"].to_pylist() == ["<18", ">=18", None, None]
    assert found["segment:zip"].to_pylist() == [by_hand("a")] * 4
    assert "segment:name" not in found.column_names


def test_a_reference_of_the_same_name_is_another_column() -> None:
    columns = Columns(features={"image": "text"}, references=["image"], privacy={"columns": {"image": "drop"}})
    found = applied(captured(columns, reference_image=["s3://a/b", None]), columns, b"")
    assert found["reference:image"].to_pylist() == ["s3://a/b", None]


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ([0.0], ["<0", ">=0"]),
        ([-5.0, 1e6], ["<-5", "[-5,1000000)", ">=1000000"]),
        ([1e-7, 0.1 + 0.2], ["<0.0000001", "[0.0000001,0.30000000000000004)", ">=0.30000000000000004"]),
    ],
)
def test_intervals_are_written_with_plain_numbers(edges: list[float], names: list[str]) -> None:
    assert interval_names(edges) == names


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, unique=True).map(sorted))
def test_no_two_intervals_have_one_name(edges: list[float]) -> None:
    assert len(set(interval_names(edges))) == len(edges) + 1


@pytest.mark.parametrize("rows", [0, 3])
def test_any_number_of_rows(rows: int) -> None:
    columns = columns_of({"age": [18], "zip": "hash", "pin": "drop"}, ("zip",), fold_below=2)
    table = captured_schema(columns).empty_table() if not rows else captured(columns, feature_zip=["a"] * rows)
    found = folded(applied(table, columns, KEY), columns, {})
    assert (found.schema, found.num_rows) == (schema(columns), rows)


# --- the key


@pytest.mark.parametrize("column", ["zip", "region"])
def test_without_a_key_nothing_is_hashed(column: str) -> None:
    columns = columns_of({column: "hash"}, ("region",))
    with pytest.raises(ConfigError) as caught:
        applied(captured(columns, feature_zip=["a", "b"]), columns, b"")
    assert str(caught.value).startswith(
        f"columns.privacy.columns.{column}: is to be hashed, and there is no key; hint: set "
    )
    with pytest.raises(ConfigError, match="there is no key"):
        key_check(columns, b"")


def test_a_key_is_told_from_another_only_where_one_is_used() -> None:
    columns = columns_of({"zip": "hash"})
    assert key_check(columns, KEY) == key_check(columns, KEY) != key_check(columns, KEY + b".")
    assert key_check(columns_of({"zip": "drop"}), KEY) == ""


# --- rare categories


def test_what_is_rare_and_not_known_is_folded() -> None:
    columns = columns_of({"age": [18], "region": "hash"}, ("region",), fold_below=2)
    table = captured(
        columns,
        feature_zip=["a", "a", "b", "c", None],
        feature_age=[1.0, 20.0, 20.0, None, None],
        feature_pin=[1.0, 2.0, 3.0, 4.0, 5.0],
        segment_region=["x", "x", "y", "y", "z"],
    )
    found = folded(applied(table, columns, KEY), columns, {"zip": {"b"}})
    assert found.schema == schema(columns)
    assert found["feature:zip"].to_pylist() == ["a", "a", "b", RARE, None]
    assert found["feature:age"].to_pylist() == [RARE, ">=18", ">=18", None, None]
    assert found["feature:pin"].to_pylist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert found["segment:region"].to_pylist() == [*[by_hand("x")] * 2, *[by_hand("y")] * 2, RARE]


def test_without_folding_the_table_is_returned() -> None:
    columns = columns_of({})
    table = captured(columns, feature_zip=["a", "b"])
    assert folded(table, columns, {}) is table


@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "d", RARE])), min_size=2),
    st.integers(1, 5),
    st.sets(st.sampled_from(["a", "b", RARE])),
)
def test_folding_keeps_the_rest_and_is_done_once(values: list[str | None], least: int, known: set[str]) -> None:
    columns = columns_of({}, fold_below=least)
    once = folded(captured(columns, feature_zip=values), columns, {"zip": known})
    assert folded(once, columns, {"zip": known}) == once
    for before, after in zip(values, once["feature:zip"].to_pylist(), strict=True):
        kept = before is None or before in known or values.count(before) >= least
        assert after == (before if kept else RARE)
