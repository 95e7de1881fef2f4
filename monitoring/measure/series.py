"""One performance series: an estimate before labels, corrected by those that come, and in the end the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitoring.measure.basis import Basis, Numbers, State
from monitoring.measure.measurement import Measurement

Stage = Literal["unknown", "estimated", "provisional", "final"]
# With fewer labelled rows nothing is told from them
LEAST_LABELLED = 30


@dataclass(frozen=True, eq=False)
class Performance:
    """The performance of some rows at one look.

    Attributes:
        stage: `estimated` without labels that tell anything, `provisional` while they come, `final` when no more are
            waited for; `unknown` if there is nothing to estimate from.
        rows: Rows that the model answered.
        labelled: Those with a label.
        numbers: The one number of each metric, by name, with its interval.
        estimated: What was to be expected without labels.
        realised: What the labelled rows gave.
        gap: Realised less estimated, of the labelled rows: what other inputs cannot explain.
    """

    stage: Stage
    rows: int
    labelled: int
    numbers: Numbers
    estimated: Numbers = field(default_factory=dict)
    realised: Numbers = field(default_factory=dict)
    gap: Numbers = field(default_factory=dict)

    @property
    def coverage(self) -> float | None:
        """Share of the rows with a label; None without rows."""
        return self.labelled / self.rows if self.rows else None

    def of(self, name: str) -> Performance:
        """The same with one number of the estimate, of what was realised and of the gap."""
        parts = ({name: found[name]} if name in found else {} for found in (self.estimated, self.realised, self.gap))
        return Performance(self.stage, self.rows, self.labelled, self.numbers, *parts)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        parts = {"numbers": self.numbers, "estimated": self.estimated, "realised": self.realised, "gap": self.gap}
        return {
            "stage": self.stage,
            "rows": self.rows,
            "labelled": self.labelled,
            **{name: {key: number.to_json() for key, number in found.items()} for name, found in parts.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Performance:
        """From `to_json`."""
        parts = {
            name: {key: Measurement.from_json(item) for key, item in data[name].items()}
            for name in ("numbers", "estimated", "realised", "gap")
        }
        return cls(data["stage"], data["rows"], data["labelled"], **parts)


def performance_of(
    basis: Basis,
    state: State,
    rows: int,
    labelled: int,
    completeness: Mapping[str, float],
    *,
    final: bool,
    over: bool = True,
) -> Performance:
    """The performance of some rows.

    Args:
        basis: The baseline's labelled rows.
        state: What the rows amount to.
        rows: How many they are.
        labelled: How many of them have a label.
        completeness: By class, the share of its labels that is expected to be known by now; 1 where it is not given.
        final: Whether no more labels are waited for.
        over: Whether that is because the horizon has passed; if labels are still to come, rows without one count with
            what is expected of them.
    """
    estimated = basis.estimated(state) if rows else {}
    realised = basis.realised(state)
    gap = basis.gap(state, completeness) if labelled >= LEAST_LABELLED else {}
    if final and labelled and (over or labelled == rows):
        return Performance("final", rows, labelled, realised, estimated, realised, gap)
    if labelled >= LEAST_LABELLED:
        numbers = basis.combined(state, completeness) or realised
        return Performance("final" if final else "provisional", rows, labelled, numbers, estimated, realised, gap)
    return Performance("estimated" if estimated else "unknown", rows, labelled, estimated, estimated, realised)
