"""Many requests of one account: refused beyond a bound, and no burden for all others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg.types.json import Jsonb

from meta_pipeline.governor import Thresholds
from meta_pipeline.model.part import Part
from meta_pipeline.model.sync_run import Status, SyncRun
from meta_pipeline.model.usage import UsageReading
from meta_pipeline.sync_requests import (
    Claim,
    Dispatcher,
    RequestRefused,
    RunState,
    TooManyOpen,
    Wish,
    ask,
    cancel,
    named_sync,
)
from meta_pipeline.sync_requests.asking import MOST_OBJECTS, MOST_OPEN
from meta_pipeline.warehouse import SyncRequestRow, Warehouse
from meta_pipeline.warehouse.stores.sync_requests import OPEN_OF_ACCOUNT, RequestSource
from meta_pipeline_tests.sync_requests.rows import NOW, SECOND, account, row

IDS_EACH = 50
# Counts statements, however many rows each of them changes.
_COUNTED = """
    CREATE TABLE meta_ads.counted_updates (at timestamptz);
    CREATE FUNCTION meta_ads.count_update() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO meta_ads.counted_updates VALUES (now()); RETURN NULL; END $$;
    CREATE TRIGGER counted AFTER UPDATE ON meta_ads.sync_requests
        FOR EACH STATEMENT EXECUTE FUNCTION meta_ads.count_update();
"""
# As an installation may have them that took any number.
_FULL = """
    INSERT INTO meta_ads.sync_requests
        (request_id, account_id, source, requested_by, reason, objects, force, requested_at,
         state, attempts, claim_id, claimed_at)
    SELECT 'old' || n, 'act_1', 'api', 'key 7', '', %(objects)s, false,
        %(at)s::timestamptz + n * interval '1 second', %(state)s, 1, %(claim)s, %(at)s
    FROM generate_series(1, %(count)s) AS n
"""


@pytest.fixture
def tables(warehouse: Warehouse) -> Warehouse:
    account(warehouse)
    account(warehouse, "act_2")
    return warehouse


def asked(
    tables: Warehouse, account_id: str = "act_1", source: RequestSource = "api", **wish: object
) -> SyncRequestRow:
    wanted = Wish(account_id, **wish)  # type: ignore[arg-type]
    return ask(tables, wanted, source=source, requested_by="key 7", now=NOW)


def ids(count: int, first: int = 1) -> dict[Part, list[str]]:
    return {Part.ADS: [str(first + number) for number in range(count)]}


def fill(tables: Warehouse, count: int, claim: str | None = None) -> None:
    values = {
        "objects": Jsonb({"ads": [str(number) for number in range(IDS_EACH)]}),
        "at": NOW - count * SECOND,
        "state": "running" if claim else "pending",
        "claim": claim,
        "count": count,
    }
    with tables.connection() as connection:
        connection.execute(_FULL, values)


def test_an_account_has_so_many_open_requests_and_no_more(tables: Warehouse) -> None:
    tables.sync_requests.add([row(f"r{number}") for number in range(MOST_OPEN)])
    with pytest.raises(TooManyOpen, match=f"{MOST_OPEN} requests of act_1 wait or run") as refused:
        asked(tables)
    assert refused.value.field == "account_id"
    asked(tables, "act_2")
    asked(tables, source="webhook", objects=ids(3))
    assert cancel(tables, row("r0"), by="ana", now=NOW)
    assert cancel(tables, row("r1"), by="ana", now=NOW)
    asked(tables)
    with pytest.raises(TooManyOpen):
        asked(tables)


def test_requests_of_another_tenant_refuse_nobody(tables: Warehouse) -> None:
    tables.sync_requests.add([row(f"r{number}") for number in range(MOST_OPEN)])
    with tables.connection() as connection:
        connection.execute("UPDATE meta_ads.sync_requests SET tenant = 'other'")
    asked(tables)


def test_of_many_who_ask_at_once_none_is_one_too_many(tables: Warehouse) -> None:
    tables.sync_requests.add([row(f"r{number}") for number in range(MOST_OPEN - 3)])

    def one(_: int) -> bool:
        try:
            asked(tables)
        except TooManyOpen:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 3


def test_open_requests_name_so_many_ids_together(tables: Warehouse) -> None:
    first = asked(tables, objects=ids(MOST_OBJECTS - 1))
    asked(tables, objects={Part.CAMPAIGNS: ["7"]})
    with pytest.raises(RequestRefused, match="ask for their parts instead") as refused:
        asked(tables, objects=ids(1))
    assert refused.value.field == "objects"
    assert f"name {MOST_OBJECTS} objects" in str(refused.value)
    asked(tables, parts=frozenset({Part.ADS}))
    asked(tables, "act_2", objects=ids(1))
    assert cancel(tables, first, by="ana", now=NOW)
    asked(tables, objects=ids(1))


def test_what_meta_names_beside_them_is_asked_for_by_its_parts(tables: Warehouse) -> None:
    asked(tables, objects=ids(MOST_OBJECTS))
    told = asked(tables, source="webhook", objects={Part.ADSETS: ["5"]})
    assert (told.parts, told.objects) == (["adsets"], None)


def test_rows_that_are_looked_through_come_without_their_ids(tables: Warehouse) -> None:
    asked(tables, objects={Part.ADS: ["1", "2"], Part.CAMPAIGNS: ["3"]})
    looks = (tables.sync_requests.open(), tables.sync_requests.recent(9))
    for (found,) in looks:
        assert found.objects is None
        assert found.object_counts == {"ads": 2, "campaigns": 1}
    (claim,) = Dispatcher(tables, Thresholds()).take(NOW)
    assert claim.scope.is_named
    assert named_sync(tables, claim.rows["act_1"], "run1").objects == {
        Part.ADS: ("1", "2"),
        Part.CAMPAIGNS: ("3",),
    }


def test_a_claim_of_before_that_names_too_many_reads_their_parts(tables: Warehouse) -> None:
    fill(tables, MOST_OBJECTS // IDS_EACH + 1, claim="c1")
    request = named_sync(tables, tables.sync_requests.claimed("c1"), "run1")
    assert (request.parts, request.objects) == (frozenset({Part.ADS}), {})


def served(tables: Warehouse, claim: Claim) -> None:
    for account_id in claim.rows:
        run = SyncRun(f"{claim.claim_id}-{account_id}", account_id, "ads", NOW)
        run.status, run.dagster_run_id, run.finished_at = Status.SUCCESS, claim.claim_id, NOW
        tables.runs.close(run)


def test_a_table_that_is_full_already_empties_and_others_do_not_wait(tables: Warehouse) -> None:
    fill(tables, 2 * OPEN_OF_ACCOUNT + 200)
    newest = asked(tables, "act_2")
    assert len(tables.sync_requests.open()) == OPEN_OF_ACCOUNT + 1
    dispatcher, rounds = Dispatcher(tables, Thresholds()), 0
    while sum(tables.sync_requests.standing()[:2]):
        at = NOW + rounds * SECOND
        claims = {claim.claim_id: claim for claim in dispatcher.take(at)}
        for claim in claims.values():
            assert not claim.scope.is_named, "so many ids mean the account"
            served(tables, claim)
        runs = {one: RunState(one, is_finished=True) for one in tables.sync_requests.open_claims()}
        dispatcher.settle(runs, at)
        found = tables.sync_requests.get(newest.request_id)
        assert found is not None
        assert found.state == "done", "in the first round, though it was made last"
        rounds += 1
    assert rounds == 3


def test_many_that_run_are_settled_a_look_after_the_other(tables: Warehouse) -> None:
    fill(tables, OPEN_OF_ACCOUNT + 50, claim="c1")
    dispatcher = Dispatcher(tables, Thresholds())
    for left in (50, 0):
        dispatcher.settle({}, NOW + 3_600 * SECOND)
        assert tables.sync_requests.standing()[0] == left
    assert tables.sync_requests.standing()[1] == OPEN_OF_ACCOUNT + 50


def test_all_that_are_blocked_are_told_so_at_once(tables: Warehouse) -> None:
    accounts = [f"act_{number}" for number in range(1, 21)]
    tables.usage.remember(
        [
            UsageReading("account", one, "", 100, NOW - SECOND, None, None, "x-ad-account-usage")
            for one in accounts
        ]
    )
    tables.sync_requests.add([row(f"r{one}{n}", one) for one in accounts for n in range(2)])
    with tables.connection() as connection:
        connection.execute(_COUNTED)
    assert Dispatcher(tables, Thresholds()).take(NOW) == []
    waiting = tables.sync_requests.open()
    assert len(waiting) == 40
    assert {one.state for one in waiting} == {"pending"}
    assert all(one.message and one.not_before for one in waiting)
    with tables.connection() as connection:
        counted = connection.execute("SELECT count(*) FROM meta_ads.counted_updates").fetchone()
    assert counted == (1,)
