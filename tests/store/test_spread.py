"""A few of many: from the first to the last, the same every time, and few questions."""

from __future__ import annotations

import bisect
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitoring.store import ObjectInfo
from monitoring.store.spread import Found, evenly, last, spread

KEYS = st.sets(st.from_regex(r"([a-c]/){0,3}[a-e]{1,3}", fullmatch=True), max_size=40)
NAMES = st.sets(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12), max_size=60)


class _Tree:
    """Looks at keys in memory, and remembers what was looked at."""

    def __init__(self, keys: set[str]) -> None:
        self.keys, self.looked = sorted(keys), list[str]()

    def __call__(self, prefix: str, thorough: bool) -> Found:
        self.looked.append(prefix)
        below = [key for key in self.keys if key.startswith(prefix)]
        folders = {prefix + key[len(prefix) :].split("/")[0] + "/" for key in below if "/" in key[len(prefix) :]}
        objects = [ObjectInfo(key, 1, "tag") for key in below if "/" not in key[len(prefix) :]]
        return Found(objects, sorted(folders))


@given(keys=KEYS, count=st.integers(0, 50))
def test_a_spread_is_a_sorted_part_of_everything(keys: set[str], count: int) -> None:
    tree = _Tree(keys)
    found = [info.key for info in spread(tree, "", count)]
    assert found == sorted(set(found))
    assert set(found) <= keys
    assert len(found) <= count
    assert bool(found) == bool(keys and count)
    assert len(tree.looked) == len(set(tree.looked))
    assert found == [info.key for info in spread(_Tree(keys), "", count)]
    if count >= len(keys):
        assert set(found) == keys


def test_dates_are_seen_from_the_first_to_the_last_with_few_looks() -> None:
    days = [
        f"c/{year}/{month:02d}/{day:02d}" for year in (2023, 2024) for month in range(1, 13) for day in range(1, 29)
    ]
    tree = _Tree({f"{day}/{hour:02d}/{i:03d}" for day in days for hour in range(24) for i in range(3)})
    found = [info.key for info in spread(tree, "c/", 20)]
    assert len(found) == 20
    assert found[0] == "c/2023/01/01/00/000"
    assert found[-1] == "c/2024/12/28/23/002"
    assert len({key[:9] for key in found}) >= 18
    assert len(tree.looked) < 100


def test_folders_that_hold_little_make_room_for_others() -> None:
    tree = _Tree({f"a{i}/only" for i in range(9)} | {f"z/{i:03d}" for i in range(500)})
    assert len(spread(tree, "", 30)) == 30


@given(items=st.lists(st.integers(), unique=True, max_size=30), count=st.integers(0, 40))
def test_evenly_takes_the_ends(items: list[int], count: int) -> None:
    found = evenly(items, count)
    assert len(found) == min(count, len(items))
    places = [items.index(item) for item in found]
    assert places == sorted(set(places))
    if found:
        assert found[-1] == items[-1]
    if len(found) > 1:
        assert found[0] == items[0]
        gaps = [b - a for a, b in pairwise(places)]
        assert max(gaps) - min(gaps) <= 1


@given(names=NAMES, page=st.integers(1, 5))
def test_the_last_page_is_found(names: set[str], page: int) -> None:
    ordered = sorted(names)

    def after(name: str) -> Found:
        start = bisect.bisect_right(ordered, name)
        some = ordered[start : start + page]
        return Found([ObjectInfo(found, 1, "tag") for found in some], [], start + page < len(ordered))

    found = last(after)
    assert not found.more
    assert [info.key for info in found.objects] == ordered[len(ordered) - len(found.objects) :]
    assert bool(found.objects) == bool(names)


def test_a_store_that_always_has_more_is_not_asked_for_ever() -> None:
    asked: list[str] = []

    def after(name: str) -> Found:
        asked.append(name)
        return Found([ObjectInfo("x", 1, "tag")], [], more=True)

    assert last(after).objects
    assert len(asked) < 400
