"""`/webhooks/meta`: Meta's deliveries, checked, kept and answered; nothing is asked of Meta here.

Answered 200 means committed: what is acknowledged is never lost. A delivery is kept as it came, in
one row; `webhooks.unpack` takes it apart later. What cannot be kept now is answered 503, and Meta
delivers it again, for 36 hours.
"""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from meta_pipeline.warehouse.errors import WarehouseError
from meta_pipeline.web.site import Site, site_of
from meta_pipeline.webhooks import Unreadable, delivery_of, is_signed, is_verified

from .body import TooLarge, plain, read_body

PATH = "/webhooks/meta"
_log = logging.getLogger(__name__)


async def _verify(request: Request) -> Response:
    """Meta asks once whether the address is ours: who knows the token gets the challenge back."""
    query = request.query_params
    token = site_of(request).settings.webhook_verify_token
    expected = None if token is None else token.get_secret_value()
    known = is_verified(query.get("hub.verify_token"), expected)
    if query.get("hub.mode") != "subscribe" or not known:
        return plain("This is not the verify token of META_WEBHOOK_VERIFY_TOKEN.", 403)
    # Plain, as it is what the asker wrote: as HTML it would be their script on our site.
    return PlainTextResponse(query.get("hub.challenge", ""))


async def _deliver(request: Request) -> Response:
    site = site_of(request)
    # Both while a secret is changed: Meta signs with the new one from one moment to the next.
    given = (site.settings.app_secret, site.settings.app_secret_previous)
    secrets = [one.get_secret_value() for one in given if one is not None]
    if not secrets:
        return plain("META_APP_SECRET is not set here, so no delivery can be checked.", 503)
    try:
        body = await read_body(request)
    except TooLarge:
        return plain("A delivery has at most 1 MiB.", 413)
    except ClientDisconnect:
        return plain("The delivery broke off.", 400)
    if not is_signed(body, request.headers.get("x-hub-signature-256"), secrets):
        return plain("X-Hub-Signature-256 was not made of this body with the app secret.", 403)
    return await run_in_threadpool(_keep, site, body)


def _keep(site: Site, body: bytes) -> Response:
    try:
        # Read once before it is kept: what cannot be read now cannot be taken apart later.
        delivery_of(body)
        is_new = site.warehouse.webhooks.receive(body, site.now())
    except Unreadable as error:
        _log.warning("a signed delivery cannot be read: %s", error)
        return plain(str(error), 400)
    except WarehouseError as error:
        _log.warning("a delivery was not kept, and will come again: %s", error)
        return plain("It cannot be kept now: deliver it again.", 503)
    return plain("kept" if is_new else "kept before")


WEBHOOKS = (
    Route(PATH, _verify, methods=["GET"]),
    Route(PATH, _deliver, methods=["POST"]),
)
