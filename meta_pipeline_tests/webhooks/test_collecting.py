"""From changes to one request an account: quiet, blocked, unknown, never lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from meta_pipeline.governor import Thresholds
from meta_pipeline.sync_requests import Dispatcher
from meta_pipeline.sync_requests.asking import MOST_OBJECTS, MOST_OPEN
from meta_pipeline.warehouse import SyncRequestRow, Warehouse
from meta_pipeline.webhooks import changes_of, collect
from meta_pipeline_tests.sync_requests.rows import NOW, SECOND, account
from meta_pipeline_tests.sync_requests.rows import row as request
from meta_pipeline_tests.webhooks.deliveries import changed, envelope

QUIET = timedelta(seconds=5)


@pytest.fixture
def told(warehouse: Warehouse) -> Warehouse:
    """Two accounts that are known here."""
    account(warehouse, "act_1")
    account(warehouse, "act_2")
    return warehouse


def deliver(told: Warehouse, body: bytes, after_seconds: float = 0) -> None:
    told.webhooks.keep(changes_of(body), NOW + after_seconds * SECOND)


def asked_for(told: Warehouse) -> list[SyncRequestRow]:
    """The open requests with the ids they name."""
    return told.sync_requests.whole([row.request_id for row in told.sync_requests.open()])


def states(told: Warehouse) -> dict[str, int]:
    return {state: found[0] for state, found in told.webhooks.counts().items()}


def test_what_is_named_is_one_request_once_it_is_quiet(told: Warehouse) -> None:
    deliver(told, envelope(changed("5"), changed("6"), changed("7", "campaign")))
    deliver(told, envelope(changed("6"), changed("8"), time=1), after_seconds=3)
    deliver(told, envelope(changed("9"), account="2"))
    assert collect(told, NOW + 4 * SECOND, QUIET) == []
    (second,) = collect(told, NOW + 5 * SECOND, QUIET)
    (first,) = collect(told, NOW + 8 * SECOND, QUIET)
    rows = {row.request_id: row for row in asked_for(told)}
    assert {part: sorted(ids) for part, ids in (rows[first].objects or {}).items()} == {
        "ads": ["5", "6", "8"],
        "campaigns": ["7"],
    }
    assert rows[second].account_id == "act_2"
    assert (rows[first].source, rows[first].requested_by) == ("webhook", "Meta")
    assert rows[first].reason == "5 field_changed"
    assert states(told) == {"requested": 6}


def test_an_account_that_is_never_quiet_is_read_all_the_same(told: Warehouse) -> None:
    for second in range(15):
        deliver(told, envelope(changed(str(second)), time=second + 1), after_seconds=second)
        if second < 14:
            assert collect(told, NOW + second * SECOND, QUIET) == []
    assert len(collect(told, NOW + 15 * SECOND, QUIET)) == 1


def test_while_a_request_waits_changes_wait_with_it(told: Warehouse) -> None:
    deliver(told, envelope(changed("5")))
    (first,) = collect(told, NOW + QUIET, QUIET)
    deliver(told, envelope(changed("6"), time=1), after_seconds=6)
    assert collect(told, NOW + timedelta(minutes=5), QUIET) == []
    assert states(told) == {"pending": 1, "requested": 1}
    (claim,) = Dispatcher(told, Thresholds()).take(NOW + timedelta(minutes=5))
    assert claim.request_ids == [first]
    assert len(collect(told, NOW + timedelta(minutes=5), QUIET)) == 1


def test_what_names_nothing_to_read_is_kept_and_never_asked_for(told: Warehouse) -> None:
    unknown = {"field": "of_tomorrow", "value": {"id": "5"}}
    advice = {"field": "ad_recommendations", "value": {"ad_object_ids": ["404"]}}
    deliver(told, envelope(unknown, advice))
    deliver(told, envelope(changed("5"), account="99"))
    assert collect(told, NOW + QUIET, QUIET) == []
    assert states(told) == {"kept": 3}
    assert told.sync_requests.open() == []


def test_an_object_of_any_level_is_found_in_our_tables(told: Warehouse) -> None:
    with told.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_adsets (adset_id, account_id, data_as_of) "
            "VALUES ('31', 'act_1', now()), ('32', 'act_2', now())"
        )
    advice = {"field": "ad_recommendations", "value": {"ad_object_ids": ["31", "32", "33"]}}
    deliver(told, envelope(advice))
    collect(told, NOW + QUIET, QUIET)
    (row,) = asked_for(told)
    assert row.objects == {"adsets": ["31"]}


def test_what_names_more_than_a_request_takes_asks_for_the_parts(told: Warehouse) -> None:
    """A refusal would end the sensor's every tick, for all accounts."""
    with told.connection() as connection:
        connection.execute(
            "INSERT INTO meta_ads.meta_ads (ad_id, account_id, data_as_of) "
            "SELECT n::text, 'act_1', now() FROM generate_series(1, %s) AS n",
            (MOST_OBJECTS + 1,),
        )
    ids = [str(n + 1) for n in range(MOST_OBJECTS + 1)]
    advice = {"field": "ad_recommendations", "value": {"ad_object_ids": ids}}
    deliver(told, envelope(advice))
    deliver(told, envelope(changed("5"), account="2"))
    assert len(collect(told, NOW + QUIET, QUIET)) == 2
    asked = {row.account_id: (row.parts, row.objects) for row in asked_for(told)}
    assert asked == {"act_1": (["ads"], None), "act_2": (None, {"ads": ["5"]})}
    assert states(told) == {"requested": 2}


def test_what_others_ask_for_without_end_loses_nothing_that_meta_tells(told: Warehouse) -> None:
    for number in range(MOST_OPEN):
        ids = {"ads": [str(n + 1) for n in range(MOST_OBJECTS)]}
        told.sync_requests.add([request(f"r{number}", objects=None if number else ids)])
    deliver(told, envelope(changed("5"), changed("7", "campaign")))
    (request_id,) = collect(told, NOW + QUIET, QUIET)
    (row,) = told.sync_requests.whole([request_id])
    assert (row.parts, row.objects) == (["ads", "campaigns"], None)
    assert row.max_age_seconds == 1, "what was read half a minute ago may be from before it"
    assert states(told) == {"requested": 2}
