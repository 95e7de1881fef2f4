"""alibi-detect: Kolmogorov-Smirnov tests of the numeric features, chi-squared tests of the categorical ones."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.peers.common import Frames
from benchmarks.task import Clock


def run(folder: str, reference: str) -> dict[str, Any]:
    from alibi_detect.cd import ChiSquareDrift, KSDrift

    frames = Frames.load(folder, reference)
    prepare, window = Clock(), Clock()
    with prepare.running():
        numeric = KSDrift(frames.reference[frames.numeric].fillna(0).to_numpy(), p_val=0.05)
        names = frames.reference[frames.categorical].fillna("").to_numpy().astype(str)
        categorical = ChiSquareDrift(names, p_val=0.05)
    with window.running():
        distances = numeric.predict(frames.current[frames.numeric].fillna(0).to_numpy(), drift_type="feature")
        categorical.predict(frames.current[frames.categorical].fillna("").to_numpy().astype(str), drift_type="feature")
    return frames.result(prepare, window, version("alibi-detect"), float(distances["data"]["distance"][0]))
