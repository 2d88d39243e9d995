"""What a caller asks of a sync: which account, which parts of it, which days."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from meta_pipeline.model.part import BY_ID, DEFAULT_PARTS, ENTITIES, Part
from meta_pipeline.model.sync_run import SyncRun

NAMEABLE = ENTITIES | {Part.CREATIVES}
"""The parts whose objects can be read by id."""


@dataclass(frozen=True, slots=True)
class LateField:
    """A field that a custom report had not from its beginning: its column is there since then."""

    report: str
    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One sync to do; raises ValueError for one that cannot be."""

    account_id: str
    parts: frozenset[Part] = DEFAULT_PARTS
    since: date | None = None
    """A day in the ad account's time zone, as `until`, both inclusive; without them the plan
    decides: backfill first, restatement by age later."""
    until: date | None = None
    force: bool = False
    """Read again what is fresh."""
    reason: str = "manual"
    """Why, in a word: `sync_runs.reason`."""
    dagster_run_id: str | None = None
    breakdowns: tuple[tuple[str, ...], ...] = ()
    """Breakdown tables to read; those of the settings where none is named."""
    max_age: timedelta | None = None
    """What is older is stale where the settings still call it fresh: today's numbers, entities."""
    reports: tuple[str, ...] = ()
    """Custom reports to read; all that are for the account where none is named."""
    late_field: LateField | None = None
    """Only this one is read, of the days that were read without it."""
    objects: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    """Ids of entities and creatives, each once, by part; then these are read and nothing else."""

    def __post_init__(self) -> None:
        if not self.account_id.startswith("act_") or not self.account_id[4:].isdigit():
            raise ValueError(
                f"{self.account_id!r} is not an ad account id; it looks like act_1234567890"
            )
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} is after until {self.until}")
        if not self.parts:
            raise ValueError("nothing to sync: name at least one part")
        for part, ids in self.objects.items():
            if part not in NAMEABLE:
                raise ValueError(f"{part} has no objects that could be named by id")
            if not ids or not all(one.isdigit() for one in ids):
                raise ValueError(f"{part}: an id is a number, such as 23850000000000001")

    @property
    def scope(self) -> str:
        """What `sync_runs.scope` says of it: its parts with commas, or that ids were named."""
        return BY_ID if self.objects else ",".join(sorted(self.parts))

    def begun(self, at: datetime) -> SyncRun:
        """The record of this sync, begun on this machine."""
        return SyncRun(
            sync_run_id=uuid.uuid4().hex,
            account_id=self.account_id,
            scope=self.scope,
            started_at=at,
            reason=self.reason,
            since=self.since,
            until=self.until,
            dagster_run_id=self.dagster_run_id,
            host=f"{socket.gethostname()}:{os.getpid()}",
        )
