"""Somebody removes the app at Meta, or wants their data deleted: over a socket, as Meta does it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import quote_plus, urlencode

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range
from pydantic import SecretStr
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange

from meta_pipeline.connections import CallbackRefused, Callbacks, carry_out
from meta_pipeline.connections.callbacks.signed_request import MOST_BYTES, read_signed_request
from meta_pipeline.simulator import Fault, Simulator
from meta_pipeline.warehouse import ConnectionRow, account_lock, forget_account
from meta_pipeline.warehouse.schema import metadata
from meta_pipeline.warehouse.write.forgetting import of_accounts
from meta_pipeline_tests.connections.login import connected, for_business
from meta_pipeline_tests.connections.place import START, Place

SECRET = "simulated-app-secret"
FORGERIES = ["signature", "payload", "algorithm", "malformed"]


@dataclass
class Door:
    """A server of somebody's, which hands what comes to the callbacks as it comes."""

    place: Place
    url: str = ""
    answers: list[int] = field(default_factory=list)

    def handle(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        callbacks = Callbacks(self.place.book)
        try:
            if path == "/deauthorize":
                callbacks.deauthorized(body)
                return 200, {}
            receipt = callbacks.deletion_asked(body)
        except CallbackRefused as refused:
            return 403, {"error": str(refused)}
        return 200, receipt.answer(f"{self.url}/status/{receipt.confirmation_code}")


@contextmanager
def door_of(place: Place) -> Iterator[Door]:
    door = Door(place)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, said = door.handle(self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    door.url = f"http://127.0.0.1:{server.server_port}"
    place.sim.tokens.change_app(
        deauthorize_url=f"{door.url}/deauthorize", deletion_url=f"{door.url}/deletion"
    )
    try:
        yield door
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def door(place: Place) -> Iterator[Door]:
    with door_of(place) as found:
        yield found


def of_person(place: Place, name: str, accounts: list[str]) -> ConnectionRow:
    """A connection that this person made, with these accounts."""
    person = place.sim.directory.add_person(name, accounts=accounts)
    place.sim.tokens.choose(person=person.id)
    return connected(place)


def test_a_person_who_removes_the_app_is_disconnected_at_once(door: Door) -> None:
    place = door.place
    ann, ben = of_person(place, "Ann", place.ids[:1]), of_person(place, "Ben", place.ids[1:2])
    answer = place.sim.deauthorize(ann.user_id)
    assert answer.status == 200
    gone = place.row(ann.connection_id)
    assert gone.state == "revoked"
    assert "removed the app" in str(gone.problem)
    assert place.book.tokens(gone) == {}
    assert place.row(ben.connection_id) == ben
    assert place.events() == ["added", "added", "deauthorized"]
    (carried,) = carry_out(place.book)
    assert (carried.problem, carried.deleted) == (None, {})
    assert place.query("SELECT user_id FROM meta_ads.meta_callbacks") == [(None,)]
    assert carry_out(place.book) == []


def test_a_business_integration_that_ended_with_the_person_is_found(door: Door) -> None:
    place = door.place
    for_business(place)
    owner = place.sim.directory.add_business("North", owned=place.ids[:2])
    place.sim.tokens.choose(businesses=[owner.id])
    row = connected(place)
    place.sim.tokens.revoke(place.book.token(row))
    assert place.sim.deauthorize("9000000001").status == 200
    assert place.row(row.connection_id).state == "active", "nobody can say from the id alone"
    carry_out(place.book)
    assert place.row(row.connection_id).state == "revoked"


def test_a_deletion_deletes_what_is_the_persons_and_says_so(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann Example", place.ids[:2])
    ben = of_person(place, "Ben", place.ids[1:])
    store_accounts(place)
    before = place.dump()
    answer = place.sim.request_deletion(ann.user_id)
    assert answer.status == 200
    said = json.loads(answer.body)
    code = said["confirmation_code"]
    assert said["url"].endswith(f"/status/{code}")
    callbacks = Callbacks(place.book)
    status = callbacks.status(code)
    assert status is not None
    assert (status.done_at, status.received_at) == (None, place.clock.now())
    assert "will be carried out" in status.message
    assert place.row(ann.connection_id).state == "revoked", "its token is gone at once"
    place.book = place.with_settings(access_token=None)
    (carried,) = carry_out(place.book)
    assert carried.problem is None
    assert carried.accounts == (place.ids[0],), "what others reach as well stays"
    assert carried.deleted["meta_ad_accounts"] == 1
    assert carried.deleted["connections"] == 1
    done = callbacks.status(code)
    assert done is not None
    assert done.done_at == place.clock.now()
    assert "was deleted" in done.message
    after = place.dump()
    for personal in ("Ann Example", ann.user_id, place.ids[0]):
        assert personal in before
        assert personal not in after
    assert place.row(ben.connection_id) == ben
    kept = {one.account_id for one in place.warehouse.accounts.all()}
    assert kept == set(place.ids[1:])
    assert place.events() == ["added", "added", "deauthorized", "data_deleted"]
    assert callbacks.status("unknown") is None


def store_accounts(place: Place) -> None:
    """The accounts as a sync of the list stores them."""
    query = """
        INSERT INTO meta_ads.meta_ad_accounts
            (account_id, is_accessible, last_listed_at, is_simulated, first_seen_at, data_as_of)
        SELECT account_id, true, now(), true, now(), now()
        FROM unnest(%s::text[]) AS account_id RETURNING account_id
    """
    place.query(query, place.ids)


def test_what_the_environments_token_reaches_stays(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann", place.ids)
    store_accounts(place)
    place.sim.request_deletion(ann.user_id)
    (carried,) = carry_out(place.book)
    assert carried.accounts == ()
    assert len(place.warehouse.accounts.all()) == 3


def test_a_deletion_that_cannot_be_carried_out_is_kept_and_tried_again(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann", place.ids[:1])
    store_accounts(place)
    code = json.loads(place.sim.request_deletion(ann.user_id).body)["confirmation_code"]
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.graph_error(2))
    (carried,) = carry_out(place.book)
    assert carried.problem
    assert place.row(ann.connection_id).user_id == ann.user_id
    status = Callbacks(place.book).status(code)
    assert status is not None
    assert "tried again" in status.message
    place.sim.faults.clear()
    place.book = place.with_settings(access_token=None)
    with account_lock(place.warehouse.url, place.ids[0], holder="a sync"):
        (carried,) = carry_out(place.book)
    assert "a sync" in str(carried.problem)
    (carried,) = carry_out(place.book)
    assert carried.accounts == (place.ids[0],)


@pytest.mark.parametrize("subcode", [459, 463])
def test_a_dead_token_of_the_house_deletes_nothing_of_what_it_reached(
    door: Door, subcode: int
) -> None:
    """Checkpointed or expired: nobody can say then what is the house's."""
    place = door.place
    ann = of_person(place, "Ann", place.ids[:2])
    store_accounts(place)
    place.sim.request_deletion(ann.user_id)
    place.sim.fail(
        "GET", "/me/adaccounts", times=None, with_=Fault.graph_error(190, subcode=subcode)
    )
    (carried,) = carry_out(place.book)
    assert "META_ACCESS_TOKEN" in str(carried.problem)
    assert (carried.deleted, carried.accounts) == ({}, ())
    assert len(place.warehouse.accounts.all()) == 3
    assert place.row(ann.connection_id).user_id == ann.user_id, "its accounts are found again"
    place.sim.faults.clear()
    token = place.issue(accounts=place.ids[1:])
    place.book = place.with_settings(access_token=SecretStr(token))
    (carried,) = carry_out(place.book)
    assert carried.accounts == (place.ids[0],), "a living token says what is the house's"
    assert {one.account_id for one in place.warehouse.accounts.all()} == set(place.ids[1:])


def test_what_another_connection_lost_for_a_while_is_asked_again_first(door: Door) -> None:
    """A refusal in the middle of a sync is noted as lost until the next list."""
    place = door.place
    ann = of_person(place, "Ann", place.ids[:1])
    ben = of_person(place, "Ben", place.ids[:2])
    store_accounts(place)
    place.book = place.with_settings(access_token=None)
    with place.warehouse.connection() as connection:
        place.warehouse.connections.lose(ben.connection_id, place.ids[0], connection)
    place.sim.request_deletion(ann.user_id)
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=Fault.graph_error(2))
    (carried,) = carry_out(place.book)
    assert carried.problem, "while Meta does not say, nothing is deleted"
    place.sim.faults.clear()
    (carried,) = carry_out(place.book)
    assert (carried.problem, carried.accounts) == (None, ())
    assert len(place.warehouse.accounts.all()) == 3


@pytest.mark.parametrize("has_house", [True, False], ids=["house", "connection"])
@pytest.mark.parametrize(
    "odd",
    [Fault.no_rows(), Fault.lost_rows(1), Fault.null_rows(), Fault.strange_rows('{"id":null}')],
    ids=["empty", "lost", "null", "odd"],
)
def test_no_list_is_proof_enough_to_delete_what_others_reach(
    door: Door, odd: Fault, has_house: bool
) -> None:
    """An empty or short list of a living token is a success to whoever reads it."""
    place = door.place
    ann = of_person(place, "Ann", place.ids[:2])
    token = place.issue(accounts=place.ids[1:]) if has_house else None
    if not has_house:
        of_person(place, "Ben", place.ids[1:])
    place.book = place.with_settings(access_token=SecretStr(token) if token else None)
    store_accounts(place)
    place.sim.request_deletion(ann.user_id)
    place.sim.fail("GET", "/me/adaccounts", times=None, with_=odd)
    (carried,) = carry_out(place.book)
    left = {one.account_id for one in place.warehouse.accounts.all()}
    assert set(place.ids[1:]) <= left, "what is read by others stays"
    place.sim.faults.clear()
    carry_out(place.book)
    left = {one.account_id for one in place.warehouse.accounts.all()}
    assert left == set(place.ids[1:]), "and what is hers alone goes"
    assert carried.accounts in {(), (place.ids[0],)}


def test_a_forged_callback_does_nothing(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann", place.ids[:1])
    for call in (Simulator.deauthorize, Simulator.request_deletion):
        for forged in FORGERIES:
            assert call(place.sim, ann.user_id, forged=forged).status == 403
    assert place.row(ann.connection_id) == ann
    assert place.query("SELECT count(*) FROM meta_ads.meta_callbacks") == [(0,)]


def test_a_signature_that_is_written_otherwise_is_of_the_same_request() -> None:
    """base64 has many spellings of the same bytes: each would be kept as a request of its own."""
    said = {"algorithm": "HMAC-SHA256", "user_id": "1", "issued_at": START.timestamp()}
    payload = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")
    made = hmac.new(SECRET.encode(), payload, hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(made).rstrip(b"=")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 32 bytes are 42 letters and four bits of another, whose last two nobody reads.
    others = [signature[:-1] + bytes([one]) for one in letters]
    alike = [one for one in others if base64.urlsafe_b64decode(one + b"=") == made]
    assert len(alike) == 4
    spelled = [*alike, signature + b"=", signature + b"==="]
    hashes = {
        read_signed_request(
            urlencode({"signed_request": b".".join((one, payload))}).encode(), [SECRET], now=START
        ).request_hash
        for one in spelled
    }
    assert len(hashes) == 1


def test_the_secret_before_the_last_reset_is_taken(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann", place.ids[:1])
    old = place.book.access.settings.app_secret
    place.book = place.with_settings(app_secret=SecretStr("new"))
    assert place.sim.deauthorize(ann.user_id).status == 403
    place.book = place.with_settings(app_secret_previous=old)
    assert place.sim.deauthorize(ann.user_id).status == 200
    assert place.row(ann.connection_id).state == "revoked"


def test_an_old_callback_sent_again_ends_no_newer_connection(door: Door) -> None:
    place = door.place
    ann = of_person(place, "Ann", place.ids[:1])
    signed = form(payload(ann.user_id))
    callbacks = Callbacks(place.book)
    first = callbacks.deletion_asked(signed)
    carry_out(place.book)
    place.pass_days(1)
    again = connected(place)
    assert callbacks.deletion_asked(signed) == first, "the same request is one"
    # And one that was never delivered, from before the new connection.
    callbacks.deletion_asked(form(payload(ann.user_id, issued_at=int(START.timestamp()) + 9)))
    (carried,) = carry_out(place.book)
    assert carried.accounts == ()
    assert place.row(again.connection_id) == again


def test_nothing_of_it_is_about_people_nobody_knows(door: Door) -> None:
    place = door.place
    of_person(place, "Ann", place.ids[:1])
    answer = place.sim.request_deletion("123456789012345")
    assert answer.status == 200
    (carried,) = carry_out(place.book)
    assert (carried.problem, carried.deleted) == (None, {})


def payload(user_id: Any = "4711", **changes: Any) -> dict[str, Any]:
    facts = {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": int(START.timestamp())}
    return {name: value for name, value in (facts | changes).items() if value is not None}


def encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed_value(said: Any, secret: str = SECRET, raw: bytes | None = None) -> bytes:
    body = encoded(json.dumps(said).encode() if raw is None else raw)
    return encoded(hmac.new(secret.encode(), body, hashlib.sha256).digest()) + b"." + body


def form(said: Any, secret: str = SECRET, raw: bytes | None = None) -> bytes:
    return b"signed_request=" + signed_value(said, secret, raw)


def read(body: bytes, *secrets: str) -> Any:
    return read_signed_request(body, secrets or (SECRET,), now=START)


@pytest.mark.parametrize(
    "said",
    [
        payload(algorithm="none"),
        payload(algorithm=None),
        payload(user_id=None),
        payload(user_id=""),
        payload(user_id=True),
        payload(user_id={"id": 1}),
        payload(user_id="12; DROP"),
        payload(user_id="9" * 65),
        payload(issued_at=None),
        payload(issued_at="soon"),
        payload(issued_at=1e30),
        payload(issued_at=True),
        [],
        "text",
        None,
    ],
    ids=lambda said: json.dumps(said)[:60],
)
def test_what_is_signed_and_says_something_else_is_refused(said: Any) -> None:
    with pytest.raises(CallbackRefused):
        read(form(said))


def test_what_meta_signs_is_read() -> None:
    for said in (payload(), payload(4711), payload(extra=1), payload(algorithm="hmac-sha256")):
        assert read(form(said)).user_id == "4711"
    quoted = b"signed_request=" + quote_plus(signed_value(payload())).encode()
    assert read(quoted + b"&other=1").user_id == "4711"
    padded = signed_value(payload()).replace(b".", b"=.", 1)
    assert read(b"signed_request=" + quote_plus(padded).encode()).user_id == "4711"
    later = read(form(payload(issued_at=int(START.timestamp()) + 10**6)))
    assert later.issued_at == START, "a clock that is ahead reaches no later connection"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"signed_request",
        b"signed_request=",
        b"signed_request=.",
        b"signed_request=a.b.c",
        b"signed_request=%ff%00.%00",
        form(payload()) + b"&" + form(payload()),
        b"other=" + signed_value(payload()),
        form(payload()) + b"x" * MOST_BYTES,
        form(None, raw=b"not json"),
        form(None, raw=b"\xff\xfe"),
    ],
    ids=range(11),
)
def test_what_is_no_signed_request_is_refused(body: bytes) -> None:
    with pytest.raises(CallbackRefused):
        read(body)


def test_without_a_secret_nothing_is_believed() -> None:
    for secrets in ((), ("",), ("", "")):
        with pytest.raises(CallbackRefused, match="META_APP_SECRET"):
            read_signed_request(form(payload(), ""), secrets, now=START)


@given(place=st.integers(0, 400), bit=st.integers(0, 7))
def test_one_changed_bit_and_it_is_not_metas(place: int, bit: int) -> None:
    value = bytearray(signed_value(payload()))
    place %= len(value)
    value[place] ^= 1 << bit
    with pytest.raises(CallbackRefused):
        read(b"signed_request=" + quote_plus(bytes(value)).encode())


@given(body=st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    for one in (body, b"signed_request=" + body, form(None, raw=body)):
        with suppress(CallbackRefused):
            read(one)


def test_forgetting_an_account_leaves_no_row_of_it_in_any_table(place: Place) -> None:
    """Every table that has accounts gets a row of two of them; one is forgotten."""
    fill(place, place.ids[:2])
    tables = {table.name for table in of_accounts()}
    assert {"meta_insights", "sync_runs", "meta_api_logs", "alerts"} <= tables
    removed = forget_account(place.warehouse.url, place.ids[0])
    assert removed == dict.fromkeys([*tables, "usage_readings"], 1)
    assert place.ids[0] not in place.dump()
    for name in tables:
        assert place.query(f"SELECT account_id FROM meta_ads.{name}") == [(place.ids[1],)]


# Of those who are at a choice right now, and one row for each thing that is wrong.
FEW_ROWS = {"pending_accounts", "alerts"}


def test_all_of_an_account_is_found_by_an_index_in_every_table(place: Place) -> None:
    """An account is deleted among millions of rows of others."""
    query = """
        SELECT indrelid::regclass::text FROM pg_index
        JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
        WHERE attname = 'account_id' AND indpred IS NULL
    """
    found = {name.rpartition(".")[2] for (name,) in place.query(query)}
    assert {table.name for table in of_accounts()} - found == FEW_ROWS


def fill(place: Place, accounts: list[str]) -> None:
    with psycopg.connect(place.warehouse.url) as connection:
        connection.execute("SET session_replication_role = replica")
        checks = connection.execute(
            "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint "
            "WHERE contype = 'c' AND connamespace = 'meta_ads'::regnamespace"
        ).fetchall()
        for name, check in checks:
            connection.execute(f"ALTER TABLE {name} DROP CONSTRAINT {check}")
        for table in metadata.sorted_tables:
            key = "key" if table.name == "usage_readings" else "account_id"
            if key not in table.columns:
                continue
            needed = [one for one in table.columns if not one.nullable and one.identity is None]
            for n, account_id in enumerate(accounts):
                row = {one.name: example(one, n) for one in needed} | {key: account_id}
                names = ", ".join(f'"{name}"' for name in row)
                holes = ", ".join(["%s"] * len(row))
                connection.execute(
                    f"INSERT INTO {table.fullname} ({names}) VALUES ({holes})", list(row.values())
                )


def example(column: sa.Column[Any], number: int) -> Any:
    """A value that fits the type of the column."""
    if isinstance(column.type, AbstractMultiRange):
        return Multirange([Range(START.date(), START.date() + timedelta(days=number + 1))])
    kind = column.type.python_type
    if kind in (dict, list, object):
        return Jsonb({})
    if kind in (datetime, date):
        return START + timedelta(days=number)
    if kind is bool:
        return False
    return kind(number)
