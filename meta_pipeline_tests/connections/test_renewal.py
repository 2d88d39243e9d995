"""A token is renewed before it ends, and whatever dies in between, one that works is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from meta_pipeline.connections import is_due, listed, renew, state_at
from meta_pipeline.simulator import Fault
from meta_pipeline.warehouse import Connection, ConnectionRow, Warehouse
from meta_pipeline_tests.connections.place import DAY_SECONDS, START, Place

SIXTY = timedelta(seconds=5_183_944)


def living(place: Place, user_id: str = "701") -> set[str]:
    """The tokens of this user that Meta would take."""
    known = [one for one in place.sim.tokens._tokens.values() if one.user_id == user_id]
    return {one.value for one in known if place.works(one.value)}


def stored(place: Place, row: ConnectionRow) -> dict[str, str]:
    return {str(role): token for role, token in place.book.tokens(row).items()}


@pytest.mark.parametrize(
    ("left", "state", "due"),
    [
        (None, "active", False),
        (timedelta(days=20, seconds=1), "active", False),
        (timedelta(days=20), "expiring", True),
        (timedelta(minutes=1), "expiring", True),
        (timedelta(0), "expired", False),
        (timedelta(days=-3), "expired", False),
    ],
)
@pytest.mark.parametrize("before", ["active", "expiring"])
def test_what_time_makes_of_a_state(
    left: timedelta | None, state: str, due: bool, before: str
) -> None:
    end = None if left is None else START + left
    assert state_at(START, before, end) == state
    assert state_at(START, before, None, end) == state, "the end of data access counts too"
    assert is_due(START, before, end) is due


@pytest.mark.parametrize("ended", ["expired", "revoked", "replaced"])
def test_what_ended_stays_ended(ended: str) -> None:
    later = START + timedelta(days=10)
    assert state_at(START, ended, later) == ended
    assert not is_due(START, ended, later)


@pytest.mark.parametrize(("kind", "revokes"), [("SYSTEM_USER", True), ("USER", False)])
def test_at_twenty_days_it_is_renewed(place: Place, kind: str, revokes: bool) -> None:
    old = place.issue(kind=kind, accounts=place.ids[:1])
    row = place.book.add(old)
    place.pass_days(39.9)
    calls = len(place.sim.journal)
    assert place.renew(row).problem is None
    assert len(place.sim.journal) == calls, "nothing is due yet"
    place.pass_days(0.2)
    renewal = place.renew(row)
    assert (renewal.is_renewed, renewal.problem) == (True, None)
    assert (renewal.row.state, renewal.row.renewed_at) == ("active", place.clock.now())
    assert renewal.row.expires_at == place.clock.now() + SIXTY
    assert place.row(row.connection_id) == renewal.row
    new = stored(place, row)
    assert new.keys() == {"current"}
    assert living(place) == {new["current"]} | (set() if revokes else {old})
    assert place.events() == ["added", "renewed"] + (["token_revoked"] if revokes else [])
    assert list(place.warehouse.connections.accounts(row.connection_id)) == place.ids[:1]


def test_a_short_lived_token_of_a_person_is_due_at_once(place: Place) -> None:
    row = place.book.add(place.issue(kind="USER", expires_in_seconds=5_400))
    assert row.state == "expiring"
    assert place.renew(row).row.expires_at == START + SIXTY


def test_one_without_an_end_is_left_alone(place: Place) -> None:
    row = place.book.add(place.issue(expires_in_seconds=None))
    place.pass_days(400)
    assert not place.renew(row).is_renewed
    assert place.book.check(row).state == "active"


def test_an_ended_one_is_not_renewed_and_says_so(place: Place) -> None:
    row = place.book.add(place.issue())
    place.pass_days(61)
    renewal = place.renew(row, force=True)
    assert renewal.is_failed
    assert "It is expired" in str(renewal.problem)
    settings = place.book.access.settings
    told = listed(place.warehouse, settings, place.clock.now())[-1]
    assert (told.state, told.days_left) == ("expired", 0)
    assert "add --paste" in told.what_to_do


FAULTS = [
    ("/oauth/access_token", Fault.graph_error(1)),
    ("/oauth/access_token", Fault.graph_error(101)),
    ("/debug_token", Fault.graph_error(2)),
]


@pytest.mark.parametrize(("path", "fault"), FAULTS)
def test_a_failure_is_kept_with_the_days_left_and_tried_again(
    place: Place, path: str, fault: Fault
) -> None:
    old = place.issue()
    row = place.book.add(old)
    place.pass_days(44.5)
    place.sim.fail("GET", path, times=None, with_=fault)
    renewal = place.renew(row)
    assert renewal.is_failed
    kept = place.row(row.connection_id)
    assert (kept.renewal_failed_at, kept.renewal_problem) == (place.clock.now(), renewal.problem)
    assert stored(place, row)["current"] == old
    told = listed(place.warehouse, place.book.access.settings, place.clock.now())[-1]
    assert (told.days_left, told.state) == (15, "expiring")
    assert told.renewal_problem
    place.sim.faults.clear()
    place.pass_days(1)
    again = place.renew(row)
    assert again.is_renewed
    assert (again.row.renewal_failed_at, again.row.renewal_problem) == (None, None)
    assert living(place) == {stored(place, row)["current"]}


def test_without_the_secret_of_its_app_it_says_what_to_set(place: Place) -> None:
    row = place.book.add(place.issue())
    place.pass_days(45)
    for changes in ({"app_secret": None}, {"app_id": "900000000000009"}):
        renewal = renew(place.with_settings(**changes), row)
        assert "set META_APP_ID and META_APP_SECRET" in str(renewal.problem)


def test_a_token_that_dies_at_renewal_is_marked(place: Place) -> None:
    row = place.book.add(token := place.issue())
    place.pass_days(45)
    place.sim.tokens.revoke(token)
    assert place.renew(row).is_failed
    assert place.row(row.connection_id).state == "revoked"


def test_a_new_token_that_is_no_better_is_dropped(place: Place) -> None:
    old = place.issue(scopes=["ads_read", "business_management"])
    row = place.book.add(old)
    place.pass_days(45)
    exchange = place.sim.tokens.exchange

    def given(**changes: Any) -> None:
        def worse(value: str, **more: Any) -> dict[str, Any]:
            body = exchange(value, **more)
            new = body["access_token"]
            place.sim.tokens._tokens[new] = replace(place.sim.tokens._tokens[new], **changes)
            return body

        place.sim.tokens.exchange = worse  # type: ignore[method-assign]

    for changes, said in (
        ({"scopes": frozenset({"ads_read"})}, "lacks business_management"),
        ({"user_id": "999"}, "belongs to somebody else"),
        ({"invalid": "revoked"}, "invalid"),
        ({"expires_at": place.clock.now() + timedelta(days=3)}, "does not last longer than"),
    ):
        given(**changes)
        renewal = place.renew(row)
        assert said in str(renewal.problem)
        assert stored(place, row) == {"current": old}
    assert place.works(old)


def test_a_new_token_that_lasts_no_longer_is_told_with_both_ends(place: Place) -> None:
    row = place.book.add(place.issue(expires_in_seconds=None))
    exchange = place.sim.tokens.exchange

    def endless(value: str, **more: Any) -> dict[str, Any]:
        body = exchange(value, **more)
        place.sim.tokens._change(body["access_token"], expires_at=None)
        return body

    place.sim.tokens.exchange = endless  # type: ignore[method-assign]
    assert place.renew(row, force=True).problem == (
        "Meta's new token does not last longer than the old one "
        "(expires: never; the old one: never)."
    )


def test_the_same_token_given_back_is_never_revoked(place: Place) -> None:
    old = place.issue()
    row = place.book.add(old)
    place.pass_days(45)

    def same(value: str, **more: Any) -> dict[str, Any]:
        end = place.clock.now() + timedelta(days=60)
        place.sim.tokens._change(value, expires_at=end)
        return {"access_token": value, "token_type": "bearer", "expires_in": 60 * DAY_SECONDS}

    place.sim.tokens.exchange = same  # type: ignore[method-assign]
    assert place.renew(row).is_renewed
    assert stored(place, row) == {"current": old}
    assert living(place) == {old}


def test_an_old_token_that_could_not_be_revoked_is_tried_again(place: Place) -> None:
    old = place.issue()
    row = place.book.add(old)
    place.pass_days(45)
    place.sim.fail("GET", "/oauth/revoke", times=None, with_=Fault.graph_error(1))
    renewal = place.renew(row)
    assert renewal.is_renewed
    assert "until its own end, or the next try" in str(renewal.problem)
    assert stored(place, row)["previous"] == old
    place.sim.faults.clear()
    assert place.renew(row).problem is None
    assert living(place) == {stored(place, row)["current"]}


class Killed(BaseException):
    """The process ends here: nothing of ours catches it."""


class Dying(Warehouse):
    """A warehouse whose process is killed when it takes its n-th connection."""

    steps: int

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        self.steps -= 1
        if self.steps < 0:
            raise Killed
        with super().connection() as opened:
            yield opened


@pytest.mark.parametrize("resumes", [True, False])
def test_killed_anywhere_there_is_a_token_that_works_and_at_most_one_unknown(
    place: Place, resumes: bool
) -> None:
    for steps in range(40):
        user = str(800 + steps)
        row = place.book.add(place.issue(user_id=user))
        place.pass_days(45)
        with Dying(place.warehouse.url) as dying:
            dying.steps = steps
            try:
                renew(replace(place.book, warehouse=dying), row)
            except Killed:
                is_killed = True
            else:
                is_killed = False
        kept = stored(place, row)
        assert place.works(kept["current"]), steps
        assert len(living(place, user) - set(kept.values())) <= 1, steps
        if resumes:
            renewal = place.renew(row)
            assert renewal.problem is None, steps
            kept = stored(place, row)
            assert kept.keys() == {"current"}, steps
            assert place.row(row.connection_id).expires_at == place.clock.now() + SIXTY
            assert len(living(place, user) - {kept["current"]}) <= 1, steps
        if not is_killed:
            assert steps > 5, "every step of a renewal was a place to die"
            return
    pytest.fail("a renewal takes more steps than were tried")


def test_two_at_once_renew_once(place: Place) -> None:
    row = place.book.add(place.issue())
    place.pass_days(45)
    seen: list[Any] = []
    exchange = place.sim.tokens.exchange

    def meanwhile(value: str, **more: Any) -> dict[str, Any]:
        seen.append(place.renew(row))
        return exchange(value, **more)

    place.sim.tokens.exchange = meanwhile  # type: ignore[method-assign]
    assert place.renew(row).is_renewed
    assert [one.problem for one in seen] == ["Another process is renewing it."]
