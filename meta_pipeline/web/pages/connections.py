"""Connections: what lets us into Meta, until when; connecting by Meta's dialog."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from meta_pipeline.connections import (
    Access,
    AccountChoice,
    Connections,
    ConnectionsError,
    Granted,
    Keyring,
    LoginFlow,
    change_choice,
    listed,
    tenant_of_login,
)
from meta_pipeline.metrics.errors import ImpossibleQuestion
from meta_pipeline.warehouse import DEFAULT_TENANT, ConnectionRow
from meta_pipeline.web.access.forms import LINK_FIELD, is_own_link, token_of
from meta_pipeline.web.access.visitor import TENANT
from meta_pipeline.web.gate import Done, Visit
from meta_pipeline.web.site import own_address, site_of
from meta_pipeline.words import times

BACK = "/connections/back"
_CONNECTING = "connecting"
_PAGE = 200


def connections(visit: Visit) -> Response:
    """Every connection, whose it is, how many days are left, and what to do.

    META_ACCESS_TOKEN is the house's: people of other tenants are not told that there is one.
    """
    settings, is_house = visit.site.settings, visit.visitor.tenant == DEFAULT_TENANT
    found = listed(visit.warehouse, settings, visit.now)
    return visit.page(
        "connections.html",
        title="Connections",
        found=[one for one in found if is_house or one.connection_id is not None],
        can_connect=bool(settings.app_id and settings.app_secret and settings.token_keys),
        dialog=_dialog(visit),
    )


def connect(visit: Visit) -> Response:
    """Send the administrator to Meta's dialog.

    A link and no form: a form may lead nowhere but here. What it begins, only this session ends,
    and only a link of its own pages begins it.
    """
    is_unsaid = TENANT not in visit.request.query_params and len(visit.visitor.memberships) > 1
    if is_unsaid or not is_own_link(visit.request):
        # Also after a link that opened another tenant: first the page that says which it would be.
        return RedirectResponse(visit.same_tenant("/connections"), status_code=303)
    try:
        begun = _flow(visit).begin(asks_again="again" in visit.request.query_params)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return RedirectResponse(begun.url, status_code=303)


def _dialog(visit: Visit, **query: str) -> str:
    """The address that leads this very session to Meta's dialog."""
    own = query | {LINK_FIELD: token_of(visit.request, LINK_FIELD)}
    return visit.same_tenant(f"/connections/connect?{urlencode(own)}")


def whose_login(request: Request) -> str | None:
    """The tenant that the login was begun for which Meta's dialog answers here."""
    session = request.session.get(_CONNECTING)
    if session is None:
        return None
    state = request.query_params.get("state", "")
    return tenant_of_login(site_of(request).warehouse, state, session)


def answered(visit: Visit) -> Response:
    """Where Meta's dialog leads back to: on to the choice of accounts, or why there is none."""
    answer = _flow(visit).answer(dict(visit.request.query_params))
    if isinstance(answer, Granted):
        to = f"/connections/choose/{answer.pending.pending_id}"
        return RedirectResponse(visit.same_tenant(to), status_code=303)
    return visit.page(
        "connect_answer.html",
        status_code=403,
        title=answer.title,
        answer=answer,
        dialog=_dialog(visit, again="1"),
    )


def choose(visit: Visit) -> Response:
    """The accounts that access was given to, by name; with a search."""
    choice = _choice(visit, visit.request.path_params["pending_id"])
    search = _search(visit.request.query_params.get("search", ""))
    try:
        pending = choice.pending()
        shown = choice.page(
            search, offset=_offset(visit.request.query_params.get("offset")), limit=_PAGE
        )
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return visit.page(
        "choose_accounts.html",
        title="Choose ad accounts",
        pending=pending,
        shown=shown,
        search=search,
    )


def chosen(visit: Visit, form: FormData) -> Done:
    """Keep the page's ticks, then go on to another page, or connect the ticked ones, or all."""
    pending_id = str(form.get("pending_id", ""))
    choice, go = _choice(visit, pending_id), str(form.get("go", ""))
    try:
        pending = choice.pending()
        if "cancel" in form:
            choice.cancel()
            kept = (
                "Nothing was connected." if pending.connection_id is None else "It stays as it was."
            )
            return Done("choice of accounts cancelled", "", "/connections", kept)
        choice.tick(
            [str(one) for one in form.getlist("account")],
            shown=[str(one) for one in form.getlist("shown")],
        )
        if go:
            return _gone_on(choice, pending_id, go, form)
        row = choice.choose_all() if "all" in form else choice.choose_ticked()
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    chosen_accounts = row.chosen_accounts
    what = (
        "all accounts, also later ones"
        if chosen_accounts is None
        else times(len(chosen_accounts), "account")
    )
    if pending.connection_id is not None:
        said = f"{row.name} now reads {what}."
        return Done("accounts chosen", f"{row.connection_id}, {what}", "/connections", said)
    said = f"{row.name} is connected."
    return Done("connected", f"{row.connection_id}, {what}", "/connections", said)


def _gone_on(choice: AccountChoice, pending_id: str, go: str, form: FormData) -> Done:
    """Another page of the same choice, whose ticks are kept: nothing for the audit yet."""
    search, offset = _search(form.get("search")), _offset(form.get("offset"))
    if go in ("tick", "untick"):
        choice.tick_found(search, is_chosen=go == "tick")
    if search != _search(form.get("searched")):
        offset = 0
    elif go == "next":
        offset += _PAGE
    elif go == "previous":
        offset = max(0, offset - _PAGE)
    query = urlencode({"search": search, "offset": offset})
    return Done("", "", f"/connections/choose/{pending_id}?{query}", "")


def reopened(visit: Visit, form: FormData) -> Done:
    """Open the choice of a connection's accounts, to be changed; Meta is asked which there are."""
    connections = _connections(visit)
    try:
        row = _of_visitor(visit, connections, form)
        choice = change_choice(connections, row, session=_session(visit))
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return Done("", "", f"/connections/choose/{choice.pending_id}", "")


def removed(visit: Visit, form: FormData) -> Done:
    """Forget a connection; with `revoke` its token ends at Meta too."""
    connections = _connections(visit)
    try:
        row = _of_visitor(visit, connections, form)
        connections.remove(row, revoke="revoke" in form)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    return Done("connection removed", row.connection_id, "/connections", f"{row.name} is removed.")


def _of_visitor(visit: Visit, connections: Connections, form: FormData) -> ConnectionRow:
    return connections.find(str(form.get("connection", "")), tenant=visit.visitor.tenant)


def _search(given: object) -> str:
    return str(given or "")[:200]


def _offset(given: object) -> int:
    text = str(given or "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _connections(visit: Visit) -> Connections:
    """Connections are kept by the installation itself; each of them belongs to one tenant."""
    site = visit.site
    try:
        keyring = Keyring.of(site.settings)
    except ConnectionsError as error:
        raise ImpossibleQuestion(str(error)) from None
    actor = f"web: {visit.visitor.subject}"
    access = Access(site.settings, clock=site.now).within(site.meta_seconds)
    return Connections(site.warehouse, access, keyring, actor)


def _flow(visit: Visit) -> LoginFlow:
    return LoginFlow(
        _connections(visit),
        redirect_uri=own_address(visit.request) + BACK,
        session=_session(visit),
        tenant=visit.visitor.tenant,
    )


def _choice(visit: Visit, pending_id: str) -> AccountChoice:
    return AccountChoice(
        _connections(visit),
        session=_session(visit),
        pending_id=pending_id,
        tenant=visit.visitor.tenant,
    )


def _session(visit: Visit) -> str:
    """A secret of this browser: who begins to connect is who ends it."""
    session = visit.request.session
    if _CONNECTING not in session:
        session[_CONNECTING] = secrets.token_urlsafe(24)
    return str(session[_CONNECTING])
