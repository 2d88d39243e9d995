"""Channels: a webhook that Slack and Teams understand, e-mail, the log. Off until configured."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from meta_pipeline.credentials import is_loopback
from meta_pipeline.printable import link, markdown, one_line, slack
from meta_pipeline.redaction import guard_http_logging
from meta_pipeline.settings import Settings, SettingsError
from meta_pipeline.words import shortened

from .message import Message

if TYPE_CHECKING:
    from requests import Response

# A channel that is silent holds up the others of this round by no more than this.
TIMEOUT_SECONDS = 10
# And one that talks without end; the notifier waits for none any longer.
_SECONDS = 20
_MOST_BYTES = 1_048_576
# Of its incoming webhooks, and of the workflows that take their place.
_TEAMS_HOSTS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")
# Of the 28 KB that Teams takes, what is around the blocks left out.
_TEAMS_BYTES = 24_000
# It answers 200 and says in the body that it took nothing (Microsoft's page on rate limits).
_TEAMS_REFUSED = b"endpoint returned HTTP error"
# Slack advises no more than 4,000 characters; its escapes make some of ours longer.
_SLACK_LENGTH = 3500
_BEGINNING_BYTES = 4_096
# Submission (RFC 6409).
_SMTP_PORT = 587
# Authentication succeeded (RFC 4954).
_WELCOME = 235

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
        host = _host(self.url)
        render = _teams if host.endswith(_TEAMS_HOSTS) else _slack
        guard_http_logging()
        from meta_pipeline.wire import DirectSession  # noqa: PLC0415  # only who sends waits for it

        try:
            with (
                _bounded(),
                DirectSession() as session,
                session.post(
                    self.url,
                    json=render(message),
                    timeout=TIMEOUT_SECONDS,
                    # A redirect would take what is told to somebody who was not named.
                    allow_redirects=False,
                    stream=True,
                ) as answer,
            ):
                status, said = answer.status_code, _beginning(answer)
        except Exception as error:  # beside its own, requests lets through those of other libraries
            # Its text has the whole URL, which is the secret.
            raise DeliveryFailed(f"{host} did not answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            raise DeliveryFailed(f"{host} answered HTTP {status}")
        if _TEAMS_REFUSED in said:
            raise DeliveryFailed(f"{host} answered HTTP {status}, and that Teams refused it")


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
            with _bounded(), ExitStack() as until:
                refused = self._connected(until).send_message(self._mail(message))
        except Exception as error:  # a password or an address may be one smtplib cannot encode
            # Its kind and code alone: servers quote what they were sent, the password too.
            told = f"{type(error).__name__} {getattr(error, 'smtp_code', None) or ''}".rstrip()
            raise DeliveryFailed(
                f"{self.server}:{self.port} refused or did not answer ({told})"
            ) from None
        if refused:
            # No failure of the channel: those who have it would get it again and again.
            logger.error("%s:%s refused %s", self.server, self.port, ", ".join(refused))

    def _connected(self, until: ExitStack) -> smtplib.SMTP:
        from .smtp import Smtp, SmtpTls  # noqa: PLC0415  # only who sends waits for it

        smtp: Smtp
        if self.security == "tls":
            context = ssl.create_default_context()
            smtp = SmtpTls(self.server, self.port, timeout=TIMEOUT_SECONDS, context=context)
        else:
            smtp = Smtp(self.server, self.port, timeout=TIMEOUT_SECONDS)
        until.callback(smtp.leave)
        if self.security == "starttls":
            # Without a context of ours smtplib encrypts and checks no certificate.
            smtp.starttls(context=ssl.create_default_context())
        if self.user:
            self._login(smtp, self.user, self.password or "")
        return smtp

    def _login(self, smtp: smtplib.SMTP, user: str, password: str) -> None:
        if user.isascii() and password.isascii():
            smtp.login(user, password)
            return
        # smtplib knows ASCII only; RFC 4616 has both in UTF-8.
        plain = b64encode(f"\0{user}\0{password}".encode()).decode()
        smtp.ehlo_or_helo_if_needed()
        code, _ = smtp.docmd("AUTH", f"PLAIN {plain}")
        if code != _WELCOME:
            raise smtplib.SMTPAuthenticationError(code, b"")

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = one_line(message.subject)
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = formatdate(localtime=False)
        # A domain that can be nobody's (RFC 2606): this machine's own name is not told.
        mail["Message-ID"] = make_msgid(domain="meta-pipeline.invalid")
        # So that no absence note answers it (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail


@dataclass(frozen=True)
class Log:
    """Writes to the ordinary log, for whoever collects that."""

    name: str = "log"

    def send(self, message: Message) -> None:
        logger.warning("%s\n%s", one_line(message.subject), message.text)


@dataclass(frozen=True)
class MisconfiguredChannel:
    """A channel that cannot be built from the settings; says so each time, beside the others."""

    name: str
    reason: str

    def send(self, message: Message) -> None:  # there is no way to send it
        raise DeliveryFailed(self.reason)


@contextmanager
def _bounded() -> Iterator[None]:
    """What a server answers meanwhile ends: after so long, and so many bytes."""
    from meta_pipeline.wire import Allowance, within  # noqa: PLC0415  # only who sends waits for it

    with within(Allowance(monotonic, _SECONDS, TIMEOUT_SECONDS, _MOST_BYTES)):
        yield


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that are configured, none by default.

    One that is wrong stands beside the others as Misconfigured; SettingsError where no other works.
    """
    channels: list[Channel] = []
    wrong: dict[str, SettingsError] = {}
    makers: dict[str, tuple[bool, Callable[[Settings], Channel]]] = {
        "webhook": (settings.alert_webhook_url is not None, _webhook),
        "email": (bool(settings.alert_email_to), _email),
        "log": (settings.alert_log, lambda _: Log()),
    }
    for name, (is_wanted, make) in makers.items():
        try:
            channels += [make(settings)] if is_wanted else []
        except SettingsError as error:
            wrong[name] = error
    if wrong and not channels:
        raise next(iter(wrong.values()))
    return [*channels, *(MisconfiguredChannel(name, str(error)) for name, error in wrong.items())]


def _webhook(settings: Settings) -> Webhook:
    url = settings.alert_webhook_url.get_secret_value() if settings.alert_webhook_url else ""
    if not _host(url) or not url.lower().startswith(("http://", "https://")):
        raise SettingsError(
            "META_ALERT_WEBHOOK_URL is not a URL such as https://hooks.slack.com/services/..."
        )
    if not url.lower().startswith("https://") and not is_loopback(_host(url)):
        # The address is the secret, and every router on the way would read it and what is told.
        raise SettingsError(
            "META_ALERT_WEBHOOK_URL begins with http://, which is taken for this machine only: "
            "write https://."
        )
    return Webhook(url)


def _email(settings: Settings) -> Email:
    recipients = settings.alert_recipients
    if not recipients:
        raise SettingsError("META_ALERT_EMAIL_TO names nobody: write ops@example.com.")
    if not settings.alert_email_server.strip():
        raise SettingsError(
            "META_ALERT_EMAIL_TO is set, but META_ALERT_EMAIL_SERVER is not: give the SMTP server "
            "as smtp.example.com:587."
        )
    try:
        server = urlsplit(f"//{settings.alert_email_server.strip()}")
        host, port = server.hostname, server.port
    except ValueError:
        host, port = None, None
    if not host:
        raise SettingsError(
            "META_ALERT_EMAIL_SERVER has no host or no port number after its colon; write it as "
            "smtp.example.com:587."
        )
    password = settings.alert_email_password
    return Email(
        server=host,
        port=port or _SMTP_PORT,
        sender=settings.alert_email_from or recipients[0],
        recipients=recipients,
        user=settings.alert_email_user,
        password=password.get_secret_value() if password else None,
        security=settings.alert_email_security,
    )


def _host(url: str) -> str:
    """The host of the URL; none where it is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _slack(message: Message) -> Mapping[str, Any]:
    parts = [f"*{slack(message.subject)}*"]
    for one in message.paragraphs:
        lines = [f"*{slack(one.title)}*", *map(slack, one.lines)]
        lines += [f"<{link(one.link)}|{one.link_words}>"] if one.link else []
        parts.append("\n".join(lines))
    return {"text": shortened("\n\n".join(parts), _SLACK_LENGTH)}


def _beginning(answer: Response) -> bytes:
    """The first of a body; whether the rest comes, or when, is no matter."""
    with suppress(Exception):
        return bytes(answer.raw.read1(_BEGINNING_BYTES, decode_content=False))
    return b""


def _teams(message: Message) -> Mapping[str, Any]:
    blocks: list[dict[str, Any]] = [
        _block(markdown(message.subject), size="Medium", weight="Bolder")
    ]
    for one in message.paragraphs:
        blocks.append(_block(markdown(one.title), weight="Bolder", separator=True))
        blocks += [_block(markdown(line), spacing="None") for line in one.lines]
        blocks += [_block(f"[{one.link_words}]({link(one.link)})")] if one.link else []
    card = {"type": "AdaptiveCard", "version": "1.4", "body": _fitting(blocks)}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}


def _fitting(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the blocks as Teams takes in a message; a larger one it refuses every time."""
    sizes = accumulate(len(json.dumps(one)) for one in blocks)
    kept = [one for one, size in zip(blocks, sizes, strict=True) if size <= _TEAMS_BYTES]
    return kept if len(kept) == len(blocks) else [*kept, _block("… and more")]


def _block(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}
