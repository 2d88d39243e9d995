"""Campaigns, ad sets and ads as they are set up: names, status, budget, where they belong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg.rows import class_row

from meta_pipeline.warehouse import Connection

LEVELS = ("campaign", "adset", "ad")
LABELS = {"campaign": "Campaigns", "adset": "Ad sets", "ad": "Ads"}
SINGULAR = {"campaign": "campaign", "adset": "ad set", "ad": "ad", "account": "account"}
STATUSES: Mapping[str, tuple[str, ...]] = {
    "active": ("ACTIVE",),
    "paused": ("PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED"),
    "in review": ("PENDING_REVIEW", "IN_PROCESS", "PREAPPROVED", "PENDING_BILLING_INFO"),
    "with issues": ("WITH_ISSUES", "DISAPPROVED"),
    "archived": ("ARCHIVED",),
    "deleted": ("DELETED",),
}
"""Groups of Meta's `effective_status` (FACTS section 4), as people look for them."""
_ADS_MANAGER = "https://adsmanager.facebook.com/adsmanager/manage"
_PLURAL = {"campaign": "campaigns", "adset": "adsets", "ad": "ads"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRow:
    """One campaign, ad set or ad; what a level does not have is None."""

    level: str
    """`campaign`, `adset` or `ad`."""
    id: str
    account_id: str
    account_name: str | None
    campaign_id: str
    campaign_name: str | None
    adset_id: str | None
    adset_name: str | None
    name: str | None
    effective_status: str | None
    """Meta's word, which counts what stands above it: `CAMPAIGN_PAUSED`."""
    is_deleted: bool
    """Whether Meta lists it no more; Meta's own status may still say otherwise."""
    daily_budget: Decimal | None
    """In the account's currency, not in cents."""
    lifetime_budget: Decimal | None
    currency: str | None
    created_time: datetime | None
    data_as_of: datetime
    """When Meta was last asked about it."""

    @property
    def label(self) -> str:
        return self.name or self.id

    @property
    def status(self) -> str:
        """Meta's word in small letters: `campaign paused`, `active`."""
        if self.is_deleted:
            return "deleted"
        return (self.effective_status or "unknown").replace("_", " ").lower()

    @property
    def child_level(self) -> str | None:
        return {"campaign": "adset", "adset": "ad"}.get(self.level)

    @property
    def ads_manager(self) -> str:
        """The page of this very thing in Ads Manager."""
        act = self.account_id.removeprefix("act_")
        return f"{_ADS_MANAGER}/{_PLURAL[self.level]}?act={act}&selected_{self.level}_ids={self.id}"


def entities(connection: Connection, level: str, ids: Sequence[str]) -> dict[str, EntityRow]:
    """The entities of these ids."""
    cursor = connection.cursor(row_factory=class_row(EntityRow))
    rows = cursor.execute(_SQL[level], (list(ids),)).fetchall()
    return {row.id: row for row in rows}


_COMMON = """
    f.account_id, account.name AS account_name, f.name, f.effective_status, f.is_deleted,
    account.currency, f.created_time, f.data_as_of
"""
# Left joins: what an entity belongs to may not have been read yet.
_ACCOUNT = "LEFT JOIN meta_ads.meta_ad_accounts AS account ON account.account_id = f.account_id"
_CAMPAIGN = "LEFT JOIN meta_ads.meta_campaigns AS c ON c.campaign_id = f.campaign_id"
_ADSET = "LEFT JOIN meta_ads.meta_adsets AS s ON s.adset_id = f.adset_id"
_SQL = {
    "campaign": f"""
        SELECT 'campaign' AS level, f.campaign_id AS id, f.campaign_id,
               f.name AS campaign_name, NULL AS adset_id, NULL AS adset_name,
               f.daily_budget, f.lifetime_budget, {_COMMON}
        FROM meta_ads.meta_campaigns AS f {_ACCOUNT} WHERE f.campaign_id = ANY (%s::text[])
    """,
    "adset": f"""
        SELECT 'adset' AS level, f.adset_id AS id, f.campaign_id, c.name AS campaign_name,
               f.adset_id, f.name AS adset_name, f.daily_budget, f.lifetime_budget, {_COMMON}
        FROM meta_ads.meta_adsets AS f {_ACCOUNT} {_CAMPAIGN} WHERE f.adset_id = ANY (%s::text[])
    """,
    "ad": f"""
        SELECT 'ad' AS level, f.ad_id AS id, f.campaign_id, c.name AS campaign_name,
               f.adset_id, s.name AS adset_name, NULL::numeric AS daily_budget,
               NULL::numeric AS lifetime_budget, {_COMMON}
        FROM meta_ads.meta_ads AS f {_ACCOUNT} {_CAMPAIGN} {_ADSET} WHERE f.ad_id = ANY (%s::text[])
    """,
}
