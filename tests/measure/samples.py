"""Pairs of samples of many shapes, and their distributions on bins that a baseline froze."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monitoring.profile.bins import cell_edges, frozen_edges
from monitoring.profile.distribution import Categories, FloatArray, Histogram, distinct_edges

Pair = tuple[FloatArray, FloatArray]
Draw = Callable[[np.random.Generator, int], FloatArray]


def _with_one(far: float, draw: Draw) -> Draw:
    return lambda rng, n: np.append(draw(rng, n - 1), far)


def _zero_or_exponential(share: float) -> Draw:
    return lambda rng, n: np.where(rng.random(n) < share, 0.0, rng.exponential(size=n))


def _normal(mean: float = 0.0, deviation: float = 1.0) -> Draw:
    return lambda rng, n: rng.normal(mean, deviation, n)


def _lognormal(mean: float = 0.0, deviation: float = 2.0) -> Draw:
    return lambda rng, n: rng.lognormal(mean, deviation, n)


def _poisson(mean: float) -> Draw:
    return lambda rng, n: rng.poisson(mean, n)


def _gamma(shape: float) -> Draw:
    return lambda rng, n: rng.gamma(shape, size=n)


# reference and current
SHAPES: dict[str, tuple[Draw, Draw]] = {
    "normal, nothing changed": (_normal(), _normal()),
    "normal, moved a little": (_normal(), _normal(0.1)),
    "normal, moved by 3": (_normal(), _normal(3.0)),
    "normal, wider": (_normal(), _normal(0.0, 1.5)),
    "normal, much narrower": (_normal(), _normal(0.2, 0.01)),
    "skewed": (_gamma(2.0), _gamma(2.2)),
    "lognormal, nothing changed": (_lognormal(), _lognormal()),
    "lognormal, moved": (_lognormal(), _lognormal(0.3)),
    "poisson": (_poisson(4.0), _poisson(4.3)),
    "many whole numbers": (_poisson(9000.0), _poisson(9010.0)),
    "zero or exponential": (_zero_or_exponential(0.4), _zero_or_exponential(0.45)),
    "very small numbers": (_normal(0.0, 1e-5), _normal(2e-5, 1e-5)),
    "one far value": (_normal(), _with_one(1e9, _normal(0.5))),
    "one far value before": (_with_one(1e9, _normal()), _normal(0.5)),
    "stuck": (_normal(), lambda _rng, n: np.full(n, 0.3)),
}


def draw(shape: str, n: int, m: int, seed: int = 0) -> Pair:
    """A reference of n values and m current ones."""
    rng = np.random.default_rng(seed)
    reference, current = SHAPES[shape]
    return reference(rng, n), current(rng, m)


def frozen(reference: FloatArray, *currents: FloatArray) -> list[Histogram]:
    """The histograms of a reference and of other values, on the bins of the reference."""
    finite = np.sort(reference[np.isfinite(reference)])
    borders = cell_edges(finite)
    edges = np.union1d(frozen_edges(finite), borders)
    cells = np.searchsorted(edges, borders)
    return [Histogram.of(values, edges, cells=cells) for values in (reference, *currents)]


def exact(reference: FloatArray, current: FloatArray) -> tuple[Histogram, Histogram]:
    """The histograms of two samples, with a bin for each distinct value."""
    edges = distinct_edges(reference, current)
    return Histogram.of(reference, edges), Histogram.of(current, edges)


def categories(reference: FloatArray, current: FloatArray) -> tuple[Categories, Categories]:
    """Two categorical columns, of which the baseline counts all its own categories."""
    known, counts = np.unique(reference, return_counts=True)
    names = [str(value) for value in known.tolist()]
    found, numbers = np.unique(current, return_counts=True)
    now = dict(zip((str(value) for value in found.tolist()), numbers.tolist(), strict=True))
    new = {name: rows for name, rows in now.items() if name not in names}
    return (
        Categories(dict(zip(names, counts.tolist(), strict=True))),
        Categories({name: now.get(name, 0) for name in names}, unseen=sum(new.values()), new=new),
    )
