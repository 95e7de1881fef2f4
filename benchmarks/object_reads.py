"""Listing and reading many small objects, and a look at very many: `python -m benchmarks.object_reads`.

A SeaweedFS on loopback has the objects, so there is no distance to hide: what is measured is the work for each object
on both sides, which share the processors. Over a network one object at a time waits a round trip for each, and the
ratio is larger.

The ways take turns, round by round, and medians count. The first round does not.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import figures
from demo.environment import BUCKET
from demo.seaweed import seaweed
from monitoring.store import Store, open_store

WRITERS = 16
STREAMED_BYTES = 256 << 20


@dataclass(frozen=True)
class Way:
    """One way to do it.

    Attributes:
        title: What it is.
        run: Does it; how many bytes were read, or objects seen.
    """

    title: str
    run: Callable[[], int]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.object_reads")
    arguments.add_argument("--objects", type=int, default=2000, help="in 24 folders, as the hours of a day")
    arguments.add_argument("--bytes", type=int, default=20_000, help="of each object")
    arguments.add_argument("--many", type=int, default=0, help="empty objects, flat and in dated folders, to look at")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, seaweed(Path(folder)) as environment:
        os.environ.update(environment)
        store = open_store(f"s3://{BUCKET}/bench")
        hours = [f"captures/2024/01/11/{hour:02d}/" for hour in range(24)]
        write(store, [f"{hours[i % 24]}{i:06d}.jsonl" for i in range(given.objects)], given.bytes)
        found = measure(reading(store, hours), given.rounds)
        store.put("large", os.urandom(1 << 20) * (STREAMED_BYTES >> 20))
        found |= measure([Way("stream, 256 MB", lambda: sum(map(len, store.stream("large"))))], given.rounds)
        if given.many:
            flat, dated = folders(given.many)
            write(store, flat + dated, 0)
            found |= measure(looking(store), given.rounds)
    one, many = (found[title]["wall"] for title in ("one at a time", "list_many and read_many"))
    rows = [[title, f"{way['wall']:.3f} s", f"{way['cpu']:.3f} s"] for title, way in found.items()]
    figures.show(["way", "wall", "our processor"], [*rows, ["one at a time over read_many", f"{one / many:.2f} x", ""]])
    print(json.dumps({"ways": found, "ratio": one / many, **vars(given)}))


def reading(store: Store, hours: list[str]) -> list[Way]:
    """The same objects, three ways."""

    def one_at_a_time() -> int:
        return sum(len(store.get(info.key)) for info in store.objects("captures/"))

    def threads() -> int:
        with ThreadPoolExecutor(16) as pool:
            return sum(map(len, pool.map(lambda info: store.get(info.key, etag=info.etag), store.objects("captures/"))))

    def read_many() -> int:
        contents = (content for _, content in store.read_many(store.list_many(hours)))
        return sum(len(content) for content in contents if isinstance(content, bytes))

    return [
        Way("one at a time", one_at_a_time),
        Way("get in 16 threads", threads),
        Way("list_many and read_many", read_many),
        Way("list_many", lambda: len(store.list_many(hours))),
    ]


def looking(store: Store) -> list[Way]:
    """A sample of very many objects."""
    return [
        Way("sample of 50, flat", lambda: len(store.sample("flat/", 50))),
        Way("sample of 50, dated folders", lambda: len(store.sample("dated/", 50))),
    ]


def folders(count: int) -> tuple[list[str], list[str]]:
    """The keys of as many objects in one folder, and in those of a year's hours."""
    hours = [f"dated/2024/{1 + i // 672:02d}/{1 + i // 24 % 28:02d}/{i % 24:02d}" for i in range(12 * 672)]
    return (
        [f"flat/{i:07d}.jsonl" for i in range(count)],
        [f"{hours[i * len(hours) // count]}/{i:07d}.jsonl" for i in range(count)],
    )


def write(store: Store, keys: list[str], size: int) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda key: store.put(key, os.urandom(size)), keys))


def measure(ways: list[Way], rounds: int) -> dict[str, dict[str, float]]:
    """The medians of all rounds but the first.

    Raises:
        RuntimeError: The rounds, or the ways that read, did not find the same.
    """
    seen: dict[str, list[tuple[float, float, int]]] = {way.title: [] for way in ways}
    for _ in range(rounds + 1):
        for way in ways:
            wall, cpu = time.perf_counter(), time.process_time()
            count = way.run()
            seen[way.title].append((time.perf_counter() - wall, time.process_time() - cpu, count))
    found = {}
    for title, runs in seen.items():
        counts = {count for _, _, count in runs}
        if len(counts) != 1:
            raise RuntimeError(f"{title}: not the same in every round: {counts}")
        found[title] = {
            "wall": median(wall for wall, _, _ in runs[1:]),
            "cpu": median(cpu for _, cpu, _ in runs[1:]),
            "found": counts.pop(),
        }
    return found


if __name__ == "__main__":
    main()
