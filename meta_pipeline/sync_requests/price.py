"""What a wish costs, from the tables alone: the plan of the sync, priced before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from meta_pipeline.governor import Meters, Weights, decide
from meta_pipeline.model.part import DEFAULT_PARTS
from meta_pipeline.settings import Settings
from meta_pipeline.sync.context import policy_from, thresholds_from
from meta_pipeline.sync.extras import Extras
from meta_pipeline.sync.limits.estimate import Estimate, estimate
from meta_pipeline.sync.limits.spending import budget_of
from meta_pipeline.sync.limits.weights import Prices
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.planner import make_plan
from meta_pipeline.sync.plan.stored import load_state
from meta_pipeline.warehouse import Warehouse

from .asking import RequestRefused, Wish


@dataclass(frozen=True, slots=True)
class Price:
    """What a sync would read and cost now, and why it would not start, if it would not."""

    plan: Plan
    estimate: Estimate
    obstacle: str | None

    @property
    def calls(self) -> tuple[int, int]:
        """Calls, from so many to so many; none where all is fresh."""
        return (0, 0) if self.plan.is_empty else self.estimate.calls_range

    def facts(self) -> dict[str, Any]:
        """The price in numbers and in sentences."""
        least, most = self.calls
        per_call = self.estimate.seconds / max(self.estimate.calls, 1)
        share = self.estimate.hour_share_pct / max(self.estimate.calls, 1)
        return {
            "account_id": self.plan.account_id,
            "since": self.plan.since,
            "until": self.plan.until,
            "is_empty": self.plan.is_empty,
            "calls_least": least,
            "calls_most": most,
            "hour_share_pct": round(share * most, 2),
            "access_tier": self.estimate.access_tier,
            "minutes": round(per_call * most / 60, 2),
            "rows": self.estimate.rows,
            "weighted_cost": self.estimate.weighted_cost,
            "days_fresh": self.estimate.days_fresh,
            "sentences": ["All is fresh: nothing would be read."]
            if self.plan.is_empty
            else [*self.plan.notes, *self.estimate.sentences()],
            "obstacle": self.obstacle,
        }


def price(warehouse: Warehouse, settings: Settings, wish: Wish, now: datetime) -> Price:
    """Plan and price a wish without a call. RequestRefused for an account that is not known."""
    request = wish.request()
    account = warehouse.accounts.get(wish.account_id)
    if account is None:
        raise RequestRefused(f"there is no ad account {wish.account_id} here", field="account_id")
    if wish.parts is None and not wish.objects:
        on = Extras.of(settings).on(wish.account_id)
        request = replace(request, parts=DEFAULT_PARTS | on)
    state = load_state(warehouse, account.account_id, account.timezone_name, now)
    plan = make_plan(request, state, policy_from(settings), now)
    prices = Prices.learned(Weights(**settings.weights), warehouse.costs.observed())
    app = warehouse.runs.apps([account.account_id])[account.account_id]
    budget = budget_of(
        warehouse,
        account.account_id,
        account.timezone_name,
        now,
        per_account=settings.daily_budget_per_account,
        per_app=settings.daily_budget_of_app,
        app=app,
    )
    meters = Meters(thresholds_from(settings), app=app)
    meters.observe(warehouse.usage.current([app, account.account_id]))
    needs = plan.needs(prices.of_plan(plan))
    decision = decide(
        account_id=account.account_id, meters=meters, now=now, needs=needs, budget=budget
    )
    return Price(
        plan,
        estimate(plan, warehouse, prices, settings.max_parallel_calls, budget),
        None if decision.may_call else decision.reason,
    )
