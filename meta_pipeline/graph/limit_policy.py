"""What to do about Meta's limits: the rows of the error policy that say how long to wait.

HTTP 400 or 403, never 429 (FACTS §3.3). How long each lasts is Meta's own word where it has one.
"""

from __future__ import annotations

from meta_pipeline.graph.error_rule import EDIT, ErrorRule, limit, stop
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT

_APP_QUOTA = (
    "All accounts of the app share this limit: lower the number of syncs at once, or apply for "
    "Full access."
)

LIMITS: tuple[ErrorRule, ...] = (
    limit(4, None, "The app's request limit is reached.", scope="app", next_step=_APP_QUOTA),
    limit(
        4,
        1504022,
        "Too many insights calls from this app; a load-dependent limit.",
        scope="app",
        use_case=ADS_INSIGHTS,
        next_step=_APP_QUOTA,
    ),
    limit(
        4,
        1504039,
        "Too many insights calls from this app; a load-dependent limit.",
        scope="app",
        use_case=ADS_INSIGHTS,
        next_step=_APP_QUOTA,
    ),
    limit(17, None, "The user's request limit is reached.", scope="user"),
    limit(
        17,
        2446079,
        "The ad account's score is used up; the block lasts 300 s (Limited) or 60 s (Full) and "
        "has been seen to last an hour.",
        seconds=None,
    ),
    stop(17, 1885172, "The spend cap was changed ten times today.", EDIT),
    limit(32, None, "The page's request limit is reached.", scope="page"),
    limit(341, None, "The app's limit is reached (older family).", scope="app"),
    limit(613, None, "The rate limit of this API is reached."),
    limit(613, 1487742, "Too many calls from this ad account.", seconds=None),
    limit(
        613,
        1487632,
        "An ad set's budget was changed four times within the hour.",
        seconds=3600,
        reads=False,
        next_step=EDIT,
    ),
    limit(
        613,
        1487225,
        "The account's limit of new ads is reached.",
        seconds=3600,
        reads=False,
        next_step=EDIT,
    ),
    limit(
        613, 5044001, "More than 100 edits a second to this ad account.", seconds=1, next_step=EDIT
    ),
    limit(613, 1996, "Inconsistent request volume: too many calls in a burst."),
    limit(80000, None, "Business use case ads_insights is used up.", use_case=ADS_INSIGHTS),
    limit(80001, None, "Business use case pages is used up.", scope="page", use_case="pages"),
    limit(80002, None, "Business use case instagram is used up.", use_case="instagram"),
    limit(80003, None, "Business use case custom_audience is used up.", use_case="custom_audience"),
    limit(80004, None, "Business use case ads_management is used up.", use_case=ADS_MANAGEMENT),
    limit(80005, None, "Business use case leadgen is used up.", use_case="leadgen"),
    limit(80006, None, "Business use case messenger is used up.", use_case="messenger"),
    limit(
        80008,
        None,
        "WhatsApp business management is used up.",
        use_case="whatsapp_business_management",
    ),
    limit(80009, None, "Catalog management is used up.", use_case="catalog_management"),
    limit(80014, None, "Catalog batch is used up.", use_case="catalog_batch"),
)
