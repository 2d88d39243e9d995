"""Meta's limits and our own."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings, defer_build=True, hide_input_in_errors=True):
    """Cost, budgets, the usage from which nothing starts, and that from which extras wait."""

    # The mission's guess (B3), as `governor.Weights` has it.
    cost_weights: str = Field(
        "entity=1,insights=1,breakdowns=3,daily=5,long_window=2,action_breakdowns=4",
        validation_alias=AliasChoices("META_COST_WEIGHTS"),
        pattern=r"^(entity|insights|breakdowns|daily|long_window|action_breakdowns)=\d+(\.\d+)?"
        r"(,(entity|insights|breakdowns|daily|long_window|action_breakdowns)=\d+(\.\d+)?)*$",
        description="The guess what a call costs by its shape; view call_cost shows what it moved",
    )
    daily_budget_per_account: float | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("META_DAILY_BUDGET_PER_ACCOUNT"),
        description="Weighted cost an account may spend in a day of its own; a plan over it waits",
    )
    daily_budget_of_app: float | None = Field(
        None,
        ge=0,
        validation_alias=AliasChoices("META_DAILY_BUDGET_OF_APP"),
        description="Weighted cost all accounts of one app together may spend in a day (UTC)",
    )
    # docs/governor.md gives the reason of these three.
    app_usage_stop_pct: float = Field(
        80,
        gt=0,
        validation_alias=AliasChoices("META_APP_USAGE_STOP_PCT"),
        description="No sync starts above this usage of the app",
    )
    account_usage_stop_pct: float = Field(
        70,
        gt=0,
        validation_alias=AliasChoices("META_ACCOUNT_USAGE_STOP_PCT"),
        description="No sync of an account goes on above this usage of it",
    )
    insights_usage_stop_pct: float = Field(
        60,
        gt=0,
        validation_alias=AliasChoices("META_INSIGHTS_USAGE_STOP_PCT"),
        description="From this usage of insights extras wait; it stops nothing that is critical",
    )

    @property
    def weights(self) -> Mapping[str, float]:
        """The guess by property of a call; one that is not named keeps that of the governor."""
        pairs = (one.split("=") for one in self.cost_weights.split(","))
        return {name: float(number) for name, number in pairs}
