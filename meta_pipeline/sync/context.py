"""What every sync of one engine shares: the client, the warehouse, telemetry, time, settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from meta_pipeline.custom_reports import load
from meta_pipeline.governor import Thresholds, Weights
from meta_pipeline.graph import GraphClient
from meta_pipeline.settings import Settings
from meta_pipeline.warehouse import TelemetryWriter, Warehouse

from .days import Restatement
from .extras import Extras
from .plan.policy import PlanPolicy
from .progress import PULSE_SECONDS

if TYPE_CHECKING:
    from meta_pipeline.connections import UsableConnections


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class SyncContext:
    """The surroundings of a sync; clock and sleep are parameters, so that tests need not wait."""

    client: GraphClient
    warehouse: Warehouse
    telemetry: TelemetryWriter
    """Writes on a connection of its own: what was called is kept, whatever becomes of the sync."""
    policy: PlanPolicy = field(default_factory=PlanPolicy)
    thresholds: Thresholds = field(default_factory=Thresholds)
    attribution_windows: tuple[str, ...] = ("1d_click", "7d_click", "1d_view")
    """Asked for beside the default value of every action."""
    max_parallel_calls: int = 4
    """Of one sync; the gate lets fewer out where a meter is tight."""
    weights: Weights = field(default_factory=Weights)
    """What calls are guessed to cost until enough of their shape were seen."""
    daily_budget_per_account: float | None = None
    """In weighted cost, for a day of the account's own zone; None: no limit."""
    daily_budget_of_app: float | None = None
    """Likewise for all calls of one app, in a day of UTC."""
    app_id: str | None = None
    """The app of the settings; with its secret, Meta is asked about tokens in its name."""
    extras: Extras = field(default_factory=Extras)
    report_patience: timedelta = timedelta(minutes=3)
    """So long a report may stand still until the sync goes on without it."""
    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    pulse_seconds: float = PULSE_SECONDS
    """So long whoever waits is left without a word."""
    connections: UsableConnections | None = None
    """Through which token an account is read; without, all calls are `client`'s."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        client: GraphClient,
        warehouse: Warehouse,
        telemetry: TelemetryWriter,
        connections: UsableConnections | None = None,
    ) -> Self:
        """The surroundings that the settings ask for."""
        return cls(
            client=client,
            warehouse=warehouse,
            telemetry=telemetry,
            policy=policy_from(settings),
            thresholds=thresholds_from(settings),
            attribution_windows=settings.attribution_window_names,
            max_parallel_calls=settings.max_parallel_calls,
            weights=Weights(**settings.weights),
            daily_budget_per_account=settings.daily_budget_per_account,
            daily_budget_of_app=settings.daily_budget_of_app,
            app_id=settings.app_id,
            extras=Extras.of(settings),
            report_patience=timedelta(seconds=settings.report_patience_seconds),
            connections=connections,
        )

    @property
    def is_simulated(self) -> bool:
        """Whether the rows come from a host that is not Meta's."""
        return not self.client.is_meta


def policy_from(settings: Settings) -> PlanPolicy:
    """The part of the settings that says how much is read and how often."""
    return PlanPolicy(
        backfill_days=settings.backfill_days,
        fresh=timedelta(seconds=settings.fresh_seconds),
        restatement=Restatement.parse(settings.restatement),
        levels=settings.insights_levels,
        columns=settings.insights_columns,
        breakdowns=settings.breakdowns,
        reports=load(settings.reports_file) if settings.reports_file else (),
    )


def thresholds_from(settings: Settings) -> Thresholds:
    return Thresholds(
        app_stop_pct=settings.app_usage_stop_pct,
        account_stop_pct=settings.account_usage_stop_pct,
        insights_skip_pct=settings.insights_usage_stop_pct,
    )
