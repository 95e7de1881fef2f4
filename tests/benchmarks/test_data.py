from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import data

LOG = data.Log(rows=2_000, files=4)


def test_the_same_seed_gives_the_same_rows() -> None:
    assert all(a.equals(b) for a, b in zip(data.part_of(LOG, 1), data.part_of(LOG, 1), strict=True))
    other, _ = data.part_of(replace(LOG, seed=LOG.seed + 1), 1)
    assert not other.column("f00").equals(data.part_of(LOG, 1)[0].column("f00"))


def test_a_wider_log_holds_the_narrower_one() -> None:
    narrow, labels = data.part_of(LOG, 0)
    wide, same_labels = data.part_of(replace(LOG, numeric=30, categorical=10), 0)
    assert wide.select(narrow.column_names).equals(narrow)
    assert same_labels.equals(labels)
    assert not wide.column("f15").equals(wide.column("f00"))


def test_what_is_written(tmp_path: Path) -> None:
    data.write(LOG, tmp_path, workers=1)
    written = data.files(tmp_path), data.files(tmp_path, "labels")
    rows, labels = (pa.concat_tables([pq.read_table(path) for path in paths]) for paths in written)
    assert len(written[0]) == LOG.files
    assert rows.num_rows == labels.num_rows == LOG.rows
    assert rows["event_id"].equals(labels["event_id"])
    assert len(set(rows["event_id"].to_pylist())) == LOG.rows
    assert sum(rows[name].null_count > 0 for name in data.kinds(tmp_path)) == 7
    assert 0.1 < labels["label"].to_numpy().mean() < 0.5


def test_a_log_is_written_once_and_again_when_it_changes(tmp_path: Path) -> None:
    data.write(LOG, tmp_path, workers=1)
    first = Path(data.files(tmp_path)[0])
    before = first.stat().st_mtime_ns
    data.write(LOG, tmp_path, workers=1)
    assert first.stat().st_mtime_ns == before
    data.write(replace(LOG, files=2), tmp_path, workers=1)
    assert len(data.files(tmp_path)) == 2
