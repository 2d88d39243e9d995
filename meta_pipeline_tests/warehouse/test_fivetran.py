"""The views that models written on Fivetran's connector read: its shape, our numbers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from meta_pipeline.model.part import Part
from meta_pipeline.sync import Status
from meta_pipeline.warehouse import DatabaseUnfit, ViewInUse, fivetran
from meta_pipeline.warehouse.dbt_sources import sources
from meta_pipeline.warehouse.errors import RoleRefused
from meta_pipeline_tests.postgres import TestPostgres, rows_read
from meta_pipeline_tests.sync.lab import Lab, lab
from meta_pipeline_tests.warehouse.tenancy.two import ACCOUNTS, ALPHA, BETA, two_tenants

SHAPE = {
    "account_history": "id bigint, name text, account_status text, currency text, timezone_name "
    "text, timezone_offset_hours_utc double precision, created_time timestamp with time zone, "
    "min_daily_budget bigint, business_country_code text, business_state text",
    "campaign_history": "id bigint, account_id bigint, name text, status text, "
    "start_time timestamp with time zone, stop_time timestamp with time zone, "
    "created_time timestamp with time zone, updated_time timestamp with time zone, "
    "daily_budget bigint, lifetime_budget bigint, budget_remaining double precision",
    "ad_set_history": "id bigint, account_id bigint, campaign_id bigint, name text, status text, "
    "bid_strategy text, optimization_goal text, daily_budget bigint, budget_remaining bigint",
    "ad_history": "id bigint, account_id bigint, ad_set_id bigint, campaign_id bigint, creative_id "
    "bigint, name text, conversion_domain text, updated_time timestamp with time zone",
    "creative_history": "_fivetran_id text, _fivetran_synced timestamp with time zone, id bigint, "
    "account_id bigint, page_link text, url_tags text, asset_feed_spec_link_urls text, "
    "object_story_link_data_link text, template_app_link_spec_ios text",
    "basic_ad": "ad_id text, ad_name text, adset_name text, account_id bigint, date date, "
    "impressions bigint, inline_link_clicks bigint, spend double precision, reach bigint, "
    "frequency double precision",
    **dict.fromkeys(
        ("basic_ad_actions", "basic_ad_action_values"),
        "ad_id text, date date, action_type text, index integer, value double precision, "
        "_7_d_click double precision, _1_d_view double precision, inline double precision, "
        "_fivetran_id text, _fivetran_synced timestamp with time zone",
    ),
    "demographics_country": "account_id text, date date, country text, impressions bigint, "
    "inline_link_clicks bigint, reach bigint, spend double precision, frequency double precision",
    "demographics_region_actions": "account_id text, date date, region text, action_type text, "
    "index integer, value double precision, _fivetran_id text",
}
"""Columns and types that models ask for; numbers that may be large are bigint, not integer."""
_COLUMNS = """
    SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0
"""


@pytest.fixture(scope="module")
def synced(postgres: TestPostgres) -> Iterator[Lab]:
    """An account synced once, with its numbers by country, and the views made."""
    with postgres.fresh_database() as url, lab(url) as found:
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


def test_each_cell_is_read_once_and_each_day_is_told_by_its_finest_level(
    database_url: str,
) -> None:
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        # 50 ads in 10 countries on 4 days, of which the first has the account's own rows as well.
        connection.execute(
            "INSERT INTO meta_ads.meta_insights_breakdown (entity_type, entity_id, date_start,"
            " breakdown, cell, cell_values, account_id, spend, reach, data_as_of)"
            " SELECT CASE ad WHEN 0 THEN 'account' ELSE 'ad' END, ad,"
            " '2026-11-01'::date + back, 'country', country,"
            " jsonb_build_object('country', country::text), 'act_7', 1, 5, now()"
            " FROM generate_series(0, 50) AS ad, generate_series(1, 10) AS country,"
            " generate_series(0, 3) AS back WHERE ad > 0 OR back = 0"
        )
        connection.execute("ANALYZE meta_ads.meta_insights_breakdown")
        connection.commit()
        at_first = rows_read(connection, "meta_insights_breakdown")
        query = (
            "SELECT date, sum(spend), count(*), max(reach) FROM facebook_ads.demographics_country"
        )
        found = connection.execute(f"{query} GROUP BY 1 ORDER BY 1").fetchall()
        assert [row[1:] for row in found] == [(10, 10, 5), *[(500, 10, None)] * 3]
        between = rows_read(connection, "meta_insights_breakdown")
        assert between - at_first == 2010
        one_day = f"{query} WHERE account_id = '7' AND date = '2026-11-02' GROUP BY 1"
        assert len(connection.execute(one_day).fetchall()) == 1
        assert rows_read(connection, "meta_insights_breakdown") - between < 1000


def test_each_change_is_read_once_however_many_an_entity_had(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        connection.execute(
            "INSERT INTO meta_ads.meta_campaigns (campaign_id, account_id, name, status,"
            " data_as_of, first_seen_at)"
            " VALUES ('1', 'act_7', 'name 200', 'PAUSED', now(), '2026-01-01Z')"
        )
        # Renamed every hour, and twice in the first; paused once, in the last but one.
        connection.execute(
            "INSERT INTO meta_ads.entity_changes"
            " (account_id, entity_type, entity_id, field, old_value, new_value, seen_at)"
            " SELECT 'act_7', 'campaign', '1', field, was, 'any', '2026-02-01Z'::timestamptz"
            " + make_interval(hours => n)"
            " FROM (SELECT n, 'name', 'name ' || n - 1 FROM generate_series(1, 200) AS n"
            " UNION ALL VALUES (1, 'name', 'between'), (199, 'status', 'ACTIVE'),"
            " (100, 'start_time', NULL)) AS seen (n, field, was)"
        )
        connection.commit()
        before = rows_read(connection, "entity_changes")
        found = connection.execute(
            "SELECT name, status, start_time FROM facebook_ads.campaign_history"
            " ORDER BY updated_time"
        ).fetchall()
        assert rows_read(connection, "entity_changes") - before == 203
    assert [row[0] for row in found] == [f"name {n}" for n in range(201)]
    assert [row[1] for row in found] == ["ACTIVE"] * 199 + ["PAUSED"] * 2
    assert {row[2] for row in found} == {None}


def test_a_number_that_is_none_takes_no_view_down(database_url: str) -> None:
    """Stored before it was refused, or by a later Meta: a query over it goes on."""
    odd = ["1e999999", "1e400", "9" * 400, "1." + "0" * 50, "1e99", "4"]
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        entries = [{"action_type": f"odd{n}", "value": value} for n, value in enumerate(odd)]
        connection.execute(
            "INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop,"
            " account_id, actions, data_as_of)"
            " VALUES ('ad', '1', '2026-11-01', '2026-11-01', 'act_7', %s, now())",
            (Jsonb(entries),),
        )
        connection.commit()
        wanted = [None] * 4 + [1e99, 4]
        for query in (
            "SELECT value FROM facebook_ads.basic_ad_actions ORDER BY action_type",
            "SELECT actions::float8 FROM meta_ads.conversions_long ORDER BY action_type",
        ):
            assert [row[0] for row in connection.execute(query).fetchall()] == wanted


def test_budgets_are_in_metas_minor_units(synced: Lab) -> None:
    rows = synced.query("SELECT id, daily_budget FROM facebook_ads.ad_set_history")
    given = {one.id: one.values for one in synced.world.objects("adsets", synced.account_id)}
    assert rows
    for row in rows:
        minor = int(given[str(row["id"])].get("daily_budget") or 0)
        assert row["daily_budget"] == (minor or None)


def test_no_number_of_metas_is_too_large_for_a_view(database_url: str) -> None:
    """Three billion rupiah have no minor unit, and no place in an integer."""
    large, most = 3_000_000_000, 10**12 - 1
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, currency, timezone_name,"
            " min_daily_budget, last_listed_at, data_as_of, first_seen_at)"
            " VALUES ('act_7', 'IDR', 'Meta/Verse', %s, now(), now(), now())",
            (large,),
        )
        for entity, table, columns in (
            ("campaign", "meta_campaigns", "daily_budget, lifetime_budget, budget_remaining"),
            ("adset", "meta_adsets", "daily_budget, lifetime_budget, budget_remaining"),
        ):
            connection.execute(
                f"INSERT INTO meta_ads.{table} ({entity}_id, account_id, currency, {columns},"
                " data_as_of, first_seen_at)"
                f" VALUES ('1', 'act_7', 'IDR', {large}, {large}, {large}, now(), now())"
            )
            connection.execute(
                "INSERT INTO meta_ads.entity_changes (account_id, entity_type, entity_id, field,"
                " old_value, new_value, seen_at)"
                " VALUES ('act_7', %s, '1', 'daily_budget', %s, %s, now())",
                (entity, str(2 * large), str(large)),
            )
        for kind in ("ad", "account"):
            connection.execute(
                "INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start, date_stop,"
                " account_id, impressions, inline_link_clicks, reach, data_as_of)"
                " VALUES (%s, '1', '2026-11-01', '2026-11-01', 'act_7', %s, %s, %s, now())",
                (kind, most, most, most),
            )
            connection.execute(
                "INSERT INTO meta_ads.meta_insights_breakdown (entity_type, entity_id, date_start,"
                " breakdown, cell, cell_values, account_id, impressions, inline_link_clicks, reach,"
                " data_as_of) VALUES (%s, '1', '2026-11-01', 'country', 'ID', %s, 'act_7', %s, %s,"
                " %s, now())",
                (kind, Jsonb({"country": "ID"}), most, most, most),
            )
        budgets = "daily_budget, lifetime_budget, budget_remaining"
        counts = "impressions, inline_link_clicks, reach"
        for query, found in {
            "min_daily_budget, timezone_offset_hours_utc FROM facebook_ads.account_history": [
                (large, None)
            ],
            f"{budgets} FROM facebook_ads.campaign_history ORDER BY 1": [
                (large, large, large),
                (2 * large, large, large),
            ],
            "daily_budget, budget_remaining FROM facebook_ads.ad_set_history ORDER BY 1": [
                (large, large),
                (2 * large, large),
            ],
            f"{counts} FROM facebook_ads.basic_ad": [(most, most, most)],
            f"{counts} FROM facebook_ads.demographics_country": [(most, most, most)],
        }.items():
            assert connection.execute(f"SELECT {query}").fetchall() == found, query


def test_an_id_that_is_no_number_takes_no_view_down(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        fivetran.make(connection, "facebook_ads")
        ids = ["7", "120210000000000010", str(2**63 - 1), str(2**63), "9" * 19, "odd"]
        for one in ids:
            connection.execute(
                "INSERT INTO meta_ads.meta_ads (ad_id, account_id, campaign_id, adset_id,"
                " creative_id, data_as_of, first_seen_at)"
                " VALUES (%s, 'act_7', %s, %s, %s, now(), now())",
                (one, one, one, one),
            )
        found = connection.execute(
            "SELECT id, campaign_id, ad_set_id, creative_id FROM facebook_ads.ad_history"
        ).fetchall()
    numbers = [int(one) if len(one) < 19 and one != "odd" else None for one in ids]
    assert sorted(found, key=str) == sorted([(one,) * 4 for one in numbers], key=str)


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


def test_what_is_built_on_a_view_stays(database_url: str) -> None:
    """dbt keeps staging models as views: making ours anew must not stumble over them."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        fivetran.make(connection, "facebook_ads")
        connection.execute("CREATE VIEW public.stg_ads AS SELECT ad_id FROM facebook_ads.basic_ad")
        fivetran.make(connection, "facebook_ads")
        with pytest.raises(ViewInUse, match=r"basic_ad.*stg_ads.*Nothing was changed"):
            fivetran.drop(connection, "facebook_ads")
        # One of an older version, with other columns, has to be dropped.
        about = connection.execute(
            "SELECT obj_description('facebook_ads.ad_history'::regclass)"
        ).fetchone()
        assert about
        analyst = f"analyst_{secrets.token_hex(4)}"
        connection.execute(f"CREATE ROLE {analyst}")
        try:
            for view in ("ad_history", "basic_ad"):
                connection.execute(f"DROP VIEW facebook_ads.{view} CASCADE")
                connection.execute(f"CREATE VIEW facebook_ads.{view} AS SELECT 1 AS other")
                connection.execute(f"COMMENT ON VIEW facebook_ads.{view} IS '{about[0]}'")
            connection.execute(f"GRANT SELECT ON facebook_ads.ad_history TO {analyst}")
            connection.execute("CREATE VIEW public.stg_ads AS SELECT * FROM facebook_ads.basic_ad")
            with pytest.raises(ViewInUse, match=r"basic_ad.*stg_ads"):
                fivetran.make(connection, "facebook_ads")
            kept = "SELECT other FROM facebook_ads.ad_history"
            assert connection.execute(kept).fetchone() == (1,)
            connection.execute("DROP VIEW public.stg_ads")
            fivetran.make(connection, "facebook_ads")
            may = "SELECT has_table_privilege(%s, 'facebook_ads.ad_history', 'SELECT')"
            assert connection.execute(may, (analyst,)).fetchone() == (True,)
        finally:
            connection.execute(f"DROP OWNED BY {analyst}; DROP ROLE {analyst}")


def test_a_reader_is_granted_the_views_and_nothing_else(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        with pytest.raises(RoleRefused, match=r'"nobody" does not exist\. Nothing was changed'):
            fivetran.make(connection, "facebook_ads", reader="nobody")
        none = "SELECT FROM pg_namespace WHERE nspname = 'facebook_ads'"
        assert connection.execute(none).rowcount == 0
        with pytest.raises(fivetran.SchemaTaken, match="is ours already"):
            fivetran.make(connection, "meta_ads")
        connection.execute("CREATE SCHEMA facebook_ads CREATE TABLE payroll (salary int)")
        reader = f'of "models" {secrets.token_hex(4)}'
        role = sql.Identifier(reader)
        connection.execute(sql.SQL("CREATE ROLE {}").format(role))
        try:
            fivetran.make(connection, "facebook_ads", reader=reader)
            fivetran.make(connection, "facebook_ads")
            may = "SELECT has_table_privilege(%s, %s, 'SELECT')"
            for name, expected in (
                *dict.fromkeys(fivetran.VIEWS, True).items(),
                ("payroll", False),
            ):
                found = connection.execute(may, (reader, f"facebook_ads.{name}")).fetchone()
                assert found == (expected,), name
            connection.execute(sql.SQL("SET ROLE {}").format(role))
            with pytest.raises(
                DatabaseUnfit, match=r"may not make the views.*CREATE SCHEMA \"ads\""
            ):
                fivetran.make(connection, "ads")
        finally:
            connection.execute(sql.SQL("RESET ROLE; DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_tenants_login_sees_its_own_rows(postgres: TestPostgres) -> None:
    """A view that read as its owner would show a tenant the rows of another."""
    with two_tenants(postgres) as two:
        with two.warehouse.connection() as connection:
            connection.execute("TRUNCATE meta_ads.meta_insights, meta_ads.meta_ads")
            for number, account_id in enumerate(ACCOUNTS.values(), 1):
                connection.execute(
                    """INSERT INTO meta_ads.meta_insights (entity_type, entity_id, date_start,
                        date_stop, account_id, spend, data_as_of)
                       VALUES ('ad', %s, '2026-11-01', '2026-11-01', %s, 12.34, now())""",
                    (number, account_id),
                )
            fivetran.make(connection, "facebook_ads", reader=two.roles[BETA])
        read = "SELECT ad_id, account_id FROM facebook_ads.basic_ad"
        with closing(two.login(BETA)) as theirs:
            assert theirs.execute(read).fetchall() == [("2", 2002)]
        with closing(two.login(ALPHA)) as others, pytest.raises(errors.InsufficientPrivilege):
            others.execute(read)
        with two.warehouse.connection() as connection:
            assert len(connection.execute(read).fetchall()) == 2
            fivetran.drop(connection, "facebook_ads")


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
