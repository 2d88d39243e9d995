"""One call on its way through the simulator: whom it is for and what is answered."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from meta_pipeline.simulator.api.login.token import Token
from meta_pipeline.simulator.api.requests import GraphRequest

# On every answer, as recorded; the last one is ours, so that none is taken for Meta's.
_STANDING_HEADERS = {
    "access-control-allow-origin": "*",
    "cache-control": "private, no-cache, no-store, must-revalidate",
    "expires": "Sat, 01 Jan 2000 00:00:00 GMT",
    "pragma": "no-cache",
    "vary": "Accept-Encoding",
    "x-simulated": "true",
}


@dataclass(frozen=True)
class Target:
    """The node a path names and the edge behind it; `subject` is what the world knows of it."""

    node_type: str
    node_id: str
    edge: str | None = None
    subject: Any = None
    account_id: str | None = None

    @property
    def is_insights(self) -> bool:
        return self.edge == "insights"


@dataclass
class Call:
    """A request with its token and target, and what its handler reports about the work."""

    request: GraphRequest
    token: Token
    target: Target
    now: datetime
    rows: int = 0
    """Rows shown, those of nested edges included."""
    weight: float = 1.0
    """How much work a row is: what the CPU time of the limits is reckoned from."""
    flag: str | None = None
    """Why the journal marks the request as unexpected."""
    etag: str | None = None


@dataclass(frozen=True)
class GraphAnswer:
    """Status, headers and body as they go to the socket or into a batch entry."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    code: int | None = None
    subcode: int | None = None

    def all_headers(self) -> dict[str, str]:
        return {**_STANDING_HEADERS, **self.headers}


def etag_of(body: bytes) -> str:
    """Quoted sha1 of the body, as on every recorded GET (FACTS section 0)."""
    return f'"{hashlib.sha1(body).hexdigest()}"'  # noqa: S324 - Meta's choice, not a secret


_SLASH, _ESCAPED_SLASH = b"/", b"\\/"
_NON_ASCII = re.compile(r"[^\x00-\x7f]+")


def document(value: Any) -> bytes:
    """JSON as recorded: slashes and everything beyond ASCII escaped (FACTS section 0)."""
    raw = orjson.dumps(value)
    if not raw.isascii():
        raw = _NON_ASCII.sub(lambda text: json.dumps(text[0])[1:-1], raw.decode()).encode()
    return raw.replace(_SLASH, _ESCAPED_SLASH)
