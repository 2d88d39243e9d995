"""A changed choice of accounts holds at once: for the rotation, for status and for every reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from meta_pipeline.alerts.condition import ConditionKind
from meta_pipeline.alerts.sources import account_problems, limits_of
from meta_pipeline.connections import change_choice
from meta_pipeline.fleet.rotation import Rotation
from meta_pipeline.fleet.tick import look
from meta_pipeline.reports.status import Standing, read_status
from meta_pipeline.sync import SyncEngine, SyncRequest
from meta_pipeline.warehouse import ConnectionRow
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import Place, place_of


@dataclass
class Agency:
    """Three accounts that one connection reaches, without META_ACCESS_TOKEN; all are listed."""

    place: Place
    engine: SyncEngine
    row: ConnectionRow

    def choose(self, *numbers: int) -> None:
        choice = change_choice(self.place.book, self.row, session="s")
        self.row = choice.choose([self.place.ids[number] for number in numbers])

    def read(self) -> list[int]:
        """The accounts that status counts as ours to read."""
        found = read_status(self.place.warehouse, now=self.place.clock.now())
        read = {one.account_id for one in found if one.standing is not Standing.LOST}
        return [n for n, one in enumerate(self.place.ids) if one in read]

    def lost(self) -> list[int]:
        """The accounts that people are alerted of as lost."""
        with self.place.warehouse.connection() as connection:
            found = account_problems(connection, limits_of(self.place.book.access.settings))
        lost = {one for one, kind in found.items() if kind is ConditionKind.LOST}
        return [n for n, one in enumerate(self.place.ids) if one in lost]

    def picked(self) -> list[int]:
        """The accounts whose turn the next tick says it is."""
        settings = self.place.book.access.settings
        tick = look(
            self.place.warehouse,
            self.place.clock.now(),
            Rotation.of(settings),
            slots=9,
            settings=settings,
        )
        ids = {one for run in tick.runs for one in run.account_ids}
        return [n for n, one in enumerate(self.place.ids) if one in ids]


@pytest.fixture
def agency(database_url: str) -> Iterator[Agency]:
    with place_of(database_url) as place, engine_of(place, has_environment=False) as engine:
        place.book = place.with_settings(access_token=None)
        row = place.book.add(place.issue(accounts=place.ids))
        engine.discover()
        yield Agency(place, engine, row)


def test_what_is_no_longer_chosen_is_no_longer_read(agency: Agency) -> None:
    place = agency.place
    assert agency.read() == agency.picked() == [0, 1, 2]
    agency.choose(0)
    assert agency.read() == agency.picked() == [0]
    place.sim.journal.clear()
    refused = agency.engine.sync(SyncRequest(place.ids[1], force=True))
    assert "choose" in str(refused.error_summary)
    assert len(place.sim.journal) == 0, "not even when somebody asks for it by name"
    agency.engine.discover()
    assert agency.read() == [0]
    assert agency.lost() == [], "who takes an account out knows it"


def test_what_is_chosen_and_no_longer_reached_is_lost(agency: Agency) -> None:
    place = agency.place
    agency.choose(0, 1)
    token = place.book.token(agency.row)
    place.sim.tokens.restrict(token, accounts=place.ids[:1])
    agency.engine.discover()
    assert agency.read() == [0]
    assert agency.lost() == [1], "2 was taken out, 1 was taken away"


def test_what_is_chosen_again_is_read_again_without_a_discovery(agency: Agency) -> None:
    agency.choose(0)
    agency.choose(0, 2)
    assert agency.read() == agency.picked() == [0, 2]
    assert agency.place.warehouse.connections.unlisted_since() is None


def test_another_connection_that_reaches_it_keeps_an_account(agency: Agency) -> None:
    place = agency.place
    token = place.issue(user_id="702", user_name="Other", accounts=place.ids[1:2])
    other = place.book.add(token)
    agency.choose(0)
    assert agency.read() == agency.picked() == [0, 1]
    place.book.remove(other)
    assert agency.read() == agency.picked() == [0]


def test_the_token_of_the_environment_keeps_what_it_listed(database_url: str) -> None:
    with place_of(database_url) as place, engine_of(place) as engine:
        place.sim.tokens.restrict(place.sim.token, accounts=place.ids[:2])
        row = place.book.add(place.issue(accounts=place.ids))
        engine.discover()
        agency = Agency(place, engine, row)
        agency.choose(0)
        assert agency.read() == agency.picked() == [0, 1]
        place.book = place.with_settings(access_token=None)
        agency.choose(0, 2)
        assert agency.read() == agency.picked() == [0, 1, 2]
        agency.choose(0)
        assert agency.read() == agency.picked() == [0, 1]


def test_an_account_that_was_never_listed_waits_for_a_discovery_and_for_no_other(
    agency: Agency,
) -> None:
    """A tick of the sensor asks for one as long as `unlisted_since` has a moment."""
    place = agency.place
    place.book.remove(agency.row)
    place.change("DELETE FROM meta_ads.meta_ad_accounts")
    agency.row = place.book.add(place.issue(accounts=place.ids))
    agency.choose(0)
    assert place.warehouse.connections.unlisted_since() == place.clock.now()
    place.sim.tokens.revoke(place.book.token(agency.row))
    place.book.check(agency.row)
    assert place.warehouse.connections.unlisted_since() is None, "a dead one lists nothing"
    agency.row = place.book.add(place.issue(user_id="703", accounts=place.ids))
    agency.choose(1)
    agency.engine.discover()
    assert agency.read() == [1]
    assert place.warehouse.connections.unlisted_since() is None
