"""NannyML: Wasserstein and Jensen-Shannon drift, realised performance, estimated performance, averages."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.peers.common import Frames
from benchmarks.task import Clock

METRICS = ["roc_auc", "f1", "precision", "recall", "accuracy"]


def run(folder: str, reference: str) -> dict[str, Any]:
    import nannyml

    frames = Frames.load(folder, reference)
    one = {"chunk_number": 1, "timestamp_column_name": "event_time"}
    model = {
        "problem_type": "classification_binary",
        "y_true": "label",
        "y_pred": "prediction",
        "y_pred_proba": "score",
        "metrics": METRICS,
    }
    prepare, window = Clock(), Clock()
    with prepare.running():
        drift = nannyml.UnivariateDriftCalculator(
            column_names=frames.features,
            treat_as_categorical=frames.categorical,
            continuous_methods=["wasserstein"],
            categorical_methods=["jensen_shannon"],
            **one,
        ).fit(frames.reference)
        realised = nannyml.PerformanceCalculator(**model, **one).fit(frames.reference)
        estimated = nannyml.CBPE(**model, **one).fit(frames.reference)
        means = nannyml.SummaryStatsAvgCalculator(column_names=frames.numeric, chunk_number=1).fit(frames.reference)
    with window.running():
        drift.calculate(frames.current)
        found = realised.calculate(frames.current)
        estimated.estimate(frames.current)
        means.calculate(frames.current)
    auc = found.filter(period="analysis").to_df()[("roc_auc", "value")].iloc[0]
    return frames.result(prepare, window, version("nannyml"), float(auc))
