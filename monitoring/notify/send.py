"""Deliver a message to every channel, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from monitoring import documents
from monitoring.decide import Decision
from monitoring.decide.telling import Change
from monitoring.errors import DeliveryError, MonitorError, TerminalError, TransientError
from monitoring.judge import Verdict
from monitoring.monitor import Monitor
from monitoring.notify.message import Message, build_message

KIND, SCHEMA_VERSION = "message", 1

Sender = Callable[[Message], None]


def deliver(
    monitor: Monitor,
    decision: Decision,
    verdict: Verdict,
    senders: Mapping[str, Sender],
    changes: Sequence[Change] = (),
) -> list[str]:
    """Tell every channel that has not been told yet.

    A channel gets one message per window. The proof that it went out is written after it was sent, so a crash
    between the two repeats the message and never loses it; the repetition has the same `Message.key`, from which
    channels make their Message-ID or idempotency key. Where sending fails the other channels are still served,
    and the next attempt turns only to those that were not.

    Args:
        monitor: The model.
        decision: What was decided; when it asks for no message and there are no changes, nothing is sent.
        verdict: The verdict that it was decided upon.
        senders: By channel name, what sends a message there.
        changes: What has become of incidents, and is to be told.

    Returns:
        The channels that were told by this call.

    Raises:
        DeliveryError: A channel could not be told, and a retry may help.
        TerminalError: A channel could not be told, and somebody has to change something.
    """
    if not decision.notify and not changes:
        return []
    message = build_message(decision, verdict, monitor.config, changes)
    told: list[str] = []
    errors: dict[str, MonitorError] = {}
    for channel, send in senders.items():
        proof = monitor.layout.message(verdict.window, channel)
        if monitor.store.exists(proof):
            continue
        try:
            send(message)
        except MonitorError as error:
            errors[channel] = error
            continue
        body = {"key": message.key, "channel": channel, "subject": message.subject}
        monitor.store.put(proof, documents.encode(KIND, SCHEMA_VERSION, body))
        told.append(channel)
    if errors:
        raise _failure(message, errors)
    return told


def _failure(message: Message, errors: dict[str, MonitorError]) -> MonitorError:
    """One error for all; a retry is worth it as long as it may help one of the channels."""
    what = "; ".join(f"{channel}: {error}" for channel, error in errors.items())
    kind = DeliveryError if any(isinstance(e, TransientError) for e in errors.values()) else TerminalError
    return kind(f"could not be delivered to {what}", where=f"message {message.key}")
