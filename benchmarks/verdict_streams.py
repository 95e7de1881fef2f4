"""Streams of daily windows of a binary model, with and without a change, drawn as counts of rows.

A world is a pool of rows with features and a score that is right on average. A window is so many draws from the pool:
how often each row was drawn, and how often its label was positive. What a day is like, and what has changed, are other
weights of the same rows, or other rates of their labels. So a window of a million rows costs as much as one of a
thousand, columns depend on each other as rows do, and what an oracle has to know is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.config import ModelConfig
from monitoring.profile.fixed_point import FloatArray, IntArray

POOL_ROWS = 2048
STREAMS = ("iid", "weekly", "weather", "wide")
ROWS = (300, 1_000, 10_000, 1_000_000)
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
WIDE_NUMERIC, WIDE_CATEGORICAL, _FACTORS = 180, 20, 8
# Mean of the day's weather in standard deviations of a row's, and of what it does to labels beyond the score, in logits
_WEATHER, _WEATHER_RHO, _UNTOLD, _VOLUME = 0.8, 0.8, 0.1, 0.1
# By weekday, from Monday: how features lie, rows, and what labels do beyond the score, in logits
_WEEK_PLACE = np.array([0.25, 0.1, 0.0, 0.0, 0.15, -0.4, -0.5])
_WEEK_VOLUME = np.array([1.15, 1.1, 1.05, 1.05, 1.15, 0.85, 0.65])
_WEEK_LABELS = np.array([0.08, 0.03, 0.0, 0.0, 0.03, -0.08, -0.12])
# Rows by hour of the day, few at night
_HOURS = 1 + 0.9 * np.sin((np.arange(24) - 8) * np.pi / 12)
# Of the labels, how many are known when the window is first looked at, a day later, and after that
LABELS_BY_AGE = (0.95, 0.99, 1.0)


@dataclass(frozen=True, eq=False)
class Pool:
    """The rows of a world; n rows, c columns.

    Attributes:
        records: Their features, score and prediction, as canonical records.
        kinds: The columns, by name.
        latent: Where each row lies in each column, in standard deviations of an ordinary row; shape (n, c).
        state: What whole days move, in the same units; shape (n,).
        rates: The rate of positive labels, which is the score; shape (n,).
    """

    records: pa.Table
    kinds: dict[str, str]
    latent: FloatArray
    state: FloatArray
    rates: FloatArray

    def place(self, column: str) -> FloatArray:
        """Where each row lies in a column, shape (n,)."""
        return self.latent[:, list(self.kinds).index(column)]

    def values(self, column: str) -> list[Any]:
        return list(self.records[FEATURE_PREFIX + column].to_pylist())


def pool_of(stream: str) -> Pool:
    """The world of a stream."""
    return _wide_pool() if stream == "wide" else _small_pool()


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _logit(p: FloatArray) -> FloatArray:
    return np.asarray(np.log(p / (1 - p)))


def _standard(x: FloatArray) -> FloatArray:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def _small_pool() -> Pool:
    """Eight columns: four of them are the weather's, two have nulls, one has rare categories."""
    rng = np.random.default_rng(11)
    state, *own = _standard(rng.standard_normal((POOL_ROWS, 8))).T
    temp, humidity, wind, visits = (_standard(a * state + (1 - a * a) ** 0.5 * x) for a, x in _loads(own))
    amount, age, country, product = own[4], own[5], own[6], _standard(0.5 * own[4] + rng.standard_normal(POOL_ROWS))
    columns: dict[str, Any] = {
        "temp": np.round(12 + 8 * temp),
        "humidity": _missing(np.round(np.clip(60 + 15 * humidity, 5, 100)), rng, 0.02),
        "wind": np.round(np.exp(2 + 0.5 * wind)),
        "visits": np.round(np.exp(0.6 * visits)),
        "amount": _missing(np.round(np.exp(3 + amount) / 5) * 5 + 5.0 * (amount < -2), rng, 0.05),
        "age": np.round(np.clip(45 + 15 * age, 18, 95)),
        "country": _categories(country, ["at", "ch", "de", "fr", "it"], [0.45, 0.75, 0.9, 0.97]),
        "product": _categories(product, list("abcdefghijkl"), 1 - 0.62 ** np.arange(1, 12)),
    }
    latent = np.stack([temp, humidity, wind, visits, amount, age, country, product], axis=1)
    logit = -1.0 + latent @ np.array([0.5, -0.3, 0.3, 0.2, 0.6, -0.4, 0.4, 0.2])
    return _pool(columns, latent, state, logit)


def _loads(own: list[FloatArray]) -> Iterator[tuple[float, FloatArray]]:
    return zip((0.8, 0.7, 0.6, 0.4), own, strict=False)


def _wide_pool() -> Pool:
    """Two hundred columns that share eight factors: two of a group correlate with 0.64."""
    rng = np.random.default_rng(12)
    factors = _standard(rng.standard_normal((POOL_ROWS, _FACTORS)))
    count = WIDE_NUMERIC + WIDE_CATEGORICAL
    latent = _standard(0.8 * factors[:, np.arange(count) % _FACTORS] + 0.6 * rng.standard_normal((POOL_ROWS, count)))
    columns: dict[str, Any] = {f"n{i:03d}": np.round(10 * latent[:, i]).clip(-30, 30) for i in range(WIDE_NUMERIC)}
    for i in range(WIDE_CATEGORICAL):
        columns[f"c{i:02d}"] = _categories(latent[:, WIDE_NUMERIC + i], list("abcd"), [0.5, 0.8, 0.95])
    logit = -1.0 + 0.6 * factors[:, 0] - 0.5 * factors[:, 1] + 0.4 * factors[:, 2] + 0.3 * latent[:, 0]
    return _pool(columns, latent, factors[:, 0], logit)


def _missing(values: FloatArray, rng: np.random.Generator, share: float) -> FloatArray:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def _categories(place: FloatArray, names: list[str], upper: Any) -> list[str]:
    """Categories by where rows lie, each up to its share."""
    rank = np.argsort(np.argsort(place)) / len(place)
    return [names[i] for i in np.searchsorted(np.asarray(upper), rank, side="right")]


def _pool(columns: dict[str, Any], latent: FloatArray, state: FloatArray, logit: FloatArray) -> Pool:
    rates = np.clip(np.round(_sigmoid(logit), 2), 0.01, 0.99)
    arrays = {FEATURE_PREFIX + name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    records = pa.table({**arrays, "score": rates, "prediction": (rates >= 0.5).astype(str)})
    kinds = {name: "categorical" if isinstance(values, list) else "numeric" for name, values in columns.items()}
    return Pool(records, kinds, latent, state, rates)


def config_of(pool: Pool) -> ModelConfig:
    """A model of this world with nothing set but its columns: every check has its defaults."""
    settings = {
        "name": "stream",
        "capture": {"uri": "captures/stream"},
        "labels": {"uri": "labels/stream"},
        "columns": {"features": pool.kinds},
        "baseline": {"uri": "training/stream.parquet"},
    }
    return ModelConfig.model_validate(settings)


@dataclass(frozen=True, eq=False)
class Change:
    """What a window is drawn from.

    Attributes:
        weights: Logarithms of how much more often each row is drawn, shape (n,).
        rates: The rate of positive labels of each row, shape (n,).
    """

    weights: FloatArray
    rates: FloatArray


@dataclass(frozen=True)
class Shift:
    """A kind of change, after Rabanser, Günnemann and Lipton, Failing loudly, NeurIPS 2019, and what it is in.

    Attributes:
        columns: The columns that move; none where labels do.
        largest: The largest effect that there is.
        of: The world at an effect; 0 is no change.
        about_labels: Whether only labels can tell.
    """

    columns: tuple[str, ...]
    largest: float
    of: Callable[[Pool, float], Change]
    about_labels: bool = False


def shifts_of(stream: str) -> dict[str, Shift]:
    """The kinds of change of a stream, by name."""
    one, few, category = ("n005", ("n005", "n014", "n023", "n032"), "c03")
    if stream != "wide":
        one, few, category = "age", ("amount", "age"), "country"
    return {
        "mean": Shift((one,), 3.0, lambda pool, e: _inputs(pool, e * pool.place(one))),
        "variance": Shift((one,), 0.9, lambda pool, e: _inputs(pool, e * pool.place(one) ** 2 / 2)),
        "mixture": Shift((one,), 0.9, lambda pool, e: _mixture(pool, pool.place(one), e)),
        "sparse": Shift(few, 2.0, lambda pool, e: _inputs(pool, e * sum(pool.place(name) for name in few))),
        "category": Shift((category,), 5.0, lambda pool, e: _inputs(pool, e * _rarest(pool, category))),
        "prior": Shift((), 3.0, _prior, about_labels=True),
        "concept": Shift((), 1.0, _concept, about_labels=True),
    }


def _inputs(pool: Pool, weights: FloatArray) -> Change:
    return Change(weights, pool.rates)


def _mixture(pool: Pool, place: FloatArray, share: float) -> Change:
    """A share of the rows comes from elsewhere: two standard deviations away."""
    other = np.exp(2 * place)
    return _inputs(pool, np.log(1 - share + share * other / other.mean()))


def _rarest(pool: Pool, column: str) -> FloatArray:
    """1 in the rows of the third most frequent category."""
    values = np.array(pool.values(column))
    names, counts = np.unique(values, return_counts=True)
    return np.asarray(values == names[np.argsort(-counts)[2]], np.float64)


def _prior(pool: Pool, effect: float) -> Change:
    """More rows of the positive class; within a class rows are as before."""
    odds = np.exp(effect)
    return Change(np.log(1 + (odds - 1) * pool.rates), _sigmoid(_logit(pool.rates) + effect))


def _concept(pool: Pool, effect: float) -> Change:
    """A share of the labels follows the score the other way round; inputs and the rate of labels stay."""
    against = _logit(pool.rates)
    against = 2 * against.mean() - against
    low, high = -5.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(against + middle).mean() < pool.rates.mean() else (low, middle)
    return Change(np.zeros(len(against)), (1 - effect) * pool.rates + effect * _sigmoid(against + low))


@dataclass(frozen=True, eq=False)
class Day:
    """What a day is like, before any change.

    Attributes:
        weights: Logarithms of how often each row is drawn, shape (n,); 0 for all alike.
        volume: Rows, as a share of an ordinary day's.
        labels: What labels do beyond the score, in logits.
    """

    weights: FloatArray | float
    volume: float
    labels: float


def days_of(stream: str, pool: Pool, rng: np.random.Generator) -> Iterator[Day]:
    """Days without a change, from a Monday on, without end."""
    weather, untold, volume = rng.standard_normal(3)
    step = (1 - _WEATHER_RHO**2) ** 0.5
    for number in range(10**9):
        if stream == "weekly":
            place, labels = _WEEK_PLACE[number % 7], float(_WEEK_LABELS[number % 7])
            yield Day(place * pool.state, float(_WEEK_VOLUME[number % 7]), labels)
        elif stream == "weather":
            yield Day(_WEATHER * weather * pool.state, float(np.exp(_VOLUME * volume)), float(_UNTOLD * untold))
            weather, untold, volume = _WEATHER_RHO * np.array([weather, untold, volume]) + step * rng.standard_normal(3)
        else:
            yield Day(0.0, 1.0, 0.0)


def world_on(day: Day, change: Change) -> tuple[FloatArray, FloatArray]:
    """The share of each row, and its rate of positive labels; two of shape (n,)."""
    weights = change.weights + day.weights
    shares = np.exp(weights - weights.max())
    rates = _sigmoid(_logit(change.rates) + day.labels) if day.labels else change.rates
    return shares / shares.sum(), rates


@dataclass(frozen=True, eq=False)
class Draw:
    """The rows of a window.

    Attributes:
        day: Its date.
        rows: How often each row of the pool was drawn, shape (n,).
        positives: How often with a positive label, shape (n,).
        hours: Rows by hour, shape (24,).
    """

    day: date
    rows: IntArray
    positives: IntArray
    hours: IntArray


@dataclass
class Stream:
    """Windows of a stream, one after the other.

    Attributes:
        pool: The world.
        rows: Rows of an ordinary window.
        days: What days are like.
        rng: Chance.
        number: How many windows have been drawn.
    """

    pool: Pool
    rows: int
    days: Iterator[Day]
    rng: np.random.Generator
    number: int = 0

    @classmethod
    def of(cls, stream: str, pool: Pool, rows: int, seed: int) -> Stream:
        """A stream from its first day; the same seed gives the same windows."""
        rng = np.random.default_rng([seed, rows, STREAMS.index(stream)])
        return cls(pool, rows, days_of(stream, pool, rng.spawn(1)[0]), rng)

    def draw(self, change: Change | None = None) -> Draw:
        """The next window."""
        day = (FIRST_DAY + timedelta(days=self.number)).date()
        self.number += 1
        return self.draw_on(next(self.days), day, change)

    def draw_on(self, like: Day, day: date, change: Change | None = None) -> Draw:
        """A window of a given day."""
        shares, rates = world_on(like, change or unchanged(self.pool))
        total = max(int(self.rng.poisson(self.rows * like.volume)), 1)
        drawn = self.rng.multinomial(total, shares)
        hours = self.rng.multinomial(total, _HOURS / _HOURS.sum())
        return Draw(day, drawn, self.rng.binomial(drawn, rates), hours)

    def branch(self, days: list[Day], seed: int) -> Stream:
        """The same world on days that are known, with chance of its own."""
        return replace(self, days=iter(days), rng=np.random.default_rng([seed, self.number, self.rows]))


def unchanged(pool: Pool) -> Change:
    """No change."""
    return Change(np.zeros(len(pool.rates)), pool.rates)
