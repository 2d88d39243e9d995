"""Database URLs: the spellings people use, and the two that libpq and Dagster's driver need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .errors import WarehouseError

DAGSTER_SCHEMA = "dagster"
"""Schema of Dagster's own tables, beside ours in the same database."""

CONNECT_TIMEOUT_SECONDS = 10
"""How long it may take to be let in: libpq would wait for ever for what swallows packets."""
KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""So that a connection whose other end is gone is noticed within a minute, not two hours."""

_SPELLINGS = ("postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2")
_LIKE = "postgresql://user:password@host:5432/database"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,30}")
_ODD = re.compile(r"[/?#@\[\]\s]|%(?![0-9A-Fa-f]{2})")
_URL_REFUSED = (
    f"DATABASE_URL cannot be read; it must look like {_LIKE}, and after a ? have only options of "
    "Postgres's client library, such as sslmode=require."
)
_WORDS_REFUSED = (
    f"DATABASE_URL cannot be read; it must look like {_LIKE}, or like host=... dbname=... "
    "user=... password='...' with options of Postgres's client library, where single quotes "
    "enclose a value with a space or a quote, and \\ stands before each ' and \\ in it."
)
_REQUIRE_AUTH_SINCE_LIBPQ = 160_000
_DAGSTER_SETTINGS = {
    "search_path": DAGSTER_SCHEMA,
    "timezone": "UTC",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
"""What a role's or a database's settings must not change for Dagster: its times are in UTC."""


def normalized(url: str) -> str:
    """One spelling for all: `postgresql://user:password@host:port/database?option=value`.

    Understood are URLs with the schemes `postgres`, `postgresql`, `postgresql+psycopg` and
    `postgresql+psycopg2`, and libpq's strings of keywords such as `host=h dbname=d`; sockets,
    several hosts, IPv6 and service files in both. Raises WarehouseError, in one sentence and
    without repeating a secret, for everything else.
    """
    return _written("postgresql", options_of(url))


def dagster_url(url: str, *, lock_seconds: float = 0) -> str:
    """The URL for Dagster's storage: psycopg2's spelling, tables in schema `dagster`.

    dagster-postgres brings psycopg2 only, while SQLAlchemy 2.1 reads `postgresql://` as psycopg 3;
    and Dagster's own `alembic_version` must not meet another's in the search path. Its connections
    are named `dagster` in pg_stat_activity, and fail within a minute where the server is gone: the
    daemon would wait for it for two hours. Made of such a URL it is the same again. With
    `lock_seconds` a statement that waits longer for another session's lock fails.
    """
    options = dict(options_of(url))
    for name, value in (KEEPALIVE | {"connect_timeout": CONNECT_TIMEOUT_SECONDS}).items():
        options.setdefault(name, str(value))
    given = options.get("options", "").split()
    settings = _DAGSTER_SETTINGS | {"lock_timeout": f"{lock_seconds * 1000:.0f}"}
    ours = [f"-c{name}={value}" for name, value in settings.items()]
    options["options"] = " ".join([*(one for one in given if one not in ours), *ours])
    # Not left to PGCLIENTENCODING, which psycopg2 obeys: Dagster keeps text of all languages.
    options["client_encoding"] = "UTF8"
    options.setdefault("application_name", DAGSTER_SCHEMA)
    if "require_auth" in options and not _driver_requires_auth():
        del options["require_auth"]
    return _written("postgresql+psycopg2", options)


def _driver_requires_auth() -> bool:
    """Whether Dagster's driver knows `require_auth`: one built with an older libpq does not."""
    import psycopg2.extensions  # noqa: PLC0415  # Dagster brings it

    return bool(psycopg2.extensions.libpq_version() >= _REQUIRE_AUTH_SINCE_LIBPQ)


def options_of(url: str) -> Mapping[str, str]:
    """Libpq's options that the URL gives, by their keywords; WarehouseError as `normalized`."""
    text = url.strip()
    scheme, mark, rest = text.partition("://")
    if not mark and "=" in text:
        return _checked(_parsed(text), _WORDS_REFUSED)
    if not mark or scheme not in _SPELLINGS:
        named = repr(scheme) if mark and _SCHEME.fullmatch(scheme) else "'no scheme'"
        raise WarehouseError(
            f"DATABASE_URL begins with {named}; it must look like {_LIKE}. "
            "Only Postgres is supported."
        )
    _refuse_unquoted(rest)
    return _checked(_parsed(f"postgresql://{rest}"), _URL_REFUSED)


def _refuse_unquoted(rest: str) -> None:
    """Raise WarehouseError where a password was pasted into the URL without being quoted."""
    before_query, _, query = rest.partition("?")
    authority = re.split("[/#]", before_query, maxsplit=1)[0]
    login, at, _ = authority.rpartition("@")
    is_outside = "@" in before_query[len(authority) :]
    is_in_query = "@" in query and not _is_option(rest)
    if not is_outside and not is_in_query and not (at and _ODD.search(login)):
        return
    user, colon, password = rest.rpartition("@")[0].partition(":")
    whose, odd = ("password", password) if colon else ("user", user)
    told = " and ".join(
        f"{'a space' if one.isspace() else one} must be written {quote(one, safe='')}"
        for one in dict.fromkeys(_ODD.findall(odd))
    )
    raise WarehouseError(
        f"DATABASE_URL cannot be read: a {whose} with {told or 'an @ must be written %40'}; "
        "urllib.parse.quote(text, safe='') of Python writes all of them."
    )


def _is_option(rest: str) -> bool:
    """Whether libpq finds the last @ in an option, not at the end of a login with a ? in it."""
    given = _parsed(f"postgresql://{rest}")
    return given is not None and "?" not in given.get("user", "") + given.get("password", "")


def _parsed(text: str) -> dict[str, str] | None:
    """Libpq's reading; None where it has none.

    Its own words are never repeated: they quote the piece that was not understood, and where a
    password stands in the wrong place that is a piece of the password.
    """
    try:
        given = conninfo_to_dict(text)
    except (psycopg.ProgrammingError, UnicodeError):
        return None
    return {name: str(value) for name, value in given.items() if value is not None}


def _checked(options: dict[str, str] | None, refused: str) -> dict[str, str]:
    if options is None:
        raise WarehouseError(refused)
    ports = options.get("port", "").split(",")
    if not all(port.isdigit() or not port for port in ports):
        raise WarehouseError(
            f"DATABASE_URL cannot be read: its port is no number. It must look like {_LIKE}; "
            "a user and a password stand before an @."
        )
    hosts = options.get("host", "").split(",")
    if len(hosts) > 1 and len(ports) == 1 and ports[0]:
        options["port"] = ",".join(ports * len(hosts))
    return options


def _written(scheme: str, options: Mapping[str, str]) -> str:
    """The URL of these options; what a URL cannot hold before the `?` goes behind it."""
    rest = dict(options)
    login = quote(rest.pop("user", ""), safe="")
    if "password" in rest:
        login += f":{quote(rest.pop('password'), safe='')}"
    host = rest.get("host", "")
    place = ""
    if host and not set(host) & set(",/@\\%"):
        place = f"[{host}]" if ":" in host else host
        del rest["host"]
        if port := rest.pop("port", ""):
            place += f":{port}"
    database = quote(rest.pop("dbname", ""), safe="")
    query = "&".join(f"{name}={quote(value, safe='/,')}" for name, value in rest.items())
    return (
        f"{scheme}://{login}{'@' if login else ''}{place}{'/' if database or query else ''}"
        f"{database}{'?' if query else ''}{query}"
    )
