"""The one dimension of the graph: the ad account. Days live in the rows, not in the keys."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

AD_ACCOUNTS = dg.DynamicPartitionsDefinition(name="ad_account")
"""Keys are ad account ids, `act_<n>`; the discovery adds them and nothing removes them."""

ACCOUNT_TAG = "account"
MAX_ACCOUNTS_PER_RUN = 25
"""Accounts a backfill started in the UI puts into one run: 6 CPU-seconds of start-up for each run
are then 0.25 an account, and three runs still share a fleet of 75."""


def add_accounts(instance: dg.DagsterInstance, account_ids: list[str]) -> list[str]:
    """Make the accounts materializable; returns those that were not before.

    One call for all of them: each call rebuilds Dagster's partition caches. The UI shows them in
    the order they were added, which is that of their numbers.
    """
    known = set(instance.get_dynamic_partitions("ad_account"))
    new = in_order(account_id for account_id in account_ids if account_id not in known)
    if new:
        instance.add_dynamic_partitions("ad_account", new)
    return new


def in_order(account_ids: Iterable[str]) -> list[str]:
    """By their numbers, as a person looks for one in a list: act_9 before act_10."""
    return sorted(account_ids, key=lambda one: (len(one), one))


def account_tags(account_ids: Iterable[str]) -> dict[str, str]:
    """A run tag for each account, by which the list of runs can be filtered.

    A key has one value in a run, so the account is in the key: `account/act_1`.
    """
    return {f"{ACCOUNT_TAG}/{account_id}": "yes" for account_id in account_ids}
