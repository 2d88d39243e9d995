"""The calls of one account: a Graph client whose every call is governed, counted and logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from meta_pipeline.graph import Attempt, GraphClient
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.limits.calls import CallCounter, Pauses
from meta_pipeline.sync.limits.quota import Quota
from meta_pipeline.sync.limits.version_watch import VersionWatch


@dataclass(frozen=True, slots=True)
class CallSession:
    """`client` asks `quota` before each call; `calls` counts them and hands them to telemetry."""

    client: GraphClient
    calls: CallCounter
    quota: Quota

    @classmethod
    def open(
        cls,
        context: SyncContext,
        versions: VersionWatch,
        account_id: str | None = None,
        sync_run_id: str | None = None,
    ) -> Self:
        """A session for one account, None for calls that are of none; of one sync where named."""
        pauses = Pauses()
        quota = Quota(
            account_id,
            thresholds=context.thresholds,
            store=context.warehouse.usage,
            clock=context.clock,
            sleep=context.sleep,
            max_parallel=context.max_parallel_calls,
            on_pause=pauses.note,
        )
        calls = CallCounter(
            sync_run_id, context.telemetry.log, quota.observe, context.weights, pauses
        )

        def note(attempt: Attempt) -> None:
            calls.note(attempt)
            versions.note(attempt)

        return cls(context.client.for_sync(on_attempt=note, gate=quota.gate), calls, quota)
