"""Custom conversions, custom audiences and images: listed whole, each with troubles of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from meta_pipeline.settings import Chosen
from meta_pipeline.simulator import Fault
from meta_pipeline.sync import DEFAULT_PARTS, ENTITIES, Extras, Part, Status, SyncRequest
from meta_pipeline.sync.rows.fields import ENTITY_SPECS
from meta_pipeline_tests.sync.lab import Lab, lab

LIBRARY = (Part.CUSTOM_CONVERSIONS, Part.CUSTOM_AUDIENCES, Part.IMAGES)
EDGES = tuple(ENTITY_SPECS[part].edge for part in LIBRARY)
PARTS = frozenset(LIBRARY)


@pytest.fixture
def found(database_url: str) -> Iterator[Lab]:
    with lab(database_url) as opened:
        opened.sim.expect("unknown_object")
        yield opened


def stored(found: Lab, part: Part) -> dict[str, dict[str, Any]]:
    """Rows of the account by id."""
    spec = ENTITY_SPECS[part]
    rows = found.query(f"SELECT * FROM {spec.table} WHERE account_id = %s", found.account_id)
    return {row[spec.id_column]: row for row in rows}


def living(found: Lab, part: Part) -> set[str]:
    return {one for one, row in stored(found, part).items() if not row["is_deleted"]}


def listed(found: Lab, part: Part) -> dict[str, Any]:
    """What the world has, by id."""
    objects = found.world.objects(ENTITY_SPECS[part].edge, found.account_id)
    return {one.id: one.values for one in objects}


def asked(found: Lab) -> list[str]:
    return [entry.path.rpartition("/")[2] for entry in found.sim.journal]


def test_nothing_is_read_unless_it_is_on(found: Lab) -> None:
    found.sync()
    assert not set(asked(found)) & set(EDGES)
    on = Extras({part: Chosen.parse(found.account_id) for part in LIBRARY})
    assert on.on(found.account_id) == PARTS
    assert on.on("act_1") == frozenset()


def test_every_field_is_as_the_world_has_it(found: Lab) -> None:
    record = found.sync(parts=PARTS)

    assert record.status is Status.SUCCESS, record.error_summary
    counts = (record.custom_conversions_fetched, record.custom_audiences_fetched)
    assert counts == (3, 5)
    assert record.images_fetched == len(listed(found, Part.IMAGES)) > 5
    for part in LIBRARY:
        assert living(found, part) == set(listed(found, part)), part
    for one, given in listed(found, Part.CUSTOM_CONVERSIONS).items():
        row = stored(found, Part.CUSTOM_CONVERSIONS)[one]
        for name in ("name", "custom_event_type", "rule", "data_sources", "is_archived"):
            assert row[name] == given[name], name
        assert row["pixel_id"] == given["pixel"]["id"]
        assert row["default_conversion_value"] == Decimal(given["default_conversion_value"])
        assert row["last_fired_time"] == datetime.fromisoformat(given["last_fired_time"])
        assert row["extra"] is None
    for one, given in listed(found, Part.CUSTOM_AUDIENCES).items():
        row = stored(found, Part.CUSTOM_AUDIENCES)[one]
        low, high = (given[f"approximate_count_{end}_bound"] for end in ("lower", "upper"))
        assert row["size_lower_bound"] == (None if low == -1 else low), "-1 is no size"
        assert row["size_upper_bound"] == (None if high == -1 else high)
        assert row["created_time"] == datetime.fromtimestamp(given["time_created"], UTC)
        for name in ("name", "subtype", "operation_status", "delivery_status"):
            assert row[name] == given[name], name
        for name in ("lookalike_spec", "rule", "data_source", "pixel_id"):
            assert row[name] == given.get(name), name
    assert None in {
        row["size_lower_bound"] for row in stored(found, Part.CUSTOM_AUDIENCES).values()
    }
    for one, given in listed(found, Part.IMAGES).items():
        row = stored(found, Part.IMAGES)[one]
        assert row["image_hash"] == given["hash"] == one.rpartition(":")[2]
        assert row["is_in_ads"] is True
        for name in ("name", "status", "width", "original_height", "permalink_url", "url_128"):
            assert row[name] == given[name], name


def test_images_are_those_of_the_creatives_and_audiences_those_of_targeting(found: Lab) -> None:
    found.sync(parts=PARTS | ENTITIES | {Part.CREATIVES})
    assert found.scalar(
        "SELECT count(*) FROM meta_ads.meta_creatives AS c JOIN meta_ads.meta_images AS i"
        " USING (account_id, image_hash)"
    ) == found.scalar("SELECT count(image_hash) FROM meta_ads.meta_creatives")
    named = found.query(
        "SELECT DISTINCT one ->> 'id' AS id, one ->> 'name' AS name FROM meta_ads.meta_adsets"
        " CROSS JOIN jsonb_array_elements(targeting -> 'custom_audiences') AS one"
    )
    assert named
    audiences = stored(found, Part.CUSTOM_AUDIENCES)
    assert all(audiences[one["id"]]["name"] == one["name"] for one in named)


def test_they_are_read_once_a_day_and_cost_a_call_for_each_page(found: Lab) -> None:
    planned = found.engine.plan(SyncRequest(found.account_id, PARTS))
    assert planned.edge_calls == 3
    found.sync(parts=PARTS)
    found.sim.journal.clear()
    found.advance(hours=20)
    again = found.sync(parts=PARTS)
    assert (again.status, asked(found)) == (Status.SUCCESS, [])
    found.advance(hours=5)
    again = found.sync(parts=PARTS)
    assert again.entity_rows_written == 0, "the same rows are not written again"
    assert set(asked(found)) - {found.account_id} == set(EDGES)


def test_what_is_not_listed_any_more_is_looked_up_and_marked(found: Lab) -> None:
    found.sync(parts=PARTS)
    gone = {part: min(listed(found, part)) for part in LIBRARY}
    for one in gone.values():
        found.world.vanish(one)
    kept = max(listed(found, Part.CUSTOM_CONVERSIONS))
    found.world.patch(kept, name="Renamed")
    found.advance(hours=25)
    record = found.sync(parts=PARTS)

    assert record.status is Status.SUCCESS, record.error_summary
    for part, one in gone.items():
        row = stored(found, part)[one]
        assert (row["is_deleted"], row["name"] is not None) == (True, True), part
        assert row["deleted_seen_at"] == record.started_at
        assert living(found, part) == set(listed(found, part)), part
    assert stored(found, Part.CUSTOM_CONVERSIONS)[kept]["name"] == "Renamed"
    by_hash = [entry for entry in found.sim.journal if "hashes" in entry.params]
    assert len(by_hash) == 1, "an image cannot be asked for by its id"
    found.advance(hours=25)
    found.sim.journal.clear()
    found.sync(parts=PARTS)
    assert set(asked(found)) - {found.account_id} == set(EDGES), (
        "what is marked is not asked for again"
    )


@pytest.mark.parametrize("part", LIBRARY)
def test_what_a_listing_leaves_out_and_is_still_there_stays(found: Lab, part: Part) -> None:
    found.sync(parts=PARTS)
    edge = ENTITY_SPECS[part].edge
    found.sim.fail(
        "GET", f"{found.account_id}/{edge}", with_=Fault.wrong_shape(b'{"data":[]}'), times=1
    )
    found.advance(hours=25)
    record = found.sync(parts=frozenset({part}))
    assert record.status is Status.SUCCESS, record.error_summary
    assert living(found, part) == set(listed(found, part)) != set()


@pytest.mark.parametrize("times", [2, 3])
def test_images_are_not_gone_because_meta_shows_none_at_all(found: Lab, times: int) -> None:
    """Neither the listing nor the question by hash: an empty answer is no proof of anything."""
    found.sync(parts=PARTS)
    before = living(found, Part.IMAGES)
    edge = f"{found.account_id}/{ENTITY_SPECS[Part.IMAGES].edge}"
    found.sim.fail("GET", edge, with_=Fault.wrong_shape(b'{"data":[]}'), times=times)
    found.advance(hours=25)
    record = found.sync(parts=frozenset({Part.IMAGES}))
    assert record.status is Status.FAIL, "no image was read at all"
    assert "Meta did not answer about all of them" in str(record.error_summary)
    assert living(found, Part.IMAGES) == before != set()


def test_one_image_that_is_gone_is_not_believed_of_an_answer_without_the_others(
    found: Lab,
) -> None:
    found.sync(parts=PARTS)
    gone = min(listed(found, Part.IMAGES))
    found.world.vanish(gone)
    edge = f"{found.account_id}/{ENTITY_SPECS[Part.IMAGES].edge}"
    found.sim.fail("GET", edge, with_=Fault.wrong_shape(b'{"data":[]}'), on_call=2, times=1)
    found.advance(hours=25)
    record = found.sync(parts=frozenset({Part.IMAGES}))
    assert record.status is Status.PARTIAL, record.error_summary
    assert gone in living(found, Part.IMAGES)


def test_terms_that_nobody_accepted_cost_the_audiences_alone(found: Lab) -> None:
    found.world.without_terms.add(found.account_id)
    record = found.sync(parts=PARTS | DEFAULT_PARTS)

    assert record.status is Status.PARTIAL
    assert [(one.part, one.is_whole) for one in record.missing] == [(Part.CUSTOM_AUDIENCES, True)]
    assert "Accept the terms in Ads Manager" in str(record.missing[0])
    assert stored(found, Part.CUSTOM_AUDIENCES) == {}
    assert living(found, Part.IMAGES) == set(listed(found, Part.IMAGES))
    found.assert_entities()


@pytest.mark.parametrize("part", LIBRARY)
def test_what_is_refused_alone_gives_the_account_no_rest(found: Lab, part: Part) -> None:
    edge = ENTITY_SPECS[part].edge
    found.sim.fail("GET", f"/{edge}", times=None, with_=Fault.graph_error(200, status=403))
    for _ in range(3):
        record = found.sync(parts=frozenset({part}))
        assert (record.status, record.not_before) == (Status.FAIL, None)
        assert [one.part for one in record.missing] == [part]
        found.advance(minutes=5)
    assert found.sync().status is Status.SUCCESS


def test_a_full_meter_of_audiences_stops_nothing_else(found: Lab) -> None:
    found.sync(parts=frozenset({Part.CAMPAIGNS}))
    found.sim.limits.exhaust(found.account_id, use_case="custom_audience")
    record = found.sync(parts=PARTS | DEFAULT_PARTS, force=True)

    assert record.status is Status.PARTIAL, record.error_summary
    assert [one.part for one in record.missing] == [Part.CUSTOM_AUDIENCES]
    found.assert_entities()
    assert living(found, Part.CUSTOM_CONVERSIONS) == set(listed(found, Part.CUSTOM_CONVERSIONS))
    alone = found.sync(parts=frozenset({Part.CUSTOM_AUDIENCES}))
    assert alone.status is Status.THROTTLED
    assert alone.not_before is not None
    found.advance(hours=2)
    assert found.sync(parts=PARTS).status is Status.SUCCESS
    assert living(found, Part.CUSTOM_AUDIENCES) == set(listed(found, Part.CUSTOM_AUDIENCES))


def test_what_two_accounts_share_is_a_row_of_each(found: Lab) -> None:
    found.sync(parts=PARTS)
    with found.warehouse.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_custom_conversions"
            " (account_id, custom_conversion_id, name, data_as_of)"
            " SELECT 'act_7', custom_conversion_id, 'Theirs', now()"
            " FROM meta_ads.meta_custom_conversions"
        )
    found.world.vanish(min(listed(found, Part.CUSTOM_CONVERSIONS)))
    found.advance(hours=25)
    found.sync(parts=PARTS)
    theirs = found.query("SELECT * FROM meta_ads.meta_custom_conversions WHERE name = 'Theirs'")
    assert [row["is_deleted"] for row in theirs] == [False] * 3
    assert {row["account_id"] for row in theirs} == {"act_7"}


def test_a_field_that_is_no_more_costs_itself(found: Lab) -> None:
    found.sim.contract.remove_field("CustomConversion", "aggregation_rule")
    record = found.sync(parts=PARTS)
    assert record.status is Status.SUCCESS, record.error_summary
    assert living(found, Part.CUSTOM_CONVERSIONS) == set(listed(found, Part.CUSTOM_CONVERSIONS))
