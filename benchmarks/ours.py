"""Our side of every measurement: the only module here that knows the monitor's interfaces."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import data
from benchmarks.task import Clock
from monitoring.engine.parquet import learn_spec, profile_parquet
from monitoring.measure.drift import drift as drift_of
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.profile import NumericProfile, OutcomeProfile, Packed, ProfileSpec, RecordColumns, WindowProfile
from monitoring.profile.distribution import Distribution, Histogram

COLUMNS = RecordColumns(score="score", prediction="prediction")
DISTANCES = {"Wasserstein": "wasserstein", "Kolmogorov-Smirnov": "ks", "PSI": "psi", "Jensen-Shannon": "jensen_shannon"}
PERFORMANCES = {"ROC AUC": "roc_auc", "PR AUC": "average_precision", "Brier": "brier", "log loss": "log_loss"}
THRESHOLD = 0.5
TIMES = 20

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]


def learn(reference: str, baseline: str) -> dict[str, float]:
    """Freeze the bins and profile the reference, as creating a baseline does, and keep both."""
    clock = Clock()
    with clock.running():
        paths = data.files(reference)
        spec = learn_spec(paths, data.kinds(reference), COLUMNS)
        found = profile_parquet(paths, spec, COLUMNS, threads=2)
    Path(baseline).mkdir(parents=True, exist_ok=True)
    Path(baseline, "spec.json").write_text(json.dumps(spec.to_json()))
    size = Path(baseline, "profile").write_bytes(found.pack())
    return {"wall": clock.wall, "cpu": clock.cpu, "bytes": size}


def _spec(baseline: str) -> ProfileSpec:
    return ProfileSpec.from_json(json.loads(Path(baseline, "spec.json").read_text()))


def _reference(baseline: str, spec: ProfileSpec) -> WindowProfile:
    path = Path(baseline, "profile")
    return WindowProfile.unpack(Packed.read(path.read_bytes(), str(path)), spec)


def profile(folder: str, baseline: str, warm_up: str, threads: int, repeats: int) -> dict[str, float]:
    """Median seconds of profiling all rows, once compiled code is loaded."""
    spec = _spec(baseline)
    profile_parquet(data.files(warm_up), spec, COLUMNS, threads=threads)
    clocks = [Clock() for _ in range(repeats)]
    for clock in clocks:
        with clock.running():
            rows = profile_parquet(data.files(folder), spec, COLUMNS, threads=threads).rows
    return {"wall": median(c.wall for c in clocks), "cpu": median(c.cpu for c in clocks), "rows": rows}


def first_rows(baseline: str, warm_up: str) -> dict[str, float]:
    """All that happens in a fresh process until its first small file is profiled."""
    spec = _spec(baseline)
    return {"rows": profile_parquet(data.files(warm_up), spec, COLUMNS, threads=1).rows}


def _drift(reference: WindowProfile, window: WindowProfile) -> dict[str, object]:
    """Wasserstein distance of each numeric feature, Jensen-Shannon distance of each categorical one."""
    found: dict[str, object] = {}
    for name in reference.features:
        before, now = reference.distribution(name), window.distribution(name)
        method = "wasserstein" if isinstance(before, Histogram) else "jensen_shannon"
        found[name] = drift_of(method, before, now).value
    return found


def _quality(window: WindowProfile) -> dict[str, object]:
    """What a summary of a window shows of each feature."""
    found: dict[str, object] = {}
    for name, column in window.features.items():
        found[f"{name} nulls"], found[f"{name} distinct"] = column.nulls, column.distinct
        if isinstance(column, NumericProfile):
            quantiles = [column.quantile(share) for share in (0.25, 0.5, 0.75)]
            found[name] = column.nans, column.mean, column.deviation, column.low, column.high, quantiles
        else:
            found[name] = column.cells(), column.unseen
    return found


def drift(folder: str, baseline: str) -> dict[str, float]:
    """Median seconds of the drift of all features between two profiles that are in memory."""
    spec = _spec(baseline)
    reference = _reference(baseline, spec)
    window = profile_parquet(data.files(folder), spec, COLUMNS, threads=2)
    clocks = [Clock() for _ in range(TIMES)]
    for clock in clocks:
        with clock.running():
            found = _drift(reference, window)
    assert all(value is not None for value in found.values())
    return {"wall": median(c.wall for c in clocks), "cpu": median(c.cpu for c in clocks), "columns": len(found)}


def day(folder: str, baseline: str, warm_up: str, threads: int, labelled: bool) -> dict[str, float]:
    """What a window is asked: profile, drift, quality and, with labels, performance."""
    spec = _spec(baseline)
    reference = _reference(baseline, spec)
    _answer(warm_up, spec, reference, threads, labelled=labelled)
    clock = Clock()
    with clock.running():
        answers = _answer(folder, spec, reference, threads, labelled=labelled)
    return {"wall": clock.wall, "cpu": clock.cpu, "answers": len(answers)}


def _answer(
    folder: str, spec: ProfileSpec, reference: WindowProfile, threads: int, *, labelled: bool
) -> dict[str, object]:
    window = profile_parquet(data.files(folder), spec, COLUMNS, threads=threads)
    answers = _drift(reference, window) | _quality(window)
    answers["score"] = drift_of("wasserstein", reference.score_distribution(), window.score_distribution()).value
    if labelled:
        answers |= performance(_outcomes(folder))
    return answers


def _outcomes(folder: str) -> OutcomeProfile:
    """Scores against labels; the rows of both stand in the same order."""
    scores, predictions = (_column(folder, "records", name) for name in ("score", "prediction"))
    return OutcomeProfile.of(scores, predictions == 1, _column(folder, "labels", "label") == 1)


def _column(folder: str, what: str, name: str) -> Any:
    read = [pq.ParquetFile(path, memory_map=True).read([name], use_threads=False) for path in data.files(folder, what)]
    return pa.concat_tables(read).column(0).to_numpy()


def distributions(paths: list[str], kinds: dict[str, data.Kind]) -> list[dict[str, Distribution]]:
    """The distributions of each file's columns, on edges learned from the first."""
    spec = learn_spec(paths[:1], kinds, COLUMNS)
    profiles = [profile_parquet([path], spec, COLUMNS, threads=2) for path in paths]
    return [{name: found.distribution(name) for name in kinds} for found in profiles]


def distances(reference: Distribution, window: Distribution) -> dict[str, float]:
    """Every distance that accuracy is tested of."""
    return {name: _value(drift_of(method, reference, window)) for name, method in DISTANCES.items()}


def borders(reference: Distribution) -> Floats:
    """Where the coarse cells end on which PSI and Jensen-Shannon distances are computed."""
    assert isinstance(reference, Histogram)
    return np.asarray(reference.edges[reference.cells])


def performances(scores: Floats, labels: Truths) -> dict[str, float]:
    """Every performance number that accuracy is tested of."""
    found = performance(OutcomeProfile.of(scores, scores >= THRESHOLD, labels))
    return {name: _value(found[key]) for name, key in PERFORMANCES.items()}


def _value(measurement: Measurement) -> float:
    assert measurement.value is not None
    return measurement.value
