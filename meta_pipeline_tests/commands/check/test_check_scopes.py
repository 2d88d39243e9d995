"""What a token may do, as `check` says it."""

from __future__ import annotations

import pytest

from meta_pipeline_tests.commands.databases.database_shell import Shell, shell, sim

__all__ = ["shell", "sim"]


@pytest.mark.parametrize(
    ("scopes", "exit_code"),
    [(["ads_management"], 0), (["ads_read"], 0), (["business_management"], 1)],
    ids=lambda given: "-".join(given) if isinstance(given, list) else None,
)
def test_ads_management_alone_is_enough(
    shell: Shell, database_url: str, scopes: list[str], exit_code: int
) -> None:
    shell.set("META_ACCESS_TOKEN", shell.sim.issue(scopes=scopes))
    result = shell.run(database_url, "check")
    assert result.exit_code == exit_code, result.output
    if exit_code:
        assert "ads_read" in result.output
