"""The calls of one account: a Graph client whose every call is governed, counted and logged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from meta_pipeline.graph import Attempt, GraphClient, GraphError
from meta_pipeline.model.sync_run import SyncRun
from meta_pipeline.model.usage import APP
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.limits.calls import CallCounter, Pauses
from meta_pipeline.sync.limits.quota import Quota
from meta_pipeline.sync.limits.version_watch import VersionWatch

if TYPE_CHECKING:
    from meta_pipeline.connections import UsableConnection


@dataclass(slots=True)
class CallSession:
    """`client` asks `quota` before each call; `calls` counts them and hands them to telemetry.

    `connection` is whose token is used now, None where the context knows no connections. When Meta
    calls it dead, or no longer lets it read the account, or refuses its app, the account's calls go
    on over the next connection that reaches it.
    """

    client: GraphClient
    calls: CallCounter
    quota: Quota
    connection: UsableConnection | None = None

    @classmethod
    def open(
        cls,
        context: SyncContext,
        versions: VersionWatch,
        account_id: str | None = None,
        sync_run_id: str | None = None,
        connection: UsableConnection | None = None,
    ) -> Self:
        """A session for one account, None for calls that are of none; of one sync where named.

        `connection` is the one to use, else the best that reaches the account. Raises Reauthorize
        when none does.
        """
        usable = connection
        if usable is None and context.connections is not None:
            chosen = context.connections
            usable = chosen.of_account(account_id) if account_id else chosen.any()
        pauses = Pauses()
        quota = Quota(
            account_id,
            thresholds=context.thresholds,
            store=context.warehouse.usage,
            clock=context.clock,
            sleep=context.sleep,
            max_parallel=context.max_parallel_calls,
            on_pause=pauses.note,
            app=usable.details.app if usable else APP,
        )
        calls = CallCounter(
            sync_run_id, context.telemetry.log, quota.observe, context.weights, pauses
        )
        session = cls(context.client, calls, quota, usable)

        def note(attempt: Attempt) -> None:
            calls.note(attempt)
            versions.note(attempt)

        avoided = None
        if context.connections is not None:
            from meta_pipeline.connections import Avoided  # noqa: PLC0415 - loaded already

            avoided = Avoided()

        def follow(error: GraphError) -> GraphClient | None:
            connections, left = context.connections, session.connection
            assert connections is not None and avoided is not None  # noqa: PT018
            assert left is not None and account_id is not None  # noqa: PT018
            asking = left.client.with_options(on_attempt=note, gate=quota.gate)
            ask = partial(asking.refusal_of, account_id)
            following = connections.after(left, error, account_id, avoided, ask)
            if following is None:
                return None
            session.connection = following
            quota.go_on_as(following.details.app)
            return following.client.with_options(on_attempt=note, gate=quota.gate)

        # Whoever asks over a connection that it names wants an answer of this very one.
        may_follow = usable is not None and account_id is not None and connection is None
        client = usable.client if usable else context.client
        session.client = client.with_options(
            on_attempt=note, gate=quota.gate, successor=follow if may_follow else None
        )
        return session

    def note_connection(self, record: SyncRun) -> None:
        """Write into the record whose token its calls use now, and whose meters count."""
        record.connection_id = self.connection.details.connection_id if self.connection else None
        record.app_key = self.quota.app
