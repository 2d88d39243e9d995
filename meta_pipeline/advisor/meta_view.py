"""What Meta itself recommends, as it is stored: beside our own advice, never mixed with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaRecommendation:
    """One row of `meta_recommendations`."""

    recommendation_id: str
    account_id: str
    recommendation_type: str
    recommendation_stage: str | None
    level: str | None
    object_ids: list[str]
    """Campaigns, ad sets or ads it is about."""
    body: str | None
    lift_estimate: str | None
    """What Meta promises, in its words."""
    opportunity_score_lift: float | None
    """Points that the score, 0 to 100, gains by following it."""
    url: str | None
    recommended_at: datetime | None
    """When Meta made it; the other three moments are those of our reads."""
    first_seen_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None
    """None while Meta still recommends it."""

    @property
    def name(self) -> str:
        """Its type in plain words: `Automatic placements`."""
        return self.recommendation_type.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityScore:
    """An account's score, 0 to 100, of a day: of Meta's history, and as it was read that day."""

    account_id: str
    day: date
    score: float | None
    live_score: float | None
    changelog: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreNow:
    """An account's newest score, and that of four weeks before where it is known."""

    account_id: str
    day: date
    score: float
    before: float | None

    @property
    def sentence(self) -> str:
        """Such as: Opportunity score 83 of 100 on 2026-11-20, 79 four weeks before."""
        past = f", {self.before:g} four weeks before" if self.before is not None else ""
        return f"Opportunity score {self.score:g} of 100 on {self.day}{past}."


_COLUMNS = ", ".join(
    f"{one.name}::float8" if one.name == "opportunity_score_lift" else one.name
    for one in fields(MetaRecommendation)
)
_CURRENT = """
    gone_at IS NULL AND (%(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s))
"""
# The same weekday, and long enough for a step to show.
_FOUR_WEEKS = 28


def recommendations_page(
    connection: Connection[Any],
    accounts: Sequence[str] | None = None,
    *,
    includes_gone: bool = False,
    after: str | None = None,
    limit: int | None = None,
) -> list[MetaRecommendation]:
    """Meta's recommendations by id, of these accounts or of all; `after` is a row's id."""
    cursor = connection.cursor(row_factory=class_row(MetaRecommendation))
    return cursor.execute(
        f"SELECT {_COLUMNS} FROM meta_ads.meta_recommendations"
        " WHERE (%(accounts)s::text[] IS NULL OR account_id = ANY (%(accounts)s))"
        " AND (%(includes_gone)s OR gone_at IS NULL)"
        " AND (%(after)s::text IS NULL OR recommendation_id > %(after)s)"
        " ORDER BY recommendation_id LIMIT %(limit)s",
        {
            "accounts": None if accounts is None else list(accounts),
            "includes_gone": includes_gone,
            "after": after,
            "limit": limit,
        },
    ).fetchall()


def recommended(
    connection: Connection[Any], accounts: Sequence[str] | None = None, limit: int | None = None
) -> list[MetaRecommendation]:
    """What Meta recommends now, account by account, what brings most points first."""
    cursor = connection.cursor(row_factory=class_row(MetaRecommendation))
    # By its name, in the order that Python has for texts whatever the database has.
    return cursor.execute(
        f"SELECT {_COLUMNS} FROM meta_ads.meta_recommendations WHERE {_CURRENT}"
        " ORDER BY account_id, coalesce(opportunity_score_lift, 0) DESC,"
        " lower(replace(recommendation_type, '_', ' ')) COLLATE \"C\", recommendation_id"
        " LIMIT %(limit)s",
        {"accounts": None if accounts is None else list(accounts), "limit": limit},
    ).fetchall()


def count_recommended(connection: Connection[Any], accounts: Sequence[str] | None = None) -> int:
    """How much Meta recommends now."""
    row = connection.execute(
        f"SELECT count(*) FROM meta_ads.meta_recommendations WHERE {_CURRENT}",
        {"accounts": None if accounts is None else list(accounts)},
    ).fetchone()
    return int(row[0]) if row else 0


def scores_now(
    connection: Connection[Any], accounts: Sequence[str] | None = None, limit: int | None = None
) -> list[ScoreNow]:
    """The newest score of each account that has one, by account."""
    cursor = connection.cursor(row_factory=class_row(ScoreNow))
    return cursor.execute(
        """
        SELECT known.account_id, newest.day, newest.score,
            (SELECT coalesce(earlier.score, earlier.live_score)::float8
             FROM meta_ads.opportunity_scores AS earlier
             WHERE earlier.account_id = known.account_id AND earlier.day = newest.day - %(back)s
            ) AS before
        FROM meta_ads.meta_ad_accounts AS known
        CROSS JOIN LATERAL (
            SELECT day, coalesce(live_score, score)::float8 AS score
            FROM meta_ads.opportunity_scores
            WHERE account_id = known.account_id AND coalesce(live_score, score) IS NOT NULL
            ORDER BY day DESC LIMIT 1
        ) AS newest
        WHERE %(accounts)s::text[] IS NULL OR known.account_id = ANY (%(accounts)s)
        ORDER BY known.account_id LIMIT %(limit)s
        """,
        {
            "accounts": None if accounts is None else list(accounts),
            "back": _FOUR_WEEKS,
            "limit": limit,
        },
    ).fetchall()


def score_days(
    connection: Connection[Any],
    account_id: str,
    *,
    before: date | None = None,
    limit: int | None = None,
) -> list[OpportunityScore]:
    """The score of one account by day, the newest first; `before` leaves out that day and later."""
    cursor = connection.cursor(row_factory=class_row(OpportunityScore))
    return cursor.execute(
        """
        SELECT account_id, day, score::float8 AS score, live_score::float8 AS live_score, changelog
        FROM meta_ads.opportunity_scores
        WHERE account_id = %s AND (%s::date IS NULL OR day < %s)
        ORDER BY day DESC LIMIT %s
        """,
        (account_id, before, before, limit),
    ).fetchall()
