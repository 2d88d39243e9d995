"""The one dimension of the graph: the ad account. Days live in the rows, not in the keys."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from .place import here

AD_ACCOUNTS = dg.DynamicPartitionsDefinition(name=here().partitions)
"""Keys are ad account ids, `act_<n>`; the discovery adds them and nothing removes them."""

ACCOUNT_TAG = "account"


def missing_partitions(instance: dg.DagsterInstance, account_ids: Iterable[str]) -> list[str]:
    """The accounts that are no partitions yet, each once, in the order of their numbers.

    To be added in one call, as each call rebuilds Dagster's partition caches; the UI shows them in
    the order they were added.
    """
    known = set(instance.get_dynamic_partitions(str(AD_ACCOUNTS.name)))
    return in_order(set(account_ids) - known)


def in_order(account_ids: Iterable[str]) -> list[str]:
    """By their numbers, as a person looks for one in a list: act_9 before act_10."""
    return sorted(account_ids, key=lambda one: (len(one), one))


def account_tags(account_ids: Iterable[str]) -> dict[str, str]:
    """A run tag for each account, by which the list of runs can be filtered.

    A key has one value in a run, so the account is in the key: `account/act_1`.
    """
    return {f"{ACCOUNT_TAG}/{account_id}": "yes" for account_id in account_ids}
