"""Shape: the views in the shape of Fivetran's Facebook Ads connector, as SQL on our tables.

What differs is said in the comment of each view. Conversions overlap here as they do there; whoever
wants numbers that may be added asks our own relations and the metric layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_NO_MINOR_UNIT = "'CLP','COP','CRC','HUF','ISK','IDR','JPY','KRW','PYG','TWD','VND'"
"""Currencies whose amounts Meta gives in whole units (FACTS section 12)."""
# The connector has a column for each, also for those that Meta fills no more.
_WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view", "7d_view", "28d_view", "inline")
_STATUSES = {
    1: "ACTIVE",
    2: "DISABLED",
    3: "UNSETTLED",
    7: "PENDING_RISK_REVIEW",
    8: "PENDING_SETTLEMENT",
    9: "IN_GRACE_PERIOD",
    100: "PENDING_CLOSURE",
    101: "CLOSED",
    201: "ANY_ACTIVE",
    202: "ANY_CLOSED",
}
"""Meta's account_status in its own words (FACTS section 12)."""


@dataclass(frozen=True, slots=True)
class ViewShape:
    """One view: what it says of itself, and the SELECT behind it."""

    about: str
    query: str


def _id(text: str) -> str:
    """An id as the connector has it; null for one that is no number, which would end the query."""
    return f"CASE WHEN {text} ~ '^([0-9]{{1,18}}|[0-8][0-9]{{18}})$' THEN ({text})::bigint END"


def _bare(column: str) -> str:
    """An account's number without `act_`."""
    return _id(f"substr({column}, 5)")


def _minor(amount: str, kind: str = "bigint") -> str:
    """An amount as Meta counts it: cents, but for currencies without them.

    Where the connector has `integer`, a lifetime budget of three billion rupiah would be too large.
    """
    factor = f"CASE WHEN now_is.currency IN ({_NO_MINOR_UNIT}) THEN 1 ELSE 100 END"
    return f"round({amount} * {factor})::{kind}"


def _was(name: str, kind: str = "text") -> str:
    """A field's value in a version: what its first later change found, else what it is."""
    return (
        f"CASE WHEN versions.later ? '{name}' THEN (versions.later ->> '{name}')::{kind} "
        f"ELSE now_is.{name}::{kind} END"
    )


_UPDATED = (
    "CASE WHEN versions.is_last THEN greatest(now_is.updated_time, versions.since) "
    "ELSE coalesce(versions.since, now_is.created_time, now_is.first_seen_at) END"
)


def _entity(key: str, level: str, table: str, columns: Mapping[str, str]) -> str:
    """One row per entity and version, put together backwards from what is now.

    A version begins when a sync saw something change, the first with the entity; `updated_time` is
    when, and for the newest no earlier than Meta's own.
    """
    shown = {
        "id": _id(f"now_is.{key}"),
        "account_id": _bare("now_is.account_id"),
        **columns,
        "updated_time": f"coalesce({_UPDATED}, now_is.first_seen_at)",
        "_fivetran_synced": "now_is.data_as_of",
    }
    made = ",\n    ".join(f"{expression} AS {name}" for name, expression in shown.items())
    return f"""
WITH moments AS (
    SELECT {key} AS id, NULL::timestamptz AS since, NULL::jsonb AS was FROM meta_ads.{table}
    UNION ALL
    -- Where one moment has several changes of a field, the first found what was before.
    SELECT entity_id, seen_at, jsonb_object_agg(field, old_value ORDER BY change_id DESC)
    FROM meta_ads.entity_changes WHERE entity_type = '{level}'
    GROUP BY entity_id, seen_at
),
versions AS (
    SELECT id, since,
        count(*) OVER afterwards = 0 AS is_last,
        meta_ads.jsonb_merged(was) OVER afterwards AS later
    FROM moments
    -- From the newest back: what an earlier change found takes the place of what a later one did.
    WINDOW afterwards AS (
        PARTITION BY id ORDER BY since DESC NULLS LAST
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
SELECT
    {made}
FROM meta_ads.{table} AS now_is
JOIN versions ON versions.id = now_is.{key}"""


_WORDS = " ".join(f"WHEN {number} THEN '{word}'" for number, word in _STATUSES.items())
# The offset as it is now: the connector tells it once, and a zone has two of them a year. Null for
# a zone this server does not know, with which AT TIME ZONE would end the query.
_ACCOUNTS = f"""
SELECT
    {_bare("account_id")} AS id,
    meta_ad_accounts.name,
    CASE account_status {_WORDS} ELSE account_status::text END AS account_status,
    currency,
    timezone_name,
    (extract(epoch FROM zone.utc_offset) / 3600)::float8 AS timezone_offset_hours_utc,
    created_time,
    {_minor("min_daily_budget").replace("now_is.", "")} AS min_daily_budget,
    extra ->> 'business_country_code' AS business_country_code,
    extra ->> 'business_state' AS business_state,
    coalesce(last_listed_at, data_as_of, first_seen_at) AS _fivetran_synced
FROM meta_ads.meta_ad_accounts
LEFT JOIN pg_timezone_names AS zone ON zone.name = coalesce(timezone_name, 'UTC')"""

_APP_LINKS = ",\n    ".join(
    f"(object_story_spec #> '{{template_data,app_link_spec,{system}}}')::text "
    f"AS template_app_link_spec_{system}"
    for system in ("android", "ios", "ipad", "iphone")
)
_CREATIVES = f"""
SELECT
    md5(creative_id) AS _fivetran_id,
    coalesce(data_as_of, first_seen_at) AS _fivetran_synced,
    {_id("creative_id")} AS id,
    {_bare("account_id")} AS account_id,
    name,
    link_url AS page_link,
    object_story_spec #>> '{{template_data,link}}' AS template_page_link,
    url_tags,
    (asset_feed_spec -> 'link_urls')::text AS asset_feed_spec_link_urls,
    object_story_spec #>> '{{link_data,link}}' AS object_story_link_data_link,
    object_story_spec #>> '{{link_data,caption}}' AS object_story_link_data_caption,
    object_story_spec #>> '{{link_data,description}}' AS object_story_link_data_description,
    object_story_spec #>> '{{link_data,message}}' AS object_story_link_data_message,
    (object_story_spec #> '{{link_data,child_attachments}}')::text
        AS object_story_link_data_child_attachments,
    {_APP_LINKS}
FROM meta_ads.meta_creatives"""

_BASIC_AD = f"""
SELECT
    insight.entity_id AS ad_id,
    ad.name AS ad_name,
    adset.name AS adset_name,
    {_bare("insight.account_id")} AS account_id,
    insight.date_start AS date,
    insight.impressions::bigint AS impressions,
    insight.inline_link_clicks::bigint AS inline_link_clicks,
    insight.spend::float8 AS spend,
    insight.reach::bigint AS reach,
    insight.frequency::float8 AS frequency,
    md5(insight.entity_id || insight.date_start::text) AS _fivetran_id,
    insight.data_as_of AS _fivetran_synced
FROM meta_ads.meta_insights AS insight
LEFT JOIN meta_ads.meta_ads AS ad ON ad.ad_id = insight.entity_id
LEFT JOIN meta_ads.meta_adsets AS adset ON adset.adset_id = coalesce(insight.adset_id, ad.adset_id)
WHERE insight.entity_type = 'ad' AND insight.date_stop = insight.date_start"""


def _entries(column: str) -> str:
    """The entries of a list of actions, each with its place."""
    return (
        f"jsonb_array_elements(CASE jsonb_typeof({column}) WHEN 'array' THEN {column} "
        "ELSE '[]' END) WITH ORDINALITY AS item (entry, place)"
    )


def _window_column(window: str) -> str:
    # A name that begins with a digit would have to be quoted: the connector puts `_` before it.
    return window if window == "inline" else "_" + window.replace("d_", "_d_")


def _actions(column: str) -> str:
    windows = ",\n    ".join(
        f"meta_ads.number_or_null(item.entry ->> '{window}')::float8 AS {_window_column(window)}"
        for window in _WINDOWS
    )
    return f"""
SELECT
    insight.entity_id AS ad_id,
    insight.date_start AS date,
    item.entry ->> 'action_type' AS action_type,
    (item.place - 1)::integer AS index,
    meta_ads.number_or_null(item.entry ->> 'value')::float8 AS value,
    {windows},
    md5(insight.entity_id || insight.date_start::text) AS _fivetran_id,
    insight.data_as_of AS _fivetran_synced
FROM meta_ads.meta_insights AS insight
CROSS JOIN LATERAL {_entries("insight." + column)}
WHERE insight.entity_type = 'ad' AND insight.date_stop = insight.date_start"""


def _cells(breakdown: str) -> str:
    """The rows of a breakdown at the finest level there is of an account's day: no level twice."""
    return f"""
    SELECT levelled.*, levelled.cell_values ->> '{breakdown}' AS {breakdown}
    FROM (
        SELECT cell.*,
            CASE WHEN bool_or(cell.entity_type = 'account') OVER day THEN 'account'
                ELSE min(cell.entity_type) OVER day END AS level
        FROM meta_ads.meta_insights_breakdown AS cell
        WHERE cell.breakdown = '{breakdown}'
        WINDOW day AS (PARTITION BY cell.account_id, cell.date_start)
    ) AS levelled
    WHERE levelled.entity_type = levelled.level"""


def _demographics(breakdown: str) -> str:
    return f"""
SELECT
    substr(cell.account_id, 5) AS account_id,
    cell.date_start AS date,
    cell.{breakdown},
    sum(cell.impressions)::bigint AS impressions,
    sum(cell.inline_link_clicks)::bigint AS inline_link_clicks,
    CASE WHEN min(cell.entity_type) = 'account' THEN max(cell.reach)::bigint END AS reach,
    sum(cell.spend)::float8 AS spend,
    CASE WHEN min(cell.entity_type) = 'account' THEN max(cell.frequency)::float8 END AS frequency,
    md5(cell.account_id || cell.date_start::text || cell.{breakdown}) AS _fivetran_id,
    max(cell.data_as_of) AS _fivetran_synced
FROM ({_cells(breakdown)}
) AS cell
GROUP BY cell.account_id, cell.date_start, cell.{breakdown}"""


def _demographics_actions(breakdown: str) -> str:
    sums = ",\n    ".join(
        f"sum(meta_ads.number_or_null(item.entry ->> '{window}'))::float8 AS "
        f"{_window_column(window)}"
        for window in _WINDOWS
    )
    return f"""
SELECT
    substr(cell.account_id, 5) AS account_id,
    cell.date_start AS date,
    cell.{breakdown},
    item.entry ->> 'action_type' AS action_type,
    (row_number() OVER (
        PARTITION BY cell.account_id, cell.date_start, cell.{breakdown}
        ORDER BY item.entry ->> 'action_type'
    ) - 1)::integer AS index,
    sum(meta_ads.number_or_null(item.entry ->> 'value'))::float8 AS value,
    {sums},
    md5(cell.account_id || cell.date_start::text || cell.{breakdown}) AS _fivetran_id,
    max(cell.data_as_of) AS _fivetran_synced
FROM ({_cells(breakdown)}
) AS cell
CROSS JOIN LATERAL {_entries("cell.actions")}
GROUP BY cell.account_id, cell.date_start, cell.{breakdown}, item.entry ->> 'action_type'"""


_NO_REACH = (
    "Reach and frequency are null where the breakdown is stored by ad: people are not added up."
)
_BUDGETS = "Budgets in Meta's minor units."
VIEWS: dict[str, ViewShape] = {
    "account_history": ViewShape("One row per ad account: its present state.", _ACCOUNTS),
    "campaign_history": ViewShape(
        f"One row per campaign and version seen by a sync. {_BUDGETS}",
        _entity(
            "campaign_id",
            "campaign",
            "meta_campaigns",
            {
                "name": _was("name"),
                "status": _was("status"),
                "start_time": _was("start_time", "timestamptz"),
                "stop_time": _was("stop_time", "timestamptz"),
                "created_time": "now_is.created_time",
                "daily_budget": _minor(f"({_was('daily_budget', 'numeric')})"),
                "lifetime_budget": _minor(f"({_was('lifetime_budget', 'numeric')})"),
                "budget_remaining": _minor("now_is.budget_remaining", "float8"),
            },
        ),
    ),
    "ad_set_history": ViewShape(
        f"One row per ad set and version seen by a sync. {_BUDGETS}",
        _entity(
            "adset_id",
            "adset",
            "meta_adsets",
            {
                "campaign_id": _id("now_is.campaign_id"),
                "name": _was("name"),
                "status": _was("status"),
                "start_time": _was("start_time", "timestamptz"),
                "end_time": _was("end_time", "timestamptz"),
                "bid_strategy": _was("bid_strategy"),
                "optimization_goal": _was("optimization_goal"),
                "daily_budget": _minor(f"({_was('daily_budget', 'numeric')})"),
                "budget_remaining": _minor("now_is.budget_remaining"),
            },
        ),
    ),
    "ad_history": ViewShape(
        "One row per ad and version seen by a sync.",
        _entity(
            "ad_id",
            "ad",
            "meta_ads",
            {
                "campaign_id": _id("now_is.campaign_id"),
                "ad_set_id": _id("now_is.adset_id"),
                "creative_id": _id(f"({_was('creative_id')})"),
                "name": _was("name"),
                "status": _was("status"),
                "conversion_domain": _was("conversion_domain"),
            },
        ),
    ),
    "creative_history": ViewShape(
        "One row per creative: its present state. Empty while creatives are not read "
        "(META_CREATIVES).",
        _CREATIVES,
    ),
    "basic_ad": ViewShape("One row per ad and day with delivery.", _BASIC_AD),
    "basic_ad_actions": ViewShape(
        "One row per ad, day and action type. Types overlap: adding them counts people twice.",
        _actions("actions"),
    ),
    "basic_ad_action_values": ViewShape(
        "One row per ad, day and action type that has a value, in major units. Types overlap.",
        _actions("action_values"),
    ),
    **{
        f"demographics_{breakdown}": ViewShape(
            f"One row per ad account, day and {breakdown} that META_BREAKDOWNS reads. {_NO_REACH}",
            _demographics(breakdown),
        )
        for breakdown in ("country", "region")
    },
    **{
        f"demographics_{breakdown}_actions": ViewShape(
            f"One row per ad account, day, {breakdown} and action type. Types overlap.",
            _demographics_actions(breakdown),
        )
        for breakdown in ("country", "region")
    },
}
"""Every view by its name."""
