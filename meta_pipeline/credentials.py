"""What an access token looks like, and the only places it may be sent to."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from urllib.parse import SplitResult, urlsplit

META_HOST = "graph.facebook.com"
TRUSTED_URL = "META_TRUSTED_GRAPH_URL"
_QUOTES = "\"'`"
# What is copied along with a token: a line of .env, a header of a call, the word before it.
_PREFIX = re.compile(
    r"(?i)^(?:export\s+)?(?:(?:META_)?(?:ACCESS_)?TOKEN\s*[=:]|Authorization\s*:|(?:Bearer|OAuth)(?:\s|$))\s*"
)
_VERSION_PATH = re.compile(r"/(v\d+\.\d+)")
# An address with its scheme's own port is the same place as one without.
_PORTS = {"http": 80, "https": 443}


def cleaned_token(text: str) -> str:
    """The token alone: what copying adds around it is taken off.

    That is white space, quotes, `Bearer`, a byte order mark and other invisible characters.
    Raises ValueError, without the token in it, when no single token is left.
    """
    clean = _visible(text).strip()
    # Until nothing comes off: quotes stand around prefixes, and prefixes around quotes.
    while True:
        stripped = _PREFIX.sub("", clean).strip().strip(_QUOTES).strip()
        if stripped == clean:
            break
        clean = stripped
    is_broken = any(one.isspace() or one in _QUOTES for one in clean)
    if not clean or not clean.isascii() or not clean.isprintable() or is_broken:
        raise ValueError(
            "META_ACCESS_TOKEN is empty or holds a space, a line break or a quote from copying; "
            "paste the token alone"
        )
    return clean


def _visible(text: str) -> str:
    """Without characters nobody sees: byte order mark, zero-width and directional marks."""
    return "".join(one for one in text if unicodedata.category(one) != "Cf")


def checked_graph_url(text: str, *, trusted_url: str | None = None) -> str:
    """Scheme and host that calls go to; ValueError says what is wrong, without any secret in it.

    The token leaves this machine only for Meta's own host, encrypted. Anything else must be this
    machine, or exactly the origin of `trusted_url`. A version at the end is taken off.
    """
    parts = _origin_of(text)
    path = parts.path.rstrip("/")
    if path and not _VERSION_PATH.fullmatch(path):
        raise ValueError(
            f"must be a host alone, such as https://{META_HOST}: it has a path; the version goes "
            "into META_API_VERSION"
        )
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    if is_loopback(parts.hostname or ""):
        return origin
    if trusted_url and _place(parts) == _place(_origin_of(trusted_url)):
        return origin
    if parts.hostname != META_HOST:
        raise ValueError(
            f"names {parts.hostname}, which is neither Meta's {META_HOST} nor this machine: the "
            f"access token is not sent there, unless {TRUSTED_URL}={origin} is set in the "
            "environment (not in .env)"
        )
    if parts.scheme != "https":
        raise ValueError(f"would send the access token unencrypted: write https://{META_HOST}")
    return origin


def version_in(text: str) -> str | None:
    """The version that a Graph URL ends in, such as v26.0; None when it has none."""
    match = _VERSION_PATH.fullmatch(_origin_of(text).path.rstrip("/"))
    return match[1] if match else None


def split_address(value: str) -> SplitResult:
    """As urlsplit; what it says of an address it cannot split would repeat the password in it."""
    try:
        return urlsplit(value)
    except ValueError:
        raise ValueError("is not an address such as https://ads.example.com") from None


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


def _origin_of(text: str) -> SplitResult:
    clean = _visible(text).strip().strip(_QUOTES).strip()
    try:
        parts = urlsplit(clean if "://" in clean else f"https://{clean}")
        # The port is checked by being read.
        has_host = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in _PORTS or not _is_host(parts.hostname or ""):
        raise ValueError(f"is not a URL such as https://{META_HOST}")
    if "@" in parts.netloc:
        raise ValueError(f"must not hold a user or password: write https://{META_HOST}")
    if parts.query or parts.fragment:
        raise ValueError(
            f"must be a host alone, such as https://{META_HOST}, without what follows ? or #"
        )
    return parts


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return True
    # No underscore by the book; names of containers have them.
    labels = host.removesuffix(".").split(".")
    return len(host) <= 253 and all(re.fullmatch(r"[a-z0-9_-]{1,63}", one) for one in labels)
