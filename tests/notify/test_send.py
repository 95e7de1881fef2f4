from __future__ import annotations

from dataclasses import replace

import pytest

from monitoring.decide.incident import Incident, IncidentState
from monitoring.decide.telling import Change, ChangeKind
from monitoring.errors import DeliveryError, StoreUnavailableError, TerminalError
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.notify import Message, deliver
from monitoring.store.local import LocalStore


class Channel:
    """Keeps what it is sent; fails as long as it has errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.received: list[Message] = []

    def __call__(self, message: Message) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.received.append(message)


@pytest.fixture
def monitor(tmp_path, make_config):
    return Monitor(LocalStore(tmp_path), make_config())


def test_every_channel_is_told_once(monitor, decision, verdict):
    mail, chat = Channel(), Channel()

    assert deliver(monitor, decision, verdict, {"mail": mail, "chat": chat}) == ["mail", "chat"]
    assert deliver(monitor, decision, verdict, {"mail": mail, "chat": chat}) == []
    assert len(mail.received) == len(chat.received) == 1


def test_nothing_is_sent_without_a_change(monitor, decision, verdict):
    mail = Channel()

    assert deliver(monitor, replace(decision, notify=False), verdict, {"mail": mail}) == []
    assert mail.received == []


def test_changes_of_incidents_are_sent_without_a_change_of_state(monitor, decision, verdict):
    mail, seen = Channel(), ("nulls", "age", "", Status.FAIL, IncidentState.OPEN, "2024-01-20", "2024-01-20")
    changes = (Change(ChangeKind.OPENED, Incident("81ab1b5d3c", *seen, "2024-01-20", "", 1, 1, 1, 1, "Null.")),)
    quiet = replace(decision, notify=False)

    assert deliver(monitor, quiet, verdict, {"mail": mail}, changes) == ["mail"]
    assert deliver(monitor, quiet, verdict, {"mail": mail}, changes) == []
    [message] = mail.received
    assert message.subject.startswith("[toy] New, fails since 2024-01-20")


def test_a_failing_channel_does_not_stop_the_others_and_is_tried_again(monitor, decision, verdict):
    mail, chat = Channel(DeliveryError("busy")), Channel()

    with pytest.raises(DeliveryError, match=r"toy/2024-01-20/failing.*mail: busy"):
        deliver(monitor, decision, verdict, {"mail": mail, "chat": chat})
    assert len(chat.received) == 1
    assert deliver(monitor, decision, verdict, {"mail": mail, "chat": chat}) == ["mail"]
    assert len(chat.received) == 1


def test_a_crash_before_the_proof_repeats_the_message_under_its_key(monitor, decision, verdict, monkeypatch):
    mail = Channel()

    def crash(key: str, data: bytes) -> None:
        raise StoreUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(monitor.store, "put", crash)
        with pytest.raises(StoreUnavailableError):
            deliver(monitor, decision, verdict, {"mail": mail})
    deliver(monitor, decision, verdict, {"mail": mail})

    first, second = mail.received
    assert first == second


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([TerminalError("gone"), TerminalError("gone")], TerminalError),
        ([TerminalError("gone"), DeliveryError("busy")], DeliveryError),
    ],
)
def test_a_retry_is_asked_for_only_when_it_may_help(monitor, decision, verdict, errors, kind):
    with pytest.raises(kind, match=r"0: gone; 1: ") as caught:
        deliver(monitor, decision, verdict, {str(i): Channel(error) for i, error in enumerate(errors)})
    assert type(caught.value) is kind
