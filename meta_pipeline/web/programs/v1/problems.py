"""What went wrong, as `application/problem+json` (RFC 9457): a sentence that says what to do."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from meta_pipeline.concurrency import TooManyAtOnce
from meta_pipeline.custom_reports import ReportsError
from meta_pipeline.key_tries import TooManyKeys
from meta_pipeline.metrics import MetricsError, UnknownName
from meta_pipeline.printable import one_line
from meta_pipeline.sync_requests import RequestRefused, TooManyOpen
from meta_pipeline.warehouse.errors import CannotTell, WarehouseError
from meta_pipeline.web.programs.body import TooLarge

MEDIA_TYPE = "application/problem+json"
# A body may have a hundred thousand fields that are none: the answer is no longer for it.
_ERRORS_SHOWN = 20
_LONGEST_FIELD = 200
_log = logging.getLogger(__name__)

CODES: Mapping[str, int] = {
    "bad_cursor": 400,
    "bad_request": 400,
    "unknown_name": 400,
    "impossible_question": 400,
    "no_key": 401,
    "missing_scope": 403,
    "full": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_pending": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "invalid": 422,
    "rejected_facts": 422,
    "too_many_requests": 429,
    "failed": 500,
    "unavailable": 503,
}
"""Every code with its status; docs/api.md explains them."""


@dataclass
class Problem(Exception):
    """A refusal: its code decides the status; `more` goes into the answer beside the sentence."""

    code: str
    detail: str
    more: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None

    def response(self) -> Response:
        status = CODES[self.code]
        body = {
            # RFC 9457 wants a URI; an address would have to be kept alive for ever.
            "type": f"urn:meta-pipeline:problem:{self.code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": self.code,
            "detail": self.detail,
            **(self.more or {}),
        }
        return Response(
            orjson.dumps(body, default=str), status, dict(self.headers or {}), MEDIA_TYPE
        )


def _invalid(error: RequestValidationError) -> Problem:
    """The first fields that are wrong, without what was sent: it may be a secret."""
    found = error.errors()
    errors = [
        {
            "field": ".".join(str(part) for part in one["loc"])[:_LONGEST_FIELD],
            "message": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in found[:_ERRORS_SHOWN]
    ]
    told = "; ".join(f"{one['field']}: {one['message']}" for one in errors[:3])
    more = len(found) - len(errors)
    if more:
        told += f"; and {more} more than the {_ERRORS_SHOWN} in errors"
    return Problem("invalid", told or "the request is not what it should be", {"errors": errors})


def _http(error: HTTPException) -> Problem:
    kinds = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    code = kinds.get(error.status_code, "bad_request")
    detail = "there is nothing at this address" if code == "not_found" else str(error.detail)
    return Problem(code, detail, headers=error.headers)


def _later(error: TooManyAtOnce | TooManyKeys) -> Problem:
    headers = {"Retry-After": str(error.seconds)}
    return Problem("too_many_requests", str(error), headers=headers)


def _unavailable(error: WarehouseError) -> Problem:
    _log.error("the database cannot be used: %s", error)
    # Other sentences name hosts and roles, which are not a program's business.
    told = str(error) if isinstance(error, CannotTell) else "the numbers cannot be read now"
    return Problem("unavailable", told, headers={"Retry-After": "5"})


def _no_reports(error: ReportsError) -> Problem:
    # Where the file lies, and what stands in it, is not a program's business.
    _log.error("the custom reports cannot be used: %s", error)
    return Problem(
        "unavailable",
        "the file of custom reports (META_REPORTS_FILE) of this installation cannot be used",
        headers={"Retry-After": "60"},
    )


_KINDS: Sequence[tuple[type[Exception], Callable[[Any], Problem]]] = (
    (Problem, lambda error: error),
    (RequestValidationError, _invalid),
    (
        TooManyOpen,
        lambda error: Problem("too_many_requests", str(error), headers={"Retry-After": "60"}),
    ),
    (TooManyAtOnce, _later),
    (TooManyKeys, _later),
    (
        RequestRefused,
        lambda error: Problem(
            "invalid", str(error), {"errors": [{"field": error.field, "message": str(error)}]}
        ),
    ),
    (
        UnknownName,
        lambda error: Problem("unknown_name", str(error), {"suggestions": list(error.near)}),
    ),
    (MetricsError, lambda error: Problem("impossible_question", str(error))),
    (TooLarge, lambda _: Problem("too_large", "a body has at most 1 MiB: send less at once")),
    (ClientDisconnect, lambda _: Problem("bad_request", "the request broke off")),
    (WarehouseError, _unavailable),
    (ReportsError, _no_reports),
    (HTTPException, _http),
)
"""What each error is told as; the first that fits."""


async def _answer(request: Request, error: Exception) -> Response:
    for kind, told in _KINDS:
        if isinstance(error, kind):
            return told(error).response()
    reference = secrets.token_hex(4)
    _log.error("request failed: %s %s", reference, one_line(request.url.path), exc_info=error)
    return Problem(
        "failed",
        "Something went wrong here. It is in the log of the web application under the reference.",
        {"reference": reference},
    ).response()


HANDLERS: Mapping[Any, Callable[..., Any]] = dict.fromkeys(
    (*(kind for kind, _ in _KINDS), Exception), _answer
)
