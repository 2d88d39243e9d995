from __future__ import annotations

import tracemalloc
from datetime import datetime, timedelta

import pytest

from meta_pipeline import metrics
from meta_pipeline.metrics import ImpossibleQuestion, UnknownName
from meta_pipeline.warehouse import DEFAULT_TENANT, Warehouse
from meta_pipeline_tests.postgres import rows_read

from .rows import ACCOUNT, READ_AT, Rows, ago


def changed(rows: Rows, entity_type: str, entity_id: str, at: datetime, new: str = "20") -> None:
    rows.insert(
        "entity_changes",
        account_id=ACCOUNT,
        entity_type=entity_type,
        entity_id=entity_id,
        field="daily_budget",
        old_value="10",
        new_value=new,
        seen_at=at,
    )


def done(rows: Rows, object_id: str, object_type: str, at: datetime) -> None:
    rows.insert(
        "meta_activities",
        activity_id=f"{object_id} {at}",
        account_id=ACCOUNT,
        event_time=at,
        event_type="update_campaign_budget",
        translated_event_type="Budget updated",
        object_id=object_id,
        object_type=object_type,
        object_name="Old name",
        actor_name="Ada",
        application_name="Ads Manager",
        extra_data={"old_value": 1000, "new_value": 2000},
        data_as_of=READ_AT,
    )


def test_changes_and_activities_are_one_timeline_newest_first(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    changed(rows, "campaign", "c1", READ_AT)
    done(rows, "c1", "CAMPAIGN", READ_AT - timedelta(hours=1))
    changed(rows, "campaign", "c2", READ_AT)
    changed(rows, "adset", "s1", READ_AT)

    found = metrics.timeline(warehouse, "c1")

    by_sync, by_meta = found.happenings
    assert (by_sync.source, by_sync.what, by_sync.new_value) == ("sync", "daily_budget", "20")
    assert by_sync.who is None
    assert (by_meta.source, by_meta.who, by_meta.old_value) == ("meta", "Ada", "1000")
    # In the account's zone, Berlin.
    assert by_meta.happened_at.isoformat() == "2026-03-18T08:30:00+01:00"
    assert (found.entity_type, found.entity_name, found.account_id) == (
        "campaign",
        "Campaign c1",
        ACCOUNT,
    )


def test_below_adds_the_entities_below(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    for kind, entity in (("campaign", "c1"), ("adset", "s1"), ("ad", "a1"), ("adset", "s3")):
        changed(rows, kind, entity, READ_AT)
    done(rows, ACCOUNT.removeprefix("act_"), "ACCOUNT", READ_AT)

    def ids(entity: str, *, with_below: bool) -> set[str | None]:
        found = metrics.timeline(warehouse, entity, with_below=with_below)
        return {one.entity_id for one in found.happenings}

    assert ids("c1", with_below=False) == {"c1"}
    assert ids("c1", with_below=True) == {"c1", "s1", "a1"}
    assert ids("s1", with_below=True) == {"s1", "a1"}
    assert ids("a1", with_below=True) == {"a1"}
    assert ids(ACCOUNT, with_below=False) == {"1"}
    assert ids(ACCOUNT, with_below=True) == {"1", "c1", "s1", "a1", "s3"}


def test_days_are_those_of_the_account_and_the_newest_rows_stay(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    for back in range(6):
        changed(rows, "campaign", "c1", READ_AT - timedelta(days=back), new=str(back))
    # 23:30 UTC is the next day in Berlin.
    changed(rows, "campaign", "c1", datetime.fromisoformat("2026-03-15T23:30+00:00"), new="late")

    few = metrics.timeline(warehouse, "c1", limit=2)
    some = metrics.timeline(warehouse, "c1", days=(ago(2), ago(1)))

    assert [one.new_value for one in few.happenings] == ["0", "1"]
    assert few.is_cut
    assert "--limit shows more" in few.notes()[0]
    assert [one.new_value for one in some.happenings] == ["1", "2", "late"]
    assert not some.is_cut


def test_a_quiet_entity_says_what_is_not_known(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()

    quiet = metrics.timeline(warehouse, "Ad a1")
    rows.insert("sync_cursor", account_id=ACCOUNT, edge="activities", last_fetched_at=READ_AT)
    asked = metrics.timeline(warehouse, "Ad a1")

    assert quiet.entity_id == "a1"
    assert quiet.notes()[0].startswith("Nothing is known to have changed")
    assert "meta-pipeline sync act_1 --with activities" in quiet.notes()[1]
    assert len(asked.notes()) == 1


def test_unknown_names_offer_near_ones_and_doubled_names_their_ids(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    rows.campaign("120210000000010", name="Spring sale")
    rows.campaign("120210000000020", name="Twin")
    rows.adset("120210000000030", "c1", name="Twin")

    with pytest.raises(UnknownName, match=r"Did you mean 120210000000010 \(Spring sale\)"):
        metrics.timeline(warehouse, "120210000000011")
    with pytest.raises(UnknownName, match=r"Did you mean 120210000000010 \(Spring sale\)"):
        metrics.timeline(warehouse, "spring sales")
    with pytest.raises(UnknownName, match=r"Did you mean act_1 \(Shop 1\)"):
        metrics.timeline(warehouse, "act_11")
    with pytest.raises(ImpossibleQuestion, match=r"2 are called 'Twin'.*adset 120210000000030"):
        metrics.timeline(warehouse, "Twin")
    with pytest.raises(ImpossibleQuestion, match="give 1 or more"):
        metrics.timeline(warehouse, "c1", limit=0)


def test_of_many_that_share_a_name_those_that_are_told_are_fetched(
    warehouse: Warehouse, rows: Rows
) -> None:
    rows.tree()
    rows.connection.execute(
        "INSERT INTO meta_ads.meta_ads (ad_id, account_id, adset_id, campaign_id, name, data_as_of)"
        " SELECT 'twin-' || n, 'act_1', 's1', 'c1', 'Twin', %s FROM generate_series(1, 20000) AS n",
        (READ_AT,),
    )
    rows.connection.commit()
    with pytest.raises(UnknownName):  # imports and prepared statements are no rows
        metrics.timeline(warehouse, "Nobody's name")
    tracemalloc.start()
    try:
        with pytest.raises(ImpossibleQuestion, match=r"20000 are called .* ad twin-1 of act_1"
                           r".* twin-1000\d* of act_1.* and 19995 more\. Name"):  # fmt: skip
            metrics.timeline(warehouse, "Twin")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


_MANY = """
    INSERT INTO meta_ads.entity_changes
        (account_id, entity_type, entity_id, field, old_value, new_value, seen_at)
    SELECT 'act_1', 'ad', 'a' || n %% 3 + 1, 'name', n::text, (n + 1)::text,
           %(at)s - n * interval '1 minute'
    FROM generate_series(1, %(many)s) AS n
"""
_MANY_OF_META = """
    INSERT INTO meta_ads.meta_activities
        (activity_id, account_id, event_time, event_type, object_id, object_type, data_as_of)
    SELECT n, 'act_1', %(at)s - n * interval '1 minute', 'update_ad', 'a' || n %% 3 + 1, 'AD',
           %(at)s
    FROM generate_series(1, %(many)s) AS n
"""


def test_the_newest_are_found_however_many_there_were(warehouse: Warehouse, rows: Rows) -> None:
    rows.tree()
    for text in (_MANY, _MANY_OF_META):
        rows.connection.execute(text, {"at": READ_AT, "many": 10_000})
    # A quiet campaign in a busy account, whose own changes are older than all of these.
    changed(rows, "campaign", "c2", READ_AT - timedelta(days=300))
    rows.connection.execute("ANALYZE meta_ads.entity_changes, meta_ads.meta_activities")
    rows.connection.commit()
    read: dict[str, int] = {}
    tenant = warehouse.of_tenant(DEFAULT_TENANT)
    for entity, limit, days, found in (
        (ACCOUNT, 20, None, 20),
        (ACCOUNT, 20, (ago(5), ago(4)), 20),
        ("c1", 20, None, 20),
        ("a1", 20, (ago(6), ago(5)), 20),
        ("c2", 20, None, 1),
    ):
        with tenant.snapshot() as seen, seen.connection() as connection:
            before = rows_read(connection, "entity_changes", "meta_activities")
            line = metrics.timeline(seen, entity, with_below=True, days=days, limit=limit)
            read[entity] = rows_read(connection, "entity_changes", "meta_activities") - before
        moments = [one.happened_at for one in line.happenings]
        assert len(moments) == found
        assert line.is_cut == (found == limit)
        assert moments == sorted(moments, reverse=True)
        # A look at each entity of each table, and the rows themselves.
        assert read[entity] <= 8 * (limit + 1), (entity, read)
