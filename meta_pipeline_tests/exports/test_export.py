"""An export holds what Postgres holds, writes only what changed, and is never half there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from meta_pipeline.exports import (
    TABLES,
    ExportBusy,
    ExportedFile,
    PlaceTaken,
    PlaceUnreachable,
    TableUnknown,
    export,
    open_place,
)
from meta_pipeline.warehouse import TenantsNotApart, Warehouse, schema
from meta_pipeline_tests.postgres import TestPostgres
from meta_pipeline_tests.warehouse.rows import MORNING, insert
from meta_pipeline_tests.warehouse.tenancy.two import ACCOUNTS, Two, two_tenants

from .lake import (
    APRIL,
    FIRST,
    MAY,
    SECOND,
    Killed,
    add_day,
    ask,
    asked,
    change,
    files,
    killed_after,
    manifest,
    slow,
    strays,
)

NOT_EXPORTED = {
    "of the pipeline itself": {
        "insights_gaps",
        "call_weights",
        "meta_api_days",
        "meta_api_hours",
        "meta_api_latency_hours",
        "meta_api_logs",
        "metric_rollups",
        "pending_reports",
        "retired_totals",
        "counted_until",
        "schema_views",
        "sync_cursor",
        "sync_requests",
        "sync_runs",
        "custom_reports",
        "unrecognized_values",
        "usage_readings",
        "alert_channels",
        "alerts",
        "web_events",
        "web_links",
        "web_sign_outs",
        "webhook_changes",
        "webhook_deliveries",
        "meta_callbacks",
    },
    "opens a door, or says who may come in": {
        "api_keys",
        "connection_accounts",
        "connection_events",
        "connection_tokens",
        "connections",
        "invitations",
        "login_states",
        "members",
        "pending_accounts",
        "pending_connections",
        "tenant_accounts",
        "tenant_roles",
        "tenants",
        "token_health",
    },
    "an index of the rollups": {"adset_goal_days"},
    "rules, not numbers": {"metric_families", "metric_goals", "metric_overrides"},
    "a conversation": {"advice", "advice_judgements", "advice_outcomes", "advice_reviews"},
}
"""A new table is exported, or says here why not."""


def test_every_table_is_exported_or_says_why_not() -> None:
    known = {table.name for table in schema.metadata.tables.values()}
    left = set[str]().union(*NOT_EXPORTED.values())
    assert not left & set(TABLES)
    assert set(TABLES) <= known <= left | set(TABLES)


def test_duckdb_adds_up_what_postgres_adds_up(url: str, place: Path) -> None:
    done = export(url, open_place(str(place)))
    query = (
        "SELECT account_id, sum(spend), sum(impressions), count(*) FROM {} GROUP BY 1 ORDER BY 1"
    )
    read = ask(query.format("rows"), files(place, "meta_insights"))
    assert read == asked(url, query.format("meta_ads.meta_insights"))
    assert read[0][1:] == (Decimal("24.68"), 200, 2)
    names = ask("SELECT name FROM rows ORDER BY campaign_id", files(place, "meta_campaigns"))
    assert names == asked(url, "SELECT name FROM meta_ads.meta_campaigns ORDER BY campaign_id")
    assert done.rows_written == 2 + 2 + 4
    assert not done.unfit


def test_a_file_is_of_one_account_and_month(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    found = manifest(place)
    assert [(one.account_id, one.month, one.rows) for one in found.files_of("meta_insights")] == [
        (account_id, month, 1) for account_id in (FIRST, SECOND) for month in ("2026-04", "2026-05")
    ]
    assert {one.month for one in found.files_of("meta_campaigns")} == {None}
    for table in found.tables.values():
        for one in table.files:
            assert (place / one.path).stat().st_size == one.size_bytes
            assert one.path.split("/")[1] == one.account_id
    assert found.tables["meta_insights"].data_as_of == MORNING


def test_columns_say_what_they_mean(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    declared = schema.meta_insights
    file = pq.ParquetFile(files(place, "meta_insights")[0]).schema_arrow
    assert file.names == [column.name for column in declared.columns]
    for column in declared.columns:
        field = file.field(column.name)
        assert field.metadata[b"comment"].decode() == column.comment
    assert str(file.field("spend").type) == "decimal128(38, 9)"
    assert str(file.field("date_start").type) == "date32[day]"
    assert str(file.field("data_as_of").type) == "timestamp[us, tz=UTC]"
    assert file.metadata[b"data_as_of"].decode() == MORNING.isoformat()
    told = manifest(place).tables["meta_insights"]
    assert told.comment == declared.comment
    assert told.columns[0]["postgres_type"] == "text"


def test_only_a_changed_month_is_written_again(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    before = manifest(place)
    assert not export(url, open_place(str(place))).written
    change(
        url,
        f"UPDATE meta_ads.meta_insights SET spend = 13 WHERE account_id = '{FIRST}'"
        f" AND date_start = '{MAY}'",
    )
    done = export(url, open_place(str(place)))
    assert [(name, one.account_id, one.month) for name, one in done.written] == [
        ("meta_insights", FIRST, "2026-05")
    ]
    after = manifest(place)
    assert len(before.paths & after.paths) == len(before.paths) - 1
    assert {one.path for one in after.superseded} == before.paths - after.paths
    assert {one.current_at for one in after.files_of("meta_insights")} == {done.read_at}
    assert ask("SELECT sum(spend) FROM rows", files(place, "meta_insights")) == asked(
        url, "SELECT sum(spend) FROM meta_ads.meta_insights"
    )


_OF_APRIL = "meta_ads.meta_insights WHERE account_id = 'act_1' AND date_start < '2026-05-01'"
_KEPT = "date_start, date_stop, account_id, spend, data_as_of"
_REMOVED = f"DELETE FROM {_OF_APRIL}"
_REPLACED = f"""
    WITH gone AS (DELETE FROM {_OF_APRIL} RETURNING *)
    INSERT INTO meta_ads.meta_insights (entity_type, entity_id, {_KEPT})
    SELECT entity_type, 'another ' || entity_id, {_KEPT} FROM gone
"""
_SPENT_MORE = f"UPDATE {_OF_APRIL}".replace("WHERE", "SET spend = spend + 1 WHERE")


@pytest.mark.parametrize(
    "statement",
    [_REMOVED, _REPLACED, _SPENT_MORE],
    ids=["removed", "replaced by as many, as old", "changed, as old"],
)
def test_whatever_happens_to_a_row_its_month_is_seen_to_have_changed(
    url: str, place: Path, statement: str
) -> None:
    with psycopg.connect(url) as connection:
        add_day(connection, FIRST, APRIL - timedelta(days=1), ad_id="kept")
    export(url, open_place(str(place)))
    change(url, statement)
    done = export(url, open_place(str(place)))
    assert {(one.account_id, one.month) for _, one in done.written} <= {(FIRST, "2026-04")}
    query = "SELECT entity_id, spend FROM {} ORDER BY 1, 2"
    assert ask(query.format("rows"), files(place, "meta_insights")) == asked(
        url, query.format("meta_ads.meta_insights")
    )


def test_a_month_without_rows_and_an_account_that_is_gone_leave_the_manifest(
    url: str, place: Path
) -> None:
    export(url, open_place(str(place)))
    change(url, f"DELETE FROM meta_ads.meta_insights WHERE date_start = '{APRIL}'")
    for table in ("meta_insights", "meta_campaigns", "meta_ad_accounts"):
        change(url, f"DELETE FROM meta_ads.{table} WHERE account_id = '{SECOND}'")
    done = export(url, open_place(str(place)))
    assert not done.written
    assert len(done.removed) == 1 + 2 + 1 + 1
    after = manifest(place)
    assert [(one.account_id, one.month) for one in after.files_of("meta_insights")] == [
        (FIRST, "2026-05")
    ]
    assert {one.account_id for table in after.tables.values() for one in table.files} == {FIRST}
    listed = (place / "meta_insights" / "files.txt").read_text().split()
    assert listed == files(place, "meta_insights")


def test_what_is_left_out_stays_as_it_was(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    change(url, "UPDATE meta_ads.meta_insights SET spend = 1")
    change(url, "UPDATE meta_ads.meta_campaigns SET name = 'new'")
    one = export(url, open_place(str(place)), accounts=[FIRST], days=(MAY, MAY))
    assert [(name, file.account_id, file.month) for name, file in one.written] == [
        ("meta_insights", FIRST, "2026-05")
    ]
    two = export(url, open_place(str(place)), tables=["meta_campaigns"], accounts=[SECOND])
    assert [(name, file.account_id) for name, file in two.written] == [("meta_campaigns", SECOND)]
    found = manifest(place)
    assert {file.current_at for file in found.files_of("meta_insights")} == {
        found.files_of("meta_insights")[0].written_at,
        one.read_at,
    }
    rest = export(url, open_place(str(place)))
    assert len(rest.written) == 3 + 1


def test_a_custom_report_comes_and_goes(url: str, place: Path) -> None:
    change(
        url,
        "CREATE TABLE meta_ads.report_devices AS SELECT account_id, date_start, spend,"
        " ARRAY['a', 'b'] AS tags, true AS is_new FROM meta_ads.meta_insights",
    )
    first = export(url, open_place(str(place)), tables=["report_devices"])
    assert [one.month for _, one in first.written] == ["2026-04", "2026-05"] * 2
    assert ask("SELECT DISTINCT tags, is_new FROM rows", files(place, "report_devices")) == [
        ("{a,b}", True)
    ]
    change(url, "DROP TABLE meta_ads.report_devices")
    second = export(url, open_place(str(place)))
    assert len(second.removed) == 4
    assert "report_devices" not in second.manifest.tables


def test_replaced_files_stay_for_who_is_reading_them(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    old = files(place, "meta_insights")
    change(url, "UPDATE meta_ads.meta_insights SET spend = 1")
    export(url, open_place(str(place)))
    export(url, open_place(str(place)))
    assert ask("SELECT count(*) FROM rows", old) == [(4,)]
    export(url, open_place(str(place)), keep=timedelta(0))
    assert not [path for path in old if Path(path).exists()]
    assert not manifest(place).superseded
    assert ask("SELECT count(*) FROM rows", files(place, "meta_insights")) == [(4,)]


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_crash_in_the_middle_leaves_the_export_that_was(
    url: str, place: Path, after: int
) -> None:
    export(url, open_place(str(place)))
    text, old = (place / "manifest.json").read_bytes(), files(place, "meta_insights")
    before = ask("SELECT sum(spend) FROM rows", old)
    change(url, "UPDATE meta_ads.meta_insights SET spend = spend + 1")
    with pytest.raises(Killed):
        export(url, open_place(str(place)), on_file=killed_after(after), clock=slow())
    assert (place / "manifest.json").read_bytes() == text
    assert ask("SELECT sum(spend) FROM rows", files(place, "meta_insights")) == before
    left_behind = {str(path) for path in place.rglob("*.parquet")}
    done = export(url, open_place(str(place)), keep=timedelta(days=1))
    assert (len(done.written), len(done.adopted)) == (4 - after, after)
    assert ask("SELECT sum(spend) FROM rows", files(place, "meta_insights")) == asked(
        url, "SELECT sum(spend) FROM meta_ads.meta_insights"
    )
    # What the killed one wrote is listed now, as is what the older manifest lists.
    assert left_behind <= {str(path) for path in place.rglob("*.parquet")}
    assert not strays(place)


def test_a_crash_between_the_lists_and_the_manifest_is_mended(url: str, place: Path) -> None:
    export(url, open_place(str(place)))
    stray = place / "meta_insights" / FIRST / "2026-05-000000000000.parquet"
    stray.write_bytes(b"PAR1 and no more")
    (place / "meta_insights" / "files.txt").write_text(f"{stray}\n")
    (place / "pending.json").write_text(json.dumps([str(stray.relative_to(place))]))
    assert not export(url, open_place(str(place))).written
    assert not stray.exists()
    assert (place / "meta_insights" / "files.txt").read_text().split() == files(
        place, "meta_insights"
    )


def test_what_lies_elsewhere_is_never_removed(url: str, place: Path) -> None:
    """Who may write to the place may not have files of others removed."""
    export(url, open_place(str(place)))
    kept = place.parent / "kept.parquet"
    kept.write_text("of somebody else")
    (place / "pending.json").write_text(
        json.dumps(["../kept.parquet", str(kept), "a/../../kept.parquet"])
    )
    export(url, open_place(str(place)))
    assert kept.exists()


@pytest.mark.parametrize("name", ["../elsewhere", "a/../../elsewhere", "a\\b", "", "."])
def test_a_manifest_makes_no_folder_outside_of_its_place(url: str, place: Path, name: str) -> None:
    export(url, open_place(str(place)), tables=["meta_insights"])
    read = json.loads((place / "manifest.json").read_text())
    read["tables"][name] = read["tables"]["meta_insights"]
    absolute = {str(place.parent / "elsewhere"): read["tables"]["meta_insights"]}
    before = sorted(place.parent.rglob("*"))
    for tables in (read["tables"], read["tables"] | absolute):
        (place / "manifest.json").write_text(json.dumps(read | {"tables": tables}))
        # What was left behind has the lists of all tables written anew.
        (place / "pending.json").write_text('["meta_insights/act_1/left-behind.parquet"]')
        with pytest.raises(PlaceTaken, match="is damaged"):
            export(url, open_place(str(place)), tables=["meta_insights"])
    (place / "pending.json").unlink()
    assert sorted(place.parent.rglob("*")) == before


def test_all_files_are_of_one_moment(url: str, place: Path) -> None:
    """What a sync writes while the export runs is in none of its files."""
    written: list[str] = []

    def meanwhile(table: str, file: ExportedFile) -> None:
        if not written:
            change(url, "UPDATE meta_ads.meta_insights SET spend = 99")
            change(url, "DELETE FROM meta_ads.meta_campaigns")
        written.append(file.path)

    export(url, open_place(str(place)), on_file=meanwhile)
    assert len(written) == 8
    assert float(ask("SELECT max(spend) FROM rows", files(place, "meta_insights"))[0][0]) == 12.34
    again = export(url, open_place(str(place)))
    assert len(again.written) == 4
    assert len(again.removed) == 2


def test_a_second_export_into_the_same_place_waits_for_its_turn(url: str, place: Path) -> None:
    refused: list[BaseException] = []

    def meanwhile(table: str, file: ExportedFile) -> None:
        if refused:
            return

        def second() -> None:
            try:
                export(url, open_place(str(place)))
            except ExportBusy as error:
                refused.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        export(url, open_place(f"{place}-other"), tables=["meta_ad_accounts"])

    done = export(url, open_place(str(place)), on_file=meanwhile)
    assert len(done.written) == 8
    assert "let it finish" in str(refused[0])


def test_an_account_with_any_name_writes_nowhere_else(url: str, place: Path) -> None:
    with psycopg.connect(url) as connection:
        for account_id in ("../../up", "a/b", "x" * 300, "café"):
            insert(
                connection,
                "facts",
                tenant="default",
                provider="shop",
                account_id=account_id,
                level="account",
                entity_id=account_id,
                metric="orders",
                date_start=MAY,
                hour=-1,
                breakdown="",
                value=1,
                observed_at=MORNING,
                received_at=MORNING,
            )
    export(url, open_place(str(place)))
    query = "SELECT account_id, value FROM {} ORDER BY 1"
    read = ask(query.format("rows"), files(place, "facts"))
    assert sorted(read) == sorted(asked(url, query.format("meta_ads.facts")))
    assert {path.parent.parent.name for path in place.rglob("facts/**/*.parquet")} == {"facts"}


def test_a_place_with_something_else_is_left_alone(url: str, place: Path) -> None:
    place.mkdir()
    (place / "manifest.json").write_text('{"format": "of somebody"}')
    with pytest.raises(PlaceTaken, match="not of an export"):
        export(url, open_place(str(place)))
    (place / "manifest.json").write_text('{"format": "meta_pipeline export", "version": 99}')
    with pytest.raises(PlaceTaken, match="newer meta_pipeline"):
        export(url, open_place(str(place)))
    assert [one.name for one in place.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "text",
    [
        *(b"\xff", b"[" * 100_000, b"[]", b'"x"', b'{"format":"meta_pipeline export"}'),
        b'{"format":"meta_pipeline export","version":"1"}',
        b'{"format":"meta_pipeline export","version":1,"rows_of":"everything"}',
    ],
)
def test_a_manifest_of_any_shape_is_refused_in_a_sentence(
    url: str, place: Path, text: bytes
) -> None:
    place.mkdir()
    (place / "manifest.json").write_bytes(text)
    with pytest.raises(PlaceTaken, match="nothing was written"):
        export(url, open_place(str(place)))
    assert [one.name for one in place.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    "change_it",
    [
        lambda read: read["tables"]["meta_insights"]["files"][0].pop("path"),
        lambda read: read["tables"]["meta_insights"]["files"][0].update(path=7),
        lambda read: read["tables"]["meta_insights"]["files"][0].update(written_at="soon"),
        lambda read: read["tables"]["meta_insights"]["files"][0].update(path="../x/y/z.parquet"),
        lambda read: read["tables"]["meta_insights"]["files"][0].update(
            path="a/b/c.parquet\ns3://x"
        ),
        lambda read: read["tables"].update(meta_ads=[]),
        lambda read: read.update(superseded=[{"path": "x"}]),
        lambda read: read.update(tables=None),
    ],
)
def test_a_damaged_manifest_is_refused_in_a_sentence(
    url: str, place: Path, change_it: Callable[[Any], object]
) -> None:
    export(url, open_place(str(place)), tables=["meta_insights"])
    read = json.loads((place / "manifest.json").read_text())
    change_it(read)
    (place / "manifest.json").write_text(json.dumps(read))
    with pytest.raises(PlaceTaken, match=r"is damaged.*nothing was written"):
        export(url, open_place(str(place)))


@pytest.mark.parametrize("text", [b"\xff", b"{}", b"7", b'[7,null,[],"../../x"]', b"[" * 100_000])
def test_a_list_of_what_was_begun_that_is_none_stops_nothing(
    url: str, place: Path, text: bytes
) -> None:
    export(url, open_place(str(place)), tables=["meta_insights"])
    (place / "pending.json").write_bytes(text)
    assert not export(url, open_place(str(place)), tables=["meta_insights"]).written


def test_a_lake_that_was_not_there_is_nobody_elses(url: str, place: Path) -> None:
    export(url, open_place(str(place)), tables=["meta_insights"])
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o750)
    export(url, open_place(str(place)), tables=["meta_campaigns"])
    assert place.stat().st_mode & 0o777 == 0o750


def test_a_folder_that_cannot_be_written_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PlaceUnreachable, match=r"file/lake cannot be used: Not a directory"):
        export(url, open_place(str(tmp_path / "file" / "lake")))


def test_a_table_nobody_exports_is_named_with_those_that_are(url: str, place: Path) -> None:
    with pytest.raises(TableUnknown, match=r"connection_tokens.*There are: meta_ad_accounts, "):
        export(url, open_place(str(place)), tables=["connection_tokens"])
    assert not place.exists()


@pytest.fixture(scope="module")
def two(postgres: TestPostgres) -> Iterator[Two]:
    with two_tenants(postgres) as found:
        yield found


@pytest.mark.parametrize("tenant", ACCOUNTS)
@pytest.mark.parametrize("way", ["session", "login"])
def test_a_tenants_export_holds_its_own_rows_and_no_others(
    two: Two, place: Path, tenant: str, way: str
) -> None:
    """Every table is read back as text, whatever its columns: not a word of the other's."""
    if way == "session":
        url, whose = two.warehouse.url, tenant
    else:
        with two.login(tenant) as connection:
            info = connection.info
            url = (
                f"postgresql://{info.user}:{info.password.replace(' ', '%20')}"
                f"@{info.host}:{info.port}/{info.dbname}"
            )
        whose = None
    done = export(url, open_place(str(place)), tenant=whose)
    (other,) = set(ACCOUNTS) - {tenant}
    seen = 0
    for name, table in done.manifest.tables.items():
        if not table.files or name in ("exchange_rates", "metric_definitions"):
            continue  # those are everybody's
        rows = ask("SELECT * FROM rows", files(place, name))
        seen += 1
        assert not [row for row in rows if other in str(row) or ACCOUNTS[other] in str(row)], name
    assert seen == len(TABLES) - 2
    with pytest.raises(PlaceTaken, match=r"holds the rows of .*Name another place"):
        export(two.warehouse.url, open_place(str(place)))


def test_a_tenant_is_exported_only_where_tenants_are_kept_apart(url: str, place: Path) -> None:
    with Warehouse(url) as warehouse:
        warehouse.tenants.add("acme", "Acme", MORNING)
    with pytest.raises(TenantsNotApart, match="tenants enforce"):
        export(url, open_place(str(place)), tenant="acme")
    assert not place.exists()
