"""whylogs: sketches of the window, and drift scores against the sketches of the reference."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.peers.common import Frames
from benchmarks.task import Clock


def run(folder: str, reference: str) -> dict[str, Any]:
    import whylogs
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    frames = Frames.load(folder, reference)
    prepare, window = Clock(), Clock()
    with prepare.running():
        before = whylogs.log(pandas=frames.reference[frames.features]).view()
    with window.running():
        now = whylogs.log(pandas=frames.current[frames.features]).view()
        scores = calculate_drift_scores(target_view=now, reference_view=before, with_thresholds=True)
    return frames.result(prepare, window, version("whylogs"), len(scores))
