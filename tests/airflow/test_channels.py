from __future__ import annotations

import email
import email.policy
import json
import smtplib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

from monitoring.airflow.channels import senders
from monitoring.errors import ConfigError, DeliveryError, TerminalError
from monitoring.notify import Message

pytestmark = [pytest.mark.service]

MESSAGE = Message(
    key="toy/2024-01-20/failing",
    subject="[toy] failing since 2024-01-20: schlechter als der Mittelwert – <b>",
    text="Über 7 Tage.\n",
    html="<p>Über 7 Tage.</p>",
    fields={"model": "toy", "state": "failing", "report_url": "https://example.org/report.html"},
)


class Mailbox:
    """Takes mail, or answers something else to a command."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.port = _free_port()
        self.answers: dict[str, str] = {}

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if "DATA" not in self.answers:
            self.mails.append(envelope.content)
        return self.answers.get("DATA", "250 OK")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    extra = {"disable_tls": True, "disable_ssl": True, "from_email": "monitor@example.org", "retry_limit": 0}
    connect(monkeypatch, "MAIL", "smtp", host="127.0.0.1", port=box.port, extra=extra)
    yield box
    controller.stop()


class Receiver(ThreadingHTTPServer):
    """Takes webhooks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.status, self.headers = 200, {}
        self.requests: list[tuple[str, dict[str, str], dict]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(monkeypatch: pytest.MonkeyPatch, name: str, kind: str, **parts: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps({"conn_type": kind, **parts}))


def send(make_config, **channel: object) -> None:
    (sender,) = senders(make_config(policy={"notify": [channel]})).values()
    sender(MESSAGE)


def mail(make_config, *to: str) -> None:
    send(make_config, kind="smtp", connection="mail", to=list(to) or ["a@example.org"])


def test_mail_has_text_and_html_and_the_same_id_each_time(mailbox, make_config):
    mail(make_config, "a@example.org", "b@example.org")
    mail(make_config)

    first, second = (email.message_from_bytes(data, policy=email.policy.default) for data in mailbox.mails)
    assert " ".join(first["Subject"].split()) == MESSAGE.subject  # email doubles a blank where it folds
    assert first["To"] == "a@example.org, b@example.org"
    assert first["From"] == "monitor@example.org"
    assert first["Message-ID"] == "<toy.2024-01-20.failing.model-monitor@example.org>" == second["Message-ID"]
    assert first.get_body(["plain"]).get_content().splitlines() == MESSAGE.text.splitlines()
    assert first.get_body(["html"]).get_content().strip() == MESSAGE.html


@pytest.mark.parametrize(
    ("answers", "error", "text"),
    [
        ({"DATA": "451 4.3.0 later"}, DeliveryError, "answered 451"),
        ({"DATA": "554 5.7.1 no"}, TerminalError, "answered 554"),
        ({"a@example.org": "450 later"}, DeliveryError, "refused a@example.org"),
        ({"a@example.org": "550 unknown"}, TerminalError, "refused a@example.org"),
    ],
)
def test_what_a_mail_server_may_answer(mailbox, make_config, answers, error, text):
    mailbox.answers = answers
    with pytest.raises(error, match=text):
        mail(make_config)


def test_one_refused_recipient_of_two_is_not_kept_quiet(mailbox, make_config):
    mailbox.answers = {"b@example.org": "550 unknown"}
    with pytest.raises(TerminalError, match=r"refused b@example\.org"):
        mail(make_config, "a@example.org", "b@example.org")


def test_a_login_is_used(mailbox, make_config, monkeypatch):
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(smtplib.SMTP, "login", lambda self, user, password: seen.append((user, password)))
    extra = {"disable_tls": True, "disable_ssl": True}
    login = {"login": "me@example.org", "password": "secret"}
    connect(monkeypatch, "MAIL", "smtp", host="127.0.0.1", port=mailbox.port, extra=extra, **login)

    mail(make_config)

    assert seen == [("me@example.org", "secret")]
    assert b"From: me@example.org" in mailbox.mails[0]


def test_no_mail_server(make_config, monkeypatch):
    extra = {"disable_ssl": True, "from_email": "a@example.org"}
    connect(monkeypatch, "MAIL", "smtp", host="127.0.0.1", port=_free_port(), extra=extra)
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        mail(make_config)


def test_a_mail_needs_a_sender(make_config, monkeypatch):
    connect(monkeypatch, "MAIL", "smtp", host="127.0.0.1")
    with pytest.raises(ConfigError, match="no sender's address"):
        mail(make_config)


def test_webhook_gets_every_field_the_key_and_the_token(receiver, make_config, monkeypatch):
    connect(monkeypatch, "HOOK", "http", host=f"{receiver.url}/in?x=1", password="secret")

    send(make_config, kind="webhook", connection="hook")

    ((path, headers, body),) = receiver.requests
    assert path == "/in?x=1"
    assert headers["Idempotency-Key"] == MESSAGE.key
    assert headers["Authorization"] == "Bearer secret"
    assert headers["Content-Type"] == "application/json"
    assert body == {"key": MESSAGE.key, "subject": MESSAGE.subject, "text": MESSAGE.text, **MESSAGE.fields}


def test_slack_gets_text_and_blocks_at_the_secret_path(receiver, make_config, monkeypatch):
    connect(monkeypatch, "CHAT", "http", host=f"{receiver.url}/services", password="T0/B0/secret")

    send(make_config, kind="slack", connection="chat")

    ((path, headers, body),) = receiver.requests
    assert path == "/services/T0/B0/secret"
    assert "Authorization" not in headers
    assert set(body) == {"text", "blocks"}
    assert body["text"].endswith("&lt;b&gt;")
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "actions"]


@pytest.mark.parametrize(
    ("status", "headers", "error", "text"),
    [
        (429, {"Retry-After": "30"}, DeliveryError, "answered 429.*Retry-After 30"),
        (500, {}, DeliveryError, "answered 500"),
        (404, {}, TerminalError, "answered 404"),
        (302, {"Location": "/login"}, TerminalError, "answered 302"),
    ],
)
def test_what_a_receiver_may_answer(receiver, make_config, monkeypatch, status, headers, error, text):
    receiver.status, receiver.headers = status, headers
    connect(monkeypatch, "HOOK", "http", host=receiver.url)
    with pytest.raises(error, match=text):
        send(make_config, kind="webhook", connection="hook")
    assert len(receiver.requests) == 1


def test_an_unreachable_receiver_and_no_secret_in_what_is_said(make_config, monkeypatch, caplog, capfd):
    connect(monkeypatch, "CHAT", "http", host=f"http://127.0.0.1:{_free_port()}/services", password="T0/B0/secret")
    with pytest.raises(DeliveryError, match="ConnectionError") as caught:
        send(make_config, kind="slack", connection="chat")
    assert caught.value.__cause__ is None
    assert "B0/secret" not in f"{caught.value}"


@pytest.mark.parametrize("host", ["", "http://", "ftp://example.org"])
def test_a_host_that_is_no_url(make_config, monkeypatch, host):
    connect(monkeypatch, "HOOK", "http", host=host)
    with pytest.raises(ConfigError, match="must be a URL"):
        send(make_config, kind="webhook", connection="hook")


def test_a_connection_that_is_not_there(make_config):
    with pytest.raises(ConfigError, match="no Airflow connection 'nowhere'"):
        send(make_config, kind="webhook", connection="nowhere")


def test_channels_have_names_of_their_own(make_config):
    notify = [
        {"kind": "smtp", "to": ["a@example.org"]},
        {"kind": "smtp", "to": ["b@example.org"]},
        {"kind": "slack", "connection": "team/chat"},
    ]
    names = list(senders(make_config(policy={"notify": notify})))
    assert names == ["smtp-smtp_default", "smtp-smtp_default~2", "slack-team-chat"]
