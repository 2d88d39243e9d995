"""Statements that take too long: whoever asks a question is told that there is no answer."""

from __future__ import annotations

import sys

import psycopg
import pytest

from meta_pipeline.warehouse.connect import Patience

from .database_shell import Shell, shell, sim

__all__ = ["shell", "sim"]

# Every column stays; the first row takes an hour.
SLOW = """
    DO $$ DECLARE body text := pg_get_viewdef('meta_ads.sync_health'::regclass); BEGIN
        EXECUTE 'CREATE OR REPLACE VIEW meta_ads.sync_health WITH (security_invoker = true) AS '
            || 'SELECT held.* FROM (' || rtrim(body, ';') || ') AS held, pg_sleep(3600)';
    END $$
"""
ACCOUNT = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, timezone_name, last_listed_at, data_as_of)
    VALUES ('act_9', 'n', 'EUR', 'UTC', now(), now());
    INSERT INTO meta_ads.sync_windows (account_id, dataset, date_start, fetched_at, rows)
    VALUES ('act_9', 'insights_ad', current_date, now(), 1)
"""
LATE = """
    ALTER TABLE meta_ads.sync_windows RENAME TO windows_held;
    CREATE VIEW meta_ads.sync_windows AS SELECT held.* FROM meta_ads.windows_held AS held
        RIGHT JOIN (SELECT pg_sleep(3600)) AS slow ON true
"""


@pytest.mark.parametrize(
    ("slow", "command"),
    [
        (SLOW, ["status"]),
        (SLOW, ["status", "--fail-if-stale", "6h"]),
        (LATE, ["check", "--data"]),
    ],
    ids=["status", "stale", "check"],
)
def test_a_slow_statement_is_not_waited_for(
    shell: Shell, database_url: str, slow: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Patience(statement_seconds=0.3, lock_seconds=5)
    for name, module in list(sys.modules.items()):
        if name.startswith("meta_pipeline.") and hasattr(module, "READER"):
            monkeypatch.setattr(module, "READER", quick)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(ACCOUNT)
        other.execute(slow)
    result = shell.run(database_url, *command)
    assert result.exit_code == 3, result.output
    assert "annot tell" in result.output
