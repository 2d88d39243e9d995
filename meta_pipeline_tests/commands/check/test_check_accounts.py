"""`check` of many accounts: several at once, within a budget, never into a block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest

from meta_pipeline.commands.check.accounts import AT_ONCE, AccountProbe, Budget
from meta_pipeline.commands.check.finding import CheckFinding
from meta_pipeline.graph import GraphClient
from meta_pipeline.simulator import AccountSpec, Fault, Limits, Simulator, WallClock, World
from meta_pipeline_tests.commands.test_sync_command import TOKEN, Shell, shell

__all__ = ["shell"]

TOTAL = 40
SPECS = tuple(AccountSpec(f"Shop {n}", 1, 1, 1, (1, 1, 1)) for n in range(TOTAL))
Check = Callable[..., tuple[list[CheckFinding], AccountProbe]]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    world = World(seed=5, clock=WallClock(), accounts=SPECS)
    with Simulator(world, token=TOKEN, limits=Limits()) as found:
        yield found


@pytest.fixture
def check(sim: Simulator) -> Iterator[Check]:
    with GraphClient(access_token=TOKEN, base_url=sim.url) as client:

        def run(budget: Budget, blocked: dict[str, str] | None = None, **given: Any) -> Any:
            accounts = [{"id": one.id, "name": one.values["name"]} for one in sim.world.accounts()]
            reader = AccountProbe(client, budget, blocked or {}, lambda _: None, **given)
            return [*reader.findings(accounts)], reader

        yield run


def asked(sim: Simulator) -> int:
    return sum(call.path.endswith("/insights") for call in sim.journal)


def test_every_account_is_asked_once_and_told_in_order(sim: Simulator, check: Check) -> None:
    findings, reader = check(Budget())
    assert [one.subject.split()[0] for one in findings] == [one.id for one in sim.world.accounts()]
    assert all(one.ok for one in findings)
    assert (asked(sim), reader.left_out) == (TOTAL, None)


def test_the_budget_of_calls_is_kept_and_the_rest_is_named(sim: Simulator, check: Check) -> None:
    findings, _ = check(Budget(calls=11))
    assert asked(sim) == 11
    *told, left = findings
    assert len(told) == 11
    assert left.is_partial
    assert left.subject == f"29 of {TOTAL}"
    first = sim.world.accounts()[11].id
    assert "the budget of 11 calls is used" in left.text
    assert f"meta-pipeline check --account {first}" in left.text
    assert f"--calls {TOTAL}" in left.text


def test_the_budget_of_time_is_kept(sim: Simulator, check: Check) -> None:
    ticks = count()
    findings, _ = check(Budget(seconds=5), clock=lambda: float(next(ticks)))
    assert 0 < asked(sim) < TOTAL
    assert "the budget of 5 s is used" in findings[-1].text


def test_what_one_connection_used_is_not_there_for_the_next(sim: Simulator, check: Check) -> None:
    """Whose token a call is made with makes it neither cheaper nor quicker."""
    budget, ticks = Budget(calls=11, seconds=5), count()
    _, reader = check(budget)
    budget = budget.without(reader.asked, reader.seconds)
    findings, reader = check(budget)
    assert (reader.asked, [one.is_partial for one in findings]) == (0, [True])
    assert "the budget of 11 calls is used" in findings[0].text

    budget = Budget(seconds=5)
    _, reader = check(budget, clock=lambda: float(next(ticks)))
    sim.journal.clear()
    findings, second = check(budget.without(reader.asked, reader.seconds))
    assert (second.asked, len(sim.journal)) == (0, 0)
    assert [(one.ok, one.is_partial) for one in findings] == [(True, True)]
    assert findings[0].subject == f"{TOTAL} of {TOTAL}"
    assert "the budget of 5 s is used" in findings[0].text


def test_no_account_is_asked_where_no_time_is_given(sim: Simulator, check: Check) -> None:
    findings, _ = check(Budget(seconds=0))
    assert asked(sim) == 0
    assert [one.is_partial for one in findings] == [True]
    assert "the budget of 0 s is used" in findings[0].text


def test_a_blocked_account_is_not_asked(sim: Simulator, check: Check) -> None:
    blocked = sim.world.accounts()[3].id
    findings, _ = check(Budget(), {blocked: f"{blocked} stopped until 14:32 UTC"})
    assert asked(sim) == TOTAL - 1
    assert not [call for call in sim.journal if blocked in call.path]
    (told,) = [one for one in findings if one.subject.startswith(f"{blocked} ")]
    assert "not asked" in told.text
    assert "until 14:32 UTC" in told.text


def test_a_block_of_all_ends_it(sim: Simulator, check: Check) -> None:
    """Nine are answered, and each lets one more go; only what was then on its way is refused."""
    sim.fail("GET", "/insights", with_=Fault.graph_error(4), on_call=10, times=TOTAL)
    findings, reader = check(Budget())
    assert asked(sim) <= 9 + AT_ONCE
    assert "a limit all accounts share" in str(reader.left_out)
    assert findings[-1].is_partial


def test_a_throttled_account_stops_no_other(sim: Simulator, check: Check) -> None:
    one = sim.world.accounts()[0].id
    sim.limits.exhaust(one)
    findings, reader = check(Budget())
    assert [each.ok for each in findings].count(False) == 1
    assert (asked(sim), reader.left_out) == (TOTAL, None)


def test_the_command_shows_problems_first_and_says_how_many_more(
    shell: Shell, sim: Simulator
) -> None:
    shell.patch.setenv("META_GRAPH_URL", sim.url)
    last = sim.world.accounts()[-1].id
    sim.fail("GET", f"{last}/insights", with_=Fault.graph_error(200, status=403), times=None)
    shown = shell.run("check", "--limit", "3")
    assert shown.exit_code == 1
    lines = shown.output.splitlines()
    assert sum("Shop" in line for line in lines) == 3
    assert f"✗ {last}" in shown.output
    assert f"... and {TOTAL - 3} more: --limit {TOTAL} or --json shows them" in shown.output
    rows = json.loads(shell.run("check", "--json").output)
    assert sum(row["what"] == "Account" for row in rows) == TOTAL


def test_a_meta_that_drips_is_given_the_time_of_the_command(shell: Shell, sim: Simulator) -> None:
    shell.patch.setenv("META_GRAPH_URL", sim.url)
    for path in ("/me", "/me/adaccounts"):
        sim.fail("GET", path, with_=Fault.drip(0.05), times=None)
    told = shell.run("check", "--within", "1s", "--json")
    late = [row for row in json.loads(told.output) if not row["is_known"]]
    assert [row["what"] for row in late] == ["Token", "Accounts"]
    assert all("--within" in row["fix"] for row in late)
    assert "within 1 s" in late[0]["text"]
    assert late[1]["text"] == "not asked: the budget of 1 s is used"
    assert told.exit_code == 3
    assert len(sim.journal) == 1, "nothing is asked after it, nor the same again"


def test_the_command_asks_one_account_by_id_or_name(shell: Shell, sim: Simulator) -> None:
    shell.patch.setenv("META_GRAPH_URL", sim.url)
    one = sim.world.accounts()[7]
    for name in (one.id, one.id[4:], str(one.values["name"]).upper()):
        sim.journal.clear()
        rows = json.loads(shell.run("check", "--json", "--account", name).output)
        assert [row["subject"] for row in rows if row["what"] == "Account"] == [
            f"{one.id} {one.values['name']}"
        ]
        assert all(one.id in call.path for call in sim.journal if call.path.endswith("/insights"))
    unseen = shell.run("check", "-a", "act_404404")
    assert unseen.exit_code == 1
    assert "the token sees no such account" in unseen.output


def test_the_command_asks_only_whom_the_settings_let_it_sync(shell: Shell, sim: Simulator) -> None:
    shell.patch.setenv("META_GRAPH_URL", sim.url)
    first, second, *_ = (one.id for one in sim.world.accounts())
    shell.patch.setenv("META_INCLUDE_ACCOUNTS", f"{first},{second},act_404404")
    shell.patch.setenv("META_EXCLUDE_ACCOUNTS", second)
    told = shell.run("check", "--json")
    rows = json.loads(told.output)
    assert {call.path.split("/")[2] for call in sim.journal if "/insights" in call.path} == {first}
    assert [row["subject"] for row in rows if row["what"] == "Accounts"] == [
        f"{TOTAL - 1} of {TOTAL}"
    ]
    (unseen,) = [row for row in rows if row["subject"] == "act_404404"]
    assert not unseen["ok"]
    assert "META_INCLUDE_ACCOUNTS" in unseen["fix"]
    assert told.exit_code == 1


def test_the_command_heeds_a_block_that_the_tables_know(shell: Shell, sim: Simulator) -> None:
    shell.patch.setenv("META_GRAPH_URL", sim.url)
    blocked, now = sim.world.accounts()[0].id, datetime.now(UTC)
    with psycopg.connect(shell.url) as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ad_accounts (account_id, is_accessible, last_listed_at,"
            " is_simulated, first_seen_at, data_as_of) VALUES (%s, true, now(), true,"
            " now(), now())",
            (blocked,),
        )
        connection.execute(
            "INSERT INTO meta_ads.usage_readings (scope, key, use_case, usage_pct, read_at,"
            " regain_at, source) VALUES ('account', %s, 'ads_insights', 100, %s, %s, 'x')",
            (blocked, now, now + timedelta(minutes=30)),
        )
    shown = shell.run("check", "--limit", "99")
    assert not [call for call in sim.journal if f"{blocked}/insights" in call.path]
    assert "not asked" in shown.output
