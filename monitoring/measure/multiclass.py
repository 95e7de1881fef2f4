"""What predictions of several classes are worth.

Averages over classes are over those for which the number is defined: a class without a predicted row has no
precision, and taking it for 0 would be a number made up. scikit-learn does so with `zero_division=np.nan`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from monitoring.measure import binary, ranking
from monitoring.measure.intervals import Z95, mean_of, proportion, ratio, undefined
from monitoring.measure.measurement import Direction, Measurement
from monitoring.profile.multiclass import MulticlassProfile
from monitoring.profile.outcomes import OutcomeProfile

BETAS = (0.5, 1.0, 2.0)


def accuracy(outcomes: MulticlassProfile) -> Measurement:
    """Share of rows whose predicted class is the label; an unknown class is never right. Wilson's interval."""
    right = int(np.trace(outcomes.confusion[:-1, :-1]))
    return proportion("accuracy", right, outcomes.rows, "low", "share of predictions that came true")


def averages(outcomes: MulticlassProfile) -> Iterator[Measurement]:
    """Precision, recall and F-beta, each as macro, weighted and micro average.

    Each is a share N / D of class c with N = (1 + w) n_cc and D = w · labels of c + predictions of c: the recall for
    w → ∞, the precision for w = 0, F-beta for w = β². By the delta method on the confusion counts, a row with
    prediction i and label j moves N / D = v by [(1 + w) 1(i = j = c) − v (w 1(j = c) + 1(i = c))] / D. Macro takes
    the plain mean over classes, weighted the mean by labels, micro the share of sums over classes.

    >>> profile = MulticlassProfile.of(("a", "b"), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    >>> {number.name: round(number.value, 4) for number in averages(profile)}["precision_macro"]  # (1/2 + 1) / 2
    0.75
    """
    kinds: list[tuple[str, float, float]] = [("precision", 0.0, 1.0), ("recall", 1.0, 0.0)]
    kinds += [(f"f{beta:g}".replace(".", "_"), beta * beta, 1.0) for beta in BETAS]
    for name, of_labels, of_predictions in kinds:
        yield _mean_share(f"{name}_macro", outcomes, of_labels, of_predictions, weighted=False)
        yield _mean_share(f"{name}_weighted", outcomes, of_labels, of_predictions, weighted=True)
        yield _micro(f"{name}_micro", outcomes, of_labels, of_predictions)


def _mean_share(
    name: str, outcomes: MulticlassProfile, of_labels: float, of_predictions: float, *, weighted: bool
) -> Measurement:
    counts = outcomes.confusion.astype(np.float64)
    labels, predictions = counts.sum(axis=0)[:-1], counts.sum(axis=1)[:-1]
    denominator = of_labels * labels + of_predictions * predictions
    weight = np.where(denominator > 0, labels if weighted else 1.0, 0.0)
    method = f"{name.replace('_', ' ')} average over {int((weight > 0).sum())} of {len(outcomes.classes)} classes"
    if not weight.sum():
        return undefined(name, outcomes.rows, "low", method)
    safe = np.where(denominator > 0, denominator, 1.0)
    share = (of_labels + of_predictions) * np.diag(counts)[:-1] / safe
    value = float(share @ weight / weight.sum())
    # what one more row moves, by prediction and label; the last row and column are the unknown class
    lever = weight / weight.sum() / safe
    moved = np.zeros_like(counts)
    moved[:-1, :-1] += np.diag((of_labels + of_predictions) * lever)
    moved[:-1] -= (of_predictions * lever * share)[:, None]
    moved[:, :-1] -= of_labels * lever * share
    if weighted:
        moved[:, :-1] += np.where(weight > 0, share - value, 0.0) / weight.sum()
    variance = float((counts * moved**2).sum())
    return ratio(name, value, variance, outcomes.rows, "low", method, at_most=outcomes.rows)


def _micro(name: str, outcomes: MulticlassProfile, of_labels: float, of_predictions: float) -> Measurement:
    counts = outcomes.confusion.astype(np.float64)
    method = f"{name.replace('_', ' ')} average: over the rows of all classes"
    right, known = np.zeros_like(counts), np.zeros_like(counts)
    right[:-1, :-1] = np.eye(len(outcomes.classes)) * (of_labels + of_predictions)
    known[:, :-1] += of_labels
    known[:-1] += of_predictions
    denominator = float((counts * known).sum())
    if not denominator:
        return undefined(name, outcomes.rows, "low", method)
    value = float((counts * right).sum()) / denominator
    variance = float((counts * (right - value * known) ** 2).sum()) / denominator**2
    return ratio(name, value, variance, outcomes.rows, "low", method, at_most=outcomes.rows)


def brier(outcomes: MulticlassProfile) -> Measurement:
    """Mean over rows of the squared differences of probability and label, summed over all classes: from 0 to 2.

    Brier's own definition (Mon. Weather Rev. 78, 1950). For two classes it is twice the binary one.

    >>> p = np.array([[0.7, 0.3], [0.4, 0.6]])
    >>> profile = MulticlassProfile.of(("a", "b"), np.array([0, 1]), np.array([0, 0]), p)
    >>> round(brier(profile).value, 4)  # (0.18 + 0.72) / 2
    0.45
    """
    total, squares = outcomes.total("brier"), outcomes.total("brier_squared")
    method = "Brier score: squared error of the probabilities, summed over classes"
    return mean_of("brier", total, squares, outcomes.scored, "high", method, lowest=0.0)


def log_loss(outcomes: MulticlassProfile) -> Measurement:
    """Mean of −ln of the probability that was given to the label, at least 2^-52; normal interval."""
    total, squares = outcomes.total("log_loss"), outcomes.total("log_loss_squared")
    method = "log loss, natural logarithm"
    return mean_of("log_loss", total, squares, outcomes.scored, "high", method, lowest=0.0)


def areas(outcomes: MulticlassProfile) -> Iterator[Measurement]:
    """ROC AUC and average precision of each class against the rest, averaged over classes.

    Macro is the plain mean; weighted is by the scored labels of the classes (Fawcett, An introduction to ROC
    analysis, Pattern Recognition Letters 27, 2006). The standard error is the mean of the classes' own. That is an
    upper bound, reached if all classes err together: how they vary together is not in the state.
    """
    numbers: tuple[tuple[str, Callable[[OutcomeProfile], Measurement]], ...] = (
        ("roc_auc", ranking.roc_auc),
        ("average_precision", ranking.average_precision),
    )
    support = [float(part.labels[1]) for part in outcomes.one_vs_rest]
    for name, measure in numbers:
        found = [measure(part) for part in outcomes.one_vs_rest]
        about = f"{name} of each class against the rest"
        rows = outcomes.scored
        yield _mean_of_classes(f"{name}_macro", found, [1.0] * len(found), rows, "low", f"{about}, mean")
        yield _mean_of_classes(f"{name}_weighted", found, support, rows, "low", f"{about}, mean by labels")


def _mean_of_classes(
    name: str, numbers: Sequence[Measurement], weights: Sequence[float], rows: int, direction: Direction, method: str
) -> Measurement:
    """A mean of numbers, its interval the mean of theirs; without one if one of them has none."""
    known = [(number, weight) for number, weight in zip(numbers, weights, strict=True) if number.value is not None]
    total = sum(weight for _, weight in known)
    if not total:
        return undefined(name, rows, direction, method)

    def mean(items: list[float | None]) -> float | None:
        found = [item for item in items if item is not None]
        if len(found) < len(known):
            return None
        return sum(item * weight for item, (_, weight) in zip(found, known, strict=True)) / total

    value = mean([number.value for number, _ in known])
    low, high = mean([number.low for number, _ in known]), mean([number.high for number, _ in known])
    error = mean([number.standard_error for number, _ in known])
    noise = mean([number.noise for number, _ in known])
    return Measurement(name, value, rows, direction, method, low, high, standard_error=error, noise=noise)


def calibration_errors(outcomes: MulticlassProfile) -> Iterator[Measurement]:
    """Expected calibration error of the predicted class's probability, and of every class's.

    The first compares how sure the model was of its predictions with how often they came true (Guo et al., On
    calibration of modern neural networks, ICML 2017); the second is the mean over classes against the rest (Kull
    et al., Beyond temperature scaling, NeurIPS 2019).
    """
    confidence = binary.expected_calibration_error(outcomes.confidence)
    method = f"predicted class: {confidence.method}"
    yield replace(confidence, method=method)
    found = [binary.expected_calibration_error(part) for part in outcomes.one_vs_rest]
    method = "expected calibration error of each class against the rest, mean"
    number = _mean_of_classes("classwise_calibration_error", found, [1.0] * len(found), outcomes.scored, "high", method)
    if number.value is not None and number.standard_error is not None and number.noise is not None:
        # the classes' own lower ends are cut at 0, so that their mean would be too high
        low = max(number.value - number.noise - Z95 * number.standard_error, 0.0)
        number = replace(number, low=low)
    yield number


def priors(outcomes: MulticlassProfile) -> Iterator[Measurement]:
    """The share of each class among the labels, its mean probability, and how far that is from what came true.

    As `base_rate:NAME`, `mean_score:NAME` and `calibration:NAME`.
    """
    for name, part in zip(outcomes.classes, outcomes.one_vs_rest, strict=True):
        for number in (binary.base_rate(part), binary.mean_score(part)):
            yield replace(number, name=f"{number.name}:{name}", method=f"{number.method}, class {name}")
    yield from calibrations(outcomes).values()
    unknown = int(outcomes.confusion[:, -1].sum())
    yield proportion("unknown_labels", unknown, outcomes.rows, "high", "share of labels of no known class")


def calibrations(outcomes: MulticlassProfile, most: int | None = None) -> dict[str, Measurement]:
    """By class, its mean probability minus its share of the labels: below 0, more came true than was predicted.

    Of a model without probabilities, the share of predictions that the class has minus its share of the labels.

    Args:
        outcomes: Labelled rows.
        most: Only of so many classes, those with the most predictions and labels; None for all of them.

    >>> profile = MulticlassProfile.of(("a", "b"), np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]))
    >>> {name: number.value for name, number in calibrations(profile).items()}
    {'a': 0.5, 'b': -0.5}
    """
    counts = outcomes.confusion
    predicted, labelled, right = counts.sum(axis=1)[:-1], counts.sum(axis=0)[:-1], np.diag(counts)[:-1]
    # ties by the order of the classes
    largest = np.argsort(-(predicted + labelled), kind="stable")[:most].tolist()
    found = {}
    for place in sorted(largest):
        name = outcomes.classes[place]
        if outcomes.scored:
            number = binary.calibration(outcomes.one_vs_rest[place])
        else:
            apart = float(predicted[place] - labelled[place])
            squares = float(predicted[place] + labelled[place] - 2 * right[place])
            method = "share of predictions minus share of labels"
            number = mean_of("calibration", apart, squares, outcomes.rows, "both", method)
        found[name] = replace(number, name=f"calibration:{name}", method=f"{number.method}, class {name}")
    return found
