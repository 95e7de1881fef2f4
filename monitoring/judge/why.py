"""Why performance is bad: since when, by what, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monitoring.judge.evidence import Evidence
from monitoring.judge.verdict import Code, Finding, Status

_MOST = 5
_WORDS = {
    "concept drift": "the relation of inputs and labels has changed",
    "covariate shift": "the rows have moved to where the model was always worse",
    "both": "the relation of inputs and labels has changed, and the rows have moved as well",
    "none": "neither other inputs nor a changed relation explain it",
    "unknown": "what did it cannot be told from these labels",
}


@dataclass(frozen=True)
class Why:
    """Why performance is bad.

    Attributes:
        since: The window since when, as far as that can be told; empty otherwise.
        kind: `concept drift`, `covariate shift`, `both`, `none` or `unknown`.
        moved: Features that have moved, those first that explain most of the loss.
        feature: The feature in whose cells the loss has changed most differently; empty where none stands out.
        cells: The cells of it.
        segments: The segments in which it is bad.
        sentence: All of it in one sentence.
    """

    since: str
    kind: str
    moved: tuple[str, ...]
    feature: str
    cells: tuple[str, ...]
    segments: tuple[str, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def why(findings: Sequence[Finding], evidence: Evidence) -> Why | None:
    """Why performance is bad; None where it is not.

    Args:
        findings: Every check's answer.
        evidence: What was measured.
    """
    bad = [item for item in findings if item.status in (Status.FAIL, Status.WARN)]
    about = [item for item in bad if item.about_performance or item.code is Code.CONCEPT_DRIFT]
    worst = [item for item in findings if item.code is Code.SEGMENT_WORSE and item.status is Status.INFO]
    if not about:
        return None
    since = next((item.since for item in about if item.since), "")
    diagnosis = evidence.diagnosis
    kind = diagnosis.kind if diagnosis else "unknown"
    moved = _moved(findings, diagnosis.moved if diagnosis else ())
    feature, cells = (diagnosis.feature, diagnosis.cells) if diagnosis else ("", ())
    segments = tuple(dict.fromkeys(item.subject for item in (*about, *worst) if "=" in item.subject))[:_MOST]
    return Why(since, kind, moved, feature, cells, segments, _sentence(since, kind, moved, feature, cells, segments))


def _moved(findings: Sequence[Finding], explained: Sequence[str]) -> tuple[str, ...]:
    drifted = [item for item in findings if item.code is Code.FEATURE_DRIFT]
    by_cost = sorted(drifted, key=lambda item: -(item.impact or 0.0))
    names = [*explained, *(item.subject for item in by_cost)]
    return tuple(dict.fromkeys(names))[:_MOST]


def _sentence(
    since: str, kind: str, moved: Sequence[str], feature: str, cells: Sequence[str], segments: Sequence[str]
) -> str:
    parts = [_WORDS[kind]]
    if kind in ("concept drift", "both") and feature:
        parts.append(f"most where {feature} is {', '.join(cells)}" if cells else f"most along {feature}")
    if segments:
        parts.append(f"worst in {', '.join(segments)}")
    if moved:
        inputs = f"{', '.join(moved)} moved"
        parts.append(inputs if kind in ("covariate shift", "both") else f"{inputs} as well, which explains little")
    when = f"Since {since}, as far as can be told: " if since else "As far as can be told, "
    return f"{when}{'; '.join(parts)}."
