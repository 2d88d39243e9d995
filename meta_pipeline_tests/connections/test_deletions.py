"""A deletion of many accounts beside many connections: what it asks, how it goes on, who waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from meta_pipeline.alerts import connection_conditions
from meta_pipeline.connections import Callbacks, CarriedOut, carry_out, due, take_care
from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import CallbackRow, ConnectionRow, account_lock
from meta_pipeline_tests.connections.place import START, Place, place_of
from meta_pipeline_tests.connections.test_callbacks import (
    form,
    of_person,
    payload,
    store_accounts,
)


@pytest.fixture
def crowd(database_url: str) -> Iterator[Place]:
    """Ann alone reaches 60 accounts, five others one each; the house reaches none of them."""
    with place_of(database_url, accounts=66) as place:
        place.book = place.with_settings(
            access_token=SecretStr(place.issue(accounts=place.ids[65:]))
        )
        of_person(place, "Ann", place.ids[:60])
        for n in range(5):
            of_person(place, f"Other {n}", [place.ids[60 + n]])
        store_accounts(place)
        place.sim.journal.clear()
        yield place


def asked(place: Place, row: ConnectionRow, kind: str = "data_deletion") -> str:
    """What Meta tells of the person behind a connection; the confirmation code."""
    callbacks, now = Callbacks(place.book), place.clock.now()
    body = form(payload(row.user_id, issued_at=int(now.timestamp())))
    receive = callbacks.deauthorized if kind == "deauthorize" else callbacks.deletion_asked
    return receive(body).confirmation_code


def ann(place: Place) -> ConnectionRow:
    return next(row for row in place.warehouse.connections.all() if row.name == "Ann")


def http_calls(place: Place) -> int:
    return sum(not one.in_batch for one in place.sim.journal)


def asked_about(place: Place) -> Counter[str]:
    """How often each ad account itself was asked for."""
    found = (one.path.rpartition("/")[2] for one in place.sim.journal)
    return Counter(one for one in found if one.startswith("act_"))


def left(place: Place) -> set[str]:
    return {one.account_id for one in place.warehouse.accounts.all()}


def only(place: Place) -> CallbackRow:
    (row,) = place.warehouse.callbacks.open()
    return row


def test_asking_all_of_all_takes_a_call_for_fifty_accounts_and_a_token(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    (carried,) = carry_out(crowd.book)
    assert carried.problem is None
    assert carried.accounts == tuple(sorted(crowd.ids[:60]))
    assert left(crowd) == set(crowd.ids[60:])
    assert set(asked_about(crowd).values()) == {6}, "each by five connections and the house"
    # Each connection's token and list, the house's list, and two batches for each of the six.
    assert http_calls(crowd) == 5 * 3 + 2 + 2 * 6


def test_a_second_try_asks_nothing_of_what_is_deleted(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    busy = sorted(crowd.ids[:60])[39]
    with account_lock(crowd.warehouse.url, busy, holder="a sync"):
        (carried,) = carry_out(crowd.book)
    assert "a sync" in str(carried.problem)
    crowd.sim.journal.clear()
    (carried,) = carry_out(crowd.book)
    assert carried.problem is None
    assert dict(asked_about(crowd)) == {busy: 6}, "all others went, with a proof of their own"
    assert carried.deleted["meta_ad_accounts"] == 60, "the person is told of all tries together"


class Ended(BaseException):
    """The way in which Dagster ends a run that takes too long."""


def ends_at(count: int) -> Callable[[str], None]:
    """Raises at the account of this number."""
    heard: list[str] = []

    def forgotten(account_id: str) -> None:
        heard.append(account_id)
        if len(heard) == count:
            raise Ended

    return forgotten


def test_a_try_that_is_killed_is_seen_and_the_next_goes_on_from_there(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    with pytest.raises(Ended):
        carry_out(crowd.book, forgotten=ends_at(40))
    gone = set(crowd.ids[:60]) - left(crowd)
    assert len(gone) == 40
    row = only(crowd)
    assert (row.attempts, row.tried_at is not None, row.problem) == (1, True, None)
    assert due(crowd.warehouse, crowd.clock.now()).callbacks == (), "not in a loop"
    crowd.clock.advance(60)
    assert due(crowd.warehouse, crowd.clock.now()).callbacks == (row,)
    crowd.sim.journal.clear()
    (carried,) = take_care(crowd.book).callbacks
    assert carried.problem is None
    assert not gone & asked_about(crowd).keys()
    assert left(crowd) == set(crowd.ids[60:])
    assert carried.deleted["meta_ad_accounts"] == 60


def test_a_request_that_takes_longer_than_a_pass_goes_on_at_the_next_tick(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    crowd.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.slow(40))
    told, tries = [], list[CarriedOut]()
    while not tries or tries[-1].goes_on:
        code = only(crowd).confirmation_code
        (carried,) = take_care(crowd.book).callbacks
        tries.append(carried)
        status = Callbacks(crowd.book).status(code)
        assert status is not None
        told.append(status.message)
        crowd.clock.advance(120)
    assert {one.problem for one in tries} == {None}
    assert 2 < len(tries) < 10
    assert "being carried out" in told[0]
    assert "was deleted" in told[-1]
    assert left(crowd) == set(crowd.ids[60:])
    lists = [one for one in crowd.sim.journal if one.path.endswith("/me/adaccounts")]
    assert len(lists) == 5 + len(tries), "none of a connection twice; the house's in each"


def test_looks_that_take_hours_in_all_are_known_until_the_last_is_made(crowd: Place) -> None:
    for n in range(5, 18):
        of_person(crowd, f"Other {n}", crowd.ids[65:])
    asked(crowd, ann(crowd))
    crowd.sim.journal.clear()
    crowd.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.slow(120))
    crowd.clock.advance(60)
    begun_at, passes = crowd.clock.now(), 0
    while crowd.warehouse.callbacks.open():
        assert passes < 24, "one for each of 18 looks, and for two proofs"
        assert {one.problem for one in take_care(crowd.book).callbacks} == {None}
        crowd.clock.advance(120)
        passes += 1
    assert crowd.clock.now() - begun_at > timedelta(hours=1)
    looks = sum(one.path.endswith("/debug_token") for one in crowd.sim.journal)
    assert looks == 18, "none of a connection twice"
    assert left(crowd) == set(crowd.ids[60:])


def test_accounts_that_take_long_to_delete_leave_the_rest_before_the_run_is_over(
    crowd: Place,
) -> None:
    asked(crowd, ann(crowd))
    (carried,) = carry_out(crowd.book, forgotten=lambda _: crowd.clock.advance(240))
    assert (carried.problem, carried.goes_on, len(carried.accounts)) == (None, True, 13)
    crowd.clock.advance(60)
    (carried,) = take_care(crowd.book).callbacks
    assert carried.is_done
    assert left(crowd) == set(crowd.ids[60:])


def test_however_slow_all_is_each_pass_wins_something(place: Place) -> None:
    """A look at a connection, or the accounts of one proof."""
    for name in ("Other", "Another"):
        of_person(place, name, place.ids[2:])
    place.book = place.with_settings(access_token=None)
    store_accounts(place)
    asked(place, of_person(place, "Ann", place.ids[:2]))
    slow = replace(place.book.access, clock=lambda: place.clock.advance(19))
    place.sim.journal.clear()
    stages = [(0, -3)]
    while place.warehouse.callbacks.open():
        take_care(replace(place.book, access=slow))
        looks = sum(one.path.endswith("/debug_token") for one in place.sim.journal)
        stages.append((looks, -len(left(place))))
        assert stages[-1] > stages[-2]
        place.clock.advance(60)
    assert stages == [(0, -3), (1, -3), (2, -1)]
    assert left(place) == {place.ids[2]}


def test_accounts_that_were_proved_together_go_together_however_long_it_took(
    crowd: Place,
) -> None:
    asked(crowd, ann(crowd))
    crowd.sim.fail("POST", "/", times=None, with_=Fault.slow(40))
    stages = [len(left(crowd))]
    while crowd.warehouse.callbacks.open():
        (carried,) = take_care(crowd.book).callbacks
        assert carried.problem is None
        stages.append(len(left(crowd)))
        assert stages[-1] < stages[-2]
        crowd.clock.advance(120)
    assert stages == [66, 16, 6]
    batches = [one for one in crowd.sim.journal if one.method == "POST" and not one.in_batch]
    assert len(batches) == 2 * 6, "each of the six tokens once about fifty, once about ten"


def test_a_list_of_the_house_that_takes_longer_than_a_pass_holds_nothing_up(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    crowd.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.slow(150))
    tries = list[CarriedOut]()
    while crowd.warehouse.callbacks.open():
        tries += take_care(crowd.book).callbacks
        assert len(tries) < 10
        crowd.clock.advance(120)
    assert {one.problem for one in tries} == {None}
    assert [len(one.accounts) for one in tries[-2:]] == [50, 10]
    assert left(crowd) == set(crowd.ids[60:])


@pytest.mark.parametrize("lives_minutes", [22, None])
def test_a_proof_may_take_longer_the_more_tokens_are_asked_if_none_ends_meanwhile(
    crowd: Place, lives_minutes: int | None
) -> None:
    asked(crowd, ann(crowd))
    begun_at = crowd.clock.now()
    other = next(row for row in crowd.warehouse.connections.living() if row.name == "Other 0")
    ends = begun_at + timedelta(minutes=lives_minutes) if lives_minutes else other.expires_at
    crowd.change(
        "UPDATE meta_ads.connections SET expires_at = %s WHERE connection_id = %s",
        ends, other.connection_id,
    )  # fmt: skip
    crowd.sim.fail("POST", "/", times=None, with_=Fault.slow(172))
    timed = replace(crowd.book.access, timer=lambda: crowd.clock.now().timestamp())
    (carried,) = carry_out(replace(crowd.book, access=timed))
    if lives_minutes is None:
        assert (carried.problem, len(carried.accounts)) == (None, 50)
        assert crowd.clock.now() - begun_at > timedelta(minutes=15)
    else:
        assert "could not be asked" in str(carried.problem)
        assert carried.accounts == ()


def test_a_renewal_waits_for_no_deletion(crowd: Place) -> None:
    row = crowd.book.add(crowd.issue(user_id="702", accounts=crowd.ids[65:]))
    crowd.pass_days(45)
    asked(crowd, ann(crowd))
    crowd.sim.journal.clear()
    assert len(take_care(crowd.book).callbacks) == 1
    paths = [one.path for one in crowd.sim.journal]
    exchanged = next(n for n, path in enumerate(paths) if path.endswith("/oauth/access_token"))
    assert not any("/act_" in path for path in paths[:exchanged])
    assert crowd.row(row.connection_id).renewed_at is not None


def test_a_deletion_that_is_killed_costs_no_renewal(crowd: Place) -> None:
    row = crowd.book.add(crowd.issue(user_id="702", accounts=crowd.ids[65:]))
    crowd.pass_days(45)
    asked(crowd, ann(crowd))
    with pytest.raises(Ended):
        take_care(crowd.book, forgotten=ends_at(1))
    assert crowd.row(row.connection_id).renewed_at is not None


def test_one_look_is_enough_for_all_who_removed_the_app(place: Place) -> None:
    rows = [of_person(place, f"Other {n}", place.ids[n : n + 1]) for n in range(3)]
    for name in ("Ann", "Ben"):
        asked(place, of_person(place, name, place.ids[:1]), kind="deauthorize")
    place.sim.journal.clear()
    assert [one.problem for one in carry_out(place.book)] == [None, None]
    looks = [one for one in place.sim.journal if one.path.endswith("/debug_token")]
    assert len(looks) == len(rows)


def test_a_connection_that_cannot_be_looked_at_holds_nobody_up(place: Place) -> None:
    row = of_person(place, "Other", place.ids[:1])
    asked(place, of_person(place, "Ann", place.ids[:1]), kind="deauthorize")
    place.sim.fail("GET", "/me", times=None, with_=Fault.graph_error(2))
    (carried,) = carry_out(place.book)
    assert (carried.problem, place.warehouse.callbacks.open()) == (None, [])
    assert place.row(row.connection_id).problem, "its look is made up for within the hour"
    place.sim.faults.clear()
    place.clock.advance(3_600)
    assert take_care(place.book).looked_at == (row.connection_id,)
    assert place.row(row.connection_id).problem is None


def test_what_failed_within_the_hour_is_not_tried_again_for_another(place: Place) -> None:
    of_person(place, "Other", place.ids[:1])
    ben = of_person(place, "Ben", place.ids[2:])
    failing = asked(place, of_person(place, "Ann", place.ids[1:2]))
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.graph_error(2))
    assert [one.problem is None for one in take_care(place.book).callbacks] == [False]
    place.clock.advance(600)
    other = asked(place, ben)
    cared = take_care(place.book)
    assert [one.callback.confirmation_code for one in cared.callbacks] == [other]
    place.sim.faults.clear()
    place.clock.advance(3_600)
    done = take_care(place.book).callbacks
    assert [one.callback.confirmation_code for one in done] == [failing, other]
    assert {one.problem for one in done} == {None}


def test_who_cannot_be_asked_is_named_and_a_later_token_may_settle_it(place: Place) -> None:
    lost = of_person(place, "Lost", place.ids[2:])
    token = place.issue(accounts=place.ids[1:])
    place.book = place.with_settings(access_token=SecretStr(token))
    store_accounts(place)
    ann = of_person(place, "Ann", place.ids[:2])
    place.change(
        "UPDATE meta_ads.connection_tokens SET key_id = 'gone' WHERE connection_id = %s",
        lost.connection_id,
    )
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.no_rows())
    asked(place, ann)
    (carried,) = carry_out(place.book)
    assert carried.accounts == ()
    assert f"connections remove {lost.connection_id}" in str(carried.problem)
    assert left(place) == set(place.ids)
    place.book.remove(place.row(lost.connection_id))
    (carried,) = carry_out(place.book)
    assert (carried.problem, carried.accounts) == (None, (place.ids[0],))


def test_what_the_house_reads_stays_where_its_token_is_set_elsewhere_alone(place: Place) -> None:
    place.book = place.with_settings(access_token=None)
    store_accounts(place)
    noted = "UPDATE meta_ads.meta_ad_accounts SET environment_listed_at = {} WHERE account_id = %s"
    place.change(noted.format("now()"), place.ids[1])
    asked(place, of_person(place, "Ann", place.ids[:2]))
    (carried,) = carry_out(place.book)
    assert carried.accounts == (place.ids[0],)
    assert "META_ACCESS_TOKEN" in str(carried.problem)
    place.change(noted.format("NULL"), place.ids[1])  # as the next discovery without it
    (carried,) = carry_out(place.book)
    assert (carried.problem, carried.accounts) == (None, (place.ids[1],))


def test_what_somebody_connects_meanwhile_stays(crowd: Place) -> None:
    asked(crowd, ann(crowd))
    first, second = sorted(crowd.ids[:60])[:2]

    def connects(account_id: str) -> None:
        if account_id == first:
            crowd.book.add(crowd.issue(user_id="703", accounts=[second]))

    (carried,) = carry_out(crowd.book, forgotten=connects)
    assert carried.problem is None
    assert left(crowd) == {second, *crowd.ids[60:]}
    assert second in crowd.warehouse.connections.reaching()


ODD = {
    "null": Fault.null_batch_entries([0]),
    "empty": Fault.wrong_shape("{}"),
    "another": Fault.wrong_shape('{"id":"act_1"}'),
    "null id": Fault.wrong_shape('{"id":null}'),
    "list": Fault.wrong_shape("[]"),
    "no json": Fault.not_json(),
    "throttled": Fault.graph_error(17, subcode=2446079),
    "refused": Fault.graph_error(190, subcode=459),
    "trouble": Fault.graph_error(2),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_answer_about_an_account_leaves_it_open_and_no_other(
    place: Place, odd: Fault
) -> None:
    of_person(place, "Other", place.ids[2:])
    place.book = place.with_settings(access_token=None)
    store_accounts(place)
    request = asked(place, of_person(place, "Ann", place.ids[:2]))
    if odd.name == "null_batch_entries":
        place.sim.fail("POST", "/", times=None, with_=odd)
    else:
        place.sim.fail("GET", f"/{sorted(place.ids[:2])[0]}", times=None, with_=odd)
    (carried,) = carry_out(place.book)
    assert carried.problem
    assert sorted(place.ids[:2])[0] in left(place)
    if odd.error is None:
        assert carried.accounts == (sorted(place.ids[:2])[1],)
    place.sim.faults.clear()
    (carried,) = carry_out(place.book)
    assert carried.problem is None
    assert left(place) == {place.ids[2]}
    assert place.warehouse.callbacks.get(request) is not None


def test_a_tenant_loses_what_others_read_when_its_connection_is_deleted(place: Place) -> None:
    place.warehouse.tenants.add("acme", "Acme", at=START)
    place.book = place.with_settings(access_token=None)
    theirs = place.book.add(place.issue(user_id="702", accounts=place.ids[:2]), tenant="acme")
    place.book.add(place.issue(user_id="703", accounts=place.ids[1:2]))
    store_accounts(place)
    granted = "SELECT account_id FROM meta_ads.tenant_accounts WHERE tenant = 'acme'"
    assert {one for (one,) in place.query(granted)} == set(place.ids[:2])
    asked(place, theirs)
    (carried,) = carry_out(place.book)
    assert carried.accounts == (place.ids[0],)
    assert place.query(granted) == [], "what of it is left is read by others alone"
    found = place.query("SELECT action, detail FROM meta_ads.web_events WHERE tenant = 'acme'")
    assert ("accounts taken back", place.ids[1]) in found


def test_a_request_that_does_not_come_to_its_end_is_told(crowd: Place) -> None:
    def told() -> list[str]:
        with crowd.warehouse.connection() as connection:
            found = connection_conditions(connection, crowd.clock.now())
        return [one.cause for one in found if one.key == "meta_callbacks"]

    asked(crowd, ann(crowd))
    with pytest.raises(Ended):
        carry_out(crowd.book, forgotten=ends_at(1))
    assert told() == []
    crowd.pass_days(1)
    (cause,) = told()
    assert "tried 1 time" in cause
