"""What to do about every error code of Meta's: the one table (FACTS §3.3).

`error_lookup.rule_for` finds the rule of an answer; docs/troubleshooting.md is of this table.
"""

from __future__ import annotations

from meta_pipeline.graph import errors
from meta_pipeline.graph.error_rule import EDIT, ErrorRule, denied, limit, retry, stop, token
from meta_pipeline.graph.errors import Treatment
from meta_pipeline.graph.limit_policy import LIMITS

_T = Treatment
_ROLE = errors.PermissionDenied.default_next_step

TABLE: tuple[ErrorRule, ...] = (
    # Meta's own trouble.
    ErrorRule(
        1,
        None,
        _T.SHRINK,
        "The answer would be too large (“Please reduce the amount of data you're asking for”).",
        None,
        text="reduce the amount of data",
        shrinks=True,
    ),
    retry(1, None, "Unknown error inside Meta; sometimes an answer too large.", shrinks=True),
    retry(
        1, 99, "Unknown error; also given for an answer too large or a wrong level.", shrinks=True
    ),
    stop(
        1,
        2853001,
        "A profile is not linked to its delegate page; permanent, although the code is 1.",
        "Link the profile to its page in Meta Business Suite, or leave the object out.",
    ),
    retry(2, None, "Service temporarily unavailable."),
    stop(
        2,
        1504041,
        "Invalid combination of breakdowns; permanent, although the code is 2.",
        "Choose a combination from the Insights breakdowns page of Meta for META_BREAKDOWNS.",
    ),
    stop(
        2,
        1504042,
        "Invalid custom metrics; permanent, although the code is 2.",
        "Remove the custom metrics from the configured fields.",
    ),
    ErrorRule(
        2,
        1504038,
        _T.GO_ASYNC,
        "Synchronous insights timed out.",
        None,
    ),
    ErrorRule(
        2,
        1504043,
        _T.GO_ASYNC,
        "Synchronous insights failed intermittently.",
        None,
        retries=True,
    ),
    ErrorRule(
        2,
        1504044,
        _T.GO_ASYNC,
        "Synchronous insights failed for an unknown reason.",
        None,
        retries=True,
    ),
    retry(104, None, "Signature problem; in practice a reset connection inside Meta."),
    # Async reports.
    ErrorRule(-2, 2490547, _T.NEW_REPORT, "The async report failed inside Meta.", None),
    ErrorRule(
        -3,
        1504045,
        _T.SPLIT,
        "The async report is too large.",
        None,
    ),
    ErrorRule(2601, None, _T.NEW_REPORT, "There was an error running or loading the report.", None),
    *LIMITS,
    # Size.
    ErrorRule(
        100,
        1487534,
        _T.SHRINK,
        "Too much data in one insights call.",
        None,
        shrinks=True,
    ),
    ErrorRule(
        100,
        1504018,
        _T.GO_ASYNC,
        "Synchronous insights request timed out.",
        None,
    ),
    ErrorRule(
        960,
        None,
        _T.SPLIT,
        "A whole batch timed out.",
        None,
    ),
    # Tokens.
    token(102, None, "The session or token is not valid."),
    token(190, None, "The access token is not valid."),
    token(
        190,
        458,
        "The user removed the app.",
        next_step="The user has to connect the app again, then set META_ACCESS_TOKEN.",
    ),
    token(
        190,
        459,
        "The user is held at a Facebook security check.",
        next_step="The user has to log in to facebook.com once, then create a new token.",
    ),
    token(190, 460, "The password was changed or the session reset for security."),
    token(190, 463, "The token has expired."),
    token(
        190,
        464,
        "The user is not confirmed.",
        next_step="The user has to confirm the Facebook account, then create a new token.",
    ),
    token(190, 467, "The token is invalid: the user logged out."),
    token(190, 492, "The user of the token has no role on the page any more."),
    token(452, None, "The session key is invalid."),
    # Things one cannot have.
    ErrorRule(
        100,
        33,
        _T.SKIP,
        "The object does not exist, or this token may not see it. Right after a report was "
        "created it only means “not yet everywhere”.",
        "If the object exists in Ads Manager, give the token's user a role on its ad account.",
    ),
    ErrorRule(
        803,
        None,
        _T.SKIP,
        "Some of the requested ids do not exist.",
        None,
    ),
    denied(10, None, "The app or the user may not do this.", _ROLE),
    denied(100, 3191001, "No permission for these insights.", _ROLE),
    denied(200, None, "No permission for this object; also any code from 201 to 299.", _ROLE),
    stop(
        200,
        None,
        "Meta blocked the app's access to the API (“API access blocked.”); it concerns every token "
        "of the app.",
        "Look for the restriction in Meta's App Dashboard (Required actions) and lift it there; "
        "connections of another app go on.",
        text="api access blocked",
        error=errors.AppRefused,
    ),
    denied(
        200,
        1870034,
        "The custom audience terms are not accepted.",
        "Accept the terms in Ads Manager with the token's user.",
    ),
    denied(
        294,
        None,
        "The permission ads_management is needed.",
        "Give the token the scope ads_management, or leave the object out.",
    ),
    ErrorRule(
        100,
        None,
        _T.DROP_FIELD,
        "A requested field does not exist (any more) on this type of object.",
        "Take the field out of the configured fields; until then it is left out at each sync.",
        text="nonexisting field",
    ),
    ErrorRule(
        100,
        None,
        _T.DROP_FIELD,
        "A requested insights field is not valid.",
        "Take the field out of the configured fields; until then it is left out at each sync.",
        text="not valid for fields param",
    ),
    *(
        ErrorRule(
            100,
            subcode,
            _T.DROP_FIELD,
            "A creative's object_story_spec fails Meta's own validation and kills the whole page.",
            None,
            error=errors.CreativeUnreadable,
        )
        for subcode in (2446289, 2446211, 1443048)
    ),
    *(
        ErrorRule(
            code,
            None,
            _T.SKIP,
            f"The creative cannot be read: {why}.",
            "Open the ad in Ads Manager; its post was probably deleted.",
        )
        for code, why in (
            (2606, "no preview"),
            (2607, "no preview for this placement"),
            (2615, "invalid creative"),
            (2654, "invalid creative settings"),
        )
    ),
    # Values that are not taken.
    ErrorRule(
        100,
        None,
        _T.DROP_VALUE,
        "A value of a list is not one that Meta takes (any more); the text names its place.",
        "Take the value out of META_ATTRIBUTION_WINDOWS or META_BREAKDOWNS if it is from there; "
        "until then it is left out.",
        text="must be one of",
    ),
    ErrorRule(
        100,
        1487561,
        _T.DROP_VALUE,
        "A status of the filter is not taken for this edge (“Run Status not valid”).",
        None,
    ),
    *(
        ErrorRule(
            100,
            None,
            _T.CLAMP,
            "The range starts more than 37 months ago.",
            "Start the range later; 37 months is all that Meta keeps.",
            text=text,
        )
        for text in ("37 month", "37-month")
    ),
    *(
        ErrorRule(
            100,
            None,
            _T.DROP_UNIQUE,
            meaning,
            "Nothing, unless these days are needed: they are stored without reach, frequency and "
            "unique clicks, and not at all where Meta keeps no hours or cells so old.",
            text=text,
        )
        for text, meaning in (
            *(
                (words, "Unique counts by breakdown, and hours, are kept for 13 months.")
                for words in ("only available for the last", "13 months", "13-month")
            ),
            (
                "breakdowns are unavailable due to rate limit threshold",
                "Reach by breakdown of more than 13 months ago: ten reports a day and account.",
            ),
        )
    ),
    # After the fields and values that may be called so.
    *(
        denied(100, None, "Missing permissions.", _ROLE, text=text)
        for text in ("missing perm", "permission", "requires ads_", "not authorized")
    ),
    # Requests that are wrong.
    retry(
        100,
        None,
        "“Cannot include X in summary param because they weren't there”: a passing fault of Meta.",
        text="in summary param",
    ),
    stop(
        100,
        None,
        "The appsecret_proof is missing or wrong.",
        "Set META_APP_SECRET to the secret of the app that the token belongs to.",
        text="appsecret_proof",
        error=errors.AppRefused,
    ),
    stop(
        100,
        None,
        "A parameter is invalid; `error_data` names it.",
        "Report it with the fbtrace_id: this pipeline sent something Meta does not take.",
    ),
    stop(
        3,
        None,
        "The app lacks a capability for this method.",
        "Add the Marketing API product to the app, then apply for the capability.",
        error=errors.AppRefused,
    ),
    stop(194, None, "A required parameter is missing.", "Report it with the fbtrace_id."),
    stop(2500, None, "Syntax error in the path or in fields.", "Report it with the fbtrace_id."),
    ErrorRule(
        100,
        None,
        _T.RESTART,
        "The cursor is not valid.",
        None,
        text="cursor",
    ),
    ErrorRule(
        2642,
        None,
        _T.RESTART,
        "The cursor is not valid any more: the item it points to went away.",
        None,
    ),
    stop(3001, None, "Invalid query.", "Report it with the fbtrace_id."),
    ErrorRule(
        3018,
        None,
        _T.CLAMP,
        "The range starts more than 37 months ago.",
        "Start the range later; 37 months is all that Meta keeps.",
    ),
    stop(
        2635,
        None,
        "This version of the Marketing API is retired.",
        "Set META_API_VERSION to a supported version (v26.0) and update meta-pipeline.",
        error=errors.VersionExpired,
    ),
    stop(
        368,
        None,
        "Meta temporarily blocked the caller for policy reasons.",
        "A person has to look at Account Quality; do not retry for some hours.",
        error=errors.Blocked,
    ),
    stop(506, None, "Duplicate post.", EDIT),
    stop(100, 1487056, "An archived or deleted object cannot be edited.", EDIT),
    stop(100, 1487566, "A deleted object cannot be edited.", EDIT),
    stop(100, 1885088, "An archived or deleted object cannot be edited.", EDIT),
    stop(
        100,
        1487990,
        "Too many archived objects in this ad account.",
        "Delete archived objects in Ads Manager.",
    ),
    stop(
        100,
        1487694,
        "This targeting category is not available any more.",
        "Edit the ad set's targeting in Ads Manager.",
    ),
    stop(100, 1885272, "The budget is too low.", EDIT),
    stop(100, 1885650, "The budget is too low.", EDIT),
)

# Codes that are in no row, by what can be known about them.
UNKNOWN_RETRY = retry(0, None, "An unknown error that Meta calls transient, or an HTTP 5xx.")
UNKNOWN_LIMIT = limit(0, None, "An unknown limit: HTTP 429, or a text about too many calls.")
UNKNOWN_TOKEN = token(0, None, "HTTP 401 with an unknown code.")
UNKNOWN_STOP = stop(
    0,
    None,
    "An error code that is in no document known to us.",
    "Report it with the code and the fbtrace_id, so that it gets a row in the table.",
)
