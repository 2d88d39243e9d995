"""Named objects: these are read, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from meta_pipeline.model.part import Part
from meta_pipeline.simulator import AccountSpec
from meta_pipeline.sync import Status, SyncRequest
from meta_pipeline.sync.request import NAMEABLE
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline_tests.sync.lab import Lab, lab


@pytest.fixture
def synced(database_url: str) -> Iterator[Lab]:
    """An account that was synced an hour ago."""
    with lab(database_url) as made:
        assert made.sync().status is Status.SUCCESS
        made.advance(hours=1)
        made.sim.journal.clear()
        yield made


def test_one_ad_costs_one_call_and_only_it_is_read(synced: Lab) -> None:
    first, second, *_ = (one.id for one in synced.world.objects("ads", synced.account_id))
    for one in (first, second):
        synced.world.rename(one, f"renamed {one}")
    record = synced.sync(objects={Part.ADS: (first,)})
    assert (record.status, record.scope, record.ads_fetched) == (Status.SUCCESS, "by_id", 1)
    stored = synced.stored_entities("ads")
    assert stored[first]["name"] == f"renamed {first}"
    assert stored[second]["name"] != f"renamed {second}"
    assert record.meta_call_count_total == 1


def test_many_are_one_page_and_all_levels_go_together(synced: Lab) -> None:
    named = {
        Part.CAMPAIGNS: tuple(x.id for x in synced.world.objects("campaigns", synced.account_id)),
        Part.ADS: tuple(x.id for x in synced.world.objects("ads", synced.account_id)),
    }
    for ids in named.values():
        for one in ids:
            synced.world.rename(one, f"renamed {one}")
    record = synced.sync(objects=named)
    assert record.status is Status.SUCCESS
    for edge, ids in zip(("campaigns", "ads"), named.values(), strict=True):
        stored = synced.stored_entities(edge)
        assert {stored[one]["name"] for one in ids} == {f"renamed {one}" for one in ids}
    assert record.meta_call_count_total <= 4, "pages, not a call for each of 46 objects"


@pytest.mark.parametrize("few", [True, False], ids=["one by one", "as a page"])
def test_what_is_gone_is_marked_and_what_is_deleted_too(synced: Lab, few: bool) -> None:
    ads = synced.world.objects("ads", synced.account_id)
    ids = [one.id for one in ads if one.values["effective_status"] != "DELETED"]
    named = tuple(ids[: 3 if few else 12])
    synced.world.vanish(named[0])
    synced.world.delete(named[1])
    record = synced.sync(objects={Part.ADS: named})
    assert record.status is Status.SUCCESS
    stored = synced.stored_entities("ads")
    assert stored[named[0]]["is_deleted"]
    assert stored[named[1]]["is_deleted"]
    assert not any(stored[one]["is_deleted"] for one in ids[2:])


def test_a_new_ad_brings_the_campaign_it_belongs_to(database_url: str) -> None:
    with lab(database_url) as made:
        ad = next(iter(made.world.objects("ads", made.account_id)))
        assert made.sync(objects={Part.ADS: (ad.id,)}).status is Status.SUCCESS
        assert set(made.stored_entities("ads")) == {ad.id}
        assert set(made.stored_entities("adsets")) == {ad.values["adset_id"]}
        assert set(made.stored_entities("campaigns")) == {ad.values["campaign_id"]}
        full = made.sync()
        assert full.status is Status.SUCCESS
        made.assert_entities()


def test_it_says_nothing_of_any_part(synced: Lab) -> None:
    """Neither the account's freshness nor the next delta takes it for a sync."""
    before = synced.query("SELECT * FROM meta_ads.sync_health")
    cursors = synced.query("SELECT * FROM meta_ads.sync_cursor ORDER BY edge")
    ad = next(iter(synced.world.objects("ads", synced.account_id)))
    synced.sync(objects={Part.ADS: (ad.id,)})
    after = synced.query("SELECT * FROM meta_ads.sync_health")
    kept = ("entities_synced_at", "insights_synced_at", "last_success_at", "last_attempt_at")
    assert [{n: row[n] for n in kept} for row in after] == [
        {n: row[n] for n in kept} for row in before
    ]
    assert synced.query("SELECT * FROM meta_ads.sync_cursor ORDER BY edge") == cursors


@pytest.fixture
def two(database_url: str) -> Iterator[Lab]:
    """Two accounts that one token reads, both synced with all that can be named."""
    specs = (AccountSpec(name, 20, 24, 40, (4, 6, 8)) for name in ("Alpha", "Beta"))
    with lab(database_url, *specs) as made:
        for account in made.world.accounts():
            assert made.sync(account.id, parts=frozenset(NAMEABLE)).status is Status.SUCCESS
        made.advance(hours=1)
        yield made


@pytest.mark.parametrize("count", [1, 15], ids=["one by one", "as a page"])
@pytest.mark.parametrize("part", sorted(NAMEABLE))
def test_objects_of_another_account_stay_its_own(two: Lab, part: Part, count: int) -> None:
    """A tenant that may ask for syncs names ids, and the token reads every tenant's accounts."""
    own, other = (one.id for one in two.world.accounts())
    table = ENTITY_SPECS[part].table
    ours, theirs = (
        [one.id for one in two.world.objects(ENTITY_SPECS[part].edge, account)][:count]
        for account in (own, other)
    )
    kept = f"SELECT * FROM {table.fullname} WHERE account_id = %s ORDER BY 1"
    before = two.query(kept, other)
    for one in (*ours, *theirs):
        two.world.patch(one, name=f"Named {one}")
    record = two.sync(own, objects={part: tuple(theirs + ours)})
    assert record.status is Status.SUCCESS, record.error_summary
    assert two.query(kept, other) == before
    key = ENTITY_SPECS[part].id_column
    stored = {row[key]: row for row in two.query(kept, own)}
    assert {stored[one]["name"] for one in ours} == {f"Named {one}" for one in ours}
    assert not stored.keys() & set(theirs)


def test_what_has_no_objects_cannot_be_named() -> None:
    with pytest.raises(ValueError, match="insights has no objects"):
        SyncRequest("act_1", objects={Part.INSIGHTS: ("1",)})
    with pytest.raises(ValueError, match="an id is a number"):
        SyncRequest("act_1", objects={Part.ADS: ("act_1",)})
