"""What a plan costs before it runs: calls, weighted cost, share of the hour's allowance, minutes.

The allowance is Meta's formula (FACTS section 2) for the access tier Meta last named, or for the
smaller one while none is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from meta_pipeline.governor import BudgetState
from meta_pipeline.warehouse import Warehouse

from .plan import Plan
from .weights import Prices

_SECONDS_PER_CALL = 0.7
"""Until the account has calls of its own to judge by."""
_FULL_ACCESS = "standard_access"
_ADS_ACTIVE = """
    SELECT count(*) FROM meta_ads.meta_ads WHERE account_id = %s AND effective_status = 'ACTIVE'
"""
_LATENCY = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms)
    FROM (
        SELECT latency_ms FROM meta_ads.meta_api_logs
        WHERE account_id = %s AND status_code = 200 ORDER BY timestamp DESC LIMIT 200
    ) AS newest
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price of a plan. `hour_share_pct` is of one hour's allowance of the account."""

    calls: int
    weighted_cost: float
    rows: int
    seconds: float
    hour_share_pct: float
    access_tier: str
    days_fresh: int
    days_later: int
    budget: BudgetState | None = None

    def sentences(self) -> list[str]:
        """The estimate in words, for the terminal."""
        rows = f"about {self.rows:,} rows" if self.rows else "rows not known yet"
        price = (
            f"{self.calls} calls ({self.hour_share_pct:.2g} % of one hour's allowance with "
            f"{self.access_tier}), weighted cost {self.weighted_cost:,.0f}, {rows}, "
            f"about {_duration(self.seconds)}."
        )
        found = [price]
        if self.days_later:
            found.append(
                f"Then {self.days_later} older days, in windows sized by what the newest ones hold."
            )
        if self.days_fresh:
            found.append(f"{self.days_fresh} days are fresh or final and are not read again.")
        return [*found, *self._budget_sentences()]

    def _budget_sentences(self) -> Iterator[str]:
        if self.budget is None:
            return
        for each in (self.budget.account, self.budget.app):
            if each.limit is not None:
                yield (
                    f"Budget of {each.name}: {each.used:,.0f} of {each.limit:,.0f} a day spent, "
                    f"until {each.resets_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
                )
        short = self.budget.refusal(self.weighted_cost)
        if short is not None:
            yield f"It would not start: {short.name} has {short.left:,.0f} left."


def estimate(
    plan: Plan,
    warehouse: Warehouse,
    prices: Prices,
    parallel: int,
    budget: BudgetState | None = None,
) -> Estimate:
    """Price a plan with what is known of the account."""
    tier = _tier(warehouse, plan.account_id)
    with warehouse.connection() as connection:
        active = connection.execute(_ADS_ACTIVE, (plan.account_id,)).fetchone()
        latency = connection.execute(_LATENCY, (plan.account_id,)).fetchone()
    seconds_per_call = float(latency[0]) / 1000 if latency and latency[0] else _SECONDS_PER_CALL
    ads = int(active[0]) if active else 0
    return Estimate(
        calls=plan.calls,
        weighted_cost=prices.of_plan(plan),
        rows=plan.rows,
        seconds=plan.calls * seconds_per_call / max(1, min(parallel, plan.calls)),
        hour_share_pct=_share_pct(plan, tier, ads),
        access_tier=tier,
        days_fresh=plan.days_fresh,
        days_later=plan.days_later,
        budget=budget,
    )


def _tier(warehouse: Warehouse, account_id: str) -> str:
    tiers = [row.access_tier for row in warehouse.usage.current([account_id]) if row.access_tier]
    return tiers[0] if tiers else "development_access"


def _share_pct(plan: Plan, tier: str, active_ads: int) -> float:
    """The fuller of the two use cases the plan draws on."""
    is_full = tier == _FULL_ACCESS
    management = (100_000 if is_full else 300) + 40 * active_ads
    insights = (190_000 if is_full else 600) + 400 * active_ads
    return 100 * max(plan.edge_calls / management, plan.insights_calls / insights)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
