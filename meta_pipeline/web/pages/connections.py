"""Connections: what lets us into Meta, until when; connecting by Meta's dialog."""

from __future__ import annotations

import secrets

from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from meta_pipeline.connections import (
    Access,
    AccountChoice,
    ConnectionsError,
    Granted,
    Keyring,
    LoginFlow,
    listed,
)
from meta_pipeline.connections import Connections as Book
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.warehouse import Connection
from meta_pipeline.web.gate import Done, Visit

BACK = "/connections/back"
_MOST_CHOSEN = 5000


def connections(visit: Visit) -> Response:
    """Every way in, whose it is, how many days are left, and what to do."""
    settings = visit.site.settings
    return visit.page(
        "connections.html",
        title="Connections",
        found=listed(visit.warehouse, settings, visit.now),
        can_connect=bool(settings.app_id and settings.app_secret and settings.token_keys),
    )


def connect(visit: Visit) -> Response:
    """Send the administrator to Meta's dialog.

    A link and no form: a form may lead nowhere but here. What it begins, only this session ends.
    """
    try:
        begun = _flow(visit).begin(asks_again="again" in visit.request.query_params)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return RedirectResponse(begun.url, status_code=303)


def answered(visit: Visit) -> Response:
    """Where Meta's dialog leads back to: on to the choice of accounts, or why there is none."""
    answer = _flow(visit).answer(dict(visit.request.query_params))
    if isinstance(answer, Granted):
        return RedirectResponse(f"/connections/choose/{answer.pending.pending_id}", 303)
    return visit.page("connect_answer.html", status_code=403, title=answer.title, answer=answer)


def choose(visit: Visit) -> Response:
    """The accounts that access was given to, by name; with a search."""
    choice = _choice(visit, visit.request.path_params["pending_id"])
    search = visit.request.query_params.get("search", "")[:200]
    offset = visit.request.query_params.get("offset", "0")
    try:
        pending = choice.pending()
        shown = choice.page(search, offset=int(offset) if offset.isdecimal() else 0, limit=200)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return visit.page(
        "choose_accounts.html",
        title="Choose ad accounts",
        pending=pending,
        shown=shown,
        search=search,
    )


def chosen(visit: Visit, form: FormData, _: Connection) -> Done:
    """Connect the accounts that were ticked, or all of them, also later ones."""
    choice = _choice(visit, str(form.get("pending_id", "")))
    accounts = [str(one) for one in form.getlist("account")][:_MOST_CHOSEN]
    try:
        if "cancel" in form:
            choice.cancel()
            return Done("connecting cancelled", "", "/connections", "Nothing was connected.")
        row = choice.choose_all() if "all" in form else choice.choose(accounts)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    what = "all accounts, also later ones" if "all" in form else f"{len(accounts)} accounts"
    return Done(
        "connected", f"{row.connection_id}, {what}", "/connections", f"{row.name} is connected."
    )


def removed(visit: Visit, form: FormData, _: Connection) -> Done:
    """Forget a connection; with `revoke` its token ends at Meta too."""
    book = _book(visit)
    try:
        row = book.find(str(form.get("connection", "")))
        if row.tenant != visit.visitor.tenant:
            raise ImpossibleQuestion("There is no such connection.")
        book.remove(row, revoke="revoke" in form)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return Done("connection removed", row.connection_id, "/connections", f"{row.name} is removed.")


def _book(visit: Visit) -> Book:
    """Connections are kept by the installation itself; each of them belongs to one tenant."""
    site = visit.site
    keys = site.settings.token_keys
    try:
        keyring = Keyring.parse(keys.get_secret_value() if keys else None)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    actor = f"web: {visit.visitor.subject}"
    return Book(site.warehouse, Access(site.settings, clock=site.now), keyring, actor)


def _flow(visit: Visit) -> LoginFlow:
    base = visit.site.settings.web_url or str(visit.request.base_url).rstrip("/")
    return LoginFlow(
        _book(visit), redirect_uri=base + BACK, session=_session(visit), tenant=visit.visitor.tenant
    )


def _choice(visit: Visit, pending_id: str) -> AccountChoice:
    return AccountChoice(
        _book(visit),
        session=_session(visit),
        pending_id=pending_id,
        tenant=visit.visitor.tenant,
    )


def _session(visit: Visit) -> str:
    """A secret of this browser: who begins to connect is who ends it."""
    session = visit.request.session
    if "connecting" not in session:
        session["connecting"] = secrets.token_urlsafe(24)
    return str(session["connecting"])
