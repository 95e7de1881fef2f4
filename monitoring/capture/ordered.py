"""Work in threads whose results keep their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = min(os.cpu_count() or 1, 8)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], pool: ThreadPoolExecutor, ahead: int = THREADS
) -> Iterator[Result]:
    """The results of some work, in the order of its items; no more than `ahead` items wait for their turn.

    Args:
        work: What is done with an item; it should let go of the interpreter's lock most of the time.
        items: They are taken as they are needed.
        pool: The threads.
        ahead: How many results may be under way or wait to be taken.
    """
    running: deque[Future[Result]] = deque()
    for item in items:
        running.append(pool.submit(work, item))
        if len(running) > ahead:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()
