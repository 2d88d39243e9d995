"""`advice`: judged from the tables, listed, dismissed with a reason, and told how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop"), spec("Shop US")) as found:
        yield found


def test_from_the_rules_to_a_no(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    assert "advice judge" in shell.run("advice", "list").stdout
    with Warehouse(shell.url) as warehouse, warehouse.connection() as connection:
        connection.execute(
            "UPDATE meta_ads.meta_ad_accounts SET account_status = 3, name = 'Shop [bold]\x1b[2J'"
            " WHERE account_id = %s",
            (shell.ids[0],),
        )
    shell.sim.journal.clear()
    shell.run("advice", "judge")
    assert len(shell.sim.journal) == 0, "the rules ask Meta nothing"
    (row,) = [one for one in shell.json("advice", "list") if one["entity_type"] == "account"]
    assert (row["kind"], row["severity"], row["account_id"]) == ("delivery", "high", shell.ids[0])
    shown = shell.run("advice", "list", "--account", shell.ids[0]).stdout
    assert "a payment failed" in shown
    assert "\x1b" not in shown
    wrong = shell.run("advice", "dismiss", "nothing", "--reason", "x")
    assert (wrong.exit_code, "there is no advice" in wrong.output) == (2, True)
    shell.run("advice", "dismiss", row["advice_id"][:8], "--reason", "paid today")
    again = shell.run("advice", "dismiss", row["advice_id"], "--reason", "paid today")
    assert (again.exit_code, "is dismissed" in again.output) == (1, True)
    assert "paid today" in shell.run("advice", "outcomes", "--account", shell.ids[0]).stdout


def test_what_meta_recommends_is_its_own_command(shell: Shell) -> None:
    assert "META_RECOMMENDATIONS" in shell.run("advice", "meta").stdout
    planned = shell.json("plan", shell.ids[0], "--only", "recommendations")
    assert planned["recommendations"]["calls"] == 2
    shell.run("sync", shell.ids[0], "--only", "recommendations")
    told = shell.json("advice", "meta")
    assert {one["account_id"] for one in told["scores"]} == {shell.ids[0]}
    shown = shell.run("advice", "meta", "--account", shell.ids[0]).stdout
    assert "Opportunity score" in shown
    for one in told["recommendations"]:
        assert one["recommendation_type"].replace("_", " ").capitalize() in shown
    if told["recommendations"]:
        assert "meta-pipeline advice meta" in shell.run("advice", "list").stdout
