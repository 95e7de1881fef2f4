"""What SageMaker's containers write about rows, computed from the rows themselves."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np

from monitoring.profile.distribution import FloatArray


def kll_levels(values: FloatArray, size: int = 2048) -> list[list[float]]:
    """The levels of a sketch: when one is full, every other of its sorted values moves up; an odd one stays."""
    levels: list[list[float]] = [[]]
    for value in values.tolist():
        levels[0].append(value)
        level = 0
        while len(levels[level]) > size:
            full = sorted(levels[level][: len(levels[level]) // 2 * 2])
            levels[level] = levels[level][len(full) :]
            if level + 1 == len(levels):
                levels.append([])
            levels[level + 1] += full[level % 2 :: 2]
            level += 1
    return levels


def numeric_feature(name: str, values: list[float | None], *, sketch: bool = True, size: int = 2048) -> dict[str, Any]:
    """A column of numbers."""
    present = np.array([value for value in values if value is not None], np.float64)
    low, high = float(present.min()), float(present.max())
    borders = [low + (high - low) * i / 10 for i in range(11)]
    below = [*(int((present < border).sum()) for border in borders[:-1]), len(present)]
    kll: dict[str, Any] = {
        "buckets": [
            {"lower_bound": borders[i], "upper_bound": borders[i + 1], "count": below[i + 1] - below[i]}
            for i in range(10)
        ]
    }
    if sketch:
        kll["sketch"] = {"parameters": {"c": 0.64, "k": float(size)}, "data": kll_levels(present, size)}
    whole = bool((present == np.floor(present)).all())
    return {
        "name": name,
        "inferred_type": "Integral" if whole else "Fractional",
        "numerical_statistics": {
            "common": {"num_present": len(present), "num_missing": len(values) - len(present)},
            "mean": float(present.mean()),
            "sum": float(present.sum()),
            "std_dev": float(present.std()),
            "min": low,
            "max": high,
            "distribution": {"kll": kll},
        },
    }


def text_feature(name: str, values: list[str | None]) -> dict[str, Any]:
    """A column of texts."""
    counts = Counter(value for value in values if value is not None)
    return {
        "name": name,
        "inferred_type": "String",
        "string_statistics": {
            "common": {"num_present": counts.total(), "num_missing": len(values) - counts.total()},
            "distinct_count": float(len(counts)),
            "distribution": {"categorical": {"buckets": [{"value": v, "count": n} for v, n in counts.items()]}},
        },
    }


def statistics_file(rows: int, *features: dict[str, Any]) -> bytes:
    """`statistics.json`."""
    return json.dumps({"version": 0.0, "dataset": {"item_count": rows}, "features": features}).encode()


def constraints_file(*features: dict[str, Any], **monitoring: Any) -> bytes:
    """`constraints.json` of data quality, with what the containers suggest."""
    settings = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": {
            "perform_comparison": "Enabled",
            "comparison_threshold": 0.1,
            "comparison_method": "Robust",
            "categorical_comparison_threshold": 0.1,
            "categorical_drift_method": "LInfinity",
        },
    }
    return json.dumps({"version": 0.0, "features": features, "monitoring_config": settings | monitoring}).encode()
