"""What is already asked for: the accounts of every run that is queued or under way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
"""Dagster's own list of runs in progress leaves out those that wait."""

PARTITION_TAG = "dagster/partition"
ACCOUNTS = "accounts"
ACCOUNT_PREFIX = "account/"
"""A run is tagged with each account it is about: `account/act_1`."""
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class InFlight:
    """`runs` is the number of unfinished runs that sync accounts, `accounts` whose they are."""

    runs: int = 0
    accounts: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        runs: Iterable[tuple[Mapping[str, str], Mapping[str, Any]]],
        partitions: Callable[[], Sequence[str]],
        chosen_by: str = ACCOUNTS,
    ) -> InFlight:
        """Those of the unfinished runs, each given by its tags and its config.

        `partitions` looks up all partition keys in the order they were added; it is called only
        when a run is of a range; `chosen_by` is the part of the config that names accounts.
        """
        look_up = cache(partitions)

        def between(first: str, last: str) -> Sequence[str]:
            keys = look_up()
            try:
                return keys[keys.index(first) : keys.index(last) + 1]
            except ValueError:  # a key that was deleted meanwhile
                return first, last

        by_run = [frozenset(_accounts(tags, config, between, chosen_by)) for tags, config in runs]
        return cls(sum(map(bool, by_run)), frozenset[str]().union(*by_run))


def _accounts(
    tags: Mapping[str, str],
    config: Mapping[str, Any],
    between: Callable[[str, str], Sequence[str]],
    chosen_by: str,
) -> Iterator[str]:
    """A partition's, a range's, those that the run's config names, and those it is tagged with."""
    if account_id := tags.get(PARTITION_TAG):
        yield account_id
    first, last = (tags.get(name) for name in RANGE_TAGS)
    if first and last:
        yield from between(first, last)
    yield from (
        name.removeprefix(ACCOUNT_PREFIX) for name in tags if name.startswith(ACCOUNT_PREFIX)
    )
    chosen: Any = config
    for name in ("resources", chosen_by, "config"):
        chosen = _mapping(chosen).get(name)
    named = _mapping(chosen).get("ids")
    if isinstance(named, list):
        yield from (account for account in named if isinstance(account, str))


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value, or nothing: a run's config is what somebody typed, refused or not."""
    return value if isinstance(value, Mapping) else {}
