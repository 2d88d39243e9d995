"""Connections are added after Meta was asked, stored sealed, checked, replaced and removed."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from meta_pipeline.connections import (
    ConnectionsError,
    ConnectionUnknown,
    KeyMissing,
    NotRevoked,
    TokenRefused,
    TokenUnreadable,
    generate_key,
    listed,
)
from meta_pipeline.graph import GraphError
from meta_pipeline.graph.tokens import token_key
from meta_pipeline.simulator import Fault
from meta_pipeline_tests.connections.place import KEY, START, Place, place_of


def test_a_system_users_token_becomes_a_connection(place: Place) -> None:
    token = place.issue(accounts=place.ids[:2])
    row = place.book.add(token)
    assert (row.kind, row.name, row.user_id) == ("system_user", "Reporting", "701")
    assert (row.app_id, row.scopes) == (place.sim.tokens.app.id, ["ads_read"])
    assert (row.state, row.expires_at) == ("active", START + timedelta(days=60))
    assert list(place.warehouse.connections.accounts(row.connection_id)) == place.ids[:2]
    assert place.row(row.connection_id) == row
    assert place.book.token(row) == token
    assert place.events() == ["added"]


def test_every_page_of_accounts_is_read(database_url: str) -> None:
    with place_of(database_url, accounts=230) as place:
        row = place.book.add(place.issue())
        assert len(place.warehouse.connections.accounts(row.connection_id)) == 230


def test_a_persons_token_becomes_one_too(place: Place) -> None:
    row = place.book.add(place.issue(kind="USER", user_name="Ann"), name="Ann of sales")
    assert (row.kind, row.name) == ("user", "Ann of sales")
    assert row.data_access_expires_at == START + timedelta(days=90)


def test_without_a_key_nothing_is_asked_and_nothing_stored(place: Place) -> None:
    token, calls = place.issue(), len(place.sim.journal)
    with pytest.raises(KeyMissing, match="generate-key"):
        place.with_keys().add(token)
    assert len(place.sim.journal) == calls
    assert place.warehouse.connections.all() == []
    assert place.events() == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"kind": "PAGE"}, "type PAGE"),
        ({"scopes": ["email"]}, "lacks the scope ads_read"),
        ({"expires_in_seconds": -1}, "invalid"),
        (None, "invalid"),
    ],
)
def test_what_cannot_be_one_is_refused_and_nothing_stored(
    place: Place, facts: dict[str, Any] | None, said: str
) -> None:
    token = "EAAnever-heard-of" if facts is None else place.issue(**facts)
    with pytest.raises(TokenRefused, match=said):
        place.book.add(token)
    assert place.warehouse.connections.all() == []


def test_meta_that_does_not_answer_leaves_everything_as_it_was(place: Place) -> None:
    token = place.issue()
    for path in ("/debug_token", "/me/adaccounts", "/me"):
        place.sim.faults.clear()
        place.sim.fail("GET", path, times=None, with_=Fault.graph_error(1))
        with pytest.raises(GraphError):
            place.book.add(token)
    assert place.warehouse.connections.all() == []


def test_a_token_of_another_app_is_asked_about_with_itself(place: Place) -> None:
    other = place.with_settings(app_id="900000000000009")
    row = other.add(place.issue())
    assert row.app_id == place.sim.tokens.app.id


def test_the_same_owner_replaces_and_the_same_token_is_refused(place: Place) -> None:
    first = place.book.add(token := place.issue())
    with pytest.raises(TokenRefused, match=f"already, as {first.connection_id}"):
        place.book.add(token)
    second = place.book.add(place.issue())
    other = place.book.add(place.issue(user_id="702"))
    states = {row.connection_id: row.state for row in place.warehouse.connections.all()}
    assert states == {
        first.connection_id: "replaced",
        second.connection_id: "active",
        other.connection_id: "active",
    }
    with pytest.raises(TokenUnreadable, match="no token any more"):
        place.book.token(place.row(first.connection_id))
    assert place.events() == ["added", "replaced", "added", "added"]


ENDS = [("expire", "expired"), ("revoke", "revoked"), ("password_changed", "revoked")]


@pytest.mark.parametrize(("change", "state"), ENDS)
def test_a_check_tells_how_a_token_ended(place: Place, change: str, state: str) -> None:
    row = place.book.add(token := place.issue())
    getattr(place.sim.tokens, change)(token)
    found = place.book.check(row)
    assert found.state == state
    assert found.problem
    assert place.row(row.connection_id) == found
    assert place.events() == ["added", "checked"]
    place.book.check(found)
    assert place.events() == ["added", "checked"], "what did not change is no event"


def test_a_valid_token_whose_calls_are_refused_says_why(place: Place) -> None:
    row = place.book.add(place.issue())
    blocked = Fault.graph_error(200, message="API access blocked.")
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=blocked)
    found = place.book.check(row)
    assert (found.state, found.expires_at) == ("active", row.expires_at)
    assert "API access blocked" in str(found.problem)
    assert list(place.warehouse.connections.accounts(row.connection_id)) == place.ids
    told = listed(place.warehouse, place.book.access.settings, place.clock.now())[-1]
    assert "connections check" in told.what_to_do
    place.sim.faults.clear()
    assert place.book.check(found).problem is None


def test_access_to_data_that_ended_is_an_end(place: Place) -> None:
    row = place.book.add(token := place.issue(kind="USER", expires_in_seconds=None))
    place.sim.tokens.expire_data_access(token)
    assert place.book.check(row).state == "expired"


def test_a_check_notes_new_and_lost_accounts_and_scopes(place: Place) -> None:
    row = place.book.add(token := place.issue(accounts=place.ids[:2], scopes=["ads_read", "email"]))
    place.sim.tokens.restrict(token, accounts=place.ids[1:])
    place.sim.tokens.drop_scope(token, "email")
    assert place.book.check(row).scopes == ["ads_read"]
    assert list(place.warehouse.connections.accounts(row.connection_id)) == place.ids[1:]
    ((detail,),) = place.query(
        "SELECT detail FROM meta_ads.connection_events WHERE event = 'checked'"
    )
    assert detail["accounts_new"] == place.ids[2:]
    assert detail["accounts_lost"] == place.ids[:1]
    assert detail["scopes"] == {"from": ["ads_read", "email"], "to": ["ads_read"]}


def test_removing_forgets_and_revoking_ends(place: Place) -> None:
    kept = place.book.add(one := place.issue())
    ended = place.book.add(two := place.issue(user_id="702", user_name="Other"))
    place.book.remove(kept)
    place.book.remove(place.book.find("OTHER"), revoke=True)
    assert (place.works(one), place.works(two)) == (True, False)
    for table in ("connections", "connection_tokens", "connection_accounts"):
        assert place.query(f"SELECT count(*) FROM meta_ads.{table}") == [(0,)]
    assert place.events()[-3:] == ["removed", "token_revoked", "removed"]
    with pytest.raises(ConnectionUnknown):
        place.book.remove(ended)
    with pytest.raises(ConnectionUnknown, match=r"no connection is called that.*none"):
        place.book.find(kept.connection_id)


def test_what_meta_does_not_revoke_stays(place: Place) -> None:
    row = place.book.add(place.issue())
    place.sim.fail("GET", "/oauth/revoke", times=None, with_=Fault.graph_error(1))
    with pytest.raises(NotRevoked, match="did not end the token"):
        place.book.remove(row, revoke=True)
    with pytest.raises(TokenRefused, match="without --revoke"):
        place.with_settings(app_secret=None).remove(row, revoke=True)
    assert place.row(row.connection_id) == row


def test_keys_are_rotated_all_or_none(place: Place) -> None:
    rows = [place.book.add(place.issue(user_id=str(n))) for n in range(3)]
    tokens = [place.book.token(row) for row in rows]
    new = generate_key("k2")
    with pytest.raises(TokenUnreadable, match="key k1, which is not in META_TOKEN_KEYS"):
        place.with_keys(new).reseal()
    both = place.with_keys(new, KEY)
    assert both.reseal() == 3
    assert both.reseal() == 0
    only = place.with_keys(new)
    assert [only.token(row) for row in rows] == tokens
    assert place.events().count("resealed") == 3
    with psycopg.connect(place.warehouse.url) as connection:
        connection.execute(
            "UPDATE meta_ads.connection_tokens SET sealed = 'x' WHERE connection_id = %s",
            (rows[2].connection_id,),
        )
    with pytest.raises(TokenUnreadable, match=rows[2].connection_id):
        place.with_keys(KEY, new).reseal()
    assert {key for (key,) in place.query("SELECT key_id FROM meta_ads.connection_tokens")} == {
        "k2"
    }


def test_a_row_copied_to_another_connection_or_tenant_does_not_open(place: Place) -> None:
    one = place.book.add(place.issue())
    two = place.book.add(place.issue(user_id="702"))
    with psycopg.connect(place.warehouse.url) as connection:
        connection.execute(
            "UPDATE meta_ads.connection_tokens AS mine SET sealed = other.sealed "
            "FROM meta_ads.connection_tokens AS other "
            "WHERE mine.connection_id = %s AND other.connection_id = %s",
            (two.connection_id, one.connection_id),
        )
    with pytest.raises(TokenUnreadable):
        place.book.token(two)
    with pytest.raises(TokenUnreadable):
        place.book.token(replace(one, tenant="another"))
    assert place.book.token(one)


@pytest.mark.parametrize("change", ["UPDATE {} SET actor = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_audit_only_grows(place: Place, change: str) -> None:
    place.book.add(place.issue())
    with (
        psycopg.connect(place.warehouse.url) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="connection_events only grows"),
    ):
        connection.execute(change.format("meta_ads.connection_events"))


def test_a_token_is_in_no_table_log_or_error(
    place: Place, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hunt: everything that is done with a token, and every text that comes of it."""
    caplog.set_level(logging.DEBUG)
    tokens, texts = [], []
    for n, form in enumerate(("EAAHUNTED{}token", "of-no-known-form-{}", "hunted|{}|pipes")):
        tokens.append(token := form.format("x" * 20))
        place.issue(value=token, user_id=str(n))
        quoting = Fault.graph_error(190, message=f"Malformed access token {token}")
        row = place.book.add(token)
        new = place.renew(row, force=True).row
        tokens.append(place.book.token(new))
        place.sim.fail("GET", "/debug_token", times=None, with_=quoting)
        place.sim.fail("GET", "/oauth/access_token", times=None, with_=quoting)
        for work in (
            lambda token=token: place.book.add(token),
            lambda new=new: place.book.check(new),
            lambda new=new: texts.append(repr(place.renew(new, force=True))),
            lambda new=new: place.with_keys(generate_key("k9")).token(new),
            lambda token=token: place.book.find(token[:5]),
        ):
            try:
                work()
            except (GraphError, ConnectionsError) as error:
                texts.append("".join(traceback.format_exception(error)))
        place.sim.faults.clear()
    settings = place.book.access.settings
    texts += [repr(place.book), repr(settings), place.dump(), caplog.text, *capsys.readouterr()]
    texts += [repr(listed(place.warehouse, settings, place.clock.now()))]
    for secret in [*tokens, KEY.partition(":")[2], place.sim.tokens.app.secret]:
        for text in texts:
            assert secret not in text, secret
    keys = place.query("SELECT token_key FROM meta_ads.connection_tokens")
    assert all(key != token for (key,) in keys for token in tokens)
    assert token_key(tokens[1]) in {key for (key,) in keys}
