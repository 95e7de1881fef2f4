"""A baseline that is made of a file of statistics, without the rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from monitoring.baseline import Baseline
from monitoring.capture import privacy
from monitoring.config import ModelConfig
from monitoring.errors import ConfigError
from monitoring.judge.evidence import Reference
from monitoring.judge.limits import Limits, Spread
from monitoring.measure import block
from monitoring.profile import (
    LATENCY,
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    ProfileSpec,
    WindowProfile,
)
from monitoring.profile.window import NO_CLASS, SCORE_CELLS
from monitoring.sagemaker.columns import categorical_profile, numeric_profile
from monitoring.sagemaker.files import Constraints, FeatureStatistics, Statistics


def baseline_of(
    statistics: Statistics,
    constraints: Constraints | None,
    config: ModelConfig,
    *,
    version: str,
    valid_from: datetime,
    source: str,
    key: bytes = b"",
) -> Baseline:
    """Freeze edges and profile of a file of statistics: a pure function.

    Args:
        statistics: `statistics.json` of the training rows.
        constraints: Whose domains are categories that may come.
        config: The model.
        version: The baseline's name.
        valid_from: From when it is valid.
        source: Hash of the files.
        key: Of the hashes that stand for private values.

    Raises:
        ConfigError: A feature of the model is not in the file, or is something else there.
    """
    rows = statistics.dataset.item_count
    if not rows:
        raise ConfigError("statistics of no rows", where=config.name)
    features = {}
    for name, kind in config.columns.stored.items():
        column = statistics.column(name)
        if column is None:
            there = [item.name for item in statistics.features]
            raise ConfigError(f"no column {name!r} in the statistics", where=config.name, allowed=there)
        _require_same_values(column, config)
        domain = constraints.domain(name) if constraints else []
        features[name] = (
            numeric_profile(column, rows) if kind == "numeric" else _categories(column, rows, domain, config, key)
        )
    scores = _scores(statistics, config)
    spec = ProfileSpec({name: profile.spec for name, profile in features.items()})
    if scores is not None:
        spec = ProfileSpec(spec.features, scores.spec)
    by_class = {} if scores is None else {NO_CLASS: scores}
    profile = WindowProfile(spec, rows, features, by_class, NumericProfile.empty(LATENCY), {}, {}, {})
    reference = Reference(version, spec, profile, _limits(profile))
    hash_key = privacy.key_check(config.columns, key)
    return Baseline(reference, valid_from, rows, 1, source, hash_key=hash_key)


def _require_same_values(column: FeatureStatistics, config: ModelConfig) -> None:
    """Refuse what is kept otherwise than it was captured, and cannot be computed from statistics."""
    kind, rule = config.columns.features[column.name], config.columns.privacy.columns.get(column.name, "keep")
    if kind == "text" or isinstance(rule, list) or (rule == "hash" and kind != "categorical"):
        kept = "its lengths are" if kind == "text" else "its intervals or hashes are"
        raise ConfigError(
            f"{column.name}: {kept} stored, and the statistics do not have them",
            where=config.name,
            hint="make the baseline from rows: model-monitor baseline",
        )


def _categories(
    column: FeatureStatistics, rows: int, domain: Sequence[str], config: ModelConfig, key: bytes
) -> CategoricalProfile:
    """The categories as they are stored: hashed, and rare ones together."""
    found = column.string_statistics.distribution.categorical if column.string_statistics else None
    secret = config.columns.privacy.columns.get(column.name) == "hash"
    least = config.columns.privacy.fold_below

    def stored(name: str) -> str:
        return str(privacy.hashed(name, key)) if secret else name

    counts: dict[str, int] = {}
    for bucket in found.buckets if found else []:
        name = stored(bucket.value) if bucket.count >= least else privacy.RARE
        counts[name] = counts.get(name, 0) + bucket.count
    allowed = [] if least else [stored(name) for name in domain]
    return categorical_profile(column, rows, counts=counts if found else None, domain=allowed)


def _scores(statistics: Statistics, config: ModelConfig) -> NumericProfile | None:
    """The score, where the statistics have it."""
    name = config.baseline.score if config.baseline else config.columns.score
    column = statistics.column(name) if config.columns.score else None
    if column is None or column.numerical_statistics is None:
        return None
    low, high = column.numerical_statistics.min, column.numerical_statistics.max
    probability = low is not None and high is not None and low >= 0 and high <= 1
    return numeric_profile(column, statistics.dataset.item_count, fixed_cells=SCORE_CELLS if probability else None)


def _limits(profile: WindowProfile) -> Limits:
    """What is ordinary, without any spread: shares of nulls are those of the file, and no category is unseen."""
    spreads = {}
    for name, column in profile.features.items():
        spreads[block.key("nulls", name)] = (_one(_unusable_share(column), column.rows),)
        spreads[block.key("mismatch", name)] = (_one(column.mismatched / column.rows, column.rows),)
        if isinstance(column, CategoricalProfile) and not column.spec.is_open:
            spreads[block.key("unseen", name)] = (_one(0.0, column.rows),)
    return Limits(float(profile.rows), dict(sorted(spreads.items())))


def _unusable_share(column: ColumnProfile) -> float:
    return column.unusable / column.rows if column.rows else 0.0


def _one(value: float, rows: int) -> Spread:
    return Spread(value, 0.0, 1, rows=float(rows))
