"""Start measurements in fresh processes, one at a time, and stop one that takes too much memory or time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
MOST_SECONDS = 1800.0
LEAST_FREE_MB = 2_000


class TaskError(RuntimeError):
    """A measurement that did not finish."""


def run(task: str, *, python: str = sys.executable, **arguments: object) -> dict[str, Any]:
    """The result of a function of this package, called in a fresh process.

    Args:
        task: `MODULE.FUNCTION`.
        python: The interpreter, of another environment for other tools.
        arguments: JSON values for the function.
    """
    command = [python, "-m", "benchmarks.task", task, json.dumps(arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=errors, start_new_session=True)
        try:
            stopped = _watch(process, started)
        finally:
            if process.poll() is None:
                _stop(process)
        if stopped or process.returncode:
            raise TaskError(f"{task}: {stopped or _tail(errors)}")
        result: dict[str, Any] = json.loads(_tail(output))
    return {**result, "elapsed": result["finished"] - started}


def _watch(process: subprocess.Popen[bytes], started: float) -> str:
    """Wait for the end; why it must not go on, or nothing."""
    while True:
        try:
            process.wait(0.2)
            return ""
        except subprocess.TimeoutExpired:
            if (free := memory_mb("MemAvailable")) < LEAST_FREE_MB:
                return f"stopped with {free} MB of memory left"
            if time.monotonic() - started > MOST_SECONDS:
                return f"stopped after {MOST_SECONDS:.0f} s"


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(file: IO[str]) -> str:
    file.seek(0)
    lines = file.read().strip().splitlines()
    return lines[-1] if lines else "no output"


def memory_mb(name: str) -> int:
    """A line of the kernel's account of memory."""
    return int(Path("/proc/meminfo").read_text(encoding="ascii").split(f"{name}:")[1].split()[0]) // 1024
