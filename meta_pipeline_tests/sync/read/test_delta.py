"""What changes between two syncs arrives, also what `updated_time` does not tell (FACTS 8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from meta_pipeline.simulator import Fault
from meta_pipeline.sync import ENTITIES, Part, Status
from meta_pipeline_tests.sync.lab import Lab

CHANGES = "SELECT entity_type, entity_id, field, old_value, new_value FROM meta_ads.entity_changes"


def _happened(activity: Any) -> datetime:
    return datetime.strptime(activity.values["event_time"], "%Y-%m-%dT%H:%M:%S%z")


def _first(small: Lab, edge: str, status: str) -> Any:
    """A living object of an edge with this effective status."""
    return next(
        one
        for one in small.world.objects(edge, small.account_id)
        if one.values["effective_status"] == status
    )


def test_a_rename_comes_with_the_next_delta_and_leaves_a_trace(small: Lab) -> None:
    small.sync()
    ad = _first(small, "ads", "ACTIVE")
    before = ad.values["name"]
    small.advance(hours=1)
    small.world.rename(ad.id, "Autumn sale 🍂")
    small.advance(minutes=5)

    record = small.sync(parts=ENTITIES)

    assert record.meta_call_count_total == 3
    assert record.ads_fetched < 40
    small.assert_entities()
    assert {"field": "name", "old_value": before, "new_value": "Autumn sale 🍂"}.items() <= next(
        row for row in small.query(CHANGES) if row["field"] == "name"
    ).items()


def test_budget_edits_and_cascades_come_with_the_next_full_listing(small: Lab) -> None:
    small.sync()
    campaign = _first(small, "campaigns", "ACTIVE")
    small.world.pause(campaign.id)
    adset = next(
        one
        for one in small.world.objects("adsets", small.account_id)
        if int(one.values.get("daily_budget") or 0)
    )
    small.world.set_budget(adset.id, daily_minor=123_400)
    small.advance(hours=7)

    small.sync(parts=ENTITIES)

    small.assert_entities()
    assert any(row["field"] == "daily_budget" for row in small.query(CHANGES))
    assert any(row["new_value"] == "CAMPAIGN_PAUSED" for row in small.query(CHANGES))


def test_a_deleted_ad_stays_and_is_marked(small: Lab) -> None:
    small.sync()
    ad = _first(small, "ads", "ACTIVE")
    small.world.delete(ad.id)
    small.advance(hours=7)

    small.sync()

    row = small.stored_entities("ads")[ad.id]
    assert row["is_deleted"]
    assert row["deleted_seen_at"] is not None
    assert row["effective_status"] == "DELETED"
    small.assert_entities()


def test_what_vanishes_without_a_word_is_marked_after_the_next_full_listing(small: Lab) -> None:
    small.sync()
    ad = _first(small, "ads", "PAUSED")
    small.world.vanish(ad.id)
    small.advance(hours=7)

    record = small.sync()

    assert record.status is Status.SUCCESS, record.error_summary
    assert small.stored_entities("ads")[ad.id]["is_deleted"]
    small.sim.expect("unknown_object")


def test_new_ads_come_with_the_delta(small: Lab) -> None:
    small.sync()
    small.advance(hours=1)
    adset = _first(small, "adsets", "ACTIVE")
    added = small.world.add_ad(adset.id, name="Brand new")
    small.advance(minutes=5)

    small.sync()

    assert small.stored_entities("ads")[added.id]["name"] == "Brand new"
    small.assert_entities()


def test_unknown_values_are_kept_and_listed(small: Lab) -> None:
    """A status Meta invents passes no filter of ours, so it is found by id."""
    small.sync()
    ad = _first(small, "ads", "ACTIVE")
    campaign = _first(small, "campaigns", "ACTIVE")
    small.world.patch(ad.id, effective_status="LEVITATING")
    small.world.patch(campaign.id, created_time={"when": "once upon a time"})
    small.advance(hours=7)

    record = small.sync()

    # Its insights pass no filter either: the day does not add up to the account's row.
    assert record.status is Status.PARTIAL
    assert any("did not come again" in one for one in map(str, record.missing))
    levitating = small.stored_entities("ads")[ad.id]
    assert levitating["effective_status"] == "LEVITATING"
    assert not levitating["is_deleted"]
    assert small.stored_entities("campaigns")[campaign.id]["created_time"] is None
    found = small.query("SELECT source, field, reason FROM meta_ads.unrecognized_values")
    assert {"source": "ads", "field": "effective_status", "reason": "unknown_enum"} in found
    assert {"source": "campaigns", "field": "created_time", "reason": "wrong_type"} in found


def test_nasty_names_survive_or_are_cleaned_visibly(small: Lab) -> None:
    names = {
        "emoji": "🎯 Zürich: 50 % Rabatt 👩‍👩‍👧",
        "quotes": 'O\'Neil "the" \\ backslash\ttab\nline',
        "sql": "'); DROP TABLE meta_ads.meta_ads; --",
        "long": "ß" * 400,
        "right to left": "\u202e\u062a\u062e\u0641\u064a\u0636\u0627\u062a",
        "nul": "before\x00after",
    }
    ads = list(small.world.objects("ads", small.account_id))[: len(names)]
    for ad, name in zip(ads, names.values(), strict=True):
        small.world.patch(ad.id, name=name)

    record = small.sync()

    assert record.status is Status.SUCCESS, record.error_summary
    stored = small.stored_entities("ads")
    for ad, name in zip(ads, names.values(), strict=True):
        assert stored[ad.id]["name"] == name.replace("\x00", "")
    cleaned = small.query(
        "SELECT field FROM meta_ads.unrecognized_values WHERE reason = 'cleaned_text'"
    )
    assert cleaned == [{"field": "name"}]


def test_one_bad_creative_costs_its_field_and_not_the_page(small: Lab) -> None:
    creatives = list(small.world.objects("adcreatives", small.account_id))
    small.world.spoil_creative(creatives[3].id)

    record = small.sync(parts=frozenset({Part.CREATIVES}))

    assert record.status is Status.SUCCESS, record.error_summary
    stored = small.query("SELECT creative_id, object_story_spec FROM meta_ads.meta_creatives")
    assert {row["creative_id"] for row in stored} == {one.id for one in creatives}
    without = {row["creative_id"] for row in stored if row["object_story_spec"] is None}
    expected = {one.id for one in creatives if "object_story_spec" not in one.values}
    assert without == expected | {creatives[3].id}


def test_an_event_of_the_future_hides_none_that_come_later(small: Lab) -> None:
    """Else each later sync asks from 2031 on, or for the whole backfill again."""
    parts = frozenset({Part.ACTIVITIES})
    event = '{"event_time":"2031-01-01T00:00:00+0000","event_type":"x","object_id":"1"}'
    small.sim.fail("GET", "/activities", with_=Fault.strange_rows(event))
    small.sync(parts=parts)
    small.advance(hours=2)
    small.world.rename(_first(small, "ads", "ACTIVE").id, "Renamed")
    small.advance(hours=2)

    record = small.sync(parts=parts)

    assert record.status is Status.SUCCESS, record.error_summary
    renamed_at = small.clock.now() - timedelta(hours=2)
    newest = "SELECT max(event_time) FROM meta_ads.meta_activities WHERE event_time < '2030-01-01'"
    assert small.scalar(newest) == renamed_at
    cursor = "SELECT updated_since FROM meta_ads.sync_cursor WHERE edge = 'activities'"
    assert small.scalar(cursor) == renamed_at


def test_who_changed_what_is_stored_once(small: Lab) -> None:
    small.world.rename(_first(small, "ads", "ACTIVE").id, "Renamed")
    small.advance(minutes=1)
    parts = frozenset({Part.ACTIVITIES})

    first = small.sync(parts=parts)
    count = small.scalar("SELECT count(*) FROM meta_ads.meta_activities")
    small.advance(hours=1)
    small.sync(parts=parts)

    assert first.status is Status.SUCCESS, first.error_summary
    since = small.clock.now() - timedelta(days=10, hours=1)
    events = small.world.activities(small.account_id)
    assert count == len([one for one in events if _happened(one) >= since]) > 0
    assert small.scalar("SELECT count(*) FROM meta_ads.meta_activities") == count
