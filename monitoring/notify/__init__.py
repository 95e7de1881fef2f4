"""Messages about a model's change of state, each sent once."""

from __future__ import annotations

from monitoring.notify.message import Message, build_message
from monitoring.notify.send import Sender, deliver

__all__ = ["Message", "Sender", "build_message", "deliver"]
