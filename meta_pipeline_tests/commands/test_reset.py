"""`reset`: previewed, asked for, all or nothing, and what is read again equals what was there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from meta_pipeline.simulator import VirtualClock
from meta_pipeline.warehouse import account_lock, schema
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec
from meta_pipeline_tests.postgres import TestPostgres

TABLES = {
    "insights_ad": "meta_insights WHERE entity_type = 'ad' AND",
    "insights_account": "meta_insights WHERE entity_type = 'account' AND",
    "campaigns": "meta_campaigns WHERE",
    "adsets": "meta_adsets WHERE",
    "ads": "meta_ads WHERE",
    "insights_hourly": "meta_insights_hourly WHERE",
    "breakdown:age,gender": "meta_insights_breakdown WHERE",
    "creatives": "meta_creatives WHERE",
    "report:brand": "report_brand WHERE",
}
REPORTS = """
reports:
  - name: brand
    level: campaign
    fields: [spend, impressions, clicks]
"""
EVERYTHING = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'meta_ads' AND table_type = 'BASE TABLE'
"""


@contextmanager
def shell_of_two(url: str, folder: Path, clock: VirtualClock) -> Iterator[Shell]:
    with (
        pytest.MonkeyPatch.context() as patch,
        shell_of(url, patch, folder, spec("Shop"), spec("Shop US"), clock=clock) as found,
    ):
        (folder / "reports.yaml").write_text(REPORTS, encoding="utf-8")
        for name, value in {
            "META_HOURLY": "all",
            "META_CREATIVES": "all",
            "META_BREAKDOWNS": "age,gender",
            "META_REPORTS_FILE": str(folder / "reports.yaml"),
        }.items():
            patch.setenv(name, value)
        yield found


@pytest.fixture(scope="module")
def synced(
    postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, VirtualClock]]:
    """A template with both accounts read, and Meta's clock, which stands since."""
    clock = VirtualClock(datetime.now(UTC))

    def sync(url: str) -> None:
        with shell_of_two(url, tmp_path_factory.mktemp("reset"), clock) as found:
            assert found.run("sync", "--all").exit_code == 0

    with postgres.template(sync) as template:
        yield template, clock


@pytest.fixture
def shell(
    postgres: TestPostgres, synced: tuple[str, VirtualClock], tmp_path: Path
) -> Iterator[Shell]:
    template, clock = synced
    with postgres.fresh_database(template) as url, shell_of_two(url, tmp_path, clock) as found:
        yield found


def stored(shell: Shell, dataset: str, account_id: str) -> list[tuple[Any, ...]]:
    is_named = dataset in ("campaigns", "adsets", "ads", "creatives")
    columns = "name" if is_named else "spend, impressions"
    return sorted(
        shell.rows(f"SELECT {columns} FROM meta_ads.{TABLES[dataset]} account_id = %s", account_id)
    )


def everything(shell: Shell) -> dict[str, int]:
    """How many rows each table has; those of telemetry, and what calls
    cost by it, are written by looking.
    """
    skipped = ("call_weights", "meta_api", "usage_readings", "sync_runs")
    return {
        name: shell.rows(f"SELECT count(*) FROM meta_ads.{name}")[0][0]
        for (name,) in shell.rows(EVERYTHING)
        if not name.startswith(skipped)
    }


@pytest.mark.parametrize("dataset", TABLES)
def test_a_dataset_goes_and_the_next_sync_brings_it_back(shell: Shell, dataset: str) -> None:
    first, second = shell.ids
    before = stored(shell, dataset, first)
    other = stored(shell, dataset, second)
    assert before
    result = shell.run("reset", dataset, "--account", "shop", "--yes")
    assert result.exit_code == 0, result.output
    assert f"{len(before):,} rows are removed" in result.stdout
    assert stored(shell, dataset, first) == []
    assert stored(shell, dataset, second) == other
    assert shell.run("sync", "Shop").exit_code == 0
    assert stored(shell, dataset, first) == before


def test_a_preview_says_what_goes_and_what_it_costs_and_changes_nothing(shell: Shell) -> None:
    before = everything(shell)
    facts = shell.json("reset", "insights_ad", "--account", "Shop", "--dry-run")
    told = shell.run("reset", "insights_ad", "-a", "Shop", "--dry-run").stdout
    assert everything(shell) == before
    (account,) = facts["accounts"]
    (held,) = account["datasets"]
    assert held["rows"] == len(stored(shell, "insights_ad", shell.ids[0]))
    assert held["days"] == 3
    assert not facts["is_done"]
    assert account["calls"] > 0
    assert "the next sync reads it again" in told
    assert "Nothing was removed." in told
    calls = len(shell.sim.journal)
    shell.run("reset", "insights_ad", "-a", "Shop", "--yes")
    assert len(shell.sim.journal) == calls
    record = shell.json("sync", "Shop", "--only", "insights")
    assert record["meta_call_count_total"] <= account["calls"] + 1


def test_without_an_answer_or_with_a_no_nothing_goes(shell: Shell) -> None:
    before = everything(shell)
    for typed in ("", "n\n", "\n"):
        result = shell.run("reset", "campaigns", typed=typed)
        assert result.exit_code == 1
        assert "Nothing was removed" in result.output
    assert everything(shell) == before
    assert shell.run("reset", "campaigns", typed="y\n").exit_code == 0
    assert not shell.rows("SELECT FROM meta_ads.meta_campaigns WHERE NOT is_deleted")


def test_all_of_an_account_comes_back_as_it_was(shell: Shell) -> None:
    first, second = shell.ids
    before = {name: stored(shell, name, first) for name in TABLES}
    metrics = "SELECT date_start, ad_id, spend FROM meta_ads.daily_ad_metrics WHERE account_id = %s"
    of_days = [
        table.name
        for table in schema.meta_insights.metadata.sorted_tables
        if {"account_id", "date_start"} <= set(table.c.keys()) and table.name != "insights_changes"
    ]
    assert "sync_windows" in of_days
    daily = sorted(shell.rows(metrics, first))
    others = sorted(shell.rows(metrics, second))
    assert shell.run("reset", "-a", first, "--yes").exit_code == 0
    assert not any(stored(shell, name, first) for name in TABLES)
    assert not shell.rows(metrics, first)
    for name in of_days:
        assert not shell.rows(f"SELECT FROM meta_ads.{name} WHERE account_id = %s", first), name
    assert sorted(shell.rows(metrics, second)) == others
    assert shell.run("sync", first).exit_code == 0
    assert {name: stored(shell, name, first) for name in TABLES} == before
    assert sorted(shell.rows(metrics, first)) == daily


def test_nothing_goes_while_one_of_the_accounts_is_synced(shell: Shell) -> None:
    before = everything(shell)
    with account_lock(shell.url, shell.ids[1], holder="a sync"):
        result = shell.run("reset", "insights_ad", "--yes")
    assert result.exit_code == 5
    assert "a sync" in result.output
    assert everything(shell) == before
    assert shell.run("reset", "insights_ad", "--yes").exit_code == 0


def test_it_is_all_or_nothing(shell: Shell) -> None:
    before = everything(shell)
    with psycopg.connect(shell.url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION meta_ads.no() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not this one'; END $$; "
            "CREATE TRIGGER no BEFORE DELETE ON meta_ads.meta_insights_hourly "
            "EXECUTE FUNCTION meta_ads.no()"
        )
    result = shell.run("reset", "-a", "Shop", "--yes")
    assert result.exit_code == 1
    assert "not this one" in result.output
    assert everything(shell) == before


def test_what_meta_would_not_give_again_stays(shell: Shell) -> None:
    first = shell.ids[0]
    with psycopg.connect(shell.url) as connection:
        connection.execute(
            "UPDATE meta_ads.meta_insights SET date_start = '2015-01-01', date_stop = '2015-01-01' "
            "WHERE ctid = (SELECT ctid FROM meta_ads.meta_insights WHERE entity_type = 'ad' "
            "AND account_id = %s LIMIT 1)",
            (first,),
        )
        connection.execute(
            "UPDATE meta_ads.meta_campaigns SET is_deleted = true WHERE ctid = "
            "(SELECT ctid FROM meta_ads.meta_campaigns WHERE account_id = %s LIMIT 1)",
            (first,),
        )
    result = shell.run("reset", "-a", "Shop", "--yes")
    assert "Meta would not give again" in result.stdout
    assert len(stored(shell, "insights_ad", first)) == 1
    assert len(stored(shell, "campaigns", first)) == 1


def test_the_first_day_is_read_again_however_small_the_setting_is(shell: Shell) -> None:
    days = "SELECT min(date_start) FROM meta_ads.sync_windows WHERE dataset = 'insights_ad'"
    before = shell.rows(days)
    shell.patch.setenv("META_BACKFILL_DAYS", "1")
    shell.run("reset", "insights_ad", "--yes")
    shell.run("sync", "--all")
    assert shell.rows(days) == before


def test_a_dataset_that_is_off_is_said_not_to_come_back(shell: Shell) -> None:
    shell.patch.setenv("META_HOURLY", "")
    result = shell.run("reset", "insights_hourly", "--dry-run")
    assert "insights_hourly is switched off" in result.stderr
    assert "reads it again" not in result.stdout


def test_a_report_that_left_the_file_goes_and_does_not_come_back(shell: Shell) -> None:
    shell.patch.setenv("META_REPORTS_FILE", "")
    assert stored(shell, "report:brand", shell.ids[0])
    result = shell.run("reset", "--account", "Shop", "--yes")
    assert result.exit_code == 0, result.output
    assert "report:brand is switched off" in result.stderr
    assert stored(shell, "report:brand", shell.ids[0]) == []
    assert stored(shell, "report:brand", shell.ids[1])


WRONG = [
    ([], "--account"),
    (["insights_adds"], "Did you mean insights_ad"),
    (["breakdown:age;x"], "not a list of breakdowns"),
    (["report:brnd"], "Known: report:brand"),
    (["activities"], "nothing of it is removed"),
    (["insights_ad", "-a", "nobody"], "There is no ad account"),
    (["insights_ad", "--json"], "--dry-run or --yes"),
]


def test_what_cannot_be_reset_is_told(shell: Shell) -> None:
    before = everything(shell)
    for given, told in WRONG:
        result = shell.run("reset", *given)
        assert result.exit_code == 2, (given, result.output)
        assert told in " ".join(result.output.replace("│", " ").split()), given
    assert everything(shell) == before
