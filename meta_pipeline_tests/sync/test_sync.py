"""A sync as its user sees it: the tables equal the world, and nothing is done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.redaction import MASK
from meta_pipeline.simulator import Fault, VirtualClock, demo_world
from meta_pipeline.sync import ENTITIES, Part, Status, SyncRequest

from .lab import START, Lab, lab


def test_the_first_sync_brings_structure_and_numbers(small: Lab) -> None:
    record = small.sync()

    today = small.today()
    assert record.status is Status.SUCCESS, record.error_summary
    assert (record.campaigns_fetched, record.ad_sets_fetched, record.ads_fetched) == (6, 14, 40)
    small.assert_entities()
    small.assert_insights(today - timedelta(days=9), today)
    small.assert_insights(today - timedelta(days=9), today, level="account")
    assert small.orphans() == 0


def test_a_second_sync_changes_no_row(small: Lab) -> None:
    small.sync()
    versions = "SELECT ad_id, xmin::text, data_as_of FROM meta_ads.meta_ads ORDER BY 1"
    before = small.query(versions)

    record = small.sync(force=True)

    assert record.status is Status.SUCCESS
    assert (record.entity_rows_written, record.insights_rows_written) == (0, 0)
    assert small.query(versions) == before
    assert small.scalar("SELECT count(*) FROM meta_ads.entity_changes") == 0


def test_what_is_fresh_is_not_read_again(small: Lab) -> None:
    small.sync()
    calls = small.calls()

    record = small.sync()

    assert record.status is Status.SUCCESS
    assert small.calls() == calls


def test_an_hourly_refresh_takes_four_calls(small: Lab) -> None:
    small.sync()
    small.advance(hours=1)

    record = small.sync()

    assert record.meta_call_count_total == 4
    small.assert_insights(small.today(), small.today())


def test_every_attempt_is_on_record(small: Lab) -> None:
    record = small.sync()

    logged = small.scalar(
        "SELECT count(*) FROM meta_ads.meta_api_logs WHERE sync_run_id = %s", record.sync_run_id
    )
    assert logged == record.meta_call_count_total == small.calls()
    (run,) = small.query("SELECT * FROM meta_ads.sync_runs")
    assert run["status"] == "success"
    assert run["finished_at"] is not None
    assert run["meta_call_count_total"] == record.meta_call_count_total


def test_structure_alone_and_numbers_alone(small: Lab) -> None:
    entities = small.sync(parts=ENTITIES)
    insights = small.sync(parts=frozenset({Part.INSIGHTS}))

    assert (entities.ads_fetched, entities.insights_rows_read) == (40, 0)
    assert (insights.ads_fetched, insights.status) == (0, Status.SUCCESS)
    assert insights.insights_rows_read > 0


def test_numbers_alone_still_bring_the_ads_they_mention(small: Lab) -> None:
    record = small.sync(parts=frozenset({Part.INSIGHTS}))

    assert record.ads_fetched == 40, "listed, not asked for one by one"
    assert record.meta_call_count_total <= 10
    assert small.orphans() == 0
    again = small.sync(parts=frozenset({Part.INSIGHTS}), force=True)
    assert again.ads_fetched == 0


def test_a_refused_account_is_a_failed_run_with_a_sentence(small: Lab) -> None:
    record = small.sync("act_404")

    assert record.status is Status.FAIL
    assert "act_404" in (record.error_summary or "")
    small.sim.expect("unknown_object")


def test_a_token_that_died_stops_the_sync_and_says_what_to_do(small: Lab) -> None:
    small.sync()
    small.advance(hours=1)
    small.sim.tokens.revoke(small.sim.token)

    record = small.sync()

    assert record.status is Status.FAIL
    assert "META_ACCESS_TOKEN" in (record.error_summary or "")


def test_an_unexpected_error_is_on_record_without_what_it_repeats(small: Lab) -> None:
    secret = "EAAVERYSECRETTOKEN1234"

    def fails(_: object) -> None:
        raise RuntimeError(f"no route to ?access_token={secret}&limit=5")

    with pytest.raises(RuntimeError):
        small.engine.sync(SyncRequest(small.account_id), fails)
    (record,) = small.engine.warehouse.runs.recent(1, account_id=small.account_id)
    assert record.error_summary == f"RuntimeError: no route to ?access_token={MASK}&limit=5"


@pytest.mark.parametrize("edge", ["campaigns", "adsets", "ads"])
def test_an_edge_that_fails_leaves_the_others_and_says_so(small: Lab, edge: str) -> None:
    small.sim.fail("GET", f"/{edge}", times=9, with_=Fault.http(500))

    record = small.sync()

    assert record.status is Status.PARTIAL
    assert [one for one in record.missing if one.edge == edge and one.is_whole]
    small.sim.faults.clear()
    assert small.sync(force=True).status is Status.SUCCESS
    small.assert_entities()


def test_the_demo_world_lands_entity_by_entity_and_cent_by_cent(database_url: str) -> None:
    with lab(database_url, world=demo_world(VirtualClock(START))) as demo:
        found = demo.engine.discover()
        assert len(found.accounts) == 12
        for account in found.accounts:
            today = demo.today(account.account_id)
            since = today - timedelta(days=6)
            record = demo.sync(account.account_id, since=since)
            assert record.status is Status.SUCCESS, record.error_summary
            demo.assert_entities(account.account_id)
            demo.assert_insights(since, today, account_id=account.account_id)
        counts = demo.query(
            "SELECT (SELECT count(*) FROM meta_ads.meta_campaigns) AS campaigns, "
            "(SELECT count(*) FROM meta_ads.meta_adsets) AS adsets, "
            "(SELECT count(*) FROM meta_ads.meta_ads) AS ads"
        )
        assert counts == [{"campaigns": 183, "adsets": 576, "ads": 1074}]
        active = sum(
            demo.scalar(
                f"SELECT count(*) FROM meta_ads.{table} "
                "WHERE effective_status IN ('ACTIVE', 'WITH_ISSUES')"
            )
            for table in ("meta_campaigns", "meta_adsets", "meta_ads")
        )
        assert active == 243


def test_the_largest_demo_account_takes_few_calls(database_url: str) -> None:
    with lab(database_url, world=demo_world(VirtualClock(START))) as demo:
        account = demo.world.accounts()[0].id
        record = demo.sync(account, since=demo.today(account) - timedelta(days=6))

        assert record.campaigns_fetched + record.ad_sets_fetched + record.ads_fetched == 1029
        assert record.meta_call_count_total <= 10
