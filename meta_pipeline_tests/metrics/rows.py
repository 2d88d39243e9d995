"""Rows as a sync would write them, in a few words: what the metric layer is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
from psycopg import Connection
from psycopg.types.json import Jsonb

from meta_pipeline import metrics
from meta_pipeline.warehouse import Warehouse

ACCOUNT = "act_1"
NOW = datetime(2026, 3, 18, 9, 0, tzinfo=UTC)
"""A Wednesday, in the morning of Berlin."""
TODAY = date(2026, 3, 18)
READ_AT = datetime(2026, 3, 18, 8, 30, tzinfo=UTC)


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def actions(**counts: Any) -> list[dict[str, str]]:
    """`purchase=3` or `purchase=dict(value=3, **{"7d_click": 2})`; `__` stands for a dot."""
    return [
        {"action_type": name.replace("__", ".")}
        | (
            {key: str(number) for key, number in count.items()}
            if isinstance(count, dict)
            else {"value": str(count)}
        )
        for name, count in counts.items()
    ]


def ask(warehouse: Warehouse, *names: str, **options: Any) -> pd.DataFrame:
    """`metrics.query` for the last week of the test's account, at the test's moment."""
    given: dict[str, Any] = {"account": ACCOUNT, "date_range": (ago(7), TODAY), "now": NOW}
    options = given | options
    return metrics.query(warehouse, metrics=names, **options)


@dataclass
class Rows:
    """Writes rows through one connection, committing each."""

    connection: Connection[Any]

    def insert(self, table: str, **values: Any) -> None:
        names = ", ".join(values)
        places = ", ".join(["%s"] * len(values))
        adapted = [
            Jsonb(value) if isinstance(value, dict | list) else value for value in values.values()
        ]
        self.connection.execute(
            f"INSERT INTO meta_ads.{table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING",
            adapted,
        )
        self.connection.commit()

    def account(
        self,
        account_id: str = ACCOUNT,
        currency: str = "EUR",
        timezone_name: str = "Europe/Berlin",
        name: str | None = None,
    ) -> None:
        self.insert(
            "meta_ad_accounts",
            account_id=account_id,
            name=name or f"Shop {account_id[4:]}",
            currency=currency,
            timezone_name=timezone_name,
            last_listed_at=READ_AT,
            data_as_of=READ_AT,
        )

    def campaign(self, campaign_id: str, account_id: str = ACCOUNT, **values: Any) -> None:
        given = {
            "name": f"Campaign {campaign_id}",
            "objective": "OUTCOME_SALES",
            "goal": "purchases",
            "status": "ACTIVE",
            "effective_status": "ACTIVE",
        }
        self.insert(
            "meta_campaigns",
            campaign_id=campaign_id,
            account_id=account_id,
            data_as_of=READ_AT,
            **(given | values),
        )

    def adset(
        self, adset_id: str, campaign_id: str, account_id: str = ACCOUNT, **values: Any
    ) -> None:
        given = {"name": f"Ad set {adset_id}", "status": "ACTIVE", "effective_status": "ACTIVE"}
        self.insert(
            "meta_adsets",
            adset_id=adset_id,
            campaign_id=campaign_id,
            account_id=account_id,
            data_as_of=READ_AT,
            **(given | values),
        )

    def ad(
        self,
        ad_id: str,
        adset_id: str,
        campaign_id: str,
        account_id: str = ACCOUNT,
        **values: Any,
    ) -> None:
        given = {"name": f"Ad {ad_id}", "status": "ACTIVE", "effective_status": "ACTIVE"}
        self.insert(
            "meta_ads",
            ad_id=ad_id,
            adset_id=adset_id,
            campaign_id=campaign_id,
            account_id=account_id,
            data_as_of=READ_AT,
            **(given | values),
        )

    def tree(self, account_id: str = ACCOUNT, prefix: str = "") -> None:
        """Two campaigns: c1 with s1 (a1, a2) and s2 (a3), c2 with s3 (a4); c3 is empty."""
        self.account(account_id)
        for campaign in ("c1", "c2", "c3"):
            self.campaign(prefix + campaign, account_id)
        for adset, campaign in (("s1", "c1"), ("s2", "c1"), ("s3", "c2")):
            self.adset(prefix + adset, prefix + campaign, account_id)
        for ad, adset, campaign in _ADS:
            self.ad(prefix + ad, prefix + adset, prefix + campaign, account_id)

    def changed_currency(self) -> None:
        """Two accounts of EUR with 10 a day; act_2 was in JPY with 1000, until four days ago."""
        for account, prefix in ((ACCOUNT, ""), ("act_2", "x")):
            self.tree(account, prefix)
            for back in range(1, 7):
                is_yen = account != ACCOUNT and back > 3
                for one, level in ((f"{prefix}a1", "ad"), (account, "account")):
                    self.insight(
                        one,
                        ago(back),
                        account,
                        level=level,
                        spend=1000 if is_yen else 10,
                        clicks=5,
                        currency="JPY" if is_yen else "EUR",
                    )
            self.fetched(map(ago, range(1, 7)), account)
            metrics.rollup(self.connection, account)
        self.connection.commit()

    def insight(
        self,
        ad_id: str = "a1",
        day: date = TODAY,
        account_id: str = ACCOUNT,
        *,
        level: str = "ad",
        until: date | None = None,
        **values: Any,
    ) -> None:
        """One row; for `level` above ad, `ad_id` is the id of that entity."""
        given: dict[str, Any] = {"spend": 0, "impressions": 0, "clicks": 0, "currency": "EUR"}
        self.insert(
            "meta_insights",
            entity_type=level,
            entity_id=ad_id,
            date_start=day,
            date_stop=until or day,
            account_id=account_id,
            **_parents(ad_id, level),
            data_as_of=READ_AT,
            **(given | values),
        )

    def fetched(
        self,
        days: Iterable[date],
        account_id: str = ACCOUNT,
        dataset: str = "insights_ad",
        *,
        at: datetime = READ_AT,
        is_final: bool = False,
        sync: str | None = None,
    ) -> None:
        """Note days in the ledger, as read at `at` by a sync."""
        for day in days:
            self.connection.execute(
                "INSERT INTO meta_ads.sync_windows VALUES (%s, %s, %s, %s, 1, %s, %s)"
                " ON CONFLICT (account_id, dataset, date_start)"
                " DO UPDATE SET fetched_at = excluded.fetched_at, is_final = excluded.is_final,"
                " sync_run_id = excluded.sync_run_id",
                (account_id, dataset, day, at, is_final, sync),
            )
        self.connection.commit()


_ADS = (("a1", "s1", "c1"), ("a2", "s1", "c1"), ("a3", "s2", "c1"), ("a4", "s3", "c2"))


def _parents(entity_id: str, level: str) -> Mapping[str, str]:
    if level == "account":
        return {}
    if level == "campaign":
        return {"campaign_id": entity_id}
    for ad, adset, campaign in _ADS:
        if level == "ad" and entity_id.endswith(ad):
            prefix = entity_id.removesuffix(ad)
            return {
                "campaign_id": prefix + campaign,
                "adset_id": prefix + adset,
                "ad_id": entity_id,
            }
        if level == "adset" and entity_id.endswith(adset):
            return {"campaign_id": entity_id.removesuffix(adset) + campaign, "adset_id": entity_id}
    return {f"{level}_id": entity_id}
