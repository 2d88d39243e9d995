"""What every route stands on: the settings, the warehouse, the clock, and who may come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import Warehouse

from .access.secret import Secret
from .access.ways import Way
from .downloads import Downloads


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Site:
    """One running web application; `now` is its clock, `way` how people prove who they are."""

    settings: Settings
    warehouse: Warehouse
    secret: Secret
    way: Way
    now: Callable[[], datetime] = field(default=_now)
    downloads: Downloads = field(default_factory=Downloads)

    @property
    def is_secure(self) -> bool:
        """Whether people reach it over TLS."""
        # As the settings say: what a proxy passes on is plain HTTP here.
        return (self.settings.web_url or "").startswith("https://")


def site_of(connection: HTTPConnection) -> Site:
    """The site a request came to."""
    site: Site = connection.app.state.site
    return site
