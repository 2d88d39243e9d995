"""Forms that only our own pages can send: a token in the session, and the same in the form."""

from __future__ import annotations

import secrets

from starlette.datastructures import FormData
from starlette.requests import Request

FIELD = "csrf"
# A page of accounts to choose from has two fields for each.
MAX_FIELDS = 2000


class Forged(Exception):
    """The form was not sent from a page of ours, or that page is older than the session."""

    def __init__(self) -> None:
        super().__init__(
            "The form was not sent from a page of this session, so nothing was changed. Open the "
            "page again and repeat it."
        )


def token_of(request: Request) -> str:
    """The token of this session, to be put into each of its forms."""
    token: str | None = request.session.get(FIELD)
    if token is None:
        token = request.session[FIELD] = secrets.token_urlsafe(24)
    return token


async def read_form(request: Request) -> FormData:
    """The form, if it has the token of this very session; Forged otherwise."""
    # Browsers that do not send it are held by the token below alone.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forged
    # What all our pages send; a form in parts may name any codec of Python's to be read with.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Forged
    form = await request.form(max_fields=MAX_FIELDS)
    sent, kept = form.get(FIELD), request.session.get(FIELD)
    if not (
        isinstance(sent, str) and kept and secrets.compare_digest(sent.encode(), kept.encode())
    ):
        raise Forged
    return form
