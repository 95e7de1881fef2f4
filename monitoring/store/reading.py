"""Many objects at once, and yet in order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from monitoring.errors import ConflictError, ObjectMissingError
from monitoring.store.base import Content, ObjectInfo

# What an object costs at least while it waits, whatever its size
_LEAST_BYTES = 1 << 14
_LISTINGS = 8


def in_order(
    infos: Iterable[ObjectInfo],
    read: Callable[[ObjectInfo], bytes],
    *,
    workers: int,
    ahead_bytes: int,
    largest: int,
) -> Iterator[tuple[ObjectInfo, Content]]:
    """The objects with their contents, in the order given.

    Args:
        infos: What to read.
        read: Reads one object; called in several threads.
        workers: How many threads.
        ahead_bytes: How much may have been read, or be under way, and not be taken yet; a single object may be larger.
        largest: Larger objects are yielded with None.

    Raises:
        MonitorError: Whatever `read` raises, except that an object is missing or has changed: that is its content.
    """
    waiting: deque[tuple[ObjectInfo, Future[Content] | None, int]] = deque()
    ahead = 0
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read")
    try:
        for info in infos:
            cost = _LEAST_BYTES if info.size > largest else max(info.size, _LEAST_BYTES)
            while waiting and ahead + cost > ahead_bytes:
                taken, future, freed = waiting.popleft()
                yield taken, future.result() if future else None
                ahead -= freed
            waiting.append((info, pool.submit(_content, read, info) if info.size <= largest else None, cost))
            ahead += cost
        while waiting:
            taken, future, _ = waiting.popleft()
            yield taken, future.result() if future else None
    finally:
        pool.shutdown(cancel_futures=True)


def _content(read: Callable[[ObjectInfo], bytes], info: ObjectInfo) -> Content:
    try:
        return read(info)
    except (ObjectMissingError, ConflictError) as error:
        return error


def listed(prefixes: Iterable[str], objects: Callable[[str], list[ObjectInfo]]) -> list[ObjectInfo]:
    """What `objects` lists for the prefixes, each object once, sorted by key.

    >>> listed(["b/", "a/"], lambda prefix: [ObjectInfo(f"{prefix}{i}", 1, "tag") for i in (1, 2)])[0].key
    'a/1'
    """
    with ThreadPoolExecutor(_LISTINGS, thread_name_prefix="list") as pool:
        found = {info.key: info for infos in pool.map(objects, dict.fromkeys(prefixes)) for info in infos}
    return [found[key] for key in sorted(found)]
