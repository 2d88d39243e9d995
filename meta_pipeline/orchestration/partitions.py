"""The one dimension of the graph: the ad account. Days live in the rows, not in the keys."""

from __future__ import annotations

import dagster as dg

AD_ACCOUNTS = dg.DynamicPartitionsDefinition(name="ad_account")
"""Keys are ad account ids, `act_<n>`; the discovery adds them and nothing removes them."""

MAX_ACCOUNTS_PER_RUN = 25
"""Accounts a backfill started in the UI puts into one run: 6 CPU-seconds of start-up for each run
are then 0.25 an account, and three runs still share a fleet of 75."""


def add_accounts(instance: dg.DagsterInstance, account_ids: list[str]) -> list[str]:
    """Make the accounts materializable; returns those that were not before.

    One call for all of them: each call rebuilds Dagster's partition caches.
    """
    known = set(instance.get_dynamic_partitions("ad_account"))
    new = [account_id for account_id in account_ids if account_id not in known]
    if new:
        instance.add_dynamic_partitions("ad_account", new)
    return new
