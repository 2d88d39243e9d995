"""The plan of a sync: what it will read and what that costs, before anything runs.

`meta-pipeline plan` prints it, the governor and the budget weigh it, and the sync does it: one
object for all three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from meta_pipeline.governor import Needs
from meta_pipeline.model.part import EXTRAS, Part
from meta_pipeline.model.usage import ADS_INSIGHTS, ADS_MANAGEMENT, CUSTOM_AUDIENCE

from .edge_plan import EdgePlan, calls_by_id
from .recommendation_plan import RecommendationPlan
from .window import Window


@dataclass(frozen=True, slots=True)
class Plan:
    """What one sync will read. Days are in the account's zone."""

    account_id: str
    timezone_name: str | None
    since: date | None
    """First of the days that were looked at, due or not; None where no insights are wanted."""
    until: date | None
    edges: tuple[EdgePlan, ...] = ()
    windows: tuple[Window, ...] = ()
    """Newest first, extras last."""
    activities_since: datetime | None = None
    recommendations: RecommendationPlan | None = None
    objects: Mapping[Part, tuple[str, ...]] = field(default_factory=dict)
    """Ids to be read and nothing else, by part; there are no edges and no windows then."""
    notes: tuple[str, ...] = ()
    """What is read otherwise than asked for, as sentences."""
    first_days: Mapping[str, date] = field(default_factory=dict)
    """Where the backfill of each dataset begins, unless the days were asked for."""
    days_fresh: int = 0
    """Days of all datasets together that are not read again, fresh or final."""
    days_later: int = 0
    """Days whose windows are sized when the newest ones have shown how many rows a day has."""
    reads_account: bool = False
    """Whether the ad account's own node is read before; once a day."""

    @property
    def is_empty(self) -> bool:
        nothing = not self.edges and not self.windows and not self.objects
        return nothing and self.activities_since is None and self.recommendations is None

    @property
    def edge_calls(self) -> int:
        named = sum(calls_by_id(len(ids)) for ids in self.objects.values())
        advised = self.recommendations.calls if self.recommendations else 0
        listed = sum(edge.calls for edge in self.edges)
        return listed + bool(self.activities_since) + advised + named

    @property
    def insights_calls(self) -> int:
        return sum(window.calls for window in self.windows)

    @property
    def calls(self) -> int:
        """Calls Meta will count, if the sizes are as the ledger suggests."""
        return self.edge_calls + self.insights_calls + self.reads_account

    @property
    def rows(self) -> int:
        """Insight rows expected; 0 where nothing is known of the account yet."""
        return sum(window.expected_rows for window in self.windows)

    @property
    def days(self) -> int:
        return sum(window.days for window in self.windows)

    def needs(self, weighted_cost: float) -> Needs:
        """The plan as the governor and the budget weigh it."""
        others = {Part.ACTIVITIES} if self.activities_since is not None else set[Part]()
        if self.recommendations is not None:
            others.add(Part.RECOMMENDATIONS)
        edges = {edge.spec.part for edge in self.edges}
        parts = edges | {window.dataset.part for window in self.windows} | others
        optional = tuple(str(part) for part in EXTRAS if part in parts)
        is_extra = bool(optional) and parts <= set(EXTRAS)
        use_cases = set[str]()
        if edges - {Part.CUSTOM_AUDIENCES} or self.objects:
            use_cases.add(ADS_MANAGEMENT)
        # A meter of its own: where it is full, everything else goes on.
        if parts == {Part.CUSTOM_AUDIENCES}:
            use_cases.add(CUSTOM_AUDIENCE)
        # The meters of insights say that quota is tight: extras then wait, whatever they read.
        if self.windows or is_extra:
            use_cases.add(ADS_INSIGHTS)
        return Needs(
            use_cases=frozenset(use_cases or {ADS_MANAGEMENT}),
            calls=self.calls,
            weighted_cost=weighted_cost,
            critical=not is_extra,
            optional=optional,
        )

    def edges_of(self, part: Part) -> Sequence[EdgePlan]:
        """The readings of one edge, in the order they have to be done."""
        return [edge for edge in self.edges if edge.spec.part is part]
