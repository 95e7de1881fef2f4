"""Baselines: what the model saw when it was trained, frozen, versioned, and valid from a moment on."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from monitoring import documents
from monitoring.capture import privacy, records
from monitoring.capture.schema import SEGMENT_PREFIX
from monitoring.config import ModelConfig
from monitoring.errors import ConfigError, ConflictError
from monitoring.judge.evidence import Reference
from monitoring.judge.limits import Limits, Spread, learn_limits
from monitoring.judge.references import learn_references
from monitoring.judge.segment_limits import learn_segments
from monitoring.measure.basis import Basis
from monitoring.measure.performance_rows import (
    cells_by_column,
    default_basis,
    learn_basis,
    performance_rows,
    unpack_basis,
)
from monitoring.measure.segments import segment_tables
from monitoring.monitor import Monitor
from monitoring.profile import CategoricalSpec, Packed, ProfileSpec, WindowProfile
from monitoring.profile.categorical import hashes
from monitoring.sampling import bottom_k
from monitoring.training_rows import configured_baseline, read_training_rows
from monitoring.window import LENGTHS, Window, iso

KIND, SCHEMA_VERSION = "baseline", 4
LABELLED = "labelled"
POINTER, POINTER_VERSION = "baseline-versions", 1
_VERSION = re.compile(r"(?!.*\.json$)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Baseline:
    """One version.

    Attributes:
        reference: What windows are compared with.
        valid_from: Windows that start at or after this moment use it, until the next version.
        rows: Training rows.
        windows: Baseline windows that the limits were learned from.
        source: Hash of the training rows' file.
        segments: Categories of segments that the training rows have, where rare ones are folded.
        hash_key: What tells the key of its hashes from another; empty when nothing is hashed.
        basis: Its labelled rows; None without any.
    """

    reference: Reference
    valid_from: datetime
    rows: int
    windows: int
    source: str
    segments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hash_key: str = ""
    basis: Basis | None = field(default=None, compare=False)

    @property
    def version(self) -> str:
        """Its name."""
        return self.reference.version

    def known_categories(self) -> dict[str, Container[str]]:
        """The categories that are not folded however rare they are in a window, by feature or segment."""
        columns = self.reference.spec.features
        features = {name: _Known(spec) for name, spec in columns.items() if isinstance(spec, CategoricalSpec)}
        return {**self.segments, **features}


class _Known:
    """The categories of a baseline column; most are known by their hashes alone."""

    def __init__(self, spec: CategoricalSpec) -> None:
        self._names, self._hashes = frozenset(spec.names), frozenset(spec.known.tolist())

    def __contains__(self, name: object) -> bool:
        return name in self._names or int(hashes(pa.array([name], pa.string()))[0]) in self._hashes


def create_baseline(
    monitor: Monitor, *, version: str = "", uri: str = "", valid_from: datetime | None = None, stored: bool = False
) -> Baseline:
    """Make a baseline from training rows, and point to it.

    Args:
        monitor: The model.
        version: Its name; by default a hash of the rows and of the configuration.
        uri: The Parquet or CSV file; by default the configured one.
        valid_from: Windows from this moment on use it; the first version is valid always.
        stored: Whether the file has its columns as they are stored: see `read_training_rows`.

    Raises:
        ConfigError: No baseline is configured, the rows do not fit the model, or the version exists with other
            content.
    """
    rows = read_training_rows(monitor, uri or configured_baseline(monitor.config).uri, stored=stored)
    version, start = start_of(monitor, rows.source, version, valid_from)
    table, labels = rows.records, rows.labels
    baseline = learn_baseline(table, labels, monitor.config, version=version, valid_from=start, source=rows.source)
    baseline = replace(baseline, hash_key=privacy.key_check(monitor.config.columns, monitor.hash_key))
    write_baseline(monitor, baseline, table, labels)
    return baseline


def start_of(monitor: Monitor, source: str, version: str, valid_from: datetime | None) -> tuple[str, datetime]:
    """The name of a version, and from when it is valid.

    Args:
        monitor: The model.
        source: Hash of what the baseline is made of.
        version: The name; by default a hash of the source and of the configuration.
        valid_from: From when; the first version is valid always.

    Raises:
        ConfigError: It is no name, or there is another version and it is not said from when this one is valid.
    """
    if version and not _VERSION.fullmatch(version):
        allowed = "letters, digits, dots, dashes and underscores, at most 64, no .json"
        raise ConfigError(f"{version!r} is no name for a version", where=monitor.config.name, allowed=[allowed])
    known = _versions(monitor)
    version = version or documents.fingerprint([source, monitor.config.fingerprint()])[:12]
    if known and valid_from is None and version not in dict(known):
        raise ConfigError(
            f"there is a baseline already ({known[-1][0]})",
            where=monitor.config.name,
            hint="say from when the new one is valid: --valid-from 2013-05-01",
        )
    return version, valid_from or dict(known).get(version, ALWAYS)


def learn_baseline(
    table: pa.Table,
    labels: pa.Array,
    config: ModelConfig,
    *,
    version: str,
    valid_from: datetime,
    source: str,
) -> Baseline:
    """Freeze edges, profile and limits from canonical records and their labels: a pure function.

    Args:
        table: Canonical records.
        labels: One per record, null without a label, as `LabelledRows` has them.
        config: The model.
        version: The baseline's name.
        valid_from: From when it is valid.
        source: Hash of the rows' file.
    """
    spec = ProfileSpec.learn(table, config.columns.stored)
    rows_of: dict[Window, list[int]] = defaultdict(list)
    for position, moment in enumerate(table["event_time"].to_pylist()):
        rows_of[Window.containing(moment, config.every)].append(position)
    basis = _basis(table, labels, config, spec)
    profiles, states = [], []
    for _, positions in sorted(rows_of.items()):
        records = table.take(positions)
        profiles.append(WindowProfile.of(records, spec))
        if basis is not None:
            rows, _ = performance_rows(records, labels.take(pa.array(positions)), config.columns, basis.classes)
            states.append(basis.state(rows))
    hours = LENGTHS[config.every] // LENGTHS["hour"]
    limits = learn_limits(profiles, states, basis, longest=config.trailing_windows, hours=hours)
    further = learn_references(dict(zip(sorted(rows_of), profiles, strict=True)), config)
    limits = replace(limits, spreads={**limits.spreads, **further})
    of_segments = _segment_limits(table, labels, config, basis, [rows_of[window] for window in sorted(rows_of)])
    limits = replace(limits, spreads={**limits.spreads, **of_segments})
    losses = basis.losses if basis is not None else None
    reference = Reference(version, spec, reduce(WindowProfile.merge, profiles), limits, losses)
    segments = _segments(table, config)
    return Baseline(reference, valid_from, table.num_rows, len(profiles), source, segments, basis=basis)


def _basis(table: pa.Table, labels: pa.Array, config: ModelConfig, spec: ProfileSpec) -> Basis | None:
    if labels.null_count == len(labels):
        return None
    cells = cells_by_column(table, spec)
    bins, sizes = {name: cell for name, (cell, _) in cells.items()}, {name: size for name, (_, size) in cells.items()}
    return learn_basis(table, labels, config.columns, bins, sizes)


def _segment_limits(
    table: pa.Table, labels: pa.Array, config: ModelConfig, basis: Basis | None, windows: Sequence[Sequence[int]]
) -> dict[str, tuple[Spread, ...]]:
    """What is ordinary for values of segments; the windows are given as the places of their rows."""
    columns = config.columns
    if not columns.stored_segments:
        return {}
    place = np.zeros(table.num_rows, np.int64)
    for number, positions in enumerate(windows):
        place[positions] = number
    basis = basis or default_basis(columns)
    rows, answered = performance_rows(table, labels, columns, basis.classes)
    kept = table.filter(pa.array(answered))
    values = {name: kept[SEGMENT_PREFIX + name] for name in columns.stored_segments}
    binary = columns.task == "binary"
    tables = segment_tables(values, place[answered], rows, basis.losses_of(rows), windows=len(windows), binary=binary)
    compared = config.checks.fairness.columns
    return learn_segments(tables, longest=config.trailing_windows, compared=compared, binary=binary)


def _segments(table: pa.Table, config: ModelConfig) -> dict[str, tuple[str, ...]]:
    if not config.columns.privacy.fold_below:
        return {}
    columns = {name: table[SEGMENT_PREFIX + name].unique().drop_null() for name in config.columns.stored_segments}
    return {name: tuple(sorted(found.to_pylist())) for name, found in columns.items()}


def version_for(monitor: Monitor, window: Window) -> str:
    """The name of the baseline that is valid for a window; empty when there is none."""
    valid = [version for version, start in _versions(monitor) if start <= window.start]
    return valid[-1] if valid else ""


def baseline_for(monitor: Monitor, window: Window) -> Baseline | None:
    """The baseline that is valid for a window; None when there is none, or one of other columns.

    Raises:
        ConfigError: Its values were hashed with another key, so that all of them would seem to be new; or there is
            no key.
    """
    version = version_for(monitor, window)
    if not version:
        return None
    baseline = load_baseline(monitor, version)
    columns = {name: column.kind for name, column in baseline.reference.spec.features.items()}
    if columns != monitor.config.columns.stored:
        return None
    if baseline.hash_key != privacy.key_check(monitor.config.columns, monitor.hash_key):
        raise ConfigError(
            f"baseline {baseline.version} was made with another hash key",
            where=monitor.config.name,
            hint="give back the old key, or make a baseline with the new one: --version NEW --valid-from MOMENT",
        )
    return baseline


def load_baseline(monitor: Monitor, version: str) -> Baseline:
    """One version, from the store."""
    key = monitor.layout.baseline(version)
    body = documents.decode(monitor.store.get(key), KIND, SCHEMA_VERSION, key)
    spec = ProfileSpec.from_json(body["spec"])
    place = monitor.layout.baseline_profile(version)
    profile = WindowProfile.unpack(Packed.read(monitor.store.get(place), place), spec)
    valid_from = datetime.fromisoformat(body["valid_from"])
    segments = {name: tuple(categories) for name, categories in body.get("segments", {}).items()}
    counts = (body["rows"], body["windows"])
    place = monitor.layout.baseline_labelled(version)
    basis = unpack_basis(*documents.unpack(monitor.store.get(place), LABELLED, 1, place)) if body["labelled"] else None
    losses = basis.losses if basis is not None else None
    reference = Reference(version, spec, profile, Limits.from_json(body["limits"]), losses)
    return Baseline(reference, valid_from, *counts, body["source"], segments, body.get("hash_key", ""), basis)


def load_sample(monitor: Monitor, version: str) -> pa.Table:
    """The baseline's sample of rows: canonical records and `label`."""
    return records.from_parquet(monitor.store.get(monitor.layout.baseline_sample(version)))


def _versions(monitor: Monitor) -> list[tuple[str, datetime]]:
    """All versions and the moments from which they are valid, in that order."""
    return _parse_pointer(monitor, _pointer(monitor))


def _pointer(monitor: Monitor) -> bytes | None:
    key = monitor.layout.baseline_pointer
    return monitor.store.get(key) if monitor.store.exists(key) else None


def _parse_pointer(monitor: Monitor, data: bytes | None) -> list[tuple[str, datetime]]:
    if data is None:
        return []
    body = documents.decode(data, POINTER, POINTER_VERSION, monitor.layout.baseline_pointer)
    return [(item["version"], datetime.fromisoformat(item["valid_from"])) for item in body["versions"]]


def write_baseline(monitor: Monitor, baseline: Baseline, table: pa.Table, labels: pa.Array) -> None:
    """Store a version, and point to it.

    Args:
        monitor: The model.
        baseline: The version.
        table: Its rows as canonical records, to draw a sample from; empty for a baseline that was made without rows.
        labels: One per row, null without a label.

    Raises:
        ConfigError: The version exists with other content.
    """
    reference = baseline.reference
    profile = reference.profile.pack()
    body: dict[str, Any] = {
        "model": monitor.config.name,
        "version": baseline.version,
        "valid_from": iso(baseline.valid_from),
        "rows": baseline.rows,
        "windows": baseline.windows,
        "source": baseline.source,
        "config": monitor.config.fingerprint(),
        "spec": reference.spec.to_json(),
        "profile": hashlib.sha256(profile).hexdigest(),
        "limits": reference.limits.to_json(),
        "labelled": baseline.basis is not None,
    }
    if baseline.segments:
        body["segments"] = {name: list(categories) for name, categories in baseline.segments.items()}
    if baseline.hash_key:
        body["hash_key"] = baseline.hash_key
    document = documents.encode(KIND, SCHEMA_VERSION, body)
    key = monitor.layout.baseline(baseline.version)
    if not monitor.store.put_if_absent(key, document) and monitor.store.get(key) != document:
        raise ConfigError(
            f"baseline {baseline.version} exists and is different",
            where=monitor.config.name,
            hint="baselines are never changed; give the new one another --version",
        )
    monitor.store.put(monitor.layout.baseline_profile(baseline.version), profile)
    if baseline.basis is not None:
        labelled = documents.pack(LABELLED, 1, *baseline.basis.pack())
        monitor.store.put(monitor.layout.baseline_labelled(baseline.version), labelled)
    marked = table.append_column("label", labels)
    sample = bottom_k(marked, monitor.config.report.sample_rows)
    monitor.store.put(monitor.layout.baseline_sample(baseline.version), records.to_parquet(sample))
    while True:
        before = _pointer(monitor)
        versions = dict(_parse_pointer(monitor, before)) | {baseline.version: baseline.valid_from}
        ordered = sorted(versions.items(), key=lambda item: item[1])
        pointer = {"versions": [{"version": name, "valid_from": iso(start)} for name, start in ordered]}
        try:
            monitor.store.replace(
                monitor.layout.baseline_pointer, documents.encode(POINTER, POINTER_VERSION, pointer), before
            )
            return
        except ConflictError:
            continue  # another version was added in between: add ours to what is there now
