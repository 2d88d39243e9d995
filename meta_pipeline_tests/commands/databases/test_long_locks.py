"""Long locks: whoever asks a question is told that there is no answer, and does not wait."""

from __future__ import annotations

import sys
from types import ModuleType

import psycopg
import pytest

from meta_pipeline.warehouse.connect import Patience

from .database_shell import Shell, shell, sim

__all__ = ["shell", "sim"]

ACCOUNT = """
    INSERT INTO meta_ads.meta_ad_accounts
        (account_id, name, currency, timezone_name, last_listed_at, data_as_of)
    VALUES ('act_9', 'n', 'EUR', 'UTC', now(), now())
"""


@pytest.mark.parametrize("table", ["schema_version", "sync_runs", "meta_ad_accounts"])
@pytest.mark.parametrize(
    "command",
    [["status"], ["status", "--fail-if-stale", "6h"], ["report"], ["check", "--data"], ["check"]],
    ids=" ".join,
)
def test_a_long_lock_is_not_waited_for(
    shell: Shell, database_url: str, table: str, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Patience(statement_seconds=60, lock_seconds=0.05)
    for module in _with_reader():
        monkeypatch.setattr(module, "READER", quick)
    with psycopg.connect(database_url) as other:
        other.execute(ACCOUNT)
        other.commit()
        other.execute(f"LOCK meta_ads.{table} IN ACCESS EXCLUSIVE MODE")
        result = shell.run(database_url, *command)
    if command == ["check"] and table != "schema_version":
        assert result.exit_code == 0  # it asks the catalog alone
        return
    assert result.exit_code == 3, result.output
    assert "annot tell" in result.output
    assert "pg_stat_activity" in result.output


def _with_reader() -> list[ModuleType]:
    return [
        module
        for name, module in sys.modules.items()
        if name.startswith("meta_pipeline.") and hasattr(module, "READER")
    ]
