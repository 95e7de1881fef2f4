"""What became of the predictions, by name: inputs have moved, their relation to the labels has changed, or both.

The concept gap is the loss of labelled rows less the loss that their own inputs would give if the relation had not
changed. So what is left of the change against the baseline is what other inputs did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from monitoring.measure.decomposition import LEAST_TESTED, Decomposition, FeatureChange
from monitoring.measure.intervals import Z95, estimate
from monitoring.measure.measurement import Measurement

Kind = Literal["none", "covariate shift", "concept drift", "both", "unknown"]
# Labelled rows below which nothing is named
LEAST_LABELLED = 30
# Shares of the baseline's mean loss: the smallest change worth a name, and the largest that may go unnoticed
LEAST_SHARE, MOST_UNNOTICED = 0.02, 0.1
# In standard errors: what a test at 5 % finds in four of five cases
_DETECTED = Z95 + 0.8416212335729143


@dataclass(frozen=True)
class Diagnosis:
    """What became of the predictions.

    Attributes:
        kind: `none`, `covariate shift`, `concept drift`, `both` or `unknown`.
        sentence: The same for people, with numbers.
        change: The mean loss less that of the baseline.
        gap: The concept gap, None where there is no estimate without labels.
        inputs: What other inputs did: the change less the gap; None if one of them is not known.
        least: The smallest change that is named.
        detectable: The gap that these labels would show in four of five cases, None if that is not known.
        feature: The feature in whose cells the loss has changed most differently; empty where none stands out.
        cells: The cells of it where the loss has changed most.
        moved: Features by whose cells moved rows explain most, most first; empty unless inputs matter.
        drifted: Features whose distribution has drifted, as they were given.
    """

    kind: Kind
    sentence: str
    change: Measurement
    gap: Measurement | None
    inputs: Measurement | None
    least: float
    detectable: float | None
    feature: str = ""
    cells: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        numbers = {"change": self.change, "gap": self.gap, "inputs": self.inputs}
        lists = {"cells": self.cells, "moved": self.moved, "drifted": self.drifted}
        return {
            "kind": self.kind,
            "sentence": self.sentence,
            **{name: number and number.to_json() for name, number in numbers.items()},
            "least": self.least,
            "detectable": self.detectable,
            "feature": self.feature,
            **{name: list(items) for name, items in lists.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From `to_json`."""
        numbers = {name: data[name] and Measurement.from_json(data[name]) for name in ("change", "gap", "inputs")}
        lists = {name: tuple(data[name]) for name in ("cells", "moved", "drifted")}
        return cls(**{**data, **numbers, **lists})


def _numbered(_feature: str, cell: int) -> str:
    return f"cell {cell}"


def diagnose(
    decomposition: Decomposition,
    gap: Measurement | None,
    drifted: Sequence[str] = (),
    *,
    loss: str = "Brier score",
    cell_name: Callable[[str, int], str] = _numbered,
    least: float | None = None,
    unnoticed: float | None = None,
    level: float = 0.05,
) -> Diagnosis:
    """Name what happened.

    A gap is named if its p-value is below the level and its size is not below the least. What inputs did is named if
    its interval is off zero, of which the variance is taken to be the sum of those of change and gap: no less than
    it is, as both share the losses of now. Where nothing is found, it is `none` only if a gap that may not go
    unnoticed would have been found in four of five cases.

    Args:
        decomposition: The change of the mean loss against the baseline, by feature.
        gap: The concept gap of the same loss on the same rows, with interval and p-value: realised less estimated.
        drifted: Features whose distribution has drifted.
        loss: What the loss is called; the lower the better.
        cell_name: What a cell of a feature is called.
        least: The smallest change worth a name; by default 2 % of the baseline's mean loss.
        unnoticed: The largest gap that may go unnoticed; by default 10 % of the baseline's mean loss.
        level: The level of the tests.
    """
    change = decomposition.change
    before = decomposition.before or 0.0
    smallest = LEAST_SHARE * before if least is None else least
    missed = MOST_UNNOTICED * before if unnoticed is None else unnoticed
    inputs = _inputs(change, gap)
    error = None if gap is None else gap.standard_error
    detectable = None if error is None else _DETECTED * error
    named = gap is not None and _beyond_chance(gap, level) and _at_least(gap, smallest)
    kind = _kind(change, gap, inputs, named=named, least=smallest, unnoticed=missed)
    place = _place(decomposition, level) if kind in ("concept drift", "both") else None
    cells = _cells(place, cell_name) if place else ()
    moved = tuple(split.feature for split in decomposition.by_mix[:3] if _sure(split.mix, 0.0))
    found = Diagnosis(
        kind,
        "",
        change,
        gap,
        inputs,
        smallest,
        detectable,
        place.feature if place and cells else "",
        cells,
        moved if kind in ("covariate shift", "both") else (),
        tuple(drifted),
    )
    return Diagnosis(**{**vars(found), "sentence": _sentence(found, loss)})


def _inputs(change: Measurement, gap: Measurement | None) -> Measurement | None:
    if gap is None or change.value is None or gap.value is None:
        return None
    errors = (change.standard_error, gap.standard_error)
    variance = math.nan if None in errors else sum(error**2 for error in errors if error is not None)
    method = "change of the mean loss less the concept gap"
    return estimate("inputs", change.value - gap.value, variance, gap.rows, "high", method)


def _sure(number: Measurement | None, least: float) -> bool:
    """Whether a number is off zero, and not below the least size."""
    if number is None or number.value is None or number.low is None or number.high is None:
        return False
    return abs(number.value) >= least and not number.low <= 0 <= number.high


def _at_least(number: Measurement, least: float) -> bool:
    return number.value is not None and abs(number.value) >= least


def _kind(
    change: Measurement,
    gap: Measurement | None,
    inputs: Measurement | None,
    *,
    named: bool,
    least: float,
    unnoticed: float,
) -> Kind:
    if gap is None or gap.value is None or gap.standard_error is None or gap.rows < LEAST_LABELLED:
        return "unknown"
    by_inputs = _sure(inputs, least)
    if named:
        return "both" if by_inputs else "concept drift"
    explained = inputs is not None and _explains(inputs, change, gap)
    if by_inputs and explained:
        return "covariate shift"
    detectable = _DETECTED * gap.standard_error
    if by_inputs or _sure(change, least):
        # a gap that could be all of it would have been found
        return "covariate shift" if explained and _at_least(change, detectable) else "unknown"
    return "none" if change.value is not None and detectable <= unnoticed else "unknown"


def _beyond_chance(gap: Measurement, level: float) -> bool:
    """Whether chance does not give such a gap; one that cannot vary at all is beyond it."""
    return gap.p_value < level if gap.p_value is not None else gap.standard_error == 0


def _explains(inputs: Measurement, change: Measurement, gap: Measurement) -> bool:
    """Whether most of a change is what inputs did."""
    if inputs.value is None or change.value is None or gap.value is None:
        return False
    return inputs.value * change.value > 0 and abs(inputs.value) > 2 * abs(gap.value)


def _place(decomposition: Decomposition, level: float) -> FeatureChange | None:
    """The feature that names best where the loss has changed, if any does; the level is shared by all features."""
    for split in decomposition.by_concentration:
        p_value = split.concentration.p_value
        if p_value is not None and p_value * len(decomposition.features) < level:
            return split
    return None


def _cells(place: FeatureChange, cell_name: Callable[[str, int], str]) -> tuple[str, ...]:
    """The cells that add most, without those that do so by their size alone, and those of few rows.

    What few rows hold is no ground to name a cell, and the name of a category could tell something about one of them.
    """
    rate = place.rate.value or 0.0
    found = place.where(lambda cell: cell_name(place.feature, cell))
    enough = (cell for cell in found if cell.rows >= LEAST_TESTED)
    return tuple(cell.name for cell in enough if abs(cell.now - cell.before) > abs(rate))


def _sentence(found: Diagnosis, loss: str) -> str:
    return {
        "none": _nothing,
        "covariate shift": _moved_inputs,
        "concept drift": _changed_relation,
        "both": _changed_relation,
        "unknown": _too_little,
    }[found.kind](found, loss)


def _changed_relation(found: Diagnosis, loss: str) -> str:
    assert found.gap is not None
    assert found.gap.value is not None
    worse = found.gap.value > 0
    where = f", most where {found.feature} is {_either(found.cells)}" if found.cells else ""
    causes = "the relation of inputs and labels has changed (concept drift)"
    if found.kind == "both":
        causes += " and inputs have moved (covariate shift)"
    text = f"{_course(found, worse)} because {causes}: the {loss} is {_size(found.gap, found)} "
    text += f"{'higher' if worse else 'lower'} than the same inputs would give{where}."
    if found.inputs is None or found.inputs.value is None:
        return text
    if found.kind == "both":
        by = f", most by {found.moved[0]}" if found.moved else ""
        verb = "add" if found.inputs.value > 0 else "take off"
        return f"{text} Inputs {verb} {_size(found.inputs, found)}{by}."
    part, whole = (_number(number.value, found) for number in (found.inputs, found.change))
    return f"{text} Inputs explain {part} of the change of {whole}."


def _course(found: Diagnosis, worse: bool) -> str:
    """How predictions got, unless other inputs hide it."""
    opposite = found.change.value is not None and _sure(found.change, 0.0) and (found.change.value > 0) != worse
    if opposite:
        return f"Predictions got {'better, but less than they should' if worse else 'worse, but less than expected'},"
    return f"Predictions got {'worse' if worse else 'better'}"


def _moved_inputs(found: Diagnosis, loss: str) -> str:
    assert found.inputs is not None
    assert found.inputs.value is not None
    worse = found.inputs.value > 0
    by = f", most by {found.moved[0]}" if found.moved else ""
    drifted = f" (drifted: {', '.join(found.drifted)})" if found.drifted else ""
    harder = "harder" if worse else "easier"
    return (
        f"Predictions got {'worse' if worse else 'better'} because inputs have moved to {harder} cases (covariate"
        f" shift): they explain {_size(found.inputs, found)} of the change of the {loss} by"
        f" {_number(found.change.value, found)}{by}{drifted}. The relation of inputs and labels explains"
        f" {_interval(found.gap, found)}."
    )


def _nothing(found: Diagnosis, loss: str) -> str:
    small = _sure(found.change, 0.0) or _sure(found.gap, 0.0)
    end = f", all less than the {_number(found.least, found)} that counts" if small else ""
    return (
        f"Predictions are as good as before: the {loss} has changed by {_interval(found.change, found)} and differs by"
        f" {_interval(found.gap, found)} from what the same inputs would give{end}. A gap of"
        f" {_number(found.detectable, found)} would have been found."
    )


def _too_little(found: Diagnosis, loss: str) -> str:
    gap = found.gap
    if gap is None or gap.value is None or gap.standard_error is None:
        return f"Why the {loss} is what it is cannot be told: there is no estimate of it without labels."
    if gap.rows < LEAST_LABELLED:
        return f"It is too early to tell: {gap.rows} labels are known, {LEAST_LABELLED} are needed."
    known = f"the {loss} differs by {_interval(gap, found)} from what the same inputs would give"
    if found.change.value is None:
        return f"The change of the {loss} is not known, as the baseline has no labelled rows to compare with; {known}."
    start = (
        f"The {loss} has changed by {_interval(found.change, found)}, but labels are too few to tell why"
        if _sure(found.change, found.least)
        else "Labels are too few to tell whether predictions are as good as before"
    )
    return f"{start}: {known}, and {gap.rows} labels show a gap only from {_number(found.detectable, found)} on."


def _either(names: Sequence[str]) -> str:
    """Alternatives, in words.

    >>> _either(["a", "b", "c"]), _either(["a"])
    ('a, b or c', 'a')
    """
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _number(number: float | None, found: Diagnosis) -> str:
    """With two digits of how far the gap is sure."""
    if number is None:
        return "an unknown size"
    width = found.detectable or abs(number) or 1.0
    places = min(max(1 - math.floor(math.log10(width)), 0), 12)
    text = f"{number:.{places}f}"
    return text.removeprefix("-") if not float(text) else text


def _interval(number: Measurement | None, found: Diagnosis) -> str:
    if number is None or number.low is None or number.high is None:
        return _number(number.value if number else None, found)
    return f"{_number(number.value, found)} [{_number(number.low, found)}, {_number(number.high, found)}]"


def _size(number: Measurement, found: Diagnosis) -> str:
    """Without the sign, which the words tell."""
    assert number.value is not None
    if number.value >= 0 or number.low is None or number.high is None:
        text = _interval(number, found)
        return text.removeprefix("-")
    ends = f"[{_number(-number.high, found)}, {_number(-number.low, found)}]"
    return f"{_number(-number.value, found)} {ends}"
