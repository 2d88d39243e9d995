"""Whatever way Meta pages, a sync has all of it: short, empty, shuffled, edited on the way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.simulator import AccountSpec, Uneven
from meta_pipeline.sync import PageSizes, Part, PlanPolicy, Status
from meta_pipeline_tests.sync.lab import lab

SPEC = AccountSpec("Wackelkontakt", 8, 12, 20, (4, 5, 9), zone="Europe/Berlin", currency="EUR")
DAYS = 3
EVERYTHING = frozenset(Part)
POLICY = PlanPolicy(
    backfill_days=DAYS,
    window_days=DAYS,
    account_rows_every=timedelta(hours=1),
    breakdowns=(("age", "gender"),),
    page_sizes=PageSizes(entities=4, extras=4, insights=40),
)
EVEN = Uneven()
MIXES = {
    "short": Uneven(seed=1, short_pct=100),
    "empty": Uneven(seed=2, empty_pct=60),
    "shuffled": Uneven(seed=3, shuffled=True),
    "edited": Uneven(seed=4, edits_pct=40),
    "all of it": Uneven(seed=5, short_pct=60, empty_pct=40, shuffled=True, edits_pct=30),
    "all of it again": Uneven(seed=6, short_pct=60, empty_pct=40, shuffled=True, edits_pct=30),
    "long empty stretches": Uneven(seed=7, empty_pct=95, empty_in_a_row=30),
}
QUICK = ("all of it", "long empty stretches")


@pytest.mark.parametrize(
    ("mix", "as_reports"),
    [
        pytest.param(
            mix,
            as_reports,
            id=f"{name}-{'reports' if as_reports else 'pages'}",
            marks=() if name in QUICK else pytest.mark.slow,
        )
        for name, mix in MIXES.items()
        for as_reports in (False, True)
        if not as_reports or name.startswith("all")
    ],
)
def test_a_sync_has_all_of_it(database_url: str, mix: Uneven, as_reports: bool) -> None:
    with lab(database_url, SPEC, policy=POLICY, parallel=1, uneven=mix) as found:
        if as_reports:
            found.sim.caps.sync_insights_rows = 10  # every window but the smallest is a report
        record = found.sync(parts=EVERYTHING)
        assert record.status is Status.SUCCESS, (record.error_summary, record.missing)
        assert found.orphans() == 0
        if mix.edits_pct:  # what moved behind the walk comes with the next full listing
            vars(found.sim.uneven).update(vars(EVEN))
            found.advance(hours=7)
            assert found.sync(parts=EVERYTHING).status is Status.SUCCESS
        today = found.today()
        found.assert_entities()
        found.assert_insights(today - timedelta(days=DAYS - 1), today, conversions=False)
