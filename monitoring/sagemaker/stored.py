"""Files and stores: SageMaker's files are read from where they are, and written beside a verdict."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from monitoring import documents
from monitoring.baseline import Baseline, start_of, write_baseline
from monitoring.capture.schema import schema
from monitoring.judge import Verdict
from monitoring.monitor import Monitor
from monitoring.profile import WindowProfile
from monitoring.sagemaker.baselines import baseline_of
from monitoring.sagemaker.files import Constraints, Statistics
from monitoring.sagemaker.write import constraint_violations, model_quality_violations, statistics


def read_file(monitor: Monitor, place: str) -> bytes:
    """The bytes of a file.

    Args:
        monitor: The model.
        place: A file here, an S3 URI, or a key in the monitor's own store.
    """
    path = Path(place).expanduser()
    if "://" not in place and path.is_file():
        return path.read_bytes()
    folder, _, name = place.rpartition("/")
    store, prefix = monitor.source(folder) if folder else (monitor.store, "")
    return store.get(prefix + name)


def freeze_baseline(
    monitor: Monitor,
    statistics: bytes,
    constraints: bytes | None = None,
    *,
    version: str = "",
    valid_from: datetime | None = None,
) -> Baseline:
    """Make a baseline of a file of statistics, and point to it.

    Args:
        monitor: The model.
        statistics: `statistics.json`.
        constraints: `constraints.json`, for the domains in it.
        version: Its name; by default a hash of the files and of the configuration.
        valid_from: Windows from this moment on use it; the first version is valid always.

    Raises:
        ConfigError: The files do not fit the model, or the version exists with other content.
    """
    found = Statistics.parse(statistics, "statistics.json")
    allowed = None if constraints is None else Constraints.parse(constraints, "constraints.json")
    source = documents.fingerprint([statistics.hex(), (constraints or b"").hex()])
    version, start = start_of(monitor, source, version, valid_from)
    baseline = baseline_of(
        found, allowed, monitor.config, version=version, valid_from=start, source=source, key=monitor.hash_key
    )
    no_rows = schema(monitor.config.columns).empty_table()
    write_baseline(monitor, baseline, no_rows, pa.nulls(0))
    return baseline


def write_look(monitor: Monitor, verdict: Verdict, profile: WindowProfile) -> None:
    """Write SageMaker's files of one look.

    Args:
        monitor: The model.
        verdict: What the checks said.
        profile: The window's records.
    """
    place, score = (verdict.window, verdict.revision), monitor.config.columns.score
    layout, store = monitor.layout, monitor.store
    store.put(layout.statistics(*place), _encoded(statistics(profile, score)))
    violations = constraint_violations(verdict, profile, score or "prediction")
    store.put(layout.constraint_violations(*place), _encoded(violations))
    if monitor.config.labels is not None:
        store.put(layout.model_quality_violations(*place), _encoded(model_quality_violations(verdict)))


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"
