"""The views that models written on Fivetran's connector read: its shape, our numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import yaml

from meta_pipeline.model.part import Part
from meta_pipeline.sync import Status
from meta_pipeline.warehouse import fivetran
from meta_pipeline.warehouse.dbt_sources import sources
from meta_pipeline_tests.sync.lab import Lab, lab

SHAPE = {
    "account_history": "id bigint, name text, account_status text, currency text, timezone_name "
    "text, timezone_offset_hours_utc double precision, created_time timestamp with time zone, "
    "min_daily_budget integer, business_country_code text, business_state text",
    "campaign_history": "id bigint, account_id bigint, name text, status text, "
    "start_time timestamp with time zone, stop_time timestamp with time zone, "
    "created_time timestamp with time zone, updated_time timestamp with time zone, "
    "daily_budget integer, lifetime_budget integer, budget_remaining double precision",
    "ad_set_history": "id bigint, account_id bigint, campaign_id bigint, name text, status text, "
    "bid_strategy text, optimization_goal text, daily_budget integer, budget_remaining integer",
    "ad_history": "id bigint, account_id bigint, ad_set_id bigint, campaign_id bigint, creative_id "
    "bigint, name text, conversion_domain text, updated_time timestamp with time zone",
    "creative_history": "_fivetran_id text, _fivetran_synced timestamp with time zone, id bigint, "
    "account_id bigint, page_link text, url_tags text, asset_feed_spec_link_urls text, "
    "object_story_link_data_link text, template_app_link_spec_ios text",
    "basic_ad": "ad_id text, ad_name text, adset_name text, account_id bigint, date date, "
    "impressions integer, inline_link_clicks integer, spend double precision, reach integer, "
    "frequency double precision",
    **dict.fromkeys(
        ("basic_ad_actions", "basic_ad_action_values"),
        "ad_id text, date date, action_type text, index integer, value double precision, "
        "_7_d_click double precision, _1_d_view double precision, inline double precision, "
        "_fivetran_id text, _fivetran_synced timestamp with time zone",
    ),
    "demographics_country": "account_id text, date date, country text, impressions integer, "
    "inline_link_clicks integer, reach integer, spend double precision, frequency double precision",
    "demographics_region_actions": "account_id text, date date, region text, action_type text, "
    "index integer, value double precision, _fivetran_id text",
}
"""Columns and types that models ask for, as the connector has them."""
_COLUMNS = """
    SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0
"""


@pytest.fixture
def synced(database_url: str) -> Iterator[Lab]:
    """An account synced once, with its numbers by country, and the views made."""
    with lab(database_url) as found:
        assert found.sync().status is Status.SUCCESS
        cells = found.sync(parts=frozenset({Part.BREAKDOWNS}), breakdowns=(("country",),))
        assert cells.status is Status.SUCCESS
        with found.warehouse.connection() as connection:
            assert set(fivetran.make(connection, "facebook_ads")) == set(fivetran.VIEWS)
        yield found


def test_every_view_has_the_columns_and_types_that_models_cast(synced: Lab) -> None:
    for name, wanted in SHAPE.items():
        with synced.warehouse.connection() as connection:
            found = dict(connection.execute(_COLUMNS, (f"facebook_ads.{name}",)).fetchall())
        for column in wanted.split(", "):
            column_name, _, kind = column.partition(" ")
            assert found.get(column_name) == kind, (name, column_name)


def test_sums_are_those_of_our_own_tables_to_the_cent(synced: Lab) -> None:
    ours = synced.query(
        "SELECT sum(spend) AS spend, sum(impressions) AS impressions, count(*) AS rows "
        "FROM meta_ads.ad_insights"
    )[0]
    theirs = synced.query(
        "SELECT sum(spend::numeric) AS spend, sum(impressions) AS impressions, count(*) AS rows "
        "FROM facebook_ads.basic_ad"
    )[0]
    assert ours == theirs
    assert ours["rows"] > 20
    by_country = "SELECT sum(spend::numeric) FROM facebook_ads.demographics_country"
    assert synced.scalar(by_country) == ours["spend"]
    kinds = "SELECT action_type, sum(value)::numeric AS n FROM {} GROUP BY 1 ORDER BY 1"
    assert synced.query(kinds.format("facebook_ads.basic_ad_actions")) == synced.query(
        "SELECT action_type, sum(actions) AS n FROM meta_ads.conversions_long GROUP BY 1 ORDER BY 1"
    )


def test_history_has_a_row_for_each_state_that_a_sync_saw(synced: Lab) -> None:
    campaign = synced.world.objects("campaigns", synced.account_id)[0]
    first = campaign.values["name"]
    for name in ("Second name", "Third name"):
        synced.advance(hours=2)
        synced.world.rename(campaign.id, name)
        synced.advance(minutes=5)
        synced.sync(force=True)
    rows = synced.query(
        "SELECT name, updated_time FROM facebook_ads.campaign_history WHERE id = %s ORDER BY 2",
        int(campaign.id),
    )
    assert [row["name"] for row in rows] == [first, "Second name", "Third name"]
    assert len({row["updated_time"] for row in rows}) == 3
    every = "SELECT count(*) AS n, count(DISTINCT (id, updated_time)) AS k FROM facebook_ads.{}"
    for name in ("campaign_history", "ad_set_history", "ad_history"):
        counted = synced.query(every.format(name))[0]
        assert counted["n"] == counted["k"] > 0
        newest = synced.scalar(
            f"SELECT count(*) FROM (SELECT DISTINCT id FROM facebook_ads.{name}) AS known"
        )
        assert newest <= counted["n"]


def test_budgets_are_in_metas_minor_units(synced: Lab) -> None:
    rows = synced.query("SELECT id, daily_budget FROM facebook_ads.ad_set_history")
    given = {one.id: one.values for one in synced.world.objects("adsets", synced.account_id)}
    assert rows
    for row in rows:
        minor = int(given[str(row["id"])].get("daily_budget") or 0)
        assert row["daily_budget"] == (minor or None)


def test_tables_of_fivetrans_own_are_left_as_they_are(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE SCHEMA facebook_ads CREATE TABLE basic_ad (ad_id text)")
        with pytest.raises(fivetran.SchemaTaken, match=r"basic_ad of somebody else's.*--schema"):
            fivetran.make(connection, "facebook_ads")
        assert fivetran.drop(connection, "facebook_ads") == ()
        assert connection.execute("SELECT count(*) FROM facebook_ads.basic_ad").fetchone() == (0,)
        odd = 'Ünsere "Ads"'
        fivetran.make(connection, odd)
        fivetran.make(connection, odd)
        assert set(fivetran.drop(connection, odd)) == set(fivetran.VIEWS)
        assert (
            connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (odd,)).rowcount == 0
        )


def test_a_view_reads_as_its_reader(database_url: str) -> None:
    """One that read as its owner would show a tenant the rows of another."""
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        options = connection.execute(
            "SELECT relname, reloptions FROM pg_class "
            "WHERE relnamespace = 'facebook_ads'::regnamespace AND relkind = 'v'"
        ).fetchall()
    assert len(options) == len(fivetran.VIEWS)
    assert all(given == ["security_invoker=true"] for _, given in options)


def test_sources_name_every_column_that_there_is(database_url: str) -> None:
    document: dict[str, Any] = yaml.safe_load(sources("ads"))
    (source,) = document["sources"]
    assert source["name"] == "ads"
    with psycopg.connect(database_url) as connection:
        for table in source["tables"]:
            relation = f"meta_ads.{table['name']}"
            found = {name for name, _ in connection.execute(_COLUMNS, (relation,)).fetchall()}
            named = {column["name"] for column in table["columns"]}
            assert named, table["name"]
            assert named <= found, (table["name"], named - found)
            assert all(column["description"] for column in table["columns"]), table["name"]
    (insights,) = [one for one in source["tables"] if one["name"] == "meta_insights"]
    assert insights["freshness"]["warn_after"] == {"count": 24, "period": "hour"}
    assert insights["loaded_at_field"] == "data_as_of"
