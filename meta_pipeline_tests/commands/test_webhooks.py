"""`webhooks`: the app is subscribed, accounts are connected, and what Meta told is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from meta_pipeline.settings import Settings
from meta_pipeline.simulator.server.webhooks import Change
from meta_pipeline.warehouse import Warehouse
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline.webhooks import collect, unpack
from meta_pipeline_tests.commands.shell import Shell, shell_of, spec
from meta_pipeline_tests.web import served

VERIFY = "a text of our own, long enough"


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Shell]:
    """A shell whose web application runs and is named in META_WEB_URL."""
    with shell_of(database_url, monkeypatch, tmp_path, spec("Shop DE"), spec("Shop US")) as made:
        app = made.sim.tokens.app
        site_settings = Settings.load(
            env_file=None, app_secret=app.secret, webhook_verify_token=VERIFY
        )
        secret = Secret("for tests alone, thirty-two characters")
        with Warehouse(database_url) as warehouse:
            site = Site(site_settings, warehouse, secret, sign_in_of(site_settings, "127.0.0.1"))
            with served.running(web_application(site)) as url:
                for name, value in {
                    "META_APP_ID": app.id,
                    "META_APP_SECRET": app.secret,
                    "META_WEBHOOK_VERIFY_TOKEN": VERIFY,
                    "META_WEB_URL": url,
                }.items():
                    monkeypatch.setenv(name, value)
                yield made


def test_from_the_subscription_to_what_was_told(shell: Shell) -> None:
    first, second = shell.ids
    shell.run("sync", "--all", "--only", "campaigns")
    before = shell.json("webhooks", "status", "--ask")
    assert (before["changes"], before["deliveries_waiting"]) == ({}, None)
    assert before["subscription"] is None
    assert before["accounts"] == {first: False, second: False}
    assert "The app is not subscribed" in shell.run("webhooks", "status", "--ask").stdout

    made = shell.json("webhooks", "subscribe", "--account", "Shop DE")
    assert (made["connected"], made["problems"]) == ([first], {})
    told = shell.run("webhooks", "subscribe", "--all")
    assert (told.exit_code, "2 of 2 ad accounts are connected" in told.stdout) == (0, True)
    asked = shell.json("webhooks", "status", "--ask")
    assert asked["subscription"]["url"].endswith("/webhooks/meta")
    assert asked["accounts"] == {first: True, second: True}

    campaign = shell.sim.world.objects("campaigns", first)[0].id
    issue = Change(first, "with_issues_ad_objects", {"id": campaign, "level": "CAMPAIGN"})
    unknown = Change(first, "ad_recommendations", {"ad_object_ids": ["404"]})
    assert all(one.is_taken for one in shell.sim.webhooks.deliver([issue, unknown]))
    waiting = shell.json("webhooks", "status")
    assert waiting["deliveries_waiting"]["deliveries"] == 1
    assert "Not taken apart yet: 1 post of Meta's" in shell.run("webhooks", "status").stdout
    with Warehouse(shell.url) as warehouse:
        unpack(warehouse)
        (newest,) = {one[2] for one in warehouse.webhooks.counts().values()}
        collect(warehouse, newest, newest - newest)
    after = shell.json("webhooks", "status")
    assert after["deliveries_waiting"] is None
    assert {state: one["changes"] for state, one in after["changes"].items()} == {
        "requested": 1,
        "kept": 1,
    }
    assert "1 change requested" in shell.run("webhooks", "status").stdout
    (request,) = shell.json("requests", "list")
    assert (request["source"], request["object_counts"]) == ("webhook", {"campaigns": 1})
    assert shell.json("requests", "show")["objects"] == {"campaigns": [campaign]}


def test_what_is_missing_is_said_before_meta_is_asked(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    shell.sim.journal.clear()
    both = shell.run("webhooks", "subscribe", "--all", "--account", "Shop DE")
    assert (both.exit_code, "not both" in both.output) == (2, True)
    shell.patch.delenv("META_WEB_URL")
    nowhere = shell.run("webhooks", "subscribe", "--all")
    assert (nowhere.exit_code, "META_WEB_URL" in nowhere.output) == (1, True)
    shell.patch.delenv("META_APP_SECRET")
    unsigned = shell.run("webhooks", "subscribe", "--all", "--url", "http://127.0.0.1:9")
    assert (unsigned.exit_code, "META_APP_SECRET" in unsigned.output) == (1, True)
    assert shell.run("webhooks", "status", "--ask").exit_code == 1
    assert len(shell.sim.journal) == 0


def test_an_address_where_nobody_answers_is_told_in_metas_words(shell: Shell) -> None:
    shell.run("sync", "--all", "--only", "campaigns")
    nobody = shell.run("webhooks", "subscribe", "--all", "--url", "http://127.0.0.1:9")
    assert nobody.exit_code == 1
    assert "Meta does not deliver to http://127.0.0.1:9/webhooks/meta" in nobody.output
