"""A toy reference with known limits, and windows to hold against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from monitoring.capture.schema import FEATURE_PREFIX, schema
from monitoring.config import ModelConfig
from monitoring.config.checks import Checks
from monitoring.judge import Verdict
from monitoring.judge.evidence import Evidence, Reference
from monitoring.judge.judge import Look, judge
from monitoring.judge.limits import learn_limits
from monitoring.measure.basis import State
from monitoring.measure.binary_basis import BinaryBasis
from monitoring.measure.performance import performance
from monitoring.profile import CategoricalSpec, NumericSpec, OutcomeProfile, ProfileSpec, WindowProfile
from monitoring.profile.losses import LossByBin
from monitoring.profile.score_counts import ScoreProfile
from monitoring.window import Window

DAY = Window(datetime(2024, 1, 11, tzinfo=UTC), "day")
SPEC = ProfileSpec(
    {
        "amount": NumericSpec.fixed(np.array([25.0, 50.0, 75.0])),
        "country": CategoricalSpec(("at", "ch")),
    }
)
ROWS = 400


@dataclass
class Rows:
    """The rows of a window, to be spoilt."""

    amount: list[float | None]
    country: list[str | None]
    score: list[float]
    label: list[bool | None]
    hours: list[int]
    status: list[int | None]

    def profile(self, config: ModelConfig) -> WindowProfile:
        """Their profile."""
        columns: dict[str, Sequence[Any]] = {
            "event_time": [DAY.start + timedelta(hours=hour) for hour in self.hours],
            "score": self.score,
            "status": self.status,
            f"{FEATURE_PREFIX}amount": self.amount,
            f"{FEATURE_PREFIX}country": self.country,
        }
        wanted = schema(config.columns)
        blank = {field.name: pa.nulls(len(self.score), field.type) for field in wanted}
        return WindowProfile.of(pa.table(blank | columns, schema=wanted), SPEC)

    def outcomes(self) -> OutcomeProfile:
        """Those with a label."""
        known = [(score, label) for score, label in zip(self.score, self.label, strict=True) if label is not None]
        scores = np.array([score for score, _ in known], float)
        return OutcomeProfile.of(scores, scores >= 0.5, np.array([label for _, label in known], bool))


def make_rows(seed: int, count: int = ROWS) -> Rows:
    """Ordinary rows: a calibrated score, full labels, one row in each hour at least."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 2, count)
    return Rows(
        amount=random.uniform(0, 100, count).tolist(),
        country=random.choice(["at", "ch"], count).tolist(),
        score=score.tolist(),
        label=(random.random(count) < score).tolist(),
        hours=[i % 24 for i in range(count)],
        status=[200] * count,
    )


def labelled(outcomes: list[OutcomeProfile]) -> tuple[list[State], BinaryBasis]:
    """Windows all of whose rows have labels, and what they amount to together."""
    whole = reduce(OutcomeProfile.merge, outcomes)
    states = [State(item, ScoreProfile.empty()) for item in outcomes]
    return states, BinaryBasis(whole, LossByBin.empty({}, 1.0))


@cache
def _reference(settings: str) -> Reference:
    """What twenty ordinary days teach a model; the same for every test."""
    config = ModelConfig.model_validate_json(settings)
    days = [make_rows(seed) for seed in range(20)]
    profiles = [rows.profile(config) for rows in days]
    limits = learn_limits(profiles, *labelled([rows.outcomes() for rows in days]), longest=3, hours=24)
    return Reference("v1", SPEC, reduce(WindowProfile.merge, profiles), limits)


class Bench:
    """Judge spoilt windows with the toy model."""

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        # settings of checks teach nothing
        learned = _reference(config.model_copy(update={"checks": Checks()}).model_dump_json(by_alias=True))
        # a test may set a limit of its own
        self.limits = replace(learned.limits, spreads=dict(learned.limits.spreads))
        self.reference = replace(learned, limits=self.limits)

    def evidence(self, rows: Rows, **changes: Any) -> Evidence:
        """The evidence of one window without a past."""
        profile, outcomes = rows.profile(self.config), rows.outcomes()
        known = sum(label is not None for label in rows.label)
        base = Evidence(
            profile=profile,
            realised=performance(outcomes),
            trailing=profile,
            trailing_realised=performance(outcomes),
            trailing_labelled=outcomes.rows,
            labelled=outcomes.rows,
            windows=1,
            hours=24,
            final=True,
            coverage=known / len(rows.label) if rows.label else None,
            read=len(rows.score) + changes.get("quarantined", 0),
        )
        return replace(base, **changes)

    def judge(self, rows: Rows, reference: Reference | bool | None = True, **changes: Any) -> Verdict:
        """The verdict on a window."""
        look = Look(DAY, 1, DAY.end + timedelta(hours=6), True, (DAY.label,), {}, {"baseline": "v1"})
        chosen = self.reference if reference is True else reference or None
        return judge(look, self.evidence(rows, **changes), chosen, self.config)


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(make_config: Callable[..., ModelConfig]) -> MakeBench:
    """The toy model with some settings changed, on its reference."""
    features = {"amount": "numeric", "country": "categorical", "age": None}
    return lambda **changes: Bench(
        make_config(**{**changes, "columns": {"features": features, **changes.get("columns", {})}})
    )


@pytest.fixture
def rows() -> Rows:
    """An ordinary window."""
    return make_rows(99)


@pytest.fixture
def few() -> Rows:
    """A window with too few rows for most checks."""
    return make_rows(99, 30)
