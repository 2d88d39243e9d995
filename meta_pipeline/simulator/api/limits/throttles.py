"""Refusals for quota, in Meta's words: HTTP 400 but for the app's own limit, never 429."""

from __future__ import annotations

from meta_pipeline.simulator.api.errors import GraphError

_RATE_LIMIT_PAGE = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting"


def too_many_calls(use_case: str) -> GraphError:
    """Business use case limit: 80000 for insights, 80003 for custom audiences, else 80004."""
    # Two wordings, as logged.
    code, word, anchor = {
        "ads_insights": (80000, "from", ""),
        "custom_audience": (80003, "to", "#custom-audience"),
    }.get(use_case, (80004, "to", "#ads-management"))
    return GraphError(
        f"(#{code}) There have been too many calls {word} this ad-account. Wait a bit and try "
        f"again. For more info, please refer to {_RATE_LIMIT_PAGE}{anchor}.",
        code=code,
        subcode=2446079,
        transient=False,
    )


def user_limit() -> GraphError:
    """Ad-account score limit (FACTS section 2)."""
    return GraphError(
        "(#17) User request limit reached",
        code=17,
        subcode=2446079,
        transient=False,
        user_title="Ad Account Has Too Many API Calls",
        user_message="There have been too many calls from this ad-account. "
        "Wait a bit and try again.",
    )


def app_limit() -> GraphError:
    # The one throttle with HTTP 403; all others are 400.
    return GraphError("(#4) Application request limit reached", code=4, status=403, transient=True)


def insights_limit() -> GraphError:
    return GraphError(
        "(#4) There have been too many calls from this app. Wait a bit and try again.",
        code=4,
        subcode=1504022,
        transient=True,
    )
