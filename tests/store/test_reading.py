"""Many reads at once: in order, and never more ahead than may be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import ConflictError, ObjectMissingError, StoreUnavailableError
from monitoring.store import ObjectInfo
from monitoring.store.reading import in_order, listed

SIZES = st.lists(st.integers(0, 200_000), max_size=30)


def _infos(sizes: list[int]) -> list[ObjectInfo]:
    return [ObjectInfo(f"{i:03d}", size, "tag") for i, size in enumerate(sizes)]


class _Reads:
    """Counts the bytes that have been read, or are being read, and have not been taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.held = self.most = self.at_once = self.most_at_once = 0

    def __call__(self, info: ObjectInfo) -> bytes:
        with self._lock:
            self.held += info.size
            self.at_once += 1
            self.most, self.most_at_once = max(self.most, self.held), max(self.most_at_once, self.at_once)
        time.sleep(0)
        with self._lock:
            self.at_once -= 1
        return info.key.encode()

    def take(self, info: ObjectInfo) -> None:
        with self._lock:
            self.held -= info.size


@given(sizes=SIZES, workers=st.integers(1, 5), ahead=st.integers(1, 500_000), largest=st.integers(0, 200_000))
def test_order_and_bounds(sizes: list[int], workers: int, ahead: int, largest: int) -> None:
    infos, reads = _infos(sizes), _Reads()
    found = []
    for info, content in in_order(infos, reads, workers=workers, ahead_bytes=ahead, largest=largest):
        if content is not None:
            reads.take(info)
        found.append((info, content))
    assert found == [(info, info.key.encode() if info.size <= largest else None) for info in infos]
    # what has just been yielded is still counted here when the next is read
    single = max([0, *(size for size in sizes if size <= largest)])
    assert reads.most <= max(ahead, single) + single
    assert reads.most_at_once <= workers


def test_an_endless_list_is_read_as_far_as_it_is_taken() -> None:
    asked: list[int] = []

    def endless() -> Iterator[ObjectInfo]:
        while True:
            asked.append(1)
            yield ObjectInfo("k", 0, "tag")

    contents = in_order(endless(), lambda _: b"x", workers=2, ahead_bytes=1 << 20, largest=10)
    for _ in range(5):
        next(contents)
    contents.close()  # type: ignore[attr-defined]
    assert len(asked) < 100


def test_what_is_missing_or_changed_is_a_content_and_the_rest_is_raised() -> None:
    errors = {"000": ObjectMissingError("gone"), "001": ConflictError("changed"), "003": StoreUnavailableError("down")}

    def read(info: ObjectInfo) -> bytes:
        if info.key in errors:
            raise errors[info.key]
        return b"x"

    contents = in_order(_infos([1] * 5), read, workers=2, ahead_bytes=100, largest=10)
    assert [next(contents)[1] for _ in range(3)] == [errors["000"], errors["001"], b"x"]
    with pytest.raises(StoreUnavailableError, match="down"):
        next(contents)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    contents = in_order(_infos([1] * 50), lambda _: b"x", workers=4, ahead_bytes=1 << 20, largest=10)
    next(contents)
    assert threading.active_count() > before
    contents.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_every_prefix_is_listed_once() -> None:
    asked: list[str] = []

    def objects(prefix: str) -> list[ObjectInfo]:
        asked.append(prefix)
        return [ObjectInfo(f"{prefix}{i}", 1, "tag") for i in range(2)]

    found = listed(["b/", "a/", "b/"], objects)
    assert [info.key for info in found] == ["a/0", "a/1", "b/0", "b/1"]
    assert sorted(asked) == ["a/", "b/"]


def test_what_one_listing_raises_is_raised() -> None:
    def objects(prefix: str) -> list[ObjectInfo]:
        if prefix == "b/":
            raise StoreUnavailableError("down")
        return []

    with pytest.raises(StoreUnavailableError, match="down"):
        listed(["a/", "b/", "c/"], objects)
