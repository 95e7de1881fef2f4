"""`make bench-verdicts`: how often verdicts are false alarms, what they find and how soon, beside two other tools.

Each model has a baseline of its own, then months without a change, then each kind of change, from the same day on. One
cell of the tables alone: `python -m benchmarks.verdicts --stream weather --rows 300 --months 40`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import Any

from benchmarks import figures
from benchmarks.__main__ import HERE, KEPT
from benchmarks.verdict_judge import SEVERITIES, Product, Said, alarms, leave_out_what_is_not_judged, level, tolerances
from benchmarks.verdict_oracle import Oracle, days_like, oracle_for, tolerated
from benchmarks.verdict_peers import Counts, EvidentlyDefaults, NannyThresholds, counts_of, together
from benchmarks.verdict_profiles import Profiler
from benchmarks.verdict_streams import ROWS, STREAMS, Draw, Stream, config_of, pool_of, shifts_of

BASELINE_DAYS, MONTH_DAYS, MONTHS_A_MODEL, AFTER = 60, 30, 2, 8
# Months of each cell; 200 columns take ten times as long
MONTHS = {"iid": 1000, "weekly": 1000, "weather": 1000, "wide": 4}
# A model of 200 columns takes ten times as long: it is looked at with one number of rows
WIDE_ROWS = 1_000
# In so many models of a cell changes are looked for
MODELS_WITH_CHANGES = 50
PROCESSES = 2
PLAIN, TOLERANT = "any change", "beyond tolerance"
PEERS = ("Evidently: half of the columns", "Evidently: a column", "Evidently: performance")
NANNY = ("NannyML: a column", "NannyML: performance")


@dataclass(frozen=True)
class Cell:
    """One cell of the tables.

    Attributes:
        stream: The kind of stream.
        rows: Rows of a window.
        days: Days of the baseline.
        with_changes: Whether changes are looked for, too.
    """

    stream: str
    rows: int
    days: int = BASELINE_DAYS
    with_changes: bool = True

    @property
    def title(self) -> str:
        return f"{self.stream}, {self.rows:,} rows" + (f", {self.days} days" if self.days != BASELINE_DAYS else "")


@dataclass
class Found:
    """What was found of some models of a cell.

    Attributes:
        months: Months without a change.
        episodes: Looks that say what the look before did not: by severity, and by peer.
        causes: The same by severity and check.
        promised: By severity, the sum over looks of the false alarms a month that each verdict promises at most.
        changes: Of each change that was looked for, when it was found; see `_after`.
    """

    months: int = 0
    episodes: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    promised: Counter[str] = field(default_factory=Counter)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.months += other.months
        self.episodes += other.episodes
        self.causes += other.causes
        self.promised += other.promised
        self.changes += other.changes


@cache
def _world(stream: str) -> Profiler:
    return Profiler(pool_of(stream))


@cache
def oracles(stream: str, rows: int) -> dict[tuple[str, str], Oracle | None]:
    """By kind of change and null, the oracle of a cell."""
    profiler = _world(stream)
    pool, config, days = profiler.pool, config_of(profiler.pool), days_like(stream, profiler.pool)
    rate, found = level(config, "fail"), {}
    for kind, shift in shifts_of(stream).items():
        least = tolerated(pool, shift, profiler.cells, tolerances(config))
        found[kind, PLAIN] = oracle_for(pool, days, shift, rows, rate)
        found[kind, TOLERANT] = oracle_for(pool, days, shift, rows, rate, least)
    return found


class Peers:
    """The other tools on the same baseline."""

    def __init__(self, profiler: Profiler, baseline: Sequence[Draw]) -> None:
        self.profiler = profiler
        chunks, labels = [counts_of(profiler, draw) for draw in baseline], [profiler.labels(d) for d in baseline]
        self.evidently = EvidentlyDefaults(profiler, together(chunks), sum(labels[1:], labels[0]))
        self.nanny = NannyThresholds(profiler, chunks, labels)

    def look(self, draw: Draw, known: Any) -> tuple[dict[str, bool], dict[str, set[str]]]:
        """What each of them says, and the columns that two of them name."""
        counts: Counts = counts_of(self.profiler, draw)
        theirs, nanny = self.evidently.drifted(counts), self.nanny.drifted(counts)
        said = {
            PEERS[0]: len(theirs) >= 0.5 * len(counts),
            PEERS[1]: bool(theirs),
            PEERS[2]: self.evidently.performance_failed(known),
            NANNY[0]: bool(nanny),
            NANNY[1]: self.nanny.performance_failed(known),
        }
        return said, {PEERS[1]: theirs, NANNY[0]: nanny}


def run(cell: Cell, seed: int, months: int, tests: Mapping[tuple[str, str], Oracle | None]) -> Found:
    """One model: its baseline, months without a change, and then each change.

    Args:
        cell: The cell.
        seed: Of chance.
        months: Months without a change.
        tests: The oracles.
    """
    profiler = _world(cell.stream)
    stream = Stream.of(cell.stream, profiler.pool, cell.rows, seed)
    baseline = [stream.draw() for _ in range(cell.days)]
    product, peers = Product(profiler, config_of(profiler.pool), baseline, seed), Peers(profiler, baseline)
    found = Found(months)
    before: tuple[Said, ...] = ()
    said_before: set[str] = set()
    for _ in range(months * MONTH_DAYS):
        draw = stream.draw()
        looked = product.look(draw)
        theirs, _ = peers.look(draw, looked.known)
        now = {item.severity for item in looked.said} | {name for name, yes in theirs.items() if yes}
        found.episodes.update(now - said_before)
        found.causes.update(f"{item.severity}: {item.check}" for item in {*looked.said} - {*before})
        found.promised += looked.promised
        before, said_before = looked.said, now
    if cell.with_changes:
        days = list(islice(stream.days, AFTER))
        for place, ((kind, null), oracle) in enumerate(tests.items()):
            if oracle is not None:
                draws = _changed(stream.branch(days, 1000 * seed + place), oracle)
                columns = shifts_of(cell.stream)[kind].columns
                found.changes.append(
                    {"kind": kind, "null": null} | _after(product.fork(seed), peers, draws, oracle, columns, before)
                )
    return found


def _changed(stream: Stream, oracle: Oracle) -> Iterator[Draw]:
    for _ in range(AFTER):
        yield stream.draw(oracle.change)


def _after(
    product: Product,
    peers: Peers,
    draws: Iterator[Draw],
    oracle: Oracle,
    columns: tuple[str, ...],
    before: Sequence[Said],
) -> dict[str, int | None]:
    """In which window, from 0, each of those who look has named a change; None where one did before it came."""
    who = ("said", "warned", "oracle", *PEERS, *NANNY)
    first: dict[str, int | None] = dict.fromkeys(who, AFTER)
    for number, draw in enumerate(draws):
        looked = product.look(draw)
        named = [item for item in looked.said if item.names(columns)]
        flags, theirs = peers.look(draw, looked.known)
        wanted = set(columns) or {""}
        for name, those in theirs.items():
            flags[name] = not those.isdisjoint(wanted)
        flags |= {
            "said": bool(named),
            "warned": any(item.severity != "info" for item in named),
            "oracle": oracle.says(draw),
        }
        for name in who:
            if flags[name] and first[name] == AFTER:
                first[name] = number
    named = [item for item in before if item.names(columns)]
    if named:
        first["said"] = None
    if any(item.severity != "info" for item in named):
        first["warned"] = None
    return first


def measure(cells: Mapping[Cell, int], seed: int) -> dict[Cell, Found]:
    """Every cell, with so many months.

    Args:
        cells: Months of each.
        seed: Of chance.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    results, started = {}, time.monotonic()
    with ProcessPoolExecutor(PROCESSES, get_context("spawn"), leave_out_what_is_not_judged) as workers:
        for cell, months in cells.items():
            tests = oracles(cell.stream, cell.rows) if cell.with_changes else {}
            models = max(months // MONTHS_A_MODEL, 1)
            each = min(MONTHS_A_MODEL, months)
            waiting = [
                workers.submit(run, cell, seed + number, each, tests if number < MODELS_WITH_CHANGES else {})
                for number in range(models)
            ]
            results[cell] = found = Found()
            for done, part in enumerate(as_completed(waiting), 1):
                found.add(part.result())
                if done % max(models // 4, 1) == 0:
                    minutes = (time.monotonic() - started) / 60
                    print(f"  {cell.title}: {done} of {models} models, {minutes:.1f} minutes", flush=True)
    return results


def quiet_rows(results: Mapping[Cell, Found], budget: Mapping[str, float]) -> list[list[str]]:
    """False alarms per model and month, of ours and of the others."""
    others = (*PEERS, *NANNY)
    body = [["stated", "", *(f"{budget[name]:g}" for name in SEVERITIES), "", *["" for _ in others]]]
    for cell, found in results.items():
        ours, theirs = ([f"{found.episodes[name] / found.months:.3f}" for name in who] for who in (SEVERITIES, others))
        promised = (found.promised[name] / (found.months * MONTH_DAYS) for name in SEVERITIES)
        body.append([cell.title, str(found.months), *ours, " / ".join(f"{rate:.2g}" for rate in promised), *theirs])
    return body


QUIET = ("stream", "months", *SEVERITIES, "the verdicts' own sums", *PEERS, *NANNY)
POWER = (
    "change",
    "effect",
    "oracle",
    "said at once",
    "within 3",
    "warned at once",
    "within 3",
    "delay",
    "warning's",
    "oracle's",
    "Evidently at once",
    "NannyML at once",
)


def power_rows(cell: Cell, found: Found, null: str) -> Iterator[list[str]]:
    """What was found of each kind of change, where the oracle has 90 % power."""
    for kind, shift in shifts_of(cell.stream).items():
        items = [item for item in found.changes if (item["kind"], item["null"]) == (kind, null)]
        oracle = oracles(cell.stream, cell.rows)[kind, null]
        if oracle is None or not items:
            yield [f"{cell.title}: {kind}", "none so large", *["" for _ in POWER[2:]]]
            continue
        theirs = (PEERS[1], PEERS[2], NANNY[0], NANNY[1]) if shift.about_labels else (PEERS[1], "", NANNY[0], "")
        effect = f"{oracle.effect:.3g}" + (f" ({oracle.least:.3g})" if oracle.least else "")
        yield [
            f"{cell.title}: {kind}",
            effect,
            _share(items, ["oracle"], 1),
            *(_share(items, [who], within) for who in ("said", "warned") for within in (1, 3)),
            *(_delay(items, who) for who in ("said", "warned", "oracle")),
            _share(items, [name for name in theirs[:2] if name], 1),
            _share(items, [name for name in theirs[2:] if name], 1),
        ]


def _fraction(items: Sequence[Mapping[str, Any]], who: Sequence[str], within: int) -> float | None:
    """The share of streams in which one of these said so within so many windows, of those where none had before."""
    fair = [item for item in items if all(item[name] is not None for name in who)]
    return sum(any(item[name] < within for name in who) for item in fair) / len(fair) if fair else None


def _share(items: Sequence[Mapping[str, Any]], who: Sequence[str], within: int) -> str:
    share = _fraction(items, who, within)
    return "" if share is None else f"{share:.0%}"


def _mean_delay(items: Sequence[Mapping[str, Any]], who: str) -> float | None:
    fair = [item[who] for item in items if item[who] is not None]
    return sum(fair) / len(fair) if fair else None


def _delay(items: Sequence[Mapping[str, Any]], who: str) -> str:
    mean = _mean_delay(items, who)
    return "" if mean is None else f"{mean:.1f}"


def figures_of(results: Mapping[Cell, Found]) -> dict[str, float]:
    """The bare figures: the worst cell, and the worst kind of change where the null is that of the tolerance."""
    found = {"false_fails_per_model_month_worst": max(f.episodes["fail"] / f.months for f in results.values())}
    powers, delays = [], []
    for cell, part in results.items():
        for kind in shifts_of(cell.stream):
            items = [item for item in part.changes if (item["kind"], item["null"]) == (kind, TOLERANT)]
            power, late, oracle = (
                _fraction(items, ["said"], 1),
                _mean_delay(items, "said"),
                _mean_delay(items, "oracle"),
            )
            if power is not None and late is not None and oracle is not None:
                powers.append(power)
                delays.append(late - oracle)
    if powers:
        found |= {"power_worst": min(powers), "delay_windows_worst": max(delays)}
    return found


def report(results: Mapping[Cell, Found]) -> str:
    """The tables."""
    budget = alarms(config_of(pool_of("iid")))
    parts = ["False alarms per model and month:", figures.markdown(QUIET, quiet_rows(results, budget))]
    for null in (TOLERANT, PLAIN):
        body = [row for cell, found in results.items() if found.changes for row in power_rows(cell, found, null)]
        parts += [f"Changes at which the oracle has 90 % power, {null}:", figures.markdown(POWER, body)]
    return "\n\n".join(parts)


def causes(results: Mapping[Cell, Found]) -> str:
    """What the false alarms were."""
    lines = (
        f"{cell.title}: "
        + ", ".join(f"{name} {count / found.months:.3f}" for name, count in found.causes.most_common(8))
        for cell, found in results.items()
    )
    return "\n".join(lines)


def plan() -> dict[Cell, int]:
    """All cells, and the months of each."""
    cells = [Cell(stream, rows) for stream in STREAMS for rows in ROWS if stream != "wide" or rows == WIDE_ROWS]
    return {cell: MONTHS[cell.stream] for cell in cells}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts")
    parser.add_argument("--stream", choices=STREAMS)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--days", type=int, help="days of the baseline")
    parser.add_argument("--months", type=int, help="of each cell, at most")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    KEPT.mkdir(exist_ok=True)
    alone = given.stream or given.rows or given.days
    cells = plan()
    if alone:
        cells = {
            Cell(stream, rows, given.days or BASELINE_DAYS): MONTHS[stream]
            for stream in ([given.stream] if given.stream else STREAMS)
            for rows in ([given.rows] if given.rows else ROWS)
        }
    if given.months:
        cells = {cell: min(months, given.months) for cell, months in cells.items()}
    results = measure(cells, given.seed)
    found, text = figures_of(results), report(results)
    print(text, causes(results), sep="\n\n")
    if not alone:
        figures.keep(HERE, "verdicts", f"{figures.machine()}\n\n{text}", found)
    figures.show(figures.HEADER, figures.rows(found))


if __name__ == "__main__":
    main()
