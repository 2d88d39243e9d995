"""Deliveries taken apart: once, in order, by several at once; what cannot be, stops nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from meta_pipeline.warehouse import Warehouse
from meta_pipeline.webhooks import unpack
from meta_pipeline_tests.webhooks.deliveries import changed, envelope

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.fixture
def inbox(keeper: Warehouse) -> Warehouse:
    """Empty of deliveries and changes."""
    with keeper.connection() as connection:
        connection.execute("TRUNCATE meta_ads.webhook_deliveries, meta_ads.webhook_changes")
    return keeper


def changes(inbox: Warehouse) -> list[tuple[str | None, str, datetime]]:
    with inbox.connection() as connection:
        return connection.execute(
            "SELECT account_id, field, received_at FROM meta_ads.webhook_changes "
            "ORDER BY received_at, change_hash"
        ).fetchall()


def test_changes_are_of_the_moment_their_delivery_was_answered(inbox: Warehouse) -> None:
    for number in range(5):
        body = envelope(changed("1"), changed(str(number + 2)), time=7)
        assert inbox.webhooks.receive(body, NOW + timedelta(seconds=number))
    assert not inbox.webhooks.receive(body, NOW), "the very same waits already"
    assert inbox.webhooks.waiting() == (5, NOW, NOW + timedelta(seconds=4))
    assert unpack(inbox, most=2) == 2
    assert [at for *_, at in changes(inbox)] == [NOW, NOW, NOW + timedelta(seconds=1)]
    assert unpack(inbox) == 3
    assert unpack(inbox) == 0
    assert len(changes(inbox)) == 6, "the change that all of them tell is one"
    assert inbox.webhooks.waiting() is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff{",
        b'{"entry": 1}',
        b'{"entry": [{"id": "1", "changes": [{"field": "x", "value": NaN}]}]}',
        b'{"entry": [{"id": "1", "changes": [{"field": "x", "value": ' + b"9" * 200_000 + b"}]}]}",
        b'{"entry": [' + b"[" * 5_000 + b"]" * 5_000 + b"]}",
        b'{"entry": [{"id": "1", "time": 1' + b"0" * 400 + b', "changes": [{"field": "x"}]}]}',
    ],
    ids=["empty", "no text", "no entry", "no number", "too long a number", "too deep", "no time"],
)
def test_what_cannot_be_taken_apart_is_kept_and_those_behind_it_go_on(
    inbox: Warehouse, body: bytes
) -> None:
    inbox.webhooks.receive(body, NOW)
    inbox.webhooks.receive(envelope(changed("5")), NOW + timedelta(seconds=1))
    assert unpack(inbox) == 2
    kept = changes(inbox)
    assert kept[-1][:2] == ("act_1", "field_changed")
    assert len(kept) == 2
    assert inbox.webhooks.waiting() is None


def test_several_take_apart_at_once_and_none_twice(inbox: Warehouse) -> None:
    for number in range(300):
        inbox.webhooks.receive(envelope(changed(str(number)), time=number + 1), NOW)
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: unpack(inbox), range(3)))
    assert sum(done) == 300
    assert len(changes(inbox)) == 300
