"""From an edit in the simulated world to our tables, over webhooks, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from meta_pipeline.commands.webhooks import FIELDS
from meta_pipeline.governor import Thresholds
from meta_pipeline.graph import GraphClient, GraphError, PermissionDenied
from meta_pipeline.model.sync_run import Status
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import App
from meta_pipeline.simulator.server.webhooks import AGAIN_AFTER, Change
from meta_pipeline.sync_requests import Dispatcher, RunState, named_sync
from meta_pipeline.web import Site, web_application
from meta_pipeline.web.access.secret import Secret
from meta_pipeline.web.access.sign_in import sign_in_of
from meta_pipeline.webhooks import collect, unpack
from meta_pipeline_tests.sync.lab import Lab, lab
from meta_pipeline_tests.web import served
from meta_pipeline_tests.webhooks.conftest import VERIFY
from meta_pipeline_tests.webhooks.deliveries import SECRET

APP = App(secret=SECRET)
QUIET = timedelta(seconds=5)


@dataclass
class Told:
    """A synced account whose changes Meta tells to our web application."""

    lab: Lab
    url: str

    def tick(self) -> list[Status]:
        """What the sensor and the runs it starts do, on the virtual clock."""
        now = self.lab.clock.now()
        collect(self.lab.warehouse, now, QUIET)
        dispatcher = Dispatcher(self.lab.warehouse, Thresholds())
        done: list[Status] = []
        for claim in dispatcher.take(now):
            for rows in claim.rows.values():
                request = named_sync(self.lab.warehouse, rows, claim.claim_id)
                done.append(self.lab.engine.sync(request).status)
            dispatcher.settle({claim.claim_id: RunState(claim.claim_id, is_finished=True)}, now)
        return done

    def pending(self) -> int:
        """Changes that nobody has read yet."""
        unpack(self.lab.warehouse)
        return self.lab.warehouse.webhooks.counts().get("pending", (0,))[0]


@pytest.fixture
def told(database_url: str) -> Iterator[Told]:
    with lab(database_url, app=APP) as made:
        assert made.sync().status is Status.SUCCESS
        made.advance(hours=1)
        settings = Settings.load(env_file=None, app_secret=SECRET, webhook_verify_token=VERIFY)
        site = Site(
            settings,
            made.warehouse,
            Secret("x" * 32),
            sign_in_of(settings, "127.0.0.1"),
            now=made.clock.now,
        )
        with served.running(web_application(site)) as url:
            yield Told(made, f"{url}/webhooks/meta")


def test_what_changed_is_in_the_tables_within_a_minute_and_nothing_else_was_read(
    told: Told,
) -> None:
    world, hooks = told.lab.world, told.lab.sim.webhooks
    ads = [one for one in world.objects("ads", told.lab.account_id) if "ACTIVE" in str(one.values)]
    edited = [one.id for one in ads[:4]]
    for one in edited:
        world.pause(one)
    unseen = world.objects("campaigns", told.lab.account_id)[0].id
    world.rename(unseen, "nobody told of this")
    told.lab.sim.journal.clear()
    changes = [hooks.status_of(one) for one in edited]
    delivered = hooks.deliver(changes, url=told.url, copies=3, disorder=7, late_seconds=20)
    assert all(one.is_taken for one in delivered)
    assert told.pending() == len(edited)
    before = told.lab.clock.now()
    told.lab.advance(seconds=5)
    assert told.tick() == [Status.SUCCESS]
    assert told.lab.clock.now() - before < timedelta(seconds=60)
    stored = told.lab.stored_entities("ads")
    assert {stored[one]["status"] for one in edited} == {"PAUSED"}
    assert told.lab.stored_entities("campaigns")[unseen]["name"] != "nobody told of this"
    assert told.pending() == 0
    assert told.tick() == [], "told thrice, read once"


def test_a_blocked_accounts_changes_wait_and_no_call_is_made(told: Told) -> None:
    hooks, sim = told.lab.sim.webhooks, told.lab.sim
    (ad, *_) = told.lab.world.objects("ads", told.lab.account_id)
    sim.limits.exhaust(told.lab.account_id, regain_minutes=30)
    assert told.lab.sync().status is Status.THROTTLED
    sim.journal.clear()
    hooks.deliver([hooks.status_of(ad.id)], url=told.url)
    told.lab.advance(seconds=10)
    assert told.tick() == []
    hooks.deliver([hooks.status_of(ad.id)], url=told.url)
    told.lab.advance(minutes=10)
    assert told.tick() == []
    assert len(sim.journal) == 0
    (row,) = told.lab.warehouse.sync_requests.open()
    assert row.state == "pending"
    assert row.message is not None
    assert "Meta refuses calls until" in row.message
    sim.limits.relieve(told.lab.account_id)
    told.lab.advance(minutes=25)
    assert told.tick() == [Status.SUCCESS]


def test_what_is_not_taken_comes_again_for_a_day_and_a_half(told: Told) -> None:
    hooks = told.lab.sim.webhooks
    (ad, *_) = told.lab.world.objects("ads", told.lab.account_id)
    (one,) = hooks.deliver([hooks.status_of(ad.id)], url="http://127.0.0.1:9/webhooks/meta")
    assert one.statuses == [None]
    assert hooks.retry(url=told.url) == []
    told.lab.advance(minutes=1)
    assert hooks.retry(url=told.url) == [one]
    assert one.is_taken
    assert told.pending() == 1
    (lost,) = hooks.deliver([hooks.status_of(ad.id)], url="http://127.0.0.1:9/x")
    told.lab.advance(hours=37)
    for _ in AGAIN_AFTER:
        hooks.retry(url="http://127.0.0.1:9/x")
    assert lost.is_dropped
    assert lost.statuses == [None] * len(AGAIN_AFTER)


def test_forged_and_many(told: Told) -> None:
    hooks, account_id = told.lab.sim.webhooks, told.lab.account_id
    many = [Change(account_id, "of_tomorrow", {"n": n, "é/": "\u2028"}) for n in range(1_500)]
    forged = hooks.deliver(many[:1], url=told.url, is_forged=True)
    assert [one.statuses for one in forged] == [[403]]
    posts = hooks.deliver(many, url=told.url)
    assert [one.statuses for one in posts] == [[200], [200]]
    assert told.pending() == 1_500


def test_the_app_subscribes_and_is_told_of_connected_accounts_alone(told: Told) -> None:
    sim, account_id = told.lab.sim, told.lab.account_id
    (ad, *_) = told.lab.world.objects("ads", account_id)
    with pytest.raises(ValueError, match="no subscription"):
        sim.webhooks.deliver([sim.webhooks.status_of(ad.id)])
    with GraphClient(access_token=sim.token, base_url=sim.url, app_secret=SECRET) as client:

        def subscribe(verify_token: str) -> None:
            client.subscribe_app(
                APP.id, callback_url=told.url, fields=FIELDS, verify_token=verify_token
            )

        with pytest.raises(GraphError, match="verification failed"):
            subscribe("another text")
        assert client.app_subscription(APP.id) is None
        subscribe(VERIFY)
        found = client.app_subscription(APP.id)
        assert found is not None
        assert (found.callback_url, found.fields, found.is_active) == (told.url, FIELDS, True)
        assert sim.webhooks.deliver([sim.webhooks.status_of(ad.id)]) == []
        assert client.subscribed_apps(account_id) == []
        client.subscribe_account(account_id)
        assert client.subscribed_apps(account_id) == [APP.id]
        reader = sim.issue(scopes=["ads_read"])
        with pytest.raises(PermissionDenied):
            client.with_token(reader).subscribe_account(account_id)
    (one,) = sim.webhooks.deliver([sim.webhooks.status_of(ad.id)])
    assert one.is_taken
    assert told.pending() == 1
