"""Channels: a webhook that Slack and Teams understand, e-mail, the log. Off until configured."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from meta_pipeline.redaction import guard_http_logging
from meta_pipeline.settings import Settings, SettingsError

from .message import Message

TIMEOUT_SECONDS = 10
_TEAMS_HOSTS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")
_SLACK_LENGTH = 3500
_SMTP_PORT = 587

logger = logging.getLogger("meta_pipeline.alerts")


class DeliveryFailed(Exception):
    """A message did not get through; says why without naming the secret address."""


class Channel(Protocol):
    """One way of telling people."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None:
        """Deliver it, or raise DeliveryFailed."""


@dataclass(frozen=True)
class Webhook:
    """Posts JSON: an adaptive card to Teams, `{"text": ...}` to Slack and everything else."""

    url: str = field(repr=False)
    name: str = "webhook"

    def send(self, message: Message) -> None:
        host = urlsplit(self.url).hostname or ""
        render = _teams if host.endswith(_TEAMS_HOSTS) else _slack
        guard_http_logging()
        try:
            answer = requests.post(
                self.url, json=render(message), timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            # Its text has the whole URL, which is the secret.
            raise DeliveryFailed(f"{host} did not answer ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise DeliveryFailed(f"{host} answered HTTP {answer.status_code}")


@dataclass(frozen=True)
class Email:
    """Sends plain text through an SMTP server; `security` is starttls, tls or none."""

    server: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: str = "starttls"
    name: str = "email"

    def send(self, message: Message) -> None:
        try:
            with self._connected() as smtp:
                smtp.send_message(self._mail(message))
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryFailed(
                f"{self.server}:{self.port} refused or did not answer ({_smtp_words(error)})"
            ) from None

    def _connected(self) -> smtplib.SMTP:
        smtp: smtplib.SMTP
        if self.security == "tls":
            context = ssl.create_default_context()
            smtp = smtplib.SMTP_SSL(
                self.server, self.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            smtp = smtplib.SMTP(self.server, self.port, timeout=TIMEOUT_SECONDS)
        if self.security == "starttls":
            smtp.starttls(context=ssl.create_default_context())
        if self.user:
            smtp.login(self.user, self.password or "")
        return smtp

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = formatdate(localtime=False)
        mail["Message-ID"] = make_msgid(domain="meta-pipeline.invalid")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail


@dataclass(frozen=True)
class Log:
    """Writes to the ordinary log, for whoever collects that."""

    name: str = "log"

    def send(self, message: Message) -> None:
        logger.warning("%s\n%s", message.subject, message.text)


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that are configured, none by default; SettingsError says what is missing."""
    found: list[Channel] = []
    if settings.alert_webhook_url is not None:
        found.append(Webhook(settings.alert_webhook_url.get_secret_value()))
    if settings.alert_email_to:
        found.append(_email(settings))
    if settings.alert_log:
        found.append(Log())
    return found


def _email(settings: Settings) -> Email:
    recipients = tuple(one.strip() for one in settings.alert_email_to.split(",") if one.strip())
    host, _, port = settings.alert_email_server.partition(":")
    if not host:
        raise SettingsError(
            "META_ALERT_EMAIL_TO is set, but META_ALERT_EMAIL_SERVER is not: give the SMTP server "
            "as smtp.example.com:587."
        )
    if port and not port.isdigit():
        raise SettingsError(
            "META_ALERT_EMAIL_SERVER has no port number after its colon; write it as "
            "smtp.example.com:587."
        )
    password = settings.alert_email_password
    return Email(
        server=host,
        port=int(port or _SMTP_PORT),
        sender=settings.alert_email_from or recipients[0],
        recipients=recipients,
        user=settings.alert_email_user,
        password=password.get_secret_value() if password else None,
        security=settings.alert_email_security,
    )


def _slack(message: Message) -> Mapping[str, Any]:
    parts = [f"*{_escaped(message.subject)}*"]
    for one in message.paragraphs:
        lines = [f"*{_escaped(one.title)}*", *map(_escaped, one.lines)]
        lines += [f"<{one.link}|Open in Dagster>"] if one.link else []
        parts.append("\n".join(lines))
    return {"text": _cut("\n\n".join(parts), _SLACK_LENGTH)}


def _teams(message: Message) -> Mapping[str, Any]:
    blocks: list[dict[str, Any]] = [_block(message.subject, size="Medium", weight="Bolder")]
    for one in message.paragraphs:
        blocks.append(_block(one.title, weight="Bolder", separator=True))
        blocks += [_block(line, spacing="None") for line in one.lines]
        blocks += [_block(f"[Open in Dagster]({one.link})")] if one.link else []
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _block(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}


def _escaped(text: str) -> str:
    """Text that stays text: an account named `<!channel>` must not wake everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _smtp_words(error: Exception) -> str:
    """The kind of failure and its code; servers quote what they were sent, the password too."""
    code = getattr(error, "smtp_code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__
