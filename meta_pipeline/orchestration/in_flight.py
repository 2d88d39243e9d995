"""What is already asked for: the accounts of every run that is queued or under way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from .partitions import AD_ACCOUNTS

logger = logging.getLogger("meta_pipeline.orchestration")

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
"""Dagster's own list of runs in progress leaves out those that wait."""


@dataclass(frozen=True)
class InFlight:
    """`runs` is the number of unfinished runs that sync accounts, `accounts` whose they are."""

    runs: int
    accounts: frozenset[str]


def in_flight(instance: dg.DagsterInstance) -> InFlight:
    """Look once, whoever started the runs: the sensor, a person, a backfill, a retry."""
    keys = _Keys(instance)
    found = [frozenset(_accounts(run, keys)) for run in _unfinished(instance)]
    return InFlight(sum(map(bool, found)), frozenset[str]().union(*found))


def _unfinished(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    asked = dg.RunsFilter(statuses=list(UNFINISHED))
    try:
        yield from instance.get_runs(filters=asked)
        return
    except Exception:  # Dagster reads all of them or none: then one by one
        logger.exception("Not every unfinished run can be read")
    for run_id in instance.get_run_ids(filters=asked):
        with suppress(Exception):
            if (run := instance.get_run_by_id(run_id)) is not None:
                yield run


@dataclass(frozen=True)
class _Keys:
    """The partition keys in the order they were added; read when a range has to be looked up."""

    instance: dg.DagsterInstance

    @cached_property
    def all(self) -> Sequence[str]:
        return self.instance.get_dynamic_partitions(str(AD_ACCOUNTS.name))

    def between(self, first: str, last: str) -> Sequence[str]:
        try:
            return self.all[self.all.index(first) : self.all.index(last) + 1]
        except ValueError:  # a key that was deleted meanwhile
            return (first, last)


def _accounts(run: dg.DagsterRun, keys: _Keys) -> Iterator[str]:
    if account_id := run.tags.get(PARTITION_NAME_TAG):
        yield account_id
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG)
    if first and last:
        yield from keys.between(first, last)
    for step in _mapping(_mapping(run.run_config).get("ops")).values():
        accounts = _mapping(_mapping(step).get("config")).get("accounts")
        if isinstance(accounts, list):
            yield from (account for account in accounts if isinstance(account, str))


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value, or nothing: a run's config is what somebody typed, refused or not."""
    return value if isinstance(value, Mapping) else {}
