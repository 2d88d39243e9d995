"""What Meta itself recommends, and its opportunity score, beside our own advice."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import account_id, day, json, moment, number, table, text

meta_recommendations = table(
    "meta_recommendations",
    "One row per recommendation of Meta's; what it recommends no more stays, marked as gone",
    text(
        "recommendation_id",
        "Hash of account, type, stage and objects: Meta's signatures perish",
        primary_key=True,
    ),
    account_id(nullable=False),
    text("recommendation_type", "Meta's name of it in capitals, such as MUSIC", nullable=False),
    text("recommendation_stage", "mid_flight_recommendation, pre_create_guidance, ..."),
    text("level", "ad, ad_set, campaign or ad_account; null where only the account was asked"),
    json("object_ids", "Campaigns, ad sets or ads it is about, a list of ids", nullable=False),
    text("body", "What it says"),
    text("lift_estimate", "What Meta promises, in its words"),
    number("opportunity_score_lift", "Points of the opportunity score for following it"),
    text("url", "Where it can be followed in Ads Manager"),
    moment("recommended_at", "When Meta made it"),
    json("extra", "Fields Meta sent that have no column of their own"),
    moment("first_seen_at", "When it was first seen here", nullable=False),
    moment("last_seen_at", "When it was last seen here", nullable=False),
    moment("gone_at", "When it was first not recommended any more; null: it still is"),
    moment("data_as_of", "When Meta gave this row", nullable=False),
    sa.Index(None, "account_id"),
    sa.Index(
        "meta_recommendations_current_idx",
        "account_id",
        postgresql_where=sa.text("gone_at IS NULL"),
    ),
    # What retention removes, in its order; one that is current has no entry.
    sa.Index(
        "meta_recommendations_gone_at_idx",
        "gone_at",
        postgresql_where=sa.text("gone_at IS NOT NULL"),
    ),
)

opportunity_scores = table(
    "opportunity_scores",
    "One row per ad account and day: how far the account follows what Meta recommends",
    account_id(primary_key=True),
    day("day", "Day in the account's zone", primary_key=True),
    number("score", "Score of the day, 0 to 100, from Meta's history; two days late"),
    number("live_score", "Score at the moment it was read that day; Meta says the two may differ"),
    json("changelog", "What moved the score since the day before, as Meta tells it"),
    moment("data_as_of", "When Meta gave this row", nullable=False),
)

__all__ = ["meta_recommendations", "opportunity_scores"]
