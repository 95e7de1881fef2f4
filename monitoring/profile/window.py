"""The profile of a set of canonical records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from monitoring.profile.columns import ColumnProfile, ColumnSpec, profile_type

SCORE = ColumnSpec("numeric", edges=tuple(i / 50 for i in range(1, 50)), unit=2.0**-32)
# Milliseconds, about six bins a decade from 0.1 ms to 100 s
LATENCY = ColumnSpec("numeric", edges=tuple(round(10 ** (i / 6 - 1), 4) for i in range(37)), unit=2.0**-20)


@dataclass(frozen=True)
class ProfileSpec:
    """What is profiled, and on which edges.

    Attributes:
        features: One spec per feature.
    """

    features: dict[str, ColumnSpec]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {name: spec.to_json() for name, spec in self.features.items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        return cls({name: ColumnSpec.from_json(spec) for name, spec in data.items()})


@dataclass(frozen=True)
class WindowProfile:
    """The mergeable state of some records.

    Attributes:
        rows: Records.
        features: One profile per feature.
        score: The model's score.
        latency: Milliseconds per call, null where the capture has none.
        positives: Positive predictions.
        versions: Records per model version.
        statuses: Records per response status.
        hours: Records per hour of inference time (ISO 8601, UTC).
    """

    rows: int
    features: dict[str, ColumnProfile]
    score: ColumnProfile
    latency: ColumnProfile
    positives: int
    versions: dict[str, int]
    statuses: dict[str, int]
    hours: dict[str, int]

    @classmethod
    def empty(cls, spec: ProfileSpec) -> Self:
        """The profile of no records."""
        features = {name: profile_type(column).empty(column) for name, column in spec.features.items()}
        return cls(
            0,
            features,
            profile_type(SCORE).empty(SCORE),
            profile_type(LATENCY).empty(LATENCY),
            0,
            {},
            {},
            {},
        )

    @classmethod
    def of(cls, records: pa.Table, spec: ProfileSpec, feature_prefix: str) -> Self:
        """The profile of canonical records.

        Args:
            records: A table in the canonical schema.
            spec: What to profile.
            feature_prefix: Put before a feature's name in the table's column names.
        """
        hour = pc.strftime(records["event_time"], format="%Y-%m-%dT%HZ")
        return cls(
            rows=records.num_rows,
            features={
                name: profile_type(column).of(records[feature_prefix + name], column)
                for name, column in spec.features.items()
            },
            score=profile_type(SCORE).of(records["score"], SCORE),
            latency=profile_type(LATENCY).of(records["latency_ms"], LATENCY),
            positives=pc.sum(records["prediction"]).as_py() or 0,
            versions=_counts(records["model_version"]),
            statuses=_counts(records["status"]),
            hours=_counts(hour),
        )

    def merge(self, other: Self) -> Self:
        """The profile of both sets of records."""
        return type(self)(
            self.rows + other.rows,
            {name: _merge(profile, other.features[name]) for name, profile in self.features.items()},
            _merge(self.score, other.score),
            _merge(self.latency, other.latency),
            self.positives + other.positives,
            _add(self.versions, other.versions),
            _add(self.statuses, other.statuses),
            _add(self.hours, other.hours),
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self.rows,
            "features": {name: profile.to_json() for name, profile in self.features.items()},
            "score": self.score.to_json(),
            "latency": self.latency.to_json(),
            "positives": self.positives,
            "versions": self.versions,
            "statuses": self.statuses,
            "hours": self.hours,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], spec: ProfileSpec) -> Self:
        """From `to_json`, with the spec that it was made with."""
        features = {
            name: profile_type(column).from_json(data["features"][name]) for name, column in spec.features.items()
        }
        return cls(
            **{
                **data,
                "features": features,
                "score": profile_type(SCORE).from_json(data["score"]),
                "latency": profile_type(LATENCY).from_json(data["latency"]),
            }
        )


def _merge(a: ColumnProfile, b: ColumnProfile) -> ColumnProfile:
    return a.merge(b)  # type: ignore[arg-type]  # both were made with the same spec


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    items = pc.value_counts(column.drop_null()).to_pylist()
    return {str(item["values"]): item["counts"] for item in sorted(items, key=lambda item: str(item["values"]))}


def _add(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    total = Counter(a) + Counter(b)
    return dict(sorted(total.items()))
