"""Evidently's three presets on a window and its reference, both in pandas already."""

from __future__ import annotations

from benchmarks.peers.common import Frames
from benchmarks.task import Clock


def run(folder: str, reference: str) -> dict[str, float]:
    """Seconds without imports and loading."""
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset

    frames = Frames.load(folder, reference)
    clock = Clock()
    with clock.running():
        classification = BinaryClassification(target="label", prediction_labels="prediction", prediction_probas="score")
        definition = DataDefinition(
            numerical_columns=frames.numeric,
            categorical_columns=frames.categorical,
            timestamp="event_time",
            classification=[classification],
        )
        sets = [Dataset.from_pandas(f, data_definition=definition) for f in (frames.current, frames.reference)]
        Report([DataDriftPreset(), DataSummaryPreset(), ClassificationPreset()]).run(*sets).json()
    return {"wall": clock.wall, "cpu": clock.cpu}
