"""What every route stands on: the settings, the warehouse, the clock, and who may come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import HTTPConnection, Request

from meta_pipeline.concurrency import FairLimiter
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.warehouse.silence import QUESTION_SECONDS

from .access.secret import Secret
from .access.sign_in import SignIn
from .check_runs import CheckRuns
from .download_limit import Downloads

_MOST_AT_META = 4


@dataclass(frozen=True)
class Site:
    """One running web application; `now` is its clock, `sign_in` how people prove who they are."""

    settings: Settings
    warehouse: Warehouse
    secret: Secret
    sign_in: SignIn
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    limiter: FairLimiter = field(default_factory=FairLimiter)
    """Of pages and /v1: one tenant's leave room for all others'."""
    page_seconds: float = QUESTION_SECONDS
    """How long all that one page, or change, asks the tables may take."""
    meta_limiter: FairLimiter = field(default_factory=lambda: FairLimiter(most=_MOST_AT_META))
    """Of what asks Meta, which may take long; it holds no connection meanwhile, but a thread."""
    meta_seconds: float = 60.0
    """How long all that one request asks Meta may take; a proxy before us gives up about then."""
    downloads: Downloads = field(default_factory=Downloads)
    check_runs: CheckRuns = field(default_factory=CheckRuns)

    @property
    def is_secure(self) -> bool:
        """Whether people reach it over TLS."""
        # As the settings say: what a proxy passes on is plain HTTP here.
        return (self.settings.web_url or "").startswith("https://")


def own_address(request: Request) -> str:
    """The address people reach this application by: the settings', else the one they asked for."""
    return site_of(request).settings.web_url or str(request.base_url).rstrip("/")


def site_of(connection: HTTPConnection) -> Site:
    """The site a request came to."""
    site: Site = connection.app.state.site
    return site
