"""Stored documents have one canonical form, and foreign ones are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring import documents
from monitoring.errors import StoredDocumentError

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_bodies = st.dictionaries(st.text(max_size=5), _values, max_size=4).filter(
    lambda body: not {"kind", "schema_version"} & set(body)
)


@given(_bodies)
def test_round_trip_and_canonical_form(body: dict[str, Any]) -> None:
    data = documents.encode("thing", 3, body)
    assert documents.decode(data, "thing", 3, "k") == body
    assert documents.encode("thing", 3, dict(reversed(body.items()))) == data
    assert data.endswith(b"\n")


@given(_bodies)
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(body: dict[str, Any]) -> None:
    assert documents.fingerprint(body) == documents.fingerprint(dict(reversed(body.items())))
    assert documents.fingerprint(body) != documents.fingerprint([body])


def test_json_has_no_word_for_nan_and_infinity() -> None:
    data = documents.encode("thing", 1, {"a": [float("nan"), (float("inf"), 1.5)], "b": {"c": float("-inf")}})
    assert json.loads(data) == {"a": [None, [None, 1.5]], "b": {"c": None}, "kind": "thing", "schema_version": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.json: not a JSON document"),
        (b"\xff", "x.json: not a JSON document"),
        (b"[1]", "x.json: expected a document of kind 'thing', found 'list'"),
        (b"{}", "x.json: expected a document of kind 'thing', found None"),
        (
            b'{"kind": "other", "schema_version": 1}',
            "x.json: expected a document of kind 'thing', found 'other'",
        ),
        (
            b'{"kind": "thing", "schema_version": 2}',
            (
                "x.json: schema version 2 of 'thing' is not known here; allowed: 1;"
                " hint: it was written by another release of model-monitor"
            ),
        ),
    ],
)
def test_foreign_documents(data: bytes, message: str) -> None:
    with pytest.raises(StoredDocumentError) as caught:
        documents.decode(data, "thing", 1, "x.json")
    assert str(caught.value) == message
