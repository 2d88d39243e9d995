"""What META_ACCESS_TOKEN reads stays read, also where a process without it changes connections.

Documented deployments give the token to those who execute runs alone, never to the web application.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from meta_pipeline.commands.connected import connected
from meta_pipeline.connections import ConnectionState, listed
from meta_pipeline_tests.connections.engines import engine_of
from meta_pipeline_tests.connections.place import START, place_of
from meta_pipeline_tests.connections.test_choice_at_once import Agency


def removed(agency: Agency) -> None:
    agency.place.book.remove(agency.row)


def taken_out_of_the_choice(agency: Agency) -> None:
    agency.choose(2)


def connected_anew_without_it(agency: Agency) -> None:
    place = agency.place
    agency.row = place.book.add(place.issue(accounts=place.ids[2:]), tenant="acme")


def lost_at_meta(agency: Agency) -> None:
    place = agency.place
    place.sim.tokens.restrict(place.book.token(agency.row), accounts=place.ids[2:])
    place.book.check(agency.row)


@pytest.fixture
def house(database_url: str) -> Iterator[Agency]:
    """The house reads 0 and 1 by META_ACCESS_TOKEN, acme's connection reaches 1 and 2; all are
    listed. Whoever changes connections from now on has no token.
    """
    with place_of(database_url) as place, engine_of(place) as engine:
        place.sim.tokens.restrict(place.sim.token, accounts=place.ids[:2])
        place.warehouse.tenants.add("acme", "Acme", START)
        row = place.book.add(place.issue(accounts=place.ids[1:]), tenant="acme")
        engine.discover()
        place.book = place.with_settings(access_token=None)
        yield Agency(place, engine, row)


def granted(agency: Agency) -> list[int]:
    place = agency.place
    ids = place.warehouse.tenants.get("acme").account_ids
    return [n for n, one in enumerate(place.ids) if one in ids]


@pytest.mark.parametrize(
    ("lets_go", "left"),
    [
        # What nobody else reads stays with its tenant.
        (removed, [0, 1]),
        (taken_out_of_the_choice, [0, 1, 2]),
        (connected_anew_without_it, [0, 1, 2]),
        (lost_at_meta, [0, 1, 2]),
    ],
)
def test_what_a_tenant_lets_go_of_the_house_reads_on(
    house: Agency, lets_go: Callable[[Agency], None], left: list[int]
) -> None:
    assert (house.read(), house.picked(), granted(house)) == ([0, 1, 2], [0, 1, 2], [1, 2])
    lets_go(house)
    assert (house.read(), house.picked(), granted(house)) == (left, left, [2])
    assert house.lost() == [n for n in range(3) if n not in left]
    house.engine.discover()
    assert (house.read(), house.picked(), granted(house)) == (left, left, [2])


def test_a_process_without_the_token_says_who_reads_what(house: Agency) -> None:
    place, now = house.place, house.place.clock.now()
    settings = place.book.access.settings
    shown = connected(place.warehouse, settings, place.ids, now)
    assert [shown[one].problem for one in place.ids] == [None, None, None]
    assert shown[place.ids[0]].connection == "META_ACCESS_TOKEN"


def test_a_process_without_the_token_lists_it_by_what_was_last_heard_of_it(house: Agency) -> None:
    place, now = house.place, house.place.clock.now()
    with_token = place.book.access.settings.model_copy(
        update={"access_token": SecretStr(place.sim.token)}
    )
    for _ in range(2):
        told = listed(place.warehouse, place.book.access.settings, now)
        assert told == listed(place.warehouse, with_token, now)
        assert [one.connection_id for one in told] == [None, house.row.connection_id]
        assert told[0].accounts == 2
        house.engine.token()
    assert told[0].state is ConnectionState.ACTIVE


def test_a_dead_connections_accounts_are_told_of_where_there_is_no_token(house: Agency) -> None:
    place = house.place
    place.sim.tokens.revoke(place.book.token(house.row))
    place.book.check(house.row)
    (told,) = place.warehouse.tenants.unproven()
    assert (told.connection_id, told.account_ids) == (house.row.connection_id, [place.ids[1]])


def test_a_token_that_is_set_no_more_reads_nothing_from_the_next_discovery_on(
    house: Agency,
) -> None:
    """It may come back: then it lists its accounts again."""
    place, engine = house.place, house.engine
    found = engine.context.connections
    assert found is not None
    without = engine.changed(connections=replace(found, settings=place.book.access.settings))
    assert without.discover().lost == (place.ids[0],)
    assert place.warehouse.connections.listed_by_environment() == frozenset()
    (told,) = listed(place.warehouse, place.book.access.settings, place.clock.now())
    assert told.connection_id is not None
    assert (house.read(), house.picked()) == ([1, 2], [1, 2])
    place.book.remove(house.row)
    assert (house.read(), granted(house)) == ([], [1, 2]), "nobody reads them on"
    engine.discover()
    assert (house.read(), house.picked(), granted(house)) == ([0, 1], [0, 1], [2])
