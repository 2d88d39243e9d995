"""One sync after the clock was set right all is as if it had never been ahead."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import DEFAULT_PARTS, Part, PlanPolicy, Status
from meta_pipeline.sync.run.account_node import AccountNode, is_node_due
from meta_pipeline_tests.clock_ahead import put_ahead
from meta_pipeline_tests.sync.lab import Lab, lab

SPEC = AccountSpec("Vorauseilend", 2, 2, 4, (2, 2, 4), zone="Europe/Berlin", currency="EUR")
PASSED = timedelta(days=3)
AHEAD = [
    timedelta(hours=1),
    pytest.param(timedelta(hours=30), marks=pytest.mark.slow),
    pytest.param(timedelta(days=29), marks=pytest.mark.slow),
    timedelta(days=400),
]


def later(found: Lab, ahead: timedelta) -> None:
    """Three days on, all that was stored lies in the future by so much."""
    found.advance(days=PASSED.days)
    with found.warehouse.connection() as connection:
        put_ahead(connection, PASSED + ahead)


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_one_sync_later_the_tables_equal_the_world(database_url: str, ahead: timedelta) -> None:
    parts = DEFAULT_PARTS | {Part.HOURLY, Part.BREAKDOWNS, Part.ACTIVITIES, Part.CREATIVES}
    policy = PlanPolicy(backfill_days=10, breakdowns=(("age",),))
    with lab(database_url, SPEC, policy=policy) as found:
        found.sync(parts=parts)
        first = found.today() - timedelta(days=9)
        found.world.patch(found.account_id, name="Renamed")
        later(found, ahead)
        record = found.sync(parts=parts)
        assert record.status is Status.SUCCESS, record.error_summary
        found.assert_entities()
        found.assert_insights(first, found.today())
        assert found.scalar("SELECT name FROM meta_ads.meta_ad_accounts") == "Renamed"
        now = found.clock.now()
        assert found.scalar(
            "SELECT count(*) FROM meta_ads.sync_cursor WHERE last_fetched_at > %s", now
        ) == 0, "what was read again has its true time"  # fmt: skip
        before = found.calls()
        found.sync(parts=parts)
        assert found.calls() - before <= 1, "and is fresh"


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_a_gap_is_tried_again_at_once(database_url: str, ahead: timedelta) -> None:
    with lab(database_url, SPEC, policy=PlanPolicy(backfill_days=5)) as found:
        day = found.today() - timedelta(days=2)
        ad = sorted(ad for ad, _ in found.expected_insights(day, day))[0]
        found.world.spoil_day(ad, day)
        found.sync(parts={Part.INSIGHTS})
        assert found.scalar("SELECT count(*) FROM meta_ads.insights_gaps") == 1
        found.world.mend_days(ad)
        later(found, ahead)
        found.sync(parts={Part.INSIGHTS})
        assert found.scalar("SELECT count(*) FROM meta_ads.insights_gaps") == 0


@pytest.mark.parametrize("ahead", AHEAD, ids=str)
def test_a_doubt_about_the_account_is_heeded(database_url: str, ahead: timedelta) -> None:
    with lab(database_url, SPEC) as found:
        found.sync()
        context, account_id = found.engine.context, found.account_id
        with found.warehouse.connection() as connection:
            node = AccountNode(context, context.client, connection, "1")
            node.doubt(account_id)
            node.read(account_id)
            node.doubt(account_id)
            connection.commit()
            account = found.warehouse.accounts.get(account_id)
            assert account is not None
            assert not is_node_due(context, account), "it is Meta's own contradiction"
            put_ahead(connection, ahead)
            connection.commit()
            account = found.warehouse.accounts.get(account_id)
            assert account is not None
            assert is_node_due(context, account), "it was not read in the future"
            node.doubt(account_id)
            node.read(account_id)
            connection.commit()
            assert found.scalar(
                "SELECT max(last_fetched_at) FROM meta_ads.sync_cursor WHERE edge = 'account'"
            ) == found.clock.now()  # fmt: skip
