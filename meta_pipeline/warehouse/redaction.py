"""Redaction: database URLs and what is said about them, without a password.

A password is whatever stands between the first `:` after `//` and the last `@` of the whole text:
one that holds `/`, `#` or `?` and was never quoted is hidden too, although no parser finds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import psycopg
from psycopg.conninfo import conninfo_to_dict

SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
"""Options of libpq that nobody may read."""
UNREADABLE = "a database URL that cannot be read"
HIDDEN = "***"

_PLACE = ("host", "hostaddr", "port", "service")
_HARMLESS = (
    *_PLACE,
    "user",
    "dbname",
    "sslmode",
    "application_name",
    "connect_timeout",
    "client_encoding",
    "target_session_attrs",
    "load_balance_hosts",
)
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,30}")
_HOST = r"(\[[0-9a-fA-F:.]+\]|[\w.%-]*)(:\d*)?"
_HOSTS = re.compile(rf"{_HOST}(,{_HOST})*")
_NAME = re.compile(r"[^\s/?#:@]*")
_SHORT = 3
"""A password of fewer characters is hidden only where it can be nothing else."""
_ANY_LOGIN = re.compile(r"(?<![\w+.-])(?P<user>[\w+.-]++://[^\s:/@]*+):\S*")
_ANY_SECRET = re.compile(
    rf"(?P<name>\b({'|'.join(SECRETS)})\s*=\s*)('(\\.|[^'\\])*'|(\\.|[^\s&\\])+)",
    re.IGNORECASE,
)


def redacted(url: str, *, with_options: bool = False) -> str:
    """The URL without any secret, fit to be printed; whatever was given, this never raises.

    Of the options only the place of the server is shown, `with_options` also the harmless ones,
    and that there are others.
    """
    text = url.strip()
    scheme, mark, rest = text.partition("://")
    if not mark:
        return _of_words(text, with_options=with_options)
    if not _SCHEME.fullmatch(scheme):
        return UNREADABLE
    login, at, place = rest.rpartition("@")
    if "?" in login:  # the last @ may stand in an option, or in a password: show neither side
        return f"{scheme}://{HIDDEN}"
    user, colon, _ = login.partition(":")
    where, _, query = place.partition("?")
    hosts, slash, database = where.partition("/")
    shown_user = user if _NAME.fullmatch(user) else HIDDEN
    shown_login = f"{shown_user}{colon and ':' + HIDDEN}{at}"
    shown_hosts = hosts if _HOSTS.fullmatch(hosts) else HIDDEN
    shown_database = database if _NAME.fullmatch(database) else HIDDEN
    options = _options(query, with_options=with_options)
    return f"{scheme}://{shown_login}{shown_hosts}{slash}{shown_database}{options}"


def without_secrets(text: str, *urls: str) -> str:
    """What some library said, without the passwords of these URLs, and of any other it shows."""
    # The longest first: one spelling may be part of another, and would leave its rest standing.
    for secret in sorted({one for url in urls for one in _secrets(url)}, key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, HIDDEN)
    text = re.sub(r"\S+", _without_login, text)
    return _ANY_SECRET.sub(rf"\g<name>{HIDDEN}", text)


def _without_login(word: re.Match[str]) -> str:
    """A word without the password of a URL in it; its end is looked for once, however long."""
    login, at, rest = word[0].rpartition("@")
    return _ANY_LOGIN.sub(rf"\g<user>:{HIDDEN}", login) + at + rest


def _of_words(text: str, *, with_options: bool) -> str:
    """A string of keywords and values, such as `host=h password=p`."""
    try:
        given = conninfo_to_dict(text) if "=" in text else {}
    except psycopg.ProgrammingError:
        given = {}
    if not given:
        return UNREADABLE
    shown = [
        f"{name}={HIDDEN if name in SECRETS else value}"
        for name, value in given.items()
        if name in (*_HARMLESS, *SECRETS) or with_options
    ]
    return " ".join(shown)


def _options(query: str, *, with_options: bool) -> str:
    shown = []
    for option in filter(None, query.split("&")):
        name, _, value = option.partition("=")
        if name in (_HARMLESS if with_options else _PLACE):
            shown.append(f"{name}={value}")
        elif with_options:
            shown.append(f"{name}={HIDDEN}" if name in SECRETS else HIDDEN)
    return f"?{'&'.join(shown)}" if shown else ""


def _secrets(url: str) -> Iterator[str]:
    """Every spelling in which a secret of the URL may be repeated."""
    text = url.strip()
    raw = text.partition("://")[2].rpartition("@")[0].partition(":")[2]
    try:
        given = conninfo_to_dict(text)
    except (psycopg.ProgrammingError, UnicodeError):
        given = {}
    for secret in filter(None, (raw, *(given.get(name) for name in SECRETS))):
        as_text = str(secret)
        yield from (as_text, quote(as_text), quote(as_text, safe=""), quote_plus(as_text))
        yield repr(as_text)[1:-1]
        # As a string of keywords and values has it (libpq).
        yield as_text.replace("\\", "\\\\").replace("'", "\\'")
