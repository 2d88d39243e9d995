"""The list of ad accounts: who there is to sync, and Dagster's partitions kept in step with it."""

# Dagster reads these annotations at run time: no `from __future__ import annotations` here.
from collections.abc import Sequence

import dagster as dg

from meta_pipeline.orchestration.names import asking
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS, missing_partitions
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.record_metadata import ads_manager_url
from meta_pipeline.orchestration.resources import WarehouseResource
from meta_pipeline.orchestration.runs.pool import keep_slots
from meta_pipeline.orchestration.session import SyncSession
from meta_pipeline.orchestration.tables import AD_ACCOUNTS_KEY, table_spec
from meta_pipeline.printable import markdown
from meta_pipeline.warehouse import schema
from meta_pipeline.warehouse.stores.accounts import AccountRow

HERE = here()

# The list is stored with every event of an asset that is materialized hourly.
_LISTED_AT_MOST = 50


@dg.multi_asset(
    name=HERE.named("ad_accounts"),
    specs=[
        table_spec(
            AD_ACCOUNTS_KEY,
            schema.meta_ad_accounts,
            group="accounts",
            summary="Ad accounts the token can see, listed with one paged call. New ones become "
            "partitions of the other assets; lost ones stay and are marked.",
            docs="https://developers.facebook.com/docs/graph-api/reference/user/accounts/",
        )
    ],
)
@asking
def ad_accounts(
    context: dg.AssetExecutionContext,
    session: dg.ResourceParam[SyncSession],
    warehouse: WarehouseResource,
) -> dg.MaterializeResult[None]:
    """Discover the accounts and add their partitions."""
    discovered = session.discover()
    added = missing_partitions(context.instance, (row.account_id for row in discovered.accounts))
    context.instance.add_dynamic_partitions(str(AD_ACCOUNTS.name), added)
    keep_slots(context.instance, warehouse.settings().max_syncs)
    return dg.MaterializeResult(
        asset_key=AD_ACCOUNTS_KEY,
        metadata={
            "dagster/row_count": len(discovered.accounts),
            "accounts_new": len(discovered.new),
            "accounts_lost": len(discovered.lost),
            "partitions_added": len(added),
            "calls": discovered.calls,
            "duration_seconds": round(discovered.seconds, 3),
            "simulated": dg.MetadataValue.bool(session.is_simulated),
            "accounts": dg.MetadataValue.md(_listing(discovered.accounts)),
        },
    )


def _listing(accounts: Sequence[AccountRow]) -> str:
    lines = ["| account | id | currency | time zone |", "|---|---|---|---|"]
    for row in accounts[:_LISTED_AT_MOST]:
        account_id = str(row.account_id)
        lines.append(
            f"| {markdown(row.name or '')} | [{account_id}]({ads_manager_url(account_id)}) "
            f"| {markdown(row.currency or '')} | {markdown(row.timezone_name or '')} |"
        )
    if len(accounts) > _LISTED_AT_MOST:
        left = len(accounts) - _LISTED_AT_MOST
        lines.append(
            f"\n... and {left:,} more: `meta-pipeline status --limit {len(accounts)}`, or table "
            "`meta_ads.meta_ad_accounts`."
        )
    return "\n".join(lines)
