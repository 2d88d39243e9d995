"""What a plan costs before it runs: calls, weighted cost, share of the hour's allowance, minutes.

The allowance is Meta's formula (FACTS section 2) for the access tier Meta last named, or for the
smaller one while none is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from statistics import quantiles

from meta_pipeline.governor import BudgetState
from meta_pipeline.model.allowance import HourlyAllowance
from meta_pipeline.sync.plan.plan import Plan
from meta_pipeline.sync.plan.ranges import LONGEST_WINDOW_DAYS
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.words import duration, minute

from .weights import Prices

_SECONDS_PER_CALL = 0.7
"""Until the account has calls of its own to judge by."""
_ADS_ACTIVE = """
    SELECT count(*) FROM meta_ads.meta_ads WHERE account_id = %s AND effective_status = 'ACTIVE'
"""
_GUESSED_ROWS_A_DAY = (10, 200)
"""Ads that deliver on a day, of most accounts: until one is stored."""
# For a plan that has no window yet to take a page size from.
_PAGE_SIZE = 500
# The newest days of each account, found by index: the ledger has every day of all of them.
_ROWS_A_DAY = """
    SELECT account_id, avg(rows)::float8
    FROM meta_ads.meta_ad_accounts AS account
    CROSS JOIN LATERAL (
        SELECT rows FROM meta_ads.sync_windows AS day
        WHERE day.account_id = account.account_id AND dataset = 'insights_ad'
        ORDER BY date_start DESC LIMIT 30
    ) AS newest
    GROUP BY account_id
"""
_LATENCY = """
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms)
    FROM (
        SELECT latency_ms FROM meta_ads.meta_api_logs
        WHERE account_id = %s AND status_code = 200 ORDER BY timestamp DESC LIMIT 200
    ) AS newest
"""


@dataclass(frozen=True)
class Sizes:
    """How many rows of ads the stored accounts have in a day; read once, when first asked."""

    warehouse: Warehouse

    def of_others(self, account_id: str) -> tuple[int, float, float]:
        """The number of other accounts, and between what nine of ten of them lie; 0: a guess."""
        others = [rows for one, rows in self._rows_a_day.items() if one != account_id]
        if not others:
            return (0, *_GUESSED_ROWS_A_DAY)
        # Of a single one there are no quantiles, of it and itself they are what it has.
        cuts = quantiles(others if others[1:] else others * 2, n=20, method="inclusive")
        return len(others), cuts[0], cuts[-1]

    @cached_property
    def _rows_a_day(self) -> dict[str, float]:
        with self.warehouse.connection() as connection:
            return dict(connection.execute(_ROWS_A_DAY).fetchall())


@dataclass(frozen=True, slots=True)
class Unsized:
    """Days of which nobody knows how many rows they have: from so few to so many of each."""

    days: int
    rows: tuple[int, int]
    calls: tuple[int, int]
    accounts: int
    """Accounts whose days the spread is taken from; 0: a guess."""

    @classmethod
    def of(cls, plan: Plan, sizes: Sizes) -> Unsized | None:
        """The spread of a plan's days of unknown size, from what other accounts have in a day."""
        if not plan.days_later:
            return None
        first = [window for window in plan.windows if not window.expected_rows]
        days = plan.days_later + sum(window.days for window in first)
        accounts, low, high = sizes.of_others(plan.account_id)
        rows = (round(days * low), max(round(days * high), 1))
        page_size = first[0].page_size if first else _PAGE_SIZE
        # The windows of the newest days are in the plan already, as a page each.
        pages = tuple(max(0, -(-each // page_size) - len(first)) for each in rows)
        # Rounded up: a part of a window is a call as well.
        least = -(-plan.days_later // LONGEST_WINDOW_DAYS)
        return cls(days, rows, (max(least, pages[0]), max(least, pages[1])), accounts)

    @property
    def sentence(self) -> str:
        basis = (
            f"as nine of ten of the {self.accounts} accounts stored have"
            if self.accounts
            else "a guess, as no other account is stored"
        )
        return (
            f"How much {self.days} days hold is not known yet: {self.rows[0]:,} to "
            f"{self.rows[1]:,} rows ({basis}). The newest days are read first, the others in "
            "windows sized by what these hold."
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """The price of a plan."""

    calls: int
    """As Meta will count them."""
    weighted_cost: float
    rows: int
    """Rows of insights, those of which a size is known."""
    seconds: float
    """At the latency of the account's last calls, with as many at once as are allowed."""
    hour_share_pct: float
    """Of one hour's allowance of the account; of the fuller of two use cases."""
    access_tier: str
    """As Meta last named it, such as standard_access."""
    days_fresh: int
    days_later: int
    """Days whose size shows when the newest are read."""
    unsized: Unsized | None = None
    budget: BudgetState | None = None
    """None where no daily budget is set."""

    @property
    def calls_range(self) -> tuple[int, int]:
        """Calls, from so many to so many: they are apart where days are not sized yet."""
        least, most = self.unsized.calls if self.unsized else (0, 0)
        return self.calls + least, self.calls + most

    @property
    def rows_range(self) -> tuple[int, int]:
        """Insight rows, likewise."""
        least, most = self.unsized.rows if self.unsized else (0, 0)
        return self.rows + least, self.rows + most

    def sentences(self) -> list[str]:
        """The estimate in words, for the terminal."""
        if self.unsized is None:
            calls = f"{self.calls} calls"
            rows = f"about {self.rows:,} rows" if self.rows else "rows not known yet"
        else:
            calls = "{:,} to {:,} calls".format(*self.calls_range)
            rows = "{:,} to {:,} rows".format(*self.rows_range)
        price = (
            f"{calls} ({self.hour_share_pct:.2g} % of one hour's allowance with "
            f"{self.access_tier}), weighted cost {self.weighted_cost:,.0f}, {rows}, "
            f"about {duration(timedelta(seconds=self.seconds))}."
        )
        sentences = [price]
        if self.unsized is not None:
            sentences.append(self.unsized.sentence)
        if self.days_fresh:
            sentences.append(f"{self.days_fresh} days are fresh or final and are not read again.")
        return [*sentences, *self._budget_sentences()]

    def _budget_sentences(self) -> Iterator[str]:
        if self.budget is None:
            return
        for each in (self.budget.account, self.budget.app):
            if each.limit is not None:
                yield (
                    f"Budget of {each.name}: {each.used:,.0f} of {each.limit:,.0f} a day spent, "
                    f"until {minute(each.resets_at)}."
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
    *,
    sizes: Sizes | None = None,
) -> Estimate:
    """Price a plan with what is known of the account; who prices many hands in one `sizes`."""
    # The smaller allowance while Meta has named no tier: cheaper than said surprises nobody.
    usage = warehouse.usage.current([plan.account_id])
    tier = next((row.access_tier for row in usage if row.access_tier), "development_access")
    with warehouse.connection() as connection:
        active = connection.execute(_ADS_ACTIVE, (plan.account_id,)).fetchone()
        latency = connection.execute(_LATENCY, (plan.account_id,)).fetchone()
    seconds_per_call = float(latency[0]) / 1000 if latency and latency[0] else _SECONDS_PER_CALL
    ads = int(active[0]) if active else 0
    # The fuller of the two use cases the plan draws on.
    hour = HourlyAllowance.of(tier, ads)
    return Estimate(
        calls=plan.calls,
        weighted_cost=prices.of_plan(plan),
        rows=plan.rows,
        seconds=plan.calls * seconds_per_call / max(1, min(parallel, plan.calls)),
        hour_share_pct=100
        * max(plan.edge_calls / hour.management, plan.insights_calls / hour.insights),
        access_tier=tier,
        days_fresh=plan.days_fresh,
        days_later=plan.days_later,
        unsized=Unsized.of(plan, sizes or Sizes(warehouse)),
        budget=budget,
    )
