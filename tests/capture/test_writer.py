"""What serving code writes is what the reader reads."""

from __future__ import annotations

import math
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.capture.writer import write_labels
from monitoring.store.local import LocalStore
from monitoring.window import Window
from tests.capture.conftest import sorted_out
from tests.labels.readers.labelled import read as read_labels

DAY = Window(datetime(2024, 1, 11, tzinfo=UTC), "day")

_inferences = st.lists(
    st.builds(
        CapturedInference,
        event_id=st.text(min_size=1, max_size=8),
        event_time=st.integers(0, 86_399_999_999).map(lambda us: DAY.start + timedelta(microseconds=us)),
        features=st.tuples(
            st.none() | st.floats() | st.integers(-(2**53), 2**53),
            st.none() | st.text(min_size=1, max_size=8).filter(lambda text: "\0" not in text),
        ),
        score=st.floats(0, 1),
        attributes=st.just({}) | st.just({"model_version": "a=b", "latency_ms": "1.5", "status": "200"}),
    ),
    max_size=12,
    unique_by=lambda item: item.event_id,
)


@settings(max_examples=200, deadline=None)
@given(_inferences)
def test_round_trip(inferences: list[CapturedInference]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        keys = write_captures(store, "captures/", inferences)
        assert write_captures(store, "captures/", inferences) == keys
        assert [info.key for info in store.objects("")] == keys
        batch = sorted_out(b"".join(store.get(key) for key in keys))
    assert (batch.quarantined, batch.changed_columns) == ([], {})
    found = {row["event_id"]: row for row in batch.table.to_pylist()}
    assert len(found) == len(inferences)
    for item in inferences:
        row = found[item.event_id]
        amount, country = item.features
        assert (row["event_time"], row["score"]) == (item.event_time, item.score)
        assert row[f"{FEATURE_PREFIX}country"] == country
        read_amount = row[f"{FEATURE_PREFIX}amount"]
        assert read_amount == amount or (math.isnan(read_amount) and math.isnan(amount))
        assert row["model_version"] == item.attributes.get("model_version", "")
        assert row["status"] == (200 if item.attributes else None)


def test_one_object_per_hour_of_inference(tmp_path: Path) -> None:
    moments = [DAY.start, DAY.start + timedelta(minutes=59), DAY.start + timedelta(hours=1)]
    items = [CapturedInference(f"{i}", moment, (1, "at"), 0.5) for i, moment in enumerate(moments)]
    keys = write_captures(LocalStore(tmp_path), "c", items)
    assert [key.rsplit("/", 1)[0] for key in keys] == ["c/2024/01/11/00", "c/2024/01/11/01"]


def test_labels_lie_in_the_hour_of_their_collection(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    late = DAY.start + timedelta(hours=30)
    keys = write_labels(store, "l", [("a", "1", DAY.start), ("b", "0", late), ("c", "0", late)])
    assert [key.rsplit("/", 1)[0] for key in keys] == ["l/2024/01/11/00", "l/2024/01/12/06"]
    found = [read_labels(store.get(key)) for key in keys]
    assert [labels.pairs for labels in found] == [[("a", "1")], [("b", "0"), ("c", "0")]]
    assert not any(labels.quarantined for labels in found)
