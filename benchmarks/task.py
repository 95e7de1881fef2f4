"""One measurement in a fresh process: `python -m benchmarks.task MODULE.FUNCTION '{"argument": ...}'`.

Imports nothing but the standard library, so that what is measured pays only for itself, and so that it also runs
in the environments of other tools. The last line of the output is the result as JSON.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Clock:
    """Seconds of wall and of processor, over all threads and finished children."""

    wall: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), _cpu()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += _cpu() - cpu


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_mb() -> float:
    """Most memory that this process ever had. Unlike `ru_maxrss`, it does not begin with the parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    name, arguments = sys.argv[1:]
    module, _, function = name.rpartition(".")
    result = getattr(importlib.import_module(f"benchmarks.{module}"), function)(**json.loads(arguments))
    finished = time.monotonic()  # the same clock in all processes of a machine
    print("\n" + json.dumps({**result, "peak_mb": peak_mb(), "finished": finished}))


if __name__ == "__main__":
    main()
