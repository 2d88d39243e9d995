"""`requests`: asking for a sync from a terminal, and reading what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meta_pipeline.sync_requests.asking import MOST_OPEN
from meta_pipeline.warehouse import Warehouse
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec
from meta_pipeline_tests.sync_requests.rows import row


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop"), spec("Shop US")) as found:
        yield found


def test_from_the_wish_to_its_end(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    shell.sim.journal.clear()
    price = shell.json("requests", "add", "Shop", "--price", "--since", "2026-01-01")
    assert price["calls_least"] > 0
    assert shell.json("requests", "list") == []
    row = shell.json("requests", "add", "Shop", "--reason", "look [bold]here\x1b[2J", "--force")
    assert (row["account_id"], row["source"], row["state"]) == (shell.ids[0], "cli", "pending")
    named = shell.json("requests", "add", "Shop US", "--id", "ads=123", "--id", "ads=456")
    assert named["objects"] == {"ads": ["123", "456"]}
    assert len(shell.sim.journal) == 0, "who asks makes no call"
    listed = shell.run("requests", "list").stdout
    assert "2 ads by id" in listed
    assert "objects" not in (brief := shell.json("requests", "list")[0])
    assert brief["object_counts"] == {"ads": 2}
    assert shell.json("requests", "show")["objects"] == {"ads": ["123", "456"]}
    assert "all that is on, forced" in listed
    shown = shell.run("requests", "show", row["request_id"][:8]).stdout
    assert "[bold]here" in shown
    assert "\x1b" not in shown
    assert "taken back" in shell.run("requests", "cancel", named["request_id"][:8]).stdout
    again = shell.run("requests", "cancel", named["request_id"][:8])
    assert (again.exit_code, "only one that waits" in again.output) == (1, True)
    with Warehouse(shell.url) as warehouse:
        warehouse.sync_requests.finish(
            [row["request_id"]],
            datetime.now(UTC),
            state="done",
            outcome="success",
            message="Synced with 4 calls.",
            sync_run_ids=["a" * 32],
        )
    told = shell.run("requests", "show", row["request_id"]).stdout
    assert "Synced with 4 calls." in told
    assert "runs show aaaaaaaa" in told
    assert [one["state"] for one in shell.json("requests", "list", "--state", "done")] == ["done"]


def test_where_too_many_wait_it_says_what_to_do(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    with Warehouse(shell.url) as warehouse:
        account_id = shell.ids[0]
        warehouse.sync_requests.add([row(f"r{n}", account_id) for n in range(MOST_OPEN)])
    result = shell.run("requests", "add", "Shop")
    assert result.exit_code == 2
    assert "not needed" in " ".join(result.output.replace("│", " ").split())


WRONG = {
    "write it as ads=123": ["add", "Shop", "--id", "123"],
    "an id is a number": ["add", "Shop", "--id", "ads=x"],
    "objects are read by id": ["add", "Shop", "--id", "ads=1", "--since", "2026-01-01"],
    "there is no request": ["show", "nothing"],
    "is no state": ["list", "--state", "lost"],
}


def test_wrong_usage_says_what_to_write(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    for said, arguments in WRONG.items():
        result = shell.run("requests", *arguments)
        assert result.exit_code == 2, arguments
        assert said in " ".join(result.output.replace("│", " ").split())
