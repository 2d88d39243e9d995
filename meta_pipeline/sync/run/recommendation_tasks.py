"""What a sync reads of Meta's recommendations, and of which accounts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from meta_pipeline.model.part import Part
from meta_pipeline.settings import Chosen
from meta_pipeline.sync.context import SyncContext
from meta_pipeline.sync.days import SLACK
from meta_pipeline.sync.plan.recommendation_plan import RecommendationPlan
from meta_pipeline.sync.read.peers import Peer, peers_of
from meta_pipeline.sync.read.recommendations import (
    HISTORY,
    LIST,
    MOST_ACCOUNTS,
    RecommendationReader,
)
from meta_pipeline.sync.read.score_history import history_slices
from meta_pipeline.sync.rows.entity_mapping import Source
from meta_pipeline.sync.rows.unrecognized import Findings

from .fetching import Task
from .session import CallSession


@dataclass(frozen=True, slots=True)
class RecommendationTasks:
    """The list and the history, apart: either may be refused alone."""

    context: SyncContext
    session: CallSession
    source: Source
    findings: Findings

    def of(self, planned: RecommendationPlan) -> Iterator[Task]:
        """The tasks of one plan."""
        client, source, warehouse = self.session.client, self.source, self.context.warehouse
        if planned.is_list_due:
            reader = RecommendationReader(
                client, source, warehouse, self.findings, plan=planned, peers=self._peers
            )
            yield Task(Part.RECOMMENDATIONS, LIST, reader.slices)
        if planned.history_since is not None and planned.history_until is not None:
            history = partial(
                history_slices,
                client,
                source,
                warehouse,
                self.findings,
                since=planned.history_since,
                until=planned.history_until,
            )
            yield Task(Part.RECOMMENDATIONS, HISTORY, history)

    def _peers(self, business_id: str) -> list[Peer]:
        """Accounts of the business that the same call may bring: they are due, the settings want
        them, and they are read through the same connection.
        """
        now, policy = self.source.data_as_of, self.context.policy
        found = peers_of(
            self.context.warehouse,
            business_id,
            self.source.account_id,
            not_since=now - policy.recommendations_every * SLACK,
            refused_since=now - policy.score_history_every * SLACK,
            now=now,
        )
        wanted = self.context.extras.accounts.get(Part.RECOMMENDATIONS, Chosen())
        peers = [one for one in found if one.account_id in wanted]
        # Those that other connections read come with the sync of an account of theirs.
        connections, own = self.context.connections, self.session.connection
        if connections is not None and own is not None and peers:
            reach = connections.reach()
            peers = [one for one in peers if reach.usable(one.account_id)[:1] == [own.details]]
        return peers[: MOST_ACCOUNTS - 1]
