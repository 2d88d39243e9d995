"""`reports backfill` and `drop`: the price first, one field, and a table that goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from meta_pipeline_tests.commands.shell import Shell, shell_of, spec

FIRST = "reports: [{name: own, level: ad, fields: [spend, impressions]}]"
WIDER = "reports: [{name: own, level: ad, fields: [spend, impressions, clicks]}]"


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    monkeypatch.setenv("META_BACKFILL_DAYS", "4")
    monkeypatch.setenv("META_REPORTS_FILE", str(tmp_path / "own.yaml"))
    (tmp_path / "own.yaml").write_text(FIRST)
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop")) as found:
        yield found


def test_from_the_first_reading_to_the_last_field(shell: Shell, tmp_path: Path) -> None:
    account = shell.ids[0]
    only = ("--only", "custom_reports")
    assert "report:own" in shell.run("plan", account, *only).stdout
    assert shell.run("sync", account, "--report", "owm", *only).exit_code == 2
    assert shell.run("sync", account, *only).exit_code == 0
    with psycopg.connect(shell.url) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM meta_ads.report_own").fetchone() or (0,)
    assert rows > 0

    assert shell.run("reports", "backfill", "own", "--field", "clicks").exit_code == 2
    (tmp_path / "own.yaml").write_text(WIDER)
    price = shell.run("reports", "backfill", "own", "--field", "clicks", account, "--dry-run")
    assert "report:own/clicks" in price.stdout
    assert "calls" in price.stdout
    with psycopg.connect(shell.url) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("SELECT clicks FROM meta_ads.report_own")
    done = shell.json("reports", "backfill", "own", "--field", "clicks", account)
    assert [one["status"] for one in done] == ["success"]
    with psycopg.connect(shell.url) as connection:
        counted = connection.execute("SELECT count(clicks), count(*) FROM meta_ads.report_own")
        assert counted.fetchone() == (rows, rows)
    again = shell.run("reports", "backfill", "own", "--field", "clicks", account)
    assert again.exit_code == 0
    assert "nothing is due" in again.stdout

    assert shell.run("reports", "drop", "own", typed="n\n").exit_code == 1
    assert f"with {rows} rows" in shell.run("reports", "drop", "own", typed="y\n").stdout
    assert shell.run("reports", "drop", "own", "--yes").exit_code == 2
    assert shell.run("sync", account, *only).exit_code == 0
