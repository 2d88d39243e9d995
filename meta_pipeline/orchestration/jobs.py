"""The jobs a person finds in the UI."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from .accounts_asset import AD_ACCOUNTS_KEY
from .tables import DELIVERY, STRUCTURE, AccountTable

MAX_RUNTIME_SECONDS = 7200


def _keys(*groups: Sequence[AccountTable]) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*(table.key for group in groups for table in group))


def build_jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """Jobs over the assets; dates and `force` are chosen in the launchpad."""
    return [
        _job(
            "discover_accounts",
            dg.AssetSelection.assets(AD_ACCOUNTS_KEY),
            "Refresh the list of ad accounts; new ones become partitions.",
        ),
        _job(
            "sync_account",
            _keys(STRUCTURE, DELIVERY),
            "Sync an ad account: campaigns, ad sets and ads, then insights. Choose the partition "
            "of the account; without dates the plan reads what is missing or may have changed.",
        ),
        _job(
            "entities_only",
            _keys(STRUCTURE),
            "Refresh the structure of an ad account: campaigns, ad sets and ads.",
        ),
        _job(
            "insights_only",
            _keys(DELIVERY),
            "Read the insights of an ad account, of a range of days where one is given.",
        ),
    ]


def _job(
    name: str, selection: dg.AssetSelection, description: str
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=selection,
        description=description,
        tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)},
    )
