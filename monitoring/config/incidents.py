"""What may stand in the block `incidents` of a model: when a finding becomes an incident, and when it is over."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from monitoring.config.values import Strict

_MOST_WINDOWS = 1000


def _k_of_m(value: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= value[0] <= value[1] <= _MOST_WINDOWS:
        raise ValueError(f"write it as [k, m]: k at least 1 and at most m, and m at most {_MOST_WINDOWS}")
    return value


Confirmation = Annotated[tuple[int, int], AfterValidator(_k_of_m)]


class Confirm(Strict):
    """How many windows confirm a finding, by its severity."""

    fail: Confirmation = Field(
        (1, 1),
        description="k of m: of the last m windows that could tell, at least k must have failed. One is enough, since"
        " the limits already keep the promised rate of false alarms.",
    )
    warn: Confirmation = Field(
        (2, 3), description="The same for a check that warns or fails: two of three, since a warning can wait."
    )


class Incidents(Strict):
    """When a finding becomes an incident, and when it is over. What merely informs never becomes one."""

    confirm: Confirm = Confirm()
    resolve: int = Field(
        2,
        ge=1,
        le=_MOST_WINDOWS,
        description="An incident is over when so many windows in a row that could tell do not have its finding.",
    )

    @property
    def memory(self) -> int:
        """How many windows back a state can depend on."""
        return max(self.confirm.fail[1], self.confirm.warn[1], self.resolve)
