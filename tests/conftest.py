"""Small builders that many tests share: a toy model, its world, and a real S3 server."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings as hypothesis_settings

from demo.environment import BUCKET
from demo.seaweed import client_of
from demo.seaweed import seaweed as start_seaweed
from monitoring import documents
from monitoring.baseline import create_baseline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.config import ModelConfig
from monitoring.monitor import Monitor
from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.window import Window

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[1]
FIRST_DAY = datetime(2024, 1, 11, tzinfo=UTC)
ROWS_A_DAY = 300
TRAINING_DAYS = 10
FEATURES = ("amount", "age", "country")

# Tests are not timed: the first example of a test may load compiled code, and machines are shared.
hypothesis_settings.register_profile("steady", deadline=None)
hypothesis_settings.load_profile("steady")


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes`, nested mappings merged; None takes a key out."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            result[key] = merged(base[key], value)
        else:
            result[key] = value
    return result


@pytest.fixture
def settings() -> dict[str, Any]:
    """The settings of the toy model, as they would stand in `models/toy.yaml`."""
    return {
        "name": "toy",
        "schedule": {"every": "day", "settle": "6h", "start": "2024-01-11"},
        "trailing": 3,
        "capture": {"uri": "captures/toy"},
        "labels": {"uri": "labels/toy", "horizon": "2d"},
        "columns": {"features": {"amount": "numeric", "age": "numeric", "country": "categorical"}},
        "baseline": {"uri": "training/toy.parquet"},
    }


MakeConfig = Callable[..., ModelConfig]


@pytest.fixture
def make_config(settings: dict[str, Any]) -> MakeConfig:
    """The toy model, with some settings changed."""
    return lambda **changes: ModelConfig.model_validate(merged(settings, changes))


@dataclass
class Day:
    """What happened on one day: `ROWS_A_DAY` rows, the labels of most of them, and when those came."""

    moments: list[datetime]
    ids: list[str]
    features: list[list[Any]]
    scores: list[float]
    labels: list[str]
    delays: list[timedelta | None]


def make_day(number: int) -> Day:
    """Day `number`, counted from the first monitored day; the training days are negative."""
    random = np.random.default_rng([7, number + 1000])
    start = FIRST_DAY + timedelta(days=number)
    seconds = np.sort(random.integers(0, 86_400, ROWS_A_DAY))
    amount, age = random.lognormal(3, 1, ROWS_A_DAY).round(2), random.integers(18, 90, ROWS_A_DAY)
    country = random.choice(["at", "ch", "de", "li"], ROWS_A_DAY, p=[0.3, 0.2, 0.45, 0.05])
    logit = (age - 54) / 15 + (country == "de") - 0.5 + random.normal(0, 0.3, ROWS_A_DAY)
    scores = 1 / (1 + np.exp(-logit))
    labels = random.random(ROWS_A_DAY) < scores
    hours = random.choice([1, 12, 30, -1], ROWS_A_DAY, p=[0.5, 0.3, 0.15, 0.05])
    return Day(
        moments=[start + timedelta(seconds=int(s)) for s in seconds],
        ids=[f"{start:%Y-%m-%d}-{i:03d}" for i in range(ROWS_A_DAY)],
        features=[[float(a) if a > 3 else None, int(b), str(c)] for a, b, c in zip(amount, age, country, strict=True)],
        scores=[float(s) for s in scores],
        labels=["1" if label else "0" for label in labels],
        delays=[timedelta(hours=int(h)) if h > 0 else None for h in hours],
    )


@functools.cache
def training_rows() -> bytes:
    """The toy model's training rows as Parquet."""
    days = [make_day(number) for number in range(-TRAINING_DAYS, 0)]
    features = [row for day in days for row in day.features]
    columns = {name: [row[i] for row in features] for i, name in enumerate(FEATURES)}
    table = pa.table(
        {
            "event_time": pa.array([m for day in days for m in day.moments], pa.timestamp("us", tz="UTC")),
            **columns,
            "label": [label for day in days for label in day.labels],
            "score": [score for day in days for score in day.scores],
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


class World:
    """The toy model on a store, and what happens around it.

    Args:
        store: The monitor's store.
        config: The toy model.
    """

    def __init__(self, store: Store, config: ModelConfig) -> None:
        self.monitor = Monitor(store, config)

    def window(self, number: int) -> Window:
        """The window of day `number`."""
        return Window(FIRST_DAY, "day").shift(number)

    def train(self) -> None:
        """Make the baseline."""
        self.monitor.store.put("training/toy.parquet", training_rows())
        create_baseline(self.monitor)

    def inferences(self, number: int) -> list[CapturedInference]:
        """The inferences of day `number`."""
        day = make_day(number)
        return [
            CapturedInference(*row, {"model_version": "1", "latency_ms": "12.5", "status": "200"})
            for row in zip(day.ids, day.moments, day.features, day.scores, strict=True)
        ]

    def labels(self, number: int) -> list[tuple[str, str, datetime]]:
        """The labels of day `number` that ever come."""
        day = make_day(number)
        rows = zip(day.ids, day.labels, day.moments, day.delays, strict=True)
        return [(key, label, moment + delay) for key, label, moment, delay in rows if delay is not None]

    def play(self, *numbers: int) -> None:
        """Let these days happen."""
        for number in numbers:
            write_captures(self.monitor.store, "captures/toy", self.inferences(number))
            write_labels(self.monitor.store, "labels/toy", self.labels(number))

    def replace_captures(self, number: int, change: Callable[[CapturedInference], CapturedInference]) -> None:
        """Write the captures of a day once more, each one changed."""
        for info in self.monitor.store.objects(f"captures/toy/{self.window(number).start:%Y/%m/%d}/"):
            self.monitor.store.delete(info.key)
        write_captures(self.monitor.store, "captures/toy", [change(item) for item in self.inferences(number)])


MakeWorld = Callable[..., World]
BuildOnce = Callable[..., World]
# What is expected of labels is learned from the windows before, as far as they were read
_OF_HISTORY = ("label_delay", "unmatched_labels", "concept_drift", "loss", "estimated_loss")


def measured(verdict: bytes) -> dict[str, Any]:
    """A stored verdict without what depends on how much was known of other windows."""
    body: dict[str, Any] = json.loads(verdict)
    kept = [item for item in body["findings"] if item["check"] not in _OF_HISTORY]
    body["findings"] = [{name: value for name, value in item.items() if name != "since"} for item in kept]
    return {name: value for name, value in body.items() if name != "why"}


@pytest.fixture
def make_world(tmp_path: Path, make_config: MakeConfig) -> MakeWorld:
    """The toy model on a local store (or the one given), with some settings changed."""

    def make(store: Store | None = None, **changes: Any) -> World:
        return World(store or LocalStore(tmp_path / "store"), make_config(**changes))

    return make


@pytest.fixture(scope="session")
def built_worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where worlds lie that were built once."""
    return tmp_path_factory.mktemp("built")


@pytest.fixture
def build_once(built_worlds: Path, tmp_path: Path, make_config: MakeConfig) -> BuildOnce:
    """A world as a function leaves it, called for the first test that asks; each test has a store of its own."""

    def make(build: Callable[[World], None], name: str = "store", **changes: Any) -> World:
        config, root = make_config(**changes), tmp_path / name
        whole = built_worlds / documents.fingerprint([build.__module__, build.__qualname__, config.fingerprint()])
        if not whole.exists():
            under_way = whole.with_suffix(".tmp")
            build(World(LocalStore(under_way), config))
            under_way.rename(whole)
        # a local store replaces files and changes none, so that links are as good as copies
        shutil.copytree(whole, root, copy_function=os.link)
        return World(LocalStore(root), config)

    return make


@dataclass(frozen=True)
class Seaweed:
    """A running SeaweedFS."""

    endpoint: str
    bucket: str
    client: S3Client


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """A real S3 server on loopback, with one bucket."""
    with start_seaweed(tmp_path_factory.mktemp("seaweed")) as environment:
        client = client_of(environment)
        yield Seaweed(environment["AWS_ENDPOINT_URL_S3"], BUCKET, client)
        client.close()


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
