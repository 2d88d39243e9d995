"""Forms that only our own pages can send: a token in the session, and the same in the form."""

from __future__ import annotations

import re
import secrets

from starlette.datastructures import FormData
from starlette.requests import Request

FIELD = "csrf"
LINK_FIELD = "own"
"""In an address: the token of a link that does more than show a page."""
# A page of accounts to choose from has two fields for each.
MAX_FIELDS = 2000
_BYTES = 24
_SENT = re.compile(rf"[0-9a-f]{{{4 * _BYTES}}}")


class Forged(Exception):
    """The form was not sent from a page of ours, or that page is older than the session."""

    def __init__(self) -> None:
        super().__init__(
            "The form was not sent from a page of this session, so nothing was changed. Open the "
            "page again and repeat it."
        )


def token_of(request: Request, field: str = FIELD) -> str:
    """The token of this session, to be put into each form; no two answers have the same text.

    Of `LINK_FIELD` another one, for a link: addresses are kept in histories, and open no form.

    Answers are compressed: by their length, a text that is in all of them could be guessed letter
    by letter beside one that somebody else puts into the address (BREACH).
    """
    kept: str | None = request.session.get(field)
    if kept is None:
        kept = request.session[field] = secrets.token_hex(_BYTES)
    mask = secrets.token_bytes(_BYTES)
    return (mask + _mixed(mask, bytes.fromhex(kept))).hex()


def is_own_link(request: Request) -> bool:
    """Whether a page of this very session made the link, and no other site and no other person."""
    return _is_token(request.query_params.get(LINK_FIELD), request.session.get(LINK_FIELD))


def is_foreign(request: Request) -> bool:
    """Whether the browser says that a page of another site sends it here; old ones say nothing."""
    return request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _is_token(sent: object, kept: str | None) -> bool:
    """Whether what was sent is the session's token behind some mask."""
    if not isinstance(sent, str) or not kept or not _SENT.fullmatch(sent):
        return False
    both = bytes.fromhex(sent)
    token = _mixed(both[:_BYTES], both[_BYTES:])
    return secrets.compare_digest(token, bytes.fromhex(kept))


def _mixed(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))


async def read_form(request: Request) -> FormData:
    """The form, if it has the token of this very session; Forged otherwise."""
    # Browsers that do not say it are held by the token below alone.
    if is_foreign(request):
        raise Forged
    # What all our pages send; a form in parts may name any codec of Python's to be read with.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Forged
    form = await request.form(max_fields=MAX_FIELDS)
    if not _is_token(form.get(FIELD), request.session.get(FIELD)):
        raise Forged
    return form
