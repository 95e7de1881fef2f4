"""How far our numbers are from those of all rows, as SciPy, NumPy and scikit-learn compute them.

All goes the way that a window goes: Parquet files, frozen edges, profiles, distances of profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import ours
from benchmarks.data import Kind, sigmoid

Floats = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator, int, float], Floats]
Compared = dict[str, tuple[float, float, float]]


def _zeros(rng: np.random.Generator, n: int, moved: float) -> Floats:
    return np.where(rng.random(n) < 0.5 - 0.2 * moved, 0.0, rng.normal(3.0, 1.0, n))


def _outlier(rng: np.random.Generator, n: int, moved: float, *, in_window: bool) -> Floats:
    values = rng.normal(moved, 1.0, n)
    if in_window == (moved > 0):
        values[n // 2] = 1e9
    return values


# How to draw each column; the last argument is 0 for the reference and 0.1 for the window.
COLUMNS: dict[str, Draw] = {
    "normal": lambda rng, n, moved: rng.normal(moved, 1.0, n),
    "gamma": lambda rng, n, moved: rng.gamma(2.0, 3.0 * (1 + moved), n),
    "lognormal, sigma 2": lambda rng, n, moved: rng.lognormal(moved, 2.0, n),
    "Poisson": lambda rng, n, moved: rng.poisson(3.0 * (1 + moved), n).astype(float),
    "half zeros": _zeros,
    "normal times 1e-5": lambda rng, n, moved: 1e-5 * rng.normal(moved, 1.0, n),
    "1e9 once in the window": partial(_outlier, in_window=True),
    "1e9 once in the reference": partial(_outlier, in_window=False),
}
MOVED = 0.1
KINDS: dict[str, Kind] = dict.fromkeys(COLUMNS, "numeric")


def distances(rows: int, seed: int, folder: str) -> dict[str, Any]:
    """Drift of hard columns: relative errors of the Wasserstein distance, absolute ones of the others."""
    sides = [_write(Path(folder), name, rows, seed, moved) for name, moved in (("reference", 0.0), ("window", MOVED))]
    reference, window = ours.distributions([path for path, _ in sides], KINDS)
    details: Compared = {}
    for name in COLUMNS:
        before, now = (values[name] for _, values in sides)
        found = ours.distances(reference[name], window[name])
        for distance, exact in _exact(before, now, ours.borders(reference[name])):
            error = abs(found[distance] - exact) / (exact if distance == "Wasserstein" else 1.0)
            details[f"{name}: {distance}"] = exact, found[distance], error
    worst = {what: max(e for name, (*_, e) in details.items() if name.endswith(f": {what}")) for what in ours.DISTANCES}
    return {"details": details, "worst": worst["Wasserstein"], **worst}


def _write(folder: Path, name: str, rows: int, seed: int, moved: float) -> tuple[str, dict[str, Floats]]:
    values = {
        column: draw(np.random.default_rng([seed, place, round(100 * moved)]), rows, moved)
        for place, (column, draw) in enumerate(COLUMNS.items())
    }
    score = np.random.default_rng([seed, round(100 * moved)]).random(rows)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table({**values, "score": score, "prediction": (score >= 0.5).astype(np.int8)}), path)
    return str(path), values


def _exact(before: Floats, now: Floats, borders: Floats) -> Iterator[tuple[str, float]]:
    """Distances from all values: the first two as SciPy has them, the others on the baseline's cells."""
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import ks_2samp, wasserstein_distance

    yield "Wasserstein", float(wasserstein_distance(before, now) / before.std())
    yield "Kolmogorov-Smirnov", float(ks_2samp(before, now, method="asymp").statistic)
    counts = [
        np.bincount(np.searchsorted(borders, values, side="right"), minlength=len(borders) + 1)
        for values in (before, now)
    ]
    p, q = (np.maximum(side[(counts[0] + counts[1]) > 0], 0.5) / side.sum() for side in counts)
    yield "PSI", float(((p - q) * np.log(p / q)).sum())
    yield "Jensen-Shannon", float(jensenshannon(*counts, base=2))


def _ordinary(rng: np.random.Generator, n: int) -> tuple[Floats, Any]:
    logit = rng.normal(-1.5, 1.2, n)
    return sigmoid(1.15 * logit + 0.3 * rng.standard_normal(n)), rng.random(n) < sigmoid(logit)


def _fraud(rng: np.random.Generator, n: int) -> tuple[Floats, Any]:
    """One positive in a thousand, scores piled up near zero."""
    logit = rng.normal(-8.5, 1.8, n)
    return sigmoid(1.05 * logit + 0.3 * rng.standard_normal(n)), rng.random(n) < sigmoid(logit)


def _rounded(rng: np.random.Generator, n: int) -> tuple[Floats, Any]:
    score, label = _ordinary(rng, n)
    return np.round(score, 2), label


def scores(rows: int, seed: int) -> dict[str, Any]:
    """Performance numbers of score distributions that are easy and hard to bin."""
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    exact = {
        "ROC AUC": roc_auc_score,
        "PR AUC": average_precision_score,
        "Brier": brier_score_loss,
        "log loss": log_loss,
    }
    details: Compared = {}
    for place, (kind, draw) in enumerate({"ordinary": _ordinary, "fraud": _fraud, "two decimals": _rounded}.items()):
        score, label = draw(np.random.default_rng([seed, place]), rows)
        label[:2] = True, False  # both classes, however few rows
        found = ours.performances(score, label)
        for name, measure in exact.items():
            value = float(measure(label, score))
            details[f"{kind}: {name}"] = value, found[name], abs(found[name] - value)
    return {"details": details, "worst": max(error for *_, error in details.values())}
