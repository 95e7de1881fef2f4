"""The law of the join: however labels are cut into objects and runs, they end as one join of everything would."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.capture import CapturedInference, write_captures
from monitoring.config import ModelConfig
from monitoring.engine.intake import complete
from monitoring.engine.label_join import JoinReader, ensure_joined
from monitoring.engine.labelled import labelled_window
from monitoring.engine.reading import read_batch
from monitoring.monitor import Monitor
from monitoring.pipeline import pin_inputs
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.conftest import FIRST_DAY, merged

DAYS, ROWS, RUNS = 3, 6, 6


def _config(settings_: dict[str, Any], **changes: Any) -> ModelConfig:
    labels = {"labels": {"format": "jsonl", "horizon": "10d", "label_time": "at", "weight": "w"}, "baseline": None}
    return ModelConfig.model_validate(merged(settings_, merged(labels, changes)))


def _ids(day: int) -> list[str]:
    return [f"day-{day}-{i}" for i in range(ROWS)]


def _inferences(day: int, late: bool) -> list[CapturedInference]:
    """The inferences of a day: the first ones in time, the others in an object that comes later."""
    moment = FIRST_DAY + timedelta(days=day, hours=3)
    rows = _ids(day)[4:] if late else _ids(day)[:4]
    return [CapturedInference(name, moment, [5.0, 30, "at"], 0.25, {}) for name in rows]


def _run(monitor: Monitor, number: int) -> None:
    window = Window(FIRST_DAY, "day").shift(number)
    for batch in range(pin_inputs(monitor, window)):
        read_batch(monitor, window, batch)
    complete(monitor, window)
    ensure_joined(monitor, window)


def _joined(monitor: Monitor) -> list[dict[str, Any]]:
    """Every labelled record, after all runs."""
    found = []
    last = Window(FIRST_DAY, "day").shift(RUNS - 1)
    for day in range(DAYS):
        window = labelled_window(monitor, Window(FIRST_DAY, "day").shift(day), last, ["event_id"])
        columns = (window.records["event_id"], window.label, window.weight)
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        found += [{"event_id": e, "label": label, "weight": w} for e, label, w in rows if label is not None]
    return sorted(found, key=lambda row: str(row["event_id"]))


EVENTS = st.sampled_from([*(name for day in range(DAYS) for name in _ids(day)), "nobody"])
LABELS = st.lists(
    st.tuples(EVENTS, st.sampled_from(["0", "1"]), st.none() | st.integers(0, 5), st.sampled_from([None, 0.5, 2.0])),
    min_size=1,
    max_size=5,
)
# an object: its hour of collection, its labels, and before which run it appears in the store, if that is later
OBJECTS = st.lists(st.tuples(st.integers(-30, 24 * 6), LABELS, st.integers(0, RUNS - 2)), max_size=7)


def _write(monitor: Monitor, number: int, hour: int, labels: list[Any]) -> None:
    folder = FIRST_DAY + timedelta(hours=hour)
    lines = [
        json.dumps({"event_id": e, "label": label, "w": w} | ({} if t is None else {"at": _moment(t).isoformat()}))
        for e, label, t, w in labels
    ]
    key = f"labels/toy/{folder:%Y/%m/%d/%H}/{number}.jsonl"
    monitor.store.put(key, "".join(f"{line}\n" for line in lines).encode())


def _moment(time: int) -> datetime:
    return FIRST_DAY + timedelta(days=time)


def _batch_join(objects: list[Any]) -> list[dict[str, Any]]:
    """All labels, sorted and joined at once by pandas."""
    rows = []
    for number, (hour, labels, _) in enumerate(objects):
        ended = FIRST_DAY + timedelta(hours=hour + 1)
        for line, (event, label, time, weight) in enumerate(labels):
            moment = ended if time is None else _moment(time)
            key = f"{FIRST_DAY + timedelta(hours=hour):%Y/%m/%d/%H}/{number}.jsonl"
            rows.append((event, label, weight, moment, ended, key, line))
    columns = ["event_id", "label", "weight", "time", "arrived", "key", "line"]
    labels_ = pd.DataFrame(rows, columns=columns).sort_values(["time", "arrived", "key", "line"])
    newest = labels_.groupby("event_id").tail(1)
    records = pd.DataFrame({"event_id": [name for day in range(DAYS) for name in _ids(day)]})
    found = records.merge(newest, on="event_id").sort_values("event_id")
    plain = found[["event_id", "label", "weight"]].astype(object)
    return [{str(k): v for k, v in row.items()} for row in plain.where(plain.notna(), None).to_dict("records")]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(objects=OBJECTS, order=st.permutations(range(DAYS)), again=st.integers(0, RUNS - 1))
def test_any_cut_into_objects_and_runs_ends_as_one_join(
    settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, objects: list[Any], order: list[int], again: int
) -> None:
    expected = _batch_join(objects)
    for name, runs in (("forward", range(RUNS)), ("mixed", (*order, *range(DAYS, RUNS), again))):
        monitor = Monitor(LocalStore(tmp_path_factory.mktemp(name)), _config(settings))
        for day in range(DAYS):
            write_captures(monitor.store, "captures/toy", _inferences(day, late=False))
        for step, run in enumerate(runs):
            for number, (hour, labels, appears) in enumerate(objects):
                if step == appears:
                    _write(monitor, number, hour, labels)
            if step < DAYS:
                write_captures(monitor.store, "captures/toy", _inferences(step, late=True))
            _run(monitor, run)
        assert _joined(monitor) == expected
        _check_accounting(monitor, sum(len(labels) for _, labels, _ in objects))


def _check_accounting(monitor: Monitor, read: int) -> None:
    joins, last = JoinReader(monitor), Window(FIRST_DAY, "day").shift(RUNS - 1)
    counts = joins.accounting(last, last)
    assert counts.read == read
    assert counts.read == counts.matched + counts.waiting + counts.expired + counts.quarantined
    rows = sum(item.rows for join in joins.joins().values() for item in join.windows.values())
    assert counts.matched == rows  # here each label belongs to one record at most


class _Stop(BaseException):
    """The process ends here."""


class _Dying(LocalStore):
    """Ends at one of its writes."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.writes = writes

    def put(self, key: str, data: bytes) -> None:
        self._count()
        super().put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._count()
        return super().put_if_absent(key, data)

    def _count(self) -> None:
        self.writes -= 1
        if not self.writes:
            raise _Stop


def test_killed_at_any_write_the_join_ends_the_same(settings: dict[str, Any], tmp_path: Path) -> None:
    objects: list[Any] = [
        (5, [("day-0-1", "1", None, None), ("day-1-0", "0", 1, 2.0)], 0),
        (30, [("day-0-1", "0", None, None)], 0),
    ]
    monitor = Monitor(LocalStore(tmp_path), _config(settings))
    for day in range(DAYS):
        write_captures(monitor.store, "captures/toy", _inferences(day, late=False))
    for number, (hour, labels, _) in enumerate(objects):
        _write(monitor, number, hour, labels)
    kills = 0
    for run in range(3):
        for writes in range(1, 200):
            try:
                _run(Monitor(_Dying(tmp_path, writes), monitor.config), run)
                break
            except _Stop:
                kills += 1
    assert kills > 20
    assert _joined(monitor) == _batch_join(objects)


def _world(make_config: Callable[..., ModelConfig], tmp_path: Path, **labels: Any) -> Monitor:
    monitor = Monitor(LocalStore(tmp_path), make_config(labels=labels, baseline=None))
    for day in range(DAYS):
        write_captures(monitor.store, "captures/toy", _inferences(day, late=False))
    return monitor


def test_a_label_that_gives_up_before_its_record_comes_expires(settings: dict[str, Any], tmp_path: Path) -> None:
    monitor = Monitor(LocalStore(tmp_path), _config(settings, labels={"horizon": "1d"}))
    write_captures(monitor.store, "captures/toy", _inferences(2, late=False))
    _write(monitor, 0, 1, [("day-2-0", "1", None, None)])  # two days before its record
    _write(monitor, 1, 24 * 2, [("day-2-1", "1", None, None)])
    for run in range(4):
        _run(monitor, run)
    assert [row["event_id"] for row in _joined(monitor)] == ["day-2-1"]
    first = Window(FIRST_DAY, "day")
    counts = JoinReader(monitor).accounting(first, first.shift(3))
    assert (counts.read, counts.matched, counts.expired, counts.waiting) == (2, 1, 1, 0)


def test_an_object_that_was_changed_is_read_again_and_counts_as_newer(
    make_config: Callable[..., ModelConfig], tmp_path: Path
) -> None:
    monitor = _world(make_config, tmp_path, format="csv", folders="", uri="labels/toy")
    monitor.store.put("labels/toy/all.csv", b"event_id,label\nday-0-0,1\n")
    _run(monitor, 0)
    monitor.store.put("labels/toy/all.csv", b"event_id,label\nday-0-0,0\nday-0-1,1\n")
    _run(monitor, 1)
    assert [row["label"] for row in _joined(monitor)] == ["0", "1"]
    joins = JoinReader(monitor)
    assert [len(joins.changes(Window(FIRST_DAY, "day")))] == [2]


def test_without_folders_labels_of_any_time_are_joined(make_config: Callable[..., ModelConfig], tmp_path: Path) -> None:
    monitor = _world(make_config, tmp_path, format="csv", folders="", uri="labels/toy", horizon="1d")
    rows = "".join(f"{name},1\n" for day in range(DAYS) for name in _ids(day))
    monitor.store.put("labels/toy/all.csv", f"event_id,label\n{rows}".encode())
    for run in range(DAYS):
        _run(monitor, run)
    assert len(_joined(monitor)) == 4 * DAYS


def test_weights_and_regression_labels_are_kept(make_config: Callable[..., ModelConfig], tmp_path: Path) -> None:
    columns = {"task": "regression"}
    monitor = Monitor(LocalStore(tmp_path), make_config(columns=columns, labels={"format": "csv"}, baseline=None))
    write_captures(monitor.store, "captures/toy", _inferences(0, late=False))
    monitor.store.put("labels/toy/2024/01/11/05/x.csv", b"event_id,label\nday-0-1,2.5\nday-0-0,x\n")
    _run(monitor, 0)
    window = Window(FIRST_DAY, "day")
    found = labelled_window(monitor, window, window, ["score"])
    assert found.label.to_pylist() == [None, 2.5, None, None]
    assert np.isclose(found.counts.coverage() or 0, 0.25)
    assert JoinReader(monitor).read(window, window) == (2, 1)
