"""What is to be done, from the history of verdicts and the model's policy."""

from __future__ import annotations

from monitoring.decide.decision import Action, Decision, State, Veto
from monitoring.decide.policy import History, decide

__all__ = ["Action", "Decision", "History", "State", "Veto", "decide"]
