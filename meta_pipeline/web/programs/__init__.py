"""Routes for programs and for Meta: no session, no cookie; each request proves who it is."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount

from meta_pipeline.web.site import Site

from .callbacks import CALLBACKS
from .v1 import api
from .webhooks import WEBHOOKS


def program_routes(site: Site) -> Sequence[BaseRoute]:
    """The routes of programs and of Meta, for one site."""
    return [*WEBHOOKS, *CALLBACKS, Mount("/v1", app=api(site), name="v1")]
