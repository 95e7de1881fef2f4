"""Stored documents have one canonical form, and foreign ones are refused."""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
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
                " hint: it was written by another release of model-monitor; make it anew"
            ),
        ),
    ],
)
def test_foreign_documents(data: bytes, message: str) -> None:
    with pytest.raises(StoredDocumentError) as caught:
        documents.decode(data, "thing", 1, "x.json")
    assert str(caught.value) == message


_ARRAYS = {
    "whole": np.array([-(2**63), 2**63 - 1]),
    "real": np.array([-0.0, np.nan, np.inf, 5e-324]),
    "hash": np.array([2**64 - 1], np.uint64),
    "byte": np.arange(256, dtype=np.uint8),
    "none": np.zeros(0),
}
_heads = st.dictionaries(st.text(max_size=5).filter(lambda key: key != "arrays"), _values, max_size=4)


@given(_heads)
def test_arrays_are_packed_in_one_canonical_form(head: dict[str, Any]) -> None:
    data = documents.pack("thing", 3, head, _ARRAYS)
    assert documents.pack("thing", 3, dict(reversed(head.items())), dict(reversed(_ARRAYS.items()))) == data
    again, arrays = documents.unpack(data, "thing", 3, "k")
    assert again == head
    assert {name: (a.dtype, a.tobytes()) for name, a in arrays.items()} == {
        name: (a.dtype, a.tobytes()) for name, a in _ARRAYS.items()
    }
    assert documents.pack("thing", 3, again, arrays) == data
    assert all(array.flags.writeable for array in arrays.values())


def test_integers_of_any_size_are_packed() -> None:
    head = {"far": [[0, -(2**3000)], [7, 2**1100]]}
    assert documents.unpack(documents.pack("thing", 1, head, {}), "thing", 1, "k") == (head, {})


def test_numbers_that_json_has_no_word_for_are_not_packed() -> None:
    with pytest.raises(ValueError, match="JSON"):
        documents.pack("thing", 1, {"low": float("nan")}, {})


def test_a_cut_or_lengthened_document_is_refused() -> None:
    data = documents.pack("thing", 1, {"a": 1}, _ARRAYS)
    for length in range(len(data)):
        with pytest.raises(StoredDocumentError, match=r"^k: "):
            documents.unpack(data[:length], "thing", 1, "k")
    with pytest.raises(StoredDocumentError, match=r"^k: a damaged document of kind 'thing'"):
        documents.unpack(data + b"\0", "thing", 1, "k")


def test_a_document_with_a_flipped_bit_is_refused() -> None:
    data = documents.pack("thing", 1, {"a": 1}, {"x": np.arange(10)})
    survived = 0
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        try:
            head, arrays = documents.unpack(bytes(flipped), "thing", 1, "k")
        except StoredDocumentError as error:
            assert error.where == "k"  # noqa: PT017  (not all bits matter)
        else:
            survived += 1
            assert (head, arrays["x"].tolist()) == ({"a": 1}, list(range(10)))
    assert survived < 8  # the bits that fill the last byte of the compressed stream


def _packed(head: dict[str, Any], payload: bytes) -> bytes:
    text = json.dumps(head).encode()
    start = documents._MAGIC + documents._PACKED.pack(b"thing", 1, len(text))
    return start + zlib.compress(text + payload)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "x.bin: not a document of kind 'thing'"),
        (documents.pack("other", 1, {}, {}), "x.bin: expected a document of kind 'thing', found 'other'"),
        (
            documents.pack("thing", 2, {}, {}),
            (
                "x.bin: schema version 2 of 'thing' is not known here; allowed: 1;"
                " hint: it was written by another release of model-monitor; make it anew"
            ),
        ),
        (_packed({"arrays": [["x", "<i4", 1]]}, b"\0" * 4), "x.bin: arrays of type '<i4' are not known here"),
        (_packed({}, b""), "x.bin: a damaged document of kind 'thing': 'arrays'"),
        (_packed({"arrays": [["x", "<i8", 3]]}, b"\0" * 16), "x.bin: a damaged document of kind 'thing': buffer"),
    ],
)
def test_foreign_packed_documents(data: bytes, message: str) -> None:
    with pytest.raises(StoredDocumentError) as caught:
        documents.unpack(data, "thing", 1, "x.bin")
    assert str(caught.value).startswith(message)
