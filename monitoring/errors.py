"""Errors that say what happened, where, what is allowed and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable


class MonitorError(Exception):
    """Base of every error that the product raises on purpose.

    Args:
        what: One sentence: what is wrong.
        where: The place, such as `models/fraud.yaml:12` or an object key.
        allowed: The values that would have been accepted.
        hint: What to do next.
    """

    def __init__(self, what: str, *, where: str = "", allowed: Iterable[object] = (), hint: str = "") -> None:
        self.what, self.where, self.hint = what, where, hint
        self.allowed = tuple(str(value) for value in allowed)
        super().__init__(what)

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.allowed:
            parts.append(f"allowed: {', '.join(self.allowed)}")
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "; ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.allowed, self.hint)


def _rebuild(kind: type[MonitorError], what: str, where: str, allowed: tuple[str, ...], hint: str) -> MonitorError:
    return kind(what, where=where, allowed=allowed, hint=hint)


class TerminalError(MonitorError):
    """A retry cannot help: somebody has to change something."""


class TransientError(MonitorError):
    """A retry may help: a store or a receiver did not answer as it should."""


class ConfigError(TerminalError):
    """The configuration is not valid."""


class ObjectMissingError(TerminalError):
    """An object that must be there is not."""


class PinnedObjectChangedError(TerminalError):
    """An input was changed after a run had pinned it, so the run cannot be repeated on the same inputs."""


class WindowNotSettledError(TerminalError):
    """A window was asked for before its time."""


class StoredDocumentError(TerminalError):
    """A stored document cannot be read: broken, foreign, or written by a newer version."""


class ConflictError(TransientError):
    """Somebody else changed the object between reading and writing it."""


class StoreUnavailableError(TransientError):
    """The object store did not answer, or answered with a server error."""


class DeliveryError(TransientError):
    """A message could not be delivered."""
