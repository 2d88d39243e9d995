"""The ASGI application: every route of the front door, behind the same headers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from .access import doors
from .access.hosts import served_hosts
from .access.sessions import key_of
from .bounds import BodyLimit
from .failures import HANDLERS, Unforeseen
from .headers import SecurityHeaders
from .pages import PAGES
from .programs import program_routes
from .site import Site

# Whoever looks in every week stays signed in; a lost laptop does not for long.
SESSION_SECONDS = 14 * 24 * 3600


def web_application(site: Site, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application of `site`.

    `routes` come before the pages and have no session, as those for programs and Meta, which prove
    who they are with each request.
    """
    application = Starlette(
        routes=[
            *routes,
            # Before the pages, whose session would cost each delivery of Meta's a cookie.
            *program_routes(site),
            Mount(
                "/static",
                StaticFiles(directory=str(resources.files("meta_pipeline.web") / "static")),
                name="static",
            ),
            Mount("/", routes=[*doors.ROUTES, *PAGES], middleware=[_sessions(site)]),
        ],
        middleware=[
            # From outside in: a request for another name is not even read.
            Middleware(TrustedHostMiddleware, allowed_hosts=served_hosts(site.settings)),
            Middleware(SecurityHeaders, is_secure=site.is_secure),
            # What is smaller is one packet either way.
            Middleware(GZipMiddleware, minimum_size=1000),
            # Inside the headers, so that a failure has them too; outside of what may fail.
            Middleware(Unforeseen),
            Middleware(BodyLimit),
        ],
        exception_handlers=HANDLERS,
    )
    application.state.site = site
    return application


def _sessions(site: Site) -> Middleware:
    # Lax, not strict: the way back from the identity provider is a link from another site.
    return Middleware(
        SessionMiddleware,
        secret_key=key_of(site),
        session_cookie="__Host-meta_pipeline" if site.is_secure else "meta_pipeline",
        max_age=SESSION_SECONDS,
        same_site="lax",
        https_only=site.is_secure,
    )
