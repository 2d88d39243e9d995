"""Connecting by OAuth: every way a login can end, over real sockets, with what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meta_pipeline.connections import (
    Access,
    AppMisconfigured,
    ChoiceRefused,
    Denied,
    Expired,
    Forged,
    Granted,
    KeyMissing,
    LoginAnswer,
    LoginRefused,
    NoAccounts,
    OtherSession,
    Partial,
    PendingUnknown,
    Refused,
    Replayed,
    Unavailable,
    change_choice,
    generate_key,
    sweep,
)
from meta_pipeline.connections.login.dialog import checked_redirect, dialog_url
from meta_pipeline.graph import TokenInfo
from meta_pipeline.simulator import Configuration, Fault
from meta_pipeline.simulator.api.login.directory import Business
from meta_pipeline_tests.connections.login import (
    CONFIG,
    REDIRECT,
    SESSION,
    choice_of,
    connected,
    flow_of,
    for_business,
    led_back,
    logged_in,
)
from meta_pipeline_tests.connections.place import KEY, START, Place

TABLES = ("pending_connections", "pending_accounts", "connections", "connection_tokens")


def stored(place: Place) -> dict[str, int]:
    return {
        name: count
        for name in TABLES
        for (count,) in place.query(f"SELECT count(*) FROM meta_ads.{name}")
    }


def nothing_stored(place: Place) -> bool:
    return not any(stored(place).values())


def living(place: Place) -> int:
    """How many tokens of our logins Meta would take."""
    known = (one.value for one in place.sim.tokens._tokens.values() if one.value != place.sim.token)
    return sum(place.works(one) for one in known)


def business(place: Place, name: str, accounts: list[str]) -> Business:
    return place.sim.directory.add_business(name, owned=accounts)


def test_a_person_connects_and_chooses(place: Place) -> None:
    place.sim.tokens.choose()
    answer = logged_in(place)
    assert isinstance(answer, Granted)
    assert (answer.pending.name, answer.pending.accounts) == ("Simulated User", 3)
    assert stored(place)["connections"] == 0, "nothing is connected before the choice"
    choice = choice_of(place, answer)
    row = choice.choose(place.ids[:2], name="Ann")
    assert (row.kind, row.name, row.state) == ("user", "Ann", "active")
    assert row.expires_at == START + timedelta(seconds=5_183_944), "no token of hours"
    assert row.data_access_expires_at == START + timedelta(days=90)
    assert place.row(row.connection_id) == row
    assert list(place.warehouse.connections.accounts(row.connection_id)) == sorted(place.ids[:2])
    assert place.works(place.book.token(row))
    assert stored(place) | {"connection_tokens": 1} == {
        "pending_connections": 0,
        "pending_accounts": 0,
        "connections": 1,
        "connection_tokens": 1,
    }
    with pytest.raises(PendingUnknown):
        choice.choose_all()
    assert place.events() == ["added"]


def test_two_businesses_connect_by_login_for_business(place: Place) -> None:
    for_business(place)
    rows = []
    for name, accounts in (("North", place.ids[:1]), ("South", place.ids[1:])):
        owner = business(place, name, accounts)
        place.sim.tokens.choose(businesses=[owner.id])
        rows.append(connected(place))
        assert (rows[-1].kind, rows[-1].name) == ("business_integration", name)
        assert rows[-1].client_business_id == owner.id
        assert rows[-1].expires_at is None
        found = place.warehouse.connections.accounts(rows[-1].connection_id)
        assert list(found) == sorted(accounts)
    assert {one.state for one in place.warehouse.connections.all()} == {"active"}


def test_connecting_again_replaces_and_ends_the_token_that_was_ours_alone(place: Place) -> None:
    for_business(place)
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    first, second = connected(place), connected(place)
    assert place.row(first.connection_id).state == "replaced"
    assert living(place) == 1
    assert place.works(place.book.token(second))
    assert place.events() == ["added", "replaced", "added", "token_revoked"]


def test_a_token_of_sixty_days_from_a_configuration_is_kept_with_its_end(place: Place) -> None:
    for_business(place, replace(CONFIG, expires_in_60_days=True))
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    row = connected(place)
    assert row.expires_at is not None
    place.pass_days(45)
    assert place.renew(row).is_renewed


def test_later_accounts_come_only_where_all_were_chosen(place: Place) -> None:
    place.sim.tokens.choose(accounts=place.ids[:2])
    some = choice_of(place, logged_in(place)).choose(place.ids[:1])
    token = place.book.token(some)
    place.sim.tokens.restrict(token, accounts=place.ids)
    place.book.check(some)
    assert list(place.warehouse.connections.accounts(some.connection_id)) == place.ids[:1]
    place.sim.tokens.restrict(token, accounts=place.ids[1:])
    place.book.check(some)
    assert not place.warehouse.connections.accounts(some.connection_id)
    place.sim.tokens.restrict(token, accounts=place.ids)
    place.book.check(some)
    kept = place.warehouse.connections.accounts(some.connection_id)
    assert list(kept) == place.ids[:1], "what was chosen and comes back is there again"
    every = connected(place)
    place.sim.tokens.restrict(place.book.token(every), accounts=place.ids)
    place.book.check(every)
    assert len(place.warehouse.connections.accounts(every.connection_id)) == 3


def test_the_list_is_looked_through_by_name_page_by_page(place: Place) -> None:
    names = {0: "Ärzte 100% AG", 1: "shop_berlin", 2: "Shop Zürich"}
    for n, name in names.items():
        place.sim.world.patch(place.ids[n], name=name)
    place.sim.tokens.choose()
    choice = choice_of(place, logged_in(place))
    first = choice.page(limit=2)
    assert (first.total, first.next_offset) == (3, 2)
    rest = choice.page(limit=2, offset=2)
    assert (len(rest.accounts), rest.next_offset) == (1, None)
    assert {one.account_id for one in first.accounts + rest.accounts} == set(place.ids)
    for search, found in (
        ("SHOP", {1, 2}),
        ("ärzte", {0}),
        ("%", {0}),
        ("_", {1, 0, 2}),  # in each id: act_...
        (place.ids[2].removeprefix("act_"), {2}),
        ("' OR 1=1 --", set()),
        ("\\", set()),
        ("\x00shop", {1, 2}),
        ("  zürich ", {2}),
    ):
        page = choice.page(search)
        assert {one.account_id for one in page.accounts} == {place.ids[n] for n in found}, search
        assert page.total == len(found)
    assert choice.page("shop", offset=99).next_offset is None


def test_ticks_are_kept_over_pages_and_searches(place: Place) -> None:
    place.sim.tokens.choose()
    choice = choice_of(place, logged_in(place))
    first, last = choice.page(limit=2), choice.page(limit=2, offset=2)
    assert (first.previous_offset, last.previous_offset) == (None, 0)
    shown = [one.account_id for one in first.accounts]
    choice.tick(shown[:1], shown=shown)
    choice.tick([one.account_id for one in last.accounts])
    assert choice.page(search="no such", limit=2).chosen == 2
    assert [one.is_chosen for one in choice.page(limit=2).accounts] == [True, False]
    choice.tick(shown[1:], shown=shown)
    with pytest.raises(ChoiceRefused):
        choice.tick(["act_999"])
    with pytest.raises(ChoiceRefused):
        choice.tick(["act_\x00"])
    row = choice.choose_ticked()
    assert row.chosen_accounts == sorted([shown[1], last.accounts[0].account_id])


def test_thousands_are_ticked_at_once_and_none_is_cut_off(place: Place) -> None:
    place.sim.tokens.choose()
    choice = choice_of(place, logged_in(place))
    many = {f"act_7{number:06d}": f"Branch {number}" for number in range(6_000)}
    with place.warehouse.connection() as connection:
        place.warehouse.logins.set_accounts(choice.pending_id, many, connection)
    choice.tick_found("branch")
    choice.tick_found("branch 5999", is_chosen=False)
    row = choice.choose_ticked()
    assert row.chosen_accounts is not None
    assert len(row.chosen_accounts) == 5_999
    assert len(place.warehouse.connections.accounts(row.connection_id)) == 5_999


def test_a_choice_is_changed_later_without_connecting_again(place: Place) -> None:
    place.sim.tokens.choose()
    row = choice_of(place, logged_in(place)).choose(place.ids[:1])
    token = place.book.token(row)
    choice = change_choice(place.book, row, session="another")
    assert choice.pending().connection_id == row.connection_id
    assert [one.account_id for one in choice.page().accounts if one.is_chosen] == place.ids[:1]
    choice.tick(place.ids[1:], shown=place.ids)
    changed = choice.choose_ticked()
    assert changed.chosen_accounts == place.ids[1:]
    assert place.warehouse.connections.accounts(row.connection_id).keys() == set(place.ids[1:])
    assert place.book.token(changed) == token
    assert place.events()[-1] == "accounts_chosen"
    with pytest.raises(PendingUnknown):
        choice.choose_all()
    every = change_choice(place.book, changed, session="another").choose_all()
    assert every.chosen_accounts is None
    assert len(place.warehouse.connections.accounts(row.connection_id)) == 3


def test_a_change_that_nobody_ends_changes_nothing_and_ends_no_token(place: Place) -> None:
    for_business(place)
    place.sim.tokens.choose()
    row = choice_of(place, logged_in(place)).choose(place.ids[:1])
    cancelled = change_choice(place.book, row, session="s")
    cancelled.cancel()
    left = change_choice(place.book, row, session="s")
    newer = place.with_keys(generate_key("k2"), KEY)
    assert newer.reseal() == 1, "only the connection's own token"
    place.pass_days(0.5)
    assert sweep(place.book) == 1
    with pytest.raises(PendingUnknown):
        left.choose_all()
    assert place.row(row.connection_id).chosen_accounts == place.ids[:1]
    assert place.works(newer.token(row))


def test_the_choice_of_a_dead_connection_is_not_changed(place: Place) -> None:
    place.sim.tokens.choose()
    row = choice_of(place, logged_in(place)).choose_all()
    place.sim.tokens.revoke(place.book.token(row))
    with pytest.raises(ChoiceRefused, match="190/458"):
        change_choice(place.book, row, session="s")
    dead = place.book.check(row)
    with pytest.raises(ChoiceRefused, match="connect it again"):
        change_choice(place.book, dead, session="s")


def test_a_choice_is_what_was_offered_or_nothing_happens(place: Place) -> None:
    place.sim.tokens.choose(accounts=place.ids[:1])
    choice = choice_of(place, logged_in(place))
    for wrong in ([], [place.ids[0], place.ids[1]], ["act_1"], [place.ids[0][4:]]):
        with pytest.raises(ChoiceRefused):
            choice.choose(wrong)
    for other in (replace(choice, session="another"), replace(choice, pending_id="pend_\x00")):
        for work in (other.choose_all, other.page, other.pending, other.cancel):
            with pytest.raises(PendingUnknown):
                work()
    assert stored(place)["connections"] == 0
    assert choice.choose(place.ids[:1]).chosen_accounts == place.ids[:1]


def test_cancelled_in_the_dialog(place: Place) -> None:
    place.sim.tokens.dialog = "deny"
    answer = logged_in(place)
    assert isinstance(answer, Denied)
    assert "cancelled" in answer.message
    assert nothing_stored(place)


def test_a_scope_that_reading_needs_was_kept_back(place: Place) -> None:
    place.book = place.with_settings(login_scopes="ads_read,business_management")
    place.sim.tokens.choose(scopes=["business_management"])
    answer = logged_in(place)
    assert isinstance(answer, Partial)
    assert answer.missing == ("ads_read",)
    assert "ads_read" in answer.what_to_do
    assert nothing_stored(place)
    url = flow_of(place).begin(asks_again=True).url
    assert parse_qs(urlsplit(url).query)["auth_type"] == ["rerequest"]


def test_a_scope_that_can_be_missed_is_told(place: Place) -> None:
    place.book = place.with_settings(login_scopes="ads_read,business_management")
    place.sim.tokens.choose(scopes=["ads_read"])
    answer = logged_in(place)
    assert isinstance(answer, Granted)
    assert answer.declined == ("business_management",)
    assert "business_management was not given" in answer.message


def test_a_configuration_without_what_is_needed_is_nobodys_choice(place: Place) -> None:
    for_business(place, Configuration("701", scopes=("business_management",)))
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    answer = logged_in(place)
    assert isinstance(answer, AppMisconfigured)
    assert "Configuration 701" in answer.message
    assert nothing_stored(place)
    assert living(place) == 0, "a token that nobody keeps is ended"


def test_a_partial_choice_in_a_configuration_is_a_denial(place: Place) -> None:
    for_business(place)
    owner = business(place, "North", place.ids)
    place.sim.tokens.choose(businesses=[owner.id], scopes=["ads_read"])
    assert isinstance(logged_in(place), Denied)


def test_nobody_is_connected_without_an_account(place: Place) -> None:
    place.sim.directory.add_person("Ben", id="9000000077")
    place.sim.tokens.choose(person="9000000077")
    answer = logged_in(place)
    assert isinstance(answer, NoAccounts)
    assert "Ben" in answer.message
    assert nothing_stored(place)


def test_an_answer_after_ten_minutes(place: Place) -> None:
    place.sim.tokens.choose()
    flow = flow_of(place)
    begun = flow.begin()
    answer = led_back(begun)
    place.clock.advance(600)
    assert isinstance(flow.answer(answer), Expired)
    assert nothing_stored(place)


def test_an_answer_is_taken_once(place: Place) -> None:
    place.sim.tokens.choose()
    flow = flow_of(place)
    given_back = led_back(flow.begin())
    calls = len(place.sim.journal)
    assert isinstance(flow.answer(given_back), Granted)
    assert len(place.sim.journal) > calls
    calls = len(place.sim.journal)
    for again in (given_back, {**given_back, "code": "another"}):
        assert isinstance(flow.answer(again), Replayed)
    assert len(place.sim.journal) == calls, "Meta is not asked about what was not begun"
    assert stored(place)["pending_connections"] == 1


def test_another_session_cannot_answer_and_the_own_one_still_can(place: Place) -> None:
    place.sim.tokens.choose()
    flow = flow_of(place)
    given_back = led_back(flow.begin())
    calls = len(place.sim.journal)
    assert isinstance(flow_of(place, "a stranger's").answer(given_back), OtherSession)
    assert len(place.sim.journal) == calls
    assert isinstance(flow.answer(given_back), Granted)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    state=st.one_of(st.text(max_size=80), st.just("")),
    session=st.sampled_from([SESSION, "", "x"]),
    extra=st.dictionaries(st.sampled_from(["code", "error", "error_code"]), st.text(max_size=20)),
)
def test_what_was_never_begun_is_forged_whatever_it_says(
    place: Place, state: str, session: str, extra: dict[str, str]
) -> None:
    calls = len(place.sim.journal)
    assert isinstance(flow_of(place, session).answer({"state": state, **extra}), Forged)
    assert isinstance(flow_of(place, session).answer(extra), Forged)
    assert len(place.sim.journal) == calls


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "answer", "deny", "later"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_a_state_works_once_in_its_session_within_ten_minutes(
    place: Place, steps: list[tuple[str, str, int]]
) -> None:
    """A model of the states beside the real ones, over any order of what people and others do."""
    place.sim.tokens.choose()
    begun: list[tuple[str, Any, dict[str, str]]] = []
    answered: set[int] = set()
    for what, session, which in steps:
        flow = flow_of(place, session)
        if what == "begin":
            login = flow.begin()
            state = parse_qs(urlsplit(login.url).query)["state"][0]
            begun.append((session, login.ends_at, {"state": state, "error": "access_denied"}))
        elif what == "later":
            place.clock.advance(200)
        elif begun:
            n = which % len(begun)
            owner, ends_at, query = begun[n]
            expected: type[LoginAnswer] = Denied
            if owner != session:
                expected = OtherSession
            elif n in answered:
                expected = Replayed
            elif place.clock.now() >= ends_at:
                expected = Expired
            else:
                answered.add(n)
            assert type(flow.answer(query)) is expected


def test_neither_state_nor_session_is_stored_as_it_is(place: Place) -> None:
    begun = flow_of(place).begin()
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    dump = place.dump()
    assert state not in dump
    assert SESSION not in dump
    assert begun.url not in repr(begun)
    assert SESSION not in repr(flow_of(place))


FAULTS: list[tuple[str, Fault, type[LoginAnswer]]] = [
    ("/oauth/access_token", Fault.graph_error(2), Unavailable),
    ("/oauth/access_token", Fault.graph_error(100, subcode=36007), Expired),
    ("/oauth/access_token", Fault.graph_error(100, subcode=36009), Replayed),
    ("/oauth/access_token", Fault.graph_error(100, subcode=36008), AppMisconfigured),
    ("/oauth/access_token", Fault.graph_error(190), Refused),
    ("/debug_token", Fault.graph_error(2), Unavailable),
    ("/me/adaccounts", Fault.graph_error(200, message="API access blocked."), Refused),
    ("/me", Fault.graph_error(4), Unavailable),
]


@pytest.mark.parametrize(("path", "fault", "end"), FAULTS)
def test_meta_that_does_not_play_along(
    place: Place, path: str, fault: Fault, end: type[LoginAnswer]
) -> None:
    place.sim.tokens.choose()
    flow = flow_of(place)
    given_back = led_back(flow.begin())
    place.sim.fail("GET", path, times=None, with_=fault)
    answer = flow.answer(given_back)
    assert type(answer) is end, answer
    assert "Nothing was" in answer.message
    assert answer.what_to_do
    place.sim.faults.clear()
    place.clock.advance(1_800)
    sweep(place.book)  # where nobody could say whether the token is ours to end
    assert nothing_stored(place)


def test_a_wrong_app_secret_is_named(place: Place) -> None:
    place.sim.tokens.choose()
    flow = flow_of(place)
    given_back = led_back(flow.begin())
    place.sim.tokens.change_app(secret="reset")
    answer = flow.answer(given_back)
    assert isinstance(answer, AppMisconfigured)
    assert "META_APP_SECRET" in answer.message


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"code": ""},
        {"error_code": "1349048", "error_message": "Can't load URL\u202e\n"},
        {"error": "server_error", "error_description": "x" * 2_000},
    ],
)
def test_an_answer_without_a_code_is_quoted_and_short(place: Place, query: dict[str, str]) -> None:
    flow = flow_of(place)
    state = parse_qs(urlsplit(flow.begin().url).query)["state"][0]
    answer = flow.answer({"state": state, **query})
    assert isinstance(answer, Refused)
    assert len(answer.message) < 400
    assert answer.message.isprintable()


def test_a_token_whose_accounts_nobody_chose_is_swept_and_ended(place: Place) -> None:
    for_business(place)
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    choice = choice_of(place, logged_in(place))
    assert sweep(place.book) == 0
    place.clock.advance(1_800)
    with pytest.raises(PendingUnknown, match="Connect again"):
        choice.page()
    place.sim.fail("GET", "/oauth/revoke", times=None, with_=Fault.graph_error(2))
    assert sweep(place.book) == 0, "Meta does not answer: it is ended by the next sweep"
    assert living(place) == 1
    place.sim.faults.clear()
    assert sweep(place.book) == 1
    assert living(place) == 0
    assert nothing_stored(place)
    assert place.query("SELECT count(*) FROM meta_ads.login_states") == [(1,)]
    place.pass_days(2)
    sweep(place.book)
    assert place.query("SELECT count(*) FROM meta_ads.login_states") == [(0,)]


def test_a_token_that_a_connection_uses_is_not_swept_away(place: Place) -> None:
    for_business(place)
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    row = connected(place)
    token = place.book.token(row)
    redeem = place.sim.tokens.redeem

    def same(*given: Any) -> dict[str, Any]:
        redeem(*given)
        return {"access_token": token, "token_type": "bearer"}

    place.sim.tokens.redeem = same  # type: ignore[assignment, method-assign]
    choice = choice_of(place, logged_in(place))
    choice.cancel()
    assert place.works(token)
    again = connected(place)
    assert place.book.token(again) == token
    assert place.works(token)


def test_without_what_it_takes_nobody_is_sent_to_meta(place: Place) -> None:
    with pytest.raises(KeyMissing, match="generate-key"):
        replace(flow_of(place), connections=place.with_keys()).begin()
    for changes in ({"app_id": None}, {"app_secret": None}):
        with pytest.raises(LoginRefused, match="META_APP_ID and META_APP_SECRET"):
            replace(flow_of(place), connections=place.with_settings(**changes)).begin()
    with pytest.raises(LoginRefused, match="without ads_read"):
        replace(
            flow_of(place), connections=place.with_settings(login_scopes="business_management")
        ).begin()
    assert place.query("SELECT count(*) FROM meta_ads.login_states") == [(0,)]


@pytest.mark.parametrize(
    ("uri", "fits"),
    [
        (REDIRECT, True),
        ("https://ads.example.com:8443/a/b?c=d", True),
        ("http://localhost:8460/callback", True),
        ("http://localhost/callback", True),
        ("http://127.0.0.1:8460/callback", False),
        ("http://[::1]/callback", False),
        ("http://ads.example.com/connect", False),
        ("http://localhost.example.com/", False),
        ("https://user@ads.example.com/", False),
        ("https://ads.example.com/#x", False),
        ("https://ads.example.com/a b", False),
        ("https://ads.example.com/\n", False),
        ("https://[/", False),
        ("https:///connect", False),
        ("//ads.example.com", False),
        ("ftp://localhost", False),
        ("", False),
    ],
)
def test_where_meta_can_lead_back_to(uri: str, fits: bool) -> None:
    if fits:
        assert checked_redirect(uri) == uri
        return
    with pytest.raises(LoginRefused):
        checked_redirect(uri)


def test_meta_has_its_dialog_at_another_host_than_its_api() -> None:
    asked: dict[str, Any] = {
        "version": "v26.0",
        "app_id": "1",
        "redirect_uri": REDIRECT,
        "state": "s",
        "scopes": ["ads_read", "business_management"],
    }
    url = urlsplit(dialog_url(graph_url="https://graph.facebook.com", **asked))
    assert (url.scheme, url.netloc, url.path) == (
        "https",
        "www.facebook.com",
        "/v26.0/dialog/oauth",
    )
    assert parse_qs(url.query)["scope"] == ["ads_read,business_management"]
    business = urlsplit(dialog_url(graph_url="https://graph.facebook.com", config_id="7", **asked))
    query = parse_qs(business.query)
    assert query["config_id"] == ["7"]
    assert query["override_default_response_type"] == ["true"]
    assert "scope" not in query


def test_keys_are_rotated_under_a_choice_that_is_open(place: Place) -> None:
    place.sim.tokens.choose()
    choice = choice_of(place, logged_in(place))
    new = generate_key("k2")
    assert place.with_keys(new, KEY).reseal() == 1
    row = replace(choice, connections=place.with_keys(new)).choose_all()
    assert place.works(place.with_keys(new).token(row))


class Killed(Access):
    """The process ends when Meta is asked about the token."""

    def inspect(self, token: str) -> TokenInfo:
        raise KeyboardInterrupt


def test_a_token_that_came_and_was_never_judged_is_ended_too(place: Place) -> None:
    for_business(place)
    place.sim.tokens.choose(businesses=[business(place, "North", place.ids).id])
    flow, access = flow_of(place), place.book.access
    killed = Killed(access.settings, clock=access.clock, sleep=access.sleep)
    dying = replace(flow, connections=replace(place.book, access=killed))
    given_back = led_back(flow.begin())
    with pytest.raises(KeyboardInterrupt):
        dying.answer(given_back)
    assert stored(place)["pending_connections"] == 1
    assert living(place) == 1
    place.clock.advance(1_800)
    assert sweep(place.book) == 1
    assert living(place) == 0
    assert nothing_stored(place)
