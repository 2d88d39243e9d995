"""`meta-pipeline connections` as a person uses it, from the first key to the last revocation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meta_pipeline.simulator import Fault
from meta_pipeline_tests.commands.shell import TOKEN, Shell, shell_of, spec

DAY_SECONDS = 86_400


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop DE"), spec("Shop US")) as found:
        monkeypatch.setenv("META_APP_ID", found.sim.tokens.app.id)
        monkeypatch.setenv("META_APP_SECRET", found.sim.tokens.app.secret)
        yield found


def issue(shell: Shell, **given: Any) -> str:
    facts: dict[str, Any] = {
        "scopes": ["ads_read"],
        "kind": "SYSTEM_USER",
        "expires_in_seconds": 60 * DAY_SECONDS,
        "user_id": "701",
        "user_name": "Reporting",
    }
    return shell.sim.issue(**facts | given)


def with_key(shell: Shell, *others: str) -> str:
    key = shell.run("connections", "generate-key", "--id", f"k{len(others)}").stdout.strip()
    shell.patch.setenv("META_TOKEN_KEYS", ",".join([key, *others]))
    shell.outputs.pop()  # the one output that is a key
    return key


def test_the_environment_is_a_connection_that_needs_nothing(shell: Shell) -> None:
    (found,) = shell.json("connections")
    assert (found["kind"], found["connection_id"]) == ("environment", None)
    assert found["state"] is None
    assert found["what_to_do"] == (
        "Not looked at yet: Dagster does hourly; meta-pipeline check asks now"
    )
    assert shell.rows("SELECT count(*) FROM meta_ads.connections") == [(0,)]
    assert "META_ACCESS_TOKEN" in shell.run("connections").stdout


def test_without_a_key_nothing_is_stored_and_it_says_what_to_do(shell: Shell) -> None:
    result = shell.run("connections", "add", "--paste", typed=issue(shell))
    assert result.exit_code == 1
    assert "connections generate-key" in result.output
    assert shell.rows("SELECT count(*) FROM meta_ads.connections") == [(0,)]


def test_from_the_first_key_to_the_end(shell: Shell) -> None:
    key = with_key(shell)
    token = issue(shell, expires_in_seconds=15 * DAY_SECONDS)
    added = shell.run("connections", "add", "--paste", typed=f"  Bearer {token}\n")
    assert added.exit_code == 0, added.output
    assert "system_user Reporting" in added.output
    assert "reaches 2 ad accounts" in added.output
    _, found = shell.json("connections")
    assert (found["state"], found["days_left"], found["accounts"]) == ("expiring", 14, 2)
    assert found["what_to_do"] == f"meta-pipeline connections renew {found['connection_id']}"
    assert shell.run("connections", "check").exit_code == 0
    renewed = shell.run("connections", "renew")
    assert renewed.exit_code == 0, renewed.output
    assert "is renewed" in renewed.output
    assert "needs no renewal" in shell.run("connections", "renew", "reporting").output
    newer = with_key(shell, key)
    rotated = shell.run("connections", "rotate-keys")
    assert "1 token sealed again" in rotated.output
    shell.patch.setenv("META_TOKEN_KEYS", newer)
    assert shell.json("connections", "check")[0]["state"] == "active"
    removed = shell.run("connections", "remove", "Reporting", "--revoke", "--yes")
    assert removed.exit_code == 0, removed.output
    assert len(shell.json("connections")) == 1
    told = "".join(shell.outputs)
    for secret in (token, key.partition(":")[2], newer.partition(":")[2]):
        assert secret not in told
    events = shell.rows("SELECT event, actor FROM meta_ads.connection_events ORDER BY id")
    names = [event for event, _ in events]
    assert names == ["added", "renewed", "token_revoked", "resealed", "token_revoked", "removed"]
    assert all(actor.startswith("command of ") for _, actor in events)


def test_a_dead_one_fails_the_check_and_stops_no_other(shell: Shell) -> None:
    with_key(shell)
    dead = issue(shell)
    shell.run("connections", "add", "--paste", typed=dead)
    shell.run("connections", "add", "--paste", "--name", "Well", typed=issue(shell, user_id="702"))
    shell.sim.tokens.revoke(dead)
    result = shell.run("connections", "check")
    assert result.exit_code == 1
    states = {one["name"]: one["state"] for one in shell.json("connections")}
    assert (states["Reporting"], states["Well"]) == ("revoked", "active")
    assert "connections add --paste" in shell.run("connections").output


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["add"], "", "--paste"),
        (["add", "--paste"], "", "no token came"),
        (["add", "--paste"], "two words", "paste the token alone"),
        (["add", "--paste"], "EAAunknown", "invalid"),
        (["remove", "nobody", "--yes"], "", "no connection is called that"),
        (["renew", "nobody"], "", "no connection is called that"),
        (["generate-key", "--id", "a b"], "", "The id of a key"),
    ],
)
def test_what_is_wrong_is_a_sentence(
    shell: Shell, arguments: list[str], typed: str, said: str
) -> None:
    with_key(shell)
    result = shell.run("connections", *arguments, typed=typed)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert shell.rows("SELECT count(*) FROM meta_ads.connections") == [(0,)]


def test_a_token_is_never_an_argument(shell: Shell) -> None:
    with_key(shell)
    result = shell.run("connections", "add", "--paste", issue(shell, value="EAA" + "x" * 20))
    assert result.exit_code == 2
    assert TOKEN not in result.output


@pytest.mark.parametrize("keys", ["nonsense", "k1:short", "k1:" + "A" * 43 + ",k1:" + "A" * 43])
def test_a_wrong_setting_is_named_and_breaks_nothing_else(shell: Shell, keys: str) -> None:
    shell.patch.setenv("META_TOKEN_KEYS", keys)
    result = shell.run("connections", "add", "--paste", typed=issue(shell))
    assert result.exit_code == 1
    assert "META_TOKEN_KEYS" in result.output
    assert "A" * 43 not in result.output
    assert shell.run("connections").exit_code == 0
    assert shell.run("accounts", "list").exit_code == 0


def test_check_asks_meta_over_the_stored_connections_alone(shell: Shell) -> None:
    """Without META_ACCESS_TOKEN accounts, windows and API version are asked all the same."""
    with_key(shell)
    first, second = (one.id for one in shell.sim.world.accounts())
    for user, reach in (("701", [first]), ("702", [first, second])):
        token = issue(shell, user_id=user, user_name=f"User {user}", accounts=reach)
        shell.run("connections", "add", "--paste", typed=token)
    shell.patch.delenv("META_ACCESS_TOKEN")
    shell.sim.journal.clear()
    result = shell.run("check", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0, found
    accounts = [one for one in found if one["what"] == "Account"]
    assert sorted(one["subject"].split()[0] for one in accounts) == [first, second]
    assert all("yesterday" in one["text"] for one in accounts), "each asked, once"
    whats = {one["what"] for one in found}
    assert {"Insights", "API version", "Connection", "Token"} <= whats
    shell.patch.setenv("META_ATTRIBUTION_WINDOWS", "7d_click,99d_click")
    refused = [one for one in json.loads(shell.run("check", "--json").stdout) if not one["ok"]]
    assert [one["subject"] for one in refused] == ["META_ATTRIBUTION_WINDOWS"]


def test_check_without_a_token_names_the_connection_that_gives_no_list(shell: Shell) -> None:
    with_key(shell)
    dead = issue(shell, accounts=[shell.sim.world.accounts()[0].id])
    shell.run("connections", "add", "--paste", typed=dead)
    shell.run("connections", "add", "--paste", "--name", "Well", typed=issue(shell, user_id="702"))
    shell.patch.delenv("META_ACCESS_TOKEN")
    shell.sim.tokens.revoke(dead)
    result = shell.run("check", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    (problem,) = [one for one in found if not one["ok"]]
    assert problem["subject"].startswith("Reporting (conn_")
    assert "connections add --paste" in problem["fix"]
    assert sum(one["what"] == "Account" for one in found) == 2, "the other one reaches both"


def test_check_gives_all_connections_together_the_time_of_the_command(shell: Shell) -> None:
    with_key(shell)
    for user in ("701", "702", "703"):
        shell.run("connections", "add", "--paste", typed=issue(shell, user_id=user))
    shell.patch.delenv("META_ACCESS_TOKEN")
    shell.sim.fail("GET", "/me/adaccounts", with_=Fault.drip(0.05), times=None)
    shell.sim.journal.clear()
    result = shell.run("check", "--within", "1s", "--json")
    found = [one for one in json.loads(result.stdout) if not one["ok"]]
    assert [(one["what"], one["is_known"]) for one in found] == [("Connection", False)] * 3
    assert [one["text"] for one in found[1:]] == ["not asked: the budget of 1 s is used"] * 2
    assert result.exit_code == 3
    assert len(shell.sim.journal) == 1


def test_check_with_only_a_connection_that_does_not_open_says_so(shell: Shell) -> None:
    with_key(shell)
    shell.run("connections", "add", "--paste", typed=issue(shell))
    shell.patch.delenv("META_ACCESS_TOKEN")
    shell.patch.delenv("META_TOKEN_KEYS")
    result = shell.run("check", "--json")
    assert result.exit_code == 1
    wrong = [one for one in json.loads(result.stdout) if not one["ok"]]
    assert {one["what"] for one in wrong} == {"Connection", "Token"}
    assert any("META_TOKEN_KEYS" in one["text"] for one in wrong)
