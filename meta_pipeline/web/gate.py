"""The gate before every page: who is it, may they, is the form ours; then the page itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from meta_pipeline import metrics
from meta_pipeline.printable import one_line
from meta_pipeline.warehouse import Connection, TenantWarehouse
from meta_pipeline.warehouse.silence import over_in
from meta_pipeline.warehouse.stores.tenants import Membership

from .access.doors import redirect_to_sign_in
from .access.forms import is_foreign, is_own_link, read_form, token_of
from .access.role import Role
from .access.visitor import TENANT, Visitor, visitor_of
from .reader import Reader, reader_of
from .rendering import templates
from .site import Site, site_of


class NotAllowed(Exception):
    """The visitor's role is not enough; says which would be."""


class TenantUnsaid(Exception):
    """A form of somebody who is a member of several tenants does not say for which it is."""

    def __init__(self) -> None:
        super().__init__(
            "The form does not say for which of your tenants it is, so nothing was changed: you "
            "were added to another one since. Open the page again and repeat it."
        )


class NotFound(Exception):
    """There is no such thing here, for this visitor; the message says what was looked for."""


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is let in."""

    request: Request
    site: Site
    visitor: Visitor
    until: ExitStack | None = None
    """What ends with the page: it sees the tables at one moment, so that its numbers add up."""
    within: TenantWarehouse | None = None
    """The transaction of a change: its one connection is all that the change takes of the pool."""

    @property
    def tables(self) -> TenantWarehouse:
        """The tables as this visitor may see them: Postgres shows the tenant's rows alone."""
        return self.site.warehouse.of_tenant(self.visitor.tenant)

    @cached_property
    def warehouse(self) -> TenantWarehouse:
        """These tables; of a page as they were when it asked first, each question asked once.

        Of a change they are those of its transaction.
        """
        if self.until is None:
            return self.within or self.tables
        snapshot = self.until.enter_context(self.tables.snapshot())
        self.until.enter_context(metrics.asked_once(snapshot))
        return snapshot

    @cached_property
    def reader(self) -> Reader:
        return reader_of(self.request.headers.get("accept-language"))

    @cached_property
    def now(self) -> datetime:
        return self.site.now()

    @asynccontextmanager
    async def slot(self, *, asks_meta: bool) -> AsyncIterator[None]:
        """The tenant's slot among those who ask the tables, or Meta.

        Inside, all that is asked of the tables has one end, after which nothing is held for it:
        CannotTell. A file that is sent afterwards has its own.
        """
        limiter, seconds = self.site.limiter, self.site.page_seconds
        if asks_meta:
            # What Meta said in time is kept, too.
            limiter, seconds = self.site.meta_limiter, seconds + self.site.meta_seconds
        async with limiter.slot(self.visitor.tenant):
            with over_in(seconds):
                yield

    def may(self, needed: Role) -> bool:
        return self.visitor.role.may(needed)

    def page(self, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """The template with what every page has; `said` of a change is shown once."""
        text = (
            templates()
            .get_template(template)
            .render(
                visit=self,
                visitor=self.visitor,
                site=self.site,
                reader=self.reader,
                csrf=token_of(self.request),
                path=self.request.url.path,
                said=None if _is_poll(self.request) else self.request.session.pop("said", None),
                same_tenant=self.same_tenant,
                is_simulated=self._is_simulated,
                Role=Role,
                **values,
            )
        )
        return HTMLResponse(text, status_code)

    def same_tenant(self, address: str) -> str:
        """The address in this very tenant, whatever is open by the time that it is followed."""
        if not self.visitor.is_one_of_several:
            return address
        return f"{address}{'&' if '?' in address else '?'}{TENANT}={self.visitor.tenant}"

    @cached_property
    def has_accounts(self) -> bool:
        """Whether any ad account is stored that this visitor may see."""
        with self.warehouse.connection() as connection:
            row = connection.execute("SELECT FROM meta_ads.meta_ad_accounts LIMIT 1").fetchone()
        return row is not None

    @cached_property
    def _is_simulated(self) -> bool:
        if self.site.settings.is_simulated:
            return True
        with self.warehouse.connection() as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM meta_ads.meta_ad_accounts WHERE is_simulated)"
            ).fetchone()
        return bool(row and row[0])


@dataclass(frozen=True, slots=True)
class Done:
    """What a change did, for the audit and for the visitor; `to` is the page to go on with.

    Without an `action` nothing was changed that anybody has to know of.
    """

    action: str
    detail: str
    to: str
    said: str


_SEEN = "seen"
"""In the session: when the newest membership began that its person knows of."""
Show = Callable[[Visit], Response]
WhoseTenant = Callable[[Request], str | None]
Act = Callable[[Visit, FormData, Connection], Done]
ActOutside = Callable[[Visit, FormData], Done]


def page(
    path: str,
    show: Show,
    *,
    needs: Role = Role.VIEWER,
    whose: WhoseTenant | None = None,
    asks_meta: bool = False,
) -> Route:
    """A page for those whose role is enough; who is not signed in is sent to the sign-in.

    `whose` finds the tenant of what the address names, if it is anybody's; that is opened then.
    """

    async def endpoint(request: Request) -> Response:
        # psycopg blocks here: on the event loop one slow question would hold up every page.
        visit = await run_in_threadpool(_let_in, request, needs, whose)
        if isinstance(visit, Response):
            return visit
        async with visit.slot(asks_meta=asks_meta):
            return await run_in_threadpool(_shown, visit, show)

    return Route(path, endpoint, methods=["GET"], name=show.__name__)


def change(path: str, act: Act, *, needs: Role) -> Route:
    """Something a form changes: checked, done and written to the audit in one transaction."""

    def within(visit: Visit, form: FormData) -> Done:
        with visit.tables.transaction() as tables, tables.connection() as connection:
            done = act(replace(visit, within=tables), form, connection)
            _note(visit, done, tables)
        return done

    return _form(path, within, act.__name__, needs)


def change_outside(path: str, act: ActOutside, *, needs: Role, asks_meta: bool = False) -> Route:
    """Something a form changes that Meta is asked about, or that the installation itself writes.

    It has no transaction of the tenant's, which would hold a connection, and what it locks, for as
    long as Meta takes; it is written to the audit once it is done.
    """

    def outside(visit: Visit, form: FormData) -> Done:
        with visit.tables.connection():
            pass  # where nothing keeps the tenant apart nothing is begun for it
        done = act(visit, form)
        _note(visit, done, visit.tables)
        return done

    return _form(path, outside, act.__name__, needs, asks_meta=asks_meta)


def _form(path: str, act: ActOutside, name: str, needs: Role, *, asks_meta: bool = False) -> Route:
    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        visit = await run_in_threadpool(_let_change, request, form, needs)
        if isinstance(visit, Response):
            return visit
        async with visit.slot(asks_meta=asks_meta):
            return await run_in_threadpool(_changed, visit, form, act)

    return Route(path, endpoint, methods=["POST"], name=name)


def _note(visit: Visit, done: Done, tables: TenantWarehouse) -> None:
    if done.action:
        tables.web.note(visit.visitor.subject, done.action, done.detail)


def _let_in(request: Request, needs: Role, whose: WhoseTenant | None) -> Visit | Response:
    """Who wants to see a page; or where they are sent instead."""
    _check_text([*request.path_params.items(), *request.query_params.multi_items()])
    begun, named = whose and whose(request), request.query_params.get(TENANT)
    # What another site leads to is shown; what this browser has open is its person's alone to say.
    is_kept = not _is_poll(request) and not (named and is_foreign(request))
    is_new = begun is None and named not in (None, request.session.get(TENANT))
    # A link of ours that does something is followed at once: its page said for which tenant.
    if is_new and is_kept and not is_own_link(request):
        return _opened(request, str(named))
    visitor = visitor_of(request, begun or named)
    if visitor is None:
        return redirect_to_sign_in(request)
    visit = _visit(request, visitor, needs, begun or named)
    if is_kept:
        _keep_open(request, visitor)
    return visit


def _is_poll(request: Request) -> bool:
    """Whether a page reads itself again: nobody looks at the answer, and the session stays."""
    return "x-live" in request.headers


def _shown(visit: Visit, show: Show) -> Response:
    try:
        with ExitStack() as until:
            return show(replace(visit, until=until))
    except NotFound as error:
        # With one tenant there is no other one in which to look.
        if len(visit.visitor.memberships) == 1:
            raise
        name = one_line(visit.visitor.opened.name)
        raise NotFound(
            f"{error} You look at {name}: what is another's is found after opening that one."
        ) from None


def _opened(request: Request, tenant: str) -> Response:
    """Show this tenant from now on, and the same address without naming it."""
    visitor = visitor_of(request, tenant)
    if visitor is None:
        return redirect_to_sign_in(request)
    _check_may_open(visitor, tenant)
    site = site_of(request)
    with site.warehouse.of_tenant(tenant).connection():
        _keep_open(request, visitor)  # where nothing keeps it apart it is not opened
    rest = request.url.remove_query_params(TENANT)
    return RedirectResponse(rest.path + (f"?{rest.query}" if rest.query else ""), status_code=303)


def _keep_open(request: Request, visitor: Visitor) -> None:
    """From now on an address without a tenant opens this one, whoever lets them into another.

    That somebody did since they last looked is told with the page.
    """
    session = request.session
    session[TENANT] = visitor.tenant
    new = [one for one in untold(request, visitor.memberships) if one != visitor.opened]
    if new:
        told = (
            f"You were let into {', '.join(one_line(one.name) for one in new)}. What you look at "
            f"is {one_line(visitor.opened.name)}; the choice in the head opens another."
        )
        session["said"] = " ".join(filter(None, (session.get("said"), told)))


def untold(request: Request, memberships: Iterable[Membership]) -> list[Membership]:
    """Those that this session was not told of yet; from now on it was."""
    added = {one: one.added_at.timestamp() for one in memberships if one.added_at}
    seen = request.session.get(_SEEN, 0.0)
    request.session[_SEEN] = max(added.values(), default=seen)
    return [one for one, at in added.items() if at > seen]


def _let_change(request: Request, form: FormData, needs: Role) -> Visit | Response:
    """Who sends a form, for the tenant that it was shown for; or where they are sent instead."""
    _check_text(form.multi_items())
    # In another tab another tenant may be open by now: meant is the one the form was shown for.
    meant = form.get(TENANT)
    tenant = meant if isinstance(meant, str) else None
    visitor = visitor_of(request, tenant)
    if visitor is None:
        return RedirectResponse("/sign-in", status_code=303)
    if tenant is None and len(visitor.memberships) > 1:
        raise TenantUnsaid
    visit = _visit(request, visitor, needs, tenant)
    request.session[TENANT] = visitor.tenant
    return visit


def _changed(visit: Visit, form: FormData, act: ActOutside) -> Response:
    done = act(visit, form)
    if done.said:
        visit.request.session["said"] = done.said
    # After a change always to a page: reloading that repeats nothing.
    return RedirectResponse(visit.same_tenant(done.to), status_code=303)


def _check_text(given: Iterable[tuple[str, object]]) -> None:
    """Postgres takes no NUL, and whatever is given here is asked of it."""
    if any("\x00" in str(value) for _, value in given):
        raise metrics.ImpossibleQuestion("There is a NUL in it, which no name or number has.")


def _check_may_open(visitor: Visitor, tenant: str) -> None:
    if not visitor.may_open(tenant):
        raise NotAllowed(
            f"You are not a member of {one_line(tenant)[:40]}. Ask one of its administrators to "
            "add you under Members."
        )


def _visit(request: Request, visitor: Visitor, needs: Role, tenant: str | None) -> Visit:
    if tenant is not None:
        _check_may_open(visitor, tenant)
    if not visitor.role.may(needs):
        raise NotAllowed(
            f"This needs the role {needs}; yours is {visitor.role}. An administrator can change it "
            "under Members."
        )
    return Visit(request, site_of(request), visitor)
