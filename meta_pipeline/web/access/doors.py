"""The doors: signing in by link or identity provider, and out."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from meta_pipeline.warehouse import DEFAULT_TENANT
from meta_pipeline.web.rendering import plain_page
from meta_pipeline.web.site import own_address, site_of

from . import sessions
from .forms import read_form
from .links import is_let_in
from .openid import OpenId, SignInRefused
from .pace import SignInAttempts
from .role import Role
from .sign_in import SignIn
from .visitor import OWNER, client_address, visitor_of

_BACK = "/sign-in/back"
# It is kept in a cookie beside what the provider needs: of more than 4 kB a browser keeps nothing.
_LONGEST = 1_000


def redirect_to_sign_in(request: Request) -> RedirectResponse:
    """To the door, and afterwards to the address that was asked for."""
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    # 303: the browser goes on with a GET, whatever it came with.
    return RedirectResponse(f"/sign-in?next={quote(asked, safe='')}", status_code=303)


async def sign_in(request: Request) -> Response:
    """Say how to get in here."""
    if site_of(request).sign_in is SignIn.PROXY:
        return plain_page(request, "stranger.html", status_code=403)
    return plain_page(request, "sign_in.html", next=_ours(request.query_params.get("next")))


async def enter(request: Request) -> Response:
    """Let in whoever has a fresh one-time link."""
    site = site_of(request)
    _pace(request).spend(client_address(request))
    key = request.query_params.get("key", "")
    if site.sign_in is not SignIn.LINK or not await run_in_threadpool(
        is_let_in, key, site.secret, site.warehouse
    ):
        return plain_page(request, "link_used.html", status_code=403)
    return await _signed_in(request, OWNER, "you", "/")


async def to_provider(request: Request) -> Response:
    """Send the visitor to the identity provider."""
    site = site_of(request)
    _pace(request).spend(client_address(request))
    if site.sign_in is not SignIn.OPENID:
        return redirect_to_sign_in(request)
    request.session["next"] = _ours(request.query_params.get("next"))
    return await _openid(request).start(request, own_address(request) + _BACK)


async def back(request: Request) -> Response:
    """Where the identity provider sends people back to."""
    _pace(request).spend(client_address(request))
    if site_of(request).sign_in is not SignIn.OPENID:
        raise SignInRefused("People are not signed in by an identity provider here.")
    claims = await _openid(request).finish(request)
    return await _signed_in(
        request, claims.subject, claims.name, _ours(request.session.get("next"))
    )


async def may_open_dagster(request: Request) -> Response:
    """Say to the reverse proxy before Dagster whether this visitor may pass (its auth_request).

    204 for an administrator of the house, whom X-Visitor names; 401 before anybody signed in; 403
    for everybody else. Dagster knows no tenants: whoever opens it sees and starts everything.
    """
    visitor = await run_in_threadpool(visitor_of, request, DEFAULT_TENANT)
    if visitor is None:
        return Response(status_code=401)
    if visitor.tenant != DEFAULT_TENANT or not visitor.role.may(Role.ADMIN):
        return Response(status_code=403)
    # Quoted: a header is Latin-1 and one line, a name from a provider is anything.
    return Response(status_code=204, headers={"X-Visitor": quote(visitor.subject, safe="@")})


async def sign_out(request: Request) -> Response:
    """Forget who this browser's visitor is; a copy of its cookie opens nothing any more."""
    await read_form(request)
    await run_in_threadpool(sessions.end, request, site_of(request))
    return RedirectResponse("/sign-in", status_code=303)


async def _signed_in(request: Request, subject: str, name: str, to: str) -> Response:
    site = site_of(request)
    sessions.begin(request, site, subject, name)
    await run_in_threadpool(site.warehouse.web.note, subject, "signed in", site.sign_in.value)
    return RedirectResponse(to, status_code=303)


def _ours(address: str | None) -> str:
    """An address of this application, the first page for none or a very long one."""
    try:
        parts = urlsplit(address or "/")
    except ValueError:  # brackets that are no address of IPv6
        return "/"
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    # Browsers take a backslash for a slash, and // for another host.
    if not is_ours or "\\" in parts.path or parts.path.startswith("//"):
        return "/"
    ours = f"{parts.path}{f'?{parts.query}' if parts.query else ''}"
    return ours if len(quote(ours)) <= _LONGEST else "/"


def _pace(request: Request) -> SignInAttempts:
    state = request.app.state
    if not hasattr(state, "pace"):
        state.pace = SignInAttempts()
    pace: SignInAttempts = state.pace
    return pace


def _openid(request: Request) -> OpenId:
    state = request.app.state
    if not hasattr(state, "openid"):
        state.openid = OpenId(site_of(request).settings)
    openid: OpenId = state.openid
    return openid


ROUTES = (
    Route("/sign-in", sign_in, methods=["GET"]),
    Route("/enter", enter, methods=["GET"]),
    Route("/sign-in/provider", to_provider, methods=["GET"]),
    Route(_BACK, back, methods=["GET"]),
    Route("/sign-out", sign_out, methods=["POST"]),
    Route("/allowed/dagster", may_open_dagster, methods=["GET"]),
)
