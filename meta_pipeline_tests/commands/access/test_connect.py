"""`meta-pipeline connections connect`: a browser at Meta's dialog, a choice in the terminal."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from meta_pipeline.local.callback import CallbackDoor, PortTaken
from meta_pipeline_tests.commands.access.test_connections import with_key
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec
from meta_pipeline_tests.waiting import PATIENCE_SECONDS

Visit = Callable[[str], None]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Browser:
    """Opens what it is given in a thread, and follows where it leads."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.visit: Visit = self.go
        self.threads: list[Thread] = []

    def open(self, url: str) -> bool:
        self.threads.append(Thread(target=self.visit, args=(url,)))
        self.threads[-1].start()
        return True

    def go(self, url: str) -> None:
        self.pages.append(requests.get(url, timeout=PATIENCE_SECONDS).text)

    def close(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE_SECONDS)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    found = Browser()
    monkeypatch.setattr("webbrowser.open", found.open)
    yield found
    found.close()


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    accounts = [spec("Shop DE"), spec("Shop US"), spec("Café")]
    with shell_of(database_url, monkeypatch, tmp_path, *accounts) as found:
        monkeypatch.setenv("META_APP_ID", found.sim.tokens.app.id)
        monkeypatch.setenv("META_APP_SECRET", found.sim.tokens.app.secret)
        monkeypatch.setenv("META_LOGIN_PORT", str(free_port()))
        with_key(found)
        found.sim.tokens.choose()
        yield found


def stored(shell: Shell) -> list[tuple[Any, ...]]:
    return shell.rows(
        "SELECT name, chosen_accounts, (SELECT count(*) FROM meta_ads.pending_connections) "
        "FROM meta_ads.connections WHERE state <> 'replaced'"
    )


def test_log_in_look_for_a_name_and_choose(shell: Shell, browser: Browser) -> None:
    typed = "nonsense\n/caf\n1,shop us\n"
    result = shell.run("connections", "connect", "--name", "Ann", typed=typed)
    assert result.exit_code == 0, result.output
    assert "development mode" in result.output
    assert "2 ad accounts. meta-pipeline sync" in result.output
    ((name, chosen, pending),) = stored(shell)
    assert (name, sorted(chosen), pending) == ("Ann", sorted(shell.ids[1:]), 0)
    assert "go back to the terminal" in browser.pages[0]
    (found,) = [one for one in shell.json("connections") if one["connection_id"]]
    assert (found["kind"], found["accounts"], found["state"]) == ("user", 2, "active")


def test_a_choice_is_changed_later(shell: Shell, browser: Browser) -> None:
    shell.run("connections", "connect", "--account", "Shop DE")
    result = shell.run("connections", "choose", "Simulated User", "-a", "Shop US", "-a", "Café")
    assert result.exit_code == 0, result.output
    assert "now reads 2 ad accounts." in result.output
    ((_, chosen, pending),) = stored(shell)
    assert (sorted(chosen), pending) == (sorted(shell.ids[1:]), 0)
    refused = shell.run("connections", "choose", "Simulated User", "-a", "No such shop")
    assert refused.exit_code != 0
    assert sorted(stored(shell)[0][1]) == sorted(shell.ids[1:]), "it stays as it was"
    assert stored(shell)[0][2] == 0
    every = shell.json("connections", "choose", "Simulated User", "--all")
    assert every["chosen_accounts"] is None
    assert len(every["accounts"]) == 3
    typed = shell.run("connections", "choose", "Simulated User", typed="1\n")
    assert "3 are chosen" in typed.output
    assert len(stored(shell)[0][1]) == 1


def test_what_scripts_say_beforehand(shell: Shell, browser: Browser) -> None:
    found = shell.json("connections", "connect", "--all")
    assert found["chosen_accounts"] is None
    assert len(found["accounts"]) == 3
    again = shell.json("connections", "connect", "--account", "Shop DE")
    assert again["chosen_accounts"] == shell.ids[:1]
    assert shell.run("connections", "connect", "--all", "--account", "x").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        ([], "", "nobody chose"),
        (["--account", "no such shop"], "", "no such shop"),
    ],
)
def test_who_does_not_choose_connects_nothing(
    shell: Shell, browser: Browser, arguments: list[str], typed: str, said: str
) -> None:
    result = shell.run("connections", "connect", *arguments, typed=typed)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.output.split())
    assert stored(shell) == []
    assert shell.rows("SELECT count(*) FROM meta_ads.pending_connections") == [(0,)]


def test_cancelled_at_meta(shell: Shell, browser: Browser) -> None:
    shell.sim.tokens.dialog = "deny"
    result = shell.run("connections", "connect", "--all")
    assert result.exit_code == 1
    assert "was cancelled" in " ".join(result.output.split())
    assert "Nothing was connected" in browser.pages[0]


def test_what_others_send_to_the_door_is_not_the_answer(shell: Shell, browser: Browser) -> None:
    def visit(url: str) -> None:
        back = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        for other, host in (
            (f"{back}?state=forged&code=x", None),
            (back, None),
            (back.replace("/callback", "/favicon.ico"), None),
            (f"{back}?state=x", "evil.example.com"),
        ):
            headers = {"host": host} if host else {}
            browser.pages.append(
                requests.get(other, headers=headers, timeout=PATIENCE_SECONDS).text
            )
        browser.go(url)

    browser.visit = visit
    assert shell.run("connections", "connect", "--all").exit_code == 0
    *others, last = browser.pages
    assert "was not asked for" in others[0]
    assert "Nothing is here" in others[3]
    assert "Choose ad accounts" in last


def test_a_live_app_is_told_before_and_by_meta(shell: Shell, browser: Browser) -> None:
    """Meta's page says that the address is blocked, and leads nowhere: here it is waited on."""
    shell.sim.tokens.change_app(in_development=False)
    seen: list[int] = []

    def visit(url: str) -> None:
        seen.append(requests.get(url, timeout=PATIENCE_SECONDS).status_code)
        back = parse_qs(urlsplit(url).query)
        state, uri = back["state"][0], back["redirect_uri"][0]
        browser.go(f"{uri}?error=access_denied&state={state}")

    browser.visit = visit
    result = shell.run("connections", "connect", "--all")
    assert seen == [400]
    assert result.exit_code == 1
    assert "only for an app in development mode" in " ".join(result.output.split())


def test_a_port_that_is_taken_is_named(shell: Shell, browser: Browser) -> None:
    port = free_port()
    shell.patch.setenv("META_LOGIN_PORT", str(port))
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        result = shell.run("connections", "connect", "--all")
    assert result.exit_code == 1
    assert f"Port {port}" in result.output
    assert browser.threads == []


def test_a_port_that_is_half_taken_is_not_used() -> None:
    """localhost may mean ::1 to a browser: a code must not reach who listens there."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    port = free_port()
    with socket.socket(socket.AF_INET6) as other:
        try:
            other.bind(("::1", port))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        with pytest.raises(PortTaken):
            CallbackDoor(port, lambda _: ("", "", True))
    with CallbackDoor(port, lambda _: ("", "", True)) as door:
        assert not door.wait(0)


def test_without_a_browser_the_link_is_printed(shell: Shell, browser: Browser) -> None:
    shell.patch.setattr("webbrowser.open", lambda url: not browser.open(url))
    result = shell.run("connections", "connect", "--all")
    assert result.exit_code == 0, result.output
    assert "/dialog/oauth?client_id=" in result.output


def test_without_an_app_nobody_is_sent_anywhere(shell: Shell, browser: Browser) -> None:
    shell.patch.delenv("META_APP_SECRET")
    result = shell.run("connections", "connect", "--all")
    assert result.exit_code == 1
    assert "META_APP_ID and META_APP_SECRET" in " ".join(result.output.split())
    assert browser.threads == []
