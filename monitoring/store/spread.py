"""A few objects of very many, from everywhere, without a list of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from monitoring.store.base import ObjectInfo

Item = TypeVar("Item")

_LOOKS = 16
# Folders may hold less than their share: then all get larger ones, for so long.
_ROUNDS, _MOST_LOOKS = 8, 500
# So many places are looked at with care; if there are more, the spread comes from their number.
_FEW_PLACES = 4
_CHARACTERS = "".join(map(chr, range(0x20, 0x7F)))
_MOST_CHARACTERS = 40


class Found(NamedTuple):
    """What lies right below a prefix.

    Attributes:
        objects: The objects, sorted by key.
        folders: The prefixes of the folders, sorted.
        more: Whether the store has more than this after it.
    """

    objects: list[ObjectInfo]
    folders: list[str]
    more: bool = False

    def joined(self, other: Found) -> Found:
        """Both together, each object once."""
        objects = {info.key: info for info in (*self.objects, *other.objects)}
        return Found([objects[key] for key in sorted(objects)], sorted({*self.folders, *other.folders}), other.more)


def spread(look: Callable[[str, bool], Found], prefix: str, count: int) -> list[ObjectInfo]:
    """At most `count` objects below `prefix`, sorted by key.

    Every folder hands its share on to the objects right in it and to as many of its folders as the share allows, the
    first and the last among them.

    Args:
        look: Looks at what lies right below a prefix, at the last of it too if the second argument is true; called in
            several threads.
        prefix: Where to begin.
        count: How many objects.
    """
    seen: dict[str, Found] = {}
    found: list[ObjectInfo] = []
    with ThreadPoolExecutor(_LOOKS, thread_name_prefix="look") as pool:
        for round_ in range(_ROUNDS):
            found, places = [], {prefix: _Share(count << round_, first=False)}
            while places:
                new = [place for place in places if place not in seen]
                seen.update(zip(new, pool.map(look, new, [len(places) <= _FEW_PLACES] * len(new)), strict=True))
                objects, places = _divided(places, seen)
                found += objects
            if len(found) >= count or len(seen) > _MOST_LOOKS:
                break
    return evenly(sorted(found, key=lambda info: info.key), count)


def evenly(items: Sequence[Item], count: int, *, first: bool = False) -> list[Item]:
    """`count` of the items, evenly spaced, the first and the last among them; of one, the last, or the first.

    >>> evenly("abcdefg", 3), evenly("abc", 1), evenly("ab", 9)
    (['a', 'd', 'g'], ['c'], ['a', 'b'])
    """
    if count >= len(items):
        return list(items)
    if count == 1:
        return [items[0 if first else -1]]
    return [items[i * (len(items) - 1) // (count - 1)] for i in range(count)]


def last(after: Callable[[str], Found]) -> Found:
    """The end of a listing that is too long to be listed, found by asking for what comes after later and later names.

    A store that answers such questions wrongly has the end of something else found.

    Args:
        after: The next few objects and folders after a name.
    """
    stem, found = "", after("")
    for _ in range(_MOST_CHARACTERS):
        # the last character with which the stem still has something after it
        low, high = 0, len(_CHARACTERS)
        while low < high and found.more:
            middle = (low + high) // 2
            later = after(stem + _CHARACTERS[middle])
            if later.objects or later.folders:
                low, found = middle + 1, later
            else:
                high = middle
        if not low or not found.more:
            break
        stem += _CHARACTERS[low - 1]
    return found


class _Share(NamedTuple):
    """How many objects a place may give; one alone is the first there, or the last."""

    size: int
    first: bool


def _divided(places: dict[str, _Share], seen: dict[str, Found]) -> tuple[list[ObjectInfo], dict[str, _Share]]:
    """What the shares of some places get: objects right there, and shares of the folders below."""
    found: list[ObjectInfo] = []
    below: dict[str, _Share] = {}
    for place, share in places.items():
        objects, folders, _ = seen[place]
        taken = evenly(objects, share.size // 2 if folders else share.size, first=share.first)
        found += taken
        left = share.size - len(taken)
        chosen = evenly(folders, left, first=share.first)
        for i, folder in enumerate(chosen):
            first = i == 0 and (share.first or len(chosen) > 1)
            below[folder] = _Share(left // len(chosen) + (i < left % len(chosen)), first)
    return found, below
