"""What all tools are given: the window and its reference in pandas, labels already joined."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import data
from benchmarks.task import Clock

# Nothing is sent anywhere while something is measured.
for name in ("DO_NOT_TRACK", "NML_DISABLE_USAGE_LOGGING", "WHYLOGS_NO_ANALYTICS"):
    os.environ[name] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""


@dataclass
class Frames:
    """Both sets of rows, and the seconds it took to load the current one."""

    current: Any
    reference: Any
    numeric: list[str]
    categorical: list[str]
    load_wall: float

    @property
    def features(self) -> list[str]:
        return self.numeric + self.categorical

    @classmethod
    def load(cls, folder: str, reference: str) -> Frames:
        warnings.filterwarnings("ignore")
        kinds = data.kinds(folder)
        before = _frame(reference)
        start = time.perf_counter()
        current = _frame(folder)
        return cls(
            current,
            before,
            [name for name, kind in kinds.items() if kind == "numeric"],
            [name for name, kind in kinds.items() if kind == "categorical"],
            time.perf_counter() - start,
        )

    def result(self, prepare: Clock, window: Clock, version: str, answer: object) -> dict[str, Any]:
        """What a tool reports: what can be made once and kept is `prepare`, the rest is paid for every window."""
        return {
            "wall": window.wall,
            "cpu": window.cpu,
            "prepare_wall": prepare.wall,
            "load_wall": self.load_wall,
            "version": version,
            "answer": answer,
        }


def _frame(folder: str) -> Any:
    """Labels stand in the order of the rows, so nobody pays for a join."""
    columns = [*data.kinds(folder), "event_time", "score", "prediction"]
    rows, labels = _read(data.files(folder, "records"), columns), _read(data.files(folder, "labels"), ["label"])
    return rows.append_column("label", labels["label"]).to_pandas()


def _read(paths: list[str], columns: list[str]) -> pa.Table:
    return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
