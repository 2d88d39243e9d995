"""A sync within Meta's limits and ours: it stops, says why, and another time goes on."""

from __future__ import annotations

from datetime import timedelta

from meta_pipeline.simulator import AccountSpec, Fault, Limits
from meta_pipeline.sync import Part, Status, SyncRequest
from meta_pipeline_tests.sync.lab import Lab, lab


def test_a_plan_over_the_daily_budget_does_not_start(small: Lab) -> None:
    small.engine = small.engine.changed(daily_budget_per_account=8.0)

    record = small.sync()

    assert record.status is Status.THROTTLED
    assert small.calls() <= 1  # the account itself was not known yet
    assert "budget" in (record.error_summary or "") or "a day" in (record.error_summary or "")
    assert record.not_before is not None
    assert record.not_before - small.clock.now() <= timedelta(days=1)


def test_what_was_spent_counts_until_the_accounts_midnight(small: Lab) -> None:
    small.engine = small.engine.changed(daily_budget_per_account=25.0)
    assert small.sync().status is Status.SUCCESS
    small.advance(hours=2)
    assert small.sync(force=True).status is Status.THROTTLED

    small.advance(days=1)

    assert small.sync(parts=frozenset({Part.CAMPAIGNS})).status is Status.SUCCESS


def test_a_sync_that_was_killed_has_spent_too(small: Lab) -> None:
    assert small.sync().status is Status.SUCCESS
    with small.warehouse.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.sync_runs SET status = 'fail', weighted_cost_total = NULL"
        )
    spent = small.scalar("SELECT sum(weighted_cost)::float8 FROM meta_ads.meta_api_logs")
    for budget in ("daily_budget_per_account", "daily_budget_of_app"):
        small.engine = small.engine.changed(**{budget: spent + 1})
        again = small.sync(force=True)
        assert again.status is Status.THROTTLED
        assert f"has 1 of its {spent + 1:,.0f} a day left" in str(again.error_summary)


def test_a_plan_shows_what_the_day_has_left(small: Lab) -> None:
    small.sync()
    small.engine = small.engine.changed(daily_budget_per_account=20.0, daily_budget_of_app=1000.0)
    plan = small.engine.plan(SyncRequest(small.account_id, force=True))
    said = " ".join(small.engine.estimate(plan).sentences())
    spent = small.scalar("SELECT sum(weighted_cost) FROM meta_ads.meta_api_logs")
    assert f"Budget of {small.account_id}: {spent:,.0f} of 20 a day spent, until 2026-11-2" in said
    assert f"Budget of the app: {spent:,.0f} of 1,000 a day spent" in said
    assert f"It would not start: {small.account_id} has {20 - spent:,.0f} left." in said


def test_a_block_in_the_middle_keeps_what_is_done_and_says_until_when(small: Lab) -> None:
    (account,) = (each.id for each in small.world.accounts())
    others_use_it_up = Fault.world_edit(lambda sim: sim.limits.exhaust(account, regain_minutes=45))
    small.sim.fail("GET", "/insights", with_=others_use_it_up)

    record = small.sync()

    assert record.status is Status.THROTTLED, record
    assert record.not_before is not None
    assert record.not_before > small.clock.now() + timedelta(minutes=45)
    assert record.missing
    before = small.calls()
    again = small.sync()
    assert again.status is Status.THROTTLED
    assert again.not_before == record.not_before
    assert small.calls() == before
    (run, *_) = small.query("SELECT * FROM meta_ads.sync_runs ORDER BY started_at DESC")
    assert run["not_before"] == record.not_before
    small.clock.advance((record.not_before - small.clock.now()).total_seconds())
    assert small.sync().status is Status.SUCCESS
    small.sync(force=True)
    small.assert_entities()
    today = small.today()
    small.assert_insights(today - timedelta(days=9), today)


def test_a_quota_too_small_for_the_account_is_met_slowly_and_the_rest_comes_later(
    database_url: str,
) -> None:
    with lab(database_url, limits=Limits(tier="development_access", calls=5)) as small:
        record = small.sync()

        assert record.status is Status.THROTTLED, record
        assert record.not_before is not None
        assert record.not_before > small.clock.now()
        assert record.missing
        small.sim.limits.set_calls(10_000)
        small.clock.advance((record.not_before - small.clock.now()).total_seconds() + 3600)
        assert small.sync().status is Status.SUCCESS
        small.assert_entities()


def test_a_blocked_account_does_not_stop_another(database_url: str) -> None:
    names = ("Eins", "Zwei")
    specs = [AccountSpec(name, 2, 4, 8, (1, 2, 4)) for name in names]
    with lab(database_url, *specs) as two:
        first, second = (account.id for account in two.world.accounts())
        two.sim.limits.exhaust(first, regain_minutes=45)

        assert two.sync(first).status is Status.THROTTLED
        assert two.sync(second).status is Status.SUCCESS
        asked = len([entry for entry in two.sim.journal if first in entry.path])
        assert two.sync(first).status is Status.THROTTLED
        assert len([entry for entry in two.sim.journal if first in entry.path]) == asked
