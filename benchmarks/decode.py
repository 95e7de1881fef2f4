"""The limit of the hardware: only decoding the columns that a profile reads, in the ways pyarrow offers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks import data
from benchmarks.task import Clock

BATCH_ROWS = 65_536


def _batches(paths: list[str], columns: list[str], strings: list[str], threads: int) -> int:
    """One file per thread, batch by batch, strings as dictionaries."""

    def rows(path: str) -> int:
        file = pq.ParquetFile(path, read_dictionary=strings, memory_map=True)
        return sum(batch.num_rows for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False))

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(rows, paths))


def _files(paths: list[str], columns: list[str], strings: list[str], threads: int) -> int:
    """One whole file per thread."""

    def rows(path: str) -> int:
        file = pq.ParquetFile(path, read_dictionary=strings, memory_map=True)
        return int(file.read(columns, use_threads=False).num_rows)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(rows, paths))


def _scanner(paths: list[str], columns: list[str], strings: list[str], threads: int) -> int:
    """Arrow's own scan of a data set, with its own threads."""
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(max(threads, 2))
    source = ds.dataset(paths, format=ds.ParquetFileFormat(dictionary_columns=strings))
    batches = source.to_batches(columns=columns, batch_size=2 * BATCH_ROWS, batch_readahead=4, fragment_readahead=2)
    return sum(batch.num_rows for batch in batches)


VARIANTS: dict[str, Callable[[list[str], list[str], list[str], int], int]] = {
    "batches": _batches,
    "files": _files,
    "scanner": _scanner,
}


def run(folder: str, warm_up: str, variant: str, threads: int, repeats: int) -> dict[str, float]:
    """Median seconds of decoding all rows."""
    kinds = data.kinds(folder)
    strings = [name for name, kind in kinds.items() if kind == "categorical"]
    columns, decode = [*kinds, "score", "prediction"], VARIANTS[variant]
    decode(data.files(warm_up), columns, strings, threads)
    clocks = [Clock() for _ in range(repeats)]
    for clock in clocks:
        with clock.running():
            rows = decode(data.files(folder), columns, strings, threads)
    return {"wall": median(c.wall for c in clocks), "cpu": median(c.cpu for c in clocks), "rows": rows}
