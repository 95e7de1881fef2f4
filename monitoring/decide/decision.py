"""A decision, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

KIND, SCHEMA_VERSION = "decision", 1


class Action(StrEnum):
    """What is to be done."""

    NONE = "none"
    NOTIFY = "notify"
    RETRAIN = "retrain"
    VETOED = "vetoed"


class State(StrEnum):
    """How the model stands; a message goes out when it changes."""

    HEALTHY = "healthy"
    FAILING = "failing"
    UNKNOWN = "unknown"


class Veto(StrEnum):
    """Why retraining was not asked for although performance fails."""

    NOT_CONFIGURED = "not_configured"
    NOT_CONFIRMED = "not_confirmed"
    COOLDOWN = "cooldown"
    TOO_FEW_LABELS = "too_few_labels"
    DATA_BROKEN = "data_broken"


@dataclass(frozen=True)
class Decision:
    """What was decided about one verdict, and why.

    Attributes:
        model: The model's name.
        window: The window's label.
        revision: The verdict's revision.
        action: What is to be done.
        state: How the model stands.
        previous_state: How it stood after the run before.
        notify: Whether a message is due: the state changed.
        since: First window of the present run of failures; empty when nothing fails.
        reasons: Sentences, the most important first.
        vetoes: Why retraining was not asked for, when performance fails.
    """

    model: str
    window: str
    revision: int
    action: Action
    state: State
    previous_state: State | None
    notify: bool
    since: str
    reasons: tuple[str, ...]
    vetoes: tuple[Veto, ...]

    def to_json(self) -> dict[str, Any]:
        """As the body of a document."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        previous = data["previous_state"]
        return cls(
            **{
                **data,
                "action": Action(data["action"]),
                "state": State(data["state"]),
                "previous_state": State(previous) if previous else None,
                "reasons": tuple(data["reasons"]),
                "vetoes": tuple(Veto(veto) for veto in data["vetoes"]),
            }
        )
