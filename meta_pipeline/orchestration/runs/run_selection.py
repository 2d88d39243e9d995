"""Which assets a run of the sensor is asked for: what is due, and the extras that are on.

Dagster plans every partition of a run, and shows those red that a failing run planned and did not
bring: extras that are off for all of a run's accounts are no part of it, nor do they cost a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from meta_pipeline.fleet import Batch, DuePart
from meta_pipeline.orchestration.metric_metadata import FOLLOWING_CHECKS, FOLLOWING_KEYS
from meta_pipeline.orchestration.tables import (
    DELIVERY,
    ENTITY_EXTRAS,
    INSIGHT_EXTRAS,
    STRUCTURE,
)
from meta_pipeline.sync import Extras, Part

CHANGES = tuple(table for table in ENTITY_EXTRAS if table.part is Part.ACTIVITIES)
"""Read with every sync, whatever else is due."""

_EXTRAS = {
    DuePart.ENTITIES: ENTITY_EXTRAS,
    DuePart.INSIGHTS: (*CHANGES, *INSIGHT_EXTRAS),
}
_PLAIN = {
    DuePart.ENTITIES: tuple(table.key for table in STRUCTURE),
    DuePart.INSIGHTS: (*(table.key for table in DELIVERY), *FOLLOWING_KEYS),
}


@dataclass(frozen=True)
class RunSelection:
    """`assets` and `checks` of a run, and the account of its partition.

    A run of many accounts has one partition in its tags: of an account that all its extras are on
    for, where there is one.
    """

    assets: Sequence[dg.AssetKey]
    checks: Sequence[dg.AssetCheckKey]
    account_id: str

    @classmethod
    def of(cls, run: Batch, extras: Extras) -> RunSelection:
        on = {pick.account_id: extras.on(pick.account_id) for pick in run.picks}
        # On for any of the accounts; the change log may be due twice.
        accounts = list(on)
        wanted = {table.name: table for part in sorted(run.parts) for table in _EXTRAS[part]}
        tables = [
            table
            for table in wanted.values()
            if any(table.is_on(account_id, extras) for account_id in accounts)
        ]
        parts = {table.part for table in tables}
        plain = [key for part in sorted(run.parts) for key in _PLAIN[part]]
        return cls(
            assets=[*plain, *(table.key for table in tables)],
            checks=FOLLOWING_CHECKS if DuePart.INSIGHTS in run.parts else [],
            account_id=max(on, key=lambda account_id: len(on[account_id] & parts)),
        )
