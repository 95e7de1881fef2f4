"""TensorFlow Data Validation: statistics of the window, and Jensen-Shannon drift against those of the reference."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.peers.common import Frames
from benchmarks.task import Clock


def run(folder: str, reference: str) -> dict[str, Any]:
    # one job: two take longer at a million rows, because rows have to be sent to them
    import tensorflow_data_validation as tfdv

    frames = Frames.load(folder, reference)
    prepare, window = Clock(), Clock()
    with prepare.running():
        before = tfdv.generate_statistics_from_dataframe(frames.reference[frames.features], n_jobs=1)
        schema = tfdv.infer_schema(before)
        for name in frames.numeric:
            tfdv.get_feature(schema, name).drift_comparator.jensen_shannon_divergence.threshold = 0.01
        for name in frames.categorical:
            tfdv.get_feature(schema, name).drift_comparator.infinity_norm.threshold = 0.01
    with window.running():
        now = tfdv.generate_statistics_from_dataframe(frames.current[frames.features], n_jobs=1)
        anomalies = tfdv.validate_statistics(now, schema, previous_statistics=before)
    return frames.result(prepare, window, version("tensorflow-data-validation"), len(anomalies.anomaly_info))
