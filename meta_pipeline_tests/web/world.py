"""Accounts, campaigns and numbers for the pages: names nobody would choose, numbers one can add."""

from __future__ import annotations

import json

from meta_pipeline import metrics
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.metrics.rows import ACCOUNT, NOW, READ_AT, Rows, actions, ago

OTHER = "act_2"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "{{ 7 * 7 }}{% raw %}",
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\u202e\u2066moc.live\u2069 إعلان",
    "n" * 400,
    "two\nlines\tand a tab",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
)
"""Names of campaigns, in this order h0, h1, ...; each has an ad set and an ad of that name."""

CELLS = {("18-24", "female"): 6, ("18-24", HOSTILE[0]): 3, ("25-34", "female"): 1}
"""Spend of ad a1 yesterday by age and gender."""


def fill(warehouse: Warehouse) -> None:
    """Two accounts: one with c1..c3 and the hostile campaigns, one in another currency and zone."""
    with warehouse.connection() as connection:
        rows = Rows(connection)
        rows.tree()
        rows.account(OTHER, currency="JPY", timezone_name="Asia/Tokyo", name=HOSTILE[0])
        for number, name in enumerate(HOSTILE):
            rows.campaign(f"h{number}", name=name, effective_status="PAUSED", daily_budget=number)
            rows.adset(f"hs{number}", f"h{number}", name=name)
            rows.ad(f"ha{number}", f"hs{number}", f"h{number}", name=name)
        days = [ago(n) for n in range(20)]
        for day in days:
            rows.insight(
                "a1", day, spend=10, impressions=1000, clicks=20, actions=actions(omni_purchase=2)
            )
            rows.insight("a4", day, spend=5, impressions=100, clicks=1)
            rows.insight(ACCOUNT, day, level="account", spend=15, impressions=1100, clicks=21)
        for cell, spend in CELLS.items():
            rows.insert(
                "meta_insights_breakdown",
                entity_type="ad",
                entity_id="a1",
                date_start=ago(1),
                breakdown="age,gender",
                cell=json.dumps(cell),
                cell_values=dict(zip(("age", "gender"), cell, strict=True)),
                account_id=ACCOUNT,
                campaign_id="c1",
                adset_id="s1",
                ad_id="a1",
                currency="EUR",
                spend=spend,
                impressions=0,
                clicks=0,
                data_as_of=READ_AT,
            )
        rows.fetched([ago(1)], ACCOUNT, "breakdown:age,gender")
        for account in (ACCOUNT, OTHER):
            rows.fetched(days, account)
            rows.fetched(days, account, "insights_account")
        metrics.rollup(connection, ACCOUNT)
        metrics.reconcile(connection, ACCOUNT, ago(7), ago(1))
        metrics.KPIs(warehouse).set(ACCOUNT, "cpa", 4, is_primary=True)


__all__ = ["ACCOUNT", "CELLS", "HOSTILE", "NOW", "OTHER", "fill"]
