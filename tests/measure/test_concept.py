"""What happened to predictions is named, and said in one plain sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitoring.measure.concept import Diagnosis, diagnose
from monitoring.measure.decomposition import Decomposition, decompose
from monitoring.measure.measurement import Measurement
from monitoring.profile.losses import LossByBin

SIZES = {"hour": 12, "temp": 6}


def _drawn(seed: int, rows: int, *, moved: float, worse: float, at_seven: float) -> tuple[LossByBin, Measurement]:
    """Losses that grow with the hour, and the gap to what the hours would give."""
    random = np.random.default_rng(seed)
    hour, temp = random.binomial(11, 0.4 + moved, rows), random.integers(0, 6, rows)
    mean = 0.05 + 0.02 * hour + worse + at_seven * (hour == 7)
    loss = random.beta(0.5, 0.5 / mean * (1 - mean))
    gap, error = float(np.mean(loss - (0.05 + 0.02 * hour))), float(loss.std()) / math.sqrt(rows)
    return LossByBin.of({"hour": hour, "temp": temp}, SIZES, loss, 1.0), _gap(gap, error, rows)


def _gap(value: float, error: float, rows: int) -> Measurement:
    p_value = math.erfc(abs(value) / error / math.sqrt(2))
    half = 1.96 * error
    return Measurement(
        "brier", value, rows, "high", "", value - half, value + half, standard_error=error, p_value=p_value
    )


def _case(
    rows: int = 5000, *, moved: float = 0.0, worse: float = 0.0, at_seven: float = 0.0, seed: int = 1
) -> tuple[Decomposition, Measurement]:
    baseline, _ = _drawn(100 + seed, 20_000, moved=0.0, worse=0.0, at_seven=0.0)
    current, gap = _drawn(seed, rows, moved=moved, worse=worse, at_seven=at_seven)
    return decompose(baseline, current), gap


def _found(
    rows: int = 5000,
    *,
    moved: float = 0.0,
    worse: float = 0.0,
    at_seven: float = 0.0,
    seed: int = 1,
    drifted: Sequence[str] = (),
) -> Diagnosis:
    decomposition, gap = _case(rows, moved=moved, worse=worse, at_seven=at_seven, seed=seed)
    return diagnose(decomposition, gap, drifted, cell_name=lambda _, cell: f"{cell} – {cell + 1}")


def test_nothing_happened() -> None:
    found = _found()
    assert found.kind == "none"
    assert found.sentence.startswith("Predictions are as good as before: the Brier score has changed by ")
    assert found.sentence.endswith(" would have been found.")


def test_inputs_moved() -> None:
    found = _found(moved=0.2, drifted=["hour"])
    assert found.kind == "covariate shift"
    assert found.moved == ("hour",)
    assert found.inputs is not None
    assert found.inputs.value == pytest.approx(0.02 * 11 * 0.2, abs=0.01)
    assert "got worse because inputs have moved to harder cases (covariate shift)" in found.sentence
    assert "most by hour (drifted: hour)" in found.sentence


def test_the_relation_changed() -> None:
    found = _found(worse=0.03, seed=2)
    assert found.kind == "concept drift"
    assert "got worse because the relation of inputs and labels has changed (concept drift)" in found.sentence
    assert "higher than the same inputs would give. Inputs explain" in found.sentence
    assert (found.feature, found.cells) == ("", ())


def test_the_relation_changed_somewhere() -> None:
    found = _found(at_seven=0.25, seed=3)
    assert found.kind == "concept drift"
    assert (found.feature, found.cells) == ("hour", ("7 – 8",))
    assert "would give, most where hour is 7 – 8. Inputs explain" in found.sentence


def test_both() -> None:
    found = _found(moved=0.2, at_seven=0.2)
    assert found.kind == "both"
    assert "Inputs add 0.0" in found.sentence
    assert found.sentence.endswith("most by hour.")


def test_easier_inputs_hide_a_worse_relation() -> None:
    found = _found(moved=-0.3, worse=0.03)
    assert found.kind == "both"
    assert found.sentence.startswith("Predictions got better, but less than they should, because")
    assert "higher than the same inputs would give. Inputs take off" in found.sentence


def test_better_is_told_too() -> None:
    found = _found(worse=-0.03)
    assert found.kind == "concept drift"
    assert found.sentence.startswith("Predictions got better because the relation")
    assert "lower than the same inputs would give" in found.sentence
    assert "got better because inputs have moved to easier cases" in _found(moved=-0.3).sentence


def test_few_labels_tell_what_they_would_have_shown() -> None:
    found = _found(200)
    assert found.kind == "unknown"
    assert found.detectable is not None
    assert found.detectable > 0.01
    assert f"200 labels show a gap only from {found.detectable:.3f} on" in found.sentence


def test_a_change_that_few_labels_cannot_explain() -> None:
    decomposition, _ = _case(moved=0.2)
    found = diagnose(decomposition, _gap(0.02, 0.02, 100))
    assert found.kind == "unknown"
    assert "labels are too few to tell why" in found.sentence


def test_too_early() -> None:
    found = _found(29)
    assert found.kind == "unknown"
    assert found.sentence == "It is too early to tell: 29 labels are known, 30 are needed."


def test_without_an_estimate() -> None:
    found = diagnose(_case()[0], None, loss="mean absolute error")
    assert found.kind == "unknown"
    assert found.inputs is None
    assert found.sentence.startswith("Why the mean absolute error is what it is cannot be told")


def test_without_a_labelled_baseline() -> None:
    current, gap = _drawn(1, 5000, moved=0.0, worse=0.03, at_seven=0.0)
    nothing = decompose(LossByBin.empty(SIZES, 1.0), current)
    found = diagnose(nothing, gap)
    assert found.kind == "concept drift"
    assert found.sentence.endswith("higher than the same inputs would give.")
    quiet = diagnose(nothing, replace(gap, value=0.0, p_value=1.0, low=-0.01, high=0.01))
    assert quiet.kind == "unknown"
    assert "no labelled rows to compare with" in quiet.sentence


def test_a_gap_that_is_sure_and_small_has_no_name() -> None:
    decomposition, _ = _case(100_000)
    found = diagnose(decomposition, _gap(0.002, 0.0005, 100_000))
    assert found.kind == "none"
    assert "all less than the 0.0028 that counts" in found.sentence
    assert diagnose(decomposition, _gap(0.002, 0.0005, 100_000), least=0.001).kind == "concept drift"


def test_it_is_a_document() -> None:
    found = _found(moved=0.2, at_seven=0.2)
    data = json.loads(json.dumps(found.to_json()))
    assert data["kind"] == "both"
    assert found.gap is not None
    assert data["gap"]["value"] == found.gap.value
    assert set(data) == set(vars(found))


def test_how_often_quiet_windows_are_named() -> None:
    named = [_found(3000, seed=seed).kind not in ("none", "unknown") for seed in range(60)]
    assert sum(named) <= 8
