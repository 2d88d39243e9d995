"""`api-keys`: a key is shown once, used, rotated, and taken back for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web.access.api_keys import key_of
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop")) as found:
        yield found


def test_from_the_first_key_to_its_rotation(shell: Shell) -> None:
    shell.run("migrate")
    assert "There is no key yet" in shell.run("api-keys", "list").stdout
    first = shell.json("api-keys", "create", "crm", "--scope", "facts", "--expires", "90d")
    text = first["key"]
    assert text.startswith(f"mp_{first['key_id']}_")
    assert (first["scopes"], first["tenant"]) == (["facts"], "default")
    assert datetime.fromisoformat(first["expires_at"]) > datetime.now(UTC)
    shown = shell.run("api-keys", "create", "crm", "--scope", "facts").stdout
    assert "It is not shown again." in shown
    third = shell.run("api-keys", "create", "crm")
    assert (third.exit_code, f"revoke {first['key_id']}, the older one" in third.output) == (
        1,
        True,
    )

    listed = shell.run("api-keys", "list").stdout
    assert (listed.count("live"), listed.count("never")) == (2, 3)
    secret = text.rpartition("_")[2]
    everything = listed + str(shell.json("api-keys", "list"))
    assert secret not in everything
    assert "secret" not in everything
    with Warehouse(shell.url) as warehouse:
        now = datetime.now(UTC)
        known = key_of(warehouse, text, now)
        assert known is not None
        assert known.key_id == first["key_id"]
        assert "was revoked" in shell.run("api-keys", "revoke", first["key_id"]).stdout
        assert "had been revoked before" in shell.run("api-keys", "revoke", first["key_id"]).stdout
        assert key_of(warehouse, text, now) is None
    assert shell.run("api-keys", "list").stdout.count("dead") == 1
    assert shell.json("api-keys", "list", "--tenant", "another") == []


WRONG = {
    "is no scope": ["create", "crm", "--scope", "everything"],
    "there is no key": ["revoke", "nothing"],
}


def test_wrong_usage_says_what_to_write(shell: Shell) -> None:
    shell.run("migrate")
    for said, arguments in WRONG.items():
        result = shell.run("api-keys", *arguments)
        assert result.exit_code == 2, arguments
        assert said in " ".join(result.output.replace("│", " ").split())
    assert shell.json("api-keys", "list") == []
