"""From a model's notification channels to senders, through Airflow connections.

Everything secret is in the connection:

- `smtp`: an SMTP connection; the sender's address is its extra `from_email`.
- `webhook`: an HTTP connection whose host is the URL; its password, when it has no login, is sent as a bearer token.
- `slack`: an HTTP connection whose host is the webhook's URL, or `https://hooks.slack.com/services` with the rest of
  the URL (`T…/B…/…`) as password, which Airflow then hides in its logs.

A connection with a URL is best written as JSON: `{"conn_type": "http", "host": "https://example.org/hook"}`.
"""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import partial
from typing import Any

from monitoring.config import ModelConfig
from monitoring.config.model import SmtpChannel, WebhookChannel
from monitoring.errors import ConfigError, DeliveryError, MonitorError, TerminalError
from monitoring.notify import Message, Sender

_TIMEOUT = 30
_SLACK_TEXT = 2900  # Slack refuses a section of more than 3000 characters


def senders(config: ModelConfig) -> dict[str, Sender]:
    """By channel name, what sends a message there; a name stays the same as long as the configuration does.

    Args:
        config: The model.
    """
    found: dict[str, Sender] = {}
    for channel in config.policy.notify:
        name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{channel.kind}-{channel.connection}")
        same = sum(other == name or other.startswith(f"{name}~") for other in found)
        found[f"{name}~{same + 1}" if same else name] = _sender(channel)
    return found


def _sender(channel: SmtpChannel | WebhookChannel) -> Sender:
    if isinstance(channel, SmtpChannel):
        return partial(_send_mail, channel)
    return partial(_post, channel, _slack_body if channel.kind == "slack" else _webhook_body)


def _connection(name: str) -> Any:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise ConfigError(
            f"no Airflow connection {name!r}", where="policy.notify", hint=f"airflow connections add {name}"
        ) from error


# mail
def _send_mail(channel: SmtpChannel, message: Message) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook
    from airflow.sdk.exceptions import AirflowException

    email = _email(channel, message, _connection(channel.connection))
    where = f"connection {channel.connection}"
    try:
        with SmtpHook(smtp_conn_id=channel.connection) as hook:
            # the hook's own method knows neither a plain text beside the HTML nor who was refused
            refused = hook._smtp_client.send_message(email)
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(error.recipients, where) from error
    except smtplib.SMTPResponseException as error:
        raise _mail_error(error.smtp_code, f"the mail server answered {error.smtp_code}", where) from error
    except (smtplib.SMTPException, OSError, AirflowException) as error:
        raise DeliveryError(f"the mail server cannot be used ({type(error).__name__})", where=where) from error
    if refused:
        raise _refused(refused, where)


def _email(channel: SmtpChannel, message: Message, connection: Any) -> EmailMessage:
    sender = connection.extra_dejson.get("from_email") or connection.login or ""
    domain = parseaddr(sender)[1].rpartition("@")[2]
    if "@" not in sender or not domain:
        raise ConfigError(
            f"connection {channel.connection!r} has no sender's address", hint='add "from_email" to its extra'
        )
    email = EmailMessage()
    email["Subject"] = message.subject
    email["From"] = sender
    email["To"] = ", ".join(channel.to)
    email["Date"] = formatdate()
    # the same for a repetition, so that a mailbox can tell
    email["Message-ID"] = f"<{message.key.replace('/', '.')}.model-monitor@{domain}>"
    email["Auto-Submitted"] = "auto-generated"
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email


def _refused(recipients: dict[str, tuple[int, bytes]], where: str) -> MonitorError:
    later = [code for code, _ in recipients.values() if code < 500]
    names = ", ".join(recipients)
    return _mail_error(later[0] if later else 550, f"the mail server refused {names}", where)


def _mail_error(code: int, what: str, where: str) -> MonitorError:
    return DeliveryError(what, where=where) if code < 500 else TerminalError(what, where=where)


# webhooks
def _webhook_body(message: Message) -> dict[str, Any]:
    return {"key": message.key, "subject": message.subject, "text": message.text, **message.fields}


def _slack_body(message: Message) -> dict[str, Any]:
    text = message.text if len(message.text) <= _SLACK_TEXT else f"{message.text[:_SLACK_TEXT]}…"
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.subject[:150]}},
        {"type": "section", "text": {"type": "plain_text", "text": text}},
    ]
    if message.fields["report_url"]:
        button = {"type": "plain_text", "text": "Open the report"}
        blocks.append(
            {"type": "actions", "elements": [{"type": "button", "text": button, "url": message.fields["report_url"]}]}
        )
    # in `text` these three mean links and mentions
    subject = message.subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": subject, "blocks": blocks}


def _post(channel: WebhookChannel, body: Callable[[Message], dict[str, Any]], message: Message) -> None:
    import requests
    from airflow.providers.http.hooks.http import HttpHook

    connection = _connection(channel.connection)
    where = f"connection {channel.connection}"
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
    endpoint = None
    if connection.password and channel.kind == "slack":
        endpoint = connection.password
    elif connection.password and not connection.login:
        headers["Authorization"] = f"Bearer {connection.password}"
    # after a redirect a POST becomes a GET, and a login page answers 200
    options: dict[str, Any] = {"check_response": False, "allow_redirects": False}
    if "timeout" not in connection.extra_dejson:
        options["timeout"] = _TIMEOUT
    try:
        response = HttpHook("POST", channel.connection).run(
            endpoint, data=json.dumps(body(message)), headers=headers, extra_options=options
        )
    # without their causes, which print the URL, and that may be secret
    except ValueError:
        raise ConfigError(
            "no request can be made of it", where=where, hint="its host must be a URL: https://example.org/hook"
        ) from None
    except requests.RequestException as error:
        raise DeliveryError(f"the receiver cannot be reached ({type(error).__name__})", where=where) from None
    _check(response, where)


def _check(response: Any, where: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    what = f"the receiver answered {status}"
    if status in (408, 425, 429) or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise DeliveryError(what, where=where, hint=f"it asks to wait: Retry-After {wait}" if wait else "")
    raise TerminalError(what, where=where, hint="the receiver does not take it: check the connection's URL and token")
