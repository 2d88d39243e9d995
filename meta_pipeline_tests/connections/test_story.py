"""The whole way over real sockets: two businesses connected, one renewed, one gone, nothing lost.

And renewals in processes of their own that are killed between any two of their steps.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from meta_pipeline.connections import Access, Connections, Keyring, renew, take_care
from meta_pipeline.settings import Settings
from meta_pipeline.simulator import Configuration, VirtualClock
from meta_pipeline.sync import SyncEngine, SyncRequest
from meta_pipeline.warehouse import Connection, ConnectionRow, Warehouse
from meta_pipeline_tests.connections.login import choice_of, connected, for_business, logged_in
from meta_pipeline_tests.connections.place import KEY, Place, place_of
from meta_pipeline_tests.processes import CHILDREN

IN_60_DAYS = Configuration(
    "700", scopes=("ads_read", "business_management"), expires_in_60_days=True
)


@contextmanager
def engine_of(place: Place) -> Iterator[SyncEngine]:
    url = place.warehouse.url
    settings = place.book.access.settings.model_copy(
        update={
            "access_token": None,
            "token_keys": SecretStr(KEY),
            "database_url": SecretStr(url),
            "backfill_days": 3,
        }
    )
    with SyncEngine.open(settings, url) as engine:
        yield engine


def campaigns(place: Place, account_id: str) -> int:
    query = "SELECT count(*) FROM meta_ads.meta_campaigns WHERE account_id = %s"
    return int(place.query(query, account_id)[0][0])


@pytest.mark.slow
def test_two_businesses_one_renewed_one_gone_and_nothing_lost(database_url: str) -> None:
    clock = VirtualClock(datetime.now(UTC).replace(microsecond=0))
    with place_of(database_url, clock=clock) as place:
        first, second, third = place.ids
        for_business(place, IN_60_DAYS)
        rows = []
        for name, owned in (("North", [first]), ("South", [second, third])):
            owner = place.sim.directory.add_business(name, owned=owned)
            place.sim.tokens.choose(businesses=[owner.id])
            choice = choice_of(place, logged_in(place))
            assert {one.account_id for one in choice.page().accounts} == set(owned)
            rows.append(choice.choose(owned[:1]) if name == "South" else choice.choose_all())
        north, south = rows
        place.book = place.with_settings(login_config_id=None)
        ann = place.sim.directory.add_person("Ann", accounts=[second, third])
        place.sim.tokens.choose(person=ann.id)
        person = connected(place)
        token = place.book.token(person)
        place.sim.tokens._change(token, expires_at=clock.now() + timedelta(days=30))
        place.book.check(person)  # what lives longer is asked first: South

        with engine_of(place) as engine:
            found = engine.discover()
            assert {one.account_id for one in found.accounts} == set(place.ids)
            for account_id in place.ids:
                assert engine.sync(SyncRequest(account_id)).status == "success"
        before = {account_id: campaigns(place, account_id) for account_id in place.ids}
        assert all(before.values())

        old = place.book.token(north)
        place.sim.tokens._change(old, expires_at=clock.now() + timedelta(days=19, hours=23))
        place.book.check(place.row(north.connection_id))
        cared = take_care(place.book)
        assert [one.row.connection_id for one in cared.renewals if one.is_renewed] == [
            north.connection_id
        ]
        assert not place.works(old)

        place.sim.tokens.revoke(place.book.token(south))
        with engine_of(place) as engine:
            for account_id in place.ids:
                assert engine.sync(SyncRequest(account_id, force=True)).status == "success"
        states = {row.name: row.state for row in place.warehouse.connections.all()}
        assert states == {"North": "active", "South": "revoked", "Ann": "active"}
        assert {account_id: campaigns(place, account_id) for account_id in place.ids} == before
        events = place.query("SELECT connection_id, event FROM meta_ads.connection_events")
        for row, wanted in (
            (north, {"added", "renewed", "token_revoked"}),
            (south, {"added", "revoked"}),
            (person, {"added"}),
        ):
            said = {event for connection_id, event in events if connection_id == row.connection_id}
            assert wanted <= said, (row.name, said)


@dataclass(frozen=True)
class Job:
    """A renewal in a process of its own, at a time that stands still."""

    database_url: str
    graph_url: str
    app_id: str
    app_secret: str
    connection_id: str
    now: datetime
    key: str
    dies_at: tuple[int, str] | None = None
    """In which transaction it kills itself, counted from 0, and when: see `Deadly`."""


class Deadly(Warehouse):
    """A warehouse whose process is killed, once and for good, around one of its transactions."""

    number: int
    when: str
    """`uncommitted`: all statements were sent and none is committed; `committed`: right after."""

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        number, self.number = self.number, self.number - 1
        with super().connection() as opened:
            yield opened
            if number == 0 and self.when == "uncommitted":
                os.kill(os.getpid(), signal.SIGKILL)
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def run(job: Job) -> None:
    settings = Settings.load(
        env_file=None,
        graph_url=job.graph_url,
        app_id=job.app_id,
        app_secret=job.app_secret,
    )
    with Deadly(job.database_url) as warehouse:
        warehouse.number, warehouse.when = job.dies_at or (-1, "")
        access = Access(settings, clock=lambda: job.now, sleep=lambda _: None)
        book = Connections(warehouse, access, Keyring.parse(job.key), "child")
        row = warehouse.connections.get(job.connection_id)
        assert row is not None
        renew(book, row)


STEPS = [(step, when) for step in ("exchange", "debug", "end") for when in ("before", "after")]


@pytest.mark.slow
@pytest.mark.parametrize(("step", "when"), STEPS)
def test_killed_between_two_steps_there_is_a_token_and_at_most_one_unknown(
    place: Place, step: str, when: str
) -> None:
    """kill -9 as Meta is asked, or when it has done what it was asked and nobody hears of it."""
    row = place.book.add(place.issue())
    place.pass_days(45)
    tokens, app = place.sim.tokens, place.sim.tokens.app
    job = Job(
        database_url=place.warehouse.url,
        graph_url=place.sim.url,
        app_id=app.id,
        app_secret=app.secret,
        connection_id=row.connection_id,
        now=place.clock.now(),
        key=KEY,
    )
    child = CHILDREN.Process(target=run, args=(job,), daemon=True)
    real = getattr(tokens, step)

    def deadly(*given: Any, **named: Any) -> Any:
        pid = child.pid
        assert pid is not None
        if when == "before":
            os.kill(pid, signal.SIGKILL)
            raise ConnectionError
        found = real(*given, **named)
        os.kill(pid, signal.SIGKILL)
        return found

    setattr(tokens, step, deadly)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    setattr(tokens, step, real)
    assert_well(place, row)


def assert_well(place: Place, row: ConnectionRow) -> None:
    """One token that works is in use, at most one is unknown, and the next care mends it all."""
    tokens = place.sim.tokens._tokens
    stored = place.book.tokens(row)
    living = {one.value for one in tokens.values() if one.user_id == row.user_id}
    living = {one for one in living if place.works(one)}
    assert stored["current"] in living, "there is always one that works"
    assert len(living - set(stored.values())) <= 1
    take_care(place.book)
    place.pass_days(1)
    take_care(place.book)  # what was only left to be ended is ended by the daily look
    kept = place.book.tokens(place.row(row.connection_id))
    assert kept.keys() == {"current"}
    assert place.works(kept["current"])
    assert place.row(row.connection_id).state == "active"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["uncommitted", "committed"])
def test_killed_around_each_transaction_of_a_renewal(place: Place, when: str) -> None:
    """kill -9 before and after each commit: of the new token, of the swap, of what was revoked."""
    app, left = place.sim.tokens.app, set[str]()
    for number in range(40):
        row = place.book.add(place.issue(user_id=str(900 + number)))
        old = place.book.token(row)
        place.pass_days(45)
        job = Job(
            database_url=place.warehouse.url,
            graph_url=place.sim.url,
            app_id=app.id,
            app_secret=app.secret,
            connection_id=row.connection_id,
            now=place.clock.now(),
            key=KEY,
            dies_at=(number, when),
        )
        child = CHILDREN.Process(target=run, args=(job,), daemon=True)
        child.start()
        child.join()
        kept = place.book.tokens(place.row(row.connection_id))
        roles = ",".join(sorted(kept))
        left.add(f"{roles} {'old' if kept['current'] == old else 'new'}")
        assert_well(place, row)
        if child.exitcode == 0:
            assert number > 3, "every transaction of a renewal was a place to die"
            break
        assert child.exitcode == -signal.SIGKILL
    else:
        pytest.fail("a renewal takes more transactions than were tried")
    assert {"current old", "current,next old", "current,previous new", "current new"} <= left
