"""What went wrong, as a page with one sentence that says what to do next."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meta_pipeline.concurrency import TooManyAtOnce
from meta_pipeline.custom_reports import ReportsError
from meta_pipeline.metrics import MetricsError
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse.errors import CannotTell, TenantsNotApart, WarehouseError

from .access.forms import Forged
from .access.openid import SignInRefused
from .access.pace import TooManyTries
from .access.sign_in import SignIn
from .access.visitor import TENANT, NotAMember, TenantUnchosen
from .gate import NotAllowed, NotFound, TenantUnsaid, untold
from .rendering import plain_page
from .site import site_of

_log = logging.getLogger(__name__)
_TITLES = {
    400: "This question has no answer",
    403: "Not for you",
    404: "Not here",
    405: "Not this way",
    413: "Too much",
    429: "Too often",
    500: "Something went wrong here",
    503: "The numbers cannot be read now",
}


def _failure(request: Request, status_code: int, sentence: str) -> Response:
    title = _TITLES.get(status_code, "That did not work")
    return plain_page(
        request, "failure.html", status_code=status_code, title=title, sentence=sentence
    )


def _says(status_code: int) -> Callable[[Request, Exception], Response]:
    return lambda request, error: _failure(request, status_code, str(error))


def _not_apart(request: Request, error: Exception) -> Response:
    # Else a tenant that cannot be served stays open, and every page after this fails too.
    if "session" in request.scope:
        request.session.pop(TENANT, None)
    return _unavailable(request, error)


def _for_the_log(what: str, told: str) -> Callable[[Request, Exception], Response]:
    """What names hosts, roles, databases or paths: for whoever sits at this machine, not for
    visitors, who are told that the log has it.
    """

    def tell(request: Request, error: Exception) -> Response:
        if site_of(request).sign_in is SignIn.LINK:
            return _failure(request, 503, str(error))
        _log.error("%s cannot be used: %s", what, error)
        return _failure(request, 503, told)

    return tell


_unavailable = _for_the_log(
    "the database",
    "The database cannot be used; the log of the web application says why. Try again in a "
    "minute; if it stays, tell whoever looks after this installation.",
)
_no_reports = _for_the_log(
    "the custom reports",
    "The file of custom reports (META_REPORTS_FILE) cannot be used; the log of the web "
    "application says why. Tell whoever looks after this installation.",
)


def _which_tenant(request: Request, error: Exception) -> Response:
    assert isinstance(error, TenantUnchosen)
    untold(request, error.memberships)  # the page itself tells
    url = request.url if request.method == "GET" else URL("/")
    links = [
        (one, str(URL(path=url.path, query=url.query).include_query_params(tenant=one.tenant)))
        for one in error.memberships
    ]
    return plain_page(request, "which_tenant.html", status_code=300, links=links)


def _too_often(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyTries | TooManyAtOnce)
    answer = _failure(request, 429, str(error))
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = "There is no page at this address." if error.status_code == 404 else str(error.detail)
    return _failure(request, error.status_code, said)


def _unforeseen(request: Request, error: Exception) -> Response:
    # The page says nothing of the error itself: it may name tables, addresses, people.
    reference = secrets.token_hex(4)
    # On one line: whoever sends an address must not write lines of the log with it.
    _log.error("page failed: %s %s", reference, one_line(request.url.path), exc_info=error)
    return _failure(
        request,
        500,
        f"It is written in the log of the web application under {reference}. Try again; if it "
        "stays, send that reference to whoever looks after this installation.",
    )


class Unforeseen:
    """ASGI middleware: what nobody foresaw is a page too, with the headers of every answer.

    An answer that has begun cannot be taken back: the connection is cut, so that half a file is
    not taken for a whole one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            await _unforeseen(Request(scope), error)(scope, receive, send)


# Starlette looks along the classes of an error, the nearest first: the order here says nothing.
HANDLERS: Mapping[Any, Callable[[Request, Exception], Response]] = {
    MetricsError: _says(400),
    CannotTell: _says(503),
    ReportsError: _no_reports,
    TenantsNotApart: _not_apart,
    WarehouseError: _unavailable,
    NotFound: _says(404),
    NotAllowed: _says(403),
    NotAMember: _says(403),
    TenantUnchosen: _which_tenant,
    SignInRefused: _says(403),
    Forged: _says(403),
    TenantUnsaid: _says(409),
    TooManyTries: _too_often,
    TooManyAtOnce: _too_often,
    HTTPException: _http,
}
"""By error; each answer is a page, and none of them shows what was being worked on."""
