"""Segments, fairness and attributions: when a check fires, when it must not, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from monitoring.config import ModelConfig
from monitoring.judge import Code, Finding, Status
from monitoring.judge.context import Context
from monitoring.judge.evidence import Evidence, Reference
from monitoring.judge.family import settle
from monitoring.judge.limits import Limits, Spread
from monitoring.judge.registry import rule_of
from monitoring.judge.segment_checks import CHECKS, beside_the_whole
from monitoring.judge.segment_limits import fairness_key, learn_segments
from monitoring.measure import Measurement
from monitoring.measure.segments import FIELDS, GroupCounts
from monitoring.profile import ProfileSpec, WindowProfile
from monitoring.profile.attributions import Attributions

MakeConfig = Callable[..., ModelConfig]
SPEC = ProfileSpec()


def spread(mean: float, deviation: float = 0.01, rows: float = 2000.0) -> Spread:
    """A spread that was learned from twenty independent blocks."""
    return Spread(mean, deviation, 20, 20.0, rows)


def loss(value: float, error: float = 0.01, rows: int = 4210) -> Measurement:
    """A loss with its interval."""
    return Measurement(
        "brier", value, rows, "high", "", value - 1.96 * error, value + 1.96 * error, standard_error=error
    )


def profile_of(attributions: Attributions) -> WindowProfile:
    """A profile with these attributions."""
    return replace(WindowProfile.empty(SPEC), attributions=attributions)


class Asked:
    """Ask one check of some evidence."""

    def __init__(self, make_config: MakeConfig) -> None:
        self.make_config = make_config

    def __call__(
        self,
        check: str,
        spreads: dict[str, Spread],
        rule: dict[str, Any] | None = None,
        columns: dict[str, Any] | None = None,
        before: Attributions | None = None,
        now: Attributions | None = None,
        **evidence: Any,
    ) -> dict[str, Finding]:
        config = self.make_config(columns={"segments": ["origin"], **(columns or {})}, checks={check: rule or {}})
        limits = Limits(1000.0, {key: (found,) for key, found in spreads.items()})
        reference = Reference("v1", SPEC, profile_of(before or Attributions()), limits)
        trailing = profile_of(now or Attributions())
        known = {"trailing_labelled": 10_000, "loss": "Brier score", "final": True, **evidence}
        about = {"window": "2024-01-11", "profile": trailing, "trailing": trailing}
        seen = Evidence(**about, windows=1, hours=24, coverage=1.0, **known)
        context = Context(seen, reference, config)
        [own] = [item for item in CHECKS if item.name == check]
        items = list(own.evaluate(context, rule_of(config.checks, check)))
        return {finding.subject: finding for finding in settle(items, config.alarms, 24, {})[0]}


@pytest.fixture
def asked(make_config: MakeConfig) -> Asked:
    """Ask one check of some evidence."""
    return Asked(make_config)


# --- the loss of a segment


def test_a_broken_segment_fails(asked: Asked) -> None:
    losses = {"origin=EWR": loss(0.31), "origin=JFK": loss(0.145)}
    known = {"segment_loss:origin=EWR": spread(0.14), "segment_loss:origin=JFK": spread(0.14)}
    found = asked("segment_loss", known, segment_losses=losses)
    worse, fine = found["origin=EWR"], found["origin=JFK"]
    assert (worse.status, worse.code) == (Status.FAIL, Code.SEGMENT_WORSE)
    assert worse.message == ("Broken where origin=EWR: Brier score 0.31 [0.29, 0.33] on 4,210 rows, ordinarily 0.14.")
    assert worse.impact == pytest.approx((0.31 - 0.14) * 0.421)
    assert (fine.status, fine.code) == (Status.OK, Code.WITHIN_LIMITS)
    assert fine.message.startswith("origin=JFK: Brier score 0.145")
    assert fine.detectable is not None
    assert fine.detectable > 0.14 * 1.2


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (loss(0.165), spread(0.14, 0.001)),  # within the tolerance of a fifth
        (loss(0.31), spread(0.14, 0.1)),  # ordinary days are as bad
        (loss(0.31, error=0.1), spread(0.14)),  # few rows cannot tell
    ],
)
def test_a_segment_that_is_not_surely_worse_does_not_fail(asked: Asked, found: Measurement, known: Spread) -> None:
    answer = asked("segment_loss", {"segment_loss:origin=EWR": known}, segment_losses={"origin=EWR": found})
    assert answer["origin=EWR"].status is Status.OK


def test_small_segments_are_named_and_not_judged(asked: Asked) -> None:
    losses = {"origin=EWR": loss(0.31, rows=150), "origin=LGA": loss(0.2, rows=199)}
    found = asked("segment_loss", {"segment_loss:origin=EWR": spread(0.14)}, segment_losses=losses)
    assert set(found) == {"origin"}
    assert (found["origin"].status, found["origin"].code) == (Status.INFO, Code.TOO_FEW_LABELS)
    assert found["origin"].message == "origin: fewer than 200 labelled rows of EWR, LGA, which are not judged."


def test_a_value_without_a_past_has_nothing_to_be_worse_than(asked: Asked) -> None:
    losses = {"origin=NEW": loss(0.31)}
    assert asked("segment_loss", {}, segment_losses=losses) == {}
    own = asked("segment_loss", {}, {"limit": 0.3}, segment_losses=losses)["origin=NEW"]
    assert (own.status, own.limit) == (Status.FAIL, 0.3)
    assert asked("segment_loss", {}, {"limit": 0.4}, segment_losses=losses)["origin=NEW"].status is Status.OK


def _finding(check: str, subject: str, status: Status, impact: float | None = None) -> Finding:
    code = Code.SEGMENT_WORSE if check == "segment_loss" else Code.ERROR_LARGER
    return Finding(check, subject, status, code, f"Broken where {subject}: it is.", impact=impact)


@pytest.mark.parametrize(
    ("whole", "statuses", "messages"),
    [
        (
            Status.OK,
            [Status.FAIL, Status.FAIL],
            ["Fine overall; broken where a: it is.", "Fine overall; broken where b: it is."],
        ),
        (Status.FAIL, [Status.INFO, Status.INFO], ["Also worse where a: it is.", "Worst where b: it is."]),
        (Status.UNKNOWN, [Status.FAIL, Status.FAIL], ["Broken where a: it is.", "Broken where b: it is."]),
    ],
)
def test_what_is_said_depends_on_the_whole(whole: Status, statuses: list[Status], messages: list[str]) -> None:
    worse = [_finding("segment_loss", "a", Status.FAIL, 0.1), _finding("segment_loss", "b", Status.FAIL, 0.2)]
    found = beside_the_whole([_finding("error", "", whole), *worse])
    assert found[0] == _finding("error", "", whole)
    assert [item.status for item in found[1:]] == statuses
    assert [item.message for item in found[1:]] == messages


# --- share and predictions

GROUPS = {"origin": {"EWR": GroupCounts(rows=500, positives=100), "JFK": GroupCounts(rows=500, positives=100)}}
EVERYONE = GroupCounts(rows=1000, positives=200)
SHARES = {"segment_share:origin=EWR": spread(0.5), "segment_share:origin=JFK": spread(0.5)}


def test_ordinary_shares_are_fine(asked: Asked) -> None:
    found = asked("segment_share", SHARES, groups=GROUPS, everyone=EVERYONE)
    assert {name: item.status for name, item in found.items()} == {"origin=EWR": Status.OK, "origin=JFK": Status.OK}


def test_a_value_that_vanishes_and_one_that_is_new_inform(asked: Asked) -> None:
    groups = {"origin": {"EWR": GroupCounts(rows=500), "NEW": GroupCounts(rows=471), "RARE": GroupCounts(rows=29)}}
    found = asked("segment_share", SHARES, groups=groups, everyone=EVERYONE)
    codes = {name: (item.status, item.code) for name, item in found.items()}
    assert codes == {
        "origin=EWR": (Status.OK, Code.WITHIN_LIMITS),
        "origin=JFK": (Status.INFO, Code.SEGMENT_SHARE),
        "origin=NEW": (Status.INFO, Code.SEGMENT_SHARE),
    }
    assert found["origin=JFK"].message == "origin=JFK has 0.0% of the rows, ordinarily 50.0%."
    assert found["origin=NEW"].message == "origin=NEW has 47.1% of the rows, ordinarily 0.0%."
    assert {item.group for item in found.values()} == {"origin"}


def test_few_rows_tell_no_share(asked: Asked) -> None:
    found = asked("segment_share", SHARES, groups=GROUPS, everyone=GroupCounts(rows=199))
    assert found[""].code is Code.TOO_FEW_ROWS


def test_a_segment_that_the_training_rows_lack_has_no_share(asked: Asked) -> None:
    assert asked("segment_share", {}, groups=GROUPS, everyone=EVERYONE) == {}


@pytest.mark.parametrize(("ordinary", "fires"), [(0.2, False), (0.29, False), (0.5, True), (0.02, True)])
def test_predictions_of_a_value(asked: Asked, ordinary: float, fires: bool) -> None:
    known = {"segment_predictions:origin=EWR": spread(ordinary)}
    found = asked("segment_predictions", known, groups=GROUPS, everyone=EVERYONE)
    assert (found["origin=EWR"].code is Code.SEGMENT_PREDICTIONS) is fires
    assert "origin=JFK" not in found  # of which nothing is known


def test_few_rows_tell_no_predictions(asked: Asked) -> None:
    groups = {"origin": {"EWR": GroupCounts(rows=199, positives=199)}}
    assert asked("segment_predictions", {"segment_predictions:origin=EWR": spread(0.1)}, groups=groups) == {}


# --- fairness

GENDER = {"segments": ["gender"]}
FAIR = {"columns": ["gender"]}


def gender(f: float, m: float, rows: int = 4000) -> dict[str, Any]:
    """Groups with these rates of positive predictions; all else is equal."""
    half = rows // 2
    groups = {
        name: GroupCounts(rows, round(rate * rows), rows, round(0.8 * rows), half, round(0.7 * half))
        for name, rate in (("f", f), ("m", m))
    }
    return {"groups": {"gender": groups}, "everyone": groups["f"].merge(groups["m"])}


def treated(f: float, m: float, deviation: float = 0.005) -> dict[str, Spread]:
    """What was ordinary in training: these rates of positive predictions, and no difference otherwise."""
    whole, found = (f + m) / 2, {}
    for name, rate in (("f", f), ("m", m)):
        subject = f"gender={name}"
        found[fairness_key("demographic_parity_difference", subject)] = spread(rate - whole, deviation)
        found[fairness_key("disparate_impact", subject)] = spread(rate / whole, deviation)
        found[fairness_key("equal_opportunity_difference", subject)] = spread(0.0, deviation)
        found[fairness_key("accuracy_difference", subject)] = spread(0.0, deviation)
    return found


def test_a_new_difference_warns(asked: Asked) -> None:
    found = asked("fairness", treated(0.5, 0.5), FAIR, GENDER, **gender(0.35, 0.5))
    codes = {name.partition("/")[2]: (item.status, item.code) for name, item in found.items()}
    assert codes == {
        "demographic_parity_difference": (Status.WARN, Code.UNFAIR),
        "disparate_impact": (Status.WARN, Code.UNFAIR),
        "equal_opportunity_difference": (Status.OK, Code.WITHIN_LIMITS),
        "accuracy_difference": (Status.OK, Code.WITHIN_LIMITS),
    }
    parity = found["gender/demographic_parity_difference"]
    assert parity.message.startswith("gender: positive predictions are 50.0% for m and 35.0% for f:")
    assert parity.message.endswith("ordinarily 0.")
    impact = found["gender/disparate_impact"]
    assert impact.measurement is not None
    assert impact.measurement.value == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((0.35, 0.5), (0.35, 0.5)),  # it was so in training
        ((0.3, 0.5), (0.35, 0.5)),  # less of a difference
        ((0.3, 0.5), (0.5, 0.49)),  # none is left
        ((0.5, 0.5), (0.48, 0.5)),  # within the tolerance
    ],
)
def test_a_difference_that_was_there_or_shrinks_is_fine(asked: Asked, before: Any, now: Any) -> None:
    found = asked("fairness", treated(*before), FAIR, GENDER, **gender(*now))
    assert {item.status for item in found.values()} == {Status.OK}


def test_a_difference_the_other_way_round_is_new(asked: Asked) -> None:
    found = asked("fairness", treated(0.35, 0.5), FAIR, GENDER, **gender(0.5, 0.35))
    assert found["gender/demographic_parity_difference"].code is Code.UNFAIR
    assert found["gender/disparate_impact"].code is Code.UNFAIR


def test_a_difference_that_ordinary_windows_have_does_not_warn(asked: Asked) -> None:
    found = asked("fairness", treated(0.5, 0.5, deviation=0.2), FAIR, GENDER, **gender(0.35, 0.5))
    assert {item.status for item in found.values()} == {Status.OK}


def test_too_few_rows_of_a_value(asked: Asked) -> None:
    found = asked("fairness", treated(0.5, 0.5), FAIR, GENDER, **gender(0.1, 0.9, rows=199))
    assert {item.code for item in found.values()} == {Code.TOO_FEW_ROWS}
    assert {item.status for item in found.values()} == {Status.UNKNOWN}
    missing = asked("fairness", {}, FAIR, GENDER, **gender(0.35, 0.5))
    assert {item.code for item in missing.values()} == {Code.TOO_FEW_ROWS}


def test_the_four_fifths_rule(asked: Asked) -> None:
    rule = {**FAIR, "limits": {"disparate_impact": 0.8}}
    for f, fires in ((0.35, True), (0.45, False)):
        found = asked("fairness", treated(f, 0.5), rule, GENDER, **gender(f, 0.5))["gender/disparate_impact"]
        assert (found.code is Code.UNFAIR) is fires
        assert (found.limit, found.p_value) == (0.8, None)


def test_accuracy_waits_for_all_labels(asked: Asked) -> None:
    found = asked("fairness", treated(0.5, 0.5), FAIR, GENDER, final=False, **gender(0.5, 0.5))
    assert "gender/accuracy_difference" not in found
    assert "gender/equal_opportunity_difference" in found


def test_what_cannot_be_compared_is_said(asked: Asked) -> None:
    found = asked("fairness", {}, {"columns": ["size"]}, GENDER, **gender(0.5, 0.5))
    assert found["size"].code is Code.UNTESTABLE
    numbers = {**GENDER, "task": "regression"}
    assert asked("fairness", {}, FAIR, numbers, **gender(0.5, 0.5))["gender"].code is Code.UNTESTABLE
    assert asked("fairness", {}, {}, GENDER, **gender(0.1, 0.9)) == {}


# --- attributions

ATTRIBUTED = {"attributions": {"amount": "shap_amount", "age": "shap_age"}}


def means(amount: float, age: float, rows: int = 1000) -> Attributions:
    """Attributions of two features."""
    each = {"amount": amount, "age": age}
    return Attributions(dict.fromkeys(each, rows), {name: round(mean * rows * 2**32) for name, mean in each.items()})


@pytest.mark.parametrize(
    ("known", "fires"),
    [({}, True), ({"attribution_drift": spread(1.0, 0.0)}, True), ({"attribution_drift": spread(0.8, 0.2)}, False)],
)
def test_another_order_of_features_warns(asked: Asked, known: dict[str, Spread], fires: bool) -> None:
    found = asked("attribution_drift", known, {}, ATTRIBUTED, before=means(1.0, 0.1), now=means(0.1, 1.0))[""]
    assert (found.status, found.code) == (
        (Status.WARN, Code.ATTRIBUTION_DRIFT) if fires else (Status.OK, Code.WITHIN_LIMITS)
    )
    assert found.measurement is not None
    best, now = 1 + 0.1 / np.log2(3), 0.1 + 1 / np.log2(3)
    assert found.measurement.value == pytest.approx(now / best)
    assert found.message.endswith("Ranks that moved most: age from 2 to 1, amount from 1 to 2.")


def test_the_same_order_is_fine(asked: Asked) -> None:
    known = {"attribution_drift": spread(1.0, 0.0)}
    found = asked("attribution_drift", known, {}, ATTRIBUTED, before=means(1.0, 0.1), now=means(3.0, 2.9))[""]
    assert (found.status, found.message[-18:]) == (Status.OK, "1.000 (ordinary 1.000)."[-18:])
    # features that matter alike may change places
    alike = asked("attribution_drift", known, {}, ATTRIBUTED, before=means(1.0, 0.95), now=means(0.9, 1.0))[""]
    assert alike.status is Status.OK


def test_a_limit_of_ones_own(asked: Asked) -> None:
    rule = {"limit": 0.9}
    found = asked("attribution_drift", {}, rule, ATTRIBUTED, before=means(1.0, 0.1), now=means(0.1, 1.0))[""]
    assert (found.status, found.limit) == (Status.WARN, 0.9)


def test_few_attributions_and_none(asked: Asked) -> None:
    before = means(1.0, 0.1)
    few = asked("attribution_drift", {}, {}, ATTRIBUTED, before=before, now=means(0.1, 1.0, rows=199))[""]
    assert (few.status, few.code) == (Status.UNKNOWN, Code.TOO_FEW_ROWS)
    gone = asked("attribution_drift", {}, {}, ATTRIBUTED, before=before)[""]
    assert (gone.status, gone.code) == (Status.UNKNOWN, Code.TOO_FEW_ROWS)
    unknown = asked("attribution_drift", {}, {}, ATTRIBUTED, now=before)[""]
    assert (unknown.status, unknown.code) == (Status.INFO, Code.UNTESTABLE)
    assert asked("attribution_drift", {}, before=before, now=before) == {}


# --- what is learned


def _tables(windows: int, rows: int = 100) -> dict[str, np.ndarray[Any, Any]]:
    """Two values: `a` has three of four rows, half of them positive; `b` the others, and a quarter."""
    found = {}
    for name, mine, positive in (("a", 0.75, 0.5), ("b", 0.25, 0.25)):
        count = rows * mine
        row = np.array([count, count * positive, count, count, count / 2, count / 4, count, count * 0.2])
        found[f"site={name}"] = np.tile(row, (windows, 1))
    return {"": found["site=a"] + found["site=b"], **found}


def test_means_are_learned_by_value() -> None:
    assert _tables(1)[""].shape == (1, len(FIELDS))
    found = learn_segments(_tables(12, 400), longest=3, compared=["site"], binary=True)
    expected = {
        "segment_share:site=a": 0.75,
        "segment_predictions:site=b": 0.25,
        "segment_loss:site=a": 0.2,
        "fairness:demographic_parity_difference:site=a": 0.5 - 0.4375,
        "fairness:disparate_impact:site=b": 0.25 / 0.4375,
        "fairness:accuracy_difference:site=a": 0.0,
    }
    for key, mean in expected.items():
        assert len(found[key]) == 3
        assert [item.mean for item in found[key]] == pytest.approx([mean] * 3)
        assert found[key][0].deviation == pytest.approx(0.0, abs=1e-12)
    assert [item.blocks for item in found["segment_share:site=a"]] == [12, 11, 10]


def test_spreads_of_numbers_are_those_of_measurements() -> None:
    values, rows = np.random.default_rng(4).random(40).tolist(), list(range(100, 140))
    measured = [Measurement("x", value, count, "both", "") for value, count in zip(values, rows, strict=True)]
    for length in (1, 3):
        expected, found = Spread.of(measured, length), Spread.of_numbers(values, rows, length)
        for name in ("mean", "deviation", "blocks", "independent", "rows", "carried"):
            assert getattr(found, name) == pytest.approx(getattr(expected, name))
    assert Spread.of_numbers([0.5], [10], 1).deviation == 0.0


def test_a_value_with_few_rows_is_learned_from_longer_blocks() -> None:
    found = learn_segments(_tables(12, 80), longest=3, compared=[], binary=True)  # 20 rows of b in a window
    assert [item.blocks for item in found["segment_loss:site=b"]] == [11, 11, 10]
    assert [item.rows for item in found["segment_loss:site=b"]] == [40, 40, 60]
    assert not [key for key in found if key.startswith("fairness")]


def test_without_two_classes_nothing_is_said_of_predictions() -> None:
    found = learn_segments(_tables(12, 400), longest=1, compared=["site"], binary=False)
    assert {key.partition(":")[0] for key in found} == {"segment_share", "segment_loss", "fairness"}
    assert {key.split(":")[1] for key in found if key.startswith("fairness")} == {"accuracy_difference"}
