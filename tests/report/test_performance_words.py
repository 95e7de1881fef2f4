"""Performance in words and tables."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from monitoring.config import ModelConfig
from monitoring.judge import Status, Verdict
from monitoring.measure import Measurement
from monitoring.measure.series import Performance, Stage
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.report.facts import Facts
from monitoring.report.measured import Measured
from monitoring.report.performance_words import _pieces, performance_cards, performance_line, stage_sentence
from monitoring.window import Window
from tests.conftest import FIRST_DAY

MakeConfig = Callable[..., ModelConfig]
AUC, BRIER = (0.812, 0.79, 0.834), (0.15, 0.14, 0.16)
SCRIPT = "<script>"


def number(name: str, value: float | None, low: float | None, high: float | None, rows: int = 300) -> Measurement:
    return Measurement(name, value, rows, "high" if name in ("brier", "mae") else "low", "", low, high)


def performance(stage: Stage, rows: int = 300, labelled: int = 186, *, behind: int = 300, **gap: float) -> Performance:
    numbers = {"roc_auc": number("roc_auc", *AUC, behind), "brier": number("brier", *BRIER, behind)}
    gaps = {name: number(name, value, value - 0.01, value + 0.01, labelled) for name, value in gap.items()}
    return Performance(stage, rows, labelled, numbers, numbers, numbers, gaps)


def measured(own: Performance, **more: Any) -> Measured:
    values: dict[str, Any] = {"trailing": own, "final": own.stage == "final", "age": 30.0, "loss": "brier"}
    values |= {"loss_title": "Brier score", "ordinary_loss": 0.1, "maturity": None, "lateness": None, "segments": {}}
    return Measured(own=own, **{**values, "explanation": None, **more})


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def facts(make_config: MakeConfig) -> Facts:
    """A window of 300 rows, of which 62 % have a label."""
    window = Window(FIRST_DAY, "day")
    verdict = Verdict(
        model="toy",
        window=window,
        revision=1,
        as_of=window.end,
        final=False,
        status=Status.OK,
        own_performance=Status.OK,
        headline="",
        findings=(),
        numbers={"label_coverage": number("label_coverage", 0.62, None, None)},
        trailing={},
        trailing_windows=("2024-01-09", "2024-01-10", "2024-01-11"),
        accounting={},
        inputs={},
    )
    nothing = WindowProfile.empty(ProfileSpec({}))
    return Facts(make_config(), verdict, None, None, nothing, nothing, (verdict,))


# --- the stage


@pytest.mark.parametrize(
    ("own", "start", "end"),
    [
        (performance("estimated", labelled=0), "Estimated: no labels yet, 30 hours after the end of the day. ROC", ""),
        (performance("estimated", labelled=7), "Estimated: only 7 of 300 rows have a label, 30 hours", "baseline."),
        (performance("provisional"), "Provisional: 62.0% of the rows have a label (186 of 300), 30 hours", "are here."),
        (performance("final"), "Final: 62.0% of the rows have a label (186 of 300), and no more", "[0.140, 0.160]."),
    ],
)
def test_the_stage_comes_first(make_config: MakeConfig, own: Performance, start: str, end: str) -> None:
    sentence = stage_sentence(measured(own), make_config())
    assert sentence.startswith(start)
    assert sentence.endswith(end)
    assert "ROC AUC 0.812 [0.790, 0.834], Brier score 0.150 [0.140, 0.160]." in sentence
    assert ("assumes that the relation has not changed" in sentence) == (own.stage == "estimated")
    assert stage_sentence(measured(own, maturity={**MATURITY, "settled": True}), make_config()) == (
        sentence.removesuffix(" " + _YOUNG)
    )


_YOUNG = "How labels come is not known yet: those that are missing may be of other rows than those that are here."


def test_an_estimate_says_why_there_are_no_labels(make_config: MakeConfig) -> None:
    own = performance("estimated", labelled=0)
    assert "no labels are configured" in stage_sentence(measured(own), make_config(labels=None))
    assert "no labels have come, and no more" in stage_sentence(measured(own, final=True), make_config())


@pytest.mark.parametrize(
    ("rows", "labelled", "why"), [(0, 0, "there are no rows"), (9, 0, "there are no labels"), (9, 2, "only 2 labels")]
)
def test_what_is_unknown_says_why(make_config: MakeConfig, rows: int, labelled: int, why: str) -> None:
    own = Performance("unknown", rows, labelled, {})
    sentence = stage_sentence(measured(own), make_config())
    assert sentence.startswith("Unknown: ")
    assert why in sentence


def test_numbers_of_few_rows_are_not_told(make_config: MakeConfig) -> None:
    own = performance("final", rows=9, labelled=4, behind=4)
    assert "0.812" not in stage_sentence(measured(own), make_config())
    shown = make_config(columns={"privacy": {"show_rows": True}})
    assert "0.812" in stage_sentence(measured(own), shown)


def test_a_line_for_terminals(make_config: MakeConfig) -> None:
    line = performance_line(measured(performance("provisional")), make_config())
    assert line == "provisional, 62.0% of the labels, ROC AUC 0.812 [0.790, 0.834]"


# --- how labels come


MATURITY = {
    "windows": 9,
    "horizon_hours": 120.0,
    "settled": False,
    "ever": {"expected": 0.8, "low": 0.7, "high": 0.9},
    "points": [{"age_hours": 24.0 * i, "expected": 0.2 * min(i, 4), "low": 0.0, "high": 1.0} for i in range(6)],
}


def test_how_labels_come_is_told(facts: Facts) -> None:
    late = Measurement("label_lateness", -0.2, 300, "low", "", -0.3, -0.1, p_value=0.001)
    own = measured(performance("provisional"), maturity=MATURITY, lateness=late)
    words = words_of(performance_cards(replace(facts, measured=own)))
    assert "Of the 9 days before, 80.0% of the rows have a label 5 days after the end (70.0% to 90.0% of one" in words
    assert "Nearly all of these (99%) had come after 4 days." in words
    assert "some may come later still" in words
    assert "This day has 62.0% after 30 hours, where 82.0% (72.0% to 92.0%) are usual: fewer than usual." in words


def test_a_window_whose_labels_come_as_usual_raises_nothing(facts: Facts) -> None:
    late = Measurement("label_lateness", -0.02, 300, "low", "", -0.1, 0.1, p_value=0.6)
    own = measured(performance("provisional"), maturity={**MATURITY, "settled": True}, lateness=late)
    words = words_of(performance_cards(replace(facts, measured=own)))
    assert "are usual." in words
    assert "later still" not in words


# --- why


def part(name: str, value: float) -> dict[str, Any]:
    return number(name, value, value - 0.001, value + 0.001).to_json()


def feature(name: str, mix: float, rate: float, new: float, concentration: float = 0.0) -> dict[str, Any]:
    parts = {"mix": part("mix", mix), "rate": part("rate", rate), "new": part("new", new)}
    return {"feature": name, **parts, "concentration": {**part("concentration", concentration), "p_value": 0.0001}}


def explanation(*features: dict[str, Any], missing: Any = None, named: str = "", cells: Any = ()) -> dict[str, Any]:
    diagnosis = {"sentence": "Predictions got worse.", "feature": named, "cells": [*cells]}
    return {
        "diagnosis": diagnosis,
        "loss_before": 0.1,
        "loss_now": 0.15,
        "features": [*features],
        "missing": missing,
    }


def test_why_tells_the_gap_and_each_features_parts(facts: Facts) -> None:
    told = explanation(feature("a", 0.05, 0.0, 0.0), feature(SCRIPT, 0.0, 0.03, 0.02, 0.04), named=SCRIPT, cells=["x"])
    page = performance_cards(replace(facts, measured=measured(performance("final", brier=0.03), explanation=told)))
    words = words_of(page)
    assert "Predictions got worse." in words
    assert "Concept gap over 3 days: +0.030 [+0.020, +0.040]" in words
    assert "from 0.1 in the baseline to 0.15: +0.050" in words
    assert "<script> 0.000 +0.030 +0.020 0.040 (p < 0.001) x" in words
    assert words.index("<script>") < words.index(" a +0.050 0.000 0.000")
    assert SCRIPT not in page


def test_why_of_few_labels_tells_no_numbers(facts: Facts) -> None:
    few = performance("provisional", labelled=29, behind=29)
    told = explanation(feature("a", 0.05, 0.0, 0.0))
    words = words_of(performance_cards(replace(facts, measured=measured(few, explanation=told))))
    assert "Predictions got worse." in words
    assert "in the baseline" not in words


@pytest.mark.parametrize("parts", [(0.05, 0.03, 0.02), (-0.05, 0.03, 0.0), (-0.01, -0.02, -0.03), (0.0, 0.0, 0.0)])
def test_the_pieces_of_a_bar_lie_side_by_side_and_add_up(parts: tuple[float, float, float]) -> None:
    found = [
        (float(left), float(width))
        for piece in _pieces(feature("a", *parts), 0.1)
        for left, width in re.findall(r"left:(-?[\d.]+)%;width:([\d.]+)%", piece)
    ]
    assert [width for _, width in found] == pytest.approx([500 * abs(value) for value in parts], abs=0.1)
    above = [pair for pair, value in zip(found, parts, strict=True) if value > 0]
    assert [left for left, _ in above] == pytest.approx([50 + sum(w for _, w in above[:i]) for i in range(len(above))])
    below = sum(width for (_, width), value in zip(found, parts, strict=True) if value < 0)
    assert min(left for left, _ in found) == pytest.approx(50 - below, abs=0.1)


def test_a_gap_in_accuracy_is_told_as_one_of_the_error_rate() -> None:
    own = performance("final", accuracy=-0.03)
    gap = measured(own, loss="accuracy", loss_title="error rate").loss_gap(own)
    assert gap is not None
    assert (gap.name, gap.value, gap.low, gap.high) == ("error_rate", 0.03, pytest.approx(0.02), pytest.approx(0.04))


# --- segments


def test_segments_stand_worst_first_and_small_ones_not_at_all(facts: Facts) -> None:
    values = {name: performance("final", brier=0.01) for name in ("good", SCRIPT, "worse", "tiny")}
    values["tiny"] = performance("final", rows=29, labelled=29)
    values["worse"].numbers["roc_auc"] = number("roc_auc", 0.6, 0.5, 0.7)
    own = measured(performance("final"), segments={"place": values, "none": {"x": values["tiny"]}})
    page = performance_cards(replace(facts, measured=own))
    words = words_of(page)
    assert words.index("worse 300 62.0% 0.60 [0.50, 0.70] ● final +0.010 [0.000, +0.020]") < words.index("<script> 300")
    assert words.index("<script> 300") < words.index("good 300")
    assert "tiny" not in words
    assert "By none" not in words
    assert SCRIPT not in page


# --- missing labels


def missing(found: bool, labelled: int = 186) -> dict[str, Any]:
    column = {"column": "a", "found": found, "sentence": "Rows without a label have higher a."}
    counts = {"rows": 300, "labelled": labelled, "loss": "Brier score", "mean_loss": 0.15, "bounds": [0.09, 0.49]}
    return {**counts, "columns": [column]}


@pytest.mark.parametrize(
    ("found", "said"), [(True, "Rows without a label have higher a."), (False, "In none of 1 column do rows")]
)
def test_missing_labels_have_bounds(facts: Facts, found: bool, said: str) -> None:
    told = explanation(missing=missing(found))
    words = words_of(performance_cards(replace(facts, measured=measured(performance("final"), explanation=told))))
    assert "114 of 300 rows have no label" in words
    assert "that of all rows lies between 0.09 and 0.49." in words
    assert said in words


def test_the_loss_of_few_labelled_rows_is_not_told(facts: Facts) -> None:
    told = explanation(missing=missing(found=False, labelled=4))
    few = measured(performance("final", labelled=4, behind=4), explanation=told)
    assert "What missing labels may hide" not in performance_cards(replace(facts, measured=few))
