"""Rows as syncs leave them, in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from psycopg import Connection

from meta_pipeline.model.account_state import AccountState
from meta_pipeline.warehouse.stores.rotation_states import rotation_states

from .fleet import NOW

EDGES = ("campaigns", "adsets", "ads")
_ids = count(1)


@dataclass
class Stored:
    """Writes through one connection, committing each."""

    connection: Connection[Any]

    def insert(self, table: str, **values: Any) -> None:
        names, places = ", ".join(values), ", ".join(["%s"] * len(values))
        self.connection.execute(
            f"INSERT INTO meta_ads.{table} ({names}) VALUES ({places})", list(values.values())
        )
        self.connection.commit()

    def account(self, account_id: str = "act_1", **values: Any) -> None:
        known = {"currency": "EUR", "last_listed_at": NOW, "data_as_of": NOW}
        self.insert("meta_ad_accounts", account_id=account_id, **(known | values))

    def entities(self, at: datetime, account_id: str = "act_1", edges: Any = EDGES) -> None:
        for edge in edges:
            self.insert("sync_cursor", account_id=account_id, edge=edge, last_fetched_at=at)

    def days(
        self, days: int, at: datetime, account_id: str = "act_1", *, dataset: str = "insights_ad"
    ) -> None:
        """The newest days of the ledger, today's read at `at`, each older one an hour earlier."""
        for age in range(days):
            self.insert(
                "sync_windows",
                account_id=account_id,
                dataset=dataset,
                date_start=(NOW - timedelta(days=age)).date(),
                fetched_at=at - timedelta(hours=age),
                rows=0,
            )

    def run(
        self, status: str, minutes_ago: float, account_id: str = "act_1", **values: Any
    ) -> None:
        self.insert(
            "sync_runs",
            sync_run_id=f"run-{next(_ids)}",
            account_id=account_id,
            scope="insights",
            started_at=NOW - timedelta(minutes=minutes_ago),
            status=status,
            **values,
        )

    def spend(
        self,
        amount: float,
        days_ago: int,
        level: str = "account",
        entity_id: str = "act_1",
        account_id: str = "act_1",
    ) -> None:
        day = (NOW - timedelta(days=days_ago)).date()
        self.insert(
            "meta_insights",
            entity_type=level,
            entity_id=entity_id,
            account_id=account_id,
            date_start=day,
            date_stop=day,
            spend=amount,
            data_as_of=NOW,
        )

    def campaign(
        self, effective_status: str, campaign_id: str = "c1", account_id: str = "act_1"
    ) -> None:
        self.insert(
            "meta_campaigns",
            campaign_id=campaign_id,
            account_id=account_id,
            effective_status=effective_status,
            data_as_of=NOW,
        )

    def states(self, **options: Any) -> list[AccountState]:
        return rotation_states(self.connection, NOW, **({"currency": "EUR"} | options))

    def state(self, **options: Any) -> AccountState:
        return self.states(**options)[0]
