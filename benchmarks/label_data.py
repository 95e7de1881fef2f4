"""Weeks of predictions that wait for labels, on a local store, as runs of the engine have left them.

Of each day, half of the rows have got their label on the day itself. On the last day labels of the others come, by
hour. What is written depends on nothing but the numbers of days and rows; parts are read, profiled and joined by the
engine. Days are shared by hard links, so that a longer lookback costs no more than its own days.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import sigmoid

if TYPE_CHECKING:
    from monitoring.monitor import Monitor
    from monitoring.window import Window

# Changes when the same numbers give another world
VERSION = 1
LAST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
FEATURES = ("amount", "age", "risk")
_DAY, _HOURS = timedelta(days=1), 24
_OBJECTS = 4  # of captures, a day
_FEW = 10_000
_TRAINING_DAYS, _TRAINING_ROWS = 10, 100_000
_DASHES = (8, 13, 18, 23)
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True)
class World:
    """Where a world is.

    Attributes:
        home: Its folder.
        rows: Predictions a day.
    """

    home: Path
    rows: int

    def monitor(self, root: Path, lookback: int) -> Monitor:
        """The model on a store below `root`."""
        from monitoring.config import ModelConfig
        from monitoring.monitor import Monitor
        from monitoring.store.local import LocalStore

        config = {
            "name": "late",
            "trailing": 1,
            "schedule": {"start": f"{day_of(lookback):%Y-%m-%d}", "settle": "0h"},
            "capture": {"uri": "captures", "format": "parquet"},
            "labels": {"uri": "labels", "format": ["parquet", "sagemaker"], "horizon": f"{lookback}d"},
            "columns": {"features": dict.fromkeys(FEATURES, "numeric")},
            "baseline": {"uri": "training.parquet"},
        }
        return Monitor(LocalStore(root), ModelConfig.model_validate(config))

    def state(self, lookback: int) -> Path:
        """The store before the last day's run: half of the labels of each day have been joined."""
        place = self.home / f"state-{lookback}"
        if not (place / "ready").exists():
            self._write_days(range(lookback, -1, -1))
            shutil.rmtree(place, ignore_errors=True)
            self._link([self.home / "model", *(self.home / f"day-{back}" for back in range(lookback, 0, -1))], place)
            _join(self.monitor(place, lookback))
            (place / "ready").touch()
        return place

    def copy(self, lookback: int, new: Path, place: Path) -> None:
        """A store for one run of the last day: its predictions have been read, and its labels are there."""
        self._link([self.state(lookback), self.home / "day-0", new], place)

    def new_labels(self, count: int, over: int, kind: str) -> Path:
        """Labels that come in the hours of the last day, of rows of `over` days before it that have none."""
        place = self.home / f"new-{kind}-{count}-{over}"
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            found = [
                _some_waiting(self.rows, back, count // over + (back <= count % over)) for back in range(1, over + 1)
            ]
            labels = pa.concat_tables(found)
            order = np.random.default_rng([VERSION, count]).permutation(labels.num_rows)
            for hour in range(_HOURS):
                _write_labels(place, LAST_DAY + timedelta(hours=hour), labels.take(order[hour::_HOURS]), kind)
            (place / "ready").touch()
        return place

    def _write_days(self, days: Iterable[int]) -> None:
        model = self.home / "model"
        if not (model / "ready").exists():
            shutil.rmtree(model, ignore_errors=True)
            _write_baseline(self.monitor(model, 1))
            (model / "ready").touch()
        missing = [back for back in days if not (self.home / f"day-{back}" / "ready").exists()]
        if self.rows < _FEW:  # sooner written than a process is started
            list(map(self._write_day, missing))
            return
        with ProcessPoolExecutor(2) as pool:
            for number, _ in enumerate(pool.map(self._write_day, missing), 1):
                print(f"  {number} of {len(missing)} days written", flush=True)

    def _write_day(self, back: int) -> None:
        """The predictions of a day, read by the engine, and the labels that come on the day itself."""
        from monitoring.capture.pinning import pin
        from monitoring.engine.intake import complete
        from monitoring.engine.reading import batch_count, read_batch

        place = self.home / f"day-{back}"
        shutil.rmtree(place, ignore_errors=True)
        self._link([self.home / "model"], place)
        monitor = self.monitor(place, back)  # nothing was monitored before this day: no other day is looked at
        window = monitor.window(f"{day_of(back):%Y-%m-%d}")
        table = predictions(back, self.rows)
        for part in range(_OBJECTS):
            folder = place / "captures" / f"{day_of(back) + part * _DAY / _OBJECTS:%Y/%m/%d/%H}"
            folder.mkdir(parents=True)
            size = -(-self.rows // _OBJECTS)
            pq.write_table(table.slice(part * size, size), folder / "all.parquet", compression="zstd")
        for batch in range(batch_count(pin(monitor, window))):
            read_batch(monitor, window, batch)
        assert complete(monitor, window).profiled == self.rows
        if back:
            known = labels_of(back, self.rows).take(np.arange(0, self.rows, 2))
            _write_labels(place, day_of(back) + timedelta(hours=_HOURS - 1), known, "parquet")
        shutil.rmtree(place / "captures")
        (place / "ready").touch()

    @staticmethod
    def _link(sources: Iterable[Path], place: Path) -> None:
        for source in sources:
            shutil.copytree(source, place, copy_function=_linked, dirs_exist_ok=True, ignore=_READY)


_READY = shutil.ignore_patterns("ready")


def _linked(source: str, target: str) -> None:
    if not os.path.exists(target):
        os.link(source, target)


def day_of(back: int) -> datetime:
    """The day so many days before the last one."""
    return LAST_DAY - back * _DAY


def _join(monitor: Monitor) -> None:
    """Everything up to the last day but one."""
    from monitoring.engine.label_join import ensure_joined
    from monitoring.labels.epochs import pin_epochs

    before: Window = monitor.window(f"{day_of(1):%Y-%m-%d}")
    pin_epochs(monitor, before)
    ensure_joined(monitor, before)


def predictions(back: int, rows: int) -> pa.Table:
    """Predictions of a day: three features and a score."""
    rng = np.random.default_rng([VERSION, back, 1])
    amount, age, risk = rng.lognormal(3.0, 1.0, rows).round(2), rng.integers(18, 90, rows), rng.beta(2.0, 5.0, rows)
    logit = 0.02 * (age - 54) + 4.0 * (risk - 0.3) + 0.3 * np.log(amount + 1) - 2.0 + 0.5 * rng.standard_normal(rows)
    first = int(day_of(back).timestamp() * 1e6)
    moments = np.sort(rng.integers(first, first + 86_400_000_000, rows))
    return pa.table(
        {
            "event_id": _ids(back, rows),
            "event_time": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "amount": amount,
            "age": age.astype(np.float64),
            "risk": risk,
            "score": sigmoid(logit),
        }
    )


def labels_of(back: int, rows: int) -> pa.Table:
    """The labels of all rows of a day."""
    scores = predictions(back, rows)["score"].to_numpy()
    truth = np.random.default_rng([VERSION, back, 2]).random(rows) < scores
    return pa.table({"event_id": _ids(back, rows), "label": truth.astype(np.int8)})


def _some_waiting(rows: int, back: int, count: int) -> pa.Table:
    waiting = np.arange(1, rows, 2)
    picked = np.random.default_rng([VERSION, back, 3]).choice(waiting, count, replace=False)
    return labels_of(back, rows).take(np.sort(picked))


def _ids(back: int, rows: int) -> pa.Array:
    """Random UUIDs as text."""
    random = np.frombuffer(np.random.default_rng([VERSION, back, 0]).bytes(16 * rows), np.uint8).reshape(rows, 16)
    text = np.empty((rows, 36), np.uint8)
    digits = [place for place in range(36) if place not in _DASHES]
    text[:, _DASHES] = ord("-")
    text[:, digits[::2]], text[:, digits[1::2]] = _DIGITS[random >> 4], _DIGITS[random & 15]
    offsets = np.arange(rows + 1, dtype=np.int32) * 36
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _write_labels(place: Path, moment: datetime, labels: pa.Table, kind: str) -> None:
    folder = place / "labels" / f"{moment:%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        pq.write_table(labels, folder / "labels.parquet", compression="zstd")
        return
    lines = (
        f'{{"groundTruthData":{{"data":"{label}","encoding":"CSV"}},'
        f'"eventMetadata":{{"eventId":"{event_id}"}},"eventVersion":"0"}}\n'
        for event_id, label in zip(labels["event_id"].to_pylist(), labels["label"].to_pylist(), strict=True)
    )
    (folder / "labels.jsonl").write_text("".join(lines))


def _write_baseline(monitor: Any) -> None:
    from monitoring.baseline import create_baseline

    days, size = [], _TRAINING_ROWS // _TRAINING_DAYS
    for back in range(100, 100 + _TRAINING_DAYS):
        table = predictions(back, size)
        days.append(table.append_column("label", labels_of(back, size)["label"]))
    monitor.store.root.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(days), monitor.store.root / "training.parquet")
    create_baseline(monitor)
