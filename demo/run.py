"""`make demo`: train two models on a real winter, and watch them through a real spring."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from demo.environment import BUCKET, HOME, MODELS, ROOT, airflow_environment
from demo.replay import days, done_key
from demo.seaweed import client_of, seaweed
from demo.table import table
from monitoring.config import load_model, model_path
from monitoring.monitor import Monitor
from monitoring.retraining import outcomes
from monitoring.store import Store, open_store
from monitoring.store.layout import SITE_INDEX
from monitoring.window import Window

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "magenta"}
_PLAIN_EVERY = 10


@dataclass(frozen=True)
class Place:
    """Where this demo keeps its objects.

    Attributes:
        store: The store's URI.
        name: Short name, for the Airflow homes and logs.
        extra: More environment for the processes.
    """

    store: str
    name: str
    extra: dict[str, str]


@contextmanager
def place(kind: str) -> Iterator[Place]:
    """The demo's store: a directory, or a SeaweedFS that runs as long as the demo does."""
    if kind == "local":
        yield Place(str(HOME / "store"), "local", {})
        return
    with seaweed() as extra:
        yield Place(f"s3://{BUCKET}/store", "s3", extra)


def main() -> int:
    """Run what is left of the demo, and show what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["local", "s3"], default="local", help="where the objects go")
    kind = parser.parse_args().store
    console = Console()
    with place(kind) as where:
        store = _open(where)
        monitors = [Monitor(store, load_model(model_path(ROOT / "models", name))) for name in MODELS]
        left = {m.config.name: [d for d in days(m) if not store.exists(done_key(m, d))] for m in monitors}
        if any(left.values()):
            started = time.monotonic()
            if not _replay(where, {m.config.name: len(days(m)) for m in monitors}, left, console):
                return 1
            console.print(f"Replayed in {time.monotonic() - started:.0f} s.")
        else:
            console.print("All is done already; `make demo-clean` starts over.")
        _show(monitors, console)
        _next_steps(where, store, console)
    return 0


def _open(where: Place) -> Store:
    if not where.extra:
        return open_store(where.store)
    client = client_of(where.extra)
    return open_store(where.store, lambda: client)


def _replay(where: Place, totals: dict[str, int], left: dict[str, list[Window]], console: Console) -> bool:
    """One process per model, and a progress line for each."""
    columns = (
        TextColumn("{task.fields[model]:<21}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    logs = {model: HOME / "logs" / f"{where.name}-{model}.log" for model in totals}
    (HOME / "logs").mkdir(parents=True, exist_ok=True)
    progress = Progress(*columns, console=console) if console.is_terminal else None
    with progress or nullcontext():
        running = []
        for model, total in totals.items():
            process = _start(where, model, logs[model])
            done = total - len(left[model])
            line = progress.add_task("starting", total=total, completed=done, model=model) if progress else None
            assert process.stdout is not None
            arguments = (process.stdout, progress, line, console, model, done, total)
            thread = threading.Thread(target=_follow, args=arguments)
            thread.start()
            running.append((model, process, thread))
        try:
            codes = {model: process.wait() for model, process, _ in running}
            for _, _, thread in running:
                thread.join()
        except KeyboardInterrupt:
            for _, process, _ in running:
                process.terminate()
            console.print("Stopped. `make demo` goes on from here.")
            return False
    for model, code in codes.items():
        if code:
            tail = "\n".join(logs[model].read_text(errors="replace").splitlines()[-20:])
            console.print(f"[red]{model} stopped with exit code {code}.[/] The end of {logs[model]}:\n{tail}")
    return not any(codes.values())


def _start(where: Place, model: str, log: Path) -> subprocess.Popen[str]:
    environment = airflow_environment(HOME / "airflow" / f"{where.name}-{model}", where.store) | where.extra
    environment |= {
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(HOME / "airflow" / "no-plugins"),
        # two processes share the cores already
        "OMP_NUM_THREADS": "1",
    }
    with log.open("w") as file:
        command = [sys.executable, "-m", "demo.replay", model]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True
        )


def _follow(
    lines: IO[str], progress: Progress | None, line: TaskID | None, console: Console, model: str, done: int, total: int
) -> None:
    started, first = time.monotonic(), done
    for text in lines:
        message = json.loads(text)
        if "day" in message:
            done += 1
            description = f"{message['day']} [{_COLOURS[message['status']]}]{message['status']:<7}[/]"
        else:
            description = message["stage"]
        if progress is not None and line is not None:
            progress.update(line, completed=done, description=description)
        elif "day" not in message or done % _PLAIN_EVERY == 0 or done == total:
            rate = (time.monotonic() - started) / max(done - first, 1)
            rest = f", {rate * (total - done):.0f} s left" if done > first else ""
            console.print(f"{model}: {done}/{total} {description}{rest}")


def _show(monitors: list[Monitor], console: Console) -> None:
    for monitor in monitors:
        console.print()
        console.print(table(monitor))
        for conclusion in outcomes(monitor):
            console.print(f"Retraining asked for on {conclusion['window']}: {conclusion['comparison']['reason']}")


def _next_steps(where: Place, store: Store, console: Console) -> None:
    console.print()
    console.print(f"Reports:  {store.uri}/{SITE_INDEX}", soft_wrap=True, highlight=False)
    if where.name == "s3":
        console.print("Airflow:  make ui STORE=s3")
    else:
        console.print("Airflow:  make ui      Pages and /metrics without Airflow:  make serve")


if __name__ == "__main__":
    sys.exit(main())
