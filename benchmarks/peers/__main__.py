"""`make bench-peers`: other tools on the same rows, one at a time, beside ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bench, data, figures, processes
from benchmarks.__main__ import KEPT, parser, place

HERE = Path(__file__).parent
PYTHON = "3.11"  # the newest that all of them take
INSTALL_SECONDS = 900
ROUNDS = 3


@dataclass(frozen=True)
class Peer:
    """Another tool.

    Attributes:
        module: Its module in this package.
        asked: What it answers of the window.
        labelled: Whether that includes performance on labels, so that ours has to answer it too.
    """

    module: str
    asked: str
    labelled: bool = False

    @property
    def name(self) -> str:
        return self.module.replace("_", "-")


PEERS = (
    Peer("tfdv", "statistics of all features, Jensen-Shannon drift"),
    Peer("great_expectations", "115 expectations on nulls, moments, range, quantiles, distinct values"),
    Peer("alibi_detect", "Kolmogorov-Smirnov and chi-squared tests"),
    Peer("nannyml", "Wasserstein and Jensen-Shannon drift, realised and estimated performance, means", labelled=True),
    Peer("whylogs", "sketches of all features, drift scores"),
)
HEADER = ("tool", "what it answers", "window s", "over ours", "in memory", "with reference", "peak MB")


def environment(peer: Peer) -> str:
    """The interpreter of a tool's own virtual environment, which is made if it is not there."""
    folder, pins = KEPT / f"env-{peer.name}", (HERE / f"{peer.name}.txt").resolve()
    stamp, python = folder / "installed.txt", str(folder / "bin" / "python")
    if stamp.exists() and stamp.read_text() == pins.read_text():
        return python
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv") or "uv"
    print(f"{peer.name}: installing into {folder.relative_to(KEPT.parent)} ...")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--no-python-downloads", "--python", PYTHON, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", python, "--requirement", str(pins)],
    ):
        subprocess.run(command, check=True, timeout=INSTALL_SECONDS)
    stamp.write_text(pins.read_text())
    return python


def measure(run: bench.Bench, peers: dict[Peer, str], rounds: int) -> dict[Peer, str]:
    """Run all tools in turn, ours before each; why some did not finish."""
    failed: dict[Peer, str] = {}
    small = run.log("rows", run.size.rows)
    reference = run.log("reference", run.size.rows, reference=True)
    tiny = run.log("tiny", data.TINY_ROWS)
    ours = {"baseline": str(run.folder / "baseline"), "warm_up": tiny}
    run.once("learn", "ours.learn", reference=reference, baseline=ours["baseline"])
    days: dict[str, bench.Task] = {
        name: ("ours.day", {"folder": small, **ours, "threads": bench.THREADS, "labelled": name == "labelled day"})
        for name in ("day", "labelled day")
    }
    run.rounds(days, 1)
    for _ in range(rounds):
        for peer, python in peers.items():
            if peer in failed:
                continue
            run.rounds(days, 1, warm=False)
            try:
                found = run.call(f"peers.{peer.module}.run", python=python, folder=small, reference=reference)
            except processes.TaskError as error:
                failed[peer] = str(error)
                run.results.pop(peer.name, None)
                continue
            run.results.setdefault(peer.name, []).append(found)
            print(f"{peer.name}: {found['wall']:.2f} s")
    return failed


def ratios(run: bench.Bench, peer: Peer) -> dict[str, float]:
    """A tool's wall time over ours: both from the same files; without its loading; with preparing the reference."""
    wall, load, prepare = (run.of(peer.name, what) for what in ("wall", "load_wall", "prepare_wall"))
    ours = run.of("labelled day" if peer.labelled else "day")
    return {
        f"{peer.module}_over_profile_1m": (wall + load) / ours,
        f"{peer.module}_in_memory_over_profile_1m": wall / ours,
        f"{peer.module}_and_reference_over_profile_1m": (wall + load + prepare) / ours,
    }


def row(run: bench.Bench, peer: Peer) -> list[str]:
    """A tool's line of the table."""
    numbers = [
        run.of(peer.name, "wall") + run.of(peer.name, "load_wall"),
        *ratios(run, peer).values(),
        run.of(peer.name, "peak_mb"),
    ]
    return [f"{peer.name} {run.results[peer.name][0]['version']}", peer.asked, *map(figures.number, numbers)]


def _ours(run: bench.Bench) -> str:
    day, labelled = (figures.number(run.of(name)) for name in ("day", "labelled day"))
    return f"Ours, from Parquet files: {day} s; {labelled} s with performance on labels. {figures.machine()}"


def main() -> None:
    given = parser("python -m benchmarks.peers").parse_args()
    KEPT.mkdir(exist_ok=True)
    run, failed, ready = bench.Bench(bench.SIZES[given.size], given.seed, KEPT), {}, {}
    for peer in PEERS:
        try:
            ready[peer] = environment(peer)
        except (subprocess.SubprocessError, OSError) as error:
            failed[peer] = f"could not be installed: {type(error).__name__}"
    failed |= measure(run, ready, min(ROUNDS, run.size.rounds))
    done = [peer for peer in PEERS if peer.name in run.results]
    found = {name: value for peer in done for name, value in ratios(run, peer).items()}
    table = [row(run, peer) for peer in done]
    table += [[peer.name, why, *["-"] * 5] for peer, why in failed.items()]
    figures.keep(place(given.size), "peers", "\n\n".join([_ours(run), figures.markdown(HEADER, table)]), found)
    figures.show(figures.HEADER, figures.rows(found))
    for peer, why in failed.items():
        print(f"{peer.name}: {why}")


if __name__ == "__main__":
    main()
