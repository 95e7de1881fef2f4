"""Profile Parquet files: one pass, in bounded memory, in as many threads as asked for."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring.config.capture import FeatureType
from monitoring.errors import ConfigError
from monitoring.profile import ProfileSpec, RecordColumns, WindowProfile
from monitoring.profile.arrow_types import categories, find_column, is_testable, numbers
from monitoring.profile.categorical import CategoricalSpec
from monitoring.profile.window import WindowBuilder, learn_column, learn_score

Source = str | PathLike[str]
# A column of this many rows stays in the second-level cache between decoding and counting.
_BATCH_ROWS = 1 << 16
# Compressed bytes are read in pieces, so that memory does not grow with the size of a row group.
_BUFFER_BYTES = 1 << 18
# Fewer files than this are shared out by their row groups.
_FILES_PER_THREAD = 4
Work = queue.SimpleQueue[tuple[Source, list[int] | None]]


def learn_spec(sources: Sequence[Source], kinds: Mapping[str, FeatureType], columns: RecordColumns) -> ProfileSpec:
    """Freeze the bins and categories of the rows in some files, reading one column at a time.

    Args:
        sources: Parquet files.
        kinds: The features.
        columns: Where the files have what is profiled.

    Raises:
        ConfigError: A file cannot be read.
    """
    features = {
        name: learn_column(_read_column(sources, columns.feature_prefix + name, kind), kind)
        for name, kind in kinds.items()
    }
    if not columns.score:
        return ProfileSpec(features)
    return ProfileSpec(features, learn_score(_read_column(sources, columns.score, "numeric")))


def profile_parquet(
    sources: Sequence[Source], spec: ProfileSpec, columns: RecordColumns, *, threads: int = 1
) -> WindowProfile:
    """The profile of the rows in some files: the same whatever the number of threads.

    Args:
        sources: Parquet files.
        spec: What the baseline froze.
        columns: Where the files have what is profiled.
        threads: How many row groups are read at a time.

    Raises:
        ConfigError: A file cannot be read.
    """
    work: Work = queue.SimpleQueue()
    for part in _parts(sources, threads):
        work.put(part)
    count = max(1, min(threads, work.qsize()))
    if count == 1:
        return _profile_some(work, spec, columns)
    with ThreadPoolExecutor(count) as pool:
        parts = [pool.submit(_profile_some, work, spec, columns) for _ in range(count)]
        return reduce(WindowProfile.merge, (part.result() for part in parts))


def _parts(sources: Sequence[Source], threads: int) -> Iterable[tuple[Source, list[int] | None]]:
    """Whole files, or their row groups if there are too few files to share among threads."""
    for source in sources:
        if threads == 1 or len(sources) >= _FILES_PER_THREAD * threads:
            yield source, None
        else:
            yield from ((source, [group]) for group in range(_open(source).num_row_groups))


def _profile_some(work: Work, spec: ProfileSpec, columns: RecordColumns) -> WindowProfile:
    """Profile what is left to do until nothing is."""
    builder = WindowBuilder(spec, columns)
    texts = [columns.feature_prefix + name for name, c in spec.features.items() if isinstance(c, CategoricalSpec)]
    while True:
        try:
            source, groups = work.get_nowait()
        except queue.Empty:
            return WindowProfile.built(builder)
        file = _open(source, texts)
        wanted = _wanted(file.schema_arrow, spec, columns)
        for batch in _batches(source, file, groups, wanted):
            builder.add(batch)
            del batch  # before the next one is read


def _batches(
    source: Source, file: pq.ParquetFile, groups: list[int] | None, wanted: list[str]
) -> Iterator[pa.RecordBatch]:
    for group in range(file.num_row_groups) if groups is None else groups:
        batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=wanted, use_threads=False)
        try:
            batch = _reading(source, partial(next, batches, None))
        except ConfigError:  # perhaps only because texts have an encoding that cannot be read as dictionaries
            file = _open(source)
            batches = file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=wanted, use_threads=False)
            batch = _reading(source, partial(next, batches, None))
        while batch is not None:
            yield batch
            del batch
            batch = _reading(source, partial(next, batches, None))


def _open(source: Source, texts: Sequence[str] = ()) -> pq.ParquetFile:
    def opened(dictionaries: Sequence[str]) -> pq.ParquetFile:
        return pq.ParquetFile(source, read_dictionary=list(dictionaries), buffer_size=_BUFFER_BYTES, pre_buffer=False)

    try:
        return _reading(source, partial(opened, texts))
    except KeyError:  # a column that this file does not have
        metadata = _reading(source, partial(pq.read_metadata, source))
        there = {metadata.schema.column(place).path for place in range(metadata.num_columns)}
        return _reading(source, partial(opened, [name for name in texts if name in there]))


def _reading(source: Source, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"cannot be read as Parquet: {error}", where=str(source)) from error


def _wanted(schema: pa.Schema, spec: ProfileSpec, columns: RecordColumns) -> list[str]:
    """The columns to decode: no others are touched."""
    names = [columns.feature_prefix + name for name in spec.features]
    names += [columns.score, columns.prediction, columns.event_time, columns.model_version, columns.status]
    there = set(schema.names)
    found = (name if name in there else _parent(name) for name in [*names, columns.latency_ms])
    return sorted({name for name in found if name in there})


def _parent(name: str) -> str:
    """The nested column that a path such as `place.city` or `embedding[0]` starts from."""
    return name.replace("[", ".").split(".")[0]


def _read_column(sources: Sequence[Source], name: str, kind: FeatureType) -> Any:
    chunks: list[pa.Array] = []
    for source in sources:
        file = _open(source)
        top = name if name in file.schema_arrow.names else _parent(name)
        if top not in file.schema_arrow.names:
            continue
        table = _reading(source, partial(file.read, columns=[top], use_threads=False))
        found = find_column(table, name)
        if found is not None:
            chunks += found.chunks if isinstance(found, pa.ChunkedArray) else [found]
    if len({chunk.type for chunk in chunks}) > 1:
        chunks = [_alike(chunk, kind) for chunk in chunks]
    return pa.chunked_array(chunks) if chunks else pa.nulls(0)


def _alike(chunk: pa.Array, kind: FeatureType) -> pa.Array:
    """A column's chunk in the one type that files of different types have in common."""
    if kind == "numeric":
        found = numbers(chunk)
        return pa.array(found.values, mask=~found.present())
    return categories(chunk if is_testable(chunk.type) else pa.nulls(len(chunk), pa.string()))
