"""Secrets are in no text that leaves: not in a log, an exception, a table or a URL."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "[redacted]"
_PROTOCOL = re.compile(r"HTTP/[\d.]+")
_URLLIB3 = (
    "urllib3.connectionpool",
    "urllib3.connection",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)

# Where a short name begins: after no letter, unless that ends a percent-encoded character.
_BEGIN = r"(?:(?<![a-z_])|(?<=%[0-9a-f][0-9a-f]))"
# Also at the end of a longer name: META_APP_SECRET, PGPASSWORD, sslpassword.
_NAMES = (
    r"access_token|appsecret_proof|client_secret|fb_exchange_token|input_token|app_secret(?:_previous)?"
    r"|appsecret|verify_token|refresh_token|revoke_token|signed_request|token_keys|password|passwd"
    r"|web_secret|proxy[_-]secret|mcp_token|secret_key|code_verifier|alert_webhook_url|scram_client_key|scram_server_key"
    # What opens an object store: Azure's key and signature, Amazon's.
    r"|AccountKey|X-Amz-Signature|X-Amz-Security-Token|aws_secret_access_key"
    r"|aws_session_token"
    rf"|{_BEGIN}(?:token|sig)"
)
_NAMED = re.compile(rf"(?i){_NAMES}")
_BY_NAME = (
    # name=value in a query or form, plain or percent-encoded; as libpq writes it, also quoted.
    re.compile(rf"(?i)((?:{_NAMES})\s*=\s*')(?:\\.|[^'\\])+"),
    re.compile(rf'(?i)((?:{_NAMES})\s*=\s*")(?:\\.|[^"\\])+'),
    re.compile(rf"(?i)((?:{_NAMES})(?:\s*=\s*|%3D))(?:\\[^\"'nrtu/]|[^&\s\"'<>\\])+"),
    # "name": "value" in JSON and Python, and in JSON within JSON.
    re.compile(rf"(?i)((?:{_NAMES})[\"']\s*:\s*\")(?:\\.|[^\"\\])+"),
    re.compile(rf"(?i)((?:{_NAMES})[\"']\s*:\s*')(?:\\.|[^'\\])+"),
    # However deep it is nested: the quote that ends it has as many backslashes as that which began.
    re.compile(rf"(?i)((?:{_NAMES})(\\+)([\"'])\s*:\s*\2\3)(?:(?!(?<!\\)\2\3).)+"),
)
_BY_FORM = (
    # What a login dialog sends back: /callback?code=...&state=...
    re.compile(r"(?i)([?&](?:code|state)=)[^&\s\"'<>\\)]{16,}"),
    re.compile(r"(?i)\b(bearer\s+)[^\s\"',;]+"),
    re.compile(r"(?i)(\bauthorization\W{1,6}(?:basic|digest)\s+)[^\s\"',;]+"),
    # user:password@ in a URL, up to the last @: a password that was never quoted may hold others.
    # What follows the colon of a host is its port. Bounded, as each colon may be one to begin at.
    re.compile(r"(//[^/\s:@?#]{0,99}:)(?!\d{1,5}(?:[/?#,]|$))[^\s\"'<>]{1,300}(?=@)"),
    re.compile(r"(//[^/\s:@?#]{0,99}:)[^@\s/]{1,300}(?=@)"),
    # An incoming webhook, whose path lets anybody write there.
    re.compile(
        r"(?i)((?:hooks\.slack\.com|\.webhook\.office\.com|discord(?:app)?\.com/api/webhooks)/)"
        r"[^\s\"'<>]+"
    ),
    # User, system user and page tokens; app tokens are APPID|SECRET.
    re.compile(r"()\bEAA[A-Za-z0-9_-]{10,}"),
    re.compile(r"(\b\d{5,20}(?:\||%7C))[A-Za-z0-9_-]{8,}"),
    # Keys of our own API; the id before the secret says which to revoke.
    re.compile(r"(\bmp_[0-9a-f]{12}_)[0-9a-f]{64}"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without anything that looks like a token, a proof or a password.

    `secrets` are exact values to remove as well, in plain and in percent-encoded form.
    """
    for secret in secrets:
        if secret:
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, MASK)
    # Most texts name nothing that is secret.
    for pattern in (*(_BY_NAME if _NAMED.search(text) else ()), *_BY_FORM):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


class RedactingFilter(logging.Filter):
    """Cleans every record of a logger before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_without_path(value) for value in record.args)
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, None
        return True


def _without_path(value: object) -> object:
    """What urllib3 logs of a request but its path: that of a webhook is its secret."""
    text = value if isinstance(value, str | int | float) else str(value)
    if isinstance(text, str) and "/" in text and not _PROTOCOL.fullmatch(text):
        return MASK
    return text


_FILTER = RedactingFilter()


def guard_http_logging() -> None:
    """Keep urllib3's own lines (they print path and query) free of secrets; safe to repeat."""
    for name in _URLLIB3:
        logging.getLogger(name).addFilter(_FILTER)
