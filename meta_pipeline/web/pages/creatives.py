"""Creatives: which work, which are tired, with their picture where one is there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from psycopg.rows import class_row
from starlette.responses import Response

from meta_pipeline import metrics
from meta_pipeline.metrics.answers.period import Period
from meta_pipeline.web.asked import OFFERED, days_of, preset_label
from meta_pipeline.web.compared import Value, records
from meta_pipeline.web.gate import Visit
from meta_pipeline.web.reader import change_pct

SHOWN = ("spend", "results", "cost_per_result", "impressions", "ctr")
PER_PAGE = 24
_FATIGUE_DAYS = 7
_PICTURE_HOSTS = (".fbcdn.net",)
"""Where Meta keeps pictures; from anywhere else nothing is shown (FACTS on creatives)."""
# Eight digits, which last until 2106.
_HEXADECIMAL = re.compile("[0-9A-Fa-f]{8}")
_CREATIVES = """
    SELECT creative_id, account_id, name, title, body, object_type, call_to_action_type,
           array_remove(ARRAY[thumbnail_url, image_url], NULL) AS pictures
    FROM meta_ads.meta_creatives WHERE creative_id = ANY (%s::text[])
"""
# Meta's own rows of an ad's day say how often one person saw it there; the days are not added up.
_FREQUENCY = """
    SELECT ads.creative_id,
           max(seen.frequency) FILTER (WHERE seen.date_start = seen.date_stop)::float8
    FROM meta_ads.meta_ads AS ads
    JOIN meta_ads.meta_insights AS seen ON seen.entity_type = 'ad' AND seen.entity_id = ads.ad_id
        AND seen.account_id = ads.account_id AND seen.date_start BETWEEN %(since)s AND %(until)s
    WHERE ads.account_id = %(account)s AND ads.creative_id = ANY (%(ids)s::text[])
    GROUP BY ads.creative_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creative:
    """One row of `meta_creatives`, as much as is shown of it."""

    creative_id: str
    account_id: str
    name: str | None
    title: str | None
    body: str | None
    object_type: str | None
    call_to_action_type: str | None
    pictures: list[str]
    """Addresses of the same, the smaller first; Meta signs them, and they expire within days."""

    def picture(self, now: datetime) -> str | None:
        """The first of its addresses that is Meta's own and has not expired."""
        return next((url for url in self.pictures if _is_shown(url, now)), None)


@dataclass(frozen=True, slots=True)
class Card:
    """A creative with its numbers; `trend_pct` is how its click rate moved within the days."""

    creative_id: str
    about: Creative | None
    values: Mapping[str, Value]
    highest_frequency: float | None
    trend_pct: float | None
    picture: str | None

    @property
    def is_tired(self) -> bool:
        """Whether people click it less than before while it goes on being shown."""
        return self.trend_pct is not None and self.trend_pct <= -20


def creatives(visit: Visit) -> Response:
    """The creatives of one account that delivered, by what they spent or how they did."""
    params = visit.request.query_params
    days = days_of(params, "last_28d")
    accounts = _delivering(visit)
    if not accounts:
        return visit.page("no_accounts.html", title="Creatives")
    (known,) = metrics.accounts_of(visit.warehouse, params.get("account") or accounts[0][0])
    dictionary = metrics.dictionary_of(visit.warehouse)
    with visit.warehouse.connection() as connection:
        _, since, until = metrics.days_of(connection, known.account_id, days.asked, visit.now)
    period = Period(since, until)
    sort = params.get("sort") if params.get("sort") in SHOWN else "spend"
    answer = metrics.answer(
        visit.warehouse,
        account=known.account_id,
        metrics=SHOWN,
        by=["creative"],
        date_range=(since, until),
        now=visit.now,
        bound=metrics.Bound(),
    )
    better = dictionary.metric(str(sort)).better
    # What ran under no creative that was read has no card.
    answer.rows = [row for row in answer.rows if row["creative"] is not None]
    rows = {key: row for key, row in records(answer, "creative", SHOWN).items() if row["spend"]}
    values = {key: row.get(str(sort)) for key, row in rows.items()}
    sign = 1 if better == "lower" else -1
    # The best first; what has no value comes last.
    ordered = sorted(rows, key=lambda key: (values[key] is None, sign * float(values[key] or 0)))
    trends = _trends(visit, known.account_id, period)
    ids = ordered[:PER_PAGE]
    about, frequency = _about(visit, known.account_id, ids, period)
    pictures = {key: one.picture(visit.now) for key, one in about.items()}
    cards = [
        Card(
            one,
            about.get(one),
            rows[one],
            frequency.get(one),
            trends.get(one),
            pictures.get(one),
        )
        for one in ids
    ]
    return visit.page(
        "creatives.html",
        title="Creatives",
        account=known,
        accounts=accounts,
        days=days,
        presets=[(name, preset_label(name)) for name in OFFERED],
        cards=cards,
        has_pictures=any(one.about and one.about.pictures for one in cards),
        is_read=bool(about),
        shown=[dictionary.metric(name) for name in SHOWN],
        sort=sort,
        currency=answer.currencies.get(known.account_id, known.currency),
        facts=answer.about,
        notes=answer.about["notes"],
        total=len(rows),
        ctr=dictionary.metric("ctr"),
    )


def _is_shown(url: str, now: datetime) -> bool:
    """Whether it is an address of Meta's own picture hosts that is still good.

    `oe` in it is when it ends, in seconds since 1970, hexadecimal; without it nobody knows.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that are no address of IPv6
        return False
    if parts.scheme != "https" or not (parts.hostname or "").endswith(_PICTURE_HOSTS):
        return False
    ends = parse_qs(parts.query).get("oe", [""])[0]
    return not _HEXADECIMAL.fullmatch(ends) or int(ends, 16) > now.timestamp()


def _delivering(visit: Visit) -> Sequence[tuple[str, str]]:
    """Accounts, those that spent most lately first."""
    with visit.warehouse.connection() as connection:
        return [
            (account_id, name or account_id)
            for account_id, name in connection.execute(
                "SELECT account_id, account_name FROM meta_ads.account_overview"
                " ORDER BY spend_30d DESC NULLS LAST, account_id"
            )
        ]


def _trends(visit: Visit, account_id: str, period: Period) -> dict[str, float | None]:
    """How the click rate of the later half of the days differs from that of the earlier half."""
    if len(period) < 2:
        return {}
    middle = period.since + timedelta(days=len(period) // 2)
    early = _click_rates(visit, account_id, (period.since, middle - timedelta(days=1)))
    late = _click_rates(visit, account_id, (middle, period.until))
    return {key: change_pct(late.get(key), value) for key, value in early.items()}


def _click_rates(visit: Visit, account_id: str, days: tuple[date, date]) -> dict[str, Value]:
    answer = metrics.answer(
        visit.warehouse,
        account=account_id,
        metrics=["ctr"],
        by=["creative"],
        date_range=days,
        now=visit.now,
        bound=metrics.Bound(),
    )
    return {key: row["ctr"] for key, row in records(answer, "creative", ["ctr"]).items()}


def _about(
    visit: Visit, account_id: str, ids: Sequence[str], period: Period
) -> tuple[dict[str, Creative], dict[str, float]]:
    asked = {
        "account": account_id,
        "ids": list(ids),
        "since": max(period.since, period.until - timedelta(days=_FATIGUE_DAYS - 1)),
        "until": period.until,
    }
    with visit.warehouse.connection() as connection:
        cursor = connection.cursor(row_factory=class_row(Creative))
        known = {one.creative_id: one for one in cursor.execute(_CREATIVES, (list(ids),))}
        often = connection.execute(_FREQUENCY, asked).fetchall()
    return known, {key: value for key, value in often if value is not None}
