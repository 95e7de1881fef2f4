"""Messages about a model's change of state and about its incidents, each sent once."""

from __future__ import annotations

from monitoring.notify.message import Message, build_message
from monitoring.notify.occasion import occasion
from monitoring.notify.send import Sender, deliver

__all__ = ["Message", "Sender", "build_message", "deliver", "occasion"]
