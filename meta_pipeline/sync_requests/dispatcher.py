"""The dispatcher: what is open is settled, joined to what runs, or taken, by rules of `claims`.

It reads and writes tables only; the sensor tells it which runs there are and starts those it gives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meta_pipeline.governor import Thresholds, stops
from meta_pipeline.model.part import DEFAULT_PARTS, INSIGHTS
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT
from meta_pipeline.moments import LONG_AGO, past
from meta_pipeline.warehouse import SyncRequestRow, Warehouse

from .claims import Claim, claims, is_due, joinable

MOST_ATTEMPTS = 3
"""Runs that ended before they synced anything, until a request is given up."""
_LOST_AFTER = timedelta(minutes=2)
"""A claim that no run was made for: the tick that took it did not live to ask for one."""
# A few ticks of the sensor: time for whatever ended the run to pass.
_AGAIN_AFTER = timedelta(seconds=15)
# Of several syncs of one account in a run, which one its requests are told of.
_GRAVEST = (Status.FAIL, Status.THROTTLED, Status.REFUSED, Status.PARTIAL, Status.SUCCESS)


@dataclass(frozen=True, slots=True)
class RunState:
    """A run that serves a claim: its id, and whether it has ended."""

    run_id: str
    is_finished: bool


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Serves `sync_requests` by the governor's `thresholds`."""

    warehouse: Warehouse
    thresholds: Thresholds
    accounts_per_run: int = 25

    def settle(self, runs: Mapping[str, RunState], now: datetime) -> None:
        """Close what has been served, with its outcome; let wait again what could not be.

        `runs` are those of the claims that are open, by claim.
        """
        store = self.warehouse.sync_requests
        served: dict[str, list[SyncRequestRow]] = {}
        for row in store.open(["running"]):
            if row.claim_id:
                served.setdefault(row.claim_id, []).append(row)
        for claim_id, rows in served.items():
            run = runs.get(claim_id)
            if run is None:
                lost = [
                    row
                    for row in rows
                    if now - (past(row.claimed_at, now) or LONG_AGO) >= _LOST_AFTER
                ]
                self._again(lost, "Its run was never started; it is asked for again.", None, now)
                continue
            # Written when the run is seen: the tick that asked for it may have died before Dagster
            # answered.
            if any(row.dagster_run_id is None for row in rows):
                store.serve(claim_id, run.run_id)
            if run.is_finished:
                self._ended(rows, run.run_id, now)

    def take(self, now: datetime, *, busy: Collection[str] = ()) -> list[Claim]:
        """Claim what may start now. `busy` are accounts whose sync is asked for or under way.

        Requests of a blocked account stay pending and say until when; what a sync under way
        brings anyway joins it.
        """
        store = self.warehouse.sync_requests
        rows = store.open()
        # When it was claimed tells how old what it reads is; of the future that says nothing.
        running = [
            replace(row, claimed_at=past(row.claimed_at, now))
            for row in rows
            if row.state == "running"
        ]
        pending = [row for row in rows if row.state == "pending"]
        claimed_at = {row.claim_id: row.claimed_at or now for row in running}
        # Joined first: what a sync under way brings costs nothing more.
        joined: set[str] = set()
        for claim_id, ids in joinable(pending, running).items():
            joined.update(store.claim(ids, claim_id, claimed_at[claim_id]))
        left = [row for row in pending if row.request_id not in joined]
        taken = {*busy, *(row.account_id for row in running)}
        blocked = self._blocked(left, taken, now)
        store.wait(
            {row.request_id: blocked[row.account_id] for row in left if row.account_id in blocked}
        )
        claimed = claims(left, now, busy={*taken, *blocked}, accounts_per_run=self.accounts_per_run)
        # Where two look at once, each serves what it got.
        got = ((claim, store.claim(claim.request_ids, claim.claim_id, now)) for claim in claimed)
        return [claim for claim, ids in got if ids]

    def _blocked(
        self, pending: Iterable[SyncRequestRow], taken: Collection[str], now: datetime
    ) -> dict[str, tuple[str, datetime]]:
        """The accounts that may not be called now: why, and until when."""
        asked: dict[str, set[str]] = {}
        for row in pending:
            if row.account_id not in taken and is_due(row, now):
                use_cases = asked.setdefault(row.account_id, set())
                parts = set() if row.is_named else set(row.parts or map(str, DEFAULT_PARTS))
                if not parts.isdisjoint(map(str, INSIGHTS)):
                    use_cases.add(ADS_INSIGHTS)
                # Objects that are named are read by id, whatever they are.
                if row.is_named or parts.difference(map(str, INSIGHTS)):
                    use_cases.add(ADS_MANAGEMENT)
        if not asked:
            return {}
        apps = self.warehouse.runs.apps(asked)
        readings = self.warehouse.usage.current([*set(apps.values()), *asked])
        stopped = stops(asked, apps, readings, now, self.thresholds)
        return {each: (f"It waits: {why}.", until) for each, (until, why, _) in stopped.items()}

    def _ended(self, rows: Sequence[SyncRequestRow], run_id: str, now: datetime) -> None:
        syncs: dict[str, list[SyncRun]] = {}
        for sync in self.warehouse.runs.of_dagster_run(run_id):
            syncs.setdefault(sync.account_id, []).append(sync)
        by_account: dict[str, list[SyncRequestRow]] = {}
        for row in rows:
            by_account.setdefault(row.account_id, []).append(row)
        for account_id, some in by_account.items():
            self._close(some, syncs.get(account_id, []), now)

    def _close(
        self, rows: Sequence[SyncRequestRow], syncs: Sequence[SyncRun], now: datetime
    ) -> None:
        statuses = {one.status for one in syncs}
        worst = next((status for status in _GRAVEST if status in statuses), None)
        told = next((one for one in syncs if one.status is worst), None)
        why = told.error_summary if told else None
        ids, store = [row.request_id for row in rows], self.warehouse.sync_requests
        # A run that has ended with a sync still running was killed: nobody will close that row for
        # it.
        if worst is None or Status.RUNNING in statuses:
            self._again(rows, "Its run ended before the sync did.", now + _AGAIN_AFTER, now)
        # No failure, and no attempt: the account was taken.
        elif worst is Status.REFUSED:
            taken = f"Another sync of the account runs. {why or ''}".strip()
            store.wait(dict.fromkeys(ids, (taken, now + _AGAIN_AFTER)))
        elif worst is Status.THROTTLED:
            until = told.not_before if told else None
            why = f"It waits: {why or 'Meta refuses calls'}"
            store.wait(dict.fromkeys(ids, (why, until or now + _AGAIN_AFTER)))
        else:
            store.finish(
                ids,
                now,
                state="failed" if worst is Status.FAIL else "done",
                outcome=str(worst),
                message=why or _summary(syncs),
                sync_run_ids=[one.sync_run_id for one in syncs],
            )

    def _again(
        self, rows: Sequence[SyncRequestRow], why: str, until: datetime | None, now: datetime
    ) -> None:
        by_attempts: dict[int, list[str]] = {}
        for row in rows:
            by_attempts.setdefault(row.attempts, []).append(row.request_id)
        for attempts, ids in by_attempts.items():
            if attempts < MOST_ATTEMPTS:
                self.warehouse.sync_requests.wait(dict.fromkeys(ids, (why, until)))
                continue
            self.warehouse.sync_requests.finish(
                ids,
                now,
                state="failed",
                outcome=None,
                message=f"{why} That happened {attempts} times: see its runs in Dagster.",
            )


def _summary(syncs: Sequence[SyncRun]) -> str:
    calls = sum(one.meta_call_count_total for one in syncs)
    entities = sum(one.entity_rows_written for one in syncs)
    insights = sum(one.insights_rows_written for one in syncs)
    return (
        f"Synced with {calls} call{'' if calls == 1 else 's'}: {entities} entity rows and "
        f"{insights} insight rows were new or changed."
    )
