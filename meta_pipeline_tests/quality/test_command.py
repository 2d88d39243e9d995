"""`meta-pipeline check --data`: the same questions as in Dagster, on the command line."""

from __future__ import annotations

import json

import psycopg
import pytest

from meta_pipeline.quality import CHECKS
from meta_pipeline_tests.commands.test_sync_command import Shell, shell

__all__ = ["shell"]


def test_stored_data_is_asked_without_dagster(shell: Shell) -> None:
    assert shell.run("sync", shell.account_id).exit_code == 0
    well = shell.run("check", "--data")
    assert well.exit_code == 0, well.output
    assert "All is well." in well.output
    with psycopg.connect(shell.url) as connection:
        connection.execute("DELETE FROM meta_ads.meta_campaigns")
    result = shell.run("check", "--data", "--json")
    assert result.exit_code == 1
    findings = {one["subject"]: one for one in json.loads(result.output)}
    assert findings.keys() == {check.name for check in CHECKS}
    assert not findings["orphans"]["ok"]
    assert shell.account_id in findings["orphans"]["text"]
    assert "restate" in findings["orphans"]["fix"]


def test_without_tables_it_says_what_makes_them(
    shell: Shell, empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    result = shell.run("check", "--data")
    assert result.exit_code == 1
    assert "meta-pipeline migrate. The first sync makes them too" in result.output
