"""What was advised and what became of it; rows are added and never removed."""

from __future__ import annotations

import sqlalchemy as sa

from .columns import account_id, day, json, moment, number, table, text, whole

advice = table(
    "advice",
    "One row per advice that was given, kept for ever; what became of it is in advice_outcomes",
    text("advice_id", "Hash of account, key and day", primary_key=True),
    account_id(nullable=False),
    text("advice_key", "The same for the same advice on another day", nullable=False),
    text("kind", "delivery, learning_limited, pause, scale, fatigue, pacing, ...", nullable=False),
    text("severity", "low, medium or high: how much it costs to wait", nullable=False),
    text("entity_type", "account, campaign, adset or ad", nullable=False),
    text("entity_id", "What it is about", nullable=False),
    text("entity_name", "Its name at the time"),
    json("entity_ids", "Everything it is about, a list of ids", nullable=False),
    text("what", "What to do, in a sentence", nullable=False),
    text("why", "Why, in a sentence", nullable=False),
    json("numbers", "What it rests on; amounts in major units of the account", nullable=False),
    text("method", "How the numbers were weighed", nullable=False),
    text("doubt", "What speaks against it", nullable=False),
    number("confidence", "Probability, 0 to 1; null where it is a fact or was not weighed"),
    text("expected_effect", "What following it should bring", nullable=False),
    day("as_of", "Day it was given, in the account's zone", nullable=False),
    day("review_on", "Day from which its outcome can be seen", nullable=False),
    text("ads_manager_url", "The entity in Ads Manager", nullable=False),
    text("supersedes", "The advice it takes the place of"),
    moment("made_at", "When it was written", nullable=False),
    text("outcome", "What became of it first, by advice_outcomes; null while it is open"),
    sa.Index(None, "account_id", "as_of", "advice_id"),
    sa.Index(None, "as_of", "advice_id"),
    # Of a key what was given last.
    sa.Index(None, "account_id", "advice_key", "made_at", "advice_id"),
    sa.Index(
        "advice_open_idx",
        "account_id",
        "as_of",
        "advice_id",
        postgresql_where=sa.text("outcome IS NULL"),
    ),
    sa.Index(
        "advice_open_day_idx",
        "as_of",
        "advice_id",
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)

advice_outcomes = table(
    "advice_outcomes",
    "One row per thing that became of an advice; one that has none of them is open",
    text("advice_id", "The advice", primary_key=True),
    text("outcome", "dismissed, followed, expired or superseded", primary_key=True),
    account_id(nullable=False),
    moment("at", "When", nullable=False),
    text("by", "Who said so: a person, or the rules"),
    text("reason", "Why, in a sentence"),
    sa.CheckConstraint(
        "outcome IN ('dismissed','followed','expired','superseded')", name="outcome"
    ),
    sa.Index(None, "account_id"),
)

advice_reviews = table(
    "advice_reviews",
    "One row per advice whose review date is over: what its numbers did; never changed",
    text("advice_id", "The advice", primary_key=True),
    account_id(nullable=False),
    text("verdict", "better, worse, same or unknown, beside the days before", nullable=False),
    text("sentence", "What was measured, in a sentence", nullable=False),
    json("numbers", "The numbers of both sides; amounts in major units", nullable=False),
    moment("reviewed_at", "When it was measured", nullable=False),
    sa.CheckConstraint("verdict IN ('better','worse','same','unknown')", name="verdict"),
    sa.Index(None, "account_id"),
)

advice_judgements = table(
    "advice_judgements",
    "One row per ad account whose rules were asked: when, and which gates were closed",
    account_id(primary_key=True),
    moment("judged_at", "When the rules were asked last", nullable=False),
    day("as_of", "The account's day then", nullable=False),
    whole("given", "Advice that was new", nullable=False),
    whole("kept", "Advice that was said before", nullable=False),
    whole("settled", "Advice that ended", nullable=False),
    whole("reviewed", "Advice whose outcome was measured", nullable=False),
    json("closed", "Gates that were closed: kind, entity, gate, sentence", nullable=False),
)

__all__ = ["advice", "advice_judgements", "advice_outcomes", "advice_reviews"]
