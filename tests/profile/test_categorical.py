"""Categorical profiles: what is counted by name, what together, and what is not kept."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring.errors import StoredDocumentError
from monitoring.profile import CategoricalProfile, CategoricalSpec, categorical
from monitoring.profile.categorical import MOST_NAMED, MOST_NEW, hashes, shortened


def _learn(*names: Any) -> CategoricalSpec:
    return CategoricalSpec.learn(pa.array(names, pa.string()))


def _of(spec: CategoricalSpec, *names: Any) -> CategoricalProfile:
    return CategoricalProfile.of(pa.array(names, pa.string()), spec)


def _bytes(profile: CategoricalProfile) -> str:
    return json.dumps([profile.head(), {name: array.tolist() for name, array in profile.arrays().items()}])


def test_known_and_unseen_categories_and_nulls() -> None:
    profile = _of(_learn("b", "a", "b", None), "a", "z", "y", "z", None, "")
    assert profile.cells() == {"a": 1, "b": 0, "(other)": 0, "(unseen)": 4, "(null)": 1}
    assert (profile.rows, profile.present, profile.nulls, profile.empty_texts) == (6, 5, 1, 1)
    assert profile.examples == ["z", "", "y"]
    found = profile.categories()
    assert (found.counts, found.new, found.unseen) == ({"a": 1, "b": 0}, {"z": 2, "y": 1, "": 1}, 4)
    assert found.exact
    assert round(profile.distinct) == 4


def test_the_most_frequent_categories_are_counted_by_name_and_the_rest_is_known() -> None:
    common = [f"c{i:03d}" for i in range(MOST_NAMED)]
    spec = _learn(*common, *common, "rare", "scarce", "rare")
    assert spec.names == tuple(common)
    assert spec.known.tolist() == sorted(hashes(pa.array(["rare", "scarce"])).tolist())
    profile = _of(spec, "c000", "rare", "scarce", "rare", "new")
    assert (profile.cells()["c000"], profile.cells()["(other)"], profile.unseen) == (1, 3, 1)
    # as many as can be counted by name: all of them
    assert not len(_learn(*common).known)


def test_among_equally_frequent_categories_the_first_in_the_alphabet_are_named() -> None:
    names = [f"{i:04d}" for i in np.random.default_rng(0).permutation(MOST_NAMED + 50)]
    assert _learn(*names).names == tuple(f"{i:04d}" for i in range(MOST_NAMED))


def test_with_too_many_categories_to_know_none_is_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categorical, "MOST_KNOWN", 300)
    assert not _learn(*(f"{i}" for i in range(300))).is_open
    spec = _learn(*(f"{i}" for i in range(301)))
    assert (spec.is_open, spec.is_text, len(spec.names), len(spec.known)) == (True, False, MOST_NAMED, 0)
    profile = _of(spec, "0", "new", None)
    assert (profile.cells()["0"], profile.cells()["(other)"], profile.unseen, profile.new) == (1, 1, 0, {})


def test_free_text_keeps_lengths_and_no_names() -> None:
    texts = [f"text {i}" for i in range(1001)]
    assert not _learn(*texts[:1000]).is_text
    assert not _learn(*texts, *texts).is_text
    spec = _learn(*texts)
    assert (spec.is_text, spec.is_open, spec.names, len(spec.known)) == (True, True, (), 0)
    profile = _of(spec, "a secret", "", None, "päß", "𝕏𝕏")
    assert (profile.shortest, profile.longest, profile.characters) == (0, 8, 13)
    assert (profile.mean_length, profile.empty_texts, profile.new) == (13 / 4, 1, {})
    assert round(profile.distinct) == 4
    assert "secret" not in _bytes(profile)


def test_lengths_without_values() -> None:
    profile = _of(_learn("a"), None, None)
    assert (profile.mean_length, profile.shortest, profile.longest) == (None, None, None)


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_many_new_categories_are_counted_exactly_whatever_the_partition(parts: int) -> None:
    rng = np.random.default_rng(4)
    names = np.array([f"new {i}" for i in range(5 * MOST_NEW)])
    rows = rng.choice(names, 20_000)
    truth = Counter(rows.tolist())
    order = np.argsort(hashes(pa.array(names)))
    expected = {str(name): truth[str(name)] for name in names[order[:MOST_NEW]]}
    spec = _learn("a")
    pieces = [_of(spec, *piece.tolist()) for piece in np.array_split(rows, parts)]
    profile = CategoricalProfile.empty(spec)
    for piece in pieces:
        profile = profile.merge(piece)
        assert len(profile.new) <= MOST_NEW
    assert profile.categories().new == expected
    assert (profile.unseen, profile.categories().exact) == (20_000, False)
    assert _bytes(profile) == _bytes(_of(spec, *rows.tolist()))


def test_repetitions_in_a_dictionary_do_not_push_out_other_categories() -> None:
    names = [f"new {i}" for i in range(MOST_NEW + 10)]
    spec = _learn("a")
    for times in (3, 7):
        every = pa.array(np.arange(times * len(names)), pa.int32())
        repeated = pa.DictionaryArray.from_arrays(every, pa.array(names * times))
        assert _bytes(CategoricalProfile.of(repeated, spec)) == _bytes(_of(spec, *names * times))


def test_long_names_are_cut_and_stay_different() -> None:
    one, other = "x" * 300 + "1", "x" * 300 + "2"
    profile = _of(_learn("a"), one, other, other, "y" * 200)
    assert profile.unseen == 4
    assert sorted(rows for _, rows in profile.new.values()) == [1, 1, 2]
    assert max(map(len, profile.new)) == 200
    assert "y" * 200 in profile.new
    whole = _of(_learn("a"), one).merge(_of(_learn("a"), other))
    assert _bytes(whole) == _bytes(_of(_learn("a"), other, one))
    # what the baseline knows is told apart in full
    assert _of(_learn(one), other).unseen == 1
    assert shortened("x" * 201, 5) == "x" * 183 + "…0000000000000005"


def test_names_with_the_same_hash_do_not_depend_on_the_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(categorical, "hashes", lambda names: np.full(len(names), 7, np.uint64))
    spec = CategoricalSpec()
    names = [f"{i:04d}" for i in range(MOST_NEW + 50)]
    forward, backward = _of(spec, *names), _of(spec, *names[::-1])
    halves = _of(spec, *names[::2]).merge(_of(spec, *names[1::2]))
    assert sorted(forward.new) == names[:MOST_NEW]
    assert _bytes(forward) == _bytes(backward) == _bytes(halves)


def test_categories_called_like_cells_are_cells_of_their_own() -> None:
    profile = _of(_learn("(null)", "(other)", "a"), "(null)", "(null)", None, "(other)", "a", "(unseen)")
    assert profile.cells() == {
        '"(null)"': 2,
        '"(other)"': 1,
        "a": 1,
        "(other)": 0,
        "(unseen)": 1,
        "(null)": 1,
    }


def test_a_million_categories_take_no_more_room_than_two_hundred() -> None:
    column = pa.array(np.arange(1_000_000)).cast(pa.string())
    profile = CategoricalProfile.of(column, _learn("a"))
    assert (profile.unseen, len(profile.new)) == (1_000_000, MOST_NEW)
    assert len(_bytes(profile)) < 40_000
    assert CategoricalSpec.learn(column).is_text


def test_every_row_is_counted_once() -> None:
    columns = [pa.array(["a", "z", None, ""]), pa.array([[1], None]), pa.array([1.0, None, float("nan")])]
    for column, nulls, mismatched in zip(columns, (1, 1, 2), (0, 1, 0), strict=True):
        profile = CategoricalProfile.of(column, _learn("a", "b"))
        assert (profile.nulls, profile.mismatched, profile.rows) == (nulls, mismatched, len(column))
        assert sum(profile.cells().values()) == len(column)
        found = profile.categories()
        assert found.n + found.nulls == found.cell_counts().sum() == len(column)


@pytest.mark.parametrize("count", [0, 3, 500, 2000])
def test_a_spec_survives_json(count: int) -> None:
    spec = _learn(*(f"nämé {i}" for i in range(count) for _ in range(2)), *(["often"] * 3000))
    text = json.dumps(spec.to_json(), allow_nan=False)
    again = CategoricalSpec.from_json(json.loads(text))
    assert (again.names, again.is_open, again.is_text) == (spec.names, spec.is_open, spec.is_text)
    assert again.known.dtype == np.uint64
    assert again.known.tolist() == spec.known.tolist()
    assert len(spec.known) == max(count + 1 - MOST_NAMED, 0)
    assert json.dumps(again.to_json()) == text
    if count == 2000:
        assert again.known.max() > 2**63
    assert _of(again, "often", "nämé 1999").unseen == _of(spec, "often", "nämé 1999").unseen


def test_a_profile_of_other_categories_is_not_restored() -> None:
    profile = _of(_learn("a", "b"), "a")
    with pytest.raises(StoredDocumentError, match="other categories"):
        CategoricalProfile.restore(_learn("a"), profile.head(), profile.arrays())


def test_hashes_do_not_depend_on_where_a_text_lies() -> None:
    names = pa.array(["", "a", "ab", "ä", "a" * 1000])
    again = pa.concat_arrays([pa.array(["zz"]), names]).slice(1)
    assert hashes(names).tolist() == hashes(again).tolist()
    assert len({*hashes(names).tolist()}) == 5
    assert hashes(names.slice(2, 1)).tolist() == hashes(names)[2:3].tolist()
    assert hashes(names).tolist() == [_fnv(name.encode()) for name in names.to_pylist()]
    assert hashes(pa.array([], pa.string())).tolist() == []


def _fnv(data: bytes) -> int:
    """FNV-1a, then the finalizer of SplitMix64: stored specs hold these hashes, so they may never change."""
    bits, most = 0xCBF29CE484222325, 2**64 - 1
    for byte in data:
        bits = (bits ^ byte) * 0x100000001B3 & most
    bits = bits + 0x9E3779B97F4A7C15 & most
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 & most
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB & most
    return bits ^ bits >> 31
