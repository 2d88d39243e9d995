"""Anything at all among the rows of any edge: recorded, and nothing else is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meta_pipeline.graph.answer import decode
from meta_pipeline.simulator import AccountSpec, Fault
from meta_pipeline.sync import ENTITIES, Part, PlanPolicy, Status
from meta_pipeline.sync.rows.convert import Unfit, linked_id
from meta_pipeline.sync.rows.keys import id_text
from meta_pipeline_tests.sync.lab import Lab, lab

SPEC = AccountSpec("Seltsam", 1, 2, 3, (1, 2, 3), zone="Europe/Berlin", currency="EUR")
PARTS = ENTITIES | {
    *(Part.INSIGHTS, Part.CREATIVES, Part.ACTIVITIES, Part.HOURLY, Part.BREAKDOWNS),
    *(Part.CUSTOM_CONVERSIONS, Part.CUSTOM_AUDIENCES, Part.IMAGES),
}


def _deep(levels: int) -> str:
    return '{"a":[' * levels + "1" + "]}" * levels


# JSON text of values that something on the way cannot hold, and of those that are only wrong.
ODD = (
    "null", "true", "[]", "{}", '""', '"x"', '" "', '"\\u0000"', '"1\\u00002"', '"\\ud83d"',
    '"half \\udc00 pair"', "1" * 30, "9" * 400, "9" * 5_000, "-0", "1e308", '"NaN"', '[{"id":1}]',
    '{"id":{"id":1}}', f'"{"k" * 9_000}"', _deep(60), _deep(140), _deep(800), _deep(9_000),
    '"2026-13-45"', '"0001-01-01T00:00:00+2359"', '[[[{"genders":[{}]}]]]',
)  # fmt: skip
STORABLE = ('"x"', "1" * 30, '"NaN"', '"2026-13-45"', '"0001-01-01T00:00:00+2359"')
"""Of ODD, the strange ids that are still ids: text without blanks, of 64 characters at most."""
NO_IDS = tuple(f'{{"id":{one}{end}' for one in ODD if one not in STORABLE for end in ",}")
"""How a row begins that cannot be stored, and is therefore always found."""
ids = st.sampled_from((*ODD, '"120000000000000001"', "120000000000000002"))
NAMES = (
    "name", "status", "effective_status", "updated_time", "campaign_id", "adset_id", "ad_id",
    "account_id", "targeting", "creative", "issues_info", "daily_budget", "extra_data",
    "event_time", "event_type", "object_id", "spend", "impressions", "actions", "date_start",
    "date_stop", "age", "gender", "brand_new", "object_story_spec", "learning_stage_info",
    "rule", "pixel", "hash", "approximate_count_lower_bound", "time_created",
    "hourly_stats_aggregated_by_advertiser_time_zone", "k" * 3_000, "nul \\u0000 name",
)  # fmt: skip
rows = st.builds(
    lambda id_, values: "{" + ",".join(
        [f'"id":{id_}', *(f'"{name}":{value}' for name, value in values.items())]
    ) + "}",
    ids,
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ODD), max_size=6),
)  # fmt: skip
EDGES = (
    *("campaigns", "adsets", "ads", "adcreatives", "activities", "insights"),
    *("customconversions", "customaudiences", "adimages"),
)

LISTED = (
    ("adcreatives", "meta_creatives", "creative_id"),
    ("customconversions", "meta_custom_conversions", "custom_conversion_id"),
    ("customaudiences", "meta_custom_audiences", "audience_id"),
    ("adimages", "meta_images", "image_id"),
)


@pytest.fixture(scope="module")
def odd_lab(postgres: Any) -> Iterator[Lab]:
    with (
        postgres.fresh_database() as url,
        lab(url, SPEC, policy=PlanPolicy(backfill_days=3)) as found,
    ):
        found.sim.expect("unknown_object")
        yield found


def _assert_whole(found: Lab) -> None:
    """Everything of the world is there, whatever else is."""
    for edge in ("campaigns", "adsets", "ads"):
        stored = found.stored_entities(edge)
        for one in found.world.objects(edge, found.account_id):
            assert stored[one.id]["name"] == one.values["name"]
            assert stored[one.id]["effective_status"] == one.values["effective_status"]
    today = found.today()
    expected = found.expected_insights(today - timedelta(days=2), today)
    kept = {
        (row["entity_id"], str(row["date_start"])): row
        for row in found.query("SELECT * FROM meta_ads.meta_insights WHERE entity_type = 'ad'")
    }
    for key, row in expected.items():
        assert str(kept[key]["spend"]) == row["spend"]
    for edge, table, column in LISTED:
        listed = {one.id for one in found.world.objects(edge, found.account_id)}
        rows = found.query(f"SELECT {column} AS id FROM meta_ads.{table} WHERE NOT is_deleted")
        assert listed <= {row["id"] for row in rows}, edge


@pytest.mark.parametrize("examples", [1, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("edge", EDGES)
def test_strange_rows_cost_nothing_but_themselves(odd_lab: Lab, edge: str, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @example([f'{{"id":{one}}}' for one in ODD])
    @example(['{"id":"\\ud83d"}'])
    @example(
        [f'{{"id":"12{n}","{name}":{one}}}' for n, one in enumerate(ODD) for name in NAMES[:4]]
    )
    @example(
        [
            f'{{"id":"13{n}","targeting":{one},"extra_data":{one},"actions":{one},'
            f'"event_time":"2026-11-19T10:00:00+0000","ad_id":"13{n}","spend":"1",'
            f'"date_start":"2026-11-19","date_stop":"2026-11-19"}}'
            for n, one in enumerate(ODD)
        ]
    )
    @given(st.lists(rows, min_size=1, max_size=8))
    def go_on(strange: list[str]) -> None:
        odd_lab.sim.faults.clear()
        odd_lab.sim.fail(
            "GET", f"{odd_lab.account_id}/{edge}", times=None,
            with_=Fault.strange_rows(",".join(strange)),
        )  # fmt: skip
        odd_lab.advance(hours=1)
        with odd_lab.warehouse.connection() as connection:
            connection.execute("TRUNCATE meta_ads.unrecognized_values")

        record = odd_lab.sync(parts=PARTS, breakdowns=(("age", "gender"),), force=True)

        assert record.status in {Status.SUCCESS, Status.PARTIAL}, record.error_summary
        assert record.error_summary is None or "Error" not in record.error_summary
        _assert_whole(odd_lab)
        if any(row.startswith(NO_IDS) for row in strange):
            assert odd_lab.query("SELECT reason FROM meta_ads.unrecognized_values LIMIT 1")

    go_on()
    odd_lab.sim.faults.clear()


def test_an_object_by_id_that_is_another_one_is_not_taken_for_it(odd_lab: Lab) -> None:
    odd_lab.sim.faults.clear()
    odd_lab.sync(force=True)
    ad = next(iter(odd_lab.world.objects("ads", odd_lab.account_id)))
    with odd_lab.warehouse.connection() as connection:
        connection.execute("DELETE FROM meta_ads.meta_ads WHERE ad_id = %s", (ad.id,))
    odd_lab.sim.fail("GET", f"/{ad.id}", times=None, with_=Fault.unknown_content(id="4711"))

    record = odd_lab.sync(parts=frozenset({Part.INSIGHTS}), force=True)

    assert record.status is Status.PARTIAL
    assert "another object" in " ".join(map(str, record.missing))
    assert "4711" not in odd_lab.stored_entities("ads")
    odd_lab.sim.faults.clear()
    odd_lab.advance(hours=1)
    assert odd_lab.sync(force=True).status is Status.SUCCESS
    assert ad.id in odd_lab.stored_entities("ads")


ACCOUNT_FIELDS = (
    "name", "currency", "timezone_name", "timezone_offset_hours_utc", "account_status",
    "disable_reason", "amount_spent", "balance", "spend_cap", "created_time", "business", "age",
)  # fmt: skip


def _account(account_id: str, values: dict[str, str]) -> str:
    fine = {"id": f'"{account_id}"', "account_id": f'"{account_id.removeprefix("act_")}"',
            "name": '"Seltsam"', "currency": '"EUR"', "timezone_name": '"Europe/Berlin"',
            "account_status": "1"}  # fmt: skip
    return "{" + ",".join(f'"{name}":{one}' for name, one in (fine | values).items()) + "}"


_TOLD = st.dictionaries(st.sampled_from(ACCOUNT_FIELDS), st.sampled_from(ODD), max_size=5)


def test_whatever_the_account_says_of_itself_its_rows_are_kept(odd_lab: Lab) -> None:
    account_id = odd_lab.account_id

    @settings(max_examples=8, deadline=None, database=None)
    @example(dict.fromkeys(ACCOUNT_FIELDS, "null"))
    @example(dict.fromkeys(ACCOUNT_FIELDS, _deep(140)))
    @example(dict.fromkeys(ACCOUNT_FIELDS, '"\\u0000"'))
    @example(dict.fromkeys(ACCOUNT_FIELDS, '"half \\udc00 pair"'))
    @given(_TOLD)
    def go_on(values: dict[str, str]) -> None:
        body = _account(account_id, values).encode("utf-8", "surrogatepass")
        odd_lab.sim.faults.clear()
        odd_lab.sim.fail("GET", account_id, times=None, with_=Fault.wrong_shape(body))
        odd_lab.advance(hours=25)  # the account itself is due

        record = odd_lab.sync(force=True)

        assert record.status in {Status.SUCCESS, Status.PARTIAL}, record.error_summary
        assert "Error" not in (record.error_summary or "")
        for edge in ("campaigns", "adsets", "ads"):
            stored = odd_lab.stored_entities(edge)
            assert {one.id for one in odd_lab.world.objects(edge, account_id)} <= stored.keys()

    go_on()
    odd_lab.sim.faults.clear()
    odd_lab.advance(hours=25)
    odd_lab.sync(force=True)
    known = odd_lab.query("SELECT currency, timezone_name FROM meta_ads.meta_ad_accounts")
    assert {"currency": "EUR", "timezone_name": "Europe/Berlin"} in known


def test_whatever_stands_in_the_list_of_accounts_the_others_are_found(odd_lab: Lab) -> None:
    account_id = odd_lab.account_id

    @settings(max_examples=15, deadline=None, database=None)
    @example([f'{{"id":{one}}}' for one in ODD], {})
    @given(st.lists(rows, max_size=5), _TOLD)
    def go_on(strange: list[str], values: dict[str, str]) -> None:
        listed = ",".join([*strange, _account("act_7", values), _account(account_id, {})])
        body = f'{{"data":[{listed}]}}'.encode("utf-8", "surrogatepass")
        odd_lab.sim.faults.clear()
        odd_lab.sim.fail("GET", "/adaccounts", times=None, with_=Fault.wrong_shape(body))

        odd_lab.engine.discover()

        found = {row.account_id for row in odd_lab.warehouse.accounts.all(accessible_only=True)}
        assert {account_id, "act_7"} <= found

    go_on()
    odd_lab.sim.faults.clear()
    odd_lab.engine.discover()
    found = {row.account_id for row in odd_lab.warehouse.accounts.all(accessible_only=True)}
    assert found == {account_id}


BROKEN = (b'"\\ud83d"', b'"1\\udc00"', b'"1\xff2"', b'"\xed\xa0\xbd"', b'"\\ufffd"')
"""Texts that are no text, as escapes and as bytes."""


@pytest.mark.parametrize("text", [*(one.encode() for one in ODD if one not in STORABLE), *BROKEN])
def test_a_text_that_came_broken_is_no_id(text: bytes) -> None:
    page = decode(b'{"data":[{"id":"1","x":' + text + b"}]}")
    value = page["data"][0]["x"] if isinstance(page, dict) else None
    assert id_text(value) is None
    with suppress(Unfit):
        assert linked_id({"id": value}, None) is None


@given(st.lists(st.sampled_from(ODD), min_size=1, max_size=4))
def test_a_page_is_decoded_whatever_its_rows_hold(values: list[str]) -> None:
    body = '{"data":[{"id":"1"},' + ",".join(f'{{"x":{value}}}' for value in values) + "]}"
    page = decode(body.encode("utf-8", "surrogatepass"))
    assert page["data"][0] == {"id": "1"}
    assert len(page["data"]) == 1 + len(values)
    json.dumps(page)
