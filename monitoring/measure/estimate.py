"""Performance of a binary classifier before its labels are known, and while they come.

Without labels: the scores are calibrated on labelled rows of the past, and every number is what is to be expected if
labels follow these rates. That is confidence-based performance estimation (Kivimäki, Białek, Nurminen and Kuberski,
Confidence-based estimators for predictive performance in model monitoring, arXiv 2407.08649, 2024). It sees what a
change of the inputs does, and not a change of what they mean.

With some labels: the rates are corrected until labelled rows are right on average in each stratum of scores, as in
prediction-powered inference (Angelopoulos et al., Science 382, 2023, arXiv 2301.09633), so that the number is right
whether or not the meaning of the inputs has changed.

An interval says what the realised number of these rows may be once all of their labels are known: the labels vary,
and the rates are known only so well. Both come in by the gradient of the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from monitoring.measure.calibration_map import CalibrationMap
from monitoring.measure.expected import Cells, Expectation, expectations
from monitoring.measure.measurement import Measurement
from monitoring.measure.performance import performance
from monitoring.measure.rates import Rates, mapped
from monitoring.measure.recalibration import LEAST_SHARE, corrected
from monitoring.measure.skewed import Spread
from monitoring.profile.fixed_point import FloatArray, IntArray
from monitoring.profile.outcomes import OutcomeProfile, bin_and_place
from monitoring.profile.score_counts import ScoreProfile

# With fewer labelled rows than these, labels correct nothing
FEWEST_LABELLED = 30


def estimated(scores: ScoreProfile, calibration: CalibrationMap) -> dict[str, Measurement]:
    """The performance numbers to be expected of rows without labels, by name.

    Those of `performance`, but for the calibration errors, which are distances from what the rows' labels say. Rows
    without a valid score count where no score is needed, with the rate that such rows had. What the map expects too
    much of the rows behind it, since it fits their chance, too, is taken off.

    Args:
        scores: The rows.
        calibration: What a score has meant.

    >>> past = OutcomeProfile.of(np.repeat([0.25, 0.75], 200), np.repeat([False, True], 200), np.arange(400) % 4 > 1)
    >>> rows = ScoreProfile.of(np.repeat([0.25, 0.75], [60, 40]), np.repeat([False, True], [60, 40]))
    >>> number = estimated(rows, CalibrationMap.fit(past))["accuracy"]
    >>> number.value, number.rows, round(number.low, 2), round(number.high, 2)
    (0.5, 100, 0.4, 0.6)
    """
    rates = mapped(scores, calibration)
    method = "estimated from calibrated scores; assumes that the relation of inputs and labels has not changed"
    cells = Cells.unlabelled(scores, rates.rates)
    return {
        number.name: replace(number, reference_rows=calibration.rows)
        for number in _measured(cells, rates, method, calibration.optimism)
    }


def combined(
    labelled: OutcomeProfile,
    unlabelled: ScoreProfile,
    calibration: CalibrationMap,
    completeness: tuple[float, float] = (1.0, 1.0),
) -> dict[str, Measurement]:
    """The performance numbers to be expected of rows of which some have labels, by name.

    Labelled rows count as they are. For the others, the logit of the map's rates is moved in each stratum of scores
    and predictions until labelled rows are right on average; strata hold enough labelled rows to tell. If labels of
    one class come later, labelled rows have less of it and unlabelled ones more, by Bayes' rule.

    Args:
        labelled: Rows with labels.
        unlabelled: Rows without labels; without any, the numbers are those of `performance(labelled)`.
        calibration: What a score has meant. With fewer than `FEWEST_LABELLED` labelled rows it is relied on alone.
        completeness: Share of the labels of negatives and of positives that is known by now. Labels are taken to be
            missing regardless of the class where both are 1.
    """
    if not unlabelled.total:
        return performance(labelled)
    known = ScoreProfile.of_outcomes(labelled)
    everything = known.merge(unlabelled)
    if known.total < FEWEST_LABELLED:
        return estimated(everything, calibration)
    rows, positives = labelled_counts(labelled, everything.bins)
    rates = corrected(rows, positives, mapped(everything, calibration), completeness)
    whole = Cells.unlabelled(everything, rates.rates)
    waiting = whole.rows - rows
    cells = replace(whole, positives=positives + waiting * rates.rates, waiting=waiting)
    method = f"estimate corrected by {known.total} labels of {everything.total}"
    return {number.name: number for number in _measured(cells, rates, method, {})}


def concept_gap(
    labelled: OutcomeProfile, calibration: CalibrationMap, completeness: tuple[float, float] = (1.0, 1.0)
) -> dict[str, Measurement]:
    """Realised less estimated performance of the same labelled rows, by name.

    Which rows these are cancels out: what is left is a change in what scores mean, beyond the chance of labels and of
    the map, which make the interval and the p-value.

    Args:
        labelled: Rows with labels, others than those that the map was fitted on.
        calibration: What a score has meant.
        completeness: As in `combined`.
    """
    known = ScoreProfile.of_outcomes(labelled)
    rates = mapped(known, calibration).among(*(max(share, LEAST_SHARE) for share in completeness))
    realised = performance(labelled)
    cells = Cells.unlabelled(known, rates.rates)
    gaps = (
        _gap(realised[number.name], number, rates.spread(cells.waiting, number.gradient), calibration)
        for number in expectations(cells)
    )
    return {gap.name: gap for gap in gaps}


def _gap(realised: Measurement, expected: Expectation, spread: Spread, calibration: CalibrationMap) -> Measurement:
    method = f"realised less estimated on the same rows: {expected.method}"
    value = _unbiased(expected, calibration.optimism)
    if realised.value is None or value is None:
        return Measurement(realised.name, None, realised.rows, expected.direction, method)
    gap = realised.value - value
    low, high = spread.interval(0.0)
    return Measurement(
        realised.name, gap, realised.rows, expected.direction, method, gap - high, gap - low,
        reference_rows=calibration.rows, standard_error=spread.error, p_value=spread.p_value(gap),
    )  # fmt: skip


def _unbiased(number: Expectation, optimism: Mapping[str, float]) -> float | None:
    """An expected number, less what the map has been found to expect too much."""
    if number.value is None:
        return None
    return min(max(number.value - optimism.get(number.name, 0.0), number.lowest), number.highest)


def _measured(cells: Cells, rates: Rates, method: str, optimism: Mapping[str, float]) -> Iterator[Measurement]:
    for number in expectations(cells):
        rows, text = round(number.rows), f"{number.method}; {method}"
        value = _unbiased(number, optimism)
        if value is None:
            yield Measurement(number.name, None, rows, number.direction, text)
            continue
        spread = rates.spread(cells.waiting, number.gradient)
        low, high = spread.interval(value)
        low, high = max(low, min(number.lowest, value)), min(high, max(number.highest, value))
        yield Measurement(number.name, value, rows, number.direction, text, low, high, standard_error=spread.error)


def labelled_counts(outcomes: OutcomeProfile, bins: IntArray) -> tuple[FloatArray, FloatArray]:
    """Rows and positive labels by bin and prediction, the last for rows without a score; two of shape (k + 1, 2).

    Args:
        outcomes: Labelled rows.
        bins: Ascending, with all that the labelled rows are in, shape (k,).
    """
    counts = np.zeros((len(bins) + 1, 2, 2), np.int64)
    at = np.searchsorted(bins, bin_and_place(outcomes.points)[0])
    np.add.at(counts, (at, (outcomes.points >> 1) & 1, outcomes.points & 1), outcomes.point_rows)
    counts[np.searchsorted(bins, outcomes.bins)] += outcomes.counts
    counts[-1] = outcomes.unscored
    return counts.sum(axis=2).astype(np.float64), counts[:, :, 1].astype(np.float64)
