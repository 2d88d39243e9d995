"""Errors as the Graph API words them: HTTP status, code, subcode and body."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

# Which codes Meta counts is not said: these are plainly the caller's own (FIDELITY.md).
_USER_ERRORS = frozenset({100, 194, 2500, 2642, 2635, 3001, 3018})
_INSIGHTS_PAGE = "https://developers.facebook.com/docs/marketing-api/reference/ads-insights/"


class GraphError(Exception):
    """A refusal in Meta's shape (FACTS section 3.1); throttles are HTTP 400, never 429."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        subcode: int | None = None,
        status: int = 400,
        type: str | None = "OAuthException",  # noqa: A002 - Meta's own word
        transient: bool | None = None,
        user_title: str | None = None,
        user_message: str | None = None,
        blame: Sequence[str] | None = None,
        flag: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.subcode = subcode
        self.status = status
        self.type = type
        self.transient = transient
        self.user_title = user_title
        self.user_message = user_message
        self.blame = blame
        self.is_cut = False  # the body ends before it is whole, whatever it would have said
        self.flag = flag  # why the journal marks the request as unexpected, if it does
        self.call: Any = None  # whose call it was, once that is known: for the usage headers

    @property
    def is_user_error(self) -> bool:
        """Whether the caller asked wrongly: what makes the hour of insights smaller (FACTS §2)."""
        return self.status == 400 and self.code in _USER_ERRORS and not self.transient

    def body(self, trace_id: str | None) -> dict[str, Any]:
        """The JSON document of the answer; absent values are absent keys."""
        blame = (
            json.dumps({"blame_field_specs": [list(self.blame)]}, separators=(",", ":"))
            if self.blame
            else None
        )
        fields = {
            "message": self.message,
            "type": self.type,
            "is_transient": self.transient,
            "code": self.code,
            "error_data": blame,
            "error_subcode": self.subcode,
            "error_user_title": self.user_title,
            "error_user_msg": self.user_message,
            "fbtrace_id": trace_id if self.type else None,
        }
        return {"error": {name: value for name, value in fields.items() if value is not None}}


# -- the request itself ---------------------------------------------------------------------


def body_too_large(most_bytes: int) -> GraphError:
    """Of a request that is refused before all of it is there; see FIDELITY.md."""
    most = f"{most_bytes // 2**20} MiB"
    return GraphError(f"(#1) The request body has more than {most}", code=1, status=413)


def invalid_parameter(message: str, *, blame: str | None = None) -> GraphError:
    return GraphError(f"(#100) {message}", code=100, blame=[blame] if blame else None)


def unknown_parameter(name: str, path: str) -> GraphError:
    """Stricter than Meta, which ignores most of them; see FIDELITY.md and `strict`."""
    return GraphError(
        f"(#100) Unknown parameter {name!r} for {path}",
        code=100,
        blame=[name],
        flag="unknown_parameter",
    )


def unknown_field(field: str, node_type: str) -> GraphError:
    return GraphError(
        f"(#100) Tried accessing nonexisting field ({field}) on node type ({node_type})",
        code=100,
        flag="unknown_field",
    )


def unknown_insights_field(field: str) -> GraphError:
    return GraphError(
        f"(#100) {field} is not valid for fields param. please check {_INSIGHTS_PAGE} "
        "for all valid values",
        code=100,
        flag="unknown_field",
    )


def unknown_value(param: str, value: object, allowed: Sequence[str]) -> GraphError:
    listed = ", ".join(allowed)
    return GraphError(
        f"(#100) {param} must be one of the following values: {listed}; got {value!r}",
        code=100,
        blame=[param],
        flag="unknown_value",
    )


def unknown_path(component: str) -> GraphError:
    return GraphError(f"Unknown path components: /{component}", code=2500, flag="unknown_route")


def syntax(message: str) -> GraphError:
    return GraphError(f"Syntax error: {message}", code=2500)


def unsupported_object(object_id: str, method: str = "get") -> GraphError:
    return GraphError(
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation. Please "
        "read the Graph API documentation at https://developers.facebook.com/docs/graph-api",
        type="GraphMethodException",
        code=100,
        subcode=33,
    )


def unknown_alias(object_id: str) -> GraphError:
    return GraphError(
        f"(#803) Some of the aliases you requested do not exist: {object_id}", code=803
    )


def audience_terms() -> GraphError:
    return GraphError(
        "Permissions error",
        code=200,
        subcode=1870034,
        user_title="Custom Audience Terms Not Accepted",
        user_message="The terms of service for custom audiences have not been accepted for this "
        "ad account.",
    )


def no_capability() -> GraphError:
    return GraphError(
        "(#3) Application does not have the capability to make this API call.",
        code=3,
        flag="unserved",
    )


def retired_form(form: str) -> GraphError:
    """A legacy form of an app made since 2026-11-04; Meta's own answer is not established."""
    return GraphError(
        f"(#3) This application may not use {form}; they were retired for new apps.",
        code=3,
        flag="retired_form",
    )


def retired_version() -> GraphError:
    return GraphError(
        "(#2635) You are calling a deprecated version of the Ads API. "
        "Please update to the latest version.",
        code=2635,
    )


def unknown_version(version: str) -> GraphError:
    return GraphError(f"Unknown path components: /{version}", code=2500, flag="unknown_route")


def invalid_cursor() -> GraphError:
    return GraphError("(#2642) Invalid cursors values", code=2642)


# -- tokens and permissions -----------------------------------------------------------------


def missing_token() -> GraphError:
    return GraphError("An access token is required to request this resource.", code=104)


def malformed_token() -> GraphError:
    return GraphError("Invalid OAuth access token - Cannot parse access token", code=190)


def expired_token(at: datetime, now: datetime) -> GraphError:
    form = "%A, %d-%b-%y %H:%M:%S UTC"
    return GraphError(
        "Error validating access token: Session has expired on "
        f"{at.strftime(form)}. The current time is {now.strftime(form)}.",
        code=190,
        subcode=463,
    )


def revoked_token(app_id: str) -> GraphError:
    return GraphError(
        f"Error validating access token: The user has not authorized application {app_id}.",
        code=190,
        subcode=458,
    )


def invalidated_token() -> GraphError:
    return GraphError(
        "Error validating access token: The session has been invalidated because the user changed "
        "their password or Facebook has changed the session for security reasons.",
        code=190,
        subcode=460,
    )


def data_access_expired() -> GraphError:
    return GraphError(
        "(#200) The user's access to data for this application has expired; "
        "the user must log in again.",
        code=200,
        status=403,
    )


def missing_scope(scope: str) -> GraphError:
    return GraphError(
        f"(#200) Requires {scope} permission to manage the object", code=200, status=403
    )


def no_account_permission(account_id: str) -> GraphError:
    return GraphError(
        "(#200) Ad account owner has NOT grant ads_management or ads_read permission: "
        f"{account_id}",
        code=200,
        status=403,
    )


def access_blocked() -> GraphError:
    return GraphError("API access blocked.", code=200)


def missing_proof() -> GraphError:
    return GraphError(
        "API calls from the server require an appsecret_proof argument",
        type="GraphMethodException",
        code=100,
    )


def invalid_proof() -> GraphError:
    return GraphError(
        "Invalid appsecret_proof provided in the API argument",
        type="GraphMethodException",
        code=100,
    )


# -- amounts of data ------------------------------------------------------------------------


def cut_off() -> GraphError:
    """An answer that breaks off in the middle, as one that takes too long to make does."""
    error = GraphError("(#2) Service temporarily unavailable", code=2, status=200)
    error.is_cut = True
    return error


def reduce_data() -> GraphError:
    """As logged: neither type nor trace id (FACTS section 3.1)."""
    return GraphError(
        "Please reduce the amount of data you're asking for, then retry your request",
        code=1,
        status=500,
        type=None,
    )


def too_much_insights_data() -> GraphError:
    return GraphError(
        "(#100) Please reduce the amount of data you're asking for, then retry your request",
        code=100,
        subcode=1487534,
    )


def insights_timeout() -> GraphError:
    return GraphError("timeout", code=100, subcode=1504018)


def run_status() -> GraphError:
    """A status of the filter that this edge does not take; which one is not said."""
    return GraphError(
        "Invalid parameter",
        code=100,
        subcode=1487561,
        transient=False,
        user_title="Run Status not valid",
        user_message="Only certain values may be specified for run status.  "
        "The value specified was invalid.",
    )


def invalid_breakdowns(combination: Sequence[str]) -> GraphError:
    """Code 2, yet permanent (FACTS section 3.3)."""
    return GraphError(
        f"Invalid combination of breakdowns: ({', '.join(combination)}) is invalid",
        code=2,
        subcode=1504041,
        transient=False,
    )


def reach_unavailable() -> GraphError:
    """More old reach breakdowns than an account has in a day (FACTS section 5.4)."""
    return GraphError(
        "(#100) Reach-related metric breakdowns are unavailable due to rate limit threshold.",
        code=100,
    )


def bad_creative() -> GraphError:
    """One creative whose story spec fails validation kills the whole page."""
    return GraphError(
        "(#100) Invalid parameter",
        code=100,
        subcode=2446211,
        transient=False,
        user_title="Creative is invalid",
        user_message="The object story spec of this creative can't be read.",
    )


# -- batch and service ----------------------------------------------------------------------


def batch_too_large() -> GraphError:
    return GraphError(
        "Too many requests in batch message. Maximum batch size is 50",
        type="GraphBatchException",
    )


def batch_timeout() -> GraphError:
    return GraphError("Request timed out", code=960, status=400, transient=True)


def unavailable() -> GraphError:
    return GraphError("(#2) Service temporarily unavailable", code=2, status=503, transient=True)


def unknown_error() -> GraphError:
    return GraphError("An unknown error occurred", code=1, subcode=99, status=500)


def cannot_manage() -> GraphError:
    return GraphError(
        "(#294) Managing advertisements requires an access token with the "
        "extended permission for ads_management",
        code=294,
    )


def edit_refused(why: str, code: int, subcode: int) -> GraphError:
    return GraphError(
        "Invalid parameter",
        code=code,
        subcode=subcode,
        transient=False,
        user_title="Can't edit",
        user_message=why,
    )
