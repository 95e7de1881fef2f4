"""The replay: what a day writes, when labels arrive, and that playing it twice changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.flights import rows_for
from demo.world import FIRST_DAY, model_key, play_day, pointer_key, prepare, serving_version
from monitoring.capture.objects import Piece
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers.sagemaker import read_piece
from monitoring.config import ModelConfig
from monitoring.errors import ObjectMissingError
from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.labels.readers.labelled import read as read_labels

DAY = Window(datetime(2013, 3, 8, tzinfo=UTC), "day")


def _labels(store: Store, keys: list[str]) -> dict[str, str]:
    written = [read_labels(store.get(key)).pairs for key in keys if key.startswith("labels/")]
    pairs = [pair for labels in written for pair in labels]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def test_prepare_does_nothing_the_second_time(prepared: Store, config: ModelConfig) -> None:
    before = prepared.objects(f"training/{config.name}/") + prepared.objects(f"serving/{config.name}/")
    prepare(prepared, config.name)
    assert prepared.objects(f"training/{config.name}/") + prepared.objects(f"serving/{config.name}/") == before
    assert prepared.exists(model_key(config.name, "2013-03-01"))


def test_the_latest_valid_version_serves(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    versions = [
        {"version": "b", "valid_from": "2013-04-01T12:00:00Z"},
        {"version": "a", "valid_from": "2013-03-01T00:00:00Z"},
    ]
    store.put(pointer_key("m"), json.dumps({"versions": versions}).encode())
    assert serving_version(store, "m", datetime(2013, 4, 1, tzinfo=UTC)) == "a"
    assert serving_version(store, "m", datetime(2013, 4, 1, 12, tzinfo=UTC)) == "b"
    with pytest.raises(ObjectMissingError, match="no version of m"):
        serving_version(store, "m", datetime(2013, 2, 1, tzinfo=UTC))


def test_captures_are_readable_and_complete(prepared: Store, config: ModelConfig) -> None:
    keys = [key for key in play_day(prepared, config, DAY) if key.startswith("captures/")]
    pieces = [Piece(key, 0, prepared.get(key), last=True) for key in keys]
    read = [item for piece in pieces for item in read_piece(piece, config.columns)]
    assert not any(isinstance(item, Quarantined) for item in read)
    found = {row.event_id: row for row in read if not isinstance(row, Quarantined)}
    expected = rows_for(config.name)
    expected = expected[(expected["event_time"] >= DAY.start) & (expected["event_time"] < DAY.end)]
    assert sorted(found) == sorted(expected["event_id"])
    assert {row.attributes["model_version"] for row in found.values()} == {"2013-03-01"}
    for row in expected.head(50).itertuples():
        capture = found[str(row.event_id)]
        assert capture.event_time == row.event_time
        assert capture.features["distance"] == str(row.distance)
        assert capture.features["wind_dir"] in ("", str(row.wind_dir))
    assert not any("nan" in str(value).lower() for row in found.values() for value in row.features.values())


def test_a_day_writes_the_labels_collected_until_it_is_measured(prepared: Store, config: ModelConfig) -> None:
    keys = play_day(prepared, config, DAY)
    start, end = DAY.start + config.schedule.settle, DAY.end + config.schedule.settle
    folders = {key.removeprefix(f"labels/{config.name}/")[:13] for key in keys if key.startswith("labels/")}
    assert min(folders) >= f"{start:%Y/%m/%d/%H}"
    assert max(folders) < f"{end:%Y/%m/%d/%H}"
    rows = rows_for(config.name)
    collected = rows[(rows["label_time"] >= start) & (rows["label_time"] < end)]
    assert _labels(prepared, keys) == dict(zip(collected["event_id"], collected["label"], strict=True))


def test_days_in_a_row_write_every_label_once(prepared: Store, config: ModelConfig) -> None:
    first = Window(FIRST_DAY, "day")
    keys = [key for shift in range(3) for key in play_day(prepared, config, first.shift(shift))]
    assert len(keys) == len(set(keys))
    rows = rows_for(config.name)
    end = FIRST_DAY + timedelta(days=3) + config.schedule.settle
    known = rows[(rows["event_time"] >= FIRST_DAY) & (rows["label_time"] < end)]
    assert _labels(prepared, keys) == dict(zip(known["event_id"], known["label"], strict=True))


def test_a_day_played_twice_is_the_same_day(prepared: Store, config: ModelConfig) -> None:
    keys = play_day(prepared, config, DAY)
    content = [prepared.get(key) for key in keys]
    assert play_day(prepared, config, DAY) == keys
    assert [prepared.get(key) for key in keys] == content
