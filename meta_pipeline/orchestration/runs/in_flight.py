"""Runs in flight as the Dagster instance knows them; `fleet.in_flight` says whose they are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import dagster as dg

from meta_pipeline.fleet.in_flight import ACCOUNTS, UNFINISHED, InFlight
from meta_pipeline.orchestration.partitions import AD_ACCOUNTS
from meta_pipeline.orchestration.place import here

logger = logging.getLogger("meta_pipeline.orchestration")


def in_flight(instance: dg.DagsterInstance) -> InFlight:
    """Look once, whoever started the runs: the sensor, a person, a backfill, a retry."""
    return InFlight.of(
        _unfinished(instance),
        lambda: instance.get_dynamic_partitions(str(AD_ACCOUNTS.name)),
        here().named(ACCOUNTS),
    )


def _unfinished(instance: dg.DagsterInstance) -> Iterator[tuple[Mapping[str, str], Any]]:
    asked = dg.RunsFilter(statuses=[dg.DagsterRunStatus(status) for status in UNFINISHED])
    try:
        yield from [
            (run.tags, run.run_config)
            for run in instance.get_runs(filters=asked)
            if here().has(run)
        ]
        return
    except Exception:  # Dagster reads all of them or none: then one by one
        logger.exception("Not every unfinished run can be read")
    # Ids can be read where the runs themselves cannot.
    for run_id in instance.get_run_ids(filters=asked):
        with suppress(Exception):
            if (run := instance.get_run_by_id(run_id)) is not None and here().has(run):
                yield run.tags, run.run_config
