"""Why performance is bad: since when, by what, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monitoring.judge.evidence import Evidence
from monitoring.judge.folding import BREAKS
from monitoring.judge.verdict import Code, Finding, Status

_MOST = 5
_WORDS = {
    "broken data": "{names} broken, and predictions follow from it",
    "concept drift": "the relation of inputs and labels has changed",
    "covariate shift": "the rows have moved to where the model was always worse",
    "both": "the relation of inputs and labels has changed, and the rows have moved as well",
    "none": "neither other inputs nor a changed relation explain it",
    "unknown": "the labels do not tell yet what did it",
}


@dataclass(frozen=True)
class Why:
    """Why performance is bad.

    Attributes:
        since: The window since when, as far as that can be told; empty otherwise.
        kind: `broken data`, `concept drift`, `covariate shift`, `both`, `none` or `unknown`.
        broken: Columns that are broken.
        moved: Features that have moved, those first that explain most of the loss.
        feature: The feature in whose cells the loss has changed most differently; empty where none stands out.
        cells: The cells of it.
        segments: The segments in which it is bad.
        sentence: All of it in one sentence.
    """

    since: str
    kind: str
    broken: tuple[str, ...]
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
    if not about:
        return None
    worst = [item for item in findings if item.code is Code.SEGMENT_WORSE and item.status is Status.INFO]
    segments = tuple(dict.fromkeys(item.subject for item in (*about, *worst) if "=" in item.subject))[:_MOST]
    broken = tuple(dict.fromkeys(item.subject for item in bad if item.code in BREAKS and item.subject))
    kind = "broken data" if broken else _kind(findings, evidence)
    diagnosis = evidence.diagnosis
    told = diagnosis is not None and diagnosis.kind == kind
    feature, cells = (diagnosis.feature, diagnosis.cells) if diagnosis is not None and told else ("", ())
    moved = _moved(findings, diagnosis.moved if diagnosis is not None and told else ())
    since = min(item.since for item in about) if all(item.since for item in about) else ""
    sentence = _sentence(since, kind, broken, moved, feature, cells, segments)
    return Why(since, kind, broken, moved, feature, cells, segments, sentence)


def _kind(findings: Sequence[Finding], evidence: Evidence) -> str:
    """What happened: what the findings say, and the diagnosis of the whole where they say nothing."""
    told = evidence.diagnosis.kind if evidence.diagnosis else "unknown"
    if told in ("concept drift", "both", "covariate shift"):
        return told
    fired = {item.code for item in findings if item.status in (Status.FAIL, Status.WARN)}
    if Code.CONCEPT_DRIFT in fired:
        return "concept drift"
    # drift warns only where the rows have moved to where the loss was higher
    if fired & {Code.LOSS_EXPECTED, Code.FEATURE_DRIFT, Code.PREDICTION_DRIFT} and evidence.ordinary_loss:
        return "covariate shift"
    return told


def _moved(findings: Sequence[Finding], explained: Sequence[str]) -> tuple[str, ...]:
    drifted = [item for item in findings if item.code is Code.FEATURE_DRIFT and not item.reference]
    by_cost = sorted(drifted, key=lambda item: -(item.impact or 0.0))
    return tuple(dict.fromkeys([*explained, *(item.subject for item in by_cost)]))[:_MOST]


def _sentence(
    since: str,
    kind: str,
    broken: Sequence[str],
    moved: Sequence[str],
    feature: str,
    cells: Sequence[str],
    segments: Sequence[str],
) -> str:
    names = f"{', '.join(broken)} {'is' if len(broken) == 1 else 'are'}"
    parts = [_WORDS[kind].format(names=names)]
    if kind in ("concept drift", "both") and feature:
        parts.append(f"most where {feature} is {', '.join(cells)}" if cells else f"most along {feature}")
    if segments:
        parts.append(f"worst in {', '.join(segments)}")
    if moved and kind != "broken data":
        inputs = f"{', '.join(moved)} moved"
        parts.append(inputs if kind in ("covariate shift", "both") else f"{inputs} as well, which explains little")
    when = f"Since {since}, as far as can be told: " if since else "As far as can be told, "
    return f"{when}{'; '.join(parts)}."
