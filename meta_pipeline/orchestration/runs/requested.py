"""Runs that somebody asked for: how they are requested, found again, and tell how far they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from meta_pipeline.fleet.in_flight import UNFINISHED
from meta_pipeline.model.part import DEFAULT_PARTS, INSIGHTS, Part
from meta_pipeline.orchestration.configuration import run_config
from meta_pipeline.orchestration.metric_metadata import FOLLOWING_CHECKS, FOLLOWING_KEYS
from meta_pipeline.orchestration.partitions import account_tags
from meta_pipeline.orchestration.place import here
from meta_pipeline.orchestration.tables import DELIVERY, ENTITY_EXTRAS, INSIGHT_EXTRAS, STRUCTURE
from meta_pipeline.sync import Extras, Progress
from meta_pipeline.sync_requests import Claim, RunState
from meta_pipeline.warehouse import Warehouse

from .batches import tags_of_batch

CLAIM_TAG = "meta_pipeline/sync_request"
NAMED_OBJECTS = "sync_named_objects"
PRIORITY = "10"
"""Before what is due anyway: somebody waits."""
# Each note is an UPDATE beside the sync's own writes.
NOTE_EVERY = timedelta(seconds=2)
_WHY_CHARACTERS = 500
_TABLES = (*STRUCTURE, *DELIVERY, *ENTITY_EXTRAS, *INSIGHT_EXTRAS)


def run_request(claim: Claim, extras: Extras, job_name: str) -> dg.RunRequest:
    """The run that serves a claim: of its accounts' assets, or of the objects it names."""
    accounts = list(claim.rows)
    tags = {
        CLAIM_TAG: claim.claim_id,
        "reason": "requested",
        "why": claim.why[:_WHY_CHARACTERS],
        "dagster/priority": PRIORITY,
        **account_tags(accounts),
    }
    if claim.scope.is_named:
        return dg.RunRequest(
            run_key=claim.claim_id, job_name=here().named(NAMED_OBJECTS), tags=tags
        )
    first, is_one = accounts[0], len(accounts) == 1
    parts = _parts(claim, extras)
    return dg.RunRequest(
        run_key=claim.claim_id,
        job_name=job_name,
        partition_key=first if is_one else None,
        run_config=_config(claim, [] if is_one else accounts),
        tags=tags if is_one else {**tags, **tags_of_batch(first)},
        asset_selection=[
            *(table.key for table in _TABLES if table.part in parts),
            *(FOLLOWING_KEYS if Part.INSIGHTS in parts else ()),
        ],
        asset_check_keys=list(FOLLOWING_CHECKS) if Part.INSIGHTS in parts else [],
    )


def _parts(claim: Claim, extras: Extras) -> frozenset[Part]:
    if claim.scope.parts is not None:
        return claim.scope.parts
    on = frozenset[Part]().union(*(extras.on(account_id) for account_id in claim.rows))
    return DEFAULT_PARTS | on


def _config(claim: Claim, accounts: list[str]) -> dict[str, Any]:
    scope = claim.scope
    chosen: dict[str, dict[str, object]] = {}
    if scope.force:
        chosen["freshness"] = {"force": True}
    elif scope.max_age_seconds:
        chosen["freshness"] = {"max_age_seconds": scope.max_age_seconds}
    if accounts:
        chosen["accounts"] = {"ids": accounts}
    days = {
        name: day.isoformat()
        for name, day in (("since", scope.since), ("until", scope.until))
        if day is not None
    }
    if days and (scope.parts is None or scope.parts & INSIGHTS):
        chosen["days"] = dict(days)
    return run_config(**chosen)


def runs_of(instance: dg.DagsterInstance, claim_ids: list[str]) -> dict[str, RunState]:
    """The newest run of each claim that has one."""
    if not claim_ids:
        return {}
    runs = instance.get_runs(filters=dg.RunsFilter(tags={CLAIM_TAG: claim_ids}))
    # Newest first: a run that was started again has the same tag, and the newest is put in last.
    return {
        run.tags[CLAIM_TAG]: RunState(run.run_id, run.status.value not in UNFINISHED)
        for run in reversed(runs)
    }


def note_for(
    warehouse: Warehouse,
    tags: Mapping[str, str],
    account_id: str,
    clock: Callable[[], datetime],
) -> Callable[[Progress], None] | None:
    """Writes how far the sync is for those who asked for the run; None where nobody did."""
    claim_id = tags.get(CLAIM_TAG)
    if claim_id is None:
        return None
    noted: list[datetime] = []

    def note(progress: Progress) -> None:
        now = clock()
        # A clock that was set back must not silence it until it has caught up.
        if noted and timedelta(0) <= now - noted[-1] < NOTE_EVERY:
            return
        noted[:] = [now]
        facts = {
            "step": progress.step,
            "rows": progress.rows,
            "calls": progress.calls,
            "seconds": round(progress.seconds, 1),
            "quota_pct": progress.quota_pct,
            "seconds_left": progress.seconds_left,
            "sentence": progress.sentence,
        }
        warehouse.sync_requests.note_progress(claim_id, account_id, facts)

    return note
