"""Reconciliation: the ad rows of a day against the account's own row, and why they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from . import store
from .dictionary import Dictionary
from .expression import Expressions
from .source import daily

COMPARED = ("purchases", "revenue", "leads", "registrations", "link_clicks")
"""Conversions compared beside spend, impressions and clicks; kept in `conversions`."""

_HALF_A_CENT = Decimal("0.005")
_SAME_READ = timedelta(minutes=5)


class Outcome(StrEnum):
    """What a comparison came to; `reconciliations.status`."""

    MATCH = "match"
    ROUNDING = "rounding"
    DIFFERS = "differs"
    UNCHECKED = "unchecked"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One account and day, compared; amounts in major units of the account's currency."""

    account_id: str
    date_start: date
    status: Outcome
    explanation: str
    ad_rows: int
    spend_ads: Decimal | None
    spend_account: Decimal | None
    spend_difference: Decimal | None
    spend_difference_pct: Decimal | None
    impressions_ads: int | None
    impressions_account: int | None
    clicks_ads: int | None
    clicks_account: int | None
    conversions: dict[str, list[float]]
    tolerance_pct: Decimal
    ads_as_of: datetime | None
    account_as_of: datetime | None

    @property
    def is_ok(self) -> bool:
        """Whether nothing contradicts the numbers (a day that could not be checked does not)."""
        return self.status is not Outcome.DIFFERS

    @property
    def is_unchecked(self) -> bool:
        """Whether the two levels could not be compared."""
        return self.status is Outcome.UNCHECKED


@dataclass(frozen=True, slots=True)
class _Day:
    """What was read of one day, before judging it."""

    account_id: str
    date_start: date
    ad_rows: int
    has_account_row: bool
    ads_fetched: datetime | None
    account_fetched: datetime | None
    ads_as_of: datetime | None
    account_as_of: datetime | None
    spend_ads: Decimal
    spend_account: Decimal
    impressions_ads: int
    impressions_account: int
    clicks_ads: int
    clicks_account: int
    deleted_ads: int
    conversions: dict[str, list[float]]
    same_sync: bool
    both_final: bool

    @property
    def read_at(self) -> tuple[datetime | None, datetime | None]:
        """When the ad rows and the account's own row were read."""
        return self.ads_fetched or self.ads_as_of, self.account_fetched or self.account_as_of

    @property
    def read_apart(self) -> tuple[datetime, datetime] | None:
        """When ads and account were read, if not together while Meta still restated the day."""
        ads, account = self.read_at
        if ads is None or account is None or self.same_sync or self.both_final:
            return None
        return None if abs(ads - account) <= _SAME_READ else (ads, account)

    @property
    def spend_difference(self) -> Decimal:
        return self.spend_ads - self.spend_account

    @property
    def spend_difference_pct(self) -> Decimal:
        """In percent of the account row; 100 where it has no spend at all."""
        if not self.spend_difference:
            return Decimal(0)
        if not self.spend_account:
            return Decimal(100).copy_sign(self.spend_difference)
        return round(100 * self.spend_difference / self.spend_account, 4)

    @property
    def counts_agree(self) -> bool:
        return (self.impressions_ads, self.clicks_ads) == (
            self.impressions_account,
            self.clicks_account,
        )

    @property
    def conversions_agree(self) -> bool:
        return all(ads == account for ads, account in self.conversions.values())

    @property
    def is_rounding(self) -> bool:
        """Only cents differ, and no more of them than rounding so many amounts can make."""
        allowed = _HALF_A_CENT * (self.ad_rows + 1)
        return self.counts_agree and 0 < abs(self.spend_difference) <= allowed


def reconcile(
    connection: Connection[Any],
    account_id: str,
    since: date,
    until: date,
    tolerance_pct: Decimal | float = 0,
) -> list[Reconciliation]:
    """Compare every day from `since` to `until` (inclusive), store the rows and give them back.

    Spend, impressions and clicks must agree within `tolerance_pct` of the account row; conversions
    are compared and shown, but do not fail a day: Meta counts them at each level by itself. Reach
    is never compared: people are no sum. Reads the warehouse only.

    The account's own row is read once a day, ad rows of young days hourly. What differs because it
    was read at different times proves nothing: such a day is `unchecked`, and stored it keeps the
    verdict of the last time both levels were read together.
    """
    tolerance = Decimal(str(tolerance_pct))
    dictionary = store.current(connection)
    days = _read(connection, dictionary, account_id, since, until)
    rows = [_judge(day, tolerance) for day in days]
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(_STORE_UNCHECKED if row.is_unchecked else _STORE, _stored(row))
    return rows


def reconciliations(
    connection: Connection[Any], account_id: str, since: date, until: date
) -> list[Reconciliation]:
    """The rows last stored for these days, oldest first."""
    cursor = connection.cursor(row_factory=dict_row)
    names = ", ".join(Reconciliation.__dataclass_fields__)
    cursor.execute(
        f"SELECT {names} FROM meta_ads.reconciliations"
        " WHERE account_id = %s AND date_start BETWEEN %s AND %s ORDER BY date_start",
        (account_id, since, until),
    )
    return [Reconciliation(**(row | {"status": Outcome(row["status"])})) for row in cursor]


def _judge(day: _Day, tolerance: Decimal) -> Reconciliation:
    status, explanation = _verdict(day, tolerance)
    return Reconciliation(
        account_id=day.account_id,
        date_start=day.date_start,
        status=status,
        explanation=explanation,
        ad_rows=day.ad_rows,
        spend_ads=day.spend_ads,
        spend_account=day.spend_account if day.has_account_row else None,
        spend_difference=day.spend_difference if day.has_account_row else None,
        spend_difference_pct=day.spend_difference_pct if day.has_account_row else None,
        impressions_ads=day.impressions_ads,
        impressions_account=day.impressions_account if day.has_account_row else None,
        clicks_ads=day.clicks_ads,
        clicks_account=day.clicks_account if day.has_account_row else None,
        conversions=day.conversions,
        tolerance_pct=tolerance,
        ads_as_of=day.read_at[0],
        account_as_of=day.read_at[1],
    )


def _verdict(day: _Day, tolerance: Decimal) -> tuple[Outcome, str]:
    if not day.has_account_row:
        return _without_account_row(day)
    if not day.ad_rows and day.ads_fetched is None:
        return Outcome.UNCHECKED, "The ad rows of this day were not fetched."
    if _agrees(day, tolerance):
        return Outcome.MATCH, _agreement(day)
    if day.is_rounding:
        return Outcome.ROUNDING, (
            f"Impressions and clicks agree; {day.ad_rows} amounts rounded to cents explain "
            f"{day.spend_difference:+f}."
        )
    if day.read_apart:
        return Outcome.UNCHECKED, _apart(*day.read_apart)
    return Outcome.DIFFERS, " ".join(why(day) for why in _REASONS if why(day))


def _without_account_row(day: _Day) -> tuple[Outcome, str]:
    if day.account_fetched is None:
        return Outcome.UNCHECKED, "The account row of this day was not fetched."
    if day.ad_rows and day.read_apart:
        return Outcome.UNCHECKED, _apart(*day.read_apart)
    if day.ad_rows:
        return Outcome.DIFFERS, (
            f"{day.ad_rows} ad rows, but Meta gave no row for the account: read the day again."
        )
    return Outcome.EMPTY, "No delivery at either level."


def _agrees(day: _Day, tolerance: Decimal) -> bool:
    pairs = (
        (day.spend_ads, day.spend_account),
        (Decimal(day.impressions_ads), Decimal(day.impressions_account)),
        (Decimal(day.clicks_ads), Decimal(day.clicks_account)),
    )
    return all(abs(ads - account) * 100 <= tolerance * abs(account) for ads, account in pairs)


def _agreement(day: _Day) -> str:
    if day.conversions_agree:
        return "Spend, impressions, clicks and conversions agree."
    apart = ", ".join(name for name, (ads, account) in day.conversions.items() if ads != account)
    return (
        f"Spend, impressions and clicks agree. Not {apart}: Meta attributes conversions at each "
        "level by itself and reports them late, so they may differ for some days."
    )


def _apart(ads: datetime, account: datetime) -> str:
    older = "account row" if account < ads else "ad rows"
    return (
        f"Read at different times ({ads:%Y-%m-%d %H:%M} and {account:%Y-%m-%d %H:%M} UTC), the "
        f"{older} first, and the day moved between: nothing is proven. Both are read together once "
        "a day, or now with `--force`."
    )


def _ads_lack(day: _Day) -> str:
    if day.spend_difference >= 0 and day.impressions_ads >= day.impressions_account:
        return ""
    known = f" ({day.deleted_ads} deleted ads are known here)" if day.deleted_ads else ""
    return (
        "The ad rows hold less than the account: the account's total includes deleted and archived "
        f"ads{known}, ad rows only with the status filter; or an ad row is missing. "
        "Sync the day again with --force."
    )


def _ads_exceed(day: _Day) -> str:
    if day.spend_difference <= 0 and day.impressions_ads <= day.impressions_account:
        return ""
    return (
        "The ad rows hold more than the account: Meta took an ad's numbers back. "
        "Sync the day again with --force."
    )


_REASONS: tuple[Callable[[_Day], str], ...] = (_ads_lack, _ads_exceed)


def _read(
    connection: Connection[Any],
    dictionary: Dictionary,
    account_id: str,
    since: date,
    until: date,
) -> list[_Day]:
    expressions = Expressions(dictionary, daily("ad"), (account_id,))
    sums = {name: expressions.summand(name) for name in COMPARED}
    conversions = ", ".join(
        f"'{name}', jsonb_build_array("
        f"coalesce(sum({sql}) FILTER (WHERE f.entity_type = 'ad'), 0), "
        f"coalesce(sum({sql}) FILTER (WHERE f.entity_type = 'account'), 0))"
        for name, sql in sums.items()
    )
    params = {"account_id": account_id, "since": since, "until": until}
    cursor = connection.cursor(row_factory=dict_row)
    cursor.execute(
        _COMPARE.format(joins=expressions.joins, conversions=conversions),
        params | expressions.params,
    )
    return [_Day(**row) for row in cursor]


def _stored(row: Reconciliation) -> dict[str, Any]:
    return asdict(row) | {"status": str(row.status), "conversions": Jsonb(row.conversions)}


_COMPARE = """
    SELECT %(account_id)s AS account_id,
           wanted.day::date AS date_start,
           coalesce(found.ad_rows, 0) AS ad_rows,
           coalesce(found.account_rows, 0) > 0 AS has_account_row,
           ads.fetched_at AS ads_fetched,
           account.fetched_at AS account_fetched,
           found.ads_as_of,
           found.account_as_of,
           coalesce(found.spend_ads, 0) AS spend_ads,
           coalesce(found.spend_account, 0) AS spend_account,
           coalesce(found.impressions_ads, 0)::bigint AS impressions_ads,
           coalesce(found.impressions_account, 0)::bigint AS impressions_account,
           coalesce(found.clicks_ads, 0)::bigint AS clicks_ads,
           coalesce(found.clicks_account, 0)::bigint AS clicks_account,
           (SELECT count(*) FROM meta_ads.meta_ads AS gone
            WHERE gone.account_id = %(account_id)s AND gone.is_deleted) AS deleted_ads,
           coalesce(found.conversions, '{{}}') AS conversions,
           coalesce(ads.sync_run_id = account.sync_run_id, false) AS same_sync,
           coalesce(ads.is_final AND account.is_final, false) AS both_final
    FROM generate_series(%(since)s::date, %(until)s::date, interval '1 day') AS wanted (day)
    LEFT JOIN (
        SELECT f.date_start,
               count(*) FILTER (WHERE f.entity_type = 'ad') AS ad_rows,
               count(*) FILTER (WHERE f.entity_type = 'account') AS account_rows,
               max(f.data_as_of) FILTER (WHERE f.entity_type = 'ad') AS ads_as_of,
               max(f.data_as_of) FILTER (WHERE f.entity_type = 'account') AS account_as_of,
               sum(f.spend) FILTER (WHERE f.entity_type = 'ad') AS spend_ads,
               sum(f.spend) FILTER (WHERE f.entity_type = 'account') AS spend_account,
               sum(f.impressions) FILTER (WHERE f.entity_type = 'ad') AS impressions_ads,
               sum(f.impressions) FILTER (WHERE f.entity_type = 'account') AS impressions_account,
               sum(f.clicks) FILTER (WHERE f.entity_type = 'ad') AS clicks_ads,
               sum(f.clicks) FILTER (WHERE f.entity_type = 'account') AS clicks_account,
               jsonb_build_object({conversions}) AS conversions
        FROM meta_ads.meta_insights AS f
        {joins}
        WHERE f.account_id = %(account_id)s AND f.date_stop = f.date_start
          AND f.date_start BETWEEN %(since)s AND %(until)s
          AND f.entity_type IN ('ad', 'account')
        GROUP BY f.date_start
    ) AS found ON found.date_start = wanted.day::date
    LEFT JOIN meta_ads.sync_windows AS ads
      ON ads.account_id = %(account_id)s AND ads.dataset = 'insights_ad'
     AND ads.date_start = wanted.day::date
    LEFT JOIN meta_ads.sync_windows AS account
      ON account.account_id = %(account_id)s AND account.dataset = 'insights_account'
     AND account.date_start = wanted.day::date
    ORDER BY 2
"""
_STORED_NAMES = tuple(Reconciliation.__dataclass_fields__)
_STORE = f"""
    INSERT INTO meta_ads.reconciliations ({", ".join(_STORED_NAMES)}, checked_at)
    VALUES ({", ".join(f"%({name})s" for name in _STORED_NAMES)}, clock_timestamp())
    ON CONFLICT (account_id, date_start) DO UPDATE SET
        {", ".join(f"{n} = excluded.{n}" for n in (*_STORED_NAMES[2:], "checked_at"))}
"""
_STORE_UNCHECKED = f"{_STORE} WHERE reconciliations.status IN ('unchecked', 'empty')"
"""What could not be compared replaces no verdict."""
