"""What connections need by the clock: renewed in time, tried again, looked at, told to people."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meta_pipeline.alerts import Condition, Grade, connection_conditions
from meta_pipeline.connections import Cared, due, renews_at, take_care
from meta_pipeline.connections.state import LAST_MOMENT, RENEW_WITHIN
from meta_pipeline.simulator import Fault
from meta_pipeline_tests.connections.login import connected, logged_in
from meta_pipeline_tests.connections.place import START, Place

SPANS = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=90))


def told(place: Place) -> list[Condition]:
    with place.warehouse.connection() as connection:
        return connection_conditions(connection, place.clock.now())


def after(place: Place, **span: float) -> Cared:
    place.clock.advance(timedelta(**span).total_seconds())
    return take_care(place.book)


@given(life=SPANS, since=st.none() | SPANS)
def test_the_next_try_is_in_time_and_never_at_once_again(
    life: timedelta, since: timedelta | None
) -> None:
    end = START + life
    first = renews_at(end, None, None)
    assert first == end - RENEW_WITHIN
    renewed = renews_at(end, START, None)
    short = life <= timedelta(days=1)
    assert renewed == (end - LAST_MOMENT if short else end - RENEW_WITHIN)
    if since is None or since >= life:
        return
    failed = START + since
    again = renews_at(end, None, failed)
    assert again is not None
    assert again > failed, "never in a loop"
    assert again <= max(end - LAST_MOMENT, failed + timedelta(minutes=1)), "once more in the end"
    assert again <= failed + timedelta(days=1)


def test_what_has_no_end_is_never_renewed() -> None:
    assert renews_at(None, START, START) is None


@pytest.mark.slow
def test_a_token_lives_on_and_it_is_asked_once_a_day(place: Place) -> None:
    row = place.book.add(place.issue())
    renewals, looks = 0, 0
    for _ in range(45):
        cared = after(place, days=1)
        renewals += sum(one.is_renewed for one in cared.renewals)
        looks += len(cared.looked_at)
        assert not told(place)
        assert not due(place.warehouse, place.clock.now()).is_anything
    assert renewals == 1
    assert looks + renewals == 45
    assert place.row(row.connection_id).state == "active"


def test_one_that_fails_is_told_with_its_days_and_tried_again_daily(place: Place) -> None:
    row = place.book.add(place.issue())
    place.sim.fail("GET", "/oauth/access_token", times=None, with_=Fault.graph_error(101))
    after(place, days=39)
    grades = {}
    for left in range(20, 0, -1):
        cared = after(place, days=1)
        assert [one.is_failed for one in cared.renewals] == [True], left
        (condition,) = told(place)
        assert condition.key == f"connection:{row.connection_id}"
        assert f"in {left} days" in condition.cause or left == 1
        assert "could not be renewed" in condition.cause
        grades[left] = condition.grade
        assert not due(place.warehouse, place.clock.now()).renewals, "not before tomorrow"
    assert [grades[left] for left in (20, 15, 14, 8, 7, 2, 1)] == [
        *(Grade.WARNING, Grade.WARNING, Grade.WARNING, Grade.WARNING),
        *(Grade.ERROR, Grade.ERROR, Grade.URGENT),
    ]
    place.sim.faults.clear()
    cared = after(place, minutes=24 * 60 - 4)
    assert [one.is_renewed for one in cared.renewals] == [True], "in its last five minutes"
    assert not told(place)


def test_a_token_of_hours_is_exchanged_at_once(place: Place) -> None:
    row = place.book.add(place.issue(kind="USER", expires_in_seconds=5_400))
    assert not told(place), "the schedule comes first"
    assert [one.is_renewed for one in take_care(place.book).renewals] == [True]
    left = place.row(row.connection_id).expires_at
    assert left is not None
    assert left > START + timedelta(days=59)


@pytest.mark.slow
def test_one_that_renewals_give_hours_only_is_renewed_in_its_last_five_minutes(
    place: Place,
) -> None:
    row = place.book.add(place.issue(expires_in_seconds=7_200))
    exchange = place.sim.tokens.exchange

    def hours(value: str, **how: object) -> dict[str, object]:
        body = exchange(value, **how)  # type: ignore[arg-type]
        end = place.clock.now() + timedelta(hours=3)
        place.sim.tokens._change(body["access_token"], expires_at=end)
        return body

    place.sim.tokens.exchange = hours  # type: ignore[method-assign]
    renewed = []
    for _ in range(200):  # of the schedule's ticks
        if take_care(place.book).renewals:
            renewed.append(place.clock.now())
        assert not told(place)
        place.clock.advance(120)
    assert renewed[0] == START
    assert len(renewed) == 3
    for before, at in pairwise(renewed):
        assert timedelta(0) < before + timedelta(hours=3) - at <= LAST_MOMENT
    assert place.row(row.connection_id).renewal_problem is None


def test_the_end_of_access_to_data_is_watched(place: Place) -> None:
    place.sim.tokens.choose()
    row = connected(place)
    grades = [told_after(place, days) for days in (41, 34, 1.1, 7, 6)]
    assert grades == [None, None, Grade.WARNING, Grade.ERROR, Grade.URGENT]
    (condition,) = told(place)
    assert "Access to data ends on" in condition.cause
    assert "log in to the app again" in condition.what_to_do
    assert place.row(row.connection_id).expires_at is not None
    place.sim.tokens.choose()
    assert told_after(place, 1) is Grade.HAPPENED
    connected(place)
    assert not told(place), "whoever logs in again replaces it"


def told_after(place: Place, days: float) -> Grade | None:
    after(place, days=days)
    found = told(place)
    return found[0].grade if found else None


def test_a_dead_one_is_found_within_a_day_and_told(place: Place) -> None:
    dead = place.book.add(token := place.issue())
    place.book.add(place.issue(user_id="702"))
    place.sim.tokens.revoke(token)
    after(place, days=1)
    assert place.row(dead.connection_id).state == "revoked"
    (condition,) = told(place)
    assert (condition.grade, "connections connect" in condition.what_to_do) == (4, True)


def test_what_cannot_be_opened_is_told_and_tried_hourly(place: Place) -> None:
    row = place.book.add(place.issue())
    book, place.book = place.book, place.with_keys()
    cared = after(place, days=1)
    assert "META_TOKEN_KEYS" in cared.problems[row.connection_id]
    assert not due(place.warehouse, place.clock.now()).is_anything
    (condition,) = told(place)
    assert "META_TOKEN_KEYS" in condition.cause
    place.book = book
    assert after(place, hours=1).looked_at == (row.connection_id,)
    assert not told(place)


def test_meta_that_is_away_ends_nothing_and_stops_no_other(place: Place) -> None:
    rows = [place.book.add(place.issue(user_id=str(n))) for n in range(3)]
    place.sim.fail("GET", "/debug_token", times=1, with_=Fault.graph_error(190))
    place.sim.fail("GET", "/me", times=None, with_=Fault.graph_error(2))
    cared = after(place, days=1)
    assert len(cared.problems) == 3
    assert {place.row(row.connection_id).state for row in rows} == {"active"}
    place.sim.faults.clear()
    assert len(after(place, hours=1).looked_at) == 3


def test_logins_and_requests_of_people_are_due(place: Place) -> None:
    place.sim.tokens.choose()
    logged_in(place)
    assert not due(place.warehouse, place.clock.now()).is_anything
    place.clock.advance(1_800)
    found = due(place.warehouse, place.clock.now())
    assert (found.sweeps, found.sentence) == (1, "Due: 1 login to sweep.")
    assert take_care(place.book).swept == 1
    assert due(place.warehouse, place.clock.now()).sentence == "No connection needs anything now."


def test_what_a_killed_renewal_left_is_taken_up_by_the_next_tick(place: Place) -> None:
    row = place.book.add(place.issue())
    place.pass_days(45)
    with place.book.access.client(place.book.token(row), app_id=row.app_id) as client:
        new = client.exchange_token(app_id=row.app_id, of_system_user=True)
    place.book.keep_token(row, new.value, "next")
    cared = take_care(place.book)
    assert [one.is_renewed for one in cared.renewals] == [True]
    assert place.book.token(place.row(row.connection_id)) == new.value
