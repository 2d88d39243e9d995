"""Meta's deauthorize and data deletion callbacks, and the page on which a person reads what became
of a deletion. Nothing is asked of Meta here; `connections.callbacks` decides.
"""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from meta_pipeline.connections import Access, CallbackRefused, Callbacks, Connections, Keyring
from meta_pipeline.warehouse.errors import WarehouseError
from meta_pipeline.web.rendering import plain_page
from meta_pipeline.web.site import Site, own_address, site_of

from .body import TooLarge, plain, read_body

DEAUTHORIZE = "/meta/deauthorize"
DELETION = "/meta/data-deletion"
STATUS = "/meta/deletions"
# Far more than a signed request has.
MOST_BYTES = 16_384
_log = logging.getLogger(__name__)


async def _received(request: Request) -> Response:
    try:
        body = await read_body(request, MOST_BYTES)
    except TooLarge:
        return plain("This is larger than any signed request of Meta.", 413)
    except ClientDisconnect:
        return plain("The request broke off.", 400)
    site = site_of(request)
    return await run_in_threadpool(_kept, site, request.url.path, body, own_address(request))


def _kept(site: Site, path: str, body: bytes, base: str) -> Response:
    callbacks = _callbacks(site)
    try:
        if path == DEAUTHORIZE:
            callbacks.deauthorized(body)
            return JSONResponse({"success": True})
        receipt = callbacks.deletion_asked(body)
    except CallbackRefused as error:
        return plain(str(error), 403)
    except WarehouseError as error:
        _log.warning("a callback of Meta was not kept: %s", error)
        return plain("It cannot be kept now: send it again.", 503)
    return JSONResponse(receipt.answer(f"{base}{STATUS}/{receipt.confirmation_code}"))


async def _status(request: Request) -> Response:
    code = request.path_params["code"]
    status = await run_in_threadpool(_callbacks(site_of(request)).status, code)
    sentence = status.message if status else "There is no request to delete data of this code."
    return plain_page(
        request,
        "failure.html",
        status_code=200 if status else 404,
        title="Your data" if status else "Not here",
        sentence=sentence,
    )


def _callbacks(site: Site) -> Callbacks:
    """No token is opened for a callback: no key is needed."""
    access = Access(site.settings, clock=site.now)
    return Callbacks(Connections(site.warehouse, access, Keyring.parse(None), "Meta"))


CALLBACKS = (
    Route(DEAUTHORIZE, _received, methods=["POST"]),
    Route(DELETION, _received, methods=["POST"]),
    Route(f"{STATUS}/{{code}}", _status, methods=["GET"]),
)
